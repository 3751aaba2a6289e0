//! Which days count as working: weekends, public holidays, closures, bridge days.
//!
//! Trajectories and schedules ask without end, so the days off of each year are reckoned once and kept as bits.

use std::fmt;
use std::sync::OnceLock;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::closure::Closure;
use super::holidays::{Country, FrenchRegion, Holiday};

/// A working calendar.
#[derive(Clone, Default)]
pub struct Calendar {
    rules: CalendarRules,
    kept: OnceLock<Vec<Year>>,
}

/// What a calendar is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalendarRules {
    pub country: Option<Country>,
    pub weekend: Weekend,
    pub closures: Vec<Closure>,
    /// A working day that lies alone between a public holiday and another day off (of a weekend, a closure or a second
    /// holiday) is off as well. A holiday on a weekend makes no bridge, nor do closures by themselves: who writes them
    /// writes the days that are meant.
    pub bridge_days: bool,
}

/// The weekdays that never work. Default: Saturday and Sunday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weekend(u8);

/// Why a day is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayOff<'a> {
    Weekend,
    Holiday(Holiday),
    /// With its name, if it has one.
    Closure(Option<&'a str>),
    /// With the holiday that it leads to.
    Bridge(Holiday),
}

/// Days that a search for a working day walks beyond twice the days asked; a calendar may be closed for ever.
const SEARCH_DAYS_MAX: u32 = 4_000;
/// Years that are kept once reckoned. Others are reckoned anew each time.
const KEPT_YEARS: std::ops::Range<i16> = 1970..2120;

/// Its rules: what has been reckoned of them so far makes no other calendar.
impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.fmt(f)
    }
}

impl Calendar {
    pub fn new(rules: CalendarRules) -> Calendar {
        Calendar { rules, kept: OnceLock::new() }
    }

    /// The weekends and national holidays of France.
    pub fn french() -> Calendar {
        let country = Some(Country::France(FrenchRegion::National));
        Calendar::new(CalendarRules { country, ..CalendarRules::default() })
    }

    pub fn rules(&self) -> &CalendarRules {
        &self.rules
    }

    pub fn is_working_day(&self, day: Date) -> bool {
        !self.year(day.year()).is_off(day)
    }

    /// Number of working days in `from..=to`; 0 when `to` is before `from`.
    pub fn working_days(&self, from: Date, to: Date) -> u32 {
        if to < from {
            return 0;
        }
        let mut working = 0;
        for number in from.year()..=to.year() {
            let year = self.year(number);
            let first = if number == from.year() { from.day_of_year() } else { 1 };
            let last = if number == to.year() { to.day_of_year() } else { to_last(number) };
            let days = u32::from((last - first + 1).unsigned_abs());
            working += days - year.off_between(first, last);
        }
        working
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

    /// Why that day is off; none when it works. The most telling reason: a holiday before a closure before a weekend.
    pub fn day_off(&self, day: Date) -> Option<DayOff<'_>> {
        if let Some(holiday) = self.holiday(day) {
            return Some(DayOff::Holiday(holiday));
        }
        if let Some(closure) = self.rules.closures.iter().find(|closure| closure.days.holds(day)) {
            return Some(DayOff::Closure(closure.name.as_deref()));
        }
        if self.rules.weekend.holds(day) {
            return Some(DayOff::Weekend);
        }
        self.bridge(day).map(DayOff::Bridge)
    }

    fn holiday(&self, day: Date) -> Option<Holiday> {
        let holidays = self.rules.country?.holidays(day.year());
        holidays.into_iter().find(|(holiday, _)| *holiday == day).map(|(_, names)| names)
    }

    /// The holiday that a day is the bridge to, if it is one.
    fn bridge(&self, day: Date) -> Option<Holiday> {
        let (yesterday, tomorrow) = (day.yesterday().ok()?, day.tomorrow().ok()?);
        let holiday = |day: Date| self.holiday(day).filter(|_| !self.rules.weekend.holds(day));
        let off = |day: Date| self.base(day.year()).is_off(day);
        let found =
            holiday(yesterday).filter(|_| off(tomorrow)).or_else(|| holiday(tomorrow).filter(|_| off(yesterday)));
        found.filter(|_| self.rules.bridge_days && !off(day))
    }

