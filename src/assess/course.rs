//! One period of an objective bucket by bucket, as its picture shows it: actual, expected, and the way to the landing.
//!
//! For messages and commands only: no rule reads it, so that a quiet evaluation never pays for it.

use jiff::civil::DateTime;

use super::assessment::Assessment;
use super::learned::{Figure, Learned};
use super::objective::{Standing, aggregate_of, figure_over, first_from};
use super::outlook::figure_of;
use super::trajectory::Course as Way;
use super::window::{Aggregate, Span};
use crate::model::course::{Course, CourseEvent, CourseShape, Fan, Goal};
use crate::model::grain::{BucketIndex, Grain};
use crate::model::kpi::Kpi;
use crate::model::objective::{Measure, Objective, Target};
use crate::model::observation::Parts;
use crate::model::series::Point;
use crate::model::unit::Kind;

/// Buckets of a picture. It is 600 pixels wide, and goes with each message through the outbox.
const BUCKETS_MAX: usize = 200;
/// What buckets are joined to where there are more.
const WIDER: [Grain; 4] = [Grain::HOUR, Grain::Day, Grain::Week, Grain::Month];
/// Events that are marked: the last ones of the period.
const EVENTS_MAX: usize = 12;
const EVENT_CHARS_MAX: usize = 60;
/// A day off brings less than this part of what every bucket would bring if all were alike; else people work on it.
const CLOSED_BELOW: f64 = 0.5;
/// Significant digits of what is only drawn: a picture has some thousand pixels.
const DIGITS: usize = 6;

impl Assessment {
    /// The period under way as its picture shows it; none without objective, and while nothing of it can be measured.
    ///
    /// A period of more than 200 buckets is shown by the hour, day, week or month, whichever is the finest that
    /// fits; the newest bucket counted always ends a step, so that the newest figure is that of the facts.
    pub fn course(&self) -> Option<Course> {
        let (standing, objective) = (self.standing().ok()?, self.the_objective().ok()?);
        let (kpi, whole) = (&self.kpi, standing.whole);
        let steps = steps(standing, kpi);
        let local = |index| kpi.zone.to_datetime(kpi.grain.start_of(index, &kpi.zone));
        let (buckets, end): (Vec<DateTime>, DateTime) =
            (steps.iter().map(|step| local(step.from)).collect(), local(whole.to + 1));
        let now = kpi.zone.to_datetime(self.now);
        Some(Course {
            shape: match standing.course {
                Way::Accumulates => CourseShape::Cumulated,
                Way::Travels | Way::Keeps => CourseShape::Level,
            },
            now: (buckets.first().is_some_and(|first| *first <= now) && now < end).then_some(now),
            actual: self.actuals(&steps, standing, objective.measure),
            expected: self.expectations(&steps, standing),
            landing: self.way_ahead(&steps, standing, objective).unwrap_or_default(),
            target: self.target_now().ok().map(|target| match target {
                Target::Between(low, high) => Goal::Between(low, high),
                target => Goal::At(target.figure(standing.actual)),
            }),
            closed: self.closed(&steps, standing),
            events: self.marked_events(standing),
            buckets,
            end,
        })
    }

    /// What the measure came to by the end of each step; of figures that stand for themselves the step's newest.
    fn actuals(&self, steps: &[Span], standing: &Standing, measure: Measure) -> Vec<Option<f64>> {
        let aggregate = aggregate_of(measure, self.kpi.kind);
        let mut tally = Tally::default();
        let known = steps.iter().take_while(|step| step.to <= standing.counted.to);
        let mut figures: Vec<Option<f64>> = known
            .map(|step| {
                if let Measure::Rolling(_) = measure {
                    return figure_over(measure, *step, &self.data, &self.kpi).ok().map(short);
                }
                tally.last = f64::NAN;
                self.data.range(step.from, step.to).for_each(|point| tally.take(&point));
                tally.figure(aggregate, self.kpi.kind).map(short)
            })
            .collect();
        if let Some(newest) = figures.last_mut() {
            *newest = Some(standing.actual);
        }
        figures
    }

    fn expectations(&self, steps: &[Span], standing: &Standing) -> Vec<Option<f64>> {
        // The target itself says what is expected of what has no pace.
        if standing.course == Way::Keeps {
            return Vec::new();
        }
        let expected = |step: &Span| {
            if step.to == standing.counted.to {
                return standing.expected.as_ref().ok().copied();
            }
            standing.expected_by(step.to, self).ok().map(short)
        };
        steps.iter().map(expected).collect()
    }

