//! One file of an accounting export: its entries, what kind each is, and the lines that a KPI asks for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Instant;

use encoding_rs::{Encoding, ISO_8859_15};
use jiff::ToSpan;
use jiff::civil::Date;

use super::columns::{AMOUNT_SCALE, Columns, Row};
use super::config::{FecConfig, FecSource};
use super::opening::{self, Balances, Group, Start};
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
pub(super) const TOLERANCE: i64 = 50;

/// One file, or the part of it that is of one fiscal year.
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
    /// The days of entries of opening journals, and what those sum to.
    pub(super) openings: BTreeMap<Date, Balances>,
    /// What the entries sum to that neither open nor close a year.
    pub(super) moved: Balances,
    /// Where no journal is known to open the year: entries of its first days that may.
    pub(super) starts: Vec<Start>,
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
    /// Position of its entry in the file.
    pub(super) entry: usize,
    pub(super) date: Date,
    /// Debit less credit, in ten-thousandths of a euro.
    pub(super) amount: i64,
    pub(super) labels: Labels,
    /// Of an entry that may open the year; whether it does, its day tells.
    pub(super) opening: bool,
    /// Of class 6 or 7: it starts anew each year.
    pub(super) of_result: bool,
}

/// What is seen of one entry.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) date: Date,
    /// Position of its journal among those of the file.
    pub(super) journal: usize,
    pub(super) rows: usize,
    /// Debits less credits.
    balance: i64,
    /// The line of the file where it begins.
    line: u64,
    /// Its journal is one of opening entries.
    opening_journal: bool,
    closing_journal: bool,
    /// Accounts of class 6 or 7.
    pub(super) of_result: bool,
    /// Accounts 12: the year's result.
    result: bool,
    /// Account 890: the balance sheet at the beginning.
    opening_sheet: bool,
    /// Account 891: the balance sheet at the end.
    closing_sheet: bool,
}

impl Entry {
    fn new(line: u64, date: Date, journal: usize, (opening_journal, closing_journal): (bool, bool)) -> Entry {
        Entry {
            date,
            journal,
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

    pub(super) fn closes(&self) -> bool {
        let zeroes = self.of_result && (self.result || self.opening_sheet);
        zeroes || self.closing_sheet || self.closing_journal
    }

    pub(super) fn opens(&self) -> bool {
        !self.closes() && !self.of_result && (self.opening_journal || self.opening_sheet)
    }
}

/// Reads one file: a book of each fiscal year in it. `rows` counts those of all files.
pub(super) fn read(
    source: &FecSource,
    (kpi, query): (&Kpi, &LedgerQuery),
    (name, bytes): (&str, &[u8]),
    (rows, until): (&mut usize, Instant),
) -> Result<Vec<Book>, SourceError> {
    let text = text(bytes, encoding(source.files.encoding, bytes));
    let mut records = Records::open(&source.files, name, &text)?;
    let columns = Columns::of(name, &records.header, (kpi, query))?;
    let mut journals = Journals::of(&source.config);
    let (siren, closing) = named(name);
    let mut validated = None;
    let mut seen = Seen::default();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut lines = Vec::new();
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
            let kinds = journals.kinds(row.journal, row.journal_name);
            seen.entries.push(Entry::new(line, row.date, journals.position(row.journal), kinds));
            seen.entries.len() - 1
        });
        seen.entries[entry].take(&row);
        seen.amounts.extend(Group::of(row.account).map(|group| (entry, group, row.amount)));
        validated = validated.max(row.validated);
        if query.names(row.account) {
            let position = |name: &str| kpi.dimensions.iter().position(|dimension| dimension == name);
            let labels = labels_of(kpi, |name| position(name).map(|at| columns.label(record, at)));
            let of_result = row.account.starts_with(['6', '7']);
            lines.push(Line { entry, date: row.date, amount: row.amount, labels, opening: false, of_result });
        }
    }
    seen.journals = journals.known;
    lines.retain_mut(|line| {
        let entry = &seen.entries[line.entry];
        line.opening = entry.opens();
        !entry.closes()
    });
    let firsts = opening::first_days(&seen.entries, closing);
    let mut books: Vec<Book> = Vec::new();
    for (position, from) in firsts.iter().enumerate() {
        let next = firsts.get(position + 1);
        let span = (*from, next.map_or(Date::MAX, |next| next.saturating_sub(1.day())));
        let book = Book {
            name: name.to_owned(),
            siren: siren.clone(),
            // The day before another year begins is the last of this one, whatever the name says.
            closing: if next.is_some() { Some(span.1) } else { closing },
            validated,
            written: source.files.files.written(name),
            entries: HashSet::new(),
            days: BTreeMap::new(),
            openings: BTreeMap::new(),
            moved: Balances::default(),
            starts: Vec::new(),
            lines: lines.extract_if(.., |line| line.date <= span.1).collect(),
            unbalanced: Unbalanced::default(),
        };
        books.push(book.noting(&seen, &known, span));
    }
    Ok(books)
}

/// What is kept of a file's rows until its years are known.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) entries: Vec<Entry>,
    /// Entry, accounts and amount of each row of a balance sheet.
    pub(super) amounts: Vec<(usize, Group, i64)>,
    /// Codes.
    pub(super) journals: Vec<String>,
}

