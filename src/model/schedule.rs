//! When a KPI is pulled: cron expressions and plain forms, in civil time.
//!
//! The cron crate is asked in civil time only and the mapping to instants is ours: around a change
//! of the clocks that crate can name moments that don't exist or have passed.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::calendar::Calendar;

/// A parsed schedule. Slots are instants of whole seconds; a skipped local time runs once right
/// after the gap, a repeated one runs once, at its first pass. `hourly` and `every` count elapsed
/// time instead, so that no hour of a long day goes without a slot.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    form: Form,
}

/// Schedules are equal when they are written alike.
impl PartialEq for Schedule {
    fn eq(&self, other: &Schedule) -> bool {
        self.text == other.text
    }
}

#[derive(Clone, Debug)]
enum Form {
    /// Every so many seconds, counted from the Unix epoch.
    Every { seconds: i64 },
    /// Each elapsed hour, when the local clock shows that many seconds past the hour.
    Hourly { past: i64 },
    /// At one time of the days that match.
    Days { days: Days, time: Time },
    /// A cron expression with seconds.
    Cron(Box<cron::Schedule>),
}

#[derive(Clone, Copy, Debug)]
enum Days {
    All,
    Working,
    Weekly(Weekday),
    /// That day of the month, or its last day where it is shorter.
    Monthly(i8),
}

/// How far back the last slot is looked for, in seconds.
const LOOK_BACK_SECONDS_MAX: i64 = 400 * 86_400;
/// Days that are tried for a matching one; a calendar may be closed for ever.
const SEARCH_DAYS_MAX: u32 = 4_000;
/// Civil slots that are skipped as already past; a clock set back leaves at most some hours of them.
const PAST_SLOTS_MAX: u32 = 100_000;
const HOUR: i64 = 3_600;

const FORMS: &str = "write `hourly`, `hourly :05`, `daily 06:15`, `workdays 06:15`, `weekly monday 06:15`, \
    `monthly 3 06:15`, `every 5m`, or a cron expression with seconds such as `0 15 6 * * Mon-Fri`";

impl Schedule {
    /// Reads `hourly`, `hourly :05`, `daily 06:15`, `workdays 06:15`, `weekly monday 06:15`,
    /// `monthly 3 06:15`, `every 5m`, or a cron expression with seconds (six or seven fields; the
    /// days of month and of week must both match).
    pub fn parse(text: &str) -> Result<Schedule, String> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let form = parse_form(&text).map_err(|cause| format!("schedule `{text}`: {cause}"))?;
        Ok(Schedule { text, form })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first slot strictly after `after`; none when the expression never matches again.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone, calendar: &Calendar) -> Option<Timestamp> {
        let after = whole_seconds(after);
        match &self.form {
            Form::Every { seconds } => Timestamp::from_second((after.div_euclid(*seconds) + 1) * seconds).ok(),
            Form::Hourly { past } => next_hourly(after, *past, zone),
            Form::Days { .. } | Form::Cron(_) => self.next_civil_slot(after, zone, calendar),
        }
    }

    /// The first slot at or after `at`.
    pub fn next_at_or_after(&self, at: Timestamp, zone: &TimeZone, calendar: &Calendar) -> Option<Timestamp> {
        let before = at.checked_sub(SignedDuration::from_millis(1)).ok()?;
        self.next_after(before, zone, calendar)
    }

    /// The last slot at or before `at`, looking back at most 400 days.
    pub fn last_at_or_before(&self, at: Timestamp, zone: &TimeZone, calendar: &Calendar) -> Option<Timestamp> {
        let end = whole_seconds(at);
        if let Form::Every { seconds } = self.form {
            return Timestamp::from_second(end.div_euclid(seconds) * seconds).ok();
        }
        // Found by halving on `next_after`, so that the two can't disagree.
        let has_slot_since = |start: i64| {
            let start = Timestamp::from_second(start).unwrap_or(Timestamp::MIN);
            self.next_after(start, zone, calendar).is_some_and(|slot| slot.as_second() <= end)
        };
        let mut reach = 64;
        while !has_slot_since(end - reach) {
            if reach == LOOK_BACK_SECONDS_MAX {
                return None;
            }
            reach = (reach * 8).min(LOOK_BACK_SECONDS_MAX);
        }
        let (mut with, mut without) = (end - reach, end);
        while without - with > 1 {
            let middle = with.midpoint(without);
            if has_slot_since(middle) {
                with = middle;
            } else {
                without = middle;
            }
        }
        Timestamp::from_second(without).ok()
    }

    /// How many slots lie after `last` up to `now`, where that can be said without going through them; and the slot after
    /// which only `kept` of them are left.
    pub fn skip(&self, (last, now): (Timestamp, Timestamp), kept: usize) -> Option<(u64, Timestamp)> {
        let Form::Every { seconds } = self.form else { return None };
        let number = |at: Timestamp| whole_seconds(at).div_euclid(seconds);
        let skipped =
            (number(now) - number(last)).checked_sub(i64::try_from(kept).ok()?).filter(|skipped| *skipped > 0)?;
        let at = Timestamp::from_second((number(last) + skipped) * seconds).ok()?;
        Some((skipped as u64, at))
    }

    /// The first instant after `after` (epoch seconds) that a civil time of this schedule stands for.
    fn next_civil_slot(&self, after: i64, zone: &TimeZone, calendar: &Calendar) -> Option<Timestamp> {
        let now = Timestamp::from_second(after).ok()?;
        let mut civil = resume_point(now, zone)?;
        for _ in 0..PAST_SLOTS_MAX {
            civil = self.next_civil(civil, calendar)?;
            let slot = instant_of(civil, zone)?;
            if slot > now {
                return Some(slot);
            }
        }
        None
    }

    fn next_civil(&self, after: DateTime, calendar: &Calendar) -> Option<DateTime> {
        match &self.form {
            Form::Days { days, time } => {
                let mut day = after.date();
                for _ in 0..SEARCH_DAYS_MAX {
                    let slot = day.to_datetime(*time);
                    if slot > after && days.hold(day, calendar) {
                        return Some(slot);
                    }
                    day = day.tomorrow().ok()?;
                }
                None
            }
            Form::Cron(expression) => {
                let next = expression.after(&to_chrono(after)?).next()?;
                from_chrono(&next)
            }
            Form::Every { .. } | Form::Hourly { .. } => None,
        }
    }
}

