//! Which slots were missed, and what was known at each of them.

use jiff::{SignedDuration, Timestamp};

use crate::model::catalog::Catalog;
use crate::model::grain::start_of_day;
use crate::model::kpi::Kpi;
use crate::model::observation::Observation;

/// Buckets stepped on a first start for a KPI without objective.
const FIRST_BUCKETS: i64 = 30;
/// Slots stepped at most in one catch-up; older ones are passed over, and the daemon says so.
const SLOTS_MAX: usize = 5_000;

/// Slots that nobody stepped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Oldest first; at most 5,000 of the newest.
    pub slots: Vec<Timestamp>,
    /// How many more there were before them.
    pub passed_over: u64,
}

/// Slots after `last` up to `now`, as far as they are stepped.
pub fn missed_slots(kpi: &Kpi, last: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    missed(kpi, last, now).slots
}

/// Slots after `last` up to `now`, and how many of them are too old to be stepped.
pub fn missed(kpi: &Kpi, last: Timestamp, now: Timestamp) -> Missed {
    let mut slots = std::collections::VecDeque::new();
    // Over ten years, as a clock set wrong has it, slots of every second are hundreds of millions.
    let (mut passed_over, mut at) = kpi.schedule.skip((last, now), SLOTS_MAX).unwrap_or((0, last));
    while let Some(slot) = kpi.schedule.next_after(at, &kpi.zone, &kpi.calendar).filter(|slot| *slot <= now) {
        slots.push_back(slot);
        if slots.len() > SLOTS_MAX {
            slots.pop_front();
            passed_over += 1;
        }
        at = slot;
    }
    Missed { slots: slots.into(), passed_over }
}

/// The slots that a KPI, or a new rule on it, is stepped through before its first notification: those of
/// the current period's buckets, without objective those of the last thirty.
pub fn first_slots(catalog: &Catalog, kpi: &Kpi, now: Timestamp) -> Vec<Timestamp> {
    let newest = kpi.grain.last_ended(now, &kpi.zone);
    let today = kpi.grain.date_of(newest);
    let period_start = catalog
        .objectives_on(&kpi.id)
        .filter_map(|objective| objective.period_holding(today))
        .map(|period| start_of_day(period.first, &kpi.zone))
        .min();
    let thirty = kpi.grain.bucket(newest - FIRST_BUCKETS + 1, &kpi.zone).end;
    let from = period_start.unwrap_or(thirty);
    // One millisecond earlier: `missed_slots` looks strictly after.
    missed_slots(kpi, from.checked_sub(SignedDuration::from_millis(1)).unwrap_or(from), now)
}

/// Splits observations by when they became known: those to take in before each slot, in order.
pub fn known_by(mut observations: Vec<Observation>, slots: &[Timestamp]) -> Vec<Vec<Observation>> {
    observations.sort_by_key(|observation| observation.known_at);
    let mut rest = observations.into_iter().peekable();
    let mut batches: Vec<Vec<Observation>> = slots
        .iter()
        .map(|slot| std::iter::from_fn(|| rest.next_if(|observation| observation.known_at <= *slot)).collect())
        .collect();
    let late: Vec<Observation> = rest.collect();
    match batches.last_mut() {
        Some(last) => last.extend(late),
        None => batches.push(late),
    }
    batches
}
