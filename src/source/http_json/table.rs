//! From rows of JSON to readings.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use super::aggregate::Groups;
use super::plan::{Fields, Plan};
use super::rows_path::{DeadEnd, Trail, kind};
use crate::model::http_query::Numbers;
use crate::model::kpi::Kpi;
use crate::model::observation::{Pull, ReadingTime, ReadingValue};
use crate::source::cell::number::{Cell, Mark, read};
use crate::source::cell::time;
use crate::source::error::SourceError;
use crate::source::labels::labels_of;
use crate::source::request::PullRequest;
use crate::source::rows::{Rows, ValueCells, amount, cut};

/// Turns rows into readings as they come.
pub(super) struct Table<'a> {
    kpi: &'a Kpi,
    fields: &'a Fields,
    rows: Rows<'a>,
    groups: Groups,
    pub(super) count: usize,
    /// A number that stands in a text, which nobody allowed.
    text_number: Option<String>,
    /// Settings whose paths have led nowhere yet. A row here and there may lack a key; one that all rows lack is misspelt.
    unseen: Vec<(String, &'a Trail)>,
    /// The first row, while there are any.
    sample: Option<Value>,
}

impl<'a> Table<'a> {
    pub(super) fn new(request: &'a PullRequest, plan: &'a Plan) -> Self {
        Self {
            kpi: &request.kpi,
            fields: &plan.fields,
            rows: Rows::new(request),
            groups: Groups::default(),
            count: 0,
            text_number: None,
            unseen: plan.fields.places(&request.kpi),
            sample: None,
        }
    }

    /// Takes a row over. `holds_for` is the bucket's start for rows that tell no time.
    pub(super) fn push(&mut self, row: &Value, holds_for: Timestamp) -> Result<(), SourceError> {
        self.count += 1;
        // All rows count, also those of other times: whether a path is right does not depend on the span.
        self.unseen.retain(|(_, trail)| trail.path.query(row).is_empty());
        if !self.unseen.is_empty() {
            self.sample.get_or_insert_with(|| row.clone());
        }
        let origin = format!("row {}", self.count);
        let Some(time) = self.time(row, holds_for, &origin)? else { return Ok(()) };
        if !self.rows.wants(time) {
            return Ok(());
        }
        let fields = self.fields;
        let mut texts = Vec::with_capacity(fields.labels.len());
        for (name, path) in self.kpi.dimensions.iter().zip(&fields.labels) {
            texts.push(label(name, path, row, &origin)?);
        }
        let place = |name: &str| self.kpi.dimensions.iter().position(|dimension| dimension == name);
        let labels = labels_of(self.kpi, |name| place(name).and_then(|index| texts[index].as_deref()));
        let cells = ValueCells {
            value: self.number("value", fields.value.as_ref(), row, &origin)?,
            numerator: self.number("numerator", fields.numerator.as_ref(), row, &origin)?,
            denominator: self.number("denominator", fields.denominator.as_ref(), row, &origin)?,
            n: self.number("n", fields.n.as_ref(), row, &origin)?,
        };
        let value = cells.into_value();
        if fields.aggregate.is_some() {
            self.groups.add(time.bucket(self.kpi.grain, &self.kpi.zone), labels, value);
        } else {
            self.rows.push(time, labels, value, origin);
        }
        Ok(())
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.rows.warn(warning);
    }

    pub(super) fn finish(mut self) -> Result<Pull, SourceError> {
        let selects_nothing = self.tell_of_unseen()?;
        if let Some(by) = self.fields.aggregate {
            for (bucket, labels, value, rows) in self.groups.finish(by) {
                let start = self.kpi.grain.start_of(bucket, &self.kpi.zone);
                self.rows.push(ReadingTime::Instant(start), labels, value, format!("{rows} rows"));
            }
        }
        if let Some(sample) = self.text_number {
            self.rows.warn(format!("numbers stand in texts, such as `{sample}`; say numbers: text to have them read"));
        }
        let mut pull = self.rows.finish_naming("time_format")?;
        pull.complete &= !selects_nothing;
        Ok(pull)
    }

