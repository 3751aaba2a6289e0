//! Places of a season at which nothing ever happens: the nights of an office, the Sundays of a shop.

use super::history::History;

/// So many zeros in a row at one place, at least.
const ZEROS_MIN: i32 = 4;
/// How seldom they may have come by chance, as often as there are zeros at all.
const CHANCE: f64 = 0.01;

/// Which steps from an origin on rest: at their place of one of the seasons all was zero, and for so long that it is no
/// chance. A mean of 0.3 orders on a Sunday would be wrong every time.
pub(super) fn resting(history: &History, seasons: &[usize], origin: usize, horizon: usize) -> Vec<bool> {
    if history.low < 0.0 || !history.observed[..origin].contains(&0.0) {
        return vec![false; horizon];
    }
    let known = history.observed[..origin].iter().filter(|value| value.is_finite());
    let (zeros, count) =
        known.fold((0.0, 0.0), |(zeros, count), value| (zeros + f64::from(u8::from(*value == 0.0)), count + 1.0));
    let share: f64 = zeros / count;
    let rests = |step: usize, season: usize| {
        let first = origin.checked_sub(season).map(|first| first + step % season)?;
        let earlier = (0..=first).rev().step_by(season).map(|at| history.observed[at]);
        let run = earlier.filter(|value| value.is_finite()).take_while(|value| *value == 0.0).take(100).count() as i32;
        Some(run >= ZEROS_MIN && share.powi(run) < CHANCE)
    };
    let anywhere = |step: usize| seasons.iter().any(|season| rests(step, *season).unwrap_or(false));
    (0..horizon).map(anywhere).collect()
}

#[cfg(test)]
mod tests {
    use super::{History, resting};

    #[test]
    fn what_was_always_closed_rests() {
        let week = |at: usize| if at % 7 == 6 { 0.0 } else { 40.0 + (at % 5) as f64 };
        let rests = |values: &[f64], seasons: &[usize]| {
            let history = History::of(values, seasons).unwrap();
            let steps = resting(&history, seasons, values.len(), 9);
            steps.iter().enumerate().filter(|(_, rests)| **rests).map(|(step, _)| step).collect::<Vec<_>>()
        };
        let mut values: Vec<f64> = (0..70).map(week).collect();
        assert_eq!(rests(&values, &[7]), [6]);
        assert_eq!(rests(&values[..68], &[7]), [1, 8]);
        assert_eq!(rests(&values, &[]), [0; 0]);
        // Open on the last of them, or a gap there.
        values[69] = 3.0;
        assert_eq!(rests(&values, &[7]), [0; 0]);
        values[69] = f64::NAN;
        assert_eq!(rests(&values, &[7]), [6]);
        // Sparse counts: zeros that come by chance.
        let sparse: Vec<f64> = (0..70).map(|at| f64::from(u8::from(at % 11 == 3))).collect();
        assert_eq!(rests(&sparse, &[7]), [0; 0]);
        assert_eq!(rests(&[-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], &[2]), [0; 0]);
    }
}
