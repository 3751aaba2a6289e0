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
        pull(kpi, &[("a.csv", text)], |_| {})
    };
    let refused = of("d;x\n2026-05-02;1,5\n2026-05-03;1.5\n", None).unwrap_err();
    assert!(refused.class == ErrorClass::Config && refused.message.contains("written both ways"), "{refused}");
    let of = |text: &str, unit| of(text, unit).unwrap();
    let value = |pull: &Pull| pull.readings[0].value.clone();
    assert_eq!(value(&of("d;x\n2026-05-02;12,5 %\n", Some(Unit::Ratio))), ReadingValue::Number(0.125));
    assert_eq!(value(&of("d;x\n2026-05-02;12,5 %\n", None)), ReadingValue::Number(12.5));
    assert_eq!(value(&of("d;x\n2026-05-02;n/a\n", None)), ReadingValue::Absent);
    let open = of("d,x\n2026-05-02,\"1,234\"\n", None);
    assert_eq!((value(&open), open.warnings.len()), (ReadingValue::Number(1234.0), 1));
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
    assert_eq!(shown(&pull(sql(sums, &[]), &files, key).unwrap()), ["2 =11", "3 =36"]);
    let found = pull(columns(), &files, key).unwrap();
    assert_eq!(shown(&found), ["2 =1", "2 =10", "3 =25", "3 =5", "3 =6"]);
    let told = &found.warnings[0];
    assert!(told.contains("2 rows without key (facture)") && told.contains("1.csv:4 and 2.csv:5"), "{told}");
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
fn an_invoice_of_several_lines_counts_whole() {
    let files = [
        ("1.csv", "date;facture;total\n2026-05-02;F1;100\n2026-05-02;F1;50\n2026-05-02;F2;10\n2026-05-04;;3\n"),
        ("2.csv", "facture;total;date\nF2;10;2026-05-02\nF2;1;2026-05-02\n;4;2026-05-04\n;3;2026-05-04\n"),
    ];
    let key = |config: &mut CsvConfig| config.overlap = Some(Overlap::Key(vec!["facture".into()]));
    let found = pull(columns(), &files, key).unwrap();
    assert_eq!(shown(&found), ["2 =1", "2 =10", "2 =100", "2 =50", "4 =3", "4 =4"]);
    assert!(found.warnings[0].contains("stand in several files, such as 1.csv:5 and 2.csv:4"), "{:?}", found.warnings);
    let one = pull(columns(), &files[..1], key).unwrap();
    assert!(one.warnings.is_empty(), "{:?}", one.warnings);
}

#[test]
fn a_blank_month_replaces_nothing() {
    let files = [
        ("1.csv", "agence;04/2026;05/2026\nParis;1;2\nLyon;3;4\n"),
        ("2.csv", "agence;04/2026;05/2026;06/2026\nParis;;;9\nLyon;-;;8\n"),
    ];
    let mut kpi = fixture::kpi(Query::Table(TableQuery {
        time: "mois".into(),
        value: Some("ca".into()),
        labels: vec!["agence".into()],
        ..TableQuery::default()
    }));
    kpi.dimensions = vec!["agence".to_owned()];
    let overlaps = [
        Overlap::Period(PeriodOverlap { each: Period::Month, time: "mois".into() }),
        Overlap::Key(vec!["agence".into(), "mois".into()]),
    ];
    for overlap in overlaps {
        let change = |config: &mut CsvConfig| {
            config.wide = Some(Wide { keep: vec!["agence".into()], time: "mois".into(), value: "ca".into() });
            config.overlap = Some(overlap);
        };
        let found = pull(kpi.clone(), &files, change).unwrap();
        assert_eq!(shown(&found), ["1 {agence=\"Lyon\"}=4", "1 {agence=\"Paris\"}=2"]);
    }
}

#[test]
fn columns_of_one_period_are_refused() {
    let sums = || sql("SELECT mois AS bucket, sum(ca) AS value FROM data GROUP BY 1", &[]);
    for (header, part) in [
        ("05/2026;2026-05", "a.csv: columns `05/2026` and `2026-05` are the same period"),
        ("mai-26;mai-26", "columns `mai-26` and `mai-26` are the same period"),
        ("05/12/2026;05/13/2026", "say date_format: \"%m/%d/%Y\""),
    ] {
        let text = format!("agence;{header}\nParis;1;2\n");
        let wide = |config: &mut CsvConfig| {
            config.wide = Some(Wide { keep: Vec::new(), time: "mois".into(), value: "ca".into() });
        };
        let error = pull(sums(), &[("a.csv", &text)], wide).unwrap_err();
        assert!(error.class == ErrorClass::Config && error.message.contains(part), "{error}");
    }
}

