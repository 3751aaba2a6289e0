//! When a KPI is pulled: cron expressions and plain forms, in civil time.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::calendar::Calendar;

/// A parsed schedule. Slots are instants; a skipped local time runs once right after the gap, a
/// repeated one runs once.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
}

impl Schedule {
    /// Reads `hourly`, `daily 06:15`, `workdays 06:15`, `every 5m`, or a cron expression with seconds.
    pub fn parse(_text: &str) -> Result<Schedule, String> {
        unimplemented!()
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first slot strictly after `after`; none when the expression never matches again.
    pub fn next_after(&self, _after: Timestamp, _zone: &TimeZone, _calendar: &Calendar) -> Option<Timestamp> {
        unimplemented!()
    }

    /// The first slot at or after `at`.
    pub fn next_at_or_after(&self, _at: Timestamp, _zone: &TimeZone, _calendar: &Calendar) -> Option<Timestamp> {
        unimplemented!()
    }

    /// The last slot at or before `at`, looking back at most 400 days.
    pub fn last_at_or_before(&self, _at: Timestamp, _zone: &TimeZone, _calendar: &Calendar) -> Option<Timestamp> {
        unimplemented!()
    }
}
