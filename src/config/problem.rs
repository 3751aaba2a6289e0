//! What is wrong with a configuration, where, and what to do about it; for terminals and machines.

use std::fmt::Write as _;

use serde::Serialize;

/// How grave a problem is: an error refuses the configuration, a warning doesn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Error,
    Warning,
}

/// One problem at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub severity: Level,
    /// The file as it was named to us; empty when no file could be found at all.
    pub file: String,
    /// Counted from 1; 0 when the problem concerns the file as a whole.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// Number of characters underlined.
    pub span: usize,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// The text of one file, for showing lines of it.
#[derive(Clone, Debug, Default)]
pub struct SourceText {
    pub file: String,
    pub text: String,
    /// Places that hold secrets written in plain; never shown.
    pub hidden: Vec<Hidden>,
}

/// A stretch of a file from a column to the end of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    pub line: usize,
    pub column: usize,
    /// In characters; only for values on one line.
    pub width: usize,
    pub end_line: usize,
}

impl Hidden {
    fn covers(&self, line: usize, column: usize) -> bool {
        if self.line == self.end_line {
            return line == self.line && (self.column..self.column + self.width).contains(&column);
        }
        (line == self.line && column >= self.column) || (self.line < line && line <= self.end_line)
    }
}

/// Widest line shown; longer ones are cut around the place.
const WIDTH_MAX: usize = 160;

impl Problem {
    /// A problem that concerns a file as a whole.
    pub fn of_file(file: &str, message: impl Into<String>) -> Problem {
        Problem {
            severity: Level::Error,
            file: file.to_owned(),
            line: 0,
            column: 0,
            span: 0,
            message: message.into(),
            help: None,
        }
    }

    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Level::Error
    }

    fn place(&self) -> String {
        match (self.file.as_str(), self.line) {
            ("", _) => String::new(),
            (file, 0) => format!("{}: ", printable(file)),
            (file, line) => format!("{}:{line}:{}: ", printable(file), self.column),
        }
    }
}

/// The problems as people read them: place, message, the line with a caret, the remedy.
pub fn render(problems: &[Problem], sources: &[SourceText], color: bool) -> String {
    let paint = Paint { color };
    let mut out = String::new();
    for problem in problems {
        let (word, code) = match problem.severity {
            Level::Error => ("error", "1;31"),
            Level::Warning => ("warning", "1;33"),
        };
        let message = printable(&problem.message);
        let _ = writeln!(out, "{}: {}{}", paint.with(code, word), problem.place(), paint.with("1", &message));
        let source = sources.iter().find(|source| source.file == problem.file);
        if let Some(line) = source.and_then(|source| source.visible_line(problem.line)) {
            excerpt(&mut out, problem, &line, &paint);
        }
        if let Some(help) = &problem.help {
            let _ = writeln!(out, "  {}: {}", paint.with("1;36", "help"), printable(help));
        }
    }
    out
}

/// One JSON object a line, with stable names.
pub fn to_json(problems: &[Problem]) -> String {
    problems
        .iter()
        .filter_map(|problem| serde_json::to_string(problem).ok())
        .fold(String::new(), |out, line| out + line.as_str() + "\n")
}

fn excerpt(out: &mut String, problem: &Problem, line: &[char], paint: &Paint) {
    let column = problem.column.max(1) - 1;
    let from = if line.len() > WIDTH_MAX { column.saturating_sub(WIDTH_MAX / 2) } else { 0 };
    let shown: String = line.iter().skip(from).take(WIDTH_MAX).collect();
    let number = problem.line.to_string();
    let gutter = " ".repeat(number.len());
    let room = shown.chars().count().saturating_sub(column - from).max(1);
    let carets = "^".repeat(problem.span.clamp(1, room));
    let _ = writeln!(out, "{} | {}", paint.with("34", &number), shown.trim_end());
    let _ = writeln!(out, "{gutter} | {}{}", " ".repeat(column - from), paint.with("1;31", &carets));
}

impl SourceText {
    /// One line, counted from 1, without secrets and control characters.
    fn visible_line(&self, number: usize) -> Option<Vec<char>> {
        let line = self.text.split('\n').nth(number.checked_sub(1)?)?;
        let visible: String = line
            .chars()
            .enumerate()
            .map(|(at, c)| if self.hidden.iter().any(|hidden| hidden.covers(number, at + 1)) { '*' } else { c })
            .collect();
        Some(printable(&without_userinfo(&visible)).chars().collect())
    }
}

/// Replaces the password of `scheme://user:password@host` by stars of the same length.
fn without_userinfo(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let end = tail.find(['/', ' ', '"', '\'', '?', '#', ',']).unwrap_or(tail.len());
        let (authority, after) = tail.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                out.extend(user.chars().map(|_| '*'));
                out.push('@');
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The text with control characters made visible, so that a file can't steer a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' || c == '\r' {
                ' '
            } else if c.is_control() {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

struct Paint {
    color: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
