//! What people say of suspect values: accepted, corrected, rejected, or another figure entered.

use std::collections::HashMap;

use jiff::Timestamp;

use super::correct::correct;
use super::event::SlotEvent;
use super::setup::Setup;
use super::slot::slot;
use super::state::State;
use super::suspects::{Round, superseded};
use crate::model::commit::EvaluateCommit;
use crate::model::grain::BucketIndex;
use crate::model::ids::{KpiId, Labels, SeriesKey};
use crate::model::kpi::Kpi;
use crate::model::observation::{Observation, Parts};
use crate::model::suspect::{Decision, Settled, Settlement, Suspect, SuspectState};

/// A person enters a figure for a bucket: what somebody had put in its place before stands no more.
pub(super) fn entered(
    state: &mut State,
    series: &SeriesKey,
    bucket: BucketIndex,
    now: Timestamp,
    commit: &mut EvaluateCommit,
) {
    let here = |known: &&Suspect| known.overrides() && known.bucket == bucket && known.series == *series;
    let overridden: Vec<Suspect> = state.suspects.of(&series.kpi).iter().filter(here).cloned().collect();
    for decided in overridden.iter().filter_map(|suspect| superseded(suspect, now)) {
        state.suspects.put(decided.clone());
        commit.suspects.push(decided);
    }
}

/// Which suspect value a person speaks of.
pub(super) struct Spoken<'a> {
    pub kpi: &'a KpiId,
    pub bucket: BucketIndex,
    /// None: the total with its dimension values.
    pub labels: Option<&'a Labels>,
    pub decision: Decision,
    pub note: Option<String>,
}

/// Carries out a person's decision, and judges the newest slot on what it leaves.
pub(super) fn decide(
    state: &mut State,
    setup: &Setup,
    spoken: &Spoken<'_>,
    (by, now): (&str, Timestamp),
    commit: &mut EvaluateCommit,
) -> Result<String, String> {
    let Some(kpi) = setup.catalog.kpi(spoken.kpi).cloned() else {
        return Err(format!("no KPI '{}' in the configuration", spoken.kpi));
    };
    let meant = meant(state, &kpi, spoken)?;
    if meant.is_empty() {
        return Err(format!("no value of '{}' is suspect there; `vigie suspect list` shows those that are", kpi.id));
    }
    let named = kpi.bucket_name(spoken.bucket);
    let last_slot = state.clocks.get(&kpi.id).and_then(|clock| clock.last_slot).unwrap_or(now);
    let mut round = Round::new(setup, &kpi, (now, last_slot));
    let mut revised = HashMap::new();
    for suspect in &meant {
        if let Some(changed) = replace(state, &kpi, suspect, spoken.decision, now, commit)? {
            revised.insert(suspect.series.labels.clone(), vec![changed]);
        }
        let how = Settled::from(spoken.decision);
        let settlement =
            Settlement { how, by: Some(by.to_owned()), at: now, note: spoken.note.clone(), superseded_at: None };
        round.change(state, Suspect { state: SuspectState::Settled(settlement), ..suspect.clone() });
    }
    round.release(state);
    round.end(state, commit);
    if !revised.is_empty() {
        correct(state, setup, &kpi, &revised, (last_slot, now), commit);
    }
    let judged =
        SlotEvent { kpi: kpi.id.clone(), slot: last_slot, pull: None, only: None, retry_at: None, completes: false };
    slot(state, setup, judged, now, commit);
    let what = match spoken.decision {
        Decision::Accept => "accepted".to_owned(),
        Decision::Correct { value } => format!("corrected to {value}"),
        Decision::Reject => "rejected".to_owned(),
    };
    let rest = state.suspects.of(&kpi.id).iter().filter(|left| left.is_open() && left.bucket == spoken.bucket).count();
    let rest = match rest {
        0 => String::new(),
        count => format!("; {count} of its dimension values are still suspect, settle them with --label"),
    };
    Ok(format!("{} of {named}: {what}{rest}", kpi.id))
}

/// The open suspects that a person means: those of the labels named, else the total's and, unless it is corrected,
/// those of its parts.
fn meant(state: &State, kpi: &Kpi, spoken: &Spoken<'_>) -> Result<Vec<Suspect>, String> {
    let here = |suspect: &&Suspect| suspect.is_open() && suspect.bucket == spoken.bucket;
    let open: Vec<&Suspect> = state.suspects.of(&kpi.id).iter().filter(here).collect();
    let is_corrected = matches!(spoken.decision, Decision::Correct { .. });
    let chosen: Vec<Suspect> = match spoken.labels {
        Some(labels) => open.iter().filter(|known| known.series.labels == *labels).copied().cloned().collect(),
        None if is_corrected && open.iter().any(|known| known.series.labels.is_total()) => {
            open.iter().filter(|known| known.series.labels.is_total()).copied().cloned().collect()
        }
        None => open.iter().copied().cloned().collect(),
    };
    if is_corrected && chosen.len() > 1 {
        let all: Vec<String> = chosen.iter().map(|known| known.series.labels.to_string()).collect();
        return Err(format!("several values are suspect there ({}); say which, with --label", all.join(", ")));
    }
    if chosen.is_empty() && !open.is_empty() {
        let all: Vec<String> = open.iter().map(|known| known.series.labels.to_string()).collect();
        return Err(format!("what is suspect there is {}; name its labels with --label", all.join(", ")));
    }
    Ok(chosen)
}

/// Puts what a person says in the place of a value. Returns the bucket if it changed.
fn replace(
    state: &mut State,
    kpi: &Kpi,
    suspect: &Suspect,
    decision: Decision,
    now: Timestamp,
    commit: &mut EvaluateCommit,
) -> Result<Option<BucketIndex>, String> {
    match decision {
        Decision::Accept => Ok(None),
        Decision::Reject => {
            let withdrawn = Observation::withdrawn(suspect.series.clone(), suspect.bucket, now);
            state.history.put(&withdrawn);
            commit.observations.push(withdrawn);
            Ok(Some(suspect.bucket))
        }
        Decision::Correct { value } => {
            let (min, max) = (kpi.quality.min, kpi.quality.max);
            if !value.is_finite() || min.is_some_and(|min| value < min) || max.is_some_and(|max| value > max) {
                return Err(format!("{value} is outside the limits of `quality` of KPI '{}'", kpi.id));
            }
            let known = state.history.series(&kpi.id, &suspect.series.labels).and_then(|data| data.get(suspect.bucket));
            let parts = known.and_then(|point| point.parts);
            let parts = parts.map(|parts| Parts { numerator: value * parts.denominator, ..parts });
            let corrected = Observation {
                series: suspect.series.clone(),
                bucket: suspect.bucket,
                value,
                parts,
                provisional: false,
                known_at: now,
                assumed: false,
            };
            state.history.put(&corrected);
            commit.observations.push(corrected);
            Ok(Some(suspect.bucket))
        }
    }
}
