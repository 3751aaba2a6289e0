//! Formulas over KPIs: `(revenue - cost) / revenue`, read once and checked for what adds up.

use std::fmt;

use super::ids::KpiId;
use super::kpi::Kpi;
use super::unit::{Kind, Unit};

/// Longest formula, in bytes.
const BYTES_MAX: usize = 1_000;
/// Deepest nesting.
const DEPTH_MAX: usize = 32;
/// Most KPIs that one formula reads.
const INPUTS_MAX: usize = 16;

/// A formula with the KPIs it reads, in the order of their first use.
#[derive(Clone)]
pub struct Formula {
    text: String,
    inputs: Vec<KpiId>,
    expression: Expression,
}

/// Where a formula is wrong, counted in characters from 1, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {message}")]
pub struct FormulaError {
    pub at: usize,
    pub message: String,
}

#[derive(Clone, Debug)]
enum Expression {
    Number(f64),
    Input(usize),
    Negative(Box<Expression>),
    Both(Operator, Box<Expression>, Box<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl fmt::Debug for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Formula({})", self.text)
    }
}

impl PartialEq for Formula {
    fn eq(&self, other: &Formula) -> bool {
        self.text == other.text
    }
}

impl Eq for Formula {}

impl Formula {
    /// Reads a formula of ids, numbers, `+ - * /` and parentheses. A hyphen within a word is part of the id: a minus
    /// between two ids has blanks around it.
    pub fn parse(text: &str) -> Result<Formula, FormulaError> {
        let mut reader = Reader { rest: text, at: 1, inputs: Vec::new() };
        if text.len() > BYTES_MAX {
            return reader.wrong(format!("longer than {BYTES_MAX} bytes"));
        }
        let expression = reader.sum(0)?;
        reader.skip_blanks();
        if !reader.rest.is_empty() {
            return reader.wrong("expected `+`, `-`, `*`, `/` or the end");
        }
        if reader.inputs.is_empty() {
            return reader.wrong("no KPI is named");
        }
        Ok(Formula { text: text.trim().to_owned(), inputs: reader.inputs, expression })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn inputs(&self) -> &[KpiId] {
        &self.inputs
    }

    /// True for a quotient, whose two halves can be kept.
    pub fn is_quotient(&self) -> bool {
        matches!(self.expression, Expression::Both(Operator::Divide, ..))
    }

    /// The value from those of the inputs, in their order; none for a division by zero.
    pub fn value(&self, of: &[f64]) -> Option<f64> {
        self.expression.value(of).filter(|value| value.is_finite())
    }

    /// Numerator and denominator of a quotient.
    pub fn halves(&self, of: &[f64]) -> Option<(f64, f64)> {
        let Expression::Both(Operator::Divide, numerator, denominator) = &self.expression else { return None };
        let halves = (numerator.value(of)?, denominator.value(of)?);
        (halves.0.is_finite() && halves.1.is_finite()).then_some(halves)
    }

    /// Whether a number stands in it, such as the 100 of per cents.
    pub fn holds(&self, number: f64) -> bool {
        self.expression.holds(number)
    }

    /// Why a KPI of that kind can't be computed so from these inputs (in their order).
    pub fn obstacle(&self, (kind, unit): (Kind, &Unit), inputs: &[&Kpi]) -> Option<String> {
        if let Some(window) = inputs.iter().find(|input| input.kind == Kind::Window) {
            return Some(format!("`{}` is a window, which only its source can compute", window.id));
        }
        match (self.expression.mixed(inputs), unit) {
            (Err(mixed), _) => return Some(mixed),
            (Ok(Some(given)), Unit::Currency(own)) if given != own => {
                return Some(format!("it gives {given}, and the KPI's unit is {own}; convert it in its query"));
            }
            (Ok(_), _) => {}
        }
        let parts: Vec<&Expression> = match (kind, &self.expression) {
            (Kind::Level { .. }, _) => return None,
            (Kind::Window, _) => return Some("a window is what a source computes; say `kind: level`".to_owned()),
            (Kind::Flow, whole) => vec![whole],
            (Kind::Ratio, Expression::Both(Operator::Divide, numerator, denominator)) => vec![numerator, denominator],
            (Kind::Ratio, _) => return Some("a ratio is a quotient: write `numerator / denominator`".to_owned()),
        };
        for part in parts {
            if let Err(why) = part.degree() {
                return Some(format!("{why}, so values of several buckets can't be pooled; say `kind: level`"));
            }
            let is_ratio = |at: &usize| inputs.get(*at).is_some_and(|input| input.kind == Kind::Ratio);
            let is_level = |at: &usize| inputs.get(*at).is_some_and(|input| matches!(input.kind, Kind::Level { .. }));
            let mut read = Vec::new();
            part.reads(&mut read);
            if let Some(ratio) = read.iter().find(|at| is_ratio(at)) {
                let id = &self.inputs[*ratio];
                return Some(format!(
                    "`{id}` is a ratio, which can't be pooled here; read its two halves, or say `kind: level`"
                ));
            }
            if let Some(level) = read.iter().find(|at| kind == Kind::Flow && is_level(at)) {
                return Some(format!(
                    "`{}` is a level, which does not add up over time; say `kind: level`",
                    self.inputs[*level]
                ));
            }
        }
        None
    }
}

impl Expression {
    fn value(&self, of: &[f64]) -> Option<f64> {
        match self {
            Expression::Number(number) => Some(*number),
            Expression::Input(at) => of.get(*at).copied(),
            Expression::Negative(inner) => Some(-inner.value(of)?),
            Expression::Both(operator, left, right) => {
                let (left, right) = (left.value(of)?, right.value(of)?);
                match operator {
                    Operator::Add => Some(left + right),
                    Operator::Subtract => Some(left - right),
                    Operator::Multiply => Some(left * right),
                    Operator::Divide => (right != 0.0).then(|| left / right),
                }
            }
        }
    }

