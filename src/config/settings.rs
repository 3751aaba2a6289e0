//! The resolved configuration: the engine's catalog, and what the rim needs beside it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::parts::{ChannelConfig, MailConfig, SourceConfig};
use crate::model::calendar::Calendar;
use crate::model::catalog::Catalog;
use crate::model::ids::{ReceiverId, SourceId};
use crate::net::TlsConfig;
use crate::secret::{SecretRef, Text};

/// A configuration without errors.
#[derive(Clone, Debug)]
pub struct Config {
    pub catalog: Catalog,
    pub settings: Settings,
    /// With the folder that relative paths in it start from.
    pub sources: IndexMap<SourceId, (SourceConfig, PathBuf)>,
    /// With the folder that relative paths in them start from.
    pub channels: BTreeMap<ReceiverId, Vec<(ChannelConfig, PathBuf)>>,
    /// For each recipient of a receiver, in the catalog's order, the position of its channel.
    pub recipient_channels: BTreeMap<ReceiverId, Vec<usize>>,
    /// None: the mail server at 127.0.0.1:25. With the folder that relative paths in it start from.
    pub mail: Option<(MailConfig, PathBuf)>,
    /// The calendars that can be named.
    pub calendars: IndexMap<String, Arc<Calendar>>,
    /// Of those who name none.
    pub calendar: Arc<Calendar>,
    /// Folders that hold rule scripts, in order of precedence; the shipped rules come after them.
    pub rule_dirs: Vec<PathBuf>,
    /// Each way in which a secret is referred to, once.
    pub credentials: Vec<Credential>,
}

/// A reference to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub reference: SecretRef,
    /// Last day on which its value is valid, as the configuration has it.
    pub expires: Option<Date>,
    /// The folder that a relative path in it starts from.
    pub base_dir: PathBuf,
    /// Where it stands first: file, line and column.
    pub place: (String, usize, usize),
}

/// A credential that expires within so many days is worth a warning.
const EXPIRES_SOON_DAYS: i64 = 30;

impl Credential {
    /// The first moment at which its value is worth nothing: its last day is over where the configuration counts days.
    pub fn ends(&self, zone: &TimeZone) -> Option<Timestamp> {
        let next = self.expires?.tomorrow().ok().and_then(|day| zone.to_timestamp(day.at(0, 0, 0, 0)).ok());
        // `9999-12-31` is how some write that it never ends: no moment after it has a name.
        Some(next.unwrap_or(Timestamp::MAX))
    }

    /// A warning, once it expires soon or has expired.
    pub fn warning(&self, today: Date) -> Option<String> {
        let expires = self.expires?;
        let days = i64::from((expires - today).get_days());
        let reference = &self.reference;
        match days {
            ..0 => Some(format!("the secret {reference} has expired on {expires}")),
            0 => Some(format!("the secret {reference} expires today")),
            1..=EXPIRES_SOON_DAYS => Some(format!("the secret {reference} expires in {days} days, on {expires}")),
            _ => None,
        }
    }
}

/// What concerns the service itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The database file of the state.
    pub state: PathBuf,
    /// Where `/metrics` and health listen; none: nowhere.
    pub listen: Option<SocketAddr>,
    /// The control socket.
    pub control: PathBuf,
    pub log: LogSettings,
    pub heartbeat: Option<Heartbeat>,
    /// How long messages that have ended are kept, and changes of alerts that are over.
    pub keep_told: SignedDuration,
    /// Most series that `/metrics` shows of KPIs and objectives; none: it shows none.
    pub shown_series: Option<usize>,
    /// The commit of git that the configuration stands at, where it stands in a working copy.
    pub commit: Option<String>,
}

/// Where signs of life go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    pub url: Text,
    pub every: Duration,
    pub tls: Option<TlsConfig>,
    pub proxy: Option<Text>,
    /// The folder that relative paths in it start from.
    pub base_dir: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Least level, or a filter as `tracing` writes it.
    pub level: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
    Journald,
}
