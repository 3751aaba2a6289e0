//! From cells or foreign labels to the labels of a series.

use super::suggest::{did_you_mean, listed};
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::unit::Kind;

/// Labels with the KPI's dimensions, given a lookup by dimension name.
///
/// A missing value becomes the label value `""` (orders without a channel still count). Only where the total can't be
/// derived, for windows and levels that don't add up, does a row in which all are missing mean the total; an empty text
/// of a database is a value, not a missing one.
pub(super) fn labels_of<'a>(kpi: &Kpi, value: impl Fn(&str) -> Option<&'a str>) -> Labels {
    let values: Vec<(&str, Option<&str>)> = kpi.dimensions.iter().map(|name| (name.as_str(), value(name))).collect();
    if !adds_up(kpi.kind) && values.iter().all(|(_, value)| value.is_none()) {
        return Labels::total();
    }
    values.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
}

/// Whether the total is made of the dimension values.
pub(super) fn adds_up(kind: Kind) -> bool {
    match kind {
        Kind::Flow | Kind::Ratio | Kind::Level { additive: true, .. } => true,
        Kind::Level { additive: false, .. } | Kind::Window => false,
    }
}

/// Refuses a label that is no dimension of the KPI.
pub(super) fn check_dimension(kpi: &Kpi, name: &str) -> Result<(), String> {
    if kpi.dimensions.iter().any(|dimension| dimension == name) {
        return Ok(());
    }
    let dimensions = kpi.dimensions.iter().map(String::as_str);
    let near = did_you_mean(name, dimensions.clone());
    let has = listed(dimensions);
    Err(format!(
        "`{name}` is no dimension of KPI `{}`{near}; it has {has}: add it to dimensions or leave it out of the query",
        kpi.id
    ))
}
