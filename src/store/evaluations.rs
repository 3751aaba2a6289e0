//! The log of evaluations, and what people said of alerts.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use sqlx::{Row, SqliteConnection};

use super::error::{Failure, StoreError};
use super::open::Store;
use super::read::decode;
use super::write::{Write, batch};
use crate::model::evaluation::{EvaluationRecord, Feedback, RuleHabit, SeriesVerdict, VerdictCounts};
use crate::model::ids::{KpiId, RuleId};

/// How long an evaluation is kept: a quarter of a year.
const KEPT: SignedDuration = SignedDuration::from_hours(92 * 24);
/// Slots of one rule on one KPI that are kept.
const SLOTS_MAX: i64 = 1_000;

/// Writes what was evaluated, and lets go of what is too old.
pub(super) async fn put(conn: &mut SqliteConnection, evaluations: &[EvaluationRecord]) -> Result<(), Failure> {
    let Some(newest) = evaluations.iter().map(|record| record.at).max() else { return Ok(()) };
    let rows: Vec<_> = evaluations
        .iter()
        .map(|record| {
            let VerdictCounts { quiet, breach, held, no_data, failed } = record.counts;
            let when = (record.slot.as_millisecond(), record.at.as_millisecond());
            let digests = (&record.script, &record.config);
            let counts = (quiet, breach, held, no_data, failed);
            (&record.rule, &record.kpi, when, digests, counts, &record.series)
        })
        .collect();
    let sql = "INSERT OR REPLACE INTO evaluation (rule, kpi, slot, at, script, config, quiet, breach, held, no_data, \
                   failed, body) \
               SELECT value ->> '$[0]', value ->> '$[1]', value ->> '$[2][0]', value ->> '$[2][1]', \
                      value ->> '$[3][0]', value ->> '$[3][1]', value ->> '$[4][0]', value ->> '$[4][1]', \
                      value ->> '$[4][2]', value ->> '$[4][3]', value ->> '$[4][4]', value -> '$[5]' \
               FROM json_each(?1)";
    batch(conn, sql, &rows).await?;
    let oldest = newest.checked_sub(KEPT).unwrap_or(newest).as_millisecond();
    sqlx::query("DELETE FROM evaluation WHERE at < ?1").bind(oldest).execute(&mut *conn).await?;
    let judged: BTreeSet<(&RuleId, &KpiId)> = evaluations.iter().map(|record| (&record.rule, &record.kpi)).collect();
    let sql = "DELETE FROM evaluation WHERE (rule, kpi, slot, at) IN ( \
                   SELECT old.rule, old.kpi, old.slot, old.at FROM json_each(?1) AS j CROSS JOIN evaluation AS old \
                       ON old.rule = j.value ->> 0 AND old.kpi = j.value ->> 1 AND old.slot < ( \
                           SELECT slot FROM evaluation WHERE rule = j.value ->> 0 AND kpi = j.value ->> 1 \
                           ORDER BY slot DESC LIMIT 1 OFFSET ?2))";
    sqlx::query(sql).bind(serde_json::to_string(&judged)?).bind(SLOTS_MAX - 1).execute(conn).await?;
    Ok(())
}

struct Give<'a>(&'a Feedback);

impl Write for Give<'_> {
    type Out = ();

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<(), Failure> {
        let Feedback { identity, episode, rule, at, .. } = self.0;
        let sql = "INSERT OR REPLACE INTO feedback (alert, episode, rule, given_at, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        let body = serde_json::to_string(self.0)?;
        let query = sqlx::query(sql).bind(identity).bind(i64::from(*episode)).bind(rule.as_str());
        query.bind(at.as_millisecond()).bind(body).execute(conn).await?;
        Ok(())
    }
}

impl Store {
    /// Notes what a person says of a firing; it takes the place of what was said of it before.
    pub async fn give_feedback(&self, feedback: &Feedback) -> Result<(), StoreError> {
        self.write(self.epoch(), Give(feedback)).await
    }

    /// All that people said, oldest first.
    pub async fn feedback(&self) -> Result<Vec<Feedback>, StoreError> {
        let read = async {
            let sql = "SELECT alert, body FROM feedback ORDER BY given_at, alert, episode";
            let rows = sqlx::query(sql).fetch_all(&self.inner.readers).await?;
            rows.iter().map(|row| decode(row.try_get(0)?, row.try_get(1)?)).collect()
        };
        self.explained(read.await)
    }

