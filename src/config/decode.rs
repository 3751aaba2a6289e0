//! One entry of a file to its typed form, with every problem in it.
//!
//! serde stops at the first error; so the error is noted, what caused it is taken out, and the rest
//! is decoded again until nothing is left to complain about.

use std::collections::HashSet;

use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Deserializer, Path, Segment, Track};
use serde_yaml::Value;
use serde_yaml::with::singleton_map_recursive;

use super::suggest;
use super::yaml::{Entry, Kind, Node, Span};

/// Most problems looked for in one entry.
const ROUNDS_MAX: usize = 100;
/// Most nodes decoded for one entry, over all rounds.
const NODES_DECODED_MAX: usize = 200_000;

/// A problem within an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// Known words of later versions, so that nobody hunts for a typing error.
const NOT_YET: &[(&str, &str)] = &[
    ("benchmark", "leave it out"),
    ("phone", "people have `mail`, `name`, `language` and `calendar`"),
    ("slack", "people have `mail`, `name`, `language` and `calendar`; a receiver can be `{slack: ...}`"),
    ("telegram", "people have `mail`, `name`, `language` and `calendar`"),
    ("teams", "people have `mail`, `name`, `language` and `calendar`; a receiver can be `{teams: ...}`"),
    ("zone", "leave it out, or use `timezone` where it is a field"),
    ("role", "people have `mail`, `name`, `language` and `calendar`"),
    ("deputy", "people have `mail`, `name`, `language` and `calendar`"),
    ("quiet_hours", "leave it out"),
    ("escalate", "leave it out"),
    ("escalation", "leave it out"),
    ("fallback", "leave it out"),
    ("inhibit", "leave it out"),
    ("silences", "leave it out"),
    ("digest", "leave it out"),
    ("was", "keep the old id"),
    ("google_analytics", "ask its API with `http_json`, or export to CSV or SQL"),
    ("ga4", "ask its API with `http_json`, or export to CSV or SQL"),
    ("matomo", "ask its API with `http_json`, or export to CSV or SQL"),
    ("salesforce", "ask its API with `http_json`, or export to CSV or SQL"),
    ("hubspot", "ask its API with `http_json`, or export to CSV or SQL"),
    ("stripe", "ask its API with `http_json`, or export to CSV or SQL"),
    ("shopify", "ask its API with `http_json`, or export to CSV or SQL"),
    ("zendesk", "ask its API with `http_json`, or export to CSV or SQL"),
    ("google_sheets", "ask its API with `http_json`, or export to CSV or SQL"),
    ("excel", "export to CSV"),
    ("discord", "use `webhook`"),
    ("sms", "use `webhook`"),
    ("ntfy", "use `webhook`"),
    ("pagerduty", "use `webhook`"),
];

/// The message and help for a word that stands in the plan but not yet in this version.
pub(super) fn not_yet(word: &str) -> Option<(String, String)> {
    let (_, instead) = NOT_YET.iter().find(|(known, _)| *known == word)?;
    Some((format!("not yet: `{word}` is planned, but this version does not have it"), (*instead).to_owned()))
}

