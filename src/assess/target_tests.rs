//! Every form of a target: relative to a baseline, from a table, a budget, done by a day and kept.

use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::fixture::{LEVEL, Series, close, monthly};
use crate::model::alert::PeriodOutcome;
use crate::model::assessment::{Status, Unmeasurable};
use crate::model::closure::DayOfYear;
use crate::model::objective::{Hold, Measure, Milestone, Objective, Target, Trajectory};
use crate::model::period::{Period, PeriodSpec};
use crate::model::target::{Baseline, Change, TargetFigure, TargetTable};
use crate::model::unit::Kind;

fn up(share: f64) -> Target<TargetFigure> {
    Target::Reach(TargetFigure::Change(Change::Share(share)))
}

fn relative(target: Target<TargetFigure>, baseline: Baseline, period: PeriodSpec) -> Objective {
    Objective {
        target,
        baseline: Some(baseline),
        period,
        ..monthly(Measure::Sum, Target::Reach(0.0), Trajectory::Linear)
    }
}

fn whole(first: Date, months: i32) -> Period {
    Period { first, last: first.saturating_add((months - 1).months()).last_of_month() }
}

/// Ten a day through 2025, eleven from then on.
fn two_years() -> Series {
    let series = Series::daily(Kind::Flow).fill(date(2025, 1, 1), date(2025, 12, 31), 10.0);
    series.fill(date(2026, 1, 1), date(2026, 6, 10), 11.0)
}

#[test]
fn a_change_starts_from_what_the_measure_came_to() {
    let assess =
        |baseline, period| two_years().assess("2026-06-11T05:15:00Z", Some(relative(up(0.15), baseline, period)));
    close(assess(Baseline::PeriodBefore, PeriodSpec::Month).target(), 31.0 * 11.0 * 1.15);
    close(assess(Baseline::YearBefore, PeriodSpec::Month).target(), 30.0 * 10.0 * 1.15);
    close(assess(Baseline::YearBefore, PeriodSpec::Half).target(), 181.0 * 10.0 * 1.15);
    close(assess(Baseline::Over(whole(date(2025, 1, 1), 6)), PeriodSpec::Half).target(), 181.0 * 10.0 * 1.15);
    close(assess(Baseline::Figure(200.0), PeriodSpec::Month).target(), 230.0);
    let starts = DayOfYear::new(6, 1).unwrap();
    let fiscal = assess(Baseline::YearBefore, PeriodSpec::FiscalYear { starts });
    close(fiscal.target(), (214.0 * 10.0 + 151.0 * 11.0) * 1.15);
    assert_eq!(fiscal.period().unwrap().first, date(2026, 6, 1));
    // Nothing is known of 2024.
    let long = two_years().assess(
        "2026-03-11T05:15:00Z",
        Some(relative(up(0.15), Baseline::YearBefore, PeriodSpec::FiscalYear { starts })),
    );
    let missing = Unmeasurable::NoBaseline {
        from: date(2024, 6, 1),
        to: date(2025, 5, 31),
        why: Box::new(Unmeasurable::NoHistory),
    };
    assert_eq!(long.target(), Err(missing));
}

#[test]
fn a_sum_over_another_length_counts_by_its_working_days() {
    // 122 working days from January to June 2025, 21 in June 2026 (French holidays).
    let half = whole(date(2025, 1, 1), 6);
    let a =
        two_years().assess("2026-06-11T05:15:00Z", Some(relative(up(0.0), Baseline::Over(half), PeriodSpec::Month)));
    let working = |period: Period| f64::from(a.kpi.calendar.working_days(period.first, period.last));
    let expected = 1810.0 * working(whole(date(2026, 6, 1), 1)) / working(half);
    close(a.target(), expected);
    assert!((expected - 1810.0 / 6.0).abs() > 1.0, "not a sixth: June has more working days than the mean month");
}

