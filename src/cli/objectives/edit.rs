//! Changes of the configuration's text as its author wrote it: single values are put in place, all else stays.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::config::{Config, Loaded, Position};
use crate::model::objective::Objective;
use crate::model::target::TargetFigure;

/// Lines around a change that a patch shows.
const CONTEXT_LINES: usize = 3;

/// A value of the configuration where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) file: String,
    /// Both from 1, the column in characters.
    pub(super) line: usize,
    column: usize,
    /// As it is written, with its quotes.
    pub(super) raw: String,
}

/// What stands there from now on.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) spot: Spot,
    pub(super) text: String,
}

impl Edit {
    /// The new text without its quotes.
    pub(super) fn plain(&self) -> &str {
        self.text.trim_matches(['"', '\''])
    }
}

impl Spot {
    pub(super) fn value(loaded: &Loaded, path: &[&str]) -> Option<Spot> {
        Spot::at(loaded, loaded.scalar_at(path)?)
    }

    pub(super) fn key(loaded: &Loaded, path: &[&str]) -> Option<Spot> {
        Spot::at(loaded, loaded.key_at(path)?)
    }

    fn at(loaded: &Loaded, position: Position) -> Option<Spot> {
        let Position { file, line, column, width } = position;
        let text = line_of(text_of(loaded, &file)?, line)?;
        let raw: String = text.chars().skip(column.checked_sub(1)?).take(width).collect();
        let raw = raw.trim_end().to_owned();
        // Text over several lines is none that could be changed within one.
        let is_block = raw.is_empty() || raw.starts_with(['|', '>']);
        (!is_block).then_some(Spot { file, line, column, raw })
    }

    /// The text without its quotes.
    pub(super) fn plain(&self) -> &str {
        self.raw.trim_matches(['"', '\''])
    }

    /// The same with another text between its quotes, if it has any.
    pub(super) fn becomes(self, plain: &str) -> Edit {
        let text = self.raw.replacen(self.plain(), plain, 1);
        Edit { spot: self, text }
    }

    /// True if nothing but space stands before it on its line.
    pub(super) fn begins_line(&self, loaded: &Loaded) -> bool {
        let line = text_of(loaded, &self.file).and_then(|text| line_of(text, self.line));
        line.is_some_and(|line| line.chars().take(self.column - 1).all(|before| before == ' '))
    }

    pub(super) fn indent(&self) -> usize {
        self.column - 1
    }
}

pub(super) fn text_of<'a>(loaded: &'a Loaded, file: &str) -> Option<&'a str> {
    loaded.sources.iter().find(|source| source.file == file).map(|source| source.text.as_str())
}

fn line_of(text: &str, line: usize) -> Option<&str> {
    text.split('\n').nth(line.checked_sub(1)?)
}

/// The lines of an entry: its key's, and all below that are indented deeper.
pub(super) fn block(loaded: &Loaded, key: &Spot) -> Option<Vec<String>> {
    let mut lines = text_of(loaded, &key.file)?.lines().skip(key.line - 1).map(str::to_owned);
    let mut block: Vec<String> = lines.next().into_iter().collect();
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    block.extend(lines.take_while(|line| line.trim().is_empty() || indent(line) > key.indent()));
    while block.last().is_some_and(|line| line.trim().is_empty()) {
        block.pop();
    }
    Some(block)
}

/// False for what an entry only refers to, by an alias.
pub(super) fn is_within(loaded: &Loaded, key: &Spot, spot: &Spot) -> bool {
    let lines = block(loaded, key).map_or(0, |block| block.len());
    spot.file == key.file && (key.line..key.line + lines).contains(&spot.line)
}

/// The amounts of a split target, which sum to the new one; none where they are shares, or there are none. The last one has
/// what rounding leaves.
pub(super) fn parts(
    config: &Config,
    loaded: &Loaded,
    whole: &Objective,
    (old, new): (Figure, &str),
) -> Result<Vec<Edit>, String> {
    let id = whole.id.as_str();
    let is_amount = whole.target.figures().all(|figure| matches!(figure, TargetFigure::Fixed(_)));
    let new = Figure::read(new).filter(|_| is_amount && old.number != 0.0);
    let Some(new) = new else { return Ok(Vec::new()) };
    let mut amounts = Vec::new();
    for part in config.catalog.objectives.values().filter(|part| part.id.whole() == Some(id)) {
        let own = part.labels.iter().find(|(name, _)| whole.labels.get(name).is_none());
        let spot = own.and_then(|(name, value)| Spot::value(loaded, &["objectives", id, "split", name, value]));
        let figure = spot.as_ref().and_then(|spot| Figure::read(spot.plain()));
        let amount = spot.zip(figure).ok_or_else(|| format!("the amount of `{}` was not found", part.id))?;
        amounts.push(amount);
    }
    if amounts.iter().any(|(_, figure)| figure.per_cent) {
        return Ok(Vec::new());
    }
    let Some((spot, figure)) = amounts.pop() else { return Ok(Vec::new()) };
    let decimals = amounts.iter().map(|(_, other)| other.decimals).fold(figure.decimals.max(new.decimals), usize::max);
    let (mut edits, mut left) = (Vec::new(), new.number);
    for (spot, part) in amounts {
        let text = part.with(part.number * new.number / old.number);
        left -= Figure::read(&text).map_or(0.0, |part| part.number);
        edits.push(spot.becomes(&text));
    }
    let rest = figure.decimals(decimals).with(left);
    let rest = if rest.contains('.') { rest.trim_end_matches('0').trim_end_matches('.') } else { &rest };
    edits.push(spot.becomes(rest));
    Ok(edits)
}

