//! The spans of objectives: months, quarters, halves, years, fiscal years, or two dates; inclusive civil days.

use std::fmt;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::closure::DayOfYear;

/// Which periods an objective has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodSpec {
    Month,
    Quarter,
    /// January to June, July to December.
    Half,
    Year,
    /// A year that begins on that day.
    FiscalYear {
        starts: DayOfYear,
    },
    /// Once, both days included.
    Between {
        from: Date,
        to: Date,
    },
}

/// One period: inclusive civil days in the KPI's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub first: Date,
    pub last: Date,
}

/// `month`, `fiscal_year-04-01`, `2026-10-01..2026-12-31`.
impl fmt::Display for PeriodSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeriodSpec::Month => f.write_str("month"),
            PeriodSpec::Quarter => f.write_str("quarter"),
            PeriodSpec::Half => f.write_str("half"),
            PeriodSpec::Year => f.write_str("year"),
            PeriodSpec::FiscalYear { starts } => write!(f, "fiscal_year-{:02}-{:02}", starts.month, starts.day),
            PeriodSpec::Between { from, to } => write!(f, "{from}..{to}"),
        }
    }
}

impl PeriodSpec {
    /// The period that holds that day; none outside a single period.
    pub fn holding(&self, day: Date) -> Option<Period> {
        let period = match *self {
            PeriodSpec::Month => Period { first: day.first_of_month(), last: day.last_of_month() },
            PeriodSpec::Quarter => of_months(day, 3),
            PeriodSpec::Half => of_months(day, 6),
            PeriodSpec::Year => Period { first: day.first_of_year(), last: day.last_of_year() },
            PeriodSpec::FiscalYear { starts } => {
                let this_year = starts.of_or_after(day.year())?;
                let first = if this_year <= day { this_year } else { starts.of_or_after(day.year() - 1)? };
                Period { first, last: starts.of_or_after(first.year() + 1)?.saturating_sub(1.day()) }
            }
            PeriodSpec::Between { from, to } => Period { first: from, last: to },
        };
        period.contains(day).then_some(period)
    }

    /// The only period there is, of those that don't recur.
    pub fn single(&self) -> Option<Period> {
        match *self {
            PeriodSpec::Between { from, to } => Some(Period { first: from, last: to }),
            PeriodSpec::Month
            | PeriodSpec::Quarter
            | PeriodSpec::Half
            | PeriodSpec::Year
            | PeriodSpec::FiscalYear { .. } => None,
        }
    }

    /// Civil days of the longest of these periods.
    pub fn days_max(&self) -> u32 {
        match *self {
            PeriodSpec::Month => 31,
            PeriodSpec::Quarter => 92,
            PeriodSpec::Half => 184,
            PeriodSpec::Year | PeriodSpec::FiscalYear { .. } => 366,
            PeriodSpec::Between { from, to } => Period { first: from, last: to }.days(),
        }
    }

    /// The period just before that one; for a single period as many months before if it is of whole ones, else the span
    /// of equal length.
    pub fn before(&self, period: Period) -> Period {
        let last = period.first.saturating_sub(1.day());
        if self.single().is_none() {
            return self.holding(last).unwrap_or(Period { first: last, last });
        }
        let first = match period.months() {
            Some(months) => period.first.saturating_sub(months.months()),
            None => last.saturating_sub((i64::from(period.days()) - 1).days()),
        };
        Period { first, last }
    }

    /// The period a year before that one: of those that recur a whole one, 29 February included.
    pub fn year_before(&self, period: Period) -> Period {
        let same_dates = period.year_before();
        if self.single().is_some() { same_dates } else { self.holding(same_dates.first).unwrap_or(same_dates) }
    }
}

/// The stretch of so many months that holds the day, counted from January.
fn of_months(day: Date, months: i8) -> Period {
    let into = i64::from((day.month() - 1) % months);
    let first = day.first_of_month().saturating_sub(into.months());
    Period { first, last: first.saturating_add(i64::from(months - 1).months()).last_of_month() }
}

impl Period {
    /// How many whole months it has, from a day to the day before the same one; none where it cuts one.
    pub fn months(&self) -> Option<i32> {
        let next = self.last.saturating_add(1.day());
        let months = i32::from(next.year() - self.first.year()) * 12 + i32::from(next.month() - self.first.month());
        (months > 0 && self.first.saturating_add(months.months()) == next).then_some(months)
    }

    pub fn contains(&self, day: Date) -> bool {
        self.first <= day && day <= self.last
    }

    /// Number of civil days.
    pub fn days(&self) -> u32 {
        u32::try_from(self.last.duration_since(self.first).as_secs() / 86_400 + 1).unwrap_or(0)
    }

