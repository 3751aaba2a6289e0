//! Calendars: holidays by country and region, closures as they are written, calendar files.

use std::path::Path;
use std::sync::Arc;

use jiff::civil::Weekday;

use super::beside;
use super::context::{Calendars, Report};
use super::gather::Gathered;
use crate::config::days::DaysOff;
use crate::config::ics::{self, ICS_BYTES_MAX};
use crate::config::raw::{RawCalendar, RawCalendarChoice, RawClosure, RawNamedClosure, RawWeekday};
use crate::model::calendar::{Calendar, CalendarRules, Weekend};
use crate::model::closure::Closure;
use crate::model::digest::Digest;
use crate::model::holidays::{Country, FrenchRegion};

/// Closures written in one calendar.
const CLOSURES_MAX: usize = 1_000;
/// Calendar files of one calendar.
const FILES_MAX: usize = 20;
/// Remarks told of one calendar file.
const REMARKS_MAX: usize = 20;
/// Longest name of a closure.
const NAME_CHARS_MAX: usize = 100;

/// All calendars; one in which something is wrong stands with what is right of it.
pub(super) fn resolve(report: &mut Report<'_>, all: &Gathered) -> Calendars {
    let mut calendars = Calendars::default();
    for (name, item) in &all.calendars {
        let raw = item.value.as_ref();
        let path = ["calendars", name];
        let calendar = raw.map(|raw| Reader::new(report, &path, &item.base_dir, &mut calendars.files).calendar(raw));
        calendars.named.insert(name.clone(), Arc::new(calendar.unwrap_or_default()));
    }
    let Some(item) = &all.calendar else { return calendars };
    match &item.value {
        Some(RawCalendarChoice::Inline(raw)) => {
            let mut reader = Reader::new(report, &["calendar"], &item.base_dir, &mut calendars.files);
            calendars.default = Arc::new(reader.calendar(raw));
        }
        Some(RawCalendarChoice::Name(name)) if report.reference(&["calendar"], "calendar", name, &all.calendars) => {
            calendars.default = calendars.named.get(name).cloned().unwrap_or_default();
        }
        Some(RawCalendarChoice::Name(_)) | None => {}
    }
    calendars
}

impl Calendars {
    /// The configuration's checksum, with the calendar files that belong to it.
    pub(super) fn checksum(&self, files: String) -> String {
        if self.files.is_empty() {
            return files;
        }
        let digest = Digest::of(format_args!("{files}{:?}", self.files));
        format!("{}{digest:016x}", files.get(..16).unwrap_or(&files))
    }
}

struct Reader<'r, 'a> {
    report: &'r mut Report<'a>,
    path: &'r [&'r str],
    base_dir: &'r Path,
    files: &'r mut Vec<u64>,
}

