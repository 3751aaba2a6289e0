//! Targets by period: written in place, or read from a file with a row for each.

use std::path::Path;

use indexmap::IndexMap;

use super::beside;
use super::context::Context;
use crate::config::scalar::{Amount, Notation as _, Written, could_group};
use crate::config::suggest;
use crate::model::digest::Digest;
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::period::Period;
use crate::model::target::TargetTable;

/// Bytes and rows of one table.
const TABLE_BYTES_MAX: u64 = 1 << 20;
const ROWS_MAX: usize = 10_000;
/// Bad rows told of one table.
const TOLD_MAX: usize = 20;

const PERIOD_COLUMNS: [&str; 5] = ["period", "month", "période", "periode", "mois"];
const VALUE_COLUMNS: [&str; 5] = ["value", "target", "valeur", "objectif", "cible"];

/// Figures as they stand in the configuration.
pub(super) fn written(
    context: &mut Context<'_>,
    path: &[&str],
    figures: &IndexMap<String, Written<Amount>>,
    kpi: &Kpi,
) -> Option<TargetTable> {
    let mut rows = Vec::new();
    for (name, amount) in figures.iter().take(ROWS_MAX) {
        let mut at = path.to_vec();
        at.push(name);
        let figure = context.amount(&at, amount.0, &kpi.unit);
        match context.fiscal.one(name) {
            Some(period) => rows.push((period, figure)),
            None => {
                let help = suggest::nearest(name, ["table"]).map(|near| format!("did you mean `{near}`?"));
                let help = help.unwrap_or_else(|| "name each by its period, such as `2026-01` or `2026-Q1`".to_owned());
                context.report.error(&at, format!("`{name}` is not a period"), &help);
            }
        }
    }
    if rows.len() < figures.len() {
        return None;
    }
    whole(context, path, rows)
}

/// Figures of a file: those of the series with these labels.
pub(super) fn read(
    context: &mut Context<'_>,
    path: &[&str],
    (base_dir, name): (&Path, &str),
    (kpi, labels): (&Kpi, &Labels),
) -> Option<TargetTable> {
    let mut at = path.to_vec();
    at.push("table");
    let file = base_dir.join(name);
    let shown = file.display().to_string();
    let text = match beside::read(&file, TABLE_BYTES_MAX, "name a CSV file") {
        Ok(text) => text,
        Err((message, help)) => {
            context.report.error(&at, format!("the table of targets {shown} {message}"), help);
            return None;
        }
    };
    context.calendars.files.push(Digest::of(&text));
    let mut table = Table { context, at: &at, shown: &shown, kpi, labels, told: 0 };
    let rows = table.rows(&text)?;
    if table.told > 0 {
        return None;
    }
    if rows.is_empty() {
        let whose = if labels.is_total() { "the total".to_owned() } else { format!("`{labels}`") };
        let help =
            "a row counts for the objective whose `where` its columns of dimensions repeat; empty ones are the total's";
        context.report.error(&at, format!("{shown} has no row for {whose}"), help);
        return None;
    }
    whole(context, &at, rows)
}

fn whole(context: &mut Context<'_>, path: &[&str], rows: Vec<(Period, f64)>) -> Option<TargetTable> {
    match TargetTable::of(rows) {
        Ok(None) => {
            context.report.error(path, "the table of targets is empty", "write figures such as `{2026-01: 100000}`");
            None
        }
        Ok(table) => table,
        Err((one, other)) => {
            let message = format!(
                "two targets for the same days: {} to {} and {} to {}",
                one.first, one.last, other.first, other.last
            );
            context.report.error(path, message, "keep one of them");
            None
        }
    }
}

/// The decimal marks that a column of figures shows, by cells that can be read in one way only.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    comma: bool,
    point: bool,
}

impl Marks {
    fn of<'r>(cells: impl Iterator<Item = &'r str>) -> Marks {
        let shows = |cell: &str, mark: char| {
            cell.contains(mark) && cell.matches([',', '.']).count() == 1 && could_group(cell, mark).is_none()
        };
        cells.fold(Marks::default(), |marks, cell| Marks {
            comma: marks.comma || shows(cell, ','),
            point: marks.point || shows(cell, '.'),
        })
    }

    /// A figure; one that can be read in two ways as the others of its column are written, else not at all.
    fn read(self, text: &str) -> Result<Amount, String> {
        for (mark, is_decimal, groups) in [(',', self.comma, self.point), ('.', self.point, self.comma)] {
            let Some(two_ways) = could_group(text, mark) else { continue };
            return match (is_decimal, groups) {
                (true, false) => Amount::read(&text.replace(mark, ".")),
                (false, true) => Amount::read(&text.replace(mark, "")),
                (true, true) | (false, false) => Err(two_ways),
            };
        }
        Amount::read(text)
    }
}

