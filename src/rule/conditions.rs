//! Where the conditions of a script's branches stand in its text: those of `if`, `while`, `do` and the guards of `switch`.

use rhai::{AST, ASTNode, Expr, Position, Stmt};

/// A line from 1, and the characters before.
pub(super) type Place = (usize, usize);

/// Where each condition begins and ends.
pub(super) fn conditions(lines: &[&str], ast: &AST) -> Vec<(Place, Place)> {
    let mut found: Vec<(Place, Place)> = Vec::new();
    ast.walk(&mut |nodes: &[ASTNode]| {
        match nodes.last() {
            Some(ASTNode::Stmt(Stmt::If(flow, at) | Stmt::While(flow, at))) => {
                found.extend(of_branch(lines, *at, flow.body.position()));
            }
            Some(ASTNode::Stmt(Stmt::Do(flow, ..))) => found.extend(of_do(lines, flow.body.end_position())),
            Some(ASTNode::Stmt(Stmt::Switch(switch, _))) => {
                let guards = switch.1.expressions.iter().map(|case| &case.lhs);
                let guards = guards.filter(|guard| !matches!(guard, Expr::BoolConstant(..)));
                found.extend(guards.filter_map(|guard| of_guard(lines, guard.start_position())));
            }
            _ => {}
        }
        true
    });
    found.sort_unstable();
    found.dedup();
    found
}

fn place(at: Position) -> Option<Place> {
    Some((at.line()?, at.position()?.checked_sub(1)?))
}

/// What stands between the word of a branch and its block.
fn of_branch(lines: &[&str], word: Position, block: Position) -> Option<(Place, Place)> {
    let ((line, before), end) = (place(word)?, place(block)?);
    let word = ["if", "while"].into_iter().find(|word| is_at(lines, (line, before), word))?;
    let opens = is_at(lines, end, "{");
    let begin = after_word(lines, (line, before + word.len()))?;
    (opens && begin < end).then_some((begin, end))
}

/// What stands between the word behind the block of a `do` and the end of its statement.
fn of_do(lines: &[&str], closes: Position) -> Option<(Place, Place)> {
    let (line, before) = place(closes)?;
    let (line, column) = first_word(lines, (line, before + 1));
    let word = ["while", "until"].into_iter().find(|word| is_at(lines, (line, column - 1), word))?;
    let begin = after_word(lines, (line, column - 1 + word.len()))?;
    Some((begin, end_of(lines, begin, &[";", "}"])?))
}

/// What stands between the `if` of a case and its arrow; `inside` is the first thing within, maybe in parentheses.
fn of_guard(lines: &[&str], inside: Position) -> Option<(Place, Place)> {
    let inside = place(inside)?;
    let is_part = |at: Place| {
        let text = lines.get(at.0 - 1).and_then(|text| text.chars().nth(at.1));
        text.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    let is_word = |(line, before): Place| {
        is_at(lines, (line, before), "if")
            && !is_part((line, before + 2))
            && !before.checked_sub(1).is_some_and(|before| is_part((line, before)))
    };
    // Comments and texts may hold the word too.
    let (line, before) = code(lines).into_iter().take_while(|at| *at < inside).filter(|at| is_word(*at)).last()?;
    let begin = after_word(lines, (line, before + 2))?;
    Some((begin, end_of(lines, begin, &["=>"])?))
}

fn is_at(lines: &[&str], (line, before): Place, word: &str) -> bool {
    let mut rest = lines.get(line - 1).map(|text| text.chars().skip(before)).into_iter().flatten();
    word.chars().all(|c| rest.next() == Some(c))
}

/// Behind a word: a blank that follows it stays there, so that nothing is glued to it.
fn after_word(lines: &[&str], (line, before): Place) -> Option<Place> {
    match lines.get(line - 1)?.chars().nth(before) {
        None | Some('(') => Some((line, before)),
        Some(next) if next.is_whitespace() => Some((line, before + 1)),
        Some(_) => None,
    }
}

/// The first of these signs that stands outside of brackets, texts and comments.
fn end_of(lines: &[&str], from: Place, signs: &[&str]) -> Option<Place> {
    let mut depth = 0_usize;
    for (line, before) in code(lines).into_iter().skip_while(|at| *at < from) {
        if depth == 0 && signs.iter().any(|sign| is_at(lines, (line, before), sign)) {
            return Some((line, before));
        }
        match lines[line - 1].chars().nth(before) {
            Some('(' | '[' | '{') => depth += 1,
            Some(')' | ']' | '}') => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// The places of all characters outside of texts and comments, in order.
fn code(lines: &[&str]) -> Vec<Place> {
    let mut found = Vec::new();
    // The sign that ends the text or comment that a place stands in.
    let mut within: Option<&str> = None;
    for (line, text) in lines.iter().enumerate().map(|(index, text)| (index + 1, text)) {
        let (mut before, all) = (0, text.chars().count());
        while before < all {
            let is = |sign: &str| is_at(lines, (line, before), sign);
            let opens = [("/*", "*/"), ("\"", "\""), ("`", "`"), ("'", "'")];
            let step = if let Some(closing) = within {
                if closing != "*/" && is("\\") {
                    2
                } else if is(closing) {
                    within = None;
                    closing.len()
                } else {
                    1
                }
            } else if is("//") {
                break;
            } else if let Some((opening, closing)) = opens.into_iter().find(|(opening, _)| is(opening)) {
                within = Some(closing);
                opening.len()
            } else {
                found.push((line, before));
                1
            };
            before += step;
        }
    }
    found
}

/// The first place from there on that is not blank, from 1.
pub(super) fn first_word(lines: &[&str], (line, before): (usize, usize)) -> (usize, usize) {
    for (index, text) in lines.iter().enumerate().skip(line - 1) {
        let skipped = if index == line - 1 { before } else { 0 };
        if let Some(at) = text.chars().skip(skipped).position(|c| !c.is_whitespace()) {
            return (index + 1, skipped + at + 1);
        }
    }
    (line, before + 1)
}

pub(super) fn between(lines: &[&str], (from_line, from): (usize, usize), (to_line, to): (usize, usize)) -> String {
    let mut text = String::new();
    for line in from_line..=to_line {
        let of_line = lines.get(line - 1).copied().unwrap_or_default();
        let skipped = if line == from_line { from } else { 0 };
        let kept = if line == to_line { to } else { of_line.chars().count() };
        text.extend(of_line.chars().take(kept).skip(skipped));
        text.push(' ');
    }
    text
}
