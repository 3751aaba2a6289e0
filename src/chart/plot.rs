//! Where the figures of a course stand in the picture: its scales, and what both axes say.

use jiff::civil::{Date, DateTime};
use jiff::{Span, ToSpan};

use super::scale;
use super::scene::{Frame, Point};
use crate::model::course::{Course, CourseShape, CourseWords, Fan, Goal};

/// Least room between two labels of the axis of time.
const GAP: f64 = 12.0;
/// Labels on the axis of time, at most.
const LABELS_MAX: usize = 8;
/// How far the fan widens the scale of the figures, as a multiple of what the rest takes; beyond it is cut.
const FAN_MAX: f64 = 0.75;
/// Days up to which the axis names days.
const DAYS_MAX: f64 = 46.0;
/// Days up to which it names hours.
const HOURS_MAX: f64 = 3.0;
/// Most units on an axis that are looked at.
const UNITS_MAX: i64 = 1_000;

/// The scales of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plot {
    pub frame: Frame,
    pub low: f64,
    pub high: f64,
    slots: f64,
    shape: CourseShape,
}

/// A label of the axis of time: where its day, month or year begins, and where the label's middle is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    pub tick: f64,
    pub middle: f64,
    pub label: String,
}

/// The round figures that the axis of figures has, from the lowest to the highest.
pub(super) fn marks(course: &Course) -> Vec<f64> {
    let finite = |figures: &[Option<f64>]| -> Vec<f64> {
        figures.iter().take(course.buckets.len()).flatten().copied().filter(|figure| figure.is_finite()).collect()
    };
    let mut figures = finite(&course.actual);
    figures.extend(finite(&course.expected));
    let fans: Vec<Fan> =
        course.landing.iter().take(course.buckets.len()).flatten().copied().filter(is_finite).collect();
    figures.extend(fans.iter().map(|fan| fan.mean));
    match course.target {
        Some(Goal::At(figure)) => figures.push(figure),
        Some(Goal::Between(low, high)) => figures.extend([low, high]),
        None => {}
    }
    if course.shape == CourseShape::Cumulated {
        figures.push(0.0);
    }
    figures.retain(|figure| figure.is_finite());
    let low = figures.iter().copied().reduce(f64::min).unwrap_or(0.0);
    let high = figures.iter().copied().reduce(f64::max).unwrap_or(0.0);
    let room = (high - low) * FAN_MAX;
    let lowest = fans.iter().map(|fan| fan.low).fold(low, f64::min).max(low - room);
    let highest = fans.iter().map(|fan| fan.high).fold(high, f64::max).min(high + room);
    scale::numbers(lowest, highest)
}

pub(super) fn is_finite(fan: &Fan) -> bool {
    fan.mean.is_finite() && fan.low.is_finite() && fan.high.is_finite()
}

impl Plot {
    pub(super) fn new(course: &Course, frame: Frame, marks: &[f64]) -> Self {
        let low = marks.first().copied().unwrap_or(0.0);
        let high = marks.last().copied().unwrap_or(1.0);
        Plot { frame, low, high, slots: course.buckets.len().max(1) as f64, shape: course.shape }
    }

    /// The abscissa of so many buckets after the start.
    pub(super) fn across(&self, slots: f64) -> f64 {
        self.frame.left + (slots / self.slots).clamp(0.0, 1.0) * (self.frame.right - self.frame.left)
    }

    /// Where a bucket's figure stands.
    pub(super) fn x(&self, bucket: usize) -> f64 {
        self.across(bucket as f64 + if self.shape == CourseShape::Cumulated { 1.0 } else { 0.5 })
    }

    /// The ordinate of a figure; one beyond the scale stands at its end.
    pub(super) fn y(&self, figure: f64) -> f64 {
        // In halves, for the whole span may be beyond what a number can hold.
        let share = (figure / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.5 };
        self.frame.bottom - share * (self.frame.bottom - self.frame.top)
    }

    pub(super) fn point(&self, bucket: usize, figure: f64) -> Point {
        (self.x(bucket), self.y(figure))
    }

    /// The abscissa of a moment of the period.
    pub(super) fn moment(&self, course: &Course, at: DateTime) -> Option<f64> {
        let first = *course.buckets.first()?;
        if at < first || at > course.end {
            return None;
        }
        let after = course.buckets.partition_point(|start| *start <= at);
        let begin = course.buckets[after - 1];
        let end = course.buckets.get(after).copied().unwrap_or(course.end);
        let width = seconds(begin, end).max(1.0);
        Some(self.across((after - 1) as f64 + (seconds(begin, at) / width).clamp(0.0, 1.0)))
    }
}

/// The last day of the period.
pub(super) fn last_day(course: &Course) -> Date {
    course.end.checked_sub(1.second()).unwrap_or(course.end).date()
}

fn seconds(from: DateTime, to: DateTime) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// The steps that labels may have, from the finest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Hours(i64),
    Days(i64),
    Months(i64),
    Years(i64),
}

