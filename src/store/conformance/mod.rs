//! What the store promises, checked against its API alone.

mod commits;
mod fixtures;
mod measure;
mod opening;
mod queue;
mod space;

pub(super) use space::space_was_freed;
