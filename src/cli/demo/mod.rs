//! The demo: a French company whose last weeks are played before your eyes.
//!
//! Leaves evaluating and sending to the same engine, store and channels as `run`.

mod company;
mod days;
mod operations;
mod orders;
mod run;
mod story;

pub use company::{CONFIGURATION, generate};
pub use run::{DemoOptions, run};
pub use story::{REPLAY_DAYS, Story};
