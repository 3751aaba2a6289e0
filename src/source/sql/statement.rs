//! A statement as people write it, with named parameters, made into one that a driver can bind.
//!
//! Strings, quoted names, comments and casts (`::`) are passed over, so that only real parameters count.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::source::suggest::{did_you_mean, listed};

/// How a driver writes parameters, and what else differs between databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `?1`, and `[name]` is a quoted name.
    Sqlite,
}

/// What may be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    From,
    To,
    FromDate,
    ToDate,
    FromUnix,
    ToUnix,
}

const PARAMETERS: [(&str, Parameter); 6] = [
    ("from", Parameter::From),
    ("to", Parameter::To),
    ("from_date", Parameter::FromDate),
    ("to_date", Parameter::ToDate),
    ("from_unix", Parameter::FromUnix),
    ("to_unix", Parameter::ToUnix),
];

/// A value to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Text(String),
    Integer(i64),
}

impl Parameter {
    /// The value for a span, with times in the KPI's zone.
    pub(super) fn value(self, from: Timestamp, to: Timestamp, zone: &TimeZone) -> Bound {
        let text = |at: Timestamp, format: &str| Bound::Text(zone.to_datetime(at).strftime(format).to_string());
        match self {
            Parameter::From => text(from, "%Y-%m-%d %H:%M:%S"),
            Parameter::To => text(to, "%Y-%m-%d %H:%M:%S"),
            Parameter::FromDate => text(from, "%Y-%m-%d"),
            Parameter::ToDate => text(to, "%Y-%m-%d"),
            Parameter::FromUnix => Bound::Integer(from.as_second()),
            Parameter::ToUnix => Bound::Integer(to.as_second()),
        }
    }
}

/// One read-only statement; the nth of `parameters` stands at the driver's nth place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) parameters: Vec<Parameter>,
}

impl Statement {
    pub(super) fn parse(text: &str, dialect: Dialect) -> Result<Statement, String> {
        let mut statement = Statement { sql: String::with_capacity(text.len()), parameters: Vec::new() };
        let mut words: Vec<String> = Vec::new();
        let mut ended = false;
        let mut rest = text;
        while !rest.is_empty() {
            let (token, length) = next_token(rest, dialect)?;
            let (piece, after) = rest.split_at(length);
            rest = after;
            if ended && !matches!(token, Token::Blank) && piece != ";" {
                return Err("it holds several statements; keep one SELECT".to_owned());
            }
            match token {
                Token::Parameter => statement.bind(&piece[1..])?,
                Token::Foreign => {
                    return Err(format!("`{piece}` is bound to nothing; the parameters are {}", parameter_names()));
                }
                Token::Other if piece == ";" => ended = true,
                Token::Word => {
                    words.push(piece.to_ascii_lowercase());
                    statement.sql.push_str(piece);
                }
                Token::Blank | Token::Other => statement.sql.push_str(piece),
            }
        }
        check_reading_only(&words)?;
        Ok(statement)
    }

    fn bind(&mut self, name: &str) -> Result<(), String> {
        let known = PARAMETERS.iter().find(|(known, _)| *known == name);
        let Some((_, parameter)) = known else {
            let near = did_you_mean(name, PARAMETERS.iter().map(|(name, _)| *name));
            return Err(format!("unknown parameter `:{name}`{near}; there are {}", parameter_names()));
        };
        let place = self.parameters.iter().position(|bound| bound == parameter).unwrap_or_else(|| {
            self.parameters.push(*parameter);
            self.parameters.len() - 1
        });
        self.sql.push('?');
        self.sql.push_str(&(place + 1).to_string());
        Ok(())
    }
}

fn parameter_names() -> String {
    listed(PARAMETERS.iter().map(|(name, _)| *name)).replace("`f", "`:f").replace("`t", "`:t")
}

/// The database refuses writing by itself; this says it before anything runs, and better.
fn check_reading_only(words: &[String]) -> Result<(), String> {
    let Some(first) = words.first() else { return Err("it is empty; write a SELECT".to_owned()) };
    if !["select", "with", "values"].contains(&first.as_str()) {
        return Err(format!(
            "it begins with `{}`; only reading is allowed: begin with SELECT or WITH",
            first.to_uppercase()
        ));
    }
    let writes = words.windows(2).find(|pair| {
        matches!((pair[0].as_str(), pair[1].as_str()), ("insert" | "replace", "into") | ("delete", "from"))
    });
    match writes {
        Some(pair) => {
            let words = format!("{} {}", pair[0], pair[1]).to_uppercase();
            Err(format!("`{words}` writes; only reading is allowed"))
        }
        None => Ok(()),
    }
}

enum Token {
    Blank,
    Word,
    /// `:name`
    Parameter,
    /// A parameter of another form, which nothing would be bound to.
    Foreign,
    Other,
}

