//! What a KPI has to do, from how far it has come.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::jobs::{self, JobKind};
use crate::engine::{History, Setup, State, awaited, computed, first_slots, is_awaited, missed, oldest_change};
use crate::model::ids::{KpiId, RuleId};
use crate::model::kpi::Kpi;
use crate::model::observation::Pull;
use crate::validate::Known;

/// A slot is stepped as missed, by its own time, when its turn comes later than this.
const ON_TIME: SignedDuration = SignedDuration::from_secs(30);

/// While a formula waits for its KPIs it is looked at this often at least.
const AWAITED_RECHECK: SignedDuration = SignedDuration::from_mins(1);

/// What a KPI has to do.
pub(super) enum Plan {
    Now {
        kind: JobKind,
        span: Option<(i64, i64)>,
        known: Vec<Known>,
        computed: Option<Pull>,
    },
    Later(Option<Timestamp>),
    /// Something is due, but not before other KPIs have had theirs.
    Awaits(Option<Timestamp>),
}

/// What a KPI has to do at `now`; one that is computed waits for those it is computed from, and follows them when they
/// are revised.
pub(super) fn plan_any(state: &mut State, setup: &Setup, (kpi, is_stale): (&Arc<Kpi>, bool), now: Timestamp) -> Plan {
    let planned = plan(state, setup, kpi, now);
    if let (Plan::Now { kind, .. }, Some(with)) = (&planned, &kpi.reconcile)
        && catches_up(kind)
        && is_awaited(state, setup, &with.with, jobs::newest_slot(kind, now))
        && !is_failing(state, setup, &with.with)
    {
        // Slots that were missed are judged as they would have been, beside what the other one said.
        return Plan::Awaits(now.checked_add(AWAITED_RECHECK).ok());
    }
    let Some(formula) = kpi.formula() else { return planned };
    let clock = state.clocks.get(&kpi.id);
    let pulled_to = clock.and_then(|clock| clock.pulled_to);
    let changed =
        pulled_to.filter(|_| is_stale).and_then(|to| oldest_change(state, kpi, formula, (to, now)).zip(Some(to)));
    match planned {
        Plan::Later(at) => {
            let Some((span, slot)) = changed.zip(clock.and_then(|clock| clock.last_slot)) else {
                return Plan::Later(at);
            };
            let computed = Some(computed(state, kpi, formula, span));
            let known = known_series(&state.history, &kpi.id);
            Plan::Now { kind: JobKind::Retry { slot }, span: Some(span), known, computed }
        }
        Plan::Awaits(at) => Plan::Awaits(at),
        Plan::Now { kind, span, known, .. } => {
            if let Some(input) = awaited(state, setup, formula, jobs::newest_slot(&kind, now)) {
                // It is looked at again when one of them has been pulled.
                let again = now.checked_add(AWAITED_RECHECK).ok();
                // Nothing is held for the sake of a source that does not answer.
                return if is_failing(state, setup, input) { Plan::Later(again) } else { Plan::Awaits(again) };
            }
            let span = span.map(|(from, to)| (changed.map_or(from, |(oldest, _)| oldest.min(from)), to));
            let computed = span.map(|span| computed(state, kpi, formula, span));
            Plan::Now { kind, span, known, computed }
        }
    }
}

/// Whether a KPI, or one that it is computed from, waits for a source that does not answer.
fn is_failing(state: &State, setup: &Setup, id: &KpiId) -> bool {
    let own = state.clocks.get(id).is_some_and(|clock| clock.open.is_some());
    let formula = setup.catalog.kpi(id).and_then(|kpi| kpi.formula());
    own || formula.is_some_and(|formula| formula.inputs().iter().any(|input| is_failing(state, setup, input)))
}

/// Whether slots of the past are stepped.
fn catches_up(kind: &JobKind) -> bool {
    match kind {
        JobKind::First { .. } | JobKind::Anew { .. } | JobKind::CatchUp { .. } => true,
        JobKind::Slot { .. } | JobKind::Retry { .. } | JobKind::Asked { .. } | JobKind::NewRules { .. } => false,
    }
}

