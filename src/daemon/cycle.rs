//! What is due, and what follows from what came back. Waits for the store only; pulls and sends are
//! handed out, so that a hanging source or receiver delays nobody else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::build::Built;
use super::engine_thread::EngineThread;
use super::jobs::{self, Job, JobKind, PullOutcome};
use super::space::Space;
use crate::engine::{
    Answer, Effects, Event, History, PullReport, SlotEvent, State, Tally, first_slots, known_by, missed_slots, step,
};
use crate::model::action::Action;
use crate::model::ids::{KpiId, Labels, RuleId};
use crate::model::kpi::Kpi;
use crate::model::observation::Observation;
use crate::model::series::SeriesData;
use crate::source::Source;
use crate::store::{Store, StoreError};
use crate::validate::{Context, Known, KnownAt, Span, validate};

/// A slot is stepped as missed, by its own time, when its turn comes later than this.
const ON_TIME: SignedDuration = SignedDuration::from_secs(30);

/// The state can't be written any more; the process must end and recover at its next start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CycleError(#[from] pub StoreError);

type Outcome<T> = Result<T, CycleError>;

/// The running service without its waiting.
pub struct Cycle {
    pub(super) engine: EngineThread,
    pub(super) store: Store,
    pub(super) built: Arc<Built>,
    pub(super) sending: BTreeMap<i64, crate::model::ids::ReceiverId>,
    pulling: BTreeSet<KpiId>,
    /// When each KPI has something to do next; none: it must be looked at.
    due: HashMap<KpiId, Option<Timestamp>>,
    pub(super) space: Space,
    #[cfg(feature = "seeded-bugs")]
    pub(super) bug: Option<super::deliver::DeliveryBug>,
}

/// What a KPI has to do.
enum Plan {
    Now { kind: JobKind, span: Option<(i64, i64)>, known: Vec<Known> },
    Later(Option<Timestamp>),
}

