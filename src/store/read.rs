//! Reading back: the state that the engine takes up, and what people ask about.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteExecutor};

use crate::model::alert::{Alert, Transition};
use crate::model::commit::{KpiClock, RulePulse, SourceState, StoredState};
use crate::model::digest::Digest;
use crate::model::entry::Entry;
use crate::model::event::BusinessEvent;
use crate::model::ids::{KpiId, ReceiverId};
use crate::model::notification::{Delivery, DeliveryState, Silence};
use crate::model::observation::Rejection;
use crate::model::suspect::Suspect;

use super::error::{Failure, StoreError};
use super::evaluate::millis;
use super::observations::instant;
use super::open::Store;
use super::outbox::{delivery_columns, delivery_of};

/// One try at a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    pub id: i64,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// None while under way; then `sent`, `retry`, `ambiguous`, `permanent` or `unknown`.
    pub outcome: Option<String>,
    /// What the provider said, or the cause. Free of secrets.
    pub detail: Option<String>,
}

/// Which deliveries to show; what is not set does not narrow.
#[derive(Clone, Debug)]
pub struct DeliveryFilter {
    pub state: Option<DeliveryState>,
    pub receiver: Option<ReceiverId>,
    /// An alert's short name or its identity as one line.
    pub alert: Option<String>,
    pub limit: u32,
}

impl Default for DeliveryFilter {
    fn default() -> Self {
        DeliveryFilter { state: None, receiver: None, alert: None, limit: 100 }
    }
}

/// Which transitions to show; what is not set does not narrow.
#[derive(Clone, Debug)]
pub struct TransitionFilter {
    pub kpi: Option<KpiId>,
    /// An alert's short name or its identity as one line.
    pub alert: Option<String>,
    /// Decided at this instant or later.
    pub since: Option<Timestamp>,
    pub limit: u32,
}

impl Default for TransitionFilter {
    fn default() -> Self {
        TransitionFilter { kpi: None, alert: None, since: None, limit: 1000 }
    }
}

/// What somebody was told about one alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemRecord {
    pub notification: String,
    pub receiver: ReceiverId,
    /// The alert's identity as one line.
    pub alert: String,
    pub episode: u32,
    pub reason: String,
    pub slot: Timestamp,
}

impl Store {
    /// Everything the engine takes up at start, as of one moment. Series, and the periods that were decided of
    /// objectives, are loaded apart.
    pub async fn load(&self) -> Result<StoredState, StoreError> {
        let load = async {
            let mut tx = self.inner.readers.begin().await?;
            let pulses = pulses_in(&mut *tx).await?;
            let alerts = alerts_in(&mut *tx, &pulses).await?;
            let sql = "SELECT alert, episode FROM alert_episode ORDER BY alert";
            let rows: Vec<(String, u32)> = sqlx::query_as(sql).fetch_all(&mut *tx).await?;
            let episodes = rows.into_iter().map(|(alert, episode)| (Digest::of(alert), episode)).collect();
            let groups = bodies(&mut *tx, "SELECT id, body FROM alert_group ORDER BY id").await?;
            let silences = bodies(&mut *tx, SILENCES).await?;
            let clocks = bodies(&mut *tx, CLOCKS).await?;
            let events = bodies(&mut *tx, EVENTS).await?;
            let sources: Vec<SourceState> =
                bodies(&mut *tx, "SELECT source, body FROM source_state ORDER BY source").await?;
            let suspects = bodies(&mut *tx, OPEN_SUSPECTS).await?;
            let last_seq: i64 =
                sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM transition").fetch_one(&mut *tx).await?;
            let sql = "SELECT max((SELECT count(*) FROM notification), \
                                  (SELECT coalesce(max(number), 0) FROM notification))";
            let notifications: i64 = sqlx::query_scalar(sql).fetch_one(&mut *tx).await?;
            let sql = "SELECT value FROM meta WHERE name = 'config_checksum'";
            let config_checksum = sqlx::query_scalar(sql).fetch_optional(&mut *tx).await?;
            let (last_seq, notifications) = (last_seq as u64, notifications as u64);
            Ok(StoredState {
                alerts,
                pulses,
                episodes,
                groups,
                silences,
                clocks,
                sources,
                suspects,
                last_seq,
                notifications,
                config_checksum,
                events,
            })
        };
        self.explained(load.await)
    }

    /// Live alerts, by identity.
    pub async fn alerts(&self) -> Result<Vec<Alert>, StoreError> {
        let load = async {
            let mut tx = self.inner.readers.begin().await?;
            let pulses = pulses_in(&mut *tx).await?;
            alerts_in(&mut *tx, &pulses).await
        };
        self.explained(load.await)
    }

