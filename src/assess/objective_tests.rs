//! Objectives with numbers worked out by hand, mostly in November 2026: it begins on a Sunday, the
//! 11th is a holiday on a Wednesday, and 20 of its 30 days work.

use jiff::civil::{Date, date};

use super::fixture::{LEVEL, Series, at, close, monthly};
use crate::model::alert::PeriodOutcome;
use crate::model::assessment::{ComparisonBasis, Status, Unmeasurable};
use crate::model::grain::Grain;
use crate::model::kpi::{Empty, Lateness};
use crate::model::objective::{Measure, Milestone, Objective, Target, Trajectory};
use crate::model::period::{Period, PeriodSpec};
use crate::model::target::Baseline;
use crate::model::unit::Kind;

const REACH: Target = Target::Reach(3_000.0);

fn november(day: i8) -> Date {
    date(2026, 11, day)
}

/// Ten a day from 1 November through that day, evaluated on the next morning.
fn ten_a_day(through: i8, objective: Objective) -> super::Assessment {
    let series = Series::daily(Kind::Flow).fill(november(1), november(through), 10.0);
    let morning = november(through).tomorrow().unwrap();
    series.assess(&format!("{morning}T05:15:00Z"), Some(objective))
}

fn sum(target: Target, trajectory: Trajectory) -> Objective {
    monthly(Measure::Sum, target, trajectory)
}

#[test]
fn a_sum_runs_along_civil_days() {
    let a = ten_a_day(15, sum(Target::Reach(400.0), Trajectory::Linear));
    close(a.actual(), 150.0);
    close(a.elapsed(), 0.5);
    close(a.expected(), 200.0);
    close(a.drift(), -50.0);
    close(a.drift_ratio(), -0.25);
    close(a.shortfall(), 50.0);
    close(a.shortfall_ratio(), 0.25);
    close(a.projected(), 300.0);
    close(a.progress(), 0.375);
    close(a.attainment(), 0.375);
    // 400 over 20 working days is 20 a day.
    close(a.drift_days(), -2.5);
    // Of the 20 working days 9 have passed (2-6, 9, 10, 12, 13).
    assert_eq!(a.working_days_left(), Ok(11));
    assert_eq!(a.days_left(), Ok(15));
    close(a.required_rate(), 250.0 / 11.0);
    close(a.current_rate(), 150.0 / 9.0);
    close(a.required_ratio(), (250.0 / 11.0) / (150.0 / 9.0));
    close(a.completeness(), 1.0);
    assert_eq!(a.status(), Status::OffTrajectory);
}

#[test]
fn a_sum_runs_along_working_days() {
    let a = ten_a_day(11, sum(Target::Reach(400.0), Trajectory::WorkingDays));
    // Seven working days of 20 by the holiday's evening.
    close(a.expected(), 140.0);
    close(a.drift(), -30.0);
    close(a.drift_days(), -1.5);
    close(a.projected(), 110.0 / 0.35);
}

#[test]
fn a_period_without_working_days_runs_along_civil_ones() {
    let mut objective = sum(Target::Reach(40.0), Trajectory::WorkingDays);
    objective.period = PeriodSpec::Between { from: november(7), to: november(8) };
    let series = Series::daily(Kind::Flow).fill(november(7), november(7), 10.0);
    let a = series.assess("2026-11-08T05:15:00Z", Some(objective));
    close(a.expected(), 20.0);
    close(a.current_rate(), 10.0);
    close(a.required_rate(), 30.0);
}

#[test]
fn a_sum_runs_along_milestones() {
    let milestones = vec![Milestone { by: november(10), value: 50.0 }, Milestone { by: november(20), value: 250.0 }];
    let objective = sum(Target::Reach(400.0), Trajectory::Milestones(milestones));
    let a = ten_a_day(5, objective.clone());
    close(a.expected(), 25.0);
    // The pace along them would lead to 800, which ten a day come nowhere near.
    close(a.projected(), a.high().unwrap());
    close(ten_a_day(10, objective.clone()).expected(), 50.0);
    close(ten_a_day(15, objective.clone()).expected(), 150.0);
    close(ten_a_day(25, objective.clone()).expected(), 325.0);
    close(ten_a_day(30, objective).expected(), 400.0);
}

