//! A seeded company: what stands in its databases, what happens to them, and what people do.
//!
//! Regular rows are there from the start; a pull asks for ended buckets only, so that the future stays
//! unseen. What is not regular (late, revised, out of reach) happens at its instant.

use fastrand::Rng;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// Days played unless told; the clocks go back on the 36th, and four months take part.
const DAYS: i64 = 90;
const FIRST: Date = date(2026, 9, 20);
/// Of every eleven days the first seven are eventful; in the other four nothing irregular happens, so that the
/// service can stop without missing anything but slots.
const CYCLE_DAYS: i64 = 11;
const EVENTFUL_DAYS: i64 = 7;
/// Days with rows before the first one played.
const DAYS_BEFORE: i64 = 62;
const ARTICLES: [&str; 3] = ["a", "b", "c"];
const CHANNELS: [&str; 2] = ["shop", "web"];

/// A database of the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Shop,
    Ops,
}

/// How a database stops answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outage {
    /// The file is gone: a matter of the configuration.
    Gone,
    /// The file is damaged: the whole source is down.
    Damaged,
}

#[derive(Clone, Debug)]
pub(super) enum Happening {
    Sql(Base, String),
    Down(Base, Outage),
    Up(Base),
    /// Somebody acts on one of the alerts that fire; the number chooses.
    Acknowledge(usize),
    Snooze(usize, SignedDuration),
    Silence(usize, SignedDuration),
    /// Somebody says of one of the values that wait for it that it is real, or that it is not.
    Settle(usize, bool),
}

impl Happening {
    pub(super) fn is_action(&self) -> bool {
        matches!(
            self,
            Happening::Acknowledge(_) | Happening::Snooze(..) | Happening::Silence(..) | Happening::Settle(..)
        )
    }
}

pub(super) struct World {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Makes the databases as they stand at the start.
    pub(super) rows: Vec<(Base, String)>,
    /// In the order of time.
    pub(super) happenings: Vec<(Timestamp, Happening)>,
    /// Spans over which the databases don't answer the same at all times, or people act, with the time it takes
    /// until nothing is left of it.
    pub(super) restless: Vec<(Timestamp, Timestamp)>,
}

pub(super) fn paris() -> TimeZone {
    TimeZone::get("Europe/Paris").expect("the zone is bundled")
}

pub(super) fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn local(day: Date, hour: i8, minute: i8) -> Timestamp {
    paris().to_timestamp(day.at(hour, minute, 0, 0)).expect("a moment of the zone")
}

struct Making {
    rng: Rng,
    first: Date,
    days: i64,
    world: World,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        World::of(seed, FIRST, DAYS)
    }

    /// So many days from one on.
    pub(super) fn of(seed: u64, first: Date, days: i64) -> World {
        let start = local(first, 0, 1);
        let world = World {
            start,
            end: local(first.saturating_add(days.days()), 0, 1),
            rows: Vec::new(),
            happenings: Vec::new(),
            restless: Vec::new(),
        };
        let mut making = Making { rng: Rng::with_seed(seed), first, days, world };
        making.tables();
        making.revenue();
        making.stock();
        making.load();
        making.on_time();
        making.tickets();
        making.outages();
        making.actions();
        let mut world = making.world;
        world.happenings.sort_by_key(|(at, _)| *at);
        world.restless.sort();
        world
    }
}

impl Making {
    fn tables(&mut self) {
        self.row(Base::Shop, "CREATE TABLE revenue (bucket TEXT, channel TEXT, value REAL)".to_owned());
        self.row(Base::Shop, "CREATE TABLE stock (bucket TEXT, article TEXT, value REAL)".to_owned());
        self.row(Base::Ops, "CREATE TABLE load (at INTEGER PRIMARY KEY, value REAL)".to_owned());
        self.row(Base::Ops, "CREATE TABLE on_time (bucket TEXT, numerator REAL, denominator REAL)".to_owned());
        self.row(Base::Ops, "CREATE TABLE tickets (bucket TEXT, value REAL)".to_owned());
        self.row(Base::Ops, "CREATE TABLE billed (bucket TEXT, value REAL)".to_owned());
    }

