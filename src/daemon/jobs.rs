//! Pulls: which buckets a slot asks for, and the asking.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::gate::{Entry, Refusal, Visit};
use crate::clock::{Clock, monotonic, to_milliseconds};
use crate::engine::{History, PullTrouble, Suspects};
use crate::model::commit::KpiClock;
use crate::model::grain::{BucketIndex, day_of};
use crate::model::ids::{KpiId, Labels, RuleId};
use crate::model::kpi::{Kpi, LATE_BUCKETS};
use crate::model::observation::Pull;
use crate::model::roll_ups::RollUps;
use crate::model::series::{BUCKETS_MAX, SeriesData};
use crate::model::unit::Kind;
use crate::net::ErrorClass;
use crate::source::{PullRequest, Source, SourceError};
use crate::validate::Known;

/// Total time for one pull, retries included.
const PULL_DEADLINE: Duration = Duration::from_secs(60);
/// A first pull of a long history may take longer.
const HISTORY_DEADLINE: Duration = Duration::from_secs(600);
/// Times that a pull sends a request, if need be.
const TRIES_MAX: u32 = 3;
/// Suspect values this far behind the newest bucket are still asked for again with each slot.
const SUSPECT_BUCKETS: i64 = 60;
/// After a failed pull, when it is tried again, counted from the slot; the last distance is repeated.
const RETRIES: [SignedDuration; 6] = [
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(10),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(6),
    SignedDuration::from_hours(12),
];

/// A pull that is due, and what is stepped after it.
#[derive(Clone, Debug)]
pub struct Job {
    pub kpi: Arc<Kpi>,
    pub kind: JobKind,
    /// First and last bucket to ask for; none: nothing has ended since.
    pub span: Option<(BucketIndex, BucketIndex)>,
    /// The roll-ups that the configuration asks of it.
    pub roll_ups: Arc<RollUps>,
    pub known: Vec<Known>,
    pub due_at: Timestamp,
    /// For formulas: what they say, so that nobody is asked.
    pub computed: Option<Pull>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// The KPI is new: its history is pulled.
    First {
        slots: Vec<Timestamp>,
    },
    /// The KPI asks for something else than before: its history is pulled anew. Slots that were stepped are not
    /// stepped again, so that its alerts go on from where they are; only rules that have run take part.
    Anew {
        slots: Vec<Timestamp>,
        rules: Vec<RuleId>,
        /// The newest slot that was stepped.
        after: Timestamp,
    },
    /// Slots were missed while nothing ran.
    CatchUp {
        slots: Vec<Timestamp>,
        /// The newest slot that was stepped.
        after: Timestamp,
    },
    Slot {
        slot: Timestamp,
    },
    /// A slot whose pull failed, tried again.
    Retry {
        slot: Timestamp,
    },
    /// A span that a person asked for; judged in the newest slot.
    Asked {
        slot: Timestamp,
        /// The oldest bucket that the source spoke of when it was asked for what lies before.
        held_from: Option<BucketIndex>,
    },
    /// Rules that are new on a known KPI; nothing is pulled.
    NewRules {
        rules: Vec<RuleId>,
        slots: Vec<Timestamp>,
    },
}

/// What a pull came to.
#[derive(Debug)]
pub struct PullOutcome {
    pub job: Job,
    /// None: nothing had to be asked.
    pub result: Option<Result<Pull, SourceError>>,
    /// Why it was not sent, if so; the result says it too.
    pub refusal: Option<Refusal>,
    /// Of the exchange, without waiting for a place.
    pub took: Duration,
    /// When the answer was there.
    pub at: Timestamp,
}

impl Job {
    pub fn kpi_id(&self) -> &KpiId {
        &self.kpi.id
    }

    /// Asks the source, in pieces that it can bear, unless it is spared after failures.
    pub async fn pull(mut self, visit: Option<Visit>, clock: &Clock) -> PullOutcome {
        let mut took = Duration::ZERO;
        let (result, refusal) = match (self.span, visit, self.computed.take()) {
            (Some(_), _, Some(computed)) => (Some(Ok(computed)), None),
            (Some(span), Some(visit), None) => match visit.gate.enter(self.due_at, clock).await {
                Ok(mut entry) => {
                    let began = monotonic();
                    // Large, and a thousand pulls may wait for a place.
                    let result = Box::pin(self.ask((&visit, &mut entry), span, clock)).await;
                    took = began.elapsed();
                    entry.ended(&self.kpi.id, result.as_ref().err(), clock.now());
                    (Some(result), None)
                }
                Err(refusal) => (Some(Err(refusal.error(&self.kpi.source))), Some(refusal)),
            },
            (Some(_), None, None) | (None, ..) => (None, None),
        };
        PullOutcome { at: to_milliseconds(clock.now()), result, refusal, took, job: self }
    }

