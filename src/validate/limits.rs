//! The KPI's `quality` limits: values outside are refused.

use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::unit::Kind;

/// Why a bucket's value is refused; none when it is within the limits.
///
/// The limits describe the total. A dimension value or a roll-up is only a part where values add up, so that a
/// smallest value above zero says nothing about it; every other limit holds for it too.
pub(super) fn refusal(kpi: &Kpi, labels: &Labels, value: f64) -> Option<String> {
    let adds_up = matches!(kpi.kind, Kind::Flow | Kind::Level { additive: true, .. });
    let part = !labels.is_total() && adds_up;
    let min = kpi.quality.min.filter(|min| !part || *min <= 0.0);
    let max = kpi.quality.max.filter(|max| !part || *max >= 0.0);
    match (min, max) {
        (Some(min), _) if value < min => Some(format!("value {value} is below quality.min {min}")),
        (_, Some(max)) if value > max => Some(format!("value {value} is above quality.max {max}")),
        _ => None,
    }
}
