//! One mutant: a rule with one place changed.

use std::ops::Range;

/// The file that is changed.
#[derive(Clone, Copy)]
pub(super) struct Place<'t> {
    /// From the folder of rules: `signal/change.rhai`.
    pub file: &'t str,
    pub text: &'t str,
}

#[derive(Clone, Debug)]
pub(super) struct Mutant {
    /// Where and what: `signal/change.rhai:5:12: != becomes ==`. No two are called the same.
    pub name: String,
    /// The whole file.
    pub text: String,
}

impl Place<'_> {
    /// Changes stretches of the text, given in their order, in bytes.
    pub(super) fn mutant(&self, what: &str, edits: &[(Range<usize>, &str)]) -> Mutant {
        let mut text = String::new();
        let mut done = 0;
        for (bytes, with) in edits {
            text.push_str(&self.text[done..bytes.start]);
            text.push_str(with);
            done = bytes.end;
        }
        text.push_str(&self.text[done..]);
        let before = &self.text[..edits[0].0.start];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Mutant { name: format!("{}:{line}:{column}: {what}", self.file), text }
    }
}

/// A fifth less and a fifth more of a number as it is written, whole ones by 1 at least.
pub(super) fn figures(number: &str) -> Vec<String> {
    let plain = number.replace('_', "");
    if let Ok(whole) = plain.parse::<i64>() {
        let step = (whole.abs() + 2) / 5;
        return [whole - step.max(1), whole + step.max(1)].map(|other| other.to_string()).into();
    }
    let Ok(value) = plain.parse::<f64>() else { return Vec::new() };
    let step = if value == 0.0 { 0.2 } else { value / 5.0 };
    // Nine digits, so that 1.5 becomes 1.8 and not 1.7999999999999998.
    let written = |other: f64| format!("{:?}", (other * 1e9).round() / 1e9);
    vec![written(value - step), written(value + step)]
}

#[test]
fn numbers_change_by_a_fifth() {
    fn check(number: &str, expected: &[&str]) {
        assert_eq!(figures(number), expected, "{number}");
    }
    check("0", &["-1", "1"]);
    check("1", &["0", "2"]);
    check("7", &["6", "8"]);
    check("15", &["12", "18"]);
    check("1_000", &["800", "1200"]);
    check("0.08", &["0.064", "0.096"]);
    check("0.0", &["-0.2", "0.2"]);
    check("2.0", &["1.6", "2.4"]);
    check("warning", &[]);
}
