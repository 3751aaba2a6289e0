//! Tables with periods side by side, such as months across: each of their cells becomes a row.

use csv::StringRecord;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::CsvSource;
use crate::source::cell::order::Orders;
use crate::source::cell::time;
use crate::source::error::SourceError;
use crate::source::suggest::{did_you_mean, listed};

/// Which columns stay, and what those that are periods become. Columns of another name (a sum at the end) are left out;
/// a warning names one that has a figure in its name, which may be a period in an unknown form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wide {
    /// Columns that stay in each row. Default: none. Example: `[shop]`.
    #[serde(default)]
    pub keep: Vec<String>,
    /// The name of the new column with the period. Example: `month`.
    pub time: String,
    /// The name of the new column with the figure. Example: `total`.
    pub value: String,
}

/// Where the columns of one file stand.
pub(super) struct Spread {
    keep: Vec<usize>,
    /// Place and name of each period.
    periods: Vec<(usize, String)>,
    /// A column that may have been meant as a period.
    pub(super) left_out: Option<String>,
}

impl Wide {
    /// Finds the columns of a file; gives them with the header of the rows that come of it.
    pub(super) fn spread(
        &self,
        source: &CsvSource,
        file: &str,
        header: &StringRecord,
    ) -> Result<(Spread, StringRecord), SourceError> {
        let place = |name: &String| {
            header.iter().position(|known| known.trim().to_lowercase() == name.trim().to_lowercase()).ok_or_else(|| {
                let near = did_you_mean(name, header.iter());
                let has = listed(header.iter());
                SourceError::config(format!("{file} has no column `{name}`{near}, which wide keeps; it has {has}"))
            })
        };
        let keep: Vec<usize> = self.keep.iter().map(place).collect::<Result<_, _>>()?;
        let period = |name: &str| match &source.config.date_format {
            Some(format) => time::read_as(name, format),
            None => time::read(name),
        };
        let others = header.iter().enumerate().filter(|(at, _)| !keep.contains(at));
        let (periods, others): (Vec<_>, Vec<_>) =
            others.map(|(at, name)| (at, name.to_owned())).partition(|(_, name)| period(name).is_some());
        for (at, (_, name)) in periods.iter().enumerate() {
            if let Some((_, twin)) = periods[..at].iter().find(|(_, other)| period(other) == period(name)) {
                return Err(SourceError::config(format!(
                    "{file}: columns `{twin}` and `{name}` are the same period, and would count twice; take one out, or rename it"
                )));
            }
        }
        let mut orders = Orders::default();
        if source.config.date_format.is_none() {
            for (_, name) in others.iter().chain(&periods) {
                orders.see(name, || file.to_owned());
            }
        }
        if let Some(refusal) = orders.refusal() {
            return Err(SourceError::config(refusal));
        }
        let doubtful = others.into_iter().find(|(_, name)| name.contains(|c: char| c.is_ascii_digit()));
        let left_out = doubtful.map(|(_, name)| {
            format!(
                "{file}: column `{name}` is read as no period and left out; if it is one, say date_format or rename it"
            )
        });
        if periods.is_empty() {
            let has = listed(header.iter());
            return Err(SourceError::config(format!(
                "{file}: no column's name is a period, as wide needs them; it has {has}: say date_format, or skip the lines above the names"
            )));
        }
        let names = self.keep.iter().chain([&self.time, &self.value]);
        Ok((Spread { keep, periods, left_out }, names.collect()))
    }
}

impl Spread {
    /// The rows that come of one.
    pub(super) fn rows(&self, record: &StringRecord) -> impl DoubleEndedIterator<Item = StringRecord> {
        let cell = |at: usize| record.get(at).unwrap_or_default();
        self.periods.iter().map(move |(at, period)| {
            let kept = self.keep.iter().map(|at| cell(*at));
            kept.chain([period.as_str(), cell(*at)]).collect()
        })
    }
}
