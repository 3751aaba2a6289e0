//! What can be typed, with the help texts.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use jiff::civil::Date;
use serde::de::DeserializeOwned;

use super::alerts::AlertsArgs;
use super::assess::AssessArgs;
use super::backtest::BacktestArgs;
use super::explain::ExplainArgs;
use super::forecast::ForecastArgs;
use super::new::NewCommand;
use super::objectives::ObjectivesArgs;
use super::query::{QueryArgs, SpanArgs};
use super::rules::RulesArgs;
use super::test::TestArgs;
use crate::model::alert::About;
use crate::model::notification::DeliveryState;
use crate::model::rule::Patience;
use crate::model::unit::Category;
use crate::model::verdict::Severity;

/// Watches key figures against objectives and tells people before they are missed.
#[derive(Debug, Parser)]
#[command(name = "vigie", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Examples:
  vigie check --config vigie.yaml     is the configuration right?
  vigie run                           run the service with /etc/vigie
  vigie status                        how are the figures and the sources?
  vigie ack a0123456789 --note 'on it'

Exit codes: 0 done, 1 failed or problems found, 2 wrong usage, 78 configuration error.")]
pub struct Args {
    /// File or folder of the configuration; may be repeated
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "VIGIE_CONFIG",
        hide_env_values = true,
        default_value = "/etc/vigie"
    )]
    pub config: Vec<PathBuf>,

    /// Text for people, or one JSON object a line with times in UTC
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// When to color problems
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    /// `vigie audit` only
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service until it is told to end
    ///
    /// Stops on SIGTERM or SIGINT after finishing what is under way.
    Run,
    /// Check the configuration and its rules; tell every problem at once
    #[command(after_help = "Examples:
  vigie check                         check /etc/vigie
  vigie check vigie.yaml --connect    check a file, and reach out to its sources and channels")]
    Check(CheckArgs),
    /// Have the running service take up its configuration as it stands now; one with errors is refused, and why
    Reload,
    /// Have the running service log more or less, until its next start or reload
    #[command(after_help = "Examples:
  vigie log-level debug
  vigie log-level info,vigie::daemon=trace

