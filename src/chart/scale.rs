//! Where an axis has its marks: round numbers, and round moments of civil time.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Marks on an axis of numbers, at most.
const NUMBERS_MAX: f64 = 6.0;
/// Marks on an axis of time, at most.
const MOMENTS_MAX: i64 = 9;

/// Round numbers from at or below `low` to at or above `high`; both are finite, and `low` is not above `high`.
pub(super) fn numbers(low: f64, high: f64) -> Vec<f64> {
    let (low, high) = if high - low > f64::EPSILON * high.abs().max(low.abs()) {
        (low, high)
    } else {
        // A flat line stands in the middle.
        let margin = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
        (low - margin, high + margin)
    };
    let raw = (high - low) / (NUMBERS_MAX - 1.0);
    if !raw.is_normal() {
        return vec![low, high];
    }
    let magnitude = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|round| round * magnitude).find(|step| *step >= raw);
    let step = step.unwrap_or(10.0 * magnitude);
    let first = (low / step).floor();
    let count = ((high / step).ceil() - first).clamp(1.0, 2.0 * NUMBERS_MAX) as i32;
    (0..=count).map(|index| (first + f64::from(index)) * step).collect()
}

/// How far apart the marks of a time axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Minutes(i64),
    Hours(i64),
    Days(i64),
    Months(i64),
    Years(i64),
}

const STEPS: [(Step, i64); 20] = [
    (Step::Minutes(5), 300),
    (Step::Minutes(15), 900),
    (Step::Hours(1), 3_600),
    (Step::Hours(3), 10_800),
    (Step::Hours(6), 21_600),
    (Step::Hours(12), 43_200),
    (Step::Days(1), 86_400),
    (Step::Days(2), 172_800),
    (Step::Days(5), 432_000),
    (Step::Days(10), 864_000),
    (Step::Days(15), 1_296_000),
    (Step::Months(1), 2_678_400),
    (Step::Months(2), 5_356_800),
    (Step::Months(3), 8_035_200),
    (Step::Months(6), 16_070_400),
    (Step::Years(1), 31_622_400),
    (Step::Years(2), 63_244_800),
    (Step::Years(5), 158_112_000),
    (Step::Years(20), 632_448_000),
    (Step::Years(100), 3_162_240_000),
];

/// Round moments of a span, each with its name.
pub(super) fn moments(from: Timestamp, to: Timestamp, zone: &TimeZone) -> Vec<(Timestamp, String)> {
    let seconds = to.duration_since(from).as_secs().max(1);
    let (step, _) = STEPS.into_iter().find(|(_, width)| seconds / width < MOMENTS_MAX).unwrap_or(STEPS[19]);
    let start = zone.to_datetime(from);
    let first = floor(start, step);
    let mut marks = Vec::new();
    let mut previous: Option<Date> = None;
    for index in 0..MOMENTS_MAX * 4 {
        let Some(local) = after(first, step, index) else { break };
        let Ok(at) = zone.to_timestamp(local) else { break };
        if at > to {
            break;
        }
        if at >= from {
            marks.push((at, name(local, step, previous)));
            previous = Some(local.date());
        }
    }
    marks
}

fn floor(at: DateTime, step: Step) -> DateTime {
    let date = at.date();
    match step {
        Step::Minutes(minutes) => {
            date.at(at.hour(), at.minute() - at.minute() % i8::try_from(minutes).unwrap_or(60), 0, 0)
        }
        Step::Hours(hours) => date.at(at.hour() - at.hour() % i8::try_from(hours).unwrap_or(24), 0, 0, 0),
        Step::Days(1 | 2) => date.at(0, 0, 0, 0),
        // 1, 6, 11, ... of each month.
        Step::Days(_) => date.first_of_month().at(0, 0, 0, 0),
        Step::Months(months) => {
            let months = i8::try_from(months).unwrap_or(12);
            let month = (date.month() - 1) / months * months + 1;
            Date::new(date.year(), month, 1).unwrap_or(date).at(0, 0, 0, 0)
        }
        Step::Years(years) => {
            let year = date.year() - date.year().rem_euclid(i16::try_from(years).unwrap_or(1));
            Date::new(year, 1, 1).unwrap_or(date).at(0, 0, 0, 0)
        }
    }
}

fn after(first: DateTime, step: Step, index: i64) -> Option<DateTime> {
    let span = match step {
        Step::Minutes(minutes) => (minutes * index).minutes(),
        Step::Hours(hours) => (hours * index).hours(),
        Step::Days(days) => (days * index).days(),
        Step::Months(months) => (months * index).months(),
        Step::Years(years) => (years * index).years(),
    };
    first.checked_add(span).ok()
}

/// As short as it stays clear beside the mark before.
fn name(at: DateTime, step: Step, previous: Option<Date>) -> String {
    let new_day = previous != Some(at.date());
    match step {
        Step::Minutes(_) | Step::Hours(_) if new_day => format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute()),
        Step::Minutes(_) | Step::Hours(_) => format!("{:02}:{:02}", at.hour(), at.minute()),
        Step::Days(_) if previous.is_some_and(|previous| previous.year() == at.date().year()) => {
            format!("{:02}-{:02}", at.month(), at.day())
        }
        Step::Days(_) => at.date().to_string(),
        Step::Months(_) => format!("{:04}-{:02}", at.year(), at.month()),
        Step::Years(_) => format!("{:04}", at.year()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{moments, numbers};

    #[test]
    fn numbers_are_round_and_hold_both_ends() {
        for (low, high, marks) in [
            (0.0, 100.0, &[0.0, 20.0, 40.0, 60.0, 80.0, 100.0][..]),
            (-3.0, 7.0, &[-4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0]),
            (0.12, 0.31, &[0.1, 0.15, 0.2, 0.25, 0.3, 0.35]),
            (5.0, 5.0, &[4.4, 4.6, 4.8, 5.0, 5.2, 5.4, 5.6]),
        ] {
            let found = numbers(low, high);
            assert!(found[0] <= low && *found.last().unwrap() >= high, "{found:?}");
            assert_eq!(found.len(), marks.len(), "{found:?}");
            assert!(found.iter().zip(marks).all(|(found, mark)| (found - mark).abs() < 1e-9), "{found:?}");
        }
        for (low, high) in
            [(0.0, 0.0), (f64::MIN_POSITIVE, f64::MIN_POSITIVE), (-1e300, 1e300), (1e-300, 2e-300), (1e18, 1e18)]
        {
            let found = numbers(low, high);
            assert!(
                (2..=13).contains(&found.len()) && found.iter().all(|mark| mark.is_finite()),
                "{low} {high}: {found:?}"
            );
        }
    }

    #[test]
    fn moments_are_round_in_the_zone() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        for (from, to, wanted) in [
            (
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
                "2026-10-25 00:00 03:00 06:00 09:00 12:00 15:00 18:00 21:00 2026-10-26 00:00",
            ),
            ("2025-11-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-01 2026-03 2026-05 2026-07 2026-09 2026-11"),
            ("2026-11-01T00:00:00Z", "2026-11-29T00:00:00Z", "2026-11-06 11-11 11-16 11-21 11-26"),
            ("2019-06-01T00:00:00Z", "2026-11-29T00:00:00Z", "2020 2021 2022 2023 2024 2025 2026"),
        ] {
            let (from, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
            let marks = moments(from, to, &zone);
            let names: Vec<&str> = marks.iter().map(|(_, name)| name.as_str()).collect();
            assert_eq!(names.join(" "), wanted);
            assert!(marks.iter().all(|(at, _)| (from..=to).contains(at)));
        }
    }
}
