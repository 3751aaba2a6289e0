//! Schedules: forms, errors, and every change of the clocks in many zones.

use jiff::civil::{Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

use super::Schedule;
use crate::model::calendar::{Calendar, CalendarRules};
use crate::model::closure::{ClosedDays, Closure};

/// Zones with changes at odd hours, of half an hour, of two hours, at midnight, of a whole day.
const ZONES: [&str; 24] = [
    "Europe/Paris",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "America/Asuncion",
    "America/Havana",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/Caracas",
    "Atlantic/Azores",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Europe/Moscow",
    "UTC",
];

/// Schedules by civil time.
const CIVIL: [&str; 9] = [
    "daily 06:15",
    "daily 02:30",
    "daily 00:00",
    "workdays 00:30",
    "weekly sunday 02:15",
    "monthly 31 23:45",
    "0 */15 * * * *",
    "0 5 0,1,2,3 * * *",
    "0 0,30 1-3 * * Sat,Sun",
];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn france() -> Calendar {
    Calendar::french()
}

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text).unwrap()
}

/// The slots after `after` in Paris read as listed, in UTC.
#[track_caller]
fn check_slots(text: &str, after: &str, slots: &[&str]) {
    let mut now = at(after);
    for expected in slots {
        now = schedule(text).next_after(now, &zone("Europe/Paris"), &france()).unwrap();
        assert_eq!(now, at(expected), "{text}");
    }
}

#[test]
fn plain_forms_name_their_slots() {
    check_slots("hourly", "2026-11-23T10:00:00Z", &["2026-11-23T11:00:00Z", "2026-11-23T12:00:00Z"]);
    check_slots("hourly :05", "2026-11-23T10:00:00Z", &["2026-11-23T10:05:00Z", "2026-11-23T11:05:00Z"]);
    check_slots("daily 06:15", "2026-11-23T05:14:59.999Z", &["2026-11-23T05:15:00Z", "2026-11-24T05:15:00Z"]);
    // Armistice Day is a Wednesday, then comes a week end.
    check_slots(
        "workdays 06:15",
        "2026-11-10T05:15:00Z",
        &["2026-11-12T05:15:00Z", "2026-11-13T05:15:00Z", "2026-11-16T05:15:00Z"],
    );
    check_slots("weekly monday 06:15", "2026-11-23T05:15:00Z", &["2026-11-30T05:15:00Z"]);
    check_slots("weekly Tue 6:15", "2026-11-23T05:15:00Z", &["2026-11-24T05:15:00Z"]);
    check_slots("monthly 3 06:15", "2026-11-23T05:15:00Z", &["2026-12-03T05:15:00Z", "2027-01-03T05:15:00Z"]);
    check_slots("monthly 31 06:15", "2026-11-23T05:15:00Z", &["2026-11-30T05:15:00Z", "2026-12-31T05:15:00Z"]);
    check_slots("every 5m", "2026-11-23T10:01:00.5Z", &["2026-11-23T10:05:00Z", "2026-11-23T10:10:00Z"]);
    check_slots("every 30s", "2026-11-23T10:00:30Z", &["2026-11-23T10:01:00Z"]);
    check_slots("every 2h", "2026-11-23T10:00:30Z", &["2026-11-23T12:00:00Z"]);
    check_slots("daily 06:15:30", "2026-11-23T05:15:00Z", &["2026-11-23T05:15:30Z"]);
}

#[test]
fn cron_expressions_name_their_slots() {
    check_slots("0 15 6 * * *", "2026-11-23T05:15:00Z", &["2026-11-24T05:15:00Z"]);
    check_slots("0 15 6 * * Mon-Fri", "2026-11-27T05:15:00Z", &["2026-11-30T05:15:00Z"]);
    check_slots("*/20 * * * * ? 2026", "2026-11-23T05:15:01Z", &["2026-11-23T05:15:20Z", "2026-11-23T05:15:40Z"]);
    // Both the day of the month and the weekday must match: the next Friday 13th.
    check_slots("0 0 12 13 * Fri", "2026-11-13T11:00:00Z", &["2027-08-13T10:00:00Z"]);
    check_slots("0 0 12 29 2 *", "2026-11-13T11:00:00Z", &["2028-02-29T11:00:00Z"]);
}

