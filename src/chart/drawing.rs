//! The picture of an objective as a scene: what stands where.

use super::flags::{self, Flag};
use super::font::{self, Weight};
use super::labels::{self, End, Inner, Obstacles};
use super::line::thinned;
use super::objective::{ObjectiveChart, Reading};
use super::plot::{self, Moment, Plot};
use super::scene::{Frame, Point, Scene, Text};
use super::theme::{Ink, Palette, Theme};
use crate::model::course::{CourseShape, CourseWord, Goal};

pub(super) const WIDTH: f64 = 600.0;
pub(super) const HEIGHT: f64 = 300.0;
const MARGIN: f64 = 14.0;
const TITLE_SIZE: f64 = 15.0;
const TITLE_LINE: f64 = 19.0;
const REMARK_SIZE: f64 = 12.0;
const AXIS_SIZE: f64 = 11.0;
/// Under the plot: the labels of the axis of time.
const FOOT: f64 = 28.0;
/// Widest labels of the axis of figures, and widest column to the right.
const AXIS_MAX: f64 = 110.0;
const COLUMN_MAX: f64 = 180.0;
/// Buckets up to which closed ones are shaded; more would be stripes.
const SHADED_MAX: usize = 100;
/// Where the name of the trajectory stands if no figure of it is told.
const NAME_AT: f64 = 0.6;

/// The lines of the figures, each in its unbroken parts.
struct Lines {
    actual: Vec<Vec<Point>>,
    expected: Vec<Vec<Point>>,
    landing: Vec<Point>,
    fan: Vec<Point>,
}

pub(super) fn scene(chart: &ObjectiveChart<'_>, theme: Theme) -> Scene {
    let palette = theme.palette();
    let reading = chart.reading();
    let mut scene = Scene::new(WIDTH, HEIGHT, palette.ground);
    let header = header(&mut scene, chart, palette);

    let marks = plot::marks(chart.course);
    let names: Vec<String> = chart.words.axis(&marks).into_iter().map(|name| fitted_mark(&name)).collect();
    let widest = names.iter().map(|name| font::width(name, AXIS_SIZE, Weight::Regular)).fold(0.0, f64::max);
    let (figures, mut ends): (Vec<f64>, Vec<End>) = ends(chart, &reading, palette).into_iter().unzip();
    let right = WIDTH - MARGIN;
    let mut frame = Frame {
        left: MARGIN + widest + 8.0,
        top: 0.0,
        right: right - labels::column(&ends, COLUMN_MAX).max(4.0),
        bottom: HEIGHT - FOOT,
    };
    let flags = flags::hoisted(
        flags(chart, &Plot::new(chart.course, frame, &marks), palette),
        frame.left - 4.0,
        frame.right + 4.0,
    );
    frame.top = header + 12.0 + flags::height(&flags);
    let plot = Plot::new(chart.course, frame, &marks);
    for (end, figure) in ends.iter_mut().zip(figures) {
        end.y = plot.y(figure);
    }

    let lines = lines(chart, &reading, &plot);
    shades(&mut scene, chart, &plot, palette);
    if lines.fan.len() > 2 {
        scene.area(lines.fan.clone(), palette.fan);
    }
    axes(&mut scene, chart, &plot, &marks, &names, palette);
    let goal = goal(&mut scene, chart, &plot, palette);
    for part in &lines.expected {
        stroke(&mut scene, part, palette.expected, 1.5, Some((4.0, 3.0)));
    }
    if lines.landing.len() > 1 {
        scene.line(lines.landing.clone(), palette.landing, 2.0, Some((6.0, 3.0)));
    }
    let today = chart.course.now.and_then(|now| plot.moment(chart.course, now));
    if let Some(x) = today {
        scene.line(vec![(x, frame.top), (x, frame.bottom)], palette.axis, 1.0, Some((2.0, 2.0)));
    }
    for part in &lines.actual {
        stroke(&mut scene, part, palette.actual, 2.8, None);
    }
    dots(&mut scene, &reading, &plot, palette);
    flags::draw(&mut scene, &flags, &frame);
    labels::draw_column(&mut scene, ends, &frame, right);

    let mut obstacles = Obstacles { frames: Vec::new(), lines: goal };
    obstacles.lines.extend(lines.actual);
    obstacles.lines.extend(lines.expected);
    obstacles.lines.push(lines.landing);
    obstacles.lines.extend(today.map(|x| vec![(x, frame.top), (x, frame.bottom)]));
    for (x, y) in reading.dots(&plot) {
        obstacles.frames.push(Frame { left: x, top: y, right: x, bottom: y }.grown(5.0));
    }
    labels::draw_inner(&mut scene, inner(chart, &reading, &plot, palette), &frame, &mut obstacles, palette.ground);
    scene
}

