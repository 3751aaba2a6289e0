//! How far from its mean a forecast may end up, by what the blend would have erred in the past.
//!
//! Errors of each step are divided by what that step usually errs; their distribution, as it was observed, then serves
//! all steps, so that each is drawn from hundreds of errors instead of from forty. What a step usually errs never falls
//! from one to the next (isotonic regression; Ayer, Brunk and others 1955), and is widened where few independent errors
//! were seen.

/// One error: what was observed, less what was forecast.
pub(super) struct Miss {
    /// The origin's place.
    pub(super) origin: usize,
    pub(super) step: usize,
    pub(super) error: f64,
    pub(super) forecast: f64,
}

/// The distribution of errors at each step from now.
pub(super) struct Spread {
    /// In what a step usually errs, rising.
    errors: Vec<f64>,
    /// What each step usually errs.
    scale: Vec<f64>,
}

/// How errors grow with the forecast: not at all, as for counts, or in proportion.
const EXPONENTS: [f64; 3] = [0.0, 0.5, 1.0];
/// What a further half of an exponent must explain, in mean log-likelihood.
const EXPLAINS_MIN: f64 = 0.01;
/// No forecast is taken to be smaller than this share of the mean size of the history.
const SIZE_MIN: f64 = 0.05;
/// Errors that don't overlap count up to here: the times to come differ from those that were seen more than those among
/// themselves, however many there are.
const INDEPENDENT: (f64, f64) = (2.0, 12.0);

impl Spread {
    /// `path` is the forecast from now, `seen` how many buckets the errors come from, `size` the mean size of the history.
    pub(super) fn of(misses: &[Miss], path: &[f64], seen: usize, size: f64) -> Spread {
        let size = |forecast: f64| f64::max(forecast.abs(), f64::max(size * SIZE_MIN, f64::MIN_POSITIVE));
        let exponent = exponent(misses, path.len(), size);
        let unit = |forecast: f64| size(forecast).powf(exponent);
        let usual = usual(misses, path.len(), unit);
        let standard = |miss: &Miss| {
            let unit = unit(miss.forecast) * usual[miss.step];
            if unit > 0.0 { miss.error / unit } else { 0.0 }
        };
        let mut errors: Vec<f64> = misses.iter().map(standard).collect();
        errors.sort_by(f64::total_cmp);
        let widened = |step: usize| {
            // The spread of a next error, beside that of n errors seen, is wider by about 1 / n.
            let windows = seen as f64 / (step + 1) as f64;
            1.0 + windows.clamp(INDEPENDENT.0, INDEPENDENT.1).recip()
        };
        let scale = usual.iter().zip(path).enumerate().map(|(step, (usual, mean))| usual * unit(*mean) * widened(step));
        Spread { errors, scale: scale.collect() }
    }

    /// The error at a step that a share `p` of errors does not exceed.
    pub(super) fn quantile(&self, step: usize, p: f64) -> f64 {
        let Some(last) = self.errors.len().checked_sub(1) else { return 0.0 };
        let at = p.clamp(0.0, 1.0) * last as f64;
        let (below, above) = (self.errors[at.floor() as usize], self.errors[at.ceil() as usize]);
        (below + (above - below) * at.fract()) * self.scale[step]
    }

    /// No error at this step.
    pub(super) fn rest(&mut self, step: usize) {
        self.scale[step] = 0.0;
    }
}

/// The exponent under which a Laplace distribution with a width for each step explains the errors best.
fn exponent(misses: &[Miss], horizon: usize, size: impl Fn(f64) -> f64) -> f64 {
    let unlikely = |exponent: f64| {
        let mut sums = vec![(0.0, 0.0); horizon];
        let mut logs = 0.0;
        for miss in misses {
            let unit = size(miss.forecast).powf(exponent);
            let (sum, count) = &mut sums[miss.step];
            *sum += miss.error.abs() / unit;
            *count += 1.0;
            logs += unit.ln();
        }
        let widths = sums.iter().filter(|(_, count)| *count > 0.0);
        let width = |(sum, count): &(f64, f64)| count * f64::max(sum / count, f64::MIN_POSITIVE).ln();
        (logs + widths.map(width).sum::<f64>()) / misses.len().max(1) as f64 + 2.0 * exponent * EXPLAINS_MIN
    };
    let all = EXPONENTS.map(|exponent| (unlikely(exponent), exponent));
    all.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0.0, |(_, exponent)| exponent)
}

