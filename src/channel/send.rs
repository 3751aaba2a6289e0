//! Sending, probing and previewing through whichever channel it is.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::notification::{AttemptOutcome, NewDelivery};

use super::build::{Channel, Via};
use super::{card, slack, webhook};

impl Channel {
    /// Sends once and says what became of it, at most half a second after the deadline.
    ///
    /// Never panics. The same delivery bears the same key in every attempt (counted from 1), so that
    /// receivers can tell a repeat. Dropping the future breaks the attempt off: count it as ambiguous.
    pub async fn send(
        &self,
        delivery: &NewDelivery,
        attempt: u32,
        now: Timestamp,
        deadline: Duration,
    ) -> AttemptOutcome {
        match &self.via {
            Via::Email(email) => email.send(delivery, attempt, deadline).await,
            Via::Maildir(maildir) => maildir.send(delivery, deadline).await,
            Via::Slack(slack) => slack.send(delivery, deadline).await,
            Via::Teams(teams) => teams.send(delivery, deadline).await,
            Via::Webhook(webhook) => webhook.send(delivery, attempt, now, deadline).await,
        }
    }

    /// Tries whether the provider can be reached, and credentials where that needs no message.
    pub async fn probe(&self, deadline: Duration) -> Result<String, String> {
        match &self.via {
            Via::Email(email) => email.probe(deadline).await,
            Via::Maildir(maildir) => maildir.probe(deadline).await,
            Via::Slack(slack) => slack.probe(deadline).await,
            Via::Teams(teams) => teams.probe(deadline).await,
            Via::Webhook(webhook) => webhook.probe(deadline).await,
        }
    }

    /// What would be sent, for people to read.
    pub fn render_preview(&self, delivery: &NewDelivery) -> String {
        match &self.via {
            Via::Email(email) => email.preview(delivery),
            Via::Maildir(maildir) => maildir.preview(delivery),
            Via::Slack(_) => format!("{:#}", slack::payload(&delivery.message)),
            Via::Teams(_) => format!("{:#}", card::payload(&delivery.message)),
            Via::Webhook(_) => webhook::preview(delivery),
        }
    }
}