fn fitted_mark(name: &str) -> String {
    font::fitted(name, AXIS_SIZE, Weight::Regular, AXIS_MAX)
}

/// Title and remark; returns where they end.
fn header(scene: &mut Scene, chart: &ObjectiveChart<'_>, palette: &Palette) -> f64 {
    let room = WIDTH - 2.0 * MARGIN;
    let mut baseline = MARGIN + 11.0;
    let mut write = |text: String, size: f64, weight: Weight, ink: Ink, baseline: f64| {
        let width = font::width(&text, size, weight);
        scene.text(Text { left: MARGIN, baseline, width, words: text, size, weight, ink, halo: None });
    };
    let title = font::printable(&chart.title);
    let lines = font::wrapped(&title, TITLE_SIZE, Weight::SemiBold, room);
    for (at, line) in lines.into_iter().enumerate() {
        baseline += if at == 0 { 0.0 } else { TITLE_LINE };
        write(line, TITLE_SIZE, Weight::SemiBold, palette.title, baseline);
    }
    if let Some(remark) = &chart.remark {
        baseline += 18.0;
        let remark = font::fitted(&font::printable(remark), REMARK_SIZE, Weight::Regular, room);
        write(remark, REMARK_SIZE, Weight::Regular, palette.muted, baseline);
    }
    baseline + 5.0
}

/// What the column to the right says, each with the figure that it stands at.
fn ends(chart: &ObjectiveChart<'_>, reading: &Reading, palette: &Palette) -> Vec<(f64, End)> {
    let mut ends = Vec::new();
    let name = |word| font::printable(chart.words.word(word));
    let mut push = |at: f64, name: String, figures: Vec<String>, ink: Ink, line: Ink| {
        ends.push((
            at,
            End { y: 0.0, name, figures: figures.iter().map(|text| font::printable(text)).collect(), ink, line },
        ));
    };
    let shown = |figure| chart.figure(reading, figure);
    match chart.course.target {
        Some(Goal::At(figure)) if figure.is_finite() => {
            push(figure, name(CourseWord::Target), vec![shown(figure)], palette.target_text, palette.target);
        }
        Some(Goal::Between(low, high)) if low.is_finite() && high.is_finite() => {
            let figures = vec![chart.range(reading, low, high)];
            push(f64::midpoint(low, high), name(CourseWord::Target), figures, palette.target_text, palette.target);
        }
        _ => {}
    }
    if let Some(fan) = reading.landing {
        let mut figures = vec![shown(fan.mean)];
        if fan.low != fan.high {
            figures.push(chart.range(reading, fan.low, fan.high));
        }
        push(fan.mean, name(CourseWord::Landing), figures, palette.landing_text, palette.landing);
    }
    if let Some((_, figure)) = reading.actual.filter(|(bucket, _)| bucket + 1 == chart.course.buckets.len()) {
        push(figure, name(CourseWord::Actual), vec![shown(figure)], palette.actual, palette.actual);
    }
    ends
}

fn flags(chart: &ObjectiveChart<'_>, plot: &Plot, palette: &Palette) -> Vec<Flag> {
    let course = chart.course;
    let mut flags = Vec::new();
    if let Some(x) = course.now.and_then(|now| plot.moment(course, now)) {
        let name = font::printable(chart.words.word(CourseWord::Today));
        flags.push(Flag { x, name, ink: palette.title, weight: Weight::SemiBold });
    }
    for event in &course.events {
        let Some(x) = plot.moment(course, event.on.at(12, 0, 0, 0)) else { continue };
        let name = font::printable(&event.name);
        flags.push(Flag { x, name, ink: palette.muted, weight: Weight::Regular });
    }
    flags
}

