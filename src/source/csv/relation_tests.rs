//! Tables asked in SQL, and exports that overlap.

use std::fs;

use crate::model::kpi::{Kpi, Query, TableQuery};
use crate::model::observation::{Pull, ReadingTime, ReadingValue};
use crate::model::unit::Unit;
use crate::net::ErrorClass;
use crate::source::csv::{CsvConfig, Overlap, Period, PeriodOverlap, Wide};
use crate::source::error::SourceError;
use crate::source::fixture;
use crate::source::{BuildContext, SourceConfig};

fn sql(text: &str, dimensions: &[&str]) -> Kpi {
    let mut kpi = fixture::kpi(Query::Text(text.to_owned()));
    kpi.dimensions = dimensions.iter().map(|name| (*name).to_owned()).collect();
    kpi
}

/// Pulls May 2026 from files of that content.
fn pull(kpi: Kpi, files: &[(&str, &str)], change: impl FnOnce(&mut CsvConfig)) -> Result<Pull, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let mut config = CsvConfig::new("*.csv");
    change(&mut config);
    let context = BuildContext { base_dir: folder.path(), resolve: &|_| Err("no secrets here".into()) };
    let source = SourceConfig::Csv(config).build(&context).map_err(SourceError::config)?;
    source.check_query(&kpi).map_err(SourceError::config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(source.pull(&fixture::request(kpi, "2026-05-01", "2026-05-31")))
}

/// `day labels=value`, in order.
fn shown(pull: &Pull) -> Vec<String> {
    let mut all: Vec<String> = pull
        .readings
        .iter()
        .map(|reading| match (&reading.time, &reading.value) {
            (ReadingTime::Date(at), ReadingValue::Number(value)) => format!("{} {}={value}", at.day(), reading.labels),
            other => format!("{other:?}"),
        })
        .collect();
    all.sort();
    all
}

const ORDERS: &str = "Date;Magasin;Code postal;Total TTC;Statut\n\
    02/05/2026;Lyon;01000;1 234,50;payée\n\
    02/05/2026;Lyon;69001;100,5;annulée\n\
    02/05/2026;Lille;59000;(10,25);payée\n\
    03/05/2026;Lyon;69001;7;payée\n\
    04/06/2026;Lyon;69001;7;payée\n\
    ;;;;\n";

#[test]
fn a_statement_filters_groups_and_sums() {
    let query = "SELECT \"Date\" AS bucket, lower(magasin) AS magasin, sum(\"Total TTC\") AS value FROM data \
                 WHERE statut = 'payée' AND date >= :from AND date < :to GROUP BY 1, 2";
    let found = pull(sql(query, &["magasin"]), &[("mai.csv", ORDERS)], |_| {}).unwrap();
    assert_eq!(
        shown(&found),
        ["2 {magasin=\"lille\"}=-10.25", "2 {magasin=\"lyon\"}=1234.5", "3 {magasin=\"lyon\"}=7"]
    );
    assert!(found.complete && found.warnings.is_empty(), "{:?}", found.warnings);
    // Codes keep their zeros; files and lines can be asked for.
    let query = "SELECT date AS bucket, \"Code postal\" AS code, _line AS value FROM data WHERE _file = 'mai.csv' AND _line < 4";
    let found = pull(sql(query, &["code"]), &[("mai.csv", ORDERS)], |_| {}).unwrap();
    assert_eq!(shown(&found), ["2 {code=\"01000\"}=2", "2 {code=\"69001\"}=3"]);
}

#[test]
fn files_with_other_columns_are_one_table() {
    let query = "SELECT date AS bucket, sum(total) - sum(coalesce(remise, 0)) AS value FROM data GROUP BY 1";
    let files =
        [("a.csv", "date,total\n2026-05-02,10\n"), ("b.csv", "remise,Date,total\n2,2026-05-03,20\n,2026-05-02,1\n")];
    assert_eq!(shown(&pull(sql(query, &[]), &files, |_| {}).unwrap()), ["2 =11", "3 =18"]);
}

