//! Which bucket counts now, which ones are late, and how old the data is.

use jiff::{SignedDuration, Timestamp, ToSpan};

use super::assessment::Assessment;
use crate::model::assessment::{Measured, Unmeasurable};
use crate::model::grain::{Bucket, BucketIndex, day_of, start_of_day};
use crate::model::kpi::{Empty, Kpi, Lateness};
use crate::model::series::Point;

/// Buckets that a hole may have; after a longer one the data is late, whatever came since.
const HOLE_BUCKETS_MAX: i64 = 400;

/// When the value of a bucket is expected at the latest.
pub fn due_at(kpi: &Kpi, bucket: &Bucket) -> Timestamp {
    match kpi.expected {
        Lateness::Elapsed(after) => bucket.end.checked_add(after).unwrap_or(Timestamp::MAX),
        Lateness::Workdays(days) => {
            let just_before_end = bucket.end.checked_sub(SignedDuration::from_millis(1)).unwrap_or(bucket.start);
            let due_day = kpi.calendar.add_working_days(day_of(just_before_end, &kpi.zone), days);
            start_of_day(due_day.saturating_add(1.day()), &kpi.zone)
        }
    }
}

/// What is missing at the end of a series.
struct Tail {
    /// Newest bucket present among those that have ended.
    newest: Option<Point>,
    /// First and last of the buckets after it that are overdue.
    overdue: Option<(BucketIndex, BucketIndex)>,
}

impl Tail {
    fn of(assessment: &Assessment) -> Tail {
        let (kpi, data, now) = (&*assessment.kpi, &*assessment.data, assessment.now);
        let ended = kpi.grain.last_ended(now, &kpi.zone);
        let present = data.range(BucketIndex::MIN, ended).next_back();
        let newest = if assessment.final_only {
            data.range(BucketIndex::MIN, ended).rfind(|point| !point.provisional)
        } else {
            present
        };
        // A provisional bucket has come: it is not overdue, it only doesn't count yet.
        let Some(point) = present.filter(|point| point.index < ended) else {
            return Tail { newest, overdue: None };
        };
        let is_overdue = |index| due_at(kpi, &kpi.grain.bucket(index, &kpi.zone)) <= now;
        let first = point.index + 1;
        // Once a later bucket has come the absent ones are holes.
        let later_came = data.span().is_some_and(|(_, last)| last > ended);
        let is_hole = kpi.empty == Empty::Missing && later_came && ended - point.index <= HOLE_BUCKETS_MAX;
        if is_hole || !is_overdue(first) {
            return Tail { newest, overdue: None };
        }
        // Later buckets are due later: the last overdue one is found by halving.
        let (mut late, mut not_late) = (first, ended + 1);
        while not_late - late > 1 {
            let middle = late.midpoint(not_late);
            if is_overdue(middle) {
                late = middle;
            } else {
                not_late = middle;
            }
        }
        Tail { newest, overdue: Some((first, late)) }
    }
}

pub(super) fn find_current(assessment: &Assessment) -> Measured<Point> {
    let kpi = &assessment.kpi;
    if let Some(suspect) = assessment.data.held {
        let value = assessment.data.get(suspect).map_or(f64::NAN, |point| point.value);
        return Err(Unmeasurable::Suspect { day: day_of(kpi.grain.start_of(suspect, &kpi.zone), &kpi.zone), value });
    }
    let tail = Tail::of(assessment);
    match (tail.newest, tail.overdue) {
        (_, Some((_, last))) => Err(Unmeasurable::Late { bucket_end: kpi.grain.bucket(last, &kpi.zone).end }),
        (Some(point), None) => match assessment.not_before.filter(|wanted| point.index < *wanted) {
            Some(wanted) => Err(Unmeasurable::Late { bucket_end: kpi.grain.bucket(wanted, &kpi.zone).end }),
            None => Ok(point),
        },
        (None, None) => Err(Unmeasurable::NoData),
    }
}

impl Assessment {
    /// How many buckets at the end of the series are overdue; `u32::MAX` when no bucket ever came.
    pub fn missed_buckets(&self) -> u32 {
        let tail = self.tail();
        match (tail.newest, tail.overdue) {
            (None, _) => u32::MAX,
            (Some(_), None) => 0,
            (Some(_), Some((first, last))) => u32::try_from(last - first + 1).unwrap_or(u32::MAX),
        }
    }

    /// Time since the end of the newest bucket present.
    pub fn age(&self) -> Measured<SignedDuration> {
        Ok(self.now.duration_since(self.as_of().ok_or(Unmeasurable::NoData)?))
    }

    /// How long the first overdue bucket has been due; zero when nothing is late.
    pub fn lateness(&self) -> SignedDuration {
        match self.tail().overdue {
            Some((first, _)) => self.now.duration_since(due_at(&self.kpi, &self.bucket(first))),
            None => SignedDuration::ZERO,
        }
    }

    /// End of the newest bucket present among those that have ended.
    pub(super) fn as_of(&self) -> Option<Timestamp> {
        self.tail().newest.map(|point| self.bucket(point.index).end)
    }

    /// The bucket that decides which period is under way: the current one; the newest overdue one
    /// when the data is late; without any data the one that ended last.
    pub(super) fn anchor(&self) -> BucketIndex {
        if let Ok(point) = self.current() {
            return point.index;
        }
        let ended = self.kpi.grain.last_ended(self.now, &self.kpi.zone);
        self.tail().overdue.map_or(ended, |(_, last)| last)
    }

