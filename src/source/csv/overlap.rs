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
use crate::source::cell::time;
use crate::source::error::SourceError;
use crate::source::suggest::{did_you_mean, listed};

/// Rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 4096;

/// How rows of later files (by name, its numbers by their size) replace those of earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The last row with the same cells in these columns counts. Example: `key: [invoice]`.
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

/// Which row or file counts for each key.
#[derive(Debug, Default)]
pub(super) struct Winners {
    overlap: Option<Overlap>,
    date_format: Option<String>,
    /// Of the KPI, for times that are instants.
    zone: Option<TimeZone>,
    /// The file that counts, and of keys the line.
    last: HashMap<String, (usize, u64)>,
}

/// Where the key's columns stand in one file.
#[derive(Debug, Default)]
pub(super) struct KeyPlaces {
    file: usize,
    columns: Vec<usize>,
}

impl Winners {
    /// Looks through all files once; nothing is to be done where exports don't overlap.
    pub(super) fn of(
        source: &CsvSource,
        files: &FileSet,
        (zone, until): (&TimeZone, Instant),
    ) -> Result<Winners, SourceError> {
        let (overlap, date_format) = (source.config.overlap.clone(), source.config.date_format.clone());
        let mut winners = Winners { overlap, date_format, zone: Some(zone.clone()), last: HashMap::new() };
        if winners.overlap.is_none() {
            return Ok(winners);
        }
        let mut rows = 0_usize;
        for (file, (name, bytes)) in files.iter().enumerate() {
            let text = source.text(name, bytes)?;
            let mut records = Records::open(source, name, &text)?;
            let places = winners.file(file, name, &records.header)?;
            while let Some((record, line)) = records.next()? {
                rows += 1;
                if rows.is_multiple_of(ROWS_PER_LOOK) {
                    check_deadline(until, name)?;
                }
                if let Some(key) = winners.key(&places, record) {
                    winners.last.insert(key, (file, line));
                }
            }
        }
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
        Ok(KeyPlaces { file, columns: wanted.into_iter().map(place).collect::<Result<_, _>>()? })
    }

    /// Whether a row counts.
    pub(super) fn keep(&self, places: &KeyPlaces, record: &StringRecord, line: u64) -> bool {
        let Some(key) = self.key(places, record) else { return true };
        let Some((file, last)) = self.last.get(&key) else { return true };
        match self.overlap {
            Some(Overlap::Key(_)) => (*file, *last) == (places.file, line),
            Some(Overlap::Period(_)) | None => *file == places.file,
        }
    }

    /// What tells a row, or its period, apart; none: it replaces nothing.
    fn key(&self, places: &KeyPlaces, record: &StringRecord) -> Option<String> {
        let cell = |at: &usize| record.get(*at).unwrap_or_default();
        match self.overlap.as_ref()? {
            Overlap::Key(_) => {
                let cells: Vec<&str> = places.columns.iter().map(cell).collect();
                // A row without key is nobody's successor.
                (!cells.iter().all(|cell| cell.is_empty())).then(|| cells.join("\u{1f}"))
            }
            Overlap::Period(period) => {
                let raw = cell(places.columns.first()?);
                let read = match &self.date_format {
                    Some(format) => time::read_as(raw, format),
                    None => time::read(raw),
                };
                let date: Date = match read? {
                    ReadingTime::Date(date) => date,
                    ReadingTime::Local(local) => local.date(),
                    ReadingTime::Instant(at) => self.zone.as_ref().unwrap_or(&TimeZone::UTC).to_datetime(at).date(),
                };
                Some(match period.each {
                    Period::Day => date.to_string(),
                    Period::Month => date.strftime("%Y-%m").to_string(),
                    Period::Year => date.year().to_string(),
                })
            }
        }
    }
}