#[test]
fn a_budget_is_watched_from_above() {
    let a = ten_a_day(15, sum(Target::AtMost(240.0), Trajectory::Linear));
    close(a.expected(), 120.0);
    close(a.drift(), 30.0);
    close(a.shortfall(), 30.0);
    // 12 a working day were planned; being over is negative.
    close(a.drift_days(), -2.5);
    close(a.required_rate(), 90.0 / 11.0);
    assert_eq!(a.status(), Status::OffTrajectory);
    let a = ten_a_day(15, sum(Target::AtMost(320.0), Trajectory::Linear));
    close(a.shortfall(), 0.0);
    close(a.drift_days(), 10.0 / 16.0);
    assert_eq!(a.status(), Status::Ahead);
    // Spent: no return, even where the trajectory is near.
    assert_eq!(ten_a_day(29, sum(Target::AtMost(289.0), Trajectory::Linear)).status(), Status::OffTrajectory);
    assert_eq!(ten_a_day(15, sum(Target::ReduceTo(320.0), Trajectory::Linear)).status(), Status::Ahead);
}

#[test]
fn a_band_on_a_sum_grows_with_the_period() {
    let status = |low, high| ten_a_day(15, sum(Target::Between(low, high), Trajectory::Linear)).status();
    assert_eq!(status(280.0, 320.0), Status::OnTrack);
    assert_eq!(status(320.0, 400.0), Status::Watch);
    assert_eq!(status(100.0, 200.0), Status::OffTrajectory);
    let a = ten_a_day(15, sum(Target::Between(320.0, 400.0), Trajectory::Linear));
    close(a.expected(), 160.0);
    close(a.shortfall(), 10.0);
    assert!(matches!(a.drift_days(), Err(Unmeasurable::NotDefined { .. })));
}

#[test]
fn a_level_travels_from_its_baseline() {
    let mut objective = monthly(Measure::AtEnd, Target::ReduceTo(40.0), Trajectory::Linear);
    objective.baseline = Some(Baseline::Figure(100.0));
    let series = Series::daily(LEVEL).fill(november(1), november(15), 82.0);
    let a = series.assess("2026-11-16T05:15:00Z", Some(objective.clone()));
    close(a.actual(), 82.0);
    close(a.expected(), 70.0);
    close(a.drift(), 12.0);
    close(a.shortfall(), 12.0);
    close(a.progress(), 0.3);
    // The pace would lead to 64, which a level that stands still does not come near.
    close(a.projected(), a.low().unwrap());
    // 60 over 20 working days are 3 a day.
    close(a.drift_days(), -4.0);
    close(a.current_rate(), -2.0);
    close(a.required_rate(), -42.0 / 11.0);
    assert_eq!(a.status(), Status::OffTrajectory);
    // Without a baseline the way begins where the period before ended.
    objective.baseline = None;
    let a = series.clone().put(date(2026, 10, 31), 100.0).assess("2026-11-16T05:15:00Z", Some(objective.clone()));
    close(a.expected(), 70.0);
    let a = series.assess("2026-11-16T05:15:00Z", Some(objective));
    assert_eq!(a.expected(), Err(Unmeasurable::NoHistory));
    assert_eq!(a.status(), Status::InsufficientData);
}

#[test]
fn a_level_reaches_upward_by_working_days_and_milestones() {
    let mut objective = monthly(Measure::Each, Target::Reach(200.0), Trajectory::WorkingDays);
    objective.baseline = Some(Baseline::Figure(100.0));
    let series = Series::daily(LEVEL).fill(november(1), november(13), 145.0);
    let a = series.assess("2026-11-14T05:15:00Z", Some(objective.clone()));
    close(a.expected(), 145.0);
    assert_eq!(a.status(), Status::OnTrack);
    objective.trajectory = Trajectory::Milestones(vec![Milestone { by: november(26), value: 152.0 }]);
    let a = series.assess("2026-11-14T05:15:00Z", Some(objective.clone()));
    close(a.expected(), 126.0);
    // The pace would lead to 273, which no level of these days comes near.
    close(a.projected(), a.high().unwrap());
    // Beyond the target from the start: not expected to fall back.
    objective.trajectory = Trajectory::Linear;
    objective.baseline = Some(Baseline::Figure(260.0));
    close(series.assess("2026-11-14T05:15:00Z", Some(objective)).expected(), 200.0);
}

