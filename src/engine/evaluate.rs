//! One rule on one KPI: it runs on each series, and what it says moves that series' alerts.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::event::Tally;
use super::events;
use super::facts;
use super::log::Log;
use super::moves::{Figures, end_pulses, move_alert};
use super::setup::{Binding, Setup};
use super::state::State;
use crate::alert::{Moment, Policy, Signal};
use crate::assess::{Assessment, KnownEvents, Passages};
use crate::model::alert::{About, Alert, AlertFacts, AlertKey, Aspect, EndReason, Freeze, Phase, Subject};
use crate::model::assessment::Unmeasurable;
use crate::model::commit::EvaluateCommit;
use crate::model::grain::day_of;
use crate::model::ids::{KpiId, Labels, SeriesKey};
use crate::model::kpi::Kpi;
use crate::model::objective::Objective;
use crate::model::period::Period;
use crate::model::rule::Patience;
use crate::model::series::SeriesData;
use crate::model::verdict::{Details, Finding, Severity, Verdict};
use crate::rule::{CompiledRule, Run};

/// Alerts that only go on are given new figures up to this many per slot; the rest when they are told.
pub(super) const RENEWALS_PER_SLOT_MAX: u32 = 200;
/// Failures in a row after which a rule is not tried on the slot's remaining series.
const FAILURES_MAX: u32 = 3;

/// Runs one rule in a slot that it has waited in, on the figures of that slot.
pub(super) fn run_waited(
    state: &mut State,
    setup: &Setup,
    kpi: &Arc<Kpi>,
    binding: &Binding,
    (now, slot): (Timestamp, Timestamp),
    commit: &mut EvaluateCommit,
) -> Tally {
    Round::new(setup, kpi, (now, slot)).into_waited().run_binding(state, binding, commit)
}

/// Runs one rule on all of its series, and each of their objectives.
pub(super) fn run_binding(
    state: &mut State,
    setup: &Setup,
    kpi: &Arc<Kpi>,
    binding: &Binding,
    (now, slot): (Timestamp, Timestamp),
    commit: &mut EvaluateCommit,
) -> Tally {
    Round::new(setup, kpi, (now, slot)).run_binding(state, binding, commit)
}

/// The figures of a firing alert as of its KPI's newest slot; none where they can't be had now.
pub(super) fn figures_now(state: &State, setup: &Setup, alert: &Alert) -> Option<AlertFacts> {
    let Subject::Rule { rule, series, objective } = &alert.key.subject else { return None };
    let kpi = setup.catalog.kpi(&series.kpi)?;
    let at = state.clocks.get(&kpi.id)?.last_slot?;
    let binding = setup.bindings(&kpi.id).iter().find(|binding| binding.rule.def.id == *rule)?;
    let objective = objective.as_ref().and_then(|id| setup.catalog.objective(id)).cloned();
    let round = Round::new(setup, kpi, (at, at));
    let assessment = round.assess(state, binding, &series.labels, objective);
    let run = setup.rules.run(&binding.rule, &assessment, round.others(state, &binding.rule, &assessment));
    let Verdict::Judged(finding) = run.verdict else { return None };
    Some(facts::of_finding(&assessment, finding, binding.rule.details(&run)))
}

/// What stays the same over one slot of one KPI.
pub(super) struct Round<'a> {
    pub(super) setup: &'a Setup,
    pub(super) kpi: Arc<Kpi>,
    now: Timestamp,
    /// The instant as of which figures are read: that of the slot, for a rule that waited in it.
    as_of: Timestamp,
    pub(super) slot: Timestamp,
    renewals: Cell<u32>,
    passages: Arc<Passages>,
    /// What is known of its KPI at `as_of`.
    events: OnceCell<Option<KnownEvents>>,
}

impl<'a> Round<'a> {
    pub(super) fn new(setup: &'a Setup, kpi: &Arc<Kpi>, (now, slot): (Timestamp, Timestamp)) -> Round<'a> {
        let renewals = Cell::new(RENEWALS_PER_SLOT_MAX);
        let (passages, events) = (Arc::default(), OnceCell::new());
        Round { setup, kpi: kpi.clone(), now, as_of: now, slot, renewals, passages, events }
    }

    /// For a rule that waited in its slot until now.
    fn into_waited(self) -> Round<'a> {
        Round { as_of: self.slot, ..self }
    }

    fn run_binding(&self, state: &mut State, binding: &Binding, commit: &mut EvaluateCommit) -> Tally {
        let tally = self.run_rule(state, binding, commit);
        end_pulses(state, &self.kpi.id, &binding.rule.def.id, commit);
        tally
    }

