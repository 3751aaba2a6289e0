//! Real handshakes on loopback: mail with TLS from the first byte and after STARTTLS, webhooks over HTTPS.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use tempfile::TempDir;

use crate::model::notification::AttemptOutcome;
use crate::net::TlsConfig;
use crate::net::fixture::{Authority, HttpsServer, Issued};
use crate::secret::{SecretRef, Text};

use super::build::Channel;
use super::config::{
    ChannelConfig, EmailConfig, MailConfig, SlackConfig, SmtpConfig, TeamsConfig, TlsMode, WebhookConfig,
};
use super::fake_smtp::{At, Does, Encryption, FakeSmtp, Server};
use super::fixture::{self, SECRET};

const LONG: Duration = Duration::from_secs(20);
const USER: &str = "vigie";

/// A configuration's folder with the authority of the servers in it.
struct Folder {
    dir: TempDir,
    authority: Authority,
}

impl Folder {
    fn new() -> Folder {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("Vigie test authority"));
        authority.write(&dir.path().join("ca.pem"));
        Folder { dir, authority }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn smtp(port: u16, tls: TlsMode, ca: Option<&str>) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".to_owned(),
        port: Some(port),
        tls: Some(tls),
        user: Some(USER.to_owned()),
        password: Some(SecretRef::Env("PASSWORD".to_owned())),
        ca: ca.map(Into::into),
        ..SmtpConfig::default()
    }
}

fn email(smtp: SmtpConfig, base_dir: &Path) -> Result<Channel, String> {
    let mail = MailConfig { from: "Vigie <vigie@example.test>".to_owned(), smtp, reply_to: None };
    let config = ChannelConfig::Email(EmailConfig { to: vec!["claire".to_owned()], cc: vec![] });
    fixture::with_context(Some(&mail), base_dir, |context| Channel::build(&config, context))
}

async fn send(channel: &Channel) -> AttemptOutcome {
    let now = fixture::at("2026-11-23T05:15:10Z");
    let outcome = channel.send(&fixture::firing_fr(), 1, now, LONG).await;
    assert!(!format!("{outcome:?}").contains(SECRET), "{outcome:?}");
    outcome
}

fn encrypted(shown: &Issued, tls: TlsMode) -> Encryption {
    match tls {
        TlsMode::Implicit => Encryption::Implicit(shown.acceptor()),
        TlsMode::Starttls => Encryption::Starttls(shown.acceptor(), ""),
        TlsMode::None => Encryption::None,
    }
}

async fn server(encryption: Encryption, auth: &'static str) -> FakeSmtp {
    FakeSmtp::start_as(Server { script: None, encryption, auth }).await
}

/// Neither the credentials nor the mail may be in what was heard.
fn check_nothing_left(server: &FakeSmtp) {
    let heard = [server.clear(), server.encrypted()].concat().join("\n").to_uppercase();
    for word in ["AUTH", "MAIL", "RCPT", "DATA"] {
        assert!(!heard.contains(word), "{heard}");
    }
    assert!(server.mails().is_empty());
}

/// A fault of TLS: tried again later, but said with server, cause and remedy.
fn check_told(outcome: &AttemptOutcome, place: &str, parts: &[&str]) {
    let AttemptOutcome::Retry { cause, after } = outcome else { panic!("retry expected: {outcome:?}") };
    assert_eq!(*after, Some(SignedDuration::from_mins(30)));
    for part in parts.iter().copied().chain([place]) {
        assert!(cause.contains(part), "{cause} lacks {part}");
    }
}

#[tokio::test]
async fn mail_goes_encrypted_and_authenticated_once_the_authority_is_named() {
    let folder = Folder::new();
    let shown = folder.authority.issue(&["localhost"]);
    for tls in [TlsMode::Implicit, TlsMode::Starttls] {
        for auth in ["PLAIN", "LOGIN", "LOGIN PLAIN", "XOAUTH2 LOGIN"] {
            let server = server(encrypted(&shown, tls), auth).await;
            // Relative to the folder of the configuration.
            let channel = email(smtp(server.port, tls, Some("ca.pem")), folder.path()).unwrap();
            let outcome = send(&channel).await;
            assert!(matches!(outcome, AttemptOutcome::Sent { .. }), "{tls:?} {auth}: {outcome:?}");
            assert!(server.mails()[0].contains("Message-ID: <t0000001-claire@example.test>\r\n"));
            // In clear text there was at most the wish for encryption.
            let clear = server.clear();
            assert!(clear.iter().all(|line| line.starts_with("EHLO ") || line == "STARTTLS"), "{clear:?}");
            let heard = server.encrypted().join("\n");
            let credentials = if auth.contains("PLAIN") {
                format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{USER}\0{SECRET}")))
            } else {
                format!("AUTH LOGIN\n{}\n{}", STANDARD.encode(USER), STANDARD.encode(SECRET))
            };
            assert!(heard.contains(&credentials), "{heard}");
            assert!(channel.probe(LONG).await.is_ok_and(|words| words.contains("takes the credentials")));
        }
    }
}

