//! The evaluate half: observations in, rules run, alerts stepped; one commit per KPI and slot.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::event::{PullReport, SlotEvent, Tally};
use super::facts;
use super::outage;
use super::setup::{Binding, Setup, definition_of};
use super::shape;
use super::state::State;
use crate::alert::{self, Moment, Policy, Signal};
use crate::assess::Assessment;
use crate::model::alert::{About, Alert, AlertFacts, AlertKey, Aspect, Change, EndReason, Freeze, Phase, Subject};
use crate::model::assessment::Unmeasurable;
use crate::model::commit::{EvaluateCommit, KpiClock, OpenSlot};
use crate::model::grain::{BucketIndex, day_of};
use crate::model::ids::{KpiId, Labels, RuleId, SeriesKey};
use crate::model::kpi::Kpi;
use crate::model::objective::Objective;
use crate::model::period::Period;
use crate::model::rule::{Patience, RuleDef};
use crate::model::series::SeriesData;
use crate::model::verdict::{Finding, Severity, Verdict};
use crate::rule::CompiledRule;

/// Failures in a row after which a rule is not tried on the slot's remaining series.
const FAILURES_MAX: u32 = 3;

/// One KPI's slot.
pub(super) fn slot(
    state: &mut State,
    setup: &Setup,
    event: SlotEvent,
    now: Timestamp,
    commit: &mut EvaluateCommit,
) -> Tally {
    let mut tally = Tally::default();
    let Some(kpi) = setup.catalog.kpi(&event.kpi).cloned() else { return tally };
    let last_slot = state.clocks.get(&kpi.id).and_then(|clock| clock.last_slot);
    let mut revised = HashMap::new();
    let mut outdated = shape::is_outdated(state, &kpi);
    if let Some(pull) = &event.pull {
        if outdated && pull.trouble.is_none() {
            shape::retire(state, &kpi, pull.at.unwrap_or(now), commit);
            outdated = false;
        }
        revised = take_in(state, &kpi, pull, commit);
        outage::pull(state, &kpi, pull, (now, event.slot), commit);
    }
    if let (Some(before), false) = (last_slot, revised.is_empty()) {
        correct(state, setup, &kpi, &revised, (before, now), commit);
    }
    let round = Round { setup, kpi: kpi.clone(), now, slot: event.slot };
    for binding in setup.bindings(&kpi.id) {
        // Numbers of another shape can't be judged: the rules wait for the history that failed to come.
        if outdated || event.only.as_ref().is_some_and(|only| !only.contains(&binding.rule.def.id)) {
            continue;
        }
        tally += round.run_rule(state, binding, commit);
    }
    advance_clock(state, setup, &kpi, &event, commit);
    tally
}

/// Writes new versions into memory and the commit; tells which known buckets changed.
fn take_in(
    state: &mut State,
    kpi: &Arc<Kpi>,
    pull: &PullReport,
    commit: &mut EvaluateCommit,
) -> HashMap<Labels, Vec<BucketIndex>> {
    let mut revised: HashMap<Labels, Vec<BucketIndex>> = HashMap::new();
    for observation in &pull.observations {
        if state.history.knows(observation) {
            continue;
        }
        if state.history.put(observation).is_some() {
            revised.entry(observation.series.labels.clone()).or_default().push(observation.bucket);
        }
        commit.observations.push(observation.clone());
    }
    commit.rejections.extend(pull.rejections.iter().map(|rejection| (kpi.id.clone(), rejection.clone())));
    revised
}

