//! Everything that needs nothing but the built program.

#![expect(clippy::unwrap_used, reason = "a test that meets an error it does not expect has failed")]

mod cli;
mod fuzz;
#[expect(clippy::print_stdout, reason = "the share of each rule and the survivors are shown")]
mod mutation;
#[expect(clippy::print_stdout, reason = "each seed is shown, for the summary of the long runs")]
mod scenario;
mod tidy;
