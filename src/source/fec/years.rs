//! From files to fiscal years: which export of a year counts, from when to when it goes, what is wrong with it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use super::book::{Book, Day, Line, Unbalanced};
use super::opening::{Balances, STRAY_ROWS, Start, is_near};
use crate::source::error::SourceError;

/// A fiscal year has 24 months at most.
const MONTHS_MAX: i32 = 24;
/// Days without any entry between two files that still follow one another.
const PAUSE_DAYS: i32 = 31;
/// Days after the usual first one of a year on which its opening entries may be dated all the same.
const FIRST_DAYS: i32 = 7;
/// The share of rows (one of that many) dated within another export from which both are of one year.
const SHARED_ROWS: usize = 5;

/// One fiscal year.
pub(super) struct Year {
    /// The file's name.
    pub(super) name: String,
    pub(super) start: Date,
    /// The first day that is of it as far as can be known: earlier ones are of no year that is there.
    pub(super) from: Date,
    pub(super) closing: Date,
    /// The last day for which it has figures.
    pub(super) end: Date,
    /// Whether the file's name says when it ends.
    named: bool,
    /// Of its last entry.
    last_entry: Date,
    /// Whether any entry opens it.
    pub(super) opens: bool,
    /// Opening lines, then the movements of the year by day.
    pub(super) lines: Vec<Line>,
    /// What people should know of it.
    pub(super) warnings: Vec<String>,
    /// Days of which entries are wrong or left out.
    pub(super) doubtful: BTreeSet<Date>,
    /// Where all accounts stand at its end.
    balances: Balances,
}

impl Year {
    pub(super) fn holds(&self, day: Date) -> bool {
        (self.start..=self.end).contains(&day)
    }

    /// Whether a bucket that begins on that day may be whole.
    pub(super) fn covers(&self, day: Date) -> bool {
        (self.from..=self.end).contains(&day)
    }

    /// True when it begins where the other ended, but for a few days.
    pub(super) fn follows(&self, before: &Year) -> bool {
        follows(before, self.start)
    }
}

fn follows(before: &Year, start: Date) -> bool {
    later(before.closing, PAUSE_DAYS.days()) >= start
}

/// The fiscal years, oldest first.
pub(super) fn of(books: Vec<Book>, quiet_days: u16) -> Result<Vec<Year>, SourceError> {
    one_company(&books)?;
    let mut newest = books;
    newest.sort_by_cached_key(|book| Reverse((book.validated, book.written, book.name.clone())));
    let mut counting: Vec<Book> = Vec::new();
    let mut replaced: Vec<(String, String)> = Vec::new();
    for book in newest {
        // An export made on the first day of a year holds nothing yet, and replaces nothing.
        if book.days.is_empty() {
            continue;
        }
        match counting.iter().find(|newer| is_one_year(newer, &book)) {
            None => counting.push(book),
            Some(newer) if is_mostly_in(newer, &book) => {}
            Some(newer) => replaced.push((newer.name.clone(), book.name)),
        }
    }
    counting.sort_by_key(closing_of);
    let mut years: Vec<Year> = Vec::new();
    for book in counting {
        let year = year(book, years.last())?;
        if let Some(before) = years.last_mut()
            && !before.named
            && year.follows(before)
        {
            // Where only the entries tell when a year ends, it goes on until the next one.
            before.end = before.end.max(later(year.start, (-1).days()));
        }
        years.push(year);
    }
    for (newer, older) in replaced {
        let warning = format!(
            "{newer} and {older} are of one fiscal year and have few entries in common; only {newer} counts, which is the newer: export the year whole, or move the other away"
        );
        years.iter_mut().filter(|year| year.name == newer).for_each(|year| year.warnings.push(warning.clone()));
    }
    if let Some(newest) = years.last_mut() {
        let known = later(newest.last_entry, i32::from(quiet_days).days());
        newest.end = if newest.named { known.min(newest.closing) } else { known };
    }
    Ok(years)
}

