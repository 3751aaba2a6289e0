//! How channels and the mail server are configured; each shape builds itself elsewhere in this module.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::model::unit::Language;
use crate::net::TlsConfig;
use crate::secret::{SecretRef, Text};

/// One way to reach people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelConfig {
    /// Mail to persons or addresses, by the server under `mail:`.
    Email(EmailConfig),
    /// The same mails, written into a Maildir folder.
    Maildir(MaildirConfig),
    /// A Slack incoming webhook.
    Slack(SlackConfig),
    /// A Microsoft Teams webhook made with Workflows.
    Teams(TeamsConfig),
    /// Signed JSON to any HTTP address.
    Webhook(WebhookConfig),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// Ids of `people:`, or mail addresses: `[claire, direction@example.test]`.
    pub to: Vec<String>,
    /// Further readers, in the same form. Default: none.
    #[serde(default)]
    pub cc: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaildirConfig {
    /// The folder that holds `tmp`, `new` and `cur`; made if it is missing.
    pub path: PathBuf,
    /// Ids of `people:`, or mail addresses.
    pub to: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// The incoming webhook's address, which is a secret: `{env: SLACK_URL}`.
    pub webhook: SecretRef,
    /// Authorities to trust, such as those of a proxy that reads along. Default: the system's. Example: `{ca: ca.pem}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Address of a proxy. Default: none. Example: `http://proxy.example.test:3128`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Text>,
    /// Default: the configuration's language.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub language: Option<Language>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamsConfig {
    /// The address that the flow shows, which is a secret: `{env: TEAMS_URL}`.
    pub webhook: SecretRef,
    /// Authorities to trust, such as those of a proxy that reads along. Default: the system's. Example: `{ca: ca.pem}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Address of a proxy. Default: none. Example: `http://proxy.example.test:3128`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Text>,
    /// Default: the configuration's language.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub language: Option<Language>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to post: `https://example.test/hook`, or a secret reference when the address itself is one.
    pub url: Text,
    /// Signs each post (Standard Webhooks); a `whsec_` secret is read as base64. Default: not signed.
    #[serde(default)]
    pub secret: Option<SecretRef>,
    /// Further headers: `{Authorization: {env: HOOK_TOKEN}}`.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// Authorities to trust, client certificate. Default: the system's, none.
    /// Example: `{ca: ca.pem, cert: vigie.pem, key: {file: vigie.key}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Address of a proxy. Default: none. Example: `http://proxy.example.test:3128`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Text>,
    /// Default: the configuration's language.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub language: Option<Language>,
}

/// Who mails come from and which server takes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// Sender of every mail: `Vigie <vigie@example.test>`.
    pub from: String,
    /// Default: 127.0.0.1, port 25, not encrypted.
    #[serde(default)]
    pub smtp: SmtpConfig,
    /// Where answers go. Default: `from`.
    #[serde(default)]
    pub reply_to: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Default: 127.0.0.1.
    #[serde(default = "local_host")]
    pub host: String,
    /// Default: 465 for `implicit`, 587 for `starttls`, 25 on this machine.
    #[serde(default)]
    pub port: Option<u16>,
    /// Default: `implicit` on port 465, `none` on this machine, else `starttls`.
    #[serde(default)]
    pub tls: Option<TlsMode>,
    /// Needs `password`. Default: no authentication.
    #[serde(default)]
    pub user: Option<String>,
    /// A reference, such as `{credential: smtp}`. Default: none.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// A PEM file of authorities to trust besides the system's. Default: none. Example: `internal-ca.pem`.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The name given to the server. Default: this machine's.
    #[serde(default)]
    pub hello: Option<String>,
    /// The most that one delivery may take, `60s`. Default: what the service allows.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<SignedDuration>,
}

/// How the connection to the mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// Not at all; only for a server on this machine.
    None,
    /// Begins in clear text, then must be encrypted; never falls back.
    Starttls,
    /// From the first byte.
    Implicit,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            host: local_host(),
            port: None,
            tls: None,
            user: None,
            password: None,
            ca: None,
            hello: None,
            timeout: None,
        }
    }
}

fn local_host() -> String {
    "127.0.0.1".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: ChannelConfig) {
        assert_eq!(serde_json::from_str::<ChannelConfig>(json).expect("valid"), expected);
    }

    #[test]
    fn channels_read_as_documented() {
        check(
            r#"{"email": {"to": ["claire"]}}"#,
            ChannelConfig::Email(EmailConfig { to: vec!["claire".to_owned()], cc: vec![] }),
        );
        check(
            r#"{"slack": {"webhook": {"env": "SLACK_URL"}}}"#,
            ChannelConfig::Slack(SlackConfig {
                webhook: SecretRef::Env("SLACK_URL".to_owned()),
                tls: None,
                proxy: None,
                language: None,
            }),
        );
        check(
            r#"{"teams": {"webhook": {"env": "TEAMS_URL"}, "language": "fr"}}"#,
            ChannelConfig::Teams(TeamsConfig {
                webhook: SecretRef::Env("TEAMS_URL".to_owned()),
                tls: None,
                proxy: None,
                language: Some(Language::Fr),
            }),
        );
        check(
            r#"{"webhook": {"url": "https://example.test/h", "secret": {"file": "s"}, "headers": {"A": {"env": "B"}}}}"#,
            ChannelConfig::Webhook(WebhookConfig {
                url: Text::from("https://example.test/h"),
                secret: Some(SecretRef::File("s".into())),
                headers: BTreeMap::from([("A".to_owned(), Text::Secret(SecretRef::Env("B".to_owned())))]),
                tls: None,
                proxy: None,
                language: None,
            }),
        );
    }

    #[test]
    fn unknown_fields_are_refused() {
        let error = serde_json::from_str::<ChannelConfig>(r#"{"email": {"to": [], "bcc": []}}"#).expect_err("refused");
        assert!(error.to_string().contains("bcc"), "{error}");
    }

    #[test]
    fn mail_reads_with_defaults() {
        let mail: MailConfig =
            serde_json::from_str(r#"{"from": "v@example.test", "smtp": {"host": "h", "timeout": "90s"}}"#)
                .expect("valid");
        assert_eq!(mail.smtp.timeout, Some(SignedDuration::from_secs(90)));
        assert_eq!((mail.smtp.port, mail.smtp.tls, mail.reply_to), (None, None, None));
    }
}
