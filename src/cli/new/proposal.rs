//! What is proposed, field by field with its reason: as YAML to be pasted, and as a record.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::json;
use serde_yaml::{Mapping, Value};

use crate::cli::output::clean;

/// Longest line that its reason follows; above longer ones it stands on a line of its own.
const ENTRY_CHARS_MAX: usize = 40;
/// Longest line with its reason.
const LINE_CHARS_MAX: usize = 120;

/// One field of a KPI.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// As the configuration calls it; parts of a mapping after a dot: `quality.min`.
    pub(super) key: &'static str,
    /// None: nothing is proposed, and why.
    pub(super) value: Option<Value>,
    pub(super) reason: String,
    /// False for what holds without being written.
    pub(super) is_written: bool,
}

impl Field {
    pub(super) fn new(key: &'static str, value: impl Into<Value>, reason: impl Into<String>) -> Field {
        Field { key, value: Some(value.into()), reason: reason.into(), is_written: true }
    }

    /// Nothing is proposed; the reason stands in its place.
    pub(super) fn none(key: &'static str, reason: impl Into<String>) -> Field {
        Field { key, value: None, reason: reason.into(), is_written: true }
    }

    pub(super) fn unwritten(self) -> Field {
        Field { is_written: false, ..self }
    }
}

/// Lines of one field, without their place in the block.
struct Entry {
    lines: Vec<String>,
    reason: String,
    indent: usize,
}

/// The section `kpis` with that one KPI.
pub(super) fn yaml(id: &str, fields: &[Field]) -> anyhow::Result<String> {
    let mut entries = vec![heading("kpis", 0)?, heading(id, 2)?];
    let mut open = "";
    for field in fields.iter().filter(|field| field.is_written) {
        let (outer, key) = field.key.split_once('.').unwrap_or(("", field.key));
        let within = |other: &&Field| other.key.split_once('.').is_some_and(|(other, _)| other == outer);
        let has_values = fields.iter().filter(within).any(|other| other.is_written && other.value.is_some());
        if outer != open && has_values {
            entries.push(heading(outer, 4)?);
            open = outer;
        }
        let indent = if has_values { 6 } else { 4 };
        entries.push(match &field.value {
            Some(value) => Entry { lines: written(key, value)?, reason: clean(&field.reason), indent },
            None => Entry {
                lines: Vec::new(),
                reason: clean(&format!("{}: {}", if has_values { key } else { field.key }, field.reason)),
                indent,
            },
        });
    }
    let width = entries.iter().filter_map(Entry::short).map(|(_, chars)| chars).max().unwrap_or(0);
    Ok(entries.iter().map(|entry| entry.text(width)).collect())
}

fn heading(key: &str, indent: usize) -> anyhow::Result<Entry> {
    let key = serde_yaml::to_string(&Value::from(key)).context("a key is a text")?;
    Ok(Entry { lines: vec![format!("{}:", key.trim_end())], reason: String::new(), indent })
}

/// A key with its value as the YAML library writes them: it knows what must be quoted.
fn written(key: &str, value: &Value) -> anyhow::Result<Vec<String>> {
    let mapping = Mapping::from_iter([(Value::from(key), value.clone())]);
    let text = serde_yaml::to_string(&mapping).with_context(|| format!("`{key}` can't be written as YAML"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

impl Entry {
    /// Its only line, and how many characters that takes; none where the reason must stand above.
    fn short(&self) -> Option<(&str, usize)> {
        let [line] = self.lines.as_slice() else { return None };
        let chars = self.indent + line.chars().count();
        (chars <= ENTRY_CHARS_MAX && !self.reason.is_empty()).then_some((line, chars))
    }

    fn text(&self, width: usize) -> String {
        let indent = " ".repeat(self.indent);
        if let Some((line, chars)) = self.short()
            && width + 4 + self.reason.chars().count() <= LINE_CHARS_MAX
        {
            return format!("{indent}{line}{}  # {}\n", " ".repeat(width.saturating_sub(chars)), self.reason);
        }
        let mut text = String::new();
        if !self.reason.is_empty() {
            let _ = writeln!(text, "{indent}# {}", self.reason);
        }
        for line in &self.lines {
            // Blanks on an empty line would become part of a text.
            let indent = if line.is_empty() { "" } else { &indent };
            let _ = writeln!(text, "{indent}{line}");
        }
        text
    }
}

/// The proposal for programs.
pub(super) fn record(id: &str, fields: &[Field], yaml: &str) -> anyhow::Result<serde_json::Value> {
    let mut all = serde_json::Map::new();
    for Field { key, value, reason, .. } in fields {
        let value = serde_json::to_value(value).with_context(|| format!("`{key}` can't be written as JSON"))?;
        all.insert((*key).to_owned(), json!({"value": value, "reason": reason}));
    }
    Ok(json!({"type": "proposal", "kpi": id, "fields": all, "yaml": yaml}))
}

#[cfg(test)]
mod tests {
    use super::{Field, yaml};

    #[test]
    fn reasons_stand_beside_short_lines_and_above_others() {
        let fields = [
            Field::new("title", "Ventes: l'année", "from the id"),
            Field::new("unit", "%", "a guess\nof two lines"),
            Field::new("query", "SELECT 1\n\n  # no comment\nFROM x", "as given"),
            Field::new("dimensions", vec!["channel"], "3 values"),
            Field::new("timezone", "UTC", "never shown").unwritten(),
            Field::new("quality.min", 0, "nothing is negative"),
            Field::none("quality.max_jump", "too few values"),
        ];
        let expected = "\
kpis:
  revenue:
    title: 'Ventes: l''année'  # from the id
    unit: '%'                  # a guess of two lines
    # as given
    query: |-
      SELECT 1

        # no comment
      FROM x
    # 3 values
    dimensions:
    - channel
    quality:
      min: 0                   # nothing is negative
      # max_jump: too few values
";
        assert_eq!(yaml("revenue", &fields).unwrap(), expected);
        let text = yaml("2026", &fields[6..]).unwrap();
        assert_eq!(text, "kpis:\n  '2026':\n    # quality.max_jump: too few values\n");
    }
}
