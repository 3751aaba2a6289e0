//! What a picture of an objective shows, held against the figures of its message.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::Assessment;
use super::fixture::{LEVEL, Series, monthly};
use crate::model::assessment::Status;
use crate::model::course::{Course, CourseShape, Fan, Goal};
use crate::model::event::{BusinessEvent, EventDays};
use crate::model::grain::Grain;
use crate::model::ids::Labels;
use crate::model::objective::{Measure, Milestone, Objective, Target, Trajectory};
use crate::model::period::PeriodSpec;
use crate::model::unit::Kind;

const NOW: &str = "2026-11-16T05:15:00Z";

fn november(day: i8) -> Date {
    date(2026, 11, day)
}

/// Something between 0 and 1 that looks like chance.
fn chance(at: i64) -> f64 {
    let mixed = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f64 / f64::from(1 << 24)
}

/// Some hundred each working day, little on others, from January 2025 through that day.
fn sales(through: Date) -> Series {
    let mut series = Series::daily(Kind::Flow);
    let mut day = date(2025, 1, 1);
    while day <= through {
        let usual = if series.kpi.calendar.is_working_day(day) { 100.0 } else { 4.0 };
        let value = usual * (0.7 + 0.6 * chance(Grain::Day.index_of_date(day)));
        series = series.put(day, (value * 100.0).round() / 100.0);
        day = day.tomorrow().unwrap();
    }
    series
}

fn newest(figures: &[Option<f64>]) -> Option<f64> {
    figures.iter().rev().flatten().copied().next()
}

fn last_fan(course: &Course) -> Fan {
    course.landing.last().copied().flatten().expect("a landing")
}

#[track_caller]
fn near(one: f64, other: f64) {
    assert!((one - other).abs() <= 2e-5 * other.abs().max(1e-9), "{one} is not {other}");
}

/// What holds of every course.
#[track_caller]
fn sound(a: &Assessment) -> Course {
    let course = a.course().expect("a course");
    let steps = course.buckets.len();
    assert!(course.buckets.windows(2).all(|pair| pair[0] < pair[1]) && course.buckets[steps - 1] < course.end);
    let known = course.actual.len();
    assert_eq!(newest(&course.actual), a.actual().ok());
    if let Some(expected) = course.expected.get(known - 1) {
        assert_eq!(*expected, a.expected().ok());
    }
    for (at, fan) in course.landing.iter().enumerate() {
        assert_eq!(fan.is_some(), at >= known, "{at}");
        if let Some(fan) = fan {
            assert!(fan.low <= fan.mean && fan.mean <= fan.high, "{fan:?}");
        }
    }
    if known < steps && !course.landing.is_empty() {
        let exact = Fan { mean: a.projected().unwrap(), low: a.low().unwrap(), high: a.high().unwrap() };
        assert_eq!(last_fan(&course), exact.rounded());
    }
    course
}

#[test]
fn a_sum_runs_from_nothing_to_its_landing() {
    for trajectory in [Trajectory::Learned, Trajectory::WorkingDays, Trajectory::Linear] {
        let objective = monthly(Measure::Sum, Target::Reach(2_400.0), trajectory.clone());
        let a = sales(november(15)).assess(NOW, Some(objective));
        let course = sound(&a);
        assert_eq!((course.shape, course.buckets.len(), course.actual.len()), (CourseShape::Cumulated, 30, 15));
        assert_eq!((course.target, course.now), (Some(Goal::At(2_400.0)), Some(date(2026, 11, 16).at(6, 15, 0, 0))));
        near(newest(&course.expected).unwrap(), 2_400.0);
        assert!(course.expected.windows(2).all(|pair| pair[0] <= pair[1]), "{trajectory:?}");
        assert!(course.actual.windows(2).all(|pair| pair[0] <= pair[1]));
        // The interval opens from the newest figure on.
        let widths: Vec<f64> = course.landing.iter().flatten().map(|fan| fan.high - fan.low).collect();
        assert!(widths[..14].windows(2).all(|pair| pair[0] <= pair[1] + 0.01), "{widths:?}");
        assert!(widths[0] < 0.6 * widths[14] && widths[13] < 1.05 * widths[14], "{widths:?}");
        assert!(course.landing.iter().flatten().all(|fan| fan.low >= a.actual().unwrap() - 10.0));
        // The first is a Sunday, the eleventh a holiday.
        let closed: Vec<usize> = (0..30).filter(|at| course.closed[*at]).map(|at| at + 1).collect();
        assert_eq!(closed, [1, 7, 8, 11, 14, 15, 21, 22, 28, 29]);
    }
}

