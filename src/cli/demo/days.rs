//! Civil days of the demo company: which ones it works, and how busy each is.

use std::sync::LazyLock;

use jiff::civil::{Date, Weekday, date};
use jiff::{Span, ToSpan};

use crate::model::calendar::Calendar;

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
    static CALENDAR: LazyLock<Calendar> = LazyLock::new(Calendar::french);
    CALENDAR.is_working_day(day)
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::{each_day, month_of, weight};

    #[test]
    fn days_off_are_quiet_and_month_ends_full() {
        let check = |day, expected: f64| assert_eq!(weight(day), expected, "{day}");
        check(date(2026, 11, 10), 1.0);
        check(date(2026, 11, 11), 0.06);
        check(date(2026, 11, 14), 0.10);
        check(date(2026, 11, 15), 0.06);
        check(date(2026, 11, 26), 1.0);
        check(date(2026, 11, 27), 1.15);
        check(date(2026, 11, 30), 1.15);
    }

    #[test]
    fn months_are_whole() {
        let (first, last) = month_of(date(2028, 2, 10));
        assert_eq!(each_day(first, last).count(), 29);
    }
}
