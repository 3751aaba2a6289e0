//! Observations: writing new versions, and reading series back.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::model::commit::Retired;
use crate::model::grain::BucketIndex;
use crate::model::ids::{KpiId, Labels, SeriesKey};
use crate::model::observation::{Observation, Parts};
use crate::model::series::{Point, SeriesData};

use super::error::{Failure, StoreError};
use super::open::Store;
use super::write::batch;

/// Sets the series that KPIs had so far aside, under a name that no KPI can have: ids hold no spaces. A commit that
/// comes again finds its own clock written, and leaves the series that followed alone.
pub(super) async fn retire(conn: &mut SqliteConnection, retired: &[Retired]) -> Result<(), Failure> {
    let rows: Vec<_> =
        retired.iter().map(|Retired { kpi, until, shape }| (kpi, format!("{kpi} until {until}"), shape)).collect();
    let sql = "UPDATE series SET kpi = j.value ->> 1 FROM json_each(?1) AS j \
               WHERE series.kpi = j.value ->> 0 \
               AND (SELECT body ->> '$.shape' FROM kpi_clock WHERE kpi = j.value ->> 0) IS NOT j.value ->> 2";
    batch(conn, sql, &rows).await?;
    // What was suspect of them goes with them.
    let sql = "UPDATE OR REPLACE suspect SET kpi = j.value ->> 1 FROM json_each(?1) AS j \
               WHERE suspect.kpi = j.value ->> 0 \
               AND (SELECT body ->> '$.shape' FROM kpi_clock WHERE kpi = j.value ->> 0) IS NOT j.value ->> 2";
    batch(conn, sql, &rows).await
}

/// Writes new versions; the ones they replace are kept. What equals the newest version is not written again.
pub(super) async fn put(conn: &mut SqliteConnection, observations: &[Observation]) -> Result<(), Failure> {
    if observations.is_empty() {
        return Ok(());
    }
    let ids = series_ids(conn, observations).await?;
    let mut left: Vec<(i64, &Observation)> =
        observations.iter().map(|observation| (ids[&observation.series], observation)).collect();
    // Nearly always one round: a statement can take only one version of a bucket.
    while !left.is_empty() {
        let mut seen = HashSet::with_capacity(left.len());
        let (now, later) = left.into_iter().partition(|(series, new)| seen.insert((*series, new.bucket)));
        put_round(conn, now).await?;
        left = later;
    }
    Ok(())
}

async fn put_round(conn: &mut SqliteConnection, round: Vec<(i64, &Observation)>) -> Result<(), Failure> {
    let rows: Vec<_> = round
        .into_iter()
        .map(|(series, new)| {
            let parts = new.parts.map(|parts| (parts.numerator, parts.denominator, parts.n));
            let (numerator, denominator, n) =
                parts.map_or((None, None, None), |(top, bottom, n)| (Some(top), Some(bottom), n));
            let known_at = new.known_at.as_millisecond();
            let (provisional, assumed) = (u8::from(new.provisional), u8::from(new.assumed));
            (series, new.bucket, new.value, numerator, denominator, n, provisional, known_at, assumed)
        })
        .collect();
    // The old version moves first, while it is still there to be compared.
    let sql = "INSERT INTO observation_version (series, bucket, version, value, numerator, denominator, n, \
                   provisional, known_at, assumed) \
               SELECT o.series, o.bucket, o.version, o.value, o.numerator, o.denominator, o.n, o.provisional, \
                   o.known_at, o.assumed \
               FROM json_each(?1) AS j CROSS JOIN observation AS o \
                   ON o.series = j.value ->> 0 AND o.bucket = j.value ->> 1 \
               WHERE o.value IS NOT j.value ->> 2 OR o.numerator IS NOT j.value ->> 3 \
                  OR o.denominator IS NOT j.value ->> 4 OR o.n IS NOT j.value ->> 5 \
                  OR o.provisional IS NOT j.value ->> 6";
    batch(conn, sql, &rows).await?;
    let sql = "INSERT INTO observation (series, bucket, value, numerator, denominator, n, provisional, known_at, \
                   assumed, version) \
               SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, \
                   value ->> 7, value ->> 8, 1 \
               FROM json_each(?1) WHERE true \
               ON CONFLICT (series, bucket) DO UPDATE SET value = excluded.value, numerator = excluded.numerator, \
                   denominator = excluded.denominator, n = excluded.n, provisional = excluded.provisional, \
                   known_at = excluded.known_at, assumed = excluded.assumed, version = version + 1 \
               WHERE value IS NOT excluded.value OR numerator IS NOT excluded.numerator \
                  OR denominator IS NOT excluded.denominator OR n IS NOT excluded.n \
                  OR provisional IS NOT excluded.provisional";
    batch(conn, sql, &rows).await
}

