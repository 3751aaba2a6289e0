//! Which days count as working: weekends, public holidays of France, closures.
//!
//! Everything is computed, so that no table of holidays can run out.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday, date};

/// A working calendar. Saturdays and Sundays never work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    pub country: Option<Country>,
    /// Further days off.
    pub closures: BTreeSet<Date>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Country {
    France,
}

/// Days that a search for a working day walks beyond twice the days asked; a calendar may be closed for ever.
const SEARCH_DAYS_MAX: u32 = 4_000;

impl Calendar {
    pub fn is_working_day(&self, day: Date) -> bool {
        !is_weekend(day) && self.holiday_name(day).is_none() && !self.closures.contains(&day)
    }

    /// The public holiday that falls on that day, in the country's language.
    pub fn holiday_name(&self, day: Date) -> Option<&'static str> {
        match self.country? {
            Country::France => {
                french_holidays(day.year()).into_iter().find(|(holiday, _)| *holiday == day).map(|(_, name)| name)
            }
        }
    }

    /// Number of working days in `from..=to`; 0 when `to` is before `from`.
    pub fn working_days(&self, from: Date, to: Date) -> u32 {
        if to < from {
            return 0;
        }
        weekdays(from, to).saturating_sub(self.weekdays_off(from, to))
    }

    /// The working day that lies `days` working days after `day` (0: `day` itself if it works, else the next).
    pub fn add_working_days(&self, day: Date, days: u32) -> Date {
        let mut found = day;
        let mut left = days;
        if days == 0 && !self.is_working_day(day) {
            left = 1;
        }
        for _ in 0..days.saturating_mul(2).saturating_add(SEARCH_DAYS_MAX) {
            if left == 0 {
                break;
            }
            found = found.saturating_add(1.day());
            if self.is_working_day(found) {
                left -= 1;
            }
        }
        found
    }

    /// Holidays and closures in `from..=to` that are no weekend days, each counted once.
    fn weekdays_off(&self, from: Date, to: Date) -> u32 {
        let mut off = 0;
        if self.country == Some(Country::France) {
            for year in from.year()..=to.year() {
                let holidays = french_holidays(year);
                for (at, (holiday, _)) in holidays.iter().enumerate() {
                    // Ascension may fall on 1 or 8 May; the day is still one day off.
                    let twice = holidays[..at].iter().any(|(other, _)| other == holiday);
                    let inside = from <= *holiday && *holiday <= to;
                    off += u32::from(inside && !twice && !is_weekend(*holiday));
                }
            }
        }
        let closed = self.closures.range(from..=to);
        off + closed.filter(|day| !is_weekend(**day) && self.holiday_name(**day).is_none()).count() as u32
    }
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// Mondays to Fridays in `from..=to`, by arithmetic.
fn weekdays(from: Date, to: Date) -> u32 {
    let days = to.duration_since(from).as_secs() / 86_400 + 1;
    let first = i64::from(from.weekday().to_monday_zero_offset());
    let rest = (0..days % 7).filter(|step| (first + step) % 7 < 5).count() as i64;
    (days / 7 * 5 + rest) as u32
}

