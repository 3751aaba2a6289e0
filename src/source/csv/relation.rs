//! Files as one table `data` that SQL can filter, group and sum: their cells typed column by column.

use std::time::Instant;

use super::config::{CsvSource, Decimal};
use super::files::check_deadline;
use super::overlap::Winners;
use super::records::Records;
use crate::model::kpi::Kpi;
use crate::model::observation::ReadingTime;
use crate::model::unit::Unit;
use crate::net::ErrorClass;
use crate::source::cell::number::{Cell, Column, Decided, Mark, read};
use crate::source::cell::time;
use crate::source::error::SourceError;
use crate::source::sql::{Relation, SqlValue};

/// The name of the table.
pub(super) const TABLE: &str = "data";
/// Columns that every table has beside those of the files.
const FILE: &str = "_file";
const LINE: &str = "_line";
const COLUMNS_MAX: usize = 500;
/// Rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 4096;

/// Reads all files into one table. Columns that a file lacks are NULL there.
pub(super) fn load(source: &CsvSource, kpi: &Kpi, until: Instant) -> Result<Relation, SourceError> {
    let files = source.files.read(until)?;
    let winners = Winners::of(source, &files, until)?;
    let mut columns: Vec<Typed> = Vec::new();
    let mut rows: Vec<(usize, u64)> = Vec::new();
    let mut delimiter = b',';
    for (file, (name, bytes)) in files.iter().enumerate() {
        let text = source.text(name, bytes)?;
        let mut records = Records::open(source, name, &text)?;
        delimiter = records.delimiter;
        let places = places(&mut columns, name, &records, rows.len())?;
        let own = winners.file(file, name, &records.header)?;
        while let Some((record, line)) = records.next()? {
            let counts = winners.keep(&own, record, line) && record.iter().any(|cell| !cell.is_empty());
            if !counts {
                continue;
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
            for (at, place) in places.iter().enumerate() {
                columns[*place].see(record.get(at).unwrap_or_default(), source, rows.len());
            }
            for column in &mut columns {
                column.cells.resize(rows.len(), String::new());
            }
        }
    }
    let mut relation = Relation { table: TABLE, columns: Vec::new(), rows: Vec::new(), warnings: Vec::new() };
    let mut typed: Vec<std::vec::IntoIter<SqlValue>> = Vec::new();
    for column in columns {
        relation.columns.push(column.name.clone());
        typed.push(column.into_values(source, kpi, delimiter, &mut relation.warnings).into_iter());
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
            columns.push(Typed { cells: vec![String::new(); rows], ..Typed::new(name.clone()) });
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

/// A column, and what its cells have shown of its type.
struct Typed {
    name: String,
    cells: Vec<String>,
    marks: Column,
    /// Every cell so far may be a number, by one of the two decimal marks; `007` is a name.
    may_be_number: bool,
    may_be_time: bool,
}

impl Typed {
    fn new(name: String) -> Typed {
        Typed { name, cells: Vec::new(), marks: Column::default(), may_be_number: true, may_be_time: true }
    }

    fn see(&mut self, cell: &str, source: &CsvSource, row: usize) {
        self.cells.resize(row - 1, String::new());
        self.cells.push(cell.to_owned());
        if read(cell, Mark::Point) == Cell::Absent {
            return;
        }
        let is_code = cell.len() > 1 && cell.starts_with('0') && cell.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = [Mark::Point, Mark::Comma].iter().any(|mark| matches!(read(cell, *mark), Cell::Number { .. }));
        self.may_be_number &= is_number && !is_code;
        self.may_be_time &= !is_code && as_time(cell, source).is_some();
        self.marks.see(cell);
    }

    /// Numbers, else times as ISO text, else text; cells that say nothing are NULL.
    fn into_values(self, source: &CsvSource, kpi: &Kpi, delimiter: u8, warnings: &mut Vec<String>) -> Vec<SqlValue> {
        let mark = if self.may_be_number { self.mark(source, delimiter, warnings) } else { None };
        let share = kpi.unit == Unit::Ratio;
        let value = |cell: &String| match (mark, read(cell, mark.unwrap_or(Mark::Point))) {
            (Some(_), Cell::Number { value, percent: true }) if share => SqlValue::Real(value / 100.0),
            (Some(_), Cell::Number { value, .. }) => number(value),
            (_, Cell::Absent) => SqlValue::Null,
            _ if mark.is_none() && !self.may_be_number && self.may_be_time => {
                as_time(cell, source).map_or(SqlValue::Null, SqlValue::Text)
            }
            _ => SqlValue::Text(cell.clone()),
        };
        self.cells.iter().map(value).collect()
    }

    /// The decimal mark of a column of numbers; none when it is written both ways, which makes it text.
    fn mark(&self, source: &CsvSource, delimiter: u8, warnings: &mut Vec<String>) -> Option<Mark> {
        let (name, files) = (&self.name, &source.files.pattern);
        match (source.config.decimal, self.marks.clone().decide()) {
            (Decimal::Comma, _) => Some(Mark::Comma),
            (Decimal::Point, _) => Some(Mark::Point),
            (Decimal::Auto, Decided::Sure(mark)) => Some(mark),
            (Decimal::Auto, Decided::Mixed { comma, point }) => {
                warnings.push(format!(
                    "column `{name}` of {files} is written both ways, `{comma}` and `{point}`, and was taken as text; say decimal: comma or decimal: point"
                ));
                None
            }
            (Decimal::Auto, Decided::Open { sample }) => {
                let (mark, word) = if delimiter == b';' { (Mark::Comma, "comma") } else { (Mark::Point, "point") };
                warnings.push(format!(
                    "column `{name}` of {files}: numbers such as `{sample}` can be read two ways, the {word} was taken as decimal; say decimal: comma or decimal: point"
                ));
                Some(mark)
            }
        }
    }
}

/// Whole numbers stay whole, so that they read well as labels.
fn number(value: f64) -> SqlValue {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT_MAX {
        SqlValue::Integer(value as i64)
    } else {
        SqlValue::Real(value)
    }
}

/// A time as the database's own functions read it.
fn as_time(cell: &str, source: &CsvSource) -> Option<String> {
    let read = match &source.config.date_format {
        Some(format) => time::read_as(cell, format),
        None => time::read(cell),
    };
    Some(match read? {
        ReadingTime::Date(date) => date.to_string(),
        ReadingTime::Local(local) => local.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        ReadingTime::Instant(at) => at.to_string(),
    })
}

#[cfg(test)]
#[path = "relation_tests.rs"]
mod tests;
