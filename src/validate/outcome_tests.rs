//! What pulls become, kind by kind.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Context, Known, KnownAt, Span, Validated, validate};
use crate::model::grain::{BucketIndex, Grain};
use crate::model::ids::Labels;
use crate::model::kpi::{Empty, Kpi, Lateness, Quality, Query};
use crate::model::observation::{Parts, Pull, Reading, ReadingTime, ReadingValue, Rejection};
use crate::model::roll_ups::RollUps;
use crate::model::rule::SeriesChoice;
use crate::model::schedule::Schedule;
use crate::model::series::{Point, SeriesData};
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
        keep: SignedDuration::from_hours(24 * 800),
        recheck: None,
        empty: Empty::Missing,
        complete: 0.8,
        quality: Quality::default(),
        reconcile: None,
        since: None,
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
    Pull { readings, complete: true, ..Pull::default() }
}

/// A series that is stored with final values of these days.
fn stored(labels: Labels, values: &[(i8, f64)]) -> Known {
    let point = |(of, value): &(i8, f64)| Point { index: day(*of), value: *value, parts: None, provisional: false };
    let points: Vec<Point> = values.iter().map(point).collect();
    Known { labels, data: Arc::new(SeriesData::of(&points)) }
}

static NO_ROLL_UPS: std::sync::LazyLock<RollUps> = std::sync::LazyLock::new(RollUps::default);

fn context(kpi: &Kpi, span: Span, now: Timestamp) -> Context<'_> {
    let known_at = KnownAt::Own(now);
    Context { kpi, span, known_at, now, roll_ups: &NO_ROLL_UPS, known: &[], zero_from: None, held_from: None }
}

