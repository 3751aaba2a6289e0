//! One file of an accounting export: its entries, what kind each is, and the lines that a KPI asks for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Instant;

use encoding_rs::{Encoding, ISO_8859_15};
use jiff::civil::Date;

use super::columns::{AMOUNT_SCALE, Columns, Row};
use super::config::{FecConfig, FecSource};
use crate::model::digest::Digest;
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::ledger_query::LedgerQuery;
use crate::net::ErrorClass;
use crate::source::csv::{Records, check_deadline, text};
use crate::source::error::SourceError;
use crate::source::labels::labels_of;

/// Rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 4096;
/// Entries told one by one.
const SAMPLES_MAX: usize = 3;
/// A difference between debits and credits from which an entry does not balance: half a cent.
const TOLERANCE: i64 = 50;

/// One file.
pub(super) struct Book {
    pub(super) name: String,
    /// The nine digits before `FEC` in the file's name.
    pub(super) siren: Option<String>,
    /// The date after `FEC` in the file's name.
    pub(super) closing: Option<Date>,
    /// The latest day on which an entry was validated.
    pub(super) validated: Option<Date>,
    /// When the file was written.
    pub(super) written: (i64, i64),
    /// Digests of journal, number and day of each entry.
    pub(super) entries: HashSet<u64>,
    /// The days of its entries.
    pub(super) days: BTreeMap<Date, Day>,
    /// Whether any entry opens the year.
    pub(super) opens: bool,
    /// Of the accounts that the KPI asks for.
    pub(super) lines: Vec<Line>,
    pub(super) unbalanced: Unbalanced,
}

/// Entries that don't balance.
#[derive(Debug, Default)]
pub(super) struct Unbalanced {
    pub(super) count: usize,
    pub(super) days: BTreeSet<Date>,
    /// The first of them in words.
    pub(super) samples: Vec<String>,
}

/// Rows of one day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Day {
    pub(super) rows: usize,
    /// Of these, rows of entries that open no year.
    pub(super) moving: usize,
}

/// One line of an account that the KPI asks for, other than those that close the year.
pub(super) struct Line {
    pub(super) date: Date,
    /// Debit less credit, in ten-thousandths of a euro.
    pub(super) amount: i64,
    pub(super) labels: Labels,
    pub(super) opening: bool,
    /// Of class 6 or 7: it starts anew each year.
    pub(super) of_result: bool,
}

/// What is seen of one entry.
#[derive(Clone, Copy)]
struct Entry {
    date: Date,
    rows: usize,
    /// Debits less credits.
    balance: i64,
    /// The line of the file where it begins.
    line: u64,
    /// Its journal is one of opening entries.
    opening_journal: bool,
    closing_journal: bool,
    /// Accounts of class 6 or 7.
    of_result: bool,
    /// Accounts 12: the year's result.
    result: bool,
    /// Account 890: the balance sheet at the beginning.
    opening_sheet: bool,
    /// Account 891: the balance sheet at the end.
    closing_sheet: bool,
}

impl Entry {
    fn new(line: u64, date: Date, (opening_journal, closing_journal): (bool, bool)) -> Entry {
        Entry {
            date,
            rows: 0,
            balance: 0,
            line,
            opening_journal,
            closing_journal,
            of_result: false,
            result: false,
            opening_sheet: false,
            closing_sheet: false,
        }
    }

    fn take(&mut self, row: &Row<'_>) {
        self.rows += 1;
        self.balance = self.balance.saturating_add(row.amount);
        self.of_result |= row.account.starts_with(['6', '7']);
        self.result |= row.account.starts_with("12");
        self.opening_sheet |= row.account.starts_with("890");
        self.closing_sheet |= row.account.starts_with("891");
    }

    fn closes(&self) -> bool {
        let zeroes = self.of_result && (self.result || self.opening_sheet);
        zeroes || self.closing_sheet || self.closing_journal
    }

