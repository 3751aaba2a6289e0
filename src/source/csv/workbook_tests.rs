//! Spreadsheets that another library wrote.

use std::fs;

use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};

use crate::model::kpi::{Kpi, Query, TableQuery};
use crate::model::observation::{Pull, ReadingTime, ReadingValue};
use crate::model::unit::Unit;
use crate::net::ErrorClass;
use crate::source::csv::XlsxConfig;
use crate::source::error::SourceError;
use crate::source::fixture;
use crate::source::{BuildContext, SourceConfig};

/// A sheet of notes, then one of sales under a title: dates as dates, as date and time, and as text; a formula.
fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    book.add_worksheet().set_name("Notes").unwrap().write_string(0, 0, "rien ici").unwrap();
    let sheet = book.add_worksheet().set_name("Ventes").unwrap();
    let (day, time) = (Format::new().set_num_format("dd/mm/yyyy"), Format::new().set_num_format("dd/mm/yyyy hh:mm:ss"));
    sheet.write_string(0, 0, "Ventes de mai").unwrap();
    for (column, name) in ["Date", "Magasin", "Total", "Payée"].into_iter().enumerate() {
        sheet.write_string(2, column as u16, name).unwrap();
    }
    let date = |of| ExcelDateTime::from_ymd(2026, 5, of).unwrap();
    sheet.write_datetime_with_format(3, 0, date(2), &day).unwrap();
    sheet.write_datetime_with_format(4, 0, date(3).and_hms(14, 30, 59).unwrap(), &time).unwrap();
    sheet.write_string(5, 0, "04/05/2026").unwrap();
    sheet.write_datetime_with_format(6, 0, date(5), &day).unwrap();
    for (row, shop) in [(3, "Lyon\nPart-Dieu"), (4, "Lille"), (5, "Lyon; centre"), (6, "Lille")] {
        sheet.write_string(row, 1, shop).unwrap();
        sheet.write_boolean(row, 3, row != 4).unwrap();
    }
    sheet.write_number(3, 2, 1234.567).unwrap();
    sheet.write_number(4, 2, 1.234).unwrap();
    sheet.write_formula(5, 2, Formula::new("=C4+1").set_result("1235.567")).unwrap();
    sheet.write_string(6, 2, "n/a").unwrap();
    book.save_to_buffer().unwrap()
}

fn pull(kpi: Kpi, bytes: &[u8], sheet: Option<&str>, skip_rows: usize) -> Result<Pull, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ventes.xlsx"), bytes).unwrap();
    let json = serde_json::json!({"path": "*.xlsx", "sheet": sheet, "skip_rows": skip_rows});
    let config: XlsxConfig = serde_json::from_value(json).unwrap();
    let context = BuildContext { base_dir: folder.path(), resolve: &|_| Err("no secrets here".into()) };
    let source = SourceConfig::Xlsx(config).build(&context).map_err(SourceError::config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(source.pull(&fixture::request(kpi, "2026-05-01", "2026-05-31")))
}

fn columns() -> Kpi {
    let labels = vec!["magasin".to_owned()];
    let query = TableQuery { time: "date".into(), value: Some("total".into()), labels, ..TableQuery::default() };
    let mut kpi = fixture::kpi(Query::Table(query));
    kpi.dimensions = vec!["magasin".to_owned()];
    kpi
}

#[test]
fn cells_count_as_they_are_held() {
    let found = pull(columns(), &workbook(), Some("Ventes"), 2).unwrap();
    let shown: Vec<String> = found
        .readings
        .iter()
        .map(|reading| {
            let time = match reading.time {
                ReadingTime::Date(date) => date.to_string(),
                ReadingTime::Local(local) => local.to_string(),
                ReadingTime::Instant(at) => at.to_string(),
            };
            format!("{} {time} {} {:?}", reading.origin, reading.labels, reading.value)
        })
        .collect();
    let number = |value: f64| format!("{:?}", ReadingValue::Number(value));
    assert_eq!(
        shown,
        [
            format!("ventes.xlsx:4 2026-05-02 {{magasin=\"Lyon Part-Dieu\"}} {}", number(1234.567)),
            format!("ventes.xlsx:5 2026-05-03T14:30:59 {{magasin=\"Lille\"}} {}", number(1.234)),
            format!("ventes.xlsx:6 2026-05-04 {{magasin=\"Lyon; centre\"}} {}", number(1235.567)),
            "ventes.xlsx:7 2026-05-05 {magasin=\"Lille\"} Absent".to_owned(),
        ]
    );
}

/// Dates, and totals as numbers or as text.
fn sheet(totals: &[Result<f64, &str>]) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (at, name) in ["date", "magasin", "total"].into_iter().enumerate() {
        sheet.write_string(0, at as u16, name).unwrap();
    }
    for (row, total) in (1..).zip(totals) {
        sheet.write_string(row, 0, format!("2026-05-{row:02}")).unwrap();
        sheet.write_number(row, 1, 1.5).unwrap();
        match total {
            Ok(number) => sheet.write_number(row, 2, *number).unwrap(),
            Err(text) => sheet.write_string(row, 2, *text).unwrap(),
        };
    }
    book.save_to_buffer().unwrap()
}

