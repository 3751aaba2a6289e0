//! From what a pull brought to the evaluations that follow: one for a slot, one each for slots that were missed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::jobs::{self, Job, JobKind, PullOutcome};
use crate::engine::{PullReport, SlotEvent, known_by};
use crate::model::grain::{BucketIndex, day_of};
use crate::model::kpi::Kpi;
use crate::model::observation::{Observation, Pull, Reading, Rejection};
use crate::model::roll_ups::RollUps;
use crate::validate::{Context, Known, KnownAt, Span, Validated, validate};

/// Buckets that a KPI of which nothing ever came is stepped through: as many as `no_data.after` waits for by default.
const MISSED_AT_FIRST: i64 = 3;
/// Slots of one KPI that are lived through again.
const SLOTS_MAX: usize = 1_000_000;

/// The evaluations that follow a pull, each with its instant.
pub(super) fn events_of(outcome: PullOutcome) -> Vec<(SlotEvent, Timestamp)> {
    let PullOutcome { job, result, refusal, at, took: _ } = outcome;
    let kpi = job.kpi.id.clone();
    let only = match &job.kind {
        JobKind::Anew { rules, .. } => Some(rules.clone()),
        JobKind::First { .. }
        | JobKind::CatchUp { .. }
        | JobKind::Slot { .. }
        | JobKind::Retry { .. }
        | JobKind::Asked { .. }
        | JobKind::NewRules { .. } => None,
    };
    let event =
        |slot, pull| SlotEvent { kpi: kpi.clone(), slot, pull, only: only.clone(), retry_at: None, completes: true };
    let report = match result {
        // Who asked is told; nothing else follows from it.
        Some(Err(_)) if matches!(job.kind, JobKind::Asked { .. }) => return Vec::new(),
        Some(Err(error)) => {
            let slot = jobs::newest_slot(&job.kind, at);
            let may_ask_at = refusal.as_ref().map_or_else(|| jobs::may_ask_at(&error), |refusal| refusal.retry_at);
            let retry_at = jobs::retry_by(jobs::retry_at(&job.kpi, slot, at), may_ask_at, at);
            let trouble = Some(jobs::trouble(&error, refusal.as_ref()));
            let pull = PullReport { trouble, at: Some(at), ..PullReport::default() };
            let failed = SlotEvent { retry_at, ..event(slot, Some(pull)) };
            return vec![(stay(&job.kind, failed), at)];
        }
        Some(Ok(pull)) => validated(&job, pull, at),
        None => PullReport { at: Some(at), nothing_asked: true, ..PullReport::default() },
    };
    match job.kind {
        JobKind::Slot { slot } | JobKind::Retry { slot } => vec![(event(slot, Some(report)), at)],
        JobKind::Asked { slot, .. } => {
            // It says nothing of how far the KPI has come, nor of a slot that is still open.
            let report = PullReport { nothing_asked: true, ..report };
            vec![(SlotEvent { completes: false, ..event(slot, Some(report)) }, at)]
        }
        JobKind::NewRules { rules, slots } => {
            let mut events: Vec<_> = slots
                .iter()
                .map(|slot| (SlotEvent { only: Some(rules.clone()), ..event(*slot, None) }, *slot))
                .collect();
            if events.is_empty() {
                events.push((SlotEvent { only: Some(rules), ..event(at, None) }, at));
            }
            completing_last(events)
        }
        JobKind::First { mut slots } => {
            // Nothing was missing before the first value that there is; while there is none, it is since a few buckets that
            // are enough to miss it.
            let first = report.observations.iter().map(|seen| seen.known_at).min();
            let newest = job.kpi.grain.last_ended(at, &job.kpi.zone);
            let from = first.unwrap_or_else(|| job.kpi.grain.bucket(newest - MISSED_AT_FIRST + 1, &job.kpi.zone).end);
            let last = slots.last().copied();
            slots.retain(|slot| *slot >= from || Some(*slot) == last);
            replay(&event, &job.kpi, slots, report, at)
        }
        JobKind::CatchUp { slots, after } => {
            let mut report = report;
            find_at_recheck(&job.kpi, &slots, after, &mut report.observations);
            replay(&event, &job.kpi, slots, report, at)
        }
        JobKind::Anew { slots, .. } => completing_last(replay(&event, &job.kpi, slots, report, at)),
    }
}

/// What a look at the past would have found is known from the slot of that look on: buckets that were final when the
/// service stopped are asked for by nothing else.
fn find_at_recheck(kpi: &Kpi, slots: &[Timestamp], after: Timestamp, observations: &mut [Observation]) {
    let Some(recheck) = kpi.recheck else { return };
    let day = |at| day_of(at, &kpi.zone);
    let Some(look) = slots.iter().find(|slot| recheck.every.parts(day(after), day(**slot))) else { return };
    let unsettled = after.checked_sub(kpi.settle).unwrap_or(after);
    let first_open = kpi.grain.last_ended(unsettled, &kpi.zone) + 1;
    for seen in observations.iter_mut().filter(|seen| seen.bucket < first_open) {
        seen.known_at = seen.known_at.max(*look);
    }
}

/// A failed pull of slots that were missed moves the KPI nowhere: no rule runs, so that every one of them is still to
/// be stepped once the source answers. Only the trouble is noted.
fn stay(kind: &JobKind, failed: SlotEvent) -> SlotEvent {
    match kind {
        JobKind::CatchUp { after, .. } | JobKind::Anew { after, .. } => {
            SlotEvent { slot: *after, only: Some(Vec::new()), ..failed }
        }
        JobKind::First { .. }
        | JobKind::Slot { .. }
        | JobKind::Retry { .. }
        | JobKind::Asked { .. }
        | JobKind::NewRules { .. } => failed,
    }
}

