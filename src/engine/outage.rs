//! Alerts about the way of the data itself: sources that don't answer, messages that can't be delivered.

use std::sync::Arc;

use jiff::Timestamp;

use super::evaluate::move_alert;
use super::event::{DeliveryReport, PullReport};
use super::state::State;
use crate::alert::{Moment, Policy, Signal};
use crate::model::alert::{About, AlertFacts, AlertKey, Aspect, Subject};
use crate::model::commit::{EvaluateCommit, SourceState};
use crate::model::kpi::Kpi;
use crate::model::rule::Patience;
use crate::model::unit::Unit;
use crate::model::verdict::Severity;

/// Failed pulls in a row before an outage is told; each pull has retried by itself already.
const FAILED_PULLS: u32 = 2;

/// A pull ended: the source's outage and the KPI's own trouble begin, go on or end.
pub(super) fn pull(
    state: &mut State,
    kpi: &Arc<Kpi>,
    pull: &PullReport,
    (now, slot): (Timestamp, Timestamp),
    commit: &mut EvaluateCommit,
) {
    let source_down = pull.trouble.as_ref().filter(|trouble| trouble.whole_source);
    let query_wrong = pull.trouble.as_ref().filter(|trouble| !trouble.whole_source);
    let known = state.sources.entry(kpi.source.clone()).or_insert_with(|| SourceState {
        source: kpi.source.clone(),
        failures: 0,
        last_ok: None,
        last_error: None,
    });
    let before = known.clone();
    match source_down {
        Some(trouble) => {
            known.failures = known.failures.saturating_add(1);
            known.last_error = Some(trouble.message.clone());
        }
        None => {
            known.failures = 0;
            known.last_ok = Some(now);
            known.last_error = None;
        }
    }
    if *known != before {
        commit.sources.retain(|state| state.source != known.source);
        commit.sources.push(known.clone());
    }
    let moment = Moment { now, slot, bucket: None, counts: true, about: About::Data };
    let policy = Policy { for_: Patience::Buckets(FAILED_PULLS), keep_firing_for: Patience::NONE };
    let title = kpi.source.to_string();
    let source_key = key(Subject::Source(kpi.source.clone()), Aspect::Outage);
    move_alert(state, &source_key, signal(source_down.map(|t| &t.message), title, now), (policy, moment), commit);
    let query_key = key(Subject::Data(kpi.id.clone()), Aspect::Outage);
    let signal = signal(query_wrong.map(|t| &t.message), kpi.title.clone(), now);
    move_alert(state, &query_key, signal, (Policy::AT_ONCE, moment), commit);
}

/// A delivery ended: one that is dead is told to ops, once per receiver, until one goes through again.
pub(super) fn delivery(state: &mut State, report: &DeliveryReport, now: Timestamp, commit: &mut EvaluateCommit) {
    if report.dead.is_some() && report.about == About::System {
        return; // a message about undeliverable messages that is itself undeliverable stays in the outbox as dead
    }
    let moment = Moment { now, slot: now, bucket: None, counts: true, about: About::System };
    let key = key(Subject::Receiver(report.receiver.clone()), Aspect::System);
    let signal = signal(report.dead.as_ref(), report.receiver.to_string(), now);
    move_alert(state, &key, signal, (Policy::AT_ONCE, moment), commit);
}

fn key(subject: Subject, aspect: Aspect) -> AlertKey {
    AlertKey { subject, period: None, aspect }
}

fn signal(trouble: Option<&String>, title: String, now: Timestamp) -> (Signal, Option<Arc<AlertFacts>>) {
    let Some(message) = trouble else { return (Signal::Calm, None) };
    let facts = AlertFacts {
        at: now,
        title,
        category: None,
        unit: Unit::None,
        owner: None,
        value: None,
        said: None,
        conditions: Vec::new(),
        suggestions: Vec::new(),
        statement: None,
        objective: None,
        comparisons: Vec::new(),
        data: None,
        cause: Some(message.clone()),
        corrected_from: None,
        corrected_to: None,
    };
    (Signal::Breach(Severity::Warning), Some(Arc::new(facts)))
}