fn advance_clock(state: &mut State, setup: &Setup, kpi: &Arc<Kpi>, event: &SlotEvent, commit: &mut EvaluateCommit) {
    let clock = state.clocks.entry(kpi.id.clone()).or_insert_with(|| KpiClock {
        kpi: kpi.id.clone(),
        definition: String::new(),
        shape: String::new(),
        roll_ups: Vec::new(),
        rules: Vec::new(),
        last_slot: None,
        open: None,
        pulled_to: None,
        last_pull_at: None,
        last_error: None,
    });
    // A history that could not be pulled is still to be pulled.
    let new = clock.definition != definition_of(kpi) || clock.pulled_to.is_none();
    let failed = event.pull.as_ref().is_some_and(|pull| pull.trouble.is_some());
    clock.definition = if new && failed { String::new() } else { definition_of(kpi) };
    let came = event.pull.is_some() && !failed;
    if came || clock.shape.is_empty() {
        clock.shape = shape::shape_of(kpi);
    }
    let roll_ups = setup.roll_ups(&kpi.id);
    if came || roll_ups.is_covered_by(&clock.roll_ups) {
        clock.roll_ups = roll_ups.names();
    }
    // A rule that was left out has not run: it is still to be stepped through what went before.
    let ran = |rule: &RuleId| event.only.as_ref().is_none_or(|only| only.contains(rule)) || clock.rules.contains(rule);
    let rules = setup.bindings(&kpi.id).iter().map(|binding| &binding.rule.def.id);
    clock.rules = rules.filter(|rule| ran(rule)).cloned().collect();
    clock.last_slot = clock.last_slot.max(Some(event.slot));
    if let Some(pull) = &event.pull {
        clock.pulled_to = clock.pulled_to.max(pull.pulled_to);
        clock.last_pull_at = pull.at.or(clock.last_pull_at);
        let warning = (!pull.warnings.is_empty()).then(|| pull.warnings.join("; "));
        clock.last_error = pull.trouble.as_ref().map(|trouble| trouble.message.clone()).or(warning);
        clock.open = pull.trouble.as_ref().map(|_| OpenSlot {
            slot: event.slot,
            failures: clock.open.as_ref().filter(|open| open.slot == event.slot).map_or(1, |open| open.failures + 1),
            retry_at: event.retry_at,
        });
    }
    commit.clocks.push(clock.clone());
}

/// Revised buckets: alerts that were judged on them are judged again, without counting; when a verdict
/// that was told no longer holds, a correction is due.
fn correct(
    state: &mut State,
    setup: &Setup,
    kpi: &Arc<Kpi>,
    revised: &HashMap<Labels, Vec<BucketIndex>>,
    (before, now): (Timestamp, Timestamp),
    commit: &mut EvaluateCommit,
) {
    let round = Round { setup, kpi: kpi.clone(), now: before, slot: before };
    for binding in setup.bindings(&kpi.id) {
        for labels in binding.series(&kpi.id, &state.history) {
            if !revised.contains_key(&labels) {
                continue;
            }
            for objective in binding.objectives_of(&labels) {
                round.correct_one(state, binding, &labels, objective, (now, commit));
            }
        }
    }
}

/// What stays the same over one slot of one KPI.
struct Round<'a> {
    setup: &'a Setup,
    kpi: Arc<Kpi>,
    now: Timestamp,
    slot: Timestamp,
}