#[test]
fn all_figures_use_the_resolved_target() {
    let a =
        two_years().assess("2026-06-11T05:15:00Z", Some(relative(up(0.10), Baseline::YearBefore, PeriodSpec::Month)));
    close(a.target(), 330.0);
    close(a.expected(), 110.0);
    close(a.drift(), 0.0);
    close(a.attainment(), 1.0 / 3.0);
    // Exactly on its way, and as likely as not: that is no calm.
    assert_eq!(a.status(), Status::Watch);
    let facts = a.facts().unwrap();
    let Target::Reach(to) = facts.target else { panic!("{:?}", facts.target) };
    assert!((to - 330.0).abs() < 1e-9);
    // As probable as that of the same figure written down.
    let fixed = monthly(Measure::Sum, Target::Reach(to), Trajectory::Linear);
    let fixed = two_years().assess("2026-06-11T05:15:00Z", Some(fixed));
    assert_eq!(a.probability(), fixed.probability());
    let june = whole(date(2026, 6, 1), 1);
    let end = two_years().fill(date(2026, 6, 11), date(2026, 6, 30), 11.0);
    let outcome = |share| {
        let objective = relative(up(share), Baseline::YearBefore, PeriodSpec::Month);
        end.assess("2026-07-01T05:15:00Z", Some(objective)).outcome_of(june)
    };
    assert_eq!((outcome(0.10 - 1e-9), outcome(0.11)), (PeriodOutcome::Reached, PeriodOutcome::Missed));
}

#[test]
fn a_target_is_unknown_while_its_baseline_is() {
    let (from, to) = (date(2026, 5, 1), date(2026, 5, 31));
    let objective = || Some(relative(up(0.10), Baseline::PeriodBefore, PeriodSpec::Month));
    let because = |why| Err(Unmeasurable::NoBaseline { from, to, why: Box::new(why) });
    let late = Series::daily(Kind::Flow).fill(date(2026, 5, 10), date(2026, 6, 10), 11.0);
    let a = late.assess("2026-06-11T05:15:00Z", objective());
    assert_eq!(a.target(), because(Unmeasurable::NoHistory));
    assert_eq!((a.expected(), a.probability()), (because(Unmeasurable::NoHistory), because(Unmeasurable::NoHistory)));
    // What needs no target is known all the same.
    close(a.actual(), 110.0);
    assert_eq!((a.status(), a.facts()), (Status::InsufficientData, None));
    assert_eq!(a.outcome_of(whole(date(2026, 6, 1), 1)), PeriodOutcome::ToBeConfirmed);
    // A provisional last day of May moves no target.
    let may = Series::daily(Kind::Flow).fill(from, date(2026, 5, 30), 10.0).provisional(to, 10.0);
    let june = may.fill(date(2026, 6, 1), date(2026, 6, 3), 10.0);
    let strict = june.assess("2026-06-04T05:15:00Z", objective()).final_only();
    assert_eq!(strict.target(), because(Unmeasurable::Incomplete { present: 30, due: 31 }));
    close(june.assess("2026-06-04T05:15:00Z", objective()).target(), 341.0);
    let nothing = Series::daily(Kind::Flow).fill(from, date(2026, 6, 10), 0.0);
    assert_eq!(nothing.assess("2026-06-11T05:15:00Z", objective()).target(), because(Unmeasurable::ZeroReference));
}

#[test]
fn points_and_bands_are_relative_too() {
    let mut series = Series::daily(Kind::Ratio);
    for day in 1..=31 {
        series = series.ratio(date(2026, 5, day), 40.0, 100.0);
    }
    for day in 1..=10 {
        series = series.ratio(date(2026, 6, day), 42.0, 100.0);
    }
    let assess = |target| {
        let objective =
            Objective { measure: Measure::Pooled, ..relative(target, Baseline::PeriodBefore, PeriodSpec::Month) };
        series.assess("2026-06-11T05:15:00Z", Some(objective))
    };
    let points = |points: f64| TargetFigure::Change(Change::Amount(points / 100.0));
    close(assess(Target::AtLeast(points(3.0))).target(), 0.43);
    assert_eq!(assess(Target::Between(points(-3.0), points(3.0))).status(), Status::OnTrack);
    close(assess(Target::AtMost(points(1.0))).shortfall(), 0.01);
}

