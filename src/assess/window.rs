//! Figures over several buckets: sums, means, extremes, and changes against another span.

use jiff::ToSpan;

use super::assessment::{Assessment, not_defined, value_of};
use crate::model::assessment::{Measured, Unmeasurable};
use crate::model::grain::{BucketIndex, Grain};
use crate::model::kpi::Kpi;
use crate::model::observation::Parts;
use crate::model::series::SeriesData;
use crate::model::unit::{Kind, LevelOverTime};

/// Buckets that one window may span.
const WINDOW_BUCKETS_MAX: u32 = 100_000;
const DAY_SECONDS: i64 = 86_400;
/// 52 weeks: the same weekday a year before.
const YEAR_OF_WEEKS_DAYS: i64 = 364;

/// The buckets `from..=to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: BucketIndex,
    pub(super) to: BucketIndex,
}

impl Span {
    pub(super) fn due(self) -> u32 {
        u32::try_from(self.to - self.from + 1).unwrap_or(0)
    }

    pub(super) fn present(self, data: &SeriesData) -> u32 {
        data.range(self.from, self.to).count() as u32
    }

    /// Share of the buckets that are there, 0 to 1.
    pub(super) fn completeness(self, data: &SeriesData) -> f64 {
        if self.due() == 0 { 0.0 } else { f64::from(self.present(data)) / f64::from(self.due()) }
    }
}

/// How several buckets make one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    /// The mean of values; of ratios numerators over denominators.
    Mean,
    Pooled,
    Min,
    Max,
    Median,
    /// The newest value of the span.
    Last,
}

impl Aggregate {
    /// The one that fits the kind: flows add up, ratios pool, levels stand or average.
    pub(super) fn of_kind(kind: Kind) -> Aggregate {
        match kind {
            Kind::Flow => Aggregate::Sum,
            Kind::Ratio => Aggregate::Pooled,
            Kind::Level { over_time: LevelOverTime::Last, .. } => Aggregate::Last,
            Kind::Level { over_time: LevelOverTime::Mean, .. } => Aggregate::Mean,
        }
    }

    /// The figure over a span. Absent buckets add nothing; too many of them make it unmeasurable.
    pub(super) fn over(self, span: Span, data: &SeriesData, kpi: &Kpi) -> Measured<f64> {
        if self == Aggregate::Last {
            let newest = data.range(span.from, span.to).next_back();
            return value_of(newest.ok_or(Unmeasurable::NoData)?);
        }
        self.check_kind(kpi.kind)?;
        let (present, due) = (span.present(data), span.due());
        if present == 0 {
            return Err(Unmeasurable::NoData);
        }
        // A hair of tolerance, so that 8 of 10 is 80 %.
        if f64::from(present) + 1e-9 < kpi.complete * f64::from(due) {
            return Err(Unmeasurable::Incomplete { present, due });
        }
        match self {
            Aggregate::Sum => Ok(data.range(span.from, span.to).map(|point| point.value).sum()),
            Aggregate::Mean if kpi.kind != Kind::Ratio => mean(&values(span, data)),
            Aggregate::Mean | Aggregate::Pooled => pooled(span, data),
            Aggregate::Min => fold(&values(span, data), f64::min),
            Aggregate::Max => fold(&values(span, data), f64::max),
            Aggregate::Median => median(values(span, data)),
            Aggregate::Last => not_defined("the newest value of a span"),
        }
    }

    fn check_kind(self, kind: Kind) -> Measured<()> {
        match (self, kind) {
            (Aggregate::Sum, Kind::Ratio) => not_defined("the sum of a ratio; ask for its mean, which pools"),
            (Aggregate::Sum, Kind::Level { .. }) => not_defined("the sum of a level over time; ask for its mean"),
            (Aggregate::Pooled, Kind::Flow | Kind::Level { .. }) => {
                not_defined("the pooled value of a KPI that is no ratio; ask for its mean")
            }
            _ => Ok(()),
        }
    }
}

impl Assessment {
    /// The sum of the last `n` due buckets; flows only.
    pub fn sum(&self, n: u32) -> Measured<f64> {
        self.last_buckets(n, Aggregate::Sum)
    }

    /// The mean of the last `n` due buckets; of ratios numerators over denominators.
    pub fn mean(&self, n: u32) -> Measured<f64> {
        self.last_buckets(n, Aggregate::Mean)
    }

    pub fn min(&self, n: u32) -> Measured<f64> {
        self.last_buckets(n, Aggregate::Min)
    }

    pub fn max(&self, n: u32) -> Measured<f64> {
        self.last_buckets(n, Aggregate::Max)
    }

    pub fn median(&self, n: u32) -> Measured<f64> {
        self.last_buckets(n, Aggregate::Median)
    }

    /// The last `n` buckets against the `n` before them, as a share: 0.1 is ten per cent more.
    /// Flows compare sums, ratios pooled values, levels their last value or mean.
    pub fn change(&self, n: u32) -> Measured<f64> {
        let (value, reference) = self.against_before(n)?;
        relative(value, reference)
    }

