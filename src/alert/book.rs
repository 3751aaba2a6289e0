//! The book of live alerts, by subject: one look-up serves all aspects of one rule and series.

use std::collections::{BTreeMap, HashMap};

use crate::model::alert::{Alert, AlertKey, Subject};
use crate::model::ids::AlertId;

/// Alerts that wait, fire, or ended with somebody still to be told.
#[derive(Clone, Debug, Default)]
pub struct Book {
    subjects: HashMap<Subject, Vec<Alert>>,
}

impl Book {
    pub fn get(&self, key: &AlertKey) -> Option<&Alert> {
        self.of(&key.subject).iter().find(|alert| alert.key == *key)
    }

    /// All alerts of one subject, over aspects and periods.
    pub fn of(&self, subject: &Subject) -> &[Alert] {
        self.subjects.get(subject).map_or(&[], Vec::as_slice)
    }

    pub fn put(&mut self, alert: Alert) {
        let alerts = self.subjects.entry(alert.key.subject.clone()).or_default();
        match alerts.iter_mut().find(|known| known.key == alert.key) {
            Some(known) => *known = alert,
            None => alerts.push(alert),
        }
    }

    /// Replaces one alert by what `change` makes of it, with one look-up.
    pub fn alter<R>(&mut self, key: &AlertKey, change: impl FnOnce(Option<Alert>) -> (Option<Alert>, R)) -> R {
        let Some(alerts) = self.subjects.get_mut(&key.subject) else {
            let (after, result) = change(None);
            if let Some(alert) = after {
                self.put(alert);
            }
            return result;
        };
        let position = alerts.iter().position(|alert| alert.key == *key);
        let (after, result) = change(position.map(|position| alerts.swap_remove(position)));
        alerts.extend(after);
        if alerts.is_empty() {
            self.subjects.remove(&key.subject);
        }
        result
    }

    pub fn take(&mut self, key: &AlertKey) -> Option<Alert> {
        let alerts = self.subjects.get_mut(&key.subject)?;
        let position = alerts.iter().position(|alert| alert.key == *key)?;
        let taken = alerts.swap_remove(position);
        if alerts.is_empty() {
            self.subjects.remove(&key.subject);
        }
        Some(taken)
    }

    pub fn find(&self, id: &AlertId) -> Option<&Alert> {
        self.subjects.values().flatten().find(|alert| alert.key.id() == *id)
    }

    /// Every alert, ordered by identity, so that decisions never depend on hashing.
    pub fn sorted(&self) -> BTreeMap<&AlertKey, &Alert> {
        self.subjects.values().flatten().map(|alert| (&alert.key, alert)).collect()
    }

    pub fn len(&self) -> usize {
        self.subjects.values().map(Vec::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }
}

impl FromIterator<Alert> for Book {
    fn from_iter<I: IntoIterator<Item = Alert>>(alerts: I) -> Self {
        let mut book = Book::default();
        for alert in alerts {
            book.put(alert);
        }
        book
    }
}
