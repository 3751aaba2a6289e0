//! What is due, and what follows from what came back. Waits for the store only; pulls and sends are
//! handed out, so that a hanging source or receiver delays nobody else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::asked::Asked;
use super::build::Built;
use super::control::Queued;
use super::engine_thread::EngineThread;
use super::gate::{Gate, GateState, Visit};
use super::heartbeat::Heart;
use super::jobs::{Job, pieces};
use super::plan::{Plan, plan_any};
use super::record;
use super::said::Said;
use super::space::Space;
use super::stepping::Replay;
use crate::engine::{Answer, Effects, Event, Setup, State, is_held, shown, step};
use crate::model::action::{Action, ActionKind};
use crate::model::alert::Phase;
use crate::model::figures::KpiFigures;
use crate::model::ids::{KpiId, Labels, ReceiverId, SourceId};
use crate::model::kpi::Kpi;
use crate::model::notification::Group;
use crate::model::series::SeriesData;
use crate::store::{Store, StoreError};

/// The state can't be written any more; the process must end and recover at its next start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CycleError(#[from] pub StoreError);

/// While something is held, timers are looked at again this often.
const HELD_RECHECK: SignedDuration = SignedDuration::from_secs(1);

pub(super) type Outcome<T> = Result<T, CycleError>;

/// The running service without its waiting.
pub struct Cycle {
    pub(super) engine: EngineThread,
    pub(super) store: Store,
    pub(super) built: Arc<Built>,
    pub(super) sending: BTreeMap<i64, ReceiverId>,
    /// Made anew at each start and reload: what a source did before says nothing of now.
    pub(super) gates: HashMap<SourceId, Arc<Gate>>,
    pub(super) pulling: BTreeSet<KpiId>,
    /// When each KPI has something to do next; none: it must be looked at.
    pub(super) due: HashMap<KpiId, Option<Timestamp>>,
    /// Formulas one of whose KPIs has been pulled since they were last looked at.
    pub(super) stale: BTreeSet<KpiId>,
    /// Spans that people wait for.
    pub(super) asked: HashMap<KpiId, Asked>,
    /// When pulls were last looked for.
    pub(super) looked_at: Timestamp,
    /// What pulls brought and is still to be stepped.
    pub(super) replays: Vec<Replay>,
    pub(super) space: Space,
    pub(super) said: Said,
    /// When a piece of what is too old may go next; none: now.
    pub(super) prune_at: Option<Timestamp>,
    /// What was too old by then is gone.
    pub(super) prune_is_over: bool,
    /// Nothing is told: the state comes from a backup, and nobody has looked at it yet.
    pub(super) withheld: bool,
    #[cfg(feature = "seeded-bugs")]
    pub(super) bug: Option<super::deliver::DeliveryBug>,
}

impl Cycle {
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn engine(&self) -> &EngineThread {
        &self.engine
    }

    /// Pulls that are due, each with the way to its source. They count as under way until what they brought was
    /// stepped.
    pub async fn due_pulls(&mut self, now: Timestamp) -> Outcome<Vec<(Job, Option<Visit>)>> {
        let built = self.built.clone();
        let mut jobs = Vec::new();
        let mut visits: HashMap<SourceId, Visit> = HashMap::new();
        if self.is_paused() {
            return Ok(jobs);
        }
        if now < self.looked_at {
            // The clock was set back: what was waited for was reckoned by the wrong one.
            self.due.values_mut().for_each(|due| *due = None);
        }
        self.looked_at = now;
        for kpi in built.setup.catalog.kpis.values() {
            let waits = self.due.get(&kpi.id).copied().flatten().is_some_and(|at| at > now);
            if waits || self.pulling.contains(&kpi.id) {
                continue;
            }
            self.load_history(kpi).await?;
            let (asked, is_stale) = (kpi.clone(), self.stale.remove(&kpi.id));
            match self.engine.with(move |state, setup| plan_any(state, setup, (&asked, is_stale), now)).await {
                Plan::Later(at) => {
                    let id = kpi.id.clone();
                    self.engine.with(move |state, _| state.catching_up.remove(&id)).await;
                    self.due.insert(kpi.id.clone(), Some(at.unwrap_or(Timestamp::MAX)));
                    if let Some(job) = self.asked_job(kpi, now).await {
                        self.pulling.insert(kpi.id.clone());
                        let visit = self.visit(&mut visits, &job);
                        jobs.push((job, visit));
                    }
                }
                Plan::Awaits(at) => {
                    self.due.insert(kpi.id.clone(), Some(at.unwrap_or(Timestamp::MAX)));
                }
                Plan::Now { kind, span, known, computed } => {
                    self.pulling.insert(kpi.id.clone());
                    let roll_ups = built.setup.roll_ups(&kpi.id);
                    let job = Job { kpi: kpi.clone(), kind, span, roll_ups, known, due_at: now, computed };
                    let visit = self.visit(&mut visits, &job);
                    jobs.push((job, visit));
                }
            }
        }
        // While a source fails few of its pulls are sent: not the same each time, and those that work first.
        let failed_at = |(job, visit): &(Job, Option<Visit>)| visit.as_ref()?.gate.failed_at(&job.kpi.id);
        jobs.sort_by_key(failed_at);
        Ok(jobs)
    }