#[test]
fn numbers_written_as_text_are_read_as_people_write_them() {
    let sql = fixture::kpi(Query::Text("SELECT date AS bucket, sum(total) AS value FROM data GROUP BY 1".into()));
    let check = |totals: &[Result<f64, &str>], expected: &[f64], warned: bool| {
        for kpi in [columns(), sql.clone()] {
            let found = pull(kpi, &sheet(totals), None, 0).unwrap();
            let values: Vec<ReadingValue> = found.readings.iter().map(|reading| reading.value.clone()).collect();
            assert_eq!(values, expected.iter().map(|value| ReadingValue::Number(*value)).collect::<Vec<_>>());
            assert_eq!(!found.warnings.is_empty(), warned, "{:?}", found.warnings);
        }
    };
    check(&[Err("1 020,50"), Ok(1.234), Err("20,750"), Ok(-0.5)], &[1020.5, 1.234, 20.75, -0.5], false);
    check(&[Err("1,020.50"), Ok(1.234)], &[1020.5, 1.234], false);
    check(&[Err("20,750"), Ok(1234.567)], &[20.75, 1234.567], true);
    // Cells of numbers are names as they stand.
    let found = pull(columns(), &sheet(&[Ok(5.5)]), None, 0).unwrap();
    assert_eq!(found.readings[0].labels.get("magasin"), Some("1.5"));
    let config = serde_json::from_str::<XlsxConfig>(r#"{"path": "*.xlsx", "decimal": "comma"}"#);
    assert!(config.is_ok(), "{config:?}");
}

#[test]
fn a_sheet_can_be_asked_in_sql() {
    let text = "SELECT date(Date) AS bucket, sum(Total) AS value FROM data WHERE \"Payée\" = 1 GROUP BY 1";
    let found = pull(fixture::kpi(Query::Text(text.to_owned())), &workbook(), Some("Ventes"), 2).unwrap();
    let values: Vec<&ReadingValue> = found.readings.iter().map(|reading| &reading.value).collect();
    assert_eq!(values, [&ReadingValue::Number(1234.567), &ReadingValue::Number(1235.567), &ReadingValue::Absent]);
}

#[test]
fn shares_under_a_unit_of_per_cent_are_told() {
    let told = |unit: Unit, totals: &[Result<f64, &str>]| {
        let by_columns = pull(Kpi { unit: unit.clone(), ..columns() }, &sheet(totals), None, 0).unwrap();
        let sql = Query::Text("SELECT date AS bucket, magasin, total AS value FROM data".to_owned());
        let by_query = pull(Kpi { unit, query: sql, ..columns() }, &sheet(totals), None, 0).unwrap();
        [by_columns, by_query].map(|pull| pull.warnings.iter().any(|warning| warning.contains("say unit: ratio")))
    };
    assert_eq!(told(Unit::Percent, &[Ok(0.125), Ok(0.5)]), [true, true]);
    assert_eq!(told(Unit::Percent, &[Ok(0.125), Ok(12.5)]), [false, false]);
    assert_eq!(told(Unit::Percent, &[Err("0,125"), Err("0,5")]), [false, false]);
    assert_eq!(told(Unit::Ratio, &[Ok(0.125), Ok(0.5)]), [false, false]);
}

#[test]
fn a_cell_far_out_is_refused_or_costs_nothing() {
    let far = |row: u32, column: u16| {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for (at, name) in ["date", "magasin", "total"].into_iter().enumerate() {
            sheet.write_string(0, at as u16, name).unwrap();
        }
        sheet.write_string(1, 0, "2026-05-02").unwrap();
        sheet.write_number(1, 2, 5).unwrap();
        sheet.write_string(row, column, "x").unwrap();
        book.save_to_buffer().unwrap()
    };
    let found = pull(columns(), &far(500_000, 1), None, 0).unwrap();
    assert_eq!(found.readings.len(), 1);
    let found = pull(columns(), &far(900, 16_383), None, 0).unwrap();
    assert_eq!(found.readings.len(), 1);
}

#[test]
fn what_can_not_be_read_says_why() {
    let refused = |outcome: Result<Pull, SourceError>, class: ErrorClass, part: &str| {
        let error = outcome.unwrap_err();
        assert!(error.class == class && error.message.contains(part), "{error:?} lacks {part}");
    };
    let book = workbook();
    refused(pull(columns(), &book, Some("Vente"), 2), ErrorClass::Config, "no sheet `Vente` (did you mean `Ventes`?)");
    refused(pull(columns(), &book, None, 0), ErrorClass::Config, "has no column");
    refused(pull(columns(), b"date;total", None, 0), ErrorClass::Unexpected, "no spreadsheet that can be read");
    refused(pull(columns(), &book[..book.len() / 2], None, 0), ErrorClass::Unexpected, "ventes.xlsx: no spreadsheet");
}

#[tokio::test]
async fn kpis_that_are_due_together_read_the_files_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ventes.xlsx");
    fs::write(&path, workbook()).unwrap();
    let json = serde_json::json!({"path": "*.xlsx", "sheet": "Ventes", "skip_rows": 2});
    let config: XlsxConfig = serde_json::from_value(json).unwrap();
    let context = BuildContext { base_dir: folder.path(), resolve: &|_| Err("no secrets here".into()) };
    let source = SourceConfig::Xlsx(config).build(&context).unwrap();
    let sql = "SELECT date AS bucket, sum(total) AS value FROM data GROUP BY 1";
    let kpis = [columns(), fixture::kpi(Query::Text(sql.into()))];
    let first = fixture::request(kpis[0].clone(), "2026-05-01", "2026-05-31");
    for kpi in &kpis {
        first.shared.expect(source.asks(kpi), 1);
    }
    let second = crate::source::PullRequest { kpi: std::sync::Arc::new(kpis[1].clone()), ..first.clone() };
    assert_eq!(source.pull(&first).await.unwrap().readings.len(), 4);
    fs::remove_file(&path).unwrap();
    assert!(source.pull(&second).await.unwrap().readings.len() >= 3, "from what the first has read");
    assert_eq!(source.pull(&second).await.unwrap_err().class, ErrorClass::Transient, "nothing is kept for later");
}
