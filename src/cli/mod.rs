//! The command line: one file per subcommand.
//!
//! Commands that look read the state database beside the daemon; commands that act go over its control socket.

mod ack;
mod alerts;
mod args;
mod ask;
mod assess;
mod audit;
mod backtest;
mod backup;
mod calendar;
mod check;
mod completions;
mod configuration;
mod connect;
mod deliveries;
pub mod demo;
mod doctor;
mod event;
mod execute;
mod explain;
mod feedback;
mod forecast;
#[doc(hidden)]
pub mod fuzzing;
mod habits;
mod held;
mod instant;
mod man;
mod new;
mod objectives;
mod output;
mod progress;
mod pull;
mod query;
mod record;
mod restore;
mod rows;
mod rules;
mod schema;
mod send;
mod silence;
mod snooze;
mod source;
mod state;
mod status;
mod suspect;
mod test;
mod verdicts;

pub use args::{Args, Command};
pub use configuration::Refused;
pub use execute::execute;
