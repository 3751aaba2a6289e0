//! The engine as a whole, day by day: what a source says goes in, changes of alerts and notifications come out.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{DeliveryReport, Effects, Event, PullReport, PullTrouble, Setup, SlotEvent, State, step};
use crate::model::action::{Action, ActionKind};
use crate::model::alert::{About, Alert, Aspect, Change, EndReason, Freeze, PeriodOutcome, Phase};
use crate::model::calendar::Calendar;
use crate::model::catalog::Catalog;
use crate::model::grain::Grain;
use crate::model::ids::{KpiId, Labels, ObjectiveId, ReceiverId, RuleId, SeriesKey};
use crate::model::kpi::{Empty, Kpi, Lateness, Quality, Query};
use crate::model::notification::{GroupBy, Matcher, NotifyReason, Receiver, Recipient, Route};
use crate::model::objective::{Measure, Objective, Target, Trajectory};
use crate::model::observation::Observation;
use crate::model::period::PeriodSpec;
use crate::model::rule::{NoDataPolicy, Patience, RuleDef, SeriesChoice};
use crate::model::schedule::Schedule;
use crate::model::unit::{Category, Direction, Kind, Language, Unit};
use crate::model::verdict::Severity;
use crate::rule::{RuleSet, ScriptFiles, on_large_stack};

#[path = "closed_tests.rs"]
mod closing;
#[path = "ends_tests.rs"]
mod ends;
#[path = "many_tests.rs"]
mod many;
#[path = "events_tests.rs"]
mod of_events;
#[path = "shape_tests.rs"]
mod of_shape;
#[path = "reconcile_tests.rs"]
mod reconciled;
#[path = "suspects_tests.rs"]
mod suspected;
#[path = "vanished_tests.rs"]
mod vanishing;
#[path = "waiting_tests.rs"]
mod waiting;

const ABOVE_FIVE: &str = "fn evaluate(kpi, p) { above(kpi.value, 5).critical_above(50) }";
const BEHIND: &str = "fn evaluate(kpi, objective, p) { above(objective.shortfall_ratio, 0.1) }";

fn kpi() -> Kpi {
    Kpi {
        id: "k".into(),
        title: "K".into(),
        category: Category::Financial,
        unit: Unit::None,
        better: Direction::Lower,
        kind: Kind::Flow,
        grain: Grain::Day,
        zone: TimeZone::UTC,
        calendar: Arc::new(Calendar::default()),
        source: "s".into(),
        query: Query::Text(String::new()),
        dimensions: Vec::new(),
        schedule: Schedule::parse("daily 06:00").expect("a schedule"),
        expected: Lateness::Elapsed(SignedDuration::ZERO),
        settle: SignedDuration::ZERO,
        history: SignedDuration::from_hours(24 * 400),
        keep: SignedDuration::from_hours(24 * 800),
        recheck: None,
        empty: Empty::Missing,
        complete: 0.8,
        quality: Quality::default(),
        reconcile: None,
        since: None,
        owner: None,
    }
}

fn rule(script: &str) -> RuleDef {
    RuleDef {
        id: "r".into(),
        script: script.to_owned(),
        on: vec!["k".into()],
        series: SeriesChoice::Total,
        with: BTreeMap::new(),
        for_: None,
        keep_firing_for: None,
        no_data: NoDataPolicy::default(),
        use_provisional: false,
        shadow: false,
    }
}

fn objective() -> Objective {
    Objective {
        id: "o".into(),
        kpi: "k".into(),
        labels: Labels::total(),
        statement: String::new(),
        target: Target::Reach(300.0).into(),
        measure: Measure::Sum,
        period: PeriodSpec::Month,
        trajectory: Trajectory::Linear,
        baseline: None,
        hold: None,
        axis: None,
        owner: None,
        actions: Vec::new(),
    }
}

