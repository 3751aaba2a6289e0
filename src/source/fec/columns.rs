//! The columns of an accounting export, found by their names, and the cells of one row.

use csv::StringRecord;
use jiff::civil::Date;

use crate::model::kpi::Kpi;
use crate::model::ledger_query::LedgerQuery;
use crate::model::observation::ReadingTime;
use crate::net::ErrorClass;
use crate::source::cell::number::{Cell, Mark, read};
use crate::source::cell::time;
use crate::source::error::SourceError;
use crate::source::rows::cut;
use crate::source::suggest::{did_you_mean, listed};

/// Ten-thousandths of a euro: sums are exact.
pub(super) const AMOUNT_SCALE: f64 = 10_000.0;
/// Greatest amount of one cell, in euro.
const EURO_MAX: f64 = 1e12;

/// Where the columns of one file stand.
pub(super) struct Columns {
    /// Of the header.
    count: usize,
    journal: usize,
    journal_name: Option<usize>,
    number: usize,
    date: usize,
    account: usize,
    piece: Option<usize>,
    validated: Option<usize>,
    amount: Amount,
    /// Of the KPI's dimensions, in their order.
    labels: Vec<usize>,
}

enum Amount {
    Sides { debit: usize, credit: usize },
    Signed { amount: usize, side: usize },
}

/// One row, as far as sums need it.
pub(super) struct Row<'r> {
    pub(super) journal: &'r str,
    pub(super) journal_name: &'r str,
    /// What tells the entry apart within its journal and day.
    pub(super) number: &'r str,
    pub(super) date: Date,
    pub(super) account: &'r str,
    /// Debit less credit.
    pub(super) amount: i64,
    pub(super) validated: Option<Date>,
}

