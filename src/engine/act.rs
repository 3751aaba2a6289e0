//! Human actions: acknowledge, snooze, silence, events.

use jiff::Timestamp;

use super::event::{Answer, Effects};
use super::events;
use super::moves::write;
use super::settle::{self, Spoken};
use super::setup::Setup;
use super::state::State;
use super::step::with_desk;
use crate::model::action::{Action, ActionKind};
use crate::model::alert::{Acknowledgement, Alert, Change, Phase};
use crate::model::audit::AuditEntry;
use crate::model::ids::{AlertId, SilenceId};
use crate::model::notification::{Matcher, Silence};
use crate::notify::{matches, uncover};

/// Silences that may exist at once.
const SILENCES_MAX: usize = 1_000;

/// Carries out an action, or says why it can't be.
pub(super) fn act(state: &mut State, setup: &Setup, action: Action, now: Timestamp, effects: &mut Effects) {
    let audited = AuditEntry::of_action(&action, now);
    let answer = carry_out(state, setup, action, now, effects);
    if answer.is_ok() {
        effects.evaluate.audit.push(audited);
    }
    effects.answer = Some(answer);
}

fn carry_out(
    state: &mut State,
    setup: &Setup,
    action: Action,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Answer, String> {
    let by = action.by;
    match action.what {
        ActionKind::Acknowledge { alert, note } => {
            let mut live = firing(state, &alert)?;
            live.acknowledged = Some(Acknowledgement { by: by.clone(), at: now, note });
            Ok(change(state, live, Change::Acknowledged { by }, now, effects))
        }
        ActionKind::Unacknowledge { alert } => {
            let mut live = firing(state, &alert)?;
            live.acknowledged = None;
            Ok(change(state, live, Change::Unacknowledged, now, effects))
        }
        ActionKind::Snooze { alert, until } => {
            if until <= now {
                return Err(format!("{until} is not in the future"));
            }
            let mut live = firing(state, &alert)?;
            live.snoozed_until = Some(until);
            Ok(change(state, live, Change::Snoozed { until, by }, now, effects))
        }
        ActionKind::Silence { matcher, until, why } => silence(state, setup, (matcher, until, why, by), now, effects),
        ActionKind::EndSilence { silence } => {
            let Some(position) = state.silences.iter().position(|known| known.id == silence) else {
                return Err(format!("no silence '{silence}'; `vigie silence list` shows those in force"));
            };
            let ended = state.silences.remove(position);
            effects.evaluate.silences_gone.push(silence.clone());
            // What it hid would otherwise wait for the end that it was to have.
            with_desk(state, setup, now, |groups, desk, _| {
                let hid = |alert: &Alert| matches(desk.catalog, &ended.matcher, alert);
                uncover(groups, desk, &hid, &mut effects.notify);
            });
            Ok(Answer::Silence(silence))
        }
        ActionKind::Settle { kpi, bucket, labels, decision, note } => {
            let spoken = Spoken { kpi: &kpi, bucket, labels: labels.as_ref(), decision, note };
            settle::decide(state, setup, &spoken, (&by, now), &mut effects.evaluate).map(Answer::Text)
        }
        // The rim makes an event of its own of it.
        ActionKind::Record(record) => Err(format!("the figure of KPI '{}' was not read; report this", record.kpi)),
        ActionKind::AddEvent(what) => events::add(state, setup, (what, by), now, effects),
        ActionKind::RemoveEvent { event } => events::remove(state, setup, event, now, effects),
    }
}

fn silence(
    state: &mut State,
    setup: &Setup,
    (matcher, until, why, by): (Matcher, Timestamp, String, String),
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Answer, String> {
    if until <= now {
        return Err(format!("{until} is not in the future"));
    }
    if matcher == Matcher::default() {
        return Err("a silence needs at least one condition; it would hide everything".to_owned());
    }
    if state.silences.len() >= SILENCES_MAX {
        return Err(format!("{SILENCES_MAX} silences are in force already; end some first"));
    }
    if let Some(kpi) = matcher.kpi.iter().find(|kpi| setup.catalog.kpi(kpi).is_none()) {
        return Err(format!("no KPI '{kpi}' in the configuration"));
    }
    if let Some(rule) = matcher.rule.iter().find(|rule| !setup.catalog.rules.contains_key(*rule)) {
        return Err(format!("no rule '{rule}' in the configuration"));
    }
    let mut number = now.as_millisecond();
    let taken = |state: &State, id: &SilenceId| state.silences.iter().any(|silence| silence.id == *id);
    while taken(state, &SilenceId::from(format!("s{number:x}"))) {
        number += 1;
    }
    let id = SilenceId::from(format!("s{number:x}"));
    let silence = Silence { id: id.clone(), matcher, from: now, until, by, why };
    state.silences.push(silence.clone());
    effects.evaluate.silences.push(silence);
    Ok(Answer::Silence(id))
}

fn firing(state: &State, id: &AlertId) -> Result<Alert, String> {
    match state.book.find(id) {
        Some(alert) if alert.phase == Phase::Firing => Ok(alert.clone()),
        Some(alert) => Err(format!("alert {id} is {}, not firing", alert.phase.as_str())),
        None => Err(format!("no live alert '{id}'; `vigie alerts` shows those that fire")),
    }
}

fn change(state: &mut State, alert: Alert, change: Change, now: Timestamp, effects: &mut Effects) -> Answer {
    let id = alert.key.id();
    effects.evaluate.transitions.push(state.transition(&alert, (Phase::Firing, Phase::Firing, change), now));
    write(state, alert, &mut effects.evaluate);
    Answer::Alert(id)
}
