//! Every way in which one place of a script is made wrong.

use std::collections::BTreeSet;
use std::ops::Range;

use super::mutant::{Mutant, Place, figures};
use super::tokens::{Kind, Token, closing, parts, tokens};

/// So near a limit that nothing lies between; far more than figures err by.
const NEARLY: &str = "0.000000001";
/// Calls whose first text people read.
const SAYING: [&str; 6] = ["say", "suggest", "info", "warning", "critical", "hold"];

/// All mutants of a script; `keys` are those of its sidecar's texts.
pub(super) fn mutants(place: Place<'_>, keys: &[String]) -> Vec<Mutant> {
    let tokens = tokens(place.text);
    let mut maker = Maker { place, tokens: &tokens, keys, made: Vec::new() };
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Sign => maker.sign(at),
            Kind::Number => maker.number(at),
            Kind::Text => maker.text(at),
            Kind::Word => maker.word(at),
        }
    }
    maker.statements();
    // Two ways to the same script are one mutant.
    let mut seen = BTreeSet::from([place.text.to_owned()]);
    maker.made.retain(|mutant| seen.insert(mutant.text.clone()));
    maker.made
}

struct Maker<'t> {
    place: Place<'t>,
    tokens: &'t [Token<'t>],
    keys: &'t [String],
    made: Vec<Mutant>,
}