impl Round<'_> {
    fn run_rule(&self, state: &mut State, binding: &Binding, commit: &mut EvaluateCommit) -> Tally {
        let mut tally = Tally::default();
        let mut failures = 0;
        let mut cause = String::new();
        for labels in binding.series(&self.kpi.id, &state.history) {
            for objective in binding.objectives_of(&labels) {
                let target = Target { rule: &binding.rule, labels: &labels, objective: objective.as_ref() };
                let assessment = self.assess(state, binding, &labels, objective.clone());
                let (verdict, read_data) = if failures < FAILURES_MAX {
                    let others = self.others(state, &binding.rule);
                    let run = self.setup.rules.run(&binding.rule, &assessment, others);
                    (run.verdict, run.read_data)
                } else {
                    (Verdict::Failed { cause: cause.clone() }, false)
                };
                tally.verdicts += 1;
                if let Verdict::Failed { cause: why } = &verdict {
                    tally.failures += 1;
                    failures += 1;
                    cause.clone_from(why);
                }
                self.apply(state, &target, &assessment, (verdict, read_data), commit);
            }
        }
        tally
    }

    fn assess(
        &self,
        state: &State,
        binding: &Binding,
        labels: &Labels,
        objective: Option<Arc<Objective>>,
    ) -> Arc<Assessment> {
        let data = state.history.series(&self.kpi.id, labels).cloned().unwrap_or_else(SeriesData::shared);
        let assessment = Assessment::new(self.kpi.clone(), labels.clone(), data, objective, self.now);
        Arc::new(if binding.rule.def.use_provisional { assessment } else { assessment.final_only() })
    }

    /// The totals of the KPIs that the rule's parameters name.
    fn others(&self, state: &State, rule: &CompiledRule) -> BTreeMap<String, Arc<Assessment>> {
        let total = Labels::total();
        rule.others
            .iter()
            .filter_map(|id| self.setup.catalog.kpi(id))
            .map(|kpi| {
                let data = state.history.series(&kpi.id, &total).cloned().unwrap_or_else(SeriesData::shared);
                let assessment = Assessment::new(kpi.clone(), total.clone(), data, None, self.now);
                (kpi.id.to_string(), Arc::new(assessment))
            })
            .collect()
    }

    fn apply(
        &self,
        state: &mut State,
        target: &Target<'_>,
        assessment: &Arc<Assessment>,
        (verdict, read_data): (Verdict, bool),
        commit: &mut EvaluateCommit,
    ) {
        let subject = target.subject(&self.kpi.id);
        let known = state.book.of(&subject);
        // The quiet case, which is nearly every evaluation: nothing known, nothing wrong.
        if known.is_empty() && matches!(&verdict, Verdict::Judged(finding) if finding.level.is_none()) {
            return;
        }
        let expected = self.kpi.grain.last_ended(self.now, &self.kpi.zone);
        let judged = if read_data { assessment.current().ok().map(|point| point.index) } else { Some(expected) };
        let period = assessment.period().ok();
        self.end_old_periods(state, &subject, assessment, period, commit);
        let about = target.rule.sidecar.about;
        let moment = |bucket, about| Moment { now: self.now, slot: self.slot, bucket, counts: true, about };
        let breach = AlertKey {
            subject: subject.clone(),
            period: target.objective.and(period.map(|period| period.first)),
            aspect: Aspect::Breach,
        };
        let no_data = AlertKey { subject: subject.clone(), period: None, aspect: Aspect::NoData };
        let failed = AlertKey { subject, period: None, aspect: Aspect::Failed };
        let gist = |cause: Option<String>| Some(facts::of_trouble(assessment, cause));
        let missing_policy =
            Policy { for_: Patience::Buckets(target.rule.def.no_data.after), keep_firing_for: Patience::NONE };
        let (mut missing, mut failing) = ((Signal::Calm, None), (Signal::Calm, None));
        match verdict {
            Verdict::Judged(finding) => {
                let signal = signal_of(&finding);
                let mut facts = facts::of_finding(assessment, finding);
                // What was corrected just now is still to be told, beside the newer bucket's figures.
                if let Some((old, new)) = corrected_now(state, &breach, commit) {
                    (facts.corrected_from, facts.corrected_to) = (old, new);
                }
                let facts = Some(Arc::new(facts));
                move_alert(state, &breach, (signal, facts), (target.policy(), moment(judged, about)), commit);
            }
            Verdict::Hold { reason } => {
                self.freeze(state, &breach.subject, &Freeze::Hold { reason: reason.key }, commit);
            }
            Verdict::NoData { missing: why, .. } => {
                if matches!(why, Unmeasurable::Late { .. } | Unmeasurable::NoData | Unmeasurable::Incomplete { .. }) {
                    missing = (Signal::Breach(target.rule.def.no_data.severity), gist(None));
                }
                self.freeze(state, &breach.subject, &Freeze::NoData { missing: why }, commit);
            }
            Verdict::Failed { cause } => {
                self.freeze(state, &breach.subject, &Freeze::Failed { cause: cause.clone() }, commit);
                failing = (Signal::Breach(Severity::Warning), gist(Some(cause)));
            }
        }
        let expected_moment = moment(Some(expected), About::Data);
        move_alert(state, &no_data, missing, (missing_policy, expected_moment), commit);
        move_alert(state, &failed, failing, (Policy::AT_ONCE, expected_moment), commit);
    }

    /// Objectives: alerts of periods that are over end with the period's outcome.
    fn end_old_periods(
        &self,
        state: &mut State,
        subject: &Subject,
        assessment: &Assessment,
        current: Option<Period>,
        commit: &mut EvaluateCommit,
    ) {
        let Some(objective) = &assessment.objective else { return };
        let today = day_of(self.now, &self.kpi.zone);
        let over: Vec<(AlertKey, Period)> = state
            .book
            .of(subject)
            .iter()
            .filter(|alert| matches!(alert.phase, Phase::Firing | Phase::Pending))
            .filter_map(|alert| Some((alert.key.clone(), objective.period.holding(alert.key.period?)?)))
            .filter(|(_, period)| match current {
                Some(current) => current.first != period.first,
                None => today > period.last,
            })
            .collect();
        for (key, period) in over {
            let outcome = assessment.outcome_of(period);
            let moment = Moment { now: self.now, slot: self.slot, bucket: None, counts: true, about: About::Objective };
            let signal = Signal::End(EndReason::PeriodEnded(outcome));
            move_alert(state, &key, (signal, None), (Policy::AT_ONCE, moment), commit);
        }
    }

    fn freeze(&self, state: &mut State, subject: &Subject, freeze: &Freeze, commit: &mut EvaluateCommit) {
        let keys: Vec<AlertKey> = state
            .book
            .of(subject)
            .iter()
            .filter(|alert| alert.key.aspect == Aspect::Breach)
            .map(|alert| alert.key.clone())
            .collect();
        let moment = Moment { now: self.now, slot: self.slot, bucket: None, counts: true, about: About::Objective };
        for key in keys {
            let signal = (Signal::Freeze(freeze.clone()), None);
            move_alert(state, &key, signal, (Policy::AT_ONCE, moment), commit);
        }
    }

    fn correct_one(
        &self,
        state: &mut State,
        binding: &Binding,
        labels: &Labels,
        objective: Option<Arc<Objective>>,
        (now, commit): (Timestamp, &mut EvaluateCommit),
    ) {
        let target = Target { rule: &binding.rule, labels, objective: objective.as_ref() };
        let assessment = self.assess(state, binding, labels, objective.clone());
        let key = AlertKey {
            subject: target.subject(&self.kpi.id),
            period: objective.as_ref().and(assessment.period().ok().map(|period| period.first)),
            aspect: Aspect::Breach,
        };
        let Some(mut alert) = state.book.get(&key).filter(|alert| alert.phase == Phase::Firing).cloned() else {
            return;
        };
        let run = self.setup.rules.run(&binding.rule, &assessment, self.others(state, &binding.rule));
        let Verdict::Judged(finding) = run.verdict else { return };
        let floor = (!finding.recovered).then_some(finding.floor).flatten();
        if finding.level.or(floor) == Some(alert.severity) {
            return;
        }
        let old = alert.facts.as_ref().and_then(|facts| facts.value);
        let new = finding.value;
        if old == new {
            return;
        }
        let mut facts = facts::of_finding(&assessment, finding);
        (facts.corrected_from, facts.corrected_to) = (old, new);
        alert.facts = Some(Arc::new(facts));
        alert.revision += 1;
        alert.slot = self.slot;
        let change = (Phase::Firing, Phase::Firing, Change::Corrected { old, new });
        commit.transitions.push(state.transition(&alert, change, now));
        write(state, alert, commit);
    }
}

