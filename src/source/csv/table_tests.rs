//! Tables as they come, through the whole source.

use std::fs;
use std::time::Duration;

use jiff::civil::date;

use crate::model::kpi::{Kpi, Query, TableQuery};
use crate::model::observation::{Parts, Pull, ReadingTime, ReadingValue};
use crate::model::unit::{Kind, LevelOverTime, Unit};
use crate::net::ErrorClass;
use crate::source::csv::{CsvConfig, Decimal};
use crate::source::error::SourceError;
use crate::source::fixture;
use crate::source::{BuildContext, Source, SourceConfig};

fn kpi() -> Kpi {
    fixture::kpi(Query::Table(TableQuery { time: "date".into(), value: Some("total".into()), ..TableQuery::default() }))
}

fn build(config: CsvConfig, folder: &std::path::Path) -> Source {
    let context = BuildContext { base_dir: folder, resolve: &|_| Err("no secrets here".into()) };
    SourceConfig::Csv(config).build(&context).unwrap()
}

/// Pulls May 2026 from files of that content.
fn pull_files(kpi: Kpi, files: &[(&str, &[u8])], change: impl FnOnce(&mut CsvConfig)) -> Result<Pull, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let mut config = CsvConfig::new("*.csv");
    change(&mut config);
    let source = build(config, folder.path());
    source.check_query(&kpi).map_err(SourceError::config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(source.pull(&fixture::request(kpi, "2026-05-01", "2026-05-31")))
}

fn pull(text: &str) -> Result<Pull, SourceError> {
    pull_files(kpi(), &[("mai.csv", text.as_bytes())], |_| {})
}

fn values(pull: &Pull) -> Vec<ReadingValue> {
    pull.readings.iter().map(|reading| reading.value.clone()).collect()
}

fn check(text: &str, expected: &[f64]) {
    let found = pull(text).unwrap();
    assert_eq!(values(&found), expected.iter().map(|value| ReadingValue::Number(*value)).collect::<Vec<_>>(), "{text}");
    assert!(found.complete);
}

fn refused(outcome: Result<Pull, SourceError>, class: ErrorClass, parts: &[&str]) {
    let error = outcome.unwrap_err();
    assert_eq!(error.class, class, "{error}");
    for part in parts {
        assert!(error.message.contains(part), "{error} lacks {part}");
    }
}

#[test]
fn tables_of_many_tastes() {
    check("date;total\n2026-05-01;1 234,50\n2026-05-02;(1 234,50)\n", &[1234.5, -1234.5]);
    check("date,total\n2026-05-01,\"1,234.50\"\n2026-05-02,7\n", &[1234.5, 7.0]);
    check("Date;TOTAL \n01/05/2026;1.234,50 €\n\n02/05/2026;3\n", &[1234.5, 3.0]);
    check("sep=|\ndate|total\n2026-05-01|5\n", &[5.0]);
    check("total\tdate\r\n1,5\t2026-05-01 14:30\r\n", &[1.5]);
    check("\u{feff}date,total\n2026-05-01,5\n", &[5.0]);
    check("date,total\n2026-04-30,1\n2026-05-01,2\n2026-05-31,3\n2026-06-01,4\n", &[2.0, 3.0]);
}

