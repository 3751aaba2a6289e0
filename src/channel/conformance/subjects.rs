//! The channels under test, and what arrives from each of them.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::channel::build::Channel;
use crate::channel::config::{
    ChannelConfig, EmailConfig, MailConfig, MaildirConfig, SlackConfig, SmtpConfig, TeamsConfig, WebhookConfig,
};
use crate::channel::fake_smtp::FakeSmtp;
use crate::channel::fixture::{self, SECRET};
use crate::model::notification::{AttemptOutcome, NewDelivery};
use crate::secret::{SecretRef, Text};

pub(super) const LONG: Duration = Duration::from_secs(20);
/// Long enough for the loopback, short enough for a test.
pub(super) const SHORT: Duration = Duration::from_millis(400);

/// A kind of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Email,
    Maildir,
    Slack,
    Teams,
    Webhook,
}

pub(super) const ALL: [Kind; 5] = [Kind::Email, Kind::Maildir, Kind::Slack, Kind::Teams, Kind::Webhook];
/// Those that post to an address.
pub(super) const HTTP: [Kind; 3] = [Kind::Slack, Kind::Teams, Kind::Webhook];

impl Kind {
    /// Reaches a server at that port of this machine, or a folder below `dir`.
    pub(super) fn channel(self, port: u16, dir: &Path) -> Channel {
        let mail = mail(port, true);
        build(&self.config(&self.url(port)), Some(&mail), dir).expect("builds")
    }

    pub(super) fn at(self, server: &MockServer) -> Channel {
        self.channel(server.address().port(), Path::new("."))
    }

    /// Posts to that address, where the kind has one.
    pub(super) fn config(self, url: &str) -> ChannelConfig {
        let to = vec!["claire".to_owned()];
        let (tls, proxy, language) = (None, None, None);
        match self {
            Kind::Email => ChannelConfig::Email(EmailConfig { to, cc: vec![] }),
            Kind::Maildir => ChannelConfig::Maildir(MaildirConfig { path: "mail".into(), to }),
            Kind::Slack => ChannelConfig::Slack(SlackConfig { webhook: env(url), tls, proxy, language }),
            Kind::Teams => ChannelConfig::Teams(TeamsConfig { webhook: env(url), tls, proxy, language }),
            Kind::Webhook => ChannelConfig::Webhook(WebhookConfig {
                url: Text::from(url),
                secret: Some(env("KEY")),
                headers: [("Authorization".to_owned(), Text::Secret(env("TOKEN")))].into(),
                tls,
                proxy,
                language,
            }),
        }
    }

    /// The address that it posts to, with a secret in each part that may hold one.
    pub(super) fn url(self, port: u16) -> String {
        format!("http://127.0.0.1:{port}{}", self.target())
    }

    /// Path and query of the address.
    pub(super) fn target(self) -> String {
        match self {
            Kind::Email | Kind::Maildir => String::new(),
            Kind::Slack => format!("/services/T0/{SECRET}"),
            // Neither in alphabetical order nor escaped as one would oneself: a signature covers it as it stands.
            Kind::Teams => format!(
                "/workflows/{SECRET}-flow/triggers/manual/paths/invoke?sp=%2ftriggers%2Fmanual%2Frun&api-version=1&sv=1.0&sig={SECRET}-sig%2b~%2F%3D"
            ),
            Kind::Webhook => format!("/hook?token={SECRET}"),
        }
    }

    /// An answer that means that all is well.
    pub(super) fn welcome(self) -> ResponseTemplate {
        match self {
            Kind::Slack => ResponseTemplate::new(200).set_body_string("ok"),
            _ => ResponseTemplate::new(202),
        }
    }

