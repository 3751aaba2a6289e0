//! The outbox as the sender sees it: what is due, in which order, and when to look again.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::model::ids::ReceiverId;
use crate::model::notification::{Delivery, DeliveryState, NewDelivery, ThreadRef};

use super::error::{Failure, StoreError};
use super::observations::instant;
use super::open::Store;

/// Most deliveries that one look hands out per receiver and recipient.
pub const DUE_PER_RECIPIENT_MAX: u32 = 8;

/// The columns that `delivery_of` reads, from a `delivery AS d`.
macro_rules! delivery_columns {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, d.key, d.notification, d.receiver, d.recipient, d.thread_root, d.thread_position, d.state, \
             d.attempts, d.created_at, d.next_attempt_at, d.note, d.body, d.requeued_at, \
             iif(d.requeued_at IS NULL, d.attempts, \
                 (SELECT count(*) FROM attempt AS a WHERE a.delivery = d.id AND a.started_at >= d.requeued_at)) ",
            $rest
        )
    };
}
pub(super) use delivery_columns;

impl Store {
    /// Deliveries that may be sent now. Of one group (the threads whose names begin alike) and recipient only the oldest
    /// queued one is handed out, none while an attempt is under way: an end that is tried again must not be overtaken by
    /// the next firing, which opens a thread of its own. Receivers take turns, so that a flood for one hides nobody else's.
    pub async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        // The bare columns beside min(id) come from the row with the least id: SQLite promises that.
        let sql = delivery_columns!(
            "FROM ( \
                 SELECT id, row_number() OVER (PARTITION BY receiver ORDER BY turn, id) AS place FROM ( \
                     SELECT id, receiver, row_number() OVER (PARTITION BY receiver, recipient ORDER BY id) AS turn \
                     FROM (SELECT receiver, recipient, min(id) AS id, next_attempt_at, attempting FROM delivery \
                           WHERE state = 'queued' GROUP BY receiver, recipient, \
                                substr(thread_root, 1, instr(thread_root || '.', '.'))) \
                     WHERE next_attempt_at <= ?1 AND attempting IS NULL) \
                 WHERE turn <= ?2 ORDER BY place, id LIMIT ?3) AS head \
             CROSS JOIN delivery AS d ON d.id = head.id ORDER BY head.place, d.id"
        );
        let query = sqlx::query(sql).bind(now.as_millisecond()).bind(DUE_PER_RECIPIENT_MAX).bind(limit);
        self.deliveries_of(query.fetch_all(&self.inner.readers).await)
    }

    /// When the next delivery falls due to a receiver that is not among `busy`; none when nothing is queued for the
    /// others, or all of it is under way.
    pub async fn next_due(&self, busy: &[ReceiverId]) -> Result<Option<Timestamp>, StoreError> {
        let find = async {
            let sql = "SELECT min(next_attempt_at) FROM ( \
                           SELECT min(id), next_attempt_at, attempting FROM delivery WHERE state = 'queued' \
                           AND receiver NOT IN (SELECT value FROM json_each(?1)) \
                           GROUP BY receiver, recipient, substr(thread_root, 1, instr(thread_root || '.', '.'))) \
                       WHERE attempting IS NULL";
            let found: Option<i64> =
                sqlx::query_scalar(sql).bind(serde_json::to_string(busy)?).fetch_one(&self.inner.readers).await?;
            found.map(instant).transpose()
        };
        find.await.map_err(|failure: Failure| failure.on(&self.inner.path))
    }

    /// Receivers one of whose recipients' newest delivery that came to its end is dead, with a cause. Dead messages about the service
    /// itself are left out: nobody is told of those.
    pub async fn undelivered(&self) -> Result<Vec<(ReceiverId, String)>, StoreError> {
        // Only receivers with a dead delivery are looked at, which are few.
        let sql = "SELECT receiver, min(coalesce(note, '')) FROM ( \
                       SELECT receiver, state, note, row_number() OVER ( \
                           PARTITION BY receiver, recipient ORDER BY ended DESC, id DESC) AS place FROM ( \
                           SELECT d.id, d.receiver, d.recipient, d.state, d.note, \
                                  (SELECT max(finished_at) FROM attempt AS a WHERE a.delivery = d.id) AS ended \
                           FROM delivery AS d WHERE d.state IN ('sent', 'dead') \
                           AND d.receiver IN (SELECT receiver FROM delivery WHERE state = 'dead') \
                           AND (d.state = 'sent' OR d.body ->> '$.about' <> 'system'))) \
                   WHERE place = 1 AND state = 'dead' GROUP BY receiver ORDER BY receiver";
        let rows: Vec<(String, String)> = sqlx::query_as(sql)
            .fetch_all(&self.inner.readers)
            .await
            .map_err(|error| Failure::from(error).on(&self.inner.path))?;
        Ok(rows.into_iter().map(|(receiver, cause)| (receiver.into(), cause)).collect())
    }

    /// Queued deliveries of each receiver that has any.
    pub async fn queue_depth(&self) -> Result<Vec<(ReceiverId, u64)>, StoreError> {
        let sql = "SELECT receiver, count(*) FROM delivery WHERE state = 'queued' GROUP BY receiver ORDER BY receiver";
        let rows: Vec<(String, i64)> = sqlx::query_as(sql)
            .fetch_all(&self.inner.readers)
            .await
            .map_err(|error| Failure::from(error).on(&self.inner.path))?;
        Ok(rows.into_iter().map(|(receiver, depth)| (receiver.into(), depth as u64)).collect())
    }

    /// When the oldest queued delivery was decided; none: nothing waits.
    pub async fn oldest_queued(&self) -> Result<Option<Timestamp>, StoreError> {
        let read = async {
            let sql = "SELECT min(created_at) FROM delivery WHERE state = 'queued'";
            let found: Option<i64> = sqlx::query_scalar(sql).fetch_one(&self.inner.readers).await?;
            found.map(instant).transpose()
        };
        read.await.map_err(|failure: Failure| failure.on(&self.inner.path))
    }

    pub(super) fn deliveries_of(&self, rows: Result<Vec<SqliteRow>, sqlx::Error>) -> Result<Vec<Delivery>, StoreError> {
        let read = rows.map_err(Failure::from).and_then(|rows| rows.iter().map(delivery_of).collect());
        read.map_err(|failure| failure.on(&self.inner.path))
    }
}

