//! What a replay came to, in figures.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};

use super::Plan;
use crate::engine::{Effects, Past, Tally};
use crate::locale::{Sign, duration, percent};
use crate::model::alert::{AlertKey, Aspect, Change, PeriodOutcome, Phase, Subject, Transition};
use crate::model::catalog::Catalog;
use crate::model::evaluation::{Feedback, Judgement};
use crate::model::grain::start_of_day;
use crate::model::ids::{KpiId, ObjectiveId, ReceiverId, RuleId};
use crate::model::notification::NotifyReason;
use crate::model::unit::Language;

/// An alert that fires again within this many buckets of its end flaps.
const FLAP_BUCKETS: i32 = 10;

/// Counts of one replay.
pub(super) struct Counts {
    flap_within: HashMap<KpiId, SignedDuration>,
    is_judged: bool,
    /// What fired at all.
    pub(super) subjects: HashSet<Subject>,
    pub(super) tally: Tally,
    pub(super) fired: u64,
    pub(super) ended: u64,
    pub(super) escalated: u64,
    pub(super) frozen: u64,
    pub(super) corrected: u64,
    /// Fired again soon after it had ended.
    pub(super) flapped: u64,
    /// Alerts about missing data, and about rules that fail.
    pub(super) no_data: u64,
    pub(super) failed: u64,
    /// Of all breaches together.
    pub(super) firing: SignedDuration,
    /// Firing at the end.
    pub(super) open: u64,
    since: HashMap<AlertKey, Timestamp>,
    ended_at: HashMap<AlertKey, Timestamp>,
    pub(super) told: BTreeMap<(ReceiverId, NotifyReason), u64>,
    /// The first firing of each rule in each period of an objective.
    first: BTreeMap<(RuleId, ObjectiveId, Date), Timestamp>,
    pub(super) truth: Truth,
    /// When each alert fired, by its identity: what people judged is found again by that.
    fired_at: HashMap<String, Vec<(Timestamp, Option<Timestamp>)>>,
    pub(super) judged: Judged,
}

/// Of the alerts that people judged: how many would fire again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) false_again: u64,
    pub(super) false_all: u64,
    pub(super) useful_again: u64,
    pub(super) useful_all: u64,
}

impl Judged {
    pub(super) fn is_empty(&self) -> bool {
        self.false_all + self.useful_all == 0
    }

    pub(super) fn cells(&self) -> [String; 2] {
        let of = |again, all| format!("{again} of {all}");
        [of(self.false_again, self.false_all), of(self.useful_again, self.useful_all)]
    }
}

/// Whether alerts about objectives were right in the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Truth {
    /// Periods that were missed, with an alert and without one.
    pub(super) warned: u64,
    pub(super) unwarned: u64,
    /// Periods that were reached in spite of an alert, and those that nobody was troubled in.
    pub(super) false_alarms: u64,
    pub(super) quiet: u64,
    /// How long before the end of missed periods the alert came, one after the other.
    pub(super) leads: Vec<SignedDuration>,
}

impl Truth {
    /// Share of the warned periods that were missed.
    pub(super) fn precision(&self) -> Option<f64> {
        share(self.warned, self.warned + self.false_alarms)
    }

    /// Share of the missed periods that were warned of.
    pub(super) fn recall(&self) -> Option<f64> {
        share(self.warned, self.warned + self.unwarned)
    }

    /// The lead that half of the warnings had at least.
    pub(super) fn lead(&self) -> Option<SignedDuration> {
        let mut leads = self.leads.clone();
        leads.sort_unstable();
        leads.get(leads.len().checked_sub(1)? / 2).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.warned + self.unwarned + self.false_alarms + self.quiet == 0
    }

