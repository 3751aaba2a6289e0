//! The way of every pull to its source: a place among those at once, the breaker, and what is counted of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::breaker::{Admission, Breaker, Open};
use crate::clock::Clock;
use crate::model::catalog::Catalog;
use crate::model::ids::{KpiId, SourceId};
use crate::source::{Shared, Source, SourceError};

/// Pulls of one source under way at once.
const PER_SOURCE_MAX: usize = 4;
/// Pulls under way at once, of all sources. One source that hangs holds a few of these places, never all.
const PULLS_MAX: usize = 64;

/// One source and whoever waits for it. Nothing of it survives the process: a start asks anew.
pub struct Gate {
    id: SourceId,
    source: Arc<Source>,
    places: Semaphore,
    all: Arc<Common>,
    /// None where there is no network to be down.
    breaker: Option<Mutex<Breaker>>,
    /// A pull that tried has ended.
    decided: Notify,
    waiting: AtomicU64,
    asked: AtomicU64,
    refused: AtomicU64,
}

/// The places that all sources share.
struct Common {
    places: Semaphore,
    /// That none is free stands in the log.
    is_said: AtomicBool,
}

/// A pull that may be sent; dropping it without an end says nothing of the source.
pub(super) struct Entry<'a> {
    gate: &'a Gate,
    /// It is the one that tries whether the source answers again.
    pub(super) tries: bool,
    _places: (SemaphorePermit<'a>, SemaphorePermit<'a>),
}

/// Why a pull was not sent.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The failure for which pulls are held back.
    pub cause: SourceError,
    /// When pulls are let through again; none where that failure came after the pull was due and so stands for it.
    pub retry_at: Option<Timestamp>,
}

/// A gate, and what the KPIs that are due together share.
#[derive(Clone)]
pub struct Visit {
    pub(super) gate: Arc<Gate>,
    pub(super) shared: Arc<Shared>,
}

/// How a source is doing, as `vigie status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateState {
    pub source: SourceId,
    /// Why and until when pulls are held back; afterwards one tries.
    pub paused: Option<Paused>,
    /// Pulls since the start that were sent, and that were not.
    pub pulls: u64,
    pub refused: u64,
    /// Requests since the start; none where the source is not asked by HTTP.
    pub requests: Option<u64>,
    /// Pulls that wait for a place.
    pub waiting: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    pub until: Timestamp,
    /// The failure that opened the breaker. Free of secrets.
    pub cause: String,
}

/// The gates of all sources that KPIs ask.
pub(super) fn gates(catalog: &Catalog, sources: &HashMap<SourceId, Arc<Source>>) -> HashMap<SourceId, Arc<Gate>> {
    let all = Arc::new(Common::new());
    let gate = |(id, source): (&SourceId, &Arc<Source>)| {
        let kpis = catalog.kpis.values().filter(|kpi| kpi.source == *id).count();
        (id.clone(), Arc::new(Gate::new(id.clone(), source.clone(), (kpis, all.clone()))))
    };
    sources.iter().map(gate).collect()
}

impl Visit {
    /// A visit to a source outside the service: one pull, which no breaker has anything to say of.
    pub fn alone(id: SourceId, source: Arc<Source>) -> Visit {
        let gate = Gate { breaker: None, ..Gate::new(id, source, (1, Arc::new(Common::new()))) };
        Visit { gate: Arc::new(gate), shared: Arc::default() }
    }
}

impl Common {
    fn new() -> Common {
        Common { places: Semaphore::new(PULLS_MAX), is_said: AtomicBool::new(false) }
    }

    async fn place(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(place) = self.places.try_acquire() {
            self.is_said.store(false, Ordering::Relaxed);
            return Some(place);
        }
        if !self.is_said.swap(true, Ordering::Relaxed) {
            tracing::info!(at_once = PULLS_MAX, "as many pulls are under way as there may be; others wait for a place");
        }
        self.places.acquire().await.ok()
    }
}