/// Validates the span of 1 to 4 May at noon of the 5th.
fn run(kpi: &Kpi, pull: Pull, known: &[Labels]) -> Validated {
    let now: Timestamp = "2026-05-05T10:00:00Z".parse().unwrap();
    let span = Span { from: day(1), to: day(4) };
    let known: Vec<Known> = known.iter().map(|labels| stored(labels.clone(), &[(1, 1.0)])).collect();
    let context = Context { known: &known, ..context(kpi, span, now) };
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
    flow.quality = Quality { min: Some(0.0), max: Some(100.0), ..Quality::default() };
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

/// Finite readings whose combination is not: such a value would stay in every sum that it is part of.
#[test]
fn a_sum_that_is_not_finite_is_refused() {
    let twice =
        |value: &ReadingValue| vec![at(1, "", value.clone()), at(1, "", value.clone()), at(2, "", value.clone())];
    let mean = Kind::Level { over_time: LevelOverTime::Mean, additive: false };
    for (kind, value, left) in [
        (Kind::Flow, number(1e308), number(1e308)),
        (Kind::Flow, number(-1e308), number(-1e308)),
        (mean, number(1e308), number(1e308)),
        (Kind::Ratio, parts(1e308, 1e308), number(1.0)),
    ] {
        let ReadingValue::Number(left) = left else { panic!("a number") };
        let outcome = check(&kpi(kind, &[]), twice(&value), &format!("2={left}"), 1);
        let Rejection { origin, cause, .. } = &outcome.rejections[0];
        assert_eq!(origin, "k of 2026-05-01");
        assert!(cause.starts_with("the sum is not a finite number"), "{cause}");
    }
    let outcome = check(&kpi(Kind::Ratio, &[]), vec![at(1, "", parts(1e308, 1e-10))], "", 1);
    assert!(outcome.rejections[0].cause.starts_with("the ratio is not a finite number"), "{:?}", outcome.rejections);
    // A part takes its total with it; parts that are finite can still make a total that is not.
    let flow = kpi(Kind::Flow, &["d"]);
    let rows = vec![at(1, "a", number(1e308)), at(1, "a", number(1e308)), at(1, "b", number(3.0))];
    check(&flow, rows, r#"1{d="b"}=3"#, 1);
    let rows = vec![at(1, "a", number(1e308)), at(1, "b", number(1e308)), at(2, "b", number(3.0))];
    let outcome = run(&flow, pull(rows), &[]);
    let causes: Vec<&str> = outcome.rejections.iter().map(|rejection| rejection.origin.as_str()).collect();
    assert_eq!(causes, ["k of 2026-05-01"]);
    assert!(outcome.observations.iter().all(|observation| observation.value.is_finite()));
    assert_eq!(outcome.observations.len(), 4);
}

#[test]
fn a_refused_part_takes_the_total_with_it() {
    let mut flow = kpi(Kind::Flow, &["d"]);
    flow.quality = Quality { min: Some(0.0), ..Quality::default() };
    check(&flow, vec![at(1, "a", number(-1.0)), at(1, "b", number(3.0))], r#"1{d="b"}=3"#, 1);
    let unreadable = ReadingValue::Unreadable("x".into());
    check(&flow, vec![at(1, "a", unreadable), at(1, "b", number(3.0))], r#"1{d="b"}=3"#, 1);
    // A smallest total says nothing about the parts.
    flow.quality.min = Some(4.0);
    check(&flow, vec![at(1, "a", number(2.0)), at(1, "b", number(3.0))], r#"1=5 1{d="a"}=2 1{d="b"}=3"#, 0);
}

#[test]
fn currencies_are_never_added_up() {
    let mut flow = kpi(Kind::Flow, &["currency"]);
    flow.unit = Unit::Currency("EUR".to_owned());
    let of = |day, currency: &str, value| Reading {
        labels: Labels::from_iter([("currency", currency)]),
        ..at(day, "", number(value))
    };
    let rows = vec![of(1, "EUR", 2.0), of(1, "USD", 3.0), of(2, "eur ", 4.0)];
    let outcome = check(&flow, rows.clone(), r#"2=4 1{currency="EUR"}=2 2{currency="eur "}=4"#, 1);
    assert!(outcome.rejections[0].cause.starts_with("its currency is `USD`, the KPI's is EUR"), "{outcome:?}");
    let cell = ReadingValue::Foreign { raw: "200,00 USD".into(), currency: "USD".into() };
    let outcome = check(&flow, vec![at(1, "", number(2.0)), at(1, "", cell), at(2, "", number(3.0))], "2=3", 1);
    assert!(outcome.rejections[0].cause.starts_with("its currency is `USD`, the KPI's is EUR"), "{outcome:?}");
    assert_eq!(outcome.rejections[0].raw, "200,00 USD");
    // What is no amount may be split by anything.
    flow.unit = Unit::None;
    check(&flow, rows, r#"1=5 2=4 1{currency="EUR"}=2 1{currency="USD"}=3 2{currency="eur "}=4"#, 0);
}

#[test]
fn zeros_after_a_complete_pull_only() {
    let mut flow = kpi(Kind::Flow, &["d"]);
    flow.empty = Empty::Zero;
    let rows = || vec![at(2, "a", number(5.0))];
    let gone = [Labels::from_iter([("d", "gone")])];
    // Before it was first seen there is nothing to be zero; a known one has been seen.
    let a = r#"2{d="a"}=5 3{d="a"}=0 4{d="a"}=0"#;
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
    let context = Context { zero_from: Some(day(3)), ..context(&flow, span, now) };
    assert_eq!(shown(&validate(&context, pull(vec![]))), "3=0 4=0");
}

#[test]
fn only_ended_buckets_of_the_span() {
    let flow = kpi(Kind::Flow, &[]);
    let now: Timestamp = "2026-05-03T10:00:00Z".parse().unwrap();
    let span = Span { from: day(2), to: day(4) };
    let context = context(&flow, span, now);
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
    let context = Context { known_at: KnownAt::Assumed, ..context(&flow, span, now) };
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
    let context = context(&flow, span, now);
    // Sunday evening in Paris is the week's last moment; the next instant is Monday there.
    let moment = |text: &str| Reading { time: ReadingTime::Instant(text.parse().unwrap()), ..at(1, "", number(1.0)) };
    let readings = vec![at(4, "", number(1.0)), moment("2026-05-10T21:59:59Z"), moment("2026-05-10T22:00:00Z")];
    let outcome = validate(&context, pull(readings));
    assert_eq!((outcome.observations[0].value, outcome.outside), (2.0, 1));
}

#[test]
fn local_times_of_an_hour_that_comes_twice_are_told() {
    let now: Timestamp = "2026-10-26T02:00:00Z".parse().unwrap();
    let warned = |grain: Grain, hour: i8| {
        let kpi = Kpi { grain, ..kpi(Kind::Flow, &[]) };
        let local = date(2026, 10, 25).at(hour, 30, 0, 0);
        let reading = Reading { time: ReadingTime::Local(local), ..at(1, "", number(1.0)) };
        let index = grain.index_at(kpi.zone.to_timestamp(local).unwrap(), &kpi.zone);
        let context = context(&kpi, Span { from: index, to: index }, now);
        let outcome = validate(&context, pull(vec![reading.clone(), reading]));
        assert_eq!(outcome.observations[0].value, 2.0);
        outcome.warnings
    };
    let hour = Grain::Seconds(3_600);
    let told = warned(hour, 2);
    assert!(told[0].starts_with("2 readings of KPI `k` name a local time that comes twice"), "{told:?}");
    assert_eq!((warned(hour, 1), warned(hour, 3), warned(Grain::Day, 2)), (vec![], vec![], vec![]));
}

/// A reading of two dimensions, of that day of May 2026.
fn split(of: i8, channel: &str, region: &str, value: ReadingValue) -> Reading {
    Reading { labels: Labels::from_iter([("c", channel), ("r", region)]), ..at(of, "", value) }
}

/// What became of readings under `each: c` and `where: {r: s}`, finest series left out.
fn rolled(kpi: &Kpi, readings: Vec<Reading>, known: &[Known]) -> (String, Validated) {
    let mut asked = RollUps::default();
    asked.ask(&SeriesChoice::Each(vec!["c".to_owned()]));
    asked.ask(&SeriesChoice::Where(Labels::from_iter([("r", "s")])));
    let now: Timestamp = "2026-05-05T10:00:00Z".parse().unwrap();
    let whole = Span { from: day(1), to: day(4) };
    let mut outcome = validate(&Context { roll_ups: &asked, known, ..context(kpi, whole, now) }, pull(readings));
    outcome.observations.retain(|observation| observation.series.labels.count() < 2);
    (shown(&outcome), outcome)
}

#[test]
fn what_is_asked_for_is_rolled_up() {
    let rows = |value: fn(f64) -> ReadingValue| {
        vec![split(1, "web", "n", value(2.0)), split(1, "web", "s", value(3.0)), split(1, "shop", "n", value(5.0))]
    };
    let expected = r#"1=10 1{c="shop"}=5 1{c="web"}=5 1{r="s"}=3"#;
    assert_eq!(rolled(&kpi(Kind::Flow, &["c", "r"]), rows(number), &[]).0, expected);
    assert_eq!(rolled(&kpi(STOCK, &["c", "r"]), rows(number), &[]).0, expected);
    let half = |value| parts(value, 10.0);
    let (text, pooled) = rolled(&kpi(Kind::Ratio, &["c", "r"]), rows(half), &[]);
    assert_eq!(text, r#"1=0.3333333333333333 1{c="shop"}=0.5 1{c="web"}=0.25 1{r="s"}=0.3"#);
    assert_eq!(pooled.observations[2].parts, Some(Parts { numerator: 5.0, denominator: 20.0, n: None }));
    // Only quotients: nothing can be pooled, and that is said once.
    let (text, plain) = rolled(&kpi(Kind::Ratio, &["c", "r"]), rows(number), &[]);
    assert_eq!((text.as_str(), plain.warnings.len()), ("", 1), "{:?}", plain.warnings);
    // A total that the source gives doesn't stand in the way of roll-ups.
    let mut with_total = rows(number);
    with_total.push(at(1, "", number(99.0)));
    let text = rolled(&kpi(Kind::Flow, &["c", "r"]), with_total, &[]).0;
    assert_eq!(text, expected.replace("1=10", "1=99"));
}

#[test]
fn a_refused_part_takes_its_roll_ups_with_it() {
    let mut flow = kpi(Kind::Flow, &["c", "r"]);
    flow.empty = Empty::Zero;
    let unreadable = ReadingValue::Unreadable("x".into());
    let rows =
        vec![split(4, "web", "n", unreadable), split(4, "web", "s", number(3.0)), split(4, "shop", "n", number(5.0))];
    let zeros = "1=0 2=0 3=0";
    assert_eq!(rolled(&flow, rows, &[]).0, format!(r#"{zeros} 4{{c="shop"}}=5 4{{r="s"}}=3"#));
    // A roll-up above the largest value is refused by itself.
    flow.quality = Quality { max: Some(6.0), ..Quality::default() };
    flow.empty = Empty::Missing;
    let rows = vec![split(1, "web", "n", number(4.0)), split(1, "web", "s", number(3.0))];
    let (text, outcome) = rolled(&flow, rows, &[]);
    assert_eq!((text.as_str(), outcome.rejections.len()), (r#"1{r="s"}=3"#, 2));
}

#[test]
fn a_vanished_roll_up_becomes_zero_from_when_it_was_seen() {
    let mut flow = kpi(Kind::Flow, &["c", "r"]);
    flow.empty = Empty::Zero;
    let known = |labels: &[(&str, &str)], first| stored(labels.iter().copied().collect(), &[(first, 1.0)]);
    let known = [
        known(&[], 1),
        known(&[("c", "fax")], 3),
        known(&[("c", "fax"), ("r", "n")], 3),
        // Nobody asks for it any more: it ends.
        known(&[("r", "n")], 1),
    ];
    let text = rolled(&flow, vec![split(2, "web", "n", number(4.0))], &known).0;
    let fax = r#"3{c="fax"}=0 4{c="fax"}=0"#;
    assert_eq!(text, format!(r#"1=0 2=4 3=0 4=0 {fax} 2{{c="web"}}=4 3{{c="web"}}=0 4{{c="web"}}=0"#));
}

/// Slots one by one, and all of them at once, over random readings: the same values.
#[test]
fn missed_slots_give_what_slots_on_time_give() {
    for empty in [Empty::Zero, Empty::Missing] {
        missed_slots(&Kpi { empty, ..kpi(Kind::Flow, &["c", "r"]) });
    }
}

fn missed_slots(flow: &Kpi) {
    let mut asked = RollUps::default();
    asked.ask(&SeriesChoice::Each(vec!["c".to_owned()]));
    let now: Timestamp = "2026-05-20T10:00:00Z".parse().unwrap();
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut readings = Vec::new();
        for of in 1..=10 {
            for (channel, region) in [("a", "n"), ("a", "s"), ("b", "n"), ("b", "s")] {
                if rng.u32(0..3) == 0 {
                    let value = if rng.u32(0..6) == 0 { ReadingValue::Unreadable("x".into()) } else { number(2.0) };
                    readings.push(split(of, channel, region, value));
                }
            }
        }
        // The pull after the first start, with spans that reach back as provisional buckets make them.
        let run = |spans: &[(i8, i8)]| {
            let mut stored: BTreeMap<Labels, SeriesData> = BTreeMap::new();
            for (from, to) in spans {
                let known = stored.iter().filter(|(_, data)| !data.is_empty());
                let mut known: Vec<Known> = known
                    .map(|(labels, data)| Known { labels: labels.clone(), data: Arc::new(data.clone()) })
                    .collect();
                if known.iter().all(|known| !known.labels.is_total()) {
                    known.push(self::stored(Labels::total(), &[(1, 0.0)]));
                }
                let span = Span { from: day(*from), to: day(*to) };
                let context = Context { roll_ups: &asked, known: &known, ..context(flow, span, now) };
                for seen in validate(&context, pull(readings.clone())).observations {
                    stored.entry(seen.series.labels.clone()).or_default().put(&seen);
                }
            }
            let all = stored.iter().map(|(labels, data)| {
                (labels.clone(), data.range(BucketIndex::MIN, BucketIndex::MAX).collect::<Vec<_>>())
            });
            all.filter(|(_, points)| !points.is_empty()).collect::<Vec<_>>()
        };
        let one_by_one: Vec<(i8, i8)> = (1..=10).map(|of| (1.max(of - 2), of)).collect();
        assert_eq!(run(&one_by_one), run(&[(1, 10)]), "seed {seed}");
        assert_eq!(run(&one_by_one), run(&[(1, 3), (2, 8), (7, 10)]), "seed {seed}");
    }
}

#[test]
fn a_row_without_value_leaves_no_total_that_is_too_small() {
    let rows = || vec![at(1, "a", number(2.0)), at(1, "b", ReadingValue::Absent), at(2, "a", number(1.0))];
    let missing = kpi(Kind::Flow, &["d"]);
    let outcome = check(&missing, rows(), "2=1 1{d=\"a\"}=2 2{d=\"a\"}=1", 0);
    assert_eq!(outcome.warnings.len(), 1);
    assert!(outcome.warnings[0].contains("no total for 1 buckets from 2026-05-01"), "{:?}", outcome.warnings);
    assert!(outcome.warnings[0].contains("empty: zero"), "{:?}", outcome.warnings);
    // Where emptiness means none, the total is that of the rest.
    let zero = Kpi { empty: Empty::Zero, ..missing };
    let outcome = run(&zero, pull(rows()), &[]);
    assert!(shown(&outcome).starts_with("1=2 2=1 3=0 4=0"), "{}", shown(&outcome));
    assert_eq!(outcome.warnings, Vec::<String>::new());
}

#[path = "withdrawn_tests.rs"]
mod withdrawn;
