//! A history as forecasters learn of it: bounded, in a handy unit, without gaps and without lone outliers.
//!
//! Each value is mended by those before it alone, so that what a forecaster reads at an origin in the past is what it
//! would have read then.

use super::outlier;

/// One series up to now.
pub(super) struct History {
    /// As observed, in `unit`; NaN where nothing was.
    pub(super) observed: Vec<f64>,
    /// The same with gaps filled and lone outliers taken out.
    pub(super) learned: Vec<f64>,
    /// The range of what was observed.
    pub(super) low: f64,
    pub(super) high: f64,
    /// What the values were divided by: a power of two near their size, so that nothing is lost and no figure is too
    /// large or too small for sums of squares.
    pub(super) unit: f64,
    /// Whether most buckets have nothing, and none of that by the clock: sales of a spare part, incidents.
    pub(super) is_sparse: bool,
}

/// Newest buckets that are read; what is older tells of other times, and would cost time.
const NEWEST: usize = 2_000;
/// Of the longest season as many are read, where that is more.
const NEWEST_SEASONS: usize = 4;
/// Seasons after which a place that was always zero is taken to be closed; before, it may be so by chance.
const SEASONS_TO_REST: usize = 4;
/// Buckets over which a level is averaged where there is no season.
const LEVEL: usize = 6;

impl History {
    /// None of a series without any value.
    pub(super) fn of(values: &[f64], seasons: &[usize]) -> Option<History> {
        let longest = seasons.last().copied().unwrap_or(0);
        let newest = &values[values.len().saturating_sub(NEWEST.max(NEWEST_SEASONS * longest))..];
        let first = newest.iter().position(|value| value.is_finite())?;
        let known = || newest.iter().copied().filter(|value| value.is_finite());
        let unit = unit_of(known());
        let scaled = |value: &f64| if value.is_finite() { value / unit } else { f64::NAN };
        let observed: Vec<f64> = newest[first..].iter().map(scaled).collect();
        let low = known().fold(f64::INFINITY, f64::min) / unit;
        let high = known().fold(f64::NEG_INFINITY, f64::max) / unit;
        let is_sparse = low >= 0.0 && is_sparse(&observed, seasons);
        let filled = filled(&observed, seasons);
        // Where most is zero, all that is not lies far from it.
        let learned = if is_sparse { filled } else { outlier::tamed(&filled, seasons) };
        Some(History { observed, learned, low, high, unit, is_sparse })
    }

    pub(super) fn len(&self) -> usize {
        self.observed.len()
    }

    /// Values that were observed.
    pub(super) fn count(&self) -> usize {
        self.observed.iter().filter(|value| value.is_finite()).count()
    }
}

/// Whether more than half of the buckets are zero, of those whose place of the season is not always so.
fn is_sparse(observed: &[f64], seasons: &[usize]) -> bool {
    let is_mostly_zero = |values: &mut dyn Iterator<Item = f64>| {
        let (mut zeros, mut count) = (0, 0);
        for value in values.filter(|value| value.is_finite()) {
            zeros += usize::from(value == 0.0);
            count += 1;
        }
        2 * zeros > count
    };
    if !is_mostly_zero(&mut observed.iter().copied()) {
        return false;
    }
    // The longest season that the shortest one fits into: a week of hours, a week of days.
    let shortest = seasons.first().copied().unwrap_or(1);
    let has_come_round = |season: &usize| SEASONS_TO_REST * season <= observed.len();
    let fits = |season: &usize| season.is_multiple_of(shortest) && has_come_round(season);
    let season = seasons.iter().copied().rfind(fits).unwrap_or(1);
    let mut rests = vec![true; season];
    for (at, _) in observed.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        rests[at % season] = false;
    }
    is_mostly_zero(&mut observed.iter().enumerate().filter(|(at, _)| !rests[at % season]).map(|(_, value)| *value))
}

/// The power of two next to the mean size of the values.
fn unit_of(known: impl Iterator<Item = f64>) -> f64 {
    let (mut mean, mut count) = (0.0, 0.0);
    for value in known {
        count += 1.0;
        mean += (value.abs() - mean) / count;
    }
    if mean > 0.0 { mean.log2().round().clamp(-1_000.0, 1_000.0).exp2() } else { 1.0 }
}

/// Gaps take what was a season before, moved by what the level has moved since; else the value before.
fn filled(observed: &[f64], seasons: &[usize]) -> Vec<f64> {
    let mut values = observed.to_vec();
    if values.iter().all(|value| value.is_finite()) {
        return values;
    }
    let moves = 2.0 / (seasons.first().map_or(LEVEL, |season| LEVEL.max(*season)) as f64 + 1.0);
    let mut levels: Vec<f64> = Vec::with_capacity(values.len());
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for at in 0..values.len() {
        let level = levels.last().copied().unwrap_or(values[at]);
        if values[at].is_finite() {
            low = low.min(values[at]);
            high = high.max(values[at]);
        } else {
            values[at] = match seasons.iter().rev().find(|season| **season < at) {
                Some(season) => (values[at - season] + level - levels[at - season - 1]).clamp(low, high),
                None => values[at - 1],
            };
        }
        levels.push(level + (values[at] - level) * moves);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::History;

    #[test]
    fn gaps_are_filled_by_the_season_before() {
        let nan = f64::NAN;
        let learned = |values: &[f64], seasons: &[usize]| {
            let history = History::of(values, seasons).unwrap();
            history.learned.iter().map(|value| (value * history.unit).round()).collect::<Vec<_>>()
        };
        assert_eq!(learned(&[nan, 4.0, nan, nan, 8.0], &[]), [4.0, 4.0, 4.0, 8.0]);
        assert_eq!(learned(&[1.0, 9.0, 5.0, 1.0, 9.0, 5.0, 1.0, nan, 5.0], &[3])[7], 9.0);
        // Leading gaps are none, and what was before them isn't read.
        let history = History::of(&[nan, nan, 3.0, nan], &[7]).unwrap();
        assert_eq!((history.len(), history.count(), history.learned.len()), (2, 1, 2));
        assert!(History::of(&[nan, f64::INFINITY], &[]).is_none());
        assert!(History::of(&[], &[]).is_none());
    }

    #[test]
    fn the_unit_is_a_power_of_two() {
        for (values, unit) in [(&[0.0, 0.0][..], 1.0), (&[-1000.0, 1000.0], 1024.0), (&[0.3], 0.25), (&[1e300], 0.0)] {
            let history = History::of(values, &[]).unwrap();
            assert!(unit == 0.0 || history.unit == unit, "{} of {values:?}", history.unit);
            assert!(history.observed.iter().all(|value| value.abs() <= 2.0), "{:?}", history.observed);
        }
    }
}
