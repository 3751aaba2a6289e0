//! What a picture of an objective shows: how far it is, where it should be, and where it will land.
//!
//! Kept apart from whoever draws it, so that a message can carry its figures until it is rendered.

use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};

/// One period of an objective, bucket by bucket. The lists go by the buckets; what is beyond their end is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    pub shape: CourseShape,
    /// Where the buckets of the whole period start, in the KPI's zone, in their order.
    pub buckets: Vec<DateTime>,
    /// The first instant after the period.
    pub end: DateTime,
    pub now: Option<DateTime>,
    pub actual: Vec<Option<f64>>,
    pub expected: Vec<Option<f64>>,
    /// Of the buckets to come.
    pub landing: Vec<Option<Fan>>,
    pub target: Option<Goal>,
    /// Whether nothing is expected of a bucket: a weekend, a holiday.
    pub closed: Vec<bool>,
    pub events: Vec<CourseEvent>,
}

/// What the figures of a course are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CourseShape {
    /// From nothing at the period's start; each figure is what the period came to by the end of its bucket.
    Cumulated,
    /// Each figure is of its bucket alone.
    Level,
}

/// What is foretold of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fan {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// An interval shows at least so many steps of its last digit.
const STEPS_LEAST: f64 = 20.0;

impl Fan {
    /// Rounded as far as so wide an interval leaves no digit that says nothing: 371 000, between 352 000 and 389 000.
    pub fn rounded(self) -> Fan {
        let Some(round) = self.rounding() else { return self };
        Fan { mean: round(self.mean), low: round(self.low), high: round(self.high) }
    }

    /// To the power of ten that fits the interval; none where there is nothing to round by.
    pub fn rounding(self) -> Option<impl Fn(f64) -> f64> {
        let power = ((self.high - self.low) / STEPS_LEAST).log10().floor();
        let is_apt = power.is_finite() && power.abs() < 15.0;
        is_apt.then_some(move |figure: f64| {
            // Powers below one are not exact, their inverses are.
            let scale = 10_f64.powi(power.abs() as i32);
            if power < 0.0 { (figure * scale).round() / scale } else { (figure / scale).round() * scale }
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    At(f64),
    Between(f64, f64),
}

/// Something that people should know of when they read the figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CourseEvent {
    pub on: Date,
    pub name: String,
}

/// The figures of a course that its picture is told by.
#[derive(Clone, Debug, PartialEq)]
pub struct CourseFacts<'a> {
    pub title: &'a str,
    /// The newest figure, and the last day that it holds.
    pub actual: Option<(f64, Date)>,
    /// What was expected by then; without a figure, by the end.
    pub expected: Option<f64>,
    pub target: Option<Goal>,
    /// At the period's end.
    pub landing: Option<Fan>,
    pub last_day: Date,
    /// A sentence of whoever knows more.
    pub remark: Option<&'a str>,
}

/// The words of a picture, in one language and for one unit.
pub trait CourseWords {
    fn word(&self, word: CourseWord) -> &str;
    /// The marks of an axis: short, and of one magnitude.
    fn axis(&self, marks: &[f64]) -> Vec<String>;
    /// A figure with its unit, rounded to so many digits.
    fn figure(&self, value: f64, digits: usize) -> String;
    /// From one to another, both in thousands or both in millions.
    fn range(&self, low: f64, high: f64, digits: usize) -> String;
    /// `24 nov.`
    fn day(&self, day: Date) -> String;
    /// `24`, beside days whose month is known.
    fn day_number(&self, day: Date) -> String;
    /// `nov.`
    fn month(&self, day: Date) -> String;
    /// The picture in a sentence or two.
    fn summary(&self, facts: &CourseFacts<'_>) -> String;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CourseWord {
    Actual,
    Expected,
    Target,
    Landing,
    Today,
    /// Between two figures.
    To,
}

#[cfg(test)]
mod tests {
    use super::Fan;

    #[test]
    fn estimates_keep_the_digits_that_their_interval_bears() {
        let check = |(mean, low, high): (f64, f64, f64), rounded: (f64, f64, f64)| {
            let fan = Fan { mean, low, high }.rounded();
            assert_eq!((fan.mean, fan.low, fan.high), rounded);
        };
        check((371_234.56, 352_123.4, 388_987.6), (371_000.0, 352_000.0, 389_000.0));
        check((0.943_21, 0.931_4, 0.955_1), (0.943, 0.931, 0.955));
        check((-12.34, -15.0, -9.87), (-12.3, -15.0, -9.9));
        // Nothing to round by.
        check((7.123, 7.123, 7.123), (7.123, 7.123, 7.123));
        check((1.0, f64::NEG_INFINITY, 2.0), (1.0, f64::NEG_INFINITY, 2.0));
    }
}
