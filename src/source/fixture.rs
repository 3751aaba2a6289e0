//! KPIs and requests for the tests of all sources.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::request::PullRequest;
use crate::model::grain::Grain;
use crate::model::kpi::{Empty, Kpi, Lateness, Quality, Query};
use crate::model::schedule::Schedule;
use crate::model::unit::{Category, Direction, Kind, Unit};

/// A daily flow in Paris.
pub(super) fn kpi(query: Query) -> Kpi {
    Kpi {
        id: "revenue".into(),
        title: "Revenue".into(),
        category: Category::Financial,
        unit: Unit::Currency("EUR".into()),
        better: Direction::Higher,
        kind: Kind::Flow,
        grain: Grain::Day,
        zone: TimeZone::get("Europe/Paris").unwrap(),
        calendar: Arc::default(),
        source: "shop".into(),
        query,
        dimensions: Vec::new(),
        schedule: schedule(),
        expected: Lateness::Workdays(1),
        settle: SignedDuration::ZERO,
        history: SignedDuration::from_hours(24 * 30),
        keep: jiff::SignedDuration::from_hours(24 * 400),
        recheck: None,
        empty: Empty::Missing,
        complete: 0.8,
        quality: Quality::default(),
        reconcile: None,
        since: None,
        owner: None,
    }
}

fn schedule() -> Schedule {
    Schedule::parse("daily 06:15").unwrap()
}

/// The civil days `from..=to` of a KPI, asked at noon of the day after.
pub(super) fn request(kpi: Kpi, from: &str, to: &str) -> PullRequest {
    let zone = kpi.zone.clone();
    let at = |index| kpi.grain.start_of(index, &zone);
    let (from, to): (jiff::civil::Date, jiff::civil::Date) = (from.parse().unwrap(), to.parse().unwrap());
    let from = at(kpi.grain.index_of_date(from));
    let to = at(kpi.grain.index_of_date(to) + 1);
    let now = to + SignedDuration::from_hours(12);
    PullRequest {
        window: None,
        kpi: Arc::new(kpi),
        from,
        to,
        now,
        deadline: Duration::from_secs(10),
        tries_max: 3,
        shared: Arc::default(),
    }
}

pub(super) fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}
