//! Which conditions of scripts were taken both ways: those of branches and loops, and those that verdicts rest on.
//!
//! The conditions of branches are wrapped in a call that notes their outcome and hands it on, all on their own lines; a
//! script is run so beside its usual form, never in its place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rhai::{AST, Engine, INT, Position};

use super::conditions::{between, conditions, first_word};

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
        let branches = conditions(&lines, ast);
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