fn catalog(kpi: Kpi, rules: Vec<RuleDef>, objectives: Vec<Objective>) -> Catalog {
    let recipient = Recipient { name: "ada".to_owned(), language: Language::En };
    let receiver = Receiver { id: "ops".into(), recipients: vec![recipient] };
    Catalog {
        zone: TimeZone::UTC,
        language: Language::En,
        kpis: IndexMap::from([(KpiId::from("k"), Arc::new(kpi))]),
        objectives: objectives.into_iter().map(|o| (ObjectiveId::clone(&o.id), Arc::new(o))).collect(),
        rules: rules.into_iter().map(|rule| (RuleId::clone(&rule.id), Arc::new(rule))).collect(),
        people: IndexMap::new(),
        receivers: IndexMap::from([(ReceiverId::from("ops"), Arc::new(receiver))]),
        route: Route {
            path: "0".into(),
            matcher: Matcher::default(),
            to: "ops".into(),
            group_by: vec![GroupBy::Alert],
            wait: SignedDuration::ZERO,
            interval: SignedDuration::ZERO,
            remind: None,
            routes: Vec::new(),
        },
        events: IndexMap::new(),
        renames: crate::model::rename::Renames::default(),
        checksum: String::new(),
    }
}

/// The configuration's scripts stand in it literally.
fn setup(catalog: Catalog) -> Setup {
    let load = |text: &str| {
        let (path, sidecar_path) = ("r.rhai".to_owned(), "r.yaml".to_owned());
        Ok(ScriptFiles { path, text: text.to_owned(), sidecar_path, sidecar: None })
    };
    let (rules, problems) = RuleSet::compile(&catalog, &load);
    assert_eq!(problems, []);
    Setup::new(Arc::new(catalog), Arc::new(rules))
}

/// 06:00 of a day, counted from 1 November 2026; its newest bucket is the day before.
fn slot(day: i64) -> Timestamp {
    let first = TimeZone::UTC.to_timestamp(date(2026, 11, 1).at(6, 0, 0, 0)).expect("in range");
    first + SignedDuration::from_hours(24 * (day - 1))
}

fn observed(day: i64, value: f64, provisional: bool) -> Observation {
    labelled(&Labels::total(), day, value, provisional)
}

/// The value of the bucket that ended on the morning of that day.
fn labelled(labels: &Labels, day: i64, value: f64, provisional: bool) -> Observation {
    Observation {
        series: SeriesKey { kpi: "k".into(), labels: labels.clone() },
        bucket: Grain::Day.last_ended(slot(day), &TimeZone::UTC),
        value,
        parts: None,
        provisional,
        known_at: slot(day),
        assumed: false,
    }
}

/// A slot after its pull.
fn came(kpi: &str, slot: Timestamp, pull: PullReport) -> Event {
    Event::Slot(SlotEvent { kpi: kpi.into(), slot, pull: Some(pull), only: None, retry_at: None, completes: true })
}

/// A state with everything that came of it.
struct Bench {
    setup: Setup,
    state: State,
    day: i64,
}

impl Bench {
    fn new(catalog: Catalog) -> Bench {
        Bench { setup: setup(catalog), state: State::default(), day: 1 }
    }

    fn simple(script: &str) -> Bench {
        Bench::new(catalog(kpi(), vec![rule(script)], Vec::new()))
    }

    fn step(&mut self, event: Event) -> Effects {
        let (state, setup, now) = (&mut self.state, &self.setup, slot(self.day));
        on_large_stack(|| step(state, setup, event, now))
    }

    /// The next day's slot.
    fn slot(&mut self, observations: Vec<Observation>, trouble: Option<PullTrouble>) -> Effects {
        self.day += 1;
        let at = slot(self.day);
        let pull = PullReport { observations, trouble, at: Some(at), ..PullReport::default() };
        self.step(came("k", at, pull))
    }

    /// One word a day: a number, `9p` provisional, `.` nothing came, `x` the source is down, `q` the query is wrong.
    fn feed(&mut self, word: &str) -> Effects {
        let trouble = |whole_source| Some(PullTrouble { message: "down".to_owned(), not_asked: None, whole_source });
        match word {
            "." => self.slot(Vec::new(), None),
            "x" => self.slot(Vec::new(), trouble(true)),
            "q" => self.slot(Vec::new(), trouble(false)),
            number => {
                let provisional = number.ends_with('p');
                let value = number.trim_end_matches('p').parse().expect("a number");
                self.slot(vec![observed(self.day + 1, value, provisional)], None)
            }
        }
    }

    /// What the notify half tells at the last slot.
    fn told(&mut self) -> Vec<(Aspect, NotifyReason)> {
        let effects = self.step(Event::Wake);
        let items = effects.notify.notifications.iter().flat_map(|notification| &notification.items);
        items.map(|item| (item.key.aspect, item.reason)).collect()
    }

    fn alert(&self, aspect: Aspect) -> Option<Alert> {
        self.state.book.sorted().into_values().find(|alert| alert.key.aspect == aspect).cloned()
    }

