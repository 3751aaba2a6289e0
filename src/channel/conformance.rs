//! What every channel must do: tell outcomes apart, keep its deadline, its key and its secrets.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::model::notification::{AttemptOutcome, NewDelivery};
use crate::secret::{SecretRef, Text};

use super::build::Channel;
use super::config::{
    ChannelConfig, EmailConfig, MailConfig, MaildirConfig, SlackConfig, SmtpConfig, TlsMode, WebhookConfig,
};
use super::fake_smtp::{At, Does, FakeSmtp};
use super::fixture::{self, SECRET};

const LONG: Duration = Duration::from_secs(20);
/// Long enough for the loopback, short enough for a test.
const SHORT: Duration = Duration::from_millis(400);

fn now() -> Timestamp {
    fixture::at("2026-11-23T05:15:10Z")
}

fn env(name: &str) -> SecretRef {
    SecretRef::Env(name.to_owned())
}

fn mail(port: u16, with_login: bool) -> MailConfig {
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

fn build(config: &ChannelConfig, mail: Option<&MailConfig>) -> Result<Channel, String> {
    fixture::with_context(mail, Path::new("."), |context| Channel::build(config, context))
}

fn email(port: u16) -> Channel {
    let config = ChannelConfig::Email(EmailConfig { to: vec!["claire".to_owned()], cc: vec![] });
    build(&config, Some(&mail(port, true))).expect("builds")
}

fn slack(base: &str) -> Channel {
    let config = ChannelConfig::Slack(SlackConfig {
        webhook: env(&format!("{base}/services/T0/{SECRET}")),
        tls: None,
        proxy: None,
        language: None,
    });
    build(&config, None).expect("builds")
}

fn webhook(base: &str) -> Channel {
    let config = ChannelConfig::Webhook(WebhookConfig {
        url: Text::Plain(format!("{base}/hook?token={SECRET}")),
        secret: Some(env("KEY")),
        headers: [("Authorization".to_owned(), Text::Secret(env("TOKEN")))].into(),
        tls: None,
        proxy: None,
        language: None,
    });
    build(&config, None).expect("builds")
}

fn class(outcome: &AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Sent { .. } => "sent",
        AttemptOutcome::Retry { .. } => "retry",
        AttemptOutcome::Ambiguous { .. } => "ambiguous",
        AttemptOutcome::Permanent { .. } => "permanent",
    }
}

/// Sends once; whatever comes of it, nothing secret is said and the deadline holds.
async fn outcome_of(channel: &Channel, delivery: &NewDelivery, deadline: Duration) -> AttemptOutcome {
    let sending = channel.send(delivery, 1, now(), deadline);
    let bound = deadline + Duration::from_secs(1);
    let outcome = tokio::time::timeout(bound, sending).await.expect("the deadline holds within a second");
    assert!(!format!("{outcome:?} {channel:?}").contains(SECRET), "{outcome:?}");
    outcome
}

async fn check_smtp(script: Option<(At, Does)>, deadline: Duration, expected: &str) {
    let server = FakeSmtp::start(script.clone()).await;
    let outcome = outcome_of(&email(server.port), &fixture::firing_fr(), deadline).await;
    assert_eq!(class(&outcome), expected, "{script:?}: {outcome:?}");
}

#[tokio::test]
async fn smtp_replies_become_outcomes() {
    check_smtp(None, LONG, "sent").await;
    check_smtp(Some((At::Greeting, Does::Says("554 5.3.2 no service"))), LONG, "retry").await;
    check_smtp(Some((At::Greeting, Does::Says("not smtp at all"))), LONG, "retry").await;
    check_smtp(Some((At::Hello, Does::Says("421 4.3.2 later"))), LONG, "retry").await;
    check_smtp(Some((At::Auth, Does::Says("535 5.7.8 bad password s3cr3t-Hunter22"))), LONG, "retry").await;
    check_smtp(Some((At::Mail, Does::Says("550 5.7.1 sender refused"))), LONG, "permanent").await;
    check_smtp(Some((At::Rcpt, Does::Says("450 4.7.1 greylisted"))), LONG, "retry").await;
    check_smtp(Some((At::Rcpt, Does::Says("550 5.1.1 unknown"))), LONG, "permanent").await;
    check_smtp(Some((At::Data, Does::Says("451 4.3.0 later"))), LONG, "retry").await;
    check_smtp(Some((At::Dot, Does::Says("554 5.7.1 spam"))), LONG, "permanent").await;
    check_smtp(Some((At::Dot, Does::Says("452 4.3.1 disk full"))), LONG, "retry").await;
}

#[tokio::test]
async fn smtp_hang_ups_are_ambiguous_only_after_the_final_dot() {
    for at in [At::Greeting, At::Hello, At::Auth, At::Mail, At::Rcpt, At::Data] {
        check_smtp(Some((at, Does::HangsUp)), LONG, "retry").await;
    }
    check_smtp(Some((At::Dot, Does::HangsUp)), LONG, "ambiguous").await;
}

