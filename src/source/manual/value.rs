//! A figure as people type it: `1 234,5`, `12 %`, `45/60`.

use crate::model::kpi::Kpi;
use crate::model::observation::{Parts, ReadingValue};
use crate::model::unit::{Kind, Unit};
use crate::source::cell::number::{Cell, Column, Decided, Mark, read};
use crate::source::rows::foreign;

/// Longest figure, in bytes.
const BYTES_MAX: usize = 100;

/// Reads what was typed for a KPI, or says what should be.
pub fn read_value(kpi: &Kpi, text: &str) -> Result<ReadingValue, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("a figure of more than {BYTES_MAX} bytes"));
    }
    match (kpi.kind, text.split_once('/')) {
        (Kind::Ratio, Some((numerator, denominator))) => {
            let (numerator, denominator) = (plain(kpi, numerator)?, plain(kpi, denominator)?);
            Ok(ReadingValue::Parts(Parts { numerator, denominator, n: None }))
        }
        (Kind::Ratio, None) => Err(format!(
            "`{text}` lacks its other half: KPI '{}' is a ratio, so write both, such as 45/60; shares alone can't be put together over time",
            kpi.id
        )),
        (Kind::Flow | Kind::Level { .. } | Kind::Window, Some(_)) => {
            Err(format!("`{text}` is a fraction, and KPI '{}' is no ratio: write one figure such as 1234,5", kpi.id))
        }
        (Kind::Flow | Kind::Level { .. } | Kind::Window, None) => number(kpi, text).map(ReadingValue::Number),
    }
}

/// One half of a ratio.
fn plain(kpi: &Kpi, text: &str) -> Result<f64, String> {
    if text.contains('%') {
        return Err(format!(
            "`{}` is a share already: write the two halves of KPI '{}', such as 45/60",
            text.trim(),
            kpi.id
        ));
    }
    number(kpi, text)
}

fn number(kpi: &Kpi, text: &str) -> Result<f64, String> {
    let text = text.trim();
    let mut column = Column::default();
    column.see(text);
    let mark = match column.decide() {
        Decided::Sure(mark) => mark,
        // One figure shows both marks only where the later one is decimal, which is sure.
        Decided::Mixed { .. } => Mark::Comma,
        Decided::Open { sample } => {
            let plain = sample.replace([',', '.'], "");
            return Err(format!("`{sample}` can be read two ways: write {plain}, or {sample}0 if its mark is decimal"));
        }
    };
    let cell = read(text, mark);
    if let (Cell::Number { currency, .. }, Unit::Currency(own)) = (cell, &kpi.unit)
        && let Some(said) = foreign(&kpi.unit, currency)
    {
        return Err(format!(
            "`{text}`: its currency is `{}`, the KPI's is {own}: convert it, or define a KPI for each currency",
            said.code()
        ));
    }
    match cell {
        Cell::Number { value, percent: false, .. } => Ok(value),
        Cell::Number { value, percent: true, .. } => match &kpi.unit {
            Unit::Ratio => Ok(value / 100.0),
            Unit::Percent => Ok(value),
            Unit::None | Unit::Currency(_) | Unit::Points | Unit::Other(_) => Err(format!(
                "`{text}` is a share, and the unit of KPI '{}' is not one: write the figure in its unit",
                kpi.id
            )),
        },
        Cell::Absent | Cell::Unreadable => {
            Err(format!("`{text}` is no figure: write it as 1234,5 or '1 234,5', and negative ones after `--`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read_value;
    use crate::model::kpi::{Kpi, Query};
    use crate::model::observation::{Parts, ReadingValue};
    use crate::model::unit::{Kind, Unit};
    use crate::source::fixture;

    fn kpi(kind: Kind, unit: Unit) -> Kpi {
        Kpi { unit, kind, ..fixture::kpi(Query::Entered) }
    }

    fn check(kpi: &Kpi, text: &str, expected: f64) {
        assert_eq!(read_value(kpi, text), Ok(ReadingValue::Number(expected)), "{text}");
    }

    fn refused(kpi: &Kpi, text: &str, part: &str) {
        let error = read_value(kpi, text).unwrap_err();
        assert!(error.contains(part), "{error} lacks {part}");
    }

    #[test]
    fn figures() {
        let euro = kpi(Kind::Flow, Unit::Currency("EUR".into()));
        for (text, value) in
            [("1 234,5", 1234.5), ("1234.5", 1234.5), ("1.234,50 €", 1234.5), ("-12", -12.0), ("0", 0.0)]
        {
            check(&euro, text, value);
        }
        refused(&euro, "1,234", "write 1234, or 1,2340");
        refused(&euro, "1 000 USD", "its currency is `USD`, the KPI's is EUR");
        refused(&euro, "$50", "its currency is `USD`");
        check(&kpi(Kind::Flow, Unit::Currency("CAD".into())), "$50", 50.0);
        check(&kpi(Kind::Flow, Unit::None), "50 USD", 50.0);
        refused(&euro, "12 %", "is a share");
        refused(&euro, "douze", "no figure");
        refused(&euro, "", "no figure");
        refused(&euro, "45/60", "is no ratio");
        refused(&euro, &"1".repeat(101), "more than 100 bytes");
        check(&kpi(Kind::Flow, Unit::Ratio), "12 %", 0.12);
        check(&kpi(Kind::Flow, Unit::Percent), "12 %", 12.0);
    }

    #[test]
    fn ratios_have_both_halves() {
        let ratio = kpi(Kind::Ratio, Unit::Ratio);
        let parts = Parts { numerator: 45.0, denominator: 60.0, n: None };
        assert_eq!(read_value(&ratio, "45/60"), Ok(ReadingValue::Parts(parts)));
        assert_eq!(read_value(&ratio, " 45 / 60 "), Ok(ReadingValue::Parts(parts)));
        refused(&ratio, "75 %", "lacks its other half");
        refused(&ratio, "75 %/60", "is a share already");
        refused(&ratio, "45/60/2", "no figure");
    }
}