#[test]
fn codes_are_text_and_amounts_are_numbers() {
    let text = "date;num;magasin;total\n2026-05-20;FAC0020;LYO001;20,50\n2026-05-21;AVO0021;MAD001;21,50\n\
                2026-05-22;FAC-0022;LYO001;22,50\n2026-05-23;FAC0023;MAD001;23,50\n";
    let query = "SELECT date AS bucket, magasin, sum(CASE WHEN num LIKE 'AVO%' THEN -total ELSE total END) AS value FROM data GROUP BY 1, 2";
    let found = pull(sql(query, &["magasin"]), &[("a.csv", text)], |_| {}).unwrap();
    assert_eq!(
        shown(&found),
        [
            "20 {magasin=\"LYO001\"}=20.5",
            "21 {magasin=\"MAD001\"}=-21.5",
            "22 {magasin=\"LYO001\"}=22.5",
            "23 {magasin=\"MAD001\"}=23.5"
        ]
    );
    assert!(found.complete && found.warnings.is_empty(), "{:?}", found.warnings);
}

const SUMS: &str = "SELECT date AS bucket, sum(total) AS value FROM data GROUP BY 1";

#[test]
fn columns_of_another_currency_are_refused() {
    let text = "date;total;autre\n2026-05-02;100,00 EUR;1 EUR\n2026-05-02;200,00 USD;2 USD\n";
    let error = pull(sql(SUMS, &[]), &[("a.csv", text)], |_| {}).unwrap_err();
    let parts = ["a.csv:3: `200,00 USD` in column `total`: its currency is `USD`, the KPI's is EUR"];
    assert!(error.class == ErrorClass::Config && error.message.contains(parts[0]), "{error}");
    // A column that is not asked for does no harm, nor does a mark where the unit is no currency.
    let counts = sql("SELECT date AS bucket, count(*) AS value FROM data GROUP BY 1", &[]);
    assert_eq!(shown(&pull(counts, &[("a.csv", text)], |_| {}).unwrap()), ["2 =2"]);
    let mut plain = sql(SUMS, &[]);
    plain.unit = Unit::None;
    assert_eq!(shown(&pull(plain, &[("a.csv", text)], |_| {}).unwrap()), ["2 =300"]);
    let mut dollars = sql(SUMS, &[]);
    dollars.unit = Unit::Currency("CAD".into());
    assert_eq!(shown(&pull(dollars, &[("a.csv", "date;total\n2026-05-02;$1,50\n")], |_| {}).unwrap()), ["2 =1.5"]);
}

#[test]
fn words_make_no_text_of_amounts() {
    let of = |cells: &[&str]| {
        let rows: Vec<String> =
            cells.iter().enumerate().map(|(at, cell)| format!("2026-05-{:02};{cell}\n", at + 1)).collect();
        pull(sql(SUMS, &[]), &[("a.csv", &format!("date;total\n{}", rows.concat()))], |_| {}).unwrap()
    };
    let values = |pull: &Pull| pull.readings.iter().map(|reading| reading.value.clone()).collect::<Vec<_>>();
    let number = ReadingValue::Number;
    let found = of(&["20,75", "00", "21,75"]);
    assert_eq!(values(&found), [number(20.75), number(0.0), number(21.75)]);
    assert!(found.complete && found.warnings.is_empty(), "{found:?}");
    assert_eq!(values(&of(&["20,75", "007"])), [number(20.75), number(7.0)]);
    let found = of(&["20,75", "à venir", "21,75", "à venir", "à venir"]);
    assert_eq!(values(&found)[..3], [number(20.75), ReadingValue::Absent, number(21.75)]);
    let told = &found.warnings[0];
    assert!(!found.complete && told.contains("3 cells that are none, such as a.csv:3: `à venir`"), "{told}");
    // Whole numbers among words may be names: their sum is right, what it leaves out is told.
    let found = of(&["20", "fermé", "21", "fermé"]);
    assert_eq!(values(&found)[0], number(20.0));
    assert!(
        found.complete && found.warnings[0].contains("column `total` is text, since of its 4 cells 2"),
        "{found:?}"
    );
    // Which columns are text can be said.
    let query = "SELECT date AS bucket, version, 1 AS value FROM data";
    let text = "date;version\n2026-05-01;1.5\n2026-05-02;2.0-rc\n";
    let said = |config: &mut CsvConfig| config.text = vec!["Version".into()];
    let found = pull(sql(query, &["version"]), &[("a.csv", text)], said).unwrap();
    assert_eq!(shown(&found), ["1 {version=\"1.5\"}=1", "2 {version=\"2.0-rc\"}=1"]);
    let wrong = |config: &mut CsvConfig| config.text = vec!["vrsion".into()];
    let error = pull(sql(query, &["version"]), &[("a.csv", text)], wrong).unwrap_err();
    assert!(error.message.contains("no column `vrsion` (did you mean `version`?), which text names"), "{error}");
}