    /// Takes the state through what the store keeps of it.
    fn restart(&mut self) {
        let mut old = std::mem::take(&mut self.state).restarted();
        let text = |value: &Alert| serde_json::to_string(value).expect("an alert can be written");
        let alerts: Vec<Alert> = old.book.sorted().into_values().cloned().collect();
        old.book = alerts.iter().map(|alert| serde_json::from_str(&text(alert)).expect("and read")).collect();
        self.state = old;
    }
}

/// `3 breach fired`: position of the word, aspect, change.
fn changes(position: usize, effects: &Effects) -> Vec<String> {
    let line = |change: &Change| match change {
        Change::Pended => "pended",
        Change::Withdrawn => "withdrawn",
        Change::Fired => "fired",
        Change::Escalated { .. } => "escalated",
        Change::Deescalated { .. } => "deescalated",
        Change::Resolved(EndReason::Recovered) => "recovered",
        Change::Resolved(EndReason::Removed) => "removed",
        Change::Resolved(EndReason::PeriodEnded(PeriodOutcome::Reached)) => "reached",
        Change::Resolved(EndReason::PeriodEnded(PeriodOutcome::Missed)) => "missed",
        Change::Resolved(EndReason::PeriodEnded(PeriodOutcome::ToBeConfirmed)) => "to be confirmed",
        Change::Resolved(EndReason::Settled(_)) => "resolved",
        Change::Frozen(_) => "frozen",
        Change::Unfrozen => "unfrozen",
        Change::Acknowledged { .. } => "acknowledged",
        Change::Unacknowledged => "unacknowledged",
        Change::Snoozed { .. } => "snoozed",
        Change::Corrected { .. } => "corrected",
    };
    let all = effects.evaluate.transitions.iter();
    all.map(|change| format!("{position} {} {}", change.key.aspect.as_str(), line(&change.change))).collect()
}

#[track_caller]
fn check(mut bench: Bench, words: &str, expected: &[&str]) -> Bench {
    let mut seen = Vec::new();
    for (position, word) in words.split_whitespace().enumerate() {
        let effects = bench.feed(word);
        seen.extend(changes(position + 1, &effects));
    }
    assert_eq!(seen, expected, "{words}");
    bench
}

#[test]
fn missing_data_freezes_and_never_resolves() {
    check(
        Bench::simple(ABOVE_FIVE),
        "1 9 . . 9 1",
        &[
            "2 breach fired",
            "3 breach frozen",
            "3 no_data pended",
            "5 breach unfrozen",
            "5 no_data withdrawn",
            "6 breach recovered",
        ],
    );
}

#[test]
fn missing_data_becomes_an_alert_after_so_many_buckets() {
    let policy = NoDataPolicy { after: 2, severity: Severity::Critical };
    let bench = || Bench::new(catalog(kpi(), vec![RuleDef { no_data: policy, ..rule(ABOVE_FIVE) }], Vec::new()));
    check(bench(), "1 . 1", &["2 no_data pended", "3 no_data withdrawn"]);
    let ended = check(bench(), "1 . . . 1", &["2 no_data pended", "3 no_data fired", "5 no_data recovered"]);
    assert_eq!(ended.alert(Aspect::NoData).map(|alert| alert.severity), Some(Severity::Critical));
}

#[test]
fn an_outage_takes_two_failed_pulls_and_ends_with_a_good_one() {
    check(
        Bench::simple(ABOVE_FIVE),
        "1 x 1",
        &["2 outage pended", "2 no_data pended", "3 outage withdrawn", "3 no_data withdrawn"],
    );
    check(
        Bench::simple(ABOVE_FIVE),
        "1 x x 1",
        &["2 outage pended", "2 no_data pended", "3 outage fired", "4 outage recovered", "4 no_data withdrawn"],
    );
    // A wrong query is told at once: waiting doesn't mend it.
    check(
        Bench::simple(ABOVE_FIVE),
        "1 q 1",
        &["2 outage fired", "2 no_data pended", "3 outage recovered", "3 no_data withdrawn"],
    );
}