fn table(rows: &[(Period, f64)]) -> Target<TargetFigure> {
    Target::Reach(TargetFigure::Table(Arc::new(TargetTable::of(rows.to_vec()).unwrap().unwrap())))
}

#[test]
fn a_table_gives_each_period_its_figure() {
    let month = |number| whole(date(2026, number, 1), 1);
    let rows = [(month(1), 341.0), (month(2), 400.0), (month(3), 300.0), (month(5), 310.0)];
    let objective = |period| Objective {
        target: table(&rows),
        period,
        ..monthly(Measure::Sum, Target::Reach(0.0), Trajectory::Linear)
    };
    let at = |now: &str, period| two_years().assess(now, Some(objective(period)));
    close(at("2026-02-15T05:15:00Z", PeriodSpec::Month).target(), 400.0);
    close(at("2026-03-15T05:15:00Z", PeriodSpec::Month).target(), 300.0);
    close(at("2026-02-15T05:15:00Z", PeriodSpec::Quarter).target(), 1041.0);
    let gap = Unmeasurable::NoTarget { from: date(2026, 4, 1), to: date(2026, 4, 30) };
    assert_eq!(at("2026-04-15T05:15:00Z", PeriodSpec::Month).target(), Err(gap.clone()));
    assert_eq!(at("2026-05-15T05:15:00Z", PeriodSpec::Half).target(), Err(gap));
    // Before and after the table there is no objective.
    assert_eq!(at("2026-06-11T05:15:00Z", PeriodSpec::Month).period(), Err(Unmeasurable::OutsidePeriod));
    let a = at("2026-06-11T05:15:00Z", PeriodSpec::Month);
    assert_eq!(a.outcome_of(month(1)), PeriodOutcome::Reached);
    assert_eq!(a.outcome_of(month(2)), PeriodOutcome::Missed);
    assert_eq!(a.outcome_of(month(4)), PeriodOutcome::ToBeConfirmed);
}

#[test]
fn a_plan_by_month_is_the_way_through_the_quarter() {
    let month = |number| whole(date(2026, number, 1), 1);
    let rows = [(month(1), 310.0), (month(2), 280.0), (month(3), 620.0)];
    let table = TargetTable::of(rows.to_vec()).unwrap().unwrap();
    let milestones = table.milestones(|day| PeriodSpec::Quarter.holding(day), true);
    let way = milestones.into_iter().map(|(by, value)| Milestone { by, value }).collect();
    let objective = Objective {
        target: Target::Reach(TargetFigure::Table(Arc::new(table))),
        period: PeriodSpec::Quarter,
        ..monthly(Measure::Sum, Target::Reach(0.0), Trajectory::Milestones(way))
    };
    let expected = |now| two_years().assess(now, Some(objective.clone())).expected();
    close(expected("2026-02-01T05:15:00Z"), 310.0);
    close(expected("2026-02-15T05:15:00Z"), 450.0);
    close(expected("2026-03-11T05:15:00Z"), 790.0);
    close(expected("2026-04-01T05:15:00Z"), 1210.0);
}

#[test]
fn a_milestone_that_has_passed_was_met_or_missed() {
    let milestone = |day, value| Milestone { by: date(2026, 6, day), value };
    let way = |target: Target| Objective {
        period: PeriodSpec::Between { from: date(2026, 6, 1), to: date(2026, 6, 30) },
        ..monthly(Measure::Sum, target, Trajectory::Milestones(vec![milestone(5, 50.0), milestone(10, 120.0)]))
    };
    let missed = |days: i8, target| {
        let series = Series::daily(Kind::Flow).fill(date(2026, 6, 1), date(2026, 6, days), 10.0);
        let now = format!("2026-06-{:02}T05:15:00Z", days + 1);
        series.assess(&now, Some(way(target))).milestone_missed()
    };
    let found = |target: Target| [4, 5, 9, 10, 15].map(|days| missed(days, target).unwrap());
    assert_eq!(found(Target::Reach(300.0)), [false, false, false, true, true]);
    assert_eq!(found(Target::AtMost(300.0)), [false; 5]);
}

