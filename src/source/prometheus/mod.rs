//! Prometheus and what speaks its query API (Thanos, Mimir, VictoriaMetrics).

mod answer;
mod config;
mod plan;
mod pull;

pub use config::{PrometheusConfig, PrometheusSource};