/// The entry, if nothing at all is wrong with it, and what is wrong.
pub(super) fn decode<T: DeserializeOwned + JsonSchema>(node: &Node, key: Span) -> (Option<T>, Vec<Flaw>) {
    let mut flaws: Vec<Flaw> = Vec::new();
    let mut without = Without::new();
    // Each round decodes anew: a huge entry gets fewer of them, so that the whole stays within a second.
    let rounds = (NODES_DECODED_MAX / node.weight().max(1)).clamp(3, ROUNDS_MAX);
    for _ in 0..rounds {
        let mut track = Track::new();
        let value = to_value(node, &mut Vec::new(), &without);
        let outcome = singleton_map_recursive::deserialize(Deserializer::new(value, &mut track));
        let error: serde_yaml::Error = match outcome {
            Ok(entry) => return (flaws.is_empty().then_some(entry), flaws),
            Err(error) => error,
        };
        let path = steps(&track.path(), node, &without);
        let message = error.to_string();
        if let Some(field) = backquoted(&message, "missing field ") {
            let entry = path.is_empty();
            let fields = if entry { missing_fields::<T>(node) } else { absent(node, &path, field) };
            let at = if entry { key } else { place(node, &path) };
            flaws.extend(fields.into_iter().map(|field| missing(&field, at)));
            if entry || !without.insert(path) {
                break;
            }
            continue;
        }
        // What is wrong with a mapping of which nothing is left was told of what it held.
        if is_emptied(node, &path, &without) && without.insert(path.clone()) {
            continue;
        }
        let (flaw, guilty) = explain(&message, node, path);
        let stuck = flaws.contains(&flaw) || guilty.is_empty() || !without.insert(guilty);
        flaws.push(flaw);
        if stuck {
            break;
        }
    }
    flaws.dedup();
    (None, flaws)
}

/// Paths of what was taken out.
type Without = HashSet<Vec<String>>;

/// The value with aliases expanded, less what was taken out; bounded by the limits that parsing held.
fn to_value(node: &Node, path: &mut Vec<String>, without: &Without) -> Value {
    let mut child = |step: String, value: &Node| {
        path.push(step);
        let kept = (!without.contains(path.as_slice())).then(|| to_value(value, path, without));
        path.pop();
        kept
    };
    match &node.kind {
        Kind::Scalar { .. } => node.scalar(),
        Kind::List(items) => {
            let items = items.iter().enumerate();
            Value::Sequence(items.filter_map(|(at, item)| child(at.to_string(), item)).collect())
        }
        Kind::Map(entries) => {
            let pairs = entries.iter();
            let pair =
                |entry: &Entry| Some((Value::String(entry.key.clone()), child(entry.key.clone(), &entry.value)?));
            Value::Mapping(pairs.filter_map(pair).collect())
        }
    }
}

/// Whether all that a mapping held was taken out.
fn is_emptied(node: &Node, path: &[String], without: &Without) -> bool {
    let entries = node.at(&refs(path)).map_or(&[][..], Node::entries);
    let is_out = |entry: &Entry| {
        let mut below = path.to_vec();
        below.push(entry.key.clone());
        without.contains(&below)
    };
    !entries.is_empty() && entries.iter().all(is_out)
}

/// The path of an error as steps that exist in the tree: list positions as written, variants of enums included.
fn steps(path: &Path, node: &Node, without: &Without) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for segment in path {
        let step = match segment {
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Seq { index } => written_position(*index, &steps, without),
            Segment::Unknown => continue,
        };
        steps.push(step);
        if node.find(&refs(&steps)).steps < steps.len() {
            steps.pop();
        }
    }
    steps
}

/// Where the item stood before others were taken out of its list.
fn written_position(index: usize, list: &[String], without: &Without) -> String {
    let mut path = list.to_vec();
    let mut kept = 0;
    for at in 0.. {
        path.truncate(list.len());
        path.push(at.to_string());
        if !without.contains(&path) {
            if kept == index {
                return at.to_string();
            }
            kept += 1;
        }
    }
    index.to_string()
}

fn refs(steps: &[String]) -> Vec<&str> {
    steps.iter().map(String::as_str).collect()
}

fn place(node: &Node, path: &[String]) -> Span {
    node.find(&refs(path)).value
}

fn missing(field: &str, span: Span) -> Flaw {
    Flaw { span, message: format!("missing field `{field}`"), help: Some(format!("add `{field}: ...`")) }
}

/// All required fields that the entry lacks; serde names only the first.
fn missing_fields<T: JsonSchema>(node: &Node) -> Vec<String> {
    let schema = schema_for!(T);
    let required = schema.get("required").and_then(|list| list.as_array());
    let names = required.into_iter().flatten().filter_map(|name| name.as_str());
    names.filter(|name| node.get(name).is_none()).map(str::to_owned).collect()
}

