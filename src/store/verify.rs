//! Checks a database's structure before it is written to, without changing the files.

use std::fs;
use std::path::Path;

use sqlx::{ConnectOptions, SqliteConnection};

use super::error::{Failure, StoreError};
use super::files;
use super::migrate::identity;
use super::open::{Store, finish, reader_options};

/// Up to this size the whole file is checked at each start (about a tenth of a second).
const WHOLE_CHECK_BYTES_MAX: u64 = 64 << 20;

/// Above it, what the service can't start without; damage in the history shows when it is read.
const VITAL: [&str; 10] = [
    "PRAGMA quick_check('meta')",
    "PRAGMA quick_check('series')",
    "PRAGMA quick_check('alert')",
    "PRAGMA quick_check('alert_group')",
    "PRAGMA quick_check('kpi_clock')",
    "PRAGMA quick_check('source_state')",
    "PRAGMA quick_check('silence')",
    "PRAGMA quick_check('event')",
    "PRAGMA quick_check('attempt')",
    "PRAGMA quick_check('delivery')",
];

/// Refuses a damaged file. The caller holds the instance lock.
pub(super) async fn quick(path: &Path) -> Result<(), StoreError> {
    let (wal, shm) = (files::suffixed(path, "-wal"), files::suffixed(path, "-shm"));
    let (had_wal, had_shm) = (wal.exists(), shm.exists());
    // Without a log nobody can be writing (the lock is ours), and an immutable reader leaves no file behind.
    let options = reader_options(path).immutable(!had_wal && !had_shm);
    let verdict = async {
        let mut conn = options.connect().await?;
        let verdict = check(&mut conn, files::length(path)).await;
        let with_log = identity(&mut conn).await;
        finish(conn).await?;
        match verdict? {
            None if had_wal && is_anothers(path, with_log?).await => Ok(Some(LOG_OF_ANOTHER.to_owned())),
            verdict => Ok(verdict),
        }
    };
    let verdict: Result<Option<String>, Failure> = verdict.await;
    if !matches!(verdict, Ok(None)) {
        for (file, there_before) in [(&wal, had_wal), (&shm, had_shm)] {
            if !there_before {
                let _ = fs::remove_file(file);
            }
        }
    }
    match verdict {
        Ok(None) => Ok(()),
        Ok(Some(detail)) => Err(StoreError::Corrupt { path: path.to_owned(), detail }),
        Err(failure) => Err(failure.on(path)),
    }
}

const LOG_OF_ANOTHER: &str = "its write-ahead log, the file ending in -wal, is another database's";

/// Whether the log makes another database of the file: what stands in the file itself is read without it.
async fn is_anothers(path: &Path, with_log: Option<String>) -> bool {
    let alone = async {
        let mut conn = reader_options(path).immutable(true).connect().await?;
        let alone = identity(&mut conn).await;
        finish(conn).await?;
        alone
    };
    // A file that can't be read without its log, as one amid a checkpoint, says nothing.
    matches!(alone.await, Ok(Some(alone)) if with_log.as_ref() != Some(&alone))
}

async fn check(conn: &mut SqliteConnection, bytes: u64) -> Result<Option<String>, Failure> {
    if bytes <= WHOLE_CHECK_BYTES_MAX {
        return said(conn, "PRAGMA quick_check(1)").await;
    }
    for pragma in VITAL {
        if let Some(damage) = said(conn, pragma).await? {
            return Ok(Some(damage));
        }
    }
    Ok(None)
}

async fn said(conn: &mut SqliteConnection, pragma: &'static str) -> Result<Option<String>, Failure> {
    let answer: String = sqlx::query_scalar(pragma).fetch_one(conn).await?;
    // SQLite heads its list with `*** in database main ***`.
    let line = answer.lines().rfind(|line| !line.starts_with("***")).unwrap_or(&answer);
    Ok((answer != "ok").then(|| line.to_owned()))
}

/// Checks the whole file, indexes included.
pub(super) async fn whole(conn: &mut SqliteConnection) -> Result<Option<String>, Failure> {
    said(conn, "PRAGMA integrity_check(1)").await
}

impl Store {
    /// Checks the whole file, indexes included: seconds for a large history. Says what is wrong, if anything.
    pub async fn verify(&self) -> Result<Option<String>, StoreError> {
        let answer = async {
            let mut conn = self.inner.readers.acquire().await?;
            whole(&mut conn).await
        };
        answer.await.map_err(|failure| failure.on(&self.inner.path))
    }
}
