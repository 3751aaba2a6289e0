//! The life of an alert: one pure transition function over what a verdict says.

mod step;
#[cfg(test)]
mod tests;

pub use step::{Moment, Policy, Signal, Stepped, step};
