//! A value as a weighted sum of those just before it and of those around it a season before.
//!
//! Regression on the lags 1, 2, 3 and m-1, m, m+1 of each season m: with several seasons these are the lags that a
//! seasonal ARIMA multiplies out to (Box and Jenkins 1970, chapter 9), each with a weight of its own. Least squares with a
//! small ridge (Hoerl and Kennard 1970), fitted anew at each origin from running sums; steps beyond the first are
//! forecast from those before them.

use super::candidate::Task;

/// One way to fit.
struct Way {
    name: &'static str,
    /// Of changes in place of values.
    is_of_changes: bool,
    /// What a value weighs after each further one: old ones count less (half after 350), or all alike.
    forgets: f64,
    /// Share of the squares that is added to each.
    ridge: f64,
    /// Without the longest season, whose lags may cost more than they tell.
    is_short: bool,
}

const WAYS: [Way; 4] = [
    Way { name: "autoregression", is_of_changes: false, forgets: 0.998, ridge: 1e-4, is_short: false },
    Way { name: "long autoregression", is_of_changes: false, forgets: 1.0, ridge: 1e-4, is_short: false },
    Way { name: "autoregression of changes", is_of_changes: true, forgets: 0.998, ridge: 1e-3, is_short: false },
    Way { name: "short autoregression", is_of_changes: false, forgets: 0.998, ridge: 1e-4, is_short: true },
];
/// Values that must be known for each weight.
const ROWS_PER_LAG: usize = 3;
/// Squares below are those of rounding: there is nothing to fit.
const NOTHING: f64 = 1e-12;

/// Each way that the number of values and seasons allows.
pub(super) fn all(task: &Task<'_>) -> Vec<(String, Vec<Option<Vec<f64>>>)> {
    let fits = |seasons: &usize| needed(&lags(&task.seasons[..*seasons])) < task.values.len();
    let Some(most) = (0..=task.seasons.len()).rev().find(fits) else { return Vec::new() };
    let ways = WAYS.iter().filter(|way| !way.is_short || most > 0);
    let seasons = |way: &Way| &task.seasons[..if way.is_short { most - 1 } else { most }];
    ways.map(|way| (way.name.to_owned(), paths(task, &lags(seasons(way)), way))).collect()
}

fn lags(seasons: &[usize]) -> Vec<usize> {
    let mut lags = vec![1, 2, 3];
    lags.extend(seasons.iter().flat_map(|season| [season - 1, *season, season + 1]));
    if let [shortest, _, ..] = seasons {
        lags.push(2 * shortest);
    }
    lags.sort_unstable();
    lags.dedup();
    lags
}

/// Values that must be known to fit these lags.
fn needed(lags: &[usize]) -> usize {
    lags.last().map_or(0, |longest| longest + ROWS_PER_LAG * lags.len())
}

fn paths(task: &Task<'_>, lags: &[usize], way: &Way) -> Vec<Option<Vec<f64>>> {
    let step = usize::from(way.is_of_changes);
    let mut values = task.values.to_vec();
    if way.is_of_changes {
        values = std::iter::once(0.0).chain(values.windows(2).map(|pair| pair[1] - pair[0])).collect();
    }
    let longest = lags.last().copied().unwrap_or(0) + step;
    let needed = needed(lags) + step;
    if needed > values.len() {
        return vec![None; task.origins.len()];
    }
    // Around the mean of what every origin knows, so that the ridge does not draw towards zero.
    let centre = values[step..needed].iter().sum::<f64>() / (needed - step) as f64;
    for value in &mut values {
        *value -= centre;
    }
    let mut sums = Sums::new(lags.len() + 1);
    let mut row = vec![1.0; lags.len() + 1];
    let mut fitted_to = longest;
    let mut paths = Vec::with_capacity(task.origins.len());
    for &origin in task.origins {
        if origin < needed {
            paths.push(None);
            continue;
        }
        for at in fitted_to..origin {
            row[1..].iter_mut().zip(lags).for_each(|(cell, lag)| *cell = values[at - lag]);
            sums.add(&row, values[at], way.forgets);
        }
        fitted_to = origin;
        let mut path = recursion(&values[..origin], lags, &sums.weights(way.ridge), task.horizon);
        for value in &mut path {
            *value += centre;
        }
        if way.is_of_changes {
            let mut level = task.values[origin - 1];
            for value in &mut path {
                level += *value;
                *value = level;
            }
        }
        paths.push(Some(path));
    }
    paths
}