#[tokio::test]
async fn smtp_stalls_end_at_the_deadline() {
    for at in [At::Greeting, At::Hello, At::Auth, At::Mail, At::Rcpt, At::Data] {
        check_smtp(Some((at, Does::Stalls)), SHORT, "retry").await;
    }
    check_smtp(Some((At::Dot, Does::Stalls)), SHORT, "ambiguous").await;
}

#[tokio::test]
async fn a_mail_arrives_whole_and_a_repeat_bears_the_same_id() {
    let server = FakeSmtp::start(None).await;
    let channel = email(server.port);
    for _ in 0..2 {
        assert_eq!(class(&outcome_of(&channel, &fixture::firing_fr(), LONG).await), "sent");
    }
    let mails = server.mails();
    assert_eq!((mails.len(), &mails[0]), (2, &mails[1]));
    assert!(mails[0].contains("Message-ID: <t0000001-claire@example.test>\r\n"), "{}", mails[0]);
    assert!(channel.probe(LONG).await.is_ok_and(|words| words.contains("credentials")));
}

#[tokio::test]
async fn nobody_listening_is_worth_another_try() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let base = format!("http://127.0.0.1:{port}");
    for channel in [email(port), slack(&base), webhook(&base)] {
        let outcome = outcome_of(&channel, &fixture::firing_fr(), LONG).await;
        assert_eq!(class(&outcome), "retry", "{outcome:?}");
        assert!(channel.probe(SHORT).await.is_err_and(|cause| !cause.contains(SECRET)));
    }
}

async fn check_http(build: fn(&str) -> Channel, status: u16, body: &str, expected: &str) -> AttemptOutcome {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(status)
        .set_body_string(body)
        .insert_header("Retry-After", "7200")
        .insert_header("Location", "http://127.0.0.1:1/elsewhere");
    Mock::given(any()).respond_with(answer).expect(1).mount(&server).await;
    let outcome = outcome_of(&build(&server.uri()), &fixture::firing_fr(), LONG).await;
    assert_eq!(class(&outcome), expected, "{status} {body}: {outcome:?}");
    outcome
}

#[tokio::test]
async fn webhook_statuses_become_outcomes() {
    for (status, expected) in [
        (200, "sent"),
        (202, "sent"),
        (204, "sent"),
        (301, "permanent"),
        (307, "permanent"),
        (400, "permanent"),
        (401, "permanent"),
        (404, "permanent"),
        (408, "retry"),
        (410, "permanent"),
        (422, "permanent"),
        (425, "retry"),
        (429, "retry"),
        (500, "retry"),
        (503, "retry"),
    ] {
        let body = format!("echo of {SECRET}");
        let outcome = check_http(webhook, status, &body, expected).await;
        if let AttemptOutcome::Retry { after, .. } = outcome {
            assert_eq!(after.map(|after| after.as_secs()), Some(3600), "clamped to an hour");
        }
    }
}

#[tokio::test]
async fn slack_answers_become_outcomes() {
    for (status, body, expected) in [
        (200, "ok", "sent"),
        (200, "<html>", "permanent"),
        (400, "invalid_blocks", "permanent"),
        (403, "invalid_token", "permanent"),
        (404, "no_service", "permanent"),
        (410, "channel_is_archived", "permanent"),
        (429, "rate_limited", "retry"),
        (500, "fatal_error", "retry"),
        (302, "", "permanent"),
    ] {
        check_http(slack, status, body, expected).await;
    }
}

#[tokio::test]
async fn http_silence_is_ambiguous_at_the_deadline() {
    // Connections are taken by the system and never answered.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    for channel in [slack(&base), webhook(&base)] {
        let outcome = outcome_of(&channel, &fixture::firing_fr(), SHORT).await;
        assert_eq!(class(&outcome), "ambiguous", "{outcome:?}");
    }
}

