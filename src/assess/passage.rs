//! What the calendar says of a period: the same for every series of a KPI, so it is reckoned once for all of them.

use std::sync::{Mutex, PoisonError};

use super::elapsed::{Elapsed, covered_days};
use super::objective::{buckets_of, end_of};
use super::window::Span;
use crate::model::grain::BucketIndex;
use crate::model::kpi::Kpi;
use crate::model::period::Period;

/// Passages kept: several objectives of one KPI, and series that are a bucket apart, take turns.
const KEPT_MAX: usize = 8;

/// How far a period has come with its newest bucket that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Passage {
    pub(super) period: Period,
    /// All buckets of the period.
    pub(super) whole: Span,
    /// The buckets counted so far.
    pub(super) counted: Span,
    /// The civil days that its buckets cover: `elapsed` counts these.
    pub(super) covered: Period,
    pub(super) elapsed: Elapsed,
}

impl Passage {
    pub(super) fn of(period: Period, whole: Span, current: BucketIndex, kpi: &Kpi) -> Passage {
        let counted = Span { from: whole.from, to: current.min(whole.to) };
        let covered = covered_days(period, whole, kpi);
        let through = kpi.grain.bucket(counted.to, &kpi.zone).end.min(end_of(covered, kpi));
        Passage { period, whole, counted, covered, elapsed: Elapsed::until(through, covered, kpi) }
    }
}

/// Passages of the periods of one KPI, shared by the assessments of its series.
#[derive(Debug, Default)]
pub struct Passages(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    wholes: Vec<(Period, Span)>,
    passages: Vec<((Period, BucketIndex), Passage)>,
}

impl Passages {
    /// The buckets whose first day lies in the period.
    pub(super) fn buckets_of(&self, period: Period, kpi: &Kpi) -> Span {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        find_or_keep(&mut kept.wholes, period, || buckets_of(period, kpi))
    }

    pub(super) fn of(&self, period: Period, current: BucketIndex, kpi: &Kpi) -> Passage {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = find_or_keep(&mut kept.wholes, period, || buckets_of(period, kpi));
        find_or_keep(&mut kept.passages, (period, current), || Passage::of(period, whole, current, kpi))
    }
}

fn find_or_keep<K: PartialEq, V: Copy>(kept: &mut Vec<(K, V)>, key: K, make: impl FnOnce() -> V) -> V {
    if let Some((_, value)) = kept.iter().find(|(known, _)| *known == key) {
        return *value;
    }
    if kept.len() == KEPT_MAX {
        kept.remove(0);
    }
    let value = make();
    kept.push((key, value));
    value
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use jiff::civil::date;

    use super::{KEPT_MAX, Passages};
    use crate::assess::fixture::Series;
    use crate::model::period::Period;
    use crate::model::unit::Kind;

    #[test]
    fn what_is_kept_is_what_would_be_reckoned() {
        let kpi = Series::daily(Kind::Flow).kpi;
        let shared = Passages::default();
        let first = kpi.grain.index_of_date(date(2026, 1, 1));
        // More periods than are kept, each asked for twice and by turns.
        for round in 0..3_i64 {
            for month in 0..KEPT_MAX as i64 + 2 {
                let start = date(2026, 1, 1).saturating_add(month.months());
                let period = Period { first: start, last: start.saturating_add(1.month()).saturating_sub(1.day()) };
                let current = first + 31 * month + 5 + round;
                let alone = Passages::default();
                assert_eq!(shared.of(period, current, &kpi), alone.of(period, current, &kpi));
                assert_eq!(shared.of(period, current, &kpi).whole, alone.buckets_of(period, &kpi));
            }
        }
    }
}
