//! Working calendars.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::config::days::{DaysOff, OneDay};
use crate::config::scalar::{Notation, Written};

/// Working days.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCalendar {
    /// Country whose public holidays are off: `FR`. Default: none.
    pub country: Option<String>,
    /// Part of the country with holidays of its own: `alsace-moselle` adds Good Friday and 26 December. Default: none.
    pub region: Option<String>,
    /// Weekdays that never work; `[]`: all of them do. Default: `[saturday, sunday]`.
    pub weekend: Option<Vec<RawWeekday>>,
    /// Further days off, once or every year (without the year, also over new year). Example:
    /// `[2026-12-24, 2026-08-03..2026-08-21, 12-24..01-01, {on: 05-02, name: Inventaire}]`.
    #[serde(default)]
    pub closures: Vec<RawClosure>,
    /// Whether a working day that lies alone between a public holiday and another day off (weekend, closure, holiday) is
    /// off as well: the Friday after Ascension Day, the Monday before a holiday on a Tuesday. A holiday that falls on a
    /// weekend makes no bridge, nor do closures alone. Default: `false`.
    #[serde(default)]
    pub bridge_days: bool,
    /// Calendar files whose all-day events are days off, relative to the file; single events and yearly ones. Read when
    /// the configuration is. Default: none. Example: `[fermetures.ics]`.
    #[serde(default)]
    pub ics: Vec<String>,
}

/// Days off with a name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawNamedClosure {
    /// The days, as without a name; else `from` and `to`. Example: `12-24..01-01`.
    pub on: Option<Written<DaysOff>>,
    /// First day; with a year or without it, as `to`. Example: `2026-08-03`.
    pub from: Option<Written<OneDay>>,
    /// Last day, included. Example: `2026-08-21`.
    pub to: Option<Written<OneDay>>,
    /// What it is. Default: none. Example: `Congés d'été`.
    pub name: Option<String>,
}

/// One entry of `closures`.
#[derive(Debug)]
pub enum RawClosure {
    Days(DaysOff),
    Named(RawNamedClosure),
}

/// A calendar by its name, or written in place.
#[derive(Debug)]
pub enum RawCalendarChoice {
    Name(String),
    Inline(RawCalendar),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawWeekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl<'de> Deserialize<'de> for RawClosure {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct ClosureVisitor;

        impl<'de> Visitor<'de> for ClosureVisitor {
            type Value = RawClosure;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}, or `{{on: ..., name: ...}}`", DaysOff::FORMS)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawClosure, E> {
                DaysOff::read(text.trim()).map(RawClosure::Days).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawClosure, A::Error> {
                RawNamedClosure::deserialize(MapAccessDeserializer::new(map)).map(RawClosure::Named)
            }
        }

        input.deserialize_any(ClosureVisitor)
    }
}

impl JsonSchema for RawClosure {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Closure".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let days = generator.subschema_for::<Written<DaysOff>>();
        json_schema!({"anyOf": [days, generator.subschema_for::<RawNamedClosure>()]})
    }
}

impl<'de> Deserialize<'de> for RawCalendarChoice {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct ChoiceVisitor;

        impl<'de> Visitor<'de> for ChoiceVisitor {
            type Value = RawCalendarChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of one of `calendars`, or a calendar such as `{country: FR}`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawCalendarChoice, E> {
                Ok(RawCalendarChoice::Name(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawCalendarChoice, A::Error> {
                RawCalendar::deserialize(MapAccessDeserializer::new(map)).map(RawCalendarChoice::Inline)
            }
        }

        input.deserialize_any(ChoiceVisitor)
    }
}

impl JsonSchema for RawCalendarChoice {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CalendarChoice".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let inline = generator.subschema_for::<RawCalendar>();
        json_schema!({"anyOf": [{"type": "string"}, inline]})
    }
}
