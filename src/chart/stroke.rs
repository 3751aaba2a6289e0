//! Lines of a width as polygons that all turn the same way, so that what they cover adds up.

use super::scene::Point;

/// Angle between two points of a rounded corner.
const STEP: f64 = 0.35;

/// The polygons that a line of that width covers, its corners rounded and its ends cut off straight.
pub(super) fn stroked(line: &[Point], width: f64, is_closed: bool) -> Vec<Vec<Point>> {
    let mut line = line.to_vec();
    line.dedup_by(|a, b| length(*a, *b) < 1e-6);
    let is_closed = is_closed && line.len() > 2;
    if is_closed {
        line.extend_from_within(..1);
        line.dedup_by(|a, b| length(*a, *b) < 1e-6);
    }
    let reach = width / 2.0;
    let normals: Vec<Point> = line
        .windows(2)
        .map(|pair| {
            let far = length(pair[0], pair[1]);
            ((pair[0].1 - pair[1].1) / far * reach, (pair[1].0 - pair[0].0) / far * reach)
        })
        .collect();
    let mut polygons = Vec::new();
    for (at, (across, down)) in normals.iter().enumerate() {
        let ((x1, y1), (x2, y2)) = (line[at], line[at + 1]);
        polygons.push(vec![
            (x1 + across, y1 + down),
            (x1 - across, y1 - down),
            (x2 - across, y2 - down),
            (x2 + across, y2 + down),
        ]);
        let next = normals.get(at + 1).or(normals.first().filter(|_| is_closed));
        if let Some(next) = next {
            polygons.push(corner((x2, y2), (*across, *down), *next));
        }
    }
    polygons
}

/// The wedge between two parts of a line on the outer side of their corner; the inner side is covered already.
fn corner((x, y): Point, before: Point, after: Point) -> Vec<Point> {
    let turn = before.0 * after.1 - before.1 * after.0;
    let angle = turn.atan2(before.0 * after.0 + before.1 * after.1);
    let side = if angle > 0.0 { -1.0 } else { 1.0 };
    let steps = (angle.abs() / STEP).ceil().max(1.0);
    let arc = (0..=steps as usize).map(|step| {
        let (sin, cos) = (angle * step as f64 / steps).sin_cos();
        let (across, down) = (before.0 * cos - before.1 * sin, before.0 * sin + before.1 * cos);
        (x + side * across, y + side * down)
    });
    let mut wedge = vec![(x, y)];
    wedge.extend(arc);
    // All turn the way of the line's own parts.
    if angle < 0.0 {
        wedge.reverse();
    }
    wedge
}

/// The parts of a line that dashes of that length leave of it.
pub(super) fn dashed(line: &[Point], on: f64, off: f64) -> Vec<Vec<Point>> {
    let mut dashes = Vec::new();
    let mut dash: Vec<Point> = line.first().copied().into_iter().collect();
    let (mut is_on, mut left) = (true, on);
    for pair in line.windows(2) {
        let whole = length(pair[0], pair[1]);
        let mut passed = 0.0;
        while whole - passed > left {
            passed += left;
            let share = passed / whole;
            let at = (pair[0].0 + (pair[1].0 - pair[0].0) * share, pair[0].1 + (pair[1].1 - pair[0].1) * share);
            if is_on {
                dash.push(at);
                dashes.push(std::mem::take(&mut dash));
            } else {
                dash = vec![at];
            }
            is_on = !is_on;
            left = if is_on { on } else { off };
        }
        left -= whole - passed;
        if is_on {
            dash.push(pair[1]);
        }
    }
    if dash.len() > 1 {
        dashes.push(dash);
    }
    dashes
}

fn length(from: Point, to: Point) -> f64 {
    (to.0 - from.0).hypot(to.1 - from.1)
}

#[cfg(test)]
mod tests {
    use super::{dashed, length, stroked};
    use crate::chart::scene::Point;

    fn area(polygon: &[Point]) -> f64 {
        let edges = polygon.iter().zip(polygon.iter().cycle().skip(1));
        edges.map(|(a, b)| a.0 * b.1 - a.1 * b.0).sum::<f64>() / 2.0
    }

    #[test]
    fn every_part_of_a_stroke_turns_the_same_way() {
        let line = [(0.0, 0.0), (10.0, 0.0), (10.0, 0.0), (10.0, 10.0), (4.0, 3.0), (-5.0, 3.0), (20.0, 3.1)];
        let polygons = stroked(&line, 2.0, false);
        assert!(polygons.iter().all(|polygon| area(polygon) > -1e-9), "{polygons:?}");
        let straight: f64 = stroked(&[(0.0, 0.0), (3.0, 0.0), (10.0, 0.0)], 2.0, false).iter().map(|it| area(it)).sum();
        assert!((straight - 20.0).abs() < 1e-9, "{straight}");
        // A square's four corners make one disc.
        let square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)];
        let whole: f64 = stroked(&square, 2.0, true).iter().map(|it| area(it)).sum();
        assert!((whole - 80.0 - std::f64::consts::PI).abs() < 0.1, "{whole}");
        assert!(stroked(&[(1.0, 1.0)], 2.0, false).is_empty());
    }

    #[test]
    fn dashes_go_round_corners_and_keep_their_length() {
        let line = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (30.0, 10.0)];
        let dashes = dashed(&line, 6.0, 3.0);
        let long = |dash: &Vec<Point>| dash.windows(2).map(|pair| length(pair[0], pair[1])).sum::<f64>();
        let lengths: Vec<f64> = dashes.iter().map(long).collect();
        assert_eq!(lengths.len(), 5);
        assert!(lengths[..4].iter().all(|length| (length - 6.0).abs() < 1e-9), "{lengths:?}");
        assert!((lengths[4] - 4.0).abs() < 1e-9 && dashes[1].len() == 3, "{dashes:?}");
    }
}
