//! Buckets: the intervals that observations cover, counted by a whole number per grain.
//!
//! A bucket index makes a series a dense array: neighbours in time are neighbours in memory.

use jiff::civil::{Date, DateTime, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// The width of a KPI's buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    /// A fixed number of seconds, counted from the Unix epoch.
    Seconds(u32),
    /// A civil day in the KPI's zone (23 to 25 hours).
    Day,
    /// An ISO week, Monday to Sunday, in the KPI's zone.
    Week,
    /// A civil month in the KPI's zone.
    Month,
}

/// Number of a bucket: days, ISO weeks or months since 1970, or epoch seconds over the width.
pub type BucketIndex = i64;

/// The half-open interval `[start, end)` of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bucket {
    pub index: BucketIndex,
    pub start: Timestamp,
    pub end: Timestamp,
}

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

impl Grain {
    pub const HOUR: Grain = Grain::Seconds(3600);

    /// Index of the bucket that holds `at`.
    pub fn index_at(self, at: Timestamp, zone: &TimeZone) -> BucketIndex {
        match self {
            Grain::Seconds(width) => at.as_second().div_euclid(i64::from(width)),
            Grain::Day | Grain::Week | Grain::Month => self.index_of_date(zone.to_datetime(at).date()),
        }
    }

    /// Index of the bucket that holds the start of a civil day (for `Seconds`: in UTC).
    pub fn index_of_date(self, date: Date) -> BucketIndex {
        match self {
            Grain::Seconds(width) => days_since_epoch(date) * 86_400 / i64::from(width),
            Grain::Day => days_since_epoch(date),
            // The epoch was a Thursday; ISO week 0 began on Monday 1969-12-29.
            Grain::Week => (days_since_epoch(date) + 3).div_euclid(7),
            Grain::Month => (i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1,
        }
    }

    /// The bucket with that index.
    pub fn bucket(self, index: BucketIndex, zone: &TimeZone) -> Bucket {
        Bucket { index, start: self.start_of(index, zone), end: self.start_of(index + 1, zone) }
    }

    /// The bucket that holds `at`.
    pub fn bucket_at(self, at: Timestamp, zone: &TimeZone) -> Bucket {
        self.bucket(self.index_at(at, zone), zone)
    }

    /// First instant of the bucket with that index.
    pub fn start_of(self, index: BucketIndex, zone: &TimeZone) -> Timestamp {
        match self {
            Grain::Seconds(width) => {
                Timestamp::from_second(index.saturating_mul(i64::from(width))).unwrap_or(Timestamp::MAX)
            }
            Grain::Day | Grain::Week | Grain::Month => start_of_day(self.date_of(index), zone),
        }
    }

    /// First civil day of the bucket (for `Seconds`: in UTC).
    pub fn date_of(self, index: BucketIndex) -> Date {
        match self {
            Grain::Seconds(width) => date_from_days(index.saturating_mul(i64::from(width)).div_euclid(86_400)),
            Grain::Day => date_from_days(index),
            Grain::Week => date_from_days(index.saturating_mul(7).saturating_sub(3)),
            Grain::Month => {
                let year = (1970 + index.div_euclid(12)).clamp(-9998, 9998) as i16;
                Date::new(year, (index.rem_euclid(12) + 1) as i8, 1).unwrap_or(EPOCH)
            }
        }
    }

    /// Index of the newest bucket that has ended at `at` (its end is at or before `at`).
    pub fn last_ended(self, at: Timestamp, zone: &TimeZone) -> BucketIndex {
        self.index_at(at, zone) - 1
    }

    /// The buckets that begin on a civil day of the zone, as `[first, end)`; for grains finer than a day.
    pub fn buckets_of_day(self, day: Date, zone: &TimeZone) -> (BucketIndex, BucketIndex) {
        // Where midnight lies within a bucket, that one began the day before.
        let first_from = |at: Timestamp| {
            let index = self.index_at(at, zone);
            if self.start_of(index, zone) < at { index + 1 } else { index }
        };
        let next = day.checked_add(1.day()).unwrap_or(day);
        (first_from(start_of_day(day, zone)), first_from(start_of_day(next, zone)))
    }

    /// About how long one bucket lasts; for bounds, never for boundaries.
    pub fn nominal(self) -> SignedDuration {
        match self {
            Grain::Seconds(width) => SignedDuration::from_secs(i64::from(width)),
            Grain::Day => SignedDuration::from_hours(24),
            Grain::Week => SignedDuration::from_hours(24 * 7),
            Grain::Month => SignedDuration::from_hours(24 * 30),
        }
    }

    /// A bucket as people name it: `2026-11-24`, `2026-W47`, `2026-11`, `2026-11-24T14:00`.
    pub fn name(self, index: BucketIndex, zone: &TimeZone) -> String {
        let date = self.date_of(index);
        match self {
            Grain::Day => date.to_string(),
            Grain::Week => {
                let week = date.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Grain::Month => date.strftime("%Y-%m").to_string(),
            Grain::Seconds(width) => {
                let format = if width % 60 == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
                zone.to_datetime(self.start_of(index, zone)).strftime(format).to_string()
            }
        }
    }

    /// The bucket that has this name; an hour may be an instant too.
    pub fn read_name(self, name: &str, zone: &TimeZone) -> Result<BucketIndex, String> {
        let name = name.trim();
        let wrong = |form: &str| format!("`{name}` is no {form}");
        // Dates of other lengths would be read as something near them.
        let date = |text: &str| text.parse::<Date>().ok().filter(|_| text.len() == 10);
        match self {
            Grain::Day => date(name).map(|day| self.index_of_date(day)).ok_or_else(|| wrong("day such as 2026-11-24")),
            Grain::Week => {
                let week = name.split_once("-W").and_then(|(year, week)| {
                    let monday = ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, Weekday::Monday);
                    monday.ok().filter(|_| week.len() == 2).map(ISOWeekDate::date)
                });
                week.map(|monday| self.index_of_date(monday)).ok_or_else(|| wrong("ISO week such as 2026-W47"))
            }
            Grain::Month => date(&format!("{name}-01"))
                .map(|first| self.index_of_date(first))
                .ok_or_else(|| wrong("month such as 2026-11")),
            Grain::Seconds(_) => {
                let local = || name.parse::<DateTime>().ok().and_then(|local| zone.to_timestamp(local).ok());
                let at = name.parse::<Timestamp>().ok().or_else(local).filter(|_| name.len() > 10);
                let at = at.ok_or_else(|| wrong("time such as 2026-11-24T14:00, in the KPI's zone"))?;
                let index = self.index_at(at, zone);
                if self.start_of(index, zone) == at {
                    return Ok(index);
                }
                Err(format!("`{name}` lies within a bucket; name it by its start, {}", self.name(index, zone)))
            }
        }
    }

    /// True for grains whose buckets are whole civil days.
    pub fn is_civil(self) -> bool {
        !matches!(self, Grain::Seconds(_))
    }
}

/// First instant of a civil day in a zone, also where midnight is skipped.
pub fn start_of_day(date: Date, zone: &TimeZone) -> Timestamp {
    zone.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(Timestamp::MIN)
}

/// The civil day on which an instant falls in a zone.
pub fn day_of(at: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(at).date()
}

/// Monday of the ISO week that holds the day.
pub fn monday_of(date: Date) -> Date {
    let back = i64::from(date.weekday().since(Weekday::Monday));
    date.checked_sub(back.days()).unwrap_or(date)
}

fn days_since_epoch(date: Date) -> i64 {
    date.duration_since(EPOCH).as_secs() / 86_400
}

fn date_from_days(days: i64) -> Date {
    EPOCH.checked_add(SignedDuration::from_secs(days.saturating_mul(86_400))).unwrap_or(EPOCH)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::Grain;

    #[test]
    fn names_are_read_back() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        for (grain, name) in [
            (Grain::Day, "2026-11-24"),
            (Grain::Week, "2026-W47"),
            (Grain::Week, "2026-W53"),
            (Grain::Month, "2026-11"),
            (Grain::HOUR, "2026-11-24T14:00"),
            (Grain::Seconds(300), "2026-11-24T14:05"),
            (Grain::Seconds(10), "2026-11-24T14:05:10"),
        ] {
            let index = grain.read_name(name, &paris).unwrap();
            assert_eq!(grain.name(index, &paris), name);
        }
        let hour = |name: &str| Grain::HOUR.read_name(name, &paris).unwrap();
        assert_eq!(hour("2026-11-24T13:00:00Z"), hour("2026-11-24 14:00"));
    }

