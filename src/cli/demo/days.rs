//! Civil days of the demo company: which ones it works, and how busy each is.

use jiff::civil::{Date, Weekday, date};
use jiff::{Span, ToSpan};

/// The day `days` civil days after `day`; negative goes back.
pub(super) fn shifted(day: Date, days: i64) -> Date {
    day.saturating_add(Span::new().days(days.clamp(-100_000, 100_000)))
}

/// Every day of `from..=to`.
pub(super) fn each_day(from: Date, to: Date) -> impl Iterator<Item = Date> {
    from.series(1.day()).take_while(move |day| *day <= to)
}

/// Days since 1970; seeds each day's own randomness.
pub(super) fn number_of(day: Date) -> i64 {
    day.duration_since(date(1970, 1, 1)).as_secs() / 86_400
}

/// First to last day of the month that holds `day`.
pub(super) fn month_of(day: Date) -> (Date, Date) {
    (day.first_of_month(), day.last_of_month())
}

/// True from Monday to Friday, French public holidays left out.
pub(super) fn is_working(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !is_holiday(day)
}

/// How busy a day is beside an ordinary working day.
///
/// Offices order on working days: the little that is left for the others keeps the month near a
/// trajectory that counts working days only.
pub(super) fn weight(day: Date) -> f64 {
    let last = day.last_of_month();
    if !is_working(day) {
        return if day.weekday() == Weekday::Saturday { 0.10 } else { 0.06 };
    }
    // Budgets are spent at the end of the month: its last two working days are fuller.
    let working_days_after = each_day(day, last).skip(1).filter(|later| is_working(*later)).take(2).count();
    if working_days_after < 2 { 1.15 } else { 1.0 }
}

/// How full the year's months are, in a year without objective or accident.
pub(super) fn season(month: i8) -> f64 {
    const FACTORS: [f64; 12] = [0.97, 0.96, 1.0, 1.0, 0.98, 1.02, 0.93, 0.82, 1.02, 1.03, 1.10, 1.16];
    FACTORS.get((month - 1) as usize).copied().unwrap_or(1.0)
}

fn is_holiday(day: Date) -> bool {
    const FIXED: [(i8, i8); 8] = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)];
    // Easter Monday, Ascension and Whit Monday, in days after Easter.
    const MOVING: [i64; 3] = [1, 39, 50];
    let easter = easter(day.year());
    FIXED.contains(&(day.month(), day.day())) || MOVING.iter().any(|after| shifted(easter, *after) == day)
}

/// Easter Sunday by the anonymous Gregorian rule.
fn easter(year: i16) -> Date {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let month_and_day = h + l - 7 * m + 114;
    let (month, day) = ((month_and_day / 31) as i8, (month_and_day % 31 + 1) as i8);
    Date::new(year, month, day).expect("invariant: the rule yields a day of March or April")
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, date};

    use super::{easter, is_working};

    #[test]
    fn easter_falls_where_the_almanac_says() {
        for (year, expected) in [(2024, date(2024, 3, 31)), (2025, date(2025, 4, 20)), (2026, date(2026, 4, 5))] {
            assert_eq!(easter(year), expected);
        }
    }

    #[test]
    fn weekends_and_holidays_are_off() {
        let check = |day: Date, expected: bool| assert_eq!(is_working(day), expected, "{day}");
        check(date(2026, 5, 1), false);
        check(date(2026, 5, 14), false);
        check(date(2026, 5, 25), false);
        check(date(2026, 11, 11), false);
        check(date(2026, 11, 12), true);
        check(date(2026, 11, 14), false);
    }
}
