//! A rule's parameters never change between two runs: where its script reads one, its value is put in before compiling, so
//! that a run neither looks it up nor goes through branches that it rules out.
//!
//! Only scripts of one function whose parameters are nothing but read are changed; of all others the values are looked up.
//! Places are always told as in the script that people wrote.

use rhai::{AST, ASTNode, Expr, Position, Stmt};

use super::views::{Param, Params};
use crate::model::rule::ParamValue;

/// Longest text that is put in.
const TEXT_BYTES_MAX: usize = 200;

/// A script with values in the place of parameters.
pub(super) struct Inlined {
    pub(super) text: String,
    edits: Vec<Edit>,
}

/// One value that was put in.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    line: usize,
    /// First column of what stood there, from 1, and how long it was.
    column: usize,
    length: usize,
    /// How long the value is.
    now: usize,
}

impl Inlined {
    pub(super) fn into_edits(self) -> Vec<Edit> {
        self.edits
    }
}

/// Where something of the changed script stands in the one that people wrote.
pub(super) fn original(edits: &[Edit], at: Position) -> Position {
    let (Some(line), Some(mut column)) = (at.line(), at.position()) else { return at };
    for edit in edits.iter().filter(|edit| edit.line == line) {
        if column < edit.column {
            break;
        }
        column = if column < edit.column + edit.now { edit.column } else { column + edit.length - edit.now };
    }
    u16::try_from(line).ok().zip(u16::try_from(column).ok()).map_or(at, |(line, column)| Position::new(line, column))
}

/// Puts the values of parameters into a script; none where nothing can be put in.
pub(super) fn inline(text: &str, ast: &AST, params: &Params) -> Option<Inlined> {
    let mut functions = ast.iter_functions();
    let entry = functions.next()?;
    let name = (*entry.params.last()?).to_owned();
    if entry.name != "evaluate" || functions.next().is_some() || !is_only_read(ast, &name) {
        return None;
    }
    let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    let mut found: Vec<(Edit, String)> = Vec::new();
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::Dot(parts, ..))) = nodes.last()
            && let Expr::Variable(variable, _, at) = &parts.lhs
            && variable.1.as_str() == name
            && let Expr::Property(property, _) = first_of(&parts.rhs)
            && let Some(value) = params.get(property.2.as_str()).and_then(literal)
            && let Some(edit) = edit_of(&lines, *at, &format!("{name}.{}", property.2), &value)
        {
            found.push((edit, value));
        }
        true
    });
    found.sort_by_key(|(edit, _)| (edit.line, edit.column));
    found.dedup_by_key(|(edit, _)| (edit.line, edit.column));
    if found.is_empty() {
        return None;
    }
    let mut changed = String::with_capacity(text.len());
    for (index, line) in lines.iter().enumerate() {
        let mut from = 0;
        for (edit, value) in found.iter().filter(|(edit, _)| edit.line == index + 1) {
            changed.extend(&line[from..edit.column - 1]);
            changed.push_str(value);
            from = edit.column - 1 + edit.length;
        }
        changed.extend(&line[from..]);
        changed.push('\n');
    }
    Some(Inlined { text: changed, edits: found.into_iter().map(|(edit, _)| edit).collect() })
}

/// First link of a chain `a.b.c` as rhai nests it on the right.
fn first_of(expr: &Expr) -> &Expr {
    match expr {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => &parts.lhs,
        other => other,
    }
}

/// Whether no variable of the script takes the name of its parameters, and nothing is assigned to them.
fn is_only_read(ast: &AST, name: &str) -> bool {
    let names = |expr: &Expr| {
        let root = match expr {
            Expr::Dot(parts, ..) | Expr::Index(parts, ..) => &parts.lhs,
            other => other,
        };
        matches!(root, Expr::Variable(variable, ..) if variable.1.as_str() == name)
    };
    let mut is_only_read = true;
    ast.walk(&mut |nodes: &[ASTNode]| {
        match nodes.last() {
            Some(ASTNode::Stmt(Stmt::Var(declared, ..))) => is_only_read &= declared.0.as_str() != name,
            Some(ASTNode::Stmt(Stmt::For(looped, _))) => is_only_read &= looped.0.as_str() != name,
            Some(ASTNode::Stmt(Stmt::Assignment(assigned))) => is_only_read &= !names(&assigned.1.lhs),
            _ => {}
        }
        is_only_read
    });
    is_only_read
}

