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

/// A path, and the paths that lead to it.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    pub(super) path: JsonPath,
    /// Longest first; the last is `$`.
    parents: Vec<Parent>,
}

#[derive(Clone, Debug)]
struct Parent {
    path: JsonPath,
    text: String,
    /// What follows it.
    step: String,
}

impl Trail {
    /// Reads a path; `key` names the setting that holds it.
    pub(super) fn parse(key: &str, text: &str) -> Result<Trail, String> {
        let text = text.trim();
        let whole = path(key, text)?;
        let starts = steps(text);
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        let mut parents = Vec::new();
        for (start, end) in starts.iter().zip(ends) {
            let (parent, step) = (text[..*start].trim(), text[*start..end].trim());
            parents.push(Parent { path: path(key, parent)?, text: parent.to_owned(), step: step.to_owned() });
        }
        parents.reverse();
        Ok(Trail { path: whole, parents })
    }

    /// Whether it names one place: by names and positions alone.
    pub(super) fn is_single(&self) -> bool {
        self.parents.iter().all(|parent| is_single(&parent.step))
    }

    /// Where the path ends before its time: what it looks for there, and what is there instead. None where nothing says
    /// that it is wrong: a list or an object may have no element that is selected, and then has none of what is in it.
    pub(super) fn dead_end(&self, value: &Value) -> Option<DeadEnd<'_>> {
        let (parent, there) =
            self.parents.iter().find_map(|parent| Some((parent, *parent.path.query(value).all().first()?)))?;
        let Parent { text, step, .. } = parent;
        let has = match there {
            Value::Object(_) | Value::Array(_) | Value::Null if !is_single(step) => return None,
            Value::Array(elements) if elements.is_empty() => return None,
            Value::Object(members) => {
                let names = || members.keys().map(String::as_str);
                let wanted: String = step.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
                format!("has {}{}", listed(names()), did_you_mean(&wanted, names()))
            }
            other => format!("is {}", kind(other)),
        };
        Some(DeadEnd { text, step, has })
    }
}

/// Where a path leads nowhere.
pub(super) struct DeadEnd<'a> {
    /// The path to the last place that is there.
    pub(super) text: &'a str,
    /// What is not there.
    pub(super) step: &'a str,
    /// `has` names, or `is` something else.
    pub(super) has: String,
}

/// The path of the rows.
#[derive(Clone, Debug)]
pub(super) struct RowsPath {
    trail: Trail,
    /// The list that the rows are of or in; or why there is none whose elements could be counted.
    list: Result<List, String>,
}

#[derive(Clone, Debug)]
struct List {
    path: JsonPath,
    text: String,
    /// The rows are within its elements.
    has_deeper: bool,
}

impl RowsPath {
    pub(super) fn parse(text: &str) -> Result<RowsPath, String> {
        let trail = Trail::parse("rows", text)?;
        Ok(RowsPath { list: List::of(&trail, text.trim()), trail })
    }

    /// The rows; none only where the place is there that would hold them.
    pub(super) fn rows<'a>(&self, answer: &'a Value) -> Result<Vec<&'a Value>, String> {
        let rows = self.trail.path.query(answer).all();
        let Some(nearest) = self.trail.parents.first() else { return Ok(rows) };
        if !rows.is_empty() || !nearest.path.query(answer).is_empty() {
            return Ok(rows);
        }
        match self.trail.dead_end(answer) {
            None => Ok(rows),
            Some(DeadEnd { text, step, has }) => {
                Err(format!("rows: the answer holds nothing at `{text}{step}`; `{text}` {has}: correct rows"))
            }
        }
    }

    /// Refuses a path whose pages can't be counted, with the remedy.
    pub(super) fn check_countable(&self, paging: &str) -> Result<(), String> {
        match &self.list {
            Ok(_) => Ok(()),
            Err(why) => Err(format!("{paging} counts the elements of a list, and {why}")),
        }
    }

    /// The elements of the list on a page, whether they are selected as rows or not: that is what servers count.
    pub(super) fn elements<'a>(&self, answer: &'a Value) -> Result<Elements<'a>, String> {
        let list = self.list.as_ref().map_err(Clone::clone)?;
        let found = list.path.query(answer).all().first().copied();
        if list.has_deeper && found.is_some_and(Value::is_object) {
            return Err(format!(
                "rows: `{}` is an object, so that its pages can't be counted; write the path to the list that is paged, or use paging by next_link or cursor",
                list.text
            ));
        }
        Ok(Elements(found))
    }
}

