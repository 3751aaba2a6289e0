//! Logs to stderr, and the figures that Prometheus scrapes.

mod figures;
mod in_force;
mod log;
mod metrics;
#[cfg(test)]
mod metrics_tests;

pub use log::{Lines, check_level, init, set_level};
pub use metrics::{FailureReason, MetricNames, Metrics, PullEnd};
