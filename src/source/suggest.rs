//! "Did you mean": the nearest of the names that exist.

/// ` (did you mean `total`?)`, or nothing when no name is near.
pub(super) fn did_you_mean<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let wanted = wanted.to_lowercase();
    let scored = names.into_iter().map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, name)) if score > 0.75 => format!(" (did you mean `{name}`?)"),
        _ => String::new(),
    }
}

/// `a`, `b`, `c` and so on, at most 20 of them.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const NAMES_MAX: usize = 20;
    let names: Vec<&str> = names.into_iter().collect();
    let shown: Vec<String> = names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(NAMES_MAX) {
        0 if names.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, listed};

    #[test]
    fn near_names() {
        assert_eq!(did_you_mean("totl", ["date", "total"]), " (did you mean `total`?)");
        assert_eq!(did_you_mean("revenue", ["date", "x"]), "");
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
        assert_eq!(listed([]), "none");
        assert!(listed(["x"; 25]).ends_with("and 5 more"));
    }
}
