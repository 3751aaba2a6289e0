//! First half of a step: observations, alerts and transitions, in one transaction.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::model::alert::{Alert, AlertKey, Transition};
use crate::model::commit::{EvaluateCommit, RulePulse};
use crate::model::entry::Entry;
use crate::model::event::BusinessEvent;
use crate::model::suspect::Suspect;

use super::error::{Failure, StoreError};
use super::open::Store;
use super::write::{Write, batch};
use super::{audit, closed, evaluations, observations};

/// Rejections kept per KPI, newest first.
pub const REJECTIONS_PER_KPI_MAX: usize = 100;

impl Store {
    /// Writes what an evaluation decided, whole or not at all. Repeating a commit that went through changes nothing.
    pub async fn commit_evaluate(&self, commit: &EvaluateCommit, epoch: i64) -> Result<(), StoreError> {
        #[cfg(feature = "seeded-bugs")]
        if self.inner.bug == Some(super::open::SeededBug::TwoTransactions) {
            let (data, alerts) = torn(commit);
            self.write(epoch, Evaluate(&data)).await?;
            tokio::time::sleep(super::open::TORN_PAUSE).await;
            return self.write(epoch, Evaluate(&alerts)).await;
        }
        self.write(epoch, Evaluate(commit)).await
    }
}

/// The seeded bug: the slot is done, and its alerts are not yet written.
#[cfg(feature = "seeded-bugs")]
fn torn(commit: &EvaluateCommit) -> (EvaluateCommit, EvaluateCommit) {
    let mut data = commit.clone();
    let alerts = EvaluateCommit {
        alerts: std::mem::take(&mut data.alerts),
        gone: std::mem::take(&mut data.gone),
        pulses: std::mem::take(&mut data.pulses),
        transitions: std::mem::take(&mut data.transitions),
        ..EvaluateCommit::default()
    };
    (data, alerts)
}

struct Evaluate<'a>(&'a EvaluateCommit);

impl Write for Evaluate<'_> {
    type Out = ();

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<(), Failure> {
        let commit = self.0;
        if already_committed(conn, &commit.transitions).await? {
            return Ok(());
        }
        observations::retire(conn, &commit.retired).await?;
        observations::put(conn, &commit.observations).await?;
        put_rejections(conn, commit).await?;
        put_suspects(conn, &commit.suspects).await?;
        put_alerts(conn, &commit.alerts).await?;
        put_pulses(conn, &commit.pulses).await?;
        drop_alerts(conn, &commit.gone).await?;
        put_transitions(conn, &commit.transitions).await?;
        put_silences(conn, commit).await?;
        put_entries(conn, &commit.entries).await?;
        put_events(conn, &commit.events).await?;
        evaluations::put(conn, &commit.evaluations).await?;
        audit::put(conn, &commit.audit).await?;
        closed::put(conn, &commit.closed).await?;
        put_progress(conn, commit).await
    }
}

/// The process may have died between the commit and its acknowledgement; then the same transitions come again.
async fn already_committed(conn: &mut SqliteConnection, transitions: &[Transition]) -> Result<bool, Failure> {
    let Some(last) = transitions.last() else { return Ok(false) };
    let found: Option<String> = sqlx::query_scalar("SELECT alert FROM transition WHERE seq = ?1")
        .bind(last.seq as i64)
        .fetch_optional(conn)
        .await?;
    Ok(found.is_some_and(|alert| alert == last.key.canonical()))
}

pub(super) fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millisecond)
}

