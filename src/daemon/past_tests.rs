//! What was stored, replayed, gives what was lived.

use super::*;
use crate::engine::{Past, Track};
use crate::rule::on_large_stack;

#[tokio::test]
async fn a_replay_of_what_was_stored_gives_what_was_lived() {
    let twice = COMPANY.replace("with: {above: 100}", "with: {above: 100}, for: 2 buckets");
    let place = Place::new(&["2026-09-03", "2026-09-04", "2026-09-05", "2026-09-09", "2026-09-10", "2026-09-11"]);
    let mut script = place.start(&twice, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-06T09:00:00Z")).await.unwrap();
    // Restated, pulled by hand, and told as a correction.
    place.restate("2026-09-05", 90);
    super::repairs::ask(&mut script, "sales", "2026-09-01", "2026-09-05").await;
    script.advance_to(at("2026-09-08T09:00:00Z")).await.unwrap();
    // Stopped over four slots.
    kill(script).await;
    let mut script = place.start(&twice, "2026-09-12T09:00:00Z").await;
    script.advance_to(at("2026-09-15T09:00:00Z")).await.unwrap();
    let lived = changes(&script.cycle).await;
    assert!(lived.len() > 6 && lived.iter().any(|line| line.contains("Corrected")), "{lived:#?}");

    let built = place.built(&twice);
    let kpi = built.setup.catalog.kpi(&"sales".into()).unwrap().clone();
    let versions = script.cycle.store().all_versions(&kpi.id).await.unwrap();
    let first = versions[0].known_at;
    let mut replayed = Vec::new();
    on_large_stack(|| {
        let mut tracks = [Track::new(kpi, versions)];
        let span = (first, at("2026-09-15T09:00:00Z"));
        Past::new(&built.setup).run(&mut tracks, &[], span, &mut |_, effects, _| {
            let told = effects.evaluate.transitions.iter();
            replayed
                .extend(told.map(|change| format!("{} {} {:?}", change.slot, change.key.canonical(), change.change)));
        });
    });
    assert_eq!(replayed, lived);
}