    fn row(&mut self, base: Base, sql: String) {
        self.world.rows.push((base, sql));
    }

    /// A row that stands in time, or comes late, or changes later: mostly the first.
    fn told(&mut self, base: Base, day: Date, insert: String, update: String, can_be_late: bool) {
        let played = day >= self.first && day < self.first.saturating_add((self.days - 5).days());
        let kind = if played { self.rng.u32(0..100) } else { 99 };
        let morning = local(day.saturating_add(1.day()), 6, 0);
        let minutes = SignedDuration::from_mins(self.rng.i64(0..60));
        let (late, revised) =
            (morning + hours(self.rng.i64(2..80)) + minutes, morning + hours(self.rng.i64(1..44)) + minutes);
        match kind {
            0..12 if can_be_late && self.restless(morning - hours(1), late + hours(26)) => {
                self.happen(late, Happening::Sql(base, insert));
            }
            12..26 if self.restless(revised - hours(1), revised + hours(26)) => {
                self.row(base, insert);
                self.happen(revised, Happening::Sql(base, update));
            }
            _ => self.row(base, insert),
        }
    }

    fn happen(&mut self, at: Timestamp, what: Happening) {
        self.world.happenings.push((at, what));
    }

    /// Notes a span over which something irregular is felt. False where quiet days begin before it is over:
    /// then it must not happen.
    fn restless(&mut self, from: Timestamp, to: Timestamp) -> bool {
        let day = |at: Timestamp| at.duration_since(self.world.start).as_hours().div_euclid(24);
        let begins = day(from).rem_euclid(CYCLE_DAYS);
        let fits = from >= self.world.start && begins + day(to) - day(from) < EVENTFUL_DAYS;
        if fits {
            self.world.restless.push((from, to));
        }
        fits
    }

    fn days(&self) -> impl Iterator<Item = Date> + use<> {
        let first = self.first;
        (-DAYS_BEFORE..self.days).map(move |offset| first.saturating_add(offset.days()))
    }

    /// A level that stays for a while, then jumps.
    fn regime(&mut self, left: &mut i64, now: f64, choices: &[f64], longest: i64) -> f64 {
        *left -= 1;
        if *left > 0 {
            return now;
        }
        *left = self.rng.i64(2..longest);
        choices[self.rng.usize(0..choices.len())]
    }

    fn revenue(&mut self) {
        let (mut level, mut left) = (1.0, 1);
        for day in self.days() {
            level = self.regime(&mut left, level, &[0.5, 0.8, 1.0, 1.1, 1.5], 14);
            let mut total = 0.0;
            for channel in CHANNELS {
                let value = (50.0 * level * (0.8 + 0.4 * self.rng.f64())).round();
                let insert = format!("INSERT INTO revenue VALUES ('{day}', '{channel}', {value})");
                let update = format!("UPDATE revenue SET value = 0 WHERE bucket = '{day}' AND channel = '{channel}'");
                // Absent is zero here, for good: nothing may come late.
                self.told(Base::Shop, day, insert, update, false);
                total += value;
            }
            // The books say the same, but for slips.
            let insert = format!("INSERT INTO billed VALUES ('{day}', {total})");
            let update = format!("UPDATE billed SET value = {} WHERE bucket = '{day}'", total * 1.2);
            self.told(Base::Ops, day, insert, update, true);
        }
    }

    fn stock(&mut self) {
        for article in ARTICLES {
            let mut value = 30.0;
            for day in self.days() {
                value -= f64::from(self.rng.u32(0..6));
                if value < 14.0 && self.rng.u32(0..6) == 0 {
                    value = 40.0;
                }
                value = value.max(0.0);
                let insert = format!("INSERT INTO stock VALUES ('{day}', '{article}', {value})");
                let update = format!("UPDATE stock SET value = 20 WHERE bucket = '{day}' AND article = '{article}'");
                self.told(Base::Shop, day, insert, update, true);
            }
        }
    }

