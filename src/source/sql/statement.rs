//! A statement as people write it, with named parameters, made into one that a driver can bind.
//!
//! Strings, quoted names, comments and casts (`::`) are passed over, so that only real parameters count.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::names::Names;
use crate::model::kpi::Kpi;
use crate::model::unit::Kind;
use crate::source::labels::adds_up;
use crate::source::suggest::{did_you_mean, listed};

/// How a driver writes parameters, and what else differs between databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `?1`, and `[name]` is a quoted name.
    Sqlite,
    /// `$1`, one for each place, so that each takes its type from there; `$tag$...$tag$`, `E'...'`, nested comments.
    Postgres,
    /// `?` in order; backslashes in texts, `#` comments.
    MySql,
}

impl Dialect {
    fn place(self, at: usize) -> String {
        match self {
            Dialect::Sqlite => format!("?{at}"),
            Dialect::Postgres => format!("${at}"),
            Dialect::MySql => "?".to_owned(),
        }
    }
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
    /// As it is written, without the colon.
    pub(super) fn name(self) -> &'static str {
        PARAMETERS.iter().find(|(_, parameter)| *parameter == self).map_or("", |(name, _)| name)
    }

    /// The end of the span that it stands for.
    pub(super) fn instant(self, from: Timestamp, to: Timestamp) -> Timestamp {
        match self {
            Parameter::From | Parameter::FromDate | Parameter::FromUnix => from,
            Parameter::To | Parameter::ToDate | Parameter::ToUnix => to,
        }
    }

    /// The local time that it stands for. An end in an hour that comes twice is the end of both: rows that are too
    /// many are left out by their own time, rows that are not asked for would be missing.
    pub(super) fn local(self, from: Timestamp, to: Timestamp, zone: &TimeZone) -> DateTime {
        let at = self.instant(from, to);
        let local = zone.to_datetime(at);
        let twice = zone.to_ambiguous_timestamp(local).is_ambiguous();
        let hour = SignedDuration::from_hours(1);
        match at.checked_add(hour) {
            Ok(later) if twice && self.is_end() => zone.to_datetime(later).max(local.saturating_add(hour)),
            _ => local,
        }
    }

    /// The end of the span.
    pub(super) fn is_end(self) -> bool {
        matches!(self, Parameter::To | Parameter::ToDate | Parameter::ToUnix)
    }

    /// A local time, as text where the column has no type of its own.
    pub(super) fn is_local_time(self) -> bool {
        matches!(self, Parameter::From | Parameter::To)
    }

    /// A day without time.
    pub(super) fn is_date(self) -> bool {
        matches!(self, Parameter::FromDate | Parameter::ToDate)
    }

    /// The value as text, with times in the KPI's zone. A midnight is its date alone, and a full minute has no seconds: as
    /// texts are compared, `2026-05-01` is before `2026-05-01 00:00:00`, and rows that name only days, or minutes, would be
    /// left out of the first.
    pub(super) fn text(self, from: Timestamp, to: Timestamp, zone: &TimeZone) -> String {
        let at = self.instant(from, to);
        match self {
            Parameter::From | Parameter::To => {
                let local = self.local(from, to, zone);
                let form = match local.time() {
                    time if time == Time::midnight() => "%Y-%m-%d",
                    time if time.second() == 0 => "%Y-%m-%d %H:%M",
                    _ => "%Y-%m-%d %H:%M:%S",
                };
                local.strftime(form).to_string()
            }
            Parameter::FromDate | Parameter::ToDate => zone.to_datetime(at).strftime("%Y-%m-%d").to_string(),
            Parameter::FromUnix | Parameter::ToUnix => at.as_second().to_string(),
        }
    }

    /// The value for a span, with times in the KPI's zone.
    pub(super) fn value(self, from: Timestamp, to: Timestamp, zone: &TimeZone) -> Bound {
        match self {
            Parameter::FromUnix | Parameter::ToUnix => Bound::Integer(self.instant(from, to).as_second()),
            Parameter::From | Parameter::To | Parameter::FromDate | Parameter::ToDate => {
                Bound::Text(self.text(from, to, zone))
            }
        }
    }
}

/// One read-only statement; the nth of `parameters` stands at the driver's nth place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::source) struct Statement {
    pub(super) sql: String,
    pub(super) parameters: Vec<Parameter>,
    /// Names in double quotes, but for those that the statement gives.
    pub(super) quoted: Vec<String>,
    /// Names that the statement gives, to columns and to tables.
    pub(super) aliases: Vec<String>,
    /// How it adds rows of totals to those of its groups, whose labels are NULL.
    totals: Option<&'static str>,
}

