//! What a KPI has to do, from how far it has come.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::jobs::{self, JobKind};
use crate::engine::{History, Setup, State, first_slots, missed_slots};
use crate::model::ids::{KpiId, Labels, RuleId};
use crate::model::kpi::Kpi;
use crate::model::series::SeriesData;
use crate::validate::Known;

/// A slot is stepped as missed, by its own time, when its turn comes later than this.
const ON_TIME: SignedDuration = SignedDuration::from_secs(30);

/// What a KPI has to do.
pub(super) enum Plan {
    Now { kind: JobKind, span: Option<(i64, i64)>, known: Vec<Known> },
    Later(Option<Timestamp>),
}

/// What a KPI has to do at `now`, from how far it has come.
pub(super) fn plan(state: &mut State, setup: &Setup, kpi: &Arc<Kpi>, now: Timestamp) -> Plan {
    let clock = state.clocks.get(&kpi.id).cloned();
    let span = |slot: Timestamp| jobs::span(kpi, clock.as_ref(), &state.history, (slot, now));
    let whole =
        |slots: &[Timestamp]| jobs::span(kpi, None, &state.history, (slots.last().copied().unwrap_or(now), now));
    let known = || known_series(&state.history, &kpi.id);
    let next = |after: Timestamp| kpi.schedule.next_after(after, &kpi.zone, &kpi.calendar);
    let Some(clock) = &clock else {
        let slots = first_slots(&setup.catalog, kpi, now);
        return Plan::Now { span: whole(&slots), kind: JobKind::First { slots }, known: known() };
    };
    let retry = clock.open.as_ref().and_then(|open| open.retry_at);
    let last = clock.last_slot.unwrap_or(now);
    if setup.asks_anew(kpi, clock) {
        let due = [retry, next(last)].into_iter().flatten().min();
        if let Some(at) = due.filter(|at| *at > now && clock.open.is_some()) {
            return Plan::Later(Some(at));
        }
        let slots = first_slots(&setup.catalog, kpi, now);
        let span = whole(&slots);
        let kind = match clock.pulled_to {
            Some(_) => JobKind::Anew { slots: missed_slots(kpi, last, now), rules: clock.rules.clone() },
            None => JobKind::First { slots },
        };
        return Plan::Now { span, kind, known: known() };
    }
    let rules: Vec<RuleId> = setup.catalog.rules_on(&kpi.id).map(|rule| rule.id.clone()).collect();
    let new: Vec<RuleId> = rules.into_iter().filter(|rule| !clock.rules.contains(rule)).collect();
    if !new.is_empty() {
        let slots = first_slots(&setup.catalog, kpi, now).into_iter().filter(|slot| *slot <= last).collect();
        return Plan::Now { kind: JobKind::NewRules { rules: new, slots }, span: None, known: Vec::new() };
    }
    let slots = missed_slots(kpi, last, now);
    match (slots.as_slice(), retry) {
        ([], Some(at)) if at <= now => {
            let slot = clock.open.as_ref().map_or(last, |open| open.slot);
            Plan::Now { kind: JobKind::Retry { slot }, span: span(slot), known: known() }
        }
        ([], retry) => Plan::Later([retry, next(last)].into_iter().flatten().min()),
        ([slot], _) if now.duration_since(*slot) <= ON_TIME => {
            let kind = JobKind::Slot { slot: *slot };
            Plan::Now { kind, span: span(*slot), known: known() }
        }
        _ => {
            let (span, known) = (span(slots.last().copied().unwrap_or(now)), known());
            state.catching_up.insert(kpi.id.clone());
            Plan::Now { kind: JobKind::CatchUp { slots }, span, known }
        }
    }
}

fn known_series(history: &History, kpi: &KpiId) -> Vec<Known> {
    let first =
        |(labels, data): (&Labels, &Arc<SeriesData>)| Some(Known { labels: labels.clone(), first: data.span()?.0 });
    history.of(kpi).filter_map(first).collect()
}
