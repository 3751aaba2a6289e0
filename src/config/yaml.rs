//! One YAML file as a tree that knows where each key and value stands.
//!
//! Refuses what could hurt or mislead (alias bombs, cycles, duplicate keys, tabs, merge keys, tags)
//! before anything is decoded. Aliases share their node, so expansion costs no memory here.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as RawSpan, Tag};
use serde_yaml::Value;

/// Largest file read.
pub(super) const FILE_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting.
const DEPTH_MAX: usize = 64;
/// Most nodes of one file, aliases expanded.
const NODES_MAX: usize = 100_000;

/// A stretch of one file: line and column count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) line: usize,
    pub(super) column: usize,
    /// In characters, of the first line.
    pub(super) width: usize,
    /// Last line it touches.
    pub(super) end_line: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) kind: Kind,
    /// Nodes in it, aliases expanded, itself included.
    weight: usize,
    depth: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar { text: String, plain: bool },
    List(Vec<Arc<Node>>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) value: Arc<Node>,
}

/// A problem of the text itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Fault {
    fn new(span: Span, message: impl Into<String>, help: &str) -> Fault {
        Fault { span, message: message.into(), help: (!help.is_empty()).then(|| help.to_owned()) }
    }
}

impl Node {
    /// Nodes in it, aliases expanded, itself included.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            Kind::Scalar { .. } | Kind::List(_) => &[],
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// True for nothing at all: `key:` with no value, `null` or `~`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Where a path of keys (or list positions) leads: the span of the value, of the key, and whether all of it exists.
    pub(super) fn find(&self, path: &[&str]) -> Found {
        let mut found = Found { value: self.span, key: self.span, steps: 0 };
        let mut node = self;
        for step in path {
            let next = match &node.kind {
                Kind::Map(_) => node.get(step).map(|entry| (entry.key_span, &entry.value)),
                Kind::List(items) => {
                    step.parse::<usize>().ok().and_then(|at| items.get(at)).map(|item| (item.span, item))
                }
                Kind::Scalar { .. } => None,
            };
            let Some((key, value)) = next else { break };
            found = Found { key, value: value.span, steps: found.steps + 1 };
            node = value;
        }
        found
    }

    /// The node at a path of keys and list positions.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match &node.kind {
            Kind::Map(_) => node.get(step).map(|entry| &*entry.value),
            Kind::List(items) => step.parse::<usize>().ok().and_then(|at| items.get(at)).map(|item| &**item),
            Kind::Scalar { .. } => None,
        })
    }

    /// Lengthens the path to the first scalar with that text; false when there is none.
    pub(super) fn seek(&self, wanted: &str, path: &mut Vec<String>) -> bool {
        let mut below = |step: String, node: &Node| {
            path.push(step);
            let found = node.seek(wanted, path);
            if !found {
                path.pop();
            }
            found
        };
        match &self.kind {
            Kind::Scalar { text, .. } => text == wanted,
            Kind::List(items) => items.iter().enumerate().any(|(at, item)| below(at.to_string(), item)),
            Kind::Map(entries) => entries.iter().any(|entry| below(entry.key.clone(), &entry.value)),
        }
    }

    /// The value of a scalar; nothing for lists and mappings.
    pub(super) fn scalar(&self) -> Value {
        match &self.kind {
            Kind::Scalar { text, plain: false } => Value::String(text.clone()),
            Kind::Scalar { text, plain: true } => plain_value(text),
            Kind::List(_) | Kind::Map(_) => Value::Null,
        }
    }
}

/// Where a path led.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) value: Span,
    pub(super) key: Span,
    /// Steps of the path that exist.
    pub(super) steps: usize,
}

/// A plain scalar by the YAML 1.2 core schema: dates, `yes` and `on` stay text.
fn plain_value(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number_like = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    // A leading zero is a code, not a number: 0123 is nobody's amount.
    let code = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if number_like && !code {
        if let Ok(integer) = text.parse::<i64>() {
            return Value::from(integer);
        }
        if let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) {
            return Value::from(number);
        }
    }
    Value::String(text.to_owned())
}

/// Reads one file's text. With faults of form (duplicate keys, say) the tree is still given.
pub(super) fn parse(text: &str) -> (Option<Arc<Node>>, Vec<Fault>) {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0;
    while let Some(event) = parser.next_event() {
        let outcome = match event {
            Ok((Event::DocumentStart(_), span)) => {
                documents += 1;
                if documents > 1 {
                    let help = "put each document in a file of its own";
                    Err(Fault::new(convert(span), "a second document in one file", help))
                } else {
                    Ok(())
                }
            }
            Ok((event, span)) => builder.take(event, convert(span)),
            Err(error) => Err(scan_fault(&error, text)),
        };
        if let Err(fault) = outcome {
            builder.faults.push(fault);
            return (None, builder.faults);
        }
    }
    (builder.root, builder.faults)
}

fn convert(span: RawSpan) -> Span {
    let (start, end) = (span.start, span.end);
    let width = if end.line() == start.line() { end.index().saturating_sub(start.index()) } else { 1 };
    let end_line = if end.col() == 0 { end.line().saturating_sub(1) } else { end.line() };
    Span { line: start.line(), column: start.col() + 1, width: width.max(1), end_line: end_line.max(start.line()) }
}

