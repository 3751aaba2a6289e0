//! Texts that carry figures: templates of rules in each language, and the figures they name.
//!
//! A verdict keeps templates and raw figures apart, so that each recipient reads the same numbers
//! in his own language.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::assessment::Status;
use super::objective::Target;
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

impl Format {
    /// Every format with the name it has in a template.
    pub const NAMED: [(&'static str, Format); 5] = [
        ("plain", Format::Plain),
        ("unit", Format::Unit),
        ("percent", Format::Percent),
        ("signed", Format::Signed),
        ("days", Format::Days),
    ];
}

/// Why a text is no template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {offset} of the text)")]
pub struct TemplateError {
    /// Bytes from the text's start.
    pub offset: usize,
    pub message: String,
}

impl Template {
    /// Reads `{path}` and `{path|format}`; `{{` and `}}` stand for the braces themselves.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let offset = text.len() - rest.len() + at;
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(tail) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = tail;
                continue;
            }
            if brace == "}" {
                let message = "this closing brace opens nowhere; write }} for a brace".to_owned();
                return Err(TemplateError { offset, message });
            }
            let Some(end) = after.find(['{', '}']).filter(|&end| after[end..].starts_with('}')) else {
                let message = "this brace is never closed; write {{ for a brace".to_owned();
                return Err(TemplateError { offset, message });
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(parse_field(&after[..end]).map_err(|message| TemplateError { offset, message })?);
            rest = &after[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Template { parts })
    }
}

/// The inside of a placeholder: a dotted path, and a format after a bar.
fn parse_field(inside: &str) -> Result<Part, String> {
    let (path, format) = inside.split_once('|').map_or((inside, None), |(path, format)| (path, Some(format)));
    let path = path.trim();
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|each| each.is_ascii_alphanumeric() || each == '_')
    };
    if path.is_empty() {
        return Err("an empty placeholder; name a figure, as in {kpi.title}".to_owned());
    }
    if !path.split('.').all(is_name) {
        return Err(format!("{path:?} is no name of a figure; letters, digits, _ and dots make one"));
    }
    let format = match format.map(str::trim) {
        None => Format::Plain,
        Some(wanted) => match Format::NAMED.iter().find(|(name, _)| *name == wanted) {
            Some((_, format)) => *format,
            None => return Err(unknown_format(wanted)),
        },
    };
    Ok(Part::Field { path: path.to_owned(), format })
}

fn unknown_format(wanted: &str) -> String {
    let nearest = Format::NAMED
        .iter()
        .map(|(name, _)| (strsim::damerau_levenshtein(name, &wanted.to_lowercase()), *name))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let names = Format::NAMED.map(|(name, _)| name).join(", ");
    match nearest {
        Some((_, name)) => format!("unknown format {wanted:?}, did you mean {name}? (formats: {names})"),
        None => format!("unknown format {wanted:?} (formats: {names})"),
    }
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

    /// Whether a placeholder is to be written with the unit.
    pub fn asks_unit(&self, wanted: &str) -> bool {
        let mut parts = [&self.fr, &self.en].into_iter().flatten().flat_map(|template| &template.parts);
        parts.any(|part| matches!(part, Part::Field { path, format: Format::Unit } if path == wanted))
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
    /// How an objective with that target stands, whose end has other words where something was to be kept.
    Standing(Status, Target),
    /// What a target asks for: to reach 400 000 €, to stay within 50 000 €.
    Goal(Target, Unit),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn field(path: &str, format: Format) -> Part {
        Part::Field { path: path.to_owned(), format }
    }

    fn literal(text: &str) -> Part {
        Part::Literal(text.to_owned())
    }

    #[track_caller]
    fn check(text: &str, parts: &[Part]) {
        assert_eq!(Template::parse(text).map(|template| template.parts).as_deref(), Ok(parts));
    }

    #[test]
    fn placeholders_and_literals_alternate() {
        check("", &[]);
        check("rien", &[literal("rien")]);
        check("{a}", &[field("a", Format::Plain)]);
        check("{ a.b_2 | percent }!", &[field("a.b_2", Format::Percent), literal("!")]);
        check("é {x|unit}{y|days}", &[literal("é "), field("x", Format::Unit), field("y", Format::Days)]);
        check("{{x}} {{{y}}}", &[literal("{x} {"), field("y", Format::Plain), literal("}")]);
    }

    #[track_caller]
    fn check_error(text: &str, offset: usize, message: &str) {
        let error = Template::parse(text).expect_err("refused");
        assert_eq!(error.offset, offset, "{error}");
        assert!(error.message.contains(message), "{error}");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        check_error("é {a", 3, "never closed");
        check_error("{a {b}", 0, "never closed");
        check_error("a}", 1, "opens nowhere");
        check_error("x {}", 2, "empty placeholder");
        check_error("{a.}", 0, "no name of a figure");
        check_error("{a|pourcent}", 0, "did you mean percent?");
        check_error("{a|zzzzzzzzz}", 0, "formats: plain, unit, percent, signed, days");
    }
}