/// The list on a page, as it is.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Elements<'a>(Option<&'a Value>);

impl Elements<'_> {
    pub(super) fn count(self) -> usize {
        match self.0 {
            Some(Value::Array(elements)) => elements.len(),
            Some(Value::Object(members)) => members.len(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => 0,
        }
    }
}

impl List {
    /// What stands before the first step that selects several; `text` is the whole path.
    fn of(trail: &Trail, text: &str) -> Result<List, String> {
        let mut steps = trail.parents.iter().rev();
        let Some(parent) = steps.find(|parent| !is_single(&parent.step)) else {
            return Err(format!(
                "rows `{text}` names one place; write the list that is paged, such as `{text}[*]`, or paging: none in the query where there is one page"
            ));
        };
        let step = parent.step.as_str();
        let inner = step.strip_prefix('[').and_then(|step| step.strip_suffix(']')).map(str::trim);
        if step == ".*" || inner.is_some_and(|inner| inner == "*" || inner.starts_with('?')) {
            let (path, text) = (parent.path.clone(), parent.text.clone());
            return Ok(List { path, text, has_deeper: steps.next().is_some() });
        }
        let of_some = if step.starts_with("..") { "at any depth" } else { "only some of a list" };
        Err(format!(
            "`{step}` in rows `{text}` takes what is {of_some}; write the way to the list by names, then `[*]` or a filter `[?..]`, or use paging by next_link or cursor"
        ))
    }
}

/// Whether a step names one place: `.name`, `['name']`, `[0]`.
fn is_single(step: &str) -> bool {
    let Some(inner) = step.strip_prefix('[').and_then(|step| step.strip_suffix(']')) else {
        return !step.starts_with("..") && step != ".*";
    };
    let inner = inner.trim();
    let mut characters = inner.chars();
    match characters.next() {
        Some(mark @ ('\'' | '"')) => {
            let mut escaped = false;
            // The quote that opens is closed by the last character alone.
            let closed = characters.position(|c| {
                let ends = c == mark && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            closed.is_some() && characters.next().is_none()
        }
        _ => !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'),
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
            // Elements that are not there, or not selected, have nothing in them.
            ("$.data.none[*].lines[*]", 0),
            ("$.data.none[0].lines[*]", 0),
            ("$.data.null[*].lines[*]", 0),
            ("$.data.items[?@.x > 9].lines[*]", 0),
        ] {
            assert_eq!(rows(path, &answer), Ok(count), "{path}");
        }
    }

    #[test]
    fn the_elements_of_the_list_are_counted_whatever_is_selected() {
        let answer = json!({"data": [{"a": {"rows": [1, 2, 3]}}], "by": {"x": [1], "y": []}, "none": null, "n": 4});
        let count = |path: &str| RowsPath::parse(path).unwrap().elements(&answer).map(super::Elements::count);
        for (path, expected) in [
            ("$.data[*]", 1),
            ("$.data[?@.b]", 1),
            ("$.data[*].a.rows[*]", 1),
            ("$.data[0].a.rows[*]", 3),
            ("$['data'][0]['a'].rows[?@ > 2]", 3),
            ("$['by'].*", 2),
            ("$.none[*]", 0),
            ("$.absent[*]", 0),
            ("$.n[*]", 0),
        ] {
            assert_eq!(count(path), Ok(expected), "{path}");
        }
        assert!(count("$.by.*[*]").unwrap_err().contains("`$.by` is an object"));
        for (path, part) in [
            ("$", "rows `$` names one place; write the list that is paged, such as `$[*]`"),
            ("$.data[0]['a']", "names one place"),
            ("$..rows[*]", "`..rows` in rows `$..rows[*]` takes what is at any depth"),
            ("$.data[1:]", "`[1:]` in rows `$.data[1:]` takes what is only some of a list"),
            ("$['data', 'by'][*]", "only some of a list"),
        ] {
            let error = RowsPath::parse(path).unwrap().check_countable("paging.page").unwrap_err();
            assert!(error.starts_with("paging.page counts") && error.contains(part), "{path}: {error}");
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
