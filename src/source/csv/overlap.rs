//! Exports that overlap: which file's rows count, so that nothing counts twice.

use std::collections::HashMap;
use std::time::Instant;

use csv::StringRecord;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::{CsvSource, FileSet};
use super::files::check_deadline;
use super::records::Records;
use crate::model::observation::ReadingTime;
use crate::source::cell::number::{Cell, Mark, read, shown};
use crate::source::cell::time;
use crate::source::error::SourceError;
use crate::source::suggest::{did_you_mean, listed};

/// Rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 4096;

/// How rows of later files (by name, its numbers by their size) replace those of earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Of rows with the same cells in these columns those of the last file that has any count, all of them. Rows with no
    /// cell there count unless a later file has a row that is alike in all cells; some of them in several files are told.
    /// Example: `key: [invoice]`.
    Key(Vec<String>),
    /// Of each period the last file that has rows of it counts, whole. Example: `period: {each: month, time: date}`.
    Period(PeriodOverlap),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeriodOverlap {
    /// The span that an export holds whole: `day`, `month` or `year`. Example: `month`.
    pub each: Period,
    /// The column of the time. Example: `date`.
    pub time: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Day,
    Month,
    Year,
}

impl Overlap {
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Overlap::Key(columns) if columns.is_empty() => {
                Err("overlap.key names no column; name those that tell rows apart, such as [invoice]".to_owned())
            }
            Overlap::Key(_) | Overlap::Period(_) => Ok(()),
        }
    }

    fn columns(&self) -> Vec<&str> {
        match self {
            Overlap::Key(columns) => columns.iter().map(String::as_str).collect(),
            Overlap::Period(period) => vec![&period.time],
        }
    }
}

/// Which file counts for each key.
#[derive(Debug, Default)]
pub(super) struct Winners {
    overlap: Option<Overlap>,
    date_format: Option<String>,
    /// Of the KPI, for times that are instants.
    zone: Option<TimeZone>,
    /// The last file that has the key.
    last: HashMap<String, usize>,
    /// That rows without key stand in several files.
    pub(super) warning: Option<String>,
    /// Whether periods stand side by side.
    wide: bool,
}

/// Where the key's columns stand in one file.
#[derive(Debug, Default)]
pub(super) struct KeyPlaces {
    file: usize,
    columns: Vec<usize>,
    /// All columns by their names, so that rows of files with another order can be compared.
    all: Vec<(String, usize)>,
    /// The column of the figure, where periods stand side by side.
    figure: Option<usize>,
}

/// What a row replaces, and is replaced by.
enum Key {
    Own(String),
    /// It has none: only a row that is alike in all cells is the same.
    Whole(String),
}

/// Rows without key, while all files are looked through.
#[derive(Default)]
struct Keyless {
    rows: usize,
    /// Where the first one of each of the first two files stands.
    first: Vec<(usize, String)>,
}

impl Keyless {
    fn see(&mut self, file: usize, origin: impl FnOnce() -> String) {
        self.rows += 1;
        let is_new = self.first.last().is_none_or(|(last, _)| *last != file);
        if self.first.len() < 2 && is_new {
            self.first.push((file, origin()));
        }
    }

    fn warning(self, overlap: &Overlap) -> Option<String> {
        let [(_, one), (_, other)] = self.first.as_slice() else { return None };
        let columns = overlap.columns().join(", ");
        Some(format!(
            "{} rows without key ({columns}) stand in several files, such as {one} and {other}; only those that are alike in all cells count once: fill the key, or take another column for it",
            self.rows
        ))
    }
}

