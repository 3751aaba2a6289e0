//! Cases and properties of the transition function.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Moment, Policy, Signal, Written, step};
use crate::model::alert::{About, Alert, AlertKey, Aspect, Change, EndReason, Freeze, Phase, Subject};
use crate::model::rule::Patience;
use crate::model::verdict::Severity::{self, Critical, Info, Warning};

fn key() -> AlertKey {
    AlertKey { subject: Subject::Service, period: None, aspect: Aspect::Breach }
}

fn at(bucket: i64) -> Timestamp {
    Timestamp::from_second(bucket * 3600).expect("in range")
}

fn moment(bucket: i64, counts: bool) -> Moment {
    Moment { now: at(bucket), slot: at(bucket), bucket: Some(bucket), counts, about: About::Objective }
}

/// One letter a bucket: `w`arning, `c`ritical, `i`nfo, `.` calm, `-` between, `h`old, `E`nd;
/// lower-case `r` repeats the last bucket's breach. Returns the changes as letters with their bucket.
fn check(policy: Policy, script: &str, expected: &str) {
    let mut alert = None;
    let mut seen = Vec::new();
    let mut bucket = 0;
    for letter in script.chars() {
        if letter != 'r' {
            bucket += 1;
        }
        let signal = match letter {
            'w' | 'r' => Signal::Breach(Warning),
            'c' => Signal::Breach(Critical),
            'i' => Signal::Breach(Info),
            '-' => Signal::Between { floor: Warning },
            'h' => Signal::Freeze(Freeze::Hold { reason: "test".into(), said: None }),
            'E' => Signal::End(EndReason::Removed),
            _ => Signal::Calm,
        };
        let stepped = step(alert, &key(), (signal, None), policy, moment(bucket, true));
        for (_, _, change) in &stepped.changes {
            seen.push(format!("{}{bucket}", letter_of(change)));
        }
        alert = stepped.alert;
    }
    assert_eq!(seen.join(" "), expected, "script {script:?}");
}

fn letter_of(change: &Change) -> &'static str {
    match change {
        Change::Pended => "P",
        Change::Withdrawn => "W",
        Change::Fired => "F",
        Change::Escalated { .. } => "U",
        Change::Deescalated { .. } => "D",
        Change::Resolved(_) => "R",
        Change::Frozen(_) => "z",
        Change::Unfrozen => "u",
        Change::Acknowledged { .. } | Change::Unacknowledged | Change::Snoozed { .. } | Change::Corrected { .. } => "?",
    }
}

fn patience(for_: u32, keep: u32) -> Policy {
    Policy { for_: Patience::Buckets(for_), keep_firing_for: Patience::Buckets(keep) }
}

#[test]
fn fires_after_for_and_recovers_after_keep() {
    check(patience(1, 1), ".w.", "F2 R3");
    check(patience(2, 1), "ww.", "P1 F2 R3");
    check(patience(3, 1), "ww.www.", "P1 W3 P4 F6 R7");
    check(patience(1, 2), "w.w..", "F1 R5");
    check(patience(1, 3), "w...", "F1 R4");
}

#[test]
fn the_same_bucket_counts_once() {
    check(patience(2, 1), "wrrrw", "P1 F2");
}

#[test]
fn levels_rise_at_once_and_sink_after_keep() {
    check(patience(1, 1), "wcw.", "F1 U2 D3 R4");
    check(patience(1, 2), "wcwcww..", "F1 U2 D6 R8");
    check(patience(1, 1), "iwc", "F1 U2 U3");
}

#[test]
fn hysteresis_keeps_a_firing_alert_and_starts_none() {
    check(patience(1, 1), "--w--.", "F3 R6");
    check(patience(2, 1), "w-ww", "P1 W2 P3 F4");
    check(patience(1, 1), "c-", "F1 D2");
}

#[test]
fn frozen_state_and_counters_stand_still() {
    check(patience(2, 1), "whw", "P1 z2 u3 F3");
    check(patience(1, 2), "w.hh.", "F1 z3 u5 R5");
    check(patience(1, 1), "hhh", "");
}

#[test]
fn an_end_withdraws_or_resolves() {
    check(patience(2, 1), "wE", "P1 W2");
    check(patience(1, 1), "wEE", "F1 R2");
    check(patience(1, 1), "wEw", "F1 R2 F3");
}

#[test]
fn durations_count_time() {
    let policy = Policy {
        for_: Patience::Elapsed(SignedDuration::from_hours(2)),
        keep_firing_for: Patience::Elapsed(SignedDuration::from_hours(1)),
    };
    check(policy, "www..", "P1 F3 R5");
}