    /// What comes out at the other end: the mail as it was written down, or the body that was posted.
    pub(super) async fn arrived(self, delivery: &NewDelivery) -> String {
        let dir = tempfile::tempdir().expect("a folder");
        if HTTP.contains(&self) {
            let server = MockServer::start().await;
            Mock::given(any()).respond_with(self.welcome()).expect(1).mount(&server).await;
            self.sent(&self.at(&server), delivery).await;
            let requests = server.received_requests().await.expect("recorded");
            return String::from_utf8(requests[0].body.clone()).expect("text");
        }
        let server = FakeSmtp::start(None).await;
        self.sent(&self.channel(server.port, dir.path()), delivery).await;
        match self {
            Kind::Email => server.mails().remove(0),
            _ => {
                let entry = std::fs::read_dir(dir.path().join("mail/new")).expect("there").next().expect("a mail");
                let text = std::fs::read_to_string(entry.expect("readable").path()).expect("text");
                text.replace('\n', "\r\n")
            }
        }
    }

    async fn sent(self, channel: &Channel, delivery: &NewDelivery) {
        let outcome = outcome_of(channel, delivery, LONG).await;
        assert_eq!(class(&outcome), "sent", "{self:?}: {outcome:?}");
    }
}

pub(super) fn now() -> Timestamp {
    fixture::at("2026-11-23T05:15:10Z")
}

pub(super) fn env(name: &str) -> SecretRef {
    SecretRef::Env(name.to_owned())
}

pub(super) fn mail(port: u16, with_login: bool) -> MailConfig {
    MailConfig {
        from: "Vigie <vigie@example.test>".to_owned(),
        reply_to: None,
        smtp: SmtpConfig {
            port: Some(port),
            user: with_login.then(|| "vigie".to_owned()),
            password: with_login.then(|| env("PASSWORD")),
            hello: Some("vigie.example.test".to_owned()),
            ..SmtpConfig::default()
        },
    }
}

pub(super) fn build(config: &ChannelConfig, mail: Option<&MailConfig>, dir: &Path) -> Result<Channel, String> {
    fixture::with_context(mail, dir, |context| Channel::build(config, context))
}

pub(super) fn class(outcome: &AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Sent { .. } => "sent",
        AttemptOutcome::Retry { .. } => "retry",
        AttemptOutcome::Ambiguous { .. } => "ambiguous",
        AttemptOutcome::Permanent { .. } => "permanent",
    }
}

/// Sends once; whatever comes of it, nothing secret is said and the deadline holds.
pub(super) async fn outcome_of(channel: &Channel, delivery: &NewDelivery, deadline: Duration) -> AttemptOutcome {
    let sending = channel.send(delivery, 1, now(), deadline);
    let bound = deadline + Duration::from_secs(1);
    let outcome = tokio::time::timeout(bound, sending).await.expect("the deadline holds within a second");
    check_hidden(&format!("{outcome:?} {channel:?}"));
    outcome
}

/// No secret stands in these words, neither as it is nor in base64.
#[track_caller]
pub(super) fn check_hidden(words: &str) {
    for form in [SECRET.to_owned(), STANDARD.encode(SECRET), STANDARD.encode(format!("\0vigie\0{SECRET}"))] {
        assert!(!words.contains(&form), "{words}");
    }
}

/// All texts of what arrived, as somebody reads them: a mail's parts, the strings of JSON.
pub(super) fn texts(kind: Kind, arrived: &str) -> Vec<String> {
    match kind {
        Kind::Email | Kind::Maildir => vec![part(arrived, "text/plain"), part(arrived, "text/html")],
        Kind::Slack | Kind::Teams | Kind::Webhook => {
            let mut found = Vec::new();
            strings(&serde_json::from_str(arrived).expect("JSON"), &mut found);
            found
        }
    }
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|each| strings(each, found)),
        Value::Object(map) => map.values().for_each(|each| strings(each, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The decoded part of a mail; all parts are quoted-printable.
pub(super) fn part(mail: &str, kind: &str) -> String {
    let (_, rest) = mail.split_once(&format!("\r\nContent-Type: {kind}")).expect("the part is there");
    let (_, body) = rest.split_once("\r\n\r\n").expect("a body");
    let (body, _) = body.split_once("\r\n--=_vigie_").expect("a boundary behind it");
    let joined = body.replace("=\r\n", "");
    let mut pieces = joined.split('=');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).expect("two digits"));
        bytes.extend(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).expect("text")
}
