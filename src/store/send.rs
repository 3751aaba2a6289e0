//! What sending writes: attempts and their outcomes, and what people do to deliveries.
//!
//! An attempt's start is on disk before the first byte leaves, so a crash can cause a second copy, never a loss.

use jiff::Timestamp;
use sqlx::{Row, SqliteConnection};

use crate::model::notification::AttemptOutcome;

use super::error::{Failure, StoreError};
use super::open::Store;
use super::write::Write;

/// What becomes of a delivery after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    Sent,
    RetryAt(Timestamp),
    /// Given up, with the cause.
    Dead(String),
}

impl Store {
    /// Notes that an attempt begins. On disk when this returns; only then may a byte leave. Returns its number.
    pub async fn begin_attempt(&self, delivery: i64, at: Timestamp) -> Result<i64, StoreError> {
        #[cfg(feature = "seeded-bugs")]
        if self.inner.bug == Some(super::open::SeededBug::NoAttemptRecord) {
            // `finish_attempt` knows by the sign that there is no such row.
            return Ok(-delivery);
        }
        self.write(self.epoch(), Begin { delivery, at }).await
    }

    /// Notes what came of an attempt, and what follows. Repeating it changes nothing.
    pub async fn finish_attempt(
        &self,
        attempt: i64,
        outcome: &AttemptOutcome,
        at: Timestamp,
        next: NextStep,
    ) -> Result<(), StoreError> {
        self.write(self.epoch(), Finish { attempt, outcome, at, next }).await
    }

    /// At start: attempts that a crash cut off are marked unknown, their deliveries stay queued. Returns how many.
    pub async fn abandoned(&self) -> Result<u64, StoreError> {
        self.write(self.epoch(), Abandon).await
    }

    /// Queues a dead delivery again, due at once, with all the patience of a new one.
    pub async fn requeue(&self, delivery: i64, at: Timestamp) -> Result<(), StoreError> {
        self.write(self.epoch(), Requeue { delivery, at }).await
    }

    /// Takes a queued delivery out of the queue, with the reason. An attempt under way may still succeed; it then
    /// counts as sent.
    pub async fn cancel(&self, delivery: i64, reason: &str) -> Result<(), StoreError> {
        self.write(self.epoch(), Cancel { delivery, reason }).await
    }
}

struct Begin {
    delivery: i64,
    at: Timestamp,
}

impl Write for Begin {
    type Out = i64;

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<i64, Failure> {
        let sql = "INSERT INTO attempt (delivery, started_at) \
                   SELECT id, ?2 FROM delivery WHERE id = ?1 AND state = 'queued' AND attempting IS NULL \
                   RETURNING id";
        let query = sqlx::query_scalar(sql).bind(self.delivery).bind(self.at.as_millisecond());
        let Some(attempt): Option<i64> = query.fetch_optional(&mut *conn).await? else {
            return Err(refuse(conn, self.delivery, "sent").await);
        };
        let sql = "UPDATE delivery SET attempting = ?2, attempts = attempts + 1 WHERE id = ?1";
        sqlx::query(sql).bind(self.delivery).bind(attempt).execute(conn).await?;
        Ok(attempt)
    }
}

struct Finish<'a> {
    attempt: i64,
    outcome: &'a AttemptOutcome,
    at: Timestamp,
    next: NextStep,
}

