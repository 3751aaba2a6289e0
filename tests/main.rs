//! Everything that needs nothing but the built program.

mod cli;
mod scenario;
mod tidy;