impl Book {
    /// Keeps what is told of the entries of its days, and what they are known by in other exports.
    fn noting(mut self, seen: &Seen, known: &HashMap<String, usize>, (from, to): (Date, Date)) -> Book {
        let entries = &seen.entries;
        let is_own = |entry: &usize| (from..=to).contains(&entries[*entry].date);
        for entry in entries.iter().filter(|entry| (from..=to).contains(&entry.date)) {
            let day = self.days.entry(entry.date).or_default();
            day.rows += entry.rows;
            day.moving += if entry.opens() { 0 } else { entry.rows };
            if entry.opens() {
                self.openings.entry(entry.date).or_default();
            }
        }
        for (entry, group, amount) in seen.amounts.iter().filter(|(entry, ..)| is_own(entry)) {
            let entry = &entries[*entry];
            if entry.opens() {
                self.openings.entry(entry.date).or_default().add(*group, *amount);
            } else if !entry.closes() {
                self.moved.add(*group, *amount);
            }
        }
        if self.openings.is_empty() {
            self.starts = opening::starts(seen, self.days.keys().next().copied(), self.closing);
        }
        self.entries = known.iter().filter(|(_, entry)| is_own(entry)).map(|(key, _)| Digest::of(key)).collect();
        let wrong = known.iter().filter(|(_, entry)| is_own(entry) && entries[**entry].balance.abs() >= TOLERANCE);
        let mut wrong: Vec<(&Entry, &String)> = wrong.map(|(key, entry)| (&entries[*entry], key)).collect();
        wrong.sort_unstable_by_key(|(entry, _)| entry.line);
        let told = |(entry, key): &(&Entry, &String)| {
            let euro = entry.balance as f64 / AMOUNT_SCALE;
            format!("{}:{}: entry {key} (debits less credits: {euro:.2})", self.name, entry.line)
        };
        self.unbalanced = Unbalanced {
            count: wrong.len(),
            days: wrong.iter().map(|(entry, _)| entry.date).collect(),
            samples: wrong.iter().take(SAMPLES_MAX).map(told).collect(),
        };
        self
    }
}

/// Which journals hold what.
struct Journals {
    opening_codes: Vec<String>,
    /// Phrases, word by word.
    opening_labels: Vec<Vec<String>>,
    closing_codes: Vec<String>,
    /// Codes as they are written.
    known: Vec<String>,
}

impl Journals {
    fn of(config: &FecConfig) -> Journals {
        let codes = |list: &[String]| list.iter().map(|code| code_of(code)).collect();
        Journals {
            opening_codes: codes(&config.opening_journals),
            opening_labels: config.opening_labels.iter().map(|label| words(label)).collect(),
            closing_codes: codes(&config.closing_journals),
            known: Vec::new(),
        }
    }

    fn position(&mut self, code: &str) -> usize {
        self.known.iter().position(|known| known == code).unwrap_or_else(|| {
            self.known.push(code.to_owned());
            self.known.len() - 1
        })
    }

    /// Whether a journal is one of opening entries, and whether one of entries that close the year.
    fn kinds(&self, code: &str, name: &str) -> (bool, bool) {
        let (code, name_as_code, words) = (code_of(code), code_of(name), words(name));
        let is_code = |code: &String| self.opening_codes.contains(code);
        // Whole words: `Banque - nouveau compte` opens no year.
        let has = |label: &Vec<String>| !label.is_empty() && words.windows(label.len()).any(|found| found == label);
        let opens = is_code(&code) || is_code(&name_as_code) || self.opening_labels.iter().any(has);
        (opens, self.closing_codes.contains(&code))
    }
}

/// The words of a label, in small letters without accents.
fn words(text: &str) -> Vec<String> {
    let plain = |c: char| match c {
        'à' | 'â' | 'ä' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'î' | 'ï' => 'i',
        'ô' | 'ö' => 'o',
        'ù' | 'û' | 'ü' => 'u',
        'ç' => 'c',
        other => other,
    };
    let text: String = text.to_lowercase().chars().map(plain).collect();
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
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

    use super::{Journals, code_of, encoding, named};
    use crate::source::fec::FecConfig;

    #[test]
    fn names_of_journals_of_opening_entries() {
        let config: FecConfig = serde_json::from_str(r#"{"path": "*"}"#).unwrap();
        let journals = Journals::of(&config);
        for (code, name, opens) in [
            ("AN", "", true),
            ("a-n", "Divers", true),
            ("RAN", "x", true),
            ("ZZ", "A nouveaux", true),
            ("ZZ", "À NOUVEAU", true),
            ("ANV", "A-nouveaux", true),
            ("ZZ", "Journal des à-nouveaux", true),
            ("ZZ", "Report à nouveau 2026", true),
            ("ZZ", "R.A.N.", true),
            ("ZZ", "A.N.", true),
            ("OUV", "Ouverture", true),
            ("ZZ", "Bilan d’ouverture", true),
            ("BQ", "Banque - nouveau compte", false),
            ("BQ", "Banque ouverture 2026", false),
            ("VE", "Ventes nouveaux produits", false),
            ("AN1", "Annecy", false),
            ("OD", "Charges de l'an passé", false),
        ] {
            assert_eq!(journals.kinds(code, name).0, opens, "{code} {name}");
        }
    }

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
