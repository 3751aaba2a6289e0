//! The past lived once more: slots in their order, each with what was known by then, and the notify half in between.
//! What is sent counts as accepted at once; people do nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, ToSpan};

use super::event::{Answer, Effects, Event, PullReport, SlotEvent};
use super::replay::first_slots;
use super::setup::Setup;
use super::state::State;
use super::step::step;
use crate::assess::Assessment;
use crate::model::action::Action;
use crate::model::alert::PeriodOutcome;
use crate::model::catalog::Catalog;
use crate::model::grain::{BucketIndex, day_of};
use crate::model::ids::{KpiId, SeriesKey};
use crate::model::kpi::{Kpi, Quality};
use crate::model::objective::Objective;
use crate::model::observation::Observation;
use crate::model::period::Period;
use crate::model::suspect::{Suspect, SuspectState};

/// What came this long after a slot came with the slot's own pull; later, with one that was made again.
const OWN_PULL: SignedDuration = SignedDuration::from_secs(90);

/// Is given what comes of each step: the state after it, its effects, and the instant.
pub type Watch<'a> = &'a mut dyn FnMut(&State, &Effects, Timestamp);

/// The engine on a clock that only the past moves.
pub struct Past<'a> {
    setup: &'a Setup,
    state: State,
}

impl<'a> Past<'a> {
    /// Nothing is known yet. Must be used on a thread with a large stack ([`crate::rule::on_large_stack`]).
    pub fn new(setup: &'a Setup) -> Past<'a> {
        Past { setup, state: State::default() }
    }

    pub fn setup(&self) -> &Setup {
        self.setup
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// What is left of it at the end.
    pub fn into_state(self) -> State {
        self.state
    }

    /// A KPI's slot at an instant no earlier than the last one: what is due before is told first.
    pub fn slot(&mut self, event: SlotEvent, at: Timestamp, watch: Watch<'_>) {
        // What is due at the same instant is told of what the slot brings, as live.
        while let Some(due) = self.state.next_wake().filter(|due| *due < at) {
            self.wake(due, watch);
        }
        let effects = step(&mut self.state, self.setup, Event::Slot(event), at);
        watch(&self.state, &effects, at);
        if !self.state.changed.is_empty() {
            self.wake(at, watch);
        }
    }

    /// A person does something at an instant no earlier than the last one.
    ///
    /// # Errors
    /// What the person is told when it can't be done.
    pub fn act(&mut self, action: Action, at: Timestamp, watch: Watch<'_>) -> Result<Answer, String> {
        self.tell_before(at, watch);
        let effects = step(&mut self.state, self.setup, Event::Act(action), at);
        watch(&self.state, &effects, at);
        let answer = effects.answer.clone();
        if !self.state.changed.is_empty() {
            self.wake(at, watch);
        }
        answer.unwrap_or_else(|| Err("it was not answered".to_owned()))
    }

    /// Ends and starts again at an instant no earlier than the last one.
    pub fn restart(&mut self, at: Timestamp, watch: Watch<'_>) {
        self.tell_before(at, watch);
        self.state = std::mem::take(&mut self.state).restarted();
        self.wake(at, watch);
    }

    /// Lets timers come due up to an instant.
    pub fn tell_before(&mut self, until: Timestamp, watch: Watch<'_>) {
        while let Some(at) = self.state.next_wake().filter(|at| *at <= until) {
            self.wake(at, watch);
        }
    }

    /// How the periods of an objective that are over by then came out, oldest first, as far as all that is known tells.
    pub fn outcomes(&self, objective: &Arc<Objective>, now: Timestamp) -> Vec<(Period, PeriodOutcome)> {
        let Some(kpi) = self.setup.catalog.kpi(&objective.kpi) else { return Vec::new() };
        let Some(data) = self.state.history.series(&kpi.id, &objective.labels) else { return Vec::new() };
        let Some((first, _)) = data.span() else { return Vec::new() };
        let labels = objective.labels.clone();
        let whole = Assessment::new(kpi.clone(), labels, data.clone(), Some(objective.clone()), now).final_only();
        let mut outcomes = Vec::new();
        let mut day = objective.period.single().map_or_else(|| kpi.grain.date_of(first), |period| period.first);
        let today = day_of(now, &kpi.zone);
        while let Some(period) = objective.period.holding(day).filter(|period| period.last < today) {
            if objective.period_holding(day).is_some() {
                outcomes.push((period, whole.outcome_of(period)));
            }
            day = period.last.saturating_add(1.day());
        }
        outcomes
    }

    fn wake(&mut self, at: Timestamp, watch: Watch<'_>) {
        let effects = step(&mut self.state, self.setup, Event::Wake, at);
        watch(&self.state, &effects, at);
    }
}

/// What was known of one KPI, and when.
pub struct Track {
    kpi: Arc<Kpi>,
    /// Versions that are still to come, the next one last.
    versions: Vec<Observation>,
    /// The slot that was stepped last.
    slot: Option<Timestamp>,
    /// No slot before this one is stepped.
    first: Option<Timestamp>,
    /// When it is known to have been judged, with the slot, the next one last.
    judged: Vec<(Timestamp, Timestamp)>,
}

/// What a track does next.
struct Turn {
    /// What is known by then is taken in.
    at: Timestamp,
    slot: Timestamp,
    /// A slot's own pull, or one that was made again.
    is_own: bool,
}

impl Track {
    /// `versions` in the order in which they became known.
    pub fn new(kpi: Arc<Kpi>, mut versions: Vec<Observation>) -> Track {
        versions.reverse();
        Track { kpi, versions, slot: None, first: None, judged: Vec::new() }
    }

    /// Has it judged at these instants too, each with its slot, oldest first: a pull that was tried again in vain left no
    /// version, and what is late grew later.
    #[must_use]
    pub fn judged_at(self, mut judged: Vec<(Timestamp, Timestamp)>) -> Track {
        judged.reverse();
        Track { judged, ..self }
    }

    pub fn kpi(&self) -> &KpiId {
        &self.kpi.id
    }

    /// When its first version became known.
    pub fn begins(&self) -> Option<Timestamp> {
        self.versions.last().map(|version| version.known_at)
    }

    /// When its newest version became known.
    pub fn ends(&self) -> Option<Timestamp> {
        self.versions.first().map(|version| version.known_at)
    }

    fn next(&self) -> Option<Turn> {
        let Kpi { schedule, zone, calendar, .. } = &*self.kpi;
        let next = match self.slot {
            Some(last) => schedule.next_after(last, zone, calendar)?,
            // Nothing was missing before the first value that there is.
            None => schedule.next_at_or_after(self.begins().max(self.first)?, zone, calendar)?,
        };
        let late = self.slot.zip(self.begins()).filter(|(_, known)| *known < next);
        let again = self.judged.last().filter(|(at, slot)| *at < next && self.slot == Some(*slot));
        let late = late.map(|(slot, at)| (at, slot)).into_iter().chain(again.copied()).min();
        if let Some((at, slot)) = late {
            return Some(Turn { at, slot, is_own: false });
        }
        let following = schedule.next_after(next, zone, calendar).unwrap_or(Timestamp::MAX);
        let ends = next.checked_add(OWN_PULL).unwrap_or(next).min(following);
        // All that its own pull brought came at one instant.
        let own = self.first_known_from(next).filter(|known| *known < ends);
        let at = own.unwrap_or(next);
        Some(Turn { at, slot: next, is_own: true })
    }

    fn first_known_from(&self, from: Timestamp) -> Option<Timestamp> {
        self.versions.iter().rev().map(|version| version.known_at).find(|known| *known >= from)
    }

    fn step(&mut self, turn: &Turn) -> SlotEvent {
        let still = self.versions.partition_point(|version| version.known_at > turn.at);
        let mut observations = self.versions.split_off(still);
        observations.reverse();
        self.slot = Some(turn.slot);
        // Those of its own slot are all before its next one; others are of slots that were never stepped here.
        while self.judged.pop_if(|(at, slot)| *at <= turn.at || *slot < turn.slot).is_some() {}
        let newest: BucketIndex = self.kpi.grain.last_ended(turn.slot, &self.kpi.zone);
        let pull = PullReport {
            observations,
            pulled_to: turn.is_own.then_some(newest),
            at: Some(turn.at),
            nothing_asked: !turn.is_own,
            ..PullReport::default()
        };
        SlotEvent {
            kpi: self.kpi.id.clone(),
            slot: turn.slot,
            pull: Some(pull),
            only: None,
            retry_at: None,
            completes: true,
        }
    }
}

/// A value that was not believed, and for how long: its series was not judged meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    pub series: SeriesKey,
    pub bucket: BucketIndex,
    pub from: Timestamp,
    /// None: it is doubted still.
    pub until: Option<Timestamp>,
}

impl Doubt {
    pub fn of(suspect: &Suspect) -> Doubt {
        let until = match &suspect.state {
            SuspectState::Settled(settlement) => Some(settlement.at),
            SuspectState::Seen { .. } | SuspectState::Asked => None,
        };
        Doubt { series: suspect.series.clone(), bucket: suspect.bucket, from: suspect.since, until }
    }
}

/// A catalog under which what is stored is taken as it is: nothing is doubted anew.
#[must_use]
pub fn undoubting(mut catalog: Catalog) -> Catalog {
    for kpi in catalog.kpis.values_mut() {
        let quality = Quality { max_jump: None, ignores_vanished: true, ..kpi.quality };
        *kpi = Arc::new(Kpi { quality, reconcile: None, ..(**kpi).clone() });
    }
    catalog
}

/// What comes next; of several at one instant in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// A KPI's values begin or cease to be doubted.
    Doubt(usize),
    /// A KPI's turn, those of computed ones last.
    Turn { is_computed: bool, place: usize },
    /// What was doubted is judged.
    Judge(usize),
}