Libraries are never logged below `info`: what they say there may hold secrets.")]
    LogLevel {
        /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,vigie::source=debug`
        level: String,
    },
    /// Show what was done to the service and by whom: actions, reloads, starts; and whether anybody changed the record
    #[command(after_help = "Examples:
  vigie audit --from 2026-11-01 --to 2026-11-30 --format csv")]
    Audit(AuditArgs),
    /// Copy the state, also beside a running service; the copy is checked
    ///
    /// It takes the place of the state while no service runs; messages that waited when it was made are then sent again.
    #[command(after_help = "Examples:
  vigie backup /var/backups/vigie.db               to a file that is not there yet
  vigie backup /var/backups/vigie --keep 14        a file named by its time, and the newest 14 are kept")]
    Backup(BackupArgs),
    /// Look at everything that the service rests on: state, disk, clock, secrets, queue; exit code 1 if something is wrong
    ///
    /// The whole state is read, which takes seconds for a large one. It is only read, also beside a running service.
    Doctor,
    /// Put a backup in the place of the state; the service must not run
    ///
    /// What stood there is kept beside it. The service then pulls and evaluates as ever, but tells nothing before `vigie
    /// release`: messages that the backup had not sent may have gone out since it was made.
    #[command(after_help = "Examples:
  systemctl stop vigie
  vigie restore /var/backups/vigie/vigie-20261128T083005120Z.db
  systemctl start vigie
  vigie deliveries --state queued                  what had not been sent
  vigie release --cancel                           go on without those")]
    Restore(RestoreArgs),
    /// Let a restored state tell again, from what is now
    Release(ReleaseArgs),
    /// Print what editors need: the JSON Schema of the configuration, of sidecars and test files, or what scripts can call
    Schema(SchemaArgs),
    /// Pull one KPI now and show what would be stored; nothing is
    ///
    /// Of one that is computed, what its formula reads is pulled.
    #[command(after_help = "Examples:
  vigie query revenue                              the last 7 buckets
  vigie query revenue --from 2026-11-01 --to 2026-11-15")]
    Query(QueryArgs),
    /// Show what rules would have done over the past: the same evaluation as live, with only what was known then
    ///
    /// Over the stored history of the configuration's KPIs, or over a table on disk, for which no configuration is
    /// needed. Nothing is stored and nothing is sent.
    #[command(after_help = "Examples:
  vigie backtest                                   all rules, over all that is stored
  vigie backtest --rule revenue-at-risk --from 2026-01-01
  vigie backtest --rule revenue-at-risk --sweep enter=0.2..0.5/0.05
  vigie backtest --csv load.csv --time at --value load --grain 5m \\
        --rule signal/threshold --with above=90 --for '3 buckets'")]
    Backtest(Box<BacktestArgs>),
    /// Show what was known of KPIs and their objectives at one instant or at several, in figures
    #[command(after_help = "Examples:
  vigie assess --kpi revenue
  vigie assess --at 2026-11-03
  vigie assess --kpi revenue --from 2026-11-01 --to 2026-11-30 --every 1d --format json")]
    Assess(AssessArgs),
    /// Say where a KPI goes from here, bucket by bucket: what is expected, and between what it will lie
    ///
    /// Several simple forecasters are tried over the recent past; those that erred least weigh most, and what they erred
    /// gives the interval. Of a KPI's history, stored or pulled where nothing is, or of a table on disk, for which no
    /// configuration is needed.
    #[command(after_help = "Examples:
  vigie forecast --kpi revenue --horizon 30
  vigie forecast --kpi revenue --horizon 30 --at 2026-11-03       with what was known then
  vigie forecast --csv load.csv --time at --value load --grain hour --horizon 48 --format json")]
    Forecast(Box<ForecastArgs>),
    /// Say how objectives stand and how past periods ended; write the next year's, and targets that are within reach
    ///
    /// Alone it lists them as `vigie objectives list` does. The state is only read, also beside a running service, and no
    /// file of the configuration is ever changed.
    Objectives(Box<ObjectivesArgs>),
    /// Try rules on made-up series: the same evaluation as live, without any configuration
    ///
    /// A rule is tested by `NAME.test.yaml` beside its script; rules/README.md explains the form. All failures are told at
    /// once; the exit code is 1 if there are any.
    #[command(after_help = "Examples:
  vigie test                                       all of rules/
  vigie test rules/sales --filter recovers
  vigie test rules/sales/late.test.yaml --junit report.xml")]
    Test(TestArgs),
    /// Say why a rule fired or did not: what it read and compared, its alert, and whom that was told
    #[command(after_help = "Examples:
  vigie explain revenue-at-risk revenue
  vigie explain revenue-at-risk revenue --at '2026-11-03 08:00'
  vigie explain low-stock stock --label shop=Lyon")]
    Explain(ExplainArgs),
    /// List the rules that ship in the program, or show one whole
    Rules(RulesArgs),
    /// Draft an entry of the configuration from what its source says
    #[command(subcommand)]
    New(NewCommand),
    /// Have the running service pull a span of a KPI once more: back-fill or repair
    ///
    /// What is new or differs is stored as a version of its own; asking twice changes nothing.
    #[command(after_help = "Examples:
  vigie pull revenue                               the last 7 buckets
  vigie pull revenue --from 2025-01-01             from then on
  vigie pull revenue --from 2026-03-01 --to 2026-03-31")]
    Pull(SpanArgs),
    /// Show how the KPIs, sources, alerts and deliveries stand
    Status,
    /// List the live alerts
    #[command(after_help = "Examples:
  vigie alerts
  vigie alerts --all --limit 20       with the newest changes
  vigie alerts --format json")]
    Alerts(AlertsArgs),
    /// Take charge of an alert: its reminders stop until it ends
    #[command(after_help = "Examples:
  vigie ack a0123456789 --note 'calling the carrier'
  vigie ack a0123456789 --undo")]
    Ack(AckArgs),
    /// Stop the reminders of an alert for a while
    #[command(after_help = "Examples:
  vigie snooze a0123456789 --for 2d
  vigie snooze a0123456789 --until '2026-11-30 08:00'")]
    Snooze(SnoozeArgs),
    /// Say whether an alert was right to fire
    ///
    /// It counts as the precision of its rule (`vigie status`), and `vigie backtest --sweep` tells which value of a
    /// parameter would have spared the false ones, and which useful ones it would have missed.
    #[command(after_help = "Examples:
  vigie feedback a0123456789 false-positive --why 'a public holiday'
  vigie feedback a0123456789 useful")]
    Feedback(FeedbackArgs),
    /// Hide the notifications of matching alerts for a while
    #[command(subcommand)]
    Silence(SilenceCommand),
    /// List the values that are not believed, and say what they are
    ///
    /// A value beyond its KPI's `quality.max_jump`, or further from the KPI of its `reconcile` than that allows, is not
    /// judged before somebody accepts, corrects or rejects it.
    #[command(subcommand)]
    #[command(after_help = "Examples:
  vigie suspect list
  vigie suspect accept revenue 2026-11-24 --note 'the order of Acme'
  vigie suspect correct revenue 2026-11-24 12345.50
  vigie suspect reject stock 2026-11-24 --label shop=Lyon")]
    Suspect(SuspectCommand),
    /// List what was or is to be delivered, and act on it
    #[command(args_conflicts_with_subcommands = true)]
    #[command(after_help = "Examples:
  vigie deliveries --state dead
  vigie deliveries show 42
  vigie deliveries resend 42")]
    Deliveries(DeliveriesArgs),
    /// Send a message marked as a drill to a receiver
    ///
    /// Goes through the running service if there is one, else straight through the channels.
    #[command(after_help = "Examples:
  vigie send direction
  vigie send direction --alert a0123456789    with the facts of a live alert")]
    Send(SendArgs),
    /// Print the completions of a shell
    #[command(after_help = "Example:
  vigie completions bash > /etc/bash_completion.d/vigie")]
    Completions { shell: clap_complete::Shell },
    /// Print the manual page, or write those of all commands to a folder
    #[command(after_help = "Examples:
  vigie man | man -l -
  vigie man /usr/local/share/man/man1")]
    Man(ManArgs),
    /// Play the last weeks of a small French company
    #[command(after_help = "Example:
  vigie demo --dir demo --now 2026-11-23 --once")]
    Demo(DemoArgs),
    /// Enter a figure by hand, for a KPI of a source `manual`
    ///
    /// Goes to the running service, which checks it and runs the KPI's rules at once. A figure that is entered again for
    /// the same period corrects the first.
    #[command(after_help = "Examples:
  vigie record nps 2026-10 45/60 --note 'mail survey'
  vigie record headcount 2026-W47 '1 234' --label site=Lyon
  vigie record --list nps             what was entered, by whom")]
    Record(RecordArgs),
    /// List the days of a year on which a calendar does not work
    #[command(after_help = "Examples:
  vigie calendar                      the default one, this year
  vigie calendar atelier --year 2027")]
    Calendar(CalendarArgs),
    /// Tell of days on which figures were not as usual
    #[command(subcommand)]
    Event(EventCommand),
}

