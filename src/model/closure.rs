//! Days off that a company decides: once, or every year.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Longest stretch of one yearly closure, in days: it must not reach into itself.
pub const YEARLY_DAYS_MAX: u32 = 366;

/// Days off with their name, if they have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    pub days: ClosedDays,
    pub name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClosedDays {
    /// From one day to another, both included.
    Once {
        from: Date,
        to: Date,
    },
    Yearly(Yearly),
}

/// Days that come back every year, or every few years.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Yearly {
    pub start: DayOfYear,
    pub length: Length,
    /// No start before this day.
    pub first: Option<Date>,
    /// No start after this day.
    pub last: Option<Date>,
    /// 1: every year. Counted from the year of `first`.
    pub every: i16,
    /// Starts that are left out.
    pub except: Vec<Date>,
}

/// A day without its year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DayOfYear {
    pub month: i8,
    pub day: i8,
}

/// How far a yearly closure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Through that day; of the next year where it lies before the start. What would begin on a 29 February that does
    /// not come begins on 1 March, and what would end there ends on the 28th.
    Through(DayOfYear),
    /// So many days; a year without the first day has none.
    Days(u32),
}

impl ClosedDays {
    /// The stretches that hold a day of that year, first and last day.
    pub fn within(&self, year: i16) -> impl Iterator<Item = (Date, Date)> + '_ {
        let (once, yearly) = match self {
            ClosedDays::Once { from, to } => (Some((*from, *to)), None),
            ClosedDays::Yearly(yearly) => (None, Some(yearly)),
        };
        // What began the year before may reach into this one.
        let starts = yearly.into_iter().flat_map(move |yearly| {
            [year.checked_sub(1), Some(year)].into_iter().flatten().filter_map(|year| yearly.of_year(year))
        });
        once.into_iter().chain(starts).filter(move |(from, to)| from.year() <= year && year <= to.year())
    }

    pub fn holds(&self, day: Date) -> bool {
        self.within(day.year()).any(|(from, to)| from <= day && day <= to)
    }
}

impl Yearly {
    /// Every year from then on, for ever.
    pub fn through(start: DayOfYear, end: DayOfYear) -> Yearly {
        Yearly { start, length: Length::Through(end), first: None, last: None, every: 1, except: Vec::new() }
    }

    /// The stretch that begins in that year.
    pub fn of_year(&self, year: i16) -> Option<(Date, Date)> {
        let (from, to) = match self.length {
            Length::Days(days) => {
                let from = self.start.of(year)?;
                (from, from.saturating_add(i64::from(days.saturating_sub(1)).days()))
            }
            Length::Through(end) => {
                let next = i16::from(end < self.start);
                (self.start.of_or_after(year)?, end.of_or_before(year.checked_add(next)?)?)
            }
        };
        let since = self.first.map_or(0, |first| year - first.year());
        let due = since % self.every.max(1) == 0;
        let inside = self.first.is_none_or(|first| first <= from) && self.last.is_none_or(|last| from <= last);
        (from <= to && due && inside && !self.except.contains(&from)).then_some((from, to))
    }
}

impl DayOfYear {
    /// None for 30 February and the like.
    pub fn new(month: i8, day: i8) -> Option<DayOfYear> {
        const LEAP_YEAR: i16 = 2024;
        Date::new(LEAP_YEAR, month, day).is_ok().then_some(DayOfYear { month, day })
    }

    fn of(self, year: i16) -> Option<Date> {
        Date::new(year, self.month, self.day).ok()
    }

    /// In that year; 1 March for a 29 February that does not come.
    pub(super) fn of_or_after(self, year: i16) -> Option<Date> {
        self.of(year).or_else(|| Date::new(year, 3, 1).ok())
    }

    fn of_or_before(self, year: i16) -> Option<Date> {
        self.of(year).or_else(|| Date::new(year, 2, 28).ok())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn day(month: i8, day: i8) -> DayOfYear {
        DayOfYear::new(month, day).unwrap()
    }

    #[track_caller]
    fn within(days: &Yearly, year: i16, expected: &[(Date, Date)]) {
        let found: Vec<_> = ClosedDays::Yearly(days.clone()).within(year).collect();
        assert_eq!(found, expected, "{year}");
    }

    #[test]
    fn years_come_back() {
        let eve = Yearly::through(day(12, 24), day(12, 24));
        within(&eve, 2026, &[(date(2026, 12, 24), date(2026, 12, 24))]);
        let turn = Yearly::through(day(12, 28), day(1, 2));
        let of = |year| (date(year, 12, 28), date(year + 1, 1, 2));
        within(&turn, 2026, &[of(2025), of(2026)]);
        assert!(ClosedDays::Yearly(turn.clone()).holds(date(2027, 1, 2)));
        assert!(!ClosedDays::Yearly(turn).holds(date(2027, 1, 3)));
    }

    #[test]
    fn a_29_february_comes_when_it_comes() {
        let alone = Yearly::through(day(2, 29), day(2, 29));
        within(&alone, 2028, &[(date(2028, 2, 29), date(2028, 2, 29))]);
        within(&alone, 2027, &[]);
        within(&Yearly::through(day(2, 27), day(2, 29)), 2027, &[(date(2027, 2, 27), date(2027, 2, 28))]);
        within(&Yearly::through(day(2, 29), day(3, 2)), 2027, &[(date(2027, 3, 1), date(2027, 3, 2))]);
        within(&Yearly { length: Length::Days(3), ..alone }, 2027, &[]);
    }

    #[test]
    fn starts_are_bounded_spaced_and_left_out() {
        let every_other = Yearly {
            first: Some(date(2024, 8, 3)),
            last: Some(date(2030, 8, 3)),
            every: 2,
            except: vec![date(2028, 8, 3)],
            length: Length::Days(2),
            ..Yearly::through(day(8, 3), day(8, 3))
        };
        let years: Vec<i16> = (2020..2040).filter(|year| every_other.of_year(*year).is_some()).collect();
        assert_eq!(years, [2024, 2026, 2030]);
        within(&every_other, 2026, &[(date(2026, 8, 3), date(2026, 8, 4))]);
    }
}