impl Gate {
    fn new(id: SourceId, source: Arc<Source>, (kpis, all): (usize, Arc<Common>)) -> Gate {
        let breaker = source.capabilities().network.then(|| Mutex::new(Breaker::new(&id, kpis)));
        Gate {
            id,
            source,
            places: Semaphore::new(PER_SOURCE_MAX),
            all,
            breaker,
            decided: Notify::new(),
            waiting: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Waits for a place and, while another pull tries whether the source answers, for what comes of that.
    pub(super) async fn enter(&self, due_at: Timestamp, clock: &Clock) -> Result<Entry<'_>, Refusal> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let entered = self.enter_waiting(due_at, clock).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let counted = if entered.is_ok() { &self.asked } else { &self.refused };
        counted.fetch_add(1, Ordering::Relaxed);
        entered
    }

    async fn enter_waiting(&self, due_at: Timestamp, clock: &Clock) -> Result<Entry<'_>, Refusal> {
        // The source's own limit first: pulls that wait for a slow source hold no common place.
        let own = self.places.acquire().await.expect("invariant: places are never closed");
        let tries = loop {
            let decided = self.decided.notified();
            tokio::pin!(decided);
            // Before the look, so that no decision falls between it and the wait.
            decided.as_mut().enable();
            match self.breaker().map_or(Admission::Pass, |mut breaker| breaker.admit(clock.now())) {
                Admission::Pass => break false,
                Admission::Try => break true,
                Admission::Refused(open) => return Err(refusal(open, due_at)),
                Admission::Wait => decided.await,
            }
        };
        // Given up with the future that waits for a common place.
        let mut trying = Trying { gate: self, is_on: tries };
        let common = self.all.place().await.expect("invariant: places are never closed");
        trying.is_on = false;
        Ok(Entry { gate: self, tries, _places: (own, common) })
    }

    /// When a KPI last failed that has not succeeded since.
    pub(super) fn failed_at(&self, kpi: &KpiId) -> Option<Timestamp> {
        self.breaker().and_then(|breaker| breaker.failed_at(kpi))
    }

    pub(super) fn state(&self) -> GateState {
        let open = self.breaker().and_then(|breaker| breaker.open().cloned());
        GateState {
            source: self.id.clone(),
            paused: open.map(|open| Paused { until: open.until, cause: open.cause.message }),
            pulls: self.asked.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            requests: self.source.requests(),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    fn breaker(&self) -> Option<MutexGuard<'_, Breaker>> {
        self.breaker.as_ref().map(|breaker| breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, kpi: &KpiId, outcome: (bool, Option<&SourceError>), now: Timestamp) {
        let Some(mut breaker) = self.breaker() else { return };
        let changed = breaker.ended(kpi, outcome, now);
        let open = breaker.open().cloned();
        drop(breaker);
        self.decided.notify_waiters();
        match open.filter(|_| changed) {
            Some(Open { until, cause, .. }) => {
                tracing::warn!(source = %self.id, %until, %cause, "the source fails: no pull is sent to it until then");
            }
            None if changed => tracing::info!(source = %self.id, "the source answers again"),
            None => {}
        }
    }

    fn give_up(&self) {
        if let Some(mut breaker) = self.breaker() {
            breaker.give_up();
        }
        self.decided.notify_waiters();
    }
}

impl Entry<'_> {
    /// A part of the pull succeeded: those that wait for its try need not wait for the rest of a long history.
    pub(super) fn answered(&mut self, kpi: &KpiId, now: Timestamp) {
        if std::mem::take(&mut self.tries) {
            self.gate.note(kpi, (true, None), now);
        }
    }

    /// What came of the pull.
    pub(super) fn ended(mut self, kpi: &KpiId, error: Option<&SourceError>, now: Timestamp) {
        let tried = std::mem::take(&mut self.tries);
        self.gate.note(kpi, (tried, error), now);
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if self.tries {
            self.gate.give_up();
        }
    }
}

struct Trying<'a> {
    gate: &'a Gate,
    is_on: bool,
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if self.is_on {
            self.gate.give_up();
        }
    }
}

impl Refusal {
    /// For the KPI that was not asked for; the outage is told with the cause alone.
    pub(super) fn error(&self, source: &SourceId) -> SourceError {
        let next = self.retry_at.map_or_else(
            || "others of its KPIs have just tried".to_owned(),
            |at| format!("the next try is at {}", at.strftime("%H:%M:%S UTC")),
        );
        let message = format!("source '{source}' was not asked, {next}: {}", self.cause.message);
        SourceError::new(self.cause.class, message)
    }
}

fn refusal(open: Open, due_at: Timestamp) -> Refusal {
    let stands = open.failed_at >= due_at;
    Refusal { cause: open.cause, retry_at: (!stands).then_some(open.until) }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