#[test]
fn targets_to_keep_have_no_pace() {
    let series = Series::daily(LEVEL).fill(november(1), november(14), 90.0).put(november(15), 96.0);
    let assess =
        |measure, target| series.assess("2026-11-16T05:15:00Z", Some(monthly(measure, target, Trajectory::Linear)));
    let a = assess(Measure::Each, Target::AtLeast(100.0));
    close(a.actual(), 96.0);
    close(a.expected(), 100.0);
    close(a.projected(), 96.0);
    close(a.shortfall_ratio(), 0.04);
    assert!(matches!(a.drift_days(), Err(Unmeasurable::NotDefined { .. })));
    assert!(matches!(a.required_rate(), Err(Unmeasurable::NotDefined { .. })));
    assert_eq!(a.status(), Status::OnTrack);
    let a = assess(Measure::Mean, Target::AtLeast(100.0));
    close(a.actual(), (14.0 * 90.0 + 96.0) / 15.0);
    assert_eq!(a.status(), Status::Watch);
    let a = assess(Measure::AtEnd, Target::AtMost(80.0));
    close(a.shortfall(), 16.0);
    assert_eq!(a.status(), Status::OffTrajectory);
    assert_eq!(assess(Measure::Each, Target::AtMost(120.0)).status(), Status::Ahead);
    let a = assess(Measure::Each, Target::Between(100.0, 120.0));
    close(a.target(), 100.0);
    close(a.shortfall(), 4.0);
    assert_eq!(assess(Measure::Each, Target::Between(90.0, 120.0)).status(), Status::OnTrack);
    // A target of zero: whatever is beyond it is beyond every limit.
    let a = assess(Measure::Each, Target::AtMost(0.0));
    close(a.shortfall_ratio(), 1.0);
    assert_eq!(a.status(), Status::OffTrajectory);
}

/// What divides by a figure that is zero only now is missing for now; what no data can make sense of is not defined.
#[test]
fn a_zero_below_is_an_accident_of_the_data() {
    let zero = Err(Unmeasurable::ZeroReference);
    let a = ten_a_day(15, sum(Target::AtMost(0.0), Trajectory::Linear));
    for figure in [a.drift_ratio(), a.drift_days(), a.progress(), a.attainment()] {
        assert_eq!(figure, zero);
    }
    close(a.shortfall_ratio(), 1.0);
    assert_eq!(a.status(), Status::OffTrajectory);
    let none = Series::daily(Kind::Flow).fill(november(1), november(15), 0.0);
    let a = none.assess("2026-11-16T05:15:00Z", Some(sum(Target::AtMost(0.0), Trajectory::Linear)));
    close(a.shortfall_ratio(), 0.0);
    assert_eq!(a.status(), Status::OnTrack);
    assert_eq!(none.assess("2026-11-16T05:15:00Z", Some(sum(REACH, Trajectory::Linear))).required_ratio(), zero);
    // The month begins on a Sunday, before any working day.
    let a = ten_a_day(1, sum(REACH, Trajectory::WorkingDays));
    for figure in [a.current_rate(), a.projected(), a.drift_ratio()] {
        assert_eq!(figure, zero);
    }
    let milestones = Trajectory::Milestones(vec![Milestone { by: november(10), value: 0.0 }]);
    assert_eq!(ten_a_day(5, sum(REACH, milestones)).projected(), zero);
    let mut level = monthly(Measure::AtEnd, Target::Reach(100.0), Trajectory::Linear);
    level.baseline = Some(Baseline::Figure(100.0));
    let a = Series::daily(LEVEL).fill(november(1), november(15), 90.0).assess("2026-11-16T05:15:00Z", Some(level));
    assert_eq!((a.progress(), a.drift_days()), (zero.clone(), zero));
}

