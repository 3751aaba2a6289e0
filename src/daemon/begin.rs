//! How a cycle begins: with what is stored, at a start or under another configuration.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::build::Built;
use super::control::Reply;
use super::cycle::{Cycle, CycleError, Outcome};
use super::engine_thread::EngineThread;
use super::gate::gates;
use super::said::Said;
use super::space::Space;
use crate::engine::{Event, State, missed_slots};
use crate::store::{Store, StoreError};

impl Cycle {
    /// Takes up the stored state under a configuration.
    pub async fn start(store: Store, built: Arc<Built>, now: Timestamp) -> Outcome<Cycle> {
        let (mut cycle, reconfigured) = Cycle::taken_up(store, built, now).await?;
        // A full disk must not keep the service from sending what is queued: what can't be written is made up for later.
        cycle.mark_cut_off().await?;
        cycle.begin(reconfigured, now).await?;
        Ok(cycle)
    }

    /// Goes on under another configuration, as a restart with it would, but that attempts under way go on. Pulls under way
    /// must be given up: they were planned by what was; what is due is asked for again. An error leaves everything as it
    /// was.
    pub async fn reload(&mut self, built: Arc<Built>, now: Timestamp) -> Outcome<Result<(), String>> {
        if !self.writes_all() {
            return Ok(Err(self.refusal("nothing is reloaded", "reload")));
        }
        let (mut next, reconfigured) = match Cycle::taken_up(self.store.clone(), built, now).await {
            // Nobody has noticed before that nothing can be written.
            Err(CycleError(error)) if error.may_pass() => return Ok(Err(error.to_string())),
            taken_up => taken_up?,
        };
        next.sending = std::mem::take(&mut self.sending);
        next.space = std::mem::take(&mut self.space);
        next.said = std::mem::take(&mut self.said);
        #[cfg(feature = "seeded-bugs")]
        {
            next.bug = self.bug;
        }
        let (before, after) = (&self.built.setup, &next.built.setup);
        for (kpi, asked) in self.asked.drain() {
            let both = before.catalog.kpi(&kpi).zip(after.catalog.kpi(&kpi));
            if both.is_some_and(|(old, new)| before.definition(old) == after.definition(new)) {
                next.asked.insert(kpi, asked);
            } else {
                asked.answer(Reply::Error(format!("KPI '{kpi}' was changed meanwhile by a reload; ask again")));
            }
        }
        *self = next;
        self.begin(reconfigured, now).await?;
        Ok(Ok(()))
    }

    /// The stored state under a configuration, and whether that is another one than before.
    async fn taken_up(store: Store, built: Arc<Built>, now: Timestamp) -> Outcome<(Cycle, bool)> {
        let renamed = store.rename(&built.setup.catalog.renames).await?;
        let stored = store.load().await?;
        let reconfigured = stored.config_checksum.as_deref() != Some(built.setup.catalog.checksum.as_str());
        let mut state = State::from_stored(stored);
        state.take_up_closed(store.closed_of(built.setup.catalog.objectives.keys()).await?);
        // Until a KPI has caught up nothing is told of it; the last run may have ended amid a replay.
        for kpi in built.setup.catalog.kpis.values() {
            let Some(clock) = state.clocks.get(&kpi.id) else { continue };
            let missed = clock.last_slot.is_some_and(|last| !missed_slots(kpi, last, now).is_empty());
            let mut rules = built.setup.rules_on(&kpi.id);
            if missed || built.setup.asks_anew(kpi, clock) || rules.any(|rule| !clock.rules.contains(&rule.def.id)) {
                state.catching_up.insert(kpi.id.clone());
            }
        }
        let engine = EngineThread::start(state, built.setup.clone())
            .map_err(|error| StoreError::Io { path: store.path().to_owned(), cause: error.to_string() })?;
        let due = built.setup.catalog.kpis.keys().map(|kpi| (kpi.clone(), None)).collect();
        let mut cycle = Cycle {
            gates: gates(&built.setup.catalog, &built.sources),
            engine,
            store,
            built,
            sending: BTreeMap::new(),
            pulling: BTreeSet::new(),
            due,
            stale: BTreeSet::new(),
            asked: HashMap::new(),
            looked_at: now,
            replays: Vec::new(),
            space: Space::default(),
            said: Said::default(),
            prune_at: None,
            prune_is_over: true,
            withheld: false,
            #[cfg(feature = "seeded-bugs")]
            bug: None,
        };
        let formulas = cycle.built.setup.catalog.kpis.values().filter(|kpi| kpi.formula().is_some());
        cycle.stale = formulas.map(|kpi| kpi.id.clone()).collect();
        cycle.note_renamed(&renamed, now).await?;
        if let Some(since) = cycle.store.withheld().await? {
            tracing::warn!(%since, "the state was restored from a backup: nothing is told before `vigie release`");
            cycle.withheld = true;
        }
        Ok((cycle, reconfigured))
    }

    /// Closes what is gone from the configuration, and tells of what could not be told.
    async fn begin(&mut self, reconfigured: bool, now: Timestamp) -> Outcome<()> {
        if reconfigured && self.event(Event::Reconfigured, now).await?.is_some() {
            match self.store.set_config_checksum(&self.built.setup.catalog.checksum).await {
                // Closing is then repeated at the next start, to no effect.
                Err(error) if !error.may_pass() => return Err(error.into()),
                Err(_) | Ok(()) => {}
            }
        }
        self.tell_of_the_dead(now).await
    }
}
