//! The one way to write: a transaction that first checks the epoch, and is tried once more after a full disk's
//! reserve has been freed.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::error::{Failure, StoreError};
use super::open::{BUSY_TIMEOUT, Store, blocking};

/// Most rows handed to one statement. SQLite keeps each page that a statement changes until it ends, and every row of
/// another series is another page: this bounds it to a few MB.
const ROWS_PER_STATEMENT_MAX: usize = 500;

/// How long a write waits for another process that has kept the one before from being written: whoever decides must not
/// stand still for each of them.
const BUSY_TIMEOUT_AGAIN: Duration = Duration::from_millis(100);

/// A piece of work that is written whole or not at all. May run twice, the first run being undone.
pub(super) trait Write: Sync {
    type Out: Send;

    fn apply(&self, conn: &mut SqliteConnection) -> impl Future<Output = Result<Self::Out, Failure>> + Send;
}

/// The connection that writes.
#[derive(Debug)]
pub(super) struct Writer {
    conn: Option<SqliteConnection>,
    /// A transaction may be open: its future was dropped before it ended.
    open: bool,
    /// Another process had a transaction open when the last write was to begin.
    met_lock: bool,
}

impl Writer {
    pub(super) fn new(conn: SqliteConnection) -> Writer {
        Writer { conn: Some(conn), open: false, met_lock: false }
    }

    pub(super) async fn close(&mut self) {
        if let Some(conn) = self.conn.take()
            && let Err(error) = conn.close().await
        {
            tracing::warn!(%error, "the state database did not close cleanly; the next start recovers it");
        }
    }

    /// Begins, checks the epoch, works, commits.
    async fn run<W: Write>(&mut self, epoch: i64, work: &W) -> Result<W::Out, Failure> {
        let conn = self.conn.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        if self.open {
            roll_back(conn).await;
        }
        self.open = true;
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await.map_err(Failure::from);
        let meets_lock = begun.as_ref().is_err_and(Failure::is_locked);
        if meets_lock != self.met_lock {
            set_patience(conn, if meets_lock { BUSY_TIMEOUT_AGAIN } else { BUSY_TIMEOUT }).await?;
            self.met_lock = meets_lock;
        }
        begun.inspect_err(|_| self.open = false)?;
        let done = match check_epoch(conn, epoch).await {
            Ok(()) => work.apply(conn).await,
            Err(failure) => Err(failure),
        };
        let ended = match done {
            Ok(out) => sqlx::query("COMMIT").execute(&mut *conn).await.map(|_| out).map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        if ended.is_err() {
            roll_back(conn).await;
        }
        self.open = false;
        ended
    }

    #[cfg(test)]
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        self.conn.as_mut().expect("invariant: tests use an open store")
    }
}

async fn set_patience(conn: &mut SqliteConnection, patience: Duration) -> Result<(), sqlx::Error> {
    let pragma = format!("PRAGMA busy_timeout = {}", patience.as_millis());
    sqlx::raw_sql(AssertSqlSafe(pragma)).execute(conn).await.map(drop)
}

/// An error here means that SQLite has rolled back by itself already.
async fn roll_back(conn: &mut SqliteConnection) {
    if let Err(error) = sqlx::query("ROLLBACK").execute(conn).await {
        tracing::debug!(%error, "nothing to roll back");
    }
}

async fn check_epoch(conn: &mut SqliteConnection, held: i64) -> Result<(), Failure> {
    let found: i64 = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'epoch'").fetch_one(conn).await?;
    if found == held { Ok(()) } else { Err(Failure::Fenced { held, found }) }
}

impl Store {
    pub(super) async fn write<W: Write>(&self, epoch: i64, work: W) -> Result<W::Out, StoreError> {
        let path = &self.inner.path;
        let Some(writer) = &self.inner.writer else {
            return Err(StoreError::ReadOnly { path: path.clone(), detail: "it was opened for reading".to_owned() });
        };
        let mut writer = writer.lock().await;
        #[cfg(test)]
        if super::conformance::disk_is_full(path) {
            self.free_reserve().await?;
            return Err(StoreError::Full { path: path.clone(), reserve_freed: true });
        }
        #[cfg(test)]
        if super::conformance::is_locked(path) {
            return Err(StoreError::Locked { path: path.clone(), pid: None });
        }
        let failure = match writer.run(epoch, &work).await {
            Ok(out) => return Ok(out),
            Err(failure) => failure,
        };
        if !failure.is_full() || !self.free_reserve().await? {
            return Err(failure.on(path));
        }
        #[cfg(test)]
        super::conformance::space_was_freed(&mut writer, path).await;
        writer.run(epoch, &work).await.map_err(|failure| match failure.on(path) {
            StoreError::Full { path, .. } => StoreError::Full { path, reserve_freed: true },
            other => other,
        })
    }

    async fn free_reserve(&self) -> Result<bool, StoreError> {
        let reserve = self.inner.reserve.clone();
        let freed = blocking(&self.inner.path, move || reserve.free()).await?;
        if freed {
            tracing::error!(path = %self.inner.path.display(), "disk full: the reserve was freed so that queued notifications still go out");
        }
        Ok(freed)
    }

    /// Whether anything can be written: begins and ends a transaction that changes nothing.
    pub async fn try_writing(&self) -> Result<(), StoreError> {
        self.write(self.epoch(), Nothing).await
    }

    /// Takes the database over: whoever still names an older epoch is fenced off. Returns the new epoch.
    pub async fn raise_epoch(&self) -> Result<i64, StoreError> {
        let raised = self.write(self.epoch(), RaiseEpoch).await?;
        self.inner.epoch.store(raised, Ordering::SeqCst);
        Ok(raised)
    }

    /// Notes which configuration runs.
    pub async fn set_config_checksum(&self, checksum: &str) -> Result<(), StoreError> {
        self.write(self.epoch(), SetConfigChecksum(checksum)).await
    }
}

struct Nothing;

impl Write for Nothing {
    type Out = ();

    async fn apply(&self, _conn: &mut SqliteConnection) -> Result<(), Failure> {
        Ok(())
    }
}

struct RaiseEpoch;

impl Write for RaiseEpoch {
    type Out = i64;

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<i64, Failure> {
        let sql = "UPDATE meta SET value = value + 1 WHERE name = 'epoch' RETURNING value";
        Ok(sqlx::query_scalar(sql).fetch_one(conn).await?)
    }
}

struct SetConfigChecksum<'a>(&'a str);

impl Write for SetConfigChecksum<'_> {
    type Out = ();

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<(), Failure> {
        let sql = "INSERT INTO meta (name, value) VALUES ('config_checksum', ?1) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        sqlx::query(sql).bind(self.0).execute(conn).await?;
        Ok(())
    }
}

/// Runs one statement over many rows, which it reads with `json_each(?1)`.
pub(super) async fn batch<T: Serialize + Sync>(
    conn: &mut SqliteConnection,
    sql: &'static str,
    rows: &[T],
) -> Result<(), Failure> {
    for chunk in rows.chunks(ROWS_PER_STATEMENT_MAX) {
        let rows = serde_json::to_string(chunk)?;
        sqlx::query(sql).bind(rows).execute(&mut *conn).await?;
    }
    Ok(())
}