#[test]
fn a_budget_has_a_pace() {
    let spent = |a_day| {
        let series = Series::daily(Kind::Flow).fill(date(2026, 6, 1), date(2026, 6, 15), a_day);
        series.assess("2026-06-16T05:15:00Z", Some(monthly(Measure::Sum, Target::AtMost(300.0), Trajectory::Linear)))
    };
    let a = spent(12.0);
    close(a.expected(), 150.0);
    close(a.drift(), 30.0);
    close(a.shortfall(), 30.0);
    close(a.projected(), 360.0);
    assert_eq!(a.status(), Status::OffTrajectory);
    assert!(a.drift_days().unwrap() < 0.0, "over the budget is behind");
    // What each working day left may use.
    close(a.required_rate(), 120.0 / f64::from(a.working_days_left().unwrap()));
    assert_eq!((spent(9.0).status(), spent(9.0).shortfall()), (Status::Ahead, Ok(0.0)));
    let over = spent(21.0);
    assert_eq!((over.status(), over.required_rate()), (Status::OffTrajectory, Ok(0.0)));
    let june = Series::daily(Kind::Flow).fill(date(2026, 6, 1), date(2026, 6, 30), 10.0);
    let ended =
        june.assess("2026-07-01T05:15:00Z", Some(monthly(Measure::Sum, Target::AtMost(300.0), Trajectory::Linear)));
    assert_eq!(ended.status(), Status::Reached);
}

/// A level that is to go from 100 to 200 by the end of October, and to stay there until the year ends.
fn to_be_kept(hold: Hold) -> Objective {
    Objective {
        period: PeriodSpec::Between { from: date(2026, 10, 1), to: date(2026, 12, 31) },
        baseline: Some(Baseline::Figure(100.0)),
        hold: Some(hold),
        ..monthly(Measure::AtEnd, Target::Reach(200.0), Trajectory::Linear)
    }
}

#[test]
fn what_is_done_by_a_day_is_kept_from_then_on() {
    let by = date(2026, 10, 31);
    let october = Series::daily(LEVEL).fill(date(2026, 10, 1), date(2026, 10, 15), 150.0);
    let assess = |series: &Series, now: &str| series.assess(now, Some(to_be_kept(Hold::DoneBy(by))));
    // The way ends with October.
    let a = assess(&october, "2026-10-16T05:15:00Z");
    close(a.expected(), 100.0 + 100.0 * 15.0 / 31.0);
    close(a.elapsed(), 15.0 / 31.0);
    assert_eq!(a.days_left(), Ok(16));
    let done = october.fill(date(2026, 10, 16), date(2026, 11, 10), 200.0);
    let a = assess(&done, "2026-11-11T05:15:00Z");
    close(a.expected(), 200.0);
    assert_eq!(a.status(), Status::OnTrack);
    assert!(matches!(a.required_rate(), Err(Unmeasurable::NotDefined { .. })), "no pace any more");
    // What may still change loses nothing, what is final does, for good.
    let shaky = done.clone().provisional(date(2026, 11, 11), 190.0);
    assert_ne!(assess(&shaky, "2026-11-12T05:15:00Z").status(), Status::Missed);
    let lost = done.clone().put(date(2026, 11, 11), 199.0).fill(date(2026, 11, 12), date(2026, 11, 20), 210.0);
    let a = assess(&lost, "2026-11-21T05:15:00Z");
    assert_eq!((a.status(), a.probability()), (Status::Missed, Ok(0.0)));
    let period = Period { first: date(2026, 10, 1), last: date(2026, 12, 31) };
    let end = |series: Series| {
        let series = series.fill(date(2026, 11, 21), date(2026, 12, 31), 210.0);
        let a = assess(&series, "2027-01-01T05:15:00Z");
        (a.status(), a.outcome_of(period))
    };
    assert_eq!(end(lost), (Status::Missed, PeriodOutcome::Missed));
    assert_eq!(
        end(done.fill(date(2026, 11, 11), date(2026, 11, 20), 200.0)),
        (Status::Reached, PeriodOutcome::Reached)
    );
}