async fn put_alerts(conn: &mut SqliteConnection, alerts: &[Alert]) -> Result<(), Failure> {
    let rows: Vec<_> = alerts
        .iter()
        .map(|alert| {
            let name = (alert.key.canonical(), alert.key.id(), alert.key.kpi());
            let state = (alert.phase.as_str(), alert.severity, alert.episode);
            (name, state, alert.since.as_millisecond(), alert.slot.as_millisecond(), alert)
        })
        .collect();
    let sql = "INSERT INTO alert (alert, id, kpi, phase, severity, episode, since, slot, body) \
               SELECT value ->> '$[0][0]', value ->> '$[0][1]', value ->> '$[0][2]', value ->> '$[1][0]', \
                      value ->> '$[1][1]', value ->> '$[1][2]', value ->> '$[2]', value ->> '$[3]', value -> '$[4]' \
               FROM json_each(?1) WHERE true \
               ON CONFLICT (alert) DO UPDATE SET phase = excluded.phase, severity = excluded.severity, \
                   episode = excluded.episode, since = excluded.since, slot = excluded.slot, body = excluded.body";
    batch(conn, sql, &rows).await
}

async fn put_pulses(conn: &mut SqliteConnection, pulses: &[RulePulse]) -> Result<(), Failure> {
    for rule in pulses {
        let sql = if rule.alerts.is_empty() {
            "DELETE FROM pulse WHERE kpi = ?1 AND rule = ?2"
        } else {
            "INSERT OR REPLACE INTO pulse (kpi, rule, body) VALUES (?1, ?2, ?3)"
        };
        let body = serde_json::to_string(&rule.alerts)?;
        sqlx::query(sql).bind(rule.kpi.as_str()).bind(rule.rule.as_str()).bind(body).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Takes ended alerts out of the book.
pub(super) async fn drop_alerts(conn: &mut SqliteConnection, gone: &[AlertKey]) -> Result<(), Failure> {
    let keys: Vec<String> = gone.iter().map(AlertKey::canonical).collect();
    let sql = "INSERT OR REPLACE INTO alert_episode (alert, episode) SELECT alert, episode FROM alert \
               WHERE episode > 0 AND alert IN (SELECT value FROM json_each(?1))";
    batch(conn, sql, &keys).await?;
    batch(conn, "DELETE FROM alert WHERE alert IN (SELECT value FROM json_each(?1))", &keys).await
}

async fn put_transitions(conn: &mut SqliteConnection, transitions: &[Transition]) -> Result<(), Failure> {
    let rows: Vec<_> = transitions
        .iter()
        .map(|step| {
            let name = (step.key.canonical(), step.key.id(), step.key.kpi(), step.episode);
            let when = (step.at.as_millisecond(), step.slot.as_millisecond());
            let what = (step.from.as_str(), step.to.as_str(), step.change.name(), step.severity, step.value);
            (step.seq, name, when, what, step)
        })
        .collect();
    let sql = "INSERT INTO transition (seq, alert, alert_id, kpi, episode, at, slot, from_phase, to_phase, change, \
                   severity, value, body) \
               SELECT value ->> '$[0]', value ->> '$[1][0]', value ->> '$[1][1]', value ->> '$[1][2]', \
                      value ->> '$[1][3]', value ->> '$[2][0]', value ->> '$[2][1]', value ->> '$[3][0]', \
                      value ->> '$[3][1]', value ->> '$[3][2]', value ->> '$[3][3]', value ->> '$[3][4]', \
                      value -> '$[4]' \
               FROM json_each(?1)";
    batch(conn, sql, &rows).await
}

async fn put_rejections(conn: &mut SqliteConnection, commit: &EvaluateCommit) -> Result<(), Failure> {
    if commit.rejections.is_empty() {
        return Ok(());
    }
    // The same reading refused again moves to the newest place instead of filling the list.
    let sql = "INSERT OR REPLACE INTO rejection (kpi, origin, raw, cause) \
               SELECT value ->> '$[0]', value ->> '$[1].origin', value ->> '$[1].raw', value ->> '$[1].cause' \
               FROM json_each(?1)";
    batch(conn, sql, &commit.rejections).await?;
    let sql = "DELETE FROM rejection WHERE id IN (SELECT id FROM ( \
                   SELECT id, row_number() OVER (PARTITION BY kpi ORDER BY id DESC) AS place FROM rejection \
                   WHERE kpi IN (SELECT value ->> '$[0]' FROM json_each(?1))) WHERE place > ?2)";
    let kpis: std::collections::BTreeSet<_> = commit.rejections.iter().map(|(kpi, _)| (kpi,)).collect();
    let kpis = serde_json::to_string(&kpis)?;
    sqlx::query(sql).bind(kpis).bind(REJECTIONS_PER_KPI_MAX as i64).execute(conn).await?;
    Ok(())
}

async fn put_suspects(conn: &mut SqliteConnection, suspects: &[Suspect]) -> Result<(), Failure> {
    let rows: Vec<_> = suspects
        .iter()
        .map(|suspect| {
            let since = suspect.since.as_millisecond();
            (&suspect.series.kpi, &suspect.series.labels, suspect.bucket, suspect.state.as_str(), since, suspect)
        })
        .collect();
    // The value comes back to `body` as it was: JSON knows no infinite number, and a suspect value is none.
    let sql = "INSERT OR REPLACE INTO suspect (kpi, labels, bucket, state, since, body) \
               SELECT value ->> 0, value -> 1, value ->> 2, value ->> 3, value ->> 4, value -> 5 FROM json_each(?1)";
    batch(conn, sql, &rows).await
}

async fn put_silences(conn: &mut SqliteConnection, commit: &EvaluateCommit) -> Result<(), Failure> {
    let rows: Vec<_> = commit
        .silences
        .iter()
        .map(|silence| (&silence.id, silence.from.as_millisecond(), silence.until.as_millisecond(), silence))
        .collect();
    let sql = "INSERT OR REPLACE INTO silence (id, starts_at, ends_at, body) \
               SELECT value ->> 0, value ->> 1, value ->> 2, value -> 3 FROM json_each(?1)";
    batch(conn, sql, &rows).await?;
    batch(conn, "DELETE FROM silence WHERE id IN (SELECT value FROM json_each(?1))", &commit.silences_gone).await
}

async fn put_entries(conn: &mut SqliteConnection, entries: &[Entry]) -> Result<(), Failure> {
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            let labels = serde_json::to_string(&entry.labels)?;
            Ok((&entry.kpi, labels, &entry.period, entry.value, &entry.by, entry.at.as_millisecond(), entry))
        })
        .collect::<Result<_, Failure>>()?;
    let sql = "INSERT OR IGNORE INTO entry (kpi, labels, period, value, entered_by, entered_at, body) \
               SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value -> 6 \
               FROM json_each(?1)";
    batch(conn, sql, &rows).await
}

