//! How the figure of a target comes about: written, relative to a baseline, or from a table of periods.

use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::Date;

use super::objective::Target;
use super::period::Period;

/// A figure of a target as it was set.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetFigure {
    /// In the KPI's unit, the same for each period.
    Fixed(f64),
    /// So far from what the baseline came to.
    Change(Change),
    /// Each period has its own.
    Table(Arc<TargetTable>),
}

impl TargetFigure {
    /// Of a part that is that share of the whole; what is relative is so for each part.
    pub fn scaled(&self, share: f64) -> TargetFigure {
        match self {
            TargetFigure::Fixed(figure) => TargetFigure::Fixed(figure * share),
            TargetFigure::Change(change) => TargetFigure::Change(*change),
            TargetFigure::Table(table) => TargetFigure::Table(Arc::new(table.scaled(share))),
        }
    }
}

impl Target<TargetFigure> {
    /// How far from its baseline it lies, where it is relative to one; of a band its lower end.
    pub fn change(&self) -> Option<Change> {
        self.figures().find_map(|figure| match figure {
            TargetFigure::Change(change) => Some(*change),
            TargetFigure::Fixed(_) | TargetFigure::Table(_) => None,
        })
    }
}

/// A way from a baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Of the baseline; 0.15 is 15 % more.
    Share(f64),
    /// In the KPI's unit.
    Amount(f64),
}

impl Change {
    /// Where it leads from there. More is more for negative figures too: a loss that is to be 10 % less is nearer to zero.
    pub fn from(self, baseline: f64) -> f64 {
        match self {
            Change::Share(share) => baseline + share * baseline.abs(),
            Change::Amount(amount) => baseline + amount,
        }
    }

    /// True when it leads upwards.
    pub fn is_more(self) -> bool {
        match self {
            Change::Share(way) | Change::Amount(way) => way > 0.0,
        }
    }
}

/// Where the way to the target begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Baseline {
    /// In the KPI's unit.
    Figure(f64),
    /// What the objective's own measure came to in that period.
    Over(Period),
    /// In the period before.
    PeriodBefore,
    /// In the same period of the year before.
    YearBefore,
}

/// Figures by period: in order, none of them overlap.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetTable {
    rows: Vec<(Period, f64)>,
}

impl TargetTable {
    /// None without any row; the two periods where some overlap.
    pub fn of(mut rows: Vec<(Period, f64)>) -> Result<Option<TargetTable>, (Period, Period)> {
        rows.sort_by_key(|(period, _)| period.first);
        let overlap = rows.windows(2).find(|pair| pair[1].0.first <= pair[0].0.last);
        match overlap {
            Some(pair) => Err((pair[0].0, pair[1].0)),
            None => Ok((!rows.is_empty()).then_some(TargetTable { rows })),
        }
    }

    pub fn rows(&self) -> &[(Period, f64)] {
        &self.rows
    }

    /// From the first day that has a figure to the last one.
    pub fn span(&self) -> Option<Period> {
        let (first, last) = (self.rows.first()?, self.rows.last()?);
        Some(Period { first: first.0.first, last: last.0.last })
    }

    /// The rows that make up a period; the days for which there is none, where they don't.
    pub fn within(&self, period: Period) -> Result<&[(Period, f64)], Period> {
        let from = self.rows.partition_point(|(row, _)| row.first < period.first);
        let to = self.rows.partition_point(|(row, _)| row.last <= period.last);
        let rows = self.rows.get(from..to).unwrap_or_default();
        let mut next = period.first;
        for (row, _) in rows {
            if row.first != next {
                return Err(Period { first: next, last: row.first.saturating_sub(1.day()) });
            }
            next = row.last.saturating_add(1.day());
        }
        if next > period.last { Ok(rows) } else { Err(Period { first: next, last: period.last }) }
    }

    /// The figure of a period: its own, else what its parts come to, or what the last of them is.
    pub fn figure(&self, period: Period, adds_up: bool) -> Result<f64, Period> {
        let rows = self.within(period)?;
        let last = rows.last().map_or(f64::NAN, |(_, figure)| *figure);
        Ok(if adds_up { rows.iter().map(|(_, figure)| figure).sum() } else { last })
    }

