//! What is done to the service beside people's actions, noted in the audit; and what a reload changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};
use std::hash::Hash;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cycle::{Cycle, Outcome};
use crate::model::audit::AuditEntry;
use crate::model::catalog::Catalog;
use crate::model::rename::Renames;
use crate::store::Renamed;

impl Cycle {
    /// Notes what was done. That nothing can be written keeps nobody from doing it; the log says so then.
    pub async fn note(&self, by: Option<&str>, what: &str, detail: &Value, at: Timestamp) -> Outcome<()> {
        let (by, what) = (by.map(str::to_owned), what.to_owned());
        let entry = AuditEntry { at, by, what, detail: detail.to_string() };
        match self.store.note(&entry).await {
            Err(error) if error.may_pass() => {
                tracing::error!(%error, what = entry.what, by = entry.by, "it is done, and can't be noted in the audit");
                Ok(())
            }
            done => Ok(done?),
        }
    }

    /// Tells what was carried over to other names, and what was not.
    pub(super) async fn note_renamed(&self, renamed: &Renamed, at: Timestamp) -> Outcome<()> {
        let Renames { kpis, objectives, rules } = &renamed.done;
        let all = pairs("kpi", kpis).chain(pairs("objective", objectives)).chain(pairs("rule", rules));
        for (kind, from, to) in all {
            tracing::info!(kind, from, to, "renamed: its history, alerts and messages go on under the new name");
            self.note(None, "rename", &json!({"kind": kind, "from": from, "to": to}), at).await?;
        }
        for why in &renamed.refused {
            tracing::warn!("not renamed: {why}");
        }
        Ok(())
    }
}

fn pairs<K: Display>(
    kind: &'static str,
    renames: &BTreeMap<K, K>,
) -> impl Iterator<Item = (&'static str, String, String)> {
    renames.iter().map(move |(from, to)| (kind, from.to_string(), to.to_string()))
}

/// Which definitions are new, gone or others, by kind.
pub(super) fn difference(before: &Catalog, after: &Catalog) -> Value {
    let mut all = Map::new();
    let kinds = [
        ("kpis", changed(&before.kpis, &after.kpis)),
        ("objectives", changed(&before.objectives, &after.objectives)),
        ("rules", changed(&before.rules, &after.rules)),
        ("people", changed(&before.people, &after.people)),
        ("receivers", changed(&before.receivers, &after.receivers)),
        ("events", changed(&before.events, &after.events)),
    ];
    for (kind, changes) in kinds {
        all.extend(changes.map(|changes| (kind.to_owned(), changes)));
    }
    if format!("{:?}", before.route) != format!("{:?}", after.route) {
        all.insert("route".to_owned(), json!("changed"));
    }
    Value::Object(all)
}

/// Ids in the order of their names; none where nothing changed.
fn changed<K: Display + Eq + Hash, V: Debug>(before: &IndexMap<K, V>, after: &IndexMap<K, V>) -> Option<Value> {
    let names = |all: BTreeSet<String>| (!all.is_empty()).then_some(all);
    let of = |ids: &mut dyn Iterator<Item = &K>| names(ids.map(ToString::to_string).collect());
    let added = of(&mut after.keys().filter(|id| !before.contains_key(*id)));
    let removed = of(&mut before.keys().filter(|id| !after.contains_key(*id)));
    let is_other = |(id, new): &(&K, &V)| before.get(*id).is_some_and(|old| format!("{old:?}") != format!("{new:?}"));
    let others = of(&mut after.iter().filter(is_other).map(|(id, _)| id));
    let found: Map<String, Value> = [("added", added), ("removed", removed), ("changed", others)]
        .into_iter()
        .filter_map(|(how, ids)| Some((how.to_owned(), json!(ids?))))
        .collect();
    (!found.is_empty()).then_some(Value::Object(found))
}