#[test]
fn one_cause_is_told_once() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    let mut told = Vec::new();
    for word in "1 x x x x x".split_whitespace() {
        bench.feed(word);
        told.extend(bench.told());
    }
    assert_eq!(bench.alert(Aspect::NoData).map(|alert| alert.phase), Some(Phase::Firing));
    assert_eq!(told, [(Aspect::Outage, NotifyReason::First)], "the missing data is inhibited");
    // The source answers again, but has nothing: now the missing data is news of its own.
    bench.feed(".");
    told = bench.told();
    bench.feed(".");
    told.extend(bench.told());
    told.sort_by_key(|(_, reason)| *reason);
    assert_eq!(told, [(Aspect::NoData, NotifyReason::First), (Aspect::Outage, NotifyReason::Resolved)]);
}

#[test]
fn nothing_is_told_of_a_kpi_that_catches_up() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.state.catching_up.insert("k".into());
    for word in "9 1 9".split_whitespace() {
        bench.feed(word);
        assert_eq!(bench.told(), []);
    }
    bench.state.catching_up.clear();
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::First)], "what holds now is told at once");
}

#[test]
fn a_failing_rule_is_an_alert_and_leaves_the_breach_alone() {
    let script = "fn evaluate(kpi, p) { if kpi.value > 90 { return [1][7]; } above(kpi.value, 5) }";
    let bench = check(
        Bench::simple(script),
        "9 99 99 9 1",
        &[
            "1 breach fired",
            "2 breach frozen",
            "2 failed fired",
            "4 breach unfrozen",
            "4 failed recovered",
            "5 breach recovered",
        ],
    );
    let cause = bench.alert(Aspect::Failed).and_then(|alert| alert.facts.clone()?.cause.clone());
    assert!(cause.is_some_and(|cause| cause.contains("out of bounds") && cause.contains("r.rhai:1:")));
}

/// Dividing by a figure that is zero today neither fails the rule nor counts as missing data: the alert is frozen.
#[test]
fn a_change_from_zero_only_freezes() {
    let bench = || Bench::simple("fn evaluate(kpi, p) { below(kpi.change(1), -0.5) }");
    let all = ["2 breach fired", "3 breach frozen", "4 breach unfrozen", "4 breach recovered"];
    check(bench(), "9 0 3 3 6", &all);
    let quiet = check(bench(), "0 3 0 3", &["3 breach fired", "4 breach frozen"]);
    assert_eq!((quiet.alert(Aspect::Failed), quiet.alert(Aspect::NoData)), (None, None));
}

#[test]
fn a_hold_keeps_its_words() {
    let script = "fn evaluate(kpi, p) { if kpi.value > 90 { return hold(\"the stock is being counted\"); } above(kpi.value, 5) }";
    let held = check(Bench::simple(script), "9 99", &["1 breach fired", "2 breach frozen"]);
    let Some(Freeze::Hold { said: Some(words), .. }) = held.alert(Aspect::Breach).and_then(|alert| alert.frozen) else {
        panic!("it holds");
    };
    assert_eq!(crate::locale::said(&words, Language::En).as_deref(), Some("the stock is being counted"));
}

#[test]
fn a_rule_that_fails_on_three_series_is_not_tried_on_the_rest() {
    let script = "fn evaluate(kpi, p) { below(1, kpi.value + 10).recovers_above(0) }";
    let each = RuleDef { series: SeriesChoice::Each(vec!["d".to_owned()]), ..rule(script) };
    let split = Kpi { dimensions: vec!["d".to_owned()], ..kpi() };
    let mut bench = Bench::new(catalog(split, vec![each], Vec::new()));
    let series = |n: i64| labelled(&Labels::from_iter([("d", n.to_string())]), 2, n as f64, false);
    let effects = bench.slot((0..8).map(series).collect(), None);
    assert_eq!((effects.tally.verdicts, effects.tally.failures), (8, 8));
    let causes: std::collections::BTreeSet<_> =
        effects.evaluate.alerts.iter().filter_map(|alert| alert.facts.as_ref()?.cause.clone()).collect();
    // Three are told; of the others nothing is known.
    assert_eq!((effects.evaluate.alerts.len(), causes.len()), (3, 3), "{causes:?}");
}

#[test]
fn a_revision_is_corrected_once_and_does_not_count() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.feed("9");
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::First)]);
    let revised = observed(bench.day, 1.0, false);
    let newer = observed(bench.day + 1, 8.0, false);
    let effects = bench.slot(vec![revised.clone(), newer], None);
    assert_eq!(changes(2, &effects), ["2 breach corrected", "2 breach escalated"]);
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::Correction)]);
    let effects = bench.slot(vec![revised, observed(bench.day + 1, 8.0, false)], None);
    assert_eq!(changes(3, &effects), Vec::<String>::new(), "said once");
    assert_eq!(bench.told(), []);
}

