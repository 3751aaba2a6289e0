//! From a test to a configuration: what it says, with defaults for the rest, read like any other configuration.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::form::{FileForm, TestForm};
use crate::config::{Draft, Loaded, Problem, load_text, render};
use crate::daemon::build_covered;
use crate::engine::Setup;
use crate::model::ids::{KpiId, RuleId};
use crate::rule::Coverage;

/// What the rule, the only KPI, its only objective and the receiver are called where a test names none.
pub(super) const RULE: &str = "rule";
const KPI: &str = "kpi";
const OBJECTIVE: &str = "objective";
const YOU: &str = "you";
/// The only source; it is asked for nothing but what the test says.
const SOURCE: &str = "test";
pub(super) const START: &str = "2026-01-01";
/// Slots that one test steps at most.
const SLOTS_MAX: usize = 500_000;

/// A configuration that tests run on.
pub(super) struct Case {
    pub setup: Setup,
    pub rule: RuleId,
    /// The KPI whose buckets are numbered, and that series without a name are of.
    pub main: KpiId,
    /// Only lived, to see which conditions are taken: nothing is asked beside.
    pub is_covered: bool,
    /// Slots that a test steps at most.
    pub slots_max: usize,
}

/// Configurations that were read, by their text.
pub(super) struct Cases {
    known: HashMap<(PathBuf, String), Arc<Case>>,
    /// Where runs note which conditions were taken; none: they don't.
    coverage: Option<Coverage>,
    slots_max: usize,
}

impl Default for Cases {
    fn default() -> Cases {
        Cases { known: HashMap::new(), coverage: None, slots_max: SLOTS_MAX }
    }
}

/// Where the script is looked for, and its name.
pub(super) struct Script {
    folder: PathBuf,
    name: String,
}

impl Script {
    /// The script of a test file: that of the same name beside it, unless it names another. In a folder `rules` scripts
    /// are called by their way from there, as in a configuration.
    pub(super) fn of(path: &Path, named: Option<&str>) -> Script {
        let folder = path.parent().unwrap_or(Path::new(""));
        let stem = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let stem = stem.strip_suffix(".test.yaml").unwrap_or(stem);
        let rules = folder.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "rules"));
        let root = rules.unwrap_or(folder);
        let way = folder.strip_prefix(root).unwrap_or(Path::new(""));
        let steps: Vec<&str> = way.iter().filter_map(|step| step.to_str()).chain([stem]).collect();
        Script { folder: root.to_owned(), name: named.map_or_else(|| steps.join("/"), str::to_owned) }
    }
}

impl Cases {
    pub(super) fn covered(coverage: Coverage) -> Cases {
        Cases { coverage: Some(coverage), ..Cases::default() }
    }

    pub(super) fn bounded(slots_max: usize) -> Cases {
        Cases { slots_max, ..Cases::default() }
    }

    /// The configuration of a test.
    ///
    /// # Errors
    /// Every problem of it.
    pub(super) fn of(&mut self, script: &Script, file: &FileForm, test: &TestForm) -> Result<Arc<Case>, String> {
        let document = document(script, file, test)?;
        let text = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?;
        let key = (script.folder.clone(), text);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let case = Arc::new(self.read(script, &document, &key.1)?);
        self.known.insert(key, case.clone());
        Ok(case)
    }

    fn read(&self, script: &Script, document: &Value, text: &str) -> Result<Case, String> {
        let loaded = load_text(Draft { name: "the configuration of the test", text });
        let shown = |loaded: &Loaded, problems: &[Problem]| {
            let errors: Vec<Problem> = problems.iter().filter(|problem| problem.is_error()).cloned().collect();
            render(&errors, &loaded.sources, false).trim_end().to_owned()
        };
        let Some(config) = loaded.config.clone() else { return Err(shown(&loaded, &loaded.problems)) };
        let folders = std::slice::from_ref(&script.folder);
        let setup = build_covered(config.catalog, folders, &loaded, self.coverage.as_ref())
            .map_err(|problems| shown(&loaded, &problems))?;
        let first = document["kpis"].as_object().and_then(|kpis| kpis.keys().next());
        let main = KpiId::from(first.ok_or("there is no KPI")?.as_str());
        Ok(Case { setup, rule: RULE.into(), main, slots_max: self.slots_max, is_covered: self.coverage.is_some() })
    }
}

