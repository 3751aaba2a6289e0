//! The life of an alert: one pure transition function, and the book of live alerts.

mod book;
mod step;
#[cfg(test)]
mod tests;

pub use book::Book;
pub use step::{Moment, Policy, Signal, Stepped, Written, step};