#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// Add an event; it counts in what is decided from now on
    #[command(after_help = "Examples:
  vigie event add 'Grève des transports' --from 2026-11-24 --to 2026-11-26 --exclude
  vigie event add 'Soldes d’hiver' --from 2027-01-13 --to 2027-02-09 --kpi revenue --label channel=web")]
    Add(EventAddArgs),
    /// List the events that count, those of the configuration included
    List,
    /// Let an event that was added by command count no more; past decisions stay
    Remove { id: String },
}

#[derive(Debug, clap::Args)]
pub struct EventAddArgs {
    /// What it is, as messages show it
    pub name: String,
    /// First day, in the zone of each KPI
    #[arg(long, value_name = "DATE")]
    pub from: Date,
    /// Last day, included [default: the first]
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
    /// Only this KPI; may be repeated [default: all]
    #[arg(long, value_name = "ID")]
    pub kpi: Vec<String>,
    /// Only series with this value of a dimension; may be repeated, then all must hold
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// Its days are no basis for comparisons
    #[arg(long)]
    pub exclude: bool,
}

#[derive(Debug, clap::Args)]
pub struct CalendarArgs {
    /// One of `calendars` [default: the one of those who name none]
    pub name: Option<String>,
    /// [default: this year]
    #[arg(long, value_parser = clap::value_parser!(i16).range(1971..=9000))]
    pub year: Option<i16>,
}

