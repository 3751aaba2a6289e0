//! An answer of an HTTP API becomes readings.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    vigie::cli::fuzzing::json(data);
});
