//! What several forecasters say together, each by how little it erred (Bates and Granger 1969, "The combination of
//! forecasts").

use super::candidate::Candidate;
use super::history::History;

/// How strongly errors tell: half the error weighs 64 times as much. What errs about as little as the best keeps a say.
const POWER: i32 = 6;
/// A loss this small a share of the usual one is none.
const SHARE_MIN: f64 = 1e-6;
/// In the unit of the history, whose values are about one: what repeats itself to the last bit still has a usual error.
const ERROR_MIN: f64 = 1e-9;
/// Below this share of gain over a mere repetition the blend is trusted only in part: what hardly wins may only have been
/// lucky, and a series without any pattern is best forecast by its last value.
const GAIN_TRUSTED: f64 = 0.05;
/// At most so large a part of what was seen is left out on either side of an origin.
const PARTS_LEFT: usize = 4;
/// Horizons that the gain must have been seen over to count.
const HORIZONS_MIN: usize = 3;

/// One path from each origin, the last from now.
pub(super) struct Blend {
    pub(super) paths: Vec<Vec<f64>>,
    /// What each candidate weighs now, of 1.
    pub(super) weights: Vec<f64>,
}

impl Blend {
    pub(super) fn of(
        history: &History,
        seasons: &[usize],
        candidates: &[Candidate],
        origins: &[usize],
        horizon: usize,
    ) -> Blend {
        let losses = Losses::of(history, seasons, candidates, origins, horizon);
        // At an origin of the past, those that overlap it have no say: else its errors would look smaller than they are.
        let weights = |place: usize| losses.weights((place + 1 < origins.len()).then_some(place));
        let blended = |place: usize| blended(candidates, &weights(place), place, horizon);
        let mut paths: Vec<Vec<f64>> = (0..origins.len()).map(blended).collect();
        let now = origins.len() - 1;
        let mut shares = weights(now);
        let total: f64 = shares.iter().sum();
        for share in &mut shares {
            *share /= total;
        }
        if let Some((repetition, trust)) = trust(&losses, history, candidates, &paths, origins) {
            for (path, repeated) in paths.iter_mut().zip(&candidates[repetition].paths) {
                if let Some(repeated) = repeated {
                    path.iter_mut().zip(repeated).for_each(|(mean, last)| *mean = last + (*mean - last) * trust);
                }
            }
            for share in &mut shares {
                *share *= trust;
            }
            shares[repetition] += 1.0 - trust;
        }
        Blend { paths, weights: shares }
    }

    /// Who says most, for people.
    pub(super) fn name(&self, candidates: &[Candidate]) -> String {
        const NAMED: usize = 3;
        const SHARE_NAMED: f64 = 0.05;
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|a, b| self.weights[*b].total_cmp(&self.weights[*a]));
        let named =
            order.iter().enumerate().take(NAMED).filter(|(at, place)| *at == 0 || self.weights[**place] >= SHARE_NAMED);
        let percent = |share: f64| (share * 100.0).round();
        let mut parts = Vec::new();
        let mut left = 100.0;
        for (_, place) in named {
            let share = percent(self.weights[*place]).min(left);
            left -= share;
            parts.push(format!("{} {share} %", candidates[*place].name));
        }
        if left > 0.0 {
            parts.push(format!("others {left} %"));
        }
        parts.join(", ")
    }
}

/// The mean of what is there, by weight.
fn blended(candidates: &[Candidate], weights: &[f64], place: usize, horizon: usize) -> Vec<f64> {
    let mut path = vec![0.0; horizon];
    let said = || {
        candidates
            .iter()
            .zip(weights)
            .filter_map(|(candidate, weight)| Some((candidate.paths[place].as_ref()?, weight)))
    };
    let total: f64 = said().map(|(_, weight)| weight).sum();
    for (own, weight) in said() {
        path.iter_mut().zip(own).for_each(|(mean, value)| *mean += value * (weight / total));
    }
    path
}

/// The best repetition, and how far the blend is trusted beside it; none where too little was seen to say.
fn trust(
    losses: &Losses<'_>,
    history: &History,
    candidates: &[Candidate],
    paths: &[Vec<f64>],
    origins: &[usize],
) -> Option<(usize, f64)> {
    let ratios = losses.ratios(None);
    let repetitions = (0..candidates.len()).filter(|place| candidates[*place].is_repetition);
    let best = repetitions.min_by(|a, b| ratios[*a].total_cmp(&ratios[*b]))?;
    // Where all have a say: before, the blend was another.
    let whole =
        (0..origins.len()).find(|place| candidates.iter().all(|candidate| candidate.paths[*place].is_some()))?;
    if history.len() - origins[whole] < HORIZONS_MIN * losses.horizon {
        return None;
    }
    let (mut blend, mut repetition) = (0.0, 0.0);
    for place in whole..origins.len() - 1 {
        blend += losses.unit.loss(&history.observed[origins[place]..], &paths[place]);
        repetition += losses.of[best][place];
    }
    let gain = if repetition > 0.0 { 1.0 - blend / repetition } else { 0.0 };
    Some((best, (gain / GAIN_TRUSTED).clamp(0.0, 1.0)))
}

