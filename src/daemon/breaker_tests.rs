//! The breaker as a table of pulls and what became of them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Admission, Breaker};
use crate::net::ErrorClass;
use crate::source::SourceError;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn error(class: ErrorClass) -> SourceError {
    SourceError::new(class, format!("no answer ({})", class.as_str()))
}

/// One pull of `kpi` at that second, ended at once. What was decided, in one letter: passed, tried, refused.
fn pull(breaker: &mut Breaker, (kpi, second): (&str, i64), outcome: Option<ErrorClass>) -> char {
    let error = outcome.map(error);
    let tried = match breaker.admit(at(second)) {
        Admission::Pass => false,
        Admission::Try => true,
        Admission::Refused(_) => return 'r',
        Admission::Wait => panic!("nothing is under way"),
    };
    breaker.ended(&kpi.into(), (tried, error.as_ref()), at(second));
    if tried { 't' } else { 'p' }
}

/// Pulls one after another: KPI, second, outcome; and what was decided.
#[track_caller]
fn check(kpis: usize, pulls: &[(&str, i64, Option<ErrorClass>)], expected: &str) {
    let mut breaker = Breaker::new(&"shop".into(), kpis);
    let found: String =
        pulls.iter().map(|(kpi, second, outcome)| pull(&mut breaker, (kpi, *second), *outcome)).collect();
    assert_eq!(found, expected, "{pulls:?}");
}

const DOWN: Option<ErrorClass> = Some(ErrorClass::Transient);
const SLOW: Option<ErrorClass> = Some(ErrorClass::Deadline);
const AUTH: Option<ErrorClass> = Some(ErrorClass::Auth);
const WRONG: Option<ErrorClass> = Some(ErrorClass::Config);
const OK: Option<ErrorClass> = None;

fn throttled(seconds: u64) -> ErrorClass {
    ErrorClass::Throttled { after: Some(Duration::from_secs(seconds)) }
}

#[test]
fn three_failures_of_the_source_open_it() {
    check(20, &[("a", 0, DOWN), ("b", 0, DOWN), ("c", 0, SLOW), ("d", 0, OK)], "pppr");
    check(20, &[("a", 0, DOWN), ("b", 0, DOWN), ("c", 0, OK), ("d", 0, DOWN), ("e", 0, DOWN), ("f", 0, OK)], "pppppp");
    // A query's own error says that the source answers.
    check(20, &[("a", 0, DOWN), ("b", 0, DOWN), ("c", 0, WRONG), ("d", 0, DOWN), ("e", 0, OK)], "ppppp");
    for own in [WRONG, Some(ErrorClass::Unexpected), Some(ErrorClass::TooLarge)] {
        check(20, &[("a", 0, own), ("b", 0, own), ("c", 0, own), ("d", 0, own), ("e", 0, OK)], "ppppp");
    }
}

#[test]
fn one_kpi_alone_holds_up_no_other() {
    check(2, &[("a", 0, SLOW), ("a", 60, SLOW), ("a", 120, SLOW), ("a", 180, SLOW), ("b", 180, OK)], "ppppp");
    check(2, &[("a", 0, AUTH), ("a", 60, AUTH), ("b", 60, OK)], "ppp");
    // Where it is the only one nobody else is held up.
    check(1, &[("a", 0, DOWN), ("a", 60, DOWN), ("a", 120, DOWN), ("a", 121, OK), ("a", 180, OK)], "ppprt");
}