fn document(script: &Script, file: &FileForm, test: &TestForm) -> Result<Value, String> {
    let kpis = section((file.kpi.as_ref(), file.kpis.as_ref()), (test.kpi.as_ref(), test.kpis.as_ref()), KPI)?
        .unwrap_or_else(|| json!({KPI: {}}));
    let kpis = each(kpis, "kpis", |id, kpi| defaults(kpi, kpi_defaults(id, kpi)))?;
    let first = kpis.keys().next().cloned().unwrap_or_default();
    let objectives = section(
        (file.objective.as_ref(), file.objectives.as_ref()),
        (test.objective.as_ref(), test.objectives.as_ref()),
        OBJECTIVE,
    )?;
    let objectives = each(objectives.unwrap_or_else(|| json!({})), "objectives", |id, objective| {
        defaults(objective, json!({"kpi": first, "statement": id}));
    })?;
    let mut rule = merged(file.rule.as_ref(), test.rule.as_ref()).unwrap_or_else(|| json!({}));
    defaults(&mut rule, json!({"script": script.name, "on": [first]}));
    if let Some(with) = merged(file.with.as_ref(), test.with.as_ref()) {
        if rule.get("with").is_some() {
            return Err("`with` stands beside `rule: {with: ...}`; say one of them".to_owned());
        }
        defaults(&mut rule, json!({"with": with}));
    }
    let language = test.language.as_ref().or(file.language.as_ref()).map_or("en", String::as_str);
    let mut people = merged(file.people.as_ref(), test.people.as_ref()).unwrap_or_else(|| json!({}));
    defaults(&mut people, json!({YOU: {"mail": "you@localhost"}}));
    let timezone = test.timezone.as_ref().or(file.timezone.as_ref()).map_or("UTC", String::as_str);
    let mut document = json!({
        "timezone": timezone, "language": language, "people": people,
        "sources": {SOURCE: {"sql": {"url": "sqlite://test.db"}}},
        "kpis": kpis, "objectives": objectives, "rules": {RULE: rule},
        "receivers": merged(file.receivers.as_ref(), test.receivers.as_ref())
            .unwrap_or_else(|| json!({YOU: {"maildir": {"path": ".", "to": [YOU]}}})),
        "route": merged(file.route.as_ref(), test.route.as_ref()).unwrap_or_else(|| json!({"to": YOU, "group": {"wait": "0s"}})),
    });
    for (key, value) in [
        ("calendar", merged(file.calendar.as_ref(), test.calendar.as_ref())),
        ("events", merged(file.events.as_ref(), test.events.as_ref())),
    ] {
        if let (Some(value), Some(document)) = (value, document.as_object_mut()) {
            document.insert(key.to_owned(), value);
        }
    }
    Ok(document)
}

fn kpi_defaults(id: &str, kpi: &Value) -> Value {
    let mut fields = json!({"title": id, "category": "operational"});
    if kpi.get("formula").is_none()
        && let Some(fields) = fields.as_object_mut()
    {
        // Nothing is ever asked; but a window takes both ends of its span.
        let query = if kpi.get("kind").is_some_and(|kind| kind == "window") {
            "SELECT 0 AS value WHERE :from < :to"
        } else {
            "SELECT bucket, value FROM test"
        };
        fields.insert("kind".to_owned(), json!("level"));
        fields.insert("source".to_owned(), json!(SOURCE));
        fields.insert("query".to_owned(), json!(query));
    }
    fields
}

/// One entry under its usual name, or several under theirs; what the test says stands over what the file says.
fn section(
    (file_one, file_many): (Option<&Value>, Option<&Value>),
    (test_one, test_many): (Option<&Value>, Option<&Value>),
    name: &str,
) -> Result<Option<Value>, String> {
    let (one, many) = (merged(file_one, test_one), merged(file_many, test_many));
    match (one, many) {
        (Some(_), Some(_)) => {
            Err(format!("`{name}` and `{name}s` stand beside each other; name all of them in `{name}s`"))
        }
        (Some(one), None) => Ok(Some(json!({name: one}))),
        (None, many) => Ok(many),
    }
}

fn each(section: Value, name: &str, change: impl Fn(&str, &mut Value)) -> Result<Map<String, Value>, String> {
    let Value::Object(mut section) = section else { return Err(format!("`{name}` holds no names with their fields")) };
    for (id, value) in &mut section {
        change(id, value);
    }
    Ok(section)
}

/// Fields of the second where the first has none; a map in both is gone through in turn.
fn merged(below: Option<&Value>, above: Option<&Value>) -> Option<Value> {
    match (below, above) {
        (Some(Value::Object(below)), Some(Value::Object(above))) => {
            let mut all = below.clone();
            for (key, value) in above {
                let under = merged(below.get(key), Some(value)).unwrap_or(Value::Null);
                all.insert(key.clone(), under);
            }
            Some(Value::Object(all))
        }
        (below, None) => below.cloned(),
        (_, above) => above.cloned(),
    }
}

fn defaults(value: &mut Value, fields: Value) {
    if let (Value::Object(value), Value::Object(fields)) = (value, fields) {
        for (key, default) in fields {
            value.entry(key).or_insert(default);
        }
    }
}
