//! From the text of files to readings: finds the columns, decides each column's decimal mark, reads.

use std::time::Instant;

use csv::StringRecord;

use super::config::{CsvSource, Decimal, FileSet, columns};
use super::files::check_deadline;
use super::overlap::Winners;
use super::records::Records;
use crate::model::ids::Labels;
use crate::model::kpi::{Kpi, TableQuery};
use crate::model::observation::{Pull, ReadingTime, ReadingValue};
use crate::model::unit::Unit;
use crate::net::ErrorClass;
use crate::source::cell::number::{Cell, Column, Decided, Mark, read, share_of, shown, told_of_share};
use crate::source::cell::order::Orders;
use crate::source::cell::time;
use crate::source::error::SourceError;
use crate::source::labels::labels_of;
use crate::source::request::PullRequest;
use crate::source::rows::{Rows, ValueCells, amount, cut};
use crate::source::suggest::{did_you_mean, listed};

/// Rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 4096;

/// Reads all files and keeps the rows asked for.
pub(super) fn pull(
    source: &CsvSource,
    request: &PullRequest,
    (files, until): (&FileSet, Instant),
) -> Result<Pull, SourceError> {
    let query = columns(&request.kpi).map_err(SourceError::config)?;
    let winners = Winners::of(source, files, (&request.kpi.zone, until))?;
    let told = winners.warning.clone();
    let mut reading = Reading::new(source, request, query, (winners, until));
    if let Some(warning) = told {
        reading.rows.warn(warning);
    }
    for (file, (name, bytes)) in files.iter().enumerate() {
        reading.read_file(file, name, &source.text(name, bytes)?)?;
    }
    reading.finish()
}

/// A row asked for, its number cells not yet read.
struct Kept {
    time: ReadingTime,
    labels: Labels,
    cells: Vec<String>,
    /// Why the row can't be trusted, if so.
    misfit: Option<String>,
    origin: String,
}

struct Reading<'a> {
    source: &'a CsvSource,
    kpi: &'a Kpi,
    query: &'a TableQuery,
    winners: Winners,
    until: Instant,
    rows: Rows<'a>,
    rows_seen: usize,
    kept: Vec<Kept>,
    /// Names of the number columns, and what their cells show of the decimal mark.
    numbers: Vec<(&'a str, Column)>,
    last_delimiter: u8,
    /// What the dates of the file that is being read show.
    orders: Orders,
}

/// Where the columns of one file stand.
struct Places {
    /// Of the header.
    columns: usize,
    time: usize,
    numbers: Vec<usize>,
    labels: Vec<usize>,
}

impl<'a> Reading<'a> {
    fn new(
        source: &'a CsvSource,
        request: &'a PullRequest,
        query: &'a TableQuery,
        (winners, until): (Winners, Instant),
    ) -> Self {
        let names = [&query.value, &query.numerator, &query.denominator, &query.n];
        let numbers = names.into_iter().flatten().map(|name| (name.as_str(), Column::default())).collect();
        Self {
            source,
            kpi: &request.kpi,
            query,
            winners,
            until,
            rows: Rows::new(request),
            rows_seen: 0,
            kept: Vec::new(),
            numbers,
            last_delimiter: b',',
            orders: Orders::default(),
        }
    }

    fn read_file(&mut self, file: usize, name: &str, text: &str) -> Result<(), SourceError> {
        let mut records = Records::open(self.source, name, text)?;
        self.last_delimiter = records.delimiter;
        if let Some(warning) = records.left_out() {
            self.rows.warn(warning.to_owned());
        }
        let places = self.places(name, &records.header)?;
        let own = self.winners.file(file, name, &records.header)?;
        while let Some((record, line)) = records.next()? {
            if !self.winners.keep(&own, record) {
                continue;
            }
            let misfit = misfit(record, &places);
            self.read_row(record, (&places, misfit), || format!("{name}:{line}"))?;
        }
        // Each file has a form of its own.
        match std::mem::take(&mut self.orders).refusal() {
            Some(refusal) => Err(SourceError::config(refusal)),
            None => Ok(()),
        }
    }

    /// Finds every column that the query names.
    fn places(&self, file: &str, header: &StringRecord) -> Result<Places, SourceError> {
        let find = |name: &str| {
            let exact: Vec<usize> = (0..header.len()).filter(|at| header[*at] == *name).collect();
            let folded = || (0..header.len()).filter(|at| header[*at].to_lowercase() == name.trim().to_lowercase());
            let found = if exact.is_empty() { folded().collect() } else { exact };
            match found.as_slice() {
                [at] => Ok(*at),
                [] => Err(SourceError::config(format!(
                    "{file} has no column `{name}`{}; it has {}: correct the query of KPI `{}`",
                    did_you_mean(name, header.iter()),
                    listed(header.iter()),
                    self.kpi.id
                ))),
                _ => Err(SourceError::config(format!(
                    "{file} has several columns `{name}`; give each its own name in the export"
                ))),
            }
        };
        Ok(Places {
            columns: header.len(),
            time: find(&self.query.time)?,
            numbers: self.numbers.iter().map(|(name, _)| find(name)).collect::<Result<_, _>>()?,
            labels: self.kpi.dimensions.iter().map(|name| find(name)).collect::<Result<_, _>>()?,
        })
    }