/// Says what the scanner could not, where the cause is plain: tabs.
fn scan_fault(error: &saphyr_parser::ScanError, text: &str) -> Fault {
    let marker = error.marker();
    let number = marker.line().max(1);
    for candidate in [number, number.saturating_sub(1), number + 1] {
        let line = candidate.checked_sub(1).and_then(|skip| text.split('\n').nth(skip)).unwrap_or_default();
        let indent: &str = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        if let Some(at) = indent.find('\t') {
            let span = Span { line: candidate, column: at + 1, width: 1, ..Span::default() };
            return Fault::new(span, "a tab in the indentation", "use spaces: YAML does not allow tabs there");
        }
    }
    let span = Span { line: number, column: marker.col() + 1, width: 1, ..Span::default() };
    if error.info().contains("recursion limit") {
        return Fault::new(span, format!("nested deeper than {DEPTH_MAX} levels"), "flatten the structure");
    }
    let help = match error.info() {
        info if info.contains("mapping values are not allowed") => {
            "quote the value if it holds `: `, or mend the indentation"
        }
        info if info.contains("simple key") => "write `key: value`, indented like its neighbours",
        info if info.contains("anchor") => "an alias `*name` needs an anchor `&name` before it",
        _ => "",
    };
    Fault::new(span, format!("not valid YAML: {}", error.info()), help)
}

/// Puts events together to a tree.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    root: Option<Arc<Node>>,
    nodes: usize,
    faults: Vec<Fault>,
}

struct Open {
    span: Span,
    anchor: usize,
    weight: usize,
    depth: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Arc<Node>>),
    Map { entries: Vec<Entry>, seen: HashMap<String, Span>, key: Option<(String, Span)> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                self.refuse_tag(tag.as_deref(), span);
                let kind = Kind::Scalar { text: text.into_owned(), plain };
                self.close(Node { span, kind, weight: 1, depth: 1 }, anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => self.put(node.clone(), span),
                None => Err(Fault::new(span, "an alias inside the node it names: a cycle", "write the value out")),
            },
            Event::SequenceStart(anchor, tag) => self.begin(span, anchor, tag.as_deref(), OpenKind::List(Vec::new())),
            Event::MappingStart(anchor, tag) => {
                let kind = OpenKind::Map { entries: Vec::new(), seen: HashMap::new(), key: None };
                self.begin(span, anchor, tag.as_deref(), kind)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, span: Span, anchor: usize, tag: Option<&Tag>, kind: OpenKind) -> Result<(), Fault> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Fault::new(span, format!("nested deeper than {DEPTH_MAX} levels"), "flatten the structure"));
        }
        self.refuse_tag(tag, span);
        self.open.push(Open { span, anchor, weight: 1, depth: 1, kind });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let kind = match open.kind {
            OpenKind::List(items) => Kind::List(items),
            OpenKind::Map { entries, .. } => Kind::Map(entries),
        };
        let span = Span { end_line: span.end_line.max(open.span.line), ..open.span };
        self.close(Node { span, kind, weight: open.weight, depth: open.depth }, open.anchor)
    }

    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let message = format!("more than {NODES_MAX} values in one file");
            return Err(Fault::new(node.span, message, "split the configuration into several files"));
        }
        let span = node.span;
        let node = Arc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.put(node, span)
    }

    /// Adds a finished node, or a shared one at `span`, to what is open.
    fn put(&mut self, node: Arc<Node>, span: Span) -> Result<(), Fault> {
        let depth_here = self.open.len();
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.weight = open.weight.saturating_add(node.weight);
        open.depth = open.depth.max(node.depth + 1);
        if open.weight > NODES_MAX {
            let message = format!("aliases expand to more than {NODES_MAX} values");
            return Err(Fault::new(span, message, "write the values out instead of nesting aliases"));
        }
        if depth_here + node.depth > DEPTH_MAX + 1 {
            return Err(Fault::new(span, format!("nested deeper than {DEPTH_MAX} levels"), "flatten the structure"));
        }
        match &mut open.kind {
            OpenKind::List(items) => items.push(node),
            OpenKind::Map { entries, seen, key } => match key.take() {
                None => *key = Some(key_of(&node, span, seen, &mut self.faults)?),
                Some((name, key_span)) => {
                    if seen.get(&name) == Some(&key_span) {
                        entries.push(Entry { key: name, key_span, value: node });
                    }
                }
            },
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, span: Span) {
        if let Some(tag) = tag.filter(|tag| !(tag.is_yaml_core_schema() && tag.suffix == "str")) {
            let message = format!("the tag `{}{}` is not supported", tag.handle, tag.suffix);
            self.faults.push(Fault::new(span, message, "write the plain value, without a tag"));
        }
    }
}

/// The key that a node in key position makes; a repeated one is a fault, and the first stands.
fn key_of(
    node: &Node,
    span: Span,
    seen: &mut HashMap<String, Span>,
    faults: &mut Vec<Fault>,
) -> Result<(String, Span), Fault> {
    let Kind::Scalar { text, plain } = &node.kind else {
        return Err(Fault::new(span, "a list or mapping as a key", "keys are plain names"));
    };
    if *plain && text == "<<" {
        return Err(Fault::new(
            span,
            "merge keys `<<` are not supported",
            "write the fields out, or use an alias as a value",
        ));
    }
    if let Some(first) = seen.get(text) {
        let message = format!("`{text}` stands twice in the same mapping");
        let help = format!("remove one of them; the first is at line {}", first.line);
        faults.push(Fault { span, message, help: Some(help) });
    } else {
        seen.insert(text.clone(), span);
    }
    Ok((text.clone(), span))
}
