//! From the times of readings to grain and zone: what their form and their distances tell.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::model::grain::Grain;
use crate::model::observation::ReadingTime;

/// With fewer days only firsts of months tell more than `day`.
const DAYS_MIN: usize = 6;
/// Share of the distances that are equal where a source measures evenly.
const EVEN: f64 = 0.8;
/// Finest grain that is proposed, in seconds.
const WIDTH_MIN: i64 = 60;

/// What the times suggest, each with its reason.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) grain: (Grain, String),
    /// A zone whose days fit where those of the configured one do not.
    pub(super) zone: Option<String>,
    /// Why that zone, or what can be said of the configured one.
    pub(super) zone_reason: String,
}

/// Looks at the times of all readings, in any order.
pub(super) fn shape(times: &[ReadingTime], zone: &TimeZone) -> Shape {
    let name = zone.iana_name().unwrap_or("the configured zone");
    let all = |fits: &dyn Fn(ReadingTime) -> bool| !times.is_empty() && times.iter().all(|time| fits(*time));
    let days = |zone: &TimeZone| sorted(times.iter().map(|time| local(*time, zone).0));
    let is_date = |time| matches!(time, ReadingTime::Date(_));
    let midnight_of = |zone: &TimeZone| {
        let zone = zone.clone();
        move |time| matches!(time, ReadingTime::Instant(_)) && local(time, &zone).1 == Time::midnight()
    };
    if times.is_empty() {
        let grain = (Grain::Day, "a guess: no value was seen".to_owned());
        return Shape { grain, zone: None, zone_reason: "the configuration's".to_owned() };
    }
    if all(&is_date) || all(&|time| !matches!(time, ReadingTime::Instant(_)) && local(time, zone).1 == Time::midnight())
    {
        let zone_reason = "the configuration's; dates have no zone of their own".to_owned();
        return Shape { grain: civil(&days(zone), "dates without a time"), zone: None, zone_reason };
    }
    if all(&midnight_of(zone)) {
        let zone_reason = format!("the configuration's; every instant is a midnight of {name}");
        return Shape { grain: civil(&days(zone), "instants that are all midnight"), zone: None, zone_reason };
    }
    let utc = days(&TimeZone::UTC);
    if all(&midnight_of(&TimeZone::UTC)) && utc.len() > 2 {
        let zone_reason = format!("every instant is a midnight of UTC, and none of {name}");
        let grain = civil(&utc, "instants that are all midnight in UTC");
        return Shape { grain, zone: Some("UTC".to_owned()), zone_reason };
    }
    let zone_reason = "the configuration's; the times of day are no midnights that would tell of another".to_owned();
    Shape { grain: moments(times, zone), zone: None, zone_reason }
}

/// Day and time of day as the source said them, instants in the zone.
fn local(time: ReadingTime, zone: &TimeZone) -> (Date, Time) {
    match time {
        ReadingTime::Date(date) => (date, Time::midnight()),
        ReadingTime::Local(local) => (local.date(), local.time()),
        ReadingTime::Instant(at) => {
            let local = zone.to_datetime(at);
            (local.date(), local.time())
        }
    }
}

fn sorted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// Of distinct days, in order.
fn civil(days: &[Date], what: &str) -> (Grain, String) {
    let all_in_own =
        |grain: Grain| days.windows(2).all(|pair| grain.index_of_date(pair[0]) != grain.index_of_date(pair[1]));
    if days.len() >= 2 && days.iter().all(|day| day.day() == 1) && all_in_own(Grain::Month) {
        return (Grain::Month, format!("{what}, all of them the first of a month"));
    }
    if days.len() < DAYS_MIN {
        let few = if days.len() == 1 { "only one".to_owned() } else { format!("only {}", days.len()) };
        return (Grain::Day, format!("a guess: {what}, but {few}"));
    }
    let distances = days.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_hours() / 24);
    match most_common(distances).map(|(distance, _)| distance) {
        Some(28..=31) if all_in_own(Grain::Month) => (Grain::Month, format!("{what}, never two in one month")),
        Some(7) if all_in_own(Grain::Week) => (Grain::Week, format!("{what}, never two in one week")),
        Some(1) => (Grain::Day, format!("{what}, one a day")),
        _ => (Grain::Day, format!("a guess: {what}, at no even distance")),
    }
}

/// Of times of day.
fn moments(times: &[ReadingTime], zone: &TimeZone) -> (Grain, String) {
    let seconds = sorted(times.iter().map(|time| time.instant(zone).as_second()));
    let days = sorted(times.iter().map(|time| local(*time, zone).0));
    if days.len() == seconds.len() {
        return civil(&days, "moments, never two on one day");
    }
    let distances = seconds.windows(2).map(|pair| pair[1] - pair[0]);
    match most_common(distances) {
        Some((width, share)) if share >= EVEN => match u32::try_from(width) {
            Ok(fits) if (WIDTH_MIN..=43_200).contains(&width) && 86_400 % fits == 0 => {
                (Grain::Seconds(fits), format!("moments, one each {}", grain_text(Grain::Seconds(fits))))
            }
            _ => (Grain::Day, format!("a guess: moments {width} s apart, which is no grain")),
        },
        _ => (Grain::Day, "a guess: moments at no even distance, as of single events".to_owned()),
    }
}

