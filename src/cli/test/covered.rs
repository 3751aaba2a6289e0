//! Which conditions the tests took both ways.

use std::collections::BTreeMap;

use serde_json::json;

use crate::cli::output::Out;
use crate::rule::Coverage;

/// By script: how many of the ways were taken, and each condition that was not taken both ways.
pub(super) fn tell(out: &mut Out, coverage: &Coverage) -> anyhow::Result<()> {
    let (all, lost) = (coverage.all(), coverage.lost());
    if out.is_json() {
        for (path, why) in lost {
            out.record(&json!({"type": "uncovered", "script": path, "why": why}))?;
        }
        for (site, ways) in &all {
            out.record(&json!({"type": "coverage", "script": site.path, "line": site.line, "column": site.column,
                               "condition": site.text, "true": ways.yes, "false": ways.no}))?;
        }
        return Ok(());
    }
    for (path, why) in lost {
        out.line(&format!(
            "{path}: its conditions can't be followed: with the calls that note them it does not compile: {why}"
        ))?;
    }
    let mut scripts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (site, ways) in &all {
        let (taken, possible) = scripts.entry(&site.path).or_default();
        *taken += ways.taken();
        *possible += 2;
    }
    for (path, (taken, possible)) in scripts {
        let share = 100 * taken / possible.max(1);
        out.line(&format!("{path}: {taken} of {possible} ways of its conditions were taken ({share} %)"))?;
        for (site, ways) in all.iter().filter(|(site, _)| site.path == path) {
            let lacks = match (ways.yes, ways.no) {
                (0, 0) => "was never reached",
                (0, _) => "was never true",
                (_, 0) => "was never false",
                _ => continue,
            };
            out.line(&format!("  {path}:{}:{}: `{}` {lacks}", site.line, site.column, site.text))?;
        }
    }
    Ok(())
}
