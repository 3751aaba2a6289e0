//! Periods of objectives that were decided.

use jiff::civil::date;

use super::fixtures::{Place, at, closed, kpi};
use crate::model::alert::PeriodOutcome;
use crate::model::commit::EvaluateCommit;
use crate::model::ids::ObjectiveId;
use crate::model::outcome::{ClosedPeriod, Replaced};
use crate::store::{Keep, Kept};

fn decided(closed: Vec<ClosedPeriod>) -> EvaluateCommit {
    EvaluateCommit { closed, ..EvaluateCommit::default() }
}

#[tokio::test]
async fn a_revision_takes_the_place_of_what_stood_there_and_nothing_grows_too_old() {
    let place = Place::new();
    let store = place.open().await;
    let first = decided(vec![closed("year", 9), closed("month", 10), closed("month", 9)]);
    store.commit_evaluate(&first, store.epoch()).await.unwrap();
    store.commit_evaluate(&first, store.epoch()).await.unwrap();
    let replaced = Some(Replaced { outcome: PeriodOutcome::Reached, actual: 412.25, decided_at: at(300) });
    let revised = ClosedPeriod {
        outcome: PeriodOutcome::Missed,
        actual: 399.0,
        revision: 1,
        replaced,
        decided_at: at(900),
        ..closed("month", 9)
    };
    store.commit_evaluate(&decided(vec![revised.clone()]), store.epoch()).await.unwrap();
    let keep = Keep { told_since: at(i64::from(u32::MAX)), kpis: vec![Kept { kpi: kpi(), first: 99_999, days: None }] };
    while store.prune(&keep, 10).await.unwrap() {}
    store.close().await;
    let store = place.open().await;
    let all = [revised, closed("month", 10), closed("year", 9)];
    let of = |names: &'static [&'static str]| {
        let ids: Vec<ObjectiveId> = names.iter().map(|name| ObjectiveId::from(*name)).collect();
        let store = &store;
        async move { store.closed_of(&ids).await.unwrap() }
    };
    assert_eq!(of(&["year", "month"]).await, all, "by objective, oldest first");
    assert_eq!(of(&["year", "none"]).await, all[2..], "those of others stay where they are");
    assert_eq!(store.closed_periods(None, (None, None)).await.unwrap(), all);
    assert_eq!(store.closed_periods(Some(&"month".into()), (None, None)).await.unwrap(), all[..2]);
    let (from, to) = (Some(date(2026, 10, 1)), Some(date(2026, 10, 31)));
    assert_eq!(store.closed_periods(None, (from, to)).await.unwrap(), all[1..2], "those that ended then");
}
