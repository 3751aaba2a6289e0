//! The cycle by a clock that runs: pulls and sends side by side, people's requests, an orderly end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::control::Incoming;
use super::cycle::Cycle;
use super::deliver::{Send, SendOutcome};
use super::gate::Visit;
use super::jobs::{Job, PullOutcome};
use super::requests;
use super::stepping::Stepped;
use crate::clock::{Clock, monotonic};
use crate::model::alert::Phase;
use crate::net::ErrorClass;
use crate::source::SourceError;
use crate::telemetry::{FailureReason, Metrics, PullEnd};

/// Longest sleep: whatever was computed, the cycle looks again by then.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// Least sleep, so that a bug in computing the next wake can't spin.
const SLEEP_MIN: Duration = Duration::from_millis(10);
/// Gauges are brought up to date this often at most: each time all alerts and the queue are looked through.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// How long evaluations go on before sends and requests have their turn.
const PIECE: Duration = Duration::from_millis(50);
/// How long sends under way may take to end after SIGTERM.
const DRAIN_MAX: Duration = Duration::from_secs(35);

/// Something that was under way and ended.
enum Done {
    Pulled(Box<PullOutcome>),
    Sent(Box<SendOutcome>),
}

/// A cycle with what is under way.
pub struct Driver {
    pub cycle: Cycle,
    clock: Clock,
    metrics: Arc<Metrics>,
    under_way: JoinSet<Done>,
    shown: Shown,
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
        Driver { cycle, clock, metrics, under_way: JoinSet::new(), shown: Shown { at: None, outdated: true } }
    }

    /// Goes on until SIGTERM or SIGINT, then lets sends under way end.
    pub async fn drive(&mut self, mut requests: mpsc::Receiver<Incoming>) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM can't be watched")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT can't be watched")?;
        loop {
            self.step_what_came().await?;
            let now = self.clock.now();
            self.start_what_is_due(now).await?;
            self.show_state().await?;
            let sleep = self.sleep_for(now).await?;
            tokio::select! {
                Some(done) = self.under_way.join_next() => {
                    self.ended(done).await?;
                    // All that came by now: one for each piece of a long replay would leave quick KPIs waiting behind it.
                    while let Some(done) = self.under_way.try_join_next() {
                        self.ended(done).await?;
                    }
                }
                Some(incoming) = requests.recv() => {
                    let now = self.clock.now();
                    requests::answer(&mut self.cycle, incoming, (now, &self.clock)).await?;
                }
                () = tokio::time::sleep(sleep) => {}
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        tracing::info!("told to end; waiting for sends under way");
        self.drain().await
    }

    async fn start_what_is_due(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.cycle.tend_space(now).await?;
        self.metrics.set_state_space(self.cycle.has_space());
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
        self.under_way.spawn(async move {
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
    }

    fn start_send(&mut self, send: Send) {
        let clock = self.clock.clone();
        self.under_way.spawn(async move { Done::Sent(Box::new(send.run(&clock).await)) });
    }

    async fn ended(&mut self, done: Result<Done, tokio::task::JoinError>) -> anyhow::Result<()> {
        match done.context("a send panicked; its delivery will be sent again after a restart")? {
            Done::Pulled(outcome) => {
                let end = match &outcome.result {
                    Some(Err(_)) if outcome.refusal.is_some() => PullEnd::NotSent,
                    Some(Err(error)) => PullEnd::Failed(error.class.as_str()),
                    Some(Ok(pull)) if !pull.complete => PullEnd::Partial,
                    Some(Ok(_)) | None => PullEnd::Complete,
                };
                self.metrics.pull_ended(&outcome.job.kpi.source, end, outcome.took);
                self.metrics.slots_missed(outcome.job.missed());
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
        self.metrics
            .set_alerts(alerts.into_iter().filter(|(phase, _)| matches!(phase, Phase::Pending | Phase::Firing)));
        let depth = self.cycle.store().queue_depth().await?;
        self.metrics.set_queue(self.cycle.receivers().collect::<Vec<_>>(), &depth);
        for gate in self.cycle.gates() {
            self.metrics.set_source(&gate.source, gate.paused.is_some(), gate.waiting);
        }
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
        let until = self.shown.due_in(monotonic()).map_or(until, |due| until.min(due));
        Ok(until.clamp(SLEEP_MIN, SLEEP_MAX))
    }

    /// Pulls under way are given up; sends may end, within a bound.
    async fn drain(&mut self) -> anyhow::Result<()> {
        let deadline = tokio::time::sleep(DRAIN_MAX);
        tokio::pin!(deadline);
        while self.cycle.sends_under_way() > 0 {
            tokio::select! {
                Some(done) = self.under_way.join_next() => {
                    if matches!(done, Ok(Done::Sent(_))) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
