//! From the columns and rows of an answer to readings, whatever the database.

use jiff::Timestamp;

use crate::model::kpi::Kpi;
use crate::model::observation::{Pull, ReadingTime, ReadingValue};
use crate::model::unit::{Kind, Unit};
use crate::source::cell::number::{Cell, Mark, is_ambiguous, read};
use crate::source::cell::time;
use crate::source::error::SourceError;
use crate::source::labels::{adds_up, check_dimension, labels_of};
use crate::source::request::PullRequest;
use crate::source::rows::{Rows, ValueCells, amount, cut};
use crate::source::suggest::{did_you_mean, listed};

/// A value of a database.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::source) enum SqlValue {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    Blob,
}

impl SqlValue {
    /// Bytes that it takes, roughly.
    pub(super) fn size(&self) -> usize {
        if let SqlValue::Text(text) = self { text.len() } else { 8 }
    }

    fn as_label(&self) -> Option<String> {
        match self {
            SqlValue::Null | SqlValue::Blob => None,
            SqlValue::Bool(truth) => Some(truth.to_string()),
            SqlValue::Integer(number) => Some(number.to_string()),
            SqlValue::Real(number) => Some(number.to_string()),
            SqlValue::Text(text) => Some(text.clone()),
        }
    }

    /// Text must be a number as databases write decimals; anything else is no number.
    fn into_reading(self, unit: &Unit) -> ReadingValue {
        match self {
            SqlValue::Null => ReadingValue::Absent,
            SqlValue::Bool(truth) => ReadingValue::Number(f64::from(u8::from(truth))),
            SqlValue::Integer(number) => ReadingValue::Number(number as f64),
            SqlValue::Real(number) if number.is_nan() => ReadingValue::Absent,
            SqlValue::Real(number) => ReadingValue::Number(number),
            // No database writes `1,250`, and who did may mean either.
            SqlValue::Text(text) if is_ambiguous(&text, ',') => ReadingValue::Unreadable(cut(&text)),
            SqlValue::Text(text) => match read(&text, Mark::Point) {
                Cell::Number { value, percent: false, currency } => amount(unit, value, currency, &text),
                Cell::Absent => ReadingValue::Absent,
                Cell::Number { .. } | Cell::Unreadable => ReadingValue::Unreadable(cut(&text)),
            },
            SqlValue::Blob => ReadingValue::Unreadable("binary data".to_owned()),
        }
    }

    fn as_time(&self) -> Option<ReadingTime> {
        match self {
            SqlValue::Null | SqlValue::Bool(_) | SqlValue::Blob => None,
            SqlValue::Integer(number) => time::read(&number.to_string()),
            SqlValue::Real(number) => time::read_number(*number),
            SqlValue::Text(text) => time::read(text),
        }
    }
}

/// What each column of an answer means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    time: Option<usize>,
    value: Option<usize>,
    numerator: Option<usize>,
    denominator: Option<usize>,
    n: Option<usize>,
    /// Place of each of the KPI's dimensions, in their order.
    labels: Vec<usize>,
}

const TIMES: [&str; 3] = ["bucket", "time", "date"];
const VALUES: [&str; 4] = ["value", "numerator", "denominator", "n"];

impl Columns {
    /// The columns of an answer; what is wrong with them names the query.
    pub(super) fn of(names: &[String], kpi: &Kpi) -> Result<Columns, SourceError> {
        Columns::find(names, kpi).map_err(|cause| {
            let error = SourceError::config(format!("query of KPI `{}`: {cause}", kpi.id));
            error.with_labels(further(names, kpi))
        })
    }

    /// Finds the columns by name, large or small letters alike; dimensions first.
    fn find(names: &[String], kpi: &Kpi) -> Result<Columns, String> {
        let place = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        let dimension = |name: &str| kpi.dimensions.iter().any(|dimension| dimension.eq_ignore_ascii_case(name));
        let other = |wanted: &str| place(wanted).filter(|_| !dimension(wanted));
        let columns = Columns {
            time: TIMES.iter().find_map(|name| other(name)),
            value: other("value"),
            numerator: other("numerator"),
            denominator: other("denominator"),
            n: other("n"),
            labels: kpi.dimensions.iter().map(|name| place(name).ok_or(name)).collect::<Result<_, _>>().map_err(
                |missing| {
                    let has = listed(names.iter().map(String::as_str));
                    format!("the answer has no column for dimension `{missing}`; it has {has}: add it to SELECT and GROUP BY")
                },
            )?,
        };
        let taken = |at: usize| {
            let named = [columns.time, columns.value, columns.numerator, columns.denominator, columns.n];
            named.contains(&Some(at)) || columns.labels.contains(&at)
        };
        if let Some((_, name)) = names.iter().enumerate().find(|(at, _)| !taken(*at)) {
            let known = TIMES.iter().chain(&VALUES).copied();
            let near = did_you_mean(name, known);
            let twice = names.iter().filter(|other| other.eq_ignore_ascii_case(name)).count() > 1;
            return Err(match near.as_str() {
                _ if twice => format!("two columns are named `{name}`; leave one of them out"),
                "" => check_dimension(kpi, name).err().unwrap_or_else(|| format!("two columns are named `{name}`")),
                near => format!("unknown column `{name}`{near}; rename it with AS"),
            });
        }
        if let Some(time) = columns.time.filter(|_| kpi.kind == Kind::Window) {
            return Err(format!(
                "the answer has a column `{}`, but a window is one value for all of :from to :to; remove it from SELECT and GROUP BY",
                names[time]
            ));
        }
        match (columns.value, columns.numerator, columns.denominator) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => Ok(columns),
            _ => {
                let has = listed(names.iter().map(String::as_str));
                Err(format!(
                    "the answer must have a column `value`, or `numerator` and `denominator`; it has {has}: rename with AS"
                ))
            }
        }
    }
}

