//! One KPI's slot: what came is taken in, rules run or wait, the KPI's clock moves on.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::correct::correct;
use super::evaluate::run_binding;
use super::event::{PullReport, SlotEvent, Tally};
use super::outage;
use super::reconcile;
use super::setup::Setup;
use super::shape;
use super::state::State;
use super::suspects::{self, First, News};
use super::vanished;
use super::waiting::{run_again, run_ready};
use crate::model::commit::{EvaluateCommit, KpiClock, OpenSlot, WaitingSlot};
use crate::model::grain::BucketIndex;
use crate::model::ids::{Labels, RuleId};
use crate::model::kpi::Kpi;

/// One KPI's slot.
pub(super) fn slot(
    state: &mut State,
    setup: &Setup,
    event: SlotEvent,
    now: Timestamp,
    commit: &mut EvaluateCommit,
) -> Tally {
    let mut tally = Tally::default();
    let Some(kpi) = setup.catalog.kpi(&event.kpi).cloned() else { return tally };
    let last_slot = state.clocks.get(&kpi.id).and_then(|clock| clock.last_slot);
    let mut revised = HashMap::new();
    let mut outdated = shape::is_outdated(state, setup, &kpi);
    if let Some(pull) = &event.pull {
        if outdated && pull.trouble.is_none() {
            shape::retire(state, &kpi, pull.at.unwrap_or(now), commit);
            outdated = false;
        }
        // A first history, and one that is pulled anew, is taken as it is.
        let looked_at =
            if event.only.is_none() { state.clocks.get(&kpi.id).and_then(|clock| clock.pulled_to) } else { None };
        let mut news;
        let is_watched = suspects::is_watched(state, setup, &kpi);
        (revised, news) = take_in(state, &kpi, (pull, is_watched), (now, looked_at), commit);
        // All slots of a first history but the last have nothing to compare: it is taken as it is.
        news.first = match (event.only.is_none() && looked_at.is_none(), pull.pulled_to) {
            (false, _) => First::No,
            (true, None) => First::Replayed,
            (true, Some(_)) => First::Whole,
        };
        tally += suspects::look(state, setup, &kpi, (pull, &news), (now, event.slot), commit);
        tally += reconcile::look_beside(state, setup, &kpi, &news, (now, event.slot, pull.at), commit);
        if kpi.formula().is_none() {
            if !pull.nothing_asked {
                outage::pull(state, &kpi, pull, (now, event.slot), commit);
            }
            // Slots that are made up for are looked at with what was known then.
            let came = pull.pulled_to.is_some() || (pull.nothing_asked && !pull.observations.is_empty());
            if came && pull.trouble.is_none() && event.only.is_none() {
                vanished::look(state, &kpi, (now, event.slot), commit);
            }
        }
    }
    if let (Some(before), false) = (last_slot, revised.is_empty()) {
        correct(state, setup, &kpi, &revised, (before, now), commit);
    }
    let mut waiting = Vec::new();
    for binding in setup.bindings(&kpi.id) {
        // Numbers of another shape can't be judged: the rules wait for the history that failed to come.
        if outdated || event.only.as_ref().is_some_and(|only| !only.contains(&binding.rule.def.id)) {
            continue;
        }
        // New rules are stepped through the past, where nothing is still to come.
        if binding.rule.others.is_empty() || (event.only.is_some() && event.pull.is_none()) {
            tally += run_binding(state, setup, &kpi, binding, (now, event.slot), commit);
        } else {
            waiting.push(WaitingSlot { rule: binding.rule.def.id.clone(), slot: event.slot });
        }
    }
    advance_clock(state, setup, &kpi, (&event, waiting), commit);
    if last_slot == Some(event.slot) && event.only.is_none() {
        // What came late concerns the rules beside it too, which have run without.
        run_again(state, setup, &kpi.id);
    }
    tally += run_ready(state, setup, &kpi.id, now, commit);
    tally
}