    fn run_rule(&self, state: &mut State, binding: &Binding, commit: &mut EvaluateCommit) -> Tally {
        let mut tally = Tally::default();
        let mut log = Log::of(self.setup.is_logging);
        let mut failures = 0;
        let mut cause = String::new();
        for labels in binding.series(&self.kpi.id, &state.history) {
            for objective in binding.objectives_of(&labels) {
                let target = Target { rule: &binding.rule, labels: &labels, objective: objective.as_ref() };
                let assessment = self.assess(state, binding, &labels, objective.clone());
                if matches!(assessment.period(), Err(Unmeasurable::OutsidePeriod)) {
                    self.end_old_periods(state, &target.subject(&self.kpi.id), &assessment, None, commit);
                    continue;
                }
                let run = if failures < FAILURES_MAX {
                    let others = self.others(state, &binding.rule, &assessment);
                    Judgement::Ran(self.setup.rules.run(&binding.rule, &assessment, others))
                } else {
                    Judgement::Spared(Verdict::Failed { cause: cause.clone() })
                };
                tally.verdicts += 1;
                match run.verdict() {
                    Verdict::Failed { cause: why } => {
                        tally.failures += 1;
                        failures += 1;
                        cause.clone_from(why);
                    }
                    Verdict::Judged(_) | Verdict::Hold { .. } | Verdict::NoData { .. } => failures = 0,
                }
                tally.held += u64::from(matches!(run.verdict(), Verdict::Hold { .. }));
                tally.missing += u64::from(matches!(run.verdict(), Verdict::NoData { .. }));
                log.note(&assessment, objective.as_ref().map(|objective| &objective.id), run.verdict());
                self.apply(state, &target, &assessment, &run, commit);
            }
        }
        log.close((self.setup, &self.kpi, &binding.rule), (self.now, self.slot), commit);
        tally
    }

    pub(super) fn assess(
        &self,
        state: &State,
        binding: &Binding,
        labels: &Labels,
        objective: Option<Arc<Objective>>,
    ) -> Arc<Assessment> {
        let data = state.history.series(&self.kpi.id, labels).cloned().unwrap_or_else(SeriesData::shared);
        let assessment = Assessment::new(self.kpi.clone(), labels.clone(), data, objective, self.as_of);
        let known = || events::known(state, self.setup, &self.kpi.id, self.as_of);
        let assessment = assessment.sharing(&self.passages).learning(&state.lessons);
        let assessment = assessment.with_events(self.events.get_or_init(known).clone());
        Arc::new(if binding.rule.def.use_provisional { assessment } else { assessment.final_only() })
    }

    /// The totals of the KPIs that the rule's parameters name, of no older bucket than the rule's own.
    pub(super) fn others(
        &self,
        state: &State,
        rule: &CompiledRule,
        own: &Assessment,
    ) -> BTreeMap<String, Arc<Assessment>> {
        let total = Labels::total();
        rule.others
            .iter()
            .filter_map(|id| self.setup.catalog.kpi(id))
            .map(|kpi| {
                let data = state.history.series(&kpi.id, &total).cloned().unwrap_or_else(SeriesData::shared);
                let mut other = Assessment::new(kpi.clone(), total.clone(), data, None, self.as_of);
                if !rule.def.use_provisional {
                    other = other.final_only();
                }
                let other = other.with_events(events::known(state, self.setup, &kpi.id, self.as_of));
                (kpi.id.to_string(), Arc::new(other.beside(own)))
            })
            .collect()
    }

