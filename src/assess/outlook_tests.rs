//! What a probability must be, whatever the measure and the target: sure of nothing before the end, moved the right way by
//! what comes, blind to the future, and right as often as it says.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::fixture::{LEVEL, Series, close, monthly};
use crate::model::alert::PeriodOutcome;
use crate::model::assessment::{Status, Unmeasurable};
use crate::model::grain::Grain;
use crate::model::objective::{Measure, Objective, Stretch, Target, Trajectory};
use crate::model::unit::Kind;

const FIRST: Date = date(2025, 8, 1);
/// Every measure with a kind that it fits.
const MEASURES: [(Kind, Measure); 11] = [
    (Kind::Flow, Measure::Sum),
    (Kind::Flow, Measure::Mean),
    (Kind::Flow, Measure::Each),
    (Kind::Flow, Measure::Rolling(Stretch::Days(28))),
    (LEVEL, Measure::AtEnd),
    (LEVEL, Measure::Each),
    (LEVEL, Measure::Mean),
    (LEVEL, Measure::Rolling(Stretch::Months(2))),
    (Kind::Ratio, Measure::Pooled),
    (Kind::Ratio, Measure::AtEnd),
    (Kind::Ratio, Measure::Rolling(Stretch::Days(14))),
];

fn november(day: i8) -> Date {
    date(2026, 11, day)
}

/// Of every kind about a hundred a day, or nine in ten of a hundred; `lift` is what the days of November have more.
fn filled(kind: Kind, through: Date, lift: f64) -> Series {
    let mut random = fastrand::Rng::with_seed(5);
    let mut series = Series::daily(kind);
    let mut day = FIRST;
    while day <= through {
        let lifted = if day >= november(1) { lift } else { 0.0 };
        series = if kind == Kind::Ratio {
            let good = (0..100).filter(|_| random.f64() < 0.9).count() as f64;
            series.ratio(day, (good + 10.0 * lifted).min(100.0), 100.0)
        } else {
            series.put(day, 100.0 * (0.85 + 0.3 * random.f64() + lifted))
        };
        day = day.saturating_add(1.day());
    }
    series
}

fn morning_after(day: Date) -> String {
    format!("{}T05:15:00Z", day.saturating_add(1.day()))
}

fn learned(measure: Measure, target: Target) -> Objective {
    monthly(measure, target, Trajectory::Learned)
}

/// About where such a month ends.
fn goal_of(kind: Kind, measure: Measure) -> f64 {
    match (kind, measure) {
        (Kind::Ratio, _) => 0.9,
        (_, Measure::Sum) => 3_000.0,
        (Kind::Flow, Measure::Rolling(_)) => 2_800.0,
        _ => 100.0,
    }
}

fn targets(goal: f64) -> [Target; 5] {
    [
        Target::Reach(goal),
        Target::AtLeast(goal),
        Target::ReduceTo(goal),
        Target::AtMost(goal),
        Target::Between(0.97 * goal, 1.03 * goal),
    ]
}

#[test]
fn nothing_is_sure_before_the_end_and_all_is_at_it() {
    for (kind, measure) in MEASURES {
        let goal = goal_of(kind, measure);
        for target in [goal, 0.0, 100.0 * goal].into_iter().flat_map(targets) {
            for day in [1, 2, 10, 20, 29] {
                let day = november(day);
                let a = filled(kind, day, 0.0).assess(&morning_after(day), Some(learned(measure, target)));
                let chance = a.probability().unwrap();
                assert!(chance > 0.0 && chance < 1.0, "{measure:?} {target:?} on {day}: {chance}");
                let (low, high) = (a.low().unwrap(), a.high().unwrap());
                assert!(low <= high, "{measure:?} {target:?} on {day}: {low} to {high}");
            }
            let a = filled(kind, november(30), 0.0).assess("2026-12-01T05:15:00Z", Some(learned(measure, target)));
            let is_met = target.is_met_by(a.actual().unwrap());
            assert_eq!(a.probability(), Ok(f64::from(u8::from(is_met))), "{measure:?} {target:?}");
            assert_eq!(a.status(), if is_met { Status::Reached } else { Status::Missed });
        }
    }
}

