//! Restarts and stops against the base run: same alert histories, and for restarts the same things told.

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::history::{History, first_difference};
use super::play::{Stop, play};
use super::world::{World, hours, paris};

const RESTARTS: usize = 200;
const STOPS: usize = 12;

/// The seeds to play: `VIGIE_SEEDS` of them, ten unless told.
fn seeds() -> std::ops::RangeInclusive<u64> {
    #[expect(clippy::disallowed_methods, reason = "a setting of the test run, not of the service")]
    let asked = std::env::var("VIGIE_SEEDS").ok().and_then(|count| count.parse().ok());
    1..=asked.unwrap_or(10)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn restarts_and_stops_change_nothing() {
    let mut lines = 0;
    for seed in seeds() {
        let world = World::new(seed);
        let base = runtime().block_on(play(&world, &[]));
        lines += base.alerts.len();
        println!("seed {seed}: {} changes, {} told", base.alerts.len(), base.told.len());
        assert!(base.alerts.len() > 100 && base.told.len() > 30, "seed {seed}: too little happened to compare");
        let restarted = runtime().block_on(play(&world, &restarts(&world, seed)));
        compare(seed, "200 restarts", &base, &restarted);
        if let Some(difference) = first_difference(&base.told, &restarted.told) {
            panic!("seed {seed}, 200 restarts, what was told, {difference}");
        }
        let stops = stops(&world, seed);
        let stopped = runtime().block_on(play(&world, &stops));
        compare(seed, &format!("stops {stops:?}"), &base, &stopped);
    }
    assert!(lines > 0);
}

fn compare(seed: u64, what: &str, base: &History, other: &History) {
    if let Some(difference) = first_difference(&base.alerts, &other.alerts) {
        panic!("seed {seed}, {what}, alerts, {difference}");
    }
}

/// Instants at which the service pulls: slots, and the retries after each.
fn is_busy(minute: i64) -> bool {
    let at = Timestamp::from_second(minute * 60).expect("in range");
    let local = paris().to_datetime(at);
    let of_day = i64::from(local.hour()) * 60 + i64::from(local.minute());
    let retries = [0, 2, 10, 30, 120, 360, 720];
    let daily = [6 * 60 + 15, 6 * 60 + 30, 7 * 60];
    // A local time that the clocks repeat or skip is nobody's slot here.
    retries.iter().any(|after| (of_day - 5 - after).rem_euclid(60) == 0)
        || daily.iter().any(|slot| retries.iter().any(|after| (slot + after) % 1440 == of_day))
}

/// Two hundred instants, some of them stretches of up to 24 minutes; none holds a slot, a retry or an action,
/// but they do hold timers of groups, ends of silences and of snoozes.
fn restarts(world: &World, seed: u64) -> Vec<Stop> {
    let mut rng = Rng::with_seed(seed ^ 0x5eed);
    let mut stops: Vec<Stop> = Vec::new();
    while stops.len() < RESTARTS {
        let span = world.end.duration_since(world.start).as_millis() as i64;
        let from = world.start + SignedDuration::from_millis(rng.i64(60_000..span - 3_600_000));
        let long = rng.bool();
        let to = if long { from + SignedDuration::from_secs(rng.i64(60..1440)) } else { from };
        let (first, last) = (from.as_second().div_euclid(60), to.as_second().div_euclid(60) + 1);
        let busy = (first..=last).any(is_busy);
        let acted = world.happenings.iter().any(|(at, what)| what.is_action() && from <= *at && *at <= to);
        let apart = stops.iter().all(|other| to < other.from || other.to < from);
        if !busy && !acted && apart {
            stops.push(Stop { from, to });
        }
    }
    stops.sort_by_key(|stop| stop.from);
    stops
}

/// Stops of two hours to three days that do span slots, on stretches where the databases would have answered
/// at each missed slot what they answer afterwards.
fn stops(world: &World, seed: u64) -> Vec<Stop> {
    let mut rng = Rng::with_seed(seed ^ 0x570b);
    let mut stops: Vec<Stop> = Vec::new();
    for _ in 0..4000 {
        let span = world.end.duration_since(world.start).as_millis() as i64;
        let from = world.start + SignedDuration::from_millis(rng.i64(3_600_000..span - 90 * 3_600_000));
        let to = from + SignedDuration::from_mins(rng.i64(120..72 * 60));
        let calm = world.restless.iter().all(|(start, end)| to < *start || *end < from);
        let apart = stops.iter().all(|other| to + hours(1) < other.from || other.to + hours(1) < from);
        if calm && apart && !(from.as_second() - 30..=from.as_second() + 30).any(|s| is_busy(s.div_euclid(60))) {
            stops.push(Stop { from, to });
        }
        if stops.len() >= STOPS {
            break;
        }
    }
    stops.sort_by_key(|stop| stop.from);
    stops
}