#[test]
fn labels_time_and_origin() {
    let mut kpi = kpi();
    kpi.dimensions = vec!["channel".into()];
    let text = b"date;channel;total\n01/05/2026;web;1\n01/05/2026;;2\n";
    let found = pull_files(kpi.clone(), &[("mai.csv", text)], |_| {}).unwrap();
    let shown: Vec<String> = found.readings.iter().map(|r| format!("{} {}", r.labels, r.origin)).collect();
    assert_eq!(shown, [r#"{channel="web"} mai.csv:2"#, r#"{channel=""} mai.csv:3"#]);
    assert_eq!(found.readings[0].time, ReadingTime::Date(date(2026, 5, 1)));
    kpi.kind = Kind::Level { over_time: LevelOverTime::Last, additive: false };
    let found = pull_files(kpi, &[("mai.csv", text)], |_| {}).unwrap();
    assert!(found.readings[1].labels.is_total());
}

#[test]
fn cells_that_say_nothing_or_nonsense() {
    let found = pull("date;total\n2026-05-01;\n2026-05-02;n/a\n2026-05-03;abc\n").unwrap();
    assert_eq!(values(&found), [ReadingValue::Absent, ReadingValue::Absent, ReadingValue::Unreadable("abc".into())]);
    assert_eq!(found.readings[2].origin, "mai.csv:4");
}

#[test]
fn amounts_of_another_currency_are_none_of_the_kpis() {
    let text = "date;total\n2026-05-01;100,00 EUR\n2026-05-01;200,00 USD\n2026-05-02;$50,00\n2026-05-03;50,00 £\n";
    let foreign = |raw: &str, currency: &str| ReadingValue::Foreign { raw: raw.into(), currency: currency.into() };
    let found = pull(text).unwrap();
    let expected = [
        ReadingValue::Number(100.0),
        foreign("200,00 USD", "USD"),
        foreign("$50,00", "USD"),
        foreign("50,00 £", "GBP"),
    ];
    assert_eq!(values(&found), expected);
    let of = |unit: Unit, text: &str| {
        let mut kpi = kpi();
        kpi.unit = unit;
        values(&pull_files(kpi, &[("a.csv", text.as_bytes())], |_| {}).unwrap())
    };
    // `$` is any dollar; a unit that is no currency takes the figure alone.
    let dollars = "date;total\n2026-05-01;$50,00\n2026-05-02;5 CAD\n";
    assert_eq!(of(Unit::Currency("CAD".into()), dollars), [ReadingValue::Number(50.0), ReadingValue::Number(5.0)]);
    assert_eq!(of(Unit::None, dollars), [ReadingValue::Number(50.0), ReadingValue::Number(5.0)]);
    assert_eq!(of(Unit::Currency("USD".into()), dollars)[1], foreign("5 CAD", "CAD"));
}

#[test]
fn ratios_keep_their_halves() {
    let mut kpi = kpi();
    kpi.kind = Kind::Ratio;
    let query = TableQuery {
        time: "date".into(),
        numerator: Some("won".into()),
        denominator: Some("asked".into()),
        n: Some("n".into()),
        ..TableQuery::default()
    };
    kpi.query = Query::Table(query);
    let text = b"date,won,asked,n\n2026-05-01,3,4,9\n2026-05-02,3,,\n2026-05-03,x,1,1\n";
    let found = pull_files(kpi, &[("a.csv", text)], |_| {}).unwrap();
    let parts = Parts { numerator: 3.0, denominator: 4.0, n: Some(9.0) };
    let expected = [ReadingValue::Parts(parts), ReadingValue::Absent, ReadingValue::Unreadable("x".into())];
    assert_eq!(values(&found), expected);
}

#[test]
fn per_cent_follows_the_unit() {
    let text = b"date;total\n2026-05-01;12,5 %\n";
    let mut kpi = kpi();
    kpi.unit = Unit::Percent;
    assert_eq!(values(&pull_files(kpi.clone(), &[("a.csv", text)], |_| {}).unwrap()), [ReadingValue::Number(12.5)]);
    kpi.unit = Unit::Ratio;
    assert_eq!(values(&pull_files(kpi, &[("a.csv", text)], |_| {}).unwrap()), [ReadingValue::Number(0.125)]);
}

#[test]
fn the_decimal_mark_of_a_doubtful_column() {
    let doubtful = |text: &str, decimal| {
        let found = pull_files(kpi(), &[("a.csv", text.as_bytes())], |config| config.decimal = decimal).unwrap();
        (values(&found)[0].clone(), found.warnings.join(""))
    };
    let semicolons = "date;total\n2026-05-01;1,234\n";
    let commas = "date,total\n2026-05-01,\"1,234\"\n";
    let (value, warning) = doubtful(semicolons, Decimal::Auto);
    assert_eq!(value, ReadingValue::Number(1.234));
    assert!(warning.contains("`1,234` can be read two ways, the comma was taken as decimal"), "{warning}");
    assert_eq!(doubtful(commas, Decimal::Auto).0, ReadingValue::Number(1234.0));
    assert_eq!(doubtful(semicolons, Decimal::Point), (ReadingValue::Number(1234.0), String::new()));
    assert_eq!(doubtful(commas, Decimal::Comma), (ReadingValue::Number(1.234), String::new()));
    refused(pull("date;total\n2026-05-01;1,5\n2026-05-02;1.5\n"), ErrorClass::Config, &["both ways, `1,5` and `1.5`"]);
}

#[test]
fn encodings_skipped_lines_and_formats() {
    let mut kpi = kpi();
    kpi.query = Query::Table(TableQuery { time: "Période".into(), value: Some("CA".into()), ..TableQuery::default() });
    let text = b"Export du jour\nP\xe9riode;CA\n05/31/2026;1\xa0234,5\n";
    let found = pull_files(kpi, &[("a.csv", text)], |config| {
        config.skip_lines = 1;
        config.date_format = Some("%m/%d/%Y".into());
    })
    .unwrap();
    assert_eq!(values(&found), [ReadingValue::Number(1234.5)]);
    assert_eq!(found.readings[0].origin, "a.csv:3");
}

#[test]
fn files_of_a_pattern_are_one_table() {
    let files: [(&str, &[u8]); 2] =
        [("b.csv", b"total;date\n2;2026-05-02\n"), ("a.csv", b"date;total\n2026-05-01;1\n")];
    let found = pull_files(kpi(), &files, |_| {}).unwrap();
    assert_eq!(values(&found), [ReadingValue::Number(1.0), ReadingValue::Number(2.0)]);
}

#[test]
fn what_can_not_be_read_says_why() {
    let parts = ["mai.csv has no column `total` (did you mean `totla`?)", "it has `date`, `totla`", "KPI `revenue`"];
    refused(pull("date;totla\n2026-05-01;1\n"), ErrorClass::Config, &parts);
    refused(
        pull("date;total;Total\n2026-05-01;1;2\n").and(pull("date;TOTAL;Total\n")),
        ErrorClass::Config,
        &["several"],
    );
    refused(pull("date;total\nTotal;1\n"), ErrorClass::Config, &["mai.csv:2: `Total` is no time", "say date_format"]);
    refused(pull(""), ErrorClass::Transient, &["mai.csv is empty"]);
    refused(pull_files(kpi(), &[], |_| {}), ErrorClass::Transient, &["no file *.csv in "]);
    let two_rows = b"date;total\n2026-05-01;1\n2026-05-02;1\n";
    let outcome = pull_files(kpi(), &[("a.csv", two_rows)], |config| config.rows_max = 1);
    refused(outcome, ErrorClass::TooLarge, &["more than 1 rows", "raise rows_max"]);
    let found = pull("date;total\n2026-05-01;1\nTotal;1\n").unwrap();
    assert!(!found.complete);
    assert_eq!(
        found.warnings,
        [
            "1 rows have no readable time, such as mai.csv:3: `Total`; correct or remove them: until then what was deleted is not noticed, and nothing counts as zero"
        ]
    );
}

#[test]
fn queries_are_judged_before_reading() {
    fn check(change: impl FnOnce(&mut Kpi), part: &str) {
        let mut kpi = kpi();
        change(&mut kpi);
        let error = build(CsvConfig::new("a.csv"), std::path::Path::new(".")).check_query(&kpi).unwrap_err();
        assert!(error.contains(part), "{error} lacks {part}");
    }
    fn table(kpi: &mut Kpi) -> &mut TableQuery {
        match &mut kpi.query {
            Query::Table(query) => query,
            Query::Text(_) | Query::Http(_) | Query::Formula(_) | Query::Ledger(_) | Query::Entered => {
                unreachable!("the fixture has a table")
            }
        }
    }
    check(|kpi| kpi.query = Query::Text("DELETE FROM data".into()), "only reading is allowed");
    check(|kpi| table(kpi).time.clear(), "names no time column");
    check(|kpi| table(kpi).value = None, "either value or both halves");
    check(|kpi| table(kpi).labels = vec!["chanel".into()], "`chanel` is no dimension of KPI `revenue`");
    check(
        |kpi| {
            kpi.dimensions = vec!["channel".into(), "shop".into()];
            table(kpi).labels = vec!["shop".into()];
        },
        "dimension `channel`",
    );
}

#[test]
fn settings_are_judged_when_built() {
    let build = |json: &str| {
        let context = BuildContext { base_dir: std::path::Path::new("."), resolve: &|_| Err(String::new()) };
        let config = serde_json::from_str::<SourceConfig>(json).map_err(|error| error.to_string())?;
        config.build(&context).map(|_| ())
    };
    assert_eq!(build(r#"{"csv":{"path":"x.csv","delimiter":";","decimal":"comma"}}"#), Ok(()));
    for (json, part) in [
        (r#"{"csv":{"path":""}}"#, "path is empty"),
        (r#"{"csv":{"path":"x","delimiter":"é"}}"#, "can't separate"),
        (r#"{"csv":{"path":"x","encoding":"utf-9"}}"#, "encoding `utf-9` is unknown"),
        (r#"{"csv":{"path":"x","pth":1}}"#, "unknown field `pth`"),
    ] {
        let error = build(json).unwrap_err();
        assert!(error.contains(part), "{error} lacks {part}");
    }
}

#[test]
fn a_passed_deadline_ends_the_work() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.csv"), "date;total\n").unwrap();
    let mut request = fixture::request(kpi(), "2026-05-01", "2026-05-31");
    request.deadline = Duration::ZERO;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(build(CsvConfig::new("a.csv"), folder.path()).pull(&request));
    refused(outcome, ErrorClass::Deadline, &["a.csv"]);
}

#[test]
fn a_row_that_does_not_fit_its_header_is_not_believed() {
    let misfit = |fields: usize| ReadingValue::Unreadable(format!("a row of {fields} fields, where the header has 2"));
    // A thousands separator that is the delimiter too: 1,234.50 is not 1.
    let found = pull("date,total\n2026-05-01,1,234.50\n2026-05-02,3.50\n").unwrap();
    assert_eq!(values(&found), [misfit(3), ReadingValue::Number(3.5)]);
    let found = pull("date;total\n2026-05-01\n2026-05-02;4;\n;;\n\n").unwrap();
    assert_eq!(values(&found), [misfit(1), ReadingValue::Number(4.0)]);
}

#[test]
fn a_quote_that_nothing_closes_is_no_cell() {
    refused(
        pull("date;note;total\n2026-05-01;fine;1\n2026-05-02;\"torn;2\n2026-05-03;x;3\n"),
        ErrorClass::Unexpected,
        &["mai.csv:3", "never closed"],
    );
    refused(pull("date;total;note\n2026-05-01;1;\"torn\n"), ErrorClass::Unexpected, &["mai.csv:2"]);
    // Lines within quotes, and quotes within a cell, are fine.
    check("date;note;total\n2026-05-01;\"two\nlines\";1\n2026-05-02;5\" pipe;2\n", &[1.0, 2.0]);
    check("date;total;note\n2026-05-02;2;\"two\nlines\"\n", &[2.0]);
    check("date;total;note\n2026-05-02;2;5\" pipe\n", &[2.0]);
}
