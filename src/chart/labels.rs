//! Names and figures of the lines, beside them in place of a legend.
//!
//! Those of lines that reach the end of the period stand in a column to the right, pushed apart where they would overlap; those
//! of lines that end before seek the nearest free place in the plot.

use super::font::{self, Weight};
use super::scene::{Frame, Point, Scene, Text};
use super::theme::Ink;

const NAME_SIZE: f64 = 11.0;
const FIGURE_SIZE: f64 = 13.0;
/// From the top of a label to the baselines of its lines, and its height.
const NAME_LINE: f64 = 10.5;
const LINE: f64 = 15.2;
/// Between labels of the column.
const GAP: f64 = 5.0;
/// Between the plot and the column: room for what leads from a line to a label that was pushed away.
const GUTTER: f64 = 10.0;
/// The size of labels in the plot.
const INNER_SIZE: f64 = 12.0;
/// How far a label in the plot may be from its point before a line leads to it.
const NEAR: f64 = 22.0;
/// Widest label in the plot, of the plot's width.
const INNER_MAX: f64 = 0.42;

/// A label of the column: a name over one or two lines of figures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct End {
    /// The ordinate where its line ends.
    pub y: f64,
    pub name: String,
    pub figures: Vec<String>,
    pub ink: Ink,
    pub line: Ink,
}

impl End {
    fn height(&self) -> f64 {
        NAME_LINE + 2.5 + self.figures.len() as f64 * LINE
    }

    fn width(&self) -> f64 {
        let figures = self.figures.iter().enumerate().map(|(at, figure)| {
            let (size, weight) = figure_style(at);
            font::width(figure, size, weight)
        });
        figures.fold(font::width(&self.name, NAME_SIZE, Weight::Regular), f64::max)
    }
}

/// The first figure stands out, what follows explains it.
fn figure_style(at: usize) -> (f64, Weight) {
    if at == 0 { (FIGURE_SIZE, Weight::SemiBold) } else { (NAME_SIZE, Weight::Regular) }
}

/// How wide the column is with the room before it; at most that wide.
pub(super) fn column(ends: &[End], most: f64) -> f64 {
    if ends.is_empty() {
        return 0.0;
    }
    ends.iter().map(End::width).fold(0.0, f64::max).min(most - GUTTER).ceil() + GUTTER
}

/// Draws the column to the right of the plot.
pub(super) fn draw_column(scene: &mut Scene, mut ends: Vec<End>, plot: &Frame, right: f64) {
    ends.sort_by(|a, b| a.y.total_cmp(&b.y));
    let tops = stacked(&ends, plot.top - 8.0, plot.bottom + 8.0);
    let left = plot.right + GUTTER;
    for (end, top) in ends.iter().zip(tops) {
        let middle = top + end.height() / 2.0;
        if (middle - end.y).abs() > 3.0 {
            let bend = plot.right + GUTTER - 4.0;
            scene.line(vec![(plot.right + 2.0, end.y), (bend, middle), (left - 1.0, middle)], end.line, 0.8, None);
        }
        let mut baseline = top + NAME_LINE;
        let mut write = |text: &str, size: f64, weight: Weight, baseline: f64| {
            let shown = font::fitted(text, size, weight, right - left);
            scene.text(Text {
                left,
                baseline,
                width: font::width(&shown, size, weight),
                words: shown,
                size,
                weight,
                ink: end.ink,
                halo: None,
            });
        };
        write(&end.name, NAME_SIZE, Weight::Regular, baseline);
        for (at, figure) in end.figures.iter().enumerate() {
            baseline += LINE;
            let (size, weight) = figure_style(at);
            write(figure, size, weight, baseline);
        }
    }
}

/// The tops of labels in their order, each as near to its line as the others let it be.
fn stacked(ends: &[End], top: f64, bottom: f64) -> Vec<f64> {
    let mut tops: Vec<f64> = Vec::new();
    for end in ends {
        let wanted = (end.y - end.height() / 2.0).clamp(top, (bottom - end.height()).max(top));
        tops.push(wanted);
    }
    // Labels that meet move apart by the same amount, as often as there may be meetings.
    for _ in 0..ends.len() * 8 {
        let mut is_settled = true;
        for at in 1..tops.len() {
            let overlap = tops[at - 1] + ends[at - 1].height() + GAP - tops[at];
            if overlap > 0.01 {
                tops[at - 1] -= overlap / 2.0;
                tops[at] += overlap / 2.0;
                is_settled = false;
            }
        }
        if is_settled {
            break;
        }
    }
    // From the bottom up nothing is below its limit, from the top down nothing above; the column is higher than all.
    let mut limit = bottom;
    for (end, at) in ends.iter().zip(tops.iter_mut()).rev() {
        *at = at.min(limit - end.height());
        limit = *at - GAP;
    }
    let mut limit = top;
    for (end, at) in ends.iter().zip(tops.iter_mut()) {
        *at = at.max(limit);
        limit = *at + end.height() + GAP;
    }
    tops
}

/// A label beside a point of the plot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Inner {
    pub at: Point,
    pub text: String,
    pub weight: Weight,
    pub ink: Ink,
    pub line: Ink,
    /// Whether it had rather be above its point.
    pub is_above: bool,
}

/// What labels in the plot keep away from.
pub(super) struct Obstacles {
    /// Never covered.
    pub frames: Vec<Frame>,
    /// Covered only if there is no other way.
    pub lines: Vec<Vec<Point>>,
}

