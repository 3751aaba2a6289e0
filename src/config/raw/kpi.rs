//! Key figures.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, Visitor};

use super::query::RawQuery;
use crate::config::scalar::{Amount, Jump, Share, Written};
use crate::model::grain::Grain;
use crate::model::kpi::{Lateness, Recheck};
use crate::model::unit::{Category, Direction, Unit};

/// A named indicator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawKpi {
    /// Name shown in messages. Example: `Chiffre d'affaires`.
    pub title: String,
    /// Family: `financial`, `operational` or `customer`.
    pub category: Category,
    /// Unit of the values: a currency code, `%` (12.5 is 12.5 %), `ratio` (0.125 is 12.5 %), `points`, `none` or a
    /// word. Default: `none`. Example: `EUR`.
    pub unit: Option<Written<Unit>>,
    /// Which way is good: `higher`, `lower` or `in_band`. Default: `higher`.
    pub better: Option<Direction>,
    /// How values combine: `flow` adds up (revenue), `level` is a state (stock), `ratio` keeps numerator and
    /// denominator, `window` only the source can compute for the span it is asked for (a percentile, unique users). Default: `flow`. Example: `{level: {over_time: mean}}`.
    pub kind: Option<RawKind>,
    /// Width of one value: `day`, `week`, `month`, `hour` or a duration that divides a day. Default: `day`.
    pub grain: Option<Written<Grain>>,
    /// Name of the calendar of its working days: for `workdays` schedules, trajectories and dates. Default: the top-level
    /// `calendar`. Example: `atelier`.
    pub calendar: Option<String>,
    /// Zone of its days and schedule. Default: the top-level `timezone`. Example: `Europe/Paris`.
    pub timezone: Option<String>,
    /// Id of the source it is pulled from. Not beside `formula`.
    #[serde(default)]
    pub source: String,
    /// What it is computed from, instead of `source` and `query`: ids of KPIs of the same grain and zone, numbers,
    /// `+ - * /` and parentheses; blanks stand around a minus. A quotient is a ratio unless `kind` says otherwise: both
    /// its halves are kept. Each bucket waits for that of all its KPIs. Example: `(ventes - achats) / ventes`.
    pub formula: Option<String>,
    /// What the source is asked: text (SQL with `:from` and `:to`, PromQL), columns for CSV tables, a request for HTTP
    /// APIs, accounts for accounting exports, nothing for figures entered by hand. Examples:
    /// `{time: date, value: montant, labels: [canal]}`, `{figure: revenue}`, `{accounts: [70, -709], sign: credit}`,
    /// `{path: orders, params: {from: "{from}", to: "{to}"}, rows: "$.items[*]", time: $.created_at, value: $.total}`.
    pub query: Option<RawQuery>,
    /// Labels that split it into series. Default: none. Example: `[channel]`. One that is called `currency` or `devise`
    /// is checked: amounts in another currency than `unit` are refused, never added.
    #[serde(default)]
    pub dimensions: Vec<String>,
    /// When it is pulled: `hourly`, `daily 06:15`, `workdays 06:15`, `every 5m`, or a cron expression with seconds.
    /// Default: by grain, `daily 06:15` for days, weeks and months, `hourly`, else once per bucket.
    pub schedule: Option<String>,
    /// How long after a bucket's end its value may take; later is late. Default: one grain. Example:
    /// `1 workday after end`.
    pub expected: Option<Written<Lateness>>,
    /// Buckets younger than this are provisional and pulled again; not for figures entered by hand. Default: `0s`.
    /// Example: `2d`.
    pub settle: Option<Written<jiff::SignedDuration>>,
    /// How far back the first start pulls. Default: `400d`, for grains below a day 400 buckets; for
    /// windows, of which each bucket is a request of its own, 62 buckets.
    pub history: Option<Written<jiff::SignedDuration>>,
    /// How far back buckets are kept; older ones are removed, a piece each day. At least `history`. Default: `3650d`, for
    /// hours `1100d`, for grains below an hour `400d`, or `history` where that is longer. Example: `1825d`.
    pub keep: Option<Written<jiff::SignedDuration>>,
    /// How often the past is pulled once more, and how far back, for sources that restate it: what changed becomes a
    /// revision. Default: never. Example: `monthly 400d`.
    pub recheck: Option<Written<Recheck>>,
    /// What an absent bucket means after a complete pull: `zero` or `missing`. Default: `missing`.
    pub empty: Option<RawEmpty>,
    /// Share of the due buckets from which a span counts as measurable. Default: `80 %`.
    pub complete: Option<Written<Share>>,
    /// Limits outside which a value is refused. Example: `{min: 0}`.
    pub quality: Option<RawQuality>,
    /// Another KPI that should say the same: the shop's revenue and the accountant's. Where a final bucket of both differs
    /// by more, this KPI's value is suspect: it is pulled again after ten minutes, and if they still differ it is not
    /// judged before they agree or `vigie suspect` settles it. Example: `{with: ca-compta, within: 2 %}`.
    pub reconcile: Option<RawReconcile>,
    /// What it was called before: its history, alerts and messages go on under the new name. It may stay here. Example:
    /// `ca`.
    pub was: Option<String>,
    /// Id of the person who answers for it. Default: none.
    pub owner: Option<String>,
}

