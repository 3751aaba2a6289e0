//! One file as records: its header, then its rows with their lines.

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

use super::config::CsvSource;
use super::decode;
use super::wide::Spread;
use crate::net::ErrorClass;
use crate::source::cell::number::shown;
use crate::source::error::SourceError;

/// The records of one file, read as they are asked for.
pub(in crate::source) struct Records<'a> {
    name: &'a str,
    body: &'a [u8],
    reader: Reader<&'a [u8]>,
    pub(super) delimiter: u8,
    /// Whether cells may stand in quotes.
    quotes: bool,
    lines_cut: u64,
    /// The names of the columns.
    pub(in crate::source) header: StringRecord,
    record: StringRecord,
    /// Of the file itself, before any spreading.
    width: usize,
    line: u64,
    /// Lines begun before that byte of the body.
    counted: (usize, u64),
    /// Where periods stand side by side: how a row is spread, and the rows of the last one that are still to come, the
    /// next one last.
    spread: Option<(Spread, Vec<StringRecord>)>,
}

impl<'a> Records<'a> {
    pub(in crate::source) fn open(
        source: &CsvSource,
        name: &'a str,
        text: &'a str,
    ) -> Result<Records<'a>, SourceError> {
        let (body, lines_cut, said) = decode::body(text, source.config.skip_lines);
        let delimiter = source.config.delimiter.map(|given| given as u8).or(said);
        let delimiter = delimiter.unwrap_or_else(|| decode::delimiter(body));
        let body = body.as_bytes();
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(source.quotes)
            .flexible(true)
            .trim(Trim::All)
            .has_headers(false)
            .from_reader(body);
        let mut header = StringRecord::new();
        if !reader.read_record(&mut header).map_err(|error| unreadable(name, &error))? {
            return Err(SourceError::new(
                ErrorClass::Transient,
                format!("{name} is empty, not even the columns' names are there; check the export"),
            ));
        }
        // The name of a column may be a cell that holds a number.
        let header: StringRecord = header.iter().map(shown).collect();
        let (lines_cut, width) = (lines_cut as u64, header.len());
        let spread = source.config.wide.as_ref().map(|wide| wide.spread(source, name, &header)).transpose()?;
        let (spread, header) = match spread {
            Some((spread, names)) => (Some((spread, Vec::new())), names),
            None => (None, header),
        };
        Ok(Records {
            name,
            body,
            reader,
            delimiter,
            quotes: source.quotes,
            lines_cut,
            header,
            record: StringRecord::new(),
            width,
            line: 0,
            counted: (0, 1),
            spread,
        })
    }

    /// What is to be told of columns that are not read.
    pub(super) fn left_out(&self) -> Option<&str> {
        self.spread.as_ref()?.0.left_out.as_deref()
    }

    /// The next row and its line in the file.
    pub(in crate::source) fn next(&mut self) -> Result<Option<(&StringRecord, u64)>, SourceError> {
        loop {
            if let Some((_, left)) = &mut self.spread
                && let Some(next) = left.pop()
            {
                self.record = next;
                return Ok(Some((&self.record, self.line)));
            }
            let Some(line) = self.read()? else { return Ok(None) };
            self.line = line;
            match &mut self.spread {
                Some((spread, left)) => left.extend(spread.rows(&self.record).rev()),
                None => return Ok(Some((&self.record, line))),
            }
        }
    }

    /// Reads the next record of the file; gives its line.
    fn read(&mut self) -> Result<Option<u64>, SourceError> {
        if !self.reader.read_record(&mut self.record).map_err(|error| unreadable(self.name, &error))? {
            return Ok(None);
        }
        let line = self.line_of_record();
        let name = self.name;
        let is_last = self.reader.position().byte() as usize >= self.body.len();
        if is_last && self.record.len() < self.width && !self.body.ends_with(b"\n") {
            return Err(SourceError::new(
                ErrorClass::Transient,
                format!("{name}:{line}: the file ends within a row; it is tried again, else export it again"),
            ));
        }
        if self.spread.is_some() && self.is_overlong() {
            return Err(self.overlong(line));
        }
        if self.quotes
            && let Some(start) = self.record.position()
            && is_unclosed(self.body, self.delimiter, start, self.reader.position())
        {
            let cause = format!("{name}:{line}: a quote is opened and never closed, so the rest of the file is lost");
            return Err(SourceError::new(ErrorClass::Unexpected, format!("{cause}; export it again")));
        }
        Ok(Some(line))
    }

    /// The reader's own count goes wrong where lines end in CR LF.
    fn line_of_record(&mut self) -> u64 {
        let start = self.record.position().map_or(0, |at| at.byte() as usize);
        let blank = self.body[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let (from, lines) = self.counted;
        let lines = lines + self.body[from..start + blank].split(|byte| *byte == b'\n').skip(1).count() as u64;
        self.counted = (start + blank, lines);
        lines + self.lines_cut
    }

    /// Whether the row just read has more cells than there are columns: a delimiter inside a number moves all that
    /// follows.
    pub(super) fn is_overlong(&self) -> bool {
        self.record.iter().skip(self.width).any(|cell| !cell.is_empty())
    }

    pub(super) fn overlong(&self, line: u64) -> SourceError {
        let cause = format!("a row of {} fields, where the header has {}", self.record.len(), self.width);
        let remedy = "put numbers that hold the delimiter into quotes, or export with another delimiter";
        SourceError::new(ErrorClass::Unexpected, format!("{}:{line}: {cause}; {remedy}", self.name))
    }
}

fn unreadable(name: &str, error: &csv::Error) -> SourceError {
    SourceError::new(ErrorClass::Unexpected, format!("{name} is no table of text: {error}; export it again"))
}

/// Whether the last record of a file ends within quotes that nothing closes; it has swallowed whatever follows them.
fn is_unclosed(body: &[u8], delimiter: u8, start: &csv::Position, end: &csv::Position) -> bool {
    if (end.byte() as usize) < body.len() {
        return false;
    }
    let (mut quoted, mut may_open) = (false, true);
    for byte in body.get(start.byte() as usize..).unwrap_or_default() {
        let closes = quoted && *byte == b'"';
        quoted = if quoted { !closes } else { may_open && *byte == b'"' };
        // At the start of a cell; and a doubled quote closes and opens again.
        may_open = closes || *byte == delimiter || *byte == b'\n';
    }
    quoted
}
