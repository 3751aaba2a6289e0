//! The names in a statement: those that it reads and those that it gives (aliases, tables of a WITH).

/// Names in double quotes that are read, and all that are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) quoted: Vec<String>,
    pub(super) given: Vec<String>,
}

/// Words after which something is read or which are no names; whatever name follows any other word is an alias.
const KEYWORDS: [&str; 73] = [
    "all",
    "and",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "collate",
    "cross",
    "cube",
    "desc",
    "distinct",
    "else",
    "escape",
    "except",
    "exclude",
    "exists",
    "filter",
    "first",
    "following",
    "for",
    "from",
    "full",
    "glob",
    "group",
    "groups",
    "having",
    "ilike",
    "in",
    "indexed",
    "inner",
    "intersect",
    "is",
    "isnull",
    "join",
    "last",
    "lateral",
    "left",
    "like",
    "limit",
    "match",
    "materialized",
    "natural",
    "not",
    "notnull",
    "null",
    "nulls",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "preceding",
    "range",
    "recursive",
    "regexp",
    "right",
    "rows",
    "select",
    "set",
    "then",
    "ties",
    "unbounded",
    "union",
    "using",
    "values",
    "when",
    "where",
    "window",
    "with",
];

impl Names {
    /// From the tokens of a statement, without blanks and comments.
    pub(super) fn of(tokens: &[&str]) -> Names {
        let mut names = Names::default();
        for (at, token) in tokens.iter().enumerate() {
            if token.eq_ignore_ascii_case("as") && opens_table(&tokens[at + 1..]) {
                names.give_table(&tokens[..at]);
            }
        }
        for (at, token) in tokens.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| tokens[before]);
            match (quoted(token), before.is_some_and(gives)) {
                (Some(name), true) => names.given.push(name),
                (None, true) if is_word(token) && !is_keyword(token) => names.given.push((*token).to_owned()),
                (Some(name), false) => names.quoted.push(name),
                (None, _) => {}
            }
        }
        names
    }

    /// The name that ends before `AS (`, with those of its columns: `"par jour" (jour, total)`.
    fn give_table(&mut self, before: &[&str]) {
        let mut open = before.len();
        if before.last() == Some(&")") {
            open = before.iter().rposition(|token| *token == "(").unwrap_or_default();
        }
        let from = open.saturating_sub(1);
        self.given.extend(before[from..].iter().filter_map(|token| quoted(token).or_else(|| word(token))));
    }
}

/// Whether what follows AS is a query or a window, not a type or a name.
fn opens_table(after: &[&str]) -> bool {
    let mut rest =
        after.iter().skip_while(|token| ["not", "materialized"].iter().any(|w| token.eq_ignore_ascii_case(w)));
    rest.next() == Some(&"(")
}

/// Whether a name after that token is given by the statement: after AS, and after anything that ends an expression or a
/// table.
fn gives(before: &str) -> bool {
    let ends = before == ")" || before == "]" || quoted(before).is_some() || before.ends_with(['\'', '`', ']']);
    let is_number = before.starts_with(|c: char| c.is_ascii_digit());
    before.eq_ignore_ascii_case("as") || ends || is_number || (is_word(before) && !is_keyword(before))
}

fn quoted(token: &str) -> Option<String> {
    let inner = token.strip_prefix('"').and_then(|token| token.strip_suffix('"'))?;
    Some(inner.replace("\"\"", "\""))
}

fn word(token: &str) -> Option<String> {
    is_word(token).then(|| token.to_owned())
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn is_keyword(token: &str) -> bool {
    KEYWORDS.iter().any(|word| token.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::super::statement::{Dialect, Statement};

    fn check(sql: &str, quoted: &[&str], given: &[&str]) {
        let statement = Statement::parse(sql, Dialect::Sqlite).unwrap();
        let left: Vec<&String> = statement.quoted.iter().filter(|name| !statement.aliases.contains(name)).collect();
        assert_eq!(left, quoted, "{sql}");
        for name in given {
            assert!(statement.aliases.iter().any(|alias| alias == name), "{sql}: {name} in {:?}", statement.aliases);
        }
    }

    #[test]
    fn names_that_a_statement_gives() {
        check(
            r#"WITH "par jour" AS (SELECT date, sum(total) t FROM data GROUP BY 1) SELECT date AS bucket, t AS value FROM "par jour""#,
            &[],
            &["par jour", "t"],
        );
        check(
            r#"WITH "a b" ("c d", e) AS NOT MATERIALIZED (SELECT 1, 2) SELECT "c d" + "e" FROM "a b""#,
            &[],
            &["a b", "c d", "e"],
        );
        check(r#"WITH jours AS (SELECT 1) SELECT * FROM "jours""#, &[], &["jours"]);
        check(
            r#"SELECT sum("Total TTC") "value", 'x' "shop" FROM data "d" WHERE "d"."Statut" = 'a'"#,
            &["Total TTC", "Statut"],
            &["value", "shop", "d"],
        );
        check(r#"SELECT "d".x FROM data d GROUP BY CASE WHEN x THEN 1 END"#, &[], &["d"]);
    }

    #[test]
    fn a_name_that_is_read_is_no_alias() {
        for before in
            ["WHERE", "AND", "x = 1 OR NOT", "x LIKE", "x GLOB", "x IN", "x BETWEEN", "CASE", "CASE WHEN", "x +"]
        {
            check(
                &format!("SELECT 1 FROM data WHERE 1 AND {} \"totla\"", before.trim_start_matches("WHERE")),
                &["totla"],
                &[],
            );
        }
        check(
            r#"SELECT "totla" AS value, "a" FROM data ORDER BY "b", "c" DESC"#,
            &["totla", "a", "b", "c"],
            &["value"],
        );
        check(r#"SELECT DISTINCT "totla", sum("x") OVER (PARTITION BY "y") FROM data"#, &["totla", "x", "y"], &[]);
    }
}
