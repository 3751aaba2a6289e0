//! Outside systems that numbers are pulled from: one folder per system, one enum over all.
//!
//! A source says what it was told, raw, as readings; judging them is `validate`'s.
//! A new source is a new folder, an arm in `system.rs`, the example configuration and the changelog.

mod cell;
mod csv;
mod error;
mod fec;
mod http_json;
mod labels;
mod manual;
mod prometheus;
mod request;
mod rows;
mod shared;
mod sql;
mod suggest;
mod system;

#[cfg(test)]
mod fixture;

pub use csv::{CsvConfig, CsvSource, Decimal, Overlap, Period, PeriodOverlap, Wide, XlsxConfig};
pub use error::SourceError;
pub use fec::{FecConfig, FecSource};
pub use http_json::{HttpJsonConfig, HttpJsonSource};
pub use manual::{ManualConfig, ManualSource, read_value};
pub use prometheus::{PrometheusConfig, PrometheusSource};
pub use request::{BuildContext, Capabilities, PullRequest, QueryForm};
pub use shared::Shared;
pub use sql::{SqlConfig, SqlSource};
pub use system::{Source, SourceConfig};
