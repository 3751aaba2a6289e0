//! Verdicts and what they rest on, in words for admins.

use crate::model::verdict::{Comparison, ConditionRecord, Severity, Verdict};

/// `ok`, `warning`, `hold`, as tests and JSON name it.
pub(super) fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Judged(finding) => finding.level.map_or("ok", Severity::as_str),
        Verdict::Hold { .. } => "hold",
        Verdict::NoData { .. } => "no_data",
        Verdict::Failed { .. } => "failed",
    }
}

/// Every name that a verdict can have.
pub(super) const NAMES: [&str; 7] = ["ok", "info", "warning", "critical", "hold", "no_data", "failed"];

/// `kpi.value 61 is not below 60 (recovers at 70, critical at 50)`.
pub(super) fn condition(record: &ConditionRecord) -> String {
    let limit = match record.comparison {
        Comparison::Above => format!("above {}", record.limit),
        Comparison::Below => format!("below {}", record.limit),
        Comparison::Outside => format!("outside {} to {}", record.limit, record.limit_high.unwrap_or(f64::NAN)),
    };
    let not = if record.met { "" } else { "not " };
    let recovers = record.recovers_at.map(|limit| format!("recovers at {limit}"));
    let critical = record.critical_at.map(|limit| format!("critical at {limit}"));
    let more: Vec<String> = recovers.into_iter().chain(critical).collect();
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
    format!("{} {} is {not}{limit}{more}", record.what, short(record.value))
}

/// Nine digits, which is more than anybody reads and less than a sum of decimals leaves.
fn short(value: f64) -> String {
    format!("{value:.8e}").parse().map_or_else(|_| value.to_string(), |value: f64| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn figures_are_cut_to_what_can_be_read() {
        for (value, shown) in [
            (0.150_751_525_373_282_4, "0.150751525"),
            (61.0, "61"),
            (-0.2, "-0.2"),
            (0.1 + 0.2, "0.3"),
            (123_456_789.4, "123456789"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(short(value), shown);
        }
    }
}
