//! Days and instants as people write them on the command line.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::model::grain::start_of_day;

/// `2026-11-03`, `2026-11-03 08:00` or `2026-11-03T07:00:00Z`; the first two in a zone that is known later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Day(Date),
    Local(DateTime),
    At(Timestamp),
}

impl When {
    pub(super) fn parse(text: &str) -> Result<When, String> {
        let text = text.trim();
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(When::At(at));
        }
        if let Some(day) = text.parse::<Date>().ok().filter(|_| text.len() == 10) {
            return Ok(When::Day(day));
        }
        let local = text.parse::<DateTime>().ok().filter(|_| text.len() > 10);
        local.map(When::Local).ok_or_else(|| {
            "no day and no instant; write 2026-11-03, '2026-11-03 08:00' or 2026-11-03T07:00:00Z".to_owned()
        })
    }

    /// The instant; of a day its beginning.
    pub(super) fn begin(self, zone: &TimeZone) -> Timestamp {
        match self {
            When::Day(day) => start_of_day(day, zone),
            When::Local(local) => zone.to_timestamp(local).unwrap_or(Timestamp::MIN),
            When::At(at) => at,
        }
    }

    /// The first instant that no longer belongs to it; of a day the beginning of the next, else just after the instant.
    pub(super) fn end(self, zone: &TimeZone) -> Timestamp {
        match self {
            When::Day(day) => start_of_day(day.saturating_add(1.day()), zone),
            When::Local(_) | When::At(_) => {
                let at = self.begin(zone);
                at.checked_add(SignedDuration::from_nanos(1)).unwrap_or(at)
            }
        }
    }

    /// The instant as of which something is asked; of a day its end.
    pub(super) fn as_of(self, zone: &TimeZone) -> Timestamp {
        if matches!(self, When::Day(_)) { self.end(zone) } else { self.begin(zone) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_instants_are_told_apart() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let times = |text: &str| {
            let when = When::parse(text).unwrap();
            (when.begin(&paris).to_string(), when.as_of(&paris).to_string())
        };
        let both = |text: &str| (text.to_owned(), text.to_owned());
        assert_eq!(times("2026-11-03"), ("2026-11-02T23:00:00Z".into(), "2026-11-03T23:00:00Z".into()));
        assert_eq!(times("2026-11-03 08:00"), both("2026-11-03T07:00:00Z"));
        assert_eq!(times("2026-11-03T08:00:00Z"), both("2026-11-03T08:00:00Z"));
        for wrong in ["", "yesterday", "2026-13-01", "2026-11", "03/11/2026"] {
            assert!(When::parse(wrong).is_err(), "{wrong}");
        }
    }
}