    fn apply(
        &self,
        state: &mut State,
        target: &Target<'_>,
        assessment: &Arc<Assessment>,
        judgement: &Judgement,
        commit: &mut EvaluateCommit,
    ) {
        let verdict = judgement.verdict();
        let subject = target.subject(&self.kpi.id);
        let known = state.book.of(&subject);
        // The quiet case, which is nearly every evaluation: nothing known, nothing wrong.
        if known.is_empty() && matches!(verdict, Verdict::Judged(finding) if finding.level.is_none()) {
            return;
        }
        let expected = self.kpi.grain.last_ended(self.as_of, &self.kpi.zone);
        let judged =
            if judgement.read_data() { assessment.current().ok().map(|point| point.index) } else { Some(expected) };
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
        let missing_policy =
            // Data that has come is there: there is no other bucket to wait for.
            Policy { for_: Patience::Buckets(target.rule.def.no_data.after), keep_firing_for: Patience::AT_ONCE };
        // Of what a verdict says nothing of, nothing moves.
        let (mut missing, mut failing) = (None, None);
        let mut cause = None;
        match verdict {
            Verdict::Judged(finding) => {
                (missing, failing) = (Some(Signal::Calm), Some(Signal::Calm));
                let make = || Some(judgement.facts(target.rule, assessment, *finding));
                let signal = (signal_of(finding), finding.value);
                move_alert(
                    state,
                    &breach,
                    signal,
                    Some(self.figures(&make)),
                    (target.policy(), moment(judged, about)),
                    commit,
                );
            }
            Verdict::Hold { reason } => {
                failing = Some(Signal::Calm);
                let hold = Freeze::Hold { reason: reason.key.clone(), said: reason.said.clone() };
                self.freeze(state, &breach.subject, &hold, commit);
            }
            Verdict::NoData { missing: why, .. } => {
                let is_missing =
                    matches!(why, Unmeasurable::Late { .. } | Unmeasurable::NoData | Unmeasurable::Incomplete { .. });
                missing =
                    Some(if is_missing { Signal::Breach(target.rule.def.no_data.severity) } else { Signal::Calm });
                self.freeze(state, &breach.subject, &Freeze::NoData { missing: why.clone() }, commit);
            }
            Verdict::Failed { cause: why } => {
                self.freeze(state, &breach.subject, &Freeze::Failed { cause: why.clone() }, commit);
                if let Judgement::Ran(_) = judgement {
                    failing = Some(Signal::Breach(Severity::Warning));
                }
                cause = Some(why);
            }
        }
        // An end keeps the figures of the trouble that it ends.
        let no_data_holds = matches!(missing, Some(Signal::Breach(_)));
        let no_cause = || no_data_holds.then(|| facts::of_trouble(assessment, None));
        let with_cause = || Some(facts::of_trouble(assessment, Some(cause?.clone())));
        let moment = moment(Some(expected), About::Data);
        if let Some(signal) = missing {
            let figures = Some(self.figures(&no_cause));
            move_alert(state, &no_data, (signal, None), figures, (missing_policy, moment), commit);
        }
        if let Some(signal) = failing {
            let figures = Some(self.figures(&with_cause));
            move_alert(state, &failed, (signal, None), figures, (Policy::AT_ONCE, moment), commit);
        }
    }

    fn figures<'b>(&'b self, make: &'b dyn Fn() -> Option<AlertFacts>) -> Figures<'b> {
        Figures { make, renewals: &self.renewals }
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
        let today = day_of(self.as_of, &self.kpi.zone);
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
            move_alert(state, &key, (signal, None), None, (Policy::AT_ONCE, moment), commit);
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
            move_alert(state, &key, signal, None, (Policy::AT_ONCE, moment), commit);
        }
    }
}

/// A verdict, by a run or without one.
enum Judgement {
    Ran(Run),
    /// The rule has failed too often in this slot to be tried again.
    Spared(Verdict),
}

impl Judgement {
    fn verdict(&self) -> &Verdict {
        match self {
            Judgement::Ran(run) => &run.verdict,
            Judgement::Spared(verdict) => verdict,
        }
    }

    fn read_data(&self) -> bool {
        matches!(self, Judgement::Ran(run) if run.read_data)
    }

    fn facts(&self, rule: &CompiledRule, assessment: &Assessment, finding: Finding) -> AlertFacts {
        let details = match self {
            Judgement::Ran(run) => rule.details(run),
            Judgement::Spared(_) => Details::default(),
        };
        facts::of_finding(assessment, finding, details)
    }
}

/// Which alert an evaluation is about.
pub(super) struct Target<'a> {
    pub(super) rule: &'a CompiledRule,
    pub(super) labels: &'a Labels,
    pub(super) objective: Option<&'a Arc<Objective>>,
}

impl Target<'_> {
    pub(super) fn subject(&self, kpi: &KpiId) -> Subject {
        Subject::Rule {
            rule: self.rule.def.id.clone(),
            series: SeriesKey { kpi: kpi.clone(), labels: self.labels.clone() },
            objective: self.objective.map(|objective| objective.id.clone()),
        }
    }

    fn policy(&self) -> Policy {
        // A rule about the data itself judges the bucket that is due, which is the same once it has come.
        let calm = if self.rule.sidecar.about == About::Data { Patience::AT_ONCE } else { Patience::NONE };
        Policy {
            for_: self.rule.def.for_.or(self.rule.sidecar.for_).unwrap_or(Patience::NONE),
            keep_firing_for: self.rule.def.keep_firing_for.unwrap_or(calm),
        }
    }
}

fn signal_of(finding: &Finding) -> Signal {
    match (finding.level, finding.recovered) {
        (Some(level), _) => Signal::Breach(level),
        (None, true) => Signal::Calm,
        (None, false) => Signal::Between { floor: finding.floor.unwrap_or(Severity::Info) },
    }
}
