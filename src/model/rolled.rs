//! What the fine buckets of one day came to, once they are no longer kept.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::observation::Parts;
use super::unit::Kind;

/// One series on one civil day of the KPI's zone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RolledDay {
    pub day: Date,
    /// How many buckets of the day had a value.
    pub buckets: u32,
    /// The sum of their values.
    pub total: f64,
    /// NaN, as the highest and the last, where none was defined.
    pub low: f64,
    pub high: f64,
    /// The value of the newest of them.
    pub last: f64,
    /// The sums of both halves, of ratios that have them.
    pub parts: Option<Parts>,
    /// When the last of them became known.
    pub known_at: Timestamp,
}

impl RolledDay {
    /// The day's own value: flows add up, ratios are of the sums of their halves, of levels and windows it is the last.
    /// NaN for a ratio whose denominators add up to zero; a ratio without halves has its last value.
    pub fn value(&self, kind: Kind) -> f64 {
        match (kind, &self.parts) {
            (Kind::Flow, _) => self.total,
            (Kind::Ratio, Some(parts)) if parts.denominator == 0.0 => f64::NAN,
            (Kind::Ratio, Some(parts)) => parts.numerator / parts.denominator,
            (Kind::Ratio, None) | (Kind::Level { .. } | Kind::Window, _) => self.last,
        }
    }
}
