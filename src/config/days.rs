//! Notations of days: one day, a stretch of days, days that come back every year.

use jiff::civil::Date;

use super::scalar::Notation;
use crate::model::closure::{ClosedDays, DayOfYear, Yearly};

/// Longest stretch of days written in one entry: ten years.
pub(super) const STRETCH_DAYS_MAX: i64 = 3_660;

/// A day of one year, or of every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneDay {
    Of(Date),
    Yearly(DayOfYear),
}

/// Days off as they are written in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaysOff(pub ClosedDays);

impl DaysOff {
    /// From one day to another, both of the same form.
    pub fn between(from: OneDay, to: OneDay) -> Result<DaysOff, String> {
        match (from, to) {
            (OneDay::Of(from), OneDay::Of(to)) => {
                stretch(from, to).map(|(from, to)| DaysOff(ClosedDays::Once { from, to }))
            }
            (OneDay::Yearly(from), OneDay::Yearly(to)) => Ok(DaysOff(ClosedDays::Yearly(Yearly::through(from, to)))),
            (OneDay::Of(_), OneDay::Yearly(_)) | (OneDay::Yearly(_), OneDay::Of(_)) => {
                Err("one end has a year and the other has none: write both with it, or both without".to_owned())
            }
        }
    }
}

/// The two days, if they are in order and not too far apart.
pub(super) fn stretch(from: Date, to: Date) -> Result<(Date, Date), String> {
    if to < from {
        return Err(format!("the last day {to} lies before the first, {from}: swap them"));
    }
    let days = to.duration_since(from).as_secs() / 86_400 + 1;
    if days > STRETCH_DAYS_MAX {
        return Err(format!("{from} to {to} are {days} days, more than the {STRETCH_DAYS_MAX} allowed: mend a year"));
    }
    Ok((from, to))
}

impl Notation for OneDay {
    const NAME: &'static str = "OneDay";
    const FORMS: &'static str = "a day such as `2026-12-24`, or `12-24` for every year";

    fn read(text: &str) -> Result<Self, String> {
        one_day(text).ok_or_else(|| format!("`{text}` is not {}", Self::FORMS))
    }
}

impl Notation for DaysOff {
    const NAME: &'static str = "DaysOff";
    const FORMS: &'static str =
        "days such as `2026-12-24` or `2026-08-03..2026-08-21`, or for every year `12-24` or `12-24..01-02`";

    fn read(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let ends = one_day(from.trim()).zip(one_day(to.trim()));
        let (from, to) = ends.ok_or_else(|| format!("`{text}` is not {}", Self::FORMS))?;
        DaysOff::between(from, to)
    }
}

fn one_day(text: &str) -> Option<OneDay> {
    let shaped = text.len() == 5
        && text.bytes().enumerate().all(|(at, byte)| if at == 2 { byte == b'-' } else { byte.is_ascii_digit() });
    if shaped {
        let (month, day) = text.split_once('-')?;
        return Some(OneDay::Yearly(DayOfYear::new(month.parse().ok()?, day.parse().ok()?)?));
    }
    Date::read(text).ok().map(OneDay::Of)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn days_off_are_read() {
        let once = |from, to| Ok(DaysOff(ClosedDays::Once { from, to }));
        let yearly = |from: (i8, i8), to: (i8, i8)| {
            let day = |(month, day)| DayOfYear::new(month, day).unwrap();
            Ok(DaysOff(ClosedDays::Yearly(Yearly::through(day(from), day(to)))))
        };
        for (text, expected) in [
            ("2026-12-24", once(date(2026, 12, 24), date(2026, 12, 24))),
            ("2026-08-03..2026-08-21", once(date(2026, 8, 3), date(2026, 8, 21))),
            ("2026-08-03 .. 2026-08-21", once(date(2026, 8, 3), date(2026, 8, 21))),
            ("12-24", yearly((12, 24), (12, 24))),
            ("12-24..01-02", yearly((12, 24), (1, 2))),
            ("02-29", yearly((2, 29), (2, 29))),
        ] {
            assert_eq!(DaysOff::read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for (text, part) in [
            ("", "days such as"),
            ("24/12", "days such as"),
            ("13-01", "days such as"),
            ("02-30", "days such as"),
            ("+1-+2", "days such as"),
            ("2026-08-03..", "days such as"),
            ("2026-08-21..2026-08-03", "swap them"),
            ("2026-08-03..08-21", "one end has a year"),
            ("2026-08-03..3026-08-21", "mend a year"),
        ] {
            let error = DaysOff::read(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
