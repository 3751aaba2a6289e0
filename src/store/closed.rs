//! How periods of objectives ended.

use jiff::civil::Date;
use sqlx::{Row, SqliteConnection, SqliteExecutor};

use super::error::{Failure, StoreError};
use super::open::Store;
use super::read::decode;
use super::write::batch;
use crate::model::ids::ObjectiveId;
use crate::model::outcome::ClosedPeriod;

impl Store {
    /// The periods that were decided of these objectives. Of those that are in no configuration any more they stay, for
    /// whoever asks for them by name, and for the day on which they come back.
    pub async fn closed_of<'o>(
        &self,
        objectives: impl IntoIterator<Item = &'o ObjectiveId>,
    ) -> Result<Vec<ClosedPeriod>, StoreError> {
        let names: Vec<&str> = objectives.into_iter().map(ObjectiveId::as_str).collect();
        let load = async {
            let sql = "SELECT objective, body FROM closed_period \
                       WHERE objective IN (SELECT value FROM json_each(?1)) ORDER BY objective, first_day, last_day";
            let rows = sqlx::query(sql).bind(serde_json::to_string(&names)?).fetch_all(&self.inner.readers).await?;
            rows.iter().map(|row| decode(row.try_get(0)?, row.try_get(1)?)).collect::<Result<_, Failure>>()
        };
        self.explained(load.await)
    }

    /// The periods that were decided of one objective, or of all, as far as they end within these days: by objective, oldest
    /// first.
    pub async fn closed_periods(
        &self,
        objective: Option<&ObjectiveId>,
        (from, to): (Option<Date>, Option<Date>),
    ) -> Result<Vec<ClosedPeriod>, StoreError> {
        let mut closed = self.explained(all(&self.inner.readers, objective).await)?;
        closed.retain(|closed| {
            let last = closed.period.last;
            from.is_none_or(|from| from <= last) && to.is_none_or(|to| last <= to)
        });
        Ok(closed)
    }
}

pub(super) async fn all(
    from: impl SqliteExecutor<'_>,
    objective: Option<&ObjectiveId>,
) -> Result<Vec<ClosedPeriod>, Failure> {
    let sql = "SELECT objective, body FROM closed_period WHERE ?1 IS NULL OR objective = ?1 \
               ORDER BY objective, first_day, last_day";
    let rows = sqlx::query(sql).bind(objective.map(ObjectiveId::as_str)).fetch_all(from).await?;
    rows.iter().map(|row| decode(row.try_get(0)?, row.try_get(1)?)).collect()
}

pub(super) async fn put(conn: &mut SqliteConnection, closed: &[ClosedPeriod]) -> Result<(), Failure> {
    let rows: Vec<_> = closed
        .iter()
        .map(|closed| {
            let name = (&closed.objective, closed.period.first, closed.period.last);
            let series = (&closed.kpi, serde_json::to_string(&closed.labels)?);
            let what = (closed.outcome, closed.actual, closed.revision, closed.decided_at.as_millisecond());
            Ok((name, series, what, closed))
        })
        .collect::<Result<_, Failure>>()?;
    let sql = "INSERT OR REPLACE INTO closed_period \
                   (objective, first_day, last_day, kpi, labels, outcome, actual, revision, decided_at, body) \
               SELECT value ->> '$[0][0]', value ->> '$[0][1]', value ->> '$[0][2]', value ->> '$[1][0]', \
                      value ->> '$[1][1]', value ->> '$[2][0]', value ->> '$[2][1]', value ->> '$[2][2]', \
                      value ->> '$[2][3]', value -> '$[3]' \
               FROM json_each(?1)";
    batch(conn, sql, &rows).await
}