impl Columns {
    /// Finds every column that is needed; case and quotes don't matter.
    pub(super) fn of(
        file: &str,
        header: &StringRecord,
        (kpi, query): (&Kpi, &LedgerQuery),
    ) -> Result<Columns, SourceError> {
        let find = |name: &str| header.iter().position(|known| bare(known).to_lowercase() == name.to_lowercase());
        let mut missing: Vec<&str> = Vec::new();
        let mut need = |name: &'static str| {
            let at = find(name);
            if at.is_none() {
                missing.push(name);
            }
            at.unwrap_or_default()
        };
        let (journal, number, date) = (need("JournalCode"), need("EcritureNum"), need("EcritureDate"));
        let account = need("CompteNum");
        let amount = match (find("Montant"), find("Sens")) {
            (Some(amount), Some(side)) => Amount::Signed { amount, side },
            _ => Amount::Sides { debit: need("Debit"), credit: need("Credit") },
        };
        if !missing.is_empty() {
            let has = listed(header.iter());
            return Err(SourceError::config(format!(
                "{file} is no accounting export (FEC): it lacks {}; it has {has}: export the 18 columns of the norm, tab or `|` between them, or narrow the path",
                listed(missing)
            )));
        }
        let label = |dimension: &String| {
            let named = query.labels.iter().find(|(name, _)| name == dimension);
            let column = named.map_or(dimension, |(_, column)| column);
            find(column).ok_or_else(|| {
                SourceError::config(format!(
                    "{file} has no column `{column}`{} for the dimension `{dimension}` of KPI `{}`; write labels: {{{dimension}: JournalCode}}, or another of its columns",
                    did_you_mean(column, header.iter()),
                    kpi.id
                ))
            })
        };
        Ok(Columns {
            count: header.len(),
            journal,
            journal_name: find("JournalLib"),
            number,
            date,
            account,
            piece: find("PieceRef"),
            validated: find("ValidDate"),
            amount,
            labels: kpi.dimensions.iter().map(label).collect::<Result<_, _>>()?,
        })
    }

    /// Reads a row; `at` is its place for messages. None: an empty row.
    pub(super) fn row<'r>(
        &self,
        record: &'r StringRecord,
        at: &dyn Fn() -> String,
    ) -> Result<Option<Row<'r>>, SourceError> {
        if record.iter().all(str::is_empty) {
            return Ok(None);
        }
        let refused = |cause: String| SourceError::new(ErrorClass::Unexpected, format!("{}: {cause}", at()));
        // Cells left empty at the end hide that others have moved, so that their number must be just right.
        if record.len() != self.count {
            let remedy = "a separator or a line break stands within a label: correct it, or export again";
            return Err(refused(format!("{} fields, where the header has {}; {remedy}", record.len(), self.count)));
        }
        let cell = |at: usize| bare(record.get(at).unwrap_or_default());
        let Some(ReadingTime::Date(date)) = time::read(cell(self.date)) else {
            let raw = cut(cell(self.date));
            return Err(refused(format!(
                "EcritureDate `{raw}` is no day such as 20261231; correct it, or export again"
            )));
        };
        if cell(self.account).is_empty() {
            return Err(refused("no CompteNum; correct it, or export again".to_owned()));
        }
        let amount_at = |name: &str, at: usize| {
            amount(cell(at)).ok_or_else(|| {
                let raw = cut(cell(at));
                refused(format!("{name} `{raw}` is no amount such as 1234,56; correct it, or export again"))
            })
        };
        let amount = match self.amount {
            Amount::Sides { debit, credit } => amount_at("Debit", debit)? - amount_at("Credit", credit)?,
            Amount::Signed { amount, side } => {
                let amount = amount_at("Montant", amount)?;
                match cell(side).to_uppercase().as_str() {
                    "D" | "+1" | "1" | "+" => amount,
                    "C" | "-1" | "-" => -amount,
                    other => {
                        let raw = cut(other);
                        return Err(refused(format!("Sens `{raw}` is neither D nor C, +1 nor -1; export again")));
                    }
                }
            }
        };
        let optional = |at: Option<usize>| at.map(cell).unwrap_or_default();
        let validated = match time::read(optional(self.validated)) {
            Some(ReadingTime::Date(date)) => Some(date),
            Some(ReadingTime::Local(_) | ReadingTime::Instant(_)) | None => None,
        };
        // Cash books may leave the number out.
        let number = Some(cell(self.number)).filter(|number| !number.is_empty());
        Ok(Some(Row {
            journal: cell(self.journal),
            journal_name: optional(self.journal_name),
            number: number.unwrap_or_else(|| optional(self.piece)),
            date,
            account: cell(self.account),
            amount,
            validated,
        }))
    }

    /// The cell of one of the KPI's dimensions, by its position.
    pub(super) fn label<'r>(&self, record: &'r StringRecord, dimension: usize) -> &'r str {
        bare(self.labels.get(dimension).and_then(|at| record.get(*at)).unwrap_or_default())
    }
}

/// Some programs put every cell into quotes.
fn bare(cell: &str) -> &str {
    let inner = cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"'));
    inner.map_or(cell, str::trim)
}

/// An amount; an empty cell is none. The norm groups no digits, so that the last mark is decimal.
fn amount(cell: &str) -> Option<i64> {
    let mark = if cell.rfind('.') > cell.rfind(',') { Mark::Point } else { Mark::Comma };
    match read(cell, mark) {
        Cell::Absent => Some(0),
        Cell::Number { value, percent: false, currency }
            if value.abs() <= EURO_MAX && currency.is_none_or(|currency| currency.fits("EUR")) =>
        {
            Some((value * AMOUNT_SCALE).round() as i64)
        }
        Cell::Number { .. } | Cell::Unreadable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{amount, bare};

    #[test]
    fn amounts() {
        for (cell, expected) in [
            ("1234,56", Some(12_345_600)),
            ("1234.56", Some(12_345_600)),
            ("1 234,56", Some(12_345_600)),
            ("1.234,56", Some(12_345_600)),
            ("-12,5", Some(-125_000)),
            ("0,00", Some(0)),
            ("", Some(0)),
            ("7", Some(70_000)),
            ("1,234", Some(12_340)),
            ("1.2.3", None),
            ("12 %", None),
            ("douze", None),
            ("9999999999999", None),
        ] {
            assert_eq!(amount(cell), expected, "{cell}");
        }
        assert_eq!((bare("\"VE\""), bare("\"VE"), bare("")), ("VE", "\"VE", ""));
    }
}
