//! What pulls become, kind by kind.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Context, KnownAt, Span, Validated, validate};
use crate::model::grain::{BucketIndex, Grain};
use crate::model::ids::Labels;
use crate::model::kpi::{Empty, Kpi, Lateness, Quality, Query};
use crate::model::observation::{Parts, Pull, Reading, ReadingTime, ReadingValue};
use crate::model::schedule::Schedule;
use crate::model::unit::{Category, Direction, Kind, LevelOverTime, Unit};

const LEVEL: Kind = Kind::Level { over_time: LevelOverTime::Last, additive: false };
const STOCK: Kind = Kind::Level { over_time: LevelOverTime::Last, additive: true };

fn kpi(kind: Kind, dimensions: &[&str]) -> Kpi {
    Kpi {
        id: "k".into(),
        title: "K".into(),
        category: Category::Operational,
        unit: Unit::None,
        better: Direction::Higher,
        kind,
        grain: Grain::Day,
        zone: TimeZone::get("Europe/Paris").unwrap(),
        calendar: Arc::default(),
        source: "s".into(),
        query: Query::Text(String::new()),
        dimensions: dimensions.iter().map(|name| (*name).to_owned()).collect(),
        schedule: Schedule::parse("daily 06:15").unwrap(),
        expected: Lateness::Workdays(1),
        settle: SignedDuration::ZERO,
        history: SignedDuration::from_hours(24),
        empty: Empty::Missing,
        complete: 0.8,
        quality: Quality::default(),
        owner: None,
    }
}

fn day(day: i8) -> BucketIndex {
    Grain::Day.index_of_date(date(2026, 5, day))
}

fn number(value: f64) -> ReadingValue {
    ReadingValue::Number(value)
}

fn parts(numerator: f64, denominator: f64) -> ReadingValue {
    ReadingValue::Parts(Parts { numerator, denominator, n: None })
}

/// A reading of that day of May 2026; the label is the only dimension's value.
fn at(of: i8, label: &str, value: ReadingValue) -> Reading {
    let labels = if label.is_empty() { Labels::total() } else { Labels::from_iter([("d", label)]) };
    Reading { time: ReadingTime::Date(date(2026, 5, of)), labels, value, origin: format!("row of {of}") }
}

fn pull(readings: Vec<Reading>) -> Pull {
    Pull { readings, complete: true, warnings: Vec::new() }
}

/// Validates the span of 1 to 4 May at noon of the 5th.
fn run(kpi: &Kpi, pull: Pull, known: &[Labels]) -> Validated {
    let now: Timestamp = "2026-05-05T10:00:00Z".parse().unwrap();
    let span = Span { from: day(1), to: day(4) };
    let context = Context { kpi, span, known_at: KnownAt::Own(now), now, known, zero_from: None };
    validate(&context, pull)
}

/// `1=5 2{d="a"}=3`: day, labels, value.
fn shown(outcome: &Validated) -> String {
    let mut text = String::new();
    for observation in &outcome.observations {
        let day = observation.bucket - day(1) + 1;
        write!(text, "{day}{}={} ", observation.series.labels, observation.value).unwrap();
    }
    text.trim_end().to_owned()
}

fn check(kpi: &Kpi, readings: Vec<Reading>, expected: &str, rejections: usize) -> Validated {
    let outcome = run(kpi, pull(readings), &[]);
    assert_eq!(shown(&outcome), expected);
    assert_eq!(outcome.rejections.len(), rejections, "{:?}", outcome.rejections);
    outcome
}

#[test]
fn flows_add() {
    let kpi = kpi(Kind::Flow, &[]);
    check(&kpi, vec![at(1, "", number(2.0)), at(1, "", number(3.0)), at(2, "", number(1.0))], "1=5 2=1", 0);
}

#[test]
fn totals_of_dimensions() {
    let rows = || vec![at(1, "a", number(2.0)), at(1, "b", number(3.0)), at(2, "a", number(1.0))];
    let dims = r#"1{d="a"}=2 2{d="a"}=1 1{d="b"}=3"#;
    check(&kpi(Kind::Flow, &["d"]), rows(), &format!("1=5 2=1 {dims}"), 0);
    check(&kpi(STOCK, &["d"]), rows(), &format!("1=5 2=1 {dims}"), 0);
    let outcome = check(&kpi(LEVEL, &["d"]), rows(), dims, 0);
    assert!(outcome.warnings[0].contains("no total for 2 buckets from 2026-05-01"), "{:?}", outcome.warnings);
    let mut with_total = rows();
    with_total.push(at(1, "", number(9.0)));
    check(&kpi(LEVEL, &["d"]), with_total, &format!("1=9 {dims}"), 0);
}

