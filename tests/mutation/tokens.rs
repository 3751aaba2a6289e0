//! A script's tokens, so that a change never falls into a comment or a text. What they mean is left to `script`.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Number,
    /// With its quotes.
    Text,
    Sign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub kind: Kind,
    pub text: &'t str,
    /// In bytes, from the beginning of the script.
    pub at: usize,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text
    }
}

/// Signs of several characters; a longer one stands before what it begins with.
const SIGNS: [&str; 34] = [
    "===", "!==", "<<=", ">>=", "**=", "..=", "...", "==", "!=", "<=", ">=", "&&", "||", "#{", "+=", "-=", "*=", "/=",
    "%=", "&=", "|=", "^=", "::", "=>", "->", "..", "?.", "?[", "??", "**", "<<", ">>", "(*", "*)",
];

pub(super) fn tokens(script: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = script[at..].chars().next() {
        let rest = &script[at..];
        let (kind, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if rest.starts_with("/*") {
            at += comment(rest);
            continue;
        } else if matches!(first, '"' | '\'' | '`') {
            (Kind::Text, quoted(rest, first))
        } else if first.is_ascii_digit() {
            (Kind::Number, number(rest))
        } else if first.is_alphabetic() || first == '_' {
            let is_other = |c: char| !c.is_alphanumeric() && c != '_';
            (Kind::Word, rest.find(is_other).unwrap_or(rest.len()))
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            (Kind::Sign, sign.map_or(first.len_utf8(), |sign| sign.len()))
        };
        found.push(Token { kind, text: &rest[..length], at });
        at += length;
    }
    found
}

/// Bytes of a comment that may hold others.
fn comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        let (change, length) = if here.starts_with(b"/*") {
            (1, 2)
        } else if here.starts_with(b"*/") {
            (-1, 2)
        } else {
            (0, 1)
        };
        depth += change;
        at += length;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Bytes of a text with its quotes; what follows a backslash does not end it.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Bytes of a number: `12`, `1_000`, `0.5`, `1e-3`; `1..3` is a range and `1.max(2)` a call.
fn number(rest: &str) -> usize {
    let digits = |from: usize| {
        let rest = &rest[from..];
        from + rest.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(rest.len())
    };
    let begins = |at: usize| rest[at..].starts_with(|c: char| c.is_ascii_digit());
    let mut end = digits(0);
    if rest[end..].starts_with('.') && begins(end + 1) {
        end = digits(end + 1);
    }
    if rest[end..].starts_with(['e', 'E']) {
        let after = end + 1 + usize::from(rest[end + 1..].starts_with(['+', '-']));
        if begins(after) {
            end = digits(after);
        }
    }
    end
}

/// The place of the bracket that closes the one at `open`.
pub(super) fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate().skip(open).filter(|(_, token)| token.kind == Kind::Sign) {
        match token.text {
            "(" | "[" | "{" | "#{" | "?[" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    panic!("the bracket at byte {} is not closed", tokens[open].at)
}

/// What stands between a bracket and its end, parted by commas.
pub(super) fn parts(tokens: &[Token<'_>], open: usize) -> Vec<Range<usize>> {
    let end = closing(tokens, open);
    let mut all = Vec::new();
    let (mut from, mut at) = (open + 1, open + 1);
    while at < end {
        match tokens[at].text {
            "(" | "[" | "{" | "#{" | "?[" => at = closing(tokens, at),
            "," => {
                all.push(from..at);
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    all.push(from..end);
    all.retain(|part| !part.is_empty());
    all
}

#[test]
fn comments_and_texts_are_no_code() {
    fn check(script: &str, expected: &[&str]) {
        let found: Vec<&str> = tokens(script).iter().map(|token| token.text).collect();
        assert_eq!(found, expected, "{script}");
    }
    check("a<=b // c < d\n&& !e", &["a", "<=", "b", "&&", "!", "e"]);
    check("/* x > /* 1 */ 2 */ 3", &["3"]);
    check(r#"f("a \" > 1", 'b')"#, &["f", "(", r#""a \" > 1""#, ",", "'b'", ")"]);
    check("#{ by: days(1_000) }", &["#{", "by", ":", "days", "(", "1_000", ")", "}"]);
    check("0.08-1e-3*2.max(1..3)", &["0.08", "-", "1e-3", "*", "2", ".", "max", "(", "1", "..", "3", ")"]);
    check("p.x != () && p.é == -1.5e3", &["p", ".", "x", "!=", "(", ")", "&&", "p", ".", "é", "==", "-", "1.5e3"]);
    let nested = tokens("f(a, g(b, c), #{ d: [1, 2] })");
    assert_eq!(parts(&nested, 1).len(), 3);
    assert!(parts(&tokens("f()"), 1).is_empty());
}
