//! What is drawn, before it becomes SVG or pixels: a few shapes, from the lowest to the topmost.

use super::font::Weight;
use super::theme::Ink;

pub(super) type Point = (f64, f64);

/// A rectangle; `bottom` is below `top`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Frame {
    pub(super) fn overlaps(&self, other: &Frame) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    pub(super) fn holds(&self, other: &Frame) -> bool {
        self.left <= other.left && self.right >= other.right && self.top <= other.top && self.bottom >= other.bottom
    }

    pub(super) fn grown(&self, by: f64) -> Frame {
        Frame { left: self.left - by, top: self.top - by, right: self.right + by, bottom: self.bottom + by }
    }

    pub(super) fn corners(&self) -> Vec<Point> {
        vec![(self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom)]
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A filled polygon.
    Area {
        points: Vec<Point>,
        ink: Ink,
    },
    Line {
        points: Vec<Point>,
        ink: Ink,
        width: f64,
        dash: Option<(f64, f64)>,
    },
    /// A disc with a rim around it.
    Dot {
        at: Point,
        radius: f64,
        ink: Ink,
        rim: Ink,
    },
    Text(Text),
}

/// One line of text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub left: f64,
    pub baseline: f64,
    /// How wide it is whatever font it is shown in.
    pub width: f64,
    pub words: String,
    pub size: f64,
    pub weight: Weight,
    pub ink: Ink,
    /// Keeps the lines beneath away from the letters.
    pub halo: Option<Ink>,
}

/// A picture; its size is in CSS pixels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scene {
    pub width: f64,
    pub height: f64,
    /// Covers the whole.
    pub ground: Ink,
    pub shapes: Vec<Shape>,
}

impl Scene {
    pub(super) fn new(width: f64, height: f64, ground: Ink) -> Self {
        Scene { width, height, ground, shapes: Vec::new() }
    }

    pub(super) fn area(&mut self, points: Vec<Point>, ink: Ink) {
        self.shapes.push(Shape::Area { points: points.into_iter().map(settled).collect(), ink });
    }

    pub(super) fn line(&mut self, points: Vec<Point>, ink: Ink, width: f64, dash: Option<(f64, f64)>) {
        self.shapes.push(Shape::Line { points: points.into_iter().map(settled).collect(), ink, width, dash });
    }

    pub(super) fn dot(&mut self, at: Point, radius: f64, ink: Ink, rim: Ink) {
        self.shapes.push(Shape::Dot { at: settled(at), radius, ink, rim });
    }

    pub(super) fn text(&mut self, mut text: Text) {
        if text.words.is_empty() {
            return;
        }
        (text.left, text.baseline) = settled((text.left, text.baseline));
        text.width = (text.width * 10.0).ceil() / 10.0;
        self.shapes.push(Shape::Text(text));
    }
}

/// To a tenth of a pixel, so that every form of the picture shows the same.
fn settled((x, y): Point) -> Point {
    ((x * 10.0).round() / 10.0, (y * 10.0).round() / 10.0)
}