#[test]
fn ratios_pool_over_the_period() {
    let mut series = Series::daily(Kind::Ratio);
    for day in 1..=9 {
        series = series.ratio(november(day), 1.0, 100.0);
    }
    let series = series.ratio(november(10), 91.0, 100.0);
    let a =
        series.assess("2026-11-11T05:15:00Z", Some(monthly(Measure::Pooled, Target::AtLeast(0.1), Trajectory::Linear)));
    close(a.actual(), 0.1);
    close(a.expected(), 0.1);
    assert_eq!(a.status(), Status::OnTrack);
    let a = series.assess("2026-11-11T05:15:00Z", Some(sum(REACH, Trajectory::Linear)));
    assert!(matches!(a.actual(), Err(Unmeasurable::NotDefined { .. })));
}

#[test]
fn judgement_waits_for_a_fifth_of_the_period() {
    let early = |through, objective| ten_a_day(through, objective).too_early();
    assert_eq!(early(5, sum(REACH, Trajectory::Linear)), Ok(true));
    assert_eq!(early(6, sum(REACH, Trajectory::Linear)), Ok(false));
    let keep = monthly(Measure::Each, Target::AtLeast(5.0), Trajectory::Linear);
    assert_eq!(early(1, keep.clone()), Ok(false));
    assert_eq!(early(5, Objective { measure: Measure::Mean, ..keep.clone() }), Ok(true));
    let way = Objective { measure: Measure::AtEnd, target: Target::Reach(20.0).into(), ..keep };
    assert_eq!(early(2, way.clone()), Ok(true));
    assert_eq!(early(3, way), Ok(false));
    assert_eq!(ten_a_day(5, sum(REACH, Trajectory::Linear)).status(), Status::TooEarly);
    assert_eq!(ten_a_day(5, sum(Target::Reach(50.0), Trajectory::Linear)).status(), Status::Reached);
}

#[test]
fn a_quarter_of_months_is_judged_from_its_second_one() {
    let objective = Objective { period: PeriodSpec::Quarter, ..sum(Target::Reach(90.0), Trajectory::Linear) };
    let series = Series::new(Kind::Flow, Grain::Month).put(date(2026, 10, 1), 30.0);
    assert_eq!(series.assess("2026-11-01T05:15:00Z", Some(objective.clone())).too_early(), Ok(true));
    let a = series.put(november(1), 30.0).assess("2026-12-01T05:15:00Z", Some(objective));
    assert_eq!(a.too_early(), Ok(false));
    close(a.expected(), 90.0 * 61.0 / 92.0);
}

#[test]
fn the_first_morning_of_december_judges_november() {
    let a = ten_a_day(30, sum(Target::Reach(300.0), Trajectory::Linear));
    assert_eq!(a.period(), Ok(Period { first: november(1), last: november(30) }));
    close(a.elapsed(), 1.0);
    close(a.expected(), 300.0);
    close(a.projected(), 300.0);
    assert_eq!(a.working_days_left(), Ok(0));
    assert_eq!(a.required_rate(), Err(Unmeasurable::ZeroReference));
    assert_eq!(a.status(), Status::Reached);
    assert_eq!(ten_a_day(30, sum(Target::Reach(301.0), Trajectory::Linear)).status(), Status::Missed);
}

#[test]
fn a_period_is_missed_only_once_its_last_bucket_is_final() {
    let series = Series::daily(Kind::Flow).fill(november(1), november(29), 10.0).provisional(november(30), 5.0);
    let november_2026 = Period { first: november(1), last: november(30) };
    let objective = sum(Target::Reach(300.0), Trajectory::Linear);
    let a = series.assess("2026-12-01T05:15:00Z", Some(objective.clone()));
    assert!(a.is_provisional());
    assert_eq!(a.status(), Status::OnTrack);
    assert_eq!(a.outcome_of(november_2026), PeriodOutcome::ToBeConfirmed);
    let outcome = |last: f64, now: &str| {
        series.clone().put(november(30), last).assess(now, Some(objective.clone())).outcome_of(november_2026)
    };
    assert_eq!(outcome(5.0, "2026-12-01T05:15:00Z"), PeriodOutcome::Missed);
    assert_eq!(outcome(10.0, "2026-12-01T05:15:00Z"), PeriodOutcome::Reached);
    assert_eq!(outcome(10.0, "2026-11-30T22:59:59Z"), PeriodOutcome::ToBeConfirmed);
    // Absent, and nothing after it: not all are there.
    let cut = Series::daily(Kind::Flow).fill(november(1), november(29), 10.0);
    let confirmed =
        |series: &Series| series.assess("2026-12-03T05:15:00Z", Some(objective.clone())).outcome_of(november_2026);
    assert_eq!(confirmed(&cut), PeriodOutcome::ToBeConfirmed);
    assert_eq!(confirmed(&cut.clone().put(date(2026, 12, 1), 10.0)), PeriodOutcome::Missed);
    let half = Series::daily(Kind::Flow).fill(november(15), november(30), 10.0);
    assert_eq!(confirmed(&half), PeriodOutcome::ToBeConfirmed);
}

