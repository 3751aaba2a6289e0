//! The cycle by a clock that runs: pulls and sends side by side, people's requests, reloads, an orderly end.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::control::{Incoming, Request};
use super::cycle::Cycle;
use super::deliver::{Send, SendOutcome};
use super::engine_thread::LiveEngine;
use super::gate::Visit;
use super::heartbeat::Beating;
use super::jobs::{Job, PullOutcome};
use super::noted::difference;
use super::reload::{Asker, Prepared, Reloader};
use super::requests;
use super::stepping::Stepped;
use super::supervise::Supervisor;
use crate::clock::{Clock, monotonic};
use crate::model::alert::Phase;
use crate::net::ErrorClass;
use crate::source::SourceError;
use crate::telemetry::{self, FailureReason, Metrics, PullEnd};

/// Longest sleep: whatever was computed, the cycle looks again by then.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// Least sleep, so that a bug in computing the next wake can't spin.
const SLEEP_MIN: Duration = Duration::from_millis(10);
/// Gauges are brought up to date this often at most: each time all alerts and the queue are looked through.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// How long evaluations go on before sends and requests have their turn.
const PIECE: Duration = Duration::from_millis(50);
/// A send that takes longer than its deadline allows by far: something is stuck, and the watchdog is to notice.
const SEND_STUCK: Duration = Duration::from_secs(120);
/// How long sends under way may take to end after SIGTERM.
const DRAIN_MAX: Duration = Duration::from_secs(35);

/// Something that was under way and ended.
enum Done {
    Pulled(Box<PullOutcome>),
    Sent(Box<SendOutcome>),
}

/// What the process is told by signals, from when this was made on.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Before anything takes long: a signal that is not watched ends the process at once.
    pub fn watch() -> anyhow::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).context("SIGTERM can't be watched")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT can't be watched")?,
            hangup: signal(SignalKind::hangup()).context("SIGHUP can't be watched")?,
        })
    }
}

/// A cycle with what is under way.
pub struct Driver {
    pub cycle: Cycle,
    clock: Clock,
    metrics: Arc<Metrics>,
    under_way: JoinSet<Done>,
    /// What each of them is. A pull that a reload gave up is no more among them, though it may yet end.
    tasks: HashMap<Id, Task>,
    shown: Shown,
    supervisor: Supervisor,
    beating: Beating,
    /// None where there is no configuration to read again.
    reloading: Option<(Reloader, LiveEngine)>,
}

enum Task {
    Pull(AbortHandle),
    Send(Instant),
}

/// Whether gauges show what is.
#[derive(Default)]
struct Shown {
    at: Option<Instant>,
    outdated: bool,
}

impl Shown {
    /// How long until they are to be brought up to date; none while they show what is.
    fn due_in(&self, now: Instant) -> Option<Duration> {
        let passed = self.at.map_or(SHOW_EVERY, |at| now.saturating_duration_since(at));
        self.outdated.then(|| SHOW_EVERY.saturating_sub(passed))
    }
}

impl Driver {
    pub fn new(cycle: Cycle, clock: Clock, metrics: Arc<Metrics>) -> Driver {
        Driver {
            cycle,
            clock,
            metrics,
            under_way: JoinSet::new(),
            tasks: HashMap::new(),
            shown: Shown { at: None, outdated: true },
            supervisor: Supervisor::new(),
            beating: Beating::default(),
            reloading: None,
        }
    }

    /// Takes up the configuration again on SIGHUP and when asked; who reads of the engine is given the new one.
    pub(super) fn reloading(self, reloader: Reloader, engine: LiveEngine) -> Driver {
        Driver { reloading: Some((reloader, engine)), ..self }
    }

