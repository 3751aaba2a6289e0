//! Figures that people enter by hand (`vigie record`): nothing is pulled, and what was typed is read here.

mod value;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::request::{Capabilities, QueryForm};
use crate::model::kpi::{Kpi, Query};
use crate::model::observation::Pull;

pub use value::read_value;

/// Figures that people enter by hand: the result of a survey, a headcount.
///
/// A KPI of such a source has no `query` and no `settle`. `vigie record nps 2026-10 45/60 --note 'mail survey'` enters a
/// figure of a period that has ended; entered again it corrects, and the earlier version is kept. Rules run at once.
/// `expected` says when it is due; a rule such as `data/stale` then asks for it, with the command to type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManualConfig {}

/// A source that brings nothing by itself.
#[derive(Clone, Debug)]
pub struct ManualSource;

impl ManualConfig {
    pub fn build(self) -> ManualSource {
        ManualSource
    }
}

impl ManualSource {
    /// Nothing; and that is no word on whether there is anything, so that no zeros are made up.
    pub(super) fn pull() -> Pull {
        Pull { complete: false, ..Pull::default() }
    }

    pub(super) fn probe() -> String {
        "people enter its figures with `vigie record`".to_owned()
    }

    pub(super) fn capabilities() -> Capabilities {
        Capabilities { query: QueryForm::Nothing, history: true, buckets_per_pull_max: u32::MAX, network: false }
    }

    pub(super) fn check_query(kpi: &Kpi) -> Result<(), String> {
        match &kpi.query {
            Query::Entered => Ok(()),
            Query::Text(_) | Query::Table(_) | Query::Http(_) | Query::Formula(_) | Query::Ledger(_) => {
                Err(format!("the figures of KPI `{}` are entered by hand; remove its query", kpi.id))
            }
        }
    }
}
