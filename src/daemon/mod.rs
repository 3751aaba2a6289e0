//! Joins the rim to the core: pulls when slots are due, steps, commits, sends, and listens to people.
//!
//! [`Cycle`] decides what is due and takes in what came of it, without waiting for anything itself.
//! [`run`] drives it by the wall clock with concurrent pulls and sends; [`Script`] drives the same
//! cycle by a clock that the caller moves.

mod build;
mod control;
mod cycle;
mod deliver;
mod engine_thread;
mod jobs;
mod run;
mod script;

pub use build::{Built, build};
pub use control::{Control, Incoming, Reply, Request, SendOutcome, Value, request};
pub use engine_thread::EngineThread;
pub use jobs::{Job, JobKind, PullOutcome};
