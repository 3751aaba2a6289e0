//! What was, again: the last value, or the last season.

use super::candidate::Task;

/// The last `season` values over and over; none where so many aren't known.
pub(super) fn paths(task: &Task<'_>, season: usize) -> Vec<Option<Vec<f64>>> {
    let path = |origin: usize| -> Option<Vec<f64>> {
        let first = origin.checked_sub(season)?;
        Some(task.values[first..origin].iter().copied().cycle().take(task.horizon).collect())
    };
    task.origins.iter().map(|origin| path(*origin)).collect()
}
