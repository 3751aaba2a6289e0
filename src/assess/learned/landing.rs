//! Where a period will end: mean, interval, and the probability of reaching a target.

use super::counted::{Counted, EXPECTED_MAX};
use super::factors::Factors;
use super::history::{History, Part};
use super::rolling::{Ahead, Outlook, Past};
use super::scale::{Scale, is_rare, is_whole};
use super::spread::Spread;
use super::staying::Staying;
use super::trajectory::Learned;
use crate::assess::window::Span;
use crate::model::grain::BucketIndex;
use crate::model::kpi::{Empty, Kpi};
use crate::model::objective::Target;
use crate::model::unit::Kind;

/// Probabilities stay this far from certainty while the period runs.
pub(in crate::assess) const DOUBT: f64 = 0.001;
/// Reaches of the level (half months) in which gaps are counted.
const GAP_REACHES: usize = 6;
/// Part of what a working day brings under which a free day brings nothing.
const FREE_PART: f64 = 0.05;
/// What the rate of a count or a share moves by, before anything is learned, and the independent windows that this guess
/// and the guess of no bias weigh as.
const RATE_MOVES: f64 = 0.10;
const RATE_WINDOWS: f64 = 3.0;
const BIAS_WINDOWS: f64 = 8.0;

/// How the buckets of a span make its figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::assess) enum Figure {
    Sum,
    Mean,
    /// The last bucket's own.
    Last,
    /// The last bucket's own, while each bucket to come must meet this target.
    Each(Target),
    /// Numerators over denominators.
    Pooled,
}

/// A figure's law at the end of its span: what is there plus what is to come, over a divisor.
#[derive(Clone, Debug)]
pub(in crate::assess) struct Landing {
    done: f64,
    over: f64,
    law: Law,
    /// Of a target that each bucket to come must meet: the probability that all do.
    kept: Option<(Target, f64)>,
}

/// The law of what is to come.
#[derive(Clone, Debug)]
enum Law {
    /// So many times a level.
    Level {
        gain: f64,
        scale: Scale,
        center: f64,
        spread: Spread,
    },
    Counted(Counted),
}

/// What is known at one moment about the series of a landing.
struct Now<'a> {
    history: &'a History<'a>,
    next: BucketIndex,
    values: Vec<f64>,
    factors: Factors,
}

impl Learned {
    /// The landing of a figure over a span that ends with the period (the period itself, or its last buckets), from what is
    /// known up to the history's end. None without data, and once nothing is ahead. Of pooled ratios the trajectory is that
    /// of the denominators.
    pub(in crate::assess) fn landing(
        &self,
        figure: Figure,
        span: Span,
        history: &History<'_>,
        kpi: &Kpi,
    ) -> Option<Landing> {
        let next = history.known_to + 1;
        if next > span.to {
            return None;
        }
        let part = if figure == Figure::Pooled { Part::Denominator } else { history.part };
        let history = &History { part, ..*history };
        let values = history.values(self.first, history.known_to);
        let stands = part == Part::Value && kpi.kind != Kind::Flow;
        let mut factors = self.factors_now(&values, stands);
        factors.retame(&values, self.rhythm.reach);
        let now = Now { history, next, values, factors };
        match figure {
            Figure::Pooled => self.pooled(span, &now, kpi),
            Figure::Sum | Figure::Mean | Figure::Last | Figure::Each(_) => self.added(figure, span, &now, kpi),
        }
    }

    /// Of a history that is too short to learn from only the calendar is known. Where its free days bring figures as the
    /// others do, all days are alike; so they are for what `stands` at a moment, on free days as on others.
    fn factors_now(&self, values: &[f64], stands: bool) -> Factors {
        let most = self.factors.of.iter().fold(0.0, |most: f64, factor| most.max(*factor));
        let of_days = |free: bool| {
            let known = values.iter().zip(&self.factors.of).filter(|(value, _)| !value.is_nan());
            let those = known.filter(|(_, factor)| (**factor < FREE_PART * most) == free);
            let (sum, count) = those.fold((0.0, 0.0), |(sum, count), (value, _)| (sum + value.abs(), count + 1.0));
            (count > 0.0).then(|| sum / count)
        };
        let are_alike = match (of_days(true), of_days(false)) {
            (Some(free), Some(working)) => stands || free > FREE_PART * working,
            _ => stands,
        };
        if !self.is_learned() && are_alike {
            return Factors::fixed(values, vec![1.0; self.factors.of.len()]);
        }
        self.factors.clone()
    }