    /// The way to a job's source, which jobs that are due together share.
    fn visit(&self, visits: &mut HashMap<SourceId, Visit>, job: &Job) -> Option<Visit> {
        let gate = self.gates.get(&job.kpi.source)?;
        let new = || Visit { gate: gate.clone(), shared: Arc::default() };
        let visit = visits.entry(job.kpi.source.clone()).or_insert_with(new).clone();
        if let Some(span) = job.span {
            visit.shared.expect(gate.source().asks(&job.kpi), pieces(gate.source(), &job.kpi, span));
        }
        Some(visit)
    }

    /// What a pull brought was stepped, or left: its KPI may be looked at again.
    pub(super) fn ended_pull(&mut self, kpi: KpiId) {
        self.pulling.remove(&kpi);
        self.has_changed(&kpi);
        self.due.insert(kpi, None);
    }

    /// Figures of a KPI are other ones: those that are computed from them, or should say the same, are looked at.
    fn has_changed(&mut self, kpi: &KpiId) {
        let setup = &self.built.setup;
        let reconciled = setup.reconciled_with(kpi);
        for other in reconciled {
            self.due.insert(other.clone(), None);
        }
        for formula in reconciled.iter().chain([kpi]).flat_map(|kpi| setup.computed_from(kpi)) {
            self.stale.insert(formula.clone());
            self.due.insert(formula.clone(), None);
        }
    }

    /// How the sources are doing.
    pub fn gates(&self) -> Vec<GateState> {
        let mut states: Vec<GateState> = self.gates.values().map(|gate| gate.state()).collect();
        states.sort_by(|a, b| a.source.cmp(&b.source));
        states
    }

    /// The configuration in force.
    pub fn setup(&self) -> Arc<Setup> {
        self.built.setup.clone()
    }

    /// KPIs and objectives as they are, if they are to be shown.
    pub(super) async fn figures(&self, now: Timestamp) -> Option<KpiFigures> {
        let limit = self.built.shown_series?;
        Some(self.engine.with(move |state, setup| shown(state, setup, now, limit)).await)
    }

    pub(super) fn heart(&self) -> Option<Arc<Heart>> {
        self.built.heart.clone()
    }

    /// KPIs of the configuration, periods to date aside.
    pub fn kpi_count(&self) -> usize {
        self.built.setup.catalog.kpis.values().filter(|kpi| kpi.since.is_none()).count()
    }

    /// The receivers of the configuration.
    pub fn receivers(&self) -> impl Iterator<Item = &ReceiverId> {
        self.built.setup.catalog.receivers.keys()
    }

