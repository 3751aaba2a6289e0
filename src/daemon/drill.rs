//! Drills: a message marked as such, through the same channels, past the outbox.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::build::Built;
use super::control::SendOutcome;
use crate::channel::Channel;
use crate::clock::Clock;
use crate::model::alert::Alert;
use crate::model::ids::ReceiverId;
use crate::model::notification::{AttemptOutcome, NewDelivery, ThreadRef};
use crate::notify;

/// Total time of a drill to one recipient.
const DRILL_DEADLINE: Duration = Duration::from_secs(30);

/// Drills ready to be sent, one per recipient.
pub type Drills = Vec<(Arc<Channel>, NewDelivery)>;

/// Writes the drills for a receiver, with an alert's facts if one is given.
pub fn drills(built: &Built, receiver: &ReceiverId, alert: Option<&Alert>, now: Timestamp) -> Result<Drills, String> {
    let catalog = &built.setup.catalog;
    let Some(definition) = catalog.receivers.get(receiver) else {
        let known: Vec<&str> = catalog.receivers.keys().map(ReceiverId::as_str).collect();
        return Err(format!("no receiver '{receiver}'; there are {}", known.join(", ")));
    };
    let channels = built.channels.get(receiver);
    let places = built.recipient_channels.get(receiver);
    let thread = format!("drill-{:x}", now.as_millisecond());
    let drills: Drills = definition
        .recipients
        .iter()
        .enumerate()
        .filter_map(|(position, recipient)| {
            let channel = channels?.get(*places?.get(position)?)?.clone();
            let delivery = NewDelivery {
                key: format!("{thread}.{position}"),
                notification: thread.clone(),
                receiver: receiver.clone(),
                recipient: recipient.name.clone(),
                thread: ThreadRef { root: format!("{thread}.{position}"), position: 0 },
                created_at: now,
                message: notify::drill(catalog, receiver, alert, recipient.language, now),
            };
            Some((channel, delivery))
        })
        .collect();
    if drills.is_empty() {
        return Err(format!("receiver '{receiver}' reaches nobody; give it a channel with a recipient"));
    }
    Ok(drills)
}

/// Sends the drills side by side and says what became of each.
pub async fn send_drills(drills: Drills, clock: &Clock) -> Vec<SendOutcome> {
    let sends = drills.into_iter().map(|(channel, delivery)| async move {
        let outcome = channel.send(&delivery, 1, clock.now(), DRILL_DEADLINE).await;
        let (sent, detail) = match outcome {
            AttemptOutcome::Sent { detail } => (true, detail),
            AttemptOutcome::Retry { cause, .. }
            | AttemptOutcome::Ambiguous { cause }
            | AttemptOutcome::Permanent { cause } => (false, cause),
        };
        SendOutcome { recipient: delivery.recipient, sent, detail }
    });
    futures_util::future::join_all(sends).await
}
