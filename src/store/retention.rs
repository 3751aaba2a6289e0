//! What is too old to be kept goes, piece by piece, so that nothing else waits for it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::error::{Failure, StoreError};
use super::observations::{instant, labels_of};
use super::open::Store;
use super::write::Write;
use crate::model::grain::{BucketIndex, Grain, day_of};
use crate::model::ids::{KpiId, Labels};
use crate::model::observation::Parts;
use crate::model::rolled::RolledDay;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Messages that have ended, their attempts, and changes of alerts that are no longer live, from this instant on.
    pub told_since: Timestamp,
    pub kpis: Vec<Kept>,
}

/// What is kept of one KPI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub kpi: KpiId,
    /// Buckets from this one on; for grains finer than a day the first of one.
    pub first: BucketIndex,
    /// For grains finer than a day: what goes is added up by the day, in this zone.
    pub days: Option<(Grain, TimeZone)>,
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
        for kept in &self.keep.kpis {
            let Kept { kpi, first, days } = kept;
            if let Some((grain, zone)) = days {
                removed = removed.max(self.roll(conn, (kpi, *first), (*grain, zone)).await?);
                continue;
            }
            for sql in BUCKETS {
                let query = sqlx::query(sql).bind(kpi.as_str()).bind(first).bind(self.rows);
                removed = removed.max(query.execute(&mut *conn).await?.rows_affected());
            }
        }
        Ok(removed >= u64::from(self.rows))
    }
}

/// The oldest bucket that is too old of one of the KPI's series.
const OLDEST: &str = "SELECT id, bucket FROM ( \
        SELECT s.id, (SELECT min(bucket) FROM observation AS o WHERE o.series = s.id) AS bucket FROM series AS s \
        WHERE s.kpi = ?1) \
    WHERE bucket < ?2 LIMIT 1";

/// A day is added up once: what comes of it later, from a source that restates what is no longer kept, goes.
const ROLL: &str = "INSERT INTO rolled (series, day, buckets, total, low, high, last, numerator, denominator, n, known_at) \
    SELECT series, ?2, count(*), total(value), min(value), max(value), \
           (SELECT value FROM observation AS l WHERE l.series = ?1 AND l.bucket >= ?3 AND l.bucket < ?4 \
            AND l.value IS NOT NULL ORDER BY l.bucket DESC LIMIT 1), \
           sum(numerator), sum(denominator), sum(n), max(known_at) \
    FROM observation WHERE series = ?1 AND bucket >= ?3 AND bucket < ?4 \
          AND (value IS NOT NULL OR numerator IS NOT NULL) GROUP BY series \
    ON CONFLICT (series, day) DO NOTHING";

const ROLLED_UP: [&str; 2] = [
    "DELETE FROM observation_version WHERE series = ?1 AND bucket >= ?2 AND bucket < ?3",
    "DELETE FROM observation WHERE series = ?1 AND bucket >= ?2 AND bucket < ?3",
];

impl Prune<'_> {
    /// Whole days of one series after the other, until enough rows went. Gives how many.
    async fn roll(
        &self,
        conn: &mut SqliteConnection,
        (kpi, first): (&KpiId, BucketIndex),
        (grain, zone): (Grain, &TimeZone),
    ) -> Result<u64, Failure> {
        let mut removed = 0;
        while removed < u64::from(self.rows) {
            let oldest = sqlx::query_as(OLDEST).bind(kpi.as_str()).bind(first).fetch_optional(&mut *conn).await?;
            let Some((series, bucket)): Option<(i64, BucketIndex)> = oldest else { break };
            let day = day_of(grain.start_of(bucket, zone), zone);
            let (from, to) = grain.buckets_of_day(day, zone);
            // Another zone or width may be configured since: the bucket itself goes in any case.
            let (from, to) = (from.min(bucket), to.max(bucket + 1).min(first.max(bucket + 1)));
            let number = Grain::Day.index_of_date(day);
            let query = sqlx::query(ROLL).bind(series).bind(number).bind(from).bind(to);
            query.execute(&mut *conn).await?;
            for sql in ROLLED_UP {
                let done = sqlx::query(sql).bind(series).bind(from).bind(to).execute(&mut *conn).await?;
                removed += done.rows_affected();
            }
        }
        Ok(removed)
    }
}

impl Store {
    /// What the fine buckets of a KPI came to that are no longer kept, both days included, by labels and day.
    pub async fn rolled(&self, kpi: &KpiId, from: Date, to: Date) -> Result<Vec<(Labels, RolledDay)>, StoreError> {
        let load = async {
            let sql = "SELECT s.labels, r.day, r.buckets, r.total, r.low, r.high, r.last, r.numerator, r.denominator, r.n, \
                           r.known_at \
                       FROM series AS s CROSS JOIN rolled AS r ON r.series = s.id \
                       WHERE s.kpi = ?1 AND r.day BETWEEN ?2 AND ?3 ORDER BY s.labels, r.day";
            let number = |day| Grain::Day.index_of_date(day);
            let query = sqlx::query(sql).bind(kpi.as_str()).bind(number(from)).bind(number(to));
            query.fetch_all(&self.inner.readers).await?.iter().map(rolled).collect::<Result<Vec<_>, Failure>>()
        };
        load.await.map_err(|failure: Failure| failure.on(&self.inner.path))
    }
}

fn rolled(row: &SqliteRow) -> Result<(Labels, RolledDay), Failure> {
    let parts = match (row.try_get(7)?, row.try_get(8)?) {
        (Some(numerator), Some(denominator)) => Some(Parts { numerator, denominator, n: row.try_get(9)? }),
        (None, _) | (_, None) => None,
    };
    let defined = |column| row.try_get::<Option<f64>, _>(column).map(|value| value.unwrap_or(f64::NAN));
    let day = RolledDay {
        day: Grain::Day.date_of(row.try_get(1)?),
        buckets: row.try_get(2)?,
        total: row.try_get(3)?,
        low: defined(4)?,
        high: defined(5)?,
        last: defined(6)?,
        parts,
        known_at: instant(row.try_get(10)?)?,
    };
    Ok((labels_of(row.try_get(0)?)?, day))
}
