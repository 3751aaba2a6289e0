//! Periods that are over: what is kept of them, once each.

use std::sync::Arc;

use jiff::civil::date;

use super::{BEHIND, Bench, catalog, kpi, objective, observed, rule};
use crate::engine::{Past, Track};
use crate::model::alert::PeriodOutcome;
use crate::model::commit::EvaluateCommit;
use crate::model::objective::{Measure, Objective, Target};
use crate::model::outcome::{ClosedPeriod, Replaced};
use crate::model::period::{Period, PeriodSpec};
use crate::model::target::{Baseline, Change, TargetFigure, TargetTable};
use crate::rule::on_large_stack;

/// Nobody watches it, unless there is a script.
fn bench(script: Option<&str>) -> Bench {
    Bench::new(catalog(kpi(), script.map(rule).into_iter().collect(), vec![objective()]))
}

/// Feeds that many days of one figure; what was decided.
fn feed(bench: &mut Bench, (days, word): (i64, &str)) -> Vec<ClosedPeriod> {
    (0..days).flat_map(|_| bench.feed(word).evaluate.closed).collect()
}

fn facts(closed: &[ClosedPeriod]) -> Vec<(String, PeriodOutcome, f64, u32)> {
    let fact =
        |closed: &ClosedPeriod| (closed.period.first.to_string(), closed.outcome, closed.actual, closed.revision);
    closed.iter().map(fact).collect()
}

fn revised(bench: &mut Bench, day: i64, value: f64) -> EvaluateCommit {
    let known_at = super::slot(bench.day + 1);
    let old = crate::model::observation::Observation { known_at, ..observed(day, value, false) };
    bench.slot(vec![old], None).evaluate
}

#[test]
fn each_period_is_decided_once_whoever_watches() {
    for script in [None, Some(BEHIND)] {
        let mut bench = bench(script);
        // November has thirty buckets; the last of them comes on the first of December.
        assert_eq!(feed(&mut bench, (29, "10")), []);
        let closed = feed(&mut bench, (1, "10"));
        assert_eq!(facts(&closed), [("2026-11-01".into(), PeriodOutcome::Reached, 300.0, 0)]);
        assert_eq!((closed[0].present, closed[0].due, closed[0].alerts), (30, 30, 0));
        assert!(!closed[0].filled_in && closed[0].decided_at == super::slot(bench.day));
        bench.restart();
        assert_eq!(feed(&mut bench, (30, "8")), [], "decided is decided, also after a restart");
        let closed = feed(&mut bench, (1, "8"));
        assert_eq!(facts(&closed), [("2026-12-01".into(), PeriodOutcome::Missed, 248.0, 0)]);
        assert_eq!(closed[0].alerts, u32::from(script.is_some()), "the rule fired once in it");
        assert_eq!(bench.state.closed_of(&"o".into()).len(), 2);
    }
}

/// So many per cent more than in the month before.
fn against_the_month_before(share: f64) -> Objective {
    let target = Target::Reach(TargetFigure::Change(Change::Share(share)));
    Objective { target, baseline: Some(Baseline::PeriodBefore), ..objective() }
}

#[test]
fn what_lacked_its_baseline_is_decided_when_that_comes() {
    let mut bench = Bench::new(catalog(kpi(), vec![], vec![against_the_month_before(0.1)]));
    // Of October ten days are not there.
    let october = (-29..=1).filter(|day| !(-20..-10).contains(day));
    bench.day = 0;
    bench.slot(october.map(|day| observed(day, 10.0, false)).collect(), None);
    assert_eq!(feed(&mut bench, (35, "12")), [], "November has nothing to be compared with");
    let closed = feed(&mut bench, (30, "12"));
    let december = ("2026-12-01".to_owned(), PeriodOutcome::Missed, 372.0, 0);
    assert_eq!(facts(&closed), [december]);
    // October and November are left alone while nothing comes that they rest on.
    let reckoned = |bench: &Bench| bench.state.reckoned.load(std::sync::atomic::Ordering::Relaxed);
    let before = reckoned(&bench);
    assert_eq!(feed(&mut bench, (3, "12")), []);
    assert_eq!(reckoned(&bench), before);
    let closed = bench.slot((-20..-10).map(|day| observed(day, 10.0, false)).collect(), None).evaluate.closed;
    let found = facts(&closed);
    assert!(found.contains(&("2026-11-01".into(), PeriodOutcome::Reached, 360.0, 0)), "{found:?}");
    assert!(closed.iter().all(|closed| !closed.filled_in), "it became known just now");
    assert_eq!(feed(&mut bench, (3, "12")), []);
}

#[test]
fn what_a_configuration_lacked_is_decided_under_the_next() {
    let table = |months: &[i8]| {
        let month = |month: &i8| {
            let first = date(2026, *month, 1);
            (Period { first, last: first.last_of_month() }, 300.0)
        };
        let rows = TargetTable::of(months.iter().map(month).collect()).unwrap().unwrap();
        let target = Target::Reach(TargetFigure::Table(Arc::new(rows)));
        super::setup(catalog(kpi(), vec![], vec![Objective { target, ..objective() }]))
    };
    let mut bench = bench(None);
    bench.setup = table(&[12]);
    assert_eq!(facts(&feed(&mut bench, (63, "10"))).len(), 1, "December");
    bench.setup = table(&[11, 12]);
    let closed = feed(&mut bench, (1, "10"));
    assert_eq!(facts(&closed), [("2026-11-01".into(), PeriodOutcome::Reached, 300.0, 0)]);
    assert!(closed[0].filled_in);
    // Of these days months were decided.
    let period = PeriodSpec::Between { from: date(2026, 11, 1), to: date(2026, 12, 31) };
    bench.setup = super::setup(catalog(kpi(), vec![], vec![Objective { period, ..objective() }]));
    assert_eq!(feed(&mut bench, (2, "10")), []);
}

