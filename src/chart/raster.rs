//! A scene as pixels: every shape becomes polygons, and its ink is laid through what they cover of each pixel.

use ab_glyph_rasterizer::{Rasterizer, point};

use super::font;
use super::scene::{Point, Scene, Shape, Text};
use super::stroke::{dashed, stroked};
use super::svg::{HALO, RIM};
use super::theme::Ink;

/// Straight parts that a curve of a letter becomes, and corners of a dot.
const CURVE_STEPS: u8 = 5;
const DOT_CORNERS: usize = 48;

/// Rows of opaque pixels from the top.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pixels {
    pub width: usize,
    pub height: usize,
    pub colors: Vec<[u8; 3]>,
}

/// The scene with so many pixels per CSS pixel.
pub(super) fn pixels(scene: &Scene, density: f64) -> Pixels {
    let width = (scene.width * density).round() as usize;
    let height = (scene.height * density).round() as usize;
    let pixels = Pixels { width, height, colors: vec![scene.ground.rgb; width * height] };
    let mut canvas = Canvas { pixels, density };
    for shape in &scene.shapes {
        canvas.draw(shape);
    }
    canvas.pixels
}

struct Canvas {
    pixels: Pixels,
    density: f64,
}

impl Canvas {
    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Area { points, ink } => self.lay(&[self.scaled(points)], *ink),
            Shape::Line { points, ink, width, dash } => {
                let line = self.scaled(points);
                let width = width * self.density;
                let polygons = match dash {
                    Some((on, off)) => dashed(&line, on * self.density, off * self.density)
                        .iter()
                        .flat_map(|dash| stroked(dash, width, false))
                        .collect(),
                    None => stroked(&line, width, false),
                };
                self.lay(&polygons, *ink);
            }
            Shape::Dot { at, radius, ink, rim } => {
                // The rim is centred on the edge.
                for (radius, ink) in [(radius + RIM / 2.0, rim), (radius - RIM / 2.0, ink)] {
                    self.lay(&[self.scaled(&disc(*at, radius))], *ink);
                }
            }
            Shape::Text(text) => self.text(text),
        }
    }

    fn text(&mut self, text: &Text) {
        let left = text.left * self.density;
        let top = text.baseline * self.density;
        let mut outline = Outline { contours: Vec::new(), left, top };
        font::outline(&text.words, text.size * self.density, text.weight, &mut outline);
        if let Some(halo) = text.halo {
            let strokes = outline.contours.iter().flat_map(|contour| stroked(contour, HALO * self.density, true));
            self.lay(&strokes.collect::<Vec<_>>(), halo);
        }
        self.lay(&outline.contours, text.ink);
    }

    fn scaled(&self, points: &[Point]) -> Vec<Point> {
        points.iter().map(|(x, y)| (x * self.density, y * self.density)).collect()
    }

    /// Lays ink on what polygons cover; where several of one turn overlap they cover no more than once.
    fn lay(&mut self, polygons: &[Vec<Point>], ink: Ink) {
        let Some((left, top, width, height)) = bounds(polygons) else { return };
        let mut rasterizer = Rasterizer::new(width, height);
        for polygon in polygons {
            let at = |(x, y): Point| point((x - left) as f32, (y - top) as f32);
            let ends = polygon.iter().skip(1).chain(polygon.first());
            for (from, to) in polygon.iter().zip(ends) {
                rasterizer.draw_line(at(*from), at(*to));
            }
        }
        let alpha = (ink.alpha * 256.0) as f32;
        rasterizer.for_each_pixel(|at, cover| {
            let cover = (cover.min(1.0) * alpha + 0.5) as u32;
            // Most of a thin line's frame.
            if cover == 0 {
                return;
            }
            let (x, y) = (left as i64 + (at % width) as i64, top as i64 + (at / width) as i64);
            if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y))
                && x < self.pixels.width
                && y < self.pixels.height
            {
                let color = &mut self.pixels.colors[y * self.pixels.width + x];
                *color = mixed(*color, ink.rgb, cover);
            }
        });
    }
}

/// Of 256 parts so many of the second.
fn mixed(ground: [u8; 3], ink: [u8; 3], cover: u32) -> [u8; 3] {
    let part = |ground: u8, ink: u8| (u32::from(ground) * (256 - cover) + u32::from(ink) * cover + 128) >> 8;
    [0, 1, 2].map(|at| part(ground[at], ink[at]) as u8)
}

/// The whole pixels around polygons: left, top, width and height.
fn bounds(polygons: &[Vec<Point>]) -> Option<(f64, f64, usize, usize)> {
    let corners = || polygons.iter().flatten();
    let left = corners().map(|(x, _)| *x).reduce(f64::min)?.floor();
    let top = corners().map(|(_, y)| *y).reduce(f64::min)?.floor();
    let right = corners().map(|(x, _)| *x).reduce(f64::max)?.ceil();
    let bottom = corners().map(|(_, y)| *y).reduce(f64::max)?.ceil();
    Some((left, top, (right - left) as usize + 1, (bottom - top) as usize + 1))
}

fn disc((x, y): Point, radius: f64) -> Vec<Point> {
    let turn = std::f64::consts::TAU / DOT_CORNERS as f64;
    let corner = |at: usize| {
        let (sin, cos) = (turn * at as f64).sin_cos();
        (x + radius * cos, y + radius * sin)
    };
    (0..DOT_CORNERS).map(corner).collect()
}

/// Takes letters over as polygons, at their place.
struct Outline {
    contours: Vec<Vec<Point>>,
    left: f64,
    top: f64,
}

impl Outline {
    fn place(&self, x: f32, y: f32) -> Point {
        (self.left + f64::from(x), self.top + f64::from(y))
    }

    fn push(&mut self, to: Point) {
        if let Some(contour) = self.contours.last_mut() {
            contour.push(to);
        }
    }

    /// A curve from the last point on, by the weights of its points.
    fn curve(&mut self, points: &[Point], weights: impl Fn(f64) -> [f64; 4]) {
        let Some(from) = self.contours.last().and_then(|contour| contour.last()).copied() else { return };
        for step in 1..=CURVE_STEPS {
            let weights = weights(f64::from(step) / f64::from(CURVE_STEPS));
            let all = std::iter::once(&from).chain(points).zip(weights);
            let to = all.fold((0.0, 0.0), |sum, (point, weight)| (sum.0 + point.0 * weight, sum.1 + point.1 * weight));
            self.push(to);
        }
    }
}

impl ttf_parser::OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.contours.push(vec![self.place(x, y)]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.push(self.place(x, y));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let points = [self.place(x1, y1), self.place(x, y)];
        self.curve(&points, |t| [(1.0 - t).powi(2), 2.0 * t * (1.0 - t), t * t, 0.0]);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let points = [self.place(x1, y1), self.place(x2, y2), self.place(x, y)];
        self.curve(&points, |t| {
            let left = 1.0 - t;
            [left.powi(3), 3.0 * t * left * left, 3.0 * t * t * left, t.powi(3)]
        });
    }

    fn close(&mut self) {}
}
