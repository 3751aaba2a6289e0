//! The rules that ship inside the binary.

use super::compile::ScriptFiles;
use super::sidecar::Sidecar;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// Name, script and sidecar of every shipped rule.
        pub const SHIPPED: &[(&str, &str, &str)] = &[$((
            $name,
            include_str!(concat!("../../rules/", $name, ".rhai")),
            include_str!(concat!("../../rules/", $name, ".yaml")),
        )),+];
    };
}

shipped![
    "data/stale",
    "objective/at_risk",
    "objective/budget",
    "objective/burn",
    "objective/missed",
    "objective/off_trajectory",
    "objective/reached_early",
    "objective/rebaseline",
    "operational/stock_out",
    "signal/change",
    "signal/threshold",
];

/// A shipped rule by name.
pub fn shipped(name: &str) -> Option<ScriptFiles> {
    SHIPPED.iter().find(|(known, ..)| *known == name).map(|(name, script, sidecar)| ScriptFiles {
        path: format!("rules/{name}.rhai"),
        text: (*script).to_owned(),
        sidecar_path: format!("rules/{name}.yaml"),
        sidecar: Some((*sidecar).to_owned()),
    })
}

/// What a shipped rule's parameters are called.
pub fn parameters_of(name: &str) -> Vec<String> {
    let sidecar = SHIPPED.iter().find(|(known, ..)| *known == name).map(|(.., sidecar)| Sidecar::parse(sidecar));
    sidecar.and_then(Result::ok).map(|sidecar| sidecar.parameters.into_keys().collect()).unwrap_or_default()
}