/// Numbers of the series concerned, new ones made on the way.
async fn series_ids<'a>(
    conn: &mut SqliteConnection,
    observations: &'a [Observation],
) -> Result<HashMap<&'a SeriesKey, i64>, Failure> {
    let mut keys: Vec<&SeriesKey> = Vec::new();
    let mut seen = HashSet::new();
    for observation in observations {
        if seen.insert(&observation.series) {
            keys.push(&observation.series);
        }
    }
    let mut rows = Vec::with_capacity(keys.len());
    for key in &keys {
        rows.push((&key.kpi, labels_text(&key.labels)?));
    }
    let sql = "INSERT INTO series (kpi, labels) SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE true \
               ON CONFLICT (kpi, labels) DO NOTHING";
    batch(conn, sql, &rows).await?;
    let sql = "SELECT s.id FROM json_each(?1) AS j CROSS JOIN series AS s \
                   ON s.kpi = j.value ->> 0 AND s.labels = j.value ->> 1 ORDER BY j.key";
    let ids: Vec<i64> = sqlx::query_scalar(sql).bind(serde_json::to_string(&rows)?).fetch_all(conn).await?;
    Ok(keys.into_iter().zip(ids).collect())
}

/// The canonical text of labels: names are sorted.
fn labels_text(labels: &Labels) -> Result<String, Failure> {
    Ok(serde_json::to_string(labels)?)
}

pub(super) fn labels_of(text: &str) -> Result<Labels, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Decode(format!("labels {text}: {error}")))
}

// Columns 0 to 7 of every query of observations, in the order that `observation` reads them.
macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "SELECT o.bucket, o.value, o.numerator, o.denominator, o.n, o.provisional, o.known_at, o.assumed, ",
            $rest
        )
    };
}

fn observation(row: &SqliteRow, series: SeriesKey) -> Result<Observation, Failure> {
    let parts = match (row.try_get(2)?, row.try_get(3)?) {
        (Some(numerator), Some(denominator)) => Some(Parts { numerator, denominator, n: row.try_get(4)? }),
        (None, _) | (_, None) => None,
    };
    Ok(Observation {
        series,
        bucket: row.try_get(0)?,
        // SQLite has no NaN: the ratio of a zero denominator is stored as null, and so is that there is no value any more.
        value: row.try_get::<Option<f64>, _>(1)?.unwrap_or(f64::NAN),
        parts,
        provisional: row.try_get(5)?,
        known_at: instant(row.try_get(6)?)?,
        assumed: row.try_get(7)?,
    })
}

/// A point from the columns series, twice the bucket plus provisional, value, numerator, denominator, n; none where the
/// bucket's value was withdrawn.
fn point(row: &SqliteRow) -> Result<Option<Point>, Failure> {
    let bucket: i64 = row.try_get_unchecked(1)?;
    let parts = match (row.try_get(3)?, row.try_get(4)?) {
        (Some(numerator), Some(denominator)) => Some(Parts { numerator, denominator, n: row.try_get(5)? }),
        (None, _) | (_, None) => None,
    };
    let value: Option<f64> = row.try_get(2)?;
    if value.is_none() && parts.is_none() {
        return Ok(None);
    }
    let value = value.unwrap_or(f64::NAN);
    Ok(Some(Point { index: bucket >> 1, value, parts, provisional: bucket & 1 == 1 }))
}

