//! The whole validation of one pull.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::AmbiguousOffset;

use super::buckets::{Combined, Impossible, Obstacle, Slot, Slots, Taken, roll_up};
use super::limits;
use crate::model::grain::{Bucket, BucketIndex};
use crate::model::ids::{Labels, SeriesKey};
use crate::model::kpi::{Empty, Kpi};
use crate::model::observation::{Observation, Pull, Reading, ReadingTime, ReadingValue, Rejection};
use crate::model::roll_ups::RollUps;
use crate::model::series::{Point, SeriesData};
use crate::model::unit::Kind;

/// Where more buckets than this were asked for, readings that all lie outside of them are a mistake.
const OUTSIDE_BUCKETS: BucketIndex = 6;
/// Dimensions that say in which currency an amount is.
const CURRENCY_NAMES: [&str; 2] = ["currency", "devise"];

/// The buckets that were pulled, both included; empty when `to` is before `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: BucketIndex,
    pub to: BucketIndex,
}

/// When the observations count as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownAt {
    /// Received by the slot of their own.
    Own(Timestamp),
    /// From catch-up or back-fill: at the KPI's first slot at or after the bucket's end.
    Assumed,
}

/// A series that is stored already, with at least one bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub labels: Labels,
    pub data: Arc<SeriesData>,
}

impl Known {
    /// Its oldest bucket.
    pub fn first(&self) -> BucketIndex {
        self.data.span().map_or(BucketIndex::MAX, |(first, _)| first)
    }
}

/// What validating needs beside the pull.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub kpi: &'a Kpi,
    pub span: Span,
    pub known_at: KnownAt,
    pub now: Timestamp,
    /// The roll-ups to derive beside the total.
    pub roll_ups: &'a RollUps,
    /// The series that are stored already: what a complete pull holds no more of them becomes zero, or is withdrawn.
    pub known: &'a [Known],
    /// No zero is made up for buckets before this one; none: for the whole span. Whatever it is, a dimension value
    /// has no zeros before it was first seen, so that slots missed and stepped later give what they would have given.
    pub zero_from: Option<BucketIndex>,
    /// The oldest bucket that the source is known to hold, beside those that the pull speaks of.
    pub held_from: Option<BucketIndex>,
}

/// What became of a pull.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Validated {
    /// By labels, then by bucket; those that withdraw a value come last.
    pub observations: Vec<Observation>,
    pub rejections: Vec<Rejection>,
    /// Those of the pull, and what was dropped or replaced here.
    pub warnings: Vec<String>,
    /// Readings outside the span.
    pub outside: usize,
    /// Readings of buckets that have not ended yet.
    pub running: usize,
    /// Stored buckets of which a complete pull says nothing and that were kept all the same, for it reaches back to
    /// nothing before them.
    pub kept: BTreeSet<BucketIndex>,
    /// The oldest bucket that anything was said of.
    pub oldest: Option<BucketIndex>,
}

/// Makes observations of a pull.
pub fn validate(context: &Context<'_>, pull: Pull) -> Validated {
    let mut work =
        Work { context: *context, slots: Slots::new(), outcome: Validated::default(), replaced: 0, twice: None };
    work.outcome.warnings = pull.warnings;
    work.outcome.outside = pull.outside;
    for reading in pull.readings {
        work.take(&reading);
    }
    work.refuse_outliers(false);
    let oldest = work.slots.values().filter_map(|buckets| Some(buckets.iter().next()?.0)).min();
    work.outcome.oldest = oldest;
    let oldest = oldest.into_iter().chain(context.held_from).min();
    let impossible = roll_up(context.kpi, context.roll_ups, &mut work.slots);
    work.refuse_outliers(true);
    work.note(&impossible);
    if pull.complete && context.kpi.empty == Empty::Zero {
        work.fill_zeros(&impossible);
    }
    work.observe();
    work.withdraw((pull.complete, oldest), &impossible);
    work.outcome
}

struct Work<'a> {
    context: Context<'a>,
    slots: Slots,
    outcome: Validated,
    replaced: usize,
    /// How many readings name an hour that comes twice, and the bucket of the first.
    twice: Option<(usize, BucketIndex)>,
}