    /// How the figure gets from where it is to the landing.
    ///
    /// Only the landing has a law. On its way the mean follows what the buckets are learned to bring. The interval opens
    /// with the root of the variance that is behind, that of a bucket going by its weight squared, as where buckets vary
    /// independently of each other. Where their level errs as a whole it would open more slowly: so drawn it is never
    /// narrower than what is known, and it ends at the law's.
    fn way_ahead(&self, steps: &[Span], standing: &Standing, objective: &Objective) -> Option<Vec<Option<Fan>>> {
        // Of a target that is to be met before the period ends nothing is foretold beyond that day.
        if standing.is_over() || standing.way != standing.whole {
            return None;
        }
        let end = Fan { mean: self.projected().ok()?, low: self.low().ok()?, high: self.high().ok()? };
        // A pace that history gives no reason to believe in is not the middle of what history says.
        if !(end.low <= end.mean && end.mean <= end.high) {
            return None;
        }
        let figure = figure_of(objective.measure, self.kpi.kind);
        let is_rolling = matches!(objective.measure, Measure::Rolling(_));
        let learned = self.learned(standing.whole).ok()?;
        let ahead = Ahead::of(figure, standing, &learned);
        let from = standing.actual;
        let fan = |bucket: BucketIndex| {
            if bucket == standing.whole.to {
                return end.rounded();
            }
            let (share, variance) = ahead.behind(bucket);
            let (done, over) = match figure {
                // A stretch that moves on goes from what it holds now to what it will hold.
                _ if is_rolling => (from, 1.0),
                // What was there at the start keeps its weight among what comes.
                Figure::Pooled | Figure::Mean => (from * ahead.before, ahead.before + (1.0 - ahead.before) * share),
                Figure::Sum | Figure::Last | Figure::Each(_) => (from, 1.0),
            };
            let mean = (done + (end.mean - done) * share) / over;
            let open = variance.sqrt() / over;
            let (mut low, mut high) = (mean - (end.mean - end.low) * open, mean + (end.high - end.mean) * open);
            if figure == Figure::Sum && !is_rolling {
                // What adds up only in one direction never turns back.
                low = if end.low >= from { low.max(from) } else { low };
                high = if end.high <= from { high.min(from) } else { high };
            }
            Fan { mean: short(mean), low: short(low), high: short(high) }
        };
        let is_ahead = |step: &Span| step.from > standing.counted.to;
        Some(steps.iter().map(|step| is_ahead(step).then(|| fan(step.to))).collect())
    }

    /// Days off on which next to nothing comes; none where steps are longer than a day.
    fn closed(&self, steps: &[Span], standing: &Standing) -> Vec<bool> {
        let days: Option<Vec<_>> = steps
            .iter()
            .map(|step| {
                let (first, last) = self.days_of(*step);
                (first == last).then_some(first)
            })
            .collect();
        let (Some(days), Ok(learned)) = (days, self.learned(standing.whole)) else { return Vec::new() };
        let alike = CLOSED_BELOW / f64::from(standing.whole.due());
        let brings_little = |step: &Span| {
            let share = learned.share_through(step.to) - learned.share_through(step.from - 1);
            share < alike * f64::from(step.due())
        };
        let is_off = |day| !self.kpi.calendar.is_working_day(day);
        steps.iter().zip(days).map(|(step, day)| is_off(day) && brings_little(step)).collect()
    }

    fn marked_events(&self, standing: &Standing) -> Vec<CourseEvent> {
        let period = standing.period;
        let mut marked: Vec<CourseEvent> = self
            .events_within(period.first, period.last)
            .into_iter()
            .map(|event| CourseEvent {
                on: event.from.max(period.first),
                name: event.name.chars().take(EVENT_CHARS_MAX).collect(),
            })
            .take(EVENTS_MAX)
            .collect();
        marked.reverse();
        marked
    }
}

