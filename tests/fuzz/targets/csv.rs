//! A table is pulled.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    vigie::cli::fuzzing::csv(data);
});
