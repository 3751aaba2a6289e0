//! Puts a backup in the state's place. What was decided after the backup was made is not known any more, so nothing is told
//! before a person has looked at what is queued.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::audit;
use super::backup::copy;
use super::error::{Failure, StoreError};
use super::files;
use super::inspect::{Found, inspect};
use super::invariants::NEWEST_INSTANT;
use super::lock::InstanceLock;
use super::migrate;
use super::observations::instant;
use super::open::{Store, blocking, finish, writer_options};
use super::write::Write;
use crate::model::audit::AuditEntry;

/// Messages that a group may have sent between the backup and its restoring. Numbers of messages go on beyond, or a new
/// message would be taken for one that was sent then, and dropped by whoever got that.
const MESSAGES_SKIPPED: i64 = 100_000;

/// What a restoring came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the state stands that was there before.
    pub aside: Option<PathBuf>,
    /// The newest instant that the backup knows of.
    pub as_of: Option<Timestamp>,
    /// Deliveries in it that were not sent by then.
    pub queued: u64,
}

impl Store {
    /// Puts a copy of a backup at `path`, for a service that does not run. What stood there is kept beside it. From then on
    /// the state is withheld ([`Store::withheld`]).
    ///
    /// # Errors
    /// Also when the backup is damaged or of a newer version, and when a service has the state open. Everything is as it
    /// was then.
    pub async fn restore(backup: &Path, path: &Path, entry: &AuditEntry) -> Result<Restored, StoreError> {
        if inspect(backup)? == Found::Nothing {
            return Err(StoreError::NotFound { path: backup.to_owned() });
        }
        let io = |error: std::io::Error| StoreError::io(path, &error);
        files::create_folder_of(path).map_err(io)?;
        let _lock = InstanceLock::take(path, Duration::ZERO).await?;
        let building = files::beside(path, "restoring");
        files::clear(&building).map_err(io)?;
        files::open_private(&building).map_err(io)?;
        let made = prepare(backup, &building, entry).await;
        let (as_of, queued) = match made {
            Ok(made) => made,
            Err(error) => {
                drop(files::clear(&building));
                return Err(error);
            }
        };
        let name = entry.at.strftime("before-restore-%Y%m%dT%H%M%SZ").to_string();
        let aside = files::beside(path, &name);
        fold(path).await;
        let place = path.to_owned();
        let aside = blocking(path, move || {
            fs::File::open(&building)?.sync_all()?;
            let kept = set_aside(&place, &aside)?;
            fs::rename(&building, &place)?;
            files::sync_folder_of(&place)?;
            Ok(kept.then_some(aside))
        })
        .await?;
        Ok(Restored { aside, as_of, queued })
    }

    /// Since when nothing may be told, because the state comes from a backup; none: it may.
    pub async fn withheld(&self) -> Result<Option<Timestamp>, StoreError> {
        let read = async {
            let sql = "SELECT value FROM meta WHERE name = 'withheld'";
            let found: Option<i64> = sqlx::query_scalar(sql).fetch_optional(&self.inner.readers).await?;
            found.map(instant).transpose()
        };
        self.explained(read.await)
    }

    /// Lets a restored state tell again; what is queued goes out, or is cancelled with a reason. Returns how many were
    /// queued.
    pub async fn release(&self, cancel: Option<&str>) -> Result<u64, StoreError> {
        self.write(self.epoch(), Release { cancel }).await
    }
}

/// Copies the backup, brings it up to date and marks it.
async fn prepare(backup: &Path, building: &Path, entry: &AuditEntry) -> Result<(Option<Timestamp>, u64), StoreError> {
    let copied = copy(backup, building, true).await.map_err(|failure| failure.on(backup))?;
    if let Some(detail) = copied {
        return Err(StoreError::Corrupt { path: backup.to_owned(), detail });
    }
    let Found::Ours { version } = inspect(building)? else {
        return Err(StoreError::NotFound { path: backup.to_owned() });
    };
    let work = async {
        let mut conn = writer_options(building).connect().await?;
        migrate::migrate(&mut conn, version).await?;
        let marked = mark(&mut conn, entry).await;
        finish(conn).await?;
        marked
    };
    work.await.map_err(|failure| failure.on(building))
}

async fn mark(conn: &mut SqliteConnection, entry: &AuditEntry) -> Result<(Option<Timestamp>, u64), Failure> {
    let mut tx = conn.begin().await?;
    let as_of: Option<i64> = sqlx::query_scalar(NEWEST_INSTANT).fetch_one(&mut *tx).await?;
    let queued: i64 =
        sqlx::query_scalar("SELECT count(*) FROM delivery WHERE state = 'queued'").fetch_one(&mut *tx).await?;
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES ('withheld', ?1)";
    sqlx::query(sql).bind(entry.at.as_millisecond()).execute(&mut *tx).await?;
    let sql = "UPDATE alert_group SET body = json_set(body, '$.messages', (body ->> '$.messages') + ?1)";
    sqlx::query(sql).bind(MESSAGES_SKIPPED).execute(&mut *tx).await?;
    migrate::tell_apart(&mut tx).await?;
    audit::put(&mut tx, std::slice::from_ref(entry)).await?;
    tx.commit().await?;
    Ok((as_of.map(instant).transpose()?, queued as u64))
}

/// Folds the log of the state that is there into it, as far as it can be read.
async fn fold(path: &Path) {
    if !path.is_file() {
        return;
    }
    let folded = async { finish(writer_options(path).connect().await?).await };
    if let Err(failure) = folded.await {
        let error = failure.on(path);
        tracing::warn!(%error, "the state before could not be closed cleanly; it is kept with its log");
    }
}

/// Gives the state that is there another name, with what of its log is left. False when there is none.
fn set_aside(path: &Path, aside: &Path) -> std::io::Result<bool> {
    let mut kept = false;
    for companion in ["", "-wal"] {
        match fs::hard_link(files::suffixed(path, companion), files::suffixed(aside, companion)) {
            Ok(()) => kept = true,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    files::sync_folder_of(path)?;
    // A log of the old one would be read into the new one.
    for companion in ["-wal", "-shm"] {
        files::remove(&files::suffixed(path, companion))?;
    }
    Ok(kept)
}

struct Release<'a> {
    cancel: Option<&'a str>,
}

impl Write for Release<'_> {
    type Out = u64;

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<u64, Failure> {
        let queued: i64 =
            sqlx::query_scalar("SELECT count(*) FROM delivery WHERE state = 'queued'").fetch_one(&mut *conn).await?;
        if let Some(why) = self.cancel {
            let sql = "UPDATE delivery SET state = 'cancelled', note = ?1 WHERE state = 'queued'";
            sqlx::query(sql).bind(why).execute(&mut *conn).await?;
        }
        sqlx::query("DELETE FROM meta WHERE name = 'withheld'").execute(conn).await?;
        Ok(queued as u64)
    }
}