    /// Like `change`, in the KPI's unit.
    pub fn change_abs(&self, n: u32) -> Measured<f64> {
        self.against_before(n).map(|(value, reference)| value - reference)
    }

    /// The last `n` buckets against the same span a year before, as a share. One day, and whole
    /// weeks of days, compare with 52 weeks before, so that weekdays match; other counts of days
    /// with the same dates; weeks and sub-day buckets with 52 weeks before; months with the same months.
    pub fn change_year(&self, n: u32) -> Measured<f64> {
        let (value, reference) = self.against_year_before(n)?;
        relative(value, reference)
    }

    /// Like `change_year`, in the KPI's unit.
    pub fn change_year_abs(&self, n: u32) -> Measured<f64> {
        self.against_year_before(n).map(|(value, reference)| value - reference)
    }

    pub(super) fn against_before(&self, n: u32) -> Measured<(f64, f64)> {
        let span = self.last_span(n)?;
        self.against(span, before(span))
    }

    pub(super) fn against_year_before(&self, n: u32) -> Measured<(f64, f64)> {
        let span = self.last_span(n)?;
        self.against(span, year_before(self.kpi.grain, span))
    }

    /// The last `n` buckets ending at the current one.
    pub(super) fn last_span(&self, n: u32) -> Measured<Span> {
        if n == 0 || n > WINDOW_BUCKETS_MAX {
            return not_defined("a window of that many buckets; ask for 1 to 100000");
        }
        let to = self.current()?.index;
        Ok(Span { from: to - i64::from(n) + 1, to })
    }

    fn last_buckets(&self, n: u32, aggregate: Aggregate) -> Measured<f64> {
        aggregate.over(self.last_span(n)?, &self.data, &self.kpi)
    }

    fn against(&self, span: Span, reference: Span) -> Measured<(f64, f64)> {
        let aggregate = Aggregate::of_kind(self.kpi.kind);
        let value = aggregate.over(span, &self.data, &self.kpi)?;
        let before_data = self.data.span().is_none_or(|(first, _)| reference.from < first);
        let reference = aggregate.over(reference, &self.data, &self.kpi).map_err(|missing| match missing {
            Unmeasurable::NoData | Unmeasurable::Incomplete { .. } if before_data => Unmeasurable::NoHistory,
            other => other,
        })?;
        Ok((value, reference))
    }
}

/// The span of the same length just before.
pub(super) fn before(span: Span) -> Span {
    let length = i64::from(span.due());
    Span { from: span.from - length, to: span.to - length }
}

/// The span that stands for this one a year before; see `Assessment::change_year`.
pub(super) fn year_before(grain: Grain, span: Span) -> Span {
    let back = |buckets: i64| Span { from: span.from - buckets, to: span.to - buckets };
    match grain {
        Grain::Seconds(width) => back(YEAR_OF_WEEKS_DAYS * DAY_SECONDS / i64::from(width.max(1))),
        Grain::Day if span.due() == 1 || span.due().is_multiple_of(7) => back(YEAR_OF_WEEKS_DAYS),
        Grain::Day => {
            let same_date = |index| grain.index_of_date(grain.date_of(index).saturating_sub(1.year()));
            Span { from: same_date(span.from), to: same_date(span.to) }
        }
        Grain::Week => back(52),
        Grain::Month => back(12),
    }
}

fn relative(value: f64, reference: f64) -> Measured<f64> {
    if reference == 0.0 {
        return not_defined("a relative change from zero; ask for the change in units");
    }
    Ok((value - reference) / reference.abs())
}

/// The values of a span, without undefined ratios.
fn values(span: Span, data: &SeriesData) -> Vec<f64> {
    data.range(span.from, span.to).map(|point| point.value).filter(|value| !value.is_nan()).collect()
}

fn mean(values: &[f64]) -> Measured<f64> {
    if values.is_empty() {
        return Err(Unmeasurable::ZeroDenominator);
    }
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

fn fold(values: &[f64], pick: fn(f64, f64) -> f64) -> Measured<f64> {
    values.iter().copied().reduce(pick).ok_or(Unmeasurable::ZeroDenominator)
}

fn median(mut values: Vec<f64>) -> Measured<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2).ok_or(Unmeasurable::ZeroDenominator)?;
    if values.len() % 2 == 1 {
        return Ok(upper);
    }
    Ok(f64::midpoint(values[values.len() / 2 - 1], upper))
}

fn pooled(span: Span, data: &SeriesData) -> Measured<f64> {
    let mut total: Option<Parts> = None;
    for point in data.range(span.from, span.to) {
        let Some(parts) = point.parts else {
            return not_defined(
                "a pooled ratio without numerators and denominators; let the query return both beside the value",
            );
        };
        total = Some(total.map_or(parts, |sum| sum.pooled_with(&parts)));
    }
    total.and_then(|parts| parts.ratio()).ok_or(Unmeasurable::ZeroDenominator)
}