impl Statement {
    /// A window is asked for by both of its ends.
    pub(in crate::source) fn suits(self, kpi: &Kpi) -> Result<Statement, String> {
        let is_bound = |end: i64| {
            let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1));
            self.parameters.iter().any(|parameter| parameter.instant(from, to).as_second() == end)
        };
        if kpi.kind == Kind::Window && !(is_bound(0) && is_bound(1)) {
            return Err("a window is asked for by its ends; add WHERE at >= :from AND at < :to".to_owned());
        }
        if let Some(clause) = self.totals.filter(|_| adds_up(kpi.kind) && !kpi.dimensions.is_empty()) {
            return Err(format!(
                "{clause} adds rows of totals, which would count twice: Vigie adds the dimension values up itself; use a \
                 plain GROUP BY"
            ));
        }
        Ok(self)
    }

    /// Whether it compares with local times written as text.
    pub(super) fn binds_local_times(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.is_local_time())
    }

    pub(super) fn parse(text: &str, dialect: Dialect) -> Result<Statement, String> {
        let mut statement = Statement { sql: String::with_capacity(text.len()), ..Statement::default() };
        let mut tokens: Vec<&str> = Vec::new();
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
            if !matches!(token, Token::Blank) {
                tokens.push(piece);
            }
            match token {
                Token::Parameter => statement.bind(&piece[1..], dialect)?,
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
        statement.totals = totals_of(&tokens);
        Names { quoted: statement.quoted, given: statement.aliases } = Names::of(&tokens);
        Ok(statement)
    }

    fn bind(&mut self, name: &str, dialect: Dialect) -> Result<(), String> {
        let known = PARAMETERS.iter().find(|(known, _)| *known == name);
        let Some((_, parameter)) = known else {
            let near = did_you_mean(name, PARAMETERS.iter().map(|(name, _)| *name));
            return Err(format!("unknown parameter `:{name}`{near}; there are {}", parameter_names()));
        };
        let known = self.parameters.iter().position(|bound| bound == parameter);
        let place = known.filter(|_| dialect == Dialect::Sqlite).unwrap_or_else(|| {
            self.parameters.push(*parameter);
            self.parameters.len() - 1
        });
        self.sql.push_str(&dialect.place(place + 1));
        Ok(())
    }
}

/// The clause that adds rows of totals. A statement that asks `grouping(...)` which rows these are knows of them.
fn totals_of(tokens: &[&str]) -> Option<&'static str> {
    let follows = |first: &str, second: &str| {
        let is_pair = |pair: &[&str]| pair[0].eq_ignore_ascii_case(first) && pair[1].eq_ignore_ascii_case(second);
        tokens.windows(2).any(is_pair)
    };
    if follows("grouping", "(") {
        return None;
    }
    let clauses = [
        ("grouping", "sets", "GROUPING SETS"),
        ("rollup", "(", "ROLLUP"),
        ("with", "rollup", "WITH ROLLUP"),
        ("cube", "(", "CUBE"),
    ];
    clauses.into_iter().find(|(first, second, _)| follows(first, second)).map(|(.., clause)| clause)
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
        matches!(
            (pair[0].as_str(), pair[1].as_str()),
            ("insert" | "replace", "into") | ("delete", "from") | ("into", "outfile" | "dumpfile")
        )
    });
    match writes {
        Some(pair) => {
            let words = format!("{} {}", pair[0], pair[1]).to_uppercase();
            Err(format!("`{words}` writes; only reading is allowed"))
        }
        // No reading statement has the word.
        None if words.iter().any(|word| word == "into") => {
            Err("`INTO` writes; only reading is allowed: leave it out".to_owned())
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
    let quoted = |quote: char, from: usize, what: &str| {
        end_of_quoted(rest, quote, from, dialect == Dialect::MySql).ok_or_else(|| format!("{what} is not closed"))
    };
    Ok(match (first, second) {
        (c, _) if c.is_whitespace() => (Token::Blank, c.len_utf8()),
        ('-', '-')
            if dialect != Dialect::MySql || rest[2..].starts_with(|c: char| c.is_whitespace()) || rest.len() == 2 =>
        {
            (Token::Blank, line_length(rest))
        }
        ('#', _) if dialect == Dialect::MySql => (Token::Blank, line_length(rest)),
        ('/', '*') if dialect == Dialect::MySql && (rest[2..].starts_with('!') || rest[2..].starts_with("M!")) => {
            return Err("a comment that the server runs (/*! ... */) is not allowed; write it as plain SQL".to_owned());
        }
        ('/', '*') if dialect == Dialect::Postgres => {
            (Token::Blank, end_of_nested_comment(rest).ok_or("a comment is not closed")?)
        }
        ('/', '*') => (Token::Blank, until("*/", 2, "a comment")?),
        // A doubled quote inside is read as the end of one text and the start of the next.
        ('\'', _) => (Token::Other, quoted('\'', 1, "a text in '...'")?),
        ('e' | 'E', '\'') if dialect == Dialect::Postgres => {
            let end = end_of_quoted(rest, '\'', 2, true).ok_or("a text in E'...' is not closed")?;
            (Token::Other, end)
        }
        ('"', _) => {
            let mut end = quoted('"', 1, "a name in \"...\"")?;
            while rest[end..].starts_with('"') {
                end = quoted('"', end + 1, "a name in \"...\"")?;
            }
            (Token::Other, end)
        }
        ('`', _) => (Token::Other, until("`", 1, "a name in `...`")?),
        ('[', _) if dialect == Dialect::Sqlite => (Token::Other, until("]", 1, "a name in [...]")?),
        ('$', _) if dialect == Dialect::Postgres && dollar_tag(rest).is_some() => {
            let tag = dollar_tag(rest).unwrap_or_default();
            (Token::Other, until(tag, tag.len(), "a text in $...$")?)
        }
        (':', ':') => (Token::Other, 2),
        (':', c) if is_word_start(c) => (Token::Parameter, 1 + word_length(&rest[1..])),
        ('@', _) if dialect == Dialect::Postgres => (Token::Other, 1),
        ('@', '@') if dialect == Dialect::MySql => (Token::Other, 2 + word_length(&rest[2..])),
        ('@' | '$', c) if is_word_start(c) => (Token::Foreign, 1 + word_length(&rest[1..])),
        ('$', c) if c.is_ascii_digit() => (Token::Foreign, 1 + word_length(&rest[1..])),
        ('?', _) if dialect != Dialect::Postgres => (Token::Foreign, 1),
        (c, _) if is_word_start(c) => (Token::Word, word_length(rest)),
        (c, _) if c.is_ascii_digit() => (Token::Other, word_length(rest)),
        (c, _) => (Token::Other, c.len_utf8()),
    })
}

fn line_length(rest: &str) -> usize {
    rest.find('\n').map_or(rest.len(), |at| at + 1)
}

/// Where a quoted text ends, its quote included.
fn end_of_quoted(rest: &str, quote: char, from: usize, backslashes: bool) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest[from..].char_indices() {
        if escaped {
            escaped = false;
        } else if backslashes && c == '\\' {
            escaped = true;
        } else if c == quote {
            return Some(from + at + c.len_utf8());
        }
    }
    None
}

