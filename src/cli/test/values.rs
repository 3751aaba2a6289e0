//! Series as people write them: `100+2x30`, `_`, lists, halves of ratios, seasons with a seed, files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::model::observation::{Parts, ReadingValue};

/// Values of one series at most.
const VALUES_MAX: usize = 200_000;
/// Bytes of a file with the values of one series.
const CSV_BYTES_MAX: u64 = 16 << 20;

/// Values from the first bucket on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum SeriesForm {
    Number(f64),
    /// Separated by blanks: `5`, `5+2x3` (5 7 9 11), `5-1x2` (5 4 3), `5x2` (5 5 5), `_`, `_x3`, `45/60`.
    Text(String),
    List(Vec<Value>),
    Season(SeasonForm),
    Csv(CsvForm),
}

/// `{season: {...}}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SeasonForm {
    season: Season,
}

/// `{csv: file.csv}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CsvForm {
    /// Beside the test file: one value in the last column of each row, under a heading.
    csv: String,
}

/// A made-up series: `base`, grown by `trend` each bucket, times `week` of its place, with noise.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Season {
    length: usize,
    base: f64,
    #[serde(default)]
    trend: f64,
    /// Factors that repeat, from the first bucket on.
    #[serde(default)]
    week: Vec<f64>,
    /// The largest deviation, as a share of the value.
    #[serde(default)]
    noise: f64,
    #[serde(default)]
    seed: u64,
}

/// One value, or that there is none.
pub(super) type Cell = Option<ReadingValue>;

impl SeriesForm {
    /// The values, one for each bucket.
    ///
    /// # Errors
    /// What can't be read, with the forms that can.
    pub(super) fn values(&self, folder: &Path) -> Result<Vec<Cell>, String> {
        let values = match self {
            SeriesForm::Number(number) => vec![Some(ReadingValue::Number(*number))],
            SeriesForm::Text(text) => tokens(text)?,
            SeriesForm::List(list) => listed(list)?,
            SeriesForm::Season(SeasonForm { season }) => season.values()?,
            SeriesForm::Csv(CsvForm { csv }) => read_csv(&folder.join(csv))?,
        };
        if values.len() > VALUES_MAX { Err(too_many()) } else { Ok(values) }
    }
}

/// Bounded as it grows: each element may be many values.
fn listed(list: &[Value]) -> Result<Vec<Cell>, String> {
    let mut values = Vec::new();
    for element in list {
        values.extend(cell(element)?);
        if values.len() > VALUES_MAX {
            return Err(too_many());
        }
    }
    Ok(values)
}

fn too_many() -> String {
    format!("more than {VALUES_MAX} values in one series")
}

/// One entry of a list, or the value of a revision.
pub(super) fn cell(value: &Value) -> Result<Vec<Cell>, String> {
    match value {
        Value::Number(number) => Ok(vec![number.as_f64().map(ReadingValue::Number)]),
        Value::String(text) => tokens(text),
        Value::Null => Ok(vec![None]),
        other => Err(format!("`{other}` is no value; write a number, `_` or `45/60`")),
    }
}

fn tokens(text: &str) -> Result<Vec<Cell>, String> {
    let mut values = Vec::new();
    for token in text.split_whitespace() {
        let (head, times) = match token.split_once('x') {
            None => (token, None),
            Some((head, times)) => (head, Some(times.parse::<usize>().map_err(|_| wrong(token))?)),
        };
        if times.is_some_and(|times| times >= VALUES_MAX) || values.len() > VALUES_MAX {
            return Err(too_many());
        }
        if head == "_" || head == "stale" {
            // As promtool counts: `_x3` are three.
            values.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
            continue;
        }
        if let Some((numerator, denominator)) = head.split_once('/') {
            let read = |half: &str| half.parse::<f64>().map_err(|_| wrong(token));
            let parts = Parts { numerator: read(numerator)?, denominator: read(denominator)?, n: None };
            values.extend(std::iter::repeat_n(Some(ReadingValue::Parts(parts)), times.unwrap_or(0) + 1));
            continue;
        }
        let (first, step) = progression(head).ok_or_else(|| wrong(token))?;
        if step != 0.0 && times.is_none() {
            return Err(wrong(token));
        }
        let number = |at: usize| Some(ReadingValue::Number(first + step * at as f64));
        values.extend((0..=times.unwrap_or(0)).map(number));
    }
    Ok(values)
}

/// `5`, `5+2`, `5-0.5`, `-5+1e3`.
fn progression(text: &str) -> Option<(f64, f64)> {
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some((number, 0.0));
    }
    let mut signs = text.char_indices().skip(1).filter(|(_, sign)| matches!(sign, '+' | '-'));
    signs.find_map(|(at, _)| Some((text[..at].parse().ok()?, text[at..].parse().ok()?)))
}

