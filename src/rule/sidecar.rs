//! The file beside a script: parameters with defaults, texts in each language, default patience.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::alert::About;
use crate::model::rule::{ParamValue, Patience};
use crate::model::text::{Localized, Template};

/// A script's sidecar, read and checked.
#[derive(Clone, Debug, Default)]
pub struct Sidecar {
    pub parameters: BTreeMap<String, Parameter>,
    /// At least one of these must be set.
    pub require_one_of: Vec<String>,
    pub texts: BTreeMap<String, Localized>,
    pub for_: Option<Patience>,
    /// Who cares about its alerts: `objective` (managers) unless it says `data`.
    pub about: About,
}

/// One parameter of a script.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its value when the configuration says nothing; absent: it stays unset.
    #[serde(default)]
    pub default: Option<ParamValue>,
    pub help: String,
    /// Given for parameters that have no default, or name a KPI.
    #[serde(default, rename = "type")]
    pub kind: Option<ParameterKind>,
    /// Of a text: the only values that make sense; empty: any.
    #[serde(default)]
    pub one_of: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterKind {
    Number,
    Integer,
    Bool,
    Text,
    Kpi,
}

impl Parameter {
    pub(super) fn allows(&self, text: &str) -> bool {
        self.one_of.is_empty() || self.one_of.iter().any(|known| known == text)
    }

    pub fn kind(&self) -> ParameterKind {
        self.kind.unwrap_or(match &self.default {
            Some(ParamValue::Bool(_)) => ParameterKind::Bool,
            Some(ParamValue::Text(_)) => ParameterKind::Text,
            Some(ParamValue::Integer(_) | ParamValue::Number(_)) | None => ParameterKind::Number,
        })
    }
}

/// The file beside a script.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// What can be set under `with:`.
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    /// Parameters of which at least one must be set.
    #[serde(default)]
    require_one_of: Vec<String>,
    /// What the script says and proposes, by the key that it names.
    #[serde(default)]
    texts: BTreeMap<String, RawText>,
    /// How long a breach lasts before the alert fires, where a rule does not say: `2 buckets`, `3h`.
    #[serde(default, rename = "for")]
    for_: Option<String>,
    /// Who cares about its alerts.
    #[serde(default)]
    about: About,
}

/// The JSON Schema of sidecars.
pub fn sidecar_schema() -> serde_json::Value {
    schemars::schema_for!(Raw).to_value()
}

/// A text in each language, with places such as `{kpi.value|unit}`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawText {
    fr: Option<String>,
    en: Option<String>,
}

/// What is wrong with a sidecar, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SidecarProblem {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

impl Sidecar {
    /// Reads the YAML text; all problems of its texts at once.
    pub(super) fn parse(text: &str) -> Result<Sidecar, Vec<SidecarProblem>> {
        let raw: Raw = serde_yaml::from_str(text).map_err(|error| {
            let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            vec![SidecarProblem { line, column, message: error.to_string() }]
        })?;
        let mut problems = Vec::new();
        let mut texts = BTreeMap::new();
        for (key, languages) in raw.texts {
            let mut read = |language: &str, written: Option<String>| {
                let written = written?;
                let parsed = Template::parse(&written);
                parsed
                    .map_err(|error| {
                        let (line, column) = find(text, &written);
                        let message = format!("text '{key}' ({language}): {}", error.message);
                        problems.push(SidecarProblem { line, column: column + error.offset, message });
                    })
                    .ok()
                    .map(std::sync::Arc::new)
            };
            let localized = Localized { fr: read("fr", languages.fr), en: read("en", languages.en) };
            texts.insert(key, localized);
        }
        let for_ = raw.for_.as_deref().map(Patience::parse).transpose().unwrap_or_else(|message| {
            let (line, column) = find(text, "for:");
            problems.push(SidecarProblem { line, column, message });
            None
        });
        if problems.is_empty() {
            Ok(Sidecar {
                parameters: raw.parameters,
                require_one_of: raw.require_one_of,
                texts,
                for_,
                about: raw.about,
            })
        } else {
            Err(problems)
        }
    }
}

/// Line and column (from 1) of a key below others; of the first one that is not found, the place of the one above.
pub(super) fn key_place(text: &str, path: &[&str]) -> (usize, usize) {
    let mut place = (1, 1);
    let mut lines = text.lines().enumerate();
    for (depth, key) in path.iter().enumerate() {
        let is_key = |line: &str| {
            let indent = line.len() - line.trim_start().len();
            let rest = line.trim_start().trim_start_matches(['"', '\'']);
            let after = rest.strip_prefix(key).map(|after| after.trim_start_matches(['"', '\'']));
            (indent == 0) == (depth == 0) && after.is_some_and(|after| after.trim_start().starts_with(':'))
        };
        match lines.find(|(_, line)| is_key(line)) {
            Some((number, line)) => place = (number + 1, line.len() - line.trim_start().len() + 1),
            // In braces on one line.
            None => {
                return text
                    .lines()
                    .nth(place.0 - 1)
                    .and_then(|line| Some((place.0, in_braces(line, key)?)))
                    .unwrap_or(place);
            }
        }
    }
    place
}

/// The column (from 1) of a key of `{a: 1, b: 2}`.
fn in_braces(line: &str, key: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = line[from..].find(key).map(|at| at + from) {
        let before = line[..at].trim_end().ends_with(['{', ',']);
        if before && line[at + key.len()..].trim_start().starts_with(':') {
            return Some(at + 1);
        }
        from = at + key.len();
    }
    None
}

/// Line and column (from 1) where a piece of the text stands.
fn find(text: &str, piece: &str) -> (usize, usize) {
    let first = piece.lines().next().unwrap_or_default();
    let offset = text.find(first).unwrap_or(0);
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    (line, before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1)
}
