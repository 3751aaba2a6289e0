//! The words for an objective, by a history long enough to learn from.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::fixture::{Series, monthly};
use super::outcome::{LIKELY_FROM, UNLIKELY_UNDER};
use super::{Assessment, SURE_FROM};
use crate::model::alert::PeriodOutcome;
use crate::model::assessment::Status;
use crate::model::objective::{Measure, Objective, Target, Trajectory};
use crate::model::period::Period;
use crate::model::unit::Kind;

const FIRST: Date = date(2026, 11, 1);

/// Two years of about 100 a day, and a November of so much of that.
fn sales(seed: u64, of_november: f64, last: i8) -> Series {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut series = Series::daily(Kind::Flow);
    let mut day = date(2024, 11, 1);
    while day <= date(2026, 11, last) {
        let part = if day < FIRST { 1.0 } else { of_november };
        series = series.put(day, 100.0 * part * (0.7 + 0.6 * random.f64()));
        day = day.saturating_add(1.day());
    }
    series
}

fn reach(target: f64) -> Objective {
    monthly(Measure::Sum, Target::Reach(target), Trajectory::Learned)
}

fn after(series: &Series, day: i8, objective: Objective) -> Assessment {
    let morning = date(2026, 11, day).saturating_add(1.day());
    series.assess(&format!("{morning}T05:15:00Z"), Some(objective))
}

#[test]
fn words_go_by_the_probability_and_the_lag() {
    let judged = |of_november, target| {
        let a = after(&sales(1, of_november, 20), 20, reach(target));
        (a.status(), a.probability().unwrap(), a.drift_ratio().unwrap())
    };
    let (status, probability, drift) = judged(1.2, 3_000.0);
    assert_eq!(status, Status::Ahead, "{probability} {drift}");
    let foretold = after(&sales(1, 1.0, 20), 20, reach(3_000.0));
    let (landing, high) = (foretold.projected().unwrap(), foretold.high().unwrap());
    let (status, probability, drift) = judged(1.0, 0.975 * landing);
    assert_eq!(status, Status::OnTrack, "{probability} {drift}");
    assert!(probability > LIKELY_FROM && drift.abs() < 0.05);
    let (status, probability, drift) = judged(1.0, landing);
    assert_eq!(status, Status::Watch, "{probability} {drift}");
    assert!((UNLIKELY_UNDER..LIKELY_FROM).contains(&probability));
    // Hardly to be made good on the last ten days, though it is little.
    let (status, probability, drift) = judged(1.0, 1.01 * high);
    assert_eq!(status, Status::AtRisk, "{probability} {drift}");
    assert!(drift > -0.1);
    let (status, probability, drift) = judged(0.8, 3_000.0);
    assert_eq!(status, Status::OffTrajectory, "{probability} {drift}");
    assert!(probability < SURE_FROM);
}

/// Whether it became unlikely on three buckets in a row, and has not been likely since, told forwards.
#[test]
fn looking_back_finds_what_going_forward_would() {
    let (mut turns, mut between) = (0, 0);
    for seed in 0..30 {
        let series = sales(seed, 1.0, 29);
        let objective = reach(3_060.0);
        let (mut is_unlikely, mut in_a_row) = (false, 0);
        for day in 1..=29 {
            let a = after(&series, day, objective.clone());
            if a.too_early().unwrap() {
                assert_eq!(a.status(), Status::TooEarly);
                continue;
            }
            let probability = a.probability().unwrap();
            in_a_row = if probability < UNLIKELY_UNDER { in_a_row + 1 } else { 0 };
            let was = is_unlikely;
            is_unlikely = (is_unlikely || in_a_row >= 3) && probability <= LIKELY_FROM;
            turns += u32::from(was != is_unlikely);
            between += u32::from(is_unlikely && probability >= UNLIKELY_UNDER);
            let said = matches!(a.status(), Status::AtRisk | Status::OffTrajectory);
            assert_eq!(said, is_unlikely, "seed {seed}, day {day}: {probability}, {:?}", a.status());
        }
    }
    assert!(turns > 10 && between > 10, "{turns} turns, {between} days between the limits");
}

#[test]
fn nothing_is_final_before_the_last_bucket_is() {
    let november = Period { first: FIRST, last: date(2026, 11, 30) };
    let total = {
        let a = after(&sales(7, 1.0, 29), 29, reach(1.0));
        a.actual().unwrap() + 100.0
    };
    for (target, met) in [(total - 1.0, true), (total + 1.0, false)] {
        let open = sales(7, 1.0, 29).provisional(date(2026, 11, 30), 100.0);
        let a = after(&open, 30, reach(target));
        assert!(!matches!(a.status(), Status::Reached | Status::Missed), "{:?}", a.status());
        let probability = a.probability().unwrap();
        assert!(0.0 < probability && probability < 1.0 && (probability > 0.5) == met);
        assert_eq!(a.outcome_of(november), PeriodOutcome::ToBeConfirmed);
        let closed = sales(7, 1.0, 29).put(date(2026, 11, 30), 100.0);
        let ended = |series: &Series, day| {
            let a = after(series, day, reach(target));
            (a.status(), a.probability(), a.outcome_of(november))
        };
        let word = if met { Status::Reached } else { Status::Missed };
        let outcome = if met { PeriodOutcome::Reached } else { PeriodOutcome::Missed };
        let verdict = (word, Ok(f64::from(u8::from(met))), outcome);
        assert_eq!(ended(&closed, 30), verdict);
        // What comes after, and may change, is nothing to it.
        let more = closed.provisional(date(2026, 12, 1), 5_000.0);
        let a = after(&more, 30, reach(target));
        assert_eq!(a.outcome_of(november), outcome);
        assert_eq!((a.final_only().status()), word);
    }
}

#[test]
fn a_sum_is_reached_before_the_end_by_final_buckets_alone() {
    let status = |series: &Series| after(series, 20, reach(1_950.0)).status();
    let sum = after(&sales(3, 1.0, 19), 19, reach(1.0)).actual().unwrap();
    let last = 1_950.0 - sum + 10.0;
    assert_eq!(status(&sales(3, 1.0, 19).put(date(2026, 11, 20), last)), Status::Reached);
    assert_eq!(status(&sales(3, 1.0, 19).provisional(date(2026, 11, 20), last)), Status::Ahead);
}

#[test]
fn before_anything_is_learned_free_days_bring_what_they_brought() {
    let flat = |of: fn(Date) -> f64| {
        let days = (0..10).map(|day| FIRST.saturating_add(day.days()));
        days.fold(Series::daily(Kind::Flow), |series, day| series.put(day, of(day)))
    };
    let landing = |series: &Series, target| {
        let a = after(series, 10, reach(target));
        (a.low().unwrap(), a.high().unwrap(), a.probability().unwrap())
    };
    // Every day brings a hundred, also the weekends.
    let (low, high, probability) = landing(&flat(|_| 100.0), 2_800.0);
    assert!(low < 3_000.0 && 3_000.0 < high && probability > 0.6, "{low} to {high}, {probability}");
    // November 2026 has twenty working days.
    let shop: fn(Date) -> f64 = |day| if day.weekday().to_monday_zero_offset() < 5 { 100.0 } else { 0.0 };
    let (low, high, _) = landing(&flat(shop), 2_000.0);
    assert!(low < 2_000.0 && 2_000.0 < high && high < 2_700.0, "{low} to {high}");
}
