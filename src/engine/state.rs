//! Everything that changes while the engine runs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::history::History;
use super::suspects::Suspects;
use crate::alert::Book;
use crate::assess::Lessons;
use crate::model::alert::{Alert, AlertKey, Change, Phase, Transition};
use crate::model::commit::{KpiClock, SourceState, StoredState};
use crate::model::event::BusinessEvent;
use crate::model::ids::{KpiId, ObjectiveId, RuleId, SourceId};
use crate::model::kpi::Kpi;
use crate::model::notification::Silence;
use crate::model::objective::Objective;
use crate::model::outcome::ClosedPeriod;
use crate::notify::Groups;

/// The engine's state. What the store holds, minus old versions and the log of what was.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub history: History,
    pub book: Book,
    pub groups: Groups,
    pub silences: Vec<Silence>,
    pub clocks: BTreeMap<KpiId, KpiClock>,
    pub sources: HashMap<SourceId, SourceState>,
    pub suspects: Suspects,
    pub last_seq: u64,
    pub notifications: u64,
    /// Alerts that changed since the notify half last looked.
    pub changed: BTreeSet<AlertKey>,
    /// KPIs that are catching up: nothing is told of them until they have.
    pub catching_up: BTreeSet<KpiId>,
    /// Events that people added, also those that were removed since.
    pub events: Vec<Arc<BusinessEvent>>,
    /// Periods of objectives that were decided, oldest first.
    pub(super) closed: HashMap<ObjectiveId, Vec<ClosedPeriod>>,
    /// For which definitions all periods that are over were looked at; what can't be decided waits for what it lacks.
    pub(super) looked_back: HashMap<ObjectiveId, (Arc<Kpi>, Arc<Objective>)>,
    /// How many periods that are over were reckoned.
    #[cfg(test)]
    pub(super) reckoned: Arc<std::sync::atomic::AtomicU32>,
    /// What was learned of objectives, so that it is learned once.
    pub lessons: Arc<Lessons>,
    /// How often alerts that left the book have fired, by their identities' digest.
    pub(super) episodes: HashMap<u64, u32>,
    /// Rules and KPIs for which the store holds pulses.
    pub(super) pulsed: HashSet<(KpiId, RuleId)>,
}

impl State {
    /// Takes up what was stored. Every live alert is looked at again, so that nothing is lost that was
    /// decided but not told.
    pub fn from_stored(stored: StoredState) -> State {
        let book: Book = stored.alerts.into_iter().collect();
        let changed = book.sorted().into_keys().cloned().collect();
        State {
            history: History::default(),
            book,
            groups: stored.groups.into_iter().collect(),
            silences: stored.silences,
            clocks: stored.clocks.into_iter().map(|clock| (clock.kpi.clone(), clock)).collect(),
            sources: stored.sources.into_iter().map(|source| (source.source.clone(), source)).collect(),
            suspects: stored.suspects.into_iter().collect(),
            last_seq: stored.last_seq,
            notifications: stored.notifications,
            changed,
            catching_up: BTreeSet::new(),
            events: stored.events.into_iter().map(Arc::new).collect(),
            closed: HashMap::new(),
            looked_back: HashMap::new(),
            #[cfg(test)]
            reckoned: Arc::default(),
            lessons: Arc::default(),
            episodes: stored.episodes,
            pulsed: stored.pulses.into_iter().map(|pulse| (pulse.kpi, pulse.rule)).collect(),
        }
    }

    /// Takes up the periods that were decided, as the store has them.
    pub fn take_up_closed(&mut self, closed: Vec<ClosedPeriod>) {
        for closed in closed {
            self.keep_closed(closed);
        }
    }

    /// The state as a start finds it again: all that goes beyond what the store keeps is lost.
    #[must_use]
    pub fn restarted(self) -> State {
        let stored = StoredState {
            alerts: self.book.sorted().into_values().cloned().collect(),
            pulses: Vec::new(),
            episodes: self.episodes,
            groups: self.groups.iter().cloned().collect(),
            silences: self.silences,
            clocks: self.clocks.into_values().collect(),
            sources: self.sources.into_values().collect(),
            suspects: self.suspects.into_all().collect(),
            last_seq: self.last_seq,
            notifications: self.notifications,
            config_checksum: None,
            events: self.events.iter().map(|event| (**event).clone()).collect(),
        };
        State { history: self.history, closed: self.closed, ..State::from_stored(stored) }
    }

    /// The periods of an objective that were decided, oldest first.
    pub fn closed_of(&self, objective: &ObjectiveId) -> &[ClosedPeriod] {
        self.closed.get(objective).map_or(&[], Vec::as_slice)
    }

    pub(super) fn keep_closed(&mut self, closed: ClosedPeriod) {
        let known = self.closed.entry(closed.objective.clone()).or_default();
        let days = |closed: &ClosedPeriod| (closed.period.first, closed.period.last);
        match known.binary_search_by_key(&days(&closed), days) {
            Ok(place) => known[place] = closed,
            Err(place) => known.insert(place, closed),
        }
    }

    /// When the notify half has something to do next.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.groups.next_wake()
    }

    /// Takes an alert out of the book; its identity goes on counting where it left.
    pub(super) fn forget(&mut self, key: &AlertKey) {
        if let Some(alert) = self.book.take(key) {
            self.note_episode(&alert);
        }
    }

    pub(super) fn note_episode(&mut self, alert: &Alert) {
        if alert.episode > 0 {
            self.episodes.insert(alert.key.digest(), alert.episode);
        }
    }

    /// How often an alert that is not in the book has fired.
    pub(super) fn episodes_of(&self, key: &AlertKey) -> u32 {
        // Nearly always there is none: then nothing is digested.
        if self.episodes.is_empty() { 0 } else { self.episodes.get(&key.digest()).copied().unwrap_or(0) }
    }

    /// Numbers a change of an alert and notes that somebody may have to hear of it.
    pub(super) fn transition(
        &mut self,
        alert: &Alert,
        (from, to, change): (Phase, Phase, Change),
        at: Timestamp,
    ) -> Transition {
        self.last_seq += 1;
        self.changed.insert(alert.key.clone());
        Transition {
            seq: self.last_seq,
            key: alert.key.clone(),
            episode: alert.episode,
            at,
            slot: alert.slot,
            from,
            to,
            change,
            severity: alert.severity,
            value: alert.value,
        }
    }
}