    fn added(&self, figure: Figure, span: Span, now: &Now<'_>, kpi: &Kpi) -> Option<Landing> {
        let ahead = ahead_of(figure, span, now.next);
        let (scale, is_rare) = (scale_of(&now.values), is_rare(&now.values));
        let is_signed = matches!(scale, Scale::Plain { .. }) && !is_rare;
        let past = Past {
            values: &now.values,
            // What goes to and fro about zero has no spikes to be told by its level.
            tame: if is_signed { &now.values } else { &now.factors.tame },
            volumes: &now.factors.of,
            rhythm: &self.rhythm,
            scale,
        };
        let outlook = Outlook::of(past, ahead)?;
        let stands = matches!(figure, Figure::Last | Figure::Each(_));
        let gaps = if stands { 1.0 } else { self.gaps(now, kpi) };
        let (sum_ahead, squares) = volume(now, ahead);
        let gain = gaps * sum_ahead;
        let (sum, count) = now.history.sum(Span { from: span.from, to: now.history.known_to });
        let (done, over) = match figure {
            Figure::Sum | Figure::Pooled => (sum, 1.0),
            Figure::Mean => (sum, count as f64 + gaps * ahead.take as f64),
            Figure::Last | Figure::Each(_) => (0.0, 1.0),
        };
        // Buckets that each vary by a share make a sum that varies by that times the root of their coarseness.
        let coarseness = if sum_ahead > 0.0 { squares.sqrt() / sum_ahead } else { 1.0 };
        let chance = now.factors.spread.clamp(0.02, 2.0) * coarseness;
        let law_of = |gain: f64| {
            if is_rare && gain * scale.take(outlook.center) <= EXPECTED_MAX {
                return Law::Counted(rare(&outlook, scale, gain));
            }
            Law::level(&outlook, scale, gain, chance)
        };
        let kept = match figure {
            Figure::Each(target) => {
                let one = |factor: f64| Landing { done, over, law: law_of(factor), kept: None }.chance(target);
                let before = usize::try_from(self.whole.from - self.first).unwrap_or(0);
                let staying = Staying { past, outlook: &outlook, ahead, before, is_rare, target };
                Some((target, staying.chance(one)))
            }
            Figure::Sum | Figure::Mean | Figure::Last | Figure::Pooled => None,
        };
        Some(Landing { done, over, law: law_of(gain), kept })
    }

