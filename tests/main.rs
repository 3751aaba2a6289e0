//! Everything that needs nothing but the built program.

#![expect(clippy::unwrap_used, reason = "a test that meets an error it does not expect has failed")]

mod cli;
mod scenario;
mod tidy;
