//! One figure over time: a line, limits across it, and spans that are shaded.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::scale;
use super::svg::escaped;
use crate::model::verdict::Severity;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 280.0;
/// Room for the marks of the axes.
const LEFT_MIN: f64 = 48.0;
const LEFT_MAX: f64 = 240.0;
/// Width of a digit of the text.
const DIGIT: f64 = 6.6;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 28.0;
/// Columns that a long series is drawn in; each keeps its lowest and highest value, so that no peak is lost.
const COLUMNS: usize = 852;
/// Points up to which each is marked by a dot.
const DOTS_MAX: usize = 60;
/// Shades that are drawn.
const SHADES_MAX: usize = 2_000;

/// A line chart.
pub struct LineChart<'a> {
    /// What it shows, in words: the picture's text for those who don't see it.
    pub alt: String,
    pub zone: &'a TimeZone,
    /// In the order of time; none: a gap.
    pub points: Vec<(Timestamp, Option<f64>)>,
    pub limits: Vec<Limit>,
    pub shades: Vec<Shade>,
    /// How a number is written beside the axis.
    pub number: &'a dyn Fn(f64) -> String,
}

/// A line across the picture.
pub struct Limit {
    pub value: f64,
    pub name: String,
}

/// A span in which an alert fired.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shade {
    pub from: Timestamp,
    pub to: Timestamp,
    pub severity: Severity,
}

/// Colors that color-blind readers can tell apart (after Okabe and Ito).
fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "#56b4e9",
        Severity::Warning => "#e69f00",
        Severity::Critical => "#d55e00",
    }
}

impl LineChart<'_> {
    /// An `svg` element. None where there is nothing to draw.
    pub fn svg(&self) -> Option<String> {
        let (from, to) = (self.points.first()?.0, self.points.last()?.0);
        let values = || self.points.iter().filter_map(|(_, value)| *value).filter(|value| value.is_finite());
        let shown = || values().chain(self.limits.iter().map(|limit| limit.value));
        let (low, high) = (shown().reduce(f64::min)?, shown().reduce(f64::max)?);
        values().next()?;
        let marks = scale::numbers(low, high);
        let (bottom, top) = (*marks.first()?, *marks.last()?);
        let seconds = to.duration_since(from).as_secs_f64().max(1.0);
        let names: Vec<String> = marks.iter().map(|mark| (self.number)(*mark)).collect();
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let left = (longest as f64 * DIGIT + 12.0).clamp(LEFT_MIN, LEFT_MAX);
        let x = |at: Timestamp| {
            let share = (at.duration_since(from).as_secs_f64() / seconds).clamp(0.0, 1.0);
            left + share * (WIDTH - left - RIGHT)
        };
        // The difference of two huge numbers may be no number.
        let y = |value: f64| {
            let share = (value / 2.0 - bottom / 2.0) / (top / 2.0 - bottom / 2.0);
            HEIGHT - BOTTOM - share.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
        };
        let mut svg = String::new();
        let alt = escaped(&self.alt);
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{alt}\" \
             font-family=\"sans-serif\" font-size=\"11\"><title>{alt}</title>"
        );
        for shade in self.shades.iter().take(SHADES_MAX) {
            let (begin, end) = (x(shade.from), x(shade.to));
            let _ = write!(
                svg,
                "<rect x=\"{begin:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\" fill-opacity=\"0.28\"/>",
                (end - begin).max(1.0),
                HEIGHT - TOP - BOTTOM,
                color(shade.severity)
            );
        }
        for (mark, name) in marks.iter().zip(&names) {
            let _ = write!(
                svg,
                "<line x1=\"{left:.1}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#d8d8d8\"/>\
                 <text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\" fill=\"#444\">{4}</text>",
                WIDTH - RIGHT,
                y(*mark),
                left - 6.0,
                y(*mark) + 4.0,
                escaped(name)
            );
        }
        for (at, name) in scale::moments(from, to, self.zone) {
            let _ = write!(
                svg,
                "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{2:.1}\" stroke=\"#888\"/>\
                 <text x=\"{0:.1}\" y=\"{3:.1}\" text-anchor=\"middle\" fill=\"#444\">{name}</text>",
                x(at),
                HEIGHT - BOTTOM,
                HEIGHT - BOTTOM + 4.0,
                HEIGHT - BOTTOM + 17.0
            );
        }
        for limit in &self.limits {
            let _ = write!(
                svg,
                "<line x1=\"{left:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#a0307c\" stroke-dasharray=\"6 4\"/>\
                 <text x=\"{0:.1}\" y=\"{2:.1}\" text-anchor=\"end\" fill=\"#a0307c\">{3}</text>",
                WIDTH - RIGHT,
                y(limit.value),
                y(limit.value) - 4.0,
                escaped(&limit.name)
            );
        }
        self.line(&mut svg, &x, &y);
        svg.push_str("</svg>");
        Some(svg)
    }

    fn line(&self, svg: &mut String, x: &dyn Fn(Timestamp) -> f64, y: &dyn Fn(f64) -> f64) {
        let thinned = thinned(&self.points);
        let mut path = String::new();
        let mut pen_up = true;
        for (at, value) in &thinned {
            match value.filter(|value| value.is_finite()) {
                Some(value) => {
                    let _ = write!(path, "{}{:.1} {:.1}", if pen_up { 'M' } else { 'L' }, x(*at), y(value));
                    pen_up = false;
                }
                None => pen_up = true,
            }
        }
        let _ = write!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"#0072b2\" stroke-width=\"1.5\"/>");
        // A value between two gaps is no line.
        let is_alone = |at: usize| {
            let missing = |neighbour: Option<usize>| {
                neighbour.and_then(|at| thinned.get(at)).is_none_or(|(_, value)| value.is_none())
            };
            missing(at.checked_sub(1)) && missing(Some(at + 1))
        };
        for (index, (at, value)) in thinned.iter().enumerate() {
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            if thinned.len() <= DOTS_MAX || is_alone(index) {
                let _ = write!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.4\" fill=\"#0072b2\"/>", x(*at), y(value));
            }
        }
    }
}

