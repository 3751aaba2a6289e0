//! Dates and times as files and databases write them; the day comes before the month, months may have French or English
//! names.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, ISOWeekDate, Time, Weekday};
use jiff::fmt::strtime::BrokenDownTime;

use crate::model::observation::ReadingTime;

/// The forms that are read without being told, for messages and the manual.
pub(in crate::source) const FORMS: &str =
    "2026-12-31, 31/12/2026, 31-12-2026 14:30, 2026-12, 12/2026, déc. 2026, 2026-W05, RFC 3339 or epoch seconds";

/// Lower case, accents taken off.
const MONTHS_FR: [&str; 12] = [
    "janvier",
    "fevrier",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "aout",
    "septembre",
    "octobre",
    "novembre",
    "decembre",
];
const MONTHS_EN: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Reads a time in one of the known forms.
pub(in crate::source) fn read(text: &str) -> Option<ReadingTime> {
    let text = text.trim();
    if text.is_empty() || text.len() > 64 {
        return None;
    }
    if let Some(read) = as_machines_write(text) {
        return Some(read);
    }
    if text.contains(char::is_alphabetic)
        && let Some(date) = named_month(text)
    {
        return Some(ReadingTime::Date(date));
    }
    if !text.is_ascii() {
        return None;
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(ReadingTime::Instant(instant));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text.matches('.').count() <= 1 {
        return digits(text);
    }
    if let Some(week) = iso_week(text) {
        return Some(ReadingTime::Date(week));
    }
    let (day, clock) = match text.split_once([' ', 'T']) {
        Some((day, clock)) => (day, Some(clock.trim())),
        None => (text, None),
    };
    let date = civil_date(day, clock.is_none())?;
    match clock {
        None => Some(ReadingTime::Date(date)),
        Some(clock) => Some(ReadingTime::Local(DateTime::from_parts(date, civil_clock(clock)?))),
    }
}

/// `2026-11-28`, `2026-11-28 14:05` and `2026-11-28T14:05:09`, as nearly all exports have them, without trying the other
/// forms first. None: look closer.
fn as_machines_write(text: &str) -> Option<ReadingTime> {
    let bytes = text.as_bytes();
    let number = |at: usize, digits: usize| {
        let part = bytes.get(at..at + digits)?;
        part.iter().try_fold(0_i16, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i16::from(byte - b'0')))
    };
    let two = |at: usize| i8::try_from(number(at, 2)?).ok();
    let is = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|byte| wanted.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && matches!(bytes.len(), 10 | 16 | 19)) {
        return None;
    }
    let date = Date::new(number(0, 4)?, two(5)?, two(8)?).ok()?;
    if bytes.len() == 10 {
        return Some(ReadingTime::Date(date));
    }
    if !(is(10, b" T") && is(13, b":")) {
        return None;
    }
    let second = match bytes.len() {
        16 => 0,
        _ if is(16, b":") => two(17)?,
        _ => return None,
    };
    let time = Time::new(two(11)?, two(14)?, second, 0).ok()?;
    Some(ReadingTime::Local(DateTime::from_parts(date, time)))
}

/// Reads a time in the form of the setting `date_format` (strftime).
pub(in crate::source) fn read_as(text: &str, format: &str) -> Option<ReadingTime> {
    let mut broken = BrokenDownTime::parse(format, text.trim()).ok()?;
    if let Ok(instant) = broken.to_timestamp() {
        return Some(ReadingTime::Instant(instant));
    }
    if broken.day().is_none() && broken.month().is_some() {
        broken.set_day(Some(1)).ok()?;
    }
    match broken.to_datetime() {
        Ok(local) if broken.hour().is_some() => Some(ReadingTime::Local(local)),
        _ => broken.to_date().ok().map(ReadingTime::Date),
    }
}

/// An instant as a number: epoch seconds, or milliseconds where seconds would lie after the year 5000. Before 1973 nobody
/// has figures; such numbers are of another kind, as [`of_another_kind`] says.
pub(in crate::source) fn read_number(number: f64) -> Option<ReadingTime> {
    const SECONDS_MIN: f64 = 1e8;
    const SECONDS_MAX: f64 = 1e11;
    if number < SECONDS_MIN {
        return None;
    }
    let milliseconds = if number.abs() < SECONDS_MAX { number * 1000.0 } else { number };
    let fits = milliseconds.is_finite() && milliseconds.abs() < 1e15;
    fits.then(|| Timestamp::from_millisecond(milliseconds.round() as i64).ok()).flatten().map(ReadingTime::Instant)
}

