//! The tree of routes.

use indexmap::IndexMap;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;
use crate::config::scalar::Written;
use crate::model::alert::About;
use crate::model::notification::GroupBy;
use crate::model::unit::Category;
use crate::model::verdict::Severity;

/// The root: takes what no route below takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRoute {
    /// Id of the receiver.
    pub to: String,
    /// After this long without news a firing group is told again. Default: never. Example: `24h`.
    pub remind: Option<Written<SignedDuration>>,
    /// Which alerts share a message, and its timing.
    pub group: Option<RawGroup>,
    /// Routes below, tried in order; the first that matches takes the alert.
    #[serde(default)]
    pub routes: Vec<RawSubRoute>,
}

/// A route below another; what it leaves out it inherits.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSubRoute {
    /// Which alerts it takes; all conditions must hold.
    #[serde(rename = "match")]
    pub match_: RawMatch,
    /// Id of the receiver. Default: that of the route above.
    pub to: Option<String>,
    /// After this long without news a firing group is told again. Default: as the route above. Example: `24h`.
    pub remind: Option<Written<SignedDuration>>,
    /// Which alerts share a message, and its timing. Default: as the route above.
    pub group: Option<RawGroup>,
    /// Routes below, tried in order.
    #[serde(default)]
    pub routes: Vec<RawSubRoute>,
}

/// Conditions on an alert; each takes one value or a list.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMatch {
    /// `objective` (breaches), `data` (missing, failed, outage) or `system`.
    pub about: Option<OneOrMany<About>>,
    /// `financial`, `operational` or `customer`.
    pub category: Option<OneOrMany<Category>>,
    /// `info`, `warning` or `critical`.
    pub severity: Option<OneOrMany<Severity>>,
    /// Ids of KPIs.
    pub kpi: Option<OneOrMany<String>>,
    /// Ids of rules.
    pub rule: Option<OneOrMany<String>>,
    /// Ids of people.
    pub owner: Option<OneOrMany<String>>,
    /// Labels of the series. Example: `{channel: web}`.
    pub labels: Option<IndexMap<String, String>>,
}

/// Which alerts share a message, and when it goes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGroup {
    /// Values that alerts of one message share: `alert`, `rule`, `kpi`, `objective`, `labels`, `source`, `category`,
    /// `severity`. Default: `[kpi, objective]`; alerts of a source go by `source`.
    pub by: Option<Vec<GroupBy>>,
    /// How long a new group waits for company. Default: `30s`.
    pub wait: Option<Written<SignedDuration>>,
    /// Least time between two messages of one group. Default: `5m`.
    pub interval: Option<Written<SignedDuration>>,
}
