//! Files as one table `data` that SQL can filter, group and sum: their cells typed column by column.

use std::time::Instant;

use super::config::{CsvSource, Decimal, FileSet};
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
use crate::source::rows::cut;
use crate::source::sql::{Relation, SqlValue};

/// The name of the table.
pub(super) const TABLE: &str = "data";
/// Columns that every table has beside those of the files.
const FILE: &str = "_file";
const LINE: &str = "_line";
const COLUMNS_MAX: usize = 500;
/// Cells of one table; each takes some 60 bytes while it is asked.
const CELLS_MAX: usize = 10_000_000;
/// The share of cells, as a fraction, from which a column is one of numbers or times: a footer or a stray word is no
/// reason to take all others for text.
const MOST: (usize, usize) = (3, 4);
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
    let mut warnings = Vec::new();
    for (file, (name, bytes)) in files.iter().enumerate() {
        let text = source.text(name, bytes)?;
        let mut records = Records::open(source, name, &text)?;
        delimiter = records.delimiter;
        warnings.extend(records.left_out().map(str::to_owned));
        let places = places(&mut columns, name, &records, rows.len())?;
        let own = winners.file(file, name, &records.header)?;
        while let Some((record, line)) = records.next()? {
            let counts = winners.keep(&own, record, line) && record.iter().any(|cell| !cell.is_empty());
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
    let mut relation = Relation { table: TABLE, columns: Vec::new(), rows: Vec::new(), warnings, complete: true };
    let mut typed: Vec<std::vec::IntoIter<SqlValue>> = Vec::new();
    for mut column in columns {
        column.cells.resize(rows.len(), String::new());
        relation.columns.push(column.name.clone());
        let origin =
            |row: usize| rows.get(row).map_or_else(String::new, |(file, line)| format!("{}:{line}", files[*file].0));
        typed.push(column.into_values(source, (kpi, delimiter), &origin, &mut relation).into_iter());
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

/// A column with its cells, one for each row.
struct Typed {
    name: String,
    cells: Vec<String>,
}

/// What the cells of a column are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Number(Mark),
    Time,
    Text,
    /// Written both ways: none of its numbers can be trusted.
    Doubtful,
}

impl Typed {
    fn push(&mut self, cell: &str, row: usize) {
        self.cells.resize(row, String::new());
        self.cells.push(cell.to_owned());
    }

    /// Numbers, times as ISO text, or text; cells that say nothing are NULL. So are the few of a column of numbers or
    /// times that are neither, which is told: one word among a thousand figures must not make a text of all of them.
    fn into_values(
        self,
        source: &CsvSource,
        (kpi, delimiter): (&Kpi, u8),
        origin: &dyn Fn(usize) -> String,
        relation: &mut Relation,
    ) -> Vec<SqlValue> {
        let share = kpi.unit == Unit::Ratio;
        let kind = self.kind(source, delimiter, &mut relation.warnings);
        let mut strays: Option<(usize, usize)> = None;
        let mut values = Vec::with_capacity(self.cells.len());
        for (row, cell) in self.cells.iter().enumerate() {
            let value = match kind {
                Type::Text if cell.is_empty() => Some(SqlValue::Null),
                Type::Text => Some(SqlValue::Text(cell.clone())),
                Type::Doubtful => Some(SqlValue::Null),
                Type::Number(mark) => match read(cell, mark) {
                    Cell::Number { value, percent } => {
                        Some(SqlValue::Real(if percent && share { value / 100.0 } else { value }))
                    }
                    Cell::Absent => Some(SqlValue::Null),
                    Cell::Unreadable => None,
                },
                Type::Time if read(cell, Mark::Point) == Cell::Absent => Some(SqlValue::Null),
                Type::Time => as_time(cell, source).map(SqlValue::Text),
            };
            if value.is_none() {
                strays = Some(strays.map_or((row, 1), |(first, count)| (first, count + 1)));
            }
            values.push(value.unwrap_or(SqlValue::Null));
        }
        relation.complete &= strays.is_none() && kind != Type::Doubtful;
        if let Some((first, count)) = strays {
            let what = if kind == Type::Time { "times" } else { "numbers" };
            let (name, at, sample) = (&self.name, origin(first), cut(&self.cells[first]));
            relation.warnings.push(format!(
                "column `{name}` holds {what}, and {count} cells that are none, such as {at}: `{sample}`; they count as absent: correct them"
            ));
        }
        values
    }

    fn kind(&self, source: &CsvSource, delimiter: u8, warnings: &mut Vec<String>) -> Type {
        let (mut said, mut numbers, mut times, mut marks) = (0, 0, 0, Column::default());
        for cell in self.cells.iter().filter(|cell| read(cell, Mark::Point) != Cell::Absent) {
            said += 1;
            // A code that begins with zero is a name.
            if cell.len() > 1 && cell.starts_with('0') && cell.bytes().all(|byte| byte.is_ascii_digit()) {
                return Type::Text;
            }
            let is_number =
                [Mark::Point, Mark::Comma].iter().any(|mark| matches!(read(cell, *mark), Cell::Number { .. }));
            numbers += usize::from(is_number);
            times += usize::from(!is_number && as_time(cell, source).is_some());
            marks.see(cell);
        }
        let most = |count: usize| said > 0 && count * MOST.1 >= said * MOST.0;
        if !most(numbers) {
            return if most(times) { Type::Time } else { Type::Text };
        }
        let (name, files) = (&self.name, &source.files.pattern);
        match (source.config.decimal, marks.decide()) {
            (Decimal::Comma, _) => Type::Number(Mark::Comma),
            (Decimal::Point, _) => Type::Number(Mark::Point),
            (Decimal::Auto, Decided::Sure(mark)) => Type::Number(mark),
            (Decimal::Auto, Decided::Mixed { comma, point }) => {
                warnings.push(format!(
                    "column `{name}` of {files} is written both ways, `{comma}` and `{point}`, and counts as absent; say decimal: comma or decimal: point"
                ));
                Type::Doubtful
            }
            (Decimal::Auto, Decided::Open { sample }) => {
                let (mark, word) = if delimiter == b';' { (Mark::Comma, "comma") } else { (Mark::Point, "point") };
                warnings.push(format!(
                    "column `{name}` of {files}: numbers such as `{sample}` can be read two ways, the {word} was taken as decimal; say decimal: comma or decimal: point"
                ));
                Type::Number(mark)
            }
        }
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
