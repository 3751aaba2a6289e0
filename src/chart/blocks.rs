//! The picture of an objective in a terminal: lines of Braille dots over a few rows, without colours.

use super::objective::{ObjectiveChart, Reading};
use super::plot::{self, Plot};
use super::scene::Frame;
use crate::model::course::{CourseShape, CourseWord, Goal};

/// Rows of the plot.
const ROWS: usize = 9;
/// Columns of the whole picture.
const COLUMNS_MIN: usize = 40;
const COLUMNS_MAX: usize = 160;
/// Dots of a Braille character, across and down.
const ACROSS: usize = 2;
const DOWN: usize = 4;
/// The bits of its dots, by row and column.
const BITS: [[u32; ACROSS]; DOWN] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
const BRAILLE: u32 = 0x2800;

const EXPECTED: char = '·';
const TARGET: char = '╌';
const LANDING: char = '+';
const FAN: char = '░';
const ACTUAL: &str = "⣀⠤⠒⠉";

/// What a cell shows; what comes later lies on top.
#[derive(Clone, Copy, Default)]
struct Cell {
    sign: Option<char>,
    dots: u32,
}

struct Grid {
    cells: Vec<Vec<Cell>>,
    columns: usize,
}

pub(super) fn blocks(chart: &ObjectiveChart<'_>, columns: usize) -> String {
    let columns = columns.clamp(COLUMNS_MIN, COLUMNS_MAX);
    let reading = chart.reading();
    let marks = plot::marks(chart.course);
    let names = chart.words.axis(&marks);
    let margin = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(columns / 3);
    let width = columns - margin - 2;
    // In dots; the last dot is the last place of either scale.
    let frame = Frame { left: 0.0, top: 0.0, right: (width * ACROSS - 1) as f64, bottom: (ROWS * DOWN - 1) as f64 };
    let plot = Plot::new(chart.course, frame, &marks);
    let mut grid = Grid { cells: vec![vec![Cell::default(); width]; ROWS], columns: width };
    fill(&mut grid, chart, &plot);

    let mut picture = String::new();
    let mut labels: Vec<String> = vec![String::new(); ROWS];
    for (mark, name) in marks.iter().zip(&names).rev() {
        let row = (plot.y(*mark) as usize / DOWN).min(ROWS - 1);
        if labels[row].is_empty() && !labels.contains(name) {
            labels[row] = name.chars().take(margin).collect();
        }
    }
    for (label, cells) in labels.iter().zip(&grid.cells) {
        let edge = if label.is_empty() { '│' } else { '┤' };
        picture += &" ".repeat(margin - label.chars().count());
        picture += label;
        picture.push(' ');
        picture.push(edge);
        picture.extend(cells.iter().map(|cell| match (cell.dots, cell.sign) {
            (0, sign) => sign.unwrap_or(' '),
            (dots, _) => char::from_u32(BRAILLE + dots).unwrap_or(' '),
        }));
        while picture.ends_with(' ') {
            picture.pop();
        }
        picture.push('\n');
    }
    picture += &foot(chart, &plot, margin, width);
    picture += &legend(chart, &reading, columns);
    picture
}

/// From the lowest layer to the topmost.
fn fill(grid: &mut Grid, chart: &ObjectiveChart<'_>, plot: &Plot) {
    let course = chart.course;
    let start = chart.reading().start(plot);
    let fans: Vec<[(f64, f64); 3]> = start
        .into_iter()
        .map(|(x, y)| [(x, y); 3])
        .chain(chart.fans().map(|(bucket, fan)| [fan.low, fan.mean, fan.high].map(|it| plot.point(bucket, it))))
        .collect();
    for pair in fans.windows(2) {
        for x in steps(pair[0][0].0, pair[1][0].0) {
            let at = |which: usize| between(pair[0][which], pair[1][which], x);
            let (low, mean, high) = (at(0), at(1), at(2));
            for row in (high as usize / DOWN)..=(low as usize / DOWN) {
                grid.sign(x, (row * DOWN) as f64, FAN);
            }
            grid.sign(x, mean, LANDING);
        }
    }
    let figures = match course.target {
        Some(Goal::At(figure)) => vec![figure],
        Some(Goal::Between(low, high)) => vec![low, high],
        None => Vec::new(),
    };
    for figure in figures.into_iter().filter(|figure| figure.is_finite()) {
        for x in steps(plot.frame.left, plot.frame.right) {
            grid.sign(x, plot.y(figure), TARGET);
        }
    }
    for (x, y) in path(chart, &course.expected, plot) {
        grid.sign(x, y, EXPECTED);
    }
    for (x, y) in path(chart, &course.actual, plot) {
        grid.dot(x, y);
    }
}

