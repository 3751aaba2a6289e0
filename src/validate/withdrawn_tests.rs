//! Stored values that a source has no more.

use super::*;

/// Days of May whose stored values (1 to 4, of each label) a pull of all of them takes back; it is noon of the 5th.
#[track_caller]
fn check(kpi: &Kpi, labels: &[&str], pull: Pull, expected: &str) {
    let now: Timestamp = "2026-05-05T10:00:00Z".parse().unwrap();
    let all: Vec<(i8, f64)> = (1..=4).map(|of| (of, f64::from(of))).collect();
    let known = labels.iter().map(|label| stored(at(1, label, ReadingValue::Absent).labels, &all));
    let known: Vec<Known> = known.collect();
    let span = Span { from: day(1), to: day(4) };
    let outcome = validate(&Context { known: &known, ..context(kpi, span, now) }, pull);
    let withdrawn = outcome.observations.iter().filter(|seen| seen.withdraws());
    let withdrawn: Vec<String> =
        withdrawn.map(|seen| format!("{}{}", seen.bucket - day(1) + 1, seen.series.labels)).collect();
    assert_eq!(withdrawn.join(" "), expected);
}

fn rows(days: &[i8]) -> Vec<Reading> {
    days.iter().map(|of| at(*of, "", number(1.0))).collect()
}

#[test]
fn a_bucket_that_a_complete_pull_leaves_out_is_withdrawn() {
    for kind in [Kind::Flow, Kind::Ratio, Kind::Window, STOCK] {
        check(&kpi(kind, &[]), &[""], pull(rows(&[1, 2, 4])), "3");
        check(&kpi(kind, &[]), &[""], pull(rows(&[1])), "2 3 4");
    }
    let cut = Pull { complete: false, ..pull(rows(&[1, 2, 4])) };
    check(&kpi(Kind::Flow, &[]), &[""], cut, "");
    // Where absence means zero, that is what takes its place; of a ratio there is no zero.
    let zero = |kind| Kpi { empty: Empty::Zero, ..kpi(kind, &[]) };
    check(&zero(Kind::Flow), &[""], pull(rows(&[1, 2, 4])), "");
    check(&zero(Kind::Ratio), &[""], pull(rows(&[1, 2, 4])), "3");
}

#[test]
fn what_lies_before_all_that_a_source_still_has_is_kept() {
    check(&kpi(Kind::Flow, &[]), &[""], pull(rows(&[3, 4])), "");
    check(&kpi(Kind::Flow, &[]), &[""], pull(Vec::new()), "");
    // Another dimension value shows that it reaches back so far.
    let split = kpi(Kind::Flow, &["d"]);
    let readings = vec![at(2, "a", number(1.0)), at(4, "a", number(1.0)), at(4, "b", number(1.0))];
    check(&split, &["", "a", "b"], pull(readings), r#"3 3{d="a"} 2{d="b"} 3{d="b"}"#);
}

#[test]
fn what_is_asked_for_again_anyway_is_withdrawn_with_nothing_before_it() {
    // Until noon of the 6th the third and fourth of May may change.
    let settling = |kind| Kpi { settle: SignedDuration::from_hours(48), ..kpi(kind, &[]) };
    let provisional = |of: i8| Point { index: day(of), value: 1.0, parts: None, provisional: of > 2 };
    let points: Vec<Point> = (1..=4).map(provisional).collect();
    let known = [Known { labels: Labels::total(), data: Arc::new(SeriesData::of(&points)) }];
    let now: Timestamp = "2026-05-05T10:00:00Z".parse().unwrap();
    let gone = |kind, readings| {
        let (kpi, span) = (settling(kind), Span { from: day(1), to: day(4) });
        let outcome = validate(&Context { known: &known, ..context(&kpi, span, now) }, pull(readings));
        let gone = outcome.observations.iter().filter(|seen| seen.withdraws());
        gone.map(|seen| seen.bucket - day(1) + 1).collect::<Vec<_>>()
    };
    assert_eq!(gone(Kind::Flow, Vec::new()), [3, 4]);
    assert_eq!(gone(Kind::Flow, rows(&[4])), [3]);
    // A query of what there is now knows no yesterday.
    assert_eq!(gone(STOCK, rows(&[4])), [] as [i64; 0]);
}

#[test]
fn what_stands_in_its_place_and_is_not_taken_withdraws_it() {
    let flow = kpi(Kind::Flow, &[]);
    let with = |value| vec![at(4, "", value)];
    check(&flow, &[""], pull(with(ReadingValue::Absent)), "4");
    check(&flow, &[""], pull(with(ReadingValue::Unreadable("x".into()))), "4");
    // Even where a pull is not whole: this is said.
    let cut = Pull { complete: false, ..pull(with(ReadingValue::Absent)) };
    check(&flow, &[""], cut, "4");
    let limited = Kpi { quality: Quality { max: Some(9.0), ..Quality::default() }, ..flow };
    check(&limited, &[""], pull(with(number(10.0))), "4");
    // The total goes with a part of which nothing is known.
    let split = kpi(Kind::Flow, &["d"]);
    let readings = vec![at(4, "a", number(1.0)), at(4, "b", ReadingValue::Absent)];
    check(&split, &["", "a", "b"], Pull { complete: false, ..pull(readings) }, r#"4 4{d="b"}"#);
}