/// The field, unless it is there and was taken out for a fault of its own.
fn absent(node: &Node, path: &[String], field: &str) -> Vec<String> {
    let mut below = refs(path);
    below.push(field);
    if node.find(&below).steps == below.len() { Vec::new() } else { vec![field.to_owned()] }
}

/// What to tell about one error, and the path of what caused it.
fn explain(message: &str, node: &Node, mut path: Vec<String>) -> (Flaw, Vec<String>) {
    if let Some(field) = backquoted(message, "unknown field ") {
        if path.last().is_none_or(|last| last != field) {
            path.push(field.to_owned());
        }
        let span = node.find(&refs(&path)).key;
        let (message, help) = not_yet(field).unwrap_or_else(|| {
            (format!("unknown field `{field}`"), suggest::help(field, expected(message), "remove it"))
        });
        return (Flaw { span, message, help: Some(help) }, path);
    }
    let found = node.find(&refs(&path));
    if wants_secret(message, &path) {
        let help = "write `{env: NAME}`, `{file: path}` or `{credential: name}`";
        let message = "a secret must be a reference, never the value itself";
        return (Flaw { span: found.value, message: message.to_owned(), help: Some(help.to_owned()) }, path);
    }
    if let Some(word) = backquoted(message, "unknown variant ") {
        // A variant written as a key stands there; one written as a value is the value.
        let mut below = refs(&path);
        below.push(word);
        let deeper = node.find(&below);
        let span = match (deeper.steps == below.len(), path.last().is_some_and(|last| last == word)) {
            (true, _) => deeper.key,
            (false, true) => found.key,
            (false, false) => found.value,
        };
        let (message, help) = not_yet(word).unwrap_or_else(|| {
            (format!("unknown value `{word}`"), suggest::help(word, expected(message), "remove it"))
        });
        return (Flaw { span, message, help: Some(help) }, path);
    }
    if message.ends_with("unit variant, expected newtype variant")
        && let Some(Kind::Scalar { text, .. }) = node.at(&refs(&path)).map(|found| &found.kind)
    {
        let help = format!("write `{{{text}: ...}}`");
        return (Flaw { span: found.value, message: format!("`{text}` needs a value"), help: Some(help) }, path);
    }
    let help = message
        .contains("invalid type: ")
        .then(|| message.ends_with("a string").then(|| "write it in quotes".to_owned()))
        .flatten();
    (Flaw { span: found.value, message: lowered(message), help }, path)
}

/// Whether a secret's value stands where a reference belongs; such a value must not be repeated.
fn wants_secret(message: &str, path: &[String]) -> bool {
    let reference = message.contains("SecretRef")
        || message.starts_with("a secret is written")
        || message.ends_with("expected one of `env`, `file`, `credential`");
    reference || (message.starts_with("invalid type") && path.last().is_some_and(|last| is_secret_name(last)))
}

/// Names of fields whose plain value is never shown.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    ["password", "secret", "token", "webhook", "key", "authorization", "credentials"]
        .iter()
        .any(|part| name.ends_with(part))
}

/// The names listed after `expected` in one of serde's messages.
fn expected(message: &str) -> Vec<&str> {
    let list = message.split_once(", expected ").map_or("", |(_, list)| list);
    list.split('`').skip(1).step_by(2).collect()
}

fn backquoted<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    // Names hold no backquote of their own, or are cut at it.
    message.strip_prefix(before)?.strip_prefix('`')?.split('`').next()
}

/// serde's words in ours: no type names, no long quotations.
fn lowered(message: &str) -> String {
    const QUOTED_MAX: usize = 200;
    let plain = match message.split_once("expected struct ") {
        Some((head, _)) => format!("{head}expected a mapping"),
        None => message.to_owned(),
    };
    let mut chars = plain.chars();
    let first = chars.next().into_iter().flat_map(char::to_lowercase);
    let short: String = first.chain(chars).take(QUOTED_MAX).collect();
    if plain.chars().count() > QUOTED_MAX { short + "..." } else { short }
}