/// How values of neighbouring buckets and labels combine.
#[derive(Clone, Copy, Debug)]
pub enum RawKind {
    /// Adds up over time and labels.
    Flow,
    /// State at a moment; `level` alone, or with its settings.
    Level(RawLevel),
    /// Numerator over denominator, both kept.
    Ratio,
    /// What only the source can compute, for exactly the span asked for.
    Window,
}

/// The name of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawKindName {
    Flow,
    Level,
    Ratio,
    Window,
}

/// A kind with settings.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawKindMap {
    /// Settings of a level.
    level: RawLevel,
}

/// How a level combines.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLevel {
    /// Over time the `last` value stands, or the `mean`. Default: `last`.
    pub over_time: Option<RawOverTime>,
    /// Whether labels add up to the total (stock of each shop). Default: `false`.
    #[serde(default)]
    pub additive: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawOverTime {
    Last,
    Mean,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawEmpty {
    Zero,
    Missing,
}

/// Limits of plausible values, both included, in the KPI's unit.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawQuality {
    /// Least plausible value; below it a reading is refused. Default: none.
    pub min: Option<Written<Amount>>,
    /// Greatest plausible value; above it a reading is refused. Default: none.
    pub max: Option<Written<Amount>>,
    /// How far a value may lie beyond the range of the 28 before it: above the highest, or below the lowest. One that
    /// lies further is suspect: it is pulled again after ten minutes, and if it stays the series is not judged before
    /// `vigie suspect` accepts, corrects or rejects it, or two further values confirm it. Default: none. Example: `300 %`.
    pub max_jump: Option<Written<Jump>>,
    /// Whether it is told when a dimension value comes no more while others do: a shop, a channel. It must have come in
    /// 20 of its last 60 buckets, and have been away for more than twice its longest absence among them and two buckets:
    /// `tell` or `ignore`. Default: `tell`.
    pub vanished: Option<RawVanished>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawVanished {
    Tell,
    Ignore,
}

/// Another KPI that should say the same.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawReconcile {
    /// Id of the other KPI; of the same grain, zone, kind and unit.
    pub with: String,
    /// How far apart the totals may be, as a share of the other's value. Example: `2 %`.
    pub within: Written<Share>,
}

impl<'de> Deserialize<'de> for RawKind {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct KindVisitor;

        impl<'de> Visitor<'de> for KindVisitor {
            type Value = RawKind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`flow`, `level`, `ratio`, `window`, or `{level: {over_time: mean}}`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawKind, E> {
                Ok(match RawKindName::deserialize(text.into_deserializer())? {
                    RawKindName::Flow => RawKind::Flow,
                    RawKindName::Level => RawKind::Level(RawLevel::default()),
                    RawKindName::Ratio => RawKind::Ratio,
                    RawKindName::Window => RawKind::Window,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawKind, A::Error> {
                RawKindMap::deserialize(MapAccessDeserializer::new(map)).map(|kind| RawKind::Level(kind.level))
            }
        }

        input.deserialize_any(KindVisitor)
    }
}

impl JsonSchema for RawKind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Kind".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (name, map) = (generator.subschema_for::<RawKindName>(), generator.subschema_for::<RawKindMap>());
        json_schema!({"anyOf": [name, map]})
    }
}
