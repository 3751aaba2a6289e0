//! Answers, silence and broken connections, told apart by what to do about them; a repeat can be known as one.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use tokio::net::TcpListener;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::subjects::{ALL, HTTP, Kind, LONG, SHORT, class, now, outcome_of};
use crate::channel::fake_smtp::{At, Does, FakeSmtp};
use crate::channel::fixture::{self, SECRET};
use crate::model::notification::AttemptOutcome;

async fn check_smtp(script: Option<(At, Does)>, deadline: Duration, expected: &str) {
    let server = FakeSmtp::start(script.clone()).await;
    let outcome = outcome_of(&Kind::Email.channel(server.port, Path::new(".")), &fixture::firing_fr(), deadline).await;
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
    let channel = Kind::Email.channel(server.port, Path::new("."));
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
    for kind in [Kind::Email, Kind::Slack, Kind::Teams, Kind::Webhook] {
        let channel = kind.channel(port, Path::new("."));
        let outcome = outcome_of(&channel, &fixture::firing_fr(), LONG).await;
        assert_eq!(class(&outcome), "retry", "{kind:?}: {outcome:?}");
        assert!(channel.probe(SHORT).await.is_err_and(|cause| !cause.contains(SECRET)));
    }
}

async fn check_http(kind: Kind, status: u16, body: &str, expected: &str) -> AttemptOutcome {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(status)
        .set_body_string(body)
        .insert_header("Retry-After", "7200")
        .insert_header("Location", "http://127.0.0.1:1/elsewhere");
    Mock::given(any()).respond_with(answer).expect(1).mount(&server).await;
    let outcome = outcome_of(&kind.at(&server), &fixture::firing_fr(), LONG).await;
    assert_eq!(class(&outcome), expected, "{kind:?} {status} {body}: {outcome:?}");
    if let AttemptOutcome::Retry { after, .. } = outcome {
        assert_eq!(after.map(|after| after.as_secs()), Some(3600), "clamped to an hour");
    }
    // The address was asked as it was configured, and no other.
    let requests = server.received_requests().await.expect("recorded");
    let asked = &requests[0].url;
    assert_eq!(format!("{}?{}", asked.path(), asked.query().unwrap_or_default()).trim_end_matches('?'), kind.target());
    outcome
}

/// What means the same from all.
const REFUSALS: [(u16, &str); 18] = [
    (300, "permanent"),
    (301, "permanent"),
    (302, "permanent"),
    (307, "permanent"),
    (308, "permanent"),
    (400, "permanent"),
    (401, "permanent"),
    (403, "permanent"),
    (404, "permanent"),
    (408, "retry"),
    (410, "permanent"),
    (413, "permanent"),
    (422, "permanent"),
    (425, "retry"),
    (429, "retry"),
    (500, "retry"),
    (503, "retry"),
    (504, "retry"),
];

#[tokio::test]
async fn refusals_become_the_same_outcomes_everywhere() {
    for kind in HTTP {
        for (status, expected) in REFUSALS {
            let outcome = check_http(kind, status, "said why", expected).await;
            let (AttemptOutcome::Permanent { cause } | AttemptOutcome::Retry { cause, .. }) = &outcome else {
                panic!("{kind:?} {status}: {outcome:?}");
            };
            assert!(cause.contains(&status.to_string()) && cause.contains("said why"), "{cause}");
            if let 300..=399 = status {
                assert!(cause.contains("redirects are not followed"), "{cause}");
            }
        }
    }
}

#[tokio::test]
async fn webhooks_take_any_success() {
    for status in [200, 201, 202, 204] {
        check_http(Kind::Webhook, status, "", "sent").await;
    }
}

#[tokio::test]
async fn slack_answers_become_outcomes() {
    for (status, body, expected) in [
        (200, "ok", "sent"),
        (200, "<html>", "permanent"),
        (202, "ok", "permanent"),
        (400, "invalid_blocks", "permanent"),
        (403, "invalid_token", "permanent"),
        (404, "no_service", "permanent"),
        (410, "channel_is_archived", "permanent"),
        (429, "rate_limited", "retry"),
        (500, "fatal_error", "retry"),
    ] {
        check_http(Kind::Slack, status, body, expected).await;
    }
}

#[tokio::test]
async fn teams_answers_become_outcomes_with_their_remedies() {
    for (status, body, expected, words) in [
        (202, "", "sent", "accepted, whether it is displayed is not told"),
        (200, "", "sent", "accepted, whether it is displayed is not told"),
        (204, "", "permanent", "a flow answers 202"),
        (400, r#"{"error":{"code":"InvalidRequestContent"}}"#, "permanent", "InvalidRequestContent"),
        (400, r#"{"error":{"code":"WorkflowTriggerIsNotEnabled"}}"#, "permanent", "it must be on"),
        (401, r#"{"error":{"code":"DirectApiAuthorizationRequired"}}"#, "permanent", "copy it anew from the flow"),
        (403, "", "permanent", "copy it anew from the flow"),
        (404, r#"{"error":{"code":"WorkflowNotFound"}}"#, "permanent", "make a new one"),
        (410, "", "permanent", "make a new one"),
        (413, "", "permanent", "larger than Teams takes"),
        (429, "", "retry", "answered 429"),
        (502, "", "retry", "answered 502"),
    ] {
        let outcome = check_http(Kind::Teams, status, body, expected).await;
        let (AttemptOutcome::Sent { detail: said }
        | AttemptOutcome::Permanent { cause: said }
        | AttemptOutcome::Retry { cause: said, .. }
        | AttemptOutcome::Ambiguous { cause: said }) = outcome;
        assert!(said.starts_with("teams webhook at http://127.0.0.1:") && said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn http_silence_is_ambiguous_at_the_deadline() {
    // Connections are taken by the system and never answered.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    for kind in HTTP {
        let outcome = outcome_of(&kind.channel(port, Path::new(".")), &fixture::firing_fr(), SHORT).await;
        assert_eq!(class(&outcome), "ambiguous", "{kind:?}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_is_ambiguous_at_the_deadline() {
    let dir = tempfile::tempdir().expect("a folder");
    let channel = Kind::Maildir.channel(1, dir.path());
    assert!(channel.probe(LONG).await.is_ok());
    // Opening a pipe to write waits until somebody reads.
    let draft = dir.path().join("mail/tmp/1795410904.n0000001-claire.vigie");
    mkfifoat(CWD, &draft, Mode::RUSR | Mode::WUSR).expect("made");
    let outcome = outcome_of(&channel, &fixture::firing_fr(), SHORT).await;
    assert_eq!(class(&outcome), "ambiguous", "{outcome:?}");
    assert!(fs::metadata(&draft).expect("there").file_type().is_fifo(), "the mail was to be written to it");
    // Lets go of the thread that waits.
    let read = tokio::task::spawn_blocking(move || fs::read(draft).expect("read"));
    assert!(!read.await.expect("ends").is_empty());
}

#[tokio::test]
async fn the_same_delivery_always_arrives_as_the_same() {
    for kind in ALL {
        let delivery = fixture::escalated_en();
        assert_eq!(kind.arrived(&delivery).await, kind.arrived(&delivery).await, "{kind:?}");
    }
}

#[tokio::test]
async fn webhook_retries_bear_the_same_key_and_body() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(503)).mount(&server).await;
    let channel = Kind::Webhook.at(&server);
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
