//! What a source said (readings), and what was made of it (observations).

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::grain::{BucketIndex, Grain, start_of_day};
use super::ids::{Labels, SeriesKey};

/// When a reading holds, as precisely as the source said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingTime {
    /// An absolute instant.
    Instant(Timestamp),
    /// A civil date and time without zone: the KPI's zone is meant.
    Local(DateTime),
    /// A civil day, ISO week start or month start.
    Date(Date),
}

impl ReadingTime {
    /// The instant meant, with local times in the KPI's zone (a skipped one right after the gap,
    /// a repeated one the first time).
    pub fn instant(self, zone: &TimeZone) -> Timestamp {
        match self {
            ReadingTime::Instant(at) => at,
            ReadingTime::Local(local) => zone.to_timestamp(local).unwrap_or(Timestamp::MIN),
            ReadingTime::Date(date) => start_of_day(date, zone),
        }
    }

    /// The bucket it falls in.
    pub fn bucket(self, grain: Grain, zone: &TimeZone) -> BucketIndex {
        match self {
            ReadingTime::Date(date) if grain.is_civil() => grain.index_of_date(date),
            ReadingTime::Local(local) if grain.is_civil() => grain.index_of_date(local.date()),
            ReadingTime::Instant(_) | ReadingTime::Local(_) | ReadingTime::Date(_) => {
                grain.index_at(self.instant(zone), zone)
            }
        }
    }
}

/// What stood in the value's place.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadingValue {
    Number(f64),
    /// A ratio's two halves, and the sample size where the source knows one.
    Parts(Parts),
    /// NULL, NaN, an empty cell: nothing was said.
    Absent,
    /// Something that is no number; the text is cut to a bound by the source.
    Unreadable(String),
    /// A number beside the mark of another currency than the KPI's: the cell, cut likewise, and that currency's code.
    Foreign {
        raw: String,
        currency: String,
    },
}

/// One raw statement of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub time: ReadingTime,
    pub labels: Labels,
    pub value: ReadingValue,
    /// Where it stood, for messages: `exports/mai.csv:14`, `row 3`.
    pub origin: String,
}

/// Everything one pull brought.
#[derive(Clone, Debug, Default)]
pub struct Pull {
    pub readings: Vec<Reading>,
    /// False when the source said or showed that data is missing (warnings, truncation).
    pub complete: bool,
    /// Why it is not complete, or what else the source warned of. Free of secrets.
    pub warnings: Vec<String>,
    /// Rows whose time lies outside of what was asked for, and that were passed over.
    pub outside: usize,
}

/// Numerator and denominator of a ratio, with the sample size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    pub numerator: f64,
    pub denominator: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<f64>,
}

impl Parts {
    /// The ratio, unless the denominator is zero.
    pub fn ratio(&self) -> Option<f64> {
        (self.denominator != 0.0).then(|| self.numerator / self.denominator)
    }

    pub fn pooled_with(&self, other: &Parts) -> Parts {
        Parts {
            numerator: self.numerator + other.numerator,
            denominator: self.denominator + other.denominator,
            n: match (self.n, other.n) {
                (None, None) => None,
                (a, b) => Some(a.unwrap_or(0.0) + b.unwrap_or(0.0)),
            },
        }
    }
}

/// A validated number of one series for one bucket, or that there is none any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    pub series: SeriesKey,
    pub bucket: BucketIndex,
    /// NaN with `parts` stands for a ratio whose denominator was zero: the bucket came, its ratio is undefined. NaN
    /// without is a version that says that the bucket has no value ([`Observation::withdraws`]).
    pub value: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// Younger than the KPI's `settle`: it may still change and is pulled again.
    pub provisional: bool,
    pub known_at: Timestamp,
    /// `known_at` was assumed (catch-up, back-fill), not witnessed.
    pub assumed: bool,
}

impl Observation {
    /// Says that a bucket which had a value has none any more.
    pub fn withdrawn(series: SeriesKey, bucket: BucketIndex, known_at: Timestamp) -> Observation {
        let value = f64::NAN;
        Observation { series, bucket, value, parts: None, provisional: false, known_at, assumed: false }
    }

    /// True for a version that takes the bucket's value away: the source has it no more, or it is not believed.
    pub fn withdraws(&self) -> bool {
        self.value.is_nan() && self.parts.is_none()
    }
}

/// A reading that was refused, with the cause, for `status` and `query`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejection {
    pub origin: String,
    pub raw: String,
    pub cause: String,
}