/// Which alert an evaluation is about.
struct Target<'a> {
    rule: &'a CompiledRule,
    labels: &'a Labels,
    objective: Option<&'a Arc<Objective>>,
}

impl Target<'_> {
    fn subject(&self, kpi: &KpiId) -> Subject {
        Subject::Rule {
            rule: self.rule.def.id.clone(),
            series: SeriesKey { kpi: kpi.clone(), labels: self.labels.clone() },
            objective: self.objective.map(|objective| objective.id.clone()),
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            for_: self.rule.def.for_.or(self.rule.sidecar.for_).unwrap_or(Patience::NONE),
            keep_firing_for: self.rule.def.keep_firing_for.unwrap_or(Patience::NONE),
        }
    }
}

/// Old and new value of an alert that this very commit corrected.
fn corrected_now(state: &State, key: &AlertKey, commit: &EvaluateCommit) -> Option<(Option<f64>, Option<f64>)> {
    // Cheap for nearly all: only a corrected alert has the commit searched.
    state.book.get(key)?.facts.as_ref()?.corrected_from?;
    commit.transitions.iter().rev().find_map(|transition| match transition.change {
        Change::Corrected { old, new } if transition.key == *key => Some((old, new)),
        _ => None,
    })
}

fn signal_of(finding: &Finding) -> Signal {
    match (finding.level, finding.recovered) {
        (Some(level), _) => Signal::Breach(level),
        (None, true) => Signal::Calm,
        (None, false) => Signal::Between { floor: finding.floor.unwrap_or(Severity::Info) },
    }
}

