//! Once a day what is older than the configuration keeps goes, from the store and from memory alike: a restart must find
//! what was there before it.

use jiff::{SignedDuration, Timestamp};

use super::cycle::{Cycle, CycleError};
use crate::model::grain::BucketIndex;
use crate::model::ids::KpiId;
use crate::store::{Keep, StoreError};

const EVERY: SignedDuration = SignedDuration::from_hours(24);
/// Rows of each kind that go at once.
const ROWS: u32 = 1_000;
/// Until the next piece.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

impl Cycle {
    /// Lets a piece of what is too old go, when it is time.
    pub async fn tend_retention(&mut self, now: Timestamp) -> Result<(), CycleError> {
        let waits = self.prune_at.is_some_and(|at| now < at);
        if waits || self.is_paused() || self.has_steps() {
            return Ok(());
        }
        let (keep, is_new_day) = (self.keep(now), self.prune_is_over);
        if is_new_day {
            let buckets = keep.buckets.clone();
            self.engine
                .with(move |state, _| {
                    for (kpi, first) in &buckets {
                        state.history.forget_before(kpi, *first);
                    }
                })
                .await;
        }
        let left = match self.store.prune(&keep, ROWS).await {
            Ok(left) => left,
            // What frees space must not stop for want of it; the next look finds how things stand.
            Err(StoreError::Full { .. }) => false,
            Err(error) if error.may_pass() => true,
            Err(error) => return Err(error.into()),
        };
        self.prune_is_over = !left;
        self.prune_at = now.checked_add(if left { PAUSE } else { EVERY }).ok();
        Ok(())
    }

    fn keep(&self, now: Timestamp) -> Keep {
        let before = |kept: SignedDuration| now.checked_sub(kept).unwrap_or(Timestamp::MIN);
        let first = |id: &KpiId| -> Option<(KpiId, BucketIndex)> {
            let kpi = self.built.setup.catalog.kpi(id)?;
            Some((kpi.id.clone(), kpi.grain.index_at(before(kpi.keep), &kpi.zone)))
        };
        let buckets = self.built.setup.catalog.kpis.keys().filter_map(first).collect();
        Keep { told_since: before(self.built.keep_told), buckets }
    }
}
