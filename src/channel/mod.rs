//! Channels: one neutral message in, one provider's form out; errors told apart by what to do about them.
//!
//! A channel renders, sends once and says what became of it. Whether and when to try again is decided elsewhere.

mod build;
mod card;
mod clean;
mod config;
mod email;
mod http;
mod maildir;
mod mark;
mod mime;
mod picture;
mod reply;
mod send;
mod slack;
mod smtp;
mod starttls;
mod teams;
mod view;
mod webhook;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod fake_smtp;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tls_tests;

pub use build::{Channel, ChannelContext, MailContext};
pub use config::{
    ChannelConfig, EmailConfig, MailConfig, MaildirConfig, SlackConfig, SmtpConfig, TeamsConfig, TlsMode, WebhookConfig,
};
pub use view::text_of;
