//! Objectives: targets, periods, trajectories, actions.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::target::{RawBaseline, RawParts, RawTarget};
use crate::config::scalar::{Amount, TargetAmount, Written};
use crate::model::objective::Stretch;

/// A SMART target on a KPI over a period. Exactly one of `reach`, `reduce_to`, `at_least`, `at_most`, `between`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawObjective {
    /// Id of the KPI it measures.
    pub kpi: String,
    /// The objective in words. Example: `Porter le chiffre d'affaires mensuel à 400 000 €`.
    pub statement: String,
    /// Get up to this by the period's end, in the KPI's unit. Or so far from the `baseline`: `+15 %` of it, `+3 pts` for
    /// ratios and scores. Or figures by period, here (`{2026-01: 100000, 2026-02: 120000}`) or in a file
    /// (`{table: targets.csv}`, relative to this file: columns `period` and `value`, and one for each dimension in which the
    /// figures differ): each period has its own, and one of several rows has their sum, or the last where nothing adds up;
    /// what they come to is its trajectory then. Example: `400000`.
    pub reach: Option<RawTarget>,
    /// Get down to this by the period's end, in the KPI's unit.
    pub reduce_to: Option<RawTarget>,
    /// Stay at or above this, in the KPI's unit.
    pub at_least: Option<RawTarget>,
    /// Stay at or below this, in the KPI's unit.
    pub at_most: Option<RawTarget>,
    /// Stay within these two, both included, in the KPI's unit. Example: `[18, 22]`.
    pub between: Option<Vec<Written<TargetAmount>>>,
    /// How the period's buckets make one figure: `sum` (flows), `pooled` (ratios), `each`, `mean`, `at_end`, `to_date`
    /// (windows: the source is asked for the period so far, which is a KPI of its own, such as `users@month`), or
    /// `{rolling: 28d}`, `{rolling: 12 months}`: the newest stretch of time, whose figure is judged at the period's end.
    /// Default: `sum` for flows, `pooled` for ratios, `to_date` for windows; for levels `each` when something is to be kept
    /// (`at_least`, `at_most`, `between`), else `at_end`.
    pub measure: Option<RawMeasure>,
    /// `month`, `quarter`, `half`, `year`, `fiscal_year` (as the top-level `fiscal_year` has it), which recur; one of them
    /// by name (`2026-11`, `2026-Q4`, `2026-H1`, `2026`, `FY2026`); or two days, both included:
    /// `{from: 2026-10-01, to: 2026-12-31}`.
    pub period: RawPeriod,
    /// The way the figure is expected to go: `learned`, `working_days`, `linear`, or `{milestones: {2026-10-31: 100000}}`.
    /// Default: `learned` for sums, else `working_days` for days with a country's calendar, else `linear`.
    pub trajectory: Option<RawTrajectory>,
    /// Where the measure stood when the objective was set, in the KPI's unit: start of the way for levels, and what a target
    /// such as `+15 %` is relative to. A figure; or a period, whose figure is that of the objective's own measure over it
    /// (the mean of its buckets for `each`): `previous`, `year_before`, `2025-H1`, `FY2025`, `{from: ..., to: ...}`. A sum over
    /// a period of other length counts by its working days. Example: `year_before`.
    pub baseline: Option<RawBaseline>,
    /// The day by which the target is to be met, within a period that is a fixed one: the trajectory ends there, and so does
    /// the objective unless it says `then`. Example: `2026-10-31`.
    pub done_by: Option<Written<Date>>,
    /// `keep`: what is reached (or reduced to) is held until the period's end, from `done_by` on, or without it once it is
    /// met; missed as soon as a final figure misses it. For `at_end` and `each`.
    pub then: Option<RawThen>,
    /// The target's parts by the values of one dimension, which sum to it: `{channel: {web: 60 %, shop: 40 %}}`, or amounts;
    /// of a target relative to a baseline the values alone, `{channel: [web, shop]}`: each goes from its own. Each part is an
    /// objective of its own, called `name/web`, for rules with `each: channel`.
    pub split: Option<IndexMap<String, RawParts>>,
    /// One series instead of the total, by its labels; what the KPI's other dimensions split is added up. Example:
    /// `{channel: web}`.
    #[serde(rename = "where")]
    pub where_: Option<IndexMap<String, String>>,
    /// What it was called before: its history, alerts and messages go on under the new name. It may stay here. Example:
    /// `ca-mois`.
    pub was: Option<String>,
    /// Axis of the strategy it serves. Example: `croissance`.
    pub axis: Option<String>,
    /// Id of the person who answers for it. Default: the KPI's owner.
    pub owner: Option<String>,
    /// What was undertaken for it.
    #[serde(default)]
    pub actions: Vec<RawAction>,
}

/// What becomes of a target that is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawThen {
    Keep,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawMeasure {
    Sum,
    Pooled,
    Each,
    Mean,
    AtEnd,
    ToDate,
    /// The newest days, weeks or months: a flow's sum, a ratio pooled, the mean of a level.
    Rolling(Written<Stretch>),
}

/// Something undertaken for an objective.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawAction {
    /// What is to be done. Example: `Relancer les paniers abandonnés`.
    #[serde(rename = "do")]
    pub do_: String,
    /// Id of the person who does it.
    pub who: Option<String>,
    /// The day it is to be done by. Example: `2026-11-30`.
    pub by: Option<Written<Date>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawTrajectory {
    /// A straight line over civil time.
    Linear,
    /// A straight line over working days.
    WorkingDays,
    /// As the history before the period has it: weekdays, holidays, place in the month, season. Working days where there is
    /// too little history.
    Learned,
    /// Expected figures at the end of days, in order.
    Milestones(RawMilestones),
}

/// Figures by day, in the KPI's unit. Example: `{2026-10-31: 100000, 2026-11-30: 250000}`.
pub type RawMilestones = IndexMap<String, Written<Amount>>;

/// The span of an objective.
#[derive(Clone, Debug)]
pub enum RawPeriod {
    Named(String),
    Fixed(RawFixedPeriod),
}

/// Two days, both included.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFixedPeriod {
    /// First day.
    pub from: Written<Date>,
    /// Last day.
    pub to: Written<Date>,
}

impl<'de> Deserialize<'de> for RawPeriod {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct PeriodVisitor;

        impl<'de> Visitor<'de> for PeriodVisitor {
            type Value = RawPeriod;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a period such as `month`, `quarter`, `year`, `2026-Q4` or `{from: ..., to: ...}`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawPeriod, E> {
                Ok(RawPeriod::Named(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, year: i64) -> Result<RawPeriod, E> {
                Ok(RawPeriod::Named(year.to_string()))
            }

            fn visit_u64<E: Error>(self, year: u64) -> Result<RawPeriod, E> {
                Ok(RawPeriod::Named(year.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawPeriod, A::Error> {
                RawFixedPeriod::deserialize(MapAccessDeserializer::new(map)).map(RawPeriod::Fixed)
            }
        }

        input.deserialize_any(PeriodVisitor)
    }
}

impl JsonSchema for RawPeriod {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fixed = generator.subschema_for::<RawFixedPeriod>();
        json_schema!({"anyOf": [{"type": ["string", "integer"]}, fixed]})
    }
}
