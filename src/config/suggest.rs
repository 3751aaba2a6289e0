//! "Did you mean": the nearest known name to a mistyped one.

use strsim::{damerau_levenshtein, jaro_winkler};

/// The candidate that a mistyped name most likely stands for; none when none is near.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase().replace(['-', ' '], "_");
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (candidate, candidate.to_lowercase().replace(['-', ' '], "_")))
        .filter_map(|(candidate, plain)| {
            let edits = damerau_levenshtein(&wanted, &plain);
            let near = edits <= (wanted.chars().count() / 3).max(1);
            let alike = jaro_winkler(&wanted, &plain);
            (near || alike > 0.85).then_some((candidate, edits, alike))
        })
        .min_by(|a, b| a.1.cmp(&b.1).then(b.2.total_cmp(&a.2)))
        .map(|(candidate, ..)| candidate)
}

/// The help for an unknown name: the nearest one, else all there are.
pub(super) fn help<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>, none: &str) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(near) = nearest(name, candidates.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    const SHOWN_MAX: usize = 20;
    match candidates.len() {
        0 => none.to_owned(),
        1..=SHOWN_MAX => format!("expected one of {}", quoted(&candidates)),
        count => format!("expected one of {} and {} more", quoted(&candidates[..SHOWN_MAX]), count - SHOWN_MAX),
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::nearest;

    fn check(name: &str, expected: Option<&str>) {
        let known = ["source", "schedule", "settle", "revenue", "orders", "at_least", "at_most"];
        assert_eq!(nearest(name, known), expected, "{name}");
    }

    #[test]
    fn near_names_are_found() {
        check("sourc", Some("source"));
        check("suorce", Some("source"));
        check("Schedule", Some("schedule"));
        check("revenu", Some("revenue"));
        check("at-least", Some("at_least"));
        check("xyz", None);
        check("z", None);
    }
}