    fn opens(&self) -> bool {
        !self.closes() && !self.of_result && (self.opening_journal || self.opening_sheet)
    }
}

/// Reads one file. `rows` counts those of all files.
pub(super) fn read(
    source: &FecSource,
    (kpi, query): (&Kpi, &LedgerQuery),
    (name, bytes): (&str, &[u8]),
    (rows, until): (&mut usize, Instant),
) -> Result<Book, SourceError> {
    let text = text(bytes, encoding(source.files.encoding, bytes));
    let mut records = Records::open(&source.files, name, &text)?;
    let columns = Columns::of(name, &records.header, (kpi, query))?;
    let journals = Journals::of(&source.config);
    let (siren, closing) = named(name);
    let mut book = Book {
        name: name.to_owned(),
        siren,
        closing,
        validated: None,
        written: source.files.files.written(name),
        entries: HashSet::new(),
        days: BTreeMap::new(),
        opens: false,
        lines: Vec::new(),
        unbalanced: Unbalanced::default(),
    };
    let mut entries: Vec<Entry> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut owners: Vec<usize> = Vec::new();
    while let Some((record, line)) = records.next()? {
        *rows += 1;
        if rows.is_multiple_of(ROWS_PER_LOOK) {
            check_deadline(until, name)?;
        }
        if *rows > source.config.rows_max {
            let (pattern, most) = (&source.config.path, source.config.rows_max);
            let message = format!("{pattern} holds more than {most} rows; move old files away, or raise rows_max");
            return Err(SourceError::new(ErrorClass::TooLarge, message));
        }
        let Some(row) = columns.row(record, &|| format!("{name}:{line}"))? else { continue };
        let key = format!("{} {} of {}", row.journal, row.number, row.date);
        let entry = *known.entry(key).or_insert_with(|| {
            entries.push(Entry::new(line, row.date, journals.kinds(row.journal, row.journal_name)));
            entries.len() - 1
        });
        entries[entry].take(&row);
        book.validated = book.validated.max(row.validated);
        if query.names(row.account) {
            let position = |name: &str| kpi.dimensions.iter().position(|dimension| dimension == name);
            let labels = labels_of(kpi, |name| position(name).map(|at| columns.label(record, at)));
            let of_result = row.account.starts_with(['6', '7']);
            book.lines.push(Line { date: row.date, amount: row.amount, labels, opening: false, of_result });
            owners.push(entry);
        }
    }
    book.opens = entries.iter().any(Entry::opens);
    let mut owners = owners.into_iter();
    book.lines.retain_mut(|line| {
        let Some(entry) = owners.next().map(|owner| entries[owner]) else { return false };
        line.opening = entry.opens();
        !entry.closes()
    });
    book.note(&entries, known);
    Ok(book)
}

impl Book {
    /// Keeps what is told of the entries, and what they are known by in other exports.
    fn note(&mut self, entries: &[Entry], known: HashMap<String, usize>) {
        for entry in entries {
            let day = self.days.entry(entry.date).or_default();
            day.rows += entry.rows;
            day.moving += if entry.opens() { 0 } else { entry.rows };
        }
        self.entries = known.keys().map(Digest::of).collect();
        let wrong = known.into_iter().filter(|(_, entry)| entries[*entry].balance.abs() >= TOLERANCE);
        let mut wrong: Vec<(&Entry, String)> = wrong.map(|(key, entry)| (&entries[entry], key)).collect();
        wrong.sort_unstable_by_key(|(entry, _)| entry.line);
        let told = |(entry, key): &(&Entry, String)| {
            let euro = entry.balance as f64 / AMOUNT_SCALE;
            format!("{}:{}: entry {key} (debits less credits: {euro:.2})", self.name, entry.line)
        };
        self.unbalanced = Unbalanced {
            count: wrong.len(),
            days: wrong.iter().map(|(entry, _)| entry.date).collect(),
            samples: wrong.iter().take(SAMPLES_MAX).map(told).collect(),
        };
    }
}

