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

pub(super) use crate::channel::{ChannelConfig, MailConfig};
use crate::model::unit::Language;
pub(super) use crate::source::SourceConfig;

/// What a source's KPIs must ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryForm {
    Text,
    /// Columns, or SQL over the table that they are.
    Table,
    /// What an HTTP API is asked, and where its answer holds the figures.
    Request,
    /// Accounts of a ledger.
    Ledger,
    /// Nothing: people enter the figures.
    Nothing,
}

/// The form of query that a source understands.
pub(super) fn query_form(source: &SourceConfig) -> QueryForm {
    match source {
        SourceConfig::Csv(_) | SourceConfig::Xlsx(_) => QueryForm::Table,
        SourceConfig::Sql(_) | SourceConfig::Prometheus(_) => QueryForm::Text,
        SourceConfig::HttpJson(_) => QueryForm::Request,
        SourceConfig::Fec(_) => QueryForm::Ledger,
        SourceConfig::Manual(_) => QueryForm::Nothing,
    }
}

/// The kind of channel as its recipients are named, and whom it writes to.
pub(super) enum Reach<'a> {
    /// One recipient per address.
    Addresses(Vec<&'a str>),
    /// One recipient, named by the kind of channel, and the language that the channel states.
    Named(&'static str, Option<Language>),
}

pub(super) fn reach(channel: &ChannelConfig) -> Reach<'_> {
    match channel {
        ChannelConfig::Email(email) => Reach::Addresses(email.to.iter().chain(&email.cc).map(String::as_str).collect()),
        ChannelConfig::Maildir(maildir) => Reach::Addresses(maildir.to.iter().map(String::as_str).collect()),
        ChannelConfig::Slack(slack) => Reach::Named("slack", slack.language),
        ChannelConfig::Teams(teams) => Reach::Named("teams", teams.language),
        ChannelConfig::Webhook(webhook) => Reach::Named("webhook", webhook.language),
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
