//! Whether the objective will be reached: its learned trajectory, where it lands, and how probable the target is.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use jiff::ToSpan;

use super::assessment::{Assessment, not_defined};
use super::learned::{DOUBT, Figure, History, Landing, Learned, Part};
use super::lessons::Ground;
use super::objective::measured_span;
use super::target::Held;
use super::trajectory::Course;
use super::window::Span;
use crate::model::assessment::{Basis, Measured, Unmeasurable};
use crate::model::grain::BucketIndex;
use crate::model::objective::{Measure, Objective, Trajectory};
use crate::model::unit::Kind;

/// The interval that is shown holds the end with this probability.
pub const INTERVAL: f64 = 0.80;
/// Buckets of a period that is learned of: a year of hours, or a month of five minutes. What is learned takes sixteen bytes
/// for each of them, and for each of the history.
const LEARNED_BUCKETS_MAX: u32 = 10_000;
/// Days over which a probability changes.
const CHANGE_DAYS: i64 = 7;

impl Assessment {
    /// The probability that the period ends with the target met: strictly between 0 and 1 while that may change, 0 or 1
    /// once its last bucket is final. Of a target that is held once it is met: that every bucket left holds it, and 0 as
    /// soon as it is lost. Of one that is to be met by a day: until then, that it is met that day.
    pub fn probability(&self) -> Measured<f64> {
        let (standing, target) = (self.standing()?, self.target_now()?);
        match standing.held {
            Some(Held::Lost(_)) => return Ok(0.0),
            // What misses it may still change, and hardly will.
            Some(Held::Doubtful) => return Ok(DOUBT),
            Some(Held::Kept) | None => {}
        }
        if standing.is_over() {
            let met = f64::from(u8::from(target.is_met_by(standing.actual)));
            // Of a last bucket that may still change nothing is certain.
            let is_final = standing.is_final(self.the_objective()?, &self.data, &self.kpi);
            return Ok(if is_final { met } else { met.clamp(DOUBT, 1.0 - DOUBT) });
        }
        Ok(self.landing()?.probability(target))
    }

    /// The probability minus the one by what was there seven days before, as far as the period had come and could be
    /// judged by then. Later versions of those buckets are seen; buckets that came since are not.
    pub fn probability_change(&self) -> Measured<f64> {
        let probability = self.probability()?;
        let standing = self.standing()?;
        let zone = &self.kpi.zone;
        let end = zone.to_datetime(self.bucket(standing.counted.to).end);
        let before = end.checked_sub(CHANGE_DAYS.days()).and_then(|before| zone.to_timestamp(before));
        let ended = self.kpi.grain.last_ended(before.map_err(|_| Unmeasurable::NoHistory)?, zone);
        let newest = self.data.range(standing.whole.from, ended).next_back().ok_or(Unmeasurable::NoHistory)?;
        let then = self.stood_at(newest)?;
        if then.too_early()? { Err(Unmeasurable::NoHistory) } else { Ok(probability - then.probability()?) }
    }

    /// Lower end of the interval that holds the period's end with a probability of 80 %.
    pub fn low(&self) -> Measured<f64> {
        self.quantile((1.0 - INTERVAL) / 2.0)
    }

    /// Its upper end.
    pub fn high(&self) -> Measured<f64> {
        self.quantile(f64::midpoint(1.0, INTERVAL))
    }

    /// The figure that the period ends below with that probability.
    pub fn quantile(&self, probability: f64) -> Measured<f64> {
        let standing = self.standing()?;
        if standing.is_over() {
            return Ok(standing.actual);
        }
        Ok(self.landing()?.quantile(probability))
    }

    /// What the learned trajectory rests on; none of any other.
    pub fn basis(&self) -> Option<Basis> {
        let standing = self.standing().ok()?;
        let is_learned =
            standing.course == Course::Accumulates && self.the_objective().ok()?.trajectory == Trajectory::Learned;
        is_learned.then(|| self.learned(standing.whole).map_or(Basis::WorkingDays, |learned| learned.basis()))
    }

