//! Any HTTP API that answers JSON: a request per KPI, paths into the answer, pages, credentials.

mod aggregate;
mod answer;
mod config;
mod oauth;
mod offline;
mod paging;
mod plan;
mod pull;
mod rows_path;
mod strict;
mod table;
mod template;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod oauth_tests;
#[cfg(test)]
mod paging_tests;

pub use config::{HttpJsonConfig, HttpJsonSource};
pub(in crate::source) use offline::pull_pages;
