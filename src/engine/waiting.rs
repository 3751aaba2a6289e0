//! Rules that read several KPIs run after the last of their pulls, so that all figures are of the same bucket.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::evaluate::run_waited;
use super::event::Tally;
use super::setup::Setup;
use super::shape::is_outdated;
use super::state::State;
use crate::model::commit::{EvaluateCommit, WaitingSlot};
use crate::model::ids::{KpiId, RuleId};
use crate::model::kpi::Kpi;

/// Slots in which one rule on one KPI may wait; the oldest beyond them run with what is there, which is counted.
pub(super) const WAITING_MAX: usize = 1_000;

/// Runs every rule that has waited for this KPI alone, each as of the slots it waits in, in their order.
pub(super) fn run_ready(
    state: &mut State,
    setup: &Setup,
    arrived: &KpiId,
    now: Timestamp,
    commit: &mut EvaluateCommit,
) -> Tally {
    let mut tally = Tally::default();
    for owner in setup.readers(arrived) {
        // What is stored of an outdated one can't be judged: its rules wait on for the history that failed to come.
        let current = |kpi: &&Arc<Kpi>| !is_outdated(state, setup, kpi);
        let Some(kpi) = setup.catalog.kpi(owner).filter(current) else { continue };
        let Some(clock) = state.clocks.get(owner).filter(|clock| !clock.waiting.is_empty()) else { continue };
        let mut left: HashMap<&RuleId, usize> = HashMap::new();
        for waited in &clock.waiting {
            *left.entry(&waited.rule).or_default() += 1;
        }
        let is_crowded = |waited: &&WaitingSlot| {
            let count = left.get_mut(&waited.rule);
            count.is_some_and(|count| {
                *count -= 1;
                *count >= WAITING_MAX
            })
        };
        let (crowded, rest): (Vec<&WaitingSlot>, Vec<&WaitingSlot>) = clock.waiting.iter().partition(is_crowded);
        tally.crowded_out += crowded.len() as u64;
        // Once a rule waits in a slot it waits in those after it too.
        let mut waits = BTreeSet::new();
        let (ready, waiting): (Vec<_>, Vec<_>) = rest.into_iter().cloned().partition(|waited| {
            let ready = !waits.contains(&waited.rule) && is_ready(state, setup, kpi, waited);
            if !ready {
                waits.insert(waited.rule.clone());
            }
            ready
        });
        let ready: Vec<_> = crowded.into_iter().cloned().chain(ready).collect();
        if ready.is_empty() {
            continue;
        }
        for waited in ready {
            let Some(binding) = setup.bindings(owner).iter().find(|binding| binding.rule.def.id == waited.rule) else {
                continue;
            };
            tally += run_waited(state, setup, kpi, binding, (now, waited.slot), commit);
        }
        if let Some(clock) = state.clocks.get_mut(owner) {
            clock.waiting = waiting;
            commit.clocks.push(clock.clone());
        }
    }
    tally
}

/// Has rules of other KPIs that read this one run again in their newest slot.
pub(super) fn run_again(state: &mut State, setup: &Setup, late: &KpiId) {
    for owner in setup.readers(late).iter().filter(|owner| *owner != late) {
        let Some(clock) = state.clocks.get_mut(owner) else { continue };
        let Some(slot) = clock.last_slot else { continue };
        let reading = setup.bindings(owner).iter().filter(|binding| binding.rule.others.contains(late));
        for rule in reading.map(|binding| binding.rule.def.id.clone()) {
            let waited = WaitingSlot { rule, slot };
            if !clock.waiting.contains(&waited) {
                clock.waiting.push(waited);
            }
        }
    }
}

/// True once every other KPI has stepped the slot that brings its newest bucket of the same time. One that comes
/// only after the next slot of the rule's own KPI (a month beside days) is not waited for.
fn is_ready(state: &State, setup: &Setup, kpi: &Kpi, waited: &WaitingSlot) -> bool {
    let Some(rule) = setup.rules.get(&waited.rule) else { return true };
    let next = kpi.schedule.next_after(waited.slot, &kpi.zone, &kpi.calendar);
    let end = kpi.grain.bucket(kpi.grain.last_ended(waited.slot, &kpi.zone), &kpi.zone).end;
    rule.others.iter().filter_map(|id| setup.catalog.kpi(id)).all(|other| {
        let newest = other.grain.bucket(other.grain.last_ended(end, &other.zone), &other.zone);
        let Some(needed) = other.schedule.next_at_or_after(newest.end, &other.zone, &other.calendar) else {
            return true;
        };
        let stepped = state.clocks.get(&other.id).and_then(|clock| clock.last_slot);
        next.is_some_and(|next| needed >= next) || stepped >= Some(needed)
    })
}
