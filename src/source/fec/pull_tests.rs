//! Small sets of books, whole through the source; every sum was made by hand.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use super::FecConfig;
use crate::model::grain::Grain;
use crate::model::kpi::{Empty, Kpi, Query};
use crate::model::ledger_query::{Accounts, Figure, LedgerQuery, Reads, Side};
use crate::model::observation::{Pull, ReadingTime, ReadingValue};
use crate::model::unit::{Kind, LevelOverTime};
use crate::net::ErrorClass;
use crate::source::error::SourceError;
use crate::source::fixture;
use crate::source::{BuildContext, Source, SourceConfig};

const HEADER: &str = "JournalCode|JournalLib|EcritureNum|EcritureDate|CompteNum|CompteLib|CompAuxNum|CompAuxLib|PieceRef|PieceDate|EcritureLib|Debit|Credit|EcritureLet|DateLet|ValidDate|Montantdevise|Idevise";

/// January 2026: opening, sales with a credit note on swapped sides (VE 2) and a reversal in negative amounts (VE 3), a
/// purchase, wages, depreciation, payments, the till; and what closes the year.
const BOOKS_2026: &str = "
AN 1 20260101 512000 1000,00 0,00
AN 1 20260101 411000 600,00 0,00 C1
AN 1 20260101 401000 0,00 400,00 F1
AN 1 20260101 101000 0,00 1200,00
VE 1 20260105 411000 1200,00 0,00 C1
VE 1 20260105 706000 0,00 1000,00
VE 1 20260105 445710 0,00 200,00
VE 2 20260106 709000 100,00 0,00
VE 2 20260106 445710 20,00 0,00
VE 2 20260106 411000 0,00 120,00 C1
VE 3 20260107 411000 -240,00 0,00 C2
VE 3 20260107 706000 0,00 -200,00
VE 3 20260107 445710 0,00 -40,00
AC 1 20260108 607000 300,00 0,00
AC 1 20260108 445660 60,00 0,00
AC 1 20260108 401000 0,00 360,00 F2
BQ 1 20260110 512000 700,00 0,00
BQ 1 20260110 411000 0,00 700,00 C1
BQ 2 20260115 401000 400,00 0,00 F1
BQ 2 20260115 512000 0,00 400,00
CA 1 20260116 530000 24,00 0,00
CA 1 20260116 707000 0,00 20,00
CA 1 20260116 445710 0,00 4,00
OD 1 20260131 641000 500,00 0,00
OD 1 20260131 645000 200,00 0,00
OD 1 20260131 421000 0,00 500,00
OD 1 20260131 431000 0,00 200,00
OD 2 20260131 681100 50,00 0,00
OD 2 20260131 281000 0,00 50,00
OD 9 20261231 706000 800,00 0,00
OD 9 20261231 707000 20,00 0,00
OD 9 20261231 129000 0,00 820,00
OD 10 20261231 891000 1324,00 0,00
OD 10 20261231 512000 0,00 1324,00
";

/// The year before: money at the bank is 900 at its end, and class 70 is closed.
const BOOKS_2025: &str = "
AN 1 20250101 512000 500,00 0,00
AN 1 20250101 101000 0,00 500,00
VE 1 20251220 512000 400,00 0,00
VE 1 20251220 706000 0,00 400,00
CL 1 20251231 706000 400,00 0,00
CL 1 20251231 120000 0,00 400,00
";

/// Rows of 18 columns from journal, number, day, account, debit, credit and auxiliary account.
fn fec(rows: &str) -> String {
    let mut text = format!("{HEADER}\r\n");
    for row in rows.lines().filter(|row| !row.is_empty()) {
        let cells: Vec<&str> = row.split(' ').collect();
        let [journal, number, date, account, debit, credit, ref rest @ ..] = *cells.as_slice() else { panic!("{row}") };
        let auxiliary = rest.first().copied().unwrap_or_default();
        let line = format!(
            "{journal}|Journal {journal}|{number}|{date}|{account}|Compte|{auxiliary}|||{date}|Libellé|{debit}|{credit}|||{date}||\r\n"
        );
        text.push_str(&line);
    }
    text
}

fn kpi(query: LedgerQuery) -> Kpi {
    let kind = match query.reads {
        Reads::Movement => Kind::Flow,
        Reads::Balance => Kind::Level { over_time: LevelOverTime::Last, additive: true },
    };
    Kpi { kind, ..fixture::kpi(Query::Ledger(Box::new(query))) }
}