/// Sums over several companies would be no figures of any of them.
fn one_company(books: &[Book]) -> Result<(), SourceError> {
    let mut named = books.iter().filter_map(|book| Some((book.siren.as_ref()?, &book.name)));
    let Some((siren, name)) = named.next() else { return Ok(()) };
    match named.find(|(other, _)| *other != siren) {
        None => Ok(()),
        Some((_, other)) => Err(SourceError::config(format!(
            "{name} and {other} are exports of two companies; narrow the path, and give each company a source of its own"
        ))),
    }
}

/// Whether two exports are of one fiscal year, so that only the newer counts.
fn is_one_year(a: &Book, b: &Book) -> bool {
    if a.closing.is_some() && a.closing == b.closing {
        return true;
    }
    let (earlier, later) = if closing_of(a) <= closing_of(b) { (a, b) } else { (b, a) };
    let Some((first, _)) = earlier.days.first_key_value() else { return false };
    let rows = |days: &mut dyn Iterator<Item = (&Date, &Day)>| days.map(|(_, day)| day.moving).sum::<usize>();
    let closing = closing_of(earlier);
    let within = rows(&mut later.days.range(*first.min(&closing)..=closing));
    is_mostly_in(a, b) || within > 0 && within * SHARED_ROWS >= rows(&mut later.days.iter())
}

/// Whether half of the entries of the smaller export stand in the other.
fn is_mostly_in(a: &Book, b: &Book) -> bool {
    let (few, many) = if a.entries.len() < b.entries.len() { (a, b) } else { (b, a) };
    let shared = few.entries.iter().filter(|entry| many.entries.contains(entry)).count();
    shared * 2 >= few.entries.len()
}

/// The last day of the fiscal year: as the name says, else that of the last entry.
fn closing_of(book: &Book) -> Date {
    let last = book.days.last_key_value().map(|(day, _)| *day);
    book.closing.or(last).unwrap_or(Date::MAX)
}

fn year(book: Book, before: Option<&Year>) -> Result<Year, SourceError> {
    let closing = closing_of(&book);
    let usual = later(later(closing, (-12).months()), 1.day());
    let rows = |days: &mut dyn Iterator<Item = (&Date, &Day)>| days.map(|(_, day)| day.moving).sum::<usize>();
    let before_usual = rows(&mut book.days.range(..usual));
    let mut floor = later(later(closing, (-MONTHS_MAX).months()), 1.day());
    let is_opened = book.closing.is_some() && book.openings.contains_key(&usual);
    if is_opened || before_usual * STRAY_ROWS < rows(&mut book.days.iter()) {
        floor = floor.max(usual);
    }
    if let Some(before) = before {
        floor = floor.max(later(before.closing, 1.day()));
    }
    let name = book.name;
    let mut within = book.days.range(floor.min(closing)..=closing).map(|(day, _)| *day);
    let Some(first) = within.next() else {
        return Err(SourceError::config(format!(
            "{name}: no entry is dated in the fiscal year that ends on {closing}; correct the date in the file's name"
        )));
    };
    let last_entry = within.next_back().unwrap_or(first);
    // The first days of a year may have no entry; those of the first year there is are not known to be of it.
    let start = match (before, book.closing) {
        (Some(_), Some(_)) => first.min(floor.max(usual)),
        _ => first,
    };
    let mut warnings = Vec::new();
    let mut lines = book.lines;
    let (opening, balances) =
        opening(&name, (book.openings, book.moved, book.starts), (&mut lines, start, closing), before, &mut warnings);
    let outside = book.days.iter().filter(|(day, _)| !(start..=closing).contains(*day));
    let rows_of = |day: &Date, rows: &Day| if Some(*day) == opening { rows.moving } else { rows.rows };
    let outside: Vec<(Date, usize)> =
        outside.map(|(day, rows)| (*day, rows_of(day, rows))).filter(|(_, rows)| *rows > 0).collect();
    if let [(day, _), ..] = outside.as_slice() {
        let rows: usize = outside.iter().map(|(_, rows)| rows).sum();
        warnings.push(format!(
            "{name}: {rows} rows are dated outside its fiscal year ({start} to {closing}), such as {day}; they are left out: correct them, or the date in the file's name"
        ));
    }
    let Unbalanced { count, days, samples } = book.unbalanced;
    let doubtful = days.into_iter().chain(outside.iter().map(|(day, _)| *day)).collect();
    if count > 0 {
        let more = if count > samples.len() { format!(" and {} more", count - samples.len()) } else { String::new() };
        warnings.push(format!(
            "entries that don't balance: {}{more}; lines are missing or wrong: export again",
            samples.join(", ")
        ));
    }
    lines.retain(|line| line.opening || (start..=closing).contains(&line.date));
    lines.sort_by_key(|line| (!line.opening, line.date));
    let (named, opens) = (book.closing.is_some(), opening.is_some());
    let from = match before.filter(|before| follows(before, start)) {
        Some(before) => later(before.closing, 1.day()),
        // Twelve months, though the first days may have no entry, or the company is younger.
        None if named && usual <= start && (!opens || start <= later(usual, FIRST_DAYS.days())) => usual,
        // A year of another length, as its opening entries tell.
        None if opens => start,
        // Nothing was before: a company's first year may have any length.
        None => start.first_of_month(),
    };
    Ok(Year { name, start, from, closing, end: closing, named, last_entry, opens, lines, warnings, doubtful, balances })
}