/// Which journals hold what.
struct Journals {
    opening_codes: Vec<String>,
    opening_words: Vec<String>,
    closing_codes: Vec<String>,
}

impl Journals {
    fn of(config: &FecConfig) -> Journals {
        let codes = |list: &[String]| list.iter().map(|code| code_of(code)).collect();
        Journals {
            opening_codes: codes(&config.opening_journals),
            opening_words: config.opening_labels.iter().map(|word| word.to_lowercase()).collect(),
            closing_codes: codes(&config.closing_journals),
        }
    }

    /// Whether a journal is one of opening entries, and whether one of entries that close the year.
    fn kinds(&self, code: &str, name: &str) -> (bool, bool) {
        let (code, name) = (code_of(code), name.to_lowercase());
        let opens = self.opening_codes.contains(&code) || self.opening_words.iter().any(|word| name.contains(word));
        (opens, self.closing_codes.contains(&code))
    }
}

/// `A_N`, `a-n` and `AN` are one code.
fn code_of(code: &str) -> String {
    code.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// ISO 8859-15 leaves out what Windows-1252 has letters and signs for: where none of these stands, the norm's own
/// encoding is meant.
fn encoding(given: Option<&'static Encoding>, bytes: &[u8]) -> Option<&'static Encoding> {
    let is_latin = || std::str::from_utf8(bytes).is_err() && !bytes.iter().any(|byte| (0x80..=0x9f).contains(byte));
    given.or_else(|| is_latin().then_some(ISO_8859_15))
}

/// Company and end of the fiscal year, from `123456789FEC20261231.txt`.
fn named(file: &str) -> (Option<String>, Option<Date>) {
    let file = file.rsplit('/').next().unwrap_or(file);
    let lower = file.to_ascii_lowercase();
    for (at, _) in lower.match_indices("fec") {
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
        let after = lower[at + 3..].trim_start_matches(['_', '-', ' ']);
        let date = after.get(..8).filter(|_| digits(after) == 8).and_then(|date| {
            let part = |range: std::ops::Range<usize>| date.get(range)?.parse::<i16>().ok();
            Date::new(part(0..4)?, i8::try_from(part(4..6)?).ok()?, i8::try_from(part(6..8)?).ok()?).ok()
        });
        if date.is_some() {
            let before = lower[..at].trim_end_matches(['_', '-', ' ']);
            let siren =
                before.len().checked_sub(9).and_then(|start| before.get(start..)).filter(|siren| digits(siren) == 9);
            return (siren.map(str::to_owned), date);
        }
    }
    (None, None)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::{code_of, encoding, named};

    #[test]
    fn names_of_files() {
        let closing = Some(date(2026, 12, 31));
        for (file, siren, expected) in [
            ("exports/123456789FEC20261231.txt", Some("123456789"), closing),
            ("123456789fec20261231 (1).txt", Some("123456789"), closing),
            ("2026-04-02_123456789_FEC_20261231.txt", Some("123456789"), closing),
            ("FEC20261231.txt", None, closing),
            ("FEC20261331.txt", None, None),
            ("fecond.txt", None, None),
            ("FEC 2026.txt", None, None),
        ] {
            assert_eq!(named(file), (siren.map(str::to_owned), expected), "{file}");
        }
        assert_eq!((code_of("A_N"), code_of("a-n")), ("AN".to_owned(), "AN".to_owned()));
    }

    #[test]
    fn which_of_two_western_encodings() {
        let name = |bytes: &[u8]| encoding(None, bytes).map(encoding_rs::Encoding::name);
        assert_eq!(name("é€".as_bytes()), None);
        assert_eq!(name(b"\xe9\xa4"), Some("ISO-8859-15"));
        assert_eq!(name(b"\xe9\x80"), None);
    }
}
