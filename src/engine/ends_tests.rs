//! What must be told although something else comes in between.

use jiff::SignedDuration;

use super::{BEHIND, Bench, came, catalog, changes, kpi, labelled, objective, observed, rule, slot};
use crate::engine::{Effects, Event, PullReport, PullTrouble};
use crate::model::action::{Action, ActionKind};
use crate::model::alert::{Alert, Aspect, Phase};
use crate::model::ids::{KpiId, Labels, SilenceId};
use crate::model::notification::{Matcher, NotifyReason};
use crate::model::rule::{Patience, SeriesChoice};
use crate::model::verdict::Severity;

const ABOVE_FIVE: &str = "fn evaluate(kpi, p) { above(kpi.value, 5) }";

fn patient(interval_days: i64) -> Bench {
    let mut rule = rule(ABOVE_FIVE);
    rule.for_ = Some(Patience::Buckets(2));
    let mut catalog = catalog(kpi(), vec![rule], Vec::new());
    catalog.route.interval = SignedDuration::from_hours(24 * interval_days);
    Bench::new(catalog)
}

#[test]
fn an_end_is_told_although_the_breach_came_back_for_a_moment() {
    let mut bench = patient(5);
    bench.feed("9");
    bench.feed("9");
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::First)]);
    for word in ["1", "9", "1"] {
        bench.feed(word);
        assert_eq!(bench.told(), [], "the interval is not over");
    }
    bench.feed("1");
    bench.feed("1");
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::Resolved)]);
    assert!(bench.state.book.is_empty() && bench.state.groups.iter().next().is_none());
}

#[test]
fn an_end_is_told_while_the_alert_waits_to_fire_again() {
    let mut bench = patient(2);
    bench.feed("9");
    bench.feed("9");
    bench.told();
    bench.feed("1");
    bench.feed("9");
    let effects = bench.step(Event::Wake);
    let section = &effects.notify.deliveries[0].message.sections[0];
    assert_eq!((section.reason, section.resolved), (NotifyReason::Resolved, true));
    // It fires again: that is news, of another episode.
    bench.feed("9");
    bench.feed("9");
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::First)]);
    assert_eq!(bench.alert(Aspect::Breach).map(|alert| (alert.episode, alert.resolved_at)), Some((2, None)));
}

#[test]
fn a_slot_that_asked_nothing_says_nothing_of_the_source() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.feed("x");
    bench.feed("x");
    assert!(bench.alert(Aspect::Outage).is_some_and(|alert| alert.phase == Phase::Firing));
    let last_ok = bench.state.sources["s"].last_ok;
    let at = slot(bench.day);
    let pull = PullReport { at: Some(at), nothing_asked: true, ..PullReport::default() };
    let effects = bench.step(came("k", at, pull));
    assert_eq!((changes(0, &effects), bench.state.sources["s"].last_ok), (vec![], last_ok));
    assert!(bench.state.clocks[&KpiId::from("k")].open.is_some(), "the failed pull is still to be tried again");
}

#[test]
fn series_that_fail_here_and_there_leave_the_others_alone() {
    let mut kpi = kpi();
    kpi.dimensions = vec!["d".to_owned()];
    let mut rule = rule("fn evaluate(kpi, p) { if kpi.value > 90 { return [1][7]; } above(kpi.value, 5) }");
    rule.series = SeriesChoice::Each(vec!["d".to_owned()]);
    let mut bench = Bench::new(catalog(kpi, vec![rule], Vec::new()));
    let series = |n: i64| {
        let labels = Labels::from_iter([("d", format!("{n:02}"))]);
        labelled(&labels, 2, if n % 2 == 0 { 99.0 } else { 9.0 }, false)
    };
    let effects = bench.slot((0..20).map(series).collect(), None);
    assert_eq!((effects.tally.verdicts, effects.tally.failures), (20, 10));
    let firing = |aspect| effects.evaluate.alerts.iter().filter(|alert: &&Alert| alert.key.aspect == aspect).count();
    assert_eq!((firing(Aspect::Breach), firing(Aspect::Failed)), (10, 10));
}

