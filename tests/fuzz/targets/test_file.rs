//! A test file does what `vigie test` makes of it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    vigie::cli::fuzzing::test_file(data);
});