#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Files or folders to check instead of those of --config
    pub paths: Vec<PathBuf>,
    /// Also reach out to every source and channel, and try the query of every KPI
    #[arg(long)]
    pub connect: bool,
}

#[derive(Debug, clap::Args)]
pub struct AckArgs {
    /// The alert's name, as messages and `vigie alerts` show it
    pub alert: String,
    /// What is being done, for the others
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Take it back
    #[arg(long, conflicts_with = "note")]
    pub undo: bool,
}

/// How long: exactly one of the two.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Span {
    /// Such as 90m, 4h or 2d
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub lasting: Option<SignedDuration>,
    /// Such as 2026-11-30, '2026-11-30 08:00' (in the configuration's zone) or 2026-11-30T07:00:00Z
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    /// First day, in the configuration's zone
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// Last day, included
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
}

#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// A file that is not there yet, or a folder
    #[arg(value_name = "FILE|FOLDER")]
    pub to: PathBuf,
    /// Of a folder: remove older backups until so many are left
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// A file that `vigie backup` made
    #[arg(value_name = "FILE")]
    pub from: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct ReleaseArgs {
    /// Send what the backup had not sent
    #[arg(long, group = "queued")]
    pub send: bool,
    /// Cancel what the backup had not sent
    #[arg(long, group = "queued")]
    pub cancel: bool,
}

#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Where the pages go, each as NAME.1; made if it is not there [default: the first one is printed]
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    /// A definition file for editors that know rhai, instead
    #[arg(long, group = "of")]
    pub rhai: bool,
    /// The schema of the files beside scripts that hold parameters and texts, instead
    #[arg(long, group = "of")]
    pub sidecar: bool,
    /// The schema of test files, instead
    #[arg(long, group = "of")]
    pub test: bool,
}