/// What is known, however little, and whatever it is: where it leads lies within what is likely.
#[test]
fn a_landing_lies_within_its_interval() {
    let one = |random: &mut fastrand::Rng, pattern: u64| match pattern {
        0 => 0.0,
        1 => 90.0 + 20.0 * random.f64(),
        2 => f64::from(u8::from(random.f64() < 0.1)),
        3 => random.f64() - 0.5,
        _ => (3.0 * random.f64()).exp(),
    };
    for (kind, measure) in MEASURES {
        for seed in 0..10 {
            for before in [0, 20, 200] {
                let mut random = fastrand::Rng::with_seed(seed);
                let mut series = Series::daily(kind);
                let mut day = november(1).saturating_sub(i64::from(before).days());
                let through = november(random.i8(1..=29));
                while day <= through {
                    let value = one(&mut random, seed % 5);
                    series = match kind {
                        Kind::Ratio => series.ratio(day, value.abs().min(50.0).floor(), 50.0),
                        _ => series.put(day, value),
                    };
                    day = day.saturating_add(1.day());
                }
                for trajectory in [Trajectory::Learned, Trajectory::WorkingDays] {
                    let target = Target::AtLeast(goal_of(kind, measure));
                    let a = series.assess(&morning_after(through), Some(monthly(measure, target, trajectory)));
                    let (Ok(projected), Ok(low), Ok(high)) = (a.projected(), a.low(), a.high()) else { continue };
                    let of = format!("{measure:?} of {kind:?}, seed {seed}, {before} days before");
                    assert!(low <= projected && projected <= high, "{of}: {projected} beside {low} to {high}");
                    let chance = a.probability();
                    assert!(chance.is_err() || chance.is_ok_and(|it| (0.0..=1.0).contains(&it)), "{of}");
                }
            }
        }
    }
}

#[test]
fn more_makes_more_more_likely_and_less_less() {
    for (kind, measure) in MEASURES {
        let goal = goal_of(kind, measure);
        let chances = |target| {
            [-0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4].map(|lift| {
                let series = filled(kind, november(15), lift);
                series.assess("2026-11-16T05:15:00Z", Some(learned(measure, target))).probability().unwrap()
            })
        };
        for target in [Target::Reach(goal), Target::AtLeast(goal)] {
            let rising = chances(target);
            assert!(rising.is_sorted(), "{measure:?} of {kind:?}, {target:?}: {rising:?}");
            assert!(rising[6] - rising[0] > 0.3, "{measure:?} of {kind:?}: {rising:?}");
        }
        for target in [Target::ReduceTo(goal), Target::AtMost(goal)] {
            let falling = chances(target);
            assert!(falling.is_sorted_by(|one, next| one >= next), "{measure:?} of {kind:?}, {target:?}: {falling:?}");
        }
    }
}

#[test]
fn nothing_reads_what_comes_later_or_may_change() {
    for (kind, measure) in MEASURES {
        for target in targets(goal_of(kind, measure)) {
            let objective = || Some(learned(measure, target));
            let at = |series: &Series| {
                let a = series.assess("2026-11-16T05:15:00Z", objective()).final_only();
                let figures = [
                    a.probability(),
                    a.probability_change(),
                    a.low(),
                    a.high(),
                    a.projected(),
                    a.burn(0.1, 0.2),
                    a.actual(),
                ];
                (figures, a.status())
            };
            let known = filled(kind, november(15), 0.0);
            let told = at(&known);
            // Later days are there, and other ones than would have come.
            let later = known.clone().fill(november(17), november(28), 7.0);
            assert_eq!(at(&later), told, "{measure:?} {target:?}");
            // A value that may change counts for nothing yet.
            let provisional = known.clone().provisional(november(16), 7.0);
            let a = provisional.assess("2026-11-17T05:15:00Z", objective()).final_only();
            assert_eq!((a.probability(), a.status()), (told.0[0].clone(), told.1), "{measure:?} {target:?}");
        }
    }
}

