//! The learned trajectory: which share of a period's total each of its buckets brings.

use super::classes::groups_of;
use super::factors::{Factors, Lesson, levels};
use super::history::History;
use super::rhythm::Rhythm;
use super::scale::is_rare;
use crate::assess::window::Span;
use crate::model::assessment::Basis;
use crate::model::grain::{BucketIndex, Grain, day_of};
use crate::model::kpi::Kpi;

/// Years of history in which the shape of the year is looked for.
const YEARS_MAX: usize = 8;
/// Noise over signal of the shape of the year within a period: so many years it must show to count half.
const SHAPE_NOISE: f64 = 2.0;
/// Years after which a bucket counts half for what its class is worth.
const HALF_LIFE_YEARS: f64 = 2.0;
/// Buckets of history, in reaches of the level (half a month), without which nothing is learned.
const REACHES_LEAST: usize = 4;

/// The weights of a period's buckets, and what the calendar does to those before.
#[derive(Clone, Debug)]
pub(in crate::assess) struct Learned {
    pub(super) whole: Span,
    #[cfg(test)]
    weights: Vec<f64>,
    /// Sums of the weights through each bucket.
    through: Vec<f64>,
    basis: Basis,
    /// The first bucket that the factors are of; they reach to the period's end.
    pub(super) first: BucketIndex,
    pub(super) factors: Factors,
    pub(super) rhythm: Rhythm,
}

impl Learned {
    /// The buckets that the trajectory of a period is learned from, as far as the history reaches.
    pub(in crate::assess) fn looked_at(whole: Span, kpi: &Kpi) -> Span {
        Span { from: whole.from - Rhythm::of(kpi.grain).history_max as i64, to: whole.from - 1 }
    }

    /// Learns from what is known up to a bucket, at most the one before the period; nothing after it is read.
    pub(in crate::assess) fn fit(history: &History<'_>, whole: Span, kpi: &Kpi) -> Learned {
        let rhythm = Rhythm::of(kpi.grain);
        let until = history.known_to.min(whole.from - 1);
        let first = history.first(until, rhythm.history_max).unwrap_or(whole.from).min(whole.from);
        let values = history.values(first, until);
        let ahead = Span { from: first, to: whole.to };
        let periods = whole_periods(&values, whole.due(), kpi.complete);
        let present = values.iter().filter(|value| !value.is_nan()).count();
        let positive = values.iter().filter(|value| !value.is_nan()).sum::<f64>() > 0.0;
        let is_long = periods >= 1 && present >= REACHES_LEAST * rhythm.reach;
        let start = (whole.from - first) as usize;
        let (mut factors, mut weights, basis);
        if is_long && positive {
            let groups = groups_of(ahead, kpi);
            let half_life = HALF_LIFE_YEARS * rhythm.year();
            let is_rare = is_rare(&values);
            factors =
                Factors::learn(&Lesson { values: &values, groups: &groups, reach: rhythm.reach, half_life, is_rare });
            let shape = shape_of(&factors, (start, &rhythm));
            weights = factors.of[start..].iter().zip(shape).map(|(factor, shape)| factor * shape).collect::<Vec<f64>>();
            basis = Basis::Learned { periods };
        } else {
            let (plain, works) = plainly(ahead, whole, kpi);
            basis = match (works, is_long) {
                (true, false) => Basis::WorkingDays,
                (false, false) => Basis::Linear,
                (true, true) => Basis::FlatWorkingDays,
                (false, true) => Basis::FlatLinear,
            };
            weights = plain[start..].to_vec();
            factors = Factors::fixed(&values, plain);
        }
        let total: f64 = weights.iter().sum();
        for weight in &mut weights {
            *weight /= total;
        }
        let through = weights.iter().scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        let through = through.collect();
        // Whoever reckons on them cuts the spikes of the values of then.
        factors.tame = Vec::new();
        Learned {
            whole,
            #[cfg(test)]
            weights,
            through,
            basis,
            first,
            factors,
            rhythm,
        }
    }

