//! Carries what is stored over to the names that things have from now on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::SqliteConnection;

use super::closed;
use super::error::{Failure, StoreError};
use super::notify::{group_id, put_groups};
use super::open::Store;
use super::read::decode;
use super::write::{Write, batch};
use crate::model::alert::AlertKey;
use crate::model::commit::{KpiClock, Pulse};
use crate::model::evaluation::SeriesVerdict;
use crate::model::event::BusinessEvent;
use crate::model::ids::{AlertId, KpiId, ObjectiveId, RuleId};
use crate::model::notification::{Group, Silence};
use crate::model::outcome::ClosedPeriod;
use crate::model::rename::Renames;

/// What became of names that were to be carried over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renamed {
    /// Those of which something was stored.
    pub done: Renames,
    /// Why others were not, one sentence each.
    pub refused: Vec<String>,
}

impl Store {
    /// Carries over what is stored under old names, whole or not at all. Names of which nothing is stored are passed over,
    /// so that it may be asked for at every start.
    pub async fn rename(&self, renames: &Renames) -> Result<Renamed, StoreError> {
        if renames.is_empty() {
            return Ok(Renamed::default());
        }
        self.write(self.epoch(), Rename(renames)).await
    }
}

struct Rename<'a>(&'a Renames);

impl Write for Rename<'_> {
    type Out = Renamed;

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<Renamed, Failure> {
        let keys = keys(conn).await?;
        let names = names(conn).await?;
        let clocks: Vec<KpiClock> = all(conn, "SELECT kpi, body FROM kpi_clock").await?;
        let closed = closed::all(&mut *conn, None).await?;
        let objectives = closed.iter().map(|closed| closed.objective.clone()).collect();
        let renamed = due(self.0, (&keys, objectives), &names, &clocks);
        if !renamed.done.is_empty() {
            let renames = &renamed.done;
            let moved = keys.values().filter_map(|key| Some((key, renames.alert(key)?))).collect();
            put_kpis(conn, renames, &names).await?;
            put_rules(conn, renames).await?;
            put_alerts(conn, &moved).await?;
            put_groups_anew(conn, renames).await?;
            put_others(conn, renames, &moved, clocks).await?;
            put_closed(conn, renames, closed).await?;
        }
        Ok(renamed)
    }
}

/// New identities by old ones.
type Moved<'a> = BTreeMap<&'a AlertKey, AlertKey>;

/// Identities of all alerts that are or were, by their one line.
async fn keys(conn: &mut SqliteConnection) -> Result<BTreeMap<String, AlertKey>, Failure> {
    let sql = "SELECT alert, body -> '$.key' FROM alert UNION SELECT alert, body -> '$.key' FROM transition";
    let rows: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&mut *conn).await?;
    rows.into_iter()
        .map(|(alert, key)| {
            let key = decode(&alert, &key)?;
            Ok((alert, key))
        })
        .collect()
}

/// All KPIs that anything is stored of.
async fn names(conn: &mut SqliteConnection) -> Result<BTreeSet<KpiId>, Failure> {
    let sql = "SELECT kpi FROM series UNION SELECT kpi FROM kpi_clock UNION SELECT kpi FROM rejection \
               UNION SELECT kpi FROM suspect UNION SELECT kpi FROM entry UNION SELECT kpi FROM evaluation \
               UNION SELECT kpi FROM pulse UNION SELECT kpi FROM closed_period";
    let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(conn).await?;
    Ok(rows.into_iter().map(KpiId::from).collect())
}

/// The renames of which something is stored under the old name, and nothing under the new one.
fn due(
    asked: &Renames,
    (keys, mut objectives): (&BTreeMap<String, AlertKey>, BTreeSet<ObjectiveId>),
    names: &BTreeSet<KpiId>,
    clocks: &[KpiClock],
) -> Renamed {
    let kpis: BTreeSet<KpiId> = names.iter().chain(keys.values().filter_map(AlertKey::kpi)).map(base).collect();
    objectives.extend(keys.values().filter_map(AlertKey::objective).cloned());
    let judged = clocks.iter().flat_map(|clock| &clock.rules);
    let rules: BTreeSet<RuleId> = judged.chain(keys.values().filter_map(AlertKey::rule)).cloned().collect();
    let mut refused = Vec::new();
    Renamed {
        done: Renames {
            kpis: chosen("KPI", &asked.kpis, &kpis, &mut refused),
            objectives: chosen("objective", &asked.objectives, &objectives, &mut refused),
            rules: chosen("rule", &asked.rules, &rules, &mut refused),
        },
        refused,
    }
}

fn base(kpi: &KpiId) -> KpiId {
    let name = kpi.as_str();
    KpiId::from(name.split(['@', ' ']).next().unwrap_or(name))
}

fn chosen<K: Ord + Clone + std::fmt::Display>(
    what: &str,
    asked: &BTreeMap<K, K>,
    known: &BTreeSet<K>,
    refused: &mut Vec<String>,
) -> BTreeMap<K, K> {
    let mut chosen = BTreeMap::new();
    for (old, new) in asked.iter().filter(|(old, _)| known.contains(old)) {
        if known.contains(new) {
            refused.push(format!("{what} '{new}' has a history of its own; that of '{old}' stays apart"));
        } else {
            chosen.insert(old.clone(), new.clone());
        }
    }
    chosen
}