impl Write for Finish<'_> {
    type Out = ();

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<(), Failure> {
        let (outcome, detail) = match self.outcome {
            AttemptOutcome::Sent { detail } => ("sent", detail),
            AttemptOutcome::Retry { cause, .. } => ("retry", cause),
            AttemptOutcome::Ambiguous { cause } => ("ambiguous", cause),
            AttemptOutcome::Permanent { cause } => ("permanent", cause),
        };
        let at = self.at.as_millisecond();
        let sql = "UPDATE attempt SET finished_at = ?2, outcome = ?3, detail = ?4 WHERE id = ?1 AND outcome IS NULL \
                   RETURNING delivery";
        let query = sqlx::query_scalar(sql).bind(self.attempt).bind(at).bind(outcome).bind(detail);
        let delivery = match query.fetch_optional(&mut *conn).await? {
            Some(delivery) => delivery,
            None if cfg!(feature = "seeded-bugs") && self.attempt < 0 => -self.attempt,
            None => return Ok(()),
        };
        let query = match &self.next {
            // Sent is sent, also when it was cancelled meanwhile.
            NextStep::Sent => sqlx::query(
                "UPDATE delivery SET attempting = NULL, state = 'sent', sent_at = ?2, note = ?3 WHERE id = ?1",
            )
            .bind(delivery)
            .bind(at)
            .bind(detail),
            NextStep::RetryAt(next) => sqlx::query(
                "UPDATE delivery SET attempting = NULL, next_attempt_at = ?2, \
                     note = CASE state WHEN 'queued' THEN ?3 ELSE note END WHERE id = ?1",
            )
            .bind(delivery)
            .bind(next.as_millisecond())
            .bind(detail),
            NextStep::Dead(cause) => sqlx::query(
                "UPDATE delivery SET attempting = NULL, note = CASE state WHEN 'queued' THEN ?2 ELSE note END, \
                     state = CASE state WHEN 'queued' THEN 'dead' ELSE state END WHERE id = ?1",
            )
            .bind(delivery)
            .bind(cause),
        };
        query.execute(conn).await?;
        Ok(())
    }
}

struct Abandon;

impl Write for Abandon {
    type Out = u64;

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<u64, Failure> {
        sqlx::query(
            "UPDATE delivery SET attempting = NULL WHERE id IN (SELECT delivery FROM attempt WHERE outcome IS NULL)",
        )
        .execute(&mut *conn)
        .await?;
        let sql = "UPDATE attempt SET outcome = 'unknown', detail = 'the service stopped during the attempt' \
                   WHERE outcome IS NULL";
        Ok(sqlx::query(sql).execute(conn).await?.rows_affected())
    }
}

struct Requeue {
    delivery: i64,
    at: Timestamp,
}

impl Write for Requeue {
    type Out = ();

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<(), Failure> {
        // Every instant from its creation on is due.
        let sql = "UPDATE delivery SET state = 'queued', next_attempt_at = created_at, requeued_at = ?2 \
                   WHERE id = ?1 AND state = 'dead'";
        let query = sqlx::query(sql).bind(self.delivery).bind(self.at.as_millisecond());
        let done = query.execute(&mut *conn).await?;
        if done.rows_affected() == 0 { Err(refuse(conn, self.delivery, "queued again").await) } else { Ok(()) }
    }
}

struct Cancel<'a> {
    delivery: i64,
    reason: &'a str,
}

impl Write for Cancel<'_> {
    type Out = ();

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<(), Failure> {
        let sql = "UPDATE delivery SET state = 'cancelled', note = ?2 WHERE id = ?1 AND state = 'queued'";
        let done = sqlx::query(sql).bind(self.delivery).bind(self.reason).execute(&mut *conn).await?;
        if done.rows_affected() == 0 { Err(refuse(conn, self.delivery, "cancelled").await) } else { Ok(()) }
    }
}

/// Says why nothing was changed.
async fn refuse(conn: &mut SqliteConnection, delivery: i64, wanted: &str) -> Failure {
    let sql = "SELECT state, attempting FROM delivery WHERE id = ?1";
    let detail = match sqlx::query(sql).bind(delivery).fetch_optional(conn).await {
        Err(error) => return error.into(),
        Ok(None) => "does not exist".to_owned(),
        Ok(Some(row)) => {
            let state: String = row.try_get(0).unwrap_or_default();
            let attempting: Option<i64> = row.try_get(1).unwrap_or_default();
            let state = if attempting.is_some() { format!("{state} and being sent") } else { state };
            format!("is {state} and can't be {wanted}")
        }
    };
    Failure::Refused { delivery, detail }
}
