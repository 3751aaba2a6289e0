//! Rules, and the choice of KPIs they run on.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::RawKindName;
use crate::config::scalar::{Buckets, Written};
use crate::model::rule::Patience;
use crate::model::unit::Category;
use crate::model::verdict::Severity;

/// A script applied to KPIs, with its parameters and its patience.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    /// The script: `a/b` is `rules/a/b.rhai` beside the configuration, else the shipped one.
    /// Example: `objective/off_trajectory`.
    pub script: String,
    /// The KPIs it runs on: a list of ids, `all`, or a selection. Example: `{category: financial}`.
    pub on: RawOn,
    /// One alert for each value of these dimensions instead of one for the total; what the KPI's other dimensions
    /// split is added up. Example: `channel`.
    pub each: Option<OneOrMany<String>>,
    /// One series instead of the total, by its labels; what the KPI's other dimensions split is added up. Example:
    /// `{channel: web}`.
    #[serde(rename = "where")]
    pub where_: Option<IndexMap<String, String>>,
    /// Parameters of the script, by name; numbers, texts or `true`/`false`. Example: `{limit: 0.05}`.
    #[serde(default)]
    pub with: IndexMap<String, RawParam>,
    /// How long a breach must last before the alert fires. Default: as the script says, else at once. Example:
    /// `2 buckets`.
    #[serde(rename = "for")]
    pub for_: Option<Written<Patience>>,
    /// How long calm must last before the alert ends. Default: as the script says, else at once. Example: `1h`.
    pub keep_firing_for: Option<Written<Patience>>,
    /// When missing data becomes an alert. Default: `{after: 3 buckets, severity: warning}`.
    pub no_data: Option<RawNoData>,
    /// Judge provisional buckets too. Default: `false`.
    #[serde(default)]
    pub use_provisional: bool,
    /// What it was called before: its history, alerts and messages go on under the new name. It may stay here. Example:
    /// `ca-en-retard`.
    pub was: Option<String>,
    /// Judge, record and show, but tell nobody: for a rule that is being tried out. Default: `false`.
    #[serde(default)]
    pub shadow: bool,
}

/// When missing data becomes an alert of its own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawNoData {
    /// Missed expected buckets before the alert opens. Default: `3 buckets`.
    pub after: Option<Written<Buckets>>,
    /// `info`, `warning` or `critical`. Default: `warning`.
    pub severity: Option<Severity>,
}

/// A parameter: a number, a text, or true or false.
#[derive(Clone, Debug, PartialEq)]
pub enum RawParam {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

/// The KPIs a rule runs on.
#[derive(Clone, Debug)]
pub enum RawOn {
    Ids(Vec<String>),
    All,
    Select(RawSelection),
}

/// KPIs by their properties; all that are given must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSelection {
    /// `financial`, `operational` or `customer`; one or a list.
    pub category: Option<OneOrMany<Category>>,
    /// `flow`, `level` or `ratio`; one or a list.
    pub kind: Option<OneOrMany<RawKindName>>,
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: DeserializeOwned> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one name, or a list of names")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
                T::deserialize(text.into_deserializer()).map(|one| OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrMany<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany)
            }
        }

        input.deserialize_any(Either(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

impl<'de> Deserialize<'de> for RawOn {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct OnVisitor;

        impl<'de> Visitor<'de> for OnVisitor {
            type Value = RawOn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of KPI ids, `all`, or a selection such as `{category: financial}`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawOn, E> {
                Ok(if text == "all" { RawOn::All } else { RawOn::Ids(vec![text.to_owned()]) })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RawOn, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(RawOn::Ids)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawOn, A::Error> {
                RawSelection::deserialize(MapAccessDeserializer::new(map)).map(RawOn::Select)
            }
        }

        input.deserialize_any(OnVisitor)
    }
}

impl JsonSchema for RawOn {
    fn schema_name() -> Cow<'static, str> {
        "On".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let selection = generator.subschema_for::<RawSelection>();
        json_schema!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, selection]})
    }
}

impl<'de> Deserialize<'de> for RawParam {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct ParamVisitor;

        impl Visitor<'_> for ParamVisitor {
            type Value = RawParam;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a text, or true or false")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<RawParam, E> {
                Ok(RawParam::Bool(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<RawParam, E> {
                Ok(RawParam::Integer(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<RawParam, E> {
                Ok(i64::try_from(value).map_or(RawParam::Number(value as f64), RawParam::Integer))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<RawParam, E> {
                Ok(RawParam::Number(value))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawParam, E> {
                Ok(RawParam::Text(text.to_owned()))
            }
        }

        input.deserialize_any(ParamVisitor)
    }
}

impl JsonSchema for RawParam {
    fn schema_name() -> Cow<'static, str> {
        "Parameter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["boolean", "number", "string"]})
    }
}
