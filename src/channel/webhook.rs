//! Our own JSON to any HTTP address, signed after Standard Webhooks; the key stays the same over retries.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac;
use serde::Serialize;

use crate::model::ids::{AlertId, ReceiverId};
use crate::model::notification::{
    AttemptOutcome, Fact, Message, NewDelivery, NotifyReason, Payload, Section, ThreadRef,
};
use crate::model::unit::Language;
use crate::model::verdict::Severity;
use crate::net::HttpSettings;
use crate::secret::Secret;

use super::build::ChannelContext;
use super::clean;
use super::config::WebhookConfig;
use super::http::Http;

const SCHEMA: &str = "vigie.event/1";
/// Headers that are ours to set.
const RESERVED: [&str; 8] = [
    "content-type",
    "content-length",
    "host",
    "idempotency-key",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "transfer-encoding",
];

pub(super) struct Webhook {
    http: Http,
    key: Option<hmac::Key>,
}

impl Webhook {
    pub(super) fn build(config: &WebhookConfig, context: &ChannelContext<'_>) -> Result<Webhook, String> {
        let said = |cause: String| format!("webhook: {cause}");
        if let Some(name) = config.headers.keys().find(|name| RESERVED.contains(&name.to_ascii_lowercase().as_str())) {
            return Err(format!("webhook header {name:?} is set by Vigie itself; leave it out"));
        }
        let url = config.url.resolve(context.resolve).map_err(said)?;
        let secret = config.secret.as_ref().map(context.resolve).transpose().map_err(said)?;
        let key = secret.as_ref().map(signing_key).transpose()?;
        let settings = HttpSettings {
            headers: config.headers.clone(),
            tls: config.tls.clone(),
            proxy: config.proxy.clone(),
            ..HttpSettings::default()
        };
        let mut http = Http::build("webhook", &url, &settings, context)?;
        if let Some(secret) = secret {
            http.hide(secret);
        }
        Ok(Webhook { http, key })
    }

    pub(super) async fn send(
        &self,
        delivery: &NewDelivery,
        attempt: u32,
        now: Timestamp,
        deadline: Duration,
    ) -> AttemptOutcome {
        let place = self.http.place();
        let body = match serde_json::to_vec(&Event::of(delivery)) {
            Ok(body) => body,
            Err(error) => {
                return AttemptOutcome::Permanent { cause: format!("{place}: the event can't be written: {error}") };
            }
        };
        let (id, seconds, attempt) = (clean::token(&delivery.key), now.as_second().to_string(), attempt.to_string());
        let signature = self.key.as_ref().map(|key| signature(key, &id, &seconds, &body));
        let mut headers = vec![
            ("webhook-id", id.as_str()),
            ("idempotency-key", &id),
            ("webhook-timestamp", &seconds),
            ("x-vigie-attempt", &attempt),
        ];
        headers.extend(signature.as_deref().map(|signature| ("webhook-signature", signature)));
        match self.http.post(body, &headers, deadline).await {
            Ok(answer) if answer.is_success() => {
                AttemptOutcome::Sent { detail: format!("{place} answered {}", answer.status) }
            }
            Ok(answer) => self.http.refusal(&answer),
            Err(outcome) => outcome,
        }
    }

    pub(super) async fn probe(&self, deadline: Duration) -> Result<String, String> {
        self.http.probe(deadline).await
    }
}

/// `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`.
fn signature(key: &hmac::Key, id: &str, seconds: &str, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{id}.{seconds}.").as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign()))
}

