//! What a KPI's number means: unit, direction, category, kind.

use serde::{Deserialize, Serialize};

/// The unit of a KPI's values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A plain number.
    None,
    /// ISO 4217 code, such as `EUR`.
    Currency(String),
    /// The value is a share: 0.125 reads `12,5 %`.
    Ratio,
    /// The value is already per cent: 12.5 reads `12,5 %`.
    Percent,
    /// Points of an index or of an NPS.
    Points,
    /// Anything else, written after the number: `commandes`, `ms`.
    Other(String),
}

impl Unit {
    /// Why an amount of the currency `said` can't count among amounts of this unit; none where it can.
    pub fn refusal_of(&self, said: &str) -> Option<String> {
        let Unit::Currency(own) = self else { return None };
        let said = said.trim();
        (!said.eq_ignore_ascii_case(own)).then(|| {
            format!(
                "its currency is `{said}`, the KPI's is {own}: convert it in the query, leave it out there, or define a \
                 KPI for each currency"
            )
        })
    }
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Higher,
    Lower,
    InBand,
}

/// The three families of KPIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    Financial,
    Operational,
    Customer,
}

impl Category {
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Financial => "financial",
            Category::Operational => "operational",
            Category::Customer => "customer",
        }
    }
}

/// How values of neighbouring buckets and labels combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Adds up over time and labels: revenue.
    Flow,
    /// State at a moment: stock. Over time the last value stands, or the mean.
    Level { over_time: LevelOverTime, additive: bool },
    /// Numerator and denominator are kept; aggregates pool them.
    Ratio,
    /// Only the source can compute it, for exactly the span asked for: a percentile, unique users. Nothing is made of
    /// several of them.
    Window,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelOverTime {
    Last,
    Mean,
}

/// The language of texts and numbers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    #[default]
    Fr,
    En,
}