impl Step {
    fn span(self, count: i64) -> Option<Span> {
        match self {
            Step::Hours(hours) => Span::new().try_hours(hours * count),
            Step::Days(days) => Span::new().try_days(days * count),
            Step::Months(months) => Span::new().try_months(months * count),
            Step::Years(years) => Span::new().try_years(years * count),
        }
        .ok()
    }

    /// What one label names.
    fn unit(self) -> Span {
        match self {
            Step::Hours(_) => Span::new(),
            Step::Days(_) => 1.day(),
            Step::Months(_) => 1.month(),
            Step::Years(_) => 1.year(),
        }
    }

    /// The first moment at or after `from` that a label may name.
    fn first(self, from: DateTime) -> DateTime {
        let day = from.date();
        match self {
            Step::Hours(_) | Step::Days(_) => from,
            Step::Months(_) if day.day() == 1 => from,
            Step::Months(_) => day.last_of_month().tomorrow().map_or(from, Date::into),
            Step::Years(_) if day.day_of_year() == 1 => from,
            Step::Years(_) => day.last_of_year().tomorrow().map_or(from, Date::into),
        }
    }
}

const STEPS: [Step; 17] = [
    Step::Hours(1),
    Step::Hours(3),
    Step::Hours(6),
    Step::Hours(12),
    Step::Days(1),
    Step::Days(2),
    Step::Days(7),
    Step::Days(14),
    Step::Months(1),
    Step::Months(2),
    Step::Months(3),
    Step::Months(6),
    Step::Years(1),
    Step::Years(2),
    Step::Years(5),
    Step::Years(10),
    Step::Years(50),
];

/// The labels of the axis of time: of the finest step whose labels have room.
pub(super) fn moments(
    course: &Course,
    words: &dyn CourseWords,
    plot: &Plot,
    width: &dyn Fn(&str) -> f64,
) -> Vec<Moment> {
    let Some(first) = course.buckets.first().copied() else { return Vec::new() };
    let days = seconds(first, course.end) / 86_400.0;
    let is_apt = |step: &Step| match step {
        Step::Hours(_) => days <= HOURS_MAX,
        Step::Days(_) => days <= DAYS_MAX,
        Step::Months(_) | Step::Years(_) => days > DAYS_MAX,
    };
    let mut fallback = Vec::new();
    for step in STEPS.into_iter().filter(is_apt) {
        let found = moments_by(step, course, words, plot);
        let placed = within(found, plot, width);
        let has_room = placed.len() <= LABELS_MAX
            && placed.windows(2).all(|pair| {
                pair[1].middle - pair[0].middle >= f64::midpoint(width(&pair[0].label), width(&pair[1].label)) + GAP
            });
        if has_room && !placed.is_empty() {
            return placed;
        }
        fallback = placed;
    }
    fallback.truncate(1);
    fallback
}

fn moments_by(step: Step, course: &Course, words: &dyn CourseWords, plot: &Plot) -> Vec<Moment> {
    let start = course.buckets[0];
    let spans_years = start.year() != last_day(course).year();
    let begin = step.first(start);
    let mut found: Vec<Moment> = Vec::new();
    let mut before: Option<DateTime> = None;
    for count in 0..UNITS_MAX {
        let Some(at) = step.span(count).and_then(|span| begin.checked_add(span).ok()) else { break };
        if at >= course.end {
            break;
        }
        let Some(tick) = plot.moment(course, at) else { break };
        let unit_end = at.checked_add(step.unit()).unwrap_or(at).min(course.end);
        let middle = plot.moment(course, unit_end).map_or(tick, |end| f64::midpoint(tick, end));
        let day = at.date();
        let label = match step {
            Step::Hours(_) if before.is_none_or(|before| before.date() != day) && days_differ(course) => {
                format!("{} {:02}:{:02}", words.day(day), at.hour(), at.minute())
            }
            Step::Hours(_) => format!("{:02}:{:02}", at.hour(), at.minute()),
            Step::Days(_) if before.is_some_and(|before| before.month() == at.month()) => words.day_number(day),
            Step::Days(_) => words.day(day),
            Step::Months(_) if spans_years && before.is_none_or(|before| before.year() != at.year()) => {
                format!("{} {}", words.month(day), day.year())
            }
            Step::Months(_) => words.month(day),
            Step::Years(_) => day.year().to_string(),
        };
        found.push(Moment { tick, middle, label });
        before = Some(at);
    }
    found
}

fn days_differ(course: &Course) -> bool {
    seconds(course.buckets[0], course.end) > 86_400.0
}

/// Labels at an end stay within the picture's frame.
fn within(mut found: Vec<Moment>, plot: &Plot, width: &dyn Fn(&str) -> f64) -> Vec<Moment> {
    for moment in &mut found {
        let half = width(&moment.label) / 2.0;
        moment.middle = moment.middle.min(plot.frame.right - half).max(plot.frame.left + half);
    }
    found
}