#[test]
fn a_failing_run_says_nothing_of_missing_data() {
    let mut bench = Bench::simple("fn evaluate(kpi, p) { if kpi.value > 90 { return [1][7]; } above(kpi.value, 5) }");
    for word in ["1", ".", ".", ".", "."] {
        bench.feed(word);
    }
    assert!(bench.alert(Aspect::NoData).is_some_and(|alert| alert.phase == Phase::Firing));
    assert_eq!(changes(6, &bench.feed("99")), ["6 failed fired"]);
    // Missing data in turn says nothing of the script.
    assert_eq!(changes(7, &bench.feed(".")), Vec::<String>::new());
    assert_eq!(changes(8, &bench.feed("1")), ["8 no_data recovered", "8 failed recovered"]);
}

#[test]
fn a_silence_ended_early_is_over() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    let act = |bench: &mut Bench, what| bench.step(Event::Act(Action { by: "claire".to_owned(), what }));
    let matcher = Matcher { kpi: vec!["k".into()], ..Matcher::default() };
    let until = slot(bench.day + 30);
    let effects = act(&mut bench, ActionKind::Silence { matcher, until, why: "stocktaking".to_owned() });
    let silence: SilenceId = effects.evaluate.silences[0].id.clone();
    bench.feed("9");
    assert_eq!(bench.told(), []);
    assert_eq!(bench.state.next_wake(), Some(until));
    let effects = act(&mut bench, ActionKind::EndSilence { silence });
    assert_eq!(effects.notify.groups.len(), 1, "the timer is written");
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::First)]);
}

#[test]
fn a_rule_without_conditions_is_corrected_too() {
    let mut bench = Bench::simple("fn evaluate(kpi, p) { if kpi.value > 5 { warning(\"high\") } else { ok() } }");
    bench.feed("9");
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::First)]);
    let (revised, newer) = (observed(bench.day, 1.0, false), observed(bench.day + 1, 8.0, false));
    assert_eq!(changes(2, &bench.slot(vec![revised, newer], None)), ["2 breach corrected", "2 breach escalated"]);
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::Correction)]);
}

#[test]
fn a_correction_after_it_fired_again_is_told() {
    let mut bench = patient(0);
    bench.feed("9");
    bench.feed("9");
    bench.told();
    let (revised, newer) = (observed(bench.day, 1.0, false), observed(bench.day + 1, 8.0, false));
    bench.slot(vec![revised, newer], None);
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::Correction)]);
    // Ended and back within one interval: nobody hears of either.
    bench.feed("1");
    bench.feed("9");
    bench.feed("9");
    assert_eq!(bench.told(), []);
    let (revised, newer) = (observed(bench.day, 2.0, false), observed(bench.day + 1, 8.0, false));
    bench.slot(vec![revised, newer], None);
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::Correction)]);
}

#[test]
fn a_source_is_out_only_after_two_pulls_that_asked() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    let trouble = || Some(PullTrouble { message: "down".to_owned(), not_asked: None, whole_source: true });
    bench.slot(Vec::new(), trouble());
    let nothing = PullReport { nothing_asked: true, ..PullReport::default() };
    bench.step(came("k", slot(bench.day), nothing));
    bench.slot(Vec::new(), trouble());
    assert!(bench.alert(Aspect::Outage).is_some_and(|alert| alert.phase == Phase::Firing));
}

/// The watched figures that correction messages name: old and new.
fn corrected(effects: &Effects) -> Vec<String> {
    let sections = effects.notify.deliveries.iter().flat_map(|delivery| &delivery.message.sections);
    let sentences = sections.flat_map(|section| &section.sentences);
    sentences.filter(|sentence| sentence.starts_with("Corrected")).cloned().collect()
}

/// Takes in what a bucket is now, as a pull that is made again.
fn revise(bench: &mut Bench, day: i64, value: f64) -> Effects {
    let at = slot(bench.day);
    let pull = PullReport { observations: vec![observed(day, value, false)], at: Some(at), ..PullReport::default() };
    bench.step(came("k", at, pull))
}

#[test]
fn a_correction_that_is_taken_back_is_told_too() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.feed("9");
    bench.told();
    for (value, told) in [
        (2.0, "Corrected value (1 November 2026): 2 instead of 9."),
        (8.0, "Corrected value (1 November 2026): 8 instead of 2."),
        (3.0, "Corrected value (1 November 2026): 3 instead of 8."),
    ] {
        revise(&mut bench, 2, value);
        let effects = bench.step(Event::Wake);
        let reasons: Vec<NotifyReason> = effects.notify.notifications.iter().map(|each| each.reason).collect();
        assert_eq!((corrected(&effects), reasons), (vec![told.to_owned()], vec![NotifyReason::Correction]));
        let calm =
            effects.notify.deliveries.iter().any(|delivery| delivery.message.headline.contains("No breach any more"));
        assert_eq!(calm, value < 5.0, "{value}");
    }
    // What changes nothing in the verdict stays unsaid.
    revise(&mut bench, 2, 3.5);
    assert_eq!(bench.told(), []);
}