#[test]
fn what_is_not_done_by_its_day_is_missed() {
    let by = date(2026, 10, 31);
    let late = Series::daily(LEVEL).fill(date(2026, 10, 1), date(2026, 10, 31), 190.0).fill(
        date(2026, 11, 1),
        date(2026, 11, 5),
        250.0,
    );
    let assess = |series: &Series, now: &str| series.assess(now, Some(to_be_kept(Hold::DoneBy(by)))).status();
    assert_eq!(assess(&late, "2026-11-06T05:15:00Z"), Status::Missed);
    // Reached before its day and lost again, it can still be done.
    let again = Series::daily(LEVEL).fill(date(2026, 10, 1), date(2026, 10, 10), 220.0).fill(
        date(2026, 10, 11),
        date(2026, 10, 20),
        190.0,
    );
    assert_ne!(assess(&again, "2026-10-21T05:15:00Z"), Status::Missed);
}

#[test]
fn without_a_day_it_is_kept_once_met() {
    let assess = |series: &Series, now: &str| series.assess(now, Some(to_be_kept(Hold::OnceMet)));
    let before = Series::daily(LEVEL).fill(date(2026, 10, 1), date(2026, 10, 15), 150.0);
    close(assess(&before, "2026-10-16T05:15:00Z").expected(), 100.0 + 100.0 * 15.0 / 92.0);
    let met = before.put(date(2026, 10, 16), 201.0);
    close(assess(&met, "2026-10-17T05:15:00Z").expected(), 200.0);
    let lost = met.put(date(2026, 10, 17), 180.0);
    assert_eq!(assess(&lost, "2026-10-18T05:15:00Z").status(), Status::Missed);
}

#[test]
fn a_share_of_a_baseline_of_zero_is_no_target() {
    let series = Series::daily(Kind::Flow).fill(date(2026, 5, 1), date(2026, 5, 31), 0.0);
    let series = series.fill(date(2026, 6, 1), date(2026, 6, 10), 11.0);
    let of = |target| {
        series.assess("2026-06-11T05:15:00Z", Some(relative(target, Baseline::PeriodBefore, PeriodSpec::Month)))
    };
    let missing = Unmeasurable::NoBaseline {
        from: date(2026, 5, 1),
        to: date(2026, 5, 31),
        why: Box::new(Unmeasurable::ZeroReference),
    };
    let share = of(up(0.15));
    assert_eq!((share.target(), share.status()), (Err(missing.clone()), Status::InsufficientData));
    assert_eq!(share.measured_facts(), Err(missing));
    close(of(Target::Reach(TargetFigure::Change(Change::Amount(200.0)))).target(), 200.0);
}

#[test]
fn a_baseline_is_walked_once() {
    let objective = relative(up(0.15), Baseline::PeriodBefore, PeriodSpec::Month);
    let mut assessment = two_years().assess("2026-06-11T05:15:00Z", Some(objective));
    let june = assessment.period().unwrap();
    let target = assessment.target_of(june).unwrap();
    // Whoever asks again is told the same, without a look at the data.
    assessment.data = Arc::default();
    assert_eq!(assessment.target_of(june), Ok(target));
    assert!(assessment.target_of(whole(date(2026, 5, 1), 1)).is_err(), "that of another period is its own");
}
