//! Mistakes of the settings are named before the first send; encryption is never given up.

use std::path::Path;

use super::subjects::{Kind, LONG, build, env, mail, outcome_of};
use crate::channel::config::{ChannelConfig, EmailConfig, MailConfig, SmtpConfig, TlsMode, WebhookConfig};
use crate::channel::fake_smtp::FakeSmtp;
use crate::channel::fixture::{self, SECRET};
use crate::model::notification::AttemptOutcome;
use crate::secret::Text;

#[track_caller]
fn check_refused(config: &ChannelConfig, mail: Option<&MailConfig>, words: &str) {
    let error = build(config, mail, Path::new(".")).expect_err("refused");
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
    for (kind, name) in [(Kind::Slack, "slack"), (Kind::Teams, "teams")] {
        let clear = kind.config("http://hooks.example.test/s3cr3t-Hunter22?sig=s3cr3t-Hunter22");
        check_refused(&clear, None, &format!("{name} webhook: the address is a secret and must begin with https://"));
        check_refused(&kind.config("KEY"), None, &format!("{name} webhook: the address can't be read"));
        check_refused(
            &kind.config("MISSING"),
            None,
            &format!("{name} webhook: environment variable MISSING is not set"),
        );
    }
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
        let channel = build(&config, Some(&MailConfig { smtp, ..mail(25, false) }), Path::new("."));
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
    let channel = build(&config, Some(&mail), Path::new(".")).expect("builds");
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
    let names: Vec<String> = build(&config, None, Path::new("."))
        .expect("builds")
        .recipients()
        .into_iter()
        .map(|each| format!("{} {:?}", each.name, each.language))
        .collect();
    assert_eq!(names, ["claire@example.test Fr", "ops@example.test En"]);
    for (kind, name) in [(Kind::Slack, "slack"), (Kind::Teams, "teams"), (Kind::Webhook, "webhook")] {
        let recipients = kind.channel(1, Path::new(".")).recipients();
        assert_eq!((recipients.len(), recipients[0].name.as_str()), (1, name));
    }
}
