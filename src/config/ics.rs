//! Calendar files (RFC 5545): their all-day events as days off, and what in them was left aside.
//!
//! The libraries at hand read nested components by recursion, so that a hostile file ends the process, and keep no
//! line numbers; what is needed here is a few properties of one flat component.

use std::collections::HashMap;

use jiff::ToSpan;
use jiff::civil::Date;

use crate::model::closure::{ClosedDays, Closure, DayOfYear, Length, YEARLY_DAYS_MAX, Yearly};

/// Longest file, in bytes.
pub(super) const ICS_BYTES_MAX: u64 = 1_000_000;
/// Most events of one file.
const EVENTS_MAX: usize = 2_000;
/// Longest single event, in days.
const EVENT_DAYS_MAX: i64 = 3_660;
/// Longest name kept, in characters.
const NAME_CHARS_MAX: usize = 100;

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ics {
    pub closures: Vec<Closure>,
    /// Events that don't count although somebody may think so: line, and why.
    pub remarks: Vec<(usize, String)>,
}

/// What makes a file no calendar: the line, and why.
pub(super) type Fault = (usize, String);

/// Reads a file's events.
pub(super) fn read(text: &str) -> Result<Ics, Fault> {
    let events = events(text)?;
    let mut ics = Ics::default();
    // An instance that was moved or cancelled takes the place of the one that its series would have.
    let mut replaced: HashMap<&str, Vec<Date>> = HashMap::new();
    for event in &events {
        if let (Some(uid), Some(instead)) = (event.uid.as_deref(), event.instead_of) {
            replaced.entry(uid).or_default().push(instead);
        }
    }
    let (free, busy): (Vec<_>, Vec<_>) =
        events.iter().filter(|event| !event.cancelled).partition(|event| event.transparent);
    // Exports of holidays mark them all so, shared calendars those that somebody entered as free: either way they would be
    // missed in silence.
    if let Some(first) = free.first() {
        let which = match (free.len(), busy.is_empty()) {
            (count, true) if count > 1 => format!("all {count} events are"),
            (1, _) => format!("{} is", first.title()),
            (count, _) => format!("{count} events are"),
        };
        let why = format!(
            "{which} marked as free time (TRANSP:TRANSPARENT): {} as a day off",
            if free.len() == 1 { "it does not count" } else { "none counts" }
        );
        ics.remarks.push((if busy.is_empty() { 1 } else { first.line }, why));
    }
    for event in busy {
        let mut except = event.except.clone();
        if event.instead_of.is_none() {
            except.extend(event.uid.as_deref().and_then(|uid| replaced.get(uid)).into_iter().flatten());
        }
        match event.days(except) {
            Ok(days) => ics.closures.extend(days.map(|days| Closure { days, name: event.summary.clone() })),
            Err(why) => ics.remarks.push((event.line, format!("{} {why}: it is left out", event.title()))),
        }
    }
    if ics.closures.is_empty() && ics.remarks.is_empty() {
        ics.remarks.push((1, "the file holds no event that counts".to_owned()));
    }
    Ok(ics)
}

/// One VEVENT, as far as it matters.
#[derive(Debug, Default)]
struct Event {
    line: usize,
    uid: Option<String>,
    summary: Option<String>,
    start: Option<Moment>,
    end: Option<Moment>,
    duration: Option<String>,
    rule: Option<String>,
    except: Vec<Date>,
    extra_dates: bool,
    instead_of: Option<Date>,
    cancelled: bool,
    transparent: bool,
}

#[derive(Clone, Copy, Debug)]
enum Moment {
    Day(Date),
    Timed,
}

impl Event {
    /// How messages call it.
    fn title(&self) -> String {
        match (&self.summary, &self.uid) {
            (Some(summary), _) => format!("the event '{summary}'"),
            (None, Some(uid)) => format!("the event with UID {}", short(uid)),
            (None, None) => "an event without name".to_owned(),
        }
    }

    fn take(&mut self, property: &Property<'_>) -> Result<(), String> {
        let value = property.value;
        match property.name.as_str() {
            "UID" => self.uid = Some(value.to_owned()),
            "SUMMARY" => self.summary = Some(short(&unescaped(value))).filter(|name| !name.is_empty()),
            "DTSTART" => self.start = Some(property.moment()?),
            "DTEND" => self.end = Some(property.moment()?),
            "DURATION" => self.duration = Some(value.to_owned()),
            "RRULE" => self.rule = Some(value.to_owned()),
            "RDATE" => self.extra_dates = true,
            "EXDATE" => {
                for part in value.split(',') {
                    self.except.push(day(part).ok_or_else(|| format!("`{}` is no date", short(part)))?);
                }
            }
            "RECURRENCE-ID" => {
                self.instead_of = Some(day(value).ok_or_else(|| format!("`{}` is no date", short(value)))?);
            }
            "STATUS" => self.cancelled = value.eq_ignore_ascii_case("CANCELLED"),
            "TRANSP" => self.transparent = value.eq_ignore_ascii_case("TRANSPARENT"),
            _ => {}
        }
        Ok(())
    }