async fn put_kpis(conn: &mut SqliteConnection, renames: &Renames, names: &BTreeSet<KpiId>) -> Result<(), Failure> {
    let changed = |old: &KpiId| Some((old.clone(), renames.kpi(old))).filter(|(old, new)| old != new);
    let pairs: Vec<(KpiId, KpiId)> = names.iter().filter_map(changed).collect();
    for sql in [
        "UPDATE series SET kpi = j.value ->> 1 FROM json_each(?1) AS j WHERE series.kpi = j.value ->> 0",
        "UPDATE rejection SET kpi = j.value ->> 1 FROM json_each(?1) AS j WHERE rejection.kpi = j.value ->> 0",
        "UPDATE suspect SET kpi = j.value ->> 1, body = json_set(body, '$.series.kpi', j.value ->> 1) \
         FROM json_each(?1) AS j WHERE suspect.kpi = j.value ->> 0",
        "UPDATE entry SET kpi = j.value ->> 1, body = json_set(body, '$.kpi', j.value ->> 1) \
         FROM json_each(?1) AS j WHERE entry.kpi = j.value ->> 0",
        "UPDATE evaluation SET kpi = j.value ->> 1 FROM json_each(?1) AS j WHERE evaluation.kpi = j.value ->> 0",
        "UPDATE pulse SET kpi = j.value ->> 1 FROM json_each(?1) AS j WHERE pulse.kpi = j.value ->> 0",
    ] {
        batch(conn, sql, &pairs).await?;
    }
    Ok(())
}

async fn put_rules(conn: &mut SqliteConnection, renames: &Renames) -> Result<(), Failure> {
    let pairs: Vec<_> = renames.rules.iter().collect();
    for sql in [
        "UPDATE evaluation SET rule = j.value ->> 1 FROM json_each(?1) AS j WHERE evaluation.rule = j.value ->> 0",
        "UPDATE pulse SET rule = j.value ->> 1 FROM json_each(?1) AS j WHERE pulse.rule = j.value ->> 0",
    ] {
        batch(conn, sql, &pairs).await?;
    }
    if renames.objectives.is_empty() {
        return Ok(());
    }
    let sql = "SELECT rule, kpi, slot, at, body FROM evaluation WHERE body LIKE '%\"objective\"%'";
    let rows: Vec<(String, String, i64, i64, String)> = sqlx::query_as(sql).fetch_all(&mut *conn).await?;
    let mut changed = Vec::new();
    for (rule, kpi, slot, at, body) in rows {
        let mut verdicts: Vec<SeriesVerdict> = decode(&kpi, &body)?;
        for verdict in &mut verdicts {
            verdict.objective = verdict.objective.as_ref().map(|id| renames.objective(id));
        }
        changed.push((rule, kpi, slot, at, verdicts));
    }
    let sql = "UPDATE evaluation SET body = j.value -> 4 FROM json_each(?1) AS j \
               WHERE rule = j.value ->> 0 AND kpi = j.value ->> 1 AND slot = j.value ->> 2 AND at = j.value ->> 3";
    batch(conn, sql, &changed).await
}

/// Everything that is kept under an alert's identity or short name.
async fn put_alerts(conn: &mut SqliteConnection, moved: &Moved<'_>) -> Result<(), Failure> {
    let rows: Vec<_> = moved
        .iter()
        .map(|(old, new)| (old.canonical(), new.canonical(), new.id(), new.kpi(), new, new.rule()))
        .collect();
    for sql in [
        "UPDATE alert SET alert = j.value ->> 1, id = j.value ->> 2, kpi = j.value ->> 3, \
             body = json_set(body, '$.key', j.value -> 4) FROM json_each(?1) AS j WHERE alert.alert = j.value ->> 0",
        "UPDATE transition SET alert = j.value ->> 1, alert_id = j.value ->> 2, kpi = j.value ->> 3, \
             body = json_set(body, '$.key', j.value -> 4) FROM json_each(?1) AS j WHERE transition.alert = j.value ->> 0",
        "UPDATE alert_episode SET alert = j.value ->> 1 FROM json_each(?1) AS j WHERE alert_episode.alert = j.value ->> 0",
        "UPDATE notification_item SET alert = j.value ->> 1, alert_id = j.value ->> 2 FROM json_each(?1) AS j \
         WHERE notification_item.alert = j.value ->> 0",
        "UPDATE feedback SET alert = j.value ->> 1, rule = j.value ->> 5, \
             body = json_set(body, '$.identity', j.value ->> 1, '$.alert', j.value ->> 2, '$.rule', j.value ->> 5) \
         FROM json_each(?1) AS j WHERE feedback.alert = j.value ->> 0",
    ] {
        batch(conn, sql, &rows).await?;
    }
    let digests: BTreeMap<u64, u64> = moved.iter().map(|(old, new)| (old.digest(), new.digest())).collect();
    let rows: Vec<(String, String, String)> =
        sqlx::query_as("SELECT kpi, rule, body FROM pulse").fetch_all(&mut *conn).await?;
    let mut pulses = Vec::new();
    for (kpi, rule, body) in rows {
        let mut alerts: Vec<Pulse> = decode(&rule, &body)?;
        for Pulse(digest, ..) in &mut alerts {
            *digest = digests.get(digest).copied().unwrap_or(*digest);
        }
        pulses.push((kpi, rule, alerts));
    }
    let sql = "UPDATE pulse SET body = j.value -> 2 FROM json_each(?1) AS j \
               WHERE pulse.kpi = j.value ->> 0 AND pulse.rule = j.value ->> 1";
    batch(conn, sql, &pulses).await
}