    /// What each rule's verdicts have been over the slots that are kept.
    pub async fn habits(&self) -> Result<Vec<RuleHabit>, StoreError> {
        let read = async {
            let sql = "SELECT rule, count(DISTINCT slot) AS slots, sum(quiet) AS quiet, sum(breach) AS breach, \
                           sum(held) AS held, sum(no_data) AS no_data, sum(failed) AS failed, min(at) AS since \
                       FROM evaluation GROUP BY rule ORDER BY rule";
            let rows = sqlx::query(sql).fetch_all(&self.inner.readers).await?;
            let mut habits = Vec::with_capacity(rows.len());
            for row in rows {
                let rule: String = row.try_get("rule")?;
                let slots: i64 = row.try_get("slots")?;
                let since: i64 = row.try_get("since")?;
                let sql = "SELECT sum(quiet) AS quiet, sum(breach) AS breach, sum(held) AS held, \
                               sum(no_data) AS no_data, sum(failed) AS failed \
                           FROM evaluation AS e WHERE rule = ?1 AND slot = ( \
                               SELECT max(slot) FROM evaluation AS n WHERE n.rule = ?1 AND n.kpi = e.kpi)";
                let newest = sqlx::query(sql).bind(&rule).fetch_one(&self.inner.readers).await?;
                let sql = "SELECT body FROM evaluation WHERE rule = ?1 AND failed > 0 ORDER BY at DESC LIMIT 1";
                let failed: Option<String> =
                    sqlx::query_scalar(sql).bind(&rule).fetch_optional(&self.inner.readers).await?;
                let failure = match failed {
                    Some(body) => {
                        let series: Vec<SeriesVerdict> = serde_json::from_str(&body)?;
                        series.into_iter().find(|series| series.verdict == "failed").and_then(|series| series.why)
                    }
                    None => None,
                };
                habits.push(RuleHabit {
                    rule: RuleId::from(rule),
                    slots: u64::try_from(slots).unwrap_or(0),
                    counts: counts(&row)?,
                    newest: counts(&newest)?,
                    since: Timestamp::from_millisecond(since).unwrap_or(Timestamp::MIN),
                    failure,
                });
            }
            Ok(habits)
        };
        self.explained(read.await)
    }

    /// The instants at which a KPI was judged, each with its slot, oldest first.
    pub async fn judged_at(&self, kpi: &KpiId) -> Result<Vec<(Timestamp, Timestamp)>, StoreError> {
        let read = async {
            let sql = "SELECT DISTINCT at, slot FROM evaluation WHERE kpi = ?1 ORDER BY at, slot";
            let rows: Vec<(i64, i64)> = sqlx::query_as(sql).bind(kpi.as_str()).fetch_all(&self.inner.readers).await?;
            let instant = |millis| Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MIN);
            Ok(rows.into_iter().map(|(at, slot)| (instant(at), instant(slot))).collect())
        };
        self.explained(read.await)
    }

    /// The newest evaluations of a rule on a KPI up to an instant, newest first.
    pub async fn evaluations(
        &self,
        rule: &RuleId,
        kpi: &KpiId,
        (until, limit): (Timestamp, u32),
    ) -> Result<Vec<EvaluationRecord>, StoreError> {
        let read = async {
            let sql = "SELECT slot, at, script, config, quiet, breach, held, no_data, failed, body FROM evaluation \
                       WHERE rule = ?1 AND kpi = ?2 AND at <= ?3 ORDER BY slot DESC, at DESC LIMIT ?4";
            let query = sqlx::query(sql).bind(rule.as_str()).bind(kpi.as_str()).bind(until.as_millisecond());
            let rows = query.bind(limit).fetch_all(&self.inner.readers).await?;
            rows.iter()
                .map(|row| {
                    let at = |name: &str| {
                        let millis: i64 = row.try_get(name)?;
                        Ok::<_, Failure>(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MIN))
                    };
                    let body: &str = row.try_get("body")?;
                    Ok(EvaluationRecord {
                        rule: rule.clone(),
                        kpi: kpi.clone(),
                        slot: at("slot")?,
                        at: at("at")?,
                        script: row.try_get("script")?,
                        config: row.try_get("config")?,
                        counts: counts(row)?,
                        series: serde_json::from_str(body)?,
                    })
                })
                .collect()
        };
        self.explained(read.await)
    }
}

fn counts(row: &sqlx::sqlite::SqliteRow) -> Result<VerdictCounts, Failure> {
    let count = |name: &str| {
        let count: Option<i64> = row.try_get(name)?;
        Ok::<_, Failure>(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
    };
    Ok(VerdictCounts {
        quiet: count("quiet")?,
        breach: count("breach")?,
        held: count("held")?,
        no_data: count("no_data")?,
        failed: count("failed")?,
    })
}