/// What a KPI has to do at `now`, from how far it has come.
pub(super) fn plan(state: &mut State, setup: &Setup, kpi: &Arc<Kpi>, now: Timestamp) -> Plan {
    mend_clock(state, kpi, now);
    let clock = state.clocks.get(&kpi.id).cloned();
    let span = |slot: Timestamp| jobs::span(kpi, clock.as_ref(), (&state.history, &state.suspects), (slot, now));
    let whole = |slots: &[Timestamp]| {
        jobs::span(kpi, None, (&state.history, &state.suspects), (slots.last().copied().unwrap_or(now), now))
    };
    let known = || known_series(&state.history, &kpi.id);
    let next = |after: Timestamp| kpi.schedule.next_after(after, &kpi.zone, &kpi.calendar);
    let Some(clock) = &clock else {
        let slots = first_slots(&setup.catalog, kpi, now);
        return Plan::Now { span: whole(&slots), kind: JobKind::First { slots }, known: known(), computed: None };
    };
    let retry = clock.open.as_ref().and_then(|open| open.retry_at);
    // Never later than the next slot, unless it was reckoned by a clock that ran ahead.
    let waits = retry.filter(|at| *at > now && next(now).is_none_or(|next| *at <= next));
    let last = clock.last_slot.unwrap_or(now);
    if setup.asks_anew(kpi, clock) {
        if let Some(at) = waits {
            return Plan::Later(Some(at));
        }
        let slots = first_slots(&setup.catalog, kpi, now);
        let span = whole(&slots);
        // Of what a replay that was cut off had set aside nothing counts as pulled; its slots were stepped all the same.
        let kind = if clock.pulled_to.is_some() || !clock.definition.is_empty() {
            JobKind::Anew { slots: missed_and_said(kpi, last, now), rules: clock.rules.clone(), after: last }
        } else {
            JobKind::First { slots }
        };
        return Plan::Now { span, kind, known: known(), computed: None };
    }
    let rules: Vec<RuleId> = setup.rules_on(&kpi.id).map(|rule| rule.def.id.clone()).collect();
    let new: Vec<RuleId> = rules.into_iter().filter(|rule| !clock.rules.contains(rule)).collect();
    if !new.is_empty() {
        let slots = first_slots(&setup.catalog, kpi, now).into_iter().filter(|slot| *slot <= last).collect();
        return Plan::Now {
            kind: JobKind::NewRules { rules: new, slots },
            span: None,
            known: Vec::new(),
            computed: None,
        };
    }
    let slots = missed_and_said(kpi, last, now);
    match (slots.as_slice(), retry) {
        ([], _) if retry.into_iter().chain(clock.again_at).any(|at| at <= now) => {
            let slot = clock.open.as_ref().map_or(last, |open| open.slot);
            Plan::Now { kind: JobKind::Retry { slot }, span: span(slot), known: known(), computed: None }
        }
        ([], retry) => Plan::Later([retry, clock.again_at, next(last)].into_iter().flatten().min()),
        (_, Some(_)) if waits.is_some() => Plan::Later(waits),
        ([slot], _) if now.duration_since(*slot) <= ON_TIME => {
            let kind = JobKind::Slot { slot: *slot };
            Plan::Now { kind, span: span(*slot), known: known(), computed: None }
        }
        _ => {
            let (span, known) = (span(slots.last().copied().unwrap_or(now)), known());
            state.catching_up.insert(kpi.id.clone());
            Plan::Now { kind: JobKind::CatchUp { slots, after: last }, span, known, computed: None }
        }
    }
}

/// The series that hold anything, for [`crate::validate::validate`].
pub fn known_series(history: &History, kpi: &KpiId) -> Vec<Known> {
    let filled = history.of(kpi).filter(|(_, data)| !data.is_empty());
    filled.map(|(labels, data)| Known { labels: labels.clone(), data: data.clone() }).collect()
}

/// Slots that were missed. That some are too old to be stepped is said.
fn missed_and_said(kpi: &Kpi, last: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let missed = missed(kpi, last, now);
    if missed.passed_over > 0 {
        tracing::warn!(
            kpi = %kpi.id,
            passed_over = missed.passed_over,
            stepped = missed.slots.len(),
            "more slots were missed than one catch-up steps; the oldest are passed over, their figures are pulled all the same"
        );
    }
    missed.slots
}

/// A clock that ran far ahead and came back leaves a KPI that waits for what lies far ahead: it is taken back to the
/// newest slot that has passed.
fn mend_clock(state: &mut State, kpi: &Kpi, now: Timestamp) {
    let Some(clock) = state.clocks.get_mut(&kpi.id) else { return };
    let next = kpi.schedule.next_after(now, &kpi.zone, &kpi.calendar);
    let Some((last, next)) = clock.last_slot.zip(next).filter(|(last, next)| last > next) else { return };
    let newest = kpi.schedule.last_at_or_before(now, &kpi.zone, &kpi.calendar).unwrap_or(now);
    tracing::warn!(
        kpi = %kpi.id, last_slot = %last, %now, %next,
        "the newest slot that was stepped lies ahead, so the clock must have been wrong; going on from the slot before now"
    );
    clock.last_slot = Some(newest);
    clock.pulled_to = clock.pulled_to.min(Some(kpi.grain.last_ended(newest, &kpi.zone)));
    clock.last_pull_at = clock.last_pull_at.min(Some(now));
    clock.open = None;
    clock.waiting.retain(|waited| waited.slot <= newest);
}
