//! The top level of the files.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawCalendar, RawCalendarChoice, RawEvent, RawKpi, RawObjective, RawPerson, RawRoute, RawRule};
use crate::config::days::OneDay;
use crate::config::parts::{MailConfig, ReceiverParts, SourceConfig};
use crate::config::scalar::{StateUrl, Written};
use crate::model::unit::Language;
use crate::net::TlsConfig;
use crate::secret::Text;

/// The configuration of Vigie. Several files of one folder merge; each id and each single entry stands once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTop {
    /// Zone of all civil times, of days and of periods. Default: `UTC`. Example: `Europe/Paris`.
    pub timezone: Option<String>,
    /// Language of messages for those who have none of their own: `fr` or `en`. Default: `fr`.
    pub language: Option<Language>,
    /// Which days are working days: a calendar, or the name of one of `calendars`. Default: Monday to Friday. Example:
    /// `{country: FR}`.
    pub calendar: Option<RawCalendarChoice>,
    /// Further calendars by name, for KPIs and people whose working days are others. Example:
    /// `atelier: {country: FR, region: alsace-moselle, bridge_days: true}`.
    #[serde(default)]
    pub calendars: IndexMap<String, RawCalendar>,
    /// When the company's years begin, for `period: fiscal_year` and names such as `FY2026`. Default: on 1 January. Example:
    /// `{starts: 04-01}`.
    pub fiscal_year: Option<RawFiscalYear>,
    /// Database that holds the state. Default: `sqlite:///var/lib/vigie/vigie.db`.
    pub state: Option<Written<StateUrl>>,
    /// Address and port of `/metrics` and health. Default: none, nothing listens. Example: `127.0.0.1:9810`.
    pub listen: Option<String>,
    /// Socket of the acting commands. Default: `/run/vigie/control.sock`.
    pub control: Option<String>,
    /// What the service logs, and how. Example: `{level: info, format: text}`.
    pub log: Option<RawLog>,
    /// A sign of life that goes out, for a monitor that raises the alarm when it does not come. Default: none. Example:
    /// `{url: {env: HEARTBEAT_URL}, every: 1m}`.
    pub heartbeat: Option<RawHeartbeat>,
    /// What `/metrics` shows beside the service's own figures. Default: nothing. Example: `{kpis: true, series: 200}`.
    pub metrics: Option<RawMetrics>,
    /// How long what was told is kept. Default: `{messages: 730d}`.
    pub retention: Option<RawRetention>,
    /// Folders with rule scripts; relative to the file. Default: `rules` beside it. Example: `[regles]`.
    #[serde(default)]
    pub rule_dirs: Vec<String>,
    /// People by id: owners, recipients.
    #[serde(default)]
    pub people: IndexMap<String, RawPerson>,
    /// Outside systems by id. Example: `ops: {prometheus: {url: "http://127.0.0.1:9090"}}`.
    #[serde(default)]
    pub sources: IndexMap<String, SourceConfig>,
    /// Key figures by id.
    #[serde(default)]
    pub kpis: IndexMap<String, RawKpi>,
    /// Objectives by id.
    #[serde(default)]
    pub objectives: IndexMap<String, RawObjective>,
    /// Rules by id.
    #[serde(default)]
    pub rules: IndexMap<String, RawRule>,
    /// Events by id: days on which figures were not as usual, and why. They count as if they had always been known; to
    /// leave past decisions as they were, add them by `vigie event add`. Example:
    /// `greve: {name: Grève des transports, from: 2026-11-24, to: 2026-11-26, exclude: true}`.
    #[serde(default)]
    pub events: IndexMap<String, RawEvent>,
    /// How mail leaves. Absent: the mail server at 127.0.0.1:25, with a warning.
    pub mail: Option<MailConfig>,
    /// Ways to reach people, by id; a list is several ways at once.
    #[serde(default)]
    pub receivers: IndexMap<String, ReceiverParts>,
    /// Which alert goes to which receiver. Default: everything to the first receiver.
    pub route: Option<RawRoute>,
}

/// The company's years.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFiscalYear {
    /// First day, without the year. Example: `04-01`.
    pub starts: Written<OneDay>,
    /// Which civil year gives it its name: that of its `end`, or that of its `start`. With `starts: 04-01`, `FY2026` ends on
    /// 31 March 2026, or begins on 1 April 2026. Default: `end`.
    pub named_after: Option<RawYearName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawYearName {
    Start,
    End,
}

/// Signs of life: an empty POST while everything moves, and none while nothing can be written to the state or a send is stuck.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHeartbeat {
    /// Where to post; nearly always a secret. Example: `{env: HEARTBEAT_URL}`.
    pub url: Text,
    /// How often, from `10s`. Default: `1m`.
    pub every: Option<Written<jiff::SignedDuration>>,
    /// Authorities to trust. Default: the system's. Example: `{ca: ca.pem}`.
    pub tls: Option<TlsConfig>,
    /// Address of a proxy. Default: none. Example: `http://proxy.example.test:3128`.
    pub proxy: Option<Text>,
}

/// What is too old to be kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRetention {
    /// Messages that were sent, given up or cancelled, their attempts, and changes of alerts that are over. From `30d`.
    /// Default: `730d`.
    pub messages: Option<Written<jiff::SignedDuration>>,
}

/// KPIs and objectives as metrics.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMetrics {
    /// Show the newest value of each series, how objectives stand, and what fires. Whoever may read `/metrics` reads the
    /// company's figures then. Default: `false`.
    #[serde(default)]
    pub kpis: bool,
    /// Most series that are shown, totals first; `vigie_kpi_series_left_out` says how many were not. From 1 to 10000.
    /// Default: 200.
    pub series: Option<u32>,
}

/// Logging.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLog {
    /// Least level written, or a filter such as `info,vigie::source=debug`. Default: `info`.
    pub level: Option<String>,
    /// `text`, `json`, or `journald`: to systemd's journal, each field by its name (`VIGIE_DELIVERY=17`). Default: `text`.
    pub format: Option<RawLogFormat>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawLogFormat {
    Text,
    Json,
    Journald,
}