    async fn ask(
        &self,
        (visit, entry): (&Visit, &mut Entry<'_>),
        span: (BucketIndex, BucketIndex),
        clock: &Clock,
    ) -> Result<Pull, SourceError> {
        let (first, newest) = span;
        let source = visit.gate.source();
        let mut whole = Pull { complete: true, ..Pull::default() };
        let mut at = first;
        while at <= newest {
            let last = newest.min(at.saturating_add(piece(source, &self.kpi) - 1));
            let starts = |index| self.kpi.grain.start_of(index, &self.kpi.zone);
            let window = (self.kpi.kind == Kind::Window).then_some(at);
            let asked = match window {
                Some(bucket) => self.kpi.window_of(bucket),
                None => Some((starts(at), starts(last + 1))),
            };
            at = last + 1;
            let Some((from, to)) = asked else { continue };
            let request = PullRequest {
                kpi: self.kpi.clone(),
                from,
                to,
                window,
                now: self.due_at,
                deadline: self.deadline(span),
                // Whether a source answers again shows at once.
                tries_max: if entry.tries { 1 } else { TRIES_MAX },
                shared: visit.shared.clone(),
            };
            let part = source.pull(&request).await?;
            entry.answered(&self.kpi.id, clock.now());
            whole.complete &= part.complete;
            whole.readings.extend(part.readings);
            whole.warnings.extend(part.warnings);
            // What lies outside of one piece may lie inside of another.
            whole.outside = if (from, to) == (starts(first), starts(newest + 1)) { part.outside } else { 0 };
        }
        Ok(whole)
    }

    /// A person waits for what was asked for, and asks in pieces.
    fn deadline(&self, (from, to): (BucketIndex, BucketIndex)) -> Duration {
        let is_asked = matches!(self.kind, JobKind::Asked { .. });
        if to - from > 31 && !is_asked { HISTORY_DEADLINE } else { PULL_DEADLINE }
    }

    /// Slots that passed unjudged, as nothing ran or a pull took longer.
    pub fn missed(&self) -> u64 {
        match &self.kind {
            JobKind::CatchUp { slots, .. } => slots.len() as u64,
            JobKind::First { .. }
            | JobKind::Anew { .. }
            | JobKind::Slot { .. }
            | JobKind::Retry { .. }
            | JobKind::Asked { .. }
            | JobKind::NewRules { .. } => 0,
        }
    }

    /// True for pulls whose readings were not received by the slot of their own.
    pub fn is_late(&self) -> bool {
        match self.kind {
            JobKind::First { .. } | JobKind::Anew { .. } | JobKind::CatchUp { .. } | JobKind::Asked { .. } => true,
            JobKind::Slot { .. } | JobKind::Retry { .. } | JobKind::NewRules { .. } => false,
        }
    }
}

/// Buckets that are asked for at once.
fn piece(source: &Source, kpi: &Kpi) -> i64 {
    if kpi.kind == Kind::Window { 1 } else { i64::from(source.capabilities().buckets_per_pull_max.max(1)) }
}

/// Pulls that a span takes.
pub(super) fn pieces(source: &Source, kpi: &Kpi, (from, to): (BucketIndex, BucketIndex)) -> usize {
    let buckets = usize::try_from(to.saturating_sub(from).saturating_add(1)).unwrap_or(0);
    buckets.div_ceil(usize::try_from(piece(source, kpi)).unwrap_or(1))
}

/// The buckets that a slot asks for: those that had ended by then. One that ended since is left to its own
/// slot: its rows may still be on their way, and absent ones would pass for zero.
pub fn span(
    kpi: &Kpi,
    clock: Option<&KpiClock>,
    (history, suspects): (&History, &Suspects),
    (slot, now): (Timestamp, Timestamp),
) -> Option<(BucketIndex, BucketIndex)> {
    let to = kpi.grain.last_ended(slot, &kpi.zone);
    let oldest = kpi.grain.index_at(now.checked_sub(kpi.history).unwrap_or(now), &kpi.zone);
    let Some((pulled_to, pulled_at)) = clock.and_then(|clock| clock.pulled_to.zip(clock.last_pull_at)) else {
        return (oldest <= to).then_some((oldest, to));
    };
    // What was provisional at the last pull, plus what ended since, plus holes that late data may fill.
    // Counted from the slot: what a catch-up pulled later was judged as of its slot.
    let judged_at = clock.and_then(|clock| clock.last_slot).map_or(pulled_at, |last| last.min(pulled_at));
    let settled = kpi.grain.index_at(judged_at.checked_sub(kpi.settle).unwrap_or(judged_at), &kpi.zone);
    let settling = if kpi.settle.is_zero() { pulled_to + 1 } else { settled };
    let hole = oldest_hole(kpi, history, pulled_to).unwrap_or(pulled_to + 1);
    // A suspect value is asked for again, until it is old.
    let open = suspects.oldest_open(&kpi.id, pulled_to.saturating_sub(SUSPECT_BUCKETS));
    // However short the history, what came since the last pull and what had not settled then is asked for.
    let from = (pulled_to + 1).min(settling).min(hole).min(open.unwrap_or(pulled_to + 1));
    let has_failed = clock.is_none_or(|clock| clock.open.is_some());
    // A catch-up on the morning of a look at the past was that of the slot before.
    let last_look = if has_failed { kpi.grain.bucket(pulled_to, &kpi.zone).end } else { judged_at };
    let from = from.min(rechecked(kpi, last_look, (slot, now)).map_or(from, |back| back.max(oldest)));
    let from = from.max(to.saturating_sub(BUCKETS_MAX as BucketIndex));
    (from <= to).then_some((from, to))
}

/// The oldest bucket of a look at the past, which is due with the first pull of a day, week or month that succeeds.
fn rechecked(kpi: &Kpi, last_look: Timestamp, (slot, now): (Timestamp, Timestamp)) -> Option<BucketIndex> {
    let recheck = kpi.recheck?;
    let day = |at| day_of(at, &kpi.zone);
    let back = now.checked_sub(recheck.back).unwrap_or(now);
    recheck.every.parts(day(last_look), day(slot)).then(|| kpi.grain.index_at(back, &kpi.zone))
}

fn oldest_hole(kpi: &Kpi, history: &History, pulled_to: BucketIndex) -> Option<BucketIndex> {
    let hole_of = |data: &SeriesData| {
        let (first, last) = data.span()?;
        // A series that ended long ago is not waited for.
        let from = first.max(pulled_to - LATE_BUCKETS);
        let lives = last >= pulled_to - LATE_BUCKETS;
        (from..=pulled_to).find(|index| lives && data.get(*index).is_none())
    };
    match history.series(&kpi.id, &Labels::total()) {
        Some(total) => hole_of(total),
        // Levels that don't add up have no total: a row may be late in any of the series.
        None => history.of(&kpi.id).filter_map(|(_, data)| hole_of(data)).min(),
    }
}

/// When a slot whose pull failed at `now` is pulled again: at fixed distances from the slot, so that a
/// restart changes nothing, and not after the next slot, which asks for everything anyway. None: never.
pub fn retry_at(kpi: &Kpi, slot: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let next = kpi.schedule.next_after(now.max(slot), &kpi.zone, &kpi.calendar);
    let [.., last] = RETRIES;
    let passed = now.duration_since(slot).as_secs().max(0) / last.as_secs();
    let repeated = last.saturating_mul(i32::try_from(passed + 1).unwrap_or(i32::MAX));
    let all = RETRIES.into_iter().chain([repeated]).filter_map(|after| slot.checked_add(after).ok());
    all.into_iter().find(|at| *at > now).into_iter().chain(next).min()
}

/// The same, where something says when the source may be asked again: not later than that.
pub(super) fn retry_by(
    retry_at: Option<Timestamp>,
    may_ask_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let soon = may_ask_at.map(|at| at.max(now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now)));
    retry_at.into_iter().chain(soon).min()
}

