//! Groups at run time, with an index from alert to the groups that hold it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::model::alert::AlertKey;
use crate::model::ids::ReceiverId;
use crate::model::notification::{Group, GroupKey};

/// All open groups.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    groups: BTreeMap<GroupKey, Group>,
    holding: HashMap<AlertKey, BTreeSet<GroupKey>>,
}

impl Groups {
    pub fn get(&self, key: &GroupKey) -> Option<&Group> {
        self.groups.get(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// Groups that an alert belongs to, or whose receiver was told of it.
    pub fn holding(&self, alert: &AlertKey) -> Vec<GroupKey> {
        self.holding.get(alert).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }

    pub fn put(&mut self, group: Group) {
        self.forget(&group.key);
        for alert in group.members.iter().chain(group.told.keys()) {
            self.holding.entry(alert.clone()).or_default().insert(group.key.clone());
        }
        self.groups.insert(group.key.clone(), group);
    }

    pub fn remove(&mut self, key: &GroupKey) {
        self.forget(key);
        self.groups.remove(key);
    }

    /// Groups with something due at `now`.
    pub fn due(&self, now: Timestamp) -> Vec<GroupKey> {
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        self.groups
            .values()
            .filter(|group| is_due(group.next_flush) || is_due(group.next_remind))
            .map(|group| group.key.clone())
            .collect()
    }

    /// When the next group has something to do.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.groups.values().flat_map(|group| [group.next_flush, group.next_remind]).flatten().min()
    }

    /// Groups of receivers that no longer exist.
    pub fn orphans(&self, known: impl Fn(&ReceiverId) -> bool) -> Vec<GroupKey> {
        self.groups.keys().filter(|key| !known(&key.receiver)).cloned().collect()
    }

    fn forget(&mut self, key: &GroupKey) {
        let Some(group) = self.groups.get(key) else { return };
        for alert in group.members.iter().chain(group.told.keys()) {
            if let Some(keys) = self.holding.get_mut(alert) {
                keys.remove(key);
                if keys.is_empty() {
                    self.holding.remove(alert);
                }
            }
        }
    }
}

impl FromIterator<Group> for Groups {
    fn from_iter<I: IntoIterator<Item = Group>>(stored: I) -> Self {
        let mut groups = Groups::default();
        for group in stored {
            groups.put(group);
        }
        groups
    }
}
