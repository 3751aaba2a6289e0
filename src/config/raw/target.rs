//! What an objective's target, its baseline and its parts can be written as.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::RawFixedPeriod;
use crate::config::scalar::{Amount, Notation, TargetAmount, Written, could_group};

/// A target: one figure or change, or figures by period.
#[derive(Clone, Debug)]
pub enum RawTarget {
    One(TargetAmount),
    /// By the names of periods.
    Figures(IndexMap<String, Written<Amount>>),
    /// A file that holds them.
    Table(String),
}

/// Where the way to the target begins.
#[derive(Clone, Debug)]
pub enum RawBaseline {
    Figure(Amount),
    /// `previous`, `year_before`, or a period by its name.
    Named(String),
    Between(RawFixedPeriod),
}

/// The parts of a target, by the values of a dimension.
#[derive(Clone, Debug)]
pub enum RawParts {
    /// Shares or amounts.
    Of(IndexMap<String, Written<Amount>>),
    /// Values alone.
    Values(Vec<String>),
}

/// The key that names a file of targets.
const TABLE: &str = "table";

impl<'de> Deserialize<'de> for RawTarget {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct TargetVisitor;

        impl<'de> Visitor<'de> for TargetVisitor {
            type Value = RawTarget;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let forms = TargetAmount::FORMS;
                write!(f, "{forms}, figures by period such as `{{2026-01: 100000}}`, or `{{table: targets.csv}}`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawTarget, E> {
                TargetAmount::read(text.trim()).map(RawTarget::One).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawTarget, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<RawTarget, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<RawTarget, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawTarget, A::Error> {
                let mut figures = IndexMap::new();
                let mut table: Option<String> = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key == TABLE {
                        table = Some(map.next_value()?);
                    } else if key.starts_with(|c: char| c.is_ascii_digit() || c == 'F') {
                        figures.insert(key, map.next_value::<Written<Amount>>()?);
                    } else {
                        return Err(A::Error::custom(format!("unknown field `{key}`, expected `{TABLE}`")));
                    }
                }
                match (table, figures.keys().next()) {
                    (None, _) => Ok(RawTarget::Figures(figures)),
                    (Some(file), None) => Ok(RawTarget::Table(file)),
                    (Some(_), Some(other)) => Err(A::Error::custom(format!(
                        "`{other}` beside `table`: the figures stand here or in the file"
                    ))),
                }
            }
        }

        input.deserialize_any(TargetVisitor)
    }
}

impl JsonSchema for RawTarget {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Written<TargetAmount>>();
        let amount = generator.subschema_for::<Written<Amount>>();
        json_schema!({"anyOf": [
            one,
            {
                "type": "object",
                "properties": {"table": {"type": "string", "description": "File of targets by period, relative to this one."}},
                "required": ["table"],
                "additionalProperties": false
            },
            {"type": "object", "description": "Figures by period.", "additionalProperties": amount}
        ]})
    }
}

impl<'de> Deserialize<'de> for RawBaseline {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct BaselineVisitor;

        impl<'de> Visitor<'de> for BaselineVisitor {
            type Value = RawBaseline;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a figure, `previous`, `year_before`, a period such as `2025-H1`, or `{from: ..., to: ...}`",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawBaseline, E> {
                let text = text.trim();
                if let Some(two_ways) = could_group(text, ',') {
                    return Err(E::custom(two_ways));
                }
                Ok(Amount::read(text).map_or_else(|_| RawBaseline::Named(text.to_owned()), RawBaseline::Figure))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawBaseline, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<RawBaseline, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<RawBaseline, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawBaseline, A::Error> {
                RawFixedPeriod::deserialize(MapAccessDeserializer::new(map)).map(RawBaseline::Between)
            }
        }

        input.deserialize_any(BaselineVisitor)
    }
}

impl JsonSchema for RawBaseline {
    fn schema_name() -> Cow<'static, str> {
        "Baseline".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let between = generator.subschema_for::<RawFixedPeriod>();
        json_schema!({"anyOf": [{"type": ["string", "number"]}, between]})
    }
}

impl<'de> Deserialize<'de> for RawParts {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct PartsVisitor;

        impl<'de> Visitor<'de> for PartsVisitor {
            type Value = RawParts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("shares or amounts by value such as `{web: 60 %, shop: 40 %}`, or a list of values")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawParts, A::Error> {
                IndexMap::deserialize(MapAccessDeserializer::new(map)).map(RawParts::Of)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RawParts, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(RawParts::Values)
            }
        }

        input.deserialize_any(PartsVisitor)
    }
}

impl JsonSchema for RawParts {
    fn schema_name() -> Cow<'static, str> {
        "Parts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let amount = generator.subschema_for::<Written<Amount>>();
        json_schema!({"anyOf": [
            {"type": "object", "additionalProperties": amount},
            {"type": "array", "items": {"type": "string"}}
        ]})
    }
}