#[test]
fn ratios_pool() {
    let ratio = kpi(Kind::Ratio, &["d"]);
    let outcome = check(
        &ratio,
        vec![at(1, "a", parts(1.0, 2.0)), at(1, "b", parts(5.0, 6.0)), at(1, "b", parts(0.0, 2.0))],
        r#"1=0.6 1{d="a"}=0.5 1{d="b"}=0.625"#,
        0,
    );
    assert_eq!(outcome.observations[0].parts, Some(Parts { numerator: 6.0, denominator: 10.0, n: None }));
    let plain = check(&kpi(Kind::Ratio, &[]), vec![at(1, "", number(0.5))], "1=0.5", 0);
    assert_eq!(plain.observations[0].parts, None);
    check(&kpi(Kind::Ratio, &[]), vec![at(1, "", parts(0.0, 0.0))], "1=NaN", 0);
    check(&kpi(Kind::Ratio, &[]), vec![at(1, "", number(0.5)), at(1, "", number(0.7))], "", 1);
    check(&ratio, vec![at(1, "a", number(0.5))], r#"1{d="a"}=0.5"#, 0);
}

#[test]
fn levels_keep_the_last_or_the_mean() {
    let moment = |hour, value| Reading {
        time: ReadingTime::Local(date(2026, 5, 1).at(hour, 0, 0, 0)),
        ..at(1, "", number(value))
    };
    let rows = || vec![moment(18, 5.0), moment(9, 8.0)];
    check(&kpi(LEVEL, &[]), rows(), "1=5", 0);
    check(&kpi(Kind::Level { over_time: LevelOverTime::Mean, additive: false }, &[]), rows(), "1=6.5", 0);
    let twice = check(&kpi(LEVEL, &[]), vec![moment(9, 1.0), moment(9, 2.0)], "1=2", 0);
    assert!(twice.warnings[0].contains("1 readings of KPI `k` stand twice"), "{:?}", twice.warnings);
}

#[test]
fn what_is_refused() {
    let mut flow = kpi(Kind::Flow, &[]);
    flow.quality = Quality { min: Some(0.0), max: Some(100.0) };
    let outcome =
        check(&flow, vec![at(1, "", number(-5.0)), at(2, "", number(101.0)), at(3, "", number(7.0))], "3=7", 2);
    let causes: Vec<&str> = outcome.rejections.iter().map(|rejection| rejection.cause.as_str()).collect();
    assert_eq!(causes, ["value -5 is below quality.min 0", "value 101 is above quality.max 100"]);
    assert_eq!(outcome.rejections[0].origin, "k of 2026-05-01");
    // A correction among the rows of a day is no outlier: the day's sum counts.
    check(&flow, vec![at(1, "", number(-5.0)), at(1, "", number(9.0))], "1=4", 0);
    for value in [number(f64::NAN), number(f64::INFINITY), ReadingValue::Unreadable("abc".into()), parts(1.0, 2.0)] {
        check(&flow, vec![at(1, "", value), at(1, "", number(1.0)), at(2, "", number(2.0))], "2=2", 1);
    }
    check(&flow, vec![at(1, "", ReadingValue::Absent), at(1, "", number(1.0))], "1=1", 0);
    let foreign = check(&flow, vec![at(1, "a", number(1.0))], "", 1);
    assert!(foreign.rejections[0].cause.contains("label `d` is no dimension"), "{:?}", foreign.rejections);
}

#[test]
fn a_refused_part_takes_the_total_with_it() {
    let mut flow = kpi(Kind::Flow, &["d"]);
    flow.quality = Quality { min: Some(0.0), max: None };
    check(&flow, vec![at(1, "a", number(-1.0)), at(1, "b", number(3.0))], r#"1{d="b"}=3"#, 1);
    let unreadable = ReadingValue::Unreadable("x".into());
    check(&flow, vec![at(1, "a", unreadable), at(1, "b", number(3.0))], r#"1{d="b"}=3"#, 1);
    // A smallest total says nothing about the parts.
    flow.quality.min = Some(4.0);
    check(&flow, vec![at(1, "a", number(2.0)), at(1, "b", number(3.0))], r#"1=5 1{d="a"}=2 1{d="b"}=3"#, 0);
}

#[test]
fn zeros_after_a_complete_pull_only() {
    let mut flow = kpi(Kind::Flow, &["d"]);
    flow.empty = Empty::Zero;
    let rows = || vec![at(2, "a", number(5.0))];
    let gone = [Labels::from_iter([("d", "gone")])];
    let a = r#"1{d="a"}=0 2{d="a"}=5 3{d="a"}=0 4{d="a"}=0"#;
    let vanished = r#"1{d="gone"}=0 2{d="gone"}=0 3{d="gone"}=0 4{d="gone"}=0"#;
    assert_eq!(shown(&run(&flow, pull(rows()), &gone)), format!("1=0 2=5 3=0 4=0 {a} {vanished}"));
    let partial = Pull { complete: false, ..pull(rows()) };
    assert_eq!(shown(&run(&flow, partial, &gone)), r#"2=5 2{d="a"}=5"#);
    assert_eq!(shown(&run(&flow, pull(vec![]), &[])), "1=0 2=0 3=0 4=0");
    // What was refused is not nothing.
    let refused = vec![at(2, "", ReadingValue::Unreadable("x".into()))];
    let mut plain = kpi(Kind::Flow, &[]);
    plain.empty = Empty::Zero;
    assert_eq!(shown(&run(&plain, pull(refused), &[])), "1=0 3=0 4=0");
    plain.kind = Kind::Ratio;
    assert_eq!(shown(&run(&plain, pull(vec![]), &[])), "");
}

#[test]
fn zeros_begin_where_they_are_allowed() {
    let mut flow = kpi(Kind::Flow, &[]);
    flow.empty = Empty::Zero;
    let now: Timestamp = "2026-05-05T10:00:00Z".parse().unwrap();
    let span = Span { from: day(1), to: day(4) };
    let context = Context { kpi: &flow, span, known_at: KnownAt::Own(now), now, known: &[], zero_from: Some(day(3)) };
    assert_eq!(shown(&validate(&context, pull(vec![]))), "3=0 4=0");
}

#[test]
fn only_ended_buckets_of_the_span() {
    let flow = kpi(Kind::Flow, &[]);
    let now: Timestamp = "2026-05-03T10:00:00Z".parse().unwrap();
    let span = Span { from: day(2), to: day(4) };
    let context = Context { kpi: &flow, span, known_at: KnownAt::Own(now), now, known: &[], zero_from: None };
    let outcome = validate(&context, pull((1..=4).map(|of| at(of, "", number(f64::from(of)))).collect()));
    assert_eq!((shown(&outcome).as_str(), outcome.outside, outcome.running), ("2=2", 1, 2));
}

#[test]
fn provisional_until_settled() {
    let mut flow = kpi(Kind::Flow, &[]);
    flow.settle = SignedDuration::from_hours(48);
    let outcome = run(&flow, pull(vec![at(2, "", number(1.0)), at(3, "", number(1.0))]), &[]);
    let provisional: Vec<bool> = outcome.observations.iter().map(|observation| observation.provisional).collect();
    // Two days after the end of the 2nd is midnight of the 5th; it is noon.
    assert_eq!(provisional, [false, true]);
}

#[test]
fn assumed_moments_are_slots_but_never_later_than_now() {
    let flow = kpi(Kind::Flow, &[]);
    let now: Timestamp = "2026-05-05T02:00:00Z".parse().unwrap();
    let span = Span { from: day(1), to: day(4) };
    let context = Context { kpi: &flow, span, known_at: KnownAt::Assumed, now, known: &[], zero_from: None };
    let outcome = validate(&context, pull(vec![at(1, "", number(1.0)), at(4, "", number(1.0))]));
    let known: Vec<(String, bool)> = outcome
        .observations
        .iter()
        .map(|observation| (observation.known_at.to_string(), observation.assumed))
        .collect();
    assert_eq!(known, [("2026-05-02T04:15:00Z".to_owned(), true), ("2026-05-05T02:00:00Z".to_owned(), true)]);
}

#[test]
fn civil_weeks_and_instants() {
    let mut flow = kpi(Kind::Flow, &[]);
    flow.grain = Grain::Week;
    let week = Grain::Week.index_of_date(date(2026, 5, 4));
    let now: Timestamp = "2026-05-20T02:00:00Z".parse().unwrap();
    let span = Span { from: week, to: week };
    let context = Context { kpi: &flow, span, known_at: KnownAt::Own(now), now, known: &[], zero_from: None };
    // Sunday evening in Paris is the week's last moment; the next instant is Monday there.
    let moment = |text: &str| Reading { time: ReadingTime::Instant(text.parse().unwrap()), ..at(1, "", number(1.0)) };
    let readings = vec![at(4, "", number(1.0)), moment("2026-05-10T21:59:59Z"), moment("2026-05-10T22:00:00Z")];
    let outcome = validate(&context, pull(readings));
    assert_eq!((outcome.observations[0].value, outcome.outside), (2.0, 1));
}