    fn year(&self, number: i16) -> Year {
        if !KEPT_YEARS.contains(&number) {
            return self.with_bridges(number);
        }
        let kept = self.kept.get_or_init(|| KEPT_YEARS.map(|number| self.with_bridges(number)).collect());
        kept[usize::from((number - KEPT_YEARS.start).unsigned_abs())]
    }

    /// A year's weekends, holidays and closures.
    fn base(&self, number: i16) -> Year {
        let mut year = Year::default();
        let mut day = Date::new(number, 1, 1).ok();
        while let Some(weekday) = day.filter(|day| day.year() == number) {
            if self.rules.weekend.holds(weekday) {
                year.set(weekday);
            }
            day = weekday.tomorrow().ok();
        }
        for (holiday, _) in self.rules.country.into_iter().flat_map(|country| country.holidays(number)) {
            year.set(holiday);
        }
        for (from, to) in self.rules.closures.iter().flat_map(|closure| closure.days.within(number)) {
            let first = if from.year() < number { 1 } else { from.day_of_year() };
            let last = if to.year() > number { to_last(number) } else { to.day_of_year() };
            (first..=last).for_each(|at| year.set_at(at));
        }
        year
    }

    fn with_bridges(&self, number: i16) -> Year {
        let base = self.base(number);
        let mut year = base;
        let Some(country) = self.rules.country.filter(|_| self.rules.bridge_days) else { return year };
        let of = |other: i16| if other == number { base } else { self.base(other) };
        // A New Year's Day makes a bridge of the day before, which lies in the year before.
        let next = number.checked_add(1).filter(|next| *next <= Date::MAX.year());
        for (holiday, _) in [Some(number), next].into_iter().flatten().flat_map(|number| country.holidays(number)) {
            if self.rules.weekend.holds(holiday) {
                continue;
            }
            for (day, beyond) in [(-1_i64, -2_i64), (1, 2)] {
                let (day, beyond) = (holiday.saturating_add(day.days()), holiday.saturating_add(beyond.days()));
                if day.year() == number && !base.is_off(day) && of(beyond.year()).is_off(beyond) {
                    year.set(day);
                }
            }
        }
        year
    }
}

/// Two calendars are equal when their rules are; what they have reckoned so far is no part of them.
impl PartialEq for Calendar {
    fn eq(&self, other: &Calendar) -> bool {
        self.rules == other.rules
    }
}

impl Eq for Calendar {}

impl Default for Weekend {
    fn default() -> Weekend {
        Weekend::of([Weekday::Saturday, Weekday::Sunday])
    }
}

impl Weekend {
    pub fn of(days: impl IntoIterator<Item = Weekday>) -> Weekend {
        Weekend(days.into_iter().fold(0, |bits, day| bits | Weekend::bit(day)))
    }

    pub fn holds(self, day: Date) -> bool {
        self.0 & Weekend::bit(day.weekday()) != 0
    }

    fn bit(day: Weekday) -> u8 {
        1 << day.to_monday_zero_offset()
    }
}

/// The last day's number in a year.
fn to_last(year: i16) -> i16 {
    Date::new(year, 12, 31).map_or(365, Date::day_of_year)
}

/// The days off of one year, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Year([u64; 6]);

impl Year {
    fn set(&mut self, day: Date) {
        self.set_at(day.day_of_year());
    }

    fn set_at(&mut self, day_of_year: i16) {
        let at = usize::from(day_of_year.unsigned_abs()) - 1;
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn is_off(&self, day: Date) -> bool {
        let at = usize::from(day.day_of_year().unsigned_abs()) - 1;
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    /// Days off from one day of the year to another, both included and counted from 1.
    fn off_between(&self, first: i16, last: i16) -> u32 {
        self.off_through(last) - self.off_through(first - 1)
    }

    fn off_through(&self, day_of_year: i16) -> u32 {
        let days = usize::from(day_of_year.unsigned_abs());
        let whole: u32 = self.0[..days / 64].iter().map(|word| word.count_ones()).sum();
        let part = if days % 64 == 0 { 0 } else { (self.0[days / 64] & ((1 << (days % 64)) - 1)).count_ones() };
        whole + part
    }
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
