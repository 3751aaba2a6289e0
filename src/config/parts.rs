//! The only contact with sources and channels: their configuration types, and the little that
//! resolution must know of them.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::secret::SecretRef;

/// Where numbers are pulled from.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceConfig {
    /// A file of comma-separated values.
    Csv(CsvConfig),
    /// A database.
    Sql(SqlConfig),
    /// A Prometheus server.
    Prometheus(PrometheusConfig),
}

/// A file of comma-separated values.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The file, relative to the configuration. Example: `ventes.csv`.
    pub path: PathBuf,
    /// Character between fields. Default: found out. Example: `;`.
    pub delimiter: Option<String>,
    /// Decimal separator, `.` or `,`. Default: found out.
    pub decimal: Option<String>,
    /// Encoding of the text. Default: found out. Example: `windows-1252`.
    pub encoding: Option<String>,
    /// How dates are written. Default: found out. Example: `%d/%m/%Y`.
    pub date_format: Option<String>,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlConfig {
    /// The connection URL, as a reference since it holds a password. Example: `{env: SHOP_URL}`.
    pub url: SecretRef,
}

/// A Prometheus server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusConfig {
    /// Address of the server. Example: `http://127.0.0.1:9090`.
    pub url: String,
    /// Bearer token. Default: none. Example: `{env: PROMETHEUS_TOKEN}`.
    pub token: Option<SecretRef>,
}

/// One way to reach people.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelConfig {
    /// Mail.
    Email(EmailConfig),
    /// Mail into a folder of files, for trials.
    Maildir(MaildirConfig),
    /// A Slack webhook.
    Slack(SlackConfig),
    /// An HTTP endpoint of your own.
    Webhook(WebhookConfig),
}

/// Mail.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// Ids of people, or addresses. Example: `[claire, ventes@example.test]`.
    pub to: Vec<String>,
}

/// Mail into a folder of files.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaildirConfig {
    /// The folder, relative to the configuration. Example: `courrier`.
    pub path: PathBuf,
    /// Ids of people, or addresses.
    pub to: Vec<String>,
}

/// A Slack webhook.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// The incoming webhook's URL, a secret. Example: `{env: SLACK_URL}`.
    pub webhook: SecretRef,
}

/// An HTTP endpoint.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// The endpoint. Example: `https://hooks.example.test/vigie`.
    pub url: String,
    /// Key that signs the messages. Default: none, not signed. Example: `{file: webhook.key}`.
    pub secret: Option<SecretRef>,
}

/// How mail leaves.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// Sender. Example: `Vigie <vigie@example.test>`.
    pub from: String,
    /// The mail server. Default: 127.0.0.1:25.
    pub smtp: Option<SmtpConfig>,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Name or address. Example: `smtp.example.test`.
    pub host: String,
    /// Port. Default: 25, with TLS 465 or 587.
    pub port: Option<u16>,
    /// `none`, `starttls` or `tls`. Default: `none` for the own machine, else `starttls`.
    pub tls: Option<Tls>,
    /// User name. Default: none, no login.
    pub user: Option<String>,
    /// Password, as a reference. Example: `{credential: smtp}`.
    pub password: Option<SecretRef>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    None,
    Starttls,
    #[serde(rename = "tls")]
    Implicit,
}

/// What a source's KPIs must ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryForm {
    Text,
    Columns,
}

/// The form of query that a source understands.
pub(super) fn query_form(source: &SourceConfig) -> QueryForm {
    match source {
        SourceConfig::Csv(_) => QueryForm::Columns,
        SourceConfig::Sql(_) | SourceConfig::Prometheus(_) => QueryForm::Text,
    }
}

/// The kind of channel as its recipients are named, and whom it writes to.
pub(super) enum Reach<'a> {
    /// One recipient per address.
    Addresses(&'a [String]),
    /// One recipient, named by the kind of channel.
    Named(&'static str),
}

pub(super) fn reach(channel: &ChannelConfig) -> Reach<'_> {
    match channel {
        ChannelConfig::Email(email) => Reach::Addresses(&email.to),
        ChannelConfig::Maildir(maildir) => Reach::Addresses(&maildir.to),
        ChannelConfig::Slack(_) => Reach::Named("slack"),
        ChannelConfig::Webhook(_) => Reach::Named("webhook"),
    }
}

/// Whether a channel hands its messages to the configured mail server.
pub(super) fn needs_mail(channel: &ChannelConfig) -> bool {
    matches!(channel, ChannelConfig::Email(_))
}

/// One channel, or a list of them.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceiverParts(pub Vec<ChannelConfig>);

impl<'de> Deserialize<'de> for ReceiverParts {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct PartsVisitor;

        impl<'de> Visitor<'de> for PartsVisitor {
            type Value = ReceiverParts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a channel such as `{email: {to: [claire]}}`, or a list of channels")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ReceiverParts, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(ReceiverParts)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ReceiverParts, A::Error> {
                ChannelConfig::deserialize(MapAccessDeserializer::new(map)).map(|one| ReceiverParts(vec![one]))
            }
        }

        input.deserialize_any(PartsVisitor)
    }
}

impl JsonSchema for ReceiverParts {
    fn schema_name() -> Cow<'static, str> {
        "Receiver".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<ChannelConfig>();
        json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

/// Sources by id with the folder that their relative paths start from.
pub(super) type Sources = IndexMap<crate::model::ids::SourceId, (SourceConfig, PathBuf)>;
