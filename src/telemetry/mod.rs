//! Logs to stderr, and the figures that Prometheus scrapes.

mod figures;
mod log;
mod metrics;

pub use log::{Lines, check_level, init, set_level};
pub use metrics::{FailureReason, MetricNames, Metrics, PullEnd};
