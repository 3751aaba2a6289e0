//! Joins the rim to the core: pulls when slots are due, steps, commits, sends, and listens to people.
//!
//! [`Cycle`] decides what is due and takes in what came of it, without waiting for anything itself.
//! [`run()`] drives it by the wall clock with concurrent pulls and sends; [`Script`] drives the same
//! cycle by a clock that the caller moves.

mod asked;
mod begin;
mod breaker;
mod build;
mod control;
mod cycle;
mod deliver;
mod drill;
mod drive;
mod engine_thread;
mod gate;
mod heartbeat;
mod jobs;
mod noted;
mod plan;
mod record;
mod reload;
mod replay;
mod requests;
mod retention;
mod run;
mod said;
mod script;
mod space;
mod stepping;
mod supervise;
#[cfg(test)]
mod tests;

pub use build::{Built, build, build_covered, build_rules, find_script};
pub use control::{Control, Incoming, Queued, Reply, Request, SendOutcome as DrillOutcome, Value, own_name, request};
pub use cycle::{Cycle, CycleError};
#[cfg(feature = "seeded-bugs")]
pub use deliver::DeliveryBug;
pub use deliver::{Send, SendOutcome};
pub use drill::{Drills, drills, send_drills};
pub use drive::{Driver, Signals};
pub use engine_thread::EngineThread;
pub use gate::{Gate, GateState, Paused, Refusal, Visit};
pub use jobs::{Job, JobKind, PullOutcome, retry_at, span};
pub use plan::known_series;
pub use replay::{Lived, lived, report_of};
pub use run::{CONFIGURATION_ERROR, RunOptions, run};
pub use script::{Point, Script};