fn lines(chart: &ObjectiveChart<'_>, reading: &Reading, plot: &Plot) -> Lines {
    let course = chart.course;
    let count = course.buckets.len();
    let parts = |figures: &[Option<f64>]| {
        let mut points: Vec<(f64, Option<f64>)> = Vec::with_capacity(count + 1);
        if course.shape == CourseShape::Cumulated && figures.first().is_some_and(Option::is_some) {
            points.push((plot.across(0.0), Some(plot.y(0.0))));
        }
        let known = |figure: &Option<f64>| figure.filter(|figure| figure.is_finite());
        points.extend(
            figures.iter().take(count).enumerate().map(|(at, figure)| (plot.x(at), known(figure).map(|it| plot.y(it)))),
        );
        unbroken(&thinned(&points))
    };
    let fans: Vec<(f64, f64, f64, f64)> = reading
        .start(plot)
        .into_iter()
        .map(|(x, y)| (x, y, y, y))
        .chain(chart.fans().map(|(at, fan)| (plot.x(at), plot.y(fan.mean), plot.y(fan.low), plot.y(fan.high))))
        .collect();
    // A forecast alone is no line.
    let fans = if reading.landing.is_some() { fans } else { Vec::new() };
    let upper = fans.iter().map(|(x, _, _, high)| (*x, *high));
    let lower = fans.iter().rev().map(|(x, _, low, _)| (*x, *low));
    Lines {
        actual: parts(&course.actual),
        expected: parts(&course.expected),
        landing: fans.iter().map(|(x, mean, _, _)| (*x, *mean)).collect(),
        fan: upper.chain(lower).collect(),
    }
}

fn unbroken(points: &[(f64, Option<f64>)]) -> Vec<Vec<Point>> {
    points
        .split(|(_, y)| y.is_none())
        .filter(|part| !part.is_empty())
        .map(|part| part.iter().filter_map(|(x, y)| Some((*x, (*y)?))).collect())
        .collect()
}

/// A value between two gaps is no line.
fn stroke(scene: &mut Scene, part: &[Point], ink: Ink, width: f64, dash: Option<(f64, f64)>) {
    match part {
        [alone] => scene.dot(*alone, width * 0.9, ink, ink),
        part => scene.line(part.to_vec(), ink, width, dash),
    }
}

fn shades(scene: &mut Scene, chart: &ObjectiveChart<'_>, plot: &Plot, palette: &Palette) {
    let count = chart.course.buckets.len();
    if count > SHADED_MAX {
        return;
    }
    let closed = |at: usize| at < count && chart.course.closed.get(at).copied().unwrap_or_default();
    let mut begin = None;
    for at in 0..=count {
        match (closed(at), begin) {
            (true, None) => begin = Some(at),
            (false, Some(first)) => {
                let (left, right) = (plot.across(first as f64), plot.across(at as f64));
                let Frame { top, bottom, .. } = plot.frame;
                scene.area(Frame { left, top, right, bottom }.corners(), palette.closed);
                begin = None;
            }
            _ => {}
        }
    }
}

fn axes(
    scene: &mut Scene,
    chart: &ObjectiveChart<'_>,
    plot: &Plot,
    marks: &[f64],
    names: &[String],
    palette: &Palette,
) {
    let Frame { left, right, bottom, .. } = plot.frame;
    let plain = |text: String, left: f64, baseline: f64| {
        let width = font::width(&text, AXIS_SIZE, Weight::Regular);
        Text {
            left,
            baseline,
            width,
            words: text,
            size: AXIS_SIZE,
            weight: Weight::Regular,
            ink: palette.muted,
            halo: None,
        }
    };
    let mut before: Option<&String> = None;
    for (mark, name) in marks.iter().zip(names) {
        let y = plot.y(*mark);
        if y < bottom - 0.5 {
            let ink = if *mark == 0.0 { palette.axis } else { palette.grid };
            scene.line(vec![(left, y), (right, y)], ink, 1.0, None);
        }
        // Figures too close to be told apart are named once.
        if before != Some(name) {
            let width = font::width(name, AXIS_SIZE, Weight::Regular);
            scene.text(plain(name.clone(), left - 8.0 - width, y + 4.0));
        }
        before = Some(name);
    }
    scene.line(vec![(left, bottom), (right, bottom)], palette.axis, 1.0, None);
    let width = |label: &str| font::width(label, AXIS_SIZE, Weight::Regular);
    for Moment { tick, middle, label } in plot::moments(chart.course, chart.words, plot, &width) {
        scene.line(vec![(tick, bottom), (tick, bottom + 4.0)], palette.axis, 1.0, None);
        let label = font::fitted(&label, AXIS_SIZE, Weight::Regular, right - left);
        let begin = middle - width(&label) / 2.0;
        scene.text(plain(label, begin, bottom + 16.0));
    }
}

