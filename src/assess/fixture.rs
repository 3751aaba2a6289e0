//! KPIs, series and objectives for tests: a French calendar, Paris time, daily revenue.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Assessment;
use crate::model::calendar::Calendar;
use crate::model::grain::{BucketIndex, Grain};
use crate::model::ids::{Labels, SeriesKey};
use crate::model::kpi::{Empty, Kpi, Lateness, Quality, Query};
use crate::model::objective::{Measure, Objective, Target, Trajectory};
use crate::model::observation::{Observation, Parts};
use crate::model::period::PeriodSpec;
use crate::model::schedule::Schedule;
use crate::model::series::SeriesData;
use crate::model::unit::{Category, Direction, Kind, LevelOverTime, Unit};

pub(super) const LEVEL: Kind = Kind::Level { over_time: LevelOverTime::Last, additive: false };

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn kpi(kind: Kind, grain: Grain) -> Kpi {
    Kpi {
        id: "revenue".into(),
        title: "Chiffre d'affaires".into(),
        category: Category::Financial,
        unit: Unit::Currency("EUR".into()),
        better: Direction::Higher,
        kind,
        grain,
        zone: TimeZone::get("Europe/Paris").unwrap(),
        calendar: Arc::new(Calendar::french()),
        source: "shop".into(),
        query: Query::Text(String::new()),
        dimensions: Vec::new(),
        schedule: Schedule::parse("daily 06:15").unwrap(),
        expected: Lateness::Elapsed(SignedDuration::from_hours(12)),
        settle: SignedDuration::ZERO,
        history: SignedDuration::from_hours(24 * 400),
        keep: SignedDuration::from_hours(24 * 800),
        recheck: None,
        empty: Empty::Missing,
        complete: 0.8,
        quality: Quality::default(),
        reconcile: None,
        since: None,
        owner: Some("claire".into()),
    }
}

/// One series being filled.
#[derive(Clone)]
pub(super) struct Series {
    pub(super) kpi: Kpi,
    data: SeriesData,
}

impl Series {
    pub(super) fn new(kind: Kind, grain: Grain) -> Series {
        Series { kpi: kpi(kind, grain), data: SeriesData::default() }
    }

    pub(super) fn daily(kind: Kind) -> Series {
        Series::new(kind, Grain::Day)
    }

    pub(super) fn put_index(mut self, bucket: BucketIndex, value: f64, provisional: bool) -> Series {
        self.data.put(&self.observation(bucket, value, None, provisional));
        self
    }

    pub(super) fn put(self, day: Date, value: f64) -> Series {
        let index = self.kpi.grain.index_of_date(day);
        self.put_index(index, value, false)
    }

    pub(super) fn provisional(self, day: Date, value: f64) -> Series {
        let index = self.kpi.grain.index_of_date(day);
        self.put_index(index, value, true)
    }

    pub(super) fn ratio(mut self, day: Date, numerator: f64, denominator: f64) -> Series {
        let parts = Parts { numerator, denominator, n: None };
        let value = parts.ratio().unwrap_or(f64::NAN);
        self.data.put(&self.observation(self.kpi.grain.index_of_date(day), value, Some(parts), false));
        self
    }

    /// The same value in every bucket from the one of `from` to the one of `to`.
    pub(super) fn fill(mut self, from: Date, to: Date, value: f64) -> Series {
        let grain = self.kpi.grain;
        for index in grain.index_of_date(from)..=grain.index_of_date(to) {
            self = self.put_index(index, value, false);
        }
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Kpi)) -> Series {
        change(&mut self.kpi);
        self
    }

    pub(super) fn assess(&self, now: &str, objective: Option<Objective>) -> Assessment {
        let (kpi, data) = (Arc::new(self.kpi.clone()), Arc::new(self.data.clone()));
        Assessment::new(kpi, Labels::total(), data, objective.map(Arc::new), at(now))
    }

    pub(super) fn data(&self) -> &SeriesData {
        &self.data
    }

    fn observation(&self, bucket: BucketIndex, value: f64, parts: Option<Parts>, provisional: bool) -> Observation {
        let series = SeriesKey::total(&self.kpi.id);
        Observation { series, bucket, value, parts, provisional, known_at: Timestamp::UNIX_EPOCH, assumed: false }
    }
}

/// An objective per month.
pub(super) fn monthly(measure: Measure, target: Target, trajectory: Trajectory) -> Objective {
    Objective {
        id: "revenue-month".into(),
        kpi: "revenue".into(),
        labels: Labels::total(),
        statement: "400 000 € par mois".into(),
        target: target.into(),
        measure,
        period: PeriodSpec::Month,
        trajectory,
        baseline: None,
        hold: None,
        axis: Some("croissance".into()),
        owner: None,
        actions: Vec::new(),
    }
}

#[track_caller]
pub(super) fn close(actual: Result<f64, crate::model::assessment::Unmeasurable>, expected: f64) {
    let actual = actual.unwrap();
    assert!((actual - expected).abs() < 1e-9 * expected.abs().max(1.0), "{actual} is not {expected}");
}