/// Pulls the days `from..=to` from files of these names and contents, each written a minute after the one before.
fn pull_with(
    kpi: Kpi,
    files: &[(&str, &[u8])],
    (from, to): (&str, &str),
    change: impl FnOnce(&mut FecConfig),
) -> Result<Pull, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    for (minute, (name, content)) in files.iter().enumerate() {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let written = SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minute as u64);
        File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    }
    let mut config: FecConfig = serde_json::from_str(r#"{"path": "*.txt"}"#).unwrap();
    change(&mut config);
    let context = BuildContext { base_dir: folder.path(), resolve: &|_| Err("no secrets here".into()) };
    let source: Source = SourceConfig::Fec(config).build(&context).unwrap();
    source.check_query(&kpi).map_err(SourceError::config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(source.pull(&fixture::request(kpi, from, to)))
}

fn pull(query: LedgerQuery, files: &[(&str, String)], span: (&str, &str)) -> Pull {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    pull_with(kpi(query), &files, span, |_| {}).unwrap()
}

fn number(value: &ReadingValue) -> f64 {
    match value {
        ReadingValue::Number(number) => *number,
        other => panic!("{other:?}"),
    }
}

/// Day and value of each reading.
fn figures(pull: &Pull) -> Vec<(String, f64)> {
    let day = |time| match time {
        ReadingTime::Date(day) => day.to_string(),
        other => panic!("{other:?}"),
    };
    pull.readings.iter().map(|reading| (day(reading.time), number(&reading.value))).collect()
}

fn check(query: LedgerQuery, files: &[(&str, String)], span: (&str, &str), expected: &[(&str, f64)]) -> Pull {
    let found = pull(query, files, span);
    let expected: Vec<_> = expected.iter().map(|(day, value)| ((*day).to_owned(), *value)).collect();
    assert_eq!(figures(&found), expected, "{:?}", found.warnings);
    found
}

const JANUARY: (&str, &str) = ("2026-01-01", "2026-01-31");
const NAME_2026: &str = "123456789FEC20261231.txt";
const NAME_2025: &str = "123456789FEC20251231.txt";

#[test]
fn presets() {
    let files = [(NAME_2026, fec(BOOKS_2026))];
    for (figure, expected) in [
        (Figure::Revenue, 720.0),
        (Figure::Cost, 1050.0),
        (Figure::Payroll, 700.0),
        (Figure::Customers, 740.0),
        (Figure::Suppliers, 360.0),
        (Figure::Cash, 1324.0),
    ] {
        let monthly = Kpi { grain: Grain::Month, ..kpi(figure.query()) };
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        let found = pull_with(monthly, &files, JANUARY, |_| {}).unwrap();
        let [reading] = found.readings.as_slice() else { panic!("{figure:?}: {:?}", found.readings) };
        assert_eq!((number(&reading.value), found.complete), (expected, true), "{figure:?} {:?}", found.warnings);
    }
}

#[test]
fn movements_stand_on_their_days_and_reversals_take_off() {
    let files = [(NAME_2026, fec(BOOKS_2026))];
    let expected = [("2026-01-05", 1000.0), ("2026-01-06", -100.0), ("2026-01-07", -200.0), ("2026-01-16", 20.0)];
    check(Figure::Revenue.query(), &files, JANUARY, &expected);
    // Neither what zeroes class 7 nor the opening entries are movements.
    check(Figure::Revenue.query(), &files, ("2026-12-01", "2026-12-31"), &[]);
    let query = LedgerQuery { reads: Reads::Movement, ..Figure::Cash.query() };
    let expected = [("2026-01-10", 700.0), ("2026-01-15", -400.0), ("2026-01-16", 24.0)];
    check(query, &files, JANUARY, &expected);
    let accounts = [("70", false), ("709", true)];
    let accounts = accounts.map(|(prefix, excluded)| Accounts { prefix: prefix.to_owned(), excluded }).to_vec();
    let query = LedgerQuery { accounts, ..Figure::Revenue.query() };
    check(query, &files, JANUARY, &[("2026-01-05", 1000.0), ("2026-01-07", -200.0), ("2026-01-16", 20.0)]);
}

#[test]
fn a_balance_stands_on_every_day_of_its_years() {
    let files = [(NAME_2025, fec(BOOKS_2025)), (NAME_2026, fec(BOOKS_2026))];
    // The opening of 2026 replaces the end of 2025, it does not come on top; a closed balance sheet changes nothing.
    let expected = [("2025-12-30", 900.0), ("2025-12-31", 900.0), ("2026-01-01", 1000.0), ("2026-01-02", 1000.0)];
    let found = check(Figure::Cash.query(), &files, ("2025-12-30", "2026-01-02"), &expected);
    assert!(found.complete && found.warnings.is_empty(), "{:?}", found.warnings);
    check(Figure::Cash.query(), &files, ("2026-12-31", "2026-12-31"), &[("2026-12-31", 1324.0)]);
    check(Figure::Cash.query(), &files, ("2025-12-19", "2025-12-20"), &[("2025-12-19", 500.0), ("2025-12-20", 900.0)]);
}

#[test]
fn a_year_without_opening_entries_goes_on_from_the_one_before() {
    let without = BOOKS_2026.lines().filter(|row| !row.starts_with("AN")).collect::<Vec<_>>().join("\n");
    let files = [(NAME_2025, fec(BOOKS_2025)), (NAME_2026, fec(&without))];
    let span = ("2026-01-09", "2026-01-10");
    let found = check(Figure::Cash.query(), &files, span, &[("2026-01-09", 900.0), ("2026-01-10", 1600.0)]);
    assert!(found.warnings[0].contains("go on from the end of 123456789FEC20251231.txt"), "{:?}", found.warnings);
    // Of the result nothing goes on.
    let revenue = LedgerQuery { reads: Reads::Balance, ..Figure::Revenue.query() };
    check(revenue, &files, ("2026-01-04", "2026-01-05"), &[("2026-01-04", 0.0), ("2026-01-05", 1000.0)]);
    let found = check(Figure::Cash.query(), &files[1..], ("2026-01-10", "2026-01-10"), &[("2026-01-10", 700.0)]);
    assert!(found.warnings[0].contains("begin at zero"), "{:?}", found.warnings);
    // A year is missing between them: nothing can be said.
    let files = [("FEC20231231.txt", fec(&BOOKS_2025.replace("2025", "2023"))), (NAME_2026, fec(&without))];
    let found = check(Figure::Cash.query(), &files, span, &[]);
    assert!(!found.complete && found.warnings[0].contains("it has no balances"), "{:?}", found.warnings);
}

#[test]
fn a_journal_that_is_only_called_new_opens_no_year() {
    let text = fec(BOOKS_2026).replace("|Journal BQ|", "|Banque - nouveau compte|");
    let query = LedgerQuery { reads: Reads::Movement, ..Figure::Cash.query() };
    let expected = [("2026-01-10", 700.0), ("2026-01-15", -400.0), ("2026-01-16", 24.0)];
    let found = check(query, &[(NAME_2026, text)], JANUARY, &expected);
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
}

/// The months from November 2025 to February 2026.
fn monthly(query: LedgerQuery, files: &[(&str, String)]) -> (Vec<f64>, Vec<String>) {
    let kpi = Kpi { grain: Grain::Month, ..kpi(query) };
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let found = pull_with(kpi, &files, ("2025-11-01", "2026-02-28"), |_| {}).unwrap();
    (found.readings.iter().map(|reading| number(&reading.value)).collect(), found.warnings)
}

/// The year before, with the balances that `BOOKS_2026` opens with.
const BEFORE_2026: &str = "
AN 1 20250101 512000 700,00 0,00
AN 1 20250101 411000 600,00 0,00
AN 1 20250101 401000 0,00 100,00
AN 1 20250101 101000 0,00 1200,00
VE 1 20251220 512000 300,00 0,00
VE 1 20251220 401000 0,00 300,00
";

#[test]
fn a_file_of_two_years_is_parted_where_the_second_is_opened() {
    for name in ["all.txt", NAME_2026] {
        let files = [(name, fec(&format!("{BEFORE_2026}{}", BOOKS_2026.trim_start())))];
        let (found, warnings) = monthly(Figure::Cash.query(), &files);
        assert_eq!(found, [700.0, 1000.0, 1324.0, 1324.0], "{name} {warnings:?}");
        // Class 7 begins anew.
        let revenue = LedgerQuery { reads: Reads::Balance, ..Figure::Revenue.query() };
        let sold = fec(&format!("{BEFORE_2026}{BOOKS_2026}").replace("VE 1 20251220 401000", "VE 1 20251220 706000"));
        assert_eq!(monthly(revenue, &[(name, sold)]).0, [0.0, 300.0, 720.0, 720.0], "{name}");
    }
    // Beside the year's own export the newer one counts, and a wrong year makes no year.
    let stray = BOOKS_2026.replace("BQ 2 20260115", "AN 7 20250101");
    let files = [("a-FEC20251231.txt", fec(BEFORE_2026)), ("b-FEC20261231.txt", fec(&stray))];
    let (found, warnings) = monthly(Figure::Cash.query(), &files);
    assert_eq!(found, [700.0, 1000.0, 1724.0, 1724.0]);
    assert!(warnings.iter().any(|warning| warning.contains("such as 2025-01-01")), "{warnings:?}");
}

#[test]
fn a_correction_of_opening_entries_counts_from_its_day() {
    let rows = format!("{BOOKS_2026}AN 2 20260115 512000 50,00 0,00\nAN 2 20260115 411000 0,00 50,00\n");
    for (name, rows) in [(NAME_2026, rows.clone()), ("books.txt", rows)] {
        let files = [(name, fec(&rows))];
        let expected = [("2026-01-14", 1700.0), ("2026-01-15", 1350.0)];
        let found = check(Figure::Cash.query(), &files, ("2026-01-14", "2026-01-15"), &expected);
        let told = "entries of opening journals are dated 2026-01-15, not when the year begins (2026-01-01)";
        assert!(found.warnings.iter().any(|warning| warning.contains(told)), "{:?}", found.warnings);
    }
}

#[test]
fn entries_that_restate_the_year_before_open_the_next_in_any_journal() {
    for journal in ["RN", "00"] {
        let renamed = BOOKS_2026.replace("AN 1", &format!("{journal} 1"));
        let files = [(NAME_2025, fec(BEFORE_2026)), (NAME_2026, fec(&renamed))];
        let (found, warnings) = monthly(Figure::Cash.query(), &files);
        assert_eq!(found, [700.0, 1000.0, 1324.0, 1324.0], "{journal}");
        let told = format!("journal `{journal}` of 2026-01-01 restate the end of {NAME_2025}: they count as such; add");
        assert!(warnings.iter().any(|warning| warning.contains(&told)), "{warnings:?}");
        let moved = LedgerQuery { reads: Reads::Movement, ..Figure::Cash.query() };
        assert_eq!(monthly(moved, &files).0, [300.0, 324.0]);
    }
    // Others don't, but what looks like a whole balance sheet is told, and so is what follows of it.
    let other = BOOKS_2026.replace("AN 1", "RN 1").replace("1000,00", "1100,00").replace("600,00", "500,00");
    let files = [(NAME_2025, fec(BEFORE_2026)), (NAME_2026, fec(&other))];
    let (_, warnings) = monthly(Figure::Cash.query(), &files);
    for told in [
        "look like opening entries, but count as movements; if they are, add `RN` to opening_journals",
        "they count twice: add its code to opening_journals",
    ] {
        assert!(warnings.iter().any(|warning| warning.contains(told)), "{warnings:?}");
    }
}

#[test]
fn a_first_bucket_that_is_partly_in_the_books_has_no_movements() {
    let first = |grain: Grain, name: &str, rows: &str| {
        let kpi = Kpi { grain, ..kpi(Figure::Revenue.query()) };
        let text = fec(rows);
        let found = pull_with(kpi, &[(name, text.as_bytes())], ("2025-11-01", "2026-04-30"), |_| {}).unwrap();
        let told = found.warnings.iter().any(|warning| warning.contains("the books say nothing of"));
        assert!(told && !found.complete, "{:?}", found.warnings);
        figures(&found).first().cloned()
    };
    let is = |day: &str, value| Some((day.to_owned(), value));
    let early = BOOKS_2026.replace("VE 1 20260105", "VE 1 20260102");
    // The week of 29 December is there from 1 January.
    assert_eq!(first(Grain::Week, NAME_2026, &early), is("2026-01-05", -300.0));
    assert_eq!(first(Grain::Month, NAME_2026, &early), is("2026-01-01", 720.0));
    // A year that begins in the middle of a month, as its opening entries tell.
    let middle = BOOKS_2026.replace("202601", "202602").replace("AN 1 20260201", "AN 1 20260115");
    let middle = middle.replace("VE 1 20260205", "VE 1 20260120").replace("20260231", "20260228");
    assert_eq!(first(Grain::Month, NAME_2026, &middle), is("2026-02-01", -280.0));
    // A company that begins in March, and one whose first year is longer: nothing was before.
    let no_opening = |rows: &str| {
        let rows: Vec<&str> = rows.lines().filter(|row| !row.starts_with("AN") && !row.contains("20261231")).collect();
        rows.join("\n")
    };
    let young = no_opening(BOOKS_2026).replace("202601", "202603");
    assert_eq!(first(Grain::Month, NAME_2026, &young), is("2026-03-01", 720.0));
    let long = no_opening(BOOKS_2026).replace("VE 1 202601", "VE 1 202512").replace("AC 1 202601", "AC 1 202512");
    assert_eq!(first(Grain::Month, NAME_2026, &long), is("2025-12-01", 1000.0));
    // The mean of days needs all of them, too; the last day's balance does not.
    for (over_time, day) in [(LevelOverTime::Mean, "2026-01-05"), (LevelOverTime::Last, "2026-01-04")] {
        let kind = Kind::Level { over_time, additive: true };
        let kpi = Kpi { grain: Grain::Week, kind, ..kpi(Figure::Cash.query()) };
        let text = fec(BOOKS_2026);
        let found = pull_with(kpi, &[(NAME_2026, text.as_bytes())], ("2025-12-22", "2026-01-18"), |_| {}).unwrap();
        assert_eq!(figures(&found)[0].0, day);
    }
}

#[test]
fn of_several_exports_of_a_year_the_newest_counts() {
    let early: String = BOOKS_2026.lines().take_while(|row| !row.starts_with("OD")).collect::<Vec<_>>().join("\n");
    let expected = [("2026-01-05", 1000.0), ("2026-01-06", -100.0), ("2026-01-07", -200.0), ("2026-01-16", 20.0)];
    // By the same date in the name, by shared entries, and without any date.
    for name in ["123456789FEC20261231-interim.txt", "123456789FEC20260131.txt", "export.txt"] {
        let files = [(NAME_2026, fec(BOOKS_2026)), (name, fec(&early))];
        check(Figure::Revenue.query(), &files, JANUARY, &expected);
        check(Figure::Payroll.query(), &files, JANUARY, &[("2026-01-31", 700.0)]);
        check(Figure::Cash.query(), &files, ("2026-01-31", "2026-01-31"), &[("2026-01-31", 1324.0)]);
    }
    // Validated on the same day: the one that was written last.
    let (first, second) = (
        "VE 1 20260105 706 0,00 5,00\nVE 1 20260105 411 5,00 0,00",
        "VE 1 20260105 706 0,00 6,00\nVE 1 20260105 411 6,00 0,00",
    );
    for (rows, expected) in [([first, second], 6.0), ([second, first], 5.0)] {
        let files = [("b-FEC20261231.txt", fec(rows[0])), ("a-FEC20261231.txt", fec(rows[1]))];
        check(Figure::Revenue.query(), &files, JANUARY, &[("2026-01-05", expected)]);
    }
    // What the newer one does not hold is missed aloud.
    let sales = BOOKS_2026.lines().filter(|row| row.starts_with("VE")).collect::<Vec<_>>().join("\n");
    let bank = BOOKS_2026.lines().filter(|row| row.starts_with("BQ")).collect::<Vec<_>>().join("\n");
    let files = [("sales-FEC20261231.txt", fec(&sales)), ("bank-FEC20261231.txt", fec(&bank))];
    let found = pull(Figure::Revenue.query(), &files, JANUARY);
    assert!(
        found.warnings[0].contains("have few entries in common; only bank-FEC20261231.txt counts"),
        "{:?}",
        found.warnings
    );
    // A date in a name that none of the entries has.
    let files = [(NAME_2026, fec(BOOKS_2026)), ("FEC20201231.txt", fec(BOOKS_2025))];
    refused(&files.each_ref().map(|(name, text)| (*name, text.as_bytes())), "ends on 2020-12-31");
    // One without entries replaces nothing.
    let files = [(NAME_2026, fec(BOOKS_2026)), ("z-FEC20261231.txt", fec(""))];
    check(Figure::Payroll.query(), &files, JANUARY, &[("2026-01-31", 700.0)]);
}

#[test]
fn files_of_two_companies_are_refused() {
    let files = [("111111111FEC20261231.txt", fec("")), ("222222222FEC20261231.txt", fec(""))];
    refused(&files.each_ref().map(|(name, text)| (*name, text.as_bytes())), "exports of two companies");
}

#[test]
fn forms_of_the_norm() {
    let sides = "journalcode\tJOURNALLIB\tEcritureNum\tEcritureDate\tCompteNum\tEcritureLib\tMontant\tSens\tDateRglt\tModeRglt\n\
        VE\tVentes\t1\t20260105\t706000\t\"Remise d'été\t12.50\tC\t20260105\tCB\n\
        VE\tVentes\t1\t20260105\t530000\tx\t12.50\tD\t20260105\tCB\n\
        VE\tVentes\t2\t20260106\t706000\tx\t2.50\t+1\t\t\n\
        VE\tVentes\t2\t20260106\t530000\tx\t2.50\t-1\t\t\n";
    let files = [("FEC20261231.txt", sides.to_owned())];
    check(Figure::Revenue.query(), &files, JANUARY, &[("2026-01-05", 12.5), ("2026-01-06", -2.5)]);
    let plain = sides.replace("\"Remise", "Remise");
    let quoted = plain.split_inclusive('\n').map(|line| {
        let cells: Vec<String> = line.trim_end().split('\t').map(|cell| format!("\"{cell}\"")).collect();
        cells.join("|") + "\n"
    });
    let files = [("FEC20261231.txt", quoted.take(3).collect())];
    check(Figure::Revenue.query(), &files, JANUARY, &[("2026-01-05", 12.5)]);
}

#[test]
fn labels_are_columns_in_any_encoding() {
    let rows = fec(BOOKS_2026).replace("Journal VE", "Ventes en €");
    let mut latin: Vec<u8> = Vec::new();
    let mut windows: Vec<u8> = Vec::new();
    for character in rows.chars() {
        let (nine, ansi) = if character == '€' { (0xa4, 0x80) } else { (character as u8, character as u8) };
        latin.push(nine);
        windows.push(ansi);
    }
    for bytes in [rows.as_bytes(), &latin, &windows] {
        let labels = vec![("journal".to_owned(), "journallib".to_owned())];
        let kpi =
            Kpi { dimensions: vec!["journal".to_owned()], ..kpi(LedgerQuery { labels, ..Figure::Revenue.query() }) };
        let found = pull_with(kpi, &[(NAME_2026, bytes)], JANUARY, |_| {}).unwrap();
        let labels: Vec<&str> = found.readings.iter().filter_map(|reading| reading.labels.get("journal")).collect();
        assert_eq!(labels, ["Ventes en €", "Ventes en €", "Ventes en €", "Journal CA"]);
    }
    let customers = Kpi { dimensions: vec!["CompAuxNum".to_owned()], ..kpi(Figure::Customers.query()) };
    let files = [(NAME_2026, rows.as_bytes())];
    let found = pull_with(customers, &files, ("2026-01-06", "2026-01-07"), |_| {}).unwrap();
    let expected = [("2026-01-06", 1680.0), ("2026-01-07", 1680.0), ("2026-01-07", -240.0)];
    assert_eq!(figures(&found), expected.map(|(day, value)| (day.to_owned(), value)));
    let other = Kpi { dimensions: vec!["canal".to_owned()], ..kpi(Figure::Revenue.query()) };
    let error = pull_with(other, &files, JANUARY, |_| {}).unwrap_err();
    assert!(error.message.contains("no column `canal`"), "{error}");
}

/// The pull of revenue is refused with those words.
fn refused(files: &[(&str, &[u8])], part: &str) {
    let error = pull_with(kpi(Figure::Revenue.query()), files, JANUARY, |_| {}).unwrap_err();
    assert!(error.message.contains(part), "{error} lacks {part}");
}

#[test]
fn what_can_not_be_read_is_named() {
    let whole = fec(BOOKS_2026);
    let bad = |from: &str, to: &str, part: &str| {
        assert!(whole.contains(from), "{from}");
        refused(&[(NAME_2026, whole.replacen(from, to, 1).as_bytes())], part);
    };
    bad("|EcritureNum|", "|Numero|", "123456789FEC20261231.txt is no accounting export (FEC): it lacks `EcritureNum`");
    bad("|Debit|", "|D|", "lacks `Debit`");
    bad("|1000,00|0,00|", "|mille|0,00|", "FEC20261231.txt:2: Debit `mille` is no amount");
    bad("|20260105|706000|", "|2026.5|706000|", "FEC20261231.txt:7: EcritureDate `2026.5` is no day");
    bad("|706000|Compte|", "|706000|Com|pte|", "FEC20261231.txt:7: 19 fields, where the header has 18");
    bad("|706000|Compte|", "|706000|Com\npte|", "FEC20261231.txt:7: 6 fields, where the header has 18");
    let torn = &whole.as_bytes()[..whole.len() - 20];
    refused(&[(NAME_2026, torn)], "the file ends within a row");
    refused(&[("FEC20201231.txt", whole.as_bytes())], "no entry is dated in the fiscal year that ends on 2020-12-31");
    let error = pull_with(kpi(Figure::Revenue.query()), &[(NAME_2026, whole.as_bytes())], JANUARY, |config| {
        config.rows_max = 9;
    });
    assert_eq!(error.unwrap_err().class, ErrorClass::TooLarge);
}

#[test]
fn entries_that_can_not_be_right_are_told() {
    let files = [(NAME_2026, fec(&BOOKS_2026.replace("706000 0,00 1000,00", "706000 0,00 990,00")))];
    let found = pull(Figure::Revenue.query(), &files, JANUARY);
    assert!(!found.complete);
    let told =
        "entries that don't balance: 123456789FEC20261231.txt:6: entry VE 1 of 2026-01-05 (debits less credits: 10.00)";
    assert!(found.warnings[0].starts_with(told), "{:?}", found.warnings);
    // Days after it are not concerned.
    assert!(pull(Figure::Revenue.query(), &files, ("2026-01-08", "2026-01-31")).complete);
    let files = [(NAME_2025, fec(BOOKS_2025)), (NAME_2026, fec(&BOOKS_2026.replace("CA 1 20260116", "CA 1 20251016")))];
    let found = pull(Figure::Revenue.query(), &files, ("2025-10-01", "2026-01-31"));
    assert_eq!(figures(&found).iter().map(|(_, value)| value).sum::<f64>(), 400.0 + 700.0);
    let told = "3 rows are dated outside its fiscal year (2026-01-01 to 2026-12-31), such as 2025-10-16";
    assert!(!found.complete && found.warnings[0].contains(told), "{:?}", found.warnings);
}

#[test]
fn the_books_end_some_days_after_their_last_entry() {
    let open = BOOKS_2026.lines().filter(|row| !row.contains("20261231")).collect::<Vec<_>>().join("\n");
    let files = [(NAME_2026, fec(&open))];
    let span = ("2026-02-05", "2026-02-28");
    let found = pull(Figure::Cash.query(), &files, span);
    let expected = ["2026-02-05", "2026-02-06", "2026-02-07"].map(|day| (day.to_owned(), 1324.0));
    assert_eq!(figures(&found), expected);
    let told =
        "the books say nothing of 21 buckets from 2026-02-08 to 2026-02-28: they go from 2026-01-01 to 2026-02-07";
    assert!(!found.complete && found.warnings[0].contains(told), "{:?}", found.warnings);
    // Days of the books without entries are zero where the KPI says so; those after them are not.
    let zero = Kpi { empty: Empty::Zero, ..kpi(Figure::Revenue.query()) };
    let bytes: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let found = pull_with(zero, &bytes, ("2026-01-15", "2026-02-28"), |config| config.quiet_days = 2).unwrap();
    let figures = figures(&found);
    assert_eq!((figures.len(), figures.last().unwrap()), (19, &("2026-02-02".to_owned(), 0.0)));
    assert_eq!(figures[1], ("2026-01-16".to_owned(), 20.0));
}

#[test]
fn a_month_that_is_entered_in_part_is_waited_for() {
    let open = BOOKS_2026.lines().filter(|row| !row.contains("20261231") && !row.contains("20260131"));
    let text = fec(&open.collect::<Vec<_>>().join("\n"));
    let monthly = |days| {
        let kpi = Kpi { grain: Grain::Month, ..kpi(Figure::Revenue.query()) };
        let found =
            pull_with(kpi, &[(NAME_2026, text.as_bytes())], JANUARY, |config| config.quiet_days = days).unwrap();
        (figures(&found), found.complete)
    };
    assert_eq!(monthly(14), (Vec::new(), false), "the last entry is of the 16th");
    assert_eq!(monthly(15), (vec![("2026-01-01".to_owned(), 720.0)], true));
}

#[test]
fn a_first_year_may_be_long_but_a_stray_date_makes_none() {
    let balance = |rows: &str| pull(Figure::Cash.query(), &[(NAME_2026, fec(rows))], ("2025-06-01", "2026-01-01"));
    // One in six rows lies before the usual twelve months.
    let long = balance(&BOOKS_2026.replace("AN 1 20260101", "AN 1 20250701").replace(" 2026010", " 2025080"));
    assert_eq!(figures(&long)[0], ("2025-07-01".to_owned(), 1000.0));
    let pair = |day: i32| format!("BQ 9{day} 202603{day} 512 1 0\nBQ 9{day} 202603{day} 47 0 1");
    let many = (10..=31).map(pair).collect::<Vec<_>>().join("\n");
    let stray = balance(&format!("{}{many}", BOOKS_2026.replace("CA 1 20260116", "CA 1 20250716")));
    assert_eq!(figures(&stray), [("2026-01-01".to_owned(), 1000.0)]);
    assert!(stray.warnings.iter().any(|warning| warning.contains("such as 2025-07-16")), "{:?}", stray.warnings);
    // However many there are, the year begins where it is opened.
    let opened = balance(&BOOKS_2026.replace("CA 1 20260116", "CA 1 20250716"));
    assert_eq!(figures(&opened), [("2026-01-01".to_owned(), 1000.0)]);
}

#[test]
fn without_dates_in_names_the_entries_tell_the_years() {
    let first = BOOKS_2026.lines().filter(|row| row.contains(" 2026010")).collect::<Vec<_>>().join("\n");
    let rest = BOOKS_2026
        .lines()
        .filter(|row| row.contains(" 202601") && !row.contains(" 2026010"))
        .collect::<Vec<_>>()
        .join("\n");
    let files = [("a.txt", fec(&first)), ("b.txt", fec(&rest))];
    let found = pull(Figure::Cash.query(), &files, ("2026-01-08", "2026-01-16"));
    let values: Vec<f64> = found.readings.iter().map(|reading| number(&reading.value)).collect();
    assert_eq!(values, [1000.0, 1000.0, 1700.0, 1700.0, 1700.0, 1700.0, 1700.0, 1300.0, 1324.0]);
    assert!(
        found.warnings.iter().any(|warning| warning.contains("b.txt has no opening entries")),
        "{:?}",
        found.warnings
    );
}

#[test]
fn journals_are_named_in_the_settings() {
    let rows = BOOKS_2026.replace("AN 1", "OUV 1").replace("OD 2", "CLO 2");
    let text = fec(&rows);
    let files = [(NAME_2026, text.as_bytes())];
    let query = LedgerQuery { reads: Reads::Movement, sign: Side::Debit, ..Figure::Cash.query() };
    let sum = |kpi: Kpi, change: fn(&mut FecConfig)| {
        let found = pull_with(kpi, &files, JANUARY, change).unwrap();
        found.readings.iter().map(|reading| number(&reading.value)).sum::<f64>()
    };
    assert_eq!(sum(kpi(query.clone()), |_| {}), 1324.0);
    assert_eq!(sum(kpi(query.clone()), |config| config.opening_journals = vec!["ouv".to_owned()]), 324.0);
    assert_eq!(sum(kpi(query), |config| config.opening_labels = vec!["journal ouv".to_owned()]), 324.0);
    assert_eq!(sum(kpi(Figure::Cost.query()), |config| config.closing_journals = vec!["CLO".to_owned()]), 1000.0);
}

#[test]
fn queries_that_can_not_be_answered() {
    let wrong = |change: fn(&mut Kpi), part: &str| {
        let mut kpi = kpi(Figure::Cash.query());
        change(&mut kpi);
        let error = super::FecSource::check_query(&kpi).unwrap_err();
        assert!(error.contains(part), "{error}");
    };
    wrong(|kpi| kpi.grain = Grain::HOUR, "write grain: day, week or month");
    wrong(|kpi| kpi.kind = Kind::Flow, "balances for kind: level");
    wrong(|kpi| kpi.query = Query::Text("x".into()), "write query: {figure: revenue}");
    wrong(
        |kpi| {
            kpi.kind = Kind::Level { over_time: LevelOverTime::Last, additive: false };
            kpi.dimensions = vec!["CompteNum".to_owned()];
        },
        "{level: {additive: true}}",
    );
}