    pub async fn clocks(&self) -> Result<Vec<KpiClock>, StoreError> {
        self.explained(bodies(&self.inner.readers, CLOCKS).await)
    }

    pub async fn silences(&self) -> Result<Vec<Silence>, StoreError> {
        self.explained(bodies(&self.inner.readers, SILENCES).await)
    }

    /// Events that people added, also those that were removed since.
    pub async fn events(&self) -> Result<Vec<BusinessEvent>, StoreError> {
        self.explained(bodies(&self.inner.readers, EVENTS).await)
    }

    /// Readings of a KPI that were refused, newest first.
    pub async fn rejections(&self, kpi: &KpiId) -> Result<Vec<Rejection>, StoreError> {
        let sql = "SELECT origin, raw, cause FROM rejection WHERE kpi = ?1 ORDER BY id DESC";
        let rows: Result<Vec<(String, String, String)>, _> =
            sqlx::query_as(sql).bind(kpi.as_str()).fetch_all(&self.inner.readers).await;
        let rows = self.explained(rows.map_err(Failure::from))?;
        Ok(rows.into_iter().map(|(origin, raw, cause)| Rejection { origin, raw, cause }).collect())
    }

    /// Suspect values of KPIs, newest first; of all states or only those that are not settled.
    pub async fn suspects(&self, open_only: bool, limit: u32) -> Result<Vec<Suspect>, StoreError> {
        let read = async {
            let sql = "SELECT kpi, body FROM suspect WHERE (NOT ?1 OR state IN ('seen', 'asked')) \
                       AND kpi NOT LIKE '% until %' ORDER BY since DESC, kpi, labels, bucket LIMIT ?2";
            let rows = sqlx::query(sql).bind(open_only).bind(limit).fetch_all(&self.inner.readers).await?;
            rows.iter().map(|row| decode(row.try_get(0)?, row.try_get(1)?)).collect()
        };
        self.explained(read.await)
    }

    /// Figures that people entered for a KPI, newest first.
    pub async fn entries(&self, kpi: &KpiId, limit: u32) -> Result<Vec<Entry>, StoreError> {
        let sql = "SELECT body FROM entry WHERE kpi = ?1 ORDER BY entered_at DESC, id DESC LIMIT ?2";
        let read = async {
            let rows: Vec<String> =
                sqlx::query_scalar(sql).bind(kpi.as_str()).bind(limit).fetch_all(&self.inner.readers).await?;
            rows.iter().map(|body| Ok(serde_json::from_str(body)?)).collect::<Result<_, Failure>>()
        };
        self.explained(read.await)
    }

    /// The newest transitions that the filter lets through, oldest first.
    pub async fn transitions(&self, filter: &TransitionFilter) -> Result<Vec<Transition>, StoreError> {
        let sql = "SELECT seq, body FROM transition WHERE (?1 IS NULL OR kpi = ?1) \
                   AND (?2 IS NULL OR alert_id = ?2 OR alert = ?2) AND (?3 IS NULL OR at >= ?3) \
                   ORDER BY seq DESC LIMIT ?4";
        let query = sqlx::query(sql)
            .bind(filter.kpi.as_ref().map(KpiId::as_str))
            .bind(filter.alert.as_deref())
            .bind(millis(filter.since))
            .bind(filter.limit);
        let read = async {
            let rows = query.fetch_all(&self.inner.readers).await?;
            rows.iter().rev().map(|row| decode(&row.try_get::<i64, _>(0)?.to_string(), row.try_get(1)?)).collect()
        };
        self.explained(read.await)
    }