/// What counts as one unit of error: the sum of the error itself and of its share of the value, each in what a repetition
/// usually errs. The one alone would follow the highest hours only, the other the lowest.
///
/// Of a sparse series it is the square of the error: what errs least there in plain is ever zero, and what foretells too
/// little of a stock is worth nothing.
struct Unit {
    plain: f64,
    share: f64,
    is_square: bool,
}

impl Unit {
    fn of(history: &History, season: usize) -> Unit {
        let (learned, is_square) = (&history.learned, history.is_sparse);
        let lag = season.min(learned.len() - 1).max(1);
        let (mut plain, mut share, mut count) = (0.0, 0.0, 0.0);
        for (now, before) in learned.iter().skip(lag).zip(learned) {
            plain += if is_square { (now - before).powi(2) } else { (now - before).abs() };
            share += share_of(*now, *before);
            count += 1.0;
        }
        let mean = |sum: f64| f64::max(sum / f64::max(count, 1.0), ERROR_MIN);
        Unit { plain: mean(plain), share: mean(share), is_square }
    }

    fn loss(&self, observed: &[f64], path: &[f64]) -> f64 {
        let known = observed.iter().zip(path).filter(|(value, _)| value.is_finite());
        if self.is_square {
            return known.map(|(value, mean)| (value - mean).powi(2) / self.plain).sum();
        }
        known.map(|(value, mean)| (value - mean).abs() / self.plain + share_of(*value, *mean) / self.share).sum()
    }
}

/// The difference as a share of the mean size.
fn share_of(a: f64, b: f64) -> f64 {
    let size = a.abs() + b.abs();
    if size > 0.0 { 2.0 * (a - b).abs() / size } else { 0.0 }
}

/// What each candidate lost at each origin of the past.
struct Losses<'a> {
    /// By candidate and origin; NaN where it said nothing.
    of: Vec<Vec<f64>>,
    /// The median of the candidates: how hard that origin was. Candidates that missed other origins are compared by it.
    usual: Vec<f64>,
    origins: &'a [usize],
    horizon: usize,
    unit: Unit,
}

impl<'a> Losses<'a> {
    fn of(
        history: &History,
        seasons: &[usize],
        candidates: &[Candidate],
        origins: &'a [usize],
        horizon: usize,
    ) -> Losses<'a> {
        let unit = Unit::of(history, seasons.first().copied().unwrap_or(1));
        let past = &origins[..origins.len() - 1];
        let loss = |(origin, path): (&usize, &Option<Vec<f64>>)| {
            path.as_ref().map_or(f64::NAN, |path| unit.loss(&history.observed[*origin..], path))
        };
        let of: Vec<Vec<f64>> =
            candidates.iter().map(|candidate| past.iter().zip(&candidate.paths).map(loss).collect()).collect();
        let usual = |place: usize| {
            let mut said: Vec<f64> = of.iter().map(|losses| losses[place]).filter(|loss| loss.is_finite()).collect();
            said.sort_by(f64::total_cmp);
            said.get(said.len() / 2).copied().unwrap_or(0.0)
        };
        let usual = (0..past.len()).map(usual).collect();
        Losses { of, usual, origins, horizon, unit }
    }

    /// What each candidate lost, as a ratio to the usual, over the origins that share no step with the one left out.
    fn ratios(&self, except: Option<usize>) -> Vec<f64> {
        // Of a long horizon a part must do, or nothing would be left to compare.
        let span = self.origins[self.origins.len() - 1] - self.origins[0];
        let near = self.horizon.min(span / PARTS_LEFT);
        let overlaps = |place: usize| {
            except.is_some_and(|except| self.origins[except].abs_diff(self.origins[place]) < near.max(1))
        };
        let ratio = |losses: &Vec<f64>| {
            let (mut own, mut usual) = (0.0, 0.0);
            for (place, loss) in losses.iter().enumerate().filter(|(place, loss)| loss.is_finite() && !overlaps(*place))
            {
                own += loss;
                usual += self.usual[place];
            }
            if usual > 0.0 {
                (own / usual).max(SHARE_MIN)
            } else if own > 0.0 {
                SHARE_MIN.recip()
            } else {
                1.0
            }
        };
        self.of.iter().map(ratio).collect()
    }

    fn weights(&self, except: Option<usize>) -> Vec<f64> {
        self.ratios(except).into_iter().map(|ratio| ratio.powi(-POWER)).collect()
    }
}
