//! Whole drafts of real files and databases; each is written, read back as configuration, and must hold.

use std::fs;
use std::path::PathBuf;

use clap::Parser as _;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, sqlite::SqliteConnectOptions};

use super::args::NewCommand;
use super::command::{Drawn, Proposed, draw};
use crate::cli::args::{Args, Command};
use crate::config::{Environment, LoadOptions, load, render};
use crate::model::grain::Grain;
use crate::model::kpi::{Empty, Kpi, Query};
use crate::model::unit::{Kind, LevelOverTime, Unit};

const CONFIG: &str = "timezone: Europe/Paris
sources:
  shop: {sql: {url: \"sqlite://shop.db\"}}
  sales: {csv: {path: sales.csv}}
  support: {http_json: {url: \"http://127.0.0.1:1/\"}}
  hand: {manual: {}}
  books: {fec: {path: \"*FEC*.txt\"}}
rules:
  unfinished: {script: nowhere}
";
const RECEIVERS: &str = "people:
  claire: {mail: claire@example.test}
receivers:
  direction: {maildir: {path: mails, to: [claire]}}
";
const TUESDAY: &str = "2026-11-24T10:00:00Z";

/// Two years of orders but for Sundays, of stock, of answers a month.
const SHOP: &str = "
    CREATE TABLE orders (at TEXT, channel TEXT, total REAL);
    CREATE TABLE stock (at INTEGER, quantity INTEGER);
    CREATE TABLE answers (month TEXT, happy INTEGER, asked INTEGER);
    WITH RECURSIVE days(day) AS (SELECT '2025-01-01' UNION ALL SELECT date(day, '+1 day') FROM days WHERE day < '2026-11-24')
    INSERT INTO orders SELECT day || ' 10:00:00', channel, 100 + (unixepoch(day) / 86400 * 7919 % 101)
        FROM days, (SELECT 'web' AS channel UNION SELECT 'shop') WHERE strftime('%w', day) <> '0';
    INSERT INTO stock SELECT DISTINCT unixepoch(date(at)), 300 + abs(unixepoch(at) / 86400 % 100 - 50) * 4 FROM orders;
    INSERT INTO answers SELECT DISTINCT strftime('%Y-%m', at), 20 + strftime('%m', at), 40 FROM orders
        WHERE at < '2026-11-01';";
const REVENUE: &str = "SELECT date(at) AS bucket, sum(total) AS value FROM orders
-- it's said: 100 % of \"them\" # all
WHERE at >= :from AND at < :to

GROUP BY 1";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What `vigie new kpi` draws up on a Tuesday in a folder of these files.
async fn drawn(files: &[(&str, &str)], words: &[&str]) -> Result<(tempfile::TempDir, Drawn), String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files.iter().chain([&("vigie.yaml", CONFIG)]) {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let options = SqliteConnectOptions::new().filename(folder.path().join("shop.db")).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    connection.execute(AssertSqlSafe(SHOP)).await.unwrap();
    connection.close().await.unwrap();
    let line = ["vigie", "new", "kpi"].iter().chain(words);
    let Command::New(NewCommand::Kpi(args)) = Args::try_parse_from(line).map_err(|error| error.to_string())?.command
    else {
        panic!("a new KPI")
    };
    let drawn = draw(&[folder.path().join("vigie.yaml")], &args, at(TUESDAY)).await;
    drawn.map(|drawn| (folder, drawn)).map_err(|error| format!("{error:#}"))
}

use drawn as again;

/// The proposal, once it has been read back beside that configuration without any problem.
#[track_caller]
fn held(folder: &tempfile::TempDir, drawn: Drawn) -> (Proposed, Kpi) {
    let proposed = drawn.proposed.expect("there are values");
    let config = CONFIG.replace("rules:\n  unfinished: {script: nowhere}\n", RECEIVERS);
    let paths: Vec<PathBuf> = [("config.yaml", &config), ("new.yaml", &proposed.text)]
        .into_iter()
        .map(|(name, text)| {
            fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name)
        })
        .collect();
    let loaded = load(&LoadOptions { paths, env: Environment::Unneeded });
    let told = render(&loaded.problems, &loaded.sources, false);
    assert!(loaded.problems.is_empty(), "{told}\n{}", proposed.text);
    let kpi = loaded.config.unwrap().catalog.kpis.values().next().unwrap().as_ref().clone();
    (proposed, kpi)
}

fn reason<'a>(proposed: &'a Proposed, key: &str) -> &'a str {
    &proposed.fields.iter().find(|field| field.key == key).expect("it is proposed").reason
}

#[tokio::test]
async fn a_flow_with_days_off() {
    let title = "Chiffre d'affaires: \"été\" # 100 %";
    let words = ["revenue", "--source", "shop", "--query", REVENUE, "--title", title, "--unit", "EUR"];
    let (folder, drawn) = drawn(&[], &words).await.unwrap();
    assert_eq!(drawn.found.observations.len(), 400, "those of Sundays are zeros");
    let (proposed, kpi) = held(&folder, drawn);
    assert_eq!((kpi.kind, kpi.grain, kpi.empty), (Kind::Flow, Grain::Day, Empty::Zero));
    assert_eq!((kpi.title.as_str(), &kpi.unit), (title, &Unit::Currency("EUR".to_owned())));
    assert_eq!(kpi.query, Query::Text(REVENUE.to_owned()));
    assert_eq!((kpi.quality.min, kpi.quality.max, kpi.quality.max_jump), (Some(0.0), None, Some(1.0)));
    assert_eq!(reason(&proposed, "title"), "as given");
    for (key, part) in [
        ("kind", "what adds up; a guess"),
        ("grain", "dates without a time, one a day"),
        ("timezone", "no zone of their own"),
        ("empty", "absent are 57 of 400 buckets, all of them days off"),
        ("quality.min", "the 400 values lie between €0 and €400"),
        ("expected", "the newest value is of 2026-11-23"),
    ] {
        assert!(reason(&proposed, key).contains(part), "{key}: {}", reason(&proposed, key));
    }
    assert!(!proposed.text.contains("timezone"), "{}", proposed.text);
}

#[tokio::test]
async fn dimensions_are_found_in_the_answer() {
    let query = REVENUE.replace("AS bucket", "AS bucket, channel").replace("BY 1", "BY 1, 2");
    let (folder, drawn) = drawn(&[], &["revenue", "--source", "shop", "--query", &query]).await.unwrap();
    let (proposed, kpi) = held(&folder, drawn);
    assert_eq!((kpi.dimensions.as_slice(), kpi.kind), (["channel".to_owned()].as_slice(), Kind::Flow));
    assert_eq!(reason(&proposed, "dimensions"), "what the answer has beside time and value: channel has 2 values");
    // Those that are said are all there are.
    let words = ["revenue", "--source", "shop", "--dimensions", "shop", "--query", &query];
    let error = again(&[], &words).await.err().unwrap();
    assert!(error.contains("no column for dimension `shop`"), "{error}");
}

#[tokio::test]
async fn a_level_of_another_zone() {
    let query = "SELECT at AS bucket, quantity AS value FROM stock";
    let (folder, drawn) = drawn(&[], &["stock", "--source", "shop", "--query", query]).await.unwrap();
    let (proposed, kpi) = held(&folder, drawn);
    assert_eq!(kpi.kind, Kind::Level { over_time: LevelOverTime::Last, additive: false });
    assert_eq!((kpi.zone.iana_name(), kpi.grain, kpi.empty), (Some("UTC"), Grain::Day, Empty::Missing));
    assert!(reason(&proposed, "timezone").contains("none of Europe/Paris"));
    assert!(reason(&proposed, "kind").contains("as of a state"));
    // What is said stands, and Paris has no midnight there.
    let words =
        ["stock", "--source", "shop", "--kind", "{level: {over_time: mean}}", "--zone", "Europe/Paris", "--query"];
    let (folder, drawn) = again(&[], &[&words[..], &[query]].concat()).await.unwrap();
    let (proposed, kpi) = held(&folder, drawn);
    assert_eq!(kpi.kind, Kind::Level { over_time: LevelOverTime::Mean, additive: false });
    assert_eq!((kpi.zone.iana_name(), reason(&proposed, "timezone")), (Some("Europe/Paris"), "as given"));
}

#[tokio::test]
async fn a_ratio_by_the_month_looks_further_back() {
    let query = "SELECT month AS bucket, happy AS numerator, asked AS denominator FROM answers";
    let (folder, drawn) = drawn(&[], &["happy", "--source", "shop", "--query", query]).await.unwrap();
    assert_eq!(drawn.found.observations.len(), 22);
    let (proposed, kpi) = held(&folder, drawn);
    assert_eq!((kpi.kind, kpi.grain, &kpi.unit), (Kind::Ratio, Grain::Month, &Unit::Ratio));
    assert_eq!((kpi.quality.max, kpi.quality.max_jump, kpi.history.as_hours()), (Some(1.0), None, 24 * 1200));
    assert!(reason(&proposed, "kind").contains("numerator and denominator"));
    assert!(reason(&proposed, "grain").contains("the first of a month"));
    assert!(
        proposed.text.contains("# max_jump: none, 17 values with enough before them are too few\n"),
        "{}",
        proposed.text
    );
}

#[tokio::test]
async fn columns_of_a_table_from_a_file() {
    let sales = "date;shop;total\n23/11/2026;Lyon;1 200,5\n20/11/2026;Lyon;-3\n22/11/2026;Lyon;x\n21/11/2026;Lille;7\n";
    let query = "# as the configuration has it\ntime: date\nvalue: total\nlabels: [shop]\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("q.yaml");
    fs::write(&file, query).unwrap();
    let words = ["sales", "--source", "sales", "--days", "30", "--query-file", file.to_str().unwrap()];
    let (folder, drawn) = drawn(&[("sales.csv", sales)], &words).await.unwrap();
    assert_eq!((drawn.found.rejections.len(), drawn.look.span.1 - drawn.look.span.0), (1, 29));
    let (proposed, kpi) = held(&folder, drawn);
    assert_eq!((kpi.dimensions.as_slice(), kpi.kind), (["shop".to_owned()].as_slice(), Kind::Flow));
    assert_eq!((kpi.quality.min, kpi.quality.max_jump, kpi.history.as_hours()), (None, None, 24 * 400));
    assert!(reason(&proposed, "kind").contains("too few"));
    let words = ["sales", "--source", "sales", "--query", "{time: date, numerator: total, denominator: total}"];
    let (folder, drawn) = again(&[("sales.csv", sales)], &words).await.unwrap();
    let (proposed, kpi) = held(&folder, drawn);
    assert_eq!((kpi.kind, reason(&proposed, "kind")), (Kind::Ratio, "the query can be nothing else"));
    // Without a value there is nothing to rest a proposal on.
    let words = ["sales", "--source", "sales", "--from", "2026-11-20", "--query", "{time: date, value: shop}"];
    let (_folder, drawn) = again(&[("sales.csv", sales)], &words).await.unwrap();
    assert!(drawn.proposed.is_none() && drawn.found.rejections.len() == 4, "{:?}", drawn.found);
}

#[tokio::test]
async fn hours_and_single_events() {
    let hours: Vec<String> =
        (0..72).map(|hour| format!("2026-11-{}T{:02}:00:00Z;{}", 21 + hour / 24, hour % 24, hour % 7)).collect();
    let hours = hours.join("\n");
    let words = ["heat", "--source", "sales", "--query", "{time: at, value: heat}"];
    let (folder, drawn) = drawn(&[("sales.csv", &format!("at;heat\n{hours}"))], &words).await.unwrap();
    let (proposed, kpi) = held(&folder, drawn);
    assert_eq!((kpi.grain, kpi.schedule.as_str()), (Grain::HOUR, "hourly"));
    assert!(reason(&proposed, "grain").contains("one each hour"));
    let events: Vec<String> =
        (0..90).map(|at| format!("2026-11-{:02} {:02}:{:02};5", 1 + at / 4, at % 4 * 5, at * at % 60)).collect();
    let events = events.join("\n");
    let (folder, drawn) = again(&[("sales.csv", &format!("at;heat\n{events}"))], &words).await.unwrap();
    let (proposed, kpi) = held(&folder, drawn);
    assert_eq!((kpi.grain, kpi.kind), (Grain::Day, Kind::Flow));
    assert!(reason(&proposed, "grain").contains("single events") && reason(&proposed, "kind").contains("which add up"));
}

#[tokio::test]
async fn of_accounts_the_kind_says_what_is_asked() {
    let head = "JournalCode\tJournalLib\tEcritureNum\tEcritureDate\tCompteNum\tCompteLib\tCompAuxNum\tCompAuxLib\t\
                PieceRef\tPieceDate\tEcritureLib\tDebit\tCredit\tEcritureLet\tDateLet\tValidDate\tMontantdevise\tIdevise";
    let line = |month: i32, (account, debit, credit): (&str, i32, i32)| {
        let day = format!("2026{month:02}10");
        format!(
            "VE\tVentes\t{month}\t{day}\t{account}\tx\t\t\tF{month}\t{day}\tx\t{debit},00\t{credit},00\t\t\t{day}\t\t"
        )
    };
    let lines = (1..=10)
        .flat_map(|month| [("512000", 900 + month, 0), ("706000", 0, 900 + month)].map(|entry| line(month, entry)));
    let books = std::iter::once(head.to_owned()).chain(lines).collect::<Vec<_>>().join("\n");
    let files = [("123456789FEC20261231.txt", books.as_str())];
    let words = ["sold", "--source", "books", "--query", "{figure: revenue}"];
    let (folder, drawn) = drawn(&files, &words).await.unwrap();
    let (proposed, kpi) = held(&folder, drawn);
    assert_eq!((kpi.kind, kpi.grain, kpi.settle.as_hours()), (Kind::Flow, Grain::Month, 24 * 45));
    assert!(reason(&proposed, "grain").contains("complete by the month"));
    let words = ["cash", "--source", "books", "--query", "{figure: cash}"];
    let (folder, drawn) = again(&files, &words).await.unwrap();
    let (proposed, kpi) = held(&folder, drawn);
    assert!(matches!(kpi.kind, Kind::Level { .. }) && reason(&proposed, "kind") == "the query can be nothing else");
}

#[tokio::test]
async fn absence_is_told_apart_from_loss() {
    async fn check(present: fn(i32) -> bool, empty: Empty, why: &str) {
        let first = jiff::civil::date(2026, 8, 1);
        let days = (0..115).filter(|day| present(*day));
        let days = days.map(|day| format!("{};5", first.saturating_add(jiff::Span::new().days(day))));
        let sales = std::iter::once("date;total".to_owned()).chain(days).collect::<Vec<_>>().join("\n");
        let words = ["sales", "--source", "sales", "--query", "{time: date, value: total}"];
        let (folder, drawn) = drawn(&[("sales.csv", &sales)], &words).await.unwrap();
        let (proposed, kpi) = held(&folder, drawn);
        assert!(kpi.empty == empty && reason(&proposed, "empty").contains(why), "{}", proposed.text);
    }
    check(|_| true, Empty::Missing, "none of 115 buckets is absent").await;
    check(|day| day % 4 != 0, Empty::Zero, "at most 1 in a row: nothing happened").await;
    check(|day| day % 40 > 9, Empty::Missing, "up to 10 in a row, as if data were lost").await;
    check(|day| day % 4 != 0 && day < 100, Empty::Missing, "and all since 2026-11-08, as if data were lost").await;
    check(|day| day > 100 && day % 4 != 0, Empty::Missing, "too few to tell").await;
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_remedy() {
    async fn check(words: &[&str], parts: &[&str]) {
        let error = drawn(&[("sales.csv", "date;total\n2026-11-20;3\n")], words).await.err().expect("an error");
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
    }
    let sql = "SELECT date(at) AS bucket, 1 AS value FROM orders";
    check(
        &["x", "--source", "shpo", "--query", sql],
        &["`source: shpo`: no source is called `shpo`", "did you mean `shop`?"],
    )
    .await;
    check(&["x", "--source", "shop", "--query", "DELETE FROM orders"], &["KPI 'x'", "SELECT"]).await;
    check(
        &["x", "--source", "shop", "--query", "SELECT oops AS bucket, 1 AS value FROM orders"],
        &["no such column: oops", "correct the query"],
    )
    .await;
    check(&["X", "--source", "shop", "--query", sql], &["`X` is not a valid id"]).await;
    check(&["x", "--source", "shop", "--query", sql, "--grain", "quarter"], &["`grain: quarter`", "use `month`"]).await;
    check(&["x", "--source", "shop", "--query", sql, "--zone", "Paris"], &["no time zone is called `Paris`"]).await;
    check(
        &["x", "--source", "sales", "--query", "{time: date, valeu: total}"],
        &["unknown field `valeu`", "did you mean `value`?"],
    )
    .await;
    check(&["x", "--source", "sales", "--query", "{time: date"], &["--query is no YAML"]).await;
    check(
        &["x", "--source", "support", "--query", "orders"],
        &["HTTP API, and the query is a text", "write a request"],
    )
    .await;
    check(&["x", "--source", "hand", "--query", "none"], &["entered by hand", "`vigie record`"]).await;
    check(
        &["x", "--source", "shop", "--query-file", "nowhere.sql"],
        &["'nowhere.sql' can't be read", "check its path"],
    )
    .await;
    check(&["x", "--source", "shop"], &["--query"]).await;
    check(&["x", "--source", "shop", "--query", sql, "--days", "9", "--from", "2026-11-01"], &["cannot be used with"])
        .await;
}
