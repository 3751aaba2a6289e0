//! What must hold each day: missed once a day misses it, and as probable as that all days left hold.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::assessment::Assessment;
use super::fixture::{LEVEL, Series, close, monthly};
use crate::model::alert::PeriodOutcome;
use crate::model::assessment::Status;
use crate::model::objective::{Hold, Measure, Objective, Target, Trajectory};
use crate::model::period::{Period, PeriodSpec};

const NOVEMBER: Period = Period { first: date(2026, 11, 1), last: date(2026, 11, 30) };

fn november(day: i8) -> Date {
    date(2026, 11, day)
}

fn morning_after(day: Date) -> String {
    format!("{}T05:15:00Z", day.saturating_add(1.day()))
}

fn each(target: Target) -> Objective {
    monthly(Measure::Each, target, Trajectory::Linear)
}

/// Days as `next` gives them.
fn filled(first: Date, through: Date, mut next: impl FnMut() -> f64) -> Series {
    let mut series = Series::daily(LEVEL);
    let mut day = first;
    while day <= through {
        series = series.put(day, next());
        day = day.saturating_add(1.day());
    }
    series
}

/// It used to be judged by its newest day: lost on the 5th, it was reached on the 30th.
#[test]
fn one_day_that_misses_it_loses_the_period() {
    let whole = Series::daily(LEVEL).fill(november(1), november(30), 99.95).put(november(5), 99.2);
    let whole = whole.put(november(9), 99.8);
    let at = |series: &Series, day: i8, objective| series.assess(&morning_after(november(day)), Some(objective));
    let available = each(Target::AtLeast(99.9));
    let before = Series::daily(LEVEL).fill(november(1), november(4), 99.95);
    assert_eq!(at(&before, 4, available.clone()).status(), Status::OnTrack);
    for through in [5, 8, 20] {
        let known = (1..=through)
            .fold(Series::daily(LEVEL), |series, day| series.put(november(day), if day == 5 { 99.2 } else { 99.95 }));
        let a = at(&known, through, available.clone());
        assert_eq!((a.status(), a.probability()), (Status::Missed, Ok(0.0)), "{through}");
    }
    let a = at(&whole, 30, available.clone());
    assert_eq!((a.status(), a.outcome_of(NOVEMBER)), (Status::Missed, PeriodOutcome::Missed));
    // What it came to is the day that was the farthest off, not the last one.
    close(Ok(a.closing_of(NOVEMBER).unwrap().actual), 99.2);
    let at_end = monthly(Measure::AtEnd, Target::AtLeast(99.9), Trajectory::Linear);
    assert_eq!(at(&whole, 30, at_end).outcome_of(NOVEMBER), PeriodOutcome::Reached);
    assert_eq!(at(&whole, 30, each(Target::AtLeast(99.0))).outcome_of(NOVEMBER), PeriodOutcome::Reached);
    assert_eq!(at(&whole, 30, each(Target::Between(99.0, 99.9))).outcome_of(NOVEMBER), PeriodOutcome::Missed);
    // What may still change loses nothing, though it hardly will.
    let shaky = before.provisional(november(5), 99.2);
    let a = at(&shaky, 5, available);
    assert!(a.status() != Status::Missed && a.probability().is_ok_and(|chance| chance > 0.0 && chance < 0.01));
}

/// Levels of which one in fifty days breaks: with twenty days left two in three hold, and the last one alone in 98 %.
#[test]
fn all_days_left_must_hold() {
    let mut told: Vec<(f64, bool)> = Vec::new();
    let mut last_alone = 0.0;
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let whole: Vec<f64> =
            (0..1_200).map(|_| if random.f64() < 0.02 { 80.0 } else { 98.0 + 4.0 * random.f64() }).collect();
        let first = date(2024, 1, 1);
        let mut values = whole.iter().copied();
        let series = filled(first, first.saturating_add(1_199.days()), || values.next().unwrap());
        for months in 12..36 {
            let month = first.saturating_add(i64::from(months).months());
            let known_to = month.saturating_add(9.days());
            let from = (month - first).get_days();
            let a = series.assess(&morning_after(known_to), Some(each(Target::AtLeast(90.0))));
            let held = |from: i32, to: i32| (from..to).all(|at| whole[at as usize] >= 90.0);
            let end = from + i32::from(month.days_in_month());
            if !held(from, from + 10) {
                assert_eq!(a.status(), Status::Missed);
                continue;
            }
            told.push((a.probability().unwrap(), held(from + 10, end)));
            let alone = Objective { measure: Measure::AtEnd, ..each(Target::AtLeast(90.0)) };
            last_alone += Assessment::new(a.kpi, a.labels, a.data, Some(alone.into()), a.now).probability().unwrap();
        }
    }
    let count = told.len() as f64;
    let (said, came) = (
        told.iter().map(|(chance, _)| chance).sum::<f64>() / count,
        told.iter().filter(|(_, came)| *came).count() as f64 / count,
    );
    assert!((said - came).abs() < 0.1, "{said:.2} is said, {came:.2} came of {count}");
    assert!(last_alone / count - came > 0.15, "the last day alone: {:.2}", last_alone / count);
}

/// A level that wanders: whoever is far above holds, whoever is near may not, and days hang together.
#[test]
fn a_level_that_wanders_is_as_sure_as_it_is_far() {
    let at = |goal: f64, days: i8, hold: Option<Hold>| {
        let (mut random, mut level) = (fastrand::Rng::with_seed(3), 100.0);
        let mut next = || {
            level += 2.0 * (random.f64() - 0.5) - 0.02 * (level - 100.0);
            level
        };
        let series = filled(date(2024, 6, 1), november(days), &mut next);
        let target = if hold.is_some() { Target::Reach(goal) } else { Target::AtLeast(goal) };
        let measure = if hold.is_some() { Measure::AtEnd } else { Measure::Each };
        let objective = Objective { hold, period: PeriodSpec::Month, ..monthly(measure, target, Trajectory::Linear) };
        let a = series.assess(&morning_after(november(days)), Some(objective));
        (a.probability().unwrap(), a.status())
    };
    for hold in [None, Some(Hold::OnceMet)] {
        let chances = [80.0, 90.0, 94.0].map(|goal| at(goal, 6, hold).0);
        assert!(chances.is_sorted_by(|one, next| one >= next), "{hold:?}: {chances:?}");
        assert!(
            chances[0] > 0.9 && chances.iter().all(|chance| *chance > 0.0 && *chance < 1.0),
            "{hold:?}: {chances:?}"
        );
    }
    // What is kept once it is met is as probable as what is kept from the first: the same days are left.
    close(Ok(at(90.0, 6, None).0), at(90.0, 6, Some(Hold::OnceMet)).0);
}