#[test]
fn times_are_those_of_the_kpis_zone() {
    let text = "quand;total\n2026-05-11T00:30:00+02:00;1\n2026-05-11T21:59:59Z;2\n2026-05-11T22:00:00Z;4\n";
    let query = "SELECT date(quand) AS bucket, sum(total) AS value FROM data GROUP BY 1";
    assert_eq!(shown(&pull(sql(query, &[]), &[("a.csv", text)], |_| {}).unwrap()), ["11 =3", "12 =4"]);
    let query = "SELECT date(quand) AS bucket, sum(total) AS value FROM data WHERE quand < '2026-05-12' GROUP BY 1";
    assert_eq!(shown(&pull(sql(query, &[]), &[("a.csv", text)], |_| {}).unwrap()), ["11 =3"]);
    let query = "SELECT min(quand) AS bucket, sum(total) AS value FROM data";
    let found = pull(sql(query, &[]), &[("a.csv", text)], |_| {}).unwrap();
    assert_eq!(found.readings[0].time, ReadingTime::Local(jiff::civil::date(2026, 5, 11).at(0, 30, 0, 0)));
    // Some are still to be known, and some days are written without separators.
    let text = "date;total\n02/05/2026;1\nà définir;2\nà définir;3\n";
    let query = "SELECT date AS bucket, sum(total) AS value FROM data WHERE date >= '2026-05-01' GROUP BY 1";
    let found = pull(sql(query, &[]), &[("a.csv", text)], |_| {}).unwrap();
    assert!(shown(&found) == ["2 =1"] && !found.complete, "{found:?}");
    let text = "date;total\n20260502;1\n2026-05-03;2\n";
    assert_eq!(shown(&pull(sql(query, &[]), &[("a.csv", text)], |_| {}).unwrap()), ["2 =1", "3 =2"]);
}

#[test]
fn dates_with_the_month_first_are_refused() {
    let text = "date;total\n05/11/2026;1\n05/25/2026;2\n05/12/2026;3\n";
    for kpi in [columns(), sql(SUMS, &[])] {
        let error = pull(kpi.clone(), &[("us.csv", text)], |_| {}).unwrap_err();
        let part = "us.csv:3: `05/25/2026` has its month before its day";
        assert!(error.class == ErrorClass::Config && error.message.contains(part), "{error}");
        assert!(error.message.contains("say date_format: \"%m/%d/%Y\""), "{error}");
        let said = |config: &mut CsvConfig| config.date_format = Some("%m/%d/%Y".into());
        assert_eq!(shown(&pull(kpi, &[("us.csv", text)], said).unwrap()), ["11 =1", "12 =3", "25 =2"]);
    }
    let counts = sql("SELECT '2026-05-02' AS bucket, count(*) AS value FROM data", &[]);
    assert_eq!(shown(&pull(counts, &[("us.csv", text)], |_| {}).unwrap()), ["2 =3"]);
}

#[test]
fn names_may_be_given_in_quotes_and_without_as() {
    let query = "WITH \"par jour\" AS (SELECT date, sum(total) \"le total\" FROM data \"d\" GROUP BY 1) \
                 SELECT date bucket, \"le total\" value FROM \"par jour\"";
    let text = "date;total\n2026-05-02;1\n2026-05-02;2\n";
    assert_eq!(shown(&pull(sql(query, &[]), &[("a.csv", text)], |_| {}).unwrap()), ["2 =3"]);
    let error = pull(sql(&query.replace("le total\" value", "le totla\" value"), &[]), &[("a.csv", text)], |_| {});
    assert!(error.unwrap_err().message.contains("has no column `le totla`"));
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