#[derive(Debug, clap::Args)]
pub struct FeedbackArgs {
    /// The alert's name, as messages and `vigie alerts --all` show it; of its newest firing, ended or not
    pub alert: String,
    /// What it was
    pub judgement: Said,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Said {
    /// It should not have fired
    FalsePositive,
    /// It was right to fire
    Useful,
}

#[derive(Debug, clap::Args)]
pub struct SnoozeArgs {
    /// The alert's name, as messages and `vigie alerts` show it
    pub alert: String,
    #[command(flatten)]
    pub span: Span,
}

#[derive(Debug, Subcommand)]
pub enum SilenceCommand {
    /// Silence the alerts that match every condition given
    #[command(after_help = "Examples:
  vigie silence add --kpi revenue --for 2h --why 'stocktaking'
  vigie silence add --about data --label channel=web --until 2026-12-01 --why 'migration'")]
    Add(Box<SilenceAddArgs>),
    /// List the silences in force
    List,
    /// End a silence
    End { id: String },
}

#[derive(Debug, clap::Args)]
pub struct SilenceAddArgs {
    #[command(flatten)]
    pub what: Conditions,
    #[command(flatten)]
    pub span: Span,
    /// Why, for the others
    #[arg(long, value_name = "TEXT")]
    pub why: String,
}

#[derive(Debug, Subcommand)]
pub enum SuspectCommand {
    /// List those that wait to be settled
    List {
        /// Also those that are settled, the newest first
        #[arg(long)]
        all: bool,
        /// Most values shown
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// It is real: it counts from now on
    Accept {
        #[command(flatten)]
        which: SuspectArgs,
    },
    /// Another value counts instead, as long as the source says the same
    Correct {
        #[command(flatten)]
        which: SuspectArgs,
        /// In the KPI's unit, a ratio from 0 to 1
        #[arg(value_name = "NUMBER", allow_negative_numbers = true)]
        value: f64,
    },
    /// It counts as absent, as long as the source says the same
    Reject {
        #[command(flatten)]
        which: SuspectArgs,
    },
}

#[derive(Debug, clap::Args)]
pub struct SuspectArgs {
    pub kpi: String,
    /// The bucket, as `vigie suspect list` names it
    pub bucket: String,
    /// A dimension's value; may be repeated. Without: the total with its dimension values
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// Why, for the others
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

/// At least one, so that nobody silences everything by mistake.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Conditions {
    /// May be repeated, as all conditions: any of the values
    #[arg(long, value_name = "ID")]
    pub kpi: Vec<String>,
    #[arg(long, value_name = "ID")]
    pub rule: Vec<String>,
    #[arg(long, value_parser = named::<Category>(&["financial", "operational", "customer"]))]
    pub category: Vec<Category>,
    #[arg(long, value_parser = named::<Severity>(&["info", "warning", "critical"]))]
    pub severity: Vec<Severity>,
    #[arg(long, value_parser = named::<About>(&["objective", "data", "system"]))]
    pub about: Vec<About>,
    #[arg(long, value_name = "PERSON")]
    pub owner: Vec<String>,
    /// Just this alert
    #[arg(long, value_name = "ALERT")]
    pub alert: Option<String>,
    /// A dimension's value
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
}

#[derive(Debug, clap::Args)]
pub struct DeliveriesArgs {
    #[command(subcommand)]
    pub command: Option<DeliveriesCommand>,
    #[arg(long, value_parser = named::<DeliveryState>(&["queued", "sent", "dead", "cancelled"]))]
    pub state: Option<DeliveryState>,
    #[arg(long, value_name = "RECEIVER")]
    pub receiver: Option<String>,
    /// Most deliveries shown; the newest are
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
}

#[derive(Debug, Subcommand)]
pub enum DeliveriesCommand {
    /// Show one delivery with its attempts and its text
    Show { id: i64 },
    /// Queue a dead delivery again
    Resend { id: i64 },
    /// Take a delivery out of the queue
    Cancel {
        id: i64,
        /// Why, for the others
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

#[derive(Debug, clap::Args)]
pub struct SendArgs {
    pub receiver: String,
    /// Take the facts of this live alert
    #[arg(long, value_name = "ALERT")]
    pub alert: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Where everything lies [default: vigie-demo in the folder for temporary files]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// The day to play up to [default: today]
    #[arg(long, value_name = "DATE")]
    pub now: Option<Date>,
    /// End after the replay
    #[arg(long)]
    pub once: bool,
}

#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    /// Its id, as the configuration names it
    pub kpi: String,
    /// A day 2026-11-24, a week 2026-W47, a month 2026-11 or a time 2026-11-24T14:00, as the KPI's grain is
    #[arg(required_unless_present = "list")]
    pub period: Option<String>,
    /// Such as 1234,5, '12 %', or both halves of a ratio: 45/60
    #[arg(required_unless_present = "list", allow_negative_numbers = true)]
    pub value: Option<String>,
    /// Where it comes from, for the others
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// A dimension's value; one for each dimension
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// Show what was entered instead
    #[arg(long, conflicts_with_all = ["period", "value", "note", "label"])]
    pub list: bool,
    /// Most entries shown; the newest are
    #[arg(long, value_name = "N", default_value_t = 50, requires = "list")]
    pub limit: u32,
}

/// One of some names, as the model's type writes them.
pub(super) fn named<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| serde_json::from_value(serde_json::Value::String(name)))
}

pub(super) fn duration(text: &str) -> Result<SignedDuration, String> {
    match Patience::parse(text) {
        Ok(Patience::Elapsed(span)) if span.is_positive() => Ok(span),
        Ok(Patience::Elapsed(_) | Patience::Buckets(_)) | Err(_) => {
            Err("no duration; write `90m`, `4h` or `2d`".to_owned())
        }
    }
}

pub(super) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("no label; write `channel=web`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[track_caller]
    fn accepted(line: &str) -> Args {
        Args::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[track_caller]
    fn refused(line: &str, part: &str) {
        let error = Args::try_parse_from(line.split(' ')).expect_err(line).to_string();
        assert!(error.contains(part), "{line}: {error}");
    }

    #[test]
    fn commands_read_their_arguments() {
        let args = accepted("vigie --config a.yaml --config b.yaml check --connect");
        assert_eq!(args.config, [PathBuf::from("a.yaml"), PathBuf::from("b.yaml")]);
        let args = accepted("vigie status --format json --config a.yaml");
        assert_eq!((args.format, args.config.len()), (Format::Json, 1));
        accepted("vigie query revenue --from 2026-11-01 --to 2026-11-02");
        accepted("vigie calendar atelier --year 2027");
        accepted("vigie event add Strike --from 2026-11-24 --label channel=web --exclude");
        accepted("vigie snooze a1 --for 2d");
        accepted("vigie deliveries --state dead --receiver ops");
        accepted("vigie deliveries resend 3");
        accepted("vigie pull revenue --from 2026-11-01");
        accepted("vigie suspect accept revenue 2026-11-24 --label channel=web");
        accepted("vigie suspect correct balance 2026-11-24 -12.5");
        accepted("vigie record nps 2026-10 45/60 --note mail --label site=Lyon");
        accepted("vigie record --list nps --limit 3");
        let args = accepted("vigie record nps 2026-10 -5.5");
        assert!(matches!(args.command, Command::Record(RecordArgs { value: Some(value), .. }) if value == "-5.5"));
        let args =
            accepted("vigie silence add --category financial --severity info --label channel=web --for 1h --why x");
        let Command::Silence(SilenceCommand::Add(add)) = args.command else { panic!("a silence") };
        assert_eq!(add.what.category, [Category::Financial]);
        assert_eq!(add.what.label, [("channel".to_owned(), "web".to_owned())]);
        assert_eq!(add.span.lasting, Some(SignedDuration::from_hours(1)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        refused("vigie snooze a1", "--for");
        refused("vigie snooze a1 --for 2d --until 2026-11-30", "cannot be used with");
        refused("vigie snooze a1 --for soon", "write `90m`");
        refused("vigie snooze a1 --for 0s", "write `90m`");
        refused("vigie silence add --for 1h --why x", "required");
        refused("vigie silence add --kpi a --label x --for 1h --why x", "channel=web");
        refused("vigie silence add --severity fatal --for 1h --why x", "info, warning, critical");
        refused("vigie event add --from 2026-11-24", "<NAME>");
        refused("vigie event add Strike", "--from");
        refused("vigie ack a1 --undo --note x", "cannot be used with");
        refused("vigie record nps 2026-10", "<VALUE>");
        refused("vigie record --list nps 2026-10", "cannot be used with");
        refused("vigie frobnicate", "unrecognized subcommand");
    }
}
