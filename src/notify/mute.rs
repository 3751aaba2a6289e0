//! What hides a notification for now: silences and inhibition. Neither changes an alert's state.

use jiff::Timestamp;

use super::route::matches;
use crate::model::alert::Alert;
use crate::model::catalog::Catalog;
use crate::model::notification::Silence;

/// When the last of the silences that match the alert now ends.
pub fn silence_end(catalog: &Catalog, silences: &[Silence], alert: &Alert, now: Timestamp) -> Option<Timestamp> {
    silences
        .iter()
        .filter(|silence| silence.from <= now && now < silence.until && matches(catalog, &silence.matcher, alert))
        .map(|silence| silence.until)
        .max()
}