/// Draws labels in the plot, each at the best place that is left.
pub(super) fn draw_inner(scene: &mut Scene, labels: Vec<Inner>, plot: &Frame, obstacles: &mut Obstacles, halo: Ink) {
    for label in labels {
        let text = font::fitted(&label.text, INNER_SIZE, label.weight, (plot.right - plot.left) * INNER_MAX);
        let width = font::width(&text, INNER_SIZE, label.weight);
        let Some(frame) = best(&label, width, plot, obstacles) else { continue };
        let (x, y) = label.at;
        let edge = (x.clamp(frame.left, frame.right), y.clamp(frame.top, frame.bottom));
        let distance = (edge.0 - x).hypot(edge.1 - y);
        if distance > NEAR {
            // From the dot's rim to before the letters.
            let (across, down) = ((edge.0 - x) / distance, (edge.1 - y) / distance);
            let at = |far: f64| (x + across * far, y + down * far);
            scene.line(vec![at(6.0), at(distance - 2.0)], label.line, 0.8, None);
        }
        scene.text(Text {
            left: frame.left,
            baseline: frame.bottom - font::DESCENT * INNER_SIZE,
            width,
            words: text,
            size: INNER_SIZE,
            weight: label.weight,
            ink: label.ink,
            halo: Some(halo),
        });
        obstacles.frames.push(frame);
    }
}

/// The place that costs least: near the point, on no line, over no other text.
fn best(label: &Inner, width: f64, plot: &Frame, obstacles: &Obstacles) -> Option<Frame> {
    let height = (font::ASCENT + font::DESCENT) * INNER_SIZE;
    let (x, y) = label.at;
    let mut best: Option<(f64, Frame)> = None;
    for ring in 0..16 {
        let distance = 7.0 + f64::from(ring) * 9.0;
        // Left and right of the point, over and under it, and between these.
        for (across, down) in [
            (-1.0, -1.0),
            (-1.0, 1.0),
            (1.0, -1.0),
            (1.0, 1.0),
            (-1.0, 0.0),
            (1.0, 0.0),
            (0.0, -1.0),
            (0.0, 1.0),
            (-0.5, -1.0),
            (-0.5, 1.0),
            (0.5, -1.0),
            (0.5, 1.0),
        ] {
            let left = x + across * distance - width / 2.0 + across * width / 2.0;
            let top = y + down * distance - height / 2.0 + down * height / 2.0;
            let frame = Frame { left, top, right: left + width, bottom: top + height };
            let room = frame.grown(3.0);
            if !plot.holds(&room) || obstacles.frames.iter().any(|other| other.overlaps(&room)) {
                continue;
            }
            let crossings = obstacles.lines.iter().filter(|line| crosses(line, &room)).count();
            let is_wrong_side = down * if label.is_above { 1.0 } else { -1.0 } > 0.0;
            let cost = distance + 60.0 * crossings as f64 + if is_wrong_side { 12.0 } else { 0.0 };
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, frame));
            }
        }
    }
    best.map(|(_, frame)| frame)
}

/// Whether a line has a part within a frame.
fn crosses(line: &[Point], frame: &Frame) -> bool {
    line.windows(2).any(|pair| meets(pair[0], pair[1], frame))
}

/// Clips a segment by the four sides in turn (Liang and Barsky).
fn meets(from: Point, to: Point, frame: &Frame) -> bool {
    let (mut begin, mut end) = (0.0_f64, 1.0_f64);
    let (across, down) = (to.0 - from.0, to.1 - from.1);
    for (by, room) in [
        (-across, from.0 - frame.left),
        (across, frame.right - from.0),
        (-down, from.1 - frame.top),
        (down, frame.bottom - from.1),
    ] {
        if by == 0.0 {
            if room < 0.0 {
                return false;
            }
        } else if by < 0.0 {
            begin = begin.max(room / by);
        } else {
            end = end.min(room / by);
        }
    }
    begin <= end
}

#[cfg(test)]
mod tests {
    use super::{End, meets, stacked};
    use crate::chart::scene::Frame;
    use crate::chart::theme::Theme;

    #[test]
    fn labels_of_one_height_move_apart_within_their_limits() {
        let ink = Theme::Light.palette().actual;
        let end = |y: f64| End { y, name: "n".to_owned(), figures: vec!["1".to_owned()], ink, line: ink };
        for heights in
            [vec![10.0], vec![50.0, 50.0], vec![0.0, 0.0, 0.0], vec![200.0; 4], vec![90.0, 91.0, 92.0, 180.0]]
        {
            let ends: Vec<End> = heights.iter().map(|y| end(*y)).collect();
            let tops = stacked(&ends, 0.0, 200.0);
            assert!(tops[0] >= 0.0 && tops.last().unwrap() + ends[0].height() <= 200.0, "{heights:?}: {tops:?}");
            assert!(tops.windows(2).all(|pair| pair[1] - pair[0] >= ends[0].height()), "{heights:?}: {tops:?}");
        }
        let far = [end(20.0), end(150.0)];
        assert!(
            stacked(&far, 0.0, 200.0)
                .iter()
                .zip([20.0, 150.0])
                .all(|(top, y)| { (top + far[0].height() / 2.0 - y).abs() < 1e-9 })
        );
    }

    #[test]
    fn a_segment_meets_a_frame_that_it_crosses() {
        let frame = Frame { left: 10.0, top: 10.0, right: 20.0, bottom: 20.0 };
        for (from, to, wanted) in [
            ((0.0, 0.0), (30.0, 30.0), true),
            ((0.0, 15.0), (30.0, 15.0), true),
            ((12.0, 12.0), (13.0, 13.0), true),
            ((0.0, 0.0), (9.0, 30.0), false),
            ((0.0, 25.0), (30.0, 25.0), false),
            ((0.0, 18.0), (18.0, 36.0), false),
        ] {
            assert_eq!(meets(from, to, &frame), wanted, "{from:?} {to:?}");
        }
    }
}