/// Ends one series of a load. One that a writer added in between waits for the next load.
fn hand_over(
    labels: &mut HashMap<i64, String>,
    series: Option<i64>,
    points: &mut Vec<Point>,
    each: &mut impl FnMut(Labels, SeriesData),
) -> Result<(), Failure> {
    if let Some(text) = series.and_then(|series| labels.remove(&series)) {
        each(labels_of(&text)?, SeriesData::of(points));
    }
    points.clear();
    Ok(())
}

/// An instant from its column.
pub(super) fn instant(milliseconds: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_millisecond(milliseconds)
        .map_err(|_| Failure::Decode(format!("instant {milliseconds} is out of range")))
}

impl Store {
    /// Hands over all newest versions of a KPI, series by series, oldest bucket first, without buckets whose value was
    /// withdrawn. Holds no more than a few rows.
    pub async fn load_series(
        &self,
        kpi: &KpiId,
        mut each: impl FnMut(&Labels, Observation) + Send,
    ) -> Result<(), StoreError> {
        let load = async {
            let sql = columns!(
                "s.id, s.labels FROM series AS s CROSS JOIN observation AS o ON o.series = s.id \
                 WHERE s.kpi = ?1 AND (o.value IS NOT NULL OR o.numerator IS NOT NULL) ORDER BY s.labels, o.bucket"
            );
            let mut rows = sqlx::query(sql).bind(kpi.as_str()).fetch(&self.inner.readers);
            let mut current = None;
            while let Some(row) = rows.try_next().await? {
                let id: i64 = row.try_get(8)?;
                if current.as_ref().is_none_or(|(known, _)| *known != id) {
                    let labels = labels_of(row.try_get(9)?)?;
                    current = Some((id, SeriesKey { kpi: kpi.clone(), labels }));
                }
                if let Some((_, series)) = &current {
                    each(&series.labels, observation(&row, series.clone())?);
                }
            }
            Ok(())
        };
        load.await.map_err(|failure: Failure| failure.on(&self.inner.path))
    }

    /// Hands over a KPI's series as they are held in memory, newest versions only: a fraction of the cost of
    /// whole observations, of which there may be millions. A series all of whose values were withdrawn is an empty one.
    pub async fn load_data(
        &self,
        kpi: &KpiId,
        mut each: impl FnMut(Labels, SeriesData) + Send,
    ) -> Result<(), StoreError> {
        let load = async {
            let sql = "SELECT id, labels FROM series WHERE kpi = ?1";
            let rows = sqlx::query_as(sql).bind(kpi.as_str()).fetch_all(&self.inner.readers).await?;
            let mut labels: HashMap<i64, String> = rows.into_iter().collect();
            let sql = "SELECT o.series, o.bucket * 2 + o.provisional, o.value, o.numerator, o.denominator, o.n \
                       FROM series AS s CROSS JOIN observation AS o ON o.series = s.id \
                       WHERE s.kpi = ?1 ORDER BY s.labels, o.bucket";
            let mut rows = sqlx::query(sql).bind(kpi.as_str()).fetch(&self.inner.readers);
            let mut current = None;
            let mut points = Vec::new();
            while let Some(row) = rows.try_next().await? {
                let series: i64 = row.try_get_unchecked(0)?;
                if current != Some(series) {
                    hand_over(&mut labels, current.replace(series), &mut points, &mut each)?;
                }
                points.extend(point(&row)?);
            }
            hand_over(&mut labels, current, &mut points, &mut each)
        };
        load.await.map_err(|failure: Failure| failure.on(&self.inner.path))
    }

    /// All newest versions of a KPI, by series, oldest bucket first, without buckets whose value was withdrawn.
    pub async fn series_of(&self, kpi: &KpiId) -> Result<Vec<(Labels, Vec<Observation>)>, StoreError> {
        let mut all: Vec<(Labels, Vec<Observation>)> = Vec::new();
        let collect = |labels: &Labels, observation: Observation| match all.last_mut() {
            Some((last, observations)) if last == labels => observations.push(observation),
            Some(_) | None => all.push((labels.clone(), vec![observation])),
        };
        self.load_series(kpi, collect).await?;
        Ok(all)
    }