/// Writes new versions into memory and the commit; tells which known buckets changed, and what is to be looked at.
fn take_in(
    state: &mut State,
    kpi: &Arc<Kpi>,
    (pull, is_watched): (&PullReport, bool),
    (now, pulled_to): (Timestamp, Option<BucketIndex>),
    commit: &mut EvaluateCommit,
) -> (HashMap<Labels, Vec<BucketIndex>>, News) {
    let mut revised: HashMap<Labels, Vec<BucketIndex>> = HashMap::new();
    let mut news = News::default();
    for observation in &pull.observations {
        if state.history.knows(observation) || (is_watched && state.suspects.override_of(observation)) {
            continue;
        }
        let mut observation = observation.clone();
        let labels = &observation.series.labels;
        let before = is_watched
            .then(|| state.history.series(&kpi.id, labels).and_then(|data| data.get(observation.bucket)))
            .flatten();
        let is_late = observation.known_at < now;
        let settles = is_late && !observation.provisional && {
            let known = state.history.series(&kpi.id, labels).and_then(|data| data.get(observation.bucket));
            known.is_some_and(|known| known.provisional)
        };
        let is_revised = state.history.put(&observation).is_some();
        if is_revised {
            revised.entry(labels.clone()).or_default().push(observation.bucket);
        }
        // Whatever is assumed of when a value was known, the one that it replaces was known before.
        if is_late && (is_revised || settles) {
            // Of slots that are made up for it was received later.
            observation.assumed &= pull.at.is_some_and(|at| at > now);
            observation.known_at = now;
        }
        if is_watched {
            news.take(pulled_to, &observation, (before, is_revised));
        }
        commit.observations.push(observation);
    }
    commit.rejections.extend(pull.rejections.iter().map(|rejection| (kpi.id.clone(), rejection.clone())));
    (revised, news)
}

fn advance_clock(
    state: &mut State,
    setup: &Setup,
    kpi: &Arc<Kpi>,
    (event, waiting): (&SlotEvent, Vec<WaitingSlot>),
    commit: &mut EvaluateCommit,
) {
    let again_at = state.suspects.again_at(&kpi.id);
    let clock = state.clocks.entry(kpi.id.clone()).or_insert_with(|| KpiClock {
        kpi: kpi.id.clone(),
        definition: String::new(),
        shape: String::new(),
        roll_ups: Vec::new(),
        rules: Vec::new(),
        last_slot: None,
        waiting: Vec::new(),
        open: None,
        again_at: None,
        pulled_to: None,
        last_pull_at: None,
        last_error: None,
    });
    // A history that could not be pulled is still to be pulled.
    let new = clock.definition != setup.definition(kpi) || clock.pulled_to.is_none();
    let failed = event.pull.as_ref().is_some_and(|pull| pull.trouble.is_some());
    if event.completes || failed {
        // One that asked for something else stays noted until its history was pulled anew.
        let is_other = !clock.definition.is_empty() && clock.definition != setup.definition(kpi);
        if !(failed && is_other) {
            let definition = if new && failed { "" } else { setup.definition(kpi) };
            if clock.definition != definition {
                definition.clone_into(&mut clock.definition);
            }
        }
    }
    let came = event.pull.is_some() && !failed;
    if came || clock.shape.is_empty() {
        setup.shape(kpi).clone_into(&mut clock.shape);
    }
    let roll_ups = setup.roll_ups(&kpi.id);
    if (came && event.completes) || roll_ups.is_covered_by(&clock.roll_ups) {
        clock.roll_ups = roll_ups.names();
    }
    // A rule that was left out has not run: it is still to be stepped through what went before.
    let ran = |rule: &RuleId| {
        (event.completes && event.only.as_ref().is_none_or(|only| only.contains(rule))) || clock.rules.contains(rule)
    };
    let ids = setup.bindings(&kpi.id).iter().map(|binding| &binding.rule.def.id);
    let ran: Vec<&RuleId> = ids.filter(|rule| ran(rule)).collect();
    if !clock.rules.iter().eq(ran.iter().copied()) {
        clock.rules = ran.into_iter().cloned().collect();
    }
    // A slot that is tried again is one slot; rules that left the configuration wait no more.
    clock.waiting.retain(|waited| clock.rules.contains(&waited.rule) && !waiting.contains(waited));
    clock.waiting.extend(waiting);
    clock.last_slot = clock.last_slot.max(Some(event.slot));
    if let Some(pull) = event.pull.as_ref().filter(|pull| !pull.nothing_asked) {
        clock.pulled_to = clock.pulled_to.max(pull.pulled_to);
        clock.last_pull_at = pull.at.or(clock.last_pull_at);
        let warning = (!pull.warnings.is_empty()).then(|| pull.warnings.join("; "));
        clock.last_error = pull
            .trouble
            .as_ref()
            .map(|trouble| trouble.not_asked.as_ref().unwrap_or(&trouble.message).clone())
            .or(warning);
        clock.open = pull.trouble.as_ref().map(|_| OpenSlot {
            slot: event.slot,
            failures: clock.open.as_ref().filter(|open| open.slot == event.slot).map_or(1, |open| open.failures + 1),
            retry_at: event.retry_at,
        });
    }
    // After a failed pull its own retry asks for everything.
    clock.again_at = again_at.filter(|_| !failed);
    commit.clocks.push(clock.clone());
}
