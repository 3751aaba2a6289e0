//! The forecasters of a blend, and what each would have said at every origin.

use super::history::History;
use super::space::Space;
use super::{autoregression, intermittent, repetition, smoothing};

/// What a forecaster is asked: from each origin on, of the values before it alone.
pub(super) struct Task<'a> {
    pub(super) values: &'a [f64],
    pub(super) seasons: &'a [usize],
    pub(super) horizon: usize,
    /// Rising; the last is the number of values.
    pub(super) origins: &'a [usize],
}

/// A forecaster's answers.
pub(super) struct Candidate {
    pub(super) name: String,
    /// Only repeats what was: the yardstick of all others.
    pub(super) is_repetition: bool,
    /// By origin; none where too little was known. The last is there.
    pub(super) paths: Vec<Option<Vec<f64>>>,
}

/// How far beyond the range of the history a forecaster may go, in ranges: a recursion that runs away does not.
const BEYOND: f64 = 0.5;

/// All that can forecast this history; the repetition of the last value is always among them.
pub(super) fn candidates(history: &History, seasons: &[usize], horizon: usize, origins: &[usize]) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    // The mean of roots, squared, is less than the mean: of what is mostly zero by far.
    let spaces: &[Space] = if history.is_sparse { &[Space::Plain] } else { Space::fitting(history.low) };
    for space in spaces {
        let values: Vec<f64> = history.learned.iter().map(|value| space.enter(*value)).collect();
        let task = Task { values: &values, seasons, horizon, origins };
        let mut found = Vec::new();
        if *space == Space::Plain {
            found.push(("last value".to_owned(), true, repetition::paths(&task, 1)));
            let season = |season: &usize| (format!("last {season} values"), true, repetition::paths(&task, *season));
            found.extend(seasons.iter().map(season));
            if history.is_sparse {
                found.extend(intermittent::all(&task).map(|(name, paths)| (name, false, paths)));
            }
        }
        let fitted = autoregression::all(&task).into_iter().chain(smoothing::all(&task));
        found.extend(fitted.map(|(name, paths)| (format!("{}{name}", space.prefix()), false, paths)));
        let (low, high) = (space.enter(history.low), space.enter(history.high));
        let reach = (high - low) * BEYOND;
        for (name, is_repetition, paths) in found {
            let left = |path: Vec<f64>| -> Option<Vec<f64>> {
                let is_sound = path.iter().all(|value| value.is_finite());
                is_sound.then(|| path.iter().map(|value| space.leave(value.clamp(low - reach, high + reach))).collect())
            };
            let paths: Vec<Option<Vec<f64>>> = paths.into_iter().map(|path| path.and_then(left)).collect();
            if paths.last().is_some_and(Option::is_some) {
                candidates.push(Candidate { name, is_repetition, paths });
            }
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::{History, candidates};

    #[test]
    fn a_forecast_from_the_past_reads_nothing_that_came_later() {
        let value = |at: usize| 100.0 + [0.0, 4.0, 9.0, 2.0, 1.0, -6.0, -8.0][at % 7] + (at * at % 11) as f64;
        let values: Vec<f64> = (0..200).map(value).collect();
        let mut other = values.clone();
        // The same values in another order, and a gap: the range is known to all.
        other[150..].reverse();
        other[160] = f64::NAN;
        let origins = [90, 120, 150, 200];
        let paths = |values: &[f64]| -> Vec<(String, Vec<Option<Vec<f64>>>)> {
            let history = History::of(values, &[7, 30]).unwrap();
            let found = candidates(&history, &[7, 30], 14, &origins);
            found.into_iter().map(|candidate| (candidate.name, candidate.paths)).collect()
        };
        let (one, other) = (paths(&values), paths(&other));
        assert!(one.len() > 15 && one.len() == other.len(), "{} {}", one.len(), other.len());
        for ((name, one), (_, other)) in one.iter().zip(&other) {
            assert_eq!(one[..3], other[..3], "{name}");
            assert!(one[2].is_some(), "{name}");
        }
        assert!(one.iter().zip(&other).filter(|((_, one), (_, other))| one[3] != other[3]).count() > 15);
    }
}
