//! What is to be held once it is met: as probable as that every day left holds it.

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

/// To be met and then held until the month ends.
fn held(goal: f64) -> Objective {
    Objective { hold: Some(Hold::OnceMet), ..monthly(Measure::AtEnd, Target::Reach(goal), Trajectory::Linear) }
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

/// In doubt as long as the day that missed it may still change, and lost with the worst day once it does not.
#[test]
fn a_day_that_misses_it_loses_what_was_to_be_held() {
    let at = |series: &Series, day: i8| series.assess(&morning_after(november(day)), Some(held(99.9)));
    let before = Series::daily(LEVEL).fill(november(1), november(4), 99.95);
    let shaky = before.clone().provisional(november(5), 99.2);
    let a = at(&shaky, 5);
    assert!(a.status() != Status::Missed && a.probability().is_ok_and(|chance| chance > 0.0 && chance < 0.01));
    let whole = Series::daily(LEVEL).fill(november(1), november(30), 99.95).put(november(9), 99.8);
    let doubtful = at(&whole.clone().provisional(november(5), 99.2).put(november(9), 99.95), 30);
    assert_eq!(doubtful.outcome_of(NOVEMBER), PeriodOutcome::ToBeConfirmed);
    assert!(!matches!(doubtful.status(), Status::Reached | Status::Missed), "{:?}", doubtful.status());
    let lost = at(&whole.put(november(5), 99.2), 30);
    assert_eq!((lost.status(), lost.outcome_of(NOVEMBER)), (Status::Missed, PeriodOutcome::Missed));
    // What it came to is the day that was the farthest off, not the last one.
    close(Ok(lost.closing_of(NOVEMBER).unwrap().actual), 99.2);
}

/// On the second day nothing is known of how days hang together; that is no reason to fear for the year.
#[test]
fn a_quiet_beginning_is_no_alarm() {
    for swing in [0.0, 3.0] {
        let mut random = fastrand::Rng::with_seed(5);
        let mut chances = Vec::new();
        for days in [2, 6, 12, 25] {
            let series = filled(november(1), november(days), || 150.0 + swing * (random.f64() - 0.5));
            let objective = Objective { period: PeriodSpec::Year, ..held(100.0) };
            let a = series.assess(&morning_after(november(days)), Some(objective));
            chances.push(a.probability().unwrap());
        }
        assert!(chances.iter().all(|chance| *chance > 0.35), "swing {swing}: {chances:?}");
    }
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
            let a = series.assess(&morning_after(known_to), Some(held(90.0)));
            let have_held = |from: i32, to: i32| (from..to).all(|at| whole[at as usize] >= 90.0);
            let end = from + i32::from(month.days_in_month());
            if !have_held(from, from + 10) {
                continue;
            }
            told.push((a.probability().unwrap(), have_held(from + 10, end)));
            let alone = Objective { hold: None, ..held(90.0) };
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
    let at = |goal: f64, days: i8| {
        let (mut random, mut level) = (fastrand::Rng::with_seed(3), 100.0);
        let mut next = || {
            level += 2.0 * (random.f64() - 0.5) - 0.02 * (level - 100.0);
            level
        };
        let series = filled(date(2024, 6, 1), november(days), &mut next);
        series.assess(&morning_after(november(days)), Some(held(goal))).probability().unwrap()
    };
    let chances = [80.0, 90.0, 94.0].map(|goal| at(goal, 6));
    assert!(chances.is_sorted_by(|one, next| one >= next), "{chances:?}");
    assert!(chances[0] > 0.9 && chances.iter().all(|chance| *chance > 0.0 && *chance < 1.0), "{chances:?}");
}