#[test]
fn holes_lower_completeness_until_it_is_too_low() {
    let objective = sum(REACH, Trajectory::Linear);
    let series = Series::daily(Kind::Flow).fill(november(1), november(8), 10.0).put(november(10), 10.0);
    let a = series.assess("2026-11-11T05:15:00Z", Some(objective.clone()));
    close(a.completeness(), 0.9);
    close(a.actual(), 90.0);
    let series = Series::daily(Kind::Flow).fill(november(1), november(6), 10.0).put(november(10), 10.0);
    let a = series.assess("2026-11-11T05:15:00Z", Some(objective));
    assert_eq!(a.actual(), Err(Unmeasurable::Incomplete { present: 7, due: 10 }));
    assert_eq!(a.status(), Status::InsufficientData);
    assert_eq!(a.facts().map(|facts| facts.completeness), Some(0.7));
}

#[test]
fn late_data_is_stale_but_keeps_its_period() {
    let series = Series::daily(Kind::Flow).fill(november(1), november(20), 10.0);
    let a = series.assess("2026-11-23T12:00:00Z", Some(sum(REACH, Trajectory::Linear)));
    assert_eq!(a.actual(), Err(Unmeasurable::Late { bucket_end: at("2026-11-22T23:00:00Z") }));
    assert_eq!(a.status(), Status::StaleData);
    let facts = a.facts().unwrap();
    assert_eq!((facts.period_start, facts.actual), (november(1), None));
    close(Ok(facts.completeness), 20.0 / 22.0);
    assert!(a.comparisons().is_empty());
    // The period moves on with the buckets that are due, not with those that came.
    let a = series.assess("2026-12-02T12:00:00Z", Some(sum(REACH, Trajectory::Linear)));
    assert_eq!(a.period().map(|period| period.first), Ok(date(2026, 12, 1)));
}

#[test]
fn the_last_bucket_may_be_waited_for_without_leaving_the_period() {
    let series = Series::daily(Kind::Flow)
        .fill(november(1), november(29), 10.0)
        .with(|kpi| kpi.expected = Lateness::Workdays(1));
    let a = series.assess("2026-12-01T05:15:00Z", Some(sum(Target::Reach(290.0), Trajectory::Linear)));
    assert_eq!(a.period().map(|period| period.last), Ok(november(30)));
    assert_eq!(a.days_left(), Ok(1));
    assert_eq!(a.status(), Status::Reached);
}

#[test]
fn a_day_outside_a_single_period_has_none() {
    let objective = Objective {
        period: PeriodSpec::Between { from: date(2026, 12, 1), to: date(2026, 12, 24) },
        ..sum(REACH, Trajectory::Linear)
    };
    let a = ten_a_day(15, objective);
    assert_eq!(a.period(), Err(Unmeasurable::OutsidePeriod));
    assert_eq!(a.facts(), None);
    assert_eq!(a.status(), Status::InsufficientData);
}

#[test]
fn weeks_belong_to_the_period_of_their_monday() {
    let objective = sum(Target::Reach(500.0), Trajectory::Linear);
    // Mondays of November 2026: 2, 9, 16, 23, 30.
    let series = Series::new(Kind::Flow, Grain::Week).fill(date(2026, 10, 26), november(16), 100.0);
    let a = series.assess("2026-11-23T05:15:00Z", Some(objective.clone()));
    close(a.actual(), 300.0);
    close(a.elapsed(), 0.6);
    close(a.expected(), 300.0);
    assert_eq!(a.status(), Status::OnTrack);
    let a = series.put(november(23), 100.0).put(november(30), 100.0).assess("2026-12-07T05:15:00Z", Some(objective));
    assert_eq!(a.period(), Ok(Period { first: november(1), last: november(30) }));
    assert_eq!(a.status(), Status::Reached);
}

