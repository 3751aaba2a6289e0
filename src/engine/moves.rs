//! Moves one alert by one signal, and writes of it what must be written.

use std::cell::Cell;
use std::sync::Arc;

use jiff::Timestamp;

use super::setup::Setup;
use super::state::State;
use crate::alert::{self, Moment, Policy, Signal, Written};
use crate::model::alert::{About, Alert, AlertFacts, AlertKey, Aspect, Change, EndReason, Phase, Subject};
use crate::model::commit::{EvaluateCommit, Pulse, RulePulse};
use crate::model::ids::{KpiId, RuleId};
use crate::model::rule::RuleDef;

/// The figures that an alert carries. They are made when its step changed something that people read; an alert
/// that only goes on is given new ones while `renewals` lasts.
pub(super) struct Figures<'a> {
    pub make: &'a dyn Fn() -> Option<AlertFacts>,
    pub renewals: &'a Cell<u32>,
}

/// Steps one alert and writes what came of it.
pub(super) fn move_alert(
    state: &mut State,
    key: &AlertKey,
    (signal, value): (Signal, Option<f64>),
    figures: Option<Figures<'_>>,
    (policy, moment): (Policy, Moment),
    commit: &mut EvaluateCommit,
) {
    let known = state.book.get(key).is_some();
    if !known && !matches!(signal, Signal::Breach(_)) {
        return;
    }
    let fired_before = if known { 0 } else { state.episodes_of(key) };
    let moved = state.book.alter(key, |before| {
        let mut stepped = alert::step(before, key, (signal, value), policy, moment);
        let Some(mut alert) = stepped.alert.take() else { return (None, None) };
        alert.episode += fired_before;
        let renewed = renew(&mut alert, &stepped.changes, figures);
        match stepped.written {
            // What stands in an earlier pulse must stand in the one that replaces it.
            Written::Nothing if !renewed => {
                pulse(&alert, commit);
                (Some(alert), None)
            }
            Written::Pulse if !renewed && pulse(&alert, commit) => (Some(alert), None),
            // It is looked at once more below, then put back.
            Written::Nothing | Written::Pulse | Written::Whole => (None, Some((alert, stepped.changes))),
        }
    });
    let Some((alert, changes)) = moved else { return };
    for change in changes {
        commit.transitions.push(state.transition(&alert, change, moment.now));
    }
    if alert.phase == Phase::Inactive {
        commit.alerts.retain(|known| known.key != *key);
        commit.gone.push(key.clone());
        state.note_episode(&alert);
    } else {
        write(state, alert, commit);
    }
}

/// Gives an alert new figures if its changes are told, or if there is leave to.
fn renew(alert: &mut Alert, changes: &[(Phase, Phase, Change)], figures: Option<Figures<'_>>) -> bool {
    let Some(Figures { make, renewals }) = figures else { return false };
    let told = changes.iter().any(|(_, _, change)| match change {
        Change::Pended
        | Change::Fired
        | Change::Escalated { .. }
        | Change::Deescalated { .. }
        | Change::Resolved(_)
        | Change::Corrected { .. } => true,
        Change::Withdrawn
        | Change::Frozen(_)
        | Change::Unfrozen
        | Change::Acknowledged { .. }
        | Change::Unacknowledged
        | Change::Snoozed { .. } => false,
    });
    let goes_on = matches!(alert.phase, Phase::Pending | Phase::Firing);
    let may = told || (goes_on && renewals.get() > 0);
    if !may {
        return false;
    }
    let Some(made) = make() else { return false };
    if !told {
        renewals.set(renewals.get() - 1);
    }
    alert.facts = Some(Arc::new(made));
    true
}

/// Notes that a rule's alert goes on; false for alerts of no rule.
fn pulse(alert: &Alert, commit: &mut EvaluateCommit) -> bool {
    let (Some(kpi), Some(rule)) = (alert.key.kpi(), alert.key.rule()) else { return false };
    if alert.phase != Phase::Firing {
        return false;
    }
    let pulse = Pulse(alert.key.digest(), alert.counters.last_bucket, alert.value, alert.revision);
    match commit.pulses.last_mut().filter(|last| last.kpi == *kpi && last.rule == *rule) {
        Some(last) => last.alerts.push(pulse),
        None => commit.pulses.push(RulePulse { kpi: kpi.clone(), rule: rule.clone(), alerts: vec![pulse] }),
    }
    true
}

/// Replaces what the store holds of a rule's alerts that went on, also when none of them does any more.
pub(super) fn end_pulses(state: &mut State, kpi: &KpiId, rule: &RuleId, commit: &mut EvaluateCommit) {
    let goes_on = commit.pulses.last().is_some_and(|last| last.kpi == *kpi && last.rule == *rule);
    let key = (kpi.clone(), rule.clone());
    if goes_on {
        state.pulsed.insert(key);
    } else if state.pulsed.remove(&key) {
        commit.pulses.push(RulePulse { kpi: kpi.clone(), rule: rule.clone(), alerts: Vec::new() });
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

/// Closes alerts whose rule, KPI, objective or source the configuration no longer has. A rule that comes back is a new one.
pub(super) fn close_removed(state: &mut State, setup: &Setup, now: Timestamp, commit: &mut EvaluateCommit) {
    let catalog = &setup.catalog;
    let is_gone = |key: &AlertKey| match &key.subject {
        Subject::Rule { rule, series, objective } => {
            let judged = |rule: &Arc<RuleDef>| rule.on.contains(&series.kpi) && rule.series.covers(&series.labels);
            !catalog.rules.get(rule).is_some_and(judged)
                || catalog.kpi(&series.kpi).is_none()
                || objective.as_ref().is_some_and(|id| catalog.objective(id).is_none())
        }
        // What is computed is pulled from nowhere, and its dimension values are those of what it reads.
        Subject::Data(id) => {
            let of_pulls = matches!(key.aspect, Aspect::Outage | Aspect::NoData);
            catalog.kpi(id).is_none_or(|kpi| of_pulls && kpi.formula().is_some())
        }
        Subject::Source(source) => !catalog.kpis.values().any(|kpi| kpi.source == *source),
        Subject::Receiver(receiver) => !catalog.receivers.contains_key(receiver),
        Subject::Service => false,
    };
    for clock in state.clocks.values_mut() {
        let known = clock.rules.len();
        clock.rules.retain(|id| setup.rules_on(&clock.kpi).any(|rule| rule.def.id == *id));
        if clock.rules.len() < known {
            commit.clocks.push(clock.clone());
        }
    }
    let gone: Vec<AlertKey> = state.book.sorted().into_keys().filter(|key| is_gone(key)).cloned().collect();
    for key in gone {
        let moment = Moment { now, slot: now, bucket: None, counts: true, about: About::Objective };
        let signal = (Signal::End(EndReason::Removed), None);
        move_alert(state, &key, signal, None, (Policy::AT_ONCE, moment), commit);
    }
}