    #[test]
    fn days_have_their_buckets() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let count = |day: &str, grain: Grain, zone: &TimeZone| {
            let (first, end) = grain.buckets_of_day(day.parse().unwrap(), zone);
            (grain.name(first, zone), end - first)
        };
        assert_eq!(count("2026-11-24", Grain::HOUR, &paris), ("2026-11-24T00:00".into(), 24));
        assert_eq!(count("2026-10-25", Grain::HOUR, &paris), ("2026-10-25T00:00".into(), 25));
        assert_eq!(count("2026-03-29", Grain::Seconds(300), &paris), ("2026-03-29T00:00".into(), 276));
        let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
        assert_eq!(count("2026-11-24", Grain::HOUR, &kolkata), ("2026-11-24T00:30".into(), 24));
    }

    #[test]
    fn other_names_are_refused() {
        for (grain, name, part) in [
            (Grain::Day, "2026-11", "no day such as"),
            (Grain::Day, "24/11/2026", "no day such as"),
            (Grain::Week, "2026-11-24", "no ISO week such as"),
            (Grain::Week, "2026-W54", "no ISO week such as"),
            (Grain::Month, "2026-13", "no month such as"),
            (Grain::Month, "2026-11-24", "no month such as"),
            (Grain::HOUR, "2026-11-24", "no time such as"),
            (Grain::HOUR, "2026-11-24T14:20", "name it by its start, 2026-11-24T14:00"),
        ] {
            let error = grain.read_name(name, &TimeZone::UTC).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