#[test]
fn hours_count_in_part_and_know_long_days() {
    // 25 October 2026 has 25 hours in Paris.
    let day = Objective {
        period: PeriodSpec::Between { from: date(2026, 10, 25), to: date(2026, 10, 25) },
        ..sum(Target::Reach(250.0), Trajectory::Linear)
    };
    let mut series = Series::new(Kind::Flow, Grain::HOUR);
    let first = series.kpi.grain.index_at(at("2026-10-24T22:00:00Z"), &series.kpi.zone);
    for hour in 0..10 {
        series = series.put_index(first + hour, 10.0, false);
    }
    let a = series.assess("2026-10-25T08:10:00Z", Some(day.clone()));
    close(a.actual(), 100.0);
    close(a.elapsed(), 0.4);
    close(a.expected(), 100.0);
    assert_eq!(a.too_early(), Ok(false));
    for hour in 10..25 {
        series = series.put_index(first + hour, 10.0, false);
    }
    let a = series.assess("2026-10-25T23:10:00Z", Some(day));
    close(a.actual(), 250.0);
    assert_eq!(a.status(), Status::Reached);
}

#[test]
fn a_short_civil_day_is_one_day() {
    let objective = sum(Target::Reach(310.0), Trajectory::Linear);
    let (first, last) = (date(2026, 3, 1), date(2026, 3, 29));
    let a = Series::daily(Kind::Flow).fill(first, last, 10.0).assess("2026-03-30T04:15:00Z", Some(objective));
    close(a.expected(), 290.0);
    close(a.actual(), 290.0);
}

#[test]
fn comparisons_take_the_same_part_of_other_periods() {
    let series = Series::daily(Kind::Flow)
        .fill(date(2025, 11, 1), date(2025, 11, 30), 5.0)
        .fill(date(2026, 10, 1), date(2026, 10, 31), 8.0)
        .fill(november(1), november(30), 10.0);
    let compare = |now: &str| series.assess(now, Some(sum(REACH, Trajectory::Linear))).comparisons();
    let facts = compare("2026-11-11T05:15:00Z");
    assert_eq!(facts.len(), 2);
    assert_eq!((facts[0].basis, facts[0].value, facts[0].reference), (ComparisonBasis::SpanBefore, 100.0, 80.0));
    assert_eq!((facts[0].from, facts[0].to), (date(2026, 10, 1), date(2026, 10, 10)));
    assert_eq!((facts[1].basis, facts[1].reference), (ComparisonBasis::YearBefore, 50.0));
    assert_eq!((facts[1].from, facts[1].to), (date(2025, 11, 1), date(2025, 11, 10)));
    // Whole periods compare with whole ones, though October is longer.
    let facts = compare("2026-12-01T05:15:00Z");
    assert_eq!((facts[0].reference, facts[0].to), (248.0, date(2026, 10, 31)));
}

#[test]
fn facts_hold_what_can_be_measured() {
    let facts = ten_a_day(15, sum(Target::Reach(400.0), Trajectory::Linear)).facts().unwrap();
    assert_eq!(facts.status, Status::OffTrajectory);
    assert_eq!((facts.period_start, facts.period_end), (november(1), november(30)));
    assert_eq!((facts.actual, facts.expected, facts.drift), (Some(150.0), Some(200.0), Some(-50.0)));
    assert_eq!((facts.projected, facts.working_days_left, facts.completeness), (Some(300.0), Some(11), 1.0));
    let facts = ten_a_day(15, monthly(Measure::Each, Target::AtLeast(5.0), Trajectory::Linear)).facts().unwrap();
    assert_eq!((facts.drift_days, facts.required_rate), (None, None));
}

#[test]
fn nothing_is_known_of_an_objective_that_is_not_there() {
    let a = Series::daily(Kind::Flow).fill(november(1), november(9), 10.0).assess("2026-11-10T05:15:00Z", None);
    assert!(matches!(a.actual(), Err(Unmeasurable::NotDefined { .. })));
    assert!(matches!(a.period(), Err(Unmeasurable::NotDefined { .. })));
    assert_eq!(a.facts(), None);
    assert_eq!(a.status(), Status::InsufficientData);
    assert_eq!(a.kpi.empty, Empty::Missing);
}