impl Columns {
    /// Place of the column of times.
    pub(super) fn time(&self) -> Option<usize> {
        self.time
    }

    /// What `:from` and `:to` stand for: without a time column just the bucket that the value holds for.
    pub(super) fn span(&self, request: &PullRequest) -> (Timestamp, Timestamp) {
        if self.time.is_some() || request.window.is_some() {
            return (request.from, request.to);
        }
        let (grain, zone) = (request.kpi.grain, &request.kpi.zone);
        let newest = grain.bucket(grain.last_ended(request.now, zone), zone);
        (newest.start, newest.end)
    }
}

/// Whether an answer may have a column of that name.
pub(super) fn may_answer(name: &str, kpi: &Kpi) -> bool {
    let known = TIMES.iter().chain(&VALUES).copied().chain(kpi.dimensions.iter().map(String::as_str));
    known.into_iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Columns that would be dimensions if the KPI had them; none where one of them looks like a slip of the pen.
fn further(names: &[String], kpi: &Kpi) -> Vec<String> {
    let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    let time = TIMES.into_iter().find(|name| has(name));
    let known = time.into_iter().chain(VALUES).chain(kpi.dimensions.iter().map(String::as_str));
    let known: Vec<&str> = known.collect();
    let further = names.iter().filter(|name| !known.iter().any(|known| name.eq_ignore_ascii_case(known)));
    let further: Vec<String> = further.cloned().collect();
    let meant = TIMES.iter().chain(&VALUES).copied();
    if further.iter().any(|name| !did_you_mean(name, meant.clone()).is_empty()) { Vec::new() } else { further }
}

/// How rows said that they have no value of a dimension.
#[derive(Clone, Copy, Debug, Default)]
struct Empties {
    null: bool,
    text: bool,
}

/// Turns rows into readings as they come.
pub(super) struct Table<'a> {
    kpi: &'a Kpi,
    columns: Columns,
    rows: Rows<'a>,
    count: usize,
    /// The time of rows without a time column.
    newest_ended: Timestamp,
    /// By dimension.
    empties: Vec<Empties>,
}

impl<'a> Table<'a> {
    pub(super) fn new(request: &'a PullRequest, columns: Columns) -> Self {
        let (grain, zone) = (request.kpi.grain, &request.kpi.zone);
        let held = request.window.unwrap_or_else(|| grain.last_ended(request.now, zone));
        let newest_ended = grain.start_of(held, zone);
        let empties = vec![Empties::default(); request.kpi.dimensions.len()];
        Self { kpi: &request.kpi, columns, rows: Rows::new(request), count: 0, newest_ended, empties }
    }

    pub(super) fn push(&mut self, mut row: Vec<SqlValue>) {
        self.count += 1;
        let origin = format!("row {}", self.count);
        let time = match self.columns.time {
            None => Some(ReadingTime::Instant(self.newest_ended)),
            Some(at) => row[at].as_time(),
        };
        let Some(time) = time else {
            let raw = self.columns.time.and_then(|at| row[at].as_label()).unwrap_or_else(|| "NULL".to_owned());
            self.rows.undated(&raw, &origin);
            return;
        };
        if !self.rows.wants(time) {
            return;
        }
        let texts: Vec<Option<String>> = self.columns.labels.iter().map(|at| row[*at].as_label()).collect();
        for (text, seen) in texts.iter().zip(&mut self.empties) {
            match text.as_deref() {
                None => seen.null = true,
                Some("") => seen.text = true,
                Some(_) => {}
            }
        }
        let dimension = |name: &str| self.kpi.dimensions.iter().position(|dimension| dimension == name);
        let labels = labels_of(self.kpi, |name| dimension(name).and_then(|index| texts[index].as_deref()));
        let unit = &self.kpi.unit;
        let mut take =
            |at: Option<usize>| at.map(|at| std::mem::replace(&mut row[at], SqlValue::Null).into_reading(unit));
        let cells = ValueCells {
            value: take(self.columns.value),
            numerator: take(self.columns.numerator),
            denominator: take(self.columns.denominator),
            n: take(self.columns.n),
        };
        self.rows.push(time, labels, cells.into_value(), origin);
    }

