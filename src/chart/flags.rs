//! The strip above the plot: what day it is, and the names of events, each at a pole over its day; no two overlap.

use super::font::{self, Weight};
use super::scene::{Frame, Scene, Text};
use super::theme::Ink;

/// The size of the names.
pub(super) const SIZE: f64 = 11.0;
/// The height of a row of names.
pub(super) const ROW: f64 = 15.0;
const ROWS_MAX: usize = 2;
/// Between a pole and its name, and between a name and what follows.
const GAP: f64 = 4.0;
/// A name that has less room than this is left out; its pole stays.
const NAME_MIN: f64 = 36.0;
/// How far a pole reaches into the plot.
const FOOT: f64 = 5.0;
/// Poles that are drawn.
const FLAGS_MAX: usize = 40;

/// A pole and its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flag {
    pub x: f64,
    pub name: String,
    pub ink: Ink,
    pub weight: Weight,
}

/// A flag whose name has its place: a row from below, and where the name begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hoisted {
    flag: Flag,
    /// None: the pole alone.
    name: Option<(usize, f64, f64)>,
}

/// Gives each name a place between `left` and `right`; those that come first choose first.
pub(super) fn hoisted(flags: Vec<Flag>, left: f64, right: f64) -> Vec<Hoisted> {
    let mut placed: Vec<Hoisted> = Vec::new();
    let mut poles: Vec<f64> = flags.iter().map(|flag| flag.x).collect();
    poles.truncate(FLAGS_MAX);
    for flag in flags.into_iter().take(FLAGS_MAX) {
        let wanted = font::width(&flag.name, SIZE, flag.weight);
        // In full on any row rather than cut on the lowest.
        let spots: Vec<(usize, f64, f64)> = (0..ROWS_MAX)
            .flat_map(|row| [true, false].map(|is_right| spot(&flag, row, is_right, &placed, &poles, (left, right))))
            .flatten()
            .collect();
        let full = spots.iter().find(|(_, _, room)| *room >= wanted).copied();
        let widest = spots.into_iter().max_by(|a, b| a.2.total_cmp(&b.2)).filter(|(_, _, room)| *room >= NAME_MIN);
        let name = full.or(widest).map(|(row, edge, room)| {
            let is_right = edge > flag.x;
            let text = font::fitted(&flag.name, SIZE, flag.weight, room);
            let width = font::width(&text, SIZE, flag.weight);
            (row, if is_right { edge } else { edge - width }, text)
        });
        let mut flag = flag;
        let name = name.filter(|(_, _, text)| !text.is_empty()).map(|(row, begin, text)| {
            flag.name = text;
            (row, begin, font::width(&flag.name, SIZE, flag.weight))
        });
        placed.push(Hoisted { flag, name });
    }
    placed
}

/// The free room beside a pole: its row, the edge where the name begins (or ends, to the left), and its width.
fn spot(
    flag: &Flag,
    row: usize,
    is_right: bool,
    placed: &[Hoisted],
    poles: &[f64],
    (left, right): (f64, f64),
) -> Option<(usize, f64, f64)> {
    // A pole that goes up to a higher row must not cross a name below.
    let is_crossed = |hoisted: &Hoisted| {
        hoisted.name.is_some_and(|(at, begin, width)| at <= row && begin - GAP < flag.x && flag.x < begin + width + GAP)
    };
    if placed.iter().any(is_crossed) {
        return None;
    }
    let edge = if is_right { flag.x + GAP } else { flag.x - GAP };
    let mut room = if is_right { right - edge } else { edge - left };
    for hoisted in placed {
        let Some((at, begin, width)) = hoisted.name else { continue };
        if at == row {
            let end = begin + width;
            if is_right && end > flag.x {
                room = room.min(begin - 2.0 * GAP - edge);
            } else if !is_right && begin < flag.x {
                room = room.min(edge - end - 2.0 * GAP);
            }
        }
        // Nor may the name stand in the way of a pole that goes higher.
        if at > row {
            room = room.min(beside(hoisted.flag.x, edge, is_right));
        }
    }
    // Of poles that are still to have their names the lowest row keeps clear, so that they can go higher.
    if row == 0 {
        for pole in poles.iter().filter(|pole| (**pole - flag.x).abs() > 0.5) {
            room = room.min(beside(*pole, edge, is_right));
        }
    }
    (room > 0.0).then_some((row, edge, room))
}

/// The room from an edge up to a pole that lies on that side.
fn beside(pole: f64, edge: f64, is_right: bool) -> f64 {
    match is_right {
        true if pole >= edge => pole - GAP - edge,
        false if pole <= edge => edge - GAP - pole,
        _ => f64::INFINITY,
    }
}

/// How high the strip is.
pub(super) fn height(placed: &[Hoisted]) -> f64 {
    let rows = placed.iter().filter_map(|hoisted| hoisted.name).map(|(row, _, _)| row + 1).max().unwrap_or(0);
    rows as f64 * ROW
}

/// Draws poles and names.
pub(super) fn draw(scene: &mut Scene, placed: &[Hoisted], plot: &Frame) {
    for hoisted in placed {
        let flag = &hoisted.flag;
        let top = hoisted.name.map_or(plot.top - 4.0, |(row, _, _)| plot.top - 3.0 - (row as f64 + 0.85) * ROW);
        scene.line(vec![(flag.x, top), (flag.x, plot.top + FOOT)], flag.ink, 1.0, None);
        if let Some((row, begin, width)) = hoisted.name {
            scene.text(Text {
                left: begin,
                baseline: plot.top - 6.0 - row as f64 * ROW,
                width,
                words: flag.name.clone(),
                size: SIZE,
                weight: flag.weight,
                ink: flag.ink,
                halo: None,
            });
        }
    }
}
