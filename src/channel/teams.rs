//! A Microsoft Teams webhook made with Workflows: one card posted to a flow, and what the flow's short answers mean.

use std::time::Duration;

use crate::model::notification::{AttemptOutcome, NewDelivery};
use crate::net::{Answer, HttpSettings};

use super::build::ChannelContext;
use super::card;
use super::config::TeamsConfig;
use super::http::Http;

pub(super) struct Teams {
    http: Http,
}

impl Teams {
    pub(super) fn build(config: &TeamsConfig, context: &ChannelContext<'_>) -> Result<Teams, String> {
        let url = (context.resolve)(&config.webhook).map_err(|cause| format!("teams webhook: {cause}"))?;
        let settings = HttpSettings { tls: config.tls.clone(), proxy: config.proxy.clone(), ..HttpSettings::default() };
        // Hosts of flows differ by region and change over the years: any host is taken.
        let http = Http::build("teams webhook", &url, &settings, context)?;
        if !http.is_private() {
            return Err("teams webhook: the address is a secret and must begin with https://".to_owned());
        }
        Ok(Teams { http })
    }

    pub(super) async fn send(&self, delivery: &NewDelivery, deadline: Duration) -> AttemptOutcome {
        let body = card::payload(&delivery.message).to_string().into_bytes();
        match self.http.post(body, &[], deadline).await {
            Ok(answer) => self.outcome(&answer),
            Err(outcome) => outcome,
        }
    }

    pub(super) async fn probe(&self, deadline: Duration) -> Result<String, String> {
        self.http.probe(deadline).await
    }

    /// A flow answers before it posts: what happens to the card afterwards is never told.
    fn outcome(&self, answer: &Answer) -> AttemptOutcome {
        let remedy = match answer.status {
            200 | 202 => {
                let place = self.http.place();
                let detail =
                    format!("{place} answered {}: accepted, whether it is displayed is not told", answer.status);
                return AttemptOutcome::Sent { detail };
            }
            201..=299 => "a flow answers 202; is this a webhook of Teams Workflows?",
            400 => {
                "the flow does not take it; it must be on, begin with \"When a Teams webhook request is received\" and \
                 post the card that it gets"
            }
            401 | 403 => {
                "the address is not let in; copy it anew from the flow, whose trigger must take requests from anyone"
            }
            404 | 410 => "the flow is gone; make a new one and configure its address",
            413 => "the card is larger than Teams takes; report this",
            _ => return self.http.refusal(answer),
        };
        AttemptOutcome::Permanent { cause: format!("{}; {remedy}", self.http.told(answer)) }
    }
}
