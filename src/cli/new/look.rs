//! A KPI while it is being drafted: read as the configuration would read it, and pulled as `vigie query` pulls it.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use jiff::{SignedDuration, Timestamp};
use serde_yaml::Value;

use super::args::NewKpiArgs;
use super::proposal::{Field, yaml};
use crate::cli::configuration::{self, Drafted};
use crate::cli::query;
use crate::cli::query::QueryArgs;
use crate::config::{Config, Problem};
use crate::model::grain::{BucketIndex, Grain, day_of};
use crate::model::kpi::{Kpi, Query};
use crate::model::observation::Pull;
use crate::net::ErrorClass;
use crate::source::{SourceConfig, SourceError};

/// What problems in a draft name as their file.
const DRAFT: &str = "the new KPI";
/// Largest query file.
const QUERY_BYTES_MAX: u64 = 64 << 10;
/// Months looked back, in days: enough of them to tell anything.
const MONTHS_BACK: i64 = 1_200;
/// Days looked back where each bucket is a request of its own.
const REQUESTS_BACK: i64 = 35;
/// Days looked back, one after the other, where an answer is too large.
const NARROWER: [i64; 2] = [31, 2];
/// Most dimensions that are taken over from an answer.
const DIMENSIONS_MAX: usize = 8;

/// What is said of the KPI, and what was found out of the rest so far.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) query: Value,
    pub(super) kind: Value,
    /// Why no other kind will do, if so.
    pub(super) kind_reason: Option<String>,
    pub(super) grain: String,
    /// None: the configuration's.
    pub(super) timezone: Option<String>,
    pub(super) dimensions: Vec<String>,
    /// Where the dimensions were found; none: they were given.
    pub(super) dimensions_reason: Option<String>,
    given: Vec<(&'static str, Value)>,
}

