//! The whole validation of one pull.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::buckets::{Combined, Slots, Taken, derive_totals};
use super::limits;
use crate::model::grain::{Bucket, BucketIndex};
use crate::model::ids::{Labels, SeriesKey};
use crate::model::kpi::{Empty, Kpi};
use crate::model::observation::{Observation, Pull, Reading, ReadingValue, Rejection};
use crate::model::unit::Kind;

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

/// What validating needs beside the pull.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub kpi: &'a Kpi,
    pub span: Span,
    pub known_at: KnownAt,
    pub now: Timestamp,
    /// Labels of the series that are stored already, so that a vanished one becomes zero.
    pub known: &'a [Labels],
    /// No zero is made up for buckets before this one; none: for the whole span.
    pub zero_from: Option<BucketIndex>,
}

/// What became of a pull.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Validated {
    /// By labels, then by bucket.
    pub observations: Vec<Observation>,
    pub rejections: Vec<Rejection>,
    /// Those of the pull, and what was dropped or replaced here.
    pub warnings: Vec<String>,
    /// Readings outside the span.
    pub outside: usize,
    /// Readings of buckets that have not ended yet.
    pub running: usize,
}

/// Makes observations of a pull.
pub fn validate(context: &Context<'_>, pull: Pull) -> Validated {
    let mut work = Work { context: *context, slots: Slots::new(), outcome: Validated::default(), replaced: 0 };
    work.outcome.warnings = pull.warnings;
    for reading in pull.readings {
        work.take(&reading);
    }
    work.refuse_outliers(false);
    let impossible = derive_totals(context.kpi, &mut work.slots);
    work.refuse_outliers(true);
    work.note(&impossible);
    if pull.complete && context.kpi.empty == Empty::Zero {
        work.fill_zeros(&impossible);
    }
    work.observe();
    work.outcome
}

struct Work<'a> {
    context: Context<'a>,
    slots: Slots,
    outcome: Validated,
    replaced: usize,
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
        if let Some(cause) = wrong_labels(kpi, &reading.labels) {
            self.reject(reading.origin.clone(), raw(&reading.value), cause);
            return;
        }
        let slot = self.slots.entry(reading.labels.clone()).or_default().entry(index).or_default();
        match slot.take(kpi, reading.time.instant(&kpi.zone), &reading.value) {
            Taken::Well => {}
            Taken::Replaced => self.replaced += 1,
            Taken::Refused(cause) => self.reject(reading.origin.clone(), raw(&reading.value), cause),
        }
    }

    fn reject(&mut self, origin: String, raw: String, cause: String) {
        self.outcome.rejections.push(Rejection { origin, raw, cause });
    }

    /// Refuses values outside the limits: of what the source gave first, so that a refused
    /// dimension value spoils its total, then of the totals.
    fn refuse_outliers(&mut self, totals: bool) {
        let kpi = self.context.kpi;
        let mut refused = Vec::new();
        for (labels, buckets) in self.slots.iter_mut().filter(|(labels, _)| labels.is_total() == totals) {
            for (index, slot) in buckets {
                let Some(Combined { value, .. }) = slot.combined() else { continue };
                if let Some(cause) = limits::refusal(kpi, labels, value) {
                    slot.spoiled = true;
                    let origin = format!("{}{labels} of {}", kpi.id, named(kpi, *index));
                    refused.push(Rejection { origin, raw: value.to_string(), cause });
                }
            }
        }
        self.outcome.rejections.extend(refused);
    }

    fn note(&mut self, impossible: &[BucketIndex]) {
        let kpi = self.context.kpi;
        if self.replaced > 0 {
            let warning =
                format!("{} readings of KPI `{}` stand twice for one moment; the last was kept", self.replaced, kpi.id);
            self.outcome.warnings.push(warning);
        }
        if let Some(first) = impossible.first() {
            let remedy = match kpi.kind {
                Kind::Ratio => "give numerator and denominator",
                Kind::Flow | Kind::Level { .. } => "declare the level additive, or give rows without labels",
            };
            self.outcome.warnings.push(format!(
                "KPI `{}` has no total for {} buckets from {} on: its dimension values don't add up; {remedy}",
                kpi.id,
                impossible.len(),
                named(kpi, *first)
            ));
        }
    }

    /// A complete pull says that what it doesn't hold is zero: for the total and every known series.
    fn fill_zeros(&mut self, impossible: &[BucketIndex]) {
        let kpi = self.context.kpi;
        if kpi.kind == Kind::Ratio {
            return;
        }
        let last = self.context.span.to.min(kpi.grain.last_ended(self.context.now, &kpi.zone));
        let first = self.context.span.from.max(self.context.zero_from.unwrap_or(BucketIndex::MIN));
        let mut series: BTreeSet<Labels> = self.slots.keys().chain(self.context.known).cloned().collect();
        series.insert(Labels::total());
        for labels in series.into_iter().filter(|labels| wrong_labels(kpi, labels).is_none()) {
            let total = labels.is_total();
            let buckets = self.slots.entry(labels).or_default();
            for index in (first..=last).filter(|index| !total || impossible.binary_search(index).is_err()) {
                let slot = buckets.entry(index).or_default();
                if !slot.spoiled && slot.combined().is_none() {
                    let start = kpi.grain.start_of(index, &kpi.zone);
                    slot.take(kpi, start, &ReadingValue::Number(0.0));
                }
            }
        }
    }

    fn observe(&mut self) {
        let kpi = self.context.kpi;
        for (labels, buckets) in &self.slots {
            let series = SeriesKey { kpi: kpi.id.clone(), labels: labels.clone() };
            for (index, slot) in buckets {
                let Some(Combined { value, parts }) = slot.combined() else { continue };
                let bucket = kpi.grain.bucket(*index, &kpi.zone);
                let settled = bucket.end.checked_add(kpi.settle).unwrap_or(Timestamp::MAX);
                let (known_at, assumed) = self.known_at(bucket);
                self.outcome.observations.push(Observation {
                    series: series.clone(),
                    bucket: *index,
                    value,
                    parts,
                    provisional: settled > self.context.now,
                    known_at,
                    assumed,
                });
            }
        }
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

/// A bucket as people name it: its first day, or its first moment.
fn named(kpi: &Kpi, index: BucketIndex) -> String {
    let start = kpi.zone.to_datetime(kpi.grain.start_of(index, &kpi.zone));
    if kpi.grain.is_civil() { start.date().to_string() } else { start.strftime("%Y-%m-%d %H:%M:%S").to_string() }
}

fn raw(value: &ReadingValue) -> String {
    match value {
        ReadingValue::Number(number) => number.to_string(),
        ReadingValue::Parts(parts) => format!("{}/{}", parts.numerator, parts.denominator),
        ReadingValue::Absent => String::new(),
        ReadingValue::Unreadable(text) => text.clone(),
    }
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
