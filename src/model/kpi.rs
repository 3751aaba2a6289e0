//! The definition of a KPI, as the configuration resolved it.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::formula::Formula;
use super::grain::{BucketIndex, Grain, day_of, start_of_day};
use super::http_query::HttpQuery;
use super::ids::{KpiId, PersonId, SourceId};
use super::ledger_query::LedgerQuery;
use super::period::PeriodSpec;
use super::schedule::Schedule;
use super::unit::{Category, Direction, Kind, Unit};

/// Buckets this far behind the newest are still waited for: data comes late. Older ones are history.
pub const LATE_BUCKETS: BucketIndex = 14;

/// A named indicator.
#[derive(Clone, Debug)]
pub struct Kpi {
    pub id: KpiId,
    pub title: String,
    pub category: Category,
    pub unit: Unit,
    pub better: Direction,
    pub kind: Kind,
    pub grain: Grain,
    pub zone: TimeZone,
    pub calendar: Arc<Calendar>,
    pub source: SourceId,
    pub query: Query,
    /// For windows that an objective looks at: asked for from the start of the period that holds a bucket up to the
    /// bucket's end. None: for the bucket alone.
    pub since: Option<PeriodSpec>,
    pub dimensions: Vec<String>,
    pub schedule: Schedule,
    /// How long after a bucket's end its value may take to come; later is late.
    pub expected: Lateness,
    /// Buckets younger than this are provisional and pulled again.
    pub settle: SignedDuration,
    /// How far back the first start pulls.
    pub history: SignedDuration,
    /// How far back buckets are kept; at least as far as `history`.
    pub keep: SignedDuration,
    /// When the past is pulled once more, and how far back, for sources that restate it.
    pub recheck: Option<Recheck>,
    pub empty: Empty,
    /// Share of the due buckets (0 to 1) from which a span counts as measurable.
    pub complete: f64,
    pub quality: Quality,
    /// The KPI that should say the same.
    pub reconcile: Option<Reconcile>,
    pub owner: Option<PersonId>,
}

impl Kpi {
    /// A bucket as people name it, in the KPI's zone; see [`Grain::name`].
    pub fn bucket_name(&self, index: BucketIndex) -> String {
        self.grain.name(index, &self.zone)
    }

    /// The formula, where the KPI is computed from others.
    pub fn formula(&self) -> Option<&Formula> {
        match &self.query {
            Query::Formula(formula) => Some(formula),
            Query::Text(_) | Query::Table(_) | Query::Http(_) | Query::Ledger(_) | Query::Entered => None,
        }
    }

    /// The KPIs whose figures its own hang on: those it is computed from, and the one it is compared with.
    pub fn hangs_on(&self) -> impl Iterator<Item = &KpiId> {
        let compared = self.reconcile.iter().map(|reconcile| &reconcile.with);
        self.formula().into_iter().flat_map(Formula::inputs).chain(compared)
    }

    /// What the source is asked for at once to fill a bucket of a window; none outside a single period.
    pub fn window_of(&self, index: BucketIndex) -> Option<(Timestamp, Timestamp)> {
        let bucket = self.grain.bucket(index, &self.zone);
        let Some(since) = &self.since else { return Some((bucket.start, bucket.end)) };
        let period = since.holding(day_of(bucket.start, &self.zone))?;
        // A week may reach into the next month, which is another period's.
        let end = start_of_day(period.last.saturating_add(1.day()), &self.zone);
        Some((start_of_day(period.first, &self.zone), bucket.end.min(end)))
    }
}

/// What a source is asked. Text for SQL and PromQL, columns for tables, a request for HTTP APIs, accounts for ledgers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    Text(String),
    Table(TableQuery),
    Http(Box<HttpQuery>),
    /// Nothing is asked: it is computed from other KPIs.
    Formula(Arc<Formula>),
    Ledger(Box<LedgerQuery>),
    /// Nothing: people enter the figures.
    Entered,
}

/// Which columns of a table are time, value and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableQuery {
    pub time: String,
    pub value: Option<String>,
    pub numerator: Option<String>,
    pub denominator: Option<String>,
    pub n: Option<String>,
    pub labels: Vec<String>,
}

/// A stretch of time after a bucket's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lateness {
    /// Clock time.
    Elapsed(SignedDuration),
    /// The value must be there by the end of that many working days after the bucket.
    Workdays(u32),
}

/// A look at the past, with the first slot of each day, week or month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recheck {
    pub every: RecheckEvery,
    pub back: SignedDuration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecheckEvery {
    Day,
    Week,
    Month,
}

impl RecheckEvery {
    /// True when the two days lie in different days, ISO weeks or months.
    pub fn parts(self, one: Date, other: Date) -> bool {
        match self {
            RecheckEvery::Day => one != other,
            RecheckEvery::Week => {
                let week = |day: Date| (day.iso_week_date().year(), day.iso_week_date().week());
                week(one) != week(other)
            }
            RecheckEvery::Month => (one.year(), one.month()) != (other.year(), other.month()),
        }
    }
}

/// What an absent bucket means after a complete, successful pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Empty {
    Zero,
    Missing,
}

/// Another KPI that says the same by another way: the shop's revenue and the accountant's.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconcile {
    pub with: KpiId,
    /// How far apart they may be, as a share of the other's value.
    pub within: f64,
}

/// Limits outside which a value is refused or suspected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// How far a value may lie beyond the range of those before it, as a share (3.0: four times the highest, or a
    /// quarter of the lowest); further is suspect.
    pub max_jump: Option<f64>,
    /// True where dimension values may come and go as they like.
    pub ignores_vanished: bool,
}
