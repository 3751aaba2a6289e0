//! When something happens in a test.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::form::AtForm;
use crate::model::grain::BucketIndex;
use crate::model::kpi::Kpi;
use crate::model::rule::Patience;

/// Buckets of one test at most.
const BUCKETS_MAX: i64 = 500_000;

/// The calendar of one test: buckets are those of its first KPI.
pub(super) struct Calendar<'a> {
    pub kpi: &'a Kpi,
    /// The first bucket that has a value.
    pub first: BucketIndex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Bucket(BucketIndex),
    Instant(Timestamp),
}

impl<'a> Calendar<'a> {
    pub(super) fn new(kpi: &'a Kpi, start: &str) -> Result<Calendar<'a>, String> {
        let first = match (start.parse::<jiff::civil::Date>(), kpi.grain.is_civil()) {
            (Ok(day), true) => kpi.grain.index_of_date(day),
            (Ok(day), false) => kpi.grain.index_at(crate::model::grain::start_of_day(day, &kpi.zone), &kpi.zone),
            (Err(_), _) => kpi.grain.read_name(start, &kpi.zone).map_err(|why| format!("start: {why}"))?,
        };
        Ok(Calendar { kpi, first })
    }

    pub(super) fn moment(&self, at: &AtForm) -> Result<Moment, String> {
        let text = match at {
            AtForm::Number(number) if *number > BUCKETS_MAX => {
                return Err(format!(
                    "at: {number}: a test has {BUCKETS_MAX} buckets at most; write dates as \"2026-01-04\""
                ));
            }
            AtForm::Number(number) if *number >= 1 => return Ok(Moment::Bucket(self.first + number - 1)),
            AtForm::Number(number) => return Err(format!("at: {number}: buckets are numbered from 1 on")),
            AtForm::Text(text) => text.trim(),
        };
        let Kpi { grain, zone, .. } = self.kpi;
        if let Ok(bucket) = grain.read_name(text, zone) {
            return Ok(Moment::Bucket(bucket));
        }
        let local =
            || text.parse::<DateTime>().ok().filter(|_| text.len() > 10).and_then(|at| zone.to_timestamp(at).ok());
        if let Some(at) = text.parse::<Timestamp>().ok().or_else(local) {
            return Ok(Moment::Instant(at));
        }
        if let Ok(Patience::Elapsed(passed)) = Patience::parse(text) {
            let start = grain.start_of(self.first, zone);
            return start.checked_add(passed).map(Moment::Instant).map_err(|error| error.to_string());
        }
        let named = grain.name(self.first, zone);
        Err(format!(
            "at: `{text}` is no moment; write a bucket's number or name (`1`, `{named}`), a local time (`2026-01-04 06:20`) or \
             a time since the start (`3d`)"
        ))
    }

    /// The slot that brings a bucket.
    pub(super) fn slot_of(&self, bucket: BucketIndex) -> Timestamp {
        let Kpi { grain, zone, schedule, calendar, .. } = self.kpi;
        let end = grain.bucket(bucket, zone).end;
        schedule.next_at_or_after(end, zone, calendar).unwrap_or(end)
    }

    /// The instant itself; of a bucket, its slot.
    pub(super) fn slot(&self, moment: Moment) -> Timestamp {
        match moment {
            Moment::Instant(at) => at,
            Moment::Bucket(bucket) => self.slot_of(bucket),
        }
    }

    /// Once a bucket has been judged.
    pub(super) fn after(&self, moment: Moment) -> Timestamp {
        match moment {
            Moment::Instant(at) => at,
            Moment::Bucket(bucket) => {
                let slot = self.slot_of(bucket);
                slot.checked_add(SignedDuration::from_secs(1)).unwrap_or(slot)
            }
        }
    }

    /// When all that follows from a bucket has happened: just before the next slot.
    pub(super) fn settled(&self, moment: Moment) -> Timestamp {
        match moment {
            Moment::Instant(at) => at,
            Moment::Bucket(bucket) => {
                let Kpi { zone, schedule, calendar, .. } = self.kpi;
                let slot = self.slot_of(bucket);
                let next = schedule.next_after(slot, zone, calendar).unwrap_or(slot);
                next.checked_sub(SignedDuration::from_millis(1)).unwrap_or(next).max(slot)
            }
        }
    }

    /// `2 (2026-01-02)`, or the local time.
    pub(super) fn name(&self, moment: Moment) -> String {
        match moment {
            Moment::Bucket(bucket) => format!("{} ({})", bucket - self.first + 1, self.kpi.bucket_name(bucket)),
            Moment::Instant(at) => self.kpi.zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        }
    }
}