impl Past<'_> {
    /// Steps every slot in `from..=to` of all tracks, in the order of their instants; of slots at one instant those of
    /// KPIs that are computed come last. What was known before comes first, as on a first start at `from`: the slots of
    /// the current period, else of some thirty buckets, are stepped and nobody is told.
    pub fn run(
        &mut self,
        tracks: &mut [Track],
        doubts: &[Doubt],
        (from, to): (Timestamp, Timestamp),
        watch: Watch<'_>,
    ) {
        let mut queue: BinaryHeap<Reverse<(Timestamp, Next)>> = BinaryHeap::new();
        let queued = |track: &Track, place: usize| {
            let turn = track.next().filter(|turn| turn.at <= to)?;
            Some(Reverse((turn.at, Next::Turn { is_computed: track.kpi.formula().is_some(), place })))
        };
        for track in tracks.iter_mut().filter(|track| track.begins().is_some_and(|begins| begins < from)) {
            track.first = Some(first_slots(&self.setup.catalog, &track.kpi, from).first().copied().unwrap_or(from));
            self.state.catching_up.insert(track.kpi.id.clone());
        }
        queue.extend(tracks.iter().enumerate().filter_map(|(place, track)| queued(track, place)));
        for (index, doubt) in doubts.iter().enumerate() {
            queue.push(Reverse((doubt.from, Next::Doubt(index))));
            if let Some(until) = doubt.until {
                queue.push(Reverse((until, Next::Doubt(index))));
                queue.push(Reverse((until, Next::Judge(index))));
            }
        }
        while let Some(Reverse((at, next))) = queue.pop() {
            if at > to {
                break;
            }
            if at >= from && !self.state.catching_up.is_empty() {
                self.state.catching_up.clear();
                self.wake(from, watch);
            }
            match next {
                Next::Turn { place, .. } => {
                    let track = &mut tracks[place];
                    let Some(turn) = track.next() else { continue };
                    let event = track.step(&turn);
                    self.slot(event, turn.at, watch);
                    queue.extend(queued(track, place));
                }
                Next::Doubt(index) => {
                    let SeriesKey { kpi, labels } = &doubts[index].series;
                    let is_open = |doubt: &&Doubt| doubt.from <= at && doubt.until.is_none_or(|until| at < until);
                    let of_series = doubts.iter().filter(|doubt| doubt.series == doubts[index].series);
                    let held = of_series.filter(is_open).map(|doubt| doubt.bucket).min();
                    self.state.history.hold(kpi, labels, held);
                }
                Next::Judge(index) => {
                    let kpi = &doubts[index].series.kpi;
                    let Some(slot) = self.state.clocks.get(kpi).and_then(|clock| clock.last_slot) else { continue };
                    let judged =
                        SlotEvent { kpi: kpi.clone(), slot, pull: None, only: None, retry_at: None, completes: false };
                    self.slot(judged, at, watch);
                }
            }
        }
        self.tell_before(to, watch);
    }
}
