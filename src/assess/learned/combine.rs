//! Weights for several forecasts of the same figure: those that would have erred least (Bates and Granger, "The
//! Combination of Forecasts", 1969), drawn toward fixed ones.

use super::factors::middle;

/// Forecasts that are combined.
pub(super) const FORECASTS_MAX: usize = 5;
/// Weight of the prior combination, in independent windows.
const PRIOR_WINDOWS: f64 = 5.0;
/// What forecasts are taken to err by at least, as a share, lest a short calm decide.
const ERROR_LEAST: f64 = 0.05;
/// How far a level may have moved without the history ever showing the like, as a share. It is the tau of the closed form
/// in which the level of a period is normal around the usual one: without it, forecasts from a calm past would not follow
/// a period that goes wrong.
const UNSEEN_MOVE: f64 = 0.065;
/// Errors beyond so many robust deviations are held down to them (Huber).
const FAR: f64 = 2.0;

/// One forecast.
pub(super) struct Tried {
    /// How it erred at each origin.
    pub(super) errors: Vec<f64>,
    /// Weight before anything is learned.
    pub(super) prior: f64,
    /// The part of what it looks at that lies before the period, 0 to 1: as far as it misses a move at its start.
    pub(super) before: f64,
}

type Gram = [[f64; FORECASTS_MAX]; FORECASTS_MAX];

/// The weights, none negative, sum 1. `unseen` is a share's size on the scale of the errors.
pub(super) fn combine(tried: &[Tried], weights: &[f64], windows: f64, unseen: f64) -> Vec<f64> {
    let whole: f64 = tried.iter().map(|forecast| forecast.prior).sum();
    let prior: Vec<f64> = tried.iter().map(|forecast| forecast.prior / whole).collect();
    let mut shares = prior.clone();
    for _ in 0..2 {
        let mut gram = errors_of(tried, weights, &shares);
        let mean: f64 = (0..tried.len()).map(|at| gram[at][at]).sum::<f64>() / tried.len() as f64;
        for (row, one) in tried.iter().enumerate() {
            for (column, other) in tried.iter().enumerate() {
                gram[row][column] += (UNSEEN_MOVE * unseen).powi(2) * one.before * other.before;
            }
        }
        let usual = mean.max((ERROR_LEAST * unseen).powi(2)).max(1e-12);
        shares = least(&gram, PRIOR_WINDOWS * usual / windows.max(1.0), &prior);
    }
    shares
}

/// Mean products of the errors; where the combined one is far out they count less.
fn errors_of(tried: &[Tried], weights: &[f64], shares: &[f64]) -> Gram {
    let mut gram = Gram::default();
    let mixed = |at: usize| tried.iter().zip(shares).map(|(forecast, share)| forecast.errors[at] * share).sum::<f64>();
    let mixed: Vec<f64> = (0..weights.len()).map(mixed).collect();
    let mut sizes: Vec<f64> = mixed.iter().map(|error| error.abs()).collect();
    let Some(usual) = middle(&mut sizes) else { return gram };
    let limit = FAR * 1.4826 * usual + 1e-9;
    let mut total = 0.0;
    for (at, error) in mixed.iter().enumerate() {
        let weight = weights[at] * (limit / error.abs().max(limit));
        total += weight;
        for (row, one) in tried.iter().enumerate() {
            for (column, other) in tried.iter().enumerate() {
                gram[row][column] += weight * one.errors[at] * other.errors[at];
            }
        }
    }
    for entry in gram.iter_mut().flatten() {
        *entry /= total;
    }
    gram
}

/// The least squares with a ridge toward the prior weights under the sum; whoever would be negative is left out.
fn least(gram: &Gram, ridge: f64, prior: &[f64]) -> Vec<f64> {
    let mut used: Vec<usize> = (0..prior.len()).collect();
    loop {
        // (G + r I) a = r p + m 1, with m so that the sum is 1.
        let entry = |row: usize, column: usize| gram[row][column] + if row == column { ridge } else { 0.0 };
        let matrix: Vec<Vec<f64>> =
            used.iter().map(|row| used.iter().map(|column| entry(*row, *column)).collect()).collect();
        let drawn = solve(matrix.clone(), used.iter().map(|at| ridge * prior[*at]).collect());
        let ones = solve(matrix, vec![1.0; used.len()]);
        let lack = (1.0 - drawn.iter().sum::<f64>()) / ones.iter().sum::<f64>();
        let found: Vec<f64> = drawn.iter().zip(&ones).map(|(drawn, one)| drawn + lack * one).collect();
        let lowest = found.iter().copied().enumerate().min_by(|one, other| one.1.total_cmp(&other.1));
        match lowest {
            Some((at, share)) if share < 0.0 && used.len() > 1 => {
                used.remove(at);
            }
            _ => {
                let mut shares = vec![0.0; prior.len()];
                used.iter().zip(found).for_each(|(at, share)| shares[*at] = share);
                return shares;
            }
        }
    }
}

/// Solves a small system whose matrix is positive definite.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for pivot in 0..size {
        let (above, below) = matrix.split_at_mut(pivot + 1);
        let line = &above[pivot];
        for (offset, row) in below.iter_mut().enumerate() {
            let share = row[pivot] / line[pivot];
            row.iter_mut().zip(line).skip(pivot).for_each(|(entry, other)| *entry -= share * other);
            right[pivot + 1 + offset] -= share * right[pivot];
        }
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|column| matrix[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}
