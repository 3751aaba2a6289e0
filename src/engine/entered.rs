//! A figure that a person entered: it is taken in like what a pull brings, and its KPI's rules run at once.

use jiff::Timestamp;

use super::event::{Answer, Effects, Entered, SlotEvent};
use super::settle;
use super::setup::Setup;
use super::slot;
use super::state::State;
use crate::model::audit::AuditEntry;
use crate::model::ids::SeriesKey;

/// Keeps the entry, takes its observations in, and evaluates as of the newest slot: like a pull that is tried again, so
/// that no slot and no bucket counts twice.
pub(super) fn entered(state: &mut State, setup: &Setup, entered: Entered, now: Timestamp, effects: &mut Effects) {
    let Entered { entry, bucket, pull } = entered;
    let (kpi, period, value) = (entry.kpi.clone(), entry.period.clone(), entry.value);
    let Some(last_slot) = state.clocks.get(&kpi).and_then(|clock| clock.last_slot) else {
        effects.answer = Some(Err(format!("KPI '{kpi}' is still being taken up; try again in a moment")));
        return;
    };
    let known = state.history.series(&kpi, &entry.labels).and_then(|data| data.get(bucket));
    let before = known.map(|point| point.value);
    let series = SeriesKey { kpi: kpi.clone(), labels: entry.labels.clone() };
    settle::entered(state, &series, bucket, now, &mut effects.evaluate);
    effects.evaluate.audit.push(AuditEntry {
        at: now,
        by: Some(entry.by.clone()),
        what: "record".to_owned(),
        detail: serde_json::to_string(&entry).unwrap_or_default(),
    });
    effects.evaluate.entries.push(entry);
    let event =
        SlotEvent { kpi: kpi.clone(), slot: last_slot, pull: Some(pull), only: None, retry_at: None, completes: true };
    effects.tally = slot::slot(state, setup, event, now, &mut effects.evaluate);
    effects.answer = Some(Ok(Answer::Entered { kpi, period, value, before }));
}
