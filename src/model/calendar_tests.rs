//! Working days against the almanac, and the counting by bits against counting day by day.

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::model::closure::{ClosedDays, DayOfYear, Length, Yearly};

fn once(from: Date, to: Date) -> Closure {
    Closure { days: ClosedDays::Once { from, to }, name: None }
}

fn closed(closures: Vec<Closure>) -> Calendar {
    Calendar::new(CalendarRules { closures, ..CalendarRules::default() })
}

fn bridged(region: FrenchRegion, closures: Vec<Closure>) -> Calendar {
    let country = Some(Country::France(region));
    Calendar::new(CalendarRules { country, closures, bridge_days: true, weekend: Weekend::default() })
}

#[test]
fn days_off_have_reasons() {
    let check = |day: Date, expected: Option<&str>| {
        let french = Calendar::french();
        let found = french.day_off(day);
        let name = match found {
            Some(DayOff::Holiday(holiday)) => Some(holiday.fr),
            Some(DayOff::Weekend) => Some("weekend"),
            Some(DayOff::Closure(_) | DayOff::Bridge(_)) | None => None,
        };
        assert_eq!(name, expected, "{day}");
    };
    check(date(2026, 4, 6), Some("Lundi de Pâques"));
    check(date(2026, 5, 14), Some("Ascension"));
    check(date(2026, 5, 25), Some("Lundi de Pentecôte"));
    check(date(2026, 11, 11), Some("Armistice de 1918"));
    check(date(2026, 11, 12), None);
    check(date(2026, 11, 14), Some("weekend"));
    assert_eq!(Calendar::default().day_off(date(2026, 12, 25)), None);
}

#[test]
fn months_have_their_working_days() {
    let check = |from: Date, working: u32| {
        assert_eq!(Calendar::french().working_days(from, from.last_of_month()), working, "{from}");
    };
    check(date(2026, 11, 1), 20);
    check(date(2026, 5, 1), 17);
    check(date(2026, 1, 1), 21);
    check(date(2026, 12, 1), 22);
    // 1 May 2008 was Ascension as well: off once.
    check(date(2008, 5, 1), 19);
}

#[test]
fn alsace_and_moselle_have_two_more() {
    let country = Some(Country::France(FrenchRegion::AlsaceMoselle));
    let local = Calendar::new(CalendarRules { country, ..CalendarRules::default() });
    let year = |calendar: &Calendar, year| calendar.working_days(date(year, 1, 1), date(year, 12, 31));
    // In 2025 both fall on a Friday.
    assert_eq!(year(&Calendar::french(), 2025) - year(&local, 2025), 2);
    // In 2026 26 December is a Saturday.
    assert_eq!(year(&Calendar::french(), 2026) - year(&local, 2026), 1);
    assert!(!local.is_working_day(date(2026, 4, 3)));
}

#[test]
fn bridges_lie_between_a_holiday_and_another_day_off() {
    let national = |closures| bridged(FrenchRegion::National, closures);
    let bridge = |calendar: &Calendar, day: Date, holiday: Option<&str>| {
        let found = match calendar.day_off(day) {
            Some(DayOff::Bridge(to)) => Some(to.fr),
            _ => None,
        };
        assert_eq!(found, holiday, "{day}");
        assert_eq!(calendar.is_working_day(day), holiday.is_none(), "{day}");
    };
    let plain = national(vec![]);
    // Friday after a Thursday holiday, Monday before a Tuesday one.
    bridge(&plain, date(2026, 5, 15), Some("Ascension"));
    bridge(&plain, date(2026, 7, 13), Some("Fête nationale"));
    // A Wednesday holiday makes none.
    bridge(&plain, date(2026, 11, 10), None);
    bridge(&plain, date(2026, 11, 12), None);
    // Saturday 15 August makes none of the Friday, Sunday 1 November none of the Monday.
    bridge(&plain, date(2026, 8, 14), None);
    bridge(&plain, date(2026, 11, 2), None);
    // 1 January 2030 is a Tuesday: the bridge lies in the year before.
    bridge(&plain, date(2029, 12, 31), Some("Jour de l'an"));
    // A closure beside a holiday leaves a day alone; closures by themselves make no bridge.
    let friday = once(date(2026, 11, 13), date(2026, 11, 13));
    bridge(&national(vec![friday.clone()]), date(2026, 11, 12), Some("Armistice de 1918"));
    let tuesday = once(date(2026, 8, 4), date(2026, 8, 21));
    bridge(&national(vec![tuesday, friday]), date(2026, 8, 3), None);
}

