//! Where a ratio of pooled parts will end: those to come are forecast as a flow, their rate as the level of a series whose
//! volumes they are.

use super::counted::{Counted, EXPECTED_MAX};
use super::history::{History, Part};
use super::landing::{Figure, Landing, Law, Now, RATE_MOVES, RATE_WINDOWS, ahead_of};
use super::rolling::{Outlook, Past};
use super::scale::{Scale, is_whole};
use super::trajectory::Learned;
use crate::assess::window::Span;
use crate::model::kpi::Kpi;

/// Denominators, equally likely, that stand for all that may come: as many cases as there are decide what a ratio can be.
const CASES: usize = 9;

/// The law of a ratio of counts whose numerators and denominators are both still to come.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    /// Numerators that are there.
    done: f64,
    /// Each denominator that may come about, all equally likely, and the law of the numerators to come with it.
    cases: Vec<(f64, Counted)>,
}

impl Learned {
    pub(super) fn pooled(&self, span: Span, now: &Now<'_>, kpi: &Kpi) -> Option<Landing> {
        let ahead = ahead_of(Figure::Pooled, span, now.next);
        let coming = self.coming(ahead, self.gaps(now, kpi), now)?;
        let volume = coming.law(coming.gain);
        let numerators = History { part: Part::Numerator, ..*now.history };
        let values = numerators.values(self.first, numerators.known_to);
        let rates: Vec<f64> =
            values.iter().zip(&now.values).map(|(numerator, denominator)| numerator / denominator).collect();
        let pairs = || values.iter().zip(&now.values).filter(|(numerator, _)| !numerator.is_nan());
        let are_parts = pairs().all(|(part, whole)| *part >= 0.0 && part <= whole);
        let are_counts = are_parts && pairs().all(|(part, whole)| is_whole(*part) && is_whole(*whole));
        let scale = if are_parts { Scale::Part } else { Scale::plain(&rates) };
        let sums = pairs().fold((0.0, 0.0), |sums, (part, whole)| (sums.0 + part, sums.1 + whole));
        let usual = sums.0 / sums.1;
        let chance = if are_counts && sums.1 > 0.0 { usual * (1.0 - usual) } else { 0.0 };
        let past = Past { values: &values, tame: &values, volumes: &now.values, rhythm: &self.rhythm, scale, chance };
        let outlook = Outlook::of(past, ahead)?;
        let there = Span { from: span.from, to: now.history.known_to };
        let (done, over) = (numerators.sum(there).0, now.history.sum(there).0);
        let (rate, trials) = (scale.take(outlook.center), volume.mean());
        if are_counts && trials * rate.min(1.0 - rate) <= EXPECTED_MAX {
            let shares = Shares::of(&outlook, scale, &volume, (done, over))?;
            return Some(Landing { done: 0.0, over: 1.0, law: Law::Shares(shares), kept: None });
        }
        let off = rates.iter().filter(|other| other.is_finite()).map(|other| (other - rate).abs());
        let size = scale.take(scale.share_at(outlook.center)).max(f64::MIN_POSITIVE);
        let chance = off.sum::<f64>() / (size * rates.len() as f64 * (ahead.take as f64).sqrt());
        Some(Landing { done, over: over + trials, law: Law::level(&outlook, scale, trials, chance), kept: None })
    }
}

impl Shares {
    /// The beta-binomial whose correlation is that of the past forecasts (by moments), for each number of cases that may
    /// come. None where no case may.
    fn of(outlook: &Outlook, scale: Scale, volume: &Law, (done, over): (f64, f64)) -> Option<Shares> {
        let rate_of = |put: f64, trials: f64| {
            let least = (0.5 / (trials + 1.0)).min(0.5);
            scale.take(put).clamp(least, 1.0 - least)
        };
        let (mut beyond, mut pairs) = (0.0, 0.0);
        for lesson in &outlook.lessons {
            let rate = rate_of(lesson.foretold, lesson.volume);
            let single = rate * (1.0 - rate);
            beyond += lesson.weight * ((lesson.sum - lesson.volume * rate).powi(2) - lesson.volume * single);
            pairs += lesson.weight * lesson.volume * (lesson.volume - 1.0) * single;
        }
        let (found, windows) = if pairs > 0.0 { ((beyond / pairs).max(0.0), outlook.windows) } else { (0.0, 0.0) };
        let of_case = |case: usize| {
            let trials = volume.quantile((case as f64 + 0.5) / CASES as f64).round().max(0.0);
            let rate = rate_of(outlook.center, trials);
            let rare = rate.min(1.0 - rate);
            let guess = RATE_MOVES * RATE_MOVES * rare / (1.0 - rare);
            let own = outlook.chance / (rate * (1.0 - rate));
            let alike = ((windows * found + RATE_WINDOWS * (guess + own)) / (windows + RATE_WINDOWS)).max(own);
            (over + trials, Counted::shares(trials, rate, alike))
        };
        let cases: Vec<(f64, Counted)> =
            (0..CASES).map(of_case).filter(|(denominator, _)| *denominator > 0.0).collect();
        (!cases.is_empty()).then_some(Shares { done, cases })
    }

    fn over_cases(&self, of: impl Fn(f64, &Counted) -> f64) -> f64 {
        self.cases.iter().map(|(denominator, law)| of(*denominator, law)).sum::<f64>() / self.cases.len() as f64
    }

    /// The probability of a ratio under that.
    pub(super) fn below(&self, ratio: f64) -> f64 {
        self.over_cases(|denominator, law| law.below(ratio * denominator - self.done))
    }

    pub(super) fn at_most(&self, ratio: f64) -> f64 {
        self.over_cases(|denominator, law| law.at_most(ratio * denominator - self.done))
    }

    /// The least ratio that is not exceeded with that probability.
    pub(super) fn quantile(&self, probability: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            // A hair of tolerance, as everywhere.
            if self.at_most(middle * (1.0 + 1e-12)) < probability { low = middle } else { high = middle }
        }
        high
    }

    pub(super) fn mean(&self) -> f64 {
        self.over_cases(|denominator, law| (self.done + law.mean) / denominator)
    }
}
