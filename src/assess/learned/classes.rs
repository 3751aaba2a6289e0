//! What kind of bucket each one is: its weekday and hour, whether it is a holiday or a bridge day, its place in the month.
//!
//! Each way to tell buckets apart is a group; within it every bucket has one class. What classes are worth is learned
//! elsewhere.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::assess::window::Span;
use crate::model::calendar::DayOff;
use crate::model::grain::{BucketIndex, Grain};
use crate::model::kpi::Kpi;

/// Working days from the start of the month that are told apart.
const FROM_START: u32 = 3;
/// Working days before its end that are told apart, and up to which the others are one class.
const FROM_END: u32 = 5;
const LATE: u32 = 10;
const HOURS: u16 = 24;
const WEEKDAYS: u16 = 7;

/// One way to tell buckets apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The class of each bucket of the span, from 0 on.
    pub(super) of: Vec<u16>,
    pub(super) classes: usize,
}

/// What the calendar says of one civil day.
#[derive(Clone, Copy)]
struct DayClass {
    weekday: u16,
    works: bool,
    kind: u16,
    /// 0: no holiday; else one more than the place of its name among those met.
    holiday: u16,
    /// Places among the first and the last working days of the month; 0 for none of them.
    start: u16,
    end: u16,
}

/// The groups of the buckets of a span, the broad ones first: a later group says how a bucket differs from what the
/// groups before it make of it.
pub(super) fn groups_of(span: Span, kpi: &Kpi) -> Vec<Group> {
    match kpi.grain {
        Grain::Day => days(span, kpi),
        Grain::Seconds(width) if width < 86_400 => hours(span, kpi),
        Grain::Seconds(_) | Grain::Week | Grain::Month => working_days(span, kpi),
    }
}

fn days(span: Span, kpi: &Kpi) -> Vec<Group> {
    let mut reader = DayReader::new(kpi);
    let days: Vec<DayClass> = (span.from..=span.to).map(|index| reader.read(kpi.grain.date_of(index))).collect();
    let group = |class: fn(&DayClass) -> u16| Group::of(days.iter().map(class));
    vec![
        group(|day| day.weekday),
        group(|day| day.kind),
        group(|day| day.holiday),
        group(|day| day.end),
        group(|day| day.start),
    ]
}

/// Hours of the day in the KPI's zone, by themselves, by working or free day, and by weekday.
fn hours(span: Span, kpi: &Kpi) -> Vec<Group> {
    let mut reader = DayReader::new(kpi);
    let mut buckets: Vec<(u16, DayClass)> = Vec::with_capacity(span.due() as usize);
    let day_at = |index| kpi.zone.to_datetime(kpi.grain.start_of(index, &kpi.zone)).date();
    let mut day = day_at(span.from);
    while (buckets.len() as u32) < span.due() {
        let class = reader.read(day);
        let (first, end) = kpi.grain.buckets_of_day(day, &kpi.zone);
        for index in first.max(span.from)..end.min(span.to + 1) {
            buckets.push((hour_of(index, (first, end), kpi), class));
        }
        let next = day.saturating_add(1.day());
        if next == day {
            break;
        }
        day = next;
    }
    let group = |class: fn(&(u16, DayClass)) -> u16| Group::of(buckets.iter().map(class));
    vec![
        group(|(hour, _)| *hour),
        group(|(_, day)| day.weekday),
        group(|(hour, day)| hour + HOURS * u16::from(day.works)),
        group(|(hour, day)| hour + HOURS * day.weekday),
        group(|(_, day)| day.kind),
        group(|(_, day)| day.holiday),
        group(|(_, day)| day.end),
        group(|(_, day)| day.start),
    ]
}

/// The local hour in which a bucket begins. Days without a change of the clock need no look into the zone's table.
fn hour_of(index: BucketIndex, (first, end): (BucketIndex, BucketIndex), kpi: &Kpi) -> u16 {
    let Grain::Seconds(width) = kpi.grain else { return 0 };
    let seconds = (index - first) * i64::from(width);
    if (end - first) * i64::from(width) == 86_400 {
        return u16::try_from(seconds / 3_600).unwrap_or(0).min(HOURS - 1);
    }
    u16::from(kpi.zone.to_datetime(kpi.grain.start_of(index, &kpi.zone)).hour().unsigned_abs())
}

