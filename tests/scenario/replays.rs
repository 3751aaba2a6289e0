//! What a service stored, replayed: the changes that it lived through, whatever went wrong meanwhile.

use std::path::Path;
use std::sync::Arc;

use vigie::daemon::Built;
use vigie::engine::{Doubt, Past, Setup, Track, undoubting};
use vigie::model::alert::{Change, Transition};
use vigie::rule::on_large_stack;
use vigie::store::{OpenOptions, Store, TransitionFilter};

use super::history::{first_difference, line};
use super::play::{Stop, folder, play_in};
use super::restarts::{RESTARTS, restarts, runtime, side_by_side, stops};
use super::world::{World, hours};

/// Scenarios to replay: `VIGIE_REPLAYS` of them, twenty unless told.
fn scenarios() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a setting of the test run, not of the service")]
    let asked = std::env::var("VIGIE_REPLAYS").ok().and_then(|count| count.parse().ok());
    asked.unwrap_or(20)
}

#[test]
fn a_replay_of_what_was_stored_gives_what_was_lived() {
    side_by_side((1..=scenarios()).map(|seed| seed + 10_000), one_seed);
}

fn one_seed(seed: u64) {
    let world = World::new(seed);
    let dir = folder();
    let ended = interrupted(&world, seed);
    let (built, _) = runtime().block_on(play_in(&dir, &world, &ended));
    let (lived, again) = runtime().block_on(replayed(dir.path(), &built, &world));
    println!("replay {seed}: {} changes lived and replayed, over {} stops", lived.len(), ended.len());
    assert!(lived.len() > 100, "seed {seed}: too little happened to compare");
    if let Some(difference) = first_difference(&lived, &again) {
        panic!("seed {seed}, replayed, {difference}");
    }
}

/// Stops over slots, and restarts between them.
fn interrupted(world: &World, seed: u64) -> Vec<Stop> {
    let mut all = stops(world, seed);
    for restart in restarts(world, seed, RESTARTS).into_iter().step_by(5) {
        if all.iter().all(|stop| restart.to + hours(1) < stop.from || stop.to + hours(1) < restart.from) {
            all.push(restart);
        }
    }
    all.sort_by_key(|stop| stop.from);
    all
}

/// The changes of rules' alerts that were lived, and those that come of what is stored.
async fn replayed(dir: &Path, built: &Arc<Built>, world: &World) -> (Vec<String>, Vec<String>) {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let store = Store::open(&dir.join("state.db"), options).await.expect("the state opens");
    let all = TransitionFilter { limit: u32::MAX, ..TransitionFilter::default() };
    let lived = told(store.transitions(&all).await.expect("the store can be read"));
    let mut known = Vec::new();
    for kpi in built.setup.catalog.kpis.values() {
        let versions = store.all_versions(&kpi.id).await.expect("the store can be read");
        known.push(Track::new(kpi.clone(), versions).judged_at(store.judged_at(&kpi.id).await.expect("the same")));
    }
    let doubts: Vec<Doubt> =
        store.suspects(false, u32::MAX).await.expect("the store can be read").iter().map(Doubt::of).collect();
    store.close().await;
    let setup = Setup::new(Arc::new(undoubting((*built.setup.catalog).clone())), built.setup.rules.clone());
    let span = (world.start, world.end);
    let mut again: Vec<Transition> = Vec::new();
    on_large_stack(|| {
        Past::new(&setup).run(&mut known, &doubts, span, &mut |_, effects, _| {
            again.extend(effects.evaluate.transitions.iter().cloned());
        });
    });
    (lived, told(again))
}

/// Of rules, and what figures did: what people say of an alert is theirs.
fn told(mut changes: Vec<Transition>) -> Vec<String> {
    let by_people = |change: &Change| {
        matches!(change, Change::Acknowledged { .. } | Change::Unacknowledged | Change::Snoozed { .. })
    };
    changes.retain(|change| change.key.rule().is_some() && !by_people(&change.change));
    changes.sort_by_key(|change| (change.at, change.key.canonical(), change.seq));
    changes.iter().map(line).collect()
}