fn signing_key(secret: &Secret) -> Result<hmac::Key, String> {
    let bytes = match secret.expose().strip_prefix("whsec_") {
        Some(encoded) => {
            STANDARD.decode(encoded).map_err(|_| "webhook secret: what follows `whsec_` is no base64".to_owned())?
        }
        None => secret.expose().as_bytes().to_vec(),
    };
    if bytes.is_empty() {
        return Err("webhook secret: it is empty".to_owned());
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// The body as text, for a dry run.
pub(super) fn preview(delivery: &NewDelivery) -> String {
    serde_json::to_string_pretty(&Event::of(delivery))
        .unwrap_or_else(|error| format!("the event can't be written: {error}"))
}

/// Version 1 of what is posted; fields are only ever added.
#[derive(Serialize)]
struct Event<'a> {
    schema: &'static str,
    #[serde(rename = "event_id")]
    id: String,
    #[serde(rename = "event_type")]
    kind: &'static str,
    delivery: &'a str,
    notification: &'a str,
    receiver: &'a ReceiverId,
    recipient: &'a str,
    thread: &'a ThreadRef,
    created_at: Timestamp,
    message: MessageBody<'a>,
    alerts: Vec<&'a Payload>,
}

#[derive(Serialize)]
struct MessageBody<'a> {
    language: Language,
    reason: NotifyReason,
    severity: Severity,
    resolved: bool,
    subject: &'a str,
    headline: &'a str,
    sections: Vec<SectionBody<'a>>,
    /// Alerts beyond these.
    more: usize,
}

#[derive(Serialize)]
struct SectionBody<'a> {
    alert: &'a AlertId,
    title: &'a str,
    state: &'a str,
    severity: Severity,
    resolved: bool,
    reason: NotifyReason,
    sentences: &'a [String],
    facts: &'a [Fact],
    comparisons: &'a [String],
    suggestions: &'a [String],
    data: Option<&'a str>,
    why: &'a [String],
}

impl<'a> Event<'a> {
    fn of(delivery: &'a NewDelivery) -> Event<'a> {
        let message = &delivery.message;
        Event {
            schema: SCHEMA,
            id: clean::token(&delivery.key),
            kind: event_type(message),
            delivery: &delivery.key,
            notification: &delivery.notification,
            receiver: &delivery.receiver,
            recipient: &delivery.recipient,
            thread: &delivery.thread,
            created_at: delivery.created_at,
            message: MessageBody {
                language: message.language,
                reason: message.reason,
                severity: message.severity,
                resolved: message.resolved,
                subject: &message.subject,
                headline: &message.headline,
                sections: message.sections.iter().map(SectionBody::of).collect(),
                more: message.more,
            },
            alerts: message.sections.iter().map(|section| &section.payload).collect(),
        }
    }
}

impl<'a> SectionBody<'a> {
    fn of(section: &'a Section) -> SectionBody<'a> {
        SectionBody {
            alert: &section.alert,
            title: &section.title,
            state: &section.state,
            severity: section.severity,
            resolved: section.resolved,
            reason: section.reason,
            sentences: &section.sentences,
            facts: &section.facts,
            comparisons: &section.comparisons,
            suggestions: &section.suggestions,
            data: section.data.as_deref(),
            why: &section.why,
        }
    }
}

fn event_type(message: &Message) -> &'static str {
    match (message.reason, message.resolved) {
        (NotifyReason::Test, _) => "alert.test",
        (NotifyReason::Correction, _) => "alert.corrected",
        (_, true) | (NotifyReason::Resolved, _) => "alert.resolved",
        (NotifyReason::First, false) => "alert.fired",
        (NotifyReason::Escalated, false) => "alert.escalated",
        (NotifyReason::Deescalated, false) => "alert.deescalated",
        (NotifyReason::Reminder, false) => "alert.reminder",
        (NotifyReason::Updated, false) => "alert.updated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_follow_standard_webhooks() {
        // The reference libraries' test vector.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let key = signing_key(&secret).expect("a key");
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn bad_secrets_are_named_and_not_shown() {
        for secret in ["whsec_%%%hidden", ""] {
            let error = signing_key(&Secret::new(secret.to_owned())).expect_err("refused");
            assert!(error.starts_with("webhook secret") && !error.contains("hidden"), "{error}");
        }
    }
}