/// A value as a script writes it; none for one that is looked up.
fn literal(param: &Param) -> Option<String> {
    match param {
        Param::Unset => Some("()".to_owned()),
        Param::Value { value: ParamValue::Bool(value), .. } => Some(value.to_string()),
        Param::Value { value: ParamValue::Integer(value), .. } => (*value > i64::MIN).then(|| format!("({value})")),
        Param::Value { value: ParamValue::Number(value), .. } => {
            let written = format!("{value:?}");
            // Scripts write no exponents without a point.
            (value.is_finite() && !written.contains('e')).then(|| format!("({written})"))
        }
        Param::Value { value: ParamValue::Text(text), .. } => {
            let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/');
            (text.len() <= TEXT_BYTES_MAX && text.chars().all(is_plain)).then(|| format!("\"{text}\""))
        }
        Param::Kpi(_) => None,
    }
}

/// What is replaced, if it stands there as expected.
fn edit_of(lines: &[Vec<char>], at: Position, wanted: &str, value: &str) -> Option<Edit> {
    let (line, column) = (at.line()?, at.position()?);
    let rest = lines.get(line - 1)?.get(column - 1..)?;
    let length = wanted.chars().count();
    let is_there = rest.len() >= length && wanted.chars().eq(rest[..length].iter().copied());
    let goes_on = rest.get(length).is_some_and(|next| next.is_alphanumeric() || *next == '_');
    (is_there && !goes_on).then(|| Edit { line, column, length, now: value.chars().count() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rhai::Position;

    use super::super::sandbox;
    use super::super::views::{Param, Params};
    use super::{inline, original};
    use crate::model::rule::ParamValue;

    fn params() -> Params {
        BTreeMap::from([
            ("low".to_owned(), Param::value(ParamValue::Number(-0.5))),
            ("high".to_owned(), Param::Unset),
            ("count".to_owned(), Param::value(ParamValue::Integer(3))),
            ("name".to_owned(), Param::value(ParamValue::Text("warning".to_owned()))),
            ("odd".to_owned(), Param::value(ParamValue::Text("a\"b".to_owned()))),
            ("other".to_owned(), Param::Kpi("revenue".to_owned())),
        ])
    }

    fn inlined(text: &str) -> Option<String> {
        let engine = sandbox::engine();
        let ast = engine.compile(text).unwrap();
        inline(text, &ast, &params()).map(|inlined| {
            engine.compile(&inlined.text).unwrap();
            inlined.text.trim_end().to_owned()
        })
    }

    #[test]
    fn values_stand_where_parameters_were_read() {
        let text = "fn evaluate(kpi, p) { // p.low\n    if p.high != () { return below(kpi.value, p.high); }\n    \
                    below(kpi.value, p.low).level(p.name).say(p.odd + \"p.low\" + p.count.to_string() + p.other.title)\n}";
        let wanted = "fn evaluate(kpi, p) { // p.low\n    if () != () { return below(kpi.value, ()); }\n    \
                      below(kpi.value, (-0.5)).level(\"warning\").say(p.odd + \"p.low\" + (3).to_string() + p.other.title)\n}";
        assert_eq!(inlined(text).as_deref(), Some(wanted));
    }

    #[test]
    fn what_could_mean_something_else_is_left_alone() {
        for text in [
            "fn evaluate(kpi, p) { let p = kpi; above(p.low, 1) }",
            "fn evaluate(kpi, p) { for p in [kpi] { if p.low > 1 { return ok(); } } ok() }",
            "fn evaluate(kpi, p) { p = kpi; above(p.low, 1) }",
            "fn helper(p) { p.low } fn evaluate(kpi, p) { above(helper(kpi), 1) }",
            "fn evaluate(kpi, p) { ok() }",
        ] {
            assert_eq!(inlined(text), None, "{text}");
        }
    }

    #[test]
    fn places_are_those_of_the_script_as_it_was_written() {
        let text = "fn evaluate(kpi, p) {\n    if p.high == () { p.low + p.count + kpi.value } else { 2 }\n}";
        let engine = sandbox::engine();
        let edits = inline(text, &engine.compile(text).unwrap(), &params()).unwrap().into_edits();
        let column = |now: u16| original(&edits, Position::new(2, now)).position();
        // `    if () == () { (-0.5) + (3) + kpi.value`
        for (now, was) in [(5, 5), (8, 8), (9, 8), (11, 15), (19, 23), (28, 31), (34, 41)] {
            assert_eq!(column(now), Some(was), "{now}");
        }
        assert_eq!(original(&edits, Position::new(1, 9)), Position::new(1, 9));
    }
}
