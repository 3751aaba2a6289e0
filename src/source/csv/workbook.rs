//! Spreadsheets (`xlsx`, `xlsm`): one sheet becomes the text of a table, and is read as such.

use std::io::{Cursor, Read, Seek};

use calamine::{DataRef, DataType, Reader, Xlsx, XlsxCellReader, XlsxError, open_workbook_from_rs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zip::ZipArchive;

use super::config::{CsvConfig, CsvSource, Decimal};
use super::overlap::Overlap;
use super::wide::Wide;
use crate::net::ErrorClass;
use crate::source::cell::number;
use crate::source::error::SourceError;
use crate::source::request::BuildContext;
use crate::source::suggest::{did_you_mean, listed};

/// Between the cells of the text that a sheet becomes.
const DELIMITER: u8 = b';';
/// Bytes of a workbook once unpacked; more is no export but an attack, or a mistake.
const UNPACKED_MAX: u64 = 512 * 1024 * 1024;
/// Bytes of the text that a sheet becomes; a cell far out fills rows and columns on the way to it.
const TEXT_MAX: usize = 256 * 1024 * 1024;

/// Spreadsheets on disk: `xlsx` or `xlsm`.
///
/// A KPI reads columns or asks in SQL of the table `data`, as of a csv source. Numbers and dates are taken as the cells
/// hold them, whatever their format shows; a formula counts with the result that was saved.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct XlsxConfig {
    /// A file, or a pattern with `*`, `?`, `**` or `[..]`; relative to the configuration file.
    /// Several files are read in the order of their names, `export-2` before `export-10`. Example: `exports/*.xlsx`.
    pub path: String,
    /// The sheet's name. Default: the first sheet. Example: `Ventes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Rows above the row with the columns' names. Default: 0. Example: `2`.
    #[serde(default)]
    pub skip_rows: usize,
    /// What stands between units and tenths of numbers that are written as text: `auto`, `comma` or `point`; cells that
    /// hold numbers need none. Default: `auto`, decided per column from all its texts; where only such as `1,234` stand,
    /// the comma is decimal, and a warning says so.
    #[serde(default)]
    pub decimal: Decimal,
    /// How times that are written as text look, in strftime. Default: found out. Example: `"%m/%d/%Y"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_format: Option<String>,
    /// Columns that are text in SQL, whatever stands in them. Default: those whose cells are neither mostly numbers or
    /// times nor partly amounts such as `20,75`, and codes that begin with zero. Example: `[version]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    /// Periods that stand side by side (months across), turned into rows. Default: none.
    /// Example: `{keep: [shop], time: month, value: total}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wide: Option<Wide>,
    /// How rows of later files replace those of earlier ones. Default: all rows count.
    /// Example: `{key: [invoice]}` or `{period: {each: month, time: date}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// Most bytes of all files together. Default: 67108864 (64 MiB).
    #[serde(default = "bytes_max_default")]
    pub bytes_max: u64,
    /// Most rows of all files together. Default: 1000000.
    #[serde(default = "rows_max_default")]
    pub rows_max: usize,
}

fn bytes_max_default() -> u64 {
    64 * 1024 * 1024
}

fn rows_max_default() -> usize {
    1_000_000
}

impl XlsxConfig {
    pub fn build(self, context: &BuildContext<'_>) -> Result<CsvSource, String> {
        let sheet = Sheet { name: self.sheet };
        let config = CsvConfig {
            delimiter: Some(char::from(DELIMITER)),
            decimal: self.decimal,
            date_format: self.date_format,
            text: self.text,
            skip_lines: self.skip_rows,
            wide: self.wide,
            overlap: self.overlap,
            bytes_max: self.bytes_max,
            rows_max: self.rows_max,
            ..CsvConfig::new(self.path)
        };
        Ok(CsvSource { sheet: Some(sheet), ..config.build(context)? })
    }
}

/// Which sheet of a workbook is read.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    name: Option<String>,
}