#[test]
fn weekends_are_what_they_are_said_to_be() {
    let rules = CalendarRules { weekend: Weekend::of([Weekday::Friday]), ..CalendarRules::default() };
    let calendar = Calendar::new(rules);
    assert_eq!(calendar.working_days(date(2026, 11, 2), date(2026, 11, 8)), 6);
    assert!(calendar.is_working_day(date(2026, 11, 8)) && !calendar.is_working_day(date(2026, 11, 6)));
    let every_day = Calendar::new(CalendarRules { weekend: Weekend::of([]), ..CalendarRules::default() });
    assert_eq!(every_day.working_days(date(2026, 1, 1), date(2026, 12, 31)), 365);
}

#[test]
fn working_days_are_added() {
    let check = |day: Date, days: u32, expected: Date| {
        assert_eq!(Calendar::french().add_working_days(day, days), expected, "{day} + {days}");
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
    let calendar = closed(vec![once(date(2026, 1, 1), date(2050, 1, 1))]);
    assert!(calendar.add_working_days(date(2026, 1, 1), 3) > date(2030, 1, 1));
}

#[test]
fn the_ends_of_the_calendar_are_days_too() {
    let calendar = bridged(FrenchRegion::AlsaceMoselle, vec![once(Date::MIN, Date::MAX)]);
    assert_eq!(calendar.working_days(Date::MIN, Date::MAX), 0);
    assert_eq!(bridged(FrenchRegion::National, vec![]).add_working_days(Date::MAX, 5), Date::MAX);
    assert_eq!(Calendar::french().working_days(date(2026, 2, 2), date(2026, 2, 1)), 0);
}

fn days() -> impl Strategy<Value = Date> {
    // Around the years that are kept as well.
    prop_oneof![Just(1968_i16), 2019..2032_i16, 2117..2123_i16]
        .prop_flat_map(|year| (1..=366_i64).prop_map(move |day| date(year, 1, 1).saturating_add((day - 1).days())))
}

fn days_of_year() -> impl Strategy<Value = DayOfYear> {
    (1..=12_i8, 1..=31_i8).prop_filter_map("a day that exists", |(month, day)| DayOfYear::new(month, day))
}

fn closures() -> impl Strategy<Value = ClosedDays> {
    let once =
        (days(), 0..400_i64).prop_map(|(from, days)| ClosedDays::Once { from, to: from.saturating_add(days.days()) });
    let through = (days_of_year(), days_of_year()).prop_map(|(start, end)| Yearly::through(start, end));
    let spaced = (days_of_year(), 1..=366_u32, days(), prop::option::of(days()), 1..4_i16).prop_map(
        |(start, length, first, last, every)| {
            let except = vec![Date::new(2024, start.month, start.day).unwrap()];
            Yearly { start, length: Length::Days(length), first: Some(first), last, every, except }
        },
    );
    prop_oneof![once, through.prop_map(ClosedDays::Yearly), spaced.prop_map(ClosedDays::Yearly)]
}

fn calendars() -> impl Strategy<Value = Calendar> {
    let country = prop_oneof![
        Just(None),
        Just(Some(Country::France(FrenchRegion::National))),
        Just(Some(Country::France(FrenchRegion::AlsaceMoselle)))
    ];
    let weekend = (0..128_u8).prop_map(Weekend);
    (country, weekend, prop::collection::vec(closures(), 0..4), any::<bool>()).prop_map(
        |(country, weekend, closures, bridge_days)| {
            let closures = closures.into_iter().map(|days| Closure { days, name: None }).collect();
            Calendar::new(CalendarRules { country, weekend, closures, bridge_days })
        },
    )
}

/// The definition, word for word, without bits or years.
fn is_off(calendar: &Calendar, day: Date) -> bool {
    let rules = calendar.rules();
    let weekend = |day: Date| rules.weekend.holds(day);
    let holiday = |day: Date| {
        rules.country.is_some_and(|country| country.holidays(day.year()).iter().any(|(holiday, _)| *holiday == day))
    };
    let closed = |day: Date| rules.closures.iter().any(|closure| closure.days.holds(day));
    let off = |day: Date| weekend(day) || holiday(day) || closed(day);
    let (before, after) = (day.saturating_sub(1.day()), day.saturating_add(1.day()));
    let leads = |holiday_side: Date, other: Date| holiday(holiday_side) && !weekend(holiday_side) && off(other);
    off(day) || (rules.bridge_days && (leads(before, after) || leads(after, before)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bits_agree_with_counting_day_by_day(calendar in calendars(), from in days(), length in 0..900_i64) {
        let mut counted = 0;
        for step in 0..length {
            let day = from.saturating_add(step.days());
            let off = is_off(&calendar, day);
            prop_assert_eq!(calendar.is_working_day(day), !off, "{}", day);
            prop_assert_eq!(calendar.day_off(day).is_some(), off, "{}", day);
            counted += u32::from(!off);
            if step % 13 == 0 || step == length - 1 {
                prop_assert_eq!(calendar.working_days(from, day), counted, "{} to {}", from, day);
            }
        }
    }
}
