//! `vigie new`: drafts entries of the configuration from what their sources say.

mod args;
mod command;
mod figures;
mod look;
mod movement;
mod proposal;
mod propose;
mod rule;
#[cfg(test)]
mod tests;
mod times;

pub(super) use args::NewCommand;
pub(super) use command::new;