/// When the error itself says that the source may be asked again.
pub(super) fn may_ask_at(error: &SourceError) -> Option<Timestamp> {
    match error.class {
        ErrorClass::Quota { reset_at } => Some(reset_at),
        ErrorClass::Auth
        | ErrorClass::Config
        | ErrorClass::Throttled { .. }
        | ErrorClass::Transient
        | ErrorClass::Unexpected
        | ErrorClass::Deadline
        | ErrorClass::TooLarge => None,
    }
}

/// Whether a failure concerns the whole source or this KPI's query alone.
pub(super) fn trouble(error: &SourceError, refusal: Option<&Refusal>) -> PullTrouble {
    PullTrouble {
        // The outage has one cause, however many of its pulls were not sent for it.
        message: refusal.map_or_else(|| error.to_string(), |refusal| refusal.cause.to_string()),
        not_asked: refusal.map(|_| error.to_string()),
        whole_source: error.class != ErrorClass::Config,
    }
}

/// The newest slot that a pull is for.
pub(super) fn newest_slot(kind: &JobKind, now: Timestamp) -> Timestamp {
    match kind {
        JobKind::Slot { slot } | JobKind::Retry { slot } | JobKind::Asked { slot, .. } => *slot,
        JobKind::First { slots }
        | JobKind::Anew { slots, .. }
        | JobKind::CatchUp { slots, .. }
        | JobKind::NewRules { slots, .. } => slots.last().copied().unwrap_or(now),
    }
}

/// Slots in order without repeats.
pub(super) fn in_order(slots: impl IntoIterator<Item = Timestamp>) -> Vec<Timestamp> {
    slots.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}
