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
