//! Which requests cover a span: few range queries where bucket ends are evenly spaced, instant ones elsewhere.
//!
//! Days are evenly spaced but for two a year, months hardly ever; a range query gives exactly what the
//! instant queries at the same moments would give.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::grain::{BucketIndex, Grain};

/// Points of one request; the server refuses more than 11,000 steps.
pub(super) const POINTS_MAX: usize = 11_000;
/// Requests of one pull.
pub(super) const REQUESTS_MAX: usize = 400;

/// One request, for buckets that follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) first: BucketIndex,
    /// Ends of the buckets, evenly spaced.
    pub(super) ends: Vec<Timestamp>,
}

impl Request {
    /// Milliseconds between two ends; none for a single moment.
    pub(super) fn step(&self) -> Option<i64> {
        let (first, second) = (self.ends.first()?, self.ends.get(1)?);
        Some(second.as_millisecond() - first.as_millisecond())
    }

    /// The bucket that ends at `at` (milliseconds).
    pub(super) fn bucket_ending(&self, at: i64) -> Option<BucketIndex> {
        let offset = self.ends.binary_search_by_key(&at, |end| end.as_millisecond()).ok()?;
        Some(self.first + offset as i64)
    }
}

/// The requests for those buckets, oldest first.
pub(super) fn requests(buckets: RangeInclusive<BucketIndex>, grain: Grain, zone: &TimeZone) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for index in buckets {
        let end = grain.start_of(index + 1, zone);
        if let Some(request) = requests.last_mut()
            && request.ends.len() < POINTS_MAX
            && request.ends.last().is_some_and(|last| {
                let gap = end.as_millisecond() - last.as_millisecond();
                request.step().is_none_or(|step| step == gap)
            })
        {
            request.ends.push(end);
            continue;
        }
        requests.push(Request { first: index, ends: vec![end] });
    }
    requests
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::{Grain, POINTS_MAX, requests};

    fn sizes(grain: Grain, from: i64, to: i64) -> Vec<usize> {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let requests = requests(from..=to, grain, &zone);
        let mut next = from;
        for request in &requests {
            for (offset, end) in request.ends.iter().enumerate() {
                let bucket = grain.bucket(request.first + offset as i64, &zone);
                assert_eq!((bucket.index, bucket.end), (next, *end));
                assert_eq!(request.bucket_ending(end.as_millisecond()), Some(next));
                next += 1;
            }
        }
        assert_eq!(next, to + 1);
        requests.iter().map(|request| request.ends.len()).collect()
    }

    #[test]
    fn even_spans_are_few_requests() {
        assert_eq!(sizes(Grain::HOUR, 100, 100), [1]);
        assert_eq!(sizes(Grain::Seconds(60), 0, 24_999), [POINTS_MAX, POINTS_MAX, 3000]);
        assert_eq!(sizes(Grain::HOUR, 5, 4), [0; 0]);
    }

    #[test]
    fn civil_spans_are_cut_where_the_clock_changes() {
        let day = |month, day| Grain::Day.index_of_date(date(2026, month, day));
        assert_eq!(sizes(Grain::Day, day(1, 1), day(2, 28)), [59]);
        // 29 March has 23 hours: its end is nearer to the end before.
        assert_eq!(sizes(Grain::Day, day(3, 1), day(4, 10)), [28, 13]);
        assert!(sizes(Grain::Day, day(1, 1), day(12, 31)).len() <= 3);
        let month = Grain::Month.index_of_date(date(2026, 1, 1));
        assert!(sizes(Grain::Month, month, month + 11).len() >= 5);
    }
}