impl Sheet {
    /// The sheet as text, one line for each of its rows.
    pub(super) fn text(&self, file: &str, bytes: &[u8]) -> Result<String, SourceError> {
        let refused = |class, cause: String| SourceError::new(class, format!("{file}: {cause}"));
        let damaged = |error: &dyn std::fmt::Display| {
            refused(ErrorClass::Unexpected, format!("no spreadsheet that can be read ({error}); save it again as xlsx"))
        };
        if let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) {
            let sizes = (0..archive.len()).map(|at| archive.by_index_raw(at).map_or(0, |part| part.size()));
            if sizes.fold(0, u64::saturating_add) > UNPACKED_MAX {
                let cause = format!("it unpacks to more than {UNPACKED_MAX} bytes; split it");
                return Err(refused(ErrorClass::TooLarge, cause));
            }
        }
        let opened: Result<Xlsx<_>, XlsxError> = open_workbook_from_rs(Cursor::new(bytes));
        let mut workbook = opened.map_err(|error| damaged(&error))?;
        let names = workbook.sheet_names();
        let name = match &self.name {
            None => names.first().cloned().ok_or_else(|| damaged(&"it has no sheet"))?,
            Some(name) if names.contains(name) => name.clone(),
            Some(name) => {
                let near = did_you_mean(name, names.iter().map(String::as_str));
                let has = listed(names.iter().map(String::as_str));
                return Err(refused(ErrorClass::Config, format!("no sheet `{name}`{near}; it has {has}")));
            }
        };
        let mut cells = workbook.worksheet_cells_reader(&name).map_err(|error| damaged(&error))?;
        match write(&mut cells).map_err(|error| damaged(&error))? {
            Some(text) => Ok(text),
            None => {
                let cause =
                    format!("sheet `{name}` makes more than {TEXT_MAX} bytes of text; delete what lies far out");
                Err(refused(ErrorClass::TooLarge, cause))
            }
        }
    }
}

/// Cell by cell, so that one that lies far out costs no memory. Rows count from the sheet's first, whether or not
/// something stands there. None: it is too much.
fn write<R: Read + Seek>(cells: &mut XlsxCellReader<'_, R>) -> anyhow::Result<Option<String>> {
    let mut text = Vec::new();
    let (mut row, mut at) = (Vec::<String>::new(), 0);
    let mut put = |row: &[String]| -> anyhow::Result<bool> {
        let mut line = csv::WriterBuilder::new().delimiter(DELIMITER).from_writer(Vec::new());
        line.write_record(row)?;
        text.extend(line.into_inner()?);
        Ok(text.len() <= TEXT_MAX)
    };
    while let Some(cell) = cells.next_cell()? {
        let (wanted, column) = cell.get_position();
        anyhow::ensure!(wanted >= at, "its rows are out of order");
        while at < wanted {
            if !put(&row)? {
                return Ok(None);
            }
            row.clear();
            at += 1;
        }
        if row.len() <= column as usize {
            row.resize(column as usize + 1, String::new());
        }
        row[column as usize] = text_of(cell.get_value());
    }
    if !put(&row)? {
        return Ok(None);
    }
    Ok(Some(String::from_utf8(text)?))
}

/// A cell as a table of text would have it.
fn text_of(cell: &DataRef<'_>) -> String {
    match cell {
        DataRef::DateTime(at) if at.is_datetime() => {
            let (year, month, day, hour, minute, second, millisecond) = at.to_ymd_hms_milli();
            let rounded = second + u8::from(millisecond >= 500);
            if (hour, minute, rounded) == (0, 0, 0) {
                format!("{year:04}-{month:02}-{day:02}")
            } else {
                format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02}", rounded.min(59))
            }
        }
        DataRef::Bool(truth) => u8::from(*truth).to_string(),
        DataRef::Error(_) => "#error".to_owned(),
        DataRef::Float(number) if number.fract() != 0.0 => number::exact(&number.to_string()),
        // A line within a cell would move the lines that messages name.
        other => number::shown(&other.as_string().unwrap_or_default()).replace(['\n', '\r'], " "),
    }
}

#[cfg(test)]
#[path = "workbook_tests.rs"]
mod tests;