impl Cycle {
    /// Takes up the stored state under a configuration.
    pub async fn start(store: Store, built: Arc<Built>, now: Timestamp) -> Outcome<Cycle> {
        let cut_off = store.abandoned().await?;
        if cut_off > 0 {
            tracing::warn!(
                attempts = cut_off,
                "attempts without outcome from the last run; their deliveries are sent again"
            );
        }
        let stored = store.load().await?;
        let checksum = built.setup.catalog.checksum.clone();
        let reconfigured = stored.config_checksum.as_deref() != Some(checksum.as_str());
        let mut state = State::from_stored(stored);
        // Until a KPI has caught up nothing is told of it.
        for kpi in built.setup.catalog.kpis.values() {
            let last = state.clocks.get(&kpi.id).and_then(|clock| clock.last_slot);
            if last.is_some_and(|last| !missed_slots(kpi, last, now).is_empty()) {
                state.catching_up.insert(kpi.id.clone());
            }
        }
        let engine = EngineThread::start(state, built.setup.clone())
            .map_err(|error| StoreError::Io { path: store.path().to_owned(), cause: error.to_string() })?;
        let due = built.setup.catalog.kpis.keys().map(|kpi| (kpi.clone(), None)).collect();
        let mut cycle = Cycle {
            engine,
            store,
            built,
            sending: BTreeMap::new(),
            pulling: BTreeSet::new(),
            due,
            space: Space::default(),
            #[cfg(feature = "seeded-bugs")]
            bug: None,
        };
        if reconfigured {
            cycle.event(Event::Reconfigured, now).await?;
            cycle.store.set_config_checksum(&checksum).await?;
        }
        Ok(cycle)
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn engine(&self) -> &EngineThread {
        &self.engine
    }

    /// Pulls that are due, each with its source. They count as under way until [`Cycle::pulled`].
    pub async fn due_pulls(&mut self, now: Timestamp) -> Outcome<Vec<(Job, Option<Arc<Source>>)>> {
        let built = self.built.clone();
        let mut jobs = Vec::new();
        if self.is_paused() {
            return Ok(jobs);
        }
        for kpi in built.setup.catalog.kpis.values() {
            let waits = self.due.get(&kpi.id).copied().flatten().is_some_and(|at| at > now);
            if waits || self.pulling.contains(&kpi.id) {
                continue;
            }
            self.load_history(kpi).await?;
            let asked = kpi.clone();
            match self.engine.with(move |state, setup| plan(state, setup, &asked, now)).await {
                Plan::Later(at) => {
                    self.due.insert(kpi.id.clone(), Some(at.unwrap_or(Timestamp::MAX)));
                }
                Plan::Now { kind, span, known } => {
                    self.pulling.insert(kpi.id.clone());
                    let roll_ups = built.setup.roll_ups(&kpi.id);
                    let job = Job { kpi: kpi.clone(), kind, span, roll_ups, known, due_at: now };
                    jobs.push((job, built.sources.get(&kpi.source).cloned()));
                }
            }
        }
        Ok(jobs)
    }

    /// Takes in what a pull brought: evaluates, commits, and tells what is to be told.
    pub async fn pulled(&mut self, outcome: PullOutcome) -> Outcome<Tally> {
        let kpi = outcome.job.kpi.clone();
        let now = outcome.at;
        let mut tally = Tally::default();
        // While history pauses what came is left: it is asked for again, as of slots that were missed.
        let events = if self.is_paused() { Vec::new() } else { events_of(outcome) };
        for (event, at) in events {
            match self.event(Event::Slot(event), at).await? {
                Some(effects) => tally += effects.tally,
                None => break,
            }
        }
        let id = kpi.id.clone();
        self.engine.with(move |state, _| state.catching_up.remove(&id)).await;
        self.pulling.remove(&kpi.id);
        self.due.insert(kpi.id.clone(), None);
        self.wake(now).await?;
        Ok(tally)
    }

    /// The receivers of the configuration.
    pub fn receivers(&self) -> impl Iterator<Item = &crate::model::ids::ReceiverId> {
        self.built.setup.catalog.receivers.keys()
    }

    /// The notify half, when something changed or a timer is due.
    pub async fn wake(&mut self, now: Timestamp) -> Outcome<()> {
        if self.is_held() {
            return Ok(());
        }
        let idle = self
            .engine
            .with(move |state, _| {
                let held =
                    |key: &crate::model::alert::AlertKey| key.kpi().is_some_and(|kpi| state.catching_up.contains(kpi));
                let nothing_new = state.changed.iter().all(held);
                let silence_over = state.silences.iter().any(|silence| silence.until <= now);
                nothing_new && !silence_over && state.next_wake().is_none_or(|at| at > now)
            })
            .await;
        if idle {
            return Ok(());
        }
        self.event(Event::Wake, now).await.map(drop)
    }

    /// Carries out a person's action.
    pub async fn act(&mut self, action: Action, now: Timestamp) -> Outcome<Result<Answer, String>> {
        let effects = if self.is_held() { None } else { self.event(Event::Act(action), now).await? };
        let Some(effects) = effects else {
            let path = self.store.path().display();
            return Ok(Err(format!(
                "the disk of {path} is full, so nothing can be kept; free some space, then ask again"
            )));
        };
        self.wake(now).await?;
        Ok(effects.answer.unwrap_or_else(|| Err("the action had no effect".to_owned())))
    }

    /// When there is something to do next, deliveries aside.
    pub async fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_paused() {
            return self.looks_for_space_at(now);
        }
        let told = self.engine.with(|state, _| state.next_wake()).await;
        let pulls = self
            .due
            .iter()
            .filter(|(kpi, _)| !self.pulling.contains(*kpi))
            .map(|(_, at)| at.unwrap_or(Timestamp::MIN))
            .min();
        [told, pulls, self.looks_for_space_at(now)].into_iter().flatten().min()
    }

    /// Attempts that have begun and not ended.
    pub fn sends_under_way(&self) -> usize {
        self.sending.len()
    }

