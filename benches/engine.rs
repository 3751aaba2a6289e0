//! CPU of one evaluation: assessment, rule and alert, for 10,000 series with one rule each.
//!
//! `cargo bench --bench engine`. One iteration is one slot of all series; the items are evaluations.

mod support;

use divan::Bencher;
use divan::counter::ItemsCount;
use jiff::civil::date;
use support::{Rule, Size, World};
use vigie::engine::{Event, SlotEvent, step};
use vigie::rule::on_large_stack;

fn main() {
    // Scripts recurse on the native stack, as on the daemon's engine thread.
    on_large_stack(divan::main);
}

/// One KPI with 10,000 labels.
#[divan::bench(args = Rule::ALL, sample_count = 10, sample_size = 1)]
fn wide(bencher: Bencher<'_, '_>, rule: Rule) {
    slot(bencher, Size::WIDE, rule);
}

/// 1,000 KPIs with ten labels each.
#[divan::bench(args = [Rule::ThresholdQuiet, Rule::ThresholdFiring], sample_count = 10, sample_size = 1)]
fn many(bencher: Bencher<'_, '_>, rule: Rule) {
    slot(bencher, Size::MANY, rule);
}

fn slot(bencher: Bencher<'_, '_>, size: Size, rule: Rule) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let world = World::new(size, rule, folder.path());
    let day = date(2026, 11, 22);
    let mut state = world.state(day);
    let now = World::slot_after(day);
    let events: Vec<Event> = world
        .kpis()
        .into_iter()
        .map(|kpi| Event::Slot(SlotEvent { kpi, slot: now, pull: None, only: None, retry_at: None, completes: true }))
        .collect();
    bencher.counter(ItemsCount::new(size.series())).bench_local(|| {
        for event in &events {
            divan::black_box(step(&mut state, world.setup(), event.clone(), now));
        }
    });
}
