//! Files as one table `data` that SQL can filter, group and sum: their cells typed column by column.

use std::time::Instant;

use super::config::{CsvSource, FileSet};
use super::files::check_deadline;
use super::overlap::Winners;
use super::records::Records;
use super::typed::{Setting, Typed};
use crate::model::kpi::Kpi;
use crate::net::ErrorClass;
use crate::source::error::SourceError;
use crate::source::sql::{Relation, SqlValue};
use crate::source::suggest::{did_you_mean, listed};

/// The name of the table.
pub(super) const TABLE: &str = "data";
/// Columns that every table has beside those of the files.
const FILE: &str = "_file";
const LINE: &str = "_line";
const COLUMNS_MAX: usize = 500;
/// Cells of one table; each takes some 60 bytes while it is asked.
const CELLS_MAX: usize = 10_000_000;
/// Rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 4096;

/// Reads all files into one table. Columns that a file lacks are NULL there.
pub(super) fn load(
    source: &CsvSource,
    kpi: &Kpi,
    (files, until): (&FileSet, Instant),
) -> Result<Relation, SourceError> {
    let winners = Winners::of(source, files, (&kpi.zone, until))?;
    let mut columns: Vec<Typed> = Vec::new();
    let mut rows: Vec<(usize, u64)> = Vec::new();
    let mut delimiter = b',';
    let mut warnings: Vec<String> = winners.warning.iter().cloned().collect();
    for (file, (name, bytes)) in files.iter().enumerate() {
        let text = source.text(name, bytes)?;
        let mut records = Records::open(source, name, &text)?;
        delimiter = records.delimiter;
        warnings.extend(records.left_out().map(str::to_owned));
        let places = places(&mut columns, name, &records, rows.len())?;
        let own = winners.file(file, name, &records.header)?;
        while let Some((record, line)) = records.next()? {
            let counts = winners.keep(&own, record) && record.iter().any(|cell| !cell.is_empty());
            if !counts {
                continue;
            }
            for (at, place) in places.iter().enumerate() {
                columns[*place].push(record.get(at).unwrap_or_default(), rows.len());
            }
            if records.is_overlong() {
                return Err(records.overlong(line));
            }
            rows.push((file, line));
            if rows.len().is_multiple_of(ROWS_PER_LOOK) {
                check_deadline(until, &source.files.pattern)?;
            }
            if rows.len() > source.config.rows_max {
                let message = format!(
                    "{} holds more than {} rows; move old files away, or raise rows_max",
                    source.files.pattern, source.config.rows_max
                );
                return Err(SourceError::new(ErrorClass::TooLarge, message));
            }
            if rows.len() * columns.len() > CELLS_MAX {
                let message = format!(
                    "{} holds more than {CELLS_MAX} cells, too many to be asked in SQL; move old files away, or name columns: {{time: ..., value: ...}}",
                    source.files.pattern
                );
                return Err(SourceError::new(ErrorClass::TooLarge, message));
            }
        }
    }
    check_texts(source, &columns)?;
    let mut relation = Relation { table: TABLE, columns: Vec::new(), rows: Vec::new(), warnings, notes: Vec::new() };
    let setting = Setting { source, kpi, delimiter, files, rows: &rows };
    let mut typed: Vec<std::vec::IntoIter<SqlValue>> = Vec::new();
    for mut column in columns {
        column.cells.resize(rows.len(), String::new());
        relation.columns.push(column.name.clone());
        typed.push(column.into_values(&setting, &mut relation.notes).into_iter());
    }
    relation.columns.extend([FILE.to_owned(), LINE.to_owned()]);
    for (file, line) in rows {
        let mut row: Vec<SqlValue> = typed.iter_mut().map(|column| column.next().unwrap_or(SqlValue::Null)).collect();
        row.push(SqlValue::Text(files[file].0.clone()));
        row.push(SqlValue::Integer(i64::try_from(line).unwrap_or(i64::MAX)));
        relation.rows.push(row);
    }
    Ok(relation)
}

/// The column of each place of a file's header, made where it is new.
fn places(columns: &mut Vec<Typed>, file: &str, records: &Records<'_>, rows: usize) -> Result<Vec<usize>, SourceError> {
    let mut places = Vec::new();
    for (at, name) in records.header.iter().enumerate() {
        let name = if name.is_empty() { format!("column_{}", at + 1) } else { name.to_owned() };
        // The database takes large and small letters for the same.
        let known = columns.iter().position(|column| column.name.to_lowercase() == name.to_lowercase());
        let place = known.unwrap_or_else(|| {
            columns.push(Typed { name: name.clone(), cells: vec![String::new(); rows] });
            columns.len() - 1
        });
        if places.contains(&place) {
            return Err(SourceError::config(format!(
                "{file} has several columns `{name}`; give each its own name in the export"
            )));
        }
        places.push(place);
    }
    if columns.len() > COLUMNS_MAX {
        return Err(SourceError::new(ErrorClass::TooLarge, format!("{file}: more than {COLUMNS_MAX} columns")));
    }
    Ok(places)
}

/// A column that is to be text is there.
fn check_texts(source: &CsvSource, columns: &[Typed]) -> Result<(), SourceError> {
    let known = |name: &str| columns.iter().any(|column| column.name.to_lowercase() == name.trim().to_lowercase());
    let Some(name) = source.config.text.iter().find(|name| !known(name)) else { return Ok(()) };
    let names = columns.iter().map(|column| column.name.as_str());
    let (near, has, files) = (did_you_mean(name, names.clone()), listed(names), &source.files.pattern);
    Err(SourceError::config(format!("{files} has no column `{name}`{near}, which text names; it has {has}")))
}

#[cfg(test)]
#[path = "relation_tests.rs"]
mod tests;
