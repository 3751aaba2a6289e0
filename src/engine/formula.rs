//! KPIs that are computed from others: their readings are what the inputs hold for the same bucket.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::setup::Setup;
use super::state::State;
use crate::model::formula::Formula;
use crate::model::grain::BucketIndex;
use crate::model::ids::{KpiId, Labels};
use crate::model::kpi::{Empty, Kpi};
use crate::model::observation::{Parts, Pull, Reading, ReadingTime, ReadingValue};
use crate::model::unit::Kind;

/// The first input that has not stepped the slot which brings its newest bucket of that time, if there is one. An
/// input whose own slot comes later is not waited for.
pub fn awaited<'a>(state: &State, setup: &Setup, formula: &'a Formula, slot: Timestamp) -> Option<&'a KpiId> {
    formula.inputs().iter().find(|id| is_awaited(state, setup, id, slot))
}

/// Whether a KPI has not stepped the slot which brings its newest bucket of that time.
pub fn is_awaited(state: &State, setup: &Setup, id: &KpiId, slot: Timestamp) -> bool {
    let Some(input) = setup.catalog.kpi(id) else { return false };
    let Some(clock) = state.clocks.get(id).filter(|clock| clock.pulled_to.is_some()) else { return true };
    let newest = input.grain.bucket(input.grain.last_ended(slot, &input.zone), &input.zone);
    let needed = input.schedule.next_at_or_after(newest.end, &input.zone, &input.calendar);
    needed.is_some_and(|needed| needed <= slot && clock.last_slot < Some(needed))
}

/// What the formula says of the buckets asked for. Those that an input lacks are left out, or taken back where they had
/// a value; while one of them is suspect nothing changes. That the newest is lacking is said.
pub fn computed(state: &State, kpi: &Kpi, formula: &Formula, (from, to): (BucketIndex, BucketIndex)) -> Pull {
    let mut pull = Pull { complete: true, ..Pull::default() };
    for labels in series(state, kpi, formula) {
        for bucket in from..=to {
            let Some(value) = reading(state, kpi, formula, &labels, bucket) else { continue };
            pull.readings.push(Reading {
                time: ReadingTime::Instant(kpi.grain.start_of(bucket, &kpi.zone)),
                labels: labels.clone(),
                value,
                origin: format!("{} of {}", formula.text(), kpi.bucket_name(bucket)),
            });
        }
    }
    let total = Labels::total();
    let lacks = |input: &&KpiId| state.history.series(input, &total).is_none_or(|data| data.get(to).is_none());
    if let Some(late) = formula.inputs().iter().find(lacks) {
        pull.warnings.push(format!("`{late}` has no value for {} yet", kpi.bucket_name(to)));
    }
    pull
}

/// The oldest bucket up to `to` in which the formula says something else than what is stored.
pub fn oldest_change(
    state: &State,
    kpi: &Kpi,
    formula: &Formula,
    (to, now): (BucketIndex, Timestamp),
) -> Option<BucketIndex> {
    let spans = formula.inputs().iter().filter_map(|input| {
        let (first, _) = state.history.series(input, &Labels::total()).and_then(|data| data.span())?;
        Some(first)
    });
    // What is computed of buckets that no input reaches back to any more is to be taken back.
    let own = state.history.series(&kpi.id, &Labels::total()).and_then(|data| data.span()).map(|(first, _)| first);
    let oldest = kpi.grain.index_at(now.checked_sub(kpi.history).unwrap_or(now), &kpi.zone);
    let first = spans.max()?.min(own.unwrap_or(BucketIndex::MAX)).max(oldest);
    // What validation refuses is no value.
    let is_taken = |value: &f64| {
        !(kpi.quality.min.is_some_and(|min| *value < min) || kpi.quality.max.is_some_and(|max| *value > max))
    };
    let differs = |labels: &Labels, bucket: BucketIndex| {
        let Some(value) = reading(state, kpi, formula, labels, bucket) else { return false };
        // What a person has replaced stays different for ever.
        if state.suspects.is_overridden(&kpi.id, labels, bucket) {
            return false;
        }
        let known = state.history.series(&kpi.id, labels).and_then(|data| data.get(bucket));
        let (number, parts) = match value {
            ReadingValue::Number(number) => (Some(number).filter(is_taken), None),
            // An undefined ratio is taken as it is.
            ReadingValue::Parts(parts) => (Some(parts.ratio().unwrap_or(f64::NAN)).filter(is_taken), Some(parts)),
            ReadingValue::Absent | ReadingValue::Unreadable(_) | ReadingValue::Foreign { .. } => (None, None),
        };
        let zero = (kpi.empty == Empty::Zero && kpi.kind != Kind::Ratio).then_some(0.0);
        match (number.or(zero), known) {
            (Some(_), Some(known)) if parts.is_some() => known.parts != parts,
            (Some(number), Some(known)) => known.value != number,
            (Some(_), None) | (None, Some(_)) => true,
            (None, None) => false,
        }
    };
    let all = series(state, kpi, formula);
    all.iter().filter_map(|labels| (first..=to).find(|bucket| differs(labels, *bucket))).min()
}

/// The series that an input has: the total, and those with all dimensions.
fn series(state: &State, kpi: &Kpi, formula: &Formula) -> BTreeSet<Labels> {
    let is_own = |labels: &&Labels| labels.is_total() || labels.count() == kpi.dimensions.len();
    formula.inputs().iter().flat_map(|input| state.history.labels(input)).filter(is_own).cloned().collect()
}

/// What the formula says of a bucket: that it has no value, where it had one; nothing where there is nothing to say.
fn reading(state: &State, kpi: &Kpi, formula: &Formula, labels: &Labels, bucket: BucketIndex) -> Option<ReadingValue> {
    let known = state.history.series(&kpi.id, labels).and_then(|data| data.get(bucket));
    // While a total is doubted, so are the parts that it is made of.
    let total = Labels::total();
    let is_doubted =
        |input: &KpiId| [labels, &total].into_iter().any(|labels| state.suspects.is_open(input, labels, bucket));
    if formula.inputs().iter().any(is_doubted) {
        // Until it is settled what was said stands.
        return known.map(|known| known.parts.map_or(ReadingValue::Number(known.value), ReadingValue::Parts));
    }
    value(state, kpi, formula, labels, bucket).or_else(|| known.map(|_| ReadingValue::Absent))
}

fn value(state: &State, kpi: &Kpi, formula: &Formula, labels: &Labels, bucket: BucketIndex) -> Option<ReadingValue> {
    let mut values = Vec::with_capacity(formula.inputs().len());
    for input in formula.inputs() {
        let point = state.history.series(input, labels)?.get(bucket)?;
        values.push(Some(point.value).filter(|value| value.is_finite())?);
    }
    if kpi.kind == Kind::Ratio {
        let (numerator, denominator) = formula.halves(&values)?;
        return Some(ReadingValue::Parts(Parts { numerator, denominator, n: None }));
    }
    formula.value(&values).map(ReadingValue::Number)
}
