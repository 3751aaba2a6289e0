//! The fields of the proposal but for its limits, in the order of the configuration. Pure: what was said and seen in, fields out.

use serde_yaml::Value;

use super::figures::Figures;
use super::look::Sketch;
use super::proposal::Field;
use super::times::{Shape, grain_text, span_text};
use crate::model::grain::Grain;
use crate::model::unit::Kind;

/// What is known of a draft after its source has been asked.
pub(super) struct Seen<'a> {
    pub(super) sketch: &'a Sketch,
    pub(super) shape: &'a Shape,
    pub(super) figures: &'a Figures<'a>,
    /// Days looked back, where they were said.
    pub(super) days: Option<i64>,
}

pub(super) fn propose(seen: &Seen<'_>) -> Vec<Field> {
    let Seen { sketch, figures, .. } = seen;
    let kind = seen.kind();
    let is_flow = kind.value == Some(Value::from("flow"));
    let mut fields = vec![
        sketch.given("title").unwrap_or_else(|| {
            Field::new("title", title(&sketch.id), "a guess, from the id: the name that messages show")
        }),
        sketch
            .given("category")
            .unwrap_or_else(|| Field::new("category", "operational", "a guess: financial, operational or customer")),
        sketch.given("unit").unwrap_or_else(|| seen.unit()),
        sketch.given("better").unwrap_or_else(|| Field::new("better", "higher", "a guess: higher, lower or in_band")),
        kind,
        seen.grain(),
        seen.timezone(),
        Field::new("source", sketch.source.as_str(), "as given"),
        Field::new("query", sketch.query.clone(), "as given"),
    ];
    fields.extend(seen.dimensions());
    fields.extend([seen.schedule(), figures.expected(), figures.settle(), seen.history(), figures.empty(is_flow)]);
    fields
}

impl Seen<'_> {
    fn kind(&self) -> Field {
        let sketch = self.sketch;
        match (sketch.given("kind"), sketch.kind_reason.as_deref()) {
            (Some(given), _) => given,
            (None, Some(reason)) => Field::new("kind", sketch.kind.clone(), reason),
            (None, None) => self.figures.kind(),
        }
    }

    fn unit(&self) -> Field {
        if self.figures.kpi.kind == Kind::Ratio && self.figures.are_shares() {
            return Field::new("unit", "ratio", "all are shares, 0.82 reads 82 %; a guess");
        }
        Field::new("unit", "none", "a guess: EUR, %, points or a word such as orders")
    }

    fn grain(&self) -> Field {
        let (grain, reason) = &self.shape.grain;
        self.sketch.given("grain").unwrap_or_else(|| Field::new("grain", grain_text(*grain), reason.as_str()))
    }

    /// Only written where it is another than the configuration's, or was said.
    fn timezone(&self) -> Field {
        if let Some(given) = self.sketch.given("timezone") {
            return given;
        }
        let reason = self.shape.zone_reason.as_str();
        match &self.sketch.timezone {
            Some(zone) => Field::new("timezone", zone.as_str(), reason),
            None => Field::new("timezone", self.figures.kpi.zone.iana_name().unwrap_or("UTC"), reason).unwritten(),
        }
    }

    fn dimensions(&self) -> Option<Field> {
        let names = &self.sketch.dimensions;
        if names.is_empty() {
            return None;
        }
        let counts = names.iter().map(|name| format!("{name} has {}", many(self.figures.values_of(name))));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let reason = match &self.sketch.dimensions_reason {
            Some(reason) => format!("{reason}: {counts}"),
            None => format!("as given: {counts}"),
        };
        Some(Field::new("dimensions", names.clone(), reason))
    }

    fn schedule(&self) -> Field {
        let kpi = self.figures.kpi;
        let reason = match kpi.grain {
            Grain::Day | Grain::Week | Grain::Month => "a guess: each morning, once the source has the day before",
            Grain::Seconds(_) => "a guess: once per bucket",
        };
        Field::new("schedule", kpi.schedule.as_str(), reason)
    }

    fn history(&self) -> Field {
        let default = super::look::reach(self.figures.kpi).as_secs();
        let said = self.days.map_or(0, |days| days * 86_400);
        let back = default.max(said).max(self.figures.kpi.history.as_secs());
        let oldest = self.figures.oldest().map(|oldest| format!("; the oldest value seen is of {oldest}"));
        let reason = format!("what the first start pulls{}", oldest.unwrap_or_default());
        Field::new("history", span_text(back), reason)
    }
}

fn many(count: usize) -> String {
    format!("{count} value{}", if count == 1 { "" } else { "s" })
}

/// `chiffre-affaires` reads `Chiffre affaires`.
fn title(id: &str) -> String {
    let plain = id.replace(['-', '_'], " ");
    let mut chars = plain.trim().chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}
