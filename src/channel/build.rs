//! From a channel's configuration to something that can send.

use std::fmt;
use std::path::Path;

use crate::model::ids::PersonId;
use crate::model::notification::{Person, Recipient};
use crate::model::unit::Language;
use crate::secret::Resolver;

use super::config::{ChannelConfig, MailConfig};
use super::email::Email;
use super::maildir::Maildir;
use super::slack::Slack;
use super::teams::Teams;
use super::webhook::Webhook;

/// What channels share while they are built.
pub struct ChannelContext<'a> {
    /// The configuration's `mail:`; absent: 127.0.0.1:25, not encrypted.
    pub mail: Option<MailContext<'a>>,
    pub people: &'a dyn Fn(&PersonId) -> Option<Person>,
    /// Reads a secret; its errors name the reference, never the value.
    pub resolve: Resolver<'a>,
    /// Relative paths of the configuration begin here.
    pub base_dir: &'a Path,
    /// Of addresses and channels that state none.
    pub default_language: Language,
}

/// The mail server's settings, which may stand in another file than the receivers.
#[derive(Clone, Copy)]
pub struct MailContext<'a> {
    pub config: &'a MailConfig,
    pub resolve: Resolver<'a>,
    /// Relative paths in it begin here.
    pub base_dir: &'a Path,
}

/// One way to reach people, ready to send. Its kind stays inside the module.
pub struct Channel {
    pub(super) via: Via,
    language: Language,
}

pub(super) enum Via {
    Email(Email),
    Maildir(Maildir),
    Slack(Slack),
    Teams(Teams),
    Webhook(Webhook),
}

impl Channel {
    /// Checks and resolves everything that can be wrong before the first send. Reaches no server.
    pub fn build(config: &ChannelConfig, context: &ChannelContext<'_>) -> Result<Channel, String> {
        let (via, language) = match config {
            ChannelConfig::Email(email) => (Via::Email(Email::build(&email.to, &email.cc, context)?), None),
            ChannelConfig::Maildir(maildir) => (Via::Maildir(Maildir::build(maildir, context)?), None),
            ChannelConfig::Slack(slack) => (Via::Slack(Slack::build(slack, context)?), slack.language),
            ChannelConfig::Teams(teams) => (Via::Teams(Teams::build(teams, context)?), teams.language),
            ChannelConfig::Webhook(webhook) => (Via::Webhook(Webhook::build(webhook, context)?), webhook.language),
        };
        Ok(Channel { via, language: language.unwrap_or(context.default_language) })
    }

    pub fn kind(&self) -> &'static str {
        match self.via {
            Via::Email(_) => "email",
            Via::Maildir(_) => "maildir",
            Via::Slack(_) => "slack",
            Via::Teams(_) => "teams",
            Via::Webhook(_) => "webhook",
        }
    }

    /// Whom it reaches; each gets a delivery of its own.
    pub fn recipients(&self) -> Vec<Recipient> {
        match &self.via {
            Via::Email(email) => email.recipients(),
            Via::Maildir(maildir) => maildir.recipients(),
            Via::Slack(_) | Via::Teams(_) | Via::Webhook(_) => {
                vec![Recipient { name: self.kind().to_owned(), language: self.language }]
            }
        }
    }
}

/// Says its kind only: everything else may be secret.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({})", self.kind())
    }
}