#[test]
fn a_revision_that_leaves_the_verdict_is_silent() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.feed("9");
    let effects = bench.slot(vec![observed(2, 8.0, false), observed(3, 9.0, false)], None);
    assert_eq!(changes(2, &effects), Vec::<String>::new());
}

#[test]
fn for_counts_final_buckets_unless_the_rule_asks_for_provisional_ones() {
    let bench = |use_provisional| {
        let def = RuleDef { for_: Some(Patience::Buckets(2)), use_provisional, ..rule(ABOVE_FIVE) };
        let settling = Kpi { settle: SignedDuration::from_hours(24), ..kpi() };
        Bench::new(catalog(settling, vec![def], Vec::new()))
    };
    let run = |mut bench: Bench| {
        let mut seen = changes(1, &bench.feed("1"));
        seen.extend(changes(2, &bench.slot(vec![observed(3, 9.0, true)], None)));
        // The bucket settles: the same bucket, final now, and the next one, provisional.
        seen.extend(changes(3, &bench.slot(vec![observed(3, 9.0, false), observed(4, 9.0, true)], None)));
        seen.extend(changes(4, &bench.slot(vec![observed(4, 9.0, false), observed(5, 9.0, true)], None)));
        seen
    };
    assert_eq!(run(bench(true)), ["2 breach pended", "3 breach fired"]);
    assert_eq!(run(bench(false)), ["3 breach pended", "4 breach fired"]);
}

/// November with that value a day but the last, which is given; then two days of December.
fn november(each: &str, last: &str) -> (Bench, Vec<String>) {
    let def = RuleDef { use_provisional: true, ..rule(BEHIND) };
    let mut bench = Bench::new(catalog(kpi(), vec![def], vec![objective()]));
    let mut seen = Vec::new();
    let words = std::iter::repeat_n(each, 29).chain([last, "20", "20"]);
    for (position, word) in words.enumerate() {
        seen.extend(changes(position + 1, &bench.feed(word)));
        if position == 10 && bench.alert(Aspect::Breach).is_some() {
            let alert = bench.alert(Aspect::Breach).expect("looked at").key.id();
            let what = ActionKind::Acknowledge { alert, note: None };
            bench.step(Event::Act(Action { by: "ada".to_owned(), what }));
        }
    }
    (bench, seen)
}

#[test]
fn a_period_ends_with_its_outcome() {
    assert_eq!(november("8", "8").1, ["1 breach fired", "31 breach missed"]);
    assert_eq!(november("8", "8p").1, ["1 breach fired", "31 breach to be confirmed"]);
    assert_eq!(november("8", "500").1, ["1 breach fired", "30 breach recovered"]);
    assert_eq!(november("10", "10").1, Vec::<String>::new());
}

#[test]
fn a_message_about_an_objective_carries_what_its_picture_shows() {
    let def = RuleDef { use_provisional: true, ..rule(BEHIND) };
    let mut bench = Bench::new(catalog(kpi(), vec![def], vec![objective()]));
    bench.feed("8");
    bench.feed("7");
    let effects = bench.step(Event::Wake);
    let [delivery] = effects.notify.deliveries.as_slice() else { panic!("{:?}", effects.notify.deliveries) };
    let section = &delivery.message.sections[0];
    let picture = section.picture.as_ref().expect("a picture");
    assert_eq!(picture.course.actual.last().copied().flatten(), section.payload.actual);
    assert_eq!((picture.course.buckets.len(), picture.course.actual.len()), (30, 2));
    let bytes = serde_json::to_string(&delivery.message).expect("JSON").len();
    assert!(bytes < 8_000, "{bytes} bytes go through the outbox");
}

#[test]
fn an_acknowledgement_does_not_cross_periods() {
    let (mut bench, _) = november("8", "8");
    let old = bench.alert(Aspect::Breach).expect("ended, and nobody was told yet");
    assert!(old.acknowledged.is_some());
    bench.feed("0");
    bench.feed("0");
    bench.feed("0");
    let live = bench.state.book.sorted().into_values().find(|alert| alert.phase == Phase::Firing).cloned();
    let new = live.expect("December is behind as well");
    assert_eq!((new.key.period, new.acknowledged), (Some(date(2026, 12, 1)), None));
}