    /// Numerators over denominators: those to come are forecast as a flow, their rate as the level of a series whose
    /// volumes they are.
    fn pooled(&self, span: Span, now: &Now<'_>, kpi: &Kpi) -> Option<Landing> {
        let ahead = ahead_of(Figure::Pooled, span, now.next);
        let scale = Scale::of(&now.values);
        let weights = Past {
            values: &now.values,
            tame: &now.factors.tame,
            volumes: &now.factors.of,
            rhythm: &self.rhythm,
            scale,
        };
        let gaps = self.gaps(now, kpi);
        let trials = gaps * volume(now, ahead).0 * scale.take(Outlook::of(weights, ahead)?.center);
        // Few cases are counted, and so are what they are divided by.
        let trials =
            if now.values.iter().all(|value| value.is_nan() || is_whole(*value)) { trials.round() } else { trials };
        let numerators = History { part: Part::Numerator, ..*now.history };
        let values = numerators.values(self.first, numerators.known_to);
        let rates: Vec<f64> =
            values.iter().zip(&now.values).map(|(numerator, denominator)| numerator / denominator).collect();
        let pairs = || values.iter().zip(&now.values).filter(|(numerator, _)| !numerator.is_nan());
        let are_parts = pairs().all(|(part, whole)| *part >= 0.0 && part <= whole);
        let scale = if are_parts { Scale::Part } else { Scale::plain(&rates) };
        let past = Past { values: &values, tame: &values, volumes: &now.values, rhythm: &self.rhythm, scale };
        let outlook = Outlook::of(past, ahead)?;
        let there = Span { from: span.from, to: now.history.known_to };
        let (done, over) = (numerators.sum(there).0, now.history.sum(there).0 + trials);
        let rate = scale.take(outlook.center);
        let are_counts = pairs().all(|(part, whole)| is_whole(*part) && is_whole(*whole));
        if are_parts && are_counts && trials * rate.min(1.0 - rate) <= EXPECTED_MAX {
            return Some(Landing { done, over, law: Law::Counted(shares(&outlook, scale, trials)), kept: None });
        }
        let off = rates.iter().filter(|other| other.is_finite()).map(|other| (other - rate).abs());
        let size = scale.take(scale.share_at(outlook.center)).max(f64::MIN_POSITIVE);
        let chance = off.sum::<f64>() / (size * rates.len() as f64 * (ahead.take as f64).sqrt());
        Some(Landing { done, over, law: Law::level(&outlook, scale, trials, chance), kept: None })
    }

    /// The share of the buckets to come that will be there.
    fn gaps(&self, now: &Now<'_>, kpi: &Kpi) -> f64 {
        if kpi.empty == Empty::Zero {
            return 1.0;
        }
        let newest = now.history.known_to;
        let from = newest - (GAP_REACHES * self.rhythm.reach) as i64 + 1;
        now.history.presence(Span { from: from.max(self.first), to: newest })
    }
}

/// What the buckets ahead weigh: the sum of their factors, and that of the squares.
fn volume(now: &Now<'_>, ahead: Ahead) -> (f64, f64) {
    let start = now.values.len() + ahead.skip;
    let factors = now.factors.of[start..start + ahead.take].iter();
    factors.fold((0.0, 0.0), |(sum, squares), factor| (sum + factor, squares + factor * factor))
}

fn ahead_of(figure: Figure, span: Span, next: BucketIndex) -> Ahead {
    let from = if let Figure::Last | Figure::Each(_) = figure { span.to } else { next.max(span.from) };
    let buckets = |count: BucketIndex| usize::try_from(count).unwrap_or(0);
    Ahead { skip: buckets(from - next), take: buckets(span.to - from + 1), since: buckets(next - span.from) }
}

/// Counts of what is rare add up where their logarithms would not.
fn scale_of(values: &[f64]) -> Scale {
    if is_rare(values) { Scale::plain(values) } else { Scale::of(values) }
}

/// The negative binomial whose variance beyond the Poisson's is that of the past forecasts (by moments).
fn rare(outlook: &Outlook, scale: Scale, gain: f64) -> Counted {
    let (mut came, mut foretold, mut beyond, mut squares) = (0.0, 0.0, 0.0, 0.0);
    for lesson in &outlook.lessons {
        let mean = scale.take(lesson.foretold).max(0.0) * lesson.volume;
        came += lesson.weight * lesson.sum;
        foretold += lesson.weight * mean;
        beyond += lesson.weight * ((lesson.sum - mean).powi(2) - mean);
        squares += lesson.weight * mean * mean;
    }
    let guess = RATE_MOVES * RATE_MOVES;
    let (mut bias, mut over) = (1.0, guess);
    if foretold > 0.0 {
        bias = (outlook.windows * came / foretold + BIAS_WINDOWS) / (outlook.windows + BIAS_WINDOWS);
        over =
            (outlook.windows * (beyond / squares).max(0.0) + RATE_WINDOWS * guess) / (outlook.windows + RATE_WINDOWS);
    }
    // Where nothing has come for long, something still may.
    let mean = (gain * scale.take(outlook.center) * bias).max(0.05);
    Counted::rare(mean, over)
}