#[test]
fn the_forecast_follows_what_days_are_learned_to_bring() {
    let objective = monthly(Measure::Sum, Target::Reach(2_400.0), Trajectory::Linear);
    let course = sound(&sales(november(15)).assess(NOW, Some(objective)));
    let mean = |day: usize| course.landing[day - 1].unwrap().mean;
    // From Friday 20 to Sunday 22 next to nothing comes, on Monday 23 a day's worth.
    assert!(mean(22) - mean(20) < 0.2 * (mean(23) - mean(22)), "{} {} {}", mean(20), mean(22), mean(23));
}

#[test]
fn nothing_that_comes_later_is_used() {
    let objective = || monthly(Measure::Sum, Target::Reach(2_400.0), Trajectory::Learned);
    let then = sales(november(15)).assess(NOW, Some(objective()));
    let later = sales(november(30)).assess(NOW, Some(objective()));
    assert_eq!(then.course(), later.course());
    assert_eq!(then.course().unwrap().actual.len(), 15);
}

#[test]
fn milestones_bend_what_is_expected() {
    let milestones = vec![Milestone { by: november(10), value: 300.0 }];
    let objective = monthly(Measure::Sum, Target::Reach(2_400.0), Trajectory::Milestones(milestones));
    let course = sound(&sales(november(15)).assess(NOW, Some(objective)));
    near(course.expected[9].unwrap(), 300.0);
    near(course.expected[29].unwrap(), 2_400.0);
}

#[test]
fn a_band_goes_one_way() {
    let objective = monthly(Measure::Sum, Target::Between(2_000.0, 2_400.0), Trajectory::Linear);
    let course = sound(&sales(november(15)).assess(NOW, Some(objective)));
    assert_eq!(course.target, Some(Goal::Between(2_000.0, 2_400.0)));
    let end = newest(&course.expected).unwrap();
    assert!(
        course
            .expected
            .iter()
            .enumerate()
            .all(|(at, figure)| { (figure.unwrap() - end * (at as f64 + 1.0) / 30.0).abs() < 1e-4 * end })
    );
}

#[test]
fn ratios_pool_and_levels_stand() {
    let mut series = Series::daily(Kind::Ratio);
    let mut day = date(2026, 5, 1);
    while day <= november(15) {
        let orders = if series.kpi.calendar.is_working_day(day) { 400.0 } else { 40.0 };
        series = series.ratio(day, (orders * (0.88 + 0.08 * chance(Grain::Day.index_of_date(day)))).round(), orders);
        day = day.tomorrow().unwrap();
    }
    let objective = monthly(Measure::Pooled, Target::AtLeast(0.95), Trajectory::Linear);
    let course = sound(&series.assess(NOW, Some(objective)));
    assert_eq!((course.shape, course.expected.len()), (CourseShape::Level, 0));
    assert!(last_fan(&course).mean > 0.88 && last_fan(&course).high < 0.96, "{:?}", last_fan(&course));
    // What is pooled to date barely moves with one more day.
    let first = course.landing[15].unwrap();
    assert!((first.mean - newest(&course.actual).unwrap()).abs() < 0.01, "{first:?}");

    let level = |day: Date| 50.0 + 10.0 * chance(Grain::Day.index_of_date(day));
    let days = (0..200).map(|back: i64| november(15).saturating_sub(back.days()));
    let series =
        days.filter(|day| *day != november(7)).fold(Series::daily(LEVEL), |series, day| series.put(day, level(day)));
    let objective = monthly(Measure::AtEnd, Target::Between(40.0, 45.0), Trajectory::Linear);
    let course = sound(&series.assess(NOW, Some(objective)));
    near(course.actual[2].unwrap(), level(november(3)));
    assert_eq!(course.actual[6], None);
    // Each bucket by itself: the last one decides, and lands like a figure that stands.
    let each = monthly(Measure::Each, Target::AtLeast(40.0), Trajectory::Linear);
    let at_end = Objective { measure: Measure::AtEnd, ..each.clone() };
    let landing = |objective| sound(&series.assess(NOW, Some(objective))).landing;
    assert_eq!(landing(each), landing(at_end));
    // People who stand in a shop on Sundays are not closed.
    assert!(course.closed.iter().all(|closed| !closed));
}

