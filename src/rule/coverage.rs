//! Which conditions of scripts were taken both ways: those of `if` and `while`, and those that verdicts rest on.
//!
//! The conditions of branches are wrapped in a call that notes their outcome and hands it on, all on their own lines; a
//! script is run so beside its usual form, never in its place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rhai::{AST, ASTNode, Engine, INT, Position, Stmt};

/// The wrapping call; no script has a function of that name, for names that begin so are errors of `check`.
const NOTE: &str = "__taken";

/// A condition of a script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// Of the script, as people know it.
    pub path: String,
    /// From 1.
    pub line: usize,
    pub column: usize,
    /// As it stands there.
    pub text: String,
}

/// How often a condition was true and false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    pub yes: u64,
    pub no: u64,
}

impl Ways {
    /// How many of both were taken.
    pub fn taken(self) -> u64 {
        u64::from(self.yes > 0) + u64::from(self.no > 0)
    }
}

/// What was seen over any number of runs.
#[derive(Clone, Debug, Default)]
pub struct Coverage(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// Each with its number, which runs know it by.
    sites: BTreeMap<Site, usize>,
    ways: Vec<Ways>,
    /// Scripts whose conditions can't be followed, by path, with the reason.
    lost: BTreeMap<String, String>,
}

/// A piece of text that was put into a script.
struct Piece {
    line: usize,
    /// Characters before it, in the original line.
    after: usize,
    characters: usize,
}

/// A script whose branches note which way they went.
pub(super) struct Covered {
    pub(super) text: String,
    pieces: Vec<Piece>,
}

impl Coverage {
    /// All conditions, in the order of the scripts.
    pub fn all(&self) -> Vec<(Site, Ways)> {
        let seen = self.seen();
        let followed = seen.sites.iter().filter(|(site, _)| !seen.lost.contains_key(&site.path));
        followed.map(|(site, number)| (site.clone(), seen.ways[*number])).collect()
    }

    /// Scripts whose conditions can't be followed, each with the reason.
    pub fn lost(&self) -> Vec<(String, String)> {
        self.seen().lost.iter().map(|(path, why)| (path.clone(), why.clone())).collect()
    }

    pub(super) fn lose(&self, path: &str, why: String) {
        self.seen().lost.insert(path.to_owned(), why);
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn site(&self, site: Site) -> usize {
        let mut seen = self.seen();
        let next = seen.ways.len();
        let number = *seen.sites.entry(site).or_insert(next);
        if number == next {
            seen.ways.push(Ways::default());
        }
        number
    }

    pub(super) fn note(&self, number: usize, yes: bool) {
        if let Some(ways) = self.seen().ways.get_mut(number) {
            let count = if yes { &mut ways.yes } else { &mut ways.no };
            *count = count.saturating_add(1);
        }
    }

    /// Lets scripts of an engine note their branches here.
    pub(super) fn register(&self, engine: &mut Engine) {
        let coverage = self.clone();
        engine.register_fn(NOTE, move |number: INT, taken: bool| {
            coverage.note(usize::try_from(number).unwrap_or(usize::MAX), taken);
            taken
        });
    }

    /// Wraps the conditions of a script's branches.
    pub(super) fn wrap(&self, path: &str, text: &str, ast: &AST) -> Covered {
        let lines: Vec<&str> = text.lines().collect();
        // Where conditions begin and end, as line and characters before.
        let mut branches: Vec<((usize, usize), (usize, usize))> = Vec::new();
        ast.walk(&mut |nodes: &[ASTNode]| {
            if let Some(ASTNode::Stmt(Stmt::If(flow, at) | Stmt::While(flow, at))) = nodes.last()
                && let Some(found) = condition(&lines, *at, flow.body.position())
            {
                branches.push(found);
            }
            true
        });
        branches.sort_unstable();
        branches.dedup();
        let mut pieces: Vec<(Piece, String)> = Vec::new();
        for (begin, end) in branches {
            let (line, column) = first_word(&lines, begin);
            let site = Site {
                path: path.to_owned(),
                line,
                column,
                text: between(&lines, begin, end).split_whitespace().collect::<Vec<_>>().join(" "),
            };
            let number = self.site(site);
            for (at, piece) in [(begin, format!(" {NOTE}({number}, (")), (end, ")) ".to_owned())] {
                pieces.push((Piece { line: at.0, after: at.1, characters: piece.chars().count() }, piece));
            }
        }
        pieces.sort_by_key(|(piece, _)| (piece.line, piece.after));
        let mut covered = String::with_capacity(text.len() + pieces.len() * 16);
        for (index, line) in lines.iter().enumerate() {
            let mut rest = pieces.iter().filter(|(piece, _)| piece.line == index + 1).peekable();
            for (before, character) in line.chars().chain(['\n']).enumerate() {
                while let Some((_, piece)) = rest.next_if(|(piece, _)| piece.after == before) {
                    covered.push_str(piece);
                }
                covered.push(character);
            }
        }
        Covered { text: covered, pieces: pieces.into_iter().map(|(piece, _)| piece).collect() }
    }
}

impl Covered {
    /// Where something of the wrapped script stands in the original.
    pub(super) fn original(&self, at: Position) -> (usize, usize) {
        let (line, column) = (at.line().unwrap_or(0), at.position().unwrap_or(1));
        let mut column = column;
        let mut moved = 0;
        for piece in self.pieces.iter().filter(|piece| piece.line == line) {
            if column > piece.after + moved {
                moved += piece.characters;
            }
        }
        column = column.saturating_sub(moved).max(1);
        (line, column)
    }
}

/// The condition of a branch: what stands between its word and its block.
fn condition(lines: &[&str], word: Position, block: Position) -> Option<((usize, usize), (usize, usize))> {
    let place = |at: Position| Some((at.line()?, at.position()?.checked_sub(1)?));
    let ((line, before), end) = (place(word)?, place(block)?);
    let rest: String = lines.get(line - 1)?.chars().skip(before).collect();
    let word = ["if", "while"].into_iter().find(|word| rest.starts_with(word))?;
    let opens = lines.get(end.0 - 1)?.chars().nth(end.1)? == '{';
    let begin = (line, before + word.len());
    // A blank follows the word, so that nothing is glued to it.
    let begins = lines.get(line - 1)?.chars().nth(begin.1).is_none_or(|next| next.is_whitespace() || next == '(');
    let begin =
        if lines[line - 1].chars().nth(begin.1).is_some_and(char::is_whitespace) { (line, begin.1 + 1) } else { begin };
    (opens && begins && begin < end).then_some((begin, end))
}

/// The first place from there on that is not blank, from 1.
fn first_word(lines: &[&str], (line, before): (usize, usize)) -> (usize, usize) {
    for (index, text) in lines.iter().enumerate().skip(line - 1) {
        let skipped = if index == line - 1 { before } else { 0 };
        if let Some(at) = text.chars().skip(skipped).position(|c| !c.is_whitespace()) {
            return (index + 1, skipped + at + 1);
        }
    }
    (line, before + 1)
}

fn between(lines: &[&str], (from_line, from): (usize, usize), (to_line, to): (usize, usize)) -> String {
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
