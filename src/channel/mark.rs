//! The sign of a state, for channels whose readers may not see colours.

use crate::model::verdict::Severity;

pub(super) fn mark(severity: Severity, resolved: bool) -> &'static str {
    match (resolved, severity) {
        (true, _) => "✅",
        (false, Severity::Critical) => "🔴",
        (false, Severity::Warning) => "🟠",
        (false, Severity::Info) => "🔵",
    }
}
