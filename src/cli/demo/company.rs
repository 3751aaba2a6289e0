//! Writes the demo company's database: two years of orders, stock, deliveries and answers.
//!
//! The same day and seed give the same file content. Rows go on for two weeks after `now`, so that
//! the demo can run on; queries bind `:from` and `:to`, nobody reads them early.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use jiff::civil::Date;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, QueryBuilder, Sqlite, SqliteConnection};

use super::days::shifted;
use super::operations::{answers, deliveries, stock};
use super::orders::orders;
use super::story::Story;

/// The demo's configuration, written beside its database.
pub const CONFIGURATION: &str = include_str!("../../../contrib/demo/vigie.yaml");

/// How far back the company's books go.
const HISTORY_DAYS: i64 = 730;
/// How far the demo can run on after `now`.
const FUTURE_DAYS: i64 = 14;
/// Rows of one INSERT; five columns each stay far below SQLite's limit of 32,766 bound values.
const ROWS_PER_INSERT: usize = 1000;

const SCHEMA: &str = "
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    created_at TEXT NOT NULL,      -- local time in Paris
    channel TEXT NOT NULL,         -- web, boutique, revendeurs
    customer_id INTEGER NOT NULL,
    total REAL NOT NULL            -- euros
);
CREATE TABLE stock (
    day TEXT NOT NULL,
    article TEXT NOT NULL,
    quantity INTEGER NOT NULL,     -- at the end of the day
    PRIMARY KEY (day, article)
) WITHOUT ROWID;
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    promised_on TEXT NOT NULL,
    delivered_on TEXT              -- NULL while it is on its way
);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    answered_at TEXT NOT NULL,
    score INTEGER NOT NULL         -- 0 to 10
);
";

const INDEXES: &str = "
CREATE INDEX orders_by_time ON orders (created_at);
CREATE INDEX deliveries_by_day ON deliveries (delivered_on);
CREATE INDEX answers_by_time ON answers (answered_at);
";

/// Writes the database to `path`, which must not exist yet, with a story that ends before `now`.
pub async fn generate(path: &Path, now: Date, seed: u64) -> anyhow::Result<()> {
    ensure!(!path.exists(), "{} exists already: the demo never overwrites a database, remove it first", path.display());
    let story = Story::before(now)
        .with_context(|| format!("no month before {now} has room for the demo's story, choose another --now"))?;
    // Written aside and renamed, so that an interrupted run leaves no half company behind.
    let aside = aside(path);
    let leftover = |cause| format!("cannot write {}: {cause}", aside.display());
    if aside.exists() {
        std::fs::remove_file(&aside).with_context(|| leftover("a leftover of an earlier run can't be removed"))?;
    }
    let options = SqliteConnectOptions::new()
        .filename(&aside)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .with_context(|| leftover("the database can't be created, check that the folder exists and is writable"))?;
    write(&mut connection, &story, now, seed).await.with_context(|| leftover("an insert failed"))?;
    connection.close().await.with_context(|| leftover("closing failed"))?;
    std::fs::rename(&aside, path)
        .with_context(|| format!("cannot rename {} to {}", aside.display(), path.display()))?;
    Ok(())
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

async fn write(connection: &mut SqliteConnection, story: &Story, now: Date, seed: u64) -> sqlx::Result<()> {
    let (from, to) = (shifted(now, -HISTORY_DAYS), shifted(now, FUTURE_DAYS));
    let orders = orders(story, from, to, now, seed);
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
    insert(&mut transaction, "orders (id, created_at, channel, customer_id, total)", &orders, |mut row, order| {
        row.push_bind(order.id)
            .push_bind(order.created_at.strftime(TIME).to_string())
            .push_bind(order.channel)
            .push_bind(order.customer_id)
            .push_bind(order.total_cents as f64 / 100.0);
    })
    .await?;
    insert(&mut transaction, "stock (day, article, quantity)", &stock(story, from, to, seed), |mut row, level| {
        row.push_bind(level.day.to_string()).push_bind(level.article).push_bind(level.quantity);
    })
    .await?;
    let deliveries = deliveries(story, &orders, to, seed);
    insert(&mut transaction, "deliveries (order_id, promised_on, delivered_on)", &deliveries, |mut row, delivery| {
        row.push_bind(delivery.order_id)
            .push_bind(delivery.promised_on.to_string())
            .push_bind(delivery.delivered_on.map(|day| day.to_string()));
    })
    .await?;
    insert(&mut transaction, "answers (answered_at, score)", &answers(story, from, to, seed), |mut row, answer| {
        row.push_bind(answer.answered_at.strftime(TIME).to_string()).push_bind(answer.score);
    })
    .await?;
    sqlx::raw_sql(INDEXES).execute(&mut *transaction).await?;
    transaction.commit().await
}

const TIME: &str = "%Y-%m-%d %H:%M:%S";

type Row<'query> = sqlx::query_builder::Separated<'query, Sqlite, &'static str>;

/// Many rows per statement: two years are written within a second.
async fn insert<T>(
    connection: &mut SqliteConnection,
    into: &str,
    rows: &[T],
    bind: impl Fn(Row<'_>, &T),
) -> sqlx::Result<()> {
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        let mut query = QueryBuilder::<Sqlite>::new(format!("INSERT INTO {into} "));
        query.push_values(chunk, &bind);
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "company_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