impl Work<'_> {
    fn take(&mut self, reading: &Reading) {
        let kpi = self.context.kpi;
        let index = reading.time.bucket(kpi.grain, &kpi.zone);
        if !(self.context.span.from..=self.context.span.to).contains(&index) {
            self.outcome.outside += 1;
            return;
        }
        if kpi.grain.bucket(index, &kpi.zone).end > self.context.now {
            self.outcome.running += 1;
            return;
        }
        if is_of_an_hour_that_comes_twice(kpi, reading.time) {
            let (count, first) = self.twice.unwrap_or((0, index));
            self.twice = Some((count + 1, first));
        }
        if let Some(cause) = wrong_labels(kpi, &reading.labels) {
            self.reject(reading.origin.clone(), raw(&reading.value), cause);
            return;
        }
        let foreign = foreign_currency(kpi, &reading.labels);
        let slot = self.slots.entry(reading.labels.clone()).or_default().slot(index);
        if let Some(cause) = foreign {
            // The total without it would be too little, with it a sum of unlike things.
            slot.spoiled = true;
            self.reject(reading.origin.clone(), raw(&reading.value), cause);
            return;
        }
        match slot.take(kpi, reading.time.instant(&kpi.zone), &reading.value) {
            Taken::Well => {}
            Taken::Replaced => self.replaced += 1,
            Taken::Refused(cause) => self.reject(reading.origin.clone(), raw(&reading.value), cause),
        }
    }

    fn reject(&mut self, origin: String, raw: String, cause: String) {
        self.outcome.rejections.push(Rejection { origin, raw, cause });
    }

    /// Refuses values that are no finite number or outside the limits: of what the source gave first, so that a
    /// refused dimension value spoils its total and its roll-ups, then of these.
    fn refuse_outliers(&mut self, wholes: bool) {
        let kpi = self.context.kpi;
        let is_whole = |labels: &Labels| labels.is_total() || labels.count() < kpi.dimensions.len();
        let mut refused = Vec::new();
        for (labels, buckets) in self.slots.iter_mut().filter(|(labels, _)| is_whole(labels) == wholes) {
            for (index, slot) in buckets.iter_mut() {
                let Some(Combined { value, .. }) = slot.combined() else { continue };
                let overflow = slot.overflow().map(str::to_owned);
                if let Some(cause) = overflow.or_else(|| limits::refusal(kpi, labels, value)) {
                    slot.spoiled = true;
                    let origin = format!("{}{labels} of {}", kpi.id, kpi.bucket_name(index));
                    refused.push(Rejection { origin, raw: value.to_string(), cause });
                }
            }
        }
        self.outcome.rejections.extend(refused);
    }

    fn note(&mut self, impossible: &Impossible) {
        let kpi = self.context.kpi;
        if self.replaced > 0 {
            let warning =
                format!("{} readings of KPI `{}` stand twice for one moment; the last was kept", self.replaced, kpi.id);
            self.outcome.warnings.push(warning);
        }
        let Span { from, to } = self.context.span;
        if self.outcome.outside > 0 && self.slots.is_empty() && to - from >= OUTSIDE_BUCKETS {
            self.outcome.warnings.push(format!(
                "all {} readings of KPI `{}` lie outside of {} to {}; check the column of times, its form and the zone",
                self.outcome.outside,
                kpi.id,
                kpi.bucket_name(from),
                kpi.bucket_name(to),
            ));
        }
        if let Some((count, first)) = self.twice {
            self.outcome.warnings.push(format!(
                "{count} readings of KPI `{}` name a local time that comes twice that night, and are all taken for the first \
                 ({}); give instants, or times with an offset",
                kpi.id,
                kpi.bucket_name(first),
            ));
        }
        // One is told; the others lack the same buckets for the same reason.
        let Some((labels, buckets)) = impossible.first_key_value() else { return };
        let Some((first, obstacle)) = buckets.first_key_value() else { return };
        let cause = match (obstacle, kpi.kind) {
            (Obstacle::Absent, _) => {
                "a dimension value of it has a row without value; set `empty: zero` if such a row means none"
            }
            (Obstacle::Kind, Kind::Ratio) => "its dimension values don't add up; give numerator and denominator",
            (Obstacle::Kind, Kind::Window) => {
                "only its source can compute it; give a row without labels as well, or define a KPI without dimensions"
            }
            (Obstacle::Kind, Kind::Flow | Kind::Level { .. }) => {
                "its dimension values don't add up; declare the level additive, or give rows without labels"
            }
        };
        let what = if labels.is_total() { "total".to_owned() } else { format!("{labels}") };
        self.outcome.warnings.push(format!(
            "KPI `{}` has no {what} for {} buckets from {} on: {cause}",
            kpi.id,
            buckets.len(),
            kpi.bucket_name(*first),
        ));
    }

    /// A complete pull says that what it doesn't hold is zero: for the total, and for every series from the first
    /// bucket on at which it was ever seen.
    fn fill_zeros(&mut self, impossible: &Impossible) {
        let kpi = self.context.kpi;
        if kpi.kind == Kind::Ratio {
            return;
        }
        let last = self.context.span.to.min(kpi.grain.last_ended(self.context.now, &kpi.zone));
        let first = self.context.span.from.max(self.context.zero_from.unwrap_or(BucketIndex::MIN));
        for (labels, seen) in self.first_seen() {
            let buckets = self.slots.entry(labels.clone()).or_default();
            let impossible = impossible.get(&labels);
            for index in first.max(seen)..=last {
                if impossible.is_some_and(|buckets| buckets.contains_key(&index)) {
                    continue;
                }
                let slot = buckets.slot(index);
                if !slot.spoiled && slot.combined().is_none() {
                    let start = kpi.grain.start_of(index, &kpi.zone);
                    slot.take(kpi, start, &ReadingValue::Number(0.0));
                }
            }
        }
    }

    /// The oldest bucket of every series that is kept, stored or in this pull; the total is there from the start.
    fn first_seen(&self) -> BTreeMap<Labels, BucketIndex> {
        let mut first: BTreeMap<Labels, BucketIndex> = BTreeMap::new();
        let known = self.context.known.iter().filter(|known| self.is_kept(&known.labels));
        let known = known.map(|known| (&known.labels, known.first()));
        // A bucket that was refused tells nothing of its series: it leaves no observation.
        let pulled = self.slots.iter().filter_map(|(labels, buckets)| {
            let (index, _) = buckets.iter().find(|(_, slot)| !slot.spoiled)?;
            Some((labels, index))
        });
        for (labels, index) in known.chain(pulled) {
            let seen = first.entry(labels.clone()).or_insert(index);
            *seen = index.min(*seen);
        }
        let total_known = self.context.known.iter().any(|known| known.labels.is_total());
        if !total_known {
            first.insert(Labels::total(), BucketIndex::MIN);
        }
        first
    }

    fn is_kept(&self, labels: &Labels) -> bool {
        wrong_labels(self.context.kpi, labels).is_none() || self.context.roll_ups.holds(labels)
    }

    fn observe(&mut self) {
        let kpi = self.context.kpi;
        for (labels, buckets) in &self.slots {
            let series = SeriesKey { kpi: kpi.id.clone(), labels: labels.clone() };
            for (index, slot) in buckets.iter() {
                let Some(Combined { value, parts }) = slot.combined() else { continue };
                let bucket = kpi.grain.bucket(index, &kpi.zone);
                let settled = bucket.end.checked_add(kpi.settle).unwrap_or(Timestamp::MAX);
                let (known_at, assumed) = self.known_at(bucket);
                self.outcome.observations.push(Observation {
                    series: series.clone(),
                    bucket: index,
                    value,
                    parts,
                    provisional: settled > self.context.now,
                    known_at,
                    assumed,
                });
            }
        }
    }

    /// Takes back the values of stored buckets that the source has no more: those that a complete pull leaves out, and
    /// those in whose place something stands that is not taken. `oldest` is the first bucket that anything was said of.
    fn withdraw(&mut self, (complete, oldest): (bool, Option<BucketIndex>), impossible: &Impossible) {
        let Context { kpi, span, known, now, .. } = self.context;
        let last = span.to.min(kpi.grain.last_ended(now, &kpi.zone));
        // Sources forget: a metric store after weeks, a folder when files are archived, and a query of what is now knows
        // no yesterday. What lies before all that is said is kept, unless it was to be asked for again anyway.
        let is_gone = |point: &Point| {
            let is_open = point.provisional && !matches!(kpi.kind, Kind::Level { .. });
            complete && (is_open || oldest.is_some_and(|oldest| oldest <= point.index))
        };
        let (mut withdrawn, mut kept) = (Vec::new(), BTreeSet::new());
        for known in known.iter().filter(|known| self.is_kept(&known.labels)) {
            let (buckets, impossible) = (self.slots.get(&known.labels), impossible.get(&known.labels));
            for point in known.data.range(span.from, last) {
                let slot = buckets.and_then(|buckets| buckets.get(point.index));
                let is_denied = slot.is_some_and(Slot::is_denied)
                    || impossible.and_then(|buckets| buckets.get(&point.index)) == Some(&Obstacle::Absent);
                let is_taken = slot.is_some_and(|slot| slot.combined().is_some());
                if is_taken {
                    continue;
                }
                if is_denied || is_gone(&point) {
                    let series = SeriesKey { kpi: kpi.id.clone(), labels: known.labels.clone() };
                    let (known_at, assumed) = self.known_at(kpi.grain.bucket(point.index, &kpi.zone));
                    let gone = Observation::withdrawn(series, point.index, known_at);
                    withdrawn.push(Observation { assumed, ..gone });
                } else if complete {
                    kept.insert(point.index);
                }
            }
        }
        self.outcome.observations.extend(withdrawn);
        self.outcome.kept = kept;
    }

    fn known_at(&self, bucket: Bucket) -> (Timestamp, bool) {
        let kpi = self.context.kpi;
        match self.context.known_at {
            KnownAt::Own(at) => (at, false),
            KnownAt::Assumed => {
                let slot = kpi.schedule.next_at_or_after(bucket.end, &kpi.zone, &kpi.calendar);
                (slot.unwrap_or(bucket.end).min(self.context.now), true)
            }
        }
    }
}