    /// Deliveries that the filter lets through, newest first.
    pub async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        let sql = delivery_columns!(
            "FROM delivery AS d WHERE (?1 IS NULL OR d.state = ?1) AND (?2 IS NULL OR d.receiver = ?2) \
             AND (?3 IS NULL OR d.notification IN \
                 (SELECT notification FROM notification_item WHERE alert_id = ?3 OR alert = ?3)) \
             ORDER BY d.id DESC LIMIT ?4"
        );
        let query = sqlx::query(sql)
            .bind(filter.state.map(DeliveryState::as_str))
            .bind(filter.receiver.as_ref().map(ReceiverId::as_str))
            .bind(filter.alert.as_deref())
            .bind(filter.limit);
        self.deliveries_of(query.fetch_all(&self.inner.readers).await)
    }

    /// One delivery with its attempts, oldest first.
    pub async fn delivery(&self, id: i64) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        let read = async {
            let sql = delivery_columns!("FROM delivery AS d WHERE d.id = ?1");
            let Some(row) = sqlx::query(sql).bind(id).fetch_optional(&self.inner.readers).await? else {
                return Ok(None);
            };
            let sql =
                "SELECT id, started_at, finished_at, outcome, detail FROM attempt WHERE delivery = ?1 ORDER BY id";
            let mut attempts = Vec::new();
            for row in sqlx::query(sql).bind(id).fetch_all(&self.inner.readers).await? {
                attempts.push(Attempt {
                    id: row.try_get(0)?,
                    started_at: instant(row.try_get(1)?)?,
                    finished_at: row.try_get::<Option<i64>, _>(2)?.map(instant).transpose()?,
                    outcome: row.try_get(3)?,
                    detail: row.try_get(4)?,
                });
            }
            Ok(Some((delivery_of(&row)?, attempts)))
        };
        self.explained(read.await)
    }

    /// Everything anybody was told, in the order of decisions.
    pub async fn notification_items(&self) -> Result<Vec<ItemRecord>, StoreError> {
        let read = async {
            let sql = "SELECT i.notification, n.receiver, i.alert, i.episode, i.reason, i.slot \
                       FROM notification AS n CROSS JOIN notification_item AS i ON i.notification = n.id \
                       ORDER BY n.rowid, i.position";
            let mut items = Vec::new();
            for row in sqlx::query(sql).fetch_all(&self.inner.readers).await? {
                items.push(ItemRecord {
                    notification: row.try_get(0)?,
                    receiver: row.try_get::<String, _>(1)?.into(),
                    alert: row.try_get(2)?,
                    episode: row.try_get(3)?,
                    reason: row.try_get(4)?,
                    slot: instant(row.try_get(5)?)?,
                });
            }
            Ok(items)
        };
        self.explained(read.await)
    }

    pub(super) fn explained<T>(&self, done: Result<T, Failure>) -> Result<T, StoreError> {
        done.map_err(|failure| failure.on(&self.inner.path))
    }
}

const SILENCES: &str = "SELECT id, body FROM silence ORDER BY id";
/// Those that are open, and those that a person has replaced.
const OPEN_SUSPECTS: &str = "SELECT kpi, body FROM suspect \
    WHERE state IN ('seen', 'asked', 'corrected', 'rejected') AND kpi NOT LIKE '% until %' ORDER BY kpi, labels, bucket";
const EVENTS: &str = "SELECT id, body FROM event ORDER BY known_at, id";
const CLOCKS: &str = "SELECT kpi, body FROM kpi_clock ORDER BY kpi";

/// Values kept as JSON, each beside the name that a message would call it by.
async fn bodies<T: DeserializeOwned>(from: impl SqliteExecutor<'_>, sql: &'static str) -> Result<Vec<T>, Failure> {
    let rows = sqlx::query(sql).fetch_all(from).await?;
    rows.iter().map(|row| decode(row.try_get(0)?, row.try_get(1)?)).collect()
}

pub(super) fn decode<T: DeserializeOwned>(name: &str, body: &str) -> Result<T, Failure> {
    serde_json::from_str(body).map_err(|error| Failure::Decode(format!("{name}: {error}")))
}

async fn alerts_in(from: impl SqliteExecutor<'_>, pulses: &[RulePulse]) -> Result<Vec<Alert>, Failure> {
    let rows = sqlx::query("SELECT alert, body FROM alert ORDER BY alert").fetch_all(from).await?;
    let decoded = rows.iter().map(|row| decode_alert(row.try_get(0)?, row.try_get(1)?));
    let mut alerts = decoded.collect::<Result<Vec<_>, Failure>>()?;
    RulePulse::apply(pulses, &mut alerts);
    Ok(alerts)
}

async fn pulses_in(from: impl SqliteExecutor<'_>) -> Result<Vec<RulePulse>, Failure> {
    let rows = sqlx::query("SELECT kpi, rule, body FROM pulse ORDER BY kpi, rule").fetch_all(from).await?;
    let pulse = |row: &SqliteRow| {
        let (kpi, rule, body): (&str, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(RulePulse { kpi: kpi.into(), rule: rule.into(), alerts: decode(rule, body)? })
    };
    rows.iter().map(pulse).collect()
}

/// An alert without its figures is worth more than a service that does not start: a figure that JSON can't carry
/// (infinite) must not hold the state back. The next evaluation brings new figures.
fn decode_alert(name: &str, body: &str) -> Result<Alert, Failure> {
    decode(name, body).or_else(|failure| {
        let mut bare: serde_json::Value = decode(name, body)?;
        let dropped = bare.as_object_mut().and_then(|fields| fields.remove("facts"));
        if dropped.is_none() {
            return Err(failure);
        }
        tracing::warn!(alert = name, "the alert's figures can't be read back and were dropped");
        serde_json::from_value(bare).map_err(|error| Failure::Decode(format!("{name}: {error}")))
    })
}
