//! Replays in pieces: what must not wait for their end, and what must.

use std::time::Duration;

use super::*;
use crate::engine::Answer;
use crate::model::action::{Action, ActionKind};
use crate::model::alert::{AlertKey, Aspect, Subject};
use crate::model::ids::SeriesKey;
use crate::model::notification::Matcher;

/// A second indicator with one slot a week, watched by the same rule.
fn two_kpis() -> String {
    COMPANY
        .replace("rules:\n", "  weekly:\n    title: Weekly\n    category: financial\n    source: shop\n    query: {time: day, value: amount}\n    schedule: weekly monday 06:00\n    history: 60d\nrules:\n")
        .replace("on: [sales]", "on: [sales, weekly]")
}

#[tokio::test]
async fn a_long_replay_delays_nobody_and_nothing_is_told_of_half_of_it() {
    let high = ["2026-09-05", "2026-09-06", "2026-09-07"];
    let (place, calm) = (Place::new(&high), Place::new(&high));
    for place in [&place, &calm] {
        let mut script = place.start(&two_kpis(), "2026-09-03T09:00:00Z").await;
        script.advance_to(at("2026-09-04T09:00:00Z")).await.unwrap();
        kill(script).await;
    }
    let mut script = place.start(&two_kpis(), "2026-09-12T09:00:00Z").await;
    let now = script.now();
    let cycle = &mut script.cycle;
    let jobs = cycle.due_pulls(now).await.unwrap();
    assert_eq!(jobs.iter().map(|(job, _)| job.missed()).collect::<Vec<_>>(), [8, 1]);
    let mut outcomes = Vec::new();
    for (job, source) in jobs {
        outcomes.push(job.pull(source, &place.clock).await);
    }
    let short = outcomes.pop().unwrap();
    let stepped = async |cycle: &Cycle, kpi: &'static str| {
        cycle.engine().with(move |state, _| state.clocks[kpi].last_slot).await.unwrap()
    };

    cycle.take_up(outcomes.remove(0)).await;
    for _ in 0..3 {
        assert_eq!(cycle.advance(now, Duration::ZERO).await.unwrap(), []);
    }
    assert_eq!(stepped(cycle, "sales").await, at("2026-09-07T06:00:00Z"));
    // Another KPI has its turn at once, and so has a person.
    cycle.take_up(short).await;
    assert_eq!(cycle.advance(now, Duration::ZERO).await.unwrap().len(), 1);
    assert_eq!(stepped(cycle, "weekly").await, at("2026-09-07T06:00:00Z"));
    assert!(cycle.due_pulls(now).await.unwrap().is_empty(), "the KPI is not asked for twice");
    let matcher = Matcher { kpi: vec!["weekly".into()], ..Matcher::default() };
    let silence = ActionKind::Silence { matcher, until: now + seconds(60), why: "stocktaking".to_owned() };
    let answer = cycle.act(Action { by: "ada".to_owned(), what: silence }, now).await.unwrap();
    assert!(matches!(answer, Ok(Answer::Silence(_))), "{answer:?}");
    let subject = Subject::Rule { rule: "high".into(), series: SeriesKey::total(&"sales".into()), objective: None };
    let alert = AlertKey { subject, period: None, aspect: Aspect::Breach }.id();
    assert!(changes(cycle).await.iter().any(|line| line.contains("high/sales") && line.ends_with("Fired")));
    let told = async |cycle: &Cycle| {
        let items = cycle.store().notification_items().await.unwrap();
        items.iter().filter(|item| item.alert == alert.as_str()).count()
    };
    assert_eq!(told(cycle).await, 0, "a wake amid the replay tells nothing of its KPI");
    // Nor does one after a restart there.
    kill(script).await;

    let mut script = place.start(&two_kpis(), "2026-09-12T09:00:00Z").await;
    script.cycle.wake(now).await.unwrap();
    assert_eq!(told(&script.cycle).await, 0);
    script.advance_to(now + seconds(60)).await.unwrap();
    let mut whole = calm.start(&two_kpis(), "2026-09-12T09:00:00Z").await;
    whole.advance_to(now + seconds(60)).await.unwrap();
    let expected = changes(&whole.cycle).await;
    assert!(expected.iter().any(|line| line.contains("high/sales") && line.contains("Resolved")), "{expected:?}");
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    assert_eq!(sorted(changes(&script.cycle).await), sorted(expected));
}