/// What a number is that is no instant, with the remedy; none where it is like no time.
pub(in crate::source) fn of_another_kind(text: &str) -> Option<&'static str> {
    let number: f64 = text.trim().parse().ok()?;
    match number {
        // 1954 to 2119 and 1858 to 2132.
        20_000.0..80_000.0 => Some("a day number of a spreadsheet: format the column as a date"),
        2_400_000.0..2_500_000.0 => Some("a Julian day: write unixepoch(column), or date(column)"),
        _ => None,
    }
}

/// `20261231` is a day, 9 or more digits are an instant.
fn digits(text: &str) -> Option<ReadingTime> {
    match text.split('.').next().unwrap_or_default().len() {
        8 if !text.contains('.') => {
            let date = Date::new(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?).ok()?;
            Some(ReadingTime::Date(date))
        }
        9..=13 => read_number(text.parse().ok()?),
        _ => None,
    }
}

/// `janv. 2026`, `août 2026`, `1er mars 2026`, `3-Dec-2026`, and Excel's `janv-26`.
fn named_month(text: &str) -> Option<Date> {
    let parts: Vec<&str> = text.split([' ', '\u{a0}', '-']).filter(|part| !part.is_empty()).collect();
    let (day, name, year) = match *parts.as_slice() {
        [name, year] => ("1", name, year),
        [day, name, year] => (day.strip_suffix("er").unwrap_or(day), name, year),
        _ => return None,
    };
    let digits = |part: &str| part.parse::<i16>().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()));
    let year = match year.len() {
        4 => digits(year)?,
        // `mars 26` may be a day.
        2 if text.contains('-') => 2000 + digits(year)?,
        _ => return None,
    };
    Date::new(year, month_of_name(name)?, i8::try_from(digits(day)?).ok()?).ok()
}

/// By the whole name or its beginning, as long as it means one month.
fn month_of_name(name: &str) -> Option<i8> {
    let plain = |c: char| match c {
        'é' => 'e',
        'û' => 'u',
        c => c,
    };
    let name: String = name.trim_end_matches('.').to_lowercase().chars().map(plain).collect();
    let begins = |month: usize| MONTHS_FR[month].starts_with(&name) || MONTHS_EN[month].starts_with(&name);
    let mut found = (0..12).filter(|month| name.len() >= 3 && begins(*month));
    let month = found.next().filter(|_| found.next().is_none())?;
    i8::try_from(month + 1).ok()
}

/// `2026-W05`, `2026W05`, `2026-W05-3`.
fn iso_week(text: &str) -> Option<Date> {
    let (year, rest) = text.split_once(['W', 'w'])?;
    let year: i16 = year.trim_end_matches('-').parse().ok()?;
    let (week, day) = match rest.split_once('-') {
        Some((week, day)) => (week, Weekday::from_monday_one_offset(day.parse().ok()?).ok()?),
        None => (rest, Weekday::Monday),
    };
    Some(ISOWeekDate::new(year, week.parse().ok()?, day).ok()?.date())
}

