//! Demand that comes now and then: how often it comes, times how much comes then.
//!
//! After Teunter, Syntetos and Babai, "Intermittent demand: Linking forecasting to inventory obsolescence" (2011), who
//! let what is no longer asked for fade, as Croston (1972) does not. Until so much was seen both are plain means.

use super::candidate::Task;

/// How fast both parts follow.
const PACES: [(&str, f64); 2] = [("slow mean demand", 0.02), ("fast mean demand", 0.1)];

/// By pace: a level path from each origin.
pub(super) fn all(task: &Task<'_>) -> impl Iterator<Item = (String, Vec<Option<Vec<f64>>>)> {
    PACES.into_iter().map(move |(name, pace)| (name.to_owned(), paths(task, pace)))
}

fn paths(task: &Task<'_>, pace: f64) -> Vec<Option<Vec<f64>>> {
    let mut demand = Demand::default();
    let mut at = 0;
    let path = |origin: &usize| {
        task.values[at..*origin].iter().for_each(|value| demand.follow(*value, pace));
        at = *origin;
        (at > 0).then(|| vec![demand.often * demand.size; task.horizon])
    };
    task.origins.iter().map(path).collect()
}

#[derive(Default)]
struct Demand {
    seen: f64,
    came: f64,
    /// The share of buckets with any.
    often: f64,
    /// What comes when some does.
    size: f64,
}

impl Demand {
    fn follow(&mut self, value: f64, pace: f64) {
        self.seen += 1.0;
        let comes = value > 0.0;
        self.often += (f64::from(u8::from(comes)) - self.often) * f64::max(pace, 1.0 / self.seen);
        if comes {
            self.came += 1.0;
            self.size += (value - self.size) * f64::max(pace, 1.0 / self.came);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::all;
    use crate::assess::forecast::candidate::Task;

    #[test]
    fn how_often_times_how_much() {
        let values = [0.0, 4.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0];
        let task = Task { values: &values, seasons: &[], horizon: 2, origins: &[0, 2, 8] };
        let (_, paths) = all(&task).next().unwrap();
        assert!(paths[0].is_none());
        for (path, mean) in paths[1..].iter().flatten().zip([0.5 * 4.0, 0.25 * 6.0]) {
            assert!(path.len() == 2 && path.iter().all(|value| (value - mean).abs() < 1e-12), "{path:?}");
        }
    }
}
