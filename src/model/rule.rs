//! The definition of a rule as the configuration resolved it, without its compiled script.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::ids::{KpiId, Labels, RuleId};
use super::verdict::Severity;

/// A rule: a script, what it watches, its parameters and its patience.
#[derive(Clone, Debug)]
pub struct RuleDef {
    pub id: RuleId,
    /// `objective/off_trajectory`: below `rules/` beside the configuration, else shipped.
    pub script: String,
    /// The KPIs it runs on, selections already expanded.
    pub on: Vec<KpiId>,
    /// Which series of those KPIs.
    pub series: SeriesChoice,
    pub with: BTreeMap<String, ParamValue>,
    /// How long the breach must last; none: the script's sidecar, else at once.
    pub for_: Option<Patience>,
    /// How long calm must last before the alert ends or its level sinks.
    pub keep_firing_for: Option<Patience>,
    pub no_data: NoDataPolicy,
    /// Count provisional buckets too.
    pub use_provisional: bool,
    /// Judged, recorded and shown; nobody is told.
    pub shadow: bool,
}

/// Which series of a KPI a rule or objective binds to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SeriesChoice {
    #[default]
    Total,
    /// Every value of these dimensions, rolled up over the others (`each: channel`).
    Each(Vec<String>),
    /// The series with just these labels, rolled up over the other dimensions (`where: {channel: web}`).
    Where(Labels),
}

impl SeriesChoice {
    /// True for the series chosen: exactly those dimensions, not more and not fewer.
    pub fn covers(&self, labels: &Labels) -> bool {
        match self {
            SeriesChoice::Total => labels.is_total(),
            SeriesChoice::Where(wanted) => labels == wanted,
            SeriesChoice::Each(names) => {
                labels.count() == names.len() && names.iter().all(|name| labels.get(name).is_some())
            }
        }
    }
}

/// A parameter's value as configuration or sidecar gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum ParamValue {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

/// A stretch counted in new final buckets, or in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Patience {
    Buckets(u32),
    Elapsed(SignedDuration),
}

impl Patience {
    pub const NONE: Patience = Patience::Buckets(1);

    /// No waiting, not even for a bucket.
    pub const AT_ONCE: Patience = Patience::Elapsed(SignedDuration::ZERO);
}

/// When missing data becomes an alert of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoDataPolicy {
    /// Missed expected buckets before the alert opens.
    pub after: u32,
    pub severity: Severity,
}

impl Default for NoDataPolicy {
    fn default() -> Self {
        Self { after: 3, severity: Severity::Warning }
    }
}

impl Patience {
    /// Reads `2 buckets`, `1 bucket`, or a duration such as `90s 5m 2h 3d`.
    pub fn parse(text: &str) -> Result<Patience, String> {
        let wrong = || format!("'{text}' is neither a number of buckets nor a duration; write `2 buckets` or `36h`");
        let trimmed = text.trim();
        if let Some(count) = trimmed.strip_suffix("buckets").or_else(|| trimmed.strip_suffix("bucket")) {
            let count = count.trim().parse().map_err(|_| wrong())?;
            return if (1..=10_000).contains(&count) { Ok(Patience::Buckets(count)) } else { Err(wrong()) };
        }
        let split = trimmed.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let (count, unit) = trimmed.split_at(split);
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return Err(wrong()),
        };
        let count: i64 = count.trim().parse().map_err(|_| wrong())?;
        if !(0..=3_660 * 86_400).contains(&count.saturating_mul(seconds)) {
            return Err(wrong());
        }
        Ok(Patience::Elapsed(SignedDuration::from_secs(count * seconds)))
    }
}