    /// One step, committed; none when the disk is too full for it: the step is kept, and no other may be taken
    /// before it is written.
    pub(super) async fn event(&mut self, event: Event, now: Timestamp) -> Outcome<Option<Effects>> {
        debug_assert!(!self.is_held(), "a step is taken on what is not written");
        #[cfg_attr(not(feature = "seeded-bugs"), expect(unused_mut, reason = "seeded bugs alter the effects"))]
        let mut effects = self.engine.with(move |state, setup| step(state, setup, event, now)).await;
        #[cfg(feature = "seeded-bugs")]
        if self.bug == Some(super::deliver::DeliveryBug::EndDropped) {
            effects.notify.deliveries.retain(|delivery| !delivery.message.resolved);
        }
        match self.write(&effects).await {
            Ok(()) => Ok(Some(effects)),
            Err(error @ StoreError::Full { .. }) => {
                self.hold_step(effects, &error);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn write(&self, effects: &Effects) -> Result<(), StoreError> {
        let epoch = self.store.epoch();
        if !effects.evaluate.is_empty() {
            self.store.commit_evaluate(&effects.evaluate, epoch).await?;
        }
        if !effects.notify.is_empty() {
            self.store.commit_notify(&effects.notify, epoch).await?;
        }
        Ok(())
    }

    /// Reads a KPI's series from the store once, and those of KPIs that its rules read beside it.
    async fn load_history(&mut self, kpi: &Arc<Kpi>) -> Outcome<()> {
        let id = kpi.id.clone();
        let missing: Vec<KpiId> = self
            .engine
            .with(move |state, setup| {
                let beside = setup.catalog.rules_on(&id).filter_map(|rule| setup.rules.get(&rule.id));
                let all = beside.flat_map(|rule| rule.others.clone()).chain([id.clone()]);
                all.filter(|kpi| !state.history.has(kpi)).collect()
            })
            .await;
        for kpi in missing {
            let mut series: BTreeMap<Labels, Arc<SeriesData>> = BTreeMap::new();
            let take = |labels: Labels, data: SeriesData| {
                series.insert(labels, Arc::new(data));
            };
            self.store.load_data(&kpi, take).await?;
            self.engine.with(move |state, setup| state.take_up(setup, kpi, series)).await;
        }
        Ok(())
    }
}

/// What a KPI has to do at `now`, from how far it has come.
fn plan(state: &mut State, setup: &crate::engine::Setup, kpi: &Arc<Kpi>, now: Timestamp) -> Plan {
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

/// The evaluations that follow a pull, each with its instant.
fn events_of(outcome: PullOutcome) -> Vec<(SlotEvent, Timestamp)> {
    let PullOutcome { job, result, at } = outcome;
    let kpi = job.kpi.id.clone();
    let only = match &job.kind {
        JobKind::Anew { rules, .. } => Some(rules.clone()),
        JobKind::First { .. }
        | JobKind::CatchUp { .. }
        | JobKind::Slot { .. }
        | JobKind::Retry { .. }
        | JobKind::NewRules { .. } => None,
    };
    let event = |slot, pull, retry_at| SlotEvent { kpi: kpi.clone(), slot, pull, only: only.clone(), retry_at };
    let report = match result {
        Some(Err(error)) => {
            let slot = last_slot_of(&job.kind, at);
            let retry_at = jobs::retry_at(&job.kpi, slot, at);
            tracing::warn!(kpi = %kpi, source = %job.kpi.source, %error, "pull failed");
            let trouble = Some(jobs::trouble(&error));
            let pull = PullReport { trouble, at: Some(at), ..PullReport::default() };
            return vec![(event(slot, Some(pull), retry_at), at)];
        }
        Some(Ok(pull)) => validated(&job, pull, at),
        None => PullReport { at: Some(at), nothing_asked: true, ..PullReport::default() },
    };
    match job.kind {
        JobKind::Slot { slot } | JobKind::Retry { slot } => vec![(event(slot, Some(report), None), at)],
        JobKind::NewRules { rules, slots } => {
            let mut events: Vec<_> = slots
                .iter()
                .map(|slot| (SlotEvent { only: Some(rules.clone()), ..event(*slot, None, None) }, *slot))
                .collect();
            if events.is_empty() {
                events.push((SlotEvent { only: Some(rules), ..event(at, None, None) }, at));
            }
            events
        }
        JobKind::First { slots } | JobKind::Anew { slots, .. } | JobKind::CatchUp { slots } => {
            let slots = if slots.is_empty() { vec![at] } else { jobs::in_order(slots) };
            replay(&event, &job.kpi, slots, report, at)
        }
    }
}

/// Missed slots in order, each with what was known by then: a bucket that had not settled is provisional
/// there, and final from the slot on at which it had.
fn replay(
    event: &dyn Fn(Timestamp, Option<PullReport>, Option<Timestamp>) -> SlotEvent,
    kpi: &Kpi,
    slots: Vec<Timestamp>,
    mut report: PullReport,
    at: Timestamp,
) -> Vec<(SlotEvent, Timestamp)> {
    let batches = known_by(std::mem::take(&mut report.observations), &slots);
    let last = slots.len() - 1;
    let mut unsettled: Vec<Observation> = Vec::new();
    slots
        .into_iter()
        .zip(batches)
        .enumerate()
        .map(|(position, (slot, mut observations))| {
            let settles = |seen: &Observation| {
                let end = kpi.grain.bucket(seen.bucket, &kpi.zone).end;
                end.checked_add(kpi.settle).unwrap_or(Timestamp::MAX)
            };
            let settled: Vec<_> = unsettled.extract_if(.., |seen| settles(seen) <= slot).collect();
            for seen in &mut observations {
                seen.provisional = settles(seen) > slot;
            }
            unsettled.extend(observations.iter().filter(|seen| seen.provisional).cloned());
            observations.extend(settled.into_iter().map(|seen| Observation {
                provisional: false,
                known_at: slot,
                ..seen
            }));
            let pull = if position == last {
                PullReport { observations, ..report.clone() }
            } else {
                let nothing_asked = report.nothing_asked;
                PullReport { observations, at: Some(at), nothing_asked, ..PullReport::default() }
            };
            (event(slot, Some(pull), None), slot)
        })
        .collect()
}

fn validated(job: &Job, pull: crate::model::observation::Pull, at: Timestamp) -> PullReport {
    let Some((from, to)) = job.span else { return PullReport { at: Some(at), ..PullReport::default() } };
    // Before the first thing that a source ever said there is nothing, not zero.
    let zero_from = matches!(job.kind, JobKind::First { .. } | JobKind::Anew { .. })
        .then(|| {
            let bucket =
                |reading: &crate::model::observation::Reading| reading.time.bucket(job.kpi.grain, &job.kpi.zone);
            pull.readings.iter().map(bucket).min()
        })
        .flatten();
    let known_at = if job.is_late() { KnownAt::Assumed } else { KnownAt::Own(at) };
    let (kpi, roll_ups, known) = (&*job.kpi, &*job.roll_ups, &*job.known);
    let context = Context { kpi, span: Span { from, to }, known_at, now: at, roll_ups, known, zero_from };
    let found = validate(&context, pull);
    if !found.rejections.is_empty() {
        tracing::warn!(kpi = %job.kpi.id, rejected = found.rejections.len(), "readings were refused; `vigie status` shows them");
    }
    PullReport {
        observations: found.observations,
        rejections: found.rejections,
        pulled_to: Some(to),
        trouble: None,
        warnings: found.warnings,
        at: Some(at),
        nothing_asked: false,
    }
}

fn last_slot_of(kind: &JobKind, now: Timestamp) -> Timestamp {
    match kind {
        JobKind::Slot { slot } | JobKind::Retry { slot } => *slot,
        JobKind::First { slots }
        | JobKind::Anew { slots, .. }
        | JobKind::CatchUp { slots }
        | JobKind::NewRules { slots, .. } => slots.last().copied().unwrap_or(now),
    }
}
