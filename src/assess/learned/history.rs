//! A series as it was known at one moment, without the days that are no basis for anything.

use crate::assess::window::Span;
use crate::model::grain::BucketIndex;
use crate::model::observation::Parts;
use crate::model::series::{Point, SeriesData};

/// Which figure of a bucket is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::assess) enum Part {
    Value,
    Numerator,
    Denominator,
}

/// A series up to a bucket; what comes after that one is never read.
#[derive(Clone, Copy, Debug)]
pub(in crate::assess) struct History<'a> {
    pub(in crate::assess) data: &'a SeriesData,
    pub(in crate::assess) known_to: BucketIndex,
    /// Buckets that events take out of comparisons.
    pub(in crate::assess) excluded: &'a [Span],
    pub(in crate::assess) part: Part,
}

impl History<'_> {
    /// The oldest bucket to learn from.
    pub(super) fn first(&self, until: BucketIndex, buckets_max: usize) -> Option<BucketIndex> {
        let (first, _) = self.data.span()?;
        (first <= until).then(|| first.max(until - buckets_max as i64 + 1))
    }

    /// The figures of `from..=to`, as far as they are known; NaN where there is none, or none to learn from.
    pub(super) fn values(&self, from: BucketIndex, to: BucketIndex) -> Vec<f64> {
        let to = to.min(self.known_to);
        let mut values = vec![f64::NAN; usize::try_from(to - from + 1).unwrap_or(0)];
        for point in self.data.range(from, to) {
            values[(point.index - from) as usize] = self.figure(&point);
        }
        for span in self.excluded {
            for index in span.from.max(from)..=span.to.min(to) {
                values[(index - from) as usize] = f64::NAN;
            }
        }
        values
    }

    /// The share of a span's buckets that are there, of those that nothing excludes.
    pub(super) fn presence(&self, span: Span) -> f64 {
        let to = span.to.min(self.known_to);
        let values = self.values(span.from, to);
        let excluded = |index: &BucketIndex| self.excluded.iter().any(|span| span.from <= *index && *index <= span.to);
        let due = (span.from..=to).filter(|index| !excluded(index)).count() as f64;
        let there = values.iter().filter(|value| !value.is_nan()).count() as f64;
        // Where next to nothing is due nothing can be told to be missing.
        (there + 1.0) / (due + 1.0)
    }

    /// The sum of the figures of a span, and how many there are; excluded days count as any other.
    pub(super) fn sum(&self, span: Span) -> (f64, usize) {
        let points = self.data.range(span.from, span.to.min(self.known_to));
        let figures = points.map(|point| self.figure(&point)).filter(|figure| !figure.is_nan());
        figures.fold((0.0, 0), |(sum, count), figure| (sum + figure, count + 1))
    }

    fn figure(&self, point: &Point) -> f64 {
        let part = |pick: fn(&Parts) -> f64| point.parts.as_ref().map_or(f64::NAN, pick);
        match self.part {
            Part::Value => point.value,
            Part::Numerator => part(|parts| parts.numerator),
            Part::Denominator => part(|parts| parts.denominator),
        }
    }
}
