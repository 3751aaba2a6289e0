//! Who is told what, when and why: routing, grouping, muting, deduplication, composing.
//!
//! Decisions compare what is with what each receiver was last told, so that nothing is lost when the
//! service stops between two of them.

mod compose;
mod decide;
mod group;
mod mute;
mod objective;
mod route;
mod section;
#[cfg(test)]
mod tests;

pub use compose::{Item, compose, drill};
pub use decide::{Desk, consider, flush, reminded, uncover};
pub use group::Groups;
pub use mute::silence_end;
pub use route::{Destination, destination, matches};
