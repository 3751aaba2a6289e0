//! Two KPIs that should say the same of each bucket. Where they don't, the value of the one that asks for it is suspect:
//! like one that jumped it is asked for again, told, and settled by a person, or by either source.

use jiff::Timestamp;

use super::evaluate::run_waited;
use super::event::Tally;
use super::setup::Setup;
use super::shape::is_outdated;
use super::state::State;
use super::suspects::{First, News, Round};
use crate::assess::Band;
use crate::model::commit::EvaluateCommit;
use crate::model::grain::BucketIndex;
use crate::model::ids::{KpiId, Labels};
use crate::model::kpi::{Kpi, Reconcile};
use crate::model::series::Point;

/// Buckets whose comparison rests on a sum of decimals differ by less than this share where they say the same.
const ROUNDING: f64 = 1e-9;

/// What two KPIs say of one bucket that is not the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gap {
    pub own: Point,
    pub other: f64,
    /// What the other one's value allows.
    pub allowed: Band,
}

/// Whether a value lies within a share of the other one.
pub(super) fn agree(value: f64, other: f64, within: f64) -> bool {
    let scale = value.abs().max(other.abs());
    (value - other).abs() <= other.abs() * within + scale * ROUNDING
}

/// What separates the two in a bucket that is final in both; none where they agree, or nothing can be said.
pub(super) fn gap(state: &State, kpi: &Kpi, with: &Reconcile, bucket: BucketIndex) -> Option<Gap> {
    let own = final_at(state, &kpi.id, bucket)?;
    let other = final_at(state, &with.with, bucket)?.value;
    if agree(own.value, other, with.within) {
        return None;
    }
    let slack = other.abs() * with.within;
    Some(Gap { own, other, allowed: Band { low: other - slack, high: other + slack } })
}

/// Whether both say the same of a bucket; where one says nothing they don't.
pub(super) fn is_agreed(state: &State, kpi: &Kpi, with: &Reconcile, bucket: BucketIndex) -> bool {
    let (own, other) = (final_at(state, &kpi.id, bucket), final_at(state, &with.with, bucket));
    own.zip(other).is_some_and(|(own, other)| agree(own.value, other.value, with.within))
}

fn final_at(state: &State, kpi: &KpiId, bucket: BucketIndex) -> Option<Point> {
    let point = state.history.series(kpi, &Labels::total())?.get(bucket)?;
    (!point.provisional && point.value.is_finite()).then_some(point)
}

/// The buckets of which something is new, with the value that was replaced and the new one; of a first history the
/// newest that both have.
pub(super) fn to_compare(
    state: &State,
    kpi: &Kpi,
    with: &Reconcile,
    news: &News,
) -> Vec<(BucketIndex, Option<(f64, f64)>)> {
    if news.first == First::Replayed {
        return Vec::new();
    }
    if news.first == First::Whole {
        let own = state.history.series(&kpi.id, &Labels::total());
        let mut newest = own.into_iter().flat_map(|data| data.range(BucketIndex::MIN, BucketIndex::MAX).rev());
        let both = |point: &Point| {
            final_at(state, &kpi.id, point.index).is_some() && final_at(state, &with.with, point.index).is_some()
        };
        return newest.find(both).map(|point| (point.index, None)).into_iter().collect();
    }
    let new_value = |bucket| news.said(&Labels::total(), bucket);
    news.compared.iter().map(|(&bucket, &replaced)| (bucket, replaced.zip(new_value(bucket)))).collect()
}

/// What came of a KPI may contradict those that should say the same, or bear them out: these are judged at once.
pub(super) fn look_beside(
    state: &mut State,
    setup: &Setup,
    other: &Kpi,
    news: &News,
    (now, at_slot, pulled_at): (Timestamp, Timestamp, Option<Timestamp>),
    commit: &mut EvaluateCommit,
) -> Tally {
    let mut tally = Tally::default();
    for id in setup.reconciled_with(&other.id) {
        let Some(kpi) = setup.catalog.kpi(id) else { continue };
        let Some(with) = &kpi.reconcile else { continue };
        let Some(last_slot) = state.clocks.get(id).and_then(|clock| clock.last_slot) else { continue };
        // The later of both finds it, in whichever order they come: when slots are made up for, that is chance.
        let own_slot = news.newest().and_then(|bucket| {
            let end = kpi.grain.bucket(bucket, &kpi.zone).end;
            kpi.schedule.next_at_or_after(end, &kpi.zone, &kpi.calendar)
        });
        let at_slot = own_slot.filter(|slot| *slot <= last_slot).map_or(at_slot, |slot| slot.max(at_slot));
        let now = now.max(at_slot);
        let mut round = Round::new(setup, kpi, (now, at_slot));
        round.compare(state, (with, pulled_at), news, |_| false);
        round.release(state);
        let has_settled = round.has_settled();
        round.end(state, commit);
        let again_at = state.suspects.again_at(id);
        if let Some(clock) = state.clocks.get_mut(id).filter(|clock| clock.again_at != again_at) {
            // After a failed pull its own retry asks for everything.
            clock.again_at = again_at.filter(|_| clock.open.is_none());
            commit.clocks.retain(|known| known.kpi != *id);
            commit.clocks.push(clock.clone());
        }
        // As of its own slot: the pull of its next one may be on its way.
        if has_settled && !is_outdated(state, setup, kpi) {
            for binding in setup.bindings(id) {
                tally += run_waited(state, setup, kpi, binding, (now, last_slot), commit);
            }
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::agree;

    #[test]
    fn shares_are_of_the_other_value() {
        for (value, other, within, agrees) in [
            (102.0, 100.0, 0.02, true),
            (98.0, 100.0, 0.02, true),
            (102.01, 100.0, 0.02, false),
            (100.0, 102.01, 0.02, true),
            (-98.0, -100.0, 0.02, true),
            (-97.9, -100.0, 0.02, false),
            (98.0, -98.0, 0.5, false),
            (0.0, 0.0, 0.0, true),
            (0.1 + 0.2, 0.3, 0.0, true),
            (1.0, 0.0, 1.0, false),
            (f64::NAN, 1.0, 1.0, false),
        ] {
            assert_eq!(agree(value, other, within), agrees, "{value} beside {other} within {within}");
        }
    }
}
