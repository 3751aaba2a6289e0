//! One value out of the rows of one bucket and one set of labels.

use std::collections::BTreeMap;

use crate::model::grain::BucketIndex;
use crate::model::http_query::Aggregate;
use crate::model::ids::Labels;
use crate::model::observation::ReadingValue;

/// Rows by bucket and labels.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<(BucketIndex, Labels), Group>);

/// What is kept of the rows of a group.
#[derive(Debug, Default)]
pub(super) struct Group {
    rows: u32,
    numbers: Vec<f64>,
    /// One row that can't be read spoils the whole.
    refused: Option<ReadingValue>,
}

impl Groups {
    pub(super) fn add(&mut self, bucket: BucketIndex, labels: Labels, value: ReadingValue) {
        let group = self.0.entry((bucket, labels)).or_default();
        group.rows += 1;
        match value {
            ReadingValue::Number(number) => group.numbers.push(number),
            ReadingValue::Unreadable(_) | ReadingValue::Foreign { .. } => _ = group.refused.get_or_insert(value),
            ReadingValue::Absent | ReadingValue::Parts(_) => {}
        }
    }

    /// Bucket, labels, value and number of rows of each group.
    pub(super) fn finish(self, by: Aggregate) -> impl Iterator<Item = (BucketIndex, Labels, ReadingValue, u32)> {
        self.0.into_iter().map(move |((bucket, labels), group)| (bucket, labels, group.value(by), group.rows))
    }
}

impl Group {
    fn value(&self, by: Aggregate) -> ReadingValue {
        if let Some(refused) = &self.refused {
            return refused.clone();
        }
        let numbers = self.numbers.iter().copied();
        let found = match by {
            Aggregate::Count => Some(f64::from(self.rows)),
            _ if self.numbers.is_empty() => None,
            Aggregate::Sum => Some(numbers.sum()),
            Aggregate::Mean => Some(numbers.sum::<f64>() / self.numbers.len() as f64),
            Aggregate::Min => numbers.min_by(f64::total_cmp),
            Aggregate::Max => numbers.max_by(f64::total_cmp),
        };
        found.map_or(ReadingValue::Absent, ReadingValue::Number)
    }
}
