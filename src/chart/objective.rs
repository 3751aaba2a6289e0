//! The picture of an objective: how far it is, where it should be, and where it will land.
//!
//! One drawing for every form: SVG, PNG at double density, and blocks for the terminal; in words for those who see none.

use super::blocks;
use super::drawing;
use super::plot::{self, Plot};
use super::png;
use super::raster;
use super::scene::Point;
use super::svg;
use super::theme::Theme;
use crate::model::course::{Course, CourseFacts, CourseWords, Fan, Goal};
use crate::model::notification::Picture;

/// Pixels per CSS pixel.
const DENSITY: f64 = 2.0;
/// Digits of a figure: so many as a rule, and at most so many where fewer would make two different figures look alike.
const DIGITS: usize = 3;
const DIGITS_MAX: usize = 10;

/// What is drawn, and the words that it is drawn with.
pub struct ObjectiveChart<'a> {
    pub title: String,
    /// A line under the title: how probable it is that the target will be reached.
    pub remark: Option<String>,
    pub course: &'a Course,
    pub words: &'a dyn CourseWords,
}

/// The size of every picture, in CSS pixels.
pub const WIDTH: u32 = drawing::WIDTH as u32;
pub const HEIGHT: u32 = drawing::HEIGHT as u32;

/// The figures that a picture is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    /// The newest figure and its bucket.
    pub actual: Option<(usize, f64)>,
    /// By then.
    pub expected: Option<f64>,
    /// At the end.
    pub landing: Option<Fan>,
    digits: usize,
}

impl Reading {
    /// Where the forecast begins.
    pub(super) fn start(&self, plot: &Plot) -> Option<Point> {
        self.actual.map(|(bucket, figure)| plot.point(bucket, figure))
    }

    pub(super) fn dots(&self, plot: &Plot) -> Vec<Point> {
        let Some((bucket, figure)) = self.actual else { return Vec::new() };
        [Some(figure), self.expected].into_iter().flatten().map(|figure| plot.point(bucket, figure)).collect()
    }
}

impl<'a> ObjectiveChart<'a> {
    pub fn of(picture: &'a Picture, words: &'a dyn CourseWords) -> ObjectiveChart<'a> {
        let Picture { title, remark, unit: _, course } = picture;
        ObjectiveChart { title: title.clone(), remark: remark.clone(), course, words }
    }

    /// As SVG: 600 by 300, whole in itself.
    pub fn svg(&self, theme: Theme) -> String {
        svg::svg(&drawing::scene(self, theme), &self.alt_text())
    }

    /// As PNG: 1200 by 600 pixels, to be shown at 600 by 300.
    pub fn png(&self, theme: Theme) -> Vec<u8> {
        png::encoded(&raster::pixels(&drawing::scene(self, theme), DENSITY))
    }

    /// In a sentence or two, with the figures.
    pub fn alt_text(&self) -> String {
        let reading = self.reading();
        let course = self.course;
        let last_day = plot::last_day(course);
        let end_of = |bucket: usize| match course.buckets.get(bucket + 1) {
            Some(next) => next.checked_sub(jiff::Span::new().seconds(1)).unwrap_or(*next).date(),
            None => last_day,
        };
        let last = |figures: &[Option<f64>]| figures.iter().rev().flatten().copied().find(|figure| figure.is_finite());
        self.words.summary(&CourseFacts {
            title: self.title.trim(),
            actual: reading.actual.map(|(bucket, figure)| (figure, end_of(bucket))),
            expected: if reading.actual.is_some() { reading.expected } else { last(&course.expected) },
            target: course.target,
            landing: reading.landing,
            last_day,
            remark: self.remark.as_deref(),
        })
    }

    /// In so many columns of a terminal, a few lines high, without colours.
    pub fn blocks(&self, columns: usize) -> String {
        blocks::blocks(self, columns)
    }

    /// The forecast, bucket by bucket, after what is known.
    pub(super) fn fans(&self) -> impl Iterator<Item = (usize, Fan)> {
        let from = self.newest().map_or(0, |(bucket, _)| bucket + 1);
        let fans = self.course.landing.iter().take(self.course.buckets.len()).enumerate().skip(from);
        fans.filter_map(|(bucket, fan)| Some((bucket, fan.filter(plot::is_finite)?)))
    }

    fn newest(&self) -> Option<(usize, f64)> {
        let figures = self.course.actual.iter().take(self.course.buckets.len()).enumerate().rev();
        figures.filter_map(|(bucket, figure)| Some((bucket, (*figure)?))).find(|(_, figure)| figure.is_finite())
    }

    pub(super) fn reading(&self) -> Reading {
        let actual = self.newest();
        let by_then = actual.and_then(|(bucket, _)| self.course.expected.get(bucket).copied().flatten());
        let expected = by_then.filter(|figure| figure.is_finite());
        let landing = self.fans().last().map(|(_, fan)| fan);
        let mut told: Vec<f64> =
            [actual.map(|(_, figure)| figure), expected, landing.map(|fan| fan.mean)].into_iter().flatten().collect();
        match self.course.target {
            Some(Goal::At(figure)) => told.push(figure),
            Some(Goal::Between(low, high)) => told.extend([low, high]),
            None => {}
        }
        let are_apart = |digits: &usize| {
            told.iter().enumerate().all(|(at, one)| {
                let alike = |other: &f64| {
                    other != one && self.words.figure(*other, *digits) == self.words.figure(*one, *digits)
                };
                !told[at + 1..].iter().any(alike)
            })
        };
        let digits = (DIGITS..DIGITS_MAX).find(are_apart).unwrap_or(DIGITS_MAX);
        Reading { actual, expected, landing, digits }
    }

    /// `1,6 à 2 M€`: what both figures end with is said once.
    pub(super) fn range(&self, reading: &Reading, low: f64, high: f64) -> String {
        self.words.range(low, high, reading.digits)
    }

    pub(super) fn figure(&self, reading: &Reading, figure: f64) -> String {
        self.words.figure(figure, reading.digits)
    }
}
