//! "Did you mean": the nearest known name.

/// Longest name that is compared, in bytes: the time taken grows with its square.
const COMPARED_BYTES_MAX: usize = 64;

/// `; did you mean 'drift'?`, or nothing when no name is near.
pub(super) fn did_you_mean<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(wrong, known).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default()
}

fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let bound = (wrong.chars().count() / 3).max(2);
    known
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