impl Maker<'_> {
    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(text))
    }

    fn before(&self, at: usize, text: &str) -> bool {
        at > 0 && self.is(at - 1, text)
    }

    fn bytes(&self, places: &Range<usize>) -> Range<usize> {
        self.tokens[places.start].at..self.tokens[places.end - 1].end()
    }

    fn make(&mut self, what: &str, edits: &[(Range<usize>, &str)]) {
        self.made.push(self.place.mutant(what, edits));
    }

    /// Another word or sign at this place.
    fn replace(&mut self, at: usize, with: &str) {
        let token = self.tokens[at];
        self.make(&format!("{} becomes {with}", token.text), &[(token.at..token.end(), with)]);
    }

    fn sign(&mut self, at: usize) {
        let others: &[&str] = match self.tokens[at].text {
            "<" => &["<=", ">", ">="],
            "<=" => &["<", ">=", ">"],
            ">" => &[">=", "<", "<="],
            ">=" => &[">", "<=", "<"],
            "==" => &["!="],
            "!=" => &["=="],
            "&&" => &["||"],
            "||" => &["&&"],
            "+" => &["-"],
            "*" => &["/"],
            "/" => &["*"],
            "-" if self.is_between(at) => &["+"],
            "-" | "!" => {
                let token = self.tokens[at];
                self.make(&format!("{} is removed", token.text), &[(token.at..token.end(), "")]);
                &[]
            }
            "#{" => {
                for entry in parts(self.tokens, at) {
                    let name = self.tokens[entry.start].text;
                    let comma = usize::from(self.is(entry.end, ","));
                    let bytes = self.bytes(&(entry.start..entry.end + comma));
                    self.make(&format!("{name} is removed"), &[(bytes, "")]);
                }
                &[]
            }
            _ => &[],
        };
        for other in others {
            self.replace(at, other);
        }
    }

    /// Whether a value stands before a sign, as in `a - b` and not in `-b`.
    fn is_between(&self, at: usize) -> bool {
        at > 0
            && match self.tokens[at - 1].kind {
                Kind::Number | Kind::Text => true,
                Kind::Word => !matches!(self.tokens[at - 1].text, "return" | "in" | "if" | "while"),
                Kind::Sign => matches!(self.tokens[at - 1].text, ")" | "]" | "}"),
            }
    }

    fn number(&mut self, at: usize) {
        for other in figures(self.tokens[at].text) {
            self.replace(at, &other);
        }
    }

    /// A text that people read becomes another one; a level, the others.
    fn text(&mut self, at: usize) {
        let text = self.tokens[at].text;
        let inner = &text[1..text.len() - 1];
        let called = (at >= 2 && self.is(at - 1, "(")).then(|| self.tokens[at - 2].text);
        if called == Some("level") {
            for other in ["info", "warning", "critical"].into_iter().filter(|other| *other != inner) {
                self.replace(at, &format!("\"{other}\""));
            }
        } else if let Some(own) = self.keys.iter().position(|key| key == inner) {
            if self.keys.len() > 1 {
                let next = self.keys[(own + 1) % self.keys.len()].clone();
                self.replace(at, &format!("\"{next}\""));
            }
        } else if called.is_some_and(|called| SAYING.contains(&called)) {
            self.replace(at, "\"Something else\"");
        }
    }

    fn word(&mut self, at: usize) {
        let name = self.tokens[at].text;
        match name {
            "if" | "while" => return self.negate(at),
            "true" => return self.replace(at, "false"),
            "false" => return self.replace(at, "true"),
            _ => {}
        }
        if !self.is(at + 1, "(") || self.before(at, "fn") {
            return;
        }
        if self.before(at, ".") { self.method(at) } else { self.call(at) }
    }

    fn negate(&mut self, at: usize) {
        let mut open = at + 1;
        while !self.is(open, "{") {
            open = if ["(", "[", "#{"].iter().any(|sign| self.is(open, sign)) {
                closing(self.tokens, open) + 1
            } else {
                open + 1
            };
        }
        let condition = self.bytes(&(at + 1..open));
        let turned = format!("!({})", &self.place.text[condition.clone()]);
        self.make(&format!("the condition of {} is negated", self.tokens[at].text), &[(condition, &turned)]);
    }

    /// `.say("low")`
    fn method(&mut self, at: usize) {
        let name = self.tokens[at].text;
        let removed = self.tokens[at - 1].at..self.tokens[closing(self.tokens, at + 1)].end();
        match name {
            "say" | "suggest" | "level" | "recovers_inside" => {}
            "recovers_above" | "critical_below" => self.limit(at, 0, "+"),
            "recovers_below" | "critical_above" => self.limit(at, 0, "-"),
            _ => return,
        }
        self.make(&format!(".{name}() is removed"), &[(removed, "")]);
        if let Some(other) = turned(name) {
            self.replace(at, other);
        }
    }

    /// `above(kpi.value, p.limit)`
    fn call(&mut self, at: usize) {
        let name = self.tokens[at].text;
        let token = self.tokens[at];
        let whole = token.at..self.tokens[closing(self.tokens, at + 1)].end();
        match name {
            "above" | "below" => {
                self.limit(at, 1, if name == "above" { "-" } else { "+" });
                let other = turned(name).unwrap();
                self.replace(at, other);
                self.turn_chain(at, other);
            }
            "outside" => {
                self.limit(at, 1, "+");
                self.limit(at, 2, "-");
                let [value, low, high] = &parts(self.tokens, at + 1)[..] else { return };
                let text = |part: &Range<usize>| &self.place.text[self.bytes(part)];
                let below = format!("below({}, {})", text(value), text(low));
                let above = format!("above({}, {})", text(value), text(high));
                self.make("outside() is below() alone", &[(whole.clone(), &below)]);
                self.make("outside() is above() alone", &[(whole, &above)]);
            }
            "all_of" => self.replace(at, "any_of"),
            "any_of" => self.replace(at, "all_of"),
            "min" => self.replace(at, "max"),
            "max" => self.replace(at, "min"),
            "critical" | "ok" => self.replace(at, "warning"),
            "warning" => self.replace(at, "info"),
            "info" | "hold" => self.make(&format!("{name}() becomes ok()"), &[(whole, "ok()")]),
            _ => {}
        }
    }

    /// A condition is turned with all that is called on it, so that it still runs.
    fn turn_chain(&mut self, at: usize, other: &str) {
        let token = self.tokens[at];
        let mut edits = vec![(token.at..token.end(), other)];
        let mut next = closing(self.tokens, at + 1) + 1;
        while self.is(next, ".") && self.is(next + 2, "(") {
            let method = self.tokens[next + 1];
            edits.extend(turned(method.text).map(|other| (method.at..method.end(), other)));
            next = closing(self.tokens, next + 2) + 1;
        }
        self.make(&format!("{} becomes {other}, with its chain", token.text), &edits);
    }

    /// The limit itself changes its side.
    fn limit(&mut self, at: usize, argument: usize, sign: &str) {
        let Some(part) = parts(self.tokens, at + 1).get(argument).cloned() else { return };
        let bytes = self.bytes(&part);
        let text = &self.place.text[bytes.clone()];
        let what = format!("{}(): the limit {text} itself is on the other side", self.tokens[at].text);
        self.make(&what, &[(bytes, &format!("({text}) {sign} {NEARLY}"))]);
    }

    /// Every statement but declarations is left out in turn.
    fn statements(&mut self) {
        let tokens = self.tokens;
        for end in (0..tokens.len()).filter(|end| tokens[*end].is(";")) {
            let mut start = end;
            let mut depth = 0;
            while start > 0 {
                match self.tokens[start - 1].text {
                    ")" | "]" => depth += 1,
                    "(" | "[" => depth -= 1,
                    // The end of a map within a call.
                    "}" if depth > 0 => depth += 1,
                    "#{" if depth > 0 => depth -= 1,
                    ";" | "{" | "}" if depth == 0 => break,
                    _ => {}
                }
                start -= 1;
            }
            let first = self.tokens[start].text;
            if matches!(first, "let" | "const" | ";" | "else") {
                continue;
            }
            let bytes = self.bytes(&(start..end + 1));
            let text = self.place.text[bytes.clone()].to_owned();
            self.make(&format!("{text} is removed"), &[(bytes, "")]);
        }
    }
}