    /// Refuses paths that lead nowhere in any row: absent values would look like null, and become zeros. Where a filter
    /// decides, it may be right to select nothing: that is told, and no zeros are made up of it.
    fn tell_of_unseen(&mut self) -> Result<bool, SourceError> {
        let Some(sample) = self.sample.take() else { return Ok(false) };
        let (count, mut wrong, mut empty) = (self.count, Vec::new(), Vec::new());
        for (key, trail) in std::mem::take(&mut self.unseen) {
            match trail.dead_end(&sample) {
                Some(DeadEnd { text, step, has }) => wrong.push(format!(
                    "{key}: nothing stands at `{text}{step}` in any of the rows ({count}); `{text}` of the first {has}: correct {key}"
                )),
                None if !trail.is_single() => empty.push(format!(
                    "{key}: `{}` selects nothing in any of the rows ({count}), so that no zeros are made up; correct {key} if it should",
                    trail.path
                )),
                None => {}
            }
        }
        if !wrong.is_empty() {
            return Err(SourceError::config(format!("query of KPI `{}`: {}", self.kpi.id, wrong.join("; "))));
        }
        let selects_nothing = !empty.is_empty();
        for warning in empty {
            self.rows.warn(warning);
        }
        Ok(selects_nothing)
    }

    /// When a row holds; none, and remembered, when it tells a time that can't be read.
    fn time(&mut self, row: &Value, holds_for: Timestamp, origin: &str) -> Result<Option<ReadingTime>, SourceError> {
        let Some(path) = &self.fields.time else { return Ok(Some(ReadingTime::Instant(holds_for))) };
        let told = one("time", path, row, origin)?.unwrap_or(&Value::Null);
        let text = match told {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            Value::Number(number) => Cow::Owned(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                self.rows.undated(kind(told), origin);
                return Ok(None);
            }
        };
        let read = match &self.fields.time_format {
            Some(format) => time::read_as(&text, format),
            None => time::read(&text),
        };
        if read.is_none() {
            self.rows.undated(&text, origin);
        }
        Ok(read)
    }

    fn number(
        &mut self,
        key: &str,
        path: Option<&Trail>,
        row: &Value,
        origin: &str,
    ) -> Result<Option<ReadingValue>, SourceError> {
        let Some(path) = path else { return Ok(None) };
        let Some(value) = one(key, path, row, origin)? else { return Ok(Some(ReadingValue::Absent)) };
        Ok(Some(match value {
            Value::Null => ReadingValue::Absent,
            Value::Bool(truth) => ReadingValue::Number(f64::from(u8::from(*truth))),
            Value::Number(number) => number
                .as_f64()
                .filter(|number| number.is_finite())
                .map_or_else(|| ReadingValue::Unreadable(cut(&number.to_string())), ReadingValue::Number),
            Value::String(text) => self.text(text),
            Value::Array(_) | Value::Object(_) => ReadingValue::Unreadable(kind(value).to_owned()),
        }))
    }

    /// A text in a number's place.
    fn text(&mut self, text: &str) -> ReadingValue {
        let cell = read(text, Mark::Point);
        if self.fields.numbers == Numbers::Json {
            if matches!(cell, Cell::Number { .. }) {
                self.text_number.get_or_insert_with(|| cut(text));
            }
            return ReadingValue::Unreadable(cut(text));
        }
        match cell {
            Cell::Number { value, percent: false, currency } => amount(&self.kpi.unit, value, currency, text),
            Cell::Absent => ReadingValue::Absent,
            Cell::Number { .. } | Cell::Unreadable => ReadingValue::Unreadable(cut(text)),
        }
    }
}

/// The text of a label; none where it is missing or null.
fn label(name: &str, path: &Trail, row: &Value, origin: &str) -> Result<Option<String>, SourceError> {
    match one(&format!("labels.{name}"), path, row, origin)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(plain @ (Value::Bool(_) | Value::Number(_))) => Ok(Some(plain.to_string())),
        Some(other @ (Value::Array(_) | Value::Object(_))) => Err(SourceError::config(format!(
            "labels.{name}: `{}` leads to {} in {origin}; name a text in it",
            path.path,
            kind(other)
        ))),
    }
}

/// The value at a path of a row, which may be missing but must not be several.
fn one<'a>(key: &str, path: &Trail, row: &'a Value, origin: &str) -> Result<Option<&'a Value>, SourceError> {
    let found = path.path.query(row).all();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => Err(SourceError::config(format!(
            "{key}: `{}` leads to {} values in {origin}; name one of them, or select them as rows",
            path.path,
            several.len()
        ))),
    }
}
