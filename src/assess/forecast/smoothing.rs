//! Exponential smoothing: a level, a damped trend and seasons that follow what is observed.
//!
//! In the form with one source of error (Hyndman, Koehler, Ord and Snyder 2008), the trend damped after Gardner and
//! McKenzie (1985), two seasons and an error that carries over after Taylor (2003, 2010). How fast each part follows is
//! fixed: what suits a series best is left to the weights of the blend.

use super::candidate::Task;

/// How fast the parts follow.
struct Pace {
    name: &'static str,
    level: f64,
    trend: f64,
    /// What is left of the trend after each step.
    damping: f64,
    season: f64,
    is_seasonal: bool,
}

const PACES: [Pace; 7] = [
    Pace { name: "slow seasonal smoothing", level: 0.1, trend: 0.0, damping: 1.0, season: 0.2, is_seasonal: true },
    Pace { name: "fast seasonal smoothing", level: 0.6, trend: 0.0, damping: 1.0, season: 0.2, is_seasonal: true },
    Pace { name: "seasonal trend", level: 0.3, trend: 0.05, damping: 0.9, season: 0.2, is_seasonal: true },
    Pace { name: "long seasonal trend", level: 0.1, trend: 0.01, damping: 0.98, season: 0.1, is_seasonal: true },
    Pace { name: "slow smoothing", level: 0.1, trend: 0.0, damping: 1.0, season: 0.0, is_seasonal: false },
    Pace { name: "fast smoothing", level: 0.6, trend: 0.0, damping: 1.0, season: 0.0, is_seasonal: false },
    Pace { name: "trend", level: 0.3, trend: 0.05, damping: 0.9, season: 0.0, is_seasonal: false },
];
/// Share of an error that is left one step later, where there are two seasons: what neither of them explains lasts a while.
const CARRIED: f64 = 0.6;
/// Seasons that must be known before one is followed.
const SEASONS_MIN: usize = 2;

/// Each pace that the number of values and seasons allows.
pub(super) fn all(task: &Task<'_>) -> Vec<(String, Vec<Option<Vec<f64>>>)> {
    let known = task.seasons.iter().take_while(|season| task.values.len() >= SEASONS_MIN * **season).count();
    // A series with two seasons is never forecast well without any.
    let fits = |pace: &&Pace| if pace.is_seasonal { known > 0 } else { known < 2 };
    let seasons = |pace: &Pace| &task.seasons[..if pace.is_seasonal { known } else { 0 }];
    let paces = PACES.iter().filter(fits);
    paces.map(|pace| (pace.name.to_owned(), paths(task, seasons(pace), pace))).collect()
}

fn paths(task: &Task<'_>, seasons: &[usize], pace: &Pace) -> Vec<Option<Vec<f64>>> {
    let begun = seasons.last().map_or(1, |season| SEASONS_MIN * season).min(task.values.len());
    let mut state = State::begin(&task.values[..begun], seasons);
    let mut at = 0;
    let mut paths = Vec::with_capacity(task.origins.len());
    for &origin in task.origins {
        // The state began with values that were not known then.
        if origin < begun {
            paths.push(None);
            continue;
        }
        for value in &task.values[at..origin] {
            state.follow(*value, pace);
        }
        at = origin;
        paths.push(Some(state.path(task.horizon, pace)));
    }
    paths
}

/// The parts after some values.
struct State {
    level: f64,
    trend: f64,
    /// Of the last value.
    error: f64,
    carried: f64,
    seasons: Vec<Season>,
}

/// What is above the level at each place of a season.
struct Season {
    above: Vec<f64>,
    /// Of the next value.
    place: usize,
}

impl State {
    /// The mean of the first values, and what they had above it by their place: each longer season what the shorter
    /// ones leave.
    fn begin(first: &[f64], lengths: &[usize]) -> State {
        let level = first.iter().sum::<f64>() / first.len() as f64;
        let mut left: Vec<f64> = first.iter().map(|value| value - level).collect();
        let mut seasons = Vec::new();
        for &length in lengths {
            let mean = |place: usize| {
                let (sum, count) =
                    left.iter().skip(place).step_by(length).fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
                sum / f64::max(count, 1.0)
            };
            let above: Vec<f64> = (0..length).map(mean).collect();
            left.iter_mut().zip(above.iter().cycle()).for_each(|(left, above)| *left -= above);
            seasons.push(Season { above, place: 0 });
        }
        State { level, trend: 0.0, error: 0.0, carried: if lengths.len() > 1 { CARRIED } else { 0.0 }, seasons }
    }

    fn follow(&mut self, value: f64, pace: &Pace) {
        let above: f64 = self.seasons.iter().map(|season| season.above[season.place]).sum();
        let level = self.level + pace.damping * self.trend;
        let error = value - level - above;
        let surprise = error - self.carried * self.error;
        self.error = error;
        self.level = level + pace.level * surprise;
        self.trend = pace.damping * self.trend + pace.trend * surprise;
        for season in &mut self.seasons {
            season.above[season.place] += pace.season * surprise;
            season.place = (season.place + 1) % season.above.len();
        }
    }

    fn path(&self, horizon: usize, pace: &Pace) -> Vec<f64> {
        let (mut damping, mut trend, mut error) = (1.0, 0.0, self.error);
        let step = |step: usize| {
            damping *= pace.damping;
            trend += damping * self.trend;
            error *= self.carried;
            let above = |season: &Season| season.above[(season.place + step) % season.above.len()];
            self.level + trend + error + self.seasons.iter().map(above).sum::<f64>()
        };
        (0..horizon).map(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::all;
    use crate::assess::forecast::candidate::Task;

    #[test]
    fn two_seasons_are_told_apart() {
        let value = |at: usize| 100.0 + [0.0, 5.0, 9.0][at % 3] + [0.0, 40.0, 10.0, 7.0, 3.0, 0.0][at / 3 % 6];
        let values: Vec<f64> = (0..180).map(value).collect();
        let task = Task { values: &values, seasons: &[3, 18], horizon: 36, origins: &[20, 180] };
        for (name, paths) in all(&task) {
            assert!(paths[0].is_none(), "{name}");
            let path = paths[1].as_ref().unwrap();
            let worst =
                path.iter().enumerate().map(|(step, found)| (found - value(180 + step)).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-9, "{name}: {worst}");
        }
    }

    #[test]
    fn a_damped_trend_levels_off() {
        let values: Vec<f64> = (0..60).map(|at| 10.0 + 2.0 * f64::from(at)).collect();
        let task = Task { values: &values, seasons: &[], horizon: 200, origins: &[60] };
        let found = all(&task);
        let (_, paths) = found.iter().find(|(name, _)| name == "trend").unwrap();
        let path = paths[0].as_ref().unwrap();
        assert!(path[0] > 125.0 && path[199] - path[198] < 1e-6 && path[199] < 160.0, "{path:?}");
    }
}
