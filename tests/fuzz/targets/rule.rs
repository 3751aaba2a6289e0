//! A rule's script and sidecar are compiled, and run on made-up figures.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    vigie::cli::fuzzing::rule(data);
});