#[test]
fn removal_closes_and_is_told_to_those_who_were_told() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.feed("9");
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::First)]);
    bench.setup = setup(catalog(kpi(), Vec::new(), Vec::new()));
    let effects = bench.step(Event::Reconfigured);
    assert_eq!(changes(0, &effects), ["0 breach removed"]);
    // Put back, it is a new one, and is stepped through what is stored.
    assert!(effects.evaluate.clocks.iter().map(|clock| clock.rules.len()).eq([0]));
    assert_eq!(bench.told(), [(Aspect::Breach, NotifyReason::Resolved)]);
    assert!(bench.state.book.is_empty());
}

#[test]
fn a_dead_delivery_is_told_until_one_goes_through() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    let report = |about, dead: Option<&str>| {
        Event::DeliveryEnded(DeliveryReport { receiver: "ops".into(), about, dead: dead.map(ToOwned::to_owned) })
    };
    let effects = bench.step(report(About::System, Some("refused")));
    assert_eq!(changes(0, &effects), Vec::<String>::new(), "a message about itself is not told about");
    let effects = bench.step(report(About::Objective, Some("refused")));
    assert_eq!(changes(1, &effects), ["1 system fired"]);
    let effects = bench.step(report(About::Objective, Some("refused again")));
    assert_eq!(changes(2, &effects), Vec::<String>::new(), "once per receiver");
    let effects = bench.step(report(About::Objective, None));
    assert_eq!(changes(3, &effects), ["3 system recovered"]);
}

#[test]
fn only_what_fires_can_be_acted_on() {
    let mut bench = Bench::simple(ABOVE_FIVE);
    bench.feed("9");
    let alert = bench.alert(Aspect::Breach).expect("it fires").key.id();
    let mut act = |what| bench.step(Event::Act(Action { by: "ada".to_owned(), what })).answer.expect("answered");
    let unknown = ActionKind::Acknowledge { alert: "a0".into(), note: None };
    assert!(act(unknown).expect_err("refused").contains("no live alert 'a0'"));
    let past = ActionKind::Snooze { alert: alert.clone(), until: slot(1) };
    assert!(act(past).expect_err("refused").contains("not in the future"));
    let all = ActionKind::Silence { matcher: Matcher::default(), until: slot(90), why: String::new() };
    assert!(act(all).expect_err("refused").contains("at least one condition"));
    assert!(act(ActionKind::Acknowledge { alert, note: None }).is_ok());
}

fn words() -> impl Strategy<Value = Vec<&'static str>> {
    let word =
        prop_oneof![4 => Just("9"), 1 => Just("60"), 4 => Just("1"), 2 => Just("."), 2 => Just("x"), 1 => Just("q")];
    proptest::collection::vec(word, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn restarts_anywhere_equal_none(words in words(), stops in proptest::collection::vec(any::<bool>(), 40)) {
        let def = || RuleDef {
            for_: Some(Patience::Buckets(2)),
            keep_firing_for: Some(Patience::Buckets(2)),
            ..rule(ABOVE_FIVE)
        };
        let bench = || Bench::new(catalog(kpi(), vec![def()], Vec::new()));
        let (mut through, mut stopped) = (bench(), bench());
        for (position, word) in words.iter().enumerate() {
            if stops[position] {
                stopped.restart();
            }
            prop_assert_eq!(&through.feed(word).evaluate, &stopped.feed(word).evaluate, "at {} of {:?}", position, words);
            prop_assert_eq!(through.told(), stopped.told());
        }
    }

    #[test]
    fn a_breach_never_fires_before_for_and_ends_once(words in words(), patience in 1_u32..4) {
        let def = RuleDef { for_: Some(Patience::Buckets(patience)), ..rule(ABOVE_FIVE) };
        let mut bench = Bench::new(catalog(kpi(), vec![def], Vec::new()));
        let (mut in_breach, mut firing) = (0, false);
        for word in words {
            match word {
                "9" | "60" => in_breach += 1,
                "1" => in_breach = 0,
                _ => {}
            }
            for change in bench.feed(word).evaluate.transitions {
                match change.change {
                    Change::Fired if change.key.aspect == Aspect::Breach => {
                        prop_assert!(!firing && in_breach >= patience);
                        firing = true;
                    }
                    Change::Resolved(_) if change.key.aspect == Aspect::Breach => {
                        prop_assert!(firing, "ended without having fired");
                        firing = false;
                    }
                    _ => {}
                }
            }
        }
    }
}