/// A line with what is put in place in it.
pub(super) fn edited<'a>(line: &str, edits: impl Iterator<Item = &'a Edit>) -> String {
    let mut edits: Vec<&Edit> = edits.collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.spot.column));
    let mut chars: Vec<char> = line.chars().collect();
    for Edit { spot, text } in edits {
        let from = spot.column - 1;
        chars.splice(from..(from + spot.raw.chars().count()).min(chars.len()), text.chars());
    }
    chars.into_iter().collect()
}

/// A number as it is written in a configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) number: f64,
    decimals: usize,
    pub(super) per_cent: bool,
}

impl Figure {
    pub(super) const WHOLE: Figure = Figure { number: 0.0, decimals: 0, per_cent: false };

    /// None for what is no number by itself, such as `+15 %` of a baseline.
    pub(super) fn read(plain: &str) -> Option<Figure> {
        let per_cent = plain.ends_with('%');
        if plain.starts_with('+') || (per_cent && plain.starts_with(['-', '\u{2212}'])) {
            return None;
        }
        let body: String = plain.trim_end_matches('%').chars().filter(|c| !c.is_whitespace()).collect();
        let body = body.replace(',', ".");
        let decimals = body.split_once('.').map_or(0, |(_, after)| after.len());
        let number = body.parse().ok().filter(|number: &f64| number.is_finite())?;
        Some(Figure { number, decimals, per_cent })
    }

    /// Another number, with as many decimals and the same sign of per cent.
    pub(super) fn with(self, number: f64) -> String {
        format!("{number:.*}{}", self.decimals, if self.per_cent { " %" } else { "" })
    }

    pub(super) fn decimals(self, decimals: usize) -> Figure {
        Figure { decimals, ..self }
    }
}

/// Lines that take the place of one line each, as a patch that `git apply` takes.
pub(super) fn unified(file: &str, text: &str, changes: &BTreeMap<usize, Vec<String>>) -> String {
    let name = file.trim_start_matches("./").trim_start_matches('/');
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut patch = format!("--- a/{name}\n+++ b/{name}\n");
    let mut numbers = changes.keys().copied().filter(|line| (1..=lines.len()).contains(line)).peekable();
    let mut shift = 0_usize;
    while let Some(first) = numbers.next() {
        let mut last = first;
        while let Some(next) = numbers.next_if(|next| *next <= last + 2 * CONTEXT_LINES) {
            last = next;
        }
        let from = first.saturating_sub(CONTEXT_LINES).max(1);
        let to = (last + CONTEXT_LINES).min(lines.len());
        let mut body = String::new();
        let mut added = 0;
        for number in from..=to {
            let old = lines[number - 1];
            match changes.get(&number) {
                None => put(&mut body, ' ', old),
                Some(new) => {
                    put(&mut body, '-', old);
                    let end = if old.ends_with("\r\n") { "\r\n" } else { "\n" };
                    for (place, line) in new.iter().enumerate() {
                        let is_last_of_file = place + 1 == new.len() && !old.ends_with('\n');
                        put(&mut body, '+', &format!("{}{}", line.trim_end(), if is_last_of_file { "" } else { end }));
                    }
                    added += new.len() - 1;
                }
            }
        }
        let count = to + 1 - from;
        let _ = writeln!(patch, "@@ -{from},{count} +{},{} @@", from + shift, count + added);
        patch.push_str(&body);
        shift += added;
    }
    patch
}

fn put(body: &mut String, sign: char, line: &str) {
    body.push(sign);
    body.push_str(line);
    if !line.ends_with('\n') {
        body.push_str("\n\\ No newline at end of file\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_form() {
        let raised = |text: &str| Figure::read(text).map(|figure| figure.with(figure.number * 1.05));
        for (text, becomes) in [
            ("400000", Some("420000")),
            ("400 000", Some("420000")),
            ("3.50", Some("3.68")),
            ("2,5 %", Some("2.6 %")),
            ("+15 %", None),
            ("targets.csv", None),
        ] {
            assert_eq!(raised(text).as_deref(), becomes, "{text}");
        }
    }

    #[test]
    fn patches_hold_what_stands_around_a_change() {
        let text = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl";
        let changes = BTreeMap::from([(2, vec!["# why".to_owned(), "B".to_owned()]), (12, vec!["L".to_owned()])]);
        let expected = "--- a/x.yaml\n+++ b/x.yaml\n@@ -1,5 +1,6 @@\n a\n-b\n+# why\n+B\n c\n d\n e\n@@ -9,4 +10,4 @@\n i\n j\n k\n\
                        -l\n\\ No newline at end of file\n+L\n\\ No newline at end of file\n";
        assert_eq!(unified("./x.yaml", text, &changes), expected);
    }
}