impl Days {
    fn hold(self, day: Date, calendar: &Calendar) -> bool {
        match self {
            Days::All => true,
            Days::Working => calendar.is_working_day(day),
            Days::Weekly(weekday) => day.weekday() == weekday,
            Days::Monthly(number) => day.day() == number.min(day.days_in_month()),
        }
    }
}

/// The instant that a civil time stands for: its first pass where it repeats, the end of the gap where it is skipped.
fn instant_of(civil: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok(),
        AmbiguousOffset::Gap { before, .. } => {
            let as_if_not_set = before.to_timestamp(civil).ok()?;
            last_transition(as_if_not_set, zone)
        }
    }
}

/// The civil time after which slots are still to come at `now`: the local time, or while a repeated
/// stretch passes for the second time its end, since all its slots ran at the first pass.
fn resume_point(now: Timestamp, zone: &TimeZone) -> Option<DateTime> {
    let local = zone.to_datetime(now);
    if instant_of(local, zone)? == now {
        return Some(local);
    }
    let set_back = last_transition(now, zone)?;
    let offset_before = zone.to_offset(set_back.checked_sub(1.second()).ok()?);
    let end_of_repeat = offset_before.to_datetime(set_back);
    end_of_repeat.checked_sub(1.second()).ok().map(|before_end| before_end.max(local))
}

/// The newest change of the clocks at or before `at`.
fn last_transition(at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    zone.preceding(at.checked_add(1.second()).ok()?).next().map(|transition| transition.timestamp())
}

/// The first instant after `after` at which the local clock shows `past` seconds past an hour.
fn next_hourly(after: i64, past: i64, zone: &TimeZone) -> Option<Timestamp> {
    let mut from = after + 1;
    // Each turn passes one change of the clocks; two in one hour are unheard of.
    for _ in 0..8 {
        let start = Timestamp::from_second(from).ok()?;
        let offset = zone.to_offset(start);
        let local = from + i64::from(offset.seconds());
        let slot = Timestamp::from_second(from + (past - local).rem_euclid(HOUR)).ok()?;
        if zone.to_offset(slot) == offset {
            return Some(slot);
        }
        match zone.following(start).next() {
            Some(change) if change.timestamp() <= slot => from = change.timestamp().as_second(),
            _ => return Some(slot),
        }
    }
    None
}

/// Epoch seconds, rounded down.
fn whole_seconds(at: Timestamp) -> i64 {
    at.as_millisecond().div_euclid(1_000)
}

fn to_chrono(civil: DateTime) -> Option<chrono::DateTime<chrono::Utc>> {
    let day = chrono::NaiveDate::from_ymd_opt(civil.year().into(), civil.month() as u32, civil.day() as u32)?;
    Some(day.and_hms_opt(civil.hour() as u32, civil.minute() as u32, civil.second() as u32)?.and_utc())
}

fn from_chrono(civil: &chrono::DateTime<chrono::Utc>) -> Option<DateTime> {
    let as_utc = Timestamp::from_second(civil.timestamp()).ok()?;
    Some(TimeZone::UTC.to_datetime(as_utc))
}