/// The beta-binomial whose correlation is that of the past forecasts (by moments).
fn shares(outlook: &Outlook, scale: Scale, trials: f64) -> Counted {
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
    let rate = rate_of(outlook.center, trials);
    let rare = rate.min(1.0 - rate);
    let guess = RATE_MOVES * RATE_MOVES * rare / (1.0 - rare);
    let found = if pairs > 0.0 { (beyond / pairs).max(0.0) } else { 0.0 };
    let windows = if pairs > 0.0 { outlook.windows } else { 0.0 };
    let alike = (windows * found + RATE_WINDOWS * guess) / (windows + RATE_WINDOWS);
    Counted::shares(trials, rate, alike)
}

impl Law {
    fn level(outlook: &Outlook, scale: Scale, gain: f64, chance: f64) -> Law {
        let share = scale.share_at(outlook.center);
        let errors = outlook.lessons.iter().map(|lesson| (lesson.error, lesson.weight));
        let spread = Spread::of(errors.collect(), outlook.windows, chance * share, share);
        Law::Level { gain, scale, center: outlook.center, spread }
    }

    /// The probability that less than that is to come.
    fn below(&self, amount: f64) -> f64 {
        match self {
            Law::Counted(law) => law.below(amount),
            // A bucket in which nothing is due brings nothing.
            Law::Level { gain: 0.0, .. } => f64::from(u8::from(amount > 0.0)),
            Law::Level { gain, scale, center, spread } => {
                scale.error(amount / gain, *center).map_or(0.0, |error| spread.at_most(error))
            }
        }
    }

    fn at_most(&self, amount: f64) -> f64 {
        match self {
            Law::Counted(law) => law.at_most(amount),
            Law::Level { gain: 0.0, .. } => f64::from(u8::from(amount >= 0.0)),
            Law::Level { .. } => self.below(amount),
        }
    }

    fn quantile(&self, probability: f64) -> f64 {
        match self {
            Law::Counted(law) => law.quantile(probability),
            Law::Level { gain, scale, center, spread } => gain * scale.take(center + spread.quantile(probability)),
        }
    }

    fn mean(&self) -> f64 {
        match self {
            Law::Counted(law) => law.mean,
            Law::Level { gain, scale, center, spread } => gain * spread.mean(|error| scale.take(center + error)),
        }
    }
}

impl Landing {
    pub(in crate::assess) fn mean(&self) -> f64 {
        (self.done + self.law.mean()) / self.over
    }

    /// The end stays under it with that probability.
    pub(in crate::assess) fn quantile(&self, probability: f64) -> f64 {
        (self.done + self.law.quantile(probability)) / self.over
    }

    /// The bounds within which the end lies with a probability of 80 %.
    #[cfg(test)]
    pub(in crate::assess) fn interval(&self) -> (f64, f64) {
        (self.quantile(0.1), self.quantile(0.9))
    }

    /// The probability that the end meets a target, or that all buckets to come do where each must; strictly between 0
    /// and 1.
    pub(in crate::assess) fn probability(&self, target: Target) -> f64 {
        let chance = match self.kept {
            Some((of, chance)) if of == target => chance,
            _ => self.chance(target),
        };
        DOUBT + (1.0 - 2.0 * DOUBT) * chance
    }

    fn chance(&self, target: Target) -> f64 {
        // A hair of tolerance: sums of decimals that should meet a whole number may not quite.
        let below = |goal: f64| self.law.below(self.missing(goal) - self.hair(goal));
        let at_most = |goal: f64| self.law.at_most(self.missing(goal) + self.hair(goal));
        let chance = match target {
            Target::Reach(goal) | Target::AtLeast(goal) => 1.0 - below(goal),
            Target::ReduceTo(goal) | Target::AtMost(goal) => at_most(goal),
            Target::Between(low, high) => at_most(high) - below(low),
        };
        chance.clamp(0.0, 1.0)
    }

    fn missing(&self, goal: f64) -> f64 {
        goal * self.over - self.done
    }

    fn hair(&self, goal: f64) -> f64 {
        1e-9 * (goal * self.over).abs()
    }
}