/// A line dot by dot, without what is not known.
fn path(chart: &ObjectiveChart<'_>, figures: &[Option<f64>], plot: &Plot) -> Vec<(f64, f64)> {
    let known = |figure: &Option<f64>| figure.filter(|figure| figure.is_finite());
    let mut points: Vec<Option<(f64, f64)>> = Vec::new();
    if chart.course.shape == CourseShape::Cumulated && figures.first().is_some_and(|first| known(first).is_some()) {
        points.push(Some((plot.across(0.0), plot.y(0.0))));
    }
    let shown = figures.iter().take(chart.course.buckets.len()).enumerate();
    points.extend(shown.map(|(bucket, figure)| known(figure).map(|figure| plot.point(bucket, figure))));
    let mut path: Vec<(f64, f64)> = points.iter().flatten().copied().collect();
    for pair in points.windows(2) {
        let (Some(from), Some(to)) = (pair[0], pair[1]) else { continue };
        let mut before = from.1;
        for x in steps(from.0, to.0) {
            let y = between(from, to, x);
            // A steep line has no holes.
            path.extend(steps(before.min(y), before.max(y)).map(|y| (x, y)));
            before = y;
        }
    }
    path
}

/// The whole numbers from one place to another, both included.
fn steps(from: f64, to: f64) -> impl Iterator<Item = f64> {
    (from.round() as i64..=to.round() as i64).map(|at| at as f64)
}

fn between(from: (f64, f64), to: (f64, f64), x: f64) -> f64 {
    let share = if to.0 > from.0 { ((x - from.0) / (to.0 - from.0)).clamp(0.0, 1.0) } else { 1.0 };
    from.1 + (to.1 - from.1) * share
}

impl Grid {
    fn cell(&mut self, x: f64, y: f64) -> &mut Cell {
        let column = (x.round() as usize / ACROSS).min(self.columns - 1);
        let row = (y.round() as usize / DOWN).min(ROWS - 1);
        &mut self.cells[row][column]
    }

    fn sign(&mut self, x: f64, y: f64, sign: char) {
        self.cell(x, y).sign = Some(sign);
    }

    fn dot(&mut self, x: f64, y: f64) {
        let bit = BITS[y.round() as usize % DOWN][x.round() as usize % ACROSS];
        self.cell(x, y).dots |= bit;
    }
}

/// The axis of time: its line with today's mark, and what its ends and today are.
fn foot(chart: &ObjectiveChart<'_>, plot: &Plot, margin: usize, width: usize) -> String {
    let course = chart.course;
    let today =
        course.now.and_then(|now| plot.moment(course, now)).map(|x| (x.round() as usize / ACROSS).min(width - 1));
    let line: String = (0..width).map(|at| if Some(at) == today { '┴' } else { '─' }).collect();
    let first = course.buckets.first().map_or(String::new(), |first| chart.words.day(first.date()));
    let last = chart.words.day(plot::last_day(course));
    let mut labels: Vec<char> = vec![' '; width];
    let (first_width, last_width) = (first.chars().count(), last.chars().count());
    put(&mut labels, 0, &first);
    if first_width + 2 + last_width <= width {
        put(&mut labels, width - last_width, &last);
    }
    if let Some(at) = today {
        let word = chart.words.word(CourseWord::Today);
        let begin = at.saturating_sub(word.chars().count() / 2);
        if begin > first_width + 1 && begin + word.chars().count() + 1 < width - last_width {
            put(&mut labels, begin, word);
        }
    }
    let labels: String = labels.into_iter().collect();
    format!("{} └{line}\n{}{}\n", " ".repeat(margin), " ".repeat(margin + 2), labels.trim_end())
}

fn put(into: &mut [char], at: usize, text: &str) {
    for (place, character) in into.iter_mut().skip(at).zip(text.chars()) {
        *place = character;
    }
}

/// What each sign is, with its figure, broken where a line is full.
fn legend(chart: &ObjectiveChart<'_>, reading: &Reading, columns: usize) -> String {
    let shown = |figure| chart.figure(reading, figure);
    let word = |word| chart.words.word(word);
    let mut parts = Vec::new();
    if let Some((_, figure)) = reading.actual {
        parts.push(format!("{ACTUAL} {} {}", word(CourseWord::Actual), shown(figure)));
    }
    if chart.course.expected.iter().flatten().next().is_some() {
        let figure = reading.expected.map_or(String::new(), |figure| format!(" {}", shown(figure)));
        parts.push(format!("{EXPECTED}{EXPECTED}{EXPECTED} {}{figure}", word(CourseWord::Expected)));
    }
    if let Some(goal) = chart.course.target {
        let figure = match goal {
            Goal::At(figure) => shown(figure),
            Goal::Between(low, high) => chart.range(reading, low, high),
        };
        parts.push(format!("{TARGET}{TARGET}{TARGET} {} {figure}", word(CourseWord::Target)));
    }
    if let Some(fan) = reading.landing {
        let figures = format!("{} ({})", shown(fan.mean), chart.range(reading, fan.low, fan.high));
        parts.push(format!("{LANDING}{FAN}{FAN} {} {figures}", word(CourseWord::Landing)));
    }
    let mut legend = String::new();
    let mut line = 0;
    for part in parts {
        let part: String = part.chars().take(columns).collect();
        let width = part.chars().count();
        if line > 0 && line + 3 + width > columns {
            legend.push('\n');
            line = 0;
        } else if line > 0 {
            legend.push_str("   ");
            line += 3;
        }
        legend.push_str(&part);
        line += width;
    }
    legend.push('\n');
    legend
}