/// Steps one alert and writes what came of it.
pub(super) fn move_alert(
    state: &mut State,
    key: &AlertKey,
    signal: (Signal, Option<Arc<AlertFacts>>),
    (policy, moment): (Policy, Moment),
    commit: &mut EvaluateCommit,
) {
    let before = state.book.get(key).cloned();
    if before.is_none() && !matches!(signal.0, Signal::Breach(_)) {
        return;
    }
    let stepped = alert::step(before.clone(), key, signal, policy, moment);
    if !stepped.dirty {
        return;
    }
    let Some(shown) = stepped.alert.clone().or(before) else { return };
    for change in stepped.changes {
        commit.transitions.push(state.transition(&shown, change, moment.now));
    }
    match stepped.alert {
        Some(alert) => write(state, alert, commit),
        None => {
            state.book.take(key);
            commit.alerts.retain(|known| known.key != *key);
            commit.gone.push(key.clone());
        }
    }
}

pub(super) fn write(state: &mut State, alert: Alert, commit: &mut EvaluateCommit) {
    match commit.alerts.iter_mut().rev().take(8).find(|known| known.key == alert.key) {
        Some(known) => known.clone_from(&alert),
        None => commit.alerts.push(alert.clone()),
    }
    commit.gone.retain(|key| *key != alert.key);
    state.book.put(alert);
}

/// Closes alerts whose rule, KPI, objective or source the configuration no longer has.
pub(super) fn close_removed(state: &mut State, setup: &Setup, now: Timestamp, commit: &mut EvaluateCommit) {
    let catalog = &setup.catalog;
    let is_gone = |key: &AlertKey| match &key.subject {
        Subject::Rule { rule, series, objective } => {
            let judged = |rule: &Arc<RuleDef>| rule.on.contains(&series.kpi) && rule.series.covers(&series.labels);
            !catalog.rules.get(rule).is_some_and(judged)
                || catalog.kpi(&series.kpi).is_none()
                || objective.as_ref().is_some_and(|id| catalog.objective(id).is_none())
        }
        Subject::Data(kpi) => catalog.kpi(kpi).is_none(),
        Subject::Source(source) => !catalog.kpis.values().any(|kpi| kpi.source == *source),
        Subject::Receiver(receiver) => !catalog.receivers.contains_key(receiver),
        Subject::Service => false,
    };
    let gone: Vec<AlertKey> = state.book.sorted().into_keys().filter(|key| is_gone(key)).cloned().collect();
    for key in gone {
        let moment = Moment { now, slot: now, bucket: None, counts: true, about: About::Objective };
        move_alert(state, &key, (Signal::End(EndReason::Removed), None), (Policy::AT_ONCE, moment), commit);
    }
}
