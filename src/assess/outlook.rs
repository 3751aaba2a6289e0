//! Whether the objective will be reached: its learned trajectory, where it lands, and how probable the target is.

use std::sync::Arc;

use super::assessment::{Assessment, not_defined};
use super::learned::{Figure, History, Landing, Learned, Part};
use super::lessons::Ground;
use super::trajectory::Course;
use super::window::Span;
use crate::model::assessment::{Basis, Measured, Unmeasurable};
use crate::model::grain::BucketIndex;
use crate::model::objective::{Measure, Objective, Trajectory};
use crate::model::unit::Kind;

/// The interval that is shown holds the end with this probability.
pub const INTERVAL: f64 = 0.80;

impl Assessment {
    /// The probability that the period ends with the target met: strictly between 0 and 1 while it runs, 0 or 1 once it is
    /// over.
    pub fn probability(&self) -> Measured<f64> {
        let (standing, objective) = (self.standing()?, self.the_objective()?);
        if standing.is_over() {
            return Ok(f64::from(u8::from(objective.target.is_met_by(standing.actual))));
        }
        Ok(self.landing()?.probability(objective.target))
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
        is_learned.then(|| self.learned(standing.whole).ok().map(|learned| learned.basis())).flatten()
    }

    /// The trajectory learned for the buckets of a period.
    pub(super) fn learned(&self, whole: Span) -> Measured<Arc<Learned>> {
        let objective = self.the_objective()?;
        let part = part_of(objective, self.kpi.kind);
        let excluded = self.excluded(whole);
        let first = self.data.span().map(|(first, _)| first);
        let ground = Ground { whole, edits: self.data.edits(), first, excluded };
        let learn = |ground: &Ground| {
            let history = History { data: &self.data, known_to: whole.from - 1, excluded: &ground.excluded, part };
            Learned::fit(&history, whole, &self.kpi)
        };
        Ok(self.lessons().learned(&objective.id, ground, learn))
    }

    pub(super) fn landing(&self) -> Measured<Arc<Landing>> {
        let (standing, objective) = (self.standing()?, self.the_objective()?);
        let Some(figure) = figure_of(objective.measure, self.kpi.kind) else {
            return not_defined("a probability of an objective that holds for each bucket by itself");
        };
        let learned = self.learned(standing.whole)?;
        let known_to = standing.counted.to;
        let reckon = || {
            let excluded = self.excluded(standing.whole);
            let part = part_of(objective, self.kpi.kind);
            let history = History { data: &self.data, known_to, excluded: &excluded, part };
            learned.landing(figure, standing.whole, &history, &self.kpi)
        };
        self.lessons().landing(&objective.id, (&learned, known_to), reckon).ok_or(Unmeasurable::NoHistory)
    }

    /// Days before the end of the period that events take out of every comparison.
    fn excluded(&self, whole: Span) -> Vec<Span> {
        let Some((first, _)) = self.data.span() else { return Vec::new() };
        let index_of = |day| -> BucketIndex {
            self.kpi.grain.index_at(crate::model::grain::start_of_day(day, &self.kpi.zone), &self.kpi.zone)
        };
        let events = self.events.iter().flat_map(|events| events.iter());
        let excluding = events.filter(|event| event.what.exclude && self.labels.contains(&event.what.labels));
        let spans = excluding.map(|event| Span { from: index_of(event.what.from), to: index_of(event.what.to) });
        spans.filter(|span| span.to >= first && span.from <= whole.to).collect()
    }
}

/// How the figure at the period's end comes about; none where each bucket counts by itself.
fn figure_of(measure: Measure, kind: Kind) -> Option<Figure> {
    match (measure, kind) {
        (Measure::Sum, _) => Some(Figure::Sum),
        (Measure::Mean | Measure::Pooled, Kind::Ratio) => Some(Figure::Pooled),
        (Measure::Mean | Measure::Pooled, _) => Some(Figure::Mean),
        (Measure::AtEnd | Measure::ToDate, _) => Some(Figure::Last),
        (Measure::Each, _) => None,
    }
}

/// Which figures a trajectory is learned from: of pooled ratios how the volume comes.
fn part_of(objective: &Objective, kind: Kind) -> Part {
    match (objective.measure, kind) {
        (Measure::Mean | Measure::Pooled, Kind::Ratio) => Part::Denominator,
        _ => Part::Value,
    }
}
