//! From rows of any table to a pull: places each in time, keeps what is asked, tells what is not placed.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::cell::currency::Currency;
use super::cell::number::shown;
use super::cell::time::{FORMS, of_another_kind};
use super::error::SourceError;
use super::request::PullRequest;
use crate::model::grain::BucketIndex;
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::observation::{Parts, Pull, Reading, ReadingTime, ReadingValue};
use crate::model::unit::Unit;
use crate::net::ErrorClass;

/// Series of one pull; more belong into a database, not into alerts.
const SERIES_MAX: usize = 10_000;

/// Collects the readings of one pull.
pub(super) struct Rows<'a> {
    kpi: &'a Kpi,
    asked: RangeInclusive<BucketIndex>,
    pull: Pull,
    /// Rows with a readable time, asked for or not.
    dated: usize,
    undated: usize,
    /// Where the first of them stands, and the beginning of what stands in the time's place.
    undated_sample: Option<(String, String)>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(request: &'a PullRequest) -> Self {
        let pull = Pull { complete: true, ..Pull::default() };
        Self { kpi: &request.kpi, asked: request.buckets(), pull, dated: 0, undated: 0, undated_sample: None }
    }

    /// True when a row of that time is asked for; counts it as placed in time.
    pub(super) fn wants(&mut self, time: ReadingTime) -> bool {
        self.dated += 1;
        let is_asked = self.asked.contains(&time.bucket(self.kpi.grain, &self.kpi.zone));
        self.pull.outside += usize::from(!is_asked);
        is_asked
    }

    /// Remembers a row whose time can't be read.
    pub(super) fn undated(&mut self, raw: &str, origin: &str) {
        self.undated += 1;
        self.undated_sample.get_or_insert_with(|| (origin.to_owned(), cut(raw)));
    }

    pub(super) fn push(&mut self, time: ReadingTime, labels: Labels, value: ReadingValue, origin: String) {
        self.pull.readings.push(Reading { time, labels, value, origin });
    }

    /// Tells something once, however many requests of the pull meet it.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.pull.warnings.contains(&warning) {
            self.pull.warnings.push(warning);
        }
    }

    /// The pull. Rows that could not be placed make it incomplete; if none could, the form is wrong.
    pub(super) fn finish(self) -> Result<Pull, SourceError> {
        self.finish_naming("date_format")
    }

    /// The same, where the form of times is set by another key.
    pub(super) fn finish_naming(mut self, key: &str) -> Result<Pull, SourceError> {
        let series: HashSet<&Labels> = self.pull.readings.iter().map(|reading| &reading.labels).collect();
        if series.len() > SERIES_MAX {
            let message = format!(
                "query of KPI `{}`: it gives {} series, more than {SERIES_MAX}; group by fewer values, or take a dimension away",
                self.kpi.id,
                series.len()
            );
            return Err(SourceError::new(ErrorClass::TooLarge, message));
        }
        let Some((origin, raw)) = self.undated_sample else { return Ok(self.pull) };
        let sample = format!("{origin}: `{raw}`");
        if self.dated == 0 {
            let message = match of_another_kind(&raw) {
                Some(kind) => format!("{sample} is no time that can be read, it looks like {kind}"),
                None => format!("{sample} is no time that can be read; known forms are {FORMS}: say {key}"),
            };
            return Err(SourceError::config(message));
        }
        self.pull.complete = false;
        let warning = format!(
            "{} rows have no readable time, such as {sample}; correct or remove them: until then what was deleted is not \
             noticed, and nothing counts as zero",
            self.undated
        );
        self.pull.warnings.push(warning);
        Ok(self.pull)
    }
}

/// One cell of a value column, or the halves of a ratio, as a reading's value.
#[derive(Clone, Debug, Default)]
pub(super) struct ValueCells {
    pub(super) value: Option<ReadingValue>,
    pub(super) numerator: Option<ReadingValue>,
    pub(super) denominator: Option<ReadingValue>,
    pub(super) n: Option<ReadingValue>,
}

impl ValueCells {
    pub(super) fn into_value(self) -> ReadingValue {
        let (Some(numerator), Some(denominator)) = (self.numerator, self.denominator) else {
            return self.value.unwrap_or(ReadingValue::Absent);
        };
        match (numerator, denominator, self.n) {
            (refused @ (ReadingValue::Unreadable(_) | ReadingValue::Foreign { .. }), _, _)
            | (_, refused @ (ReadingValue::Unreadable(_) | ReadingValue::Foreign { .. }), _)
            | (_, _, Some(refused @ (ReadingValue::Unreadable(_) | ReadingValue::Foreign { .. }))) => refused,
            (ReadingValue::Number(numerator), ReadingValue::Number(denominator), n) => {
                let n = match n {
                    Some(ReadingValue::Number(n)) => Some(n),
                    _ => None,
                };
                ReadingValue::Parts(Parts { numerator, denominator, n })
            }
            _ => ReadingValue::Absent,
        }
    }
}

/// The beginning of a foreign text, for messages.
pub(super) fn cut(text: &str) -> String {
    shown(text.trim()).chars().take(40).collect()
}

/// A cell that is a number, as a reading; one with the mark of another currency than the KPI's is none of its amounts.
pub(super) fn amount(unit: &Unit, value: f64, currency: Option<Currency>, cell: &str) -> ReadingValue {
    match foreign(unit, currency) {
        None => ReadingValue::Number(value),
        Some(currency) => ReadingValue::Foreign { raw: cut(cell), currency: currency.code().to_owned() },
    }
}

/// The currency that stands beside a number, where the unit is another one.
pub(super) fn foreign(unit: &Unit, currency: Option<Currency>) -> Option<Currency> {
    let Unit::Currency(own) = unit else { return None };
    currency.filter(|currency| !currency.fits(own))
}