fn end_of_nested_comment(rest: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_u32, 0);
    while at < rest.len() {
        let ahead = &rest[at..];
        if ahead.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if ahead.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += ahead.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

/// `$$` or `$tag$` at the start of a dollar-quoted text.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 2;
    let tag = &rest[1..end - 1];
    let is_tag = tag.chars().all(|c| c.is_alphanumeric() || c == '_') && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &rest[..end])
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
    use crate::model::kpi::Query;
    use crate::model::unit::{Kind, LevelOverTime};
    use crate::source::fixture;

    fn parse(text: &str) -> Result<Statement, String> {
        Statement::parse(text, Dialect::Sqlite)
    }

    fn check(text: &str, sql: &str, parameters: &[Parameter]) {
        let found = parse(text).map(|found| (found.sql, found.parameters));
        assert_eq!(found, Ok((sql.to_owned(), parameters.to_vec())), "{text}");
    }

    fn refused(text: &str, part: &str) {
        let error = parse(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error} lacks {part}");
    }

    #[test]
    fn into_writes() {
        assert!(parse("SELECT 1 AS value INTO copy FROM orders").unwrap_err().contains("`INTO` writes"));
        parse("SELECT 'into' AS value FROM \"into\"").unwrap();
    }

    #[test]
    fn quotes_in_names_are_doubled() {
        let statement = parse(r#"SELECT sum("a""; b") AS "c""" FROM "d" WHERE x = """" "#).unwrap();
        assert_eq!(statement.quoted, ["a\"; b", "d", "\""]);
        assert_eq!(statement.aliases, ["c\""]);
        assert!(parse(r#"SELECT "a"" AS value"#).unwrap_err().contains("is not closed"));
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
    fn totals_beside_their_parts_are_refused_where_parts_add_up() {
        fn check(kind: Kind, dimensions: &[&str], text: &str, refused: Option<&str>) {
            let mut kpi = fixture::kpi(Query::Text(String::new()));
            (kpi.kind, kpi.dimensions) = (kind, dimensions.iter().map(|name| (*name).to_owned()).collect());
            let suits = Statement::parse(text, Dialect::Postgres).unwrap().suits(&kpi);
            let said = suits.as_ref().err().and_then(|error| error.split(" adds").next());
            assert_eq!(said, refused, "{text}");
        }
        let level = Kind::Level { over_time: LevelOverTime::Last, additive: false };
        for (text, clause) in [
            ("SELECT d, s, sum(v) FROM t GROUP BY GROUPING SETS ((d, s), (d))", "GROUPING SETS"),
            ("SELECT d, s, sum(v) FROM t GROUP BY d, rollup (s)", "ROLLUP"),
            ("SELECT d, s, sum(v) FROM t GROUP BY d, s WITH ROLLUP", "WITH ROLLUP"),
            ("SELECT d, s, sum(v) FROM t GROUP BY cube(d, s)", "CUBE"),
        ] {
            check(Kind::Flow, &["s"], text, Some(clause));
            check(Kind::Ratio, &["s"], text, Some(clause));
            check(Kind::Flow, &[], text, None);
            check(level, &["s"], text, None);
        }
        check(Kind::Flow, &["s"], "SELECT d, s, cube, rollup FROM t -- WITH ROLLUP", None);
        let known = "SELECT * FROM (SELECT d, s, grouping(s) AS g FROM t GROUP BY d, ROLLUP(s)) AS all WHERE g = 0";
        check(Kind::Flow, &["s"], known, None);
    }

    #[test]
    fn dialects_differ_in_places_and_quotes() {
        fn check(dialect: Dialect, text: &str, sql: &str, count: usize) {
            let statement = Statement::parse(text, dialect).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((statement.sql.as_str(), statement.parameters.len()), (sql, count), "{text}");
        }
        let (postgres, mysql) = (Dialect::Postgres, Dialect::MySql);
        // One place for each, so that each takes the type that is wanted there.
        check(postgres, "SELECT :from, :from::date", "SELECT $1, $2::date", 2);
        check(postgres, "SELECT $$:from$$, $q$ $$ :to $q$, :to", "SELECT $$:from$$, $q$ $$ :to $q$, $1", 1);
        check(postgres, r"SELECT E'it\'s :from', '\', :to", r"SELECT E'it\'s :from', '\', $1", 1);
        check(postgres, "SELECT /* a /* :from */ b */ :to", "SELECT /* a /* :from */ b */ $1", 1);
        check(
            postgres,
            "SELECT a ? 'x', b @> c, d[1:2], t -- it's :from",
            "SELECT a ? 'x', b @> c, d[1:2], t -- it's :from",
            0,
        );
        check(mysql, "SELECT :from, :to, :from", "SELECT ?, ?, ?", 3);
        check(mysql, r#"SELECT 'it\'s :from', "a\":to", `:to`, :to"#, r#"SELECT 'it\'s :from', "a\":to", `:to`, ?"#, 1);
        check(mysql, "SELECT 1 # :from '\n, :to", "SELECT 1 # :from '\n, ?", 1);
        check(mysql, "SELECT 1--:from\n-- :to\n", "SELECT 1--?\n-- :to\n", 1);
        check(mysql, "SELECT @@version /*Mois*/", "SELECT @@version /*Mois*/", 0);
        for (dialect, text, part) in [
            (mysql, "SELECT /*! :from */ 1", "a comment that the server runs"),
            (mysql, "SELECT 1 INTO OUTFILE '/tmp/x'", "`INTO OUTFILE` writes"),
            (mysql, "SELECT @x", "`@x` is bound to nothing"),
            (mysql, r"SELECT 'open\'", "not closed"),
            (postgres, "SELECT $1", "`$1` is bound to nothing"),
            (postgres, "SELECT $a$ open", "not closed"),
            (postgres, "SELECT /* /* */", "not closed"),
            (postgres, "SELECT 1; SELECT :from", "several statements"),
        ] {
            let error = Statement::parse(text, dialect).unwrap_err();
            assert!(error.contains(part), "{text}: {error} lacks {part}");
        }
    }

    #[test]
    fn an_hour_that_comes_twice_ends_after_both() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        // Two o'clock in summer time, and once more in winter time.
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        let (first, second, after) =
            (at("2027-10-31T00:00:00Z"), at("2027-10-31T01:00:00Z"), at("2027-10-31T02:00:00Z"));
        let span = |from, to| (Parameter::From.text(from, to, &zone), Parameter::To.text(from, to, &zone));
        let text = |from: &str, to: &str| (format!("2027-10-31 0{from}:00"), format!("2027-10-31 0{to}:00"));
        assert_eq!(span(first, second), text("2", "3"));
        assert_eq!(span(second, after), text("2", "3"));
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
                text("2026-03-29"),
                text("2026-03-30"),
                text("2026-03-29"),
                text("2026-03-30"),
                Bound::Integer(1_774_738_800),
                Bound::Integer(1_774_821_600)
            ]
        );
    }
}