    /// The same dates a year before (29 February becomes 28).
    pub fn year_before(&self) -> Period {
        Period { first: self.first.saturating_sub(1.year()), last: self.last.saturating_sub(1.year()) }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn check(spec: PeriodSpec, day: Date, first: Date, last: Date) {
        assert_eq!(spec.holding(day), Some(Period { first, last }), "{spec:?} holding {day}");
    }

    #[test]
    fn a_day_lies_in_its_period() {
        check(PeriodSpec::Month, date(2026, 11, 30), date(2026, 11, 1), date(2026, 11, 30));
        check(PeriodSpec::Month, date(2024, 2, 29), date(2024, 2, 1), date(2024, 2, 29));
        check(PeriodSpec::Month, date(2100, 2, 1), date(2100, 2, 1), date(2100, 2, 28));
        check(PeriodSpec::Quarter, date(2026, 1, 1), date(2026, 1, 1), date(2026, 3, 31));
        check(PeriodSpec::Quarter, date(2026, 6, 30), date(2026, 4, 1), date(2026, 6, 30));
        check(PeriodSpec::Quarter, date(2026, 8, 31), date(2026, 7, 1), date(2026, 9, 30));
        check(PeriodSpec::Quarter, date(2026, 12, 31), date(2026, 10, 1), date(2026, 12, 31));
        check(PeriodSpec::Half, date(2026, 6, 30), date(2026, 1, 1), date(2026, 6, 30));
        check(PeriodSpec::Half, date(2026, 7, 1), date(2026, 7, 1), date(2026, 12, 31));
        check(PeriodSpec::Year, date(2024, 12, 31), date(2024, 1, 1), date(2024, 12, 31));
    }

    fn fiscal(month: i8, day: i8) -> PeriodSpec {
        PeriodSpec::FiscalYear { starts: DayOfYear::new(month, day).unwrap() }
    }

    #[test]
    fn a_fiscal_year_begins_on_its_day() {
        check(fiscal(4, 1), date(2026, 4, 1), date(2026, 4, 1), date(2027, 3, 31));
        check(fiscal(4, 1), date(2026, 3, 31), date(2025, 4, 1), date(2026, 3, 31));
        check(fiscal(3, 1), date(2024, 2, 29), date(2023, 3, 1), date(2024, 2, 29));
        check(fiscal(1, 1), date(2026, 12, 31), date(2026, 1, 1), date(2026, 12, 31));
        check(fiscal(12, 15), date(2026, 1, 5), date(2025, 12, 15), date(2026, 12, 14));
        assert_eq!(fiscal(4, 1).days_max(), 366);
    }

    #[test]
    fn a_year_before_is_a_whole_period() {
        let check = |spec: PeriodSpec, day: Date, first: Date, last: Date| {
            let period = spec.holding(day).unwrap();
            assert_eq!(spec.year_before(period), Period { first, last }, "{spec:?} a year before {day}");
        };
        check(PeriodSpec::Month, date(2025, 2, 28), date(2024, 2, 1), date(2024, 2, 29));
        check(PeriodSpec::Half, date(2026, 8, 1), date(2025, 7, 1), date(2025, 12, 31));
        check(fiscal(3, 1), date(2025, 1, 1), date(2023, 3, 1), date(2024, 2, 29));
        let single = PeriodSpec::Between { from: date(2026, 3, 1), to: date(2026, 3, 10) };
        check(single, date(2026, 3, 5), date(2025, 3, 1), date(2025, 3, 10));
    }

    #[test]
    fn a_single_period_holds_only_its_days() {
        let (from, to) = (date(2026, 11, 10), date(2026, 11, 20));
        let spec = PeriodSpec::Between { from, to };
        check(spec, from, from, to);
        check(spec, to, from, to);
        assert_eq!(spec.holding(date(2026, 11, 9)), None);
        assert_eq!(spec.holding(date(2026, 11, 21)), None);
    }

    #[test]
    fn the_period_before_is_whole() {
        let check = |spec: PeriodSpec, day: Date, first: Date, last: Date| {
            let period = spec.holding(day).unwrap();
            assert_eq!(spec.before(period), Period { first, last }, "{spec:?} before {day}");
        };
        check(PeriodSpec::Month, date(2026, 3, 31), date(2026, 2, 1), date(2026, 2, 28));
        check(PeriodSpec::Month, date(2026, 1, 1), date(2025, 12, 1), date(2025, 12, 31));
        check(PeriodSpec::Quarter, date(2026, 2, 1), date(2025, 10, 1), date(2025, 12, 31));
        check(PeriodSpec::Year, date(2025, 2, 1), date(2024, 1, 1), date(2024, 12, 31));
        check(PeriodSpec::Half, date(2026, 2, 1), date(2025, 7, 1), date(2025, 12, 31));
        check(fiscal(4, 1), date(2026, 5, 1), date(2025, 4, 1), date(2026, 3, 31));
        let single = PeriodSpec::Between { from: date(2026, 3, 1), to: date(2026, 3, 10) };
        check(single, date(2026, 3, 5), date(2026, 2, 19), date(2026, 2, 28));
        let months = |from, to| PeriodSpec::Between { from, to };
        let november = months(date(2026, 11, 1), date(2026, 11, 30));
        check(november, date(2026, 11, 5), date(2026, 10, 1), date(2026, 10, 31));
        let winter = months(date(2025, 12, 1), date(2026, 2, 28));
        check(winter, date(2026, 1, 5), date(2025, 9, 1), date(2025, 11, 30));
        let year = months(date(2026, 1, 1), date(2026, 12, 31));
        check(year, date(2026, 1, 5), date(2025, 1, 1), date(2025, 12, 31));
        let year = months(date(2024, 4, 15), date(2025, 4, 14));
        check(year, date(2025, 1, 5), date(2023, 4, 15), date(2024, 4, 14));
    }

    #[test]
    fn days_and_years_before_know_leap_years() {
        let period = |first, last| Period { first, last };
        assert_eq!(period(date(2024, 1, 1), date(2024, 12, 31)).days(), 366);
        assert_eq!(period(date(2026, 11, 1), date(2026, 11, 30)).days(), 30);
        assert_eq!(period(date(2026, 11, 1), date(2026, 11, 1)).days(), 1);
        assert_eq!(period(date(2026, 11, 2), date(2026, 11, 1)).days(), 0);
        assert_eq!(
            period(date(2024, 2, 1), date(2024, 2, 29)).year_before(),
            period(date(2023, 2, 1), date(2023, 2, 28))
        );
        assert_eq!(
            period(date(2025, 2, 1), date(2025, 2, 28)).year_before(),
            period(date(2024, 2, 1), date(2024, 2, 28))
        );
    }
}
