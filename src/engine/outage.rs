//! Alerts about the way of the data itself: sources that don't answer, messages that can't be delivered.

use std::cell::Cell;
use std::sync::Arc;

use jiff::Timestamp;

use super::event::{DeliveryReport, PullReport};
use super::moves::{Figures, move_alert};
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
            // A refused query is no answer to go by, and a replayed slot was not pulled at its own time.
            if query_wrong.is_none() {
                known.last_ok = known.last_ok.max(pull.at.or(Some(now)));
            }
            known.last_error = query_wrong.map(|trouble| trouble.message.clone());
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
    trouble(state, &source_key, (source_down.map(|t| &t.message), &title), (policy, moment), commit);
    let query_key = key(Subject::Data(kpi.id.clone()), Aspect::Outage);
    let query_wrong = query_wrong.map(|t| &t.message);
    trouble(state, &query_key, (query_wrong, &kpi.title), (Policy::AT_ONCE, moment), commit);
}

/// A delivery ended: one that is dead is told to ops, once per receiver, until one goes through again.
pub(super) fn delivery(state: &mut State, report: &DeliveryReport, now: Timestamp, commit: &mut EvaluateCommit) {
    if report.dead.is_some() && report.about == About::System {
        return; // a message about undeliverable messages that is itself undeliverable stays in the outbox as dead
    }
    let moment = Moment { now, slot: now, bucket: None, counts: true, about: About::System };
    let key = key(Subject::Receiver(report.receiver.clone()), Aspect::System);
    let title = report.receiver.to_string();
    trouble(state, &key, (report.dead.as_ref(), &title), (Policy::AT_ONCE, moment), commit);
}

/// The service's own trouble begins, goes on or ends.
pub(super) fn service(state: &mut State, message: Option<&String>, now: Timestamp, commit: &mut EvaluateCommit) {
    let moment = Moment { now, slot: now, bucket: None, counts: true, about: About::System };
    let key = key(Subject::Service, Aspect::System);
    trouble(state, &key, (message, "Vigie"), (Policy::AT_ONCE, moment), commit);
}

fn key(subject: Subject, aspect: Aspect) -> AlertKey {
    AlertKey { subject, period: None, aspect }
}

/// Moves an alert that is not a rule's: it goes on while there is a message.
fn trouble(
    state: &mut State,
    key: &AlertKey,
    (message, title): (Option<&String>, &str),
    (policy, moment): (Policy, Moment),
    commit: &mut EvaluateCommit,
) {
    let signal = if message.is_some() { Signal::Breach(Severity::Warning) } else { Signal::Calm };
    let make = || Some(trouble_facts(Some(message?.clone()), title.to_owned(), moment.now));
    // There are few of these, and the newest cause is the one to know.
    let figures = Figures { make: &make, renewals: &Cell::new(1) };
    move_alert(state, key, (signal, None), Some(figures), (policy, moment), commit);
}

/// Figures of a trouble that is no rule's.
pub(super) fn trouble_facts(cause: Option<String>, title: String, now: Timestamp) -> AlertFacts {
    AlertFacts {
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
        course: None,
        comparisons: Vec::new(),
        data: None,
        cause,
        suspect: None,
        vanished: None,
        events: Vec::new(),
    }
}