    pub(super) fn finish(mut self) -> Result<Pull, SourceError> {
        let mixed = self.kpi.dimensions.iter().zip(&self.empties).find(|(_, seen)| seen.null && seen.text);
        if let Some((name, _)) = mixed.filter(|_| adds_up(self.kpi.kind)) {
            self.rows.warn(format!(
                "query of KPI `{}`: rows of dimension `{name}` have NULL, and others an empty text, which are one value of \
                 it; write nullif({name}, '') in SELECT and GROUP BY",
                self.kpi.id
            ));
        }
        if self.columns.time.is_none() && self.columns.labels.is_empty() && self.count > 1 {
            return Err(SourceError::config(format!(
                "query of KPI `{}`: it gives {} rows but no time; name the time column `bucket`, or return one row",
                self.kpi.id, self.count
            )));
        }
        self.rows.finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::model::observation::ReadingValue;
    use crate::model::unit::Unit;
    use crate::source::sql::SqlValue;

    use super::{Columns, further};
    use crate::model::kpi::Query;
    use crate::source::fixture;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn find(names: &[&str], dimensions: &[&str]) -> Result<Columns, String> {
        let mut kpi = fixture::kpi(Query::Text(String::new()));
        kpi.dimensions = owned(dimensions);
        Columns::find(&owned(names), &kpi)
    }

    #[test]
    fn columns_by_name() {
        let expected = Columns { time: Some(0), value: Some(2), labels: vec![1], ..Columns::default() };
        assert_eq!(find(&["Bucket", "channel", "VALUE"], &["channel"]), Ok(expected));
        assert_eq!(find(&["date", "value"], &[]).unwrap().time, Some(0));
        let ratio = find(&["numerator", "denominator", "n"], &[]).unwrap();
        assert_eq!((ratio.time, ratio.numerator, ratio.n), (None, Some(0), Some(2)));
        // A dimension may have a name that would else be a time.
        assert_eq!(find(&["bucket", "date", "value"], &["date"]).unwrap().labels, [1]);
    }

    #[test]
    fn columns_that_could_be_dimensions_are_named() {
        fn check(names: &[&str], dimensions: &[&str], expected: &[&str]) {
            let mut kpi = fixture::kpi(Query::Text(String::new()));
            kpi.dimensions = owned(dimensions);
            assert_eq!(further(&owned(names), &kpi), expected, "{names:?}");
        }
        check(&["bucket", "Channel", "shop", "value"], &[], &["Channel", "shop"]);
        check(&["bucket", "channel", "shop", "VALUE"], &["channel"], &["shop"]);
        // Names of times and values, and what is near them, are rather mistakes.
        check(&["bucket", "date", "value"], &[], &[] as &[&str]);
        check(&["bukcet", "channel", "value"], &[], &[]);
        let error = Columns::of(&owned(&["bucket", "channel", "value"]), &fixture::kpi(Query::Text(String::new())));
        assert_eq!(error.unwrap_err().labels, ["channel"]);
    }

    #[test]
    fn texts_that_can_be_read_two_ways_are_no_numbers() {
        let read = |text: &str| SqlValue::Text(text.to_owned()).into_reading(&Unit::None);
        assert_eq!(read("1,250"), ReadingValue::Unreadable("1,250".to_owned()));
        assert_eq!(read("1.250"), ReadingValue::Number(1.25));
        assert_eq!(read("1,250.50"), ReadingValue::Number(1250.5));
    }

    #[test]
    fn wrong_columns_say_why() {
        fn check(names: &[&str], dimensions: &[&str], part: &str) {
            let error = find(names, dimensions).unwrap_err();
            assert!(error.contains(part), "{error} lacks {part}");
        }
        check(&["bucket", "sum"], &[], "`sum` is no dimension of KPI `revenue`");
        check(&["bukcet", "value"], &[], "unknown column `bukcet` (did you mean `bucket`?)");
        check(&["bucket", "chanel", "value"], &["channel"], "no column for dimension `channel`");
        check(&["bucket"], &[], "must have a column `value`");
        check(&["bucket", "value", "numerator"], &[], "must have a column `value`, or");
        check(&["value", "value"], &[], "two columns are named `value`");
    }
}
