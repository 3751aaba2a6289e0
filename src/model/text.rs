//! Texts that carry figures: templates of rules in each language, and the figures they name.
//!
//! A verdict keeps templates and raw figures apart, so that each recipient reads the same numbers
//! in his own language.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::assessment::Status;
use super::unit::{Language, Unit};

/// A text with placeholders, parsed once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Literal(String),
    Field { path: String, format: Format },
}

/// How a placeholder's number is written; `{objective.drift_ratio|percent}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// As the figure's own type says.
    Plain,
    /// In the KPI's unit.
    Unit,
    /// A ratio as signed per cent.
    Percent,
    /// With its sign.
    Signed,
    /// As a number of days with one decimal.
    Days,
}

/// A text in each language it was written in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Localized {
    pub fr: Option<Arc<Template>>,
    pub en: Option<Arc<Template>>,
}

impl Localized {
    /// The text in that language, else in the other.
    pub fn get(&self, language: Language) -> Option<&Template> {
        let (first, second) = match language {
            Language::Fr => (&self.fr, &self.en),
            Language::En => (&self.en, &self.fr),
        };
        first.as_deref().or(second.as_deref())
    }

    /// A text that reads the same in every language.
    pub fn literal(text: &str) -> Self {
        let template = Arc::new(Template { parts: vec![Part::Literal(text.to_owned())] });
        Self { fr: Some(template.clone()), en: Some(template) }
    }

    /// Every placeholder of every language.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        [&self.fr, &self.en].into_iter().flatten().flat_map(|template| &template.parts).filter_map(|part| match part {
            Part::Field { path, .. } => Some(path.as_str()),
            Part::Literal(_) => None,
        })
    }
}

/// A raw value that a text shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// In that unit.
    Quantity(f64, Unit),
    /// A bare number.
    Number(f64),
    /// A share; 0.12 reads 12 %.
    Ratio(f64),
    /// Days, working or not as the text says.
    Days(f64),
    Date(Date),
    Status(Status),
    Text(String),
    /// It could not be had.
    Unknown,
}

/// A text with the figures it names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub text: Localized,
    pub figures: BTreeMap<String, Figure>,
}