#[test]
fn a_year_that_has_passed_has_no_next_slot() {
    let past = schedule("0 0 12 * * * 2020");
    assert_eq!(past.next_after(at("2026-11-23T00:00:00Z"), &TimeZone::UTC, &france()), None);
    assert_eq!(past.last_at_or_before(at("2026-11-23T00:00:00Z"), &TimeZone::UTC, &france()), None);
    assert_eq!(
        past.last_at_or_before(at("2021-01-05T00:00:00Z"), &TimeZone::UTC, &france()),
        Some(at("2020-12-31T12:00:00Z"))
    );
}

#[test]
fn a_skipped_time_runs_once_right_after_the_gap() {
    // Paris, 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC.
    check_slots("daily 02:30", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    check_slots("0 0,20,40 2 * * *", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]);
    check_slots("0 0 * * * *", "2026-03-29T00:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"]);
}

#[test]
fn a_repeated_time_runs_once() {
    // Paris, 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC.
    check_slots("daily 02:30", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    check_slots("0 0 * * * *", "2026-10-24T23:00:00Z", &["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"]);
    // `hourly` counts elapsed hours instead.
    check_slots("hourly", "2026-10-24T23:00:00Z", &["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"]);
}

#[test]
fn a_day_that_a_zone_skips_runs_after_it() {
    // Samoa crossed the date line: 30 December 2011 does not exist there.
    let apia = zone("Pacific/Apia");
    let slot = schedule("daily 06:15").next_after(at("2011-12-29T20:00:00Z"), &apia, &france()).unwrap();
    assert_eq!(slot, at("2011-12-30T10:00:00Z"));
    assert_eq!(apia.to_datetime(slot), date(2011, 12, 31).at(0, 0, 0, 0));
}

#[test]
fn the_next_slot_may_be_now() {
    let daily = schedule("daily 06:15");
    let paris = zone("Europe/Paris");
    let slot = at("2026-11-23T05:15:00Z");
    assert_eq!(daily.next_at_or_after(slot, &paris, &france()), Some(slot));
    assert_eq!(daily.last_at_or_before(slot, &paris, &france()), Some(slot));
    assert_eq!(
        daily.last_at_or_before(slot - SignedDuration::from_millis(1), &paris, &france()),
        Some(at("2026-11-22T05:15:00Z"))
    );
}

#[test]
fn a_calendar_that_is_closed_for_ever_ends_the_search() {
    let days = ClosedDays::Once { from: date(2026, 1, 1), to: date(2042, 1, 1) };
    let closures = vec![Closure { days, name: None }];
    let calendar = Calendar::new(CalendarRules { closures, ..CalendarRules::default() });
    assert_eq!(schedule("workdays 06:15").next_after(at("2026-01-05T00:00:00Z"), &TimeZone::UTC, &calendar), None);
}

#[test]
fn schedules_compare_by_text() {
    assert_eq!(schedule("daily  06:15 "), schedule("daily 06:15"));
    assert_ne!(schedule("daily 06:15"), schedule("daily 06:16"));
    assert_eq!(schedule(" daily  06:15").as_str(), "daily 06:15");
}

#[test]
fn errors_name_the_cause_and_the_remedy() {
    let check = |text: &str, parts: &[&str]| {
        let error = Schedule::parse(text).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(!error.contains('\n') && !error.ends_with('.'), "{error}");
    };
    check("", &["daily 06:15", "every 5m", "cron"]);
    check("sometimes", &["`sometimes`", "workdays 06:15"]);
    check("daily", &["daily 06:15"]);
    check("daily 25:00", &["`25:00` is no time of day", "`06:15`"]);
    check("daily 6h15", &["`6h15`"]);
    check("weekly someday 06:15", &["`someday` is no weekday", "monday"]);
    check("monthly 32 06:15", &["`32`", "1 to 31"]);
    check("hourly :60", &["`:60`", ":59"]);
    check("every 0m", &["`0m`", "`5m`"]);
    check("every day", &["`day`", "`2h`"]);
    check("every 1d", &["daily 06:15"]);
    check("every é", &["is no width"]);
    check("15 6 * * *", &["seconds", "`0 15 6 * * *`"]);
    check("0 15 6 * * 1-5", &["`1-5`", "differs between crons", "Mon-Fri"]);
    check("0 15 6 * * Mon#2", &["weekday"]);
    check("0 15 25 * * *", &["hours", "`25`", "0 to 23"]);
    check("0 15 6 * * Sat-Sun", &["weekday", "Sat,Sun"]);
    check("0 0 12 30 2 *", &["no day that exists"]);
}

/// The slots of `0 */15 * * * *` in a span, found by looking at the local clock minute by minute.
fn quarter_hours(from: Timestamp, minutes: i64, zone: &TimeZone) -> Vec<Timestamp> {
    let mut slots = Vec::new();
    // Starts a day early, so that a stretch under way at `from` is known to be a repetition.
    let mut newest = zone.to_datetime(from - SignedDuration::from_hours(26));
    for minute in -26 * 60 + 1..=minutes {
        let now = from + SignedDuration::from_mins(minute);
        let local = zone.to_datetime(now);
        let quarters = |civil: jiff::civil::DateTime| {
            let days = civil.date().duration_since(date(1970, 1, 1)).as_secs() / 86_400;
            days * 96 + i64::from(civil.hour()) * 4 + i64::from(civil.minute()) / 15
        };
        if local > newest && quarters(local) > quarters(newest) && minute > 0 {
            slots.push(now);
        }
        newest = newest.max(local);
    }
    slots
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn slots_rise_and_the_last_one_agrees(
        name in 0..ZONES.len(), text in 0..CIVIL.len() + 3, year in 1990_i16..2040, change in 0_usize..4,
        shift in -200_000_i64..200_000, ahead in 0_i64..100_000,
    ) {
        let texts = [&CIVIL[..], &["hourly", "hourly :40", "every 7m"]].concat();
        let (zone, schedule, calendar) = (zone(ZONES[name]), schedule(texts[text]), france());
        let january = zone.to_timestamp(date(year, 1, 1).at(0, 0, 0, 0)).unwrap();
        let middle = zone.following(january).nth(change).map_or(january, |change| change.timestamp());
        let start = middle + SignedDuration::from_secs(shift);
        let mut now = start;
        for _ in 0..60 {
            let next = schedule.next_after(now, &zone, &calendar).unwrap();
            prop_assert!(next > now, "{now} {next}");
            // Nothing lies between: from any moment before it, the same slot follows.
            let inside = now + SignedDuration::from_secs(ahead % (next.as_second() - now.as_second() + 1).max(1));
            if inside < next {
                prop_assert_eq!(schedule.next_after(inside, &zone, &calendar), Some(next), "{}", inside);
            }
            prop_assert_eq!(schedule.last_at_or_before(next, &zone, &calendar), Some(next));
            if now != start {
                let just_before = next - SignedDuration::from_millis(1);
                prop_assert_eq!(schedule.last_at_or_before(just_before, &zone, &calendar), Some(now));
            }
            now = next;
        }
    }

    #[test]
    fn each_civil_slot_of_a_day_runs_once(
        name in 0..ZONES.len(), year in 1990_i16..2040, change in 0_usize..4, shift in -90_000_i64..0,
    ) {
        let zone = zone(ZONES[name]);
        let january = zone.to_timestamp(date(year, 1, 1).at(0, 0, 0, 0)).unwrap();
        let middle = zone.following(january).nth(change).map_or(january, |change| change.timestamp());
        // Some tables end with a mark at an odd second.
        let start = Timestamp::from_second((middle.as_second() + shift) / 60 * 60).unwrap();
        let end = start + SignedDuration::from_hours(50);
        let quarters = schedule("0 */15 * * * *");
        let mut slots = Vec::new();
        let mut now = start;
        while let Some(next) = quarters.next_after(now, &zone, &france()).filter(|next| *next <= end) {
            slots.push(next);
            now = next;
        }
        prop_assert_eq!(slots, quarter_hours(start, 50 * 60, &zone));
    }
}

#[test]
fn a_weekly_slot_falls_on_its_weekday_in_every_zone() {
    for name in ZONES {
        let zone = zone(name);
        let mut now = at("2026-01-01T00:00:00Z");
        for _ in 0..60 {
            now = schedule("weekly friday 12:00").next_after(now, &zone, &france()).unwrap();
            assert_eq!(zone.to_datetime(now).date().weekday(), Weekday::Friday, "{name}");
        }
    }
}

/// In every zone of the table, over every change of its clocks of five years.
#[test]
fn each_slot_comes_once_in_every_zone() {
    let quarters = schedule("0 */15 * * * *");
    let (from, to) = (at("2024-01-01T00:00:00Z"), at("2029-01-01T00:00:00Z"));
    let (mut zones, mut changes) = (0, 0);
    for name in jiff::tz::db().available() {
        let zone = zone(name.as_str());
        zones += 1;
        for change in zone.following(from).take_while(|change| change.timestamp() < to) {
            changes += 1;
            let start = Timestamp::from_second((change.timestamp().as_second() - 90_000) / 60 * 60).unwrap();
            let end = start + SignedDuration::from_hours(28);
            let next = |now: &Timestamp| quarters.next_after(*now, &zone, &france()).filter(|next| *next <= end);
            let slots: Vec<Timestamp> = std::iter::successors(next(&start), next).collect();
            assert_eq!(slots, quarter_hours(start, 28 * 60, &zone), "{name} at {}", change.timestamp());
        }
    }
    assert!(zones > 400 && changes > 1_000, "{zones} zones, {changes} changes");
}

#[test]
fn a_daily_slot_comes_on_each_day_in_every_zone() {
    let nightly = schedule("daily 02:30");
    for name in jiff::tz::db().available() {
        let zone = zone(name.as_str());
        let mut now = zone.to_timestamp(date(2025, 12, 31).at(12, 0, 0, 0)).unwrap();
        for day in date(2026, 1, 1).series(jiff::ToSpan::days(1)).take(365) {
            now = nightly.next_after(now, &zone, &france()).unwrap();
            assert_eq!(zone.to_datetime(now).date(), day, "{name}");
        }
    }
}

#[test]
fn slots_that_need_not_be_gone_through_are_those_that_would_be() {
    let every = schedule("every 7m");
    let next = |now: Timestamp| every.next_after(now, &TimeZone::UTC, &france()).unwrap();
    let last = at("2026-11-23T05:15:10Z");
    for (now, kept) in [
        ("2026-11-23T05:15:11Z", 3),
        ("2026-11-23T05:36:00Z", 3),
        ("2026-11-23T09:00:00Z", 3),
        ("2026-11-24T05:15:00Z", 0),
    ] {
        let now = at(now);
        let all: Vec<Timestamp> =
            std::iter::successors(Some(next(last)), |at| Some(next(*at))).take_while(|at| *at <= now).collect();
        let expected = all.len().checked_sub(kept).filter(|skipped| *skipped > 0);
        let skipped = every.skip((last, now), kept);
        assert_eq!(skipped.map(|(count, _)| count), expected.map(|count| count as u64), "{now}");
        if let (Some((_, at)), Some(count)) = (skipped, expected) {
            assert_eq!(at, all[count - 1], "{now}");
        }
    }
    assert_eq!(schedule("daily 06:15").skip((last, at("2036-11-23T05:15:10Z")), 3), None);
    let years = every.skip((last, at("9000-01-01T00:00:00Z")), 5_000).unwrap();
    assert!(years.0 > 500_000_000 && next(years.1) > years.1, "{years:?}");
}