impl Winners {
    /// Looks through all files once; nothing is to be done where exports don't overlap.
    pub(super) fn of(
        source: &CsvSource,
        files: &FileSet,
        (zone, until): (&TimeZone, Instant),
    ) -> Result<Winners, SourceError> {
        let (overlap, date_format) = (source.config.overlap.clone(), source.config.date_format.clone());
        let mut winners =
            Winners { overlap, date_format, zone: Some(zone.clone()), last: HashMap::new(), ..Winners::default() };
        winners.wide = source.config.wide.is_some();
        let Some(overlap) = winners.overlap.clone() else { return Ok(winners) };
        let (mut rows, mut keyless) = (0_usize, Keyless::default());
        for (file, (name, bytes)) in files.iter().enumerate() {
            let text = source.text(name, bytes)?;
            let mut records = Records::open(source, name, &text)?;
            let places = winners.file(file, name, &records.header)?;
            while let Some((record, line)) = records.next()? {
                rows += 1;
                if rows.is_multiple_of(ROWS_PER_LOOK) {
                    check_deadline(until, name)?;
                }
                if places.is_blank(record) {
                    continue;
                }
                let key = match winners.key(&places, record) {
                    None => continue,
                    Some(Key::Own(key)) => key,
                    Some(Key::Whole(key)) => {
                        keyless.see(file, || format!("{name}:{line}"));
                        key
                    }
                };
                winners.last.insert(key, file);
            }
        }
        winners.warning = keyless.warning(&overlap);
        Ok(winners)
    }

    pub(super) fn file(&self, file: usize, name: &str, header: &StringRecord) -> Result<KeyPlaces, SourceError> {
        let wanted = self.overlap.as_ref().map(Overlap::columns).unwrap_or_default();
        let place = |column: &str| {
            header.iter().position(|known| known.trim().to_lowercase() == column.trim().to_lowercase()).ok_or_else(
                || {
                    let near = did_you_mean(column, header.iter());
                    let has = listed(header.iter());
                    SourceError::config(format!(
                        "{name} has no column `{column}`{near}, which overlap names; it has {has}"
                    ))
                },
            )
        };
        let columns = wanted.into_iter().map(place).collect::<Result<_, _>>()?;
        let mut all: Vec<(String, usize)> =
            header.iter().enumerate().map(|(at, name)| (name.to_lowercase(), at)).collect();
        all.sort();
        // Where periods stood side by side, the figure is the last column.
        let figure = self.wide.then(|| header.len().saturating_sub(1));
        Ok(KeyPlaces { file, columns, all, figure })
    }

    /// Whether a row counts.
    pub(super) fn keep(&self, places: &KeyPlaces, record: &StringRecord) -> bool {
        let Some(Key::Own(key) | Key::Whole(key)) = self.key(places, record) else { return true };
        self.last.get(&key).is_none_or(|file| *file == places.file)
    }

    /// What tells a row, or its period, apart; none: it replaces nothing.
    fn key(&self, places: &KeyPlaces, record: &StringRecord) -> Option<Key> {
        let cell = |at: &usize| record.get(*at).unwrap_or_default();
        match self.overlap.as_ref()? {
            Overlap::Key(_) => {
                let cells: Vec<&str> = places.columns.iter().map(cell).collect();
                if cells.iter().any(|cell| !cell.is_empty()) {
                    return Some(Key::Own(cells.join("\u{1f}")));
                }
                let filled = places.all.iter().map(|(name, at)| (name, cell(at))).filter(|(_, cell)| !cell.is_empty());
                let filled: Vec<String> = filled.map(|(name, cell)| format!("{name}\u{1e}{cell}")).collect();
                // Begins as no key does, whose first cell is not a separator.
                (!filled.is_empty()).then(|| Key::Whole(format!("\u{1e}{}", filled.join("\u{1f}"))))
            }
            Overlap::Period(period) => {
                let raw = shown(cell(places.columns.first()?));
                let read = match &self.date_format {
                    Some(format) => time::read_as(raw, format),
                    None => time::read(raw),
                };
                let date: Date = match read? {
                    ReadingTime::Date(date) => date,
                    ReadingTime::Local(local) => local.date(),
                    ReadingTime::Instant(at) => self.zone.as_ref().unwrap_or(&TimeZone::UTC).to_datetime(at).date(),
                };
                Some(Key::Own(match period.each {
                    Period::Day => date.to_string(),
                    Period::Month => date.strftime("%Y-%m").to_string(),
                    Period::Year => date.year().to_string(),
                }))
            }
        }
    }
}

impl KeyPlaces {
    /// An empty cell of a period that stood beside others is no row: it replaces no figure of an earlier file.
    fn is_blank(&self, record: &StringRecord) -> bool {
        self.figure.is_some_and(|at| read(record.get(at).unwrap_or_default(), Mark::Point) == Cell::Absent)
    }
}
