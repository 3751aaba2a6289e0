//! What is too old to be kept goes, piece by piece, so that nothing else waits for it.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::error::{Failure, StoreError};
use super::open::Store;
use super::write::Write;
use crate::model::grain::BucketIndex;
use crate::model::ids::KpiId;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Messages that have ended, their attempts, and changes of alerts that are no longer live, from this instant on.
    pub told_since: Timestamp,
    /// Of each KPI the buckets from this one on.
    pub buckets: Vec<(KpiId, BucketIndex)>,
}

impl Store {
    /// Removes at most about `rows` rows of each kind. True when some may be left.
    pub async fn prune(&self, keep: &Keep, rows: u32) -> Result<bool, StoreError> {
        self.write(self.epoch(), Prune { keep, rows }).await
    }
}

struct Prune<'a> {
    keep: &'a Keep,
    rows: u32,
}

/// Messages that have ended, with what hangs on them. A notification goes with the last of its deliveries; the newest of
/// all stays, for numbers go on from it, and so do those that say how a live alert was last told.
const TOLD: [&str; 4] = [
    "DELETE FROM attempt WHERE delivery IN (SELECT id FROM delivery WHERE state <> 'queued' AND created_at < ?1 \
         ORDER BY id LIMIT ?2)",
    "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE state <> 'queued' AND created_at < ?1 \
         ORDER BY id LIMIT ?2)",
    "DELETE FROM notification_item WHERE notification IN (SELECT id FROM notification AS n WHERE at < ?1 \
         AND number < (SELECT max(number) FROM notification) \
         AND NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.notification = n.id) \
         AND NOT EXISTS (SELECT 1 FROM notification_item AS i JOIN alert AS a ON a.alert = i.alert \
                         WHERE i.notification = n.id) LIMIT ?2)",
    "DELETE FROM notification WHERE id IN (SELECT id FROM notification AS n WHERE at < ?1 \
         AND number < (SELECT max(number) FROM notification) \
         AND NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.notification = n.id) \
         AND NOT EXISTS (SELECT 1 FROM notification_item AS i WHERE i.notification = n.id) LIMIT ?2)",
];

/// Changes of alerts that are no longer live; the newest of all stays, for their numbers go on from it.
const CHANGES: &str = "DELETE FROM transition WHERE seq IN (SELECT seq FROM transition WHERE at < ?1 \
    AND seq < (SELECT max(seq) FROM transition) AND alert NOT IN (SELECT alert FROM alert) ORDER BY seq LIMIT ?2)";

const BUCKETS: [&str; 2] = [
    "DELETE FROM observation_version WHERE (series, bucket, version) IN (SELECT series, bucket, version \
         FROM observation_version WHERE series IN (SELECT id FROM series WHERE kpi = ?1) AND bucket < ?2 LIMIT ?3)",
    "DELETE FROM observation WHERE (series, bucket) IN (SELECT series, bucket FROM observation \
         WHERE series IN (SELECT id FROM series WHERE kpi = ?1) AND bucket < ?2 LIMIT ?3)",
];

impl Write for Prune<'_> {
    type Out = bool;

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<bool, Failure> {
        let mut removed = 0;
        let told_since = self.keep.told_since.as_millisecond();
        for sql in TOLD.into_iter().chain([CHANGES]) {
            let done = sqlx::query(sql).bind(told_since).bind(self.rows).execute(&mut *conn).await?;
            removed = removed.max(done.rows_affected());
        }
        for (kpi, first) in &self.keep.buckets {
            for sql in BUCKETS {
                let query = sqlx::query(sql).bind(kpi.as_str()).bind(first).bind(self.rows);
                removed = removed.max(query.execute(&mut *conn).await?.rows_affected());
            }
        }
        Ok(removed >= u64::from(self.rows))
    }
}