/// Draws the target; returns its lines.
fn goal(scene: &mut Scene, chart: &ObjectiveChart<'_>, plot: &Plot, palette: &Palette) -> Vec<Vec<Point>> {
    let across = |figure: f64| vec![(plot.frame.left, plot.y(figure)), (plot.frame.right, plot.y(figure))];
    match chart.course.target {
        Some(Goal::At(figure)) if figure.is_finite() => {
            scene.line(across(figure), palette.target, 1.8, None);
            vec![across(figure)]
        }
        Some(Goal::Between(low, high)) if low.is_finite() && high.is_finite() => {
            let Frame { left, right, .. } = plot.frame;
            scene.area(Frame { left, top: plot.y(high), right, bottom: plot.y(low) }.corners(), palette.band);
            scene.line(across(low), palette.target, 1.2, None);
            scene.line(across(high), palette.target, 1.2, None);
            vec![across(low), across(high)]
        }
        _ => Vec::new(),
    }
}

fn dots(scene: &mut Scene, reading: &Reading, plot: &Plot, palette: &Palette) {
    if let (Some((bucket, _)), Some(expected)) = (reading.actual, reading.expected) {
        scene.dot(plot.point(bucket, expected), 3.0, palette.ground, palette.expected);
    }
    if let Some((bucket, figure)) = reading.actual {
        scene.dot(plot.point(bucket, figure), 4.5, palette.actual, palette.ground);
    }
}

/// The labels in the plot: what is, and what was expected by then.
fn inner(chart: &ObjectiveChart<'_>, reading: &Reading, plot: &Plot, palette: &Palette) -> Vec<Inner> {
    let mut labels = Vec::new();
    let count = chart.course.buckets.len();
    let told = reading.actual.filter(|(bucket, _)| bucket + 1 < count);
    let is_ahead = reading.actual.zip(reading.expected).is_some_and(|((_, actual), expected)| actual >= expected);
    let mut push = |at: Point, word: CourseWord, figure: Option<f64>, is_above: bool| {
        let mut text = chart.words.word(word).to_owned();
        if let Some(figure) = figure {
            text = format!("{text} {}", chart.figure(reading, figure));
        }
        let (weight, ink, line) = match word {
            CourseWord::Actual => (Weight::SemiBold, palette.actual, palette.actual),
            _ => (Weight::Regular, palette.expected_text, palette.expected),
        };
        labels.push(Inner { at, text: font::printable(&text), weight, ink, line, is_above });
    };
    if let Some((bucket, figure)) = told {
        push(plot.point(bucket, figure), CourseWord::Actual, Some(figure), is_ahead);
    }
    match (told, reading.expected) {
        (Some((bucket, _)), Some(expected)) => {
            push(plot.point(bucket, expected), CourseWord::Expected, Some(expected), !is_ahead);
        }
        _ => {
            let wanted = (count as f64 * NAME_AT) as usize;
            let figures = chart.course.expected.iter().take(count).enumerate();
            let known = figures.filter_map(|(at, figure)| Some((at, figure.filter(|figure| figure.is_finite())?)));
            if let Some((bucket, figure)) = known.min_by_key(|(at, _)| at.abs_diff(wanted)) {
                push(plot.point(bucket, figure), CourseWord::Expected, None, true);
            }
        }
    }
    labels
}