async fn check_refused(folder: &Folder, shown: &Issued, ca: Option<&str>, parts: &[&str]) {
    for tls in [TlsMode::Implicit, TlsMode::Starttls] {
        let server = server(encrypted(shown, tls), "PLAIN LOGIN").await;
        let channel = email(smtp(server.port, tls, ca), folder.path()).unwrap();
        check_told(&send(&channel).await, &format!("mail server localhost:{}", server.port), parts);
        let probed = channel.probe(LONG).await.unwrap_err();
        assert!(parts.iter().all(|part| probed.contains(part)), "{probed}");
        check_nothing_left(&server);
    }
}

#[tokio::test]
async fn mail_servers_that_are_not_to_be_trusted_get_nothing() {
    let folder = Folder::new();
    let good = folder.authority.issue(&["localhost"]);
    let unknown = ["certificate is signed by an authority that is not trusted", "mail.smtp.ca"];
    check_refused(&folder, &good, None, &unknown).await;
    let stranger = Authority::new("Somebody else");
    check_refused(&folder, &stranger.issue(&["localhost"]), Some("ca.pem"), &unknown).await;
    let other = folder.authority.issue(&["mx.example.test", "mail.example.test"]);
    let names = ["certificate is made for mx.example.test, mail.example.test", "mail.smtp.host"];
    check_refused(&folder, &other, Some("ca.pem"), &names).await;
    let old = folder.authority.issue_expired(&["localhost"]);
    check_refused(&folder, &old, Some("ca.pem"), &["certificate has expired", "renew it"]).await;
}

