//! The assessment itself: its inputs, and the parts that are kept once computed.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::events::KnownEvents;
use super::freshness::find_current;
use super::lessons::Lessons;
use super::objective::{Standing, find_period};
use super::passage::Passages;
use super::window::Span;
use crate::model::assessment::{Measured, Unmeasurable};
use crate::model::grain::{Bucket, BucketIndex};
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::objective::{Objective, Target};
use crate::model::period::Period;
use crate::model::series::{Point, SeriesData};

/// What is known about one series, and its objective, at one instant.
///
/// Making one costs a few moves; each getter computes what it needs and keeps what is dear.
#[derive(Debug)]
pub struct Assessment {
    pub kpi: Arc<Kpi>,
    pub labels: Labels,
    pub data: Arc<SeriesData>,
    pub objective: Option<Arc<Objective>>,
    pub now: Timestamp,
    /// Buckets that may still change don't count: the newest final one is the current one.
    pub(super) final_only: bool,
    /// An older current bucket than this one is late.
    pub(super) not_before: Option<BucketIndex>,
    passages: Arc<Passages>,
    lessons: Arc<Lessons>,
    /// None: nothing of note is known.
    pub(super) events: Option<KnownEvents>,
    current: OnceLock<Measured<Point>>,
    period: OnceLock<Measured<Period>>,
    pub(super) target: OnceLock<Measured<Target>>,
    /// Of the period that it was first asked for, which is nearly always the one under way.
    pub(super) baseline: OnceLock<(Period, Measured<f64>)>,
    /// Buckets that events take out of every comparison.
    pub(super) excluded: OnceLock<Arc<[Span]>>,
    standing: OnceLock<Measured<Standing>>,
}

impl Assessment {
    pub fn new(
        kpi: Arc<Kpi>,
        labels: Labels,
        data: Arc<SeriesData>,
        objective: Option<Arc<Objective>>,
        now: Timestamp,
    ) -> Assessment {
        Assessment {
            kpi,
            labels,
            data,
            objective,
            now,
            final_only: false,
            not_before: None,
            passages: Arc::default(),
            lessons: Arc::default(),
            events: None,
            current: OnceLock::new(),
            period: OnceLock::new(),
            target: OnceLock::new(),
            baseline: OnceLock::new(),
            excluded: OnceLock::new(),
            standing: OnceLock::new(),
        }
    }

    /// Judges final buckets only, as rules do that don't ask for provisional ones.
    pub fn final_only(mut self) -> Assessment {
        self.final_only = true;
        self
    }

    /// Reckons periods together with other series of its KPI.
    pub fn sharing(mut self, passages: &Arc<Passages>) -> Assessment {
        self.passages = passages.clone();
        self
    }

    /// For a figure that is read beside another: of the same grain it must be of the same bucket, or a newer one.
    pub fn beside(self, other: &Assessment) -> Assessment {
        let same = self.kpi.grain == other.kpi.grain;
        let not_before = other.current().ok().filter(|_| same).map(|point| point.index);
        Assessment { not_before, ..self }
    }

    /// The newest bucket that counts at this instant. Buckets that have ended but are not due yet
    /// are waited for, and so are holes once a later bucket has come.
    pub fn current(&self) -> Measured<Point> {
        self.current.get_or_init(|| find_current(self)).clone()
    }

    /// The value of the current bucket.
    pub fn value(&self) -> Measured<f64> {
        value_of(self.current()?)
    }

    /// The same as it stood when that bucket of the period was its newest one: what is there of later buckets is not read.
    pub(super) fn stood_at(&self, newest: Point) -> Measured<Assessment> {
        Ok(Assessment {
            kpi: self.kpi.clone(),
            labels: self.labels.clone(),
            data: self.data.clone(),
            objective: self.objective.clone(),
            now: self.bucket(newest.index).end,
            final_only: self.final_only,
            not_before: None,
            passages: self.passages.clone(),
            lessons: self.lessons.clone(),
            events: self.events.clone(),
            current: OnceLock::from(Ok(newest)),
            period: OnceLock::from(Ok(self.period()?)),
            target: OnceLock::from(self.target_now()),
            baseline: self.baseline.clone(),
            excluded: self.excluded.clone(),
            standing: OnceLock::new(),
        })
    }

    pub fn current_bucket(&self) -> Measured<Bucket> {
        Ok(self.bucket(self.current()?.index))
    }

    /// The value of the newest bucket present before the current one.
    pub fn previous(&self) -> Measured<f64> {
        let current = self.current()?;
        let before = self.data.range(BucketIndex::MIN, current.index - 1).next_back();
        value_of(before.ok_or(Unmeasurable::NoHistory)?)
    }

    /// True when the current bucket may still change.
    pub fn is_provisional(&self) -> bool {
        self.current().is_ok_and(|point| point.provisional)
    }

    /// The period under way: the one that holds the first day of the current bucket (of the newest
    /// overdue bucket while the data is late).
    pub fn period(&self) -> Measured<Period> {
        self.period.get_or_init(|| find_period(self)).clone()
    }

    /// Keeps what it learns beside what others have learned.
    pub fn learning(mut self, lessons: &Arc<Lessons>) -> Assessment {
        self.lessons = lessons.clone();
        self
    }

    pub(super) fn lessons(&self) -> &Lessons {
        &self.lessons
    }

    pub(super) fn passages(&self) -> &Passages {
        &self.passages
    }

    pub(super) fn bucket(&self, index: BucketIndex) -> Bucket {
        self.kpi.grain.bucket(index, &self.kpi.zone)
    }

    pub(super) fn standing(&self) -> Measured<&Standing> {
        self.standing.get_or_init(|| Standing::of(self)).as_ref().map_err(Clone::clone)
    }
}

/// A bucket's value; NaN stands for a ratio without denominator.
pub(super) fn value_of(point: Point) -> Measured<f64> {
    if point.value.is_nan() { Err(Unmeasurable::ZeroDenominator) } else { Ok(point.value) }
}

/// A quotient of two measured figures. A zero below is an accident of the data, never a fault of the rule that asks.
pub(super) fn quotient(numerator: f64, denominator: f64) -> Measured<f64> {
    if denominator == 0.0 { Err(Unmeasurable::ZeroReference) } else { Ok(numerator / denominator) }
}

/// What no data can make sense of: a rule that asks for it has failed.
pub(super) fn not_defined<T>(what: &str) -> Measured<T> {
    Err(Unmeasurable::NotDefined { what: what.to_owned() })
}