#[test]
fn there_is_no_picture_without_a_period_or_without_data() {
    let objective = || monthly(Measure::Sum, Target::Reach(2_400.0), Trajectory::Learned);
    assert_eq!(sales(november(15)).assess(NOW, None).course(), None);
    assert_eq!(sales(date(2026, 10, 30)).assess(NOW, Some(objective())).course(), None);
    let over = sales(november(30)).assess("2026-12-01T00:10:00Z", Some(objective()));
    assert_eq!(over.status(), Status::Missed);
    let course = sound(&over);
    assert_eq!((course.actual.len(), course.landing.len(), course.now), (30, 0, None));
}

#[test]
fn events_of_the_period_are_marked_also_those_ahead() {
    let event = |name: &str, from: Date, to: Date| {
        let (name, labels) = (name.to_owned(), Labels::total());
        let what = EventDays { name, from, to, kpis: Vec::new(), labels, exclude: false };
        std::sync::Arc::new(BusinessEvent { id: "e".into(), what, by: None, known_at: None, removed_at: None })
    };
    let events = [
        event("Black Friday", november(27), november(27)),
        event("Grève", date(2026, 10, 28), november(3)),
        event("Noël", date(2026, 12, 24), date(2026, 12, 25)),
    ];
    let objective = monthly(Measure::Sum, Target::Reach(2_400.0), Trajectory::Learned);
    let a = sales(november(15)).assess(NOW, Some(objective)).with_events(Some(events.as_slice().into()));
    let marked: Vec<(Date, String)> =
        a.course().unwrap().events.into_iter().map(|event| (event.on, event.name)).collect();
    assert_eq!(marked, [(november(1), "Grève".to_owned()), (november(27), "Black Friday".to_owned())]);
}

/// How many steps a period has, and the bytes of what goes through the outbox.
fn size(grain: Grain, period: PeriodSpec, from: Date) -> (usize, usize) {
    let mut series = Series::new(Kind::Flow, grain);
    let until = grain.last_ended(super::fixture::at(NOW), &series.kpi.zone);
    let begin = grain.bucket_at(crate::model::grain::start_of_day(from, &series.kpi.zone), &series.kpi.zone).index;
    for index in begin..=until {
        series = series.put_index(index, 1_234.567_89 * chance(index), false);
    }
    let trajectory = Trajectory::Learned;
    let objective = Objective { period, ..monthly(Measure::Sum, Target::Reach(4_000_000.0), trajectory) };
    let course = sound(&series.assess(NOW, Some(objective)));
    let bytes = serde_json::to_string(&course).unwrap().len();
    assert_eq!(serde_json::from_str::<Course>(&serde_json::to_string(&course).unwrap()).unwrap(), course);
    (course.buckets.len(), bytes)
}

#[test]
fn a_message_stays_small_whatever_the_grain() {
    let (steps, bytes) = size(Grain::Day, PeriodSpec::Month, date(2026, 6, 1));
    assert!(steps == 30 && bytes < 4_000, "{steps} steps, {bytes} bytes");
    // Days of a year are shown by the week, and the newest week is cut where it is known to.
    let (steps, bytes) = size(Grain::Day, PeriodSpec::Year, date(2026, 1, 1));
    assert!((53..=55).contains(&steps) && bytes < 8_000, "{steps} steps, {bytes} bytes");
    let (steps, bytes) = size(Grain::HOUR, PeriodSpec::Year, date(2026, 1, 1));
    assert!((53..=55).contains(&steps) && bytes < 8_000, "{steps} steps, {bytes} bytes");
    let (steps, bytes) = size(Grain::HOUR, PeriodSpec::Month, date(2026, 9, 1));
    assert!((30..=31).contains(&steps) && bytes < 4_000, "{steps} steps, {bytes} bytes");
    let (steps, bytes) = size(Grain::HOUR, PeriodSpec::Between { from: november(12), to: november(19) }, november(12));
    assert!(steps == 192 && bytes < 14_000, "{steps} steps, {bytes} bytes");
}