#[tokio::test]
async fn webhook_retries_bear_the_same_key_and_body() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(503)).mount(&server).await;
    let channel = webhook(&server.uri());
    for attempt in 1..=2 {
        channel.send(&fixture::firing_fr(), attempt, now(), LONG).await;
    }
    let requests = server.received_requests().await.expect("recorded");
    let header = |index: usize, name: &str| requests[index].headers[name].to_str().expect("ascii").to_owned();
    for name in ["webhook-id", "idempotency-key"] {
        assert_eq!((header(0, name), header(1, name)), ("n0000001-claire".to_owned(), "n0000001-claire".to_owned()));
    }
    assert_eq!((header(0, "x-vigie-attempt"), header(1, "x-vigie-attempt")), ("1".to_owned(), "2".to_owned()));
    assert_eq!(header(0, "webhook-timestamp"), now().as_second().to_string());
    assert_eq!(header(0, "authorization"), SECRET);
    assert!(header(0, "webhook-signature").starts_with("v1,"));
    assert_eq!(requests[0].body, requests[1].body);
    let body = String::from_utf8(requests[0].body.clone()).expect("text");
    assert!(body.contains(r#""schema":"vigie.event/1""#) && !body.contains(SECRET));
}

#[track_caller]
fn check_refused(config: &ChannelConfig, mail: Option<&MailConfig>, words: &str) {
    let error = build(config, mail).expect_err("refused");
    assert!(error.contains(words), "{error}");
    assert!(!error.contains(SECRET) && !error.ends_with('.'), "{error}");
}

#[test]
fn mistakes_are_named_before_the_first_send() {
    let to = |name: &str| ChannelConfig::Email(EmailConfig { to: vec![name.to_owned()], cc: vec![] });
    check_refused(&to("cliare"), None, "person \"cliare\" is unknown");
    check_refused(&to("a b@c"), None, "is no mail address");
    check_refused(&ChannelConfig::Email(EmailConfig { to: vec![], cc: vec![] }), None, "names nobody");
    let remote = |smtp: SmtpConfig| MailConfig { smtp, ..mail(25, false) };
    let clear = SmtpConfig { host: "mx.example.test".to_owned(), tls: Some(TlsMode::None), ..SmtpConfig::default() };
    check_refused(&to("claire"), Some(&remote(clear)), "in clear text");
    let half = SmtpConfig { user: Some("v".to_owned()), ..SmtpConfig::default() };
    check_refused(&to("claire"), Some(&remote(half)), "needs `password`");
    let missing = SmtpConfig { user: Some("v".to_owned()), password: Some(env("MISSING")), ..SmtpConfig::default() };
    check_refused(&to("claire"), Some(&remote(missing)), "MISSING is not set");
    let hook =
        |url: &str| ChannelConfig::Slack(SlackConfig { webhook: env(url), tls: None, proxy: None, language: None });
    check_refused(&hook("http://hooks.example.test/s3cr3t-Hunter22"), None, "https://");
    check_refused(&hook("KEY"), None, "slack webhook: the address can't be read");
    let reserved = WebhookConfig {
        url: Text::from("https://example.test"),
        secret: None,
        headers: [("Webhook-Id".to_owned(), Text::from("x"))].into(),
        tls: None,
        proxy: None,
        language: None,
    };
    check_refused(&ChannelConfig::Webhook(reserved), None, "set by Vigie itself");
}

#[test]
fn encrypted_servers_build_without_being_reached() {
    let config = ChannelConfig::Email(EmailConfig { to: vec!["claire".to_owned()], cc: vec![] });
    for tls in [None, Some(TlsMode::Starttls), Some(TlsMode::Implicit)] {
        let smtp = SmtpConfig { host: "mx.example.test".to_owned(), tls, ..SmtpConfig::default() };
        let channel = build(&config, Some(&MailConfig { smtp, ..mail(25, false) }));
        assert_eq!(channel.map(|channel| channel.kind()), Ok("email"));
    }
}

#[tokio::test]
async fn encryption_is_never_given_up() {
    // The server offers no STARTTLS: nothing is sent, and the cause says what is missing.
    let server = FakeSmtp::start(None).await;
    let config = ChannelConfig::Email(EmailConfig { to: vec!["claire".to_owned()], cc: vec![] });
    let mut mail = mail(server.port, true);
    mail.smtp.tls = Some(TlsMode::Starttls);
    let channel = build(&config, Some(&mail)).expect("builds");
    let outcome = outcome_of(&channel, &fixture::firing_fr(), LONG).await;
    assert!(matches!(&outcome, AttemptOutcome::Retry { cause, .. } if cause.contains("STARTTLS")), "{outcome:?}");
    assert!(server.mails().is_empty());
}

#[test]
fn recipients_have_names_and_languages() {
    let config = ChannelConfig::Email(EmailConfig {
        to: vec!["claire".to_owned(), "ops@example.test".to_owned()],
        cc: vec!["Claire@example.test".to_owned()],
    });
    let names: Vec<String> = build(&config, None)
        .expect("builds")
        .recipients()
        .into_iter()
        .map(|each| format!("{} {:?}", each.name, each.language))
        .collect();
    assert_eq!(names, ["claire@example.test Fr", "ops@example.test En"]);
    assert_eq!(slack("http://127.0.0.1:1").recipients()[0].name, "slack");
}

#[test]
fn what_people_read() {
    let smtp = mail(25, false);
    let maildir = ChannelConfig::Maildir(MaildirConfig { path: "mail".into(), to: vec!["claire".to_owned()] });
    let maildir = build(&maildir, Some(&smtp)).expect("builds");
    let (slack, webhook) = (slack("http://127.0.0.1:1"), webhook("http://127.0.0.1:1"));
    for (name, delivery) in [
        ("firing_fr", fixture::firing_fr()),
        ("escalated_en", fixture::escalated_en()),
        ("resolved_fr", fixture::resolved_fr()),
    ] {
        insta::assert_snapshot!(format!("{name}_text"), maildir.render_preview(&delivery));
        insta::assert_snapshot!(format!("{name}_html"), super::view::bodies(&delivery.message).expect("renders").html);
        insta::assert_snapshot!(format!("{name}_slack"), slack.render_preview(&delivery));
        insta::assert_snapshot!(format!("{name}_webhook"), webhook.render_preview(&delivery));
    }
}