    pub(super) fn cells(&self) -> [String; 3] {
        let share = |share: Option<f64>| {
            share.map_or_else(|| "-".to_owned(), |share| percent(Language::En, share, Sign::Negative))
        };
        let lead = self.lead().map_or_else(|| "-".to_owned(), |lead| duration(Language::En, lead));
        [share(self.precision()), share(self.recall()), lead]
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Counts {
    /// `is_judged`: people have judged alerts of what is replayed.
    pub(super) fn new(catalog: &Catalog, is_judged: bool) -> Counts {
        let flap_within =
            catalog.kpis.values().map(|kpi| (kpi.id.clone(), kpi.grain.nominal() * FLAP_BUCKETS)).collect();
        Counts {
            flap_within,
            is_judged,
            subjects: HashSet::new(),
            tally: Tally::default(),
            fired: 0,
            ended: 0,
            escalated: 0,
            frozen: 0,
            corrected: 0,
            flapped: 0,
            no_data: 0,
            failed: 0,
            firing: SignedDuration::ZERO,
            open: 0,
            since: HashMap::new(),
            ended_at: HashMap::new(),
            told: BTreeMap::new(),
            first: BTreeMap::new(),
            truth: Truth::default(),
            fired_at: HashMap::new(),
            judged: Judged::default(),
        }
    }

    /// Breaches that still fire, and since when.
    pub(super) fn open_since(&self) -> impl Iterator<Item = (&AlertKey, Timestamp)> {
        self.since.iter().map(|(key, since)| (key, *since))
    }

    pub(super) fn messages(&self) -> u64 {
        self.told.values().sum()
    }

    pub(super) fn saw(&mut self, effects: &Effects, at: Timestamp) {
        self.tally += effects.tally;
        for transition in &effects.evaluate.transitions {
            self.count(transition, at);
        }
        for notification in &effects.notify.notifications {
            let key = (notification.group.receiver.clone(), notification.reason);
            *self.told.entry(key).or_default() += 1;
        }
    }

    /// Before the first instant that counts: only what fires then is noted.
    pub(super) fn saw_before(&mut self, effects: &Effects, from: Timestamp) {
        for transition in effects.evaluate.transitions.iter().filter(|change| change.key.aspect == Aspect::Breach) {
            if transition.to == Phase::Firing {
                self.since.insert(transition.key.clone(), from);
                self.note(&transition.key, from, true);
                self.warned(&transition.key, from);
            } else {
                self.since.remove(&transition.key);
                self.note(&transition.key, from, false);
            }
        }
    }

    fn count(&mut self, transition: &Transition, at: Timestamp) {
        let key = &transition.key;
        match (key.aspect, &transition.change) {
            (Aspect::NoData, Change::Fired) => self.no_data += 1,
            (Aspect::Failed, Change::Fired) => self.failed += 1,
            (Aspect::Breach, Change::Fired) => {
                self.fired += 1;
                self.since.insert(key.clone(), at);
                self.note(key, at, true);
                let within = key.kpi().and_then(|kpi| self.flap_within.get(kpi)).copied().unwrap_or_default();
                let ended = self.ended_at.get(key);
                self.flapped += u64::from(ended.is_some_and(|ended| at.duration_since(*ended) <= within));
                self.warned(key, at);
                self.subjects.insert(key.subject.clone());
            }
            (Aspect::Breach, Change::Resolved(_)) => {
                self.ended += 1;
                self.note(key, at, false);
                if let Some(since) = self.since.remove(key) {
                    self.firing += at.duration_since(since).max(SignedDuration::ZERO);
                }
                self.ended_at.insert(key.clone(), at);
            }
            (Aspect::Breach, Change::Escalated { .. }) => self.escalated += 1,
            (Aspect::Breach, Change::Frozen(_)) => self.frozen += 1,
            (Aspect::Breach, Change::Corrected { .. }) => self.corrected += 1,
            _ => {}
        }
    }

    /// Notes the first alert about an objective in one of its periods.
    fn warned(&mut self, key: &AlertKey, at: Timestamp) {
        if let (Some(rule), Some(objective), Some(first)) = (key.rule(), key.objective(), key.period) {
            self.first.entry((rule.clone(), objective.clone(), first)).or_insert(at);
        }
    }

    /// Notes that an alert began or ended to fire, if somebody may have judged one of the kind.
    fn note(&mut self, key: &AlertKey, at: Timestamp, fires: bool) {
        if !self.is_judged {
            return;
        }
        let spans = self.fired_at.entry(key.canonical()).or_default();
        match spans.last_mut().filter(|(_, end)| end.is_none()) {
            Some((_, end)) if !fires => *end = Some(at),
            None if fires => spans.push((at, None)),
            Some(_) | None => {}
        }
    }

    /// Whether what people judged would fire again: at any time between its firing and its end.
    fn compare(&mut self, feedback: &[Feedback], (from, until): (Timestamp, Timestamp)) {
        for said in feedback.iter().filter(|said| from <= said.fired_at && said.fired_at <= until) {
            let ended = said.ended_at.unwrap_or(until);
            let overlaps = |(begin, end): &(Timestamp, Option<Timestamp>)| {
                *begin <= ended && end.is_none_or(|end| said.fired_at <= end)
            };
            let again = u64::from(self.fired_at.get(&said.identity).is_some_and(|spans| spans.iter().any(overlaps)));
            let judged = &mut self.judged;
            match said.judgement {
                Judgement::FalsePositive => {
                    judged.false_all += 1;
                    judged.false_again += again;
                }
                Judgement::Useful => {
                    judged.useful_all += 1;
                    judged.useful_again += again;
                }
            }
        }
    }

    /// Looks at what there is at the end.
    pub(super) fn end(
        &mut self,
        past: &Past<'_>,
        rules: &[RuleId],
        feedback: &[Feedback],
        span: (Timestamp, Timestamp),
    ) {
        let until = span.1;
        self.compare(feedback, span);
        for since in self.since.values() {
            self.firing += until.duration_since(*since).max(SignedDuration::ZERO);
        }
        let book = past.state().book.sorted();
        let fires =
            |alert: &&crate::model::alert::Alert| alert.phase == Phase::Firing && alert.key.aspect == Aspect::Breach;
        self.open = book.into_values().filter(fires).count() as u64;
        let setup = past.setup();
        for rule in rules.iter().filter_map(|id| setup.rules.get(id)).filter(|rule| rule.needs_objective) {
            let watched = |kpi: &KpiId| rule.def.on.contains(kpi);
            for objective in setup.catalog.objectives.values().filter(|objective| watched(&objective.kpi)) {
                if !rule.def.series.covers(&objective.labels) {
                    continue;
                }
                let Some(zone) = setup.catalog.kpi(&objective.kpi).map(|kpi| &kpi.zone) else { continue };
                for (period, outcome) in past.outcomes(objective, until) {
                    let end = start_of_day(period.last.saturating_add(1.day()), zone);
                    // What was over before the beginning nobody could have warned of.
                    if span.0 < end && end <= until {
                        self.judge((&rule.def.id, &objective.id, period.first), outcome, end);
                    }
                }
            }
        }
    }

    fn judge(
        &mut self,
        (rule, objective, period): (&RuleId, &ObjectiveId, Date),
        outcome: PeriodOutcome,
        end: Timestamp,
    ) {
        // An alert after the end is no warning.
        let first = self.first.get(&(rule.clone(), objective.clone(), period)).copied().filter(|at| *at < end);
        let truth = &mut self.truth;
        match (outcome, first) {
            (PeriodOutcome::Missed, Some(at)) => {
                truth.warned += 1;
                truth.leads.push(end.duration_since(at));
            }
            (PeriodOutcome::Missed, None) => truth.unwarned += 1,
            (PeriodOutcome::Reached, Some(_)) => truth.false_alarms += 1,
            (PeriodOutcome::Reached, None) => truth.quiet += 1,
            (PeriodOutcome::ToBeConfirmed, _) => {}
        }
    }

    pub(super) fn record(&self, plan: &Plan) -> Value {
        let (from, to) = plan.span;
        let mut told = serde_json::Map::new();
        for ((receiver, reason), count) in &self.told {
            let of = told.entry(receiver.to_string()).or_insert_with(|| json!({}));
            if let Some(of) = of.as_object_mut() {
                of.insert(reason.as_str().to_owned(), json!(count));
            }
        }
        let Truth { warned, unwarned, false_alarms, quiet, .. } = &self.truth;
        let objectives = (!self.truth.is_empty()).then(|| {
            json!({"missed_warned": warned, "missed_unwarned": unwarned, "reached_warned": false_alarms,
                   "reached_quiet": quiet, "precision": self.truth.precision(), "recall": self.truth.recall(),
                   "lead_seconds": self.truth.lead().map(|lead| lead.as_secs())})
        });
        let judged = (!self.judged.is_empty()).then(|| {
            let Judged { false_again, false_all, useful_again, useful_all } = self.judged;
            json!({"false_positives": false_all, "false_positives_again": false_again, "useful": useful_all,
                   "useful_again": useful_again})
        });
        json!({
            "type": "summary", "from": from, "to": to,
            "evaluations": self.tally.verdicts, "held": self.tally.held, "no_data_verdicts": self.tally.missing,
            "failures": self.tally.failures,
            "fired": self.fired, "resolved": self.ended, "open": self.open, "escalated": self.escalated,
            "flapped": self.flapped, "frozen": self.frozen, "corrected": self.corrected,
            "no_data_alerts": self.no_data, "failed_alerts": self.failed,
            "firing_seconds": self.firing.as_secs(), "messages": told, "objectives": objectives, "feedback": judged,
            "warnings": plan.warnings,
        })
    }
}