/// Labels are none at all (the total) or exactly the KPI's dimensions.
fn wrong_labels(kpi: &Kpi, labels: &Labels) -> Option<String> {
    if labels.is_total() {
        return None;
    }
    if let Some((name, _)) = labels.iter().find(|(name, _)| !kpi.dimensions.iter().any(|known| known == name)) {
        return Some(format!("label `{name}` is no dimension of KPI `{}`; add it to dimensions or drop it", kpi.id));
    }
    let missing = kpi.dimensions.iter().find(|name| labels.get(name).is_none())?;
    Some(format!("the label `{missing}` is missing; a reading has all dimensions of KPI `{}` or none", kpi.id))
}

/// Why a reading is of another currency than its KPI, as its label says; none where no label names one.
fn foreign_currency(kpi: &Kpi, labels: &Labels) -> Option<String> {
    let said = CURRENCY_NAMES.iter().find_map(|name| labels.get(name))?;
    kpi.unit.refusal_of(said)
}

/// A local time of the night on which the clock goes back. Days hold both of its hours.
fn is_of_an_hour_that_comes_twice(kpi: &Kpi, time: ReadingTime) -> bool {
    let ReadingTime::Local(local) = time else { return false };
    !kpi.grain.is_civil() && matches!(kpi.zone.to_ambiguous_timestamp(local).offset(), AmbiguousOffset::Fold { .. })
}

fn raw(value: &ReadingValue) -> String {
    match value {
        ReadingValue::Number(number) => number.to_string(),
        ReadingValue::Parts(parts) => format!("{}/{}", parts.numerator, parts.denominator),
        ReadingValue::Absent => String::new(),
        ReadingValue::Unreadable(raw) | ReadingValue::Foreign { raw, .. } => raw.clone(),
    }
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