/// The kind and the length in bytes of the first token.
fn next_token(rest: &str, dialect: Dialect) -> Result<(Token, usize), String> {
    let until = |end: &str, from: usize, what: &str| {
        rest[from..].find(end).map(|at| from + at + end.len()).ok_or_else(|| format!("{what} is not closed"))
    };
    let mut chars = rest.chars();
    let first = chars.next().unwrap_or(' ');
    let second = chars.next().unwrap_or(' ');
    Ok(match (first, second) {
        (c, _) if c.is_whitespace() => (Token::Blank, c.len_utf8()),
        ('-', '-') => (Token::Blank, rest.find('\n').map_or(rest.len(), |at| at + 1)),
        ('/', '*') => (Token::Blank, until("*/", 2, "a comment")?),
        // A doubled quote inside is read as the end of one text and the start of the next.
        ('\'', _) => (Token::Other, until("'", 1, "a text in '...'")?),
        ('"', _) => (Token::Other, until("\"", 1, "a name in \"...\"")?),
        ('`', _) => (Token::Other, until("`", 1, "a name in `...`")?),
        ('[', _) if dialect == Dialect::Sqlite => (Token::Other, until("]", 1, "a name in [...]")?),
        (':', ':') => (Token::Other, 2),
        (':', c) if is_word_start(c) => (Token::Parameter, 1 + word_length(&rest[1..])),
        ('@' | '$', c) if is_word_start(c) => (Token::Foreign, 1 + word_length(&rest[1..])),
        ('?', _) => (Token::Foreign, 1),
        (c, _) if is_word_start(c) => (Token::Word, word_length(rest)),
        (c, _) if c.is_ascii_digit() => (Token::Other, word_length(rest)),
        (c, _) => (Token::Other, c.len_utf8()),
    })
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::{Bound, Dialect, PARAMETERS, Parameter, Statement};

    fn parse(text: &str) -> Result<Statement, String> {
        Statement::parse(text, Dialect::Sqlite)
    }

    fn check(text: &str, sql: &str, parameters: &[Parameter]) {
        assert_eq!(parse(text), Ok(Statement { sql: sql.to_owned(), parameters: parameters.to_vec() }), "{text}");
    }

    fn refused(text: &str, part: &str) {
        let error = parse(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error} lacks {part}");
    }

    #[test]
    fn parameters_become_places() {
        use Parameter::{From, To, ToUnix};
        check("SELECT 1", "SELECT 1", &[]);
        check("select :from, :to, :from ;\n", "select ?1, ?2, ?1 \n", &[From, To]);
        check(
            "SELECT ':from' || \"a:to\" || [:to] || `:to`, :to",
            "SELECT ':from' || \"a:to\" || [:to] || `:to`, ?1",
            &[To],
        );
        check("SELECT 'it''s :from', :to_unix", "SELECT 'it''s :from', ?1", &[ToUnix]);
        check("SELECT x::text -- :to\n/* :from ; */ , :to", "SELECT x::text -- :to\n/* :from ; */ , ?1", &[To]);
        check("SELECT a.b1, 'é' WHERE x>=:from;", "SELECT a.b1, 'é' WHERE x>=?1", &[From]);
        check(
            "-- why\nWITH t AS (SELECT 1) SELECT replace(a, 'b', 'c') FROM t",
            "-- why\nWITH t AS (SELECT 1) SELECT replace(a, 'b', 'c') FROM t",
            &[],
        );
    }

    #[test]
    fn what_is_refused() {
        refused("", "it is empty");
        refused("-- only a comment", "it is empty");
        refused("DELETE FROM t", "begins with `DELETE`");
        refused("pragma x", "begins with `PRAGMA`");
        refused("SELECT 1; DROP TABLE t", "several statements");
        refused("WITH t AS (SELECT 1) INSERT INTO x SELECT * FROM t", "`INSERT INTO` writes");
        refused("SELECT :form", "unknown parameter `:form` (did you mean `from`?)");
        refused("SELECT ?", "`?` is bound to nothing; the parameters are `:from`, `:to`");
        refused("SELECT $from", "`$from` is bound to nothing");
        refused("SELECT 'open", "a text in '...' is not closed");
        refused("SELECT /* open", "a comment is not closed");
    }

    #[test]
    fn values_are_in_the_zone() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let (from, to) = ("2026-03-28T23:00:00Z".parse().unwrap(), "2026-03-29T22:00:00Z".parse().unwrap());
        let values: Vec<Bound> = PARAMETERS.iter().map(|(_, parameter)| parameter.value(from, to, &zone)).collect();
        let text = |text: &str| Bound::Text(text.to_owned());
        assert_eq!(
            values,
            [
                text("2026-03-29 00:00:00"),
                text("2026-03-30 00:00:00"),
                text("2026-03-29"),
                text("2026-03-30"),
                Bound::Integer(1_774_738_800),
                Bound::Integer(1_774_821_600)
            ]
        );
    }
}