/// Year first, or day first; without a day it is the month.
fn civil_date(text: &str, month_alone: bool) -> Option<Date> {
    let separator = text.chars().find(|c| !c.is_ascii_digit()).filter(|c| ['-', '/', '.'].contains(c))?;
    let parts: Vec<&str> = text.split(separator).collect();
    let number = |part: &str| part.parse::<i16>().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()));
    let (year, month, day) = match *parts.as_slice() {
        [year, month, day] if year.len() == 4 => (number(year)?, number(month)?, number(day)?),
        [day, month, year] if year.len() == 4 => (number(year)?, number(month)?, number(day)?),
        [day, month, year] if year.len() == 2 => (2000 + number(year)?, number(month)?, number(day)?),
        [year, month] if month_alone && year.len() == 4 => (number(year)?, number(month)?, 1),
        [month, year] if month_alone && year.len() == 4 => (number(year)?, number(month)?, 1),
        _ => return None,
    };
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// `14:30`, `14:30:05`, `14:30:05.250`, `14h30`.
fn civil_clock(text: &str) -> Option<Time> {
    let text = text.replacen(['h', 'H'], ":", 1);
    let parts: Vec<&str> = text.split(':').collect();
    let two = |part: &str| part.parse::<i8>().ok().filter(|_| (1..=2).contains(&part.len()));
    match *parts.as_slice() {
        [hour, minute] => Time::new(two(hour)?, two(minute)?, 0, 0).ok(),
        [hour, minute, second] => {
            let (second, fraction) = second.split_once(['.', ',']).unwrap_or((second, ""));
            let digits = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
            let nanosecond = digits.then(|| format!("{fraction:0<9}").parse().ok()).flatten()?;
            Time::new(two(hour)?, two(minute)?, two(second)?, nanosecond).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::{ReadingTime, read, read_as, read_number};

    #[test]
    fn days_weeks_and_months() {
        for (text, year, month, day) in [
            ("2026-12-31", 2026, 12, 31),
            ("2026/12/31", 2026, 12, 31),
            ("20261231", 2026, 12, 31),
            ("31/12/2026", 2026, 12, 31),
            ("31-12-2026", 2026, 12, 31),
            ("31.12.2026", 2026, 12, 31),
            ("1/2/26", 2026, 2, 1),
            ("2026-12", 2026, 12, 1),
            ("12/2026", 2026, 12, 1),
            ("2026-W05", 2026, 1, 26),
            ("2026W05", 2026, 1, 26),
            ("2026-W05-3", 2026, 1, 28),
        ] {
            assert_eq!(read(text), Some(ReadingTime::Date(date(year, month, day))), "{text}");
        }
    }

    #[test]
    fn months_by_name() {
        for (text, month, day) in [
            ("janv. 2026", 1, 1),
            ("févr. 2026", 2, 1),
            ("Février 2026", 2, 1),
            ("mars 2026", 3, 1),
            ("AVR 2026", 4, 1),
            ("mai 2026", 5, 1),
            ("juin 2026", 6, 1),
            ("juil. 2026", 7, 1),
            ("août\u{a0}2026", 8, 1),
            ("aout 2026", 8, 1),
            ("sept-26", 9, 1),
            ("Oct-2026", 10, 1),
            ("November 2026", 11, 1),
            ("déc.-26", 12, 1),
            ("1er mai 2026", 5, 1),
            ("14 July 2026", 7, 14),
            ("31-Dec-2026", 12, 31),
        ] {
            assert_eq!(read(text), Some(ReadingTime::Date(date(2026, month, day))), "{text}");
        }
        for text in ["jui 2026", "ma 2026", "mars", "mars 26", "marsien 2026", "T1 2026", "31 juin 2026", "Total 2026"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn moments() {
        for text in ["31-12-2026 14:30", "2026-12-31 14:30:00", "2026-12-31T14:30:00.000", "31/12/2026 14h30"] {
            assert_eq!(read(text), Some(ReadingTime::Local(date(2026, 12, 31).at(14, 30, 0, 0))), "{text}");
        }
        let instant = ReadingTime::Instant("2026-12-31T13:30:00Z".parse().unwrap());
        for text in ["2026-12-31T14:30:00+01:00", "2026-12-31 13:30:00Z", "1798723800", "1798723800000", "1798723800.0"]
        {
            assert_eq!(read(text), Some(instant), "{text}");
        }
        assert_eq!(read_number(1_798_723_800.0), Some(instant));
        assert_eq!(read_number(f64::NAN), None);
    }

    #[test]
    fn what_is_no_time() {
        for text in
            ["", "Total", "12/31/2026", "2026", "31/02/2026", "2026-13", "2026-W54", "14:30", "1-2-3", "été 2026"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn given_formats() {
        fn check(text: &str, format: &str, expected: ReadingTime) {
            assert_eq!(read_as(text, format), Some(expected), "{text} as {format}");
        }
        check("12/31/2026", "%m/%d/%Y", ReadingTime::Date(date(2026, 12, 31)));
        check("12.2026", "%m.%Y", ReadingTime::Date(date(2026, 12, 1)));
        check("31 12 26 08:05", "%d %m %y %H:%M", ReadingTime::Local(date(2026, 12, 31).at(8, 5, 0, 0)));
        let instant = "2026-12-31T07:05:00Z".parse().unwrap();
        check("2026-12-31 08:05 +0100", "%Y-%m-%d %H:%M %z", ReadingTime::Instant(instant));
        assert_eq!(read_as("31/12/2026", "%m/%d/%Y"), None);
    }
}
