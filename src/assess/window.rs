//! Figures over several buckets: sums, means, extremes, and changes against another span.

use jiff::ToSpan;

use super::assessment::{Assessment, not_defined, quotient, value_of};
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
            // Of windows it is a single bucket that is asked for.
            Kind::Level { over_time: LevelOverTime::Last, .. } | Kind::Window => Aggregate::Last,
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
            (Aggregate::Sum | Aggregate::Mean | Aggregate::Pooled | Aggregate::Median, Kind::Window) => {
                not_defined("a figure over several windows, which only the source can compute; ask for `min` or `max`")
            }
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
        self.check_basis(reference)?;
        if self.kpi.kind == Kind::Window && span.due() != 1 {
            return not_defined("a change over several windows, which only the source can compute; compare one bucket");
        }
        let aggregate = Aggregate::of_kind(self.kpi.kind);
        let value = aggregate.over(span, &self.data, &self.kpi)?;
        // A sum that begins before the history lacks what was then, however little that is.
        if self.data.span().is_none_or(|(first, _)| reference.from < first) {
            return Err(Unmeasurable::NoHistory);
        }
        Ok((value, aggregate.over(reference, &self.data, &self.kpi)?))
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
    quotient(value - reference, reference.abs())
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

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, date};

    use super::{Span, year_before};
    use crate::assess::fixture::{LEVEL, Series, close};
    use crate::model::assessment::{ComparisonBasis, Unmeasurable};
    use crate::model::grain::Grain;
    use crate::model::unit::{Kind, LevelOverTime};

    const NOW: &str = "2026-11-11T05:15:00Z";

    fn november(day: i8) -> Date {
        date(2026, 11, day)
    }

    /// 1, 2, 3 ... 10 on the first ten days of November.
    fn rising(kind: Kind) -> Series {
        (1..=10).fold(Series::daily(kind), |series, day| series.put(november(day), f64::from(day)))
    }

    #[test]
    fn windows_end_at_the_current_bucket() {
        let a = rising(Kind::Flow).assess(NOW, None);
        close(a.sum(3), 27.0);
        close(a.mean(4), 8.5);
        close(a.min(3), 8.0);
        close(a.max(3), 10.0);
        close(a.median(3), 9.0);
        close(a.median(4), 8.5);
        close(a.sum(10), 55.0);
        assert!(matches!(a.sum(0), Err(Unmeasurable::NotDefined { .. })));
        assert_eq!(a.sum(20), Err(Unmeasurable::Incomplete { present: 10, due: 20 }));
    }

    #[test]
    fn holes_add_nothing_while_enough_is_there() {
        let four_of_five = Series::daily(Kind::Flow).fill(november(6), november(8), 10.0).put(november(10), 10.0);
        close(four_of_five.assess(NOW, None).sum(5), 40.0);
        close(four_of_five.assess(NOW, None).mean(5), 10.0);
        let a = four_of_five.assess(NOW, None);
        assert_eq!(a.mean(6), Err(Unmeasurable::Incomplete { present: 4, due: 6 }));
        // The value before a hole is still the one before.
        close(a.previous(), 10.0);
    }

    #[test]
    fn ratios_pool_and_do_not_add() {
        let series = Series::daily(Kind::Ratio).ratio(november(8), 1.0, 2.0).ratio(november(9), 0.0, 0.0).ratio(
            november(10),
            1.0,
            8.0,
        );
        let a = series.assess(NOW, None);
        close(a.mean(3), 0.2);
        close(a.max(3), 0.5);
        let Err(Unmeasurable::NotDefined { what }) = a.sum(3) else { panic!("a ratio has no sum") };
        assert!(what.contains("mean"));
        let bare = Series::daily(Kind::Ratio).put(november(10), 0.5).assess(NOW, None);
        assert!(matches!(bare.mean(1), Err(Unmeasurable::NotDefined { .. })));
        let empty = Series::daily(Kind::Ratio).ratio(november(10), 0.0, 0.0).assess(NOW, None);
        assert_eq!(empty.mean(1), Err(Unmeasurable::ZeroDenominator));
        assert_eq!(empty.min(1), Err(Unmeasurable::ZeroDenominator));
    }

    #[test]
    fn changes_compare_by_kind() {
        let mean = Kind::Level { over_time: LevelOverTime::Mean, additive: false };
        close(rising(Kind::Flow).assess(NOW, None).change(2), (19.0 - 15.0) / 15.0);
        close(rising(Kind::Flow).assess(NOW, None).change_abs(2), 4.0);
        close(rising(LEVEL).assess(NOW, None).change_abs(2), 2.0);
        close(rising(mean).assess(NOW, None).change_abs(3), 3.0);
        close(rising(Kind::Flow).assess(NOW, None).change(5), 25.0 / 15.0);
        assert_eq!(rising(Kind::Flow).assess(NOW, None).change(6), Err(Unmeasurable::NoHistory));
        assert!(matches!(rising(LEVEL).assess(NOW, None).sum(2), Err(Unmeasurable::NotDefined { .. })));
    }

    #[test]
    fn a_change_from_zero_has_no_ratio() {
        let a = Series::daily(Kind::Flow).put(november(9), 0.0).put(november(10), 5.0).assess(NOW, None);
        assert_eq!(a.change(1), Err(Unmeasurable::ZeroReference));
        assert_eq!(a.kpi_figure("change"), Some(Err(Unmeasurable::ZeroReference)));
        close(a.change_abs(1), 5.0);
        let a = Series::daily(Kind::Flow).put(november(9), -10.0).put(november(10), 5.0).assess(NOW, None);
        close(a.change(1), 1.5);
    }

    #[test]
    fn a_year_before_has_the_same_weekdays_or_dates() {
        let check = |days: (Date, Date), before: (Date, Date)| {
            let index = |day| Grain::Day.index_of_date(day);
            let span = Span { from: index(days.0), to: index(days.1) };
            let expected = Span { from: index(before.0), to: index(before.1) };
            assert_eq!(year_before(Grain::Day, span), expected, "{days:?}");
        };
        check((november(10), november(10)), (date(2025, 11, 11), date(2025, 11, 11)));
        check((november(2), november(8)), (date(2025, 11, 3), date(2025, 11, 9)));
        check((november(1), november(30)), (date(2025, 11, 1), date(2025, 11, 30)));
        check((date(2024, 2, 20), date(2024, 2, 29)), (date(2023, 2, 20), date(2023, 2, 28)));
        assert_eq!(year_before(Grain::Month, Span { from: 24, to: 26 }), Span { from: 12, to: 14 });
        assert_eq!(year_before(Grain::Week, Span { from: 60, to: 60 }), Span { from: 8, to: 8 });
        let hours = 364 * 24;
        assert_eq!(year_before(Grain::HOUR, Span { from: hours, to: hours + 1 }), Span { from: 0, to: 1 });
    }

    #[test]
    fn changes_over_a_year_need_history() {
        let series = rising(Kind::Flow).put(date(2025, 11, 11), 8.0);
        close(series.assess(NOW, None).change_year(1), 0.25);
        close(series.assess(NOW, None).change_year_abs(1), 2.0);
        assert_eq!(series.assess(NOW, None).change_year(7), Err(Unmeasurable::NoHistory));
    }

    #[test]
    fn comparisons_without_objective_take_seven_buckets() {
        let series = rising(Kind::Flow).fill(date(2026, 10, 20), date(2026, 10, 31), 1.0);
        let facts = series.assess(NOW, None).comparisons();
        assert_eq!(facts.len(), 1);
        assert_eq!((facts[0].basis, facts[0].value, facts[0].reference), (ComparisonBasis::SpanBefore, 49.0, 10.0));
        assert_eq!((facts[0].from, facts[0].to), (date(2026, 10, 28), november(3)));
    }
}
