//! Everything that needs nothing but the built program.

mod cli;
mod tidy;