    /// The trajectory learned for the buckets of a period, at most [`LEARNED_BUCKETS_MAX`] of them.
    pub(super) fn learned(&self, whole: Span) -> Measured<Arc<Learned>> {
        let objective = self.the_objective()?;
        if whole.due() > LEARNED_BUCKETS_MAX {
            return not_defined("what is learned of a period of more than 10,000 buckets; choose a wider grain");
        }
        let part = part_of(objective, self.kpi.kind);
        let first = self.data.span().map(|(first, _)| first);
        let ground = Ground {
            kpi: self.kpi.clone(),
            objective: objective.clone(),
            whole,
            edits: self.data.edits(),
            first,
            excluded: self.excluded(),
        };
        let learn = |ground: &Ground| {
            let history = History { data: &self.data, known_to: whole.from - 1, excluded: &ground.excluded, part };
            Learned::fit(&history, whole, &self.kpi)
        };
        Ok(self.lessons().learned(&objective.id, ground, || self.print(Learned::looked_at(whole, &self.kpi)), learn))
    }

    /// Tells the figures of a span from others.
    fn print(&self, span: Span) -> u64 {
        let mut hasher = DefaultHasher::new();
        for point in self.data.range(span.from, span.to) {
            let parts = point.parts.map(|parts| (parts.numerator.to_bits(), parts.denominator.to_bits()));
            (point.index, point.value.to_bits(), parts).hash(&mut hasher);
        }
        hasher.finish()
    }

    pub(super) fn landing(&self) -> Measured<Arc<Landing>> {
        self.landing_at(self.standing()?.counted.to)
    }

    /// The landing by what is known up to a bucket of the period, as its data stands now.
    pub(super) fn landing_at(&self, known_to: BucketIndex) -> Measured<Arc<Landing>> {
        self.landing_from(self.standing()?.way, known_to)
    }

    /// Where a period lands by what is there up to a bucket.
    pub(super) fn landing_from(&self, whole: Span, known_to: BucketIndex) -> Measured<Arc<Landing>> {
        let objective = self.the_objective()?;
        let figure = match (figure_of(objective.measure, self.kpi.kind), self.to_keep(known_to)) {
            (Figure::Last, Some(target)) => Figure::Each(target),
            (figure, _) => figure,
        };
        let learned = self.learned(whole)?;
        let reckon = || {
            let excluded = self.excluded();
            let part = part_of(objective, self.kpi.kind);
            let history = History { data: &self.data, known_to, excluded: &excluded, part };
            let span = measured_span(objective.measure, whole, &self.kpi);
            learned.landing(figure, span, &history, &self.kpi)
        };
        self.lessons().landing(&objective.id, (&learned, known_to, figure), reckon).ok_or(Unmeasurable::NoHistory)
    }

    /// The buckets since the history began that events take out of every comparison; gone through once.
    fn excluded(&self) -> Arc<[Span]> {
        self.excluded.get_or_init(|| self.excluded_since_begin()).clone()
    }

    fn excluded_since_begin(&self) -> Arc<[Span]> {
        let first = self.data.span().map_or(BucketIndex::MAX, |(first, _)| first);
        let index_of = |day| -> BucketIndex {
            self.kpi.grain.index_at(crate::model::grain::start_of_day(day, &self.kpi.zone), &self.kpi.zone)
        };
        let events = self.events.iter().flat_map(|events| events.iter());
        let excluding = events.filter(|event| event.what.exclude && self.labels.contains(&event.what.labels));
        let spans = excluding.map(|event| Span { from: index_of(event.what.from), to: index_of(event.what.to) });
        spans.filter(|span| span.to >= first).collect()
    }
}

/// How the figure at the period's end comes about. Where each bucket counts by itself it is the last one's.
pub(super) fn figure_of(measure: Measure, kind: Kind) -> Figure {
    match (measure, kind) {
        (Measure::Sum, _) | (Measure::Rolling(_), Kind::Flow) => Figure::Sum,
        (Measure::Mean | Measure::Pooled | Measure::Rolling(_), Kind::Ratio) => Figure::Pooled,
        (Measure::Mean | Measure::Pooled | Measure::Rolling(_), _) => Figure::Mean,
        (Measure::AtEnd | Measure::ToDate | Measure::Each, _) => Figure::Last,
    }
}

/// Which figures a trajectory is learned from: of pooled ratios how the volume comes.
fn part_of(objective: &Objective, kind: Kind) -> Part {
    match (objective.measure, kind) {
        (Measure::Mean | Measure::Pooled | Measure::Rolling(_), Kind::Ratio) => Part::Denominator,
        _ => Part::Value,
    }
}