#[test]
fn a_try_decides_for_all() {
    let opened = [("a", 0, DOWN), ("b", 0, DOWN), ("c", 0, DOWN)];
    let then = |more: &[(&'static str, i64, Option<ErrorClass>)]| [&opened, more].concat();
    // The first distance at which KPIs try again finds it half open, and its success closes it.
    check(20, &then(&[("d", 1, OK), ("a", 120, OK), ("b", 120, OK), ("c", 120, OK)]), "ppprtpp");
    // Two failed tries of different KPIs open it again; a broken one alone doesn't.
    check(20, &then(&[("a", 120, DOWN), ("b", 120, DOWN), ("c", 120, OK), ("d", 240, OK)]), "pppttrt");
    check(20, &then(&[("a", 120, DOWN), ("a", 121, DOWN), ("b", 121, OK), ("c", 121, OK)]), "ppptttp");
    // After a success it takes as many failures as at first.
    check(20, &then(&[("a", 120, OK), ("b", 120, DOWN), ("c", 120, DOWN), ("d", 120, OK)]), "ppptppp");
}

#[test]
fn one_tries_while_others_wait() {
    let mut breaker = Breaker::new(&"shop".into(), 20);
    for kpi in ["a", "b", "c"] {
        pull(&mut breaker, (kpi, 0), DOWN);
    }
    assert_eq!(breaker.admit(at(120)), Admission::Try);
    assert_eq!(breaker.admit(at(120)), Admission::Wait);
    breaker.give_up();
    assert_eq!(breaker.admit(at(121)), Admission::Try, "one that was broken off says nothing");
    // What was under way since before it opened says nothing of now when it fails, and all when it doesn't.
    assert!(!breaker.ended(&"x".into(), (false, Some(&error(ErrorClass::Deadline))), at(122)));
    assert_eq!(breaker.admit(at(122)), Admission::Wait);
    assert!(breaker.ended(&"y".into(), (false, None), at(123)));
    assert_eq!(breaker.admit(at(123)), Admission::Pass);
}

/// Seconds of each opening in a row, all pulls failing in this way.
fn openings(source: &str, class: ErrorClass, count: usize) -> Vec<i64> {
    let mut breaker = Breaker::new(&source.into(), 20);
    let (mut now, mut found) = (at(0), Vec::new());
    while found.len() < count {
        let kpi = format!("kpi-{}", now.as_second() % 7).as_str().into();
        let tried = breaker.admit(now) == Admission::Try;
        if breaker.ended(&kpi, (tried, Some(&error(class))), now) {
            let until = breaker.open().unwrap().until;
            found.push(until.duration_since(now).as_secs());
            now = until;
        }
        now += SignedDuration::from_secs(1);
    }
    found
}

#[test]
fn openings_grow_within_their_bound_and_are_spread() {
    let shop = openings("shop", ErrorClass::Transient, 12);
    assert_eq!(shop, openings("shop", ErrorClass::Transient, 12), "the same at each run");
    assert_ne!(shop, openings("crm", ErrorClass::Transient, 12));
    let within = |found: &[i64], bounds: &[(i64, i64)]| {
        for (span, (least, most)) in found.iter().zip(bounds) {
            assert!((*least..=*most).contains(span), "{found:?}");
        }
    };
    within(&shop, &[(12, 18), (24, 36), (48, 72), (72, 108), (72, 108)]);
    assert!(shop.iter().all(|span| *span < 120), "KPIs try again after two minutes: {shop:?}");
    within(&openings("shop", ErrorClass::Auth, 6), &[(480, 720), (960, 1440), (1920, 2880), (2880, 4320)]);
    let thousand: std::collections::BTreeSet<i64> =
        (0..1000).map(|n| openings(&format!("s{n}"), ErrorClass::Transient, 4)[3]).collect();
    assert!(thousand.len() > 30, "sources that died together come back apart: {thousand:?}");
}

#[test]
fn the_other_side_says_how_long() {
    check(20, &[("a", 0, Some(throttled(30))), ("b", 29, OK), ("c", 30, OK)], "prt");
    // An absurd wait is cut to an hour.
    check(20, &[("a", 0, Some(throttled(1_000_000))), ("b", 3_599, OK), ("c", 3_600, OK)], "prt");
    check(20, &[("a", 0, Some(ErrorClass::Throttled { after: None })), ("b", 1, OK), ("c", 20, OK)], "prt");
}

#[test]
fn credentials_that_are_refused_are_not_tried_for_long() {
    check(20, &[("a", 0, AUTH), ("b", 0, AUTH), ("c", 0, OK), ("c", 470, OK), ("c", 730, OK)], "pprrt");
}

#[test]
fn what_a_budget_refuses_says_nothing_of_the_source() {
    let quota = Some(ErrorClass::Quota { reset_at: at(9) });
    check(20, &[("a", 0, quota), ("b", 0, quota), ("c", 0, quota), ("d", 0, quota), ("e", 0, OK)], "ppppp");
}

#[test]
fn a_clock_that_was_set_back_keeps_nothing_closed() {
    let day = 86_400;
    check(20, &[("a", day, DOWN), ("b", day, DOWN), ("c", day, DOWN), ("d", day, OK), ("e", 0, OK)], "ppprt");
}