/// A replay that is cut off is begun again: only its last evaluation marks it as done.
fn completing_last(mut events: Vec<(SlotEvent, Timestamp)>) -> Vec<(SlotEvent, Timestamp)> {
    let last = events.len().saturating_sub(1);
    for (event, _) in events.iter_mut().take(last) {
        event.completes = false;
    }
    events
}

/// Missed slots in order, each with what was known by then: a bucket that had not settled is provisional
/// there, and final from the slot on at which it had.
fn replay(
    event: &dyn Fn(Timestamp, Option<PullReport>) -> SlotEvent,
    kpi: &Kpi,
    slots: Vec<Timestamp>,
    mut report: PullReport,
    at: Timestamp,
) -> Vec<(SlotEvent, Timestamp)> {
    let slots = if slots.is_empty() { vec![at] } else { jobs::in_order(slots) };
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
                // Only the last tells how the source is doing: one pull is one success.
                PullReport { observations, at: Some(at), nothing_asked: true, ..PullReport::default() }
            };
            (event(slot, Some(pull)), slot)
        })
        .collect()
}

fn validated(job: &Job, pull: Pull, at: Timestamp) -> PullReport {
    let Some((from, to)) = job.span else { return PullReport { at: Some(at), ..PullReport::default() } };
    // Before the first thing that a source ever said there is nothing, not zero.
    let bucket = |reading: &Reading| reading.time.bucket(job.kpi.grain, &job.kpi.zone);
    let first_said = || pull.readings.iter().map(bucket).min();
    let zero_from = match job.kind {
        JobKind::First { .. } | JobKind::Anew { .. } => first_said(),
        JobKind::Asked { .. } => first_said().into_iter().chain(job.known.iter().map(Known::first)).min(),
        JobKind::CatchUp { .. } | JobKind::Slot { .. } | JobKind::Retry { .. } | JobKind::NewRules { .. } => None,
    };
    let known_at = if job.is_late() { KnownAt::Assumed } else { KnownAt::Own(at) };
    let (kpi, roll_ups, known) = (&*job.kpi, &*job.roll_ups, &*job.known);
    let held_from = match job.kind {
        JobKind::Asked { held_from, .. } => held_from,
        JobKind::First { .. }
        | JobKind::Anew { .. }
        | JobKind::CatchUp { .. }
        | JobKind::Slot { .. }
        | JobKind::Retry { .. }
        | JobKind::NewRules { .. } => None,
    };
    let span = Span { from, to };
    let context = Context { kpi, span, known_at, now: at, roll_ups, known, zero_from, held_from };
    let mut found = validate(&context, pull);
    if let (JobKind::Asked { .. }, Some(first)) = (&job.kind, found.kept.first()) {
        // A person may have asked because it was deleted.
        found.warnings.push(format!(
            "`{}` says nothing of {} stored buckets of KPI `{}` from {} on, and nothing of what lies before: they are kept, \
             for sources forget; if they were deleted, ask from an earlier day on",
            kpi.source,
            found.kept.len(),
            kpi.id,
            kpi.bucket_name(*first),
        ));
    }
    report_of(found, to, at)
}

/// What a first pull would have been to a daemon that had run all the while.
#[derive(Clone, Debug, Default)]
pub struct Lived {
    /// In the order in which they count as known; what had not settled then comes once more when it had.
    pub versions: Vec<Observation>,
    pub rejections: Vec<Rejection>,
    pub warnings: Vec<String>,
}

/// Takes a span that was pulled at once apart into what each slot since would have brought.
pub fn lived(
    kpi: &Arc<Kpi>,
    roll_ups: &Arc<RollUps>,
    pull: Pull,
    span: (BucketIndex, BucketIndex),
    now: Timestamp,
) -> Lived {
    let first = kpi.grain.bucket(span.0, &kpi.zone).end;
    let slots = std::iter::successors(kpi.schedule.next_at_or_after(first, &kpi.zone, &kpi.calendar), |slot| {
        kpi.schedule.next_after(*slot, &kpi.zone, &kpi.calendar)
    });
    let slots: Vec<Timestamp> = slots.take_while(|slot| *slot <= now).take(SLOTS_MAX).collect();
    let job = Job {
        kpi: kpi.clone(),
        kind: JobKind::First { slots },
        span: Some(span),
        roll_ups: roll_ups.clone(),
        known: Vec::new(),
        due_at: now,
        computed: None,
    };
    let outcome = PullOutcome { job, result: Some(Ok(pull)), refusal: None, took: Duration::ZERO, at: now };
    let mut lived = Lived::default();
    for (event, _) in events_of(outcome) {
        let Some(report) = event.pull else { continue };
        // What a slot takes in is known from then on, whatever is assumed of it.
        let seen = report.observations.into_iter();
        lived.versions.extend(seen.map(|seen| Observation { known_at: seen.known_at.max(event.slot), ..seen }));
        lived.rejections.extend(report.rejections);
        lived.warnings.extend(report.warnings);
    }
    lived
}

/// What a pull that covered all up to a bucket is stepped with.
pub fn report_of(found: Validated, pulled_to: BucketIndex, at: Timestamp) -> PullReport {
    PullReport {
        observations: found.observations,
        rejections: found.rejections,
        pulled_to: Some(pulled_to),
        trouble: None,
        warnings: found.warnings,
        at: Some(at),
        oldest: found.oldest,
        nothing_asked: false,
    }
}