#[test]
fn what_is_not_final_waits() {
    let mut bench = bench(None);
    feed(&mut bench, (29, "10"));
    assert_eq!(feed(&mut bench, (1, "11p")), [], "the last bucket may still change");
    let closed = feed(&mut bench, (1, "10"));
    assert_eq!(closed, [], "and nothing says that it has settled");
    let closed = revised(&mut bench, 31, 12.0).closed;
    assert_eq!(facts(&closed), [("2026-11-01".into(), PeriodOutcome::Reached, 302.0, 0)]);
}

#[test]
fn a_revision_replaces_what_stood_there_by_the_target_of_its_time() {
    let mut bench = bench(None);
    feed(&mut bench, (30, "10"));
    let decided_at = super::slot(bench.day);
    assert_eq!(revised(&mut bench, 5, 10.0).closed, [], "the same value is no news");
    // The target is another one now; November was decided by its own.
    let other = Objective { target: Target::Reach(100.0).into(), ..objective() };
    bench.setup = super::setup(catalog(kpi(), vec![], vec![other]));
    let closed = revised(&mut bench, 5, 9.0).closed;
    assert_eq!(facts(&closed), [("2026-11-01".into(), PeriodOutcome::Missed, 299.0, 1)]);
    assert_eq!(closed[0].replaced, Some(Replaced { outcome: PeriodOutcome::Reached, actual: 300.0, decided_at }));
    let closed = revised(&mut bench, 5, 11.0).closed;
    assert_eq!((closed[0].revision, closed[0].replaced.map(|was| was.actual)), (2, Some(299.0)));
    assert_eq!(bench.state.closed_of(&"o".into()).len(), 1);
}

#[test]
fn values_that_grew_too_old_revise_nothing() {
    let mut bench = bench(None);
    feed(&mut bench, (35, "10"));
    let first = bench.state.history.series(&"k".into(), &objective().labels).unwrap().span().unwrap().0;
    bench.state.history.forget_before(&"k".into(), first + 4);
    assert_eq!(revised(&mut bench, 20, 50.0).closed, [], "26 of 30 buckets are no sum of November");
}

#[test]
fn the_history_of_a_new_objective_is_gone_through_once() {
    let mut bench = Bench::new(catalog(kpi(), vec![], vec![]));
    feed(&mut bench, (95, "10"));
    bench.setup = super::setup(catalog(kpi(), vec![rule(BEHIND)], vec![objective()]));
    let effects = bench.feed("10");
    let found = facts(&effects.evaluate.closed);
    let expected = [("2026-11-01", 300.0), ("2026-12-01", 310.0), ("2027-01-01", 310.0)];
    assert_eq!(found, expected.map(|(first, sum)| (first.to_owned(), PeriodOutcome::Reached, sum, 0)));
    assert!(effects.evaluate.closed.iter().all(|closed| closed.filled_in));
    assert!(effects.evaluate.transitions.is_empty() && bench.told().is_empty(), "nobody is told");
    assert_eq!(feed(&mut bench, (3, "10")), []);
}

#[test]
fn a_history_that_begins_amid_a_period_says_nothing_of_its_sum() {
    let mut bench = bench(None);
    bench.day = 4;
    feed(&mut bench, (26, "20"));
    let closed = feed(&mut bench, (2, "20"));
    assert_eq!(closed, [], "27 of 30 buckets would be enough, had the others been there");
    // Of what counts at the end, the end is there.
    let at_end = Objective { measure: Measure::Each, target: Target::AtLeast(15.0).into(), ..objective() };
    let mut bench = Bench::new(catalog(kpi(), vec![], vec![at_end]));
    bench.day = 4;
    let closed = feed(&mut bench, (28, "20"));
    assert_eq!(facts(&closed), [("2026-11-01".into(), PeriodOutcome::Reached, 20.0, 0)]);
}

#[test]
fn a_replay_decides_what_was_lived() {
    let mut bench = bench(Some(BEHIND));
    let (mut lived, mut versions) = (Vec::new(), Vec::new());
    for day in 0..65 {
        let commit = if day == 50 { revised(&mut bench, 12, 4.0) } else { bench.feed("10").evaluate };
        versions.extend(commit.observations);
        lived.extend(commit.closed);
    }
    let mut again = Vec::new();
    let mut tracks = [Track::new(Arc::new(kpi()), versions)];
    on_large_stack(|| {
        let mut past = Past::new(&bench.setup);
        past.run(&mut tracks, &[], (super::slot(1), super::slot(bench.day)), &mut |_, effects, _| {
            again.extend(effects.evaluate.closed.iter().cloned());
        });
    });
    assert_eq!(facts(&lived).iter().map(|fact| fact.3).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(lived, again);
}

#[test]
fn a_single_period_is_decided_as_a_recurring_one() {
    let period = PeriodSpec::Between { from: date(2026, 11, 3), to: date(2026, 11, 12) };
    let mut bench = Bench::new(catalog(kpi(), vec![], vec![Objective { period, ..objective() }]));
    let closed = feed(&mut bench, (40, "20"));
    assert_eq!(facts(&closed), [("2026-11-03".into(), PeriodOutcome::Missed, 200.0, 0)]);
}