#[test]
fn what_columns_hold_decides_their_type() {
    let of = |text: &str, unit: Option<Unit>| {
        let mut kpi = sql("SELECT d AS bucket, x AS value FROM data", &[]);
        kpi.unit = unit.unwrap_or(Unit::None);
        pull(kpi, &[("a.csv", text)], |_| {}).unwrap()
    };
    let value = |pull: &Pull| pull.readings[0].value.clone();
    assert_eq!(value(&of("d;x\n2026-05-02;12,5 %\n", Some(Unit::Ratio))), ReadingValue::Number(0.125));
    assert_eq!(value(&of("d;x\n2026-05-02;12,5 %\n", None)), ReadingValue::Number(12.5));
    assert_eq!(value(&of("d;x\n2026-05-02;n/a\n", None)), ReadingValue::Absent);
    let open = of("d,x\n2026-05-02,\"1,234\"\n", None);
    assert_eq!((value(&open), open.warnings.len()), (ReadingValue::Number(1234.0), 1));
    let mixed = of("d;x\n2026-05-02;1,5\n2026-05-03;1.5\n", None);
    assert_eq!((value(&mixed), mixed.complete), (ReadingValue::Absent, false));
    assert!(mixed.warnings[0].contains("written both ways"), "{:?}", mixed.warnings);
    // Whole numbers divide as numbers do.
    let mut kpi = sql("SELECT d AS bucket, sum(x) / sum(n) AS value FROM data", &[]);
    kpi.unit = Unit::None;
    let found = pull(kpi, &[("a.csv", "d;x;n\n2026-05-02;10;4\n")], |_| {}).unwrap();
    assert_eq!(value(&found), ReadingValue::Number(2.5));
}

#[test]
fn one_stray_cell_makes_no_text_of_a_column() {
    let text =
        "Date;CA\n02/05/2026;1 234,50\n02/05/2026;2 000,00\n03/05/2026;à voir\n04/05/2026;300,00\nTotal;3 534,50\n";
    let query = "SELECT Date AS bucket, sum(CA) AS value FROM data WHERE Date >= :from GROUP BY 1";
    let found = pull(sql(query, &[]), &[("mai.csv", text)], |_| {}).unwrap();
    let values: Vec<&ReadingValue> = found.readings.iter().map(|reading| &reading.value).collect();
    assert_eq!(values, [&ReadingValue::Number(3234.5), &ReadingValue::Absent, &ReadingValue::Number(300.0)]);
    assert!(!found.complete, "{found:?}");
    let told = found.warnings.join("\n");
    assert!(told.contains("mai.csv:4: `à voir`") && told.contains("mai.csv:6: `Total`"), "{told}");
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let query = sql("SELECT date AS bucket, sum(total) AS value FROM data GROUP BY 1", &[]);
    let long =
        pull(query.clone(), &[("a.csv", "date,total,channel\r\n2026-05-02,1,web\r\n2026-05-02,1,5,web\r\n")], |_| {});
    let long = long.unwrap_err();
    assert!(long.message.contains("a.csv:3: a row of 4 fields, where the header has 3"), "{long}");
    let torn = pull(query.clone(), &[("a.csv", "date;total;note\n2026-05-02;200,00;b\n2026-05-03;20")], |_| {});
    let torn = torn.unwrap_err();
    assert!(
        torn.class == ErrorClass::Transient && torn.message.contains("a.csv:3: the file ends within a row"),
        "{torn}"
    );
    let whole = pull(query, &[("a.csv", "date;total;note\n2026-05-02;200,00;b\n2026-05-03;20\n")], |_| {}).unwrap();
    assert_eq!(shown(&whole), ["2 =200", "3 =20"]);
}

#[test]
fn wrong_statements_are_told() {
    let refused = |query: &str, class: ErrorClass, part: &str| {
        let error = pull(sql(query, &[]), &[("mai.csv", ORDERS)], |_| {}).unwrap_err();
        assert!(error.class == class && error.message.contains(part), "{query}: {error:?} lacks {part}");
    };
    refused("SELECT totla AS value FROM data", ErrorClass::Config, "no such column: totla");
    refused(
        "SELECT \"Totla TTC\" AS value FROM data",
        ErrorClass::Config,
        "no column `Totla TTC` (did you mean `Total TTC`?)",
    );
    refused("DELETE FROM data", ErrorClass::Config, "only reading is allowed");
    refused(
        "SELECT 1 AS value FROM orders",
        ErrorClass::Config,
        "no such table: orders; correct the query: the table is called",
    );
    refused("SELECT date AS bucket, 1 AS value, statut FROM data", ErrorClass::Config, "`Statut` is no dimension");
}

fn columns() -> Kpi {
    fixture::kpi(Query::Table(TableQuery { time: "date".into(), value: Some("total".into()), ..TableQuery::default() }))
}