    fn reads(&self, all: &mut Vec<usize>) {
        match self {
            Expression::Number(_) => {}
            Expression::Input(at) => all.push(*at),
            Expression::Negative(inner) => inner.reads(all),
            Expression::Both(_, left, right) => {
                left.reads(all);
                right.reads(all);
            }
        }
    }

    /// 0 for a constant, 1 for a sum of inputs times constants; anything else does not add up.
    fn degree(&self) -> Result<u8, &'static str> {
        match self {
            Expression::Number(_) => Ok(0),
            Expression::Input(_) => Ok(1),
            Expression::Negative(inner) => inner.degree(),
            Expression::Both(operator, left, right) => match (operator, left.degree()?, right.degree()?) {
                (Operator::Add | Operator::Subtract, 0, 0) => Ok(0),
                (Operator::Add | Operator::Subtract, 1, 1) => Ok(1),
                (Operator::Add | Operator::Subtract, ..) => Err("a constant is added to a KPI"),
                (Operator::Multiply, 1, 1) => Err("two KPIs are multiplied"),
                (Operator::Multiply, left, right) => Ok(left.max(right)),
                (Operator::Divide, left, 0) => Ok(left),
                (Operator::Divide, ..) => Err("it divides by a KPI"),
            },
        }
    }

    fn holds(&self, number: f64) -> bool {
        match self {
            Expression::Number(own) => *own == number,
            Expression::Input(_) => false,
            Expression::Negative(inner) => inner.holds(number),
            Expression::Both(_, left, right) => left.holds(number) || right.holds(number),
        }
    }

    /// The currency of an expression; two that meet in it must not differ.
    fn mixed<'a>(&self, inputs: &[&'a Kpi]) -> Result<Option<&'a str>, String> {
        match self {
            Expression::Number(_) => Ok(None),
            Expression::Input(at) => Ok(inputs.get(*at).and_then(|input| match &input.unit {
                Unit::Currency(code) => Some(code.as_str()),
                Unit::None | Unit::Ratio | Unit::Percent | Unit::Points | Unit::Other(_) => None,
            })),
            Expression::Negative(inner) => inner.mixed(inputs),
            Expression::Both(operator, left, right) => {
                let (left, right) = (left.mixed(inputs)?, right.mixed(inputs)?);
                match (operator, left, right) {
                    (Operator::Add | Operator::Subtract, Some(one), Some(other)) if one != other => {
                        Err(format!("it adds {one} to {other}; convert one of them in its query"))
                    }
                    (Operator::Add | Operator::Subtract, one, other) => Ok(one.or(other)),
                    (Operator::Multiply, Some(one), Some(other)) if one != other => {
                        Err(format!("it multiplies {one} by {other}; convert one of them in its query"))
                    }
                    (Operator::Divide, Some(one), Some(other)) if one != other => {
                        Err(format!("it divides {one} by {other}; convert one of them in its query"))
                    }
                    (Operator::Multiply | Operator::Divide, one, other) => Ok(one.xor(other)),
                }
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    at: usize,
    inputs: Vec<KpiId>,
}

impl Reader<'_> {
    fn wrong<T>(&self, message: impl Into<String>) -> Result<T, FormulaError> {
        Err(FormulaError { at: self.at, message: message.into() })
    }

    fn take(&mut self, bytes: usize) -> String {
        let (taken, rest) = self.rest.split_at(bytes);
        self.at += taken.chars().count();
        self.rest = rest;
        taken.to_owned()
    }

    fn skip_blanks(&mut self) {
        let blanks = self.rest.len() - self.rest.trim_start().len();
        self.take(blanks);
    }

    /// The operator that stands next, if it is one of these.
    fn operator(&mut self, of: &[(char, Operator)]) -> Option<Operator> {
        self.skip_blanks();
        let next = self.rest.chars().next()?;
        let (_, operator) = of.iter().find(|(sign, _)| *sign == next)?;
        self.take(next.len_utf8());
        Some(*operator)
    }

    fn sum(&mut self, depth: usize) -> Result<Expression, FormulaError> {
        if depth > DEPTH_MAX {
            return self.wrong(format!("nested deeper than {DEPTH_MAX} levels"));
        }
        let mut left = self.product(depth)?;
        while let Some(operator) =
            self.operator(&[('+', Operator::Add), ('-', Operator::Subtract), ('\u{2212}', Operator::Subtract)])
        {
            left = Expression::Both(operator, Box::new(left), Box::new(self.product(depth)?));
        }
        Ok(left)
    }

    fn product(&mut self, depth: usize) -> Result<Expression, FormulaError> {
        let mut left = self.factor(depth)?;
        while let Some(operator) = self.operator(&[('*', Operator::Multiply), ('/', Operator::Divide)]) {
            left = Expression::Both(operator, Box::new(left), Box::new(self.factor(depth)?));
        }
        Ok(left)
    }

    fn factor(&mut self, depth: usize) -> Result<Expression, FormulaError> {
        self.skip_blanks();
        match self.rest.chars().next() {
            Some('(') => {
                self.take(1);
                let inner = self.sum(depth + 1)?;
                self.skip_blanks();
                if !self.rest.starts_with(')') {
                    return self.wrong("expected `)`");
                }
                self.take(1);
                Ok(inner)
            }
            Some('-') => {
                self.take(1);
                if depth >= DEPTH_MAX {
                    return self.wrong(format!("nested deeper than {DEPTH_MAX} levels"));
                }
                self.factor(depth + 1).map(|inner| Expression::Negative(Box::new(inner)))
            }
            Some(first) if first.is_ascii_digit() => self.number(),
            Some(first) if first.is_alphabetic() || first == '_' => self.input(),
            Some(other) => self.wrong(format!("`{other}` is neither a KPI's id nor a number")),
            None => self.wrong("it ends where a KPI's id or a number is expected"),
        }
    }

    fn number(&mut self) -> Result<Expression, FormulaError> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
        let digits = &self.rest[..end];
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.take(end);
                Ok(Expression::Number(number))
            }
            Ok(_) | Err(_) => self.wrong(format!("`{digits}` is no number; write `0.5`")),
        }
    }

    fn input(&mut self) -> Result<Expression, FormulaError> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let end = self.rest.find(|c: char| !is_part(c)).unwrap_or(self.rest.len());
        // A minus right after the id, before a blank, is no part of it.
        let id = self.rest[..end].trim_end_matches('-').to_owned();
        let known = self.inputs.iter().position(|input| input.as_str() == id);
        let at = match known {
            Some(at) => at,
            None if self.inputs.len() >= INPUTS_MAX => return self.wrong(format!("more than {INPUTS_MAX} KPIs")),
            None => {
                self.inputs.push(KpiId::from(id.as_str()));
                self.inputs.len() - 1
            }
        };
        self.take(id.len());
        Ok(Expression::Input(at))
    }
}

