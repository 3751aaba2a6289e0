//! Joins assessment, rules, alerts and notification into one function, [`step()`]. No I/O, no clock.
//!
//! `run`, `demo` and tests call the same `step` under different clocks; there is no second copy of
//! any decision.

mod act;
mod closed;
mod correct;
mod entered;
mod evaluate;
mod event;
mod events;
mod facts;
mod formula;
mod history;
mod judge;
mod log;
mod moves;
mod outage;
mod past;
mod reconcile;
mod replay;
mod settle;
mod setup;
mod shape;
mod shown;
mod slot;
mod state;
mod step;
mod suspects;
#[cfg(test)]
mod tests;
mod trial;
mod vanished;
mod waiting;

pub use event::{Answer, DeliveryReport, Effects, Entered, Event, PullReport, PullTrouble, SlotEvent, Tally};
pub use formula::{awaited, computed, is_awaited, oldest_change};
pub use history::History;
pub use judge::{Judged, judge, judged_slot};
pub use past::{Doubt, Past, Track, Watch, undoubting};
pub use replay::{Missed, first_slots, known_by, missed, missed_slots};
pub use setup::{Setup, definition_of};
pub use shown::shown;
pub use state::State;
pub use step::{is_held, step};
pub use suspects::Suspects;
pub use trial::{FailedTrial, try_rules};