async fn put_events(conn: &mut SqliteConnection, events: &[BusinessEvent]) -> Result<(), Failure> {
    let rows: Vec<_> =
        events.iter().map(|event| (&event.id, millis(event.known_at), millis(event.removed_at), event)).collect();
    let sql = "INSERT OR REPLACE INTO event (id, known_at, removed_at, body) \
               SELECT value ->> 0, coalesce(value ->> 1, 0), value ->> 2, value -> 3 FROM json_each(?1)";
    batch(conn, sql, &rows).await
}

async fn put_progress(conn: &mut SqliteConnection, commit: &EvaluateCommit) -> Result<(), Failure> {
    let rows: Vec<_> = commit
        .clocks
        .iter()
        .map(|clock| {
            let pull = (clock.pulled_to, millis(clock.last_pull_at), &clock.last_error);
            (&clock.kpi, millis(clock.last_slot), pull, clock)
        })
        .collect();
    let sql = "INSERT OR REPLACE INTO kpi_clock (kpi, last_slot, pulled_to, last_pull_at, last_error, body) \
               SELECT value ->> '$[0]', value ->> '$[1]', value ->> '$[2][0]', value ->> '$[2][1]', \
                      value ->> '$[2][2]', value -> '$[3]' \
               FROM json_each(?1)";
    batch(conn, sql, &rows).await?;
    let rows: Vec<_> = commit
        .sources
        .iter()
        .map(|state| (&state.source, state.failures, millis(state.last_ok), &state.last_error, state))
        .collect();
    let sql = "INSERT OR REPLACE INTO source_state (source, failures, last_ok, last_error, body) \
               SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value -> 4 FROM json_each(?1)";
    batch(conn, sql, &rows).await
}