async fn put_groups_anew(conn: &mut SqliteConnection, renames: &Renames) -> Result<(), Failure> {
    let groups: Vec<Group> = all(conn, "SELECT id, body FROM alert_group").await?;
    let (mut renamed, mut ids) = (Vec::new(), Vec::new());
    for group in &groups {
        let new = renames.group(group);
        if new != *group {
            ids.push((group_id(&group.key)?, group_id(&new.key)?));
            renamed.push(new);
        }
    }
    let sql = "DELETE FROM alert_group WHERE id IN (SELECT value ->> 0 FROM json_each(?1))";
    batch(conn, sql, &ids).await?;
    put_groups(conn, &renamed).await?;
    let sql = "UPDATE notification SET alert_group = j.value ->> 1 FROM json_each(?1) AS j \
               WHERE notification.alert_group = j.value ->> 0 AND j.value ->> 0 <> j.value ->> 1";
    batch(conn, sql, &ids).await
}

/// Clocks, silences, events.
async fn put_others(
    conn: &mut SqliteConnection,
    renames: &Renames,
    moved: &Moved<'_>,
    clocks: Vec<KpiClock>,
) -> Result<(), Failure> {
    let clocks = clocks.iter().map(|clock| (&clock.kpi, renames.clock(clock)));
    let rows: Vec<_> = clocks.map(|(old, new)| (old.clone(), new.kpi.clone(), new)).collect();
    put(conn, "UPDATE kpi_clock SET kpi = j.value ->> 1, body = j.value -> 2", "kpi_clock.kpi", &rows).await?;
    let short: BTreeMap<AlertId, AlertId> = moved.iter().map(|(old, new)| (old.id(), new.id())).collect();
    let silences: Vec<Silence> = all(conn, "SELECT id, body FROM silence").await?;
    let rows: Vec<_> = silences
        .into_iter()
        .map(|silence| Silence { matcher: renames.matcher(&silence.matcher, &short), ..silence })
        .map(|silence| (silence.id.clone(), (), silence))
        .collect();
    put(conn, "UPDATE silence SET body = j.value -> 2", "silence.id", &rows).await?;
    let mut events: Vec<BusinessEvent> = all(conn, "SELECT id, body FROM event").await?;
    for event in &mut events {
        event.what.kpis = event.what.kpis.iter().map(|id| renames.kpi(id)).collect();
    }
    let rows: Vec<_> = events.into_iter().map(|event| (event.id.clone(), (), event)).collect();
    put(conn, "UPDATE event SET body = j.value -> 2", "event.id", &rows).await
}

async fn put_closed(conn: &mut SqliteConnection, renames: &Renames, closed: Vec<ClosedPeriod>) -> Result<(), Failure> {
    let concerned = |closed: &ClosedPeriod| {
        renames.objectives.contains_key(&closed.objective) || renames.kpi(&closed.kpi) != closed.kpi
    };
    let moved: Vec<ClosedPeriod> = closed.into_iter().filter(concerned).collect();
    let old: Vec<_> = moved.iter().map(|closed| (&closed.objective, closed.period.first, closed.period.last)).collect();
    let sql = "DELETE FROM closed_period WHERE (objective, first_day, last_day) IN \
                   (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1))";
    batch(conn, sql, &old).await?;
    let renamed: Vec<ClosedPeriod> = moved
        .into_iter()
        .map(|closed| ClosedPeriod {
            objective: renames.objective(&closed.objective),
            kpi: renames.kpi(&closed.kpi),
            ..closed
        })
        .collect();
    closed::put(conn, &renamed).await
}

async fn put<T: Serialize>(
    conn: &mut SqliteConnection,
    update: &'static str,
    by: &'static str,
    rows: &[T],
) -> Result<(), Failure> {
    let sql = format!("{update} FROM json_each(?1) AS j WHERE {by} = j.value ->> 0");
    let rows = serde_json::to_string(rows)?;
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(rows).execute(conn).await?;
    Ok(())
}

async fn all<T: DeserializeOwned>(conn: &mut SqliteConnection, sql: &'static str) -> Result<Vec<T>, Failure> {
    let rows: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(conn).await?;
    rows.iter().map(|(name, body)| decode(name, body)).collect()
}