struct Table<'t, 'c> {
    context: &'t mut Context<'c>,
    at: &'t [&'t str],
    shown: &'t str,
    kpi: &'t Kpi,
    labels: &'t Labels,
    /// Rows that were told to be wrong.
    told: usize,
}

impl Table<'_, '_> {
    fn wrong(&mut self, line: u64, what: &str, help: &str) {
        self.told += 1;
        if self.told <= TOLD_MAX {
            self.context.report.error(self.at, format!("{}:{line}: {what}", self.shown), help);
        }
    }

    fn rows(&mut self, text: &str) -> Option<Vec<(Period, f64)>> {
        let header = text.lines().next().unwrap_or_default();
        let count = |delimiter: &char| header.matches(*delimiter).count();
        let delimiter = [',', ';', '\t'].into_iter().max_by_key(count).unwrap_or(',');
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(u8::try_from(delimiter).unwrap_or(b','))
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let names: Vec<String> = match reader.headers() {
            Ok(names) => names.iter().map(str::to_lowercase).collect(),
            Err(error) => {
                self.wrong(1, &error.to_string(), "write a table with a header");
                return None;
            }
        };
        let period = self.column(&names, &PERIOD_COLUMNS)?;
        let value = self.column(&names, &VALUE_COLUMNS)?;
        let column_of = |dimension: &String| names.iter().position(|name| *name == dimension.to_lowercase());
        let of_labels: Vec<(String, usize)> =
            self.kpi.dimensions.iter().filter_map(|name| Some((name.clone(), column_of(name)?))).collect();
        if let Some((lacking, _)) = self
            .labels
            .iter()
            .find(|(name, _)| !of_labels.is_empty() && !of_labels.iter().any(|(known, _)| known == name))
        {
            let what = format!("there is no column `{lacking}`, by which the objective's series is told");
            self.wrong(1, &what, "add it");
            return None;
        }
        let records: Vec<_> = reader.records().collect();
        let marks = Marks::of(records.iter().flatten().filter_map(|record| record.get(value)));
        let mut rows = Vec::new();
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    self.wrong(line, "the row has another number of columns than the header", "mend the row");
                    continue;
                }
            };
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |column: usize| record.get(column).unwrap_or_default();
            if record.iter().all(str::is_empty)
                || of_labels.iter().any(|(name, column)| cell(*column) != self.labels.get(name).unwrap_or_default())
            {
                continue;
            }
            let (named, written) = (cell(period), cell(value));
            match (self.period(named), marks.read(written)) {
                (None, _) => {
                    self.wrong(
                        line,
                        &format!("`{named}` is not a period"),
                        "write it as `2026-01`, `2026-Q1` or `2026`",
                    );
                }
                (_, Err(why)) => self.wrong(line, &why, "write the figure in the KPI's unit"),
                (Some(period), Ok(amount)) => {
                    rows.push((period, self.context.amount(self.at, amount, &self.kpi.unit)));
                }
            }
            if rows.len() > ROWS_MAX {
                self.wrong(line, &format!("more than {ROWS_MAX} rows"), "drop old years");
                return None;
            }
        }
        Some(rows)
    }

    fn column(&mut self, names: &[String], known: &[&str]) -> Option<usize> {
        let found = names.iter().position(|name| known.contains(&name.as_str()));
        if found.is_none() {
            let wanted = known[0];
            let near = names.iter().find(|name| suggest::nearest(name, known.iter().copied()).is_some());
            let help = match near {
                Some(near) => format!("call the column `{near}` `{wanted}`"),
                None => {
                    format!("its columns are `period` and `value`, and the dimensions; it has {}", names.join(", "))
                }
            };
            self.wrong(1, &format!("there is no column `{wanted}`"), &help);
        }
        found
    }

    /// As in the configuration; of months also the forms of spreadsheets: `01/2026`, and their first day.
    fn period(&self, name: &str) -> Option<Period> {
        let month = match name.split_once('/') {
            Some((month, year)) if month.len() <= 2 => Some(format!("{year}-{month:0>2}")),
            _ => name.strip_suffix("-01").filter(|month| month.len() == 7).map(str::to_owned),
        };
        self.context.fiscal.one(month.as_deref().unwrap_or(name))
    }
}
