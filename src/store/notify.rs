//! Second half of a step: group timers, what receivers were told, and the outbox, in one transaction.

use sqlx::SqliteConnection;

use crate::model::commit::NotifyCommit;
use crate::model::notification::{Group, GroupKey, NewDelivery, Notification};

use super::error::{Failure, StoreError};
use super::evaluate::{drop_alerts, millis};
use super::open::Store;
use super::write::{Write, batch};

impl Store {
    /// Writes what was decided to be told, whole or not at all. Repeating a commit that went through changes nothing.
    pub async fn commit_notify(&self, commit: &NotifyCommit, epoch: i64) -> Result<(), StoreError> {
        #[cfg(feature = "seeded-bugs")]
        if self.inner.bug == Some(super::open::SeededBug::TwoTransactions) {
            let mut told = commit.clone();
            let deliveries = std::mem::take(&mut told.deliveries);
            self.write(epoch, Notify(&told)).await?;
            tokio::time::sleep(super::open::TORN_PAUSE).await;
            return self.write(epoch, Notify(&NotifyCommit { deliveries, ..NotifyCommit::default() })).await;
        }
        self.write(epoch, Notify(commit)).await
    }
}

struct Notify<'a>(&'a NotifyCommit);

impl Write for Notify<'_> {
    type Out = ();

    async fn apply(&self, conn: &mut SqliteConnection) -> Result<(), Failure> {
        let commit = self.0;
        put_groups(conn, &commit.groups).await?;
        let gone = commit.groups_gone.iter().map(group_id).collect::<Result<Vec<_>, _>>()?;
        batch(conn, "DELETE FROM alert_group WHERE id IN (SELECT value FROM json_each(?1))", &gone).await?;
        drop_alerts(conn, &commit.alerts_gone).await?;
        put_notifications(conn, &commit.notifications).await?;
        put_deliveries(conn, &commit.deliveries).await
    }
}

/// A group's identity as text: its fields in order, values by sorted name.
pub(super) fn group_id(key: &GroupKey) -> Result<String, Failure> {
    Ok(serde_json::to_string(key)?)
}

pub(super) async fn put_groups(conn: &mut SqliteConnection, groups: &[Group]) -> Result<(), Failure> {
    let mut rows = Vec::with_capacity(groups.len());
    for group in groups {
        rows.push((group_id(&group.key)?, &group.key.receiver, millis(group.next_flush), group));
    }
    let sql = "INSERT INTO alert_group (id, receiver, next_flush, body) \
               SELECT value ->> '$[0]', value ->> '$[1]', value ->> '$[2]', value -> '$[3]' \
               FROM json_each(?1) WHERE true \
               ON CONFLICT (id) DO UPDATE SET next_flush = excluded.next_flush, body = excluded.body";
    batch(conn, sql, &rows).await
}

async fn put_notifications(conn: &mut SqliteConnection, notifications: &[Notification]) -> Result<(), Failure> {
    let mut rows = Vec::with_capacity(notifications.len());
    let mut items = Vec::new();
    for told in notifications {
        let number = told.id.strip_prefix('n').and_then(|digits| digits.parse::<i64>().ok());
        let group = group_id(&told.group)?;
        let receiver = &told.group.receiver;
        rows.push((&told.id, number, group, receiver, told.at.as_millisecond(), told.reason.as_str()));
        for (position, item) in told.items.iter().enumerate() {
            let alert = (item.key.canonical(), item.key.id(), item.episode);
            items.push((&told.id, position, alert, item.reason.as_str(), item.slot.as_millisecond()));
        }
    }
    let sql = "INSERT INTO notification (id, number, alert_group, receiver, at, reason) \
               SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 \
               FROM json_each(?1) WHERE true ON CONFLICT (id) DO NOTHING";
    batch(conn, sql, &rows).await?;
    let sql = "INSERT INTO notification_item (notification, position, alert, alert_id, episode, reason, slot) \
               SELECT value ->> '$[0]', value ->> '$[1]', value ->> '$[2][0]', value ->> '$[2][1]', \
                      value ->> '$[2][2]', value ->> '$[3]', value ->> '$[4]' \
               FROM json_each(?1) WHERE true ON CONFLICT (notification, position) DO NOTHING";
    batch(conn, sql, &items).await
}

async fn put_deliveries(conn: &mut SqliteConnection, deliveries: &[NewDelivery]) -> Result<(), Failure> {
    let rows: Vec<_> = deliveries
        .iter()
        .map(|new| {
            let name = (&new.key, &new.notification, &new.receiver, &new.recipient);
            let thread = (&new.thread.root, new.thread.position);
            (name, thread, new.message.reason.as_str(), new.created_at.as_millisecond(), &new.message)
        })
        .collect();
    // In the order of decisions, which the numbers of the rows keep.
    let sql = "INSERT INTO delivery (key, notification, receiver, recipient, thread_root, thread_position, reason, \
                   state, attempts, created_at, next_attempt_at, body) \
               SELECT value ->> '$[0][0]', value ->> '$[0][1]', value ->> '$[0][2]', value ->> '$[0][3]', \
                      value ->> '$[1][0]', value ->> '$[1][1]', value ->> '$[2]', 'queued', 0, value ->> '$[3]', \
                      value ->> '$[3]', value -> '$[4]' \
               FROM json_each(?1) WHERE true ORDER BY json_each.key \
               ON CONFLICT (key) DO NOTHING";
    batch(conn, sql, &rows).await
}