    pub(in crate::assess) fn basis(&self) -> Basis {
        self.basis
    }

    /// Whether there was history enough to learn from.
    pub(in crate::assess) fn is_learned(&self) -> bool {
        matches!(self.basis, Basis::Learned { .. })
    }

    /// The weight of each bucket, none negative; they sum to 1.
    #[cfg(test)]
    pub(in crate::assess) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The share of the total that is due through a bucket, 0 to 1.
    pub(in crate::assess) fn share_through(&self, bucket: BucketIndex) -> f64 {
        if bucket >= self.whole.to {
            return 1.0;
        }
        let at = usize::try_from(bucket - self.whole.from).ok();
        at.and_then(|at| self.through.get(at)).map_or(0.0, |share| share.min(1.0))
    }
}

/// Whole spans of the period's length for which so large a part of the buckets is there.
fn whole_periods(values: &[f64], length: u32, complete: f64) -> u32 {
    // Months differ by a day or two.
    let length = (length as usize).max(1);
    let there = |part: &&[f64]| {
        part.iter().filter(|value| !value.is_nan()).count() as f64 + 1e-9 >= complete * part.len() as f64
    };
    let short = (length / 10).min(3);
    let chunks = values.rchunks(length);
    chunks.filter(|part| part.len() + short >= length).filter(there).count() as u32
}

/// How the year shapes the period: the levels of the same time of other years, each against its own mean, by credibility.
fn shape_of(factors: &Factors, (start, rhythm): (usize, &Rhythm)) -> Vec<f64> {
    let known = factors.tame.len();
    let level: Vec<f64> = levels(&factors.tame, &factors.of, rhythm.season).iter().map(|level| level.ln()).collect();
    let length = factors.of.len() - start;
    let (mut sum, mut years) = (vec![0.0; length], 0.0);
    for count in 1..=YEARS_MAX {
        let Some(from) = start.checked_sub(rhythm.years(count)) else { break };
        if from + length > known {
            continue;
        }
        let year = &level[from..from + length];
        if year.iter().any(|level| !level.is_finite()) {
            continue;
        }
        let mean = year.iter().sum::<f64>() / length as f64;
        sum.iter_mut().zip(year).for_each(|(sum, level)| *sum += level - mean);
        years += 1.0;
    }
    sum.iter().map(|sum| (sum / (years + SHAPE_NOISE)).exp()).collect()
}

/// The weights of a span without history, 1 for the usual one: working days, or all days alike where none works in the
/// period; and whether any does.
fn plainly(span: Span, whole: Span, kpi: &Kpi) -> (Vec<f64>, bool) {
    let working = |index: BucketIndex| {
        if let Grain::Seconds(_) = kpi.grain {
            let day = day_of(kpi.grain.start_of(index, &kpi.zone), &kpi.zone);
            return f64::from(u8::from(kpi.calendar.is_working_day(day)));
        }
        let next = kpi.grain.date_of(index + 1);
        let last = next.yesterday().unwrap_or(next);
        f64::from(kpi.calendar.working_days(kpi.grain.date_of(index), last))
    };
    let length = |index: BucketIndex| {
        let bucket = kpi.grain.bucket(index, &kpi.zone);
        bucket.end.duration_since(bucket.start).as_secs_f64()
    };
    let works = (whole.from..=whole.to).any(|index| working(index) > 0.0);
    let buckets = span.from..=span.to;
    let weights: Vec<f64> = if works { buckets.map(working).collect() } else { buckets.map(length).collect() };
    let there = weights.iter().filter(|weight| **weight > 0.0);
    let (sum, count) = there.fold((0.0, 0.0), |(sum, count), weight| (sum + weight, count + 1.0));
    (weights.iter().map(|weight| weight * count / sum).collect(), works)
}