impl<'r, 'a> Reader<'r, 'a> {
    fn new(report: &'r mut Report<'a>, path: &'r [&'r str], base_dir: &'r Path, files: &'r mut Vec<u64>) -> Self {
        Reader { report, path, base_dir, files }
    }

    fn error(&mut self, below: &[&str], message: impl Into<String>, help: &str) {
        let path: Vec<&str> = self.path.iter().chain(below).copied().collect();
        self.report.error(&path, message, help);
    }

    fn warn(&mut self, below: &[&str], message: impl Into<String>, help: &str) {
        let path: Vec<&str> = self.path.iter().chain(below).copied().collect();
        self.report.warn(&path, message, help);
    }

    fn calendar(&mut self, raw: &RawCalendar) -> Calendar {
        let country = self.country(raw);
        let weekend = raw.weekend.as_ref().map_or_else(Weekend::default, |days| self.weekend(days));
        let mut closures = self.closures(&raw.closures);
        for (position, name) in raw.ics.iter().enumerate().take(FILES_MAX) {
            self.file(position, name, &mut closures);
        }
        if raw.ics.len() > FILES_MAX {
            let message = format!("{} calendar files, more than the {FILES_MAX} allowed", raw.ics.len());
            self.error(&["ics"], message, "merge some of them");
        }
        if raw.bridge_days && country.is_none() {
            let help = "add `country: FR`, or leave `bridge_days` out";
            self.warn(&["bridge_days"], "bridge days lie beside public holidays, and the calendar has none", help);
        }
        Calendar::new(CalendarRules { country, weekend, closures, bridge_days: raw.bridge_days })
    }

    fn country(&mut self, raw: &RawCalendar) -> Option<Country> {
        let region = raw.region.as_deref();
        match raw.country.as_deref() {
            None => {
                if region.is_some() {
                    self.error(&["region"], "a region without its country", "add `country: FR`");
                }
                None
            }
            Some(code) if code.eq_ignore_ascii_case("fr") => {
                let region = match region {
                    None => FrenchRegion::National,
                    Some(name) if name.eq_ignore_ascii_case("alsace-moselle") => FrenchRegion::AlsaceMoselle,
                    Some(name) => {
                        let message = format!("no region with holidays of its own is called `{name}`");
                        self.error(&["region"], message, "write `alsace-moselle`, or leave it out");
                        FrenchRegion::National
                    }
                };
                Some(Country::France(region))
            }
            Some(code) => {
                let message = format!("not yet: the public holidays of `{code}`");
                self.error(&["country"], message, "write `FR`, or list the days off under `closures` or `ics`");
                None
            }
        }
    }

    fn weekend(&mut self, days: &[RawWeekday]) -> Weekend {
        let all = [
            RawWeekday::Monday,
            RawWeekday::Tuesday,
            RawWeekday::Wednesday,
            RawWeekday::Thursday,
            RawWeekday::Friday,
            RawWeekday::Saturday,
            RawWeekday::Sunday,
        ];
        if all.iter().all(|day| days.contains(day)) {
            self.error(&["weekend"], "no day of the week works", "leave at least one out");
        }
        Weekend::of(days.iter().map(|day| weekday(*day)))
    }

    fn closures(&mut self, raw: &[RawClosure]) -> Vec<Closure> {
        if raw.len() > CLOSURES_MAX {
            let message = format!("{} closures, more than the {CLOSURES_MAX} allowed", raw.len());
            self.error(&["closures"], message, "write neighbouring days as a stretch, or drop old years");
        }
        let mut closures = Vec::new();
        for (position, raw) in raw.iter().enumerate().take(CLOSURES_MAX) {
            match raw {
                RawClosure::Days(days) => closures.push(Closure { days: days.0.clone(), name: None }),
                RawClosure::Named(named) => closures.extend(self.named(&position.to_string(), named)),
            }
        }
        closures
    }

    fn named(&mut self, position: &str, raw: &RawNamedClosure) -> Option<Closure> {
        let help = "write `on: 2026-12-24`, or `from: 2026-08-03` and `to: 2026-08-21`";
        let days = match (&raw.on, &raw.from, &raw.to) {
            (Some(days), None, None) => Ok(days.0.clone()),
            (None, Some(from), Some(to)) => DaysOff::between(from.0, to.0),
            (None, None, None) => Err("the closure has no days".to_owned()),
            (None, _, _) => Err("the closure has only one end".to_owned()),
            (Some(_), _, _) => Err("the closure has both `on` and `from` or `to`".to_owned()),
        };
        let name = raw.name.as_ref().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        if name.as_ref().is_some_and(|name| name.chars().count() > NAME_CHARS_MAX) {
            let message = format!("the name has more than {NAME_CHARS_MAX} characters");
            self.error(&["closures", position, "name"], message, "shorten it");
        }
        match days {
            Ok(days) => Some(Closure { days: days.0, name }),
            Err(message) => {
                self.error(&["closures", position], message, help);
                None
            }
        }
    }

    /// Reads a calendar file; it is part of the configuration, so what is wrong with it is an error there.
    fn file(&mut self, position: usize, name: &str, closures: &mut Vec<Closure>) {
        let position = position.to_string();
        let at = ["ics", position.as_str()];
        let path = self.base_dir.join(name);
        let shown = path.display();
        let text = match beside::read(&path, ICS_BYTES_MAX, "name an .ics file") {
            Ok(text) => text,
            Err((message, help)) => return self.error(&at, format!("the calendar file {shown} {message}"), help),
        };
        self.files.push(Digest::of(&text));
        match ics::read(&text) {
            Ok(found) => {
                closures.extend(found.closures);
                for (line, remark) in found.remarks.iter().take(REMARKS_MAX) {
                    self.warn(&at, format!("{shown}:{line}: {remark}"), "");
                }
                if let Some(more) = found.remarks.len().checked_sub(REMARKS_MAX).filter(|more| *more > 0) {
                    self.warn(&at, format!("{shown}: {more} more events are left out"), "");
                }
            }
            Err((line, why)) => {
                let help = "export it anew as an iCalendar file (.ics)";
                self.error(&at, format!("the calendar file {shown} can't be used: line {line}: {why}"), help);
            }
        }
    }
}

fn weekday(day: RawWeekday) -> Weekday {
    match day {
        RawWeekday::Monday => Weekday::Monday,
        RawWeekday::Tuesday => Weekday::Tuesday,
        RawWeekday::Wednesday => Weekday::Wednesday,
        RawWeekday::Thursday => Weekday::Thursday,
        RawWeekday::Friday => Weekday::Friday,
        RawWeekday::Saturday => Weekday::Saturday,
        RawWeekday::Sunday => Weekday::Sunday,
    }
}
