//! All entries of all files by section and id, decoded; a repeated id is an error.

use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::context::Report;
use crate::config::decode;
use crate::config::load::{Document, problem, top_level_names};
use crate::config::parts::{MailConfig, ReceiverParts, SourceConfig};
use crate::config::problem::Problem;
use crate::config::raw::{
    RawCalendar, RawCalendarChoice, RawEvent, RawFiscalYear, RawHeartbeat, RawKpi, RawLog, RawMetrics, RawObjective,
    RawPerson, RawRetention, RawRoute, RawRule,
};
use crate::config::scalar::{StateUrl, Written};
use crate::config::suggest;
use crate::config::yaml::{Entry, Kind, Span};
use crate::model::unit::Language;

/// After so many problems no more are looked for: fewer are shown.
const PROBLEMS_ENOUGH: usize = 500;
/// Longest id.
const ID_CHARS_MAX: usize = 64;

/// Entries of one section by id, in the order of the files.
pub(super) type Section<T> = IndexMap<String, Item<T>>;

/// One entry with its place.
#[derive(Debug)]
pub(super) struct Item<T> {
    /// None when something in it is wrong, which has been reported.
    pub(super) value: Option<T>,
    /// The folder that relative paths in it start from.
    pub(super) base_dir: PathBuf,
    file: String,
    key: Span,
}

/// Everything the files say.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) timezone: Option<Item<String>>,
    pub(super) language: Option<Item<Language>>,
    pub(super) calendar: Option<Item<RawCalendarChoice>>,
    pub(super) fiscal_year: Option<Item<RawFiscalYear>>,
    pub(super) state: Option<Item<Written<StateUrl>>>,
    pub(super) listen: Option<Item<String>>,
    pub(super) control: Option<Item<String>>,
    pub(super) log: Option<Item<RawLog>>,
    pub(super) heartbeat: Option<Item<RawHeartbeat>>,
    pub(super) metrics: Option<Item<RawMetrics>>,
    pub(super) retention: Option<Item<RawRetention>>,
    pub(super) rule_dirs: Option<Item<Vec<String>>>,
    pub(super) mail: Option<Item<MailConfig>>,
    pub(super) route: Option<Item<RawRoute>>,
    pub(super) calendars: Section<RawCalendar>,
    pub(super) people: Section<RawPerson>,
    pub(super) sources: Section<SourceConfig>,
    pub(super) kpis: Section<RawKpi>,
    pub(super) objectives: Section<RawObjective>,
    pub(super) rules: Section<RawRule>,
    pub(super) events: Section<RawEvent>,
    pub(super) receivers: Section<ReceiverParts>,
}

/// Decodes all files, one entry at a time, so that one entry's problems never hide another's.
pub(super) fn gather(report: &mut Report<'_>) -> Gathered {
    let mut all = Gathered::default();
    let documents = report.documents;
    for document in &documents.files {
        for entry in document.root.entries().iter().filter(|entry| !documents.leaves_out(&entry.key)) {
            let mut at = Place { document, report };
            match entry.key.as_str() {
                "timezone" => at.single(&mut all.timezone, entry),
                "language" => at.single(&mut all.language, entry),
                "calendar" => at.single(&mut all.calendar, entry),
                "fiscal_year" => at.single(&mut all.fiscal_year, entry),
                "state" => at.single(&mut all.state, entry),
                "listen" => at.single(&mut all.listen, entry),
                "control" => at.single(&mut all.control, entry),
                "log" => at.single(&mut all.log, entry),
                "retention" => at.single(&mut all.retention, entry),
                "metrics" => at.single(&mut all.metrics, entry),
                "heartbeat" => at.single(&mut all.heartbeat, entry),
                "rule_dirs" => at.single(&mut all.rule_dirs, entry),
                "mail" => at.single(&mut all.mail, entry),
                "route" => at.single(&mut all.route, entry),
                "calendars" => at.section(&mut all.calendars, entry),
                "people" => at.section(&mut all.people, entry),
                "sources" => at.section(&mut all.sources, entry),
                "kpis" => at.section(&mut all.kpis, entry),
                "objectives" => at.section(&mut all.objectives, entry),
                "rules" => at.section(&mut all.rules, entry),
                "events" => at.section(&mut all.events, entry),
                "receivers" => at.section(&mut all.receivers, entry),
                unknown => at.unknown(unknown, entry.key_span),
            }
        }
    }
    all
}

struct Place<'r, 'a> {
    document: &'r Document,
    report: &'r mut Report<'a>,
}

impl Place<'_, '_> {
    fn add(&mut self, span: Span, message: String, help: Option<String>) {
        self.report.problems.push(Problem { help, ..problem(&self.document.name, span, message) });
    }

    fn item<T: DeserializeOwned + JsonSchema>(&mut self, entry: &Entry) -> Item<T> {
        let enough = self.report.problems.len() > PROBLEMS_ENOUGH;
        let (value, flaws) = if enough { (None, Vec::new()) } else { decode::decode(&entry.value, entry.key_span) };
        for flaw in flaws {
            self.add(flaw.span, flaw.message, flaw.help);
        }
        let (file, base_dir) = (self.document.name.clone(), self.document.base_dir.clone());
        Item { value, base_dir, file, key: entry.key_span }
    }

    fn single<T: DeserializeOwned + JsonSchema>(&mut self, slot: &mut Option<Item<T>>, entry: &Entry) {
        if entry.value.is_null() {
            return;
        }
        match slot {
            Some(first) => self.repeated(&entry.key, entry.key_span, &first.file, first.key),
            None => *slot = Some(self.item(entry)),
        }
    }

    fn section<T: DeserializeOwned + JsonSchema>(&mut self, section: &mut Section<T>, entry: &Entry) {
        if entry.value.is_null() {
            return;
        }
        if !matches!(entry.value.kind, Kind::Map(_)) {
            let message = format!("`{}` is not a mapping of ids", entry.key);
            let help = format!("write `{}:` and below it, indented, `an-id: {{...}}`", entry.key);
            self.report.whole = false;
            return self.add(entry.value.span, message, Some(help));
        }
        for entry in entry.value.entries() {
            if let Some(first) = section.get(&entry.key) {
                self.repeated(&entry.key, entry.key_span, &first.file, first.key);
                continue;
            }
            if !is_id(&entry.key) {
                let help = format!(
                    "ids hold a-z, 0-9, `-` and `_`, begin with a letter or digit, and have at most {ID_CHARS_MAX} characters"
                );
                self.add(entry.key_span, format!("`{}` is not a valid id", entry.key), Some(help));
            }
            let item = self.item(entry);
            section.insert(entry.key.clone(), item);
        }
    }

    fn repeated(&mut self, name: &str, span: Span, file: &str, first: Span) {
        let message = format!("`{name}` is defined twice");
        let help = format!("the first is at {file}:{}:{}: remove one, or rename it", first.line, first.column);
        self.add(span, message, Some(help));
    }

    fn unknown(&mut self, name: &str, span: Span) {
        if self.report.problems.len() > PROBLEMS_ENOUGH {
            return;
        }
        let (message, help) = decode::not_yet(name).unwrap_or_else(|| {
            let names = top_level_names();
            let help = suggest::help(name, names.iter().map(String::as_str), "remove it");
            (format!("unknown section `{name}`"), help)
        });
        self.add(span, message, Some(help));
    }
}

fn is_id(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= ID_CHARS_MAX
        && text.starts_with(allowed)
        && text.chars().all(|c| allowed(c) || matches!(c, '-' | '_'))
}
