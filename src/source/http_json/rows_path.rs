//! A JSONPath, and what can be told when it leads nowhere.

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::source::suggest::{did_you_mean, listed};

/// Reads a JSONPath; `key` names the setting that holds it.
pub(super) fn path(key: &str, text: &str) -> Result<JsonPath, String> {
    JsonPath::parse(text.trim()).map_err(|error| {
        let form = "write it as in $.items[*].total";
        format!("{key}: `{text}` is no JSONPath, at character {}: {}; {form}", error.position() + 1, error.message())
    })
}

/// The path of the rows.
#[derive(Clone, Debug)]
pub(super) struct RowsPath {
    path: JsonPath,
    /// The paths that lead to it, longest first; the last is `$`.
    parents: Vec<Parent>,
}

#[derive(Clone, Debug)]
struct Parent {
    path: JsonPath,
    text: String,
    /// What follows it.
    step: String,
}

impl RowsPath {
    pub(super) fn parse(text: &str) -> Result<RowsPath, String> {
        let text = text.trim();
        let starts = steps(text);
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        let mut parents = Vec::new();
        for (start, end) in starts.iter().zip(ends) {
            let (parent, step) = (text[..*start].trim(), text[*start..end].trim());
            parents.push(Parent { path: path("rows", parent)?, text: parent.to_owned(), step: step.to_owned() });
        }
        parents.reverse();
        Ok(RowsPath { path: path("rows", text)?, parents })
    }

    /// The rows; none only where the place is there that would hold them.
    pub(super) fn rows<'a>(&self, answer: &'a Value) -> Result<Vec<&'a Value>, String> {
        let rows = self.path.query(answer).all();
        let Some(nearest) = self.parents.first() else { return Ok(rows) };
        if !rows.is_empty() || !nearest.path.query(answer).is_empty() {
            return Ok(rows);
        }
        let found = self.parents.iter().find_map(|parent| Some((parent, parent.path.query(answer).first()?)));
        let Some((Parent { text, step, .. }, there)) = found else { return Ok(rows) };
        let has = match there {
            Value::Object(members) => {
                let names = || members.keys().map(String::as_str);
                let wanted: String = step.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
                format!("has {}{}", listed(names()), did_you_mean(&wanted, names()))
            }
            other => format!("is {}", kind(other)),
        };
        Err(format!("rows: the answer holds nothing at `{text}{step}`; `{text}` {has}: correct rows"))
    }
}

/// What a value is, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Where each step of a path begins; the parser of paths does not tell.
fn steps(text: &str) -> Vec<usize> {
    let (mut depth, mut quote, mut escaped, mut before) = (0_u32, None, false, ' ');
    let mut starts = Vec::new();
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(mark) => quote = (c != mark).then_some(mark),
            None => match c {
                '\'' | '"' => quote = Some(c),
                // `..x` and `..[0]` are one step each.
                '.' | '[' if depth == 0 && before != '.' => {
                    starts.push(at);
                    depth += u32::from(c == '[');
                }
                '[' | '(' => depth += 1,
                ']' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
        before = c;
    }
    starts
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RowsPath;

    fn rows(path: &str, answer: &Value) -> Result<usize, String> {
        RowsPath::parse(path).unwrap().rows(answer).map(|rows| rows.len())
    }

    #[test]
    fn rows_are_found_or_their_place_is() {
        let answer = json!({"data": {"items": [{"x": 1}, {"x": 2}], "none": [], "null": null, "odd.[": [1]}, "n": 3});
        for (path, count) in [
            ("$", 1),
            ("$.data.items[*]", 2),
            ("$.data.items[?@.x > 1]", 1),
            ("$['data']['items'][?@.x == 'a.b[']", 0),
            ("$.data.none[*]", 0),
            ("$.data.null[*]", 0),
            ("$.data['odd.['][*]", 1),
            ("$.data.new", 0),
            ("$..x", 2),
            ("$..absent", 0),
        ] {
            assert_eq!(rows(path, &answer), Ok(count), "{path}");
        }
    }

    #[test]
    fn a_place_that_is_missing_is_told_with_what_is_there() {
        let answer = json!({"data": {"itmes": []}, "n": 3});
        for (path, part) in [
            ("$.data.items[*]", "nothing at `$.data.items`; `$.data` has `itmes` (did you mean `itmes`?)"),
            ("$['result']['rows'][*]", "`$` has `data`, `n`"),
            ("$.n.items[*]", "is a number"),
        ] {
            let error = rows(path, &answer).unwrap_err();
            assert!(error.contains(part), "{path}: {error}");
        }
        assert!(RowsPath::parse("items").unwrap_err().contains("is no JSONPath, at character 1"));
    }
}