/// Weeks and months differ in their working days.
fn working_days(span: Span, kpi: &Kpi) -> Vec<Group> {
    let fewest = if kpi.grain == Grain::Month { 16 } else { 0 };
    let count = |index| {
        let (first, next) = (kpi.grain.date_of(index), kpi.grain.date_of(index + 1));
        let working = kpi.calendar.working_days(first, next.saturating_sub(1.day()));
        u16::try_from(working.saturating_sub(fewest).min(15)).unwrap_or(0)
    };
    vec![Group::of((span.from..=span.to).map(count))]
}

impl Group {
    fn of(classes: impl Iterator<Item = u16>) -> Group {
        let of: Vec<u16> = classes.collect();
        let classes = of.iter().max().map_or(0, |max| usize::from(*max) + 1);
        Group { of, classes }
    }
}

/// Reads days in order; what a month and its neighbours are is reckoned once.
struct DayReader<'a> {
    kpi: &'a Kpi,
    names: Vec<&'static str>,
    month: Option<Month>,
}

#[derive(Clone, Copy)]
struct Month {
    first: Date,
    last: Date,
    working: u32,
}

impl<'a> DayReader<'a> {
    fn new(kpi: &'a Kpi) -> DayReader<'a> {
        DayReader { kpi, names: Vec::new(), month: None }
    }

    fn read(&mut self, day: Date) -> DayClass {
        let works = self.kpi.calendar.is_working_day(day);
        let weekday = u16::from(day.weekday().to_monday_zero_offset().unsigned_abs()).min(WEEKDAYS - 1);
        let (kind, holiday) = self.kind_of(day, works);
        let (start, end) = self.place_of(day, works);
        DayClass { weekday, works, kind, holiday, start, end }
    }

    /// 0: as its weekday is; 1: a holiday; 2: a bridge day, whether or not the calendar gives it off; 3: a closure;
    /// 4: a holiday on a weekend.
    fn kind_of(&mut self, day: Date, works: bool) -> (u16, u16) {
        let calendar = &self.kpi.calendar;
        let weekend = calendar.rules().weekend;
        if works {
            let is_off = |day: Date| !calendar.is_working_day(day);
            let (before, after) = (day.saturating_sub(1.day()), day.saturating_add(1.day()));
            let alone = is_off(before) && is_off(after) && !(weekend.holds(before) && weekend.holds(after));
            return (if alone { 2 } else { 0 }, 0);
        }
        match calendar.day_off(day) {
            Some(DayOff::Holiday(holiday)) => {
                let place = self.names.iter().position(|name| *name == holiday.fr).unwrap_or_else(|| {
                    self.names.push(holiday.fr);
                    self.names.len() - 1
                });
                (if weekend.holds(day) { 4 } else { 1 }, u16::try_from(place + 1).unwrap_or(0))
            }
            Some(DayOff::Closure(_)) => (3, 0),
            Some(DayOff::Bridge(_)) => (2, 0),
            Some(DayOff::Weekend) | None => (0, 0),
        }
    }

    /// The places among the month's first and last working days. Free days have classes of their own, by the working days
    /// before and after them.
    fn place_of(&mut self, day: Date, works: bool) -> (u16, u16) {
        let calendar = &self.kpi.calendar;
        let month = match self.month {
            Some(month) if month.first <= day && day <= month.last => month,
            _ => {
                let (first, last) = (day.first_of_month(), day.last_of_month());
                Month { first, last, working: calendar.working_days(first, last) }
            }
        };
        self.month = Some(month);
        let done = calendar.working_days(month.first, day);
        let left = month.working.saturating_sub(done);
        let end = match left {
            left if left < FROM_END => 1 + left,
            left if left < LATE => 1 + FROM_END,
            _ => 0,
        };
        let start = if done <= FROM_START { done.max(1) } else { 0 };
        let apart = |place: u32, places: u32| if works || place == 0 { place } else { place + places };
        let (start, end) = (apart(start, FROM_START), apart(end, FROM_END + 1));
        (u16::try_from(start).unwrap_or(0), u16::try_from(end).unwrap_or(0))
    }
}