#[cfg(test)]
mod tests {
    use super::{Formula, KpiId};

    #[track_caller]
    fn check(text: &str, of: &[f64], value: Option<f64>) {
        let formula = Formula::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(formula.value(of), value, "{text}");
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = Formula::parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }

    #[test]
    fn formulas_are_computed_as_they_are_written() {
        check("a + b * 2", &[1.0, 3.0], Some(7.0));
        check("(a + b) * 2", &[1.0, 3.0], Some(8.0));
        check("a - b - b", &[10.0, 3.0], Some(4.0));
        check("8 / a / 2", &[2.0], Some(2.0));
        check("-a + 1", &[3.0], Some(-2.0));
        check("new-customers / web-visits", &[5.0, 10.0], Some(0.5));
        check("new-customers - lost-customers", &[5.0, 2.0], Some(3.0));
        check("a- b", &[5.0, 2.0], Some(3.0));
        check("(été - hiver)/été", &[4.0, 1.0], Some(0.75));
        check("a / b", &[4.0, 0.0], None);
        check("a * b", &[1e308, 1e308], None);
        let margin = Formula::parse("(revenue - cost) / revenue").unwrap();
        assert_eq!(margin.halves(&[100.0, 60.0]), Some((40.0, 100.0)));
        assert_eq!(margin.halves(&[0.0, 60.0]), Some((-60.0, 0.0)));
        assert_eq!(margin.inputs().iter().map(KpiId::as_str).collect::<Vec<_>>(), ["revenue", "cost"]);
        assert!(margin.is_quotient() && Formula::parse("a + b / c").is_ok_and(|sum| !sum.is_quotient()));
    }

    #[test]
    fn what_is_no_formula_is_told_with_its_place() {
        refused("", "at character 1: it ends where");
        refused("a +", "at character 4: it ends where");
        refused("(a + b", "at character 7: expected `)`");
        refused("a b", "at character 3: expected `+`");
        refused("a % b", "at character 3: expected `+`");
        refused("é + $b", "at character 5: `$` is neither");
        refused("1 + 2", "no KPI is named");
        refused("a * 1.2.3", "`1.2.3` is no number");
        refused(&"(".repeat(100), "nested deeper");
        refused(&"-".repeat(100), "nested deeper");
        refused(&format!("a{}", " + a".repeat(300)), "longer than");
        let many: Vec<String> = (0..17).map(|number| format!("k{number}")).collect();
        refused(&many.join(" + "), "more than 16 KPIs");
    }
}
