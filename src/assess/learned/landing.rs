//! Where a period will end: mean, interval, and the probability of reaching a target.

use super::counted::{Counted, EXPECTED_MAX};
use super::factors::Factors;
use super::history::{History, Part};
use super::pooled::Shares;
use super::rolling::{Ahead, Outlook, Past};
use super::scale::{Scale, is_rare};
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
pub(super) const RATE_MOVES: f64 = 0.10;
pub(super) const RATE_WINDOWS: f64 = 3.0;
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
    pub(super) done: f64,
    pub(super) over: f64,
    pub(super) law: Law,
    /// Of a target that each bucket to come must meet: the probability that all do.
    pub(super) kept: Option<(Target, f64)>,
}

/// What is foretold of the buckets ahead.
pub(super) struct Coming<'a> {
    past: Past<'a>,
    outlook: Outlook,
    /// Whole numbers that are mostly small.
    is_rare: bool,
    /// What chance alone does to their level, as a share of it.
    chance: f64,
    /// What they weigh together.
    pub(super) gain: f64,
}

/// The law of what is to come.
#[derive(Clone, Debug)]
pub(super) enum Law {
    /// So many times a level.
    Level {
        gain: f64,
        scale: Scale,
        center: f64,
        spread: Spread,
    },
    Counted(Counted),
    /// Of the ratio itself, not of what is to come to it.
    Shares(Shares),
}

/// What is known at one moment about the series of a landing.
pub(super) struct Now<'a> {
    pub(super) history: &'a History<'a>,
    pub(super) next: BucketIndex,
    pub(super) values: Vec<f64>,
    pub(super) factors: Factors,
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
        let stands = matches!(figure, Figure::Last | Figure::Each(_));
        let gaps = if stands { 1.0 } else { self.gaps(now, kpi) };
        let coming = self.coming(ahead, gaps, now)?;
        let (sum, count) = now.history.sum(Span { from: span.from, to: now.history.known_to });
        let (done, over) = match figure {
            Figure::Sum | Figure::Pooled => (sum, 1.0),
            Figure::Mean => (sum, count as f64 + gaps * ahead.take as f64),
            Figure::Last | Figure::Each(_) => (0.0, 1.0),
        };
        let of = |law: Law| Landing { done, over, law, kept: None };
        let kept = match figure {
            Figure::Each(target) => {
                let Coming { past, ref outlook, is_rare, .. } = coming;
                let before = usize::try_from(self.whole.from - self.first).unwrap_or(0);
                let staying = Staying { past, outlook, ahead, before, is_rare, target };
                Some((target, staying.chance(|factor| of(coming.law(factor)).chance(target))))
            }
            Figure::Sum | Figure::Mean | Figure::Last | Figure::Pooled => None,
        };
        Some(Landing { kept, ..of(coming.law(coming.gain)) })
    }

    /// What is foretold of the buckets ahead, of which the share `gaps` will be there.
    pub(super) fn coming<'a>(&'a self, ahead: Ahead, gaps: f64, now: &'a Now<'_>) -> Option<Coming<'a>> {
        let (scale, is_rare) = (scale_of(&now.values), is_rare(&now.values));
        let is_signed = matches!(scale, Scale::Plain { .. }) && !is_rare;
        let past = Past {
            values: &now.values,
            // What goes to and fro about zero has no spikes to be told by its level.
            tame: if is_signed { &now.values } else { &now.factors.tame },
            volumes: &now.factors.of,
            rhythm: &self.rhythm,
            scale,
            chance: if is_rare { mean_of(&now.values) / scale.take(1.0).powi(2) } else { 0.0 },
        };
        let outlook = Outlook::of(past, ahead)?;
        let (sum_ahead, squares) = volume(now, ahead);
        // Buckets that each vary by a share make a sum that varies by that times the root of their coarseness.
        let coarseness = if sum_ahead > 0.0 { squares.sqrt() / sum_ahead } else { 1.0 };
        let chance = now.factors.spread.clamp(0.02, 2.0) * coarseness;
        Some(Coming { past, outlook, is_rare, chance, gain: gaps * sum_ahead })
    }

    /// The share of the buckets to come that will be there.
    pub(super) fn gaps(&self, now: &Now<'_>, kpi: &Kpi) -> f64 {
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

pub(super) fn ahead_of(figure: Figure, span: Span, next: BucketIndex) -> Ahead {
    let from = if let Figure::Last | Figure::Each(_) = figure { span.to } else { next.max(span.from) };
    let buckets = |count: BucketIndex| usize::try_from(count).unwrap_or(0);
    Ahead { skip: buckets(from - next), take: buckets(span.to - from + 1), since: buckets(next - span.from) }
}

fn mean_of(values: &[f64]) -> f64 {
    let there = values.iter().filter(|value| !value.is_nan());
    let (sum, count) = there.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
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
    let own = outlook.chance / outlook.center.powi(2).max(1e-9);
    let over = over.max(own);
    // Where nothing has come for long, something still may.
    let mean = (gain * scale.take(outlook.center) * bias).max(0.05);
    Counted::rare(mean, over)
}

impl Coming<'_> {
    /// The law of what buckets of so much weight bring together.
    pub(super) fn law(&self, gain: f64) -> Law {
        let (outlook, scale) = (&self.outlook, self.past.scale);
        if self.is_rare && gain * scale.take(outlook.center) <= EXPECTED_MAX {
            return Law::Counted(rare(outlook, scale, gain));
        }
        Law::level(outlook, scale, gain, self.chance)
    }
}

impl Law {
    pub(super) fn level(outlook: &Outlook, scale: Scale, gain: f64, chance: f64) -> Law {
        let share = scale.share_at(outlook.center);
        let errors = outlook.lessons.iter().map(|lesson| (lesson.error, lesson.weight));
        let spread = Spread::of(errors.collect(), outlook.windows, chance * share, share);
        Law::Level { gain, scale, center: outlook.center, spread }
    }

    /// The probability that less than that is to come.
    fn below(&self, amount: f64) -> f64 {
        match self {
            Law::Counted(law) => law.below(amount),
            Law::Shares(law) => law.below(amount),
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
            Law::Shares(law) => law.at_most(amount),
            Law::Level { gain: 0.0, .. } => f64::from(u8::from(amount >= 0.0)),
            Law::Level { .. } => self.below(amount),
        }
    }

    pub(super) fn quantile(&self, probability: f64) -> f64 {
        match self {
            Law::Counted(law) => law.quantile(probability),
            Law::Shares(law) => law.quantile(probability),
            Law::Level { gain, scale, center, spread } => gain * scale.take(center + spread.quantile(probability)),
        }
    }

    pub(super) fn mean(&self) -> f64 {
        match self {
            Law::Counted(law) => law.mean,
            Law::Shares(law) => law.mean(),
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