fn wrong(token: &str) -> String {
    format!("`{token}` is no value; write `5`, `5+2x3` (5 7 9 11), `5x2` (5 5 5), `_`, `_x3` or `45/60`")
}

impl Season {
    fn values(&self) -> Result<Vec<Cell>, String> {
        if self.length > VALUES_MAX {
            return Err(too_many());
        }
        if !(0.0..=1.0).contains(&self.noise) {
            return Err(format!("noise: {} is no share; write one from 0 to 1", self.noise));
        }
        let mut random = fastrand::Rng::with_seed(self.seed);
        let value = |at: usize| {
            let factor = if self.week.is_empty() { 1.0 } else { self.week[at % self.week.len()] };
            let noise = 1.0 + self.noise * (2.0 * random.f64() - 1.0);
            Some(ReadingValue::Number((self.base + self.trend * at as f64) * factor * noise))
        };
        Ok((0..self.length).map(value).collect())
    }
}

fn read_csv(path: &Path) -> Result<Vec<Cell>, String> {
    let named = |error: csv::Error| format!("{}: {error}", path.display());
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    // Before it is opened: a pipe would wait for whoever writes.
    let about = path.metadata().map_err(failed)?;
    if !about.is_file() || about.len() > CSV_BYTES_MAX {
        return Err(format!("{}: it must be a file of {CSV_BYTES_MAX} bytes at most", path.display()));
    }
    let file = File::open(path).map_err(failed)?.take(CSV_BYTES_MAX);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let mut values = Vec::new();
    for record in reader.records() {
        let record = record.map_err(named)?;
        let text = record.iter().next_back().unwrap_or_default().trim();
        let cells = if text.is_empty() { vec![None] } else { tokens(text)? };
        if cells.len() != 1 {
            return Err(format!("{}: `{text}` is not one value", path.display()));
        }
        values.extend(cells);
        if values.len() > VALUES_MAX {
            return Err(too_many());
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Cell, CsvForm, Season, SeriesForm, tokens};
    use crate::model::observation::{Parts, ReadingValue};

    fn shown(values: &[Cell]) -> String {
        let one = |cell: &Cell| match cell {
            None => "_".to_owned(),
            Some(ReadingValue::Number(number)) => number.to_string(),
            Some(ReadingValue::Parts(Parts { numerator, denominator, .. })) => format!("{numerator}/{denominator}"),
            Some(other) => format!("{other:?}"),
        };
        values.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_notation_is_that_of_promtool() {
        fn check(text: &str, expected: &str) {
            assert_eq!(shown(&tokens(text).unwrap()), expected, "{text}");
        }
        check("1+2x3", "1 3 5 7");
        check("1-2x2 10", "1 -1 -3 10");
        check("-2+4x1", "-2 2");
        check("5x2", "5 5 5");
        check("_ 1 _x2 stale", "_ 1 _ _ _");
        check("1e3+1e1x1", "1000 1010");
        check("0.5+0.25x1", "0.5 0.75");
        check("45/60 1/2x1", "45/60 1/2 1/2");
        check("", "");
        for wrong in ["a", "1+2", "1x", "x3", "1/x", "NaN", "inf", "1x999999999"] {
            assert!(tokens(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_and_files_are_bounded() {
        let list = SeriesForm::List(vec!["1x150000".into(); 1_000_000]);
        assert!(list.values(Path::new("")).unwrap_err().starts_with("more than 200000 values"));
        let list = SeriesForm::List(vec![1.into(), "2x1".into(), serde_json::Value::Null]);
        assert_eq!(shown(&list.values(Path::new("")).unwrap()), "1 2 2 _");
        // One record without an end.
        let csv = SeriesForm::Csv(CsvForm { csv: "/dev/zero".to_owned() });
        assert_eq!(csv.values(Path::new("")).unwrap_err(), "/dev/zero: it must be a file of 16777216 bytes at most");
    }

    #[test]
    fn a_season_repeats_with_its_seed() {
        let season = Season { length: 5, base: 10.0, trend: 1.0, week: vec![1.0, 0.0], noise: 0.0, seed: 3 };
        assert_eq!(shown(&season.values().unwrap()), "10 0 12 0 14");
        let noisy = Season { noise: 0.5, ..season };
        assert_eq!(shown(&noisy.values().unwrap()), shown(&noisy.values().unwrap()));
        assert_ne!(shown(&noisy.values().unwrap()), "10 0 12 0 14");
        assert!(Season { noise: 2.0, ..noisy }.values().is_err());
    }
}