#[test]
fn a_correction_names_what_was_told_not_what_came_between() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.feed("9");
    bench.told();
    revise(&mut bench, 2, 2.0);
    revise(&mut bench, 2, 60.0);
    let effects = bench.step(Event::Wake);
    assert_eq!(corrected(&effects), ["Corrected value (1 November 2026): 60 instead of 9."]);
}

#[test]
fn a_bucket_that_breaches_after_a_correction_to_calm_is_news() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.feed("9");
    bench.told();
    revise(&mut bench, 2, 2.0);
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::Correction)]);
    bench.restart();
    assert_eq!(changes(0, &bench.feed("8")), ["0 breach escalated"]);
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::Escalated)]);
    assert_eq!(changes(0, &bench.feed("7")), Vec::<String>::new());
    assert_eq!(bench.told(), []);
    assert_eq!(changes(0, &bench.feed("1")), ["0 breach recovered"]);
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::Resolved)]);
}

#[test]
fn what_ends_after_a_correction_to_calm_is_what_fired() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.feed("9");
    bench.told();
    revise(&mut bench, 2, 2.0);
    bench.told();
    bench.feed("1");
    let effects = bench.step(Event::Wake);
    let told: Vec<_> = effects.notify.deliveries.iter().map(|delivery| &delivery.message).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].resolved && told[0].severity == Severity::Warning, "{:?}", told[0].severity);
}

#[test]
fn a_revision_that_comes_with_the_next_bucket_is_said_with_its_end() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.feed("9");
    bench.told();
    bench.slot(vec![observed(2, 2.0, false), observed(3, 1.0, false)], None);
    let effects = bench.step(Event::Wake);
    assert_eq!(corrected(&effects), ["Corrected value (1 November 2026): 2 instead of 9."]);
    assert!(effects.notify.deliveries[0].message.resolved);
    // And with the next breach.
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.feed("9");
    bench.told();
    bench.slot(vec![observed(2, 2.0, false), observed(3, 8.0, false)], None);
    let effects = bench.step(Event::Wake);
    assert_eq!(corrected(&effects), ["Corrected value (1 November 2026): 2 instead of 9."]);
    assert!(!effects.notify.deliveries[0].message.headline.contains("No breach any more"));
}

#[test]
fn a_correction_that_is_not_borne_out_is_news_within_a_hysteresis_too() {
    let mut bench = Bench::simple("fn evaluate(kpi, p) { above(kpi.value, 5).recovers_below(2).critical_above(50) }");
    bench.feed("60");
    bench.told();
    revise(&mut bench, 2, 1.0);
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::Correction)]);
    assert_eq!(changes(0, &bench.feed("3")), ["0 breach escalated"]);
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::Escalated)]);
    let level = bench.alert(Aspect::Breach).map(|alert| alert.severity);
    assert_eq!(level, Some(Severity::Warning), "what it is now, not what it was");
}

#[test]
fn a_correction_of_an_objective_names_what_the_period_came_to() {
    let behind = || Bench::new(catalog(kpi(), vec![rule(BEHIND)], vec![objective()]));
    let mut bench = behind();
    bench.feed("8");
    bench.told();
    revise(&mut bench, 2, 200.0);
    let effects = bench.step(Event::Wake);
    assert_eq!(corrected(&effects), ["Corrected value (1 November 2026): 200 instead of 8."]);
    // Taken back by half.
    revise(&mut bench, 2, 7.0);
    let effects = bench.step(Event::Wake);
    assert_eq!(corrected(&effects), ["Corrected value (1 November 2026): 7 instead of 200."]);
    // Of a bucket that nobody has heard of yet: what the period came to before.
    let mut bench = behind();
    bench.feed("8");
    bench.told();
    bench.feed("7");
    revise(&mut bench, 2, 100.0);
    let effects = bench.step(Event::Wake);
    assert_eq!(corrected(&effects), ["Corrected value (2 November 2026): 107 instead of 15."]);
}