#[test]
fn a_change_is_that_of_seven_days() {
    let lifted = |through: i8| {
        let day = november(through);
        let a = filled(Kind::Flow, day, -0.1)
            .assess(&morning_after(day), Some(learned(Measure::Sum, Target::Reach(3_000.0))));
        (a.probability().unwrap(), a.probability_change())
    };
    let (before, _) = lifted(13);
    let (now, change) = lifted(20);
    close(change, now - before);
    assert!((now - before).abs() > 1e-6);
    // A week before the 12th it was too early to tell, and before the 7th the period had not begun.
    assert_eq!(lifted(12).1, Err(Unmeasurable::NoHistory));
    assert_eq!(lifted(7).1, Err(Unmeasurable::NoHistory));
    // Beyond the end it is what the last week made of it.
    assert_eq!(lifted(30).1, Ok(0.0 - lifted(23).0));
    // Of hours it is the same time a week before.
    let mut series = Series::new(Kind::Flow, Grain::HOUR);
    let zone = series.kpi.zone.clone();
    let (from, to) =
        (Grain::HOUR.buckets_of_day(date(2026, 9, 1), &zone).0, Grain::HOUR.buckets_of_day(november(20), &zone).1);
    let mut random = fastrand::Rng::with_seed(9);
    for index in from..to {
        series = series.put_index(index, 4.0 + random.f64(), false);
    }
    let at = |now: &str| series.assess(now, Some(learned(Measure::Sum, Target::Reach(3_240.0))));
    close(
        at("2026-11-21T05:15:00Z").probability_change(),
        at("2026-11-21T05:15:00Z").probability().unwrap() - at("2026-11-13T23:00:00Z").probability().unwrap(),
    );
}

#[test]
fn a_rolling_measure_looks_back_over_the_period_s_begin() {
    let flow = Series::daily(Kind::Flow).fill(date(2026, 10, 1), date(2026, 10, 31), 10.0);
    let flow = flow.fill(november(1), november(30), 20.0);
    let rolling = |stretch| monthly(Measure::Rolling(stretch), Target::AtLeast(500.0), Trajectory::Linear);
    let at = |day: i8, stretch| flow.assess(&morning_after(november(day)), Some(rolling(stretch)));
    // 10 days of November and 18 of October.
    close(at(10, Stretch::Days(28)).actual(), 380.0);
    // From 11 October on.
    close(at(10, Stretch::Months(1)).actual(), 410.0);
    close(at(1, Stretch::Days(28)).actual(), 290.0);
    // It is known when the period begins, and has no pace: only the target.
    let first = at(1, Stretch::Days(28));
    assert_eq!((first.too_early(), first.status()), (Ok(false), Status::OffTrajectory));
    close(first.expected(), 500.0);
    assert!(first.required_rate().is_err());
    let last = at(30, Stretch::Days(28));
    close(last.actual(), 560.0);
    assert_eq!(last.outcome_of(last.period().unwrap()), PeriodOutcome::Reached);
    // Nothing reaches back so far.
    assert_eq!(at(10, Stretch::Months(4)).actual(), Err(Unmeasurable::Incomplete { present: 41, due: 123 }));
    // What is already there is fixed: with 20 of 28 days known the end can't be far.
    let width = |day: i8| {
        let series = filled(Kind::Flow, november(day), 0.0);
        let a = series.assess(&morning_after(november(day)), Some(rolling(Stretch::Days(28))));
        a.high().unwrap() - a.low().unwrap()
    };
    assert!(width(22) < 0.8 * width(5), "{} beside {}", width(22), width(5));
    assert!(at(22, Stretch::Days(28)).low().unwrap() > 20.0 * 20.0);
    // Of levels it is the mean, of ratios all cases together.
    let level =
        Series::daily(LEVEL).fill(date(2026, 10, 1), date(2026, 10, 31), 10.0).fill(november(1), november(10), 20.0);
    close(level.assess(&morning_after(november(10)), Some(rolling(Stretch::Days(20)))).actual(), 15.0);
    let ratio = (1..=10).fold(Series::daily(Kind::Ratio), |series, day| {
        series.ratio(november(day), f64::from(day), if day == 10 { 40.0 } else { 10.0 })
    });
    close(ratio.assess(&morning_after(november(10)), Some(rolling(Stretch::Days(2)))).actual(), 19.0 / 50.0);
    // Weeks and months count whole: those that begin within the stretch.
    let weekly = Series::new(Kind::Flow, Grain::Week).fill(date(2026, 9, 7), november(15), 10.0);
    close(weekly.assess("2026-11-16T05:15:00Z", Some(rolling(Stretch::Days(28)))).actual(), 40.0);
    let yearly = Series::new(Kind::Flow, Grain::Month).fill(date(2025, 11, 1), date(2026, 10, 1), 10.0);
    let year = Objective { period: crate::model::period::PeriodSpec::Year, ..rolling(Stretch::Months(12)) };
    close(yearly.assess("2026-11-01T08:15:00Z", Some(year)).actual(), 120.0);
}