/// The points that a picture can show: of each column the lowest and the highest, in their order, and a gap if it has one.
pub(super) fn thinned<At: Copy>(points: &[(At, Option<f64>)]) -> Vec<(At, Option<f64>)> {
    if points.len() <= 2 * COLUMNS {
        return points.to_vec();
    }
    let width = points.len().div_ceil(COLUMNS);
    points
        .chunks(width)
        .flat_map(|column| {
            let known = || column.iter().enumerate().filter_map(|(at, (_, value))| Some((at, (*value)?)));
            let low = known().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at);
            let high = known().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at);
            let gap = column.iter().position(|(_, value)| value.is_none());
            let mut kept: Vec<usize> = [low, high, gap].into_iter().flatten().collect();
            kept.sort_unstable();
            kept.dedup();
            kept.into_iter().map(|at| column[at]).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use jiff::{SignedDuration, Timestamp};

    use super::{Limit, LineChart, Shade, thinned};
    use crate::model::verdict::Severity;

    fn at(day: usize) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day as i64)
    }

    fn chart(values: &[Option<f64>]) -> LineChart<'static> {
        LineChart {
            alt: "Sales & <more>".to_owned(),
            zone: Box::leak(Box::new(TimeZone::UTC)),
            points: values.iter().enumerate().map(|(day, value)| (at(day), *value)).collect(),
            limits: Vec::new(),
            shades: Vec::new(),
            number: &|number| format!("{number}"),
        }
    }

    #[test]
    fn a_line_has_its_gaps_limits_and_shades() {
        let mut chart = chart(&[Some(1.0), Some(3.0), None, Some(2.0), None, Some(2.5), Some(2.0)]);
        chart.limits = vec![Limit { value: 10.0, name: "limit \"10\"".to_owned() }];
        chart.shades = vec![Shade { from: at(1), to: at(3), severity: Severity::Critical }];
        let svg = chart.svg().unwrap();
        assert!(svg.contains("aria-label=\"Sales &amp; &lt;more&gt;\""), "{svg}");
        assert_eq!(svg.split("<path d=\"").nth(1).unwrap().split('"').next().unwrap().matches('M').count(), 3);
        assert!(svg.contains("limit &quot;10&quot;") && svg.contains("#d55e00"));
        // The limit lies within the picture.
        assert!(svg.contains(">10</text>"));
    }

    #[test]
    fn without_a_value_there_is_no_picture() {
        assert!(chart(&[]).svg().is_none());
        assert!(chart(&[None, None]).svg().is_none());
        assert!(chart(&[Some(f64::NAN)]).svg().is_none());
        for odd in [&[Some(5.0)][..], &[Some(-1e300), Some(1e300)], &[Some(f64::INFINITY), Some(1.0)]] {
            let svg = chart(odd).svg().unwrap();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn a_long_series_keeps_its_peaks() {
        let mut points: Vec<_> = (0..100_000).map(|day| (at(day), Some(1.0))).collect();
        points[54_321].1 = Some(99.0);
        points[77_777].1 = Some(-99.0);
        points[10].1 = None;
        let thin = thinned(&points);
        assert!(thin.len() < 3_000, "{}", thin.len());
        for wanted in [Some(99.0), Some(-99.0), None] {
            assert!(thin.iter().any(|(_, value)| *value == wanted), "{wanted:?}");
        }
        assert!(thin.is_sorted_by_key(|(at, _)| *at));
    }
}
