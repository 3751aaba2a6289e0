//! The audit: each entry is chained to the one before by its digest.

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::error::{Failure, StoreError};
use super::observations::instant;
use super::open::Store;
use super::write::Write;
use crate::model::audit::{AuditEntry, AuditRow};
use crate::model::digest::hexadecimal;

/// Entries that are kept; older ones go, and the chain begins with the oldest left.
pub const AUDIT_ROWS_MAX: i64 = 100_000;
/// Rows read at once.
const PIECE: i64 = 1_000;

/// Adds entries at the end of the chain.
pub(super) async fn put(conn: &mut SqliteConnection, entries: &[AuditEntry]) -> Result<(), Failure> {
    for entry in entries {
        let before: Option<String> = sqlx::query_scalar("SELECT digest FROM audit ORDER BY number DESC LIMIT 1")
            .fetch_optional(&mut *conn)
            .await?;
        let digest = chained(before.as_deref().unwrap_or_default(), entry);
        let sql = "INSERT INTO audit (at, by, what, detail, digest) VALUES (?1, ?2, ?3, ?4, ?5)";
        let query = sqlx::query(sql).bind(entry.at.as_millisecond()).bind(&entry.by).bind(&entry.what);
        query.bind(&entry.detail).bind(digest).execute(&mut *conn).await?;
    }
    if !entries.is_empty() {
        let sql = "DELETE FROM audit WHERE number <= (SELECT max(number) FROM audit) - ?1";
        sqlx::query(sql).bind(AUDIT_ROWS_MAX).execute(conn).await?;
    }
    Ok(())
}

/// Every field ends with a sign that none of them holds unescaped: JSON texts of them one after the other.
fn chained(before: &str, entry: &AuditEntry) -> String {
    let AuditEntry { at, by, what, detail } = entry;
    let text = serde_json::json!([before, at.as_millisecond(), by, what, detail]).to_string();
    hexadecimal(digest(&SHA256, text.as_bytes()).as_ref())
}

struct Put<'a>(&'a AuditEntry);

impl Write for Put<'_> {
    type Out = ();

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<(), Failure> {
        put(conn, std::slice::from_ref(self.0)).await
    }
}

impl Store {
    /// Notes what was done.
    pub async fn note(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.write(self.epoch(), Put(entry)).await
    }

    /// Gives `take` each entry of a span, oldest first, the end left out; and says which one does not follow from the one
    /// before, if any.
    pub async fn audit(
        &self,
        (from, to): (Timestamp, Timestamp),
        mut take: impl FnMut(AuditRow),
    ) -> Result<Option<i64>, StoreError> {
        let read = async {
            let (mut last, mut before, mut broken) = (0, None::<String>, None);
            loop {
                let sql =
                    "SELECT number, at, by, what, detail, digest FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2";
                let rows = sqlx::query(sql).bind(last).bind(PIECE).fetch_all(&self.inner.readers).await?;
                let is_last = rows.len() < PIECE as usize;
                for row in &rows {
                    let row = row_of(row)?;
                    // Of the oldest that is kept the one before may be gone.
                    let begins = before.is_none() && row.number > 1;
                    let expected = chained(before.as_deref().unwrap_or_default(), &row.entry);
                    if (!begins && expected != row.digest || (last > 0 && row.number != last + 1)) && broken.is_none() {
                        broken = Some(row.number);
                    }
                    (last, before) = (row.number, Some(row.digest.clone()));
                    if from <= row.entry.at && row.entry.at < to {
                        take(row);
                    }
                }
                if is_last {
                    return Ok(broken);
                }
            }
        };
        read.await.map_err(|failure: Failure| failure.on(&self.inner.path))
    }
}

fn row_of(row: &SqliteRow) -> Result<AuditRow, Failure> {
    let entry = AuditEntry {
        at: instant(row.try_get("at")?)?,
        by: row.try_get("by")?,
        what: row.try_get("what")?,
        detail: row.try_get("detail")?,
    };
    Ok(AuditRow { number: row.try_get("number")?, entry, digest: row.try_get("digest")? })
}