/// The most common value, the smallest of several, and its share.
fn most_common(values: impl Iterator<Item = impl Into<i64>>) -> Option<(i64, f64)> {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value.into()).or_default() += 1;
    }
    let total: usize = counts.values().sum();
    let (value, count) = counts.into_iter().rev().max_by_key(|(_, count)| *count)?;
    Some((value, count as f64 / total as f64))
}

/// A grain as the configuration writes it.
pub(super) fn grain_text(grain: Grain) -> String {
    match grain {
        Grain::Day => "day".to_owned(),
        Grain::Week => "week".to_owned(),
        Grain::Month => "month".to_owned(),
        Grain::Seconds(3600) => "hour".to_owned(),
        Grain::Seconds(width) => span_text(i64::from(width)),
    }
}

/// A stretch of seconds as the configuration writes it, in the widest unit that fits.
pub(super) fn span_text(seconds: i64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(width, _)| seconds != 0 && seconds % width == 0).unwrap_or((1, "s"));
    format!("{}{}", seconds / unit.0, unit.1)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use jiff::{SignedDuration, Timestamp, ToSpan};

    use super::{Shape, shape, span_text};
    use crate::model::grain::Grain;
    use crate::model::observation::ReadingTime;

    fn paris() -> TimeZone {
        TimeZone::get("Europe/Paris").unwrap()
    }

    #[track_caller]
    fn check(times: &[ReadingTime], grain: Grain, why: &str) -> Shape {
        let found = shape(times, &paris());
        assert_eq!(found.grain.0, grain, "{found:?}");
        assert!(found.grain.1.contains(why), "{found:?}");
        found
    }

    fn dates(count: i32, step: jiff::Span) -> Vec<ReadingTime> {
        let start = jiff::civil::date(2026, 1, 1);
        (0..count).map(|at| ReadingTime::Date(start.checked_add(step * i64::from(at)).unwrap())).collect()
    }

    fn instants(count: i32, first: &str, step: SignedDuration) -> Vec<ReadingTime> {
        let first: Timestamp = first.parse().unwrap();
        (0..count).map(|at| ReadingTime::Instant(first + step * at)).collect()
    }

    #[test]
    fn dates_tell_their_grain() {
        check(&dates(40, 1.day()), Grain::Day, "dates without a time, one a day");
        check(&dates(8, 1.week()), Grain::Week, "never two in one week");
        check(&dates(3, 1.month()), Grain::Month, "the first of a month");
        check(&dates(40, 3.days()), Grain::Day, "at no even distance");
        check(&dates(3, 7.days()), Grain::Day, "but only 3");
        check(&[], Grain::Day, "no value was seen");
        // Weekdays alone are still days, and the last of each month is a month.
        let weekdays: Vec<_> =
            dates(40, 1.day()).into_iter().enumerate().filter(|(at, _)| at % 7 < 5).map(|(_, time)| time).collect();
        check(&weekdays, Grain::Day, "one a day");
        let last: Vec<_> =
            (1..=9).map(|month| ReadingTime::Date(jiff::civil::date(2026, month, 1).last_of_month())).collect();
        let found = check(&last, Grain::Month, "never two in one month");
        assert!(found.zone.is_none() && found.zone_reason.contains("no zone of their own"), "{found:?}");
    }

    #[test]
    fn midnights_tell_their_zone() {
        let day = SignedDuration::from_hours(24);
        let found = check(&instants(30, "2026-11-01T23:00:00Z", day), Grain::Day, "all midnight, one a day");
        assert_eq!((found.zone, found.zone_reason.contains("a midnight of Europe/Paris")), (None, true));
        let found = check(&instants(30, "2026-11-01T00:00:00Z", day), Grain::Day, "midnight in UTC");
        assert_eq!((found.zone.as_deref(), found.zone_reason.contains("none of Europe/Paris")), (Some("UTC"), true));
        let found = check(&instants(30, "2026-11-01T05:00:00Z", day), Grain::Day, "never two on one day");
        assert_eq!(found.zone, None);
        // Two could be chance.
        assert_eq!(check(&instants(2, "2026-11-01T00:00:00Z", day), Grain::Day, "only 2").zone, None);
    }

    #[test]
    fn moments_tell_whether_they_are_even() {
        check(&instants(50, "2026-11-01T00:00:00Z", SignedDuration::from_hours(1)), Grain::HOUR, "one each hour");
        let five = SignedDuration::from_mins(5);
        check(&instants(50, "2026-11-01T00:02:30Z", five), Grain::Seconds(300), "one each 5m");
        check(&instants(50, "2026-11-01T00:00:00Z", SignedDuration::from_mins(7)), Grain::Day, "420 s apart");
        check(&instants(50, "2026-11-01T00:00:00Z", SignedDuration::from_secs(10)), Grain::Day, "10 s apart");
        let first: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let orders: Vec<_> = (0..50_i32)
            .map(|at| ReadingTime::Instant(first + SignedDuration::from_mins(i64::from(at * at * 7 % 3001))))
            .collect();
        check(&orders, Grain::Day, "as of single events");
    }

    #[test]
    fn spans_are_written_as_they_are_read() {
        for (seconds, text) in [(0, "0s"), (90, "90s"), (300, "5m"), (7200, "2h"), (2 * 86_400, "2d"), (5400, "90m")] {
            assert_eq!(span_text(seconds), text);
        }
    }
}
