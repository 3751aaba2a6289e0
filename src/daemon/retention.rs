//! Once a day what is older than the configuration keeps goes, from the store and from memory alike: a restart must find
//! what was there before it. Of buckets finer than a day the store keeps what each day came to.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::cycle::{Cycle, CycleError};
use crate::model::grain::day_of;
use crate::model::kpi::Kpi;
use crate::store::{Keep, Kept, StoreError};

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
            let kpis: Vec<_> = keep.kpis.iter().map(|kept| (kept.kpi.clone(), kept.first)).collect();
            self.engine
                .with(move |state, _| {
                    for (kpi, first) in &kpis {
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
        let kept = |kpi: &Arc<Kpi>| {
            let Kpi { id, grain, zone, .. } = &**kpi;
            let since = before(kpi.keep);
            let days = (!grain.is_civil()).then(|| (*grain, zone.clone()));
            let first = match days {
                Some(_) => grain.buckets_of_day(day_of(since, zone), zone).0,
                None => grain.index_at(since, zone),
            };
            Kept { kpi: id.clone(), first, days }
        };
        let kpis = self.built.setup.catalog.kpis.values().map(kept).collect();
        Keep { told_since: before(self.built.keep_told), kpis }
    }
}