#[test]
fn overlapping_exports_count_once() {
    let files = [
        ("1.csv", "facture;date;total\nA;2026-05-02;10\nB;2026-05-03;20\n;2026-05-02;1\n"),
        ("2.csv", "facture;date;total\nB;2026-05-03;25\nC;2026-05-03;5\nC;2026-05-03;6\n;2026-05-02;1\n"),
    ];
    let sums = "SELECT date AS bucket, sum(total) AS value FROM data GROUP BY 1";
    let key = |config: &mut CsvConfig| config.overlap = Some(Overlap::Key(vec!["facture".into()]));
    assert_eq!(shown(&pull(sql(sums, &[]), &files, key).unwrap()), ["2 =12", "3 =31"]);
    assert_eq!(shown(&pull(columns(), &files, key).unwrap()), ["2 =1", "2 =1", "2 =10", "3 =25", "3 =6"]);
    let day = |config: &mut CsvConfig| {
        config.overlap = Some(Overlap::Period(PeriodOverlap { each: Period::Day, time: "date".into() }));
    };
    assert_eq!(shown(&pull(sql(sums, &[]), &files, day).unwrap()), ["2 =1", "3 =36"]);
    let month = |config: &mut CsvConfig| {
        config.overlap = Some(Overlap::Period(PeriodOverlap { each: Period::Month, time: "date".into() }));
    };
    assert_eq!(shown(&pull(columns(), &files, month).unwrap()), ["2 =1", "3 =25", "3 =5", "3 =6"]);
    let wrong = |config: &mut CsvConfig| config.overlap = Some(Overlap::Key(vec!["factur".into()]));
    let error = pull(columns(), &files, wrong).unwrap_err();
    assert!(error.message.contains("no column `factur` (did you mean `facture`?), which overlap names"), "{error}");
    let none = |config: &mut CsvConfig| config.overlap = Some(Overlap::Key(Vec::new()));
    assert!(pull(columns(), &files, none).unwrap_err().message.contains("names no column"));
}

#[test]
fn months_across_become_rows() {
    let text = "Magasin;2026-04;05/2026;2026-06;Total\nLyon;1;2;3;6\nLille;10;20,5;;30,5\n";
    let wide = |keep: &[&str]| {
        let keep = keep.iter().map(|name| (*name).to_owned()).collect();
        move |config: &mut CsvConfig| {
            config.wide = Some(Wide { keep, time: "mois".into(), value: "montant".into() });
        }
    };
    let mut kpi = fixture::kpi(Query::Table(TableQuery {
        time: "mois".into(),
        value: Some("montant".into()),
        labels: vec!["magasin".into()],
        ..TableQuery::default()
    }));
    kpi.dimensions = vec!["magasin".to_owned()];
    let found = pull(kpi.clone(), &[("a.csv", text)], wide(&["magasin"])).unwrap();
    assert_eq!(shown(&found), ["1 {magasin=\"Lille\"}=20.5", "1 {magasin=\"Lyon\"}=2"]);
    assert_eq!(found.readings[1].origin, "a.csv:3");
    let sums = sql("SELECT mois AS bucket, sum(montant) AS value FROM data GROUP BY 1", &[]);
    assert_eq!(shown(&pull(sums, &[("a.csv", text)], wide(&[])).unwrap()), ["1 =22.5"]);
    let named = "Magasin;avr. 2026;mai 2026;févrir 2026;Total\nLyon;1;2;3;6\n";
    let found = pull(kpi.clone(), &[("a.csv", named)], wide(&["magasin"])).unwrap();
    assert_eq!(shown(&found), ["1 {magasin=\"Lyon\"}=2"]);
    let left_out =
        |warnings: &[String]| warnings.iter().any(|each| each.contains("column `févrir 2026` is read as no period"));
    assert!(left_out(&found.warnings), "{:?}", found.warnings);
    let sums = sql("SELECT mois AS bucket, sum(montant) AS value FROM data GROUP BY 1", &[]);
    let found = pull(sums, &[("a.csv", named)], wide(&[])).unwrap();
    assert!(shown(&found) == ["1 =2"] && left_out(&found.warnings), "{:?}", found.warnings);
    let error = pull(kpi.clone(), &[("a.csv", text)], wide(&["magazin"])).unwrap_err();
    assert!(error.message.contains("no column `magazin` (did you mean `Magasin`?), which wide keeps"), "{error}");
    let error = pull(kpi, &[("a.csv", "magasin;a;b\nx;1;2\n")], wide(&["magasin"])).unwrap_err();
    assert!(error.message.contains("no column's name is a period"), "{error}");
}