    fn load(&mut self) {
        let first = local(self.first, 0, 0).as_second() - 4 * 86_400;
        let (mut level, mut left) = (50.0, 1);
        let hours_all = (self.days + 4) * 24;
        let mut values = String::new();
        for hour in 0..hours_all {
            level = self.regime(&mut left, level, &[40.0, 50.0, 60.0, 75.0, 85.0, 100.0], 12);
            let value = level + self.rng.f64() * 6.0;
            let at = first + hour * 3600;
            let from = Timestamp::from_second(at).expect("in range");
            let comes = from + SignedDuration::from_mins(60 + self.rng.i64(10..400));
            let late = hour > 5 * 24 && hour < hours_all - 24 && self.rng.u32(0..100) == 0;
            if late && self.restless(from, comes + hours(14)) {
                self.happen(comes, Happening::Sql(Base::Ops, format!("INSERT INTO load VALUES ({at}, {value})")));
            } else {
                let comma = if values.is_empty() { "" } else { "," };
                values += format!("{comma}({at},{value})").as_str();
            }
        }
        self.row(Base::Ops, format!("INSERT INTO load VALUES {values}"));
    }

    fn on_time(&mut self) {
        let (mut share, mut left) = (0.97, 1);
        for day in self.days() {
            share = self.regime(&mut left, share, &[0.82, 0.9, 0.97, 0.99, 1.0], 12);
            let denominator = f64::from(self.rng.u32(20..60));
            let numerator = (denominator * share).round();
            let insert = format!("INSERT INTO on_time VALUES ('{day}', {numerator}, {denominator})");
            let update = format!("UPDATE on_time SET numerator = denominator WHERE bucket = '{day}'");
            self.told(Base::Ops, day, insert, update, true);
        }
    }

    fn tickets(&mut self) {
        let (mut level, mut left) = (20.0, 1);
        for day in self.days() {
            level = self.regime(&mut left, level, &[15.0, 25.0, 38.0, 50.0, 70.0], 8);
            let value = (level + self.rng.f64() * 8.0).round();
            let insert = format!("INSERT INTO tickets VALUES ('{day}', {value})");
            let update = format!("UPDATE tickets SET value = {} WHERE bucket = '{day}'", value + 20.0);
            self.told(Base::Ops, day, insert, update, true);
        }
    }

    /// Out of reach for minutes to a day and a half, in either way.
    fn outages(&mut self) {
        for base in [Base::Shop, Base::Ops] {
            let mut at = self.world.start + hours(self.rng.i64(60..200));
            while at < self.world.end - hours(80) {
                let lasts = SignedDuration::from_mins(match self.rng.u32(0..3) {
                    0 => self.rng.i64(3..90),
                    1 => self.rng.i64(90..900),
                    _ => self.rng.i64(900..2000),
                });
                let how = if self.rng.bool() { Outage::Gone } else { Outage::Damaged };
                if self.restless(at - hours(1), at + lasts + hours(26)) {
                    self.happen(at, Happening::Down(base, how));
                    self.happen(at + lasts, Happening::Up(base));
                }
                at = at + lasts + hours(self.rng.i64(30..200));
            }
        }
    }

    fn actions(&mut self) {
        for _ in 0..self.days * 2 / 3 {
            let minutes = self.rng.i64(3 * 1440..(self.days - 2) * 1440);
            // Off the slots' minutes, so that order at one instant is no question.
            let at = self.world.start + SignedDuration::from_mins(minutes) + SignedDuration::from_secs(17);
            let lasts = SignedDuration::from_mins(self.rng.i64(20..3000));
            let which = self.rng.usize(0..100);
            let what = match self.rng.u32(0..5) {
                0 => Happening::Acknowledge(which),
                1 => Happening::Snooze(which, lasts),
                2 | 3 => Happening::Settle(which, self.rng.bool()),
                _ => Happening::Silence(which, lasts),
            };
            if self.restless(at, at) {
                self.happen(at, what);
            }
        }
    }
}