    /// The days off; none when every instance is left out. Or why the event can't be one.
    fn days(&self, except: Vec<Date>) -> Result<Option<ClosedDays>, String> {
        let from = match self.start {
            Some(Moment::Day(day)) => day,
            Some(Moment::Timed) => return Err("has a time of day, and only whole days close".to_owned()),
            None => return Err("has no DTSTART".to_owned()),
        };
        let to = self.last_day(from)?;
        let days = to.duration_since(from).as_secs() / 86_400 + 1;
        if days > EVENT_DAYS_MAX {
            return Err(format!("lasts {days} days, more than the {EVENT_DAYS_MAX} allowed"));
        }
        if self.extra_dates {
            return Err("has dates of its own (RDATE), which are not read".to_owned());
        }
        match &self.rule {
            Some(rule) => yearly(rule, from, days as u32, except).map(|yearly| Some(ClosedDays::Yearly(yearly))),
            None => Ok((!except.contains(&from)).then_some(ClosedDays::Once { from, to })),
        }
    }

    fn last_day(&self, from: Date) -> Result<Date, String> {
        match (self.end, &self.duration) {
            // Its end is the first day that is not part of it. Some programs write the same day for a single one.
            (Some(Moment::Day(end)), _) if end == from => Ok(from),
            (Some(Moment::Day(end)), _) if end > from => Ok(end.saturating_sub(1.day())),
            (Some(Moment::Day(_)), _) => Err("ends before it starts".to_owned()),
            (Some(Moment::Timed), _) => Err("ends at a time of day, and only whole days close".to_owned()),
            (None, Some(duration)) => {
                let days = whole_days(duration)
                    .ok_or_else(|| format!("lasts `{}`, which is not whole days", short(duration)))?;
                Ok(from.saturating_add((days - 1).days()))
            }
            (None, None) => Ok(from),
        }
    }
}

/// `P1D`, `P2W`.
fn whole_days(duration: &str) -> Option<i64> {
    let text = duration.trim_start_matches('+').strip_prefix('P')?;
    let (number, days) =
        text.strip_suffix('D').map(|number| (number, 1)).or_else(|| Some((text.strip_suffix('W')?, 7)))?;
    let plain = number.len() <= 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<i64>().ok().filter(|number| plain && *number > 0).map(|number| number * days)
}

/// A yearly rule on its first day.
fn yearly(rule: &str, from: Date, days: u32, except: Vec<Date>) -> Result<Yearly, String> {
    let other = || format!("comes back by `RRULE:{}`; only yearly events on their own date are read", short(rule));
    if days > YEARLY_DAYS_MAX {
        return Err(format!("comes back every year and lasts {days} days"));
    }
    let start = DayOfYear { month: from.month(), day: from.day() };
    let mut yearly =
        Yearly { start, length: Length::Days(days), first: Some(from), last: None, every: 1, except: Vec::new() };
    let (mut count, mut is_yearly) = (None, false);
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(other)?;
        match name.to_ascii_uppercase().as_str() {
            "FREQ" => is_yearly = value.eq_ignore_ascii_case("YEARLY"),
            "INTERVAL" => yearly.every = value.parse().ok().filter(|every| *every > 0).ok_or_else(other)?,
            "COUNT" => count = Some(value.parse::<u16>().ok().filter(|count| *count > 0).ok_or_else(other)?),
            "UNTIL" => yearly.last = Some(day(value).ok_or_else(other)?),
            "BYMONTH" if value.parse() == Ok(from.month()) => {}
            "BYMONTHDAY" if value.parse() == Ok(from.day()) => {}
            "WKST" => {}
            _ => return Err(other()),
        }
    }
    if !is_yearly {
        return Err(other());
    }
    if let Some(count) = count {
        // Counted before exceptions, as the standard has it.
        let starts = (from.year()..=Date::MAX.year()).filter_map(|year| yearly.of_year(year));
        yearly.last = starts.take(usize::from(count)).last().map(|(start, _)| start);
    }
    Ok(Yearly { except, ..yearly })
}