#[tokio::test]
async fn an_address_is_a_name_too() {
    let folder = Folder::new();
    let server = server(encrypted(&folder.authority.issue(&["127.0.0.1"]), TlsMode::Implicit), "PLAIN").await;
    for host in ["127.0.0.1", "[127.0.0.1]"] {
        let config = SmtpConfig { host: host.to_owned(), ..smtp(server.port, TlsMode::Implicit, Some("ca.pem")) };
        let outcome = send(&email(config, folder.path()).unwrap()).await;
        assert!(matches!(outcome, AttemptOutcome::Sent { .. }), "{host}: {outcome:?}");
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_in_clear_text() {
    let folder = Folder::new();
    // It offers AUTH in clear text, and takes whatever it is told.
    let server = server(Encryption::None, "PLAIN LOGIN").await;
    let channel = email(smtp(server.port, TlsMode::Starttls, Some("ca.pem")), folder.path()).unwrap();
    let parts = ["STARTTLS is not supported", "nothing was sent in clear text", "mail.smtp `port`"];
    check_told(&send(&channel).await, &format!("mail server localhost:{}", server.port), &parts);
    assert!(server.clear().iter().all(|line| line.starts_with("EHLO ") || line == "QUIT"), "{:?}", server.clear());
    check_nothing_left(&server);
}

#[tokio::test]
async fn a_server_that_refuses_to_encrypt_gets_nothing() {
    let folder = Folder::new();
    for reply in ["454 4.7.0 TLS not available", "502 5.5.1 no such command"] {
        let shown = folder.authority.issue(&["localhost"]);
        let server = FakeSmtp::start_as(Server {
            script: Some((At::Starttls, Does::Says(reply))),
            encryption: Encryption::Starttls(shown.acceptor(), ""),
            auth: "PLAIN",
        })
        .await;
        let channel = email(smtp(server.port, TlsMode::Starttls, Some("ca.pem")), folder.path()).unwrap();
        let outcome = send(&channel).await;
        assert!(matches!(&outcome, AttemptOutcome::Retry { cause, .. } if cause.contains(reply)), "{outcome:?}");
        check_nothing_left(&server);
    }
}

#[tokio::test]
async fn what_was_said_before_encryption_is_not_believed_after_it() {
    let folder = Folder::new();
    let shown = folder.authority.issue(&["localhost"]);
    // Answers to all that follows, up to a mail that was never taken.
    let added = "250-x\r\n250 AUTH PLAIN\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n";
    let server = server(Encryption::Starttls(shown.acceptor(), added), "PLAIN").await;
    let channel = email(smtp(server.port, TlsMode::Starttls, Some("ca.pem")), folder.path()).unwrap();
    let outcome = send(&channel).await;
    assert!(matches!(outcome, AttemptOutcome::Retry { .. }), "{outcome:?}");
    check_nothing_left(&server);
}

#[tokio::test]
async fn the_wrong_kind_of_encryption_says_what_to_check() {
    let folder = Folder::new();
    // TLS from the first byte, to a server that greets in clear text.
    let server = server(Encryption::None, "PLAIN").await;
    let channel = email(smtp(server.port, TlsMode::Implicit, Some("ca.pem")), folder.path()).unwrap();
    check_told(&send(&channel).await, &format!("localhost:{}", server.port), &["no TLS", "mail.smtp.host", "port"]);
    check_nothing_left(&server);
}

#[tokio::test]
async fn a_server_without_a_known_way_to_authenticate_is_told() {
    let folder = Folder::new();
    let server = server(encrypted(&folder.authority.issue(&["localhost"]), TlsMode::Implicit), "XOAUTH2").await;
    let channel = email(smtp(server.port, TlsMode::Implicit, Some("ca.pem")), folder.path()).unwrap();
    check_told(&send(&channel).await, "authenticating", &["No compatible authentication", "`user`"]);
    check_nothing_left(&server);
}

#[test]
fn a_ca_file_that_can_not_be_used_is_an_error_of_the_configuration() {
    let folder = Folder::new();
    let check = |name: &str, part: &str| {
        let error = email(smtp(465, TlsMode::Implicit, Some(name)), folder.path()).unwrap_err();
        assert!(error.contains("mail.smtp.ca") && error.contains(name) && error.contains(part), "{error}");
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
    };
    std::fs::write(folder.path().join("garbage.pem"), "no certificate at all").unwrap();
    std::fs::write(folder.path().join("key.pem"), folder.authority.issue(&["localhost"]).key).unwrap();
    check("missing.pem", "check path and rights");
    check("garbage.pem", "holds no certificate");
    check("key.pem", "holds no certificate");
    // A file in a folder of its own, and an absolute path, are fine.
    std::fs::create_dir(folder.path().join("tls")).unwrap();
    folder.authority.write(&folder.path().join("tls/ca.pem"));
    let absolute = folder.path().join("ca.pem").display().to_string();
    for name in ["tls/ca.pem", "./ca.pem", absolute.as_str()] {
        assert!(email(smtp(465, TlsMode::Implicit, Some(name)), folder.path()).is_ok(), "{name}");
    }
}

fn webhook(port: u16, tls: Option<TlsConfig>) -> ChannelConfig {
    ChannelConfig::Webhook(WebhookConfig {
        url: Text::Plain(format!("https://localhost:{port}/hook?token={SECRET}")),
        secret: None,
        headers: [("Authorization".to_owned(), Text::Secret(SecretRef::Env("TOKEN".to_owned())))].into(),
        tls,
        proxy: None,
        language: None,
    })
}

fn build(config: &ChannelConfig, base_dir: &Path) -> Result<Channel, String> {
    fixture::with_context(None, base_dir, |context| Channel::build(config, context))
}

fn ca() -> TlsConfig {
    TlsConfig { ca: Some("ca.pem".into()), ..TlsConfig::default() }
}

#[tokio::test]
async fn webhooks_go_to_whom_they_trust() {
    let folder = Folder::new();
    let mine = folder.authority.issue(&["vigie.example.test"]);
    std::fs::write(folder.path().join("vigie.pem"), format!("{}{}", mine.cert, mine.key)).unwrap();
    let shown = folder.authority.issue(&["localhost"]);
    let with_cert = TlsConfig { cert: Some("vigie.pem".into()), ..ca() };
    for (acceptor, tls) in [(shown.acceptor(), ca()), (shown.acceptor_for(&folder.authority), with_cert)] {
        let server = HttpsServer::start(acceptor, "").await;
        let channel = build(&webhook(server.port, Some(tls)), folder.path()).unwrap();
        let outcome = send(&channel).await;
        assert!(matches!(outcome, AttemptOutcome::Sent { .. }), "{outcome:?}");
        assert!(server.requests()[0].contains(r#""schema":"vigie.event/1""#), "{:?}", server.requests());
        assert!(channel.probe(LONG).await.is_ok_and(|words| words.contains("nothing was posted")));
    }
}

#[tokio::test]
async fn webhooks_do_not_go_to_whom_they_do_not_trust() {
    let folder = Folder::new();
    let good = folder.authority.issue(&["localhost"]);
    for (acceptor, tls, parts) in [
        (good.acceptor(), None, ["not trusted", "tls.ca"]),
        (Authority::new("Somebody else").issue(&["localhost"]).acceptor(), Some(ca()), ["not trusted", "tls.ca"]),
        (folder.authority.issue(&["h.example.test"]).acceptor(), Some(ca()), ["made for h.example.test", "in url"]),
        (folder.authority.issue_expired(&["localhost"]).acceptor(), Some(ca()), ["has expired", "renew it"]),
        (good.acceptor_for(&folder.authority), Some(ca()), ["wants a client certificate", "tls.cert"]),
    ] {
        let server = HttpsServer::start(acceptor, "").await;
        let channel = build(&webhook(server.port, tls), folder.path()).unwrap();
        let place = format!("webhook: https://localhost:{}", server.port);
        check_told(&send(&channel).await, &place, &parts);
        let probed = channel.probe(LONG).await.unwrap_err();
        assert!(parts.iter().all(|part| probed.contains(part)), "{probed}");
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn slack_and_teams_take_an_authority_too() {
    let folder = Folder::new();
    let server = HttpsServer::start(folder.authority.issue(&["localhost"]).acceptor(), "ok").await;
    // A signature covers the query as it stands: neither sorted nor escaped anew.
    let target = format!("/workflows/1/invoke?sp=%2ftriggers%2Frun&api-version=1&sig={SECRET}%2b~%2F%3D");
    for name in ["slack", "teams"] {
        let built = |tls| {
            let webhook = SecretRef::Env(format!("https://localhost:{}{target}", server.port));
            let config = match name {
                "slack" => ChannelConfig::Slack(SlackConfig { webhook, tls, proxy: None, language: None }),
                _ => ChannelConfig::Teams(TeamsConfig { webhook, tls, proxy: None, language: None }),
            };
            build(&config, folder.path()).unwrap()
        };
        assert!(matches!(send(&built(Some(ca()))).await, AttemptOutcome::Sent { .. }));
        let request = server.requests().pop().unwrap();
        assert!(request.starts_with(&format!("POST {target} HTTP/1.1\r\n")), "{request}");
        assert!(request.contains(&format!("\r\nhost: localhost:{}\r\n", server.port)), "{request}");
        let place = format!("{name} webhook: https://localhost:");
        check_told(&send(&built(None)).await, &place, &["not trusted", "tls.ca"]);
    }
}

#[test]
fn settings_of_webhooks_are_judged_when_built() {
    let folder = Folder::new();
    let check = |tls: Option<TlsConfig>, proxy: Option<&str>, part: &str| {
        let ChannelConfig::Webhook(config) = webhook(443, tls) else { unreachable!("a webhook") };
        let config = ChannelConfig::Webhook(WebhookConfig { proxy: proxy.map(Text::from), ..config });
        let error = build(&config, folder.path()).unwrap_err();
        assert!(error.starts_with("webhook: ") && error.contains(part) && !error.contains(SECRET), "{error}");
    };
    check(Some(TlsConfig { ca: Some("missing.pem".into()), ..TlsConfig::default() }), None, "tls.ca: can't read");
    check(Some(TlsConfig { cert: Some("ca.pem".into()), ..TlsConfig::default() }), None, "no usable identity");
    check(None, Some(&format!("http://user:{SECRET}@[bad")), "proxy is no address");
}

#[tokio::test]
async fn webhooks_go_through_their_proxy() {
    use wiremock::matchers::{header_exists, method};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    let proxy = MockServer::start().await;
    let answer = ResponseTemplate::new(202);
    Mock::given(method("POST")).and(header_exists("webhook-id")).respond_with(answer).expect(1).mount(&proxy).await;
    let config = ChannelConfig::Webhook(WebhookConfig {
        url: Text::from("http://hooks.example.test/hook"),
        secret: None,
        headers: [].into(),
        tls: None,
        proxy: Some(Text::Plain(proxy.uri())),
        language: None,
    });
    let outcome = send(&build(&config, Path::new(".")).unwrap()).await;
    let AttemptOutcome::Sent { detail } = outcome else { panic!("sent expected: {outcome:?}") };
    assert_eq!(detail, "webhook at http://hooks.example.test answered 202");
    assert_eq!(proxy.received_requests().await.unwrap()[0].headers["host"], "hooks.example.test");
}
