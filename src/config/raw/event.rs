//! Events of the business.

use indexmap::IndexMap;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::scalar::Written;

/// Something that explains figures: a strike, a stock-take, a promotion, a price change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawEvent {
    /// What it is, as messages show it. Example: `Grève des transports`.
    pub name: String,
    /// First day, in the zone of each KPI. Example: `2026-11-24`.
    pub from: Written<Date>,
    /// Last day, included. Default: the first. Example: `2026-11-26`.
    pub to: Option<Written<Date>>,
    /// Ids of the KPIs that it touches. Default: all. Example: `[revenue]`.
    #[serde(default)]
    pub kpis: Vec<String>,
    /// Only series that carry these labels; the total carries none. Default: all series. Example: `{channel: web}`.
    #[serde(default)]
    pub labels: IndexMap<String, String>,
    /// Whether its days are no basis for comparison: a change against them can't be measured. Else the event only
    /// explains, in messages and to rules. Default: `false`.
    #[serde(default)]
    pub exclude: bool,
}