/// The buckets of the period, joined where there are too many, and cut where what is known ends.
fn steps(standing: &Standing, kpi: &Kpi) -> Vec<Span> {
    let Span { from, to } = standing.whole;
    let starts_by = |wide: Grain| -> Option<Vec<BucketIndex>> {
        let at = |index| wide.index_at(kpi.grain.start_of(index, &kpi.zone), &kpi.zone);
        let (first, last) = (at(from), at(to));
        let is_few = usize::try_from(last - first).is_ok_and(|count| count < BUCKETS_MAX);
        let start = |index| first_from(wide.start_of(index, &kpi.zone), kpi).max(from);
        is_few.then(|| (first..=last).map(start).collect())
    };
    let due = standing.whole.due() as usize;
    let mut starts: Vec<BucketIndex> = if due <= BUCKETS_MAX {
        (from..=to).collect()
    } else {
        let joined = WIDER.into_iter().find_map(starts_by);
        joined.unwrap_or_else(|| (from..=to).step_by(due.div_ceil(BUCKETS_MAX)).collect())
    };
    starts.push(standing.counted.to + 1);
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|start| *start <= to);
    let ends = starts.iter().skip(1).copied().chain([to + 1]);
    starts.iter().zip(ends).map(|(start, next)| Span { from: *start, to: next - 1 }).collect()
}

/// What buckets are added up to, as far as one has come.
#[derive(Default)]
struct Tally {
    sum: f64,
    count: usize,
    parts: Option<Parts>,
    last: f64,
}

impl Tally {
    fn take(&mut self, point: &Point) {
        self.last = point.value;
        if !point.value.is_nan() {
            self.sum += point.value;
            self.count += 1;
        }
        if let Some(parts) = point.parts {
            self.parts = Some(self.parts.map_or(parts, |sum| sum.pooled_with(&parts)));
        }
    }

    fn figure(&self, aggregate: Aggregate, kind: Kind) -> Option<f64> {
        let there = self.count > 0;
        match aggregate {
            Aggregate::Sum => there.then_some(self.sum),
            Aggregate::Mean if kind != Kind::Ratio => there.then(|| self.sum / self.count as f64),
            Aggregate::Mean | Aggregate::Pooled => self.parts.as_ref().and_then(Parts::ratio),
            Aggregate::Last | Aggregate::Min | Aggregate::Max | Aggregate::Median => {
                (!self.last.is_nan()).then_some(self.last)
            }
        }
    }
}

/// What the buckets to come weigh, one by one.
struct Ahead {
    /// The first of them.
    first: BucketIndex,
    /// Share of the whole that is behind now.
    before: f64,
    /// Through each bucket, the share of what is to come, and of its variance.
    through: Vec<(f64, f64)>,
}

impl Ahead {
    fn of(figure: Figure, standing: &Standing, learned: &Learned) -> Ahead {
        let Standing { whole, counted, .. } = standing;
        let first = counted.to + 1;
        let uniform = |_: BucketIndex| 1.0 / f64::from(whole.due());
        let weigh = |bucket| learned.share_through(bucket) - learned.share_through(bucket - 1);
        let is_weighed =
            matches!(figure, Figure::Sum | Figure::Pooled) && learned.share_through(counted.to) < 1.0 - 1e-9;
        let weights: Vec<f64> = (first..=whole.to).map(|it| if is_weighed { weigh(it) } else { uniform(it) }).collect();
        let (sum, squares) =
            weights.iter().fold((0.0, 0.0), |(sum, squares), weight| (sum + weight, squares + weight * weight));
        let through = weights.iter().scan((0.0, 0.0), |(share, variance), weight| {
            *share += weight / sum;
            *variance += weight * weight / squares;
            Some((f64::min(*share, 1.0), f64::min(*variance, 1.0)))
        });
        Ahead { first, before: 1.0 - sum, through: through.collect() }
    }

    fn behind(&self, bucket: BucketIndex) -> (f64, f64) {
        // The end is the landing itself, whatever the sums have lost.
        let last = self.through.len().saturating_sub(1);
        match usize::try_from(bucket - self.first) {
            Ok(at) if at < last => self.through[at],
            Ok(_) => (1.0, 1.0),
            Err(_) => (0.0, 0.0),
        }
    }
}

/// Without digits that nobody sees.
fn short(figure: f64) -> f64 {
    if figure == 0.0 || !figure.is_finite() {
        return figure;
    }
    format!("{figure:.*e}", DIGITS - 1).parse().unwrap_or(figure)
}