/// Each step from those before it.
fn recursion(known: &[f64], lags: &[usize], weights: &[f64], horizon: usize) -> Vec<f64> {
    let longest = lags.last().copied().unwrap_or(0);
    let mut values = known[known.len() - longest..].to_vec();
    for _ in 0..horizon {
        let at = values.len();
        let sum: f64 = lags.iter().zip(&weights[1..]).map(|(lag, weight)| weight * values[at - lag]).sum();
        values.push(weights[0] + sum);
    }
    values.split_off(longest)
}

/// The running sums of a least-squares fit.
struct Sums {
    width: usize,
    /// Of products of each two cells of a row, by rows.
    squares: Vec<f64>,
    /// Of products of a cell and the value.
    products: Vec<f64>,
    /// Of squared values.
    power: f64,
}

impl Sums {
    fn new(width: usize) -> Sums {
        Sums { width, squares: vec![0.0; width * width], products: vec![0.0; width], power: 0.0 }
    }

    fn add(&mut self, row: &[f64], value: f64, forgets: f64) {
        for (index, cell) in row.iter().enumerate() {
            let sums = &mut self.squares[index * self.width..][..self.width];
            sums.iter_mut().zip(row).for_each(|(sum, other)| *sum = *sum * forgets + cell * other);
            self.products[index] = self.products[index] * forgets + cell * value;
        }
        self.power = self.power * forgets + value * value;
    }

    /// By elimination; a lag that tells nothing of its own weighs nothing.
    fn weights(&self, ridge: f64) -> Vec<f64> {
        let width = self.width;
        let (mut squares, mut weights) = (self.squares.clone(), self.products.clone());
        for index in 1..width {
            squares[index * width + index] += ridge * self.power;
        }
        for pivot in 0..width {
            let (above, below) = squares.split_at_mut((pivot + 1) * width);
            let own = &above[pivot * width..];
            if own[pivot].abs() < NOTHING {
                continue;
            }
            for (index, row) in below.chunks_exact_mut(width).enumerate() {
                let share = row[pivot] / own[pivot];
                row[pivot..].iter_mut().zip(&own[pivot..]).for_each(|(cell, above)| *cell -= share * above);
                weights[pivot + 1 + index] -= share * weights[pivot];
            }
        }
        for pivot in (0..width).rev() {
            let row = &squares[pivot * width..][..width];
            let later: f64 = row.iter().zip(&weights).skip(pivot + 1).map(|(cell, weight)| cell * weight).sum();
            let own = row[pivot];
            weights[pivot] = if own.abs() < NOTHING { 0.0 } else { (weights[pivot] - later) / own };
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::{Sums, all, lags};
    use crate::assess::forecast::candidate::Task;

    #[test]
    fn lags_lie_around_the_seasons() {
        assert_eq!(lags(&[]), [1, 2, 3]);
        assert_eq!(lags(&[2]), [1, 2, 3]);
        assert_eq!(lags(&[12]), [1, 2, 3, 11, 12, 13]);
        assert_eq!(lags(&[24, 168]), [1, 2, 3, 23, 24, 25, 48, 167, 168, 169]);
    }

    #[test]
    fn weights_are_those_of_least_squares() {
        let mut sums = Sums::new(3);
        for (a, b) in [(1.0, 2.0), (2.0, -1.0), (0.5, 0.25), (3.0, 1.0), (-2.0, 4.0)] {
            sums.add(&[1.0, a, b], 7.0 + 2.0 * a - 3.0 * b, 1.0);
        }
        let weights = sums.weights(0.0);
        for (weight, expected) in weights.iter().zip([7.0, 2.0, -3.0]) {
            assert!((weight - expected).abs() < 1e-9, "{weights:?}");
        }
        assert_eq!(Sums::new(3).weights(1e-4), [0.0; 3]);
    }

    #[test]
    fn a_recursion_goes_on() {
        // Each value is 1.6 times the one before less 0.8 times the one before that: a wave that dies out.
        let mut values = vec![1.0, 1.2];
        for at in 2..80 {
            values.push(1.6 * values[at - 1] - 0.8 * values[at - 2] + 0.3);
        }
        let task = Task { values: &values[..60], seasons: &[], horizon: 20, origins: &[8, 60] };
        let found = all(&task);
        let (name, paths) = &found[1];
        assert_eq!((name.as_str(), paths[0].is_none()), ("long autoregression", true));
        let path = paths[1].as_ref().unwrap();
        assert!(path.iter().zip(&values[60..]).all(|(a, b)| (a - b).abs() < 0.02), "{path:?} {:?}", &values[60..]);
    }
}