    /// The notify half, when something changed or a timer is due.
    pub async fn wake(&mut self, now: Timestamp) -> Outcome<()> {
        if self.is_held() || self.withheld {
            return Ok(());
        }
        let idle = self
            .engine
            .with(move |state, setup| {
                let nothing_new = state.changed.iter().all(|key| is_held(&state.catching_up, setup, key));
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
        let touched = match &action.what {
            ActionKind::Settle { kpi, .. } => Some(kpi.clone()),
            ActionKind::Record(record) => Some(record.kpi.clone()),
            ActionKind::Acknowledge { .. }
            | ActionKind::Unacknowledge { .. }
            | ActionKind::Snooze { .. }
            | ActionKind::Silence { .. }
            | ActionKind::EndSilence { .. }
            | ActionKind::AddEvent(_)
            | ActionKind::RemoveEvent { .. } => None,
        };
        let event = match self.read_action(action, now).await? {
            Ok(event) => event,
            Err(why) => return Ok(Err(why)),
        };
        if self.is_held() {
            return Ok(Err(self.refusal("nothing can be kept", "ask")));
        }
        let effects = self.event(event, now).await?;
        if let Some(kpi) = touched {
            self.has_changed(&kpi);
            self.due.insert(kpi, None);
        }
        // The engine has taken it up: whoever was told no would ask twice.
        let Some(effects) = effects else { return Ok(Err(self.kept_until_written())) };
        self.wake(now).await?;
        Ok(effects.answer.unwrap_or_else(|| Err("the action had no effect".to_owned())))
    }

    /// What an action is to the engine: a figure that was entered is read by its KPI's definition first.
    async fn read_action(&mut self, action: Action, now: Timestamp) -> Outcome<Result<Event, String>> {
        let Action { by, what } = action;
        if let ActionKind::Settle { kpi, .. } = &what {
            let kpi = kpi.clone();
            return Ok(match self.may_change(&kpi).await? {
                Ok(()) => Ok(Event::Act(Action { by, what })),
                Err(why) => Err(why),
            });
        }
        let ActionKind::Record(record) = what else { return Ok(Ok(Event::Act(Action { by, what }))) };
        if let Err(why) = self.may_change(&record.kpi).await? {
            return Ok(Err(why));
        }
        let read = self.engine.with(move |state, setup| record::read(state, setup, (record, by), now)).await;
        Ok(read.map(Event::Entered))
    }

    /// Whether a person may change figures of a KPI now; its series are in memory then.
    async fn may_change(&mut self, kpi: &KpiId) -> Outcome<Result<(), String>> {
        if self.is_paused() {
            return Ok(Err(self.refusal("no figures are taken in", "ask")));
        }
        if self.pulling.contains(kpi) {
            return Ok(Err(format!("KPI '{kpi}' is being evaluated; try again in a moment")));
        }
        let built = self.built.clone();
        if let Some(kpi) = built.setup.catalog.kpi(kpi) {
            self.load_history(kpi).await?;
        }
        Ok(Ok(()))
    }

    /// When there is something to do next, deliveries aside.
    pub async fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_paused() {
            return self.looks_for_space_at(now);
        }
        if self.withheld {
            return self.next_pull(now);
        }
        let (told, holds) = self.engine.with(|state, _| (state.next_wake(), !state.catching_up.is_empty())).await;
        // A timer that is due may be held until a replay ends, which is an event of its own.
        let told = told.map(|at| if holds { at.max(now.checked_add(HELD_RECHECK).unwrap_or(now)) } else { at });
        [told, self.next_pull(now)].into_iter().flatten().min()
    }

    /// When the next pull is due, or space is looked for.
    fn next_pull(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.due.iter().filter(|(kpi, _)| !self.pulling.contains(*kpi));
        let pulls = due.map(|(_, at)| at.unwrap_or(Timestamp::MIN)).min();
        [pulls, self.looks_for_space_at(now)].into_iter().flatten().min()
    }

    /// Lets a restored state tell again, from what is now; what was queued goes out or is cancelled.
    pub(super) async fn release(&mut self, queued: Option<Queued>, now: Timestamp) -> Outcome<Result<String, String>> {
        if !self.withheld {
            return Ok(Err("nothing is withheld: messages go out".to_owned()));
        }
        let waiting: u64 = self.store.queue_depth().await?.into_iter().map(|(_, depth)| depth).sum();
        if waiting > 0 && queued.is_none() {
            return Ok(Err(format!(
                "{waiting} unsent deliveries of the backup may have gone out since it was made: see `vigie deliveries \
                 --state queued`, then say `--send` or `--cancel`"
            )));
        }
        let cancel = (queued == Some(Queued::Cancel)).then_some("the state was restored from a backup");
        match self.store.release(cancel).await {
            Ok(_) => {}
            Err(error) if error.may_pass() => return Ok(Err(error.to_string())),
            Err(error) => return Err(error.into()),
        }
        self.withheld = false;
        // Whether they were told since the backup nobody knows: of what fires everybody hears once how it stands.
        let remind = move |state: &mut State, _: &Setup| {
            let fires = |group: &&Group| group.told.values().any(|told| told.phase == Phase::Firing);
            let firing: Vec<Group> = state.groups.iter().filter(fires).cloned().collect();
            for group in firing {
                state.groups.put(Group { next_remind: Some(now), ..group });
            }
        };
        self.engine.with(remind).await;
        self.wake(now).await?;
        Ok(Ok(match (waiting, queued) {
            (0, _) => "messages go out again".to_owned(),
            (count, Some(Queued::Cancel)) => format!("messages go out again; {count} old ones were cancelled"),
            (count, _) => format!("messages go out again, {count} old ones with them"),
        }))
    }

    /// Attempts that have begun and not ended.
    pub fn sends_under_way(&self) -> usize {
        self.sending.len()
    }

    /// One step, committed; none when it can't be written now: the step is kept, and no other may be taken before it is
    /// written.
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
            Err(error) if error.may_pass() => {
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

    /// Reads a KPI's series from the store once, and those of KPIs that its rules read beside it or that it is compared
    /// with.
    async fn load_history(&mut self, kpi: &Arc<Kpi>) -> Outcome<()> {
        let id = kpi.id.clone();
        let missing: Vec<KpiId> = self
            .engine
            .with(move |state, setup| {
                let beside = setup.rules_on(&id);
                let own = setup.catalog.kpi(&id).into_iter().flat_map(|kpi| kpi.hangs_on().cloned());
                let read = beside.flat_map(|rule| rule.others.clone());
                let compared = setup.reconciled_with(&id).iter().cloned();
                let all = read.chain(own).chain(compared).chain([id.clone()]);
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