type Holidays = [(Date, &'static str); 11];

/// Years whose holidays are kept once computed: every trajectory asks for them, many times over.
const KEPT_YEARS: std::ops::Range<i16> = 1970..2120;

/// The eleven national holidays.
fn french_holidays(year: i16) -> Holidays {
    static KEPT: OnceLock<Vec<Holidays>> = OnceLock::new();
    if !KEPT_YEARS.contains(&year) {
        return compute_french_holidays(year);
    }
    let kept = KEPT.get_or_init(|| KEPT_YEARS.map(compute_french_holidays).collect());
    kept[usize::from((year - KEPT_YEARS.start).unsigned_abs())]
}

/// Four of them hang on Easter.
fn compute_french_holidays(year: i16) -> Holidays {
    let easter = easter(year);
    let after_easter = |days: i64| easter.saturating_add(days.days());
    [
        (date(year, 1, 1), "Jour de l'an"),
        (after_easter(1), "Lundi de Pâques"),
        (date(year, 5, 1), "Fête du Travail"),
        (date(year, 5, 8), "Victoire de 1945"),
        (after_easter(39), "Ascension"),
        (after_easter(50), "Lundi de Pentecôte"),
        (date(year, 7, 14), "Fête nationale"),
        (date(year, 8, 15), "Assomption"),
        (date(year, 11, 1), "Toussaint"),
        (date(year, 11, 11), "Armistice de 1918"),
        (date(year, 12, 25), "Noël"),
    ]
}

/// Easter Sunday of the Gregorian calendar (the anonymous algorithm that Meeus gives).
fn easter(year: i16) -> Date {
    let year_number = i32::from(year);
    let golden = year_number.rem_euclid(19);
    let (century, of_century) = (year_number.div_euclid(100), year_number.rem_euclid(100));
    let lunar_shift = (century - (century + 8).div_euclid(25) + 1).div_euclid(3);
    let epact = (19 * golden + century - century.div_euclid(4) - lunar_shift + 15).rem_euclid(30);
    let to_sunday = (32 + 2 * century.rem_euclid(4) + 2 * (of_century / 4) - epact - of_century % 4).rem_euclid(7);
    let correction = (golden + 11 * epact + 22 * to_sunday) / 451;
    let day = epact + to_sunday - 7 * correction + 114;
    Date::new(year, (day / 31) as i8, (day % 31 + 1) as i8)
        .expect("invariant: Easter falls between 22 March and 25 April")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn france() -> Calendar {
        Calendar { country: Some(Country::France), closures: BTreeSet::new() }
    }

    #[test]
    fn easter_falls_where_the_almanac_says() {
        for day in [
            date(1900, 4, 15),
            date(2000, 4, 23),
            date(2008, 3, 23),
            date(2024, 3, 31),
            date(2025, 4, 20),
            date(2026, 4, 5),
            date(2027, 3, 28),
            date(2038, 4, 25),
        ] {
            assert_eq!(easter(day.year()), day);
        }
    }

    #[test]
    fn easter_has_a_day_in_every_year_of_the_calendar() {
        for year in -9999..=9999 {
            assert_eq!(easter(year).weekday(), Weekday::Sunday, "{year}");
        }
    }

    #[test]
    fn holidays_have_names() {
        let check = |day: Date, name: Option<&str>| assert_eq!(france().holiday_name(day), name, "{day}");
        check(date(2026, 4, 6), Some("Lundi de Pâques"));
        check(date(2026, 5, 14), Some("Ascension"));
        check(date(2026, 5, 25), Some("Lundi de Pentecôte"));
        check(date(2026, 11, 11), Some("Armistice de 1918"));
        check(date(2026, 11, 12), None);
        assert_eq!(Calendar::default().holiday_name(date(2026, 12, 25)), None);
    }

    #[test]
    fn kept_years_are_those_that_were_computed() {
        for year in [1969, 1970, 2026, 2119, 2120, 2400] {
            assert_eq!(french_holidays(year), compute_french_holidays(year), "{year}");
        }
    }

    #[test]
    fn months_have_their_working_days() {
        let check = |from: Date, working: u32| {
            assert_eq!(france().working_days(from, from.last_of_month()), working, "{from}");
        };
        check(date(2026, 11, 1), 20);
        check(date(2026, 5, 1), 17);
        check(date(2026, 1, 1), 21);
        check(date(2026, 12, 1), 22);
        // 1 May 2008 was Ascension as well: off once.
        check(date(2008, 5, 1), 19);
    }

    #[test]
    fn arithmetic_agrees_with_counting_day_by_day() {
        let mut calendar = france();
        calendar.closures.extend([date(2026, 8, 3), date(2026, 8, 8), date(2026, 11, 11), date(2026, 12, 24)]);
        let first = date(2026, 1, 1);
        let mut counted = 0;
        for step in 0..900_i64 {
            let day = first.saturating_add(step.days());
            counted += u32::from(calendar.is_working_day(day));
            assert_eq!(calendar.working_days(first, day), counted, "{day}");
        }
        assert_eq!(calendar.working_days(date(2026, 2, 2), date(2026, 2, 1)), 0);
    }

    #[test]
    fn working_days_are_added() {
        let check = |day: Date, days: u32, expected: Date| {
            assert_eq!(france().add_working_days(day, days), expected, "{day} + {days}");
        };
        check(date(2026, 11, 10), 0, date(2026, 11, 10));
        check(date(2026, 11, 10), 1, date(2026, 11, 12));
        check(date(2026, 11, 11), 0, date(2026, 11, 12));
        check(date(2026, 11, 13), 1, date(2026, 11, 16));
        check(date(2026, 11, 14), 1, date(2026, 11, 16));
        check(date(2026, 12, 24), 2, date(2026, 12, 29));
    }

    #[test]
    fn a_search_in_a_calendar_that_never_works_ends() {
        let closed = (0..6_000_i64).map(|step| date(2026, 1, 1).saturating_add(step.days())).collect();
        let calendar = Calendar { country: None, closures: closed };
        assert!(calendar.add_working_days(date(2026, 1, 1), 3) > date(2030, 1, 1));
    }
}
