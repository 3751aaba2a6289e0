//! What shapes a KPI's buckets. When that changes, the numbers so far are set aside: a day's index and a
//! month's are different things, and so are a sum and a share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::moves::{move_alert, write};
use super::setup::Setup;
use super::state::State;
use crate::alert::{Moment, Policy, Signal};
use crate::model::alert::{About, Alert, AlertKey, Aspect, Counters, EndReason, Phase, Subject};
use crate::model::commit::{EvaluateCommit, Retired, RulePulse};
use crate::model::digest::Digest;
use crate::model::ids::{KpiId, Labels};
use crate::model::kpi::Kpi;
use crate::model::series::SeriesData;
use crate::model::suspect::{Settled, SuspectState};

/// Digest of grain, zone (where days matter), kind and dimensions: what a stored number means.
pub(super) fn shape_of(kpi: &Kpi) -> String {
    let zone = kpi.grain.is_civil().then(|| kpi.zone.iana_name()).flatten();
    let dimensions: BTreeSet<&String> = kpi.dimensions.iter().collect();
    let digest = Digest::of(format_args!("{:?}|{zone:?}|{:?}|{dimensions:?}", kpi.grain, kpi.kind));
    format!("{digest:016x}")
}

/// True when the stored series are of another shape than the KPI now has: they must not be read as its own.
pub(super) fn is_outdated(state: &State, setup: &Setup, kpi: &Kpi) -> bool {
    state.clocks.get(&kpi.id).is_some_and(|clock| !clock.shape.is_empty() && clock.shape != setup.shape(kpi))
}

impl State {
    /// Takes over a KPI's series as the store has them; none of those that have another shape than it has now.
    pub fn take_up(&mut self, setup: &Setup, kpi: KpiId, mut series: BTreeMap<Labels, Arc<SeriesData>>) {
        if setup.catalog.kpi(&kpi).is_some_and(|kpi| is_outdated(self, setup, kpi)) {
            series.clear();
        }
        for suspect in self.suspects.of(&kpi) {
            let Some(data) = series.get_mut(&suspect.series.labels) else { continue };
            let data = Arc::make_mut(data);
            match &suspect.state {
                SuspectState::Seen { .. } | SuspectState::Asked => {
                    data.held = Some(data.held.map_or(suspect.bucket, |held| held.min(suspect.bucket)));
                }
                SuspectState::Settled(settlement) if settlement.how == Settled::Rejected => data.remove(suspect.bucket),
                SuspectState::Settled(_) => {}
            }
        }
        self.history.load(kpi, series);
    }
}

/// Sets the series so far aside, now that those which follow have been pulled. Alerts live on, but buckets
/// counted so far are not of the kind that follows: `for` and recovery count from here.
pub(super) fn retire(state: &mut State, kpi: &Kpi, until: Timestamp, commit: &mut EvaluateCommit) {
    let shape = shape_of(kpi);
    state.history.load(kpi.id.clone(), BTreeMap::new());
    // The series that follow may begin with the same bucket.
    state.lessons = Arc::default();
    state.suspects.forget(&kpi.id);
    let is_suspicion = |key: &&AlertKey| key.aspect == Aspect::Suspect && key.subject == Subject::Data(kpi.id.clone());
    let told: Vec<AlertKey> = state.book.sorted().into_keys().filter(is_suspicion).cloned().collect();
    for key in told {
        let moment = Moment { now: until, slot: until, bucket: None, counts: true, about: About::Data };
        let signal = (Signal::End(EndReason::Removed), None);
        move_alert(state, &key, signal, None, (Policy::AT_ONCE, moment), commit);
    }
    if let Some(clock) = state.clocks.get_mut(&kpi.id) {
        clock.pulled_to = None;
        clock.shape.clone_from(&shape);
    }
    commit.retired.push(Retired { kpi: kpi.id.clone(), until, shape });
    let pulsed: Vec<_> = state.pulsed.extract_if(|(known, _)| *known == kpi.id).collect();
    commit.pulses.extend(pulsed.into_iter().map(|(kpi, rule)| RulePulse { kpi, rule, alerts: Vec::new() }));
    let live = |alert: &&Alert| {
        matches!(alert.phase, Phase::Pending | Phase::Firing)
            && alert.key.series().is_some_and(|series| series.kpi == kpi.id)
    };
    let counting: Vec<Alert> = state.book.sorted().into_values().filter(live).cloned().collect();
    for mut alert in counting {
        let Counters { calm_since, lower_since, .. } = alert.counters;
        alert.counters = Counters { calm_since, lower_since, ..Counters::default() };
        write(state, alert, commit);
    }
}