    /// Where the figure of each period that has several rows should stand at the end of each of them.
    pub fn milestones(&self, period_of: impl Fn(Date) -> Option<Period>, adds_up: bool) -> Vec<(Date, f64)> {
        let mut milestones = Vec::new();
        for period in self.periods(period_of) {
            if let Ok(rows @ [_, _, ..]) = self.within(period) {
                let mut sum = 0.0;
                milestones.extend(rows.iter().map(|(row, figure)| {
                    sum += figure;
                    (row.last, if adds_up { sum } else { *figure })
                }));
            }
        }
        milestones
    }

    /// The periods in which rows begin, in order.
    pub fn periods(&self, period_of: impl Fn(Date) -> Option<Period>) -> Vec<Period> {
        let mut periods: Vec<Period> = Vec::new();
        for (row, _) in &self.rows {
            if periods.last().is_none_or(|last| last.last < row.first) {
                periods.extend(period_of(row.first));
            }
        }
        periods
    }

    fn scaled(&self, share: f64) -> TargetTable {
        TargetTable { rows: self.rows.iter().map(|(period, figure)| (*period, figure * share)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::model::period::PeriodSpec;

    fn month(number: i8) -> Period {
        let first = date(2026, number, 1);
        Period { first, last: first.last_of_month() }
    }

    fn table(months: &[i8]) -> TargetTable {
        let rows = months.iter().map(|number| (month(*number), f64::from(*number) * 10.0)).collect();
        TargetTable::of(rows).unwrap().unwrap()
    }

    #[test]
    fn a_period_has_its_row_or_what_its_rows_come_to() {
        let table = table(&[3, 1, 2, 5]);
        assert_eq!(table.span(), Some(Period { first: date(2026, 1, 1), last: date(2026, 5, 31) }));
        assert_eq!(table.figure(month(2), true), Ok(20.0));
        let quarter = Period { first: date(2026, 1, 1), last: date(2026, 3, 31) };
        assert_eq!((table.figure(quarter, true), table.figure(quarter, false)), (Ok(60.0), Ok(30.0)));
        let second = Period { first: date(2026, 4, 1), last: date(2026, 6, 30) };
        assert_eq!(table.figure(second, true), Err(month(4)));
        assert_eq!(table.figure(month(4), true), Err(month(4)));
        let half = Period { first: date(2026, 1, 1), last: date(2026, 6, 30) };
        assert_eq!(table.figure(half, true), Err(month(4)));
        // A row that reaches beyond the period is none of its parts.
        let days = Period { first: date(2026, 1, 1), last: date(2026, 2, 15) };
        assert_eq!(table.figure(days, true), Err(Period { first: date(2026, 2, 1), last: date(2026, 2, 15) }));
    }

    #[test]
    fn milestones_begin_anew_with_each_period() {
        let table = table(&[1, 2, 3, 7, 8, 9]);
        let of = |spec: PeriodSpec, adds_up| table.milestones(|day| spec.holding(day), adds_up);
        let ends = [31, 28, 31].into_iter().zip(1..).map(|(day, month)| date(2026, month, day));
        let second = [31, 31, 30].into_iter().zip(7..).map(|(day, month)| date(2026, month, day));
        let days: Vec<Date> = ends.chain(second).collect();
        let expected = |figures: [f64; 6]| days.iter().copied().zip(figures).collect::<Vec<_>>();
        assert_eq!(of(PeriodSpec::Quarter, true), expected([10.0, 30.0, 60.0, 70.0, 150.0, 240.0]));
        assert_eq!(of(PeriodSpec::Quarter, false), expected([10.0, 20.0, 30.0, 70.0, 80.0, 90.0]));
        assert_eq!(of(PeriodSpec::Month, true), []);
        assert_eq!(of(PeriodSpec::Half, true), [], "a half that lacks a quarter has no figure");
    }

    #[test]
    fn rows_that_overlap_are_found() {
        let quarter = Period { first: date(2026, 1, 1), last: date(2026, 3, 31) };
        assert_eq!(TargetTable::of(vec![(month(3), 1.0), (quarter, 2.0)]), Err((quarter, month(3))));
        assert_eq!(TargetTable::of(Vec::new()), Ok(None));
    }

    #[test]
    fn a_change_leads_from_its_baseline() {
        assert!((Change::Share(0.15).from(200.0) - 230.0).abs() < 1e-9);
        assert!((Change::Share(0.15).from(-200.0) + 170.0).abs() < 1e-9);
        assert_eq!(Change::Amount(-3.0).from(40.0), 37.0);
        assert!(Change::Share(0.1).is_more() && !Change::Amount(-3.0).is_more());
    }
}