    /// Newest versions in `from..=to`, by series, oldest bucket first, without buckets whose value was withdrawn.
    pub async fn observations(
        &self,
        kpi: &KpiId,
        from: BucketIndex,
        to: BucketIndex,
    ) -> Result<Vec<Observation>, StoreError> {
        let load = async {
            let sql = columns!(
                "s.labels FROM series AS s CROSS JOIN observation AS o ON o.series = s.id \
                 WHERE s.kpi = ?1 AND o.bucket BETWEEN ?2 AND ?3 \
                     AND (o.value IS NOT NULL OR o.numerator IS NOT NULL) ORDER BY s.labels, o.bucket"
            );
            let rows = sqlx::query(sql).bind(kpi.as_str()).bind(from).bind(to).fetch_all(&self.inner.readers).await?;
            let read =
                |row: &SqliteRow| observation(row, SeriesKey { kpi: kpi.clone(), labels: labels_of(row.try_get(8)?)? });
            rows.iter().map(read).collect::<Result<Vec<_>, Failure>>()
        };
        load.await.map_err(|failure: Failure| failure.on(&self.inner.path))
    }

    /// Every version of every bucket of a KPI, in the order in which they became known.
    pub async fn all_versions(&self, kpi: &KpiId) -> Result<Vec<Observation>, StoreError> {
        let load = async {
            let sql = columns!(
                "s.id, s.labels FROM series AS s CROSS JOIN ( \
                     SELECT series, bucket, value, numerator, denominator, n, provisional, known_at, assumed, version \
                     FROM observation_version \
                     UNION ALL \
                     SELECT series, bucket, value, numerator, denominator, n, provisional, known_at, assumed, version \
                     FROM observation) AS o ON o.series = s.id \
                 WHERE s.kpi = ?1 ORDER BY o.known_at, o.version, o.bucket"
            );
            let mut rows = sqlx::query(sql).bind(kpi.as_str()).fetch(&self.inner.readers);
            let mut known: HashMap<i64, SeriesKey> = HashMap::new();
            let mut all = Vec::new();
            while let Some(row) = rows.try_next().await? {
                let id: i64 = row.try_get(8)?;
                let series = match known.get(&id) {
                    Some(series) => series.clone(),
                    None => {
                        let series = SeriesKey { kpi: kpi.clone(), labels: labels_of(row.try_get(9)?)? };
                        known.insert(id, series.clone());
                        series
                    }
                };
                all.push(observation(&row, series)?);
            }
            Ok(all)
        };
        load.await.map_err(|failure: Failure| failure.on(&self.inner.path))
    }

    /// Every version of one bucket, in the order they came; the last is the newest.
    pub async fn versions_of(
        &self,
        kpi: &KpiId,
        labels: &Labels,
        bucket: BucketIndex,
    ) -> Result<Vec<Observation>, StoreError> {
        let load = async {
            let sql = columns!(
                "o.version FROM series AS s CROSS JOIN ( \
                     SELECT series, bucket, value, numerator, denominator, n, provisional, known_at, assumed, version \
                     FROM observation_version \
                     UNION ALL \
                     SELECT series, bucket, value, numerator, denominator, n, provisional, known_at, assumed, version \
                     FROM observation) AS o ON o.series = s.id \
                 WHERE s.kpi = ?1 AND s.labels = ?2 AND o.bucket = ?3 ORDER BY o.version"
            );
            let query = sqlx::query(sql).bind(kpi.as_str()).bind(labels_text(labels)?).bind(bucket);
            let rows = query.fetch_all(&self.inner.readers).await?;
            let series = SeriesKey { kpi: kpi.clone(), labels: labels.clone() };
            rows.iter().map(|row| observation(row, series.clone())).collect::<Result<Vec<_>, Failure>>()
        };
        load.await.map_err(|failure: Failure| failure.on(&self.inner.path))
    }
}