/// One content line, unfolded.
struct Property<'a> {
    name: String,
    date: bool,
    value: &'a str,
}

impl<'a> Property<'a> {
    /// `NAME;PARAMETER=VALUE:VALUE`; a parameter may be quoted.
    fn of(line: &'a str) -> Option<Property<'a>> {
        let mut quoted = false;
        let colon = line.char_indices().find(|(_, c)| {
            quoted ^= *c == '"';
            *c == ':' && !quoted
        });
        let (head, value) = line.split_at(colon?.0);
        let mut parts = head.split(';');
        let name = parts.next()?.trim().to_ascii_uppercase();
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let date = parts.any(|part| part.eq_ignore_ascii_case("VALUE=DATE"));
        plain.then_some(Property { name, date, value: value[1..].trim() })
    }

    fn moment(&self) -> Result<Moment, String> {
        let day = day(self.value).ok_or_else(|| format!("`{}` is no date of {}", short(self.value), self.name))?;
        // A bare day is one, even where `VALUE=DATE` was forgotten.
        Ok(if self.date || self.value.len() == 8 { Moment::Day(day) } else { Moment::Timed })
    }
}

/// `20261224`, or the day of `20261224T230000Z`.
fn day(text: &str) -> Option<Date> {
    let text = text.trim();
    let digits = text.get(..8).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let rest = &text[8..];
    let number = |range: std::ops::Range<usize>| digits[range].parse::<i16>().ok();
    let date = Date::new(number(0..4)?, number(4..6)? as i8, number(6..8)? as i8).ok()?;
    ((rest.is_empty() || rest.starts_with('T')) && date.year() >= 1900).then_some(date)
}

/// The VEVENT components of a calendar, in its order.
fn events(text: &str) -> Result<Vec<Event>, Fault> {
    let mut events = Vec::new();
    let mut open: Option<Event> = None;
    // Alarms within an event have properties of the same names.
    let mut inner: usize = 0;
    let (mut begun, mut ended) = (false, false);
    for (line, content) in unfolded(text) {
        let Some(property) = Property::of(&content) else {
            return Err((line, format!("`{}` is no line of a calendar file", short(&content))));
        };
        let component = property.value.to_ascii_uppercase();
        match (property.name.as_str(), &mut open) {
            ("BEGIN", _) if !begun => {
                if component != "VCALENDAR" {
                    return Err((line, "a calendar file begins with BEGIN:VCALENDAR".to_owned()));
                }
                begun = true;
            }
            _ if !begun => return Err((line, "a calendar file begins with BEGIN:VCALENDAR".to_owned())),
            ("BEGIN", Some(_)) => inner += 1,
            ("BEGIN", None) if component == "VEVENT" => open = Some(Event { line, ..Event::default() }),
            ("END", Some(_)) if inner > 0 => inner -= 1,
            ("END", Some(_)) if component == "VEVENT" => {
                if events.len() == EVENTS_MAX {
                    return Err((line, format!("more than {EVENTS_MAX} events: split the file, or drop old years")));
                }
                events.extend(open.take());
            }
            ("END", None) if component == "VCALENDAR" => ended = true,
            (_, Some(event)) if inner == 0 => event.take(&property).map_err(|why| (line, why))?,
            _ => {}
        }
    }
    match (begun, open) {
        (false, _) => Err((1, "the file is empty: a calendar begins with BEGIN:VCALENDAR".to_owned())),
        (true, Some(event)) => Err((event.line, "the event has no END:VEVENT: the file is cut off".to_owned())),
        (true, None) if !ended => Err((1, "the file has no END:VCALENDAR: it is cut off".to_owned())),
        (true, None) => Ok(events),
    }
}

/// Content lines with the number of their first line; a line that begins with a space continues the one before.
fn unfolded(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(more), Some((_, last))) => last.push_str(more),
            _ if line.trim().is_empty() => {}
            _ => lines.push((at + 1, line.to_owned())),
        }
    }
    lines
}

/// Commas, semicolons and line ends as they were typed.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut escaped = false;
    for c in text.chars() {
        match (escaped, c) {
            (false, '\\') => escaped = true,
            (true, 'n' | 'N') => (plain.push(' '), escaped = false).1,
            _ => (plain.push(c), escaped = false).1,
        }
    }
    plain
}

/// Within the bound, on one line.
fn short(text: &str) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
#[path = "ics_tests.rs"]
mod tests;