impl Sketch {
    pub(super) fn new(args: &NewKpiArgs, query: Value) -> anyhow::Result<Sketch> {
        let mut given: Vec<(&'static str, Value)> = Vec::new();
        let mut give = |key, value: Option<Value>| given.extend(value.map(|value| (key, value)));
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let kind = args.kind.as_deref().map(|kind| mapping_or_text("--kind", kind)).transpose()?;
        give("title", text(&args.title));
        give("category", args.category.map(serde_yaml::to_value).transpose()?);
        give("unit", text(&args.unit));
        give("better", args.better.map(serde_yaml::to_value).transpose()?);
        give("kind", kind.clone());
        give("grain", text(&args.grain));
        give("timezone", text(&args.timezone));
        let labels = named_labels(&query);
        let (dimensions, dimensions_reason) = match &args.dimensions {
            Some(names) => (names.iter().filter(|name| !name.is_empty()).cloned().collect(), None),
            None => (labels, Some("the labels that the query names".to_owned())),
        };
        Ok(Sketch {
            id: args.id.clone(),
            source: args.source.clone(),
            query,
            kind: kind.unwrap_or_else(|| Value::from("flow")),
            kind_reason: None,
            grain: args.grain.clone().unwrap_or_else(|| "day".to_owned()),
            timezone: args.timezone.clone(),
            dimensions,
            dimensions_reason,
            given,
        })
    }

    /// The field as it was said, if it was.
    pub(super) fn given(&self, key: &'static str) -> Option<Field> {
        let (_, value) = self.given.iter().find(|(known, _)| *known == key)?;
        Some(Field::new(key, value.clone(), "as given"))
    }

    /// The draft as the text of a file.
    fn text(&self) -> anyhow::Result<String> {
        let plain = |key, value: Value| Field::new(key, value, "");
        let or = |key, value: &str| {
            self.given(key)
                .map_or_else(|| plain(key, Value::from(value)), |given| Field { reason: String::new(), ..given })
        };
        let mut fields = vec![or("title", &self.id), or("category", "operational"), or("unit", "none")];
        fields.extend([or("better", "higher"), plain("kind", self.kind.clone())]);
        fields.push(plain("grain", Value::from(self.grain.as_str())));
        fields.extend(self.timezone.as_deref().map(|zone| plain("timezone", Value::from(zone))));
        fields.extend([plain("source", Value::from(self.source.as_str())), plain("query", self.query.clone())]);
        if !self.dimensions.is_empty() {
            fields.push(plain("dimensions", Value::from(self.dimensions.clone())));
        }
        yaml(&self.id, &fields)
    }

    /// Reads the draft beside the configuration.
    pub(super) fn resolve(&self, paths: &[PathBuf]) -> anyhow::Result<(Config, Arc<Kpi>)> {
        resolve(paths, &self.id, &self.text()?)
    }

    /// The first of the kinds that the query can be of, unless it was said.
    pub(super) fn find_kind(&mut self, paths: &[PathBuf]) -> anyhow::Result<()> {
        let first = self.resolve(paths);
        if self.given("kind").is_some() {
            return first.map(drop);
        }
        let suits = |(config, kpi): &(Config, Arc<Kpi>)| {
            query::source_of(config, kpi).is_ok_and(|source| source.check_query(kpi).is_ok())
        };
        if let Ok(found) = &first {
            // Of accounts the kind says what is asked for, so that values can't tell it.
            if matches!(found.1.query, Query::Ledger(_)) {
                self.kind_reason = Some("movements add up; a balance is a `level`".to_owned());
            }
            if suits(found) {
                return Ok(());
            }
        }
        for kind in ["level", "ratio", "window"] {
            let other = Sketch { kind: Value::from(kind), ..self.clone() };
            if other.resolve(paths).is_ok_and(|found| suits(&found)) {
                *self = Sketch { kind_reason: Some("the query can be nothing else".to_owned()), ..other };
                return Ok(());
            }
        }
        first.map(drop)
    }
}

/// The configuration with the KPI of a draft's text.
pub(super) fn resolve(paths: &[PathBuf], id: &str, text: &str) -> anyhow::Result<(Config, Arc<Kpi>)> {
    match configuration::read_draft(paths, (DRAFT, text))? {
        Drafted::Read(config) => {
            let kpi = config.catalog.kpis.get(id).cloned().context("a draft that was read has its KPI")?;
            Ok((*config, kpi))
        }
        Drafted::Wrong(problems) => Err(wrong(id, text, &problems)),
    }
}

/// What is wrong with a draft, with the lines that it is about: nobody has seen the draft itself.
fn wrong(id: &str, text: &str, problems: &[Problem]) -> anyhow::Error {
    let told = problems.iter().map(|problem| {
        let line = problem.line.checked_sub(1).and_then(|line| text.lines().nth(line)).unwrap_or_default().trim();
        let place = if line.is_empty() || line.ends_with(':') { String::new() } else { format!("`{line}`: ") };
        let help = problem.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{place}{}{help}", problem.message)
    });
    anyhow!("KPI '{id}': {}", told.collect::<Vec<_>>().join("\n  "))
}

/// What the source is to be asked, in the form that it takes.
pub(super) fn read_query(args: &NewKpiArgs, config: &Config) -> anyhow::Result<Value> {
    let source = config.sources.get(args.source.as_str()).map(|(source, _)| source);
    let takes_text = matches!(source, Some(SourceConfig::Sql(_) | SourceConfig::Prometheus(_)));
    let (text, is_yaml) = match (&args.query, &args.query_file) {
        (Some(text), _) => (text.clone(), false),
        (None, Some(path)) => (read_file(path)?, path.extension().is_some_and(|it| it == "yaml" || it == "yml")),
        (None, None) => bail!("say what the source is asked, with --query or --query-file"),
    };
    if is_yaml {
        return parsed(&args.query_file.as_deref().unwrap_or(Path::new("")).display().to_string(), &text);
    }
    if takes_text { Ok(Value::from(text.trim())) } else { mapping_or_text("--query", text.trim()) }
}

fn read_file(path: &Path) -> anyhow::Result<String> {
    let named = || format!("query file '{}' can't be read; check its path and mode", path.display());
    let about = std::fs::metadata(path).with_context(named)?;
    if !about.is_file() || about.len() > QUERY_BYTES_MAX {
        bail!("query file '{}' is no text file of at most {QUERY_BYTES_MAX} bytes; name another", path.display());
    }
    std::fs::read_to_string(path).with_context(named)
}

/// A text that begins as a mapping is one.
fn mapping_or_text(what: &str, text: &str) -> anyhow::Result<Value> {
    if text.starts_with('{') { parsed(what, text) } else { Ok(Value::from(text)) }
}

fn parsed(what: &str, text: &str) -> anyhow::Result<Value> {
    serde_yaml::from_str(text).with_context(|| {
        format!("{what} is no YAML; write it as in the configuration, such as {{time: date, value: total}}")
    })
}

/// The labels that a query in form of a mapping names.
fn named_labels(query: &Value) -> Vec<String> {
    match query.get("labels") {
        Some(Value::Sequence(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::Mapping(paths)) => paths.keys().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// How far a KPI is looked back.
pub(super) fn reach(kpi: &Kpi) -> SignedDuration {
    let days = |days| SignedDuration::from_hours(24 * days);
    match (&kpi.query, kpi.grain) {
        (Query::Http(query), _) if query.time.is_none() => kpi.history.min(days(REQUESTS_BACK)),
        (_, Grain::Month) => days(MONTHS_BACK),
        _ => kpi.history,
    }
}

/// One look at the source.
pub(super) struct Look {
    pub(super) kpi: Arc<Kpi>,
    pub(super) span: (BucketIndex, BucketIndex),
    pub(super) pull: Pull,
}

/// How a look is made.
pub(super) struct Looking<'a> {
    pub(super) paths: &'a [PathBuf],
    pub(super) args: &'a NewKpiArgs,
    pub(super) now: Timestamp,
    /// Days, where more were too much at once.
    pub(super) narrowed: Option<i64>,
    /// What is to be told of it.
    pub(super) notes: Vec<String>,
}

impl Looking<'_> {
    /// Pulls the draft. Takes over the labels of an answer as dimensions, unless those were said, and looks at less
    /// where the answer would be too large.
    pub(super) async fn look(&mut self, sketch: &mut Sketch) -> anyhow::Result<Look> {
        loop {
            let (config, kpi) = sketch.resolve(self.paths)?;
            let source = query::source_of(&config, &kpi)?;
            if let Err(message) = source.check_query(&kpi) {
                bail!("KPI '{}': {message}", kpi.id);
            }
            let span = self.span(&kpi)?;
            tell(&kpi, span);
            let error = match query::pull(&kpi, Arc::new(source), span, self.now).await {
                Ok(pull) => return Ok(Look { kpi, span, pull }),
                Err(error) => error,
            };
            let Some(failed) = error.downcast_ref::<SourceError>() else { return Err(error) };
            let may_split = sketch.dimensions_reason.is_some() && sketch.dimensions.is_empty();
            if may_split && (1..=DIMENSIONS_MAX).contains(&failed.labels.len()) {
                sketch.dimensions.clone_from(&failed.labels);
                sketch.dimensions_reason = Some("what the answer has beside time and value".to_owned());
                continue;
            }
            let is_free = self.args.days.is_none() && self.args.from.is_none();
            let narrower = NARROWER.into_iter().find(|days| self.narrowed.is_none_or(|before| *days < before));
            match narrower.filter(|_| is_free && failed.class == ErrorClass::TooLarge) {
                Some(days) => {
                    self.notes.push(format!("looked at {days} days: {failed}"));
                    self.narrowed = Some(days);
                }
                None => return Err(error),
            }
        }
    }

    fn span(&self, kpi: &Kpi) -> anyhow::Result<(BucketIndex, BucketIndex)> {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        let back = match (self.args.days, self.narrowed) {
            (Some(said), _) => days(i64::from(said)),
            (None, Some(narrowed)) => reach(kpi).min(days(narrowed)),
            (None, None) => reach(kpi),
        };
        let since = self.now.checked_sub(back).context("--days reaches too far back")?;
        let from = self.args.from.unwrap_or_else(|| day_of(since, &kpi.zone));
        query::span(kpi, &QueryArgs { kpi: kpi.id.to_string(), from: Some(from), to: None, stored: false }, self.now)
    }
}

/// Who waits at a terminal is told for what.
fn tell(kpi: &Kpi, (from, to): (BucketIndex, BucketIndex)) {
    if std::io::stderr().is_terminal() {
        let span = format!("{} to {}", kpi.bucket_name(from), kpi.bucket_name(to));
        // Without a terminal to write to there is nobody to tell.
        drop(writeln!(std::io::stderr(), "asking {} for {span}", kpi.source));
    }
}
