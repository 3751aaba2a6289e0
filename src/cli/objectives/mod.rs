//! `vigie objectives`: how they stand, how past periods ended, those of the next year, and targets out of reach.

mod args;
mod command;
mod edit;
mod known;
mod list;
mod outcomes;
mod retarget;
mod review;
mod roll;
mod show;

pub(super) use args::ObjectivesArgs;
pub(super) use command::objectives;