/// Predicted chances beside what came.
#[derive(Default)]
struct Told(Vec<(f64, bool)>);

impl Told {
    fn brier(&self, of: impl Fn(f64) -> f64) -> f64 {
        let error = |(chance, came): &(f64, bool)| (of(*chance) - f64::from(u8::from(*came))).powi(2);
        self.0.iter().map(error).sum::<f64>() / self.0.len() as f64
    }

    fn share_that_came(&self) -> f64 {
        self.0.iter().filter(|(_, came)| *came).count() as f64 / self.0.len() as f64
    }

    /// Mean distance between chance and frequency over five equal ranges of chances, by how many fell in each.
    fn calibration_error(&self) -> f64 {
        let mut sum = 0.0;
        for range in 0..5 {
            let within: Vec<&(f64, bool)> =
                self.0.iter().filter(|(chance, _)| ((chance * 5.0) as usize).min(4) == range).collect();
            let chance: f64 = within.iter().map(|(chance, _)| chance).sum();
            let came = within.iter().filter(|(_, came)| *came).count() as f64;
            sum += (chance - came).abs();
        }
        sum / self.0.len() as f64
    }
}

/// Months of a shop whose rate of good orders moves a little from week to week, judged after so many days.
fn pooled_months(orders: usize, usual: f64, days_known: i64) -> Told {
    let mut told = Told::default();
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(100 + seed);
        let mut series = Series::daily(Kind::Ratio);
        let (mut day, mut odds) = (date(2024, 1, 1), 0.0_f64);
        let mut days: Vec<(Date, f64, f64)> = Vec::new();
        while day <= date(2026, 6, 30) {
            if day.weekday() == jiff::civil::Weekday::Monday {
                odds = 0.8 * odds + 0.25 * (random.f64() + random.f64() + random.f64() - 1.5);
            }
            let rate = 1.0 / (1.0 + (1.0 / usual - 1.0) * (-odds).exp());
            let of = (0..2 * orders).filter(|_| random.bool()).count();
            let good = (0..of).filter(|_| random.f64() < rate).count();
            days.push((day, good as f64, of as f64));
            day = day.saturating_add(1.day());
        }
        for (day, good, of) in &days {
            series = series.ratio(*day, *good, *of);
        }
        let mut first = date(2025, 1, 1);
        while first <= date(2026, 6, 1) {
            let a = series.assess(
                &morning_after(first.saturating_add((days_known - 1).days())),
                Some(learned(Measure::Pooled, Target::AtLeast(usual))),
            );
            let month = days.iter().filter(|(day, ..)| first <= *day && *day <= first.last_of_month());
            let (good, of) = month.fold((0.0, 0.0), |(good, of), (_, some, all)| (good + some, of + all));
            told.0.push((a.probability().unwrap(), good / of >= usual));
            first = first.saturating_add(1.month());
        }
    }
    told
}

#[test]
fn pooled_ratios_come_true_as_often_as_they_are_said_to() {
    // Few cases, which are counted, and many. Of few a third of a month tells next to nothing.
    for (orders, usual, days_known) in [(5, 0.95, 20), (60, 0.9, 10), (60, 0.9, 20)] {
        let told = pooled_months(orders, usual, days_known);
        let base = told.share_that_came();
        let (brier, without) = (told.brier(|chance| chance), told.brier(|_| base));
        let error = told.calibration_error();
        assert!(brier < 0.75 * without, "{orders} a day: Brier {brier:.3} beside {without:.3} without, of {base:.2}");
        assert!(error < 0.08, "{orders} a day: chances are off by {error:.3}");
    }
}
