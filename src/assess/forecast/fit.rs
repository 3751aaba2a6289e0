//! A forecast of one series.

use super::blend::Blend;
use super::candidate::candidates;
use super::history::History;
use super::origins::origins;
use super::paths::Shapes;
use super::rest::resting;
use super::seasons::Seasons;
use super::spread::{Miss, Spread};

/// Where a series goes from its last bucket on; step 0 is the next bucket.
pub struct Forecast {
    mean: Vec<f64>,
    spread: Spread,
    shapes: Shapes,
    /// Nothing is below: a history without any negative value has no such future.
    floor: f64,
    unit: f64,
    model: String,
}

impl Forecast {
    /// Fewer values tell nothing of what they may come to.
    pub const VALUES_MIN: usize = 3;

    /// Of a history, the newest last, NaN where a bucket has no value: a gap at its end is counted among the buckets that
    /// were. None where fewer than three values are known.
    pub fn of(history: &[f64], seasons: &Seasons, horizon: usize) -> Option<Forecast> {
        let lengths = seasons.lengths();
        let history = History::of(history, lengths)?;
        if history.count() < Forecast::VALUES_MIN {
            return None;
        }
        let origins = origins(history.len(), horizon);
        let candidates = candidates(&history, lengths, horizon, &origins);
        let mut blend = Blend::of(&history, lengths, &candidates, &origins, horizon);
        let model = blend.name(&candidates);
        let rests: Vec<Vec<bool>> = origins.iter().map(|origin| resting(&history, lengths, *origin, horizon)).collect();
        for (path, rests) in blend.paths.iter_mut().zip(&rests) {
            path.iter_mut().zip(rests).filter(|(_, rests)| **rests).for_each(|(mean, _)| *mean = 0.0);
        }
        let mean = blend.paths.pop()?;
        let misses = misses(&history, &blend.paths, &origins, &rests);
        let seen = history.len() - origins[0];
        let size = history.learned.iter().map(|value| value.abs()).sum::<f64>() / history.len() as f64;
        let mut spread = Spread::of(&misses, &mean, seen, size);
        let now = rests.last()?;
        now.iter().enumerate().filter(|(_, rests)| **rests).for_each(|(step, _)| spread.rest(step));
        let shapes = Shapes::of(&misses, blend.paths.len(), horizon);
        let floor = if history.low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
        let mean = mean.into_iter().map(|mean| f64::max(mean, floor)).collect();
        Some(Forecast { mean, spread, shapes, floor, unit: history.unit, model })
    }

    pub fn horizon(&self) -> usize {
        self.mean.len()
    }

    /// What is expected at a step; more exactly, about what is exceeded as often as not. Of a series that is zero more
    /// often than not it is the mean, which a sum over many steps comes to.
    pub fn mean(&self, step: usize) -> f64 {
        self.mean[step] * self.unit
    }

    /// What a share `p` of futures does not exceed at a step.
    pub fn quantile(&self, step: usize, p: f64) -> f64 {
        f64::max(self.mean[step] + self.spread.quantile(step, p), self.floor) * self.unit
    }

    /// Between which values a share `level` of futures lies at a step; the mean is always within.
    pub fn interval(&self, step: usize, level: f64) -> (f64, f64) {
        let tail = (1.0 - level) / 2.0;
        let mean = self.mean(step);
        (self.quantile(step, tail).min(mean), self.quantile(step, 1.0 - tail).max(mean))
    }

    /// That many whole futures, value by value; the first of several sets is the start of a larger one. From some
    /// hundreds on, shares of them are probabilities: of a sum, or of crossing a line.
    pub fn futures(&self, count: usize) -> impl Iterator<Item = Vec<f64>> {
        (0..count).map(|number| match self.shapes.places(number) {
            Some(places) => places.enumerate().map(|(step, place)| self.quantile(step, place)).collect(),
            None => (0..self.horizon()).map(|step| self.mean(step)).collect(),
        })
    }

    /// What forecast it, for people: `log autoregression 46 %, trend 21 %, ...`.
    pub fn model(&self) -> &str {
        &self.model
    }
}

/// What the blend would have erred; steps that rest can't err.
fn misses(history: &History, paths: &[Vec<f64>], origins: &[usize], rests: &[Vec<bool>]) -> Vec<Miss> {
    let mut misses = Vec::new();
    for (place, ((path, origin), rests)) in paths.iter().zip(origins).zip(rests).enumerate() {
        let known = history.observed[*origin..].iter().zip(path).zip(rests).enumerate();
        let known = known.filter(|(_, ((value, _), rests))| value.is_finite() && !**rests);
        misses.extend(known.map(|(step, ((value, mean), _))| Miss {
            origin: place,
            step,
            error: value - mean,
            forecast: *mean,
        }));
    }
    misses
}