/// The day on which a year is opened, and where all accounts stand at its end. Its lines are then marked so, and no others.
fn opening(
    name: &str,
    (openings, moved, starts): (BTreeMap<Date, Balances>, Balances, Vec<Start>),
    (lines, start, closing): (&mut [Line], Date, Date),
    before: Option<&Year>,
    warnings: &mut Vec<String>,
) -> (Option<Date>, Balances) {
    let before = before.filter(|before| follows(before, start));
    let day = openings.keys().find(|day| is_near(**day, start)).copied();
    let is_late = |other: &&Date| Some(**other) != day && (start..=closing).contains(*other);
    if let Some(late) = openings.keys().find(is_late) {
        warnings.push(format!(
            "{name}: entries of opening journals are dated {late}, not when the year begins ({start}); they count as movements of their days"
        ));
    }
    for line in lines.iter_mut() {
        line.opening &= Some(line.date) == day;
    }
    let all = openings.values().fold(moved, Balances::plus);
    if day.is_some() {
        return (day, all);
    }
    let Some(before) = before else {
        warnings.extend(starts.iter().find(|start| start.is_sheet()).map(|start| doubt(name, start)));
        return (None, all);
    };
    if let Some(found) = Start::restating(&starts, start, &before.balances) {
        let (journal, day) = (&found.journal, found.date);
        warnings.push(format!(
            "{name} has no journal that is known for opening entries, but those of journal `{journal}` of {day} restate the end of {}: they count as such; add `{journal}` to opening_journals",
            before.name
        ));
        for line in lines.iter_mut() {
            line.opening = found.entries.contains(&line.entry);
        }
        return (Some(day), all);
    }
    warnings.extend(starts.iter().find(|start| start.is_sheet()).map(|start| doubt(name, start)));
    (None, before.balances.clone().plus(&all))
}

/// Says that entries may open a year, though nothing says so.
fn doubt(name: &str, start: &Start) -> String {
    let Start { journal, date, .. } = start;
    format!(
        "{name}: the entries of journal `{journal}` of {date} look like opening entries, but count as movements; if they are, add `{journal}` to opening_journals"
    )
}

fn later(day: Date, span: Span) -> Date {
    day.saturating_add(span)
}
