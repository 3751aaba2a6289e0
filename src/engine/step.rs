//! The one function: an event and an instant in, writes out.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::event::{Effects, Event};
use super::setup::Setup;
use super::state::State;
use super::suspects::Suspects;
use super::{act, closed, entered, evaluate, moves, outage, slot};
use crate::alert::Book;
use crate::model::alert::{Alert, AlertFacts, AlertKey, Aspect, Phase, Subject};
use crate::model::commit::{EvaluateCommit, NotifyCommit};
use crate::model::formula::Formula;
use crate::model::ids::{KpiId, RuleId};
use crate::notify::{self, Desk, Groups};

/// Alerts of one reminder that are given new figures; a message tells twenty one by one.
const RENEWED_MAX: usize = 100;

/// Takes one step. The state moves at once; the effects must be committed before anything is sent,
/// evaluate half first. A commit that fails is tried again with the same effects.
pub fn step(state: &mut State, setup: &Setup, event: Event, now: Timestamp) -> Effects {
    let mut effects = Effects::default();
    let about = closed::about(state, &event);
    match event {
        Event::Slot(slot) => effects.tally = slot::slot(state, setup, slot, now, &mut effects.evaluate),
        Event::Wake => wake(state, setup, now, &mut effects),
        Event::Act(action) => act::act(state, setup, action, now, &mut effects),
        Event::DeliveryEnded(report) => outage::delivery(state, &report, now, &mut effects.evaluate),
        Event::Service { trouble } => outage::service(state, trouble.as_ref(), now, &mut effects.evaluate),
        Event::Reconfigured => moves::close_removed(state, setup, now, &mut effects.evaluate),
        Event::Entered(figure) => entered::entered(state, setup, figure, now, &mut effects),
    }
    if let Some((kpi, before)) = about {
        closed::close(state, setup, (&kpi, before), now, &mut effects.evaluate);
    }
    effects
}

/// The notify half.
fn wake(state: &mut State, setup: &Setup, now: Timestamp, effects: &mut Effects) {
    let free = |key: &&AlertKey| !is_held(&state.catching_up, setup, key);
    let changed: Vec<AlertKey> = state.changed.iter().filter(free).cloned().collect();
    let commit = &mut effects.notify;
    for orphan in state.groups.orphans(|receiver| setup.catalog.receivers.contains_key(receiver)) {
        state.groups.remove(&orphan);
        commit.groups_gone.push(orphan);
    }
    renew_reminded(state, setup, now, &mut effects.evaluate);
    with_desk(state, setup, now, |groups, desk, notifications| {
        notify::consider(groups, desk, &changed, commit);
        notify::flush(groups, desk, notifications, commit);
    });
    for key in &changed {
        state.changed.remove(key);
    }
    // Last: a late wake looks at timers as of their own instants, when these silences still held.
    end_silences(state, now, effects);
    forget(state, &effects.notify);
}

/// Whether nothing is told of an alert for now: its KPI, or one that its rule reads beside it, is amid a replay.
pub fn is_held(catching_up: &BTreeSet<KpiId>, setup: &Setup, key: &AlertKey) -> bool {
    if catching_up.is_empty() {
        return false;
    }
    let beside = key.rule().and_then(|rule| setup.rules.get(rule)).map_or(&[][..], |rule| rule.others.as_slice());
    key.kpi().into_iter().chain(beside).any(|kpi| catching_up.contains(kpi))
}

/// Lets the notify half work on what it reads and writes.
pub(super) fn with_desk<R>(
    state: &mut State,
    setup: &Setup,
    now: Timestamp,
    work: impl FnOnce(&mut Groups, &Desk<'_>, &mut u64) -> R,
) -> R {
    let State { book, silences, groups, notifications, catching_up, suspects, .. } = state;
    let suspects = &*suspects;
    let book = &*book;
    let inhibited = |alert: &Alert| is_inhibited((book, suspects), setup, alert);
    let held = |key: &AlertKey| is_held(catching_up, setup, key);
    let desk = Desk {
        catalog: &setup.catalog,
        alert: &|key| book.get(key),
        silences,
        inhibited: &inhibited,
        held: &held,
        now,
    };
    work(groups, &desk, notifications)
}

/// Reminders tell of alerts that have long not changed: with the figures of the newest slot.
fn renew_reminded(state: &mut State, setup: &Setup, now: Timestamp, commit: &mut EvaluateCommit) {
    let reminded = with_desk(state, setup, now, |groups, desk, _| notify::reminded(groups, desk));
    let mut failed: Vec<RuleId> = Vec::new();
    for key in reminded.into_iter().filter(|key| key.aspect == Aspect::Breach).take(RENEWED_MAX) {
        if key.rule().is_none_or(|rule| failed.contains(rule)) {
            continue;
        }
        let newest_slot = key.kpi().and_then(|kpi| state.clocks.get(kpi)?.last_slot);
        let is_old = |facts: &AlertFacts| newest_slot.is_some_and(|slot| facts.at < slot);
        let Some(alert) = state.book.get(&key).filter(|alert| alert.phase == Phase::Firing) else { continue };
        if !alert.facts.as_deref().is_some_and(is_old) {
            continue;
        }
        match evaluate::figures_now(state, setup, alert) {
            Some(facts) => {
                let renewed = Alert { facts: Some(Arc::new(facts)), ..alert.clone() };
                moves::write(state, renewed, commit);
            }
            // One that has nothing to say now is not asked once more for each of its alerts.
            None => failed.extend(key.rule().cloned()),
        }
    }
}

/// Missing data of a KPI is not told while its source, or its own query, is known to be down; of one that is computed, nor
/// while a value that it reads waits to be settled.
fn is_inhibited((book, suspects): (&Book, &Suspects), setup: &Setup, alert: &Alert) -> bool {
    if alert.key.aspect != Aspect::NoData {
        return false;
    }
    let Some(kpi) = alert.key.kpi().and_then(|id| setup.catalog.kpi(id)) else { return false };
    let inputs = kpi.formula().into_iter().flat_map(Formula::inputs);
    let pulled = inputs.filter_map(|id| setup.catalog.kpi(id)).chain([kpi]);
    let down = |subject: &Subject| {
        book.of(subject).iter().any(|other| other.phase == Phase::Firing && other.key.aspect == Aspect::Outage)
    };
    let doubtful = |kpi: &KpiId| suspects.has_open(kpi);
    if kpi.formula().is_some_and(|formula| formula.inputs().iter().any(doubtful)) {
        return true;
    }
    pulled.into_iter().any(|kpi| down(&Subject::Source(kpi.source.clone())) || down(&Subject::Data(kpi.id.clone())))
}

fn end_silences(state: &mut State, now: Timestamp, effects: &mut Effects) {
    let (ended, kept) = std::mem::take(&mut state.silences).into_iter().partition(|silence| silence.until <= now);
    state.silences = kept;
    effects
        .evaluate
        .silences_gone
        .extend(ended.into_iter().map(|silence: crate::model::notification::Silence| silence.id));
}

fn forget(state: &mut State, commit: &NotifyCommit) {
    for key in &commit.alerts_gone {
        state.forget(key);
    }
}