/// The mean error of each step, never falling; beyond the last that was seen it grows like that of a random walk.
fn usual(misses: &[Miss], horizon: usize, unit: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); horizon];
    for miss in misses {
        let (sum, count) = &mut sums[miss.step];
        *sum += miss.error.abs() / unit(miss.forecast);
        *count += 1.0;
    }
    let seen: Vec<(usize, f64, f64)> = sums
        .into_iter()
        .enumerate()
        .filter(|(_, (_, count))| *count > 0.0)
        .map(|(step, (sum, count))| (step, sum / count, count))
        .collect();
    let never_falling = never_falling(&seen.iter().map(|(_, mean, count)| (*mean, *count)).collect::<Vec<_>>());
    let mut next = seen.iter().map(|(step, ..)| *step).zip(never_falling).peekable();
    let mut last: Option<(usize, f64)> = None;
    let mut usual = Vec::with_capacity(horizon);
    for step in 0..horizon {
        last = next.next_if(|(seen, _)| *seen == step).or(last);
        usual.push(match (last, next.peek().copied()) {
            (Some((seen, mean)), None) => mean * ((step + 1) as f64 / (seen + 1) as f64).sqrt(),
            (Some((_, mean)), Some(_)) | (None, Some((_, mean))) => mean,
            (None, None) => 0.0,
        });
    }
    usual
}

/// The rising sequence next to these values, each with its weight: neighbours that fall are drawn together.
fn never_falling(values: &[(f64, f64)]) -> Vec<f64> {
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for &(value, weight) in values {
        let mut block = (value, weight, 1);
        while let Some(before) = blocks.pop_if(|before| before.0 >= block.0) {
            let weight = before.1 + block.1;
            block = ((before.0 * before.1 + block.0 * block.1) / weight, weight, before.2 + block.2);
        }
        blocks.push(block);
    }
    blocks.into_iter().flat_map(|(value, _, count)| std::iter::repeat_n(value, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Miss, Spread, never_falling, usual};

    #[test]
    fn neighbours_that_fall_are_drawn_together() {
        assert_eq!(never_falling(&[(1.0, 1.0), (3.0, 1.0), (2.0, 3.0), (4.0, 1.0)]), [1.0, 2.25, 2.25, 4.0]);
        assert_eq!(never_falling(&[(3.0, 1.0), (2.0, 1.0), (1.0, 1.0)]), [2.0; 3]);
        assert_eq!(never_falling(&[]), [0.0; 0]);
    }

    #[test]
    fn steps_that_were_not_seen_grow_on() {
        let miss = |step, error| Miss { origin: 0, step, error, forecast: 1.0 };
        assert_eq!(usual(&[miss(0, 2.0), miss(1, -4.0)], 8, |_| 1.0)[..2], [2.0, 4.0]);
        assert_eq!(usual(&[miss(0, 2.0), miss(1, -4.0)], 8, |_| 1.0)[7], 8.0);
        assert_eq!(usual(&[miss(1, 3.0)], 2, |_| 1.0), [3.0, 3.0]);
        assert_eq!(usual(&[], 2, |_| 1.0), [0.0, 0.0]);
    }

    #[test]
    fn errors_that_grow_with_the_forecast_are_seen_to() {
        // A tenth of the forecast either way, or ten.
        let misses = |error: fn(f64) -> f64| -> Vec<Miss> {
            let miss = |at: usize| {
                let forecast = [10.0, 100.0, 1_000.0][at % 3];
                Miss {
                    origin: at,
                    step: 0,
                    error: error(forecast) * if at.is_multiple_of(2) { 1.0 } else { -1.0 },
                    forecast,
                }
            };
            (0..60).map(miss).collect()
        };
        let width = |misses: &[Miss], mean: f64| {
            let spread = Spread::of(misses, &[mean], 60, 100.0);
            spread.quantile(0, 0.9) - spread.quantile(0, 0.1)
        };
        let shares = misses(|forecast| forecast / 10.0);
        assert!((width(&shares, 1_000.0) / width(&shares, 10.0) - 100.0).abs() < 1e-6);
        let alike = misses(|_| 10.0);
        assert!((width(&alike, 1_000.0) - 20.0 * (1.0 + 1.0 / 12.0)).abs() < 1e-6);
        assert!((width(&alike, 10.0) - width(&alike, 1_000.0)).abs() < 1e-9);
    }
}
