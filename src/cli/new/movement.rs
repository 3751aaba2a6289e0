//! How values move from bucket to bucket: a state moves little beside the range that it has, what adds up jumps about.

use crate::model::grain::BucketIndex;

/// With fewer values nothing is said.
pub(super) const VALUES_MIN: usize = 20;
/// Newest values that are looked at.
const VALUES_MAX: usize = 400;
/// Below this share of the average deviation the average change makes a state. Independent values have about 1.4, equal
/// working days beside weak weekends 0.8, walks at random 0.3, a stock that is sold and refilled 0.2.
const STEADY: f64 = 0.5;
/// Share of the values at either end whose distance doesn't count: a few outliers say nothing of how a figure moves.
const OUTLIERS: f64 = 0.02;

/// What the movement suggests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Movement {
    TooFew(usize),
    /// All values are equal.
    None,
    /// The average change is that share of the average deviation, and that is little.
    Steady(f64),
    /// The same, and it is much.
    Jumping(f64),
}

/// Of values in the order of their buckets. A trend is taken off first: what grows is no state for that alone.
pub(super) fn movement(values: &[(BucketIndex, f64)]) -> Movement {
    let values = &values[values.len().saturating_sub(VALUES_MAX)..];
    if values.len() < VALUES_MIN {
        return Movement::TooFew(values.len());
    }
    if values.windows(2).all(|pair| pair[0].1 == pair[1].1) {
        return Movement::None;
    }
    let slope = slope(values);
    let level: Vec<f64> = values.iter().map(|(index, value)| value - slope * (index - values[0].0) as f64).collect();
    let (low, high) = (quantile(&level, OUTLIERS), quantile(&level, 1.0 - OUTLIERS));
    let level: Vec<f64> = level.iter().map(|value| value.clamp(low, high)).collect();
    let neighbours = values.windows(2).zip(level.windows(2)).filter(|(pair, _)| pair[1].0 == pair[0].0 + 1);
    let changes: Vec<f64> = neighbours.map(|(_, level)| (level[1] - level[0]).abs()).collect();
    if changes.len() < VALUES_MIN / 2 {
        return Movement::TooFew(changes.len());
    }
    let middle = quantile(&level, 0.5);
    let deviations: Vec<f64> = level.iter().map(|value| (value - middle).abs()).collect();
    let (change, deviation) = (mean(&changes), mean(&deviations));
    // What hardly leaves its trend at all goes on from where it was.
    let share = if deviation > 0.0 { change / deviation } else { 0.0 };
    if share < STEADY { Movement::Steady(share) } else { Movement::Jumping(share) }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The median of all slopes between two values: a few outliers don't turn it.
fn slope(values: &[(BucketIndex, f64)]) -> f64 {
    let pairs = values.iter().enumerate().flat_map(|(at, (index, value))| {
        values[at + 1..].iter().map(move |(later, next)| (next - value) / (later - index) as f64)
    });
    quantile(&pairs.collect::<Vec<_>>(), 0.5)
}

/// The value below which that share lies, of at least one.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

#[cfg(test)]
mod tests {
    use super::{Movement, movement};

    /// The same on every machine, between 0 and 1.
    fn noise(count: i64) -> impl Iterator<Item = f64> {
        let mut random = fastrand::Rng::with_seed(7);
        (0..count).map(move |_| random.f64())
    }

    #[track_caller]
    fn check(values: impl Iterator<Item = f64>, expected: fn(Movement) -> bool) {
        let values: Vec<_> = (0..).zip(values).collect();
        let found = movement(&values);
        assert!(expected(found), "{found:?}");
    }

    #[test]
    fn states_move_little_and_sums_jump() {
        let steady = |found| matches!(found, Movement::Steady(_));
        let jumping = |found| matches!(found, Movement::Jumping(_));
        check(noise(365), jumping);
        // Growing revenue, with weekends.
        check(
            noise(365)
                .zip(0..)
                .map(|(value, day)| (100.0 + f64::from(day)) * (if day % 7 > 4 { 0.2 } else { 1.0 }) + 20.0 * value),
            jumping,
        );
        // A stock that is sold and refilled, a walk, a count that only grows.
        check(
            noise(365).scan(500.0, |stock, sold| {
                *stock -= 20.0 * sold;
                if *stock < 100.0 {
                    *stock += 400.0;
                }
                Some(*stock)
            }),
            steady,
        );
        check(
            noise(200).scan(0.0, |place, step| {
                *place += step - 0.5;
                Some(*place)
            }),
            steady,
        );
        check((0..60).map(f64::from), steady);
        check((0..60).map(|_| 3.0), |found| found == Movement::None);
        check((0..12).map(f64::from), |found| found == Movement::TooFew(12));
        // A single outlier turns no trend.
        check(noise(100).enumerate().map(|(at, value)| if at == 90 { 1e9 } else { value }), jumping);
    }
}
