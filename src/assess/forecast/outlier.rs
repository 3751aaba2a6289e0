//! Values that lie far from all that they could be like: not learned of, until they are seen to stay.

use std::collections::VecDeque;

/// How far from the value before, and from each a season before, in typical changes over that lag.
const FAR: f64 = 8.0;
/// So many in a row are no outliers: the series has moved.
const STAYS: usize = 3;
/// Newest changes whose median is the typical one, and the fewest.
const CHANGES: usize = 60;
const CHANGES_MIN: usize = 8;

/// The series with each lone outlier replaced by what it should have been like: the value before or a season before,
/// whichever is nearer to it. A value is judged by those before it alone.
pub(super) fn tamed(values: &[f64], seasons: &[usize]) -> Vec<f64> {
    let mut tamed = values.to_vec();
    let lags: Vec<usize> = std::iter::once(1).chain(seasons.iter().copied()).collect();
    let mut changes: Vec<Changes> = lags.iter().map(|_| Changes::default()).collect();
    let mut far = 0;
    for at in 1..values.len() {
        match like(values[at], &tamed[..at], &lags, &changes) {
            Some(like) => {
                far += 1;
                if far < STAYS {
                    tamed[at] = like;
                }
            }
            None => far = 0,
        }
        for (lag, changes) in lags.iter().zip(&mut changes).filter(|(lag, _)| **lag <= at) {
            changes.add((values[at] - values[at - lag]).abs());
        }
    }
    tamed
}

/// What a value that is far from everything should have been like; none where it is near to something, or too little is
/// known to say.
fn like(value: f64, before: &[f64], lags: &[usize], changes: &[Changes]) -> Option<f64> {
    let mut nearest: Option<f64> = None;
    for (lag, changes) in lags.iter().zip(changes).filter(|(lag, _)| **lag <= before.len()) {
        let reference = before[before.len() - lag];
        if (value - reference).abs() <= FAR * changes.typical()? {
            return None;
        }
        let is_nearer = |other: f64| (value - reference).abs() < (value - other).abs();
        nearest = if nearest.is_none_or(is_nearer) { Some(reference) } else { nearest };
    }
    nearest
}

/// The newest changes over one lag, also by size.
#[derive(Default)]
struct Changes {
    newest: VecDeque<f64>,
    sorted: Vec<f64>,
}

impl Changes {
    /// Their median, or their mean where most were none; unknown of few.
    fn typical(&self) -> Option<f64> {
        if self.sorted.len() < CHANGES_MIN {
            return None;
        }
        let median = self.sorted[self.sorted.len() / 2];
        let mean = || self.newest.iter().sum::<f64>() / self.newest.len() as f64;
        Some(if median > 0.0 { median } else { mean() })
    }

    fn add(&mut self, change: f64) {
        if self.newest.len() == CHANGES
            && let Some(oldest) = self.newest.pop_front()
        {
            let at = self.sorted.partition_point(|other| *other < oldest);
            self.sorted.remove(at);
        }
        self.newest.push_back(change);
        let at = self.sorted.partition_point(|other| *other < change);
        self.sorted.insert(at, change);
    }
}

#[cfg(test)]
mod tests {
    use super::tamed;

    fn swinging(length: usize) -> Vec<f64> {
        (0..length).map(|at| 100.0 + [0.0, 3.0, -2.0, 1.0][at % 4]).collect()
    }

    #[test]
    fn a_lone_outlier_is_replaced() {
        let mut values = swinging(40);
        values[30] = 5_000.0;
        let mended = tamed(&values, &[]);
        assert_eq!(mended[30], 103.0);
        let others = |values: &[f64]| [&values[..30], &values[31..]].concat();
        assert_eq!(others(&mended), others(&values));
    }

    #[test]
    fn what_stays_is_believed() {
        let mut values = swinging(40);
        values[30..].iter_mut().for_each(|value| *value += 900.0);
        let mended = tamed(&values, &[]);
        assert_eq!(mended[29..32], [103.0; 3]);
        assert_eq!(mended[32..], values[32..]);
    }

    #[test]
    fn what_was_a_season_ago_is_no_outlier() {
        let values: Vec<f64> = (0..60).map(|at| if at % 7 == 6 { 1_000.0 } else { 10.0 + f64::from(at % 3) }).collect();
        assert_eq!(tamed(&values, &[7])[20..], values[20..]);
    }
}
