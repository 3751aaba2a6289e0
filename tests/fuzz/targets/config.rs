//! A configuration is read and resolved; what it describes is tried.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    vigie::cli::fuzzing::config(data);
});