/// One delivery from the columns of `delivery_columns!`.
pub(super) fn delivery_of(row: &SqliteRow) -> Result<Delivery, Failure> {
    let id: i64 = row.try_get(0)?;
    let state: &str = row.try_get(7)?;
    let message = serde_json::from_str(row.try_get(12)?)
        .map_err(|error| Failure::Decode(format!("message of delivery {id}: {error}")))?;
    Ok(Delivery {
        id,
        new: NewDelivery {
            key: row.try_get(1)?,
            notification: row.try_get(2)?,
            receiver: row.try_get::<String, _>(3)?.into(),
            recipient: row.try_get(4)?,
            thread: ThreadRef { root: row.try_get(5)?, position: row.try_get(6)? },
            created_at: instant(row.try_get(9)?)?,
            message,
        },
        state: state_of(state).ok_or_else(|| Failure::Decode(format!("state {state} of delivery {id}")))?,
        attempts: row.try_get(8)?,
        next_attempt_at: instant(row.try_get(10)?)?,
        note: row.try_get(11)?,
        requeued_at: row.try_get::<Option<i64>, _>(13)?.map(instant).transpose()?,
        tries: row.try_get(14)?,
    })
}

fn state_of(name: &str) -> Option<DeliveryState> {
    [DeliveryState::Queued, DeliveryState::Sent, DeliveryState::Dead, DeliveryState::Cancelled]
        .into_iter()
        .find(|state| state.as_str() == name)
}