fn turned(name: &str) -> Option<&'static str> {
    Some(match name {
        "above" => "below",
        "below" => "above",
        "recovers_above" => "recovers_below",
        "recovers_below" => "recovers_above",
        "critical_above" => "critical_below",
        "critical_below" => "critical_above",
        _ => return None,
    })
}

#[test]
fn every_place_is_changed() {
    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let keys = ["low", "order"].map(str::to_owned);
        let place = Place { file: "a.rhai", text: line };
        let made: Vec<String> = mutants(place, &keys).into_iter().map(|mutant| mutant.text).collect();
        assert_eq!(made, expected, "{line}");
    }
    check("a<=b", &["a<b", "a>=b", "a>b"]);
    check(
        "a != () && b == -1 // 2 < 3",
        &[
            "a == () && b == -1 // 2 < 3",
            "a != () || b == -1 // 2 < 3",
            "a != () && b != -1 // 2 < 3",
            "a != () && b == 1 // 2 < 3",
            "a != () && b == -0 // 2 < 3",
            "a != () && b == -2 // 2 < 3",
        ],
    );
    check("if a { return b; }", &["if !(a) { return b; }", "if a {  }"]);
    check(
        "a - 10 + 0.5",
        &["a + 10 + 0.5", "a - 8 + 0.5", "a - 12 + 0.5", "a - 10 - 0.5", "a - 10 + 0.4", "a - 10 + 0.6"],
    );
    check(
        "let x = f(#{ by: g(), who: y }); x.push(#{ z: 1.5 });",
        &[
            "let x = f(#{  who: y }); x.push(#{ z: 1.5 });",
            "let x = f(#{ by: g(),  }); x.push(#{ z: 1.5 });",
            "let x = f(#{ by: g(), who: y }); x.push(#{  });",
            "let x = f(#{ by: g(), who: y }); x.push(#{ z: 1.2 });",
            "let x = f(#{ by: g(), who: y }); x.push(#{ z: 1.8 });",
            "let x = f(#{ by: g(), who: y }); ",
        ],
    );
    check(
        "below(v, l).recovers_above(r).critical_below(c)",
        &[
            "below(v, (l) + 0.000000001).recovers_above(r).critical_below(c)",
            "above(v, l).recovers_above(r).critical_below(c)",
            "above(v, l).recovers_below(r).critical_above(c)",
            "below(v, l).recovers_above((r) + 0.000000001).critical_below(c)",
            "below(v, l).critical_below(c)",
            "below(v, l).recovers_below(r).critical_below(c)",
            "below(v, l).recovers_above(r).critical_below((c) + 0.000000001)",
            "below(v, l).recovers_above(r)",
            "below(v, l).recovers_above(r).critical_above(c)",
        ],
    );
    check(
        "outside(v, l, h)",
        &["outside(v, (l) + 0.000000001, h)", "outside(v, l, (h) - 0.000000001)", "below(v, l)", "above(v, h)"],
    );
    check(
        r#"x.say("low").level("info").suggest("Go")"#,
        &[
            r#"x.level("info").suggest("Go")"#,
            r#"x.say("order").level("info").suggest("Go")"#,
            r#"x.say("low").suggest("Go")"#,
            r#"x.say("low").level("warning").suggest("Go")"#,
            r#"x.say("low").level("critical").suggest("Go")"#,
            r#"x.say("low").level("info")"#,
            r#"x.say("low").level("info").suggest("Something else")"#,
        ],
    );
    check("critical(x)", &["warning(x)"]);
    check("warning(x)", &["info(x)"]);
    check("info(x)", &["ok()"]);
    check("hold(x)", &["ok()"]);
    check("all_of([a, ok()])", &["any_of([a, ok()])", "all_of([a, warning()])"]);
    check("max(a, b)", &["min(a, b)"]);
    check("fn critical(x) { p.critical }", &[]);
}
