//! Restarts, reloads and stops against the base run: same alert histories, and but for stops the same things told.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;

use fastrand::Rng;
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::history::{History, first_difference};
use super::play::{Stop, play};
use super::world::{World, hours, paris};

pub(super) const RESTARTS: usize = 200;
/// Stops at most, and at least, per run.
const STOPS: usize = 12;
const STOPS_MIN: usize = 4;

/// The seeds to play: `VIGIE_SEEDS` of them, so many unless told.
pub(super) fn seeds(unless_told: u64) -> std::ops::RangeInclusive<u64> {
    #[expect(clippy::disallowed_methods, reason = "a setting of the test run, not of the service")]
    let asked = std::env::var("VIGIE_SEEDS").ok().and_then(|count| count.parse().ok());
    1..=asked.unwrap_or(unless_told)
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn restarts_and_stops_change_nothing() {
    side_by_side(seeds(10), one_seed);
}

/// A seed's plays are independent of those of another. Each has a processor for itself: its threads wait for one another
/// at every step, and waking one on the same processor takes half the time.
pub(super) fn side_by_side(seeds: impl Iterator<Item = u64> + Send, play: impl Fn(u64) + Sync) {
    let allowed = sched_getaffinity(None).expect("the system tells which processors it may use");
    let seeds = Mutex::new(seeds);
    let next = || seeds.lock().expect("nothing fails while it is held").next();
    thread::scope(|scope| {
        for processor in (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)) {
            let (next, play) = (&next, &play);
            scope.spawn(move || {
                let mut own = CpuSet::new();
                own.set(processor);
                sched_setaffinity(None, &own).expect("a thread may choose among its processors");
                while let Some(seed) = next() {
                    play(seed);
                }
            });
        }
    });
}

fn one_seed(seed: u64) {
    let world = World::new(seed);
    let (restarts, stops) = (restarts(&world, seed, RESTARTS), stops(&world, seed));
    let base = runtime().block_on(play(&world, &[]));
    println!(
        "seed {seed}: {} changes, {} told; {} restarts, {} stops",
        base.alerts.len(),
        base.told.len(),
        restarts.len(),
        stops.len()
    );
    assert!(base.alerts.len() > 100 && base.told.len() > 30, "seed {seed}: too little happened to compare");
    assert!(stops.len() >= STOPS_MIN, "seed {seed}: too few stops fit");
    let restarted = runtime().block_on(play(&world, &restarts));
    compare(seed, "200 restarts", &base, &restarted);
    if let Some(difference) = first_difference(&base.told, &restarted.told) {
        panic!("seed {seed}, 200 restarts, what was told, {difference}");
    }
    let stopped = runtime().block_on(play(&world, &stops));
    compare(seed, "stops over slots", &base, &stopped);
}

fn compare(seed: u64, what: &str, base: &History, other: &History) {
    if let Some(difference) = first_difference(&base.alerts, &other.alerts) {
        panic!("seed {seed}, {what}, alerts, {difference}");
    }
}

/// The minutes at which the service pulls, of every day: slots, the retries after each, and what is asked for again.
pub(super) fn busy_minutes() -> BTreeSet<i64> {
    let daily = [6 * 60 + 15, 6 * 60 + 30, 7 * 60];
    let hourly = (6..=20).step_by(2).map(|hour| hour * 60 + 5);
    // What any of them finds suspect is asked for again ten minutes later.
    let retries = [0, 2, 10, 12, 20, 30, 40, 120, 130, 360, 370, 720, 730];
    daily.into_iter().chain(hourly).flat_map(|slot| retries.map(|after| (slot + after) % 1440)).collect()
}

/// True when something of that set lies between the two, or within a minute of them. Retries are counted in
/// elapsed time, so that they stand an hour off on the day the clocks change: the neighbouring hours count too.
fn is_busy(busy: &BTreeSet<i64>, from: Timestamp, to: Timestamp) -> bool {
    let minutes = from.as_second().div_euclid(60) - 1..=to.as_second().div_euclid(60) + 1;
    minutes.into_iter().any(|minute| {
        let local = paris().to_datetime(Timestamp::from_second(minute * 60).expect("in range"));
        let of_day = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let changes = local.date() == date(2026, 10, 25);
        let offsets: &[i64] = if changes { &[0, 60, 1380] } else { &[0] };
        offsets.iter().any(|offset| busy.contains(&((of_day + offset) % 1440)))
    })
}

/// Whether no slot, retry or action lies between the two.
pub(super) fn is_calm(world: &World, busy: &BTreeSet<i64>, from: Timestamp, to: Timestamp) -> bool {
    let acted = world.happenings.iter().any(|(at, what)| what.is_action() && from <= *at && *at <= to);
    !is_busy(busy, from, to) && !acted
}

/// So many instants, of which half are reloads, and stretches of up to 90 minutes; none holds a slot, a retry or an action,
/// but they do hold timers of groups, ends of silences and of snoozes.
pub(super) fn restarts(world: &World, seed: u64, count: usize) -> Vec<Stop> {
    let (mut rng, busy) = (Rng::with_seed(seed ^ 0x5eed), busy_minutes());
    let mut stops: Vec<Stop> = Vec::new();
    while stops.len() < count {
        let span = world.end.duration_since(world.start).as_millis() as i64;
        let from = world.start + SignedDuration::from_millis(rng.i64(60_000..span - 3_600_000));
        let long = rng.bool();
        let to = if long { from + SignedDuration::from_secs(rng.i64(60..5400)) } else { from };
        let apart = stops.iter().all(|other| to < other.from || other.to < from);
        if apart && is_calm(world, &busy, from, to) {
            stops.push(Stop { from, to });
        }
    }
    stops.sort_by_key(|stop| stop.from);
    stops
}

/// Stops of two hours to three days that do span slots, on stretches where the databases would have answered
/// at each missed slot what they answer afterwards. None ends within seconds of a slot: that would be stepped as of
/// the start, like one whose pull took so long.
pub(super) fn stops(world: &World, seed: u64) -> Vec<Stop> {
    let (mut rng, busy) = (Rng::with_seed(seed ^ 0x570b), busy_minutes());
    let mut stops: Vec<Stop> = Vec::new();
    for _ in 0..4000 {
        let span = world.end.duration_since(world.start).as_millis() as i64;
        let from = world.start + SignedDuration::from_millis(rng.i64(3_600_000..span - 90 * 3_600_000));
        let to = from + SignedDuration::from_mins(rng.i64(120..72 * 60));
        let calm = world.restless.iter().all(|(start, end)| to < *start || *end < from);
        let apart = stops.iter().all(|other| to + hours(1) < other.from || other.to + hours(1) < from);
        if calm && apart && !is_busy(&busy, from, from) && !is_busy(&busy, to, to) {
            stops.push(Stop { from, to });
        }
        if stops.len() >= STOPS {
            break;
        }
    }
    stops.sort_by_key(|stop| stop.from);
    stops
}