fn parse_form(text: &str) -> Result<Form, String> {
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(' ').collect();
    match words[..] {
        ["hourly"] => Ok(Form::Hourly { past: 0 }),
        ["hourly", minute] => parse_minute(minute).map(|minute| Form::Hourly { past: minute * 60 }),
        ["daily", time] => Ok(Form::Days { days: Days::All, time: parse_time(time)? }),
        ["workdays", time] => Ok(Form::Days { days: Days::Working, time: parse_time(time)? }),
        ["weekly", day, time] => Ok(Form::Days { days: Days::Weekly(parse_weekday(day)?), time: parse_time(time)? }),
        ["monthly", day, time] => {
            Ok(Form::Days { days: Days::Monthly(parse_month_day(day)?), time: parse_time(time)? })
        }
        ["every", width] => parse_every(width),
        ["hourly" | "daily" | "workdays" | "weekly" | "monthly" | "every", ..] => {
            Err(format!("it has {} words, which fits no form; {FORMS}", words.len()))
        }
        [_, _, _, _, _] => Err(format!("a cron expression needs seconds as its first of six fields; write `0 {text}`")),
        [_, _, _, _, _, weekdays] | [_, _, _, _, _, weekdays, _] => parse_cron(text, weekdays),
        _ => Err(format!("no such form; {FORMS}")),
    }
}

fn parse_cron(text: &str, weekdays: &str) -> Result<Form, String> {
    if weekdays.contains(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "the weekday `{weekdays}` is a number, and which day a number means differs between crons; \
             write names, such as `Mon-Fri` or `Sat,Sun`"
        ));
    }
    let expression: cron::Schedule = text.parse().map_err(|_| explain_cron(text))?;
    let start = chrono::DateTime::UNIX_EPOCH;
    if expression.after(&start).next().is_none() {
        return Err("it names no day that exists; check the day of the month against the month".to_owned());
    }
    Ok(Form::Cron(Box::new(expression)))
}

/// Names the first field that a cron expression fails on; the crate itself draws the whole line.
fn explain_cron(text: &str) -> String {
    const NAMES: [(&str, &str); 7] = [
        ("seconds", "0 to 59"),
        ("minutes", "0 to 59"),
        ("hours", "0 to 23"),
        ("day of month", "1 to 31"),
        ("month", "1 to 12, or Jan to Dec"),
        ("weekday", "Mon to Sun; a range runs from Sun to Sat, write `Sat,Sun` for the weekend"),
        ("year", "1970 to 2100"),
    ];
    for (place, (field, (name, range))) in text.split(' ').zip(NAMES).enumerate() {
        let alone: Vec<&str> = (0..7).map(|at| if at == place { field } else { "*" }).collect();
        if alone.join(" ").parse::<cron::Schedule>().is_err() {
            return format!(
                "the field {name} (`{field}`) can't be read; it takes {range}, `*`, lists, ranges, `/` steps"
            );
        }
    }
    format!("no cron expression; {FORMS}")
}

fn parse_time(text: &str) -> Result<Time, String> {
    let clock = |text: &str| {
        let numbers = text.split(':').map(two_digits).collect::<Option<Vec<i8>>>()?;
        match numbers[..] {
            [hour, minute] => Time::new(hour, minute, 0, 0).ok(),
            [hour, minute, second] => Time::new(hour, minute, second, 0).ok(),
            _ => None,
        }
    };
    clock(text).ok_or_else(|| format!("`{text}` is no time of day; write it as `06:15` or `06:15:30`"))
}

fn parse_minute(text: &str) -> Result<i64, String> {
    text.strip_prefix(':')
        .and_then(two_digits)
        .map(i64::from)
        .filter(|minute| *minute < 60)
        .ok_or_else(|| format!("`{text}` is no minute of the hour; write `:00` to `:59`"))
}

fn two_digits(text: &str) -> Option<i8> {
    ((1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn parse_weekday(text: &str) -> Result<Weekday, String> {
    const NAMES: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let found = NAMES.iter().find(|(name, _)| *name == text || &name[..3] == text);
    found.map(|(_, day)| *day).ok_or_else(|| format!("`{text}` is no weekday; write `monday` to `sunday`"))
}

fn parse_month_day(text: &str) -> Result<i8, String> {
    two_digits(text)
        .filter(|day| (1..=31).contains(day))
        .ok_or_else(|| format!("`{text}` is no day of the month; write 1 to 31 (31 means the last day)"))
}

fn parse_every(text: &str) -> Result<Form, String> {
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => HOUR,
        Some(b'd') => return Err("a width in days has no time of day; write `daily 06:15`".to_owned()),
        _ => 0,
    };
    let digits = text.get(..text.len().saturating_sub(1)).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let count = digits.and_then(|digits| digits.parse::<i64>().ok());
    match count.and_then(|count| count.checked_mul(unit)) {
        Some(seconds) if (1..=LOOK_BACK_SECONDS_MAX).contains(&seconds) => Ok(Form::Every { seconds }),
        _ => Err(format!("`{text}` is no width; write `30s`, `5m` or `2h`, above zero and up to 400 days")),
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