#[test]
fn what_does_not_count_moves_nothing() {
    let fired = step(None, &key(), (Signal::Breach(Warning), None), Policy::AT_ONCE, moment(1, true)).alert;
    for signal in [Signal::Calm, Signal::Breach(Critical), Signal::Between { floor: Info }] {
        let stepped = step(fired.clone(), &key(), (signal, None), Policy::AT_ONCE, moment(2, false));
        assert_eq!(stepped.changes, []);
        assert_eq!(stepped.alert.map(|a| (a.phase, a.severity)), Some((Phase::Firing, Warning)));
    }
    let none = step(None, &key(), (Signal::Breach(Warning), None), Policy::AT_ONCE, moment(1, false));
    assert_eq!(none.alert, None);
}

fn signals() -> impl Strategy<Value = Signal> {
    prop_oneof![
        3 => Just(Signal::Breach(Warning)),
        2 => Just(Signal::Breach(Critical)),
        3 => Just(Signal::Calm),
        1 => Just(Signal::Between { floor: Warning }),
        1 => Just(Signal::Freeze(Freeze::Hold { reason: String::new(), said: None })),
        1 => Just(Signal::End(EndReason::Removed)),
    ]
}

proptest! {
    #[test]
    fn never_fires_before_for_and_ends_once(
        steps in proptest::collection::vec((signals(), 0_i64..3, any::<bool>()), 1..200),
        for_ in 1_u32..5,
        keep in 1_u32..4,
    ) {
        let mut alert: Option<Alert> = None;
        let mut bucket = 0;
        let mut breaches: std::collections::BTreeSet<i64> = std::collections::BTreeSet::new();
        let mut firing = false;
        for (signal, advance, counts) in steps {
            bucket += advance;
            match &signal {
                Signal::Breach(_) if counts => { breaches.insert(bucket); }
                Signal::Breach(_) | Signal::Freeze(_) => {}
                Signal::Calm | Signal::Between { .. } if !counts => {}
                Signal::Calm | Signal::Between { .. } | Signal::End(_) => breaches.clear(),
            }
            let stepped = step(alert, &key(), (signal, None), patience(for_, keep), moment(bucket, counts));
            for (from, to, change) in &stepped.changes {
                match change {
                    Change::Fired => {
                        prop_assert!(!firing, "fired twice without an end");
                        prop_assert!(breaches.len() >= for_ as usize, "fired before for");
                        firing = true;
                    }
                    Change::Resolved(_) => {
                        prop_assert!(firing, "ended without having fired");
                        firing = false;
                    }
                    Change::Escalated { from } | Change::Deescalated { from } => prop_assert!(firing && *from <= Severity::Critical),
                    _ => {}
                }
                prop_assert!(from != to || !matches!(change, Change::Fired | Change::Resolved(_)));
            }
            alert = stepped.alert;
            prop_assert_eq!(firing, alert.as_ref().is_some_and(|a| a.phase == Phase::Firing));
        }
    }

    /// What is written whole, and pulses in between, make the same alert as the one in memory.
    #[test]
    fn pulses_are_enough_for_what_goes_on(
        steps in proptest::collection::vec((signals(), 0_i64..3, any::<bool>(), 0_u32..4), 1..200),
        for_ in 1_u32..4,
        keep in 1_u32..4,
    ) {
        let (mut kept, mut stored): (Option<Alert>, Option<Alert>) = (None, None);
        let mut bucket = 0;
        for (signal, advance, counts, value) in steps {
            bucket += advance;
            let value = (value > 0).then(|| f64::from(value));
            let stepped = step(kept, &key(), (signal, value), patience(for_, keep), moment(bucket, counts));
            match stepped.written {
                Written::Nothing => {}
                Written::Pulse => {
                    let (stored, newest) = (stored.as_mut().expect("written"), stepped.alert.as_ref().expect("there"));
                    stored.counters.last_bucket = newest.counters.last_bucket;
                    stored.value = newest.value;
                }
                Written::Whole => stored.clone_from(&stepped.alert),
            }
            prop_assert_eq!(&stored, &stepped.alert);
            kept = stepped.alert;
        }
    }

    #[test]
    fn state_survives_being_written_and_read(steps in proptest::collection::vec((signals(), 0_i64..3), 1..60)) {
        let (mut kept, mut reread): (Option<Alert>, Option<Alert>) = (None, None);
        let mut bucket = 0;
        for (signal, advance) in steps {
            bucket += advance;
            let a = step(kept, &key(), (signal.clone(), None), patience(2, 2), moment(bucket, true));
            let text = serde_json::to_string(&reread).expect("writes");
            let b = step(serde_json::from_str(&text).expect("reads"), &key(), (signal, None), patience(2, 2), moment(bucket, true));
            prop_assert_eq!(&a, &b);
            (kept, reread) = (a.alert, b.alert);
        }
    }
}