    fn tail(&self) -> Tail {
        Tail::of(self)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use jiff::civil::{Date, date};

    use super::due_at;
    use crate::assess::fixture::{Series, at, close};
    use crate::model::assessment::Unmeasurable;
    use crate::model::grain::Grain;
    use crate::model::kpi::{Empty, Lateness};
    use crate::model::unit::Kind;

    fn november(day: i8) -> Date {
        date(2026, 11, day)
    }

    fn revenue() -> Series {
        Series::daily(Kind::Flow).fill(november(1), november(9), 10.0).put(november(10), 12.0)
    }

    #[test]
    fn the_newest_ended_bucket_counts() {
        let a = revenue().assess("2026-11-11T05:15:00Z", None);
        close(a.value(), 12.0);
        close(a.previous(), 10.0);
        assert_eq!(a.current_bucket().map(|bucket| bucket.end), Ok(at("2026-11-10T23:00:00Z")));
        assert_eq!((a.missed_buckets(), a.lateness()), (0, SignedDuration::ZERO));
        assert_eq!(a.age(), Ok(SignedDuration::from_secs(6 * 3600 + 900)));
    }

    #[test]
    fn a_bucket_that_is_under_way_does_not_count() {
        let a = revenue().put(november(11), 3.0).assess("2026-11-11T05:15:00Z", None);
        close(a.value(), 12.0);
    }

    #[test]
    fn a_bucket_that_is_not_due_yet_is_waited_for() {
        let a = revenue().assess("2026-11-12T10:59:59Z", None);
        close(a.value(), 12.0);
        assert_eq!(a.missed_buckets(), 0);
        let a = revenue().assess("2026-11-12T11:00:00Z", None);
        assert_eq!(a.value(), Err(Unmeasurable::Late { bucket_end: at("2026-11-11T23:00:00Z") }));
        assert_eq!((a.missed_buckets(), a.lateness()), (1, SignedDuration::ZERO));
        let a = revenue().assess("2026-11-14T12:00:00Z", None);
        assert_eq!(a.value(), Err(Unmeasurable::Late { bucket_end: at("2026-11-13T23:00:00Z") }));
        assert_eq!((a.missed_buckets(), a.lateness()), (3, SignedDuration::from_hours(49)));
    }

    #[test]
    fn a_hole_is_skipped_once_a_later_bucket_has_come() {
        let later = revenue().put(november(14), 3.0);
        close(later.assess("2026-11-14T12:00:00Z", None).value(), 12.0);
        assert_eq!(later.assess("2026-11-14T12:00:00Z", None).missed_buckets(), 0);
        // Where absence means zero, a bucket that is not there was never pulled.
        let zero = later.with(|kpi| kpi.empty = Empty::Zero).assess("2026-11-14T12:00:00Z", None);
        assert!(matches!(zero.value(), Err(Unmeasurable::Late { .. })));
    }

    #[test]
    fn nothing_at_all_is_no_data() {
        let a = Series::daily(Kind::Flow).assess("2026-11-14T12:00:00Z", None);
        assert_eq!(a.value(), Err(Unmeasurable::NoData));
        assert_eq!(a.age(), Err(Unmeasurable::NoData));
        assert_eq!(a.missed_buckets(), u32::MAX);
        assert_eq!(a.data_facts().as_of, None);
    }

    #[test]
    fn due_times_know_working_days() {
        let check = |day: Date, days: u32, due: &str| {
            let series = revenue().with(|kpi| kpi.expected = Lateness::Workdays(days));
            let bucket = Grain::Day.bucket(Grain::Day.index_of_date(day), &series.kpi.zone);
            assert_eq!(due_at(&series.kpi, &bucket), at(due), "{day} + {days}");
        };
        check(november(9), 1, "2026-11-10T23:00:00Z");
        check(november(10), 1, "2026-11-12T23:00:00Z");
        check(november(13), 1, "2026-11-16T23:00:00Z");
        check(november(13), 0, "2026-11-13T23:00:00Z");
        check(november(14), 1, "2026-11-16T23:00:00Z");
    }

    #[test]
    fn fine_grains_may_be_many_buckets_behind() {
        let mut series = Series::new(Kind::Flow, Grain::Seconds(10));
        let index = series.kpi.grain.index_at(at("2026-11-10T00:00:00Z"), &series.kpi.zone);
        series = series.put_index(index, 1.0, true);
        let a = series.assess("2026-11-10T11:00:00Z", None);
        close(a.value(), 1.0);
        assert!(a.is_provisional());
        let a = series.assess("2026-11-10T13:00:00Z", None);
        assert_eq!(a.value(), Err(Unmeasurable::Late { bucket_end: at("2026-11-10T01:00:00Z") }));
        assert_eq!(a.missed_buckets(), 359);
    }

    #[test]
    fn an_undefined_ratio_is_not_a_value() {
        let a = Series::daily(Kind::Ratio).ratio(november(10), 0.0, 0.0).assess("2026-11-11T05:15:00Z", None);
        assert!(a.current().is_ok());
        assert_eq!(a.value(), Err(Unmeasurable::ZeroDenominator));
    }
}