    fn read_row(
        &mut self,
        record: &StringRecord,
        (places, misfit): (&Places, Option<String>),
        origin: impl Fn() -> String,
    ) -> Result<(), SourceError> {
        let cell = |at: usize| record.get(at).unwrap_or_default();
        self.rows_seen += 1;
        if self.rows_seen.is_multiple_of(ROWS_PER_LOOK) {
            check_deadline(self.until, &self.source.files.pattern)?;
        }
        if self.rows_seen > self.source.config.rows_max {
            let message = format!(
                "{} holds more than {} rows; move old files away, or raise rows_max",
                self.source.files.pattern, self.source.config.rows_max
            );
            return Err(SourceError::new(ErrorClass::TooLarge, message));
        }
        let raw = shown(cell(places.time));
        if raw.is_empty() && places.numbers.iter().all(|at| cell(*at).is_empty()) {
            return Ok(());
        }
        let read = match &self.source.config.date_format {
            Some(format) => time::read_as(raw, format),
            None => {
                self.orders.see(raw, &origin);
                time::read(raw)
            }
        };
        let Some(time) = read else {
            self.rows.undated(raw, &origin());
            return Ok(());
        };
        for ((_, column), at) in self.numbers.iter_mut().zip(&places.numbers).filter(|_| misfit.is_none()) {
            column.see(cell(*at));
        }
        if !self.rows.wants(time) {
            return Ok(());
        }
        let dimension = |name: &str| self.kpi.dimensions.iter().position(|dimension| dimension == name);
        // A file has no other way to leave a cell out.
        let label = |index: usize| Some(shown(cell(places.labels[index]))).filter(|label| !label.is_empty());
        let labels = labels_of(self.kpi, |name| dimension(name).and_then(label));
        let cells = places.numbers.iter().map(|at| cell(*at).to_owned()).collect();
        self.kept.push(Kept { time, labels, cells, misfit, origin: origin() });
        Ok(())
    }

    fn finish(mut self) -> Result<Pull, SourceError> {
        let marks = self.marks()?;
        if let (Unit::Percent, Some(column)) = (&self.kpi.unit, &self.query.value)
            && let Some(sample) = share_of(self.kept.iter().filter_map(|row| row.cells.first().map(String::as_str)))
        {
            self.rows.warn(told_of_share(column, sample));
        }
        let percent_is_share = self.kpi.unit == Unit::Ratio;
        let is_amount = matches!(self.kpi.unit, Unit::Currency(_));
        for row in self.kept {
            let mut read = row.cells.iter().zip(&marks).map(|(cell, mark)| match read(cell, *mark) {
                Cell::Number { value, percent: true, .. } if percent_is_share => ReadingValue::Number(value / 100.0),
                Cell::Number { percent: true, .. } if is_amount => ReadingValue::Unreadable(cut(cell)),
                Cell::Number { value, currency, .. } => amount(&self.kpi.unit, value, currency, cell),
                Cell::Absent => ReadingValue::Absent,
                Cell::Unreadable => ReadingValue::Unreadable(cut(cell)),
            });
            let mut next = |named: &Option<String>| named.as_ref().and_then(|_| read.next());
            // In the order in which the number columns were listed.
            let value = next(&self.query.value);
            let numerator = next(&self.query.numerator);
            let denominator = next(&self.query.denominator);
            let cells = ValueCells { value, numerator, denominator, n: next(&self.query.n) };
            let value = row.misfit.map_or_else(|| cells.into_value(), ReadingValue::Unreadable);
            self.rows.push(row.time, row.labels, value, row.origin);
        }
        self.rows.finish()
    }

    /// The decimal mark of each number column.
    fn marks(&mut self) -> Result<Vec<Mark>, SourceError> {
        let mut marks = Vec::new();
        for (name, column) in std::mem::take(&mut self.numbers) {
            let mark = match (self.source.config.decimal, column.decide()) {
                (Decimal::Comma, _) => Mark::Comma,
                (Decimal::Point, _) => Mark::Point,
                (Decimal::Auto, Decided::Sure(mark)) => mark,
                (Decimal::Auto, Decided::Mixed { comma, point }) => {
                    return Err(SourceError::config(format!(
                        "column `{name}` of {} is written both ways, `{comma}` and `{point}`; say decimal: comma or decimal: point",
                        self.source.files.pattern
                    )));
                }
                (Decimal::Auto, Decided::Open { sample }) => {
                    let mark = if self.last_delimiter == b';' { Mark::Comma } else { Mark::Point };
                    let word = if mark == Mark::Comma { "comma" } else { "point" };
                    self.rows.warn(format!(
                        "column `{name}` of {}: numbers such as `{sample}` can be read two ways, the {word} was taken as decimal; say decimal: comma or decimal: point",
                        self.source.files.pattern
                    ));
                    mark
                }
            };
            marks.push(mark);
        }
        Ok(marks)
    }
}

/// What is wrong with a row that does not fit its header: a delimiter inside a number moves all that follows. Empty
/// fields at the end are harmless, and so are missing ones that nobody asks for.
fn misfit(record: &StringRecord, places: &Places) -> Option<String> {
    let filled = (0..record.len()).rfind(|at| !record[*at].is_empty()).map_or(0, |last| last + 1);
    let needed = places.numbers.iter().chain(&places.labels).chain([&places.time]).max().map_or(0, |last| last + 1);
    let fits = filled <= places.columns && (filled == 0 || record.len() >= needed);
    (!fits).then(|| format!("a row of {} fields, where the header has {}", record.len(), places.columns))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
