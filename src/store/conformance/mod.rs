//! What the store promises, checked against its API alone.

mod audit;
mod carried;
mod closed;
mod commits;
mod evaluations;
mod fixtures;
mod measure;
mod opening;
mod queue;
mod space;

pub(super) use space::{disk_is_full, is_locked, refuse_while_reserve_is_held, space_was_freed};