    /// Goes on until SIGTERM or SIGINT, then lets sends under way end.
    pub async fn drive(&mut self, mut requests: mpsc::Receiver<Incoming>, signals: Signals) -> anyhow::Result<()> {
        let Signals { mut terminate, mut interrupt, mut hangup } = signals;
        self.beating.configured(self.cycle.heart());
        self.supervisor.ready();
        loop {
            self.step_what_came().await?;
            let now = self.clock.now();
            self.start_what_is_due(now).await?;
            self.show_state().await?;
            let sleep = self.sleep_for(now).await?;
            self.tell_alive(monotonic()).await;
            tokio::select! {
                Some(done) = self.under_way.join_next_with_id() => {
                    self.ended(done).await?;
                    // All that came by now: one for each piece of a long replay would leave quick KPIs waiting behind it.
                    while let Some(done) = self.under_way.try_join_next_with_id() {
                        self.ended(done).await?;
                    }
                }
                Some(incoming) = requests.recv() => self.answer(incoming).await?,
                prepared = prepared(&mut self.reloading) => self.reload(prepared).await?,
                () = tokio::time::sleep(sleep) => {}
                _ = hangup.recv() => self.ask_reload(None),
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        tracing::info!("told to end; waiting for sends under way");
        self.supervisor.stopping();
        self.drain().await
    }

    async fn answer(&mut self, incoming: Incoming) -> anyhow::Result<()> {
        if incoming.request == Request::Reload && self.reloading.is_some() {
            tracing::info!(by = incoming.by, "a reload is asked for over the control socket");
            self.ask_reload(Some((incoming.by, incoming.reply)));
            return Ok(());
        }
        let now = self.clock.now();
        Ok(requests::answer(&mut self.cycle, incoming, (now, &self.clock)).await?)
    }

    fn ask_reload(&mut self, asker: Option<Asker>) {
        if let Some((reloader, _)) = &mut self.reloading
            && reloader.ask(asker)
        {
            self.supervisor.reloading();
        }
    }

    /// Goes on under what was prepared, or as before.
    async fn reload(&mut self, prepared: Result<Prepared, String>) -> anyhow::Result<()> {
        let before = self.cycle.setup();
        let outcome = match prepared {
            Ok(prepared) => self.take_effect(prepared).await?,
            Err(problems) => Err(format!("the configuration has errors:\n{}", problems.trim_end())),
        };
        match &outcome {
            Ok(text) => tracing::info!("{text}"),
            Err(why) => {
                self.metrics.reload_failed();
                tracing::error!("not reloaded, the configuration before stays in force: {why}");
            }
        }
        let by = self.reloading.as_ref().and_then(|(reloader, _)| reloader.asked_by());
        let after = self.cycle.setup();
        let detail = match &outcome {
            Ok(_) => json!({"from": before.catalog.checksum, "to": after.catalog.checksum,
                            "commit": self.reloading.as_ref().and_then(|(reloader, _)| reloader.commit()),
                            "changes": difference(&before.catalog, &after.catalog)}),
            Err(why) => json!({"from": before.catalog.checksum, "refused": why}),
        };
        self.cycle.note(by.as_deref(), "reload", &detail, self.clock.now()).await?;
        self.supervisor.ready();
        if let Some((reloader, _)) = &mut self.reloading
            && reloader.ended(&outcome)
        {
            self.ask_reload(None);
        }
        Ok(())
    }

    async fn take_effect(&mut self, prepared: Prepared) -> anyhow::Result<Result<String, String>> {
        let Prepared { built, settings, remarks } = prepared;
        let Some((reloader, engine)) = &mut self.reloading else { return Ok(Err("nothing reloads here".to_owned())) };
        if let Some(why) = reloader.needs_restart(&settings) {
            return Ok(Err(why));
        }
        let now = self.clock.now();
        if built.setup.catalog.kpis.is_empty() && self.cycle.kpi_count() > 0 {
            let why = "the configuration has no KPI any more, as a file that is half written; if that is meant, restart the service";
            return Ok(Err(why.to_owned()));
        }
        if let Err(why) = self.cycle.reload(built.clone(), now).await? {
            return Ok(Err(why));
        }
        self.tasks.retain(|_, task| match task {
            Task::Pull(handle) => {
                handle.abort();
                false
            }
            Task::Send(_) => true,
        });
        engine.set(self.cycle.engine().clone());
        self.metrics.configured(&built.metric_names());
        self.metrics.set_configured_at(now);
        self.shown = Shown { at: None, outdated: true };
        self.beating.configured(self.cycle.heart());
        if let Err(error) = telemetry::set_level(&settings.log.level) {
            tracing::warn!(%error, "the level of the log stays as it was");
        }
        reloader.took_effect(settings);
        let remarks = if remarks.is_empty() { String::new() } else { format!("\n{}", remarks.trim_end()) };
        let catalog = &built.setup.catalog;
        Ok(Ok(format!(
            "reloaded: {} KPIs, {} objectives, {} rules, configuration {}{remarks}",
            self.cycle.kpi_count(),
            catalog.objectives.len(),
            catalog.rules.len(),
            catalog.checksum.get(..12).unwrap_or(&catalog.checksum),
        )))
    }

    /// One round went through the engine, the store and the queue; unless a send is stuck, all of it moves.
    async fn tell_alive(&mut self, now: Instant) {
        let is_stuck = |task: &Task| match task {
            Task::Send(since) => now.saturating_duration_since(*since) > SEND_STUCK,
            Task::Pull(_) => false,
        };
        if !self.tasks.values().any(is_stuck) {
            self.supervisor.alive(now);
            // What can't be written keeps the service from its work, though it lives.
            if self.cycle.writes_all()
                && let Some(is_taken) = self.beating.alive(now).await
            {
                self.metrics.heartbeat_ended(is_taken, self.clock.now());
            }
        }
    }

    async fn start_what_is_due(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.cycle.tend_space(now).await?;
        self.metrics.set_state_space(self.cycle.has_space());
        self.metrics.set_state_locked(self.cycle.is_locked());
        self.cycle.tend_retention(now).await?;
        self.metrics.set_withheld(self.cycle.withheld);
        for (job, visit) in self.cycle.due_pulls(now).await? {
            self.start_pull(job, visit);
        }
        self.cycle.wake(now).await?;
        for send in self.cycle.due_sends(now).await? {
            self.start_send(send);
        }
        Ok(())
    }

    async fn step_what_came(&mut self) -> anyhow::Result<()> {
        for Stepped { tally, took, at } in self.cycle.advance(self.clock.now(), PIECE).await? {
            self.metrics.evaluated(tally.verdicts, tally.failures, took, at);
            self.shown.outdated = true;
        }
        Ok(())
    }

    fn start_pull(&mut self, job: Job, visit: Option<Visit>) {
        let clock = self.clock.clone();
        tracing::debug!(kpi = %job.kpi.id, source = %job.kpi.source, "a pull begins");
        let handle = self.under_way.spawn(async move {
            let kept = job.clone();
            let pulled = AssertUnwindSafe(job.pull(visit, &clock)).catch_unwind().await;
            let outcome = pulled.unwrap_or_else(|_| PullOutcome {
                result: Some(Err(SourceError::new(
                    ErrorClass::Unexpected,
                    format!("the pull of KPI '{}' panicked; report this as a bug", kept.kpi.id),
                ))),
                refusal: None,
                took: Duration::ZERO,
                at: clock.now(),
                job: kept,
            });
            Done::Pulled(Box::new(outcome))
        });
        self.tasks.insert(handle.id(), Task::Pull(handle));
    }

    fn start_send(&mut self, send: Send) {
        let clock = self.clock.clone();
        let handle = self.under_way.spawn(async move { Done::Sent(Box::new(send.run(&clock).await)) });
        self.tasks.insert(handle.id(), Task::Send(monotonic()));
    }

    async fn ended(&mut self, done: Result<(Id, Done), tokio::task::JoinError>) -> anyhow::Result<()> {
        let (id, done) = match done {
            Err(error) if error.is_cancelled() => return Ok(()),
            done => done.context("a send panicked; its delivery will be sent again after a restart")?,
        };
        if self.tasks.remove(&id).is_none() {
            return Ok(());
        }
        match done {
            Done::Pulled(outcome) => {
                let end = match &outcome.result {
                    Some(Err(_)) if outcome.refusal.is_some() => PullEnd::NotSent,
                    Some(Err(error)) => PullEnd::Failed(error.class.as_str()),
                    Some(Ok(pull)) if !pull.complete => PullEnd::Partial,
                    Some(Ok(_)) | None => PullEnd::Complete,
                };
                let Job { kpi, .. } = &outcome.job;
                let took_ms = outcome.took.as_millis() as u64;
                tracing::debug!(kpi = %kpi.id, source = %kpi.source, outcome = end.as_str(), took_ms, "a pull ended");
                self.metrics.pull_ended(&outcome.job.kpi.source, end, outcome.took);
                // What failed is asked for again, with the same slots.
                if !matches!(outcome.result, Some(Err(_))) {
                    self.metrics.slots_missed(outcome.job.missed());
                }
                self.cycle.take_up(*outcome).await;
            }
            Done::Sent(outcome) => {
                let kind = outcome.send.channel_kind();
                let result = FailureReason::of(&outcome.outcome).map_or(Ok(()), Err);
                self.metrics.delivery_ended(kind, result);
                self.cycle.sent(*outcome).await?;
            }
        }
        self.shown.outdated = true;
        Ok(())
    }

    /// Gauges of what is: live alerts, queue.
    async fn show_state(&mut self) -> anyhow::Result<()> {
        if self.shown.due_in(monotonic()) != Some(Duration::ZERO) {
            return Ok(());
        }
        let live = |state: &crate::engine::State| {
            state.book.sorted().into_values().map(|alert| (alert.phase, alert.severity)).collect::<Vec<_>>()
        };
        let alerts = self.cycle.engine().with(move |state, _| live(state)).await;
        let firing = alerts.iter().filter(|(phase, _)| *phase == Phase::Firing).count();
        self.metrics
            .set_alerts(alerts.into_iter().filter(|(phase, _)| matches!(phase, Phase::Pending | Phase::Firing)));
        let depth = self.cycle.store().queue_depth().await?;
        self.metrics.set_queue(self.cycle.receivers().collect::<Vec<_>>(), &depth);
        let oldest = if depth.is_empty() { None } else { self.cycle.store().oldest_queued().await? };
        self.metrics.set_oldest_queued(oldest);
        let log = self.cycle.store().log_bytes();
        self.metrics.set_state_log(log);
        self.cycle.said.log(log);
        let kpis = self.cycle.figures(self.clock.now()).await;
        self.metrics.set_kpis(&kpis.unwrap_or_default());
        for gate in self.cycle.gates() {
            self.metrics.set_source(&gate.source, gate.paused.is_some(), gate.waiting);
        }
        let queued: u64 = depth.iter().map(|(_, queued)| queued).sum();
        self.supervisor
            .status(format!("{} KPIs, {firing} alerts firing, {queued} messages waiting", self.cycle.kpi_count()));
        self.shown = Shown { at: Some(monotonic()), outdated: false };
        Ok(())
    }

    async fn sleep_for(&mut self, now: Timestamp) -> anyhow::Result<Duration> {
        if self.cycle.has_steps() {
            return Ok(Duration::ZERO);
        }
        let wake = self.cycle.next_wake(now).await;
        let delivery = self.cycle.next_delivery().await?;
        let next = [wake, delivery].into_iter().flatten().min();
        let until = next.map_or(SLEEP_MAX, |at| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO));
        let until = self.shown.due_in(monotonic()).map_or(until, |due| until.min(due)).min(self.supervisor.round_max());
        let until = self.beating.due_in(monotonic()).map_or(until, |due| until.min(due));
        Ok(until.clamp(SLEEP_MIN, SLEEP_MAX))
    }

    /// Pulls under way are given up; sends may end, within a bound.
    async fn drain(&mut self) -> anyhow::Result<()> {
        let deadline = tokio::time::sleep(DRAIN_MAX);
        tokio::pin!(deadline);
        while self.cycle.sends_under_way() > 0 {
            tokio::select! {
                Some(done) = self.under_way.join_next_with_id() => {
                    if matches!(done, Ok((_, Done::Sent(_)))) {
                        self.ended(done).await?;
                    }
                }
                () = &mut deadline => {
                    tracing::warn!("sends still under way are given up; they are sent again after the next start");
                    break;
                }
            }
        }
        self.under_way.abort_all();
        Ok(())
    }
}

/// What a reload prepared; never, where nothing reloads.
async fn prepared(reloading: &mut Option<(Reloader, LiveEngine)>) -> Result<Prepared, String> {
    match reloading {
        Some((reloader, _)) => reloader.prepared().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::tests::sends::queued;

    #[test]
    fn gauges_follow_once_a_second() {
        let began = monotonic();
        let mut shown = Shown { at: None, outdated: true };
        assert_eq!(shown.due_in(began), Some(Duration::ZERO));
        shown = Shown { at: Some(began), outdated: false };
        assert_eq!(shown.due_in(began), None);
        shown.outdated = true;
        let in_ms = |ms| shown.due_in(began + Duration::from_millis(ms));
        assert_eq!(in_ms(400), Some(Duration::from_millis(600)), "what ends within the second waits");
        assert_eq!(in_ms(2_000), Some(Duration::ZERO));
    }

    #[tokio::test]
    async fn a_send_far_beyond_its_deadline_keeps_the_watchdog_from_its_ping() {
        let (_place, cycle, clock) = queued(2).await;
        let metrics = Arc::new(Metrics::new(&cycle.built.metric_names()));
        let mut driver = Driver::new(cycle, clock, metrics);
        driver.supervisor = Supervisor::watched(Duration::from_secs(30));
        let began = monotonic();
        let mut sends = driver.cycle.due_sends(driver.clock.now()).await.unwrap();
        assert_eq!(sends.len(), 2);
        driver.start_send(sends.remove(0));
        let mut pings = async |after: u64| {
            driver.tell_alive(began + Duration::from_secs(after)).await;
            driver.supervisor.pinged_at().map(|at| (at - began).as_secs())
        };
        assert_eq!(pings(0).await, Some(0));
        assert_eq!(pings(31).await, Some(31), "at its deadline it ends by itself");
        assert_eq!(pings(119).await, Some(119));
        assert_eq!(pings(150).await, Some(119), "it is stuck");
        assert_eq!(pings(3_600).await, Some(119), "for good");
        // What is stuck is over: the end of it counts, not that others have begun.
        let done = driver.under_way.join_next_with_id().await.unwrap();
        driver.ended(done).await.unwrap();
        driver.tell_alive(began + Duration::from_secs(3_601)).await;
        assert_eq!(driver.supervisor.pinged_at(), Some(began + Duration::from_secs(3_601)));
    }
}
