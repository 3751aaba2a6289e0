//! Suspect values: what jumped is asked for again; if the source stays with it people are asked, and nothing is judged
//! on its series until they, or what follows, have settled it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::correct::correct;
use super::event::{PullReport, SlotEvent, Tally};
use super::moves::{Figures, move_alert};
use super::outage::trouble_facts;
use super::setup::Setup;
use super::slot::slot;
use super::state::State;
use crate::alert::{Moment, Policy, Signal};
use crate::assess::Band;
use crate::model::alert::{About, AlertFacts, AlertKey, Aspect, EndReason, Subject, SuspectFacts};
use crate::model::commit::EvaluateCommit;
use crate::model::grain::{BucketIndex, day_of};
use crate::model::ids::{KpiId, Labels, SeriesKey};
use crate::model::kpi::{Kpi, LATE_BUCKETS};
use crate::model::observation::{Observation, Parts};
use crate::model::series::Point;
use crate::model::suspect::{Decision, Settled, Settlement, Suspect, SuspectState};
use crate::model::verdict::Severity;

/// How long after the slot that saw it first a suspect value is asked for again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Suspect values and overridden ones that are kept in memory of one KPI; beyond them nothing is suspected any more.
const SUSPECTS_PER_KPI_MAX: usize = 1_000;
/// A suspect value and the two that follow it, all of one size, are what the KPI is now.
const CONFIRMING: usize = 3;

/// The suspect values that are open, and those where a person's word stands against the source's.
#[derive(Clone, Debug, Default)]
pub struct Suspects {
    by_kpi: BTreeMap<KpiId, Vec<Suspect>>,
}

impl FromIterator<Suspect> for Suspects {
    fn from_iter<I: IntoIterator<Item = Suspect>>(stored: I) -> Suspects {
        let mut all = Suspects::default();
        for suspect in stored.into_iter().filter(|suspect| suspect.is_open() || suspect.overrides()) {
            all.by_kpi.entry(suspect.series.kpi.clone()).or_default().push(suspect);
        }
        all
    }
}

impl Suspects {
    pub fn of(&self, kpi: &KpiId) -> &[Suspect] {
        self.by_kpi.get(kpi).map_or(&[], Vec::as_slice)
    }

    /// The oldest bucket that the source is to be asked for again: of those not before `not_before`, and of those that
    /// it has been asked for once.
    pub fn oldest_open(&self, kpi: &KpiId, not_before: BucketIndex) -> Option<BucketIndex> {
        let is_asked_again = |suspect: &&Suspect| match suspect.state {
            SuspectState::Seen { .. } => true,
            SuspectState::Asked => suspect.bucket >= not_before,
            SuspectState::Settled(_) => false,
        };
        self.of(kpi).iter().filter(is_asked_again).map(|suspect| suspect.bucket).min()
    }

    /// True while a value of the KPI waits to be settled.
    pub fn has_open(&self, kpi: &KpiId) -> bool {
        self.of(kpi).iter().any(Suspect::is_open)
    }

    /// When the source is to be asked again for values that were seen once.
    pub(super) fn again_at(&self, kpi: &KpiId) -> Option<Timestamp> {
        let again = self.of(kpi).iter().filter_map(|suspect| match suspect.state {
            SuspectState::Seen { again_at } => Some(again_at),
            SuspectState::Asked | SuspectState::Settled(_) => None,
        });
        again.min()
    }

    /// True when a person has put something else in the place of exactly this value.
    pub(super) fn override_of(&self, said: &Observation) -> bool {
        let here = |suspect: &&Suspect| suspect.bucket == said.bucket && suspect.series == said.series;
        let mut known = self.of(&said.series.kpi).iter().filter(here);
        known.any(|suspect| suspect.overrides() && suspect.value.to_bits() == said.value.to_bits())
    }

    pub(super) fn forget(&mut self, kpi: &KpiId) {
        self.by_kpi.remove(kpi);
    }

    pub(super) fn is_open(&self, kpi: &KpiId, labels: &Labels, bucket: BucketIndex) -> bool {
        self.of(kpi)
            .iter()
            .any(|suspect| suspect.is_open() && suspect.bucket == bucket && suspect.series.labels == *labels)
    }

    pub(super) fn is_overridden(&self, kpi: &KpiId, labels: &Labels, bucket: BucketIndex) -> bool {
        self.of(kpi).iter().any(|known| known.overrides() && known.bucket == bucket && known.series.labels == *labels)
    }

    fn put(&mut self, suspect: Suspect) {
        let all = self.by_kpi.entry(suspect.series.kpi.clone()).or_default();
        all.retain(|known| known.series != suspect.series || known.bucket != suspect.bucket);
        if suspect.is_open() || suspect.overrides() {
            all.push(suspect);
        }
    }
}

/// What a pull brought that was not known.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    /// What the source says now, where it is not what it said before.
    said: BTreeMap<Labels, BTreeMap<BucketIndex, f64>>,
    /// Buckets to be looked at, with the final value that the new one replaced.
    fresh: BTreeMap<Labels, BTreeMap<BucketIndex, Option<f64>>>,
}

impl News {
    /// One version that was taken in. Looked at is what was revised, what is final at last, and what is of the newest;
    /// of a KPI without pulled history (none) nothing is.
    pub(super) fn take(
        &mut self,
        pulled_to: Option<BucketIndex>,
        new: &Observation,
        (before, is_revised): (Option<Point>, bool),
    ) {
        let (labels, bucket) = (&new.series.labels, new.bucket);
        self.said.entry(labels.clone()).or_default().insert(bucket, new.value);
        let was_provisional = before.is_some_and(|before| before.provisional);
        let is_new =
            |newest: BucketIndex| is_revised || was_provisional || bucket >= newest.saturating_sub(LATE_BUCKETS);
        if pulled_to.is_some_and(is_new) {
            let replaced = before.filter(|before| !before.provisional).map(|before| before.value);
            self.fresh.entry(labels.clone()).or_default().insert(bucket, replaced);
        }
    }
}

/// Looks at what came in, in order, and at what is still open.
pub(super) fn look(
    state: &mut State,
    kpi: &Arc<Kpi>,
    (pull, news): (&PullReport, &News),
    moment: (Timestamp, Timestamp),
    commit: &mut EvaluateCommit,
) -> Tally {
    if kpi.quality.max_jump.is_none() && state.suspects.of(&kpi.id).is_empty() {
        return Tally::default();
    }
    let mut round = Round { kpi, moment, changed: Vec::new(), unsuspected: 0 };
    let open: Vec<(Labels, BucketIndex)> =
        round.open(state).map(|known| (known.series.labels.clone(), known.bucket)).collect();
    round.withdraw(state, news);
    match kpi.quality.max_jump {
        Some(max_jump) => {
            round.judge(state, (pull, news, &open), max_jump);
            round.release(state, max_jump);
        }
        None => round.let_go(state),
    }
    round.ask(state, pull);
    let tally = Tally { unsuspected: round.unsuspected, ..Tally::default() };
    round.end(state, commit);
    tally
}

/// One look at one KPI.
struct Round<'a> {
    kpi: &'a Arc<Kpi>,
    /// Now, and the slot.
    moment: (Timestamp, Timestamp),
    changed: Vec<Suspect>,
    /// Values that jumped while too many wait already.
    unsuspected: u64,
}

impl Round<'_> {
    fn change(&mut self, state: &mut State, suspect: Suspect) {
        state.suspects.put(suspect.clone());
        self.changed.retain(|known| known.series != suspect.series || known.bucket != suspect.bucket);
        self.changed.push(suspect);
    }

    fn settle(&mut self, state: &mut State, suspect: Suspect, how: Settled, note: Option<&str>) {
        let settlement =
            Settlement { how, by: None, at: self.moment.0, note: note.map(str::to_owned), superseded_at: None };
        self.change(state, Suspect { state: SuspectState::Settled(settlement), ..suspect });
    }

    fn open<'s>(&self, state: &'s State) -> impl Iterator<Item = &'s Suspect> {
        state.suspects.of(&self.kpi.id).iter().filter(|suspect| suspect.is_open())
    }

    /// What the source takes back is not suspect any more, and a person's word stood only against what it said.
    fn withdraw(&mut self, state: &mut State, news: &News) {
        let taken_back = |suspect: &&Suspect| {
            let said = news.said.get(&suspect.series.labels).and_then(|buckets| buckets.get(&suspect.bucket));
            said.is_some_and(|said| said.to_bits() != suspect.value.to_bits())
        };
        let gone: Vec<Suspect> = state.suspects.of(&self.kpi.id).iter().filter(taken_back).cloned().collect();
        for suspect in gone {
            match superseded(&suspect, self.moment.0) {
                Some(decided) => self.change(state, decided),
                None => self.settle(state, suspect, Settled::Withdrawn, None),
            }
        }
    }

    /// What an open value was suspect beside may have been settled, or the limit been raised; and a dimension value is
    /// not held once its total is believed. Where a person has overridden the total, its parts wait for a person too.
    fn release(&mut self, state: &mut State, max_jump: f64) {
        let total = Labels::total();
        let has_total = state.history.series(&self.kpi.id, &total).is_some();
        let mut open: Vec<Suspect> = self.open(state).cloned().collect();
        open.sort_by_key(|suspect| suspect.bucket);
        for suspect in open {
            let labels = &suspect.series.labels;
            let of_total = |known: &&Suspect| known.bucket == suspect.bucket && known.series.labels.is_total();
            let is_part = has_total && !labels.is_total();
            let alone = is_part && !state.suspects.of(&self.kpi.id).iter().any(|known| of_total(&known));
            let point = state.history.series(&self.kpi.id, labels).and_then(|data| data.get(suspect.bucket));
            let jumps = point.is_some_and(|point| self.jumps(state, labels, point, max_jump));
            if alone || !jumps {
                self.settle(state, suspect, Settled::Confirmed, None);
            }
        }
    }

    /// The limit was taken out of the configuration.
    fn let_go(&mut self, state: &mut State) {
        let open: Vec<Suspect> = self.open(state).cloned().collect();
        for suspect in open {
            self.settle(state, suspect, Settled::Accepted, Some("quality.max_jump was taken out"));
        }
    }

    fn judge(
        &mut self,
        state: &mut State,
        (pull, news, open): (&PullReport, &News, &[(Labels, BucketIndex)]),
        max_jump: f64,
    ) {
        let kpi = self.kpi;
        let total = Labels::total();
        let has_total = state.history.series(&kpi.id, &total).is_some();
        // The total comes first; a part of it is looked at only where the total jumped.
        for (labels, buckets) in &news.fresh {
            for (&bucket, replaced) in buckets {
                // A correction of cents does not make a value suspect again that was believed.
                let was_open = open.iter().any(|(known, at)| known == labels && *at == bucket);
                let is_alike = |old: f64, new: f64| old.is_finite() && !Band::of(&[old]).excludes(new, max_jump);
                if has_total && !labels.is_total() && !state.suspects.is_open(&kpi.id, &total, bucket) {
                    continue;
                }
                let Some(point) = state.history.series(&kpi.id, labels).and_then(|data| data.get(bucket)) else {
                    continue;
                };
                if !was_open && replaced.is_some_and(|old| is_alike(old, point.value)) {
                    continue;
                }
                if !point.provisional && self.jumps(state, labels, point, max_jump) {
                    self.suspect(state, pull, labels, point);
                    self.confirm(state, labels, bucket, max_jump);
                }
            }
        }
    }

    fn band(&self, state: &State, labels: &Labels, bucket: BucketIndex) -> Option<Band> {
        let data = state.history.series(&self.kpi.id, labels)?;
        Band::before(data, bucket, |index| state.suspects.is_open(&self.kpi.id, labels, index))
    }

    fn jumps(&self, state: &State, labels: &Labels, point: Point, max_jump: f64) -> bool {
        self.band(state, labels, point.index).is_some_and(|band| band.excludes(point.value, max_jump))
    }

    fn suspect(&mut self, state: &mut State, pull: &PullReport, labels: &Labels, point: Point) {
        let (now, slot) = self.moment;
        let Some(Band { low, high }) = self.band(state, labels, point.index) else { return };
        if state.suspects.of(&self.kpi.id).len() >= SUSPECTS_PER_KPI_MAX {
            self.unsuspected += 1;
            return;
        }
        let series = SeriesKey { kpi: self.kpi.id.clone(), labels: labels.clone() };
        let after = |at: Timestamp| at.checked_add(AGAIN_AFTER).unwrap_or(at);
        // Slots that were missed are stepped by their own time: what was pulled for them so much later would have been
        // said twice by then.
        let is_missed = now <= slot && pull.at.is_some_and(|at| at >= after(slot));
        // One that comes with a later try is asked for again as well.
        let again_at = if now < after(slot) { after(slot) } else { after(now) };
        let seen = if is_missed { SuspectState::Asked } else { SuspectState::Seen { again_at } };
        self.change(
            state,
            Suspect { series, bucket: point.index, value: point.value, low, high, slot, since: now, state: seen },
        );
    }

    /// Three values in a row that are suspect, but of one size, are what the KPI is now.
    fn confirm(&mut self, state: &mut State, labels: &Labels, upto: BucketIndex, max_jump: f64) {
        let Some(data) = state.history.series(&self.kpi.id, labels) else { return };
        let newest = data.range(BucketIndex::MIN, upto).rev().filter(|point| !point.provisional).take(CONFIRMING);
        let run: Vec<Point> = newest.collect();
        let open = |point: &Point| state.suspects.is_open(&self.kpi.id, labels, point.index);
        let Some(first) = run.last().filter(|_| run.len() == CONFIRMING && run.iter().all(open)) else { return };
        let size = Band::of(&[first.value]);
        if run.iter().any(|point| size.excludes(point.value, max_jump)) {
            return;
        }
        let is_of_run = |suspect: &&Suspect| {
            suspect.series.labels == *labels && run.iter().any(|point| point.index == suspect.bucket)
        };
        let all: Vec<Suspect> = state.suspects.of(&self.kpi.id).iter().filter(is_of_run).cloned().collect();
        for suspect in all {
            self.settle(state, suspect, Settled::Confirmed, None);
        }
    }

    /// The source was asked again and did not take it back.
    fn ask(&mut self, state: &mut State, pull: &PullReport) {
        let Some(at) = pull.at.filter(|_| pull.trouble.is_none()) else { return };
        let is_due = |suspect: &&Suspect| matches!(suspect.state, SuspectState::Seen { again_at } if again_at <= at);
        let due: Vec<Suspect> = state.suspects.of(&self.kpi.id).iter().filter(is_due).cloned().collect();
        for suspect in due {
            self.change(state, Suspect { state: SuspectState::Asked, ..suspect });
        }
    }

    /// Writes what changed, freezes or frees the series, and moves the alerts.
    fn end(self, state: &mut State, commit: &mut EvaluateCommit) {
        let Round { kpi, moment, changed, .. } = self;
        let labels: BTreeSet<&Labels> = changed.iter().map(|suspect| &suspect.series.labels).collect();
        for labels in labels {
            let open = state.suspects.of(&kpi.id).iter().filter(|known| known.is_open());
            let held = open.filter(|known| known.series.labels == *labels).map(|known| known.bucket).min();
            state.history.hold(&kpi.id, labels, held);
        }
        for suspect in &changed {
            tell(state, kpi, suspect, moment, commit);
        }
        commit.suspects.extend(changed);
    }
}

/// Moves the alert of a suspect value: one for each day (or longer bucket), its dimension values under one roof.
fn tell(
    state: &mut State,
    kpi: &Arc<Kpi>,
    suspect: &Suspect,
    (now, slot): (Timestamp, Timestamp),
    commit: &mut EvaluateCommit,
) {
    let start = kpi.grain.start_of(suspect.bucket, &kpi.zone);
    let day = day_of(start, &kpi.zone);
    let key = AlertKey { subject: Subject::Data(kpi.id.clone()), period: Some(day), aspect: Aspect::Suspect };
    let has_total = state.history.series(&kpi.id, &Labels::total()).is_some();
    if has_total && !suspect.series.labels.is_total() {
        return;
    }
    let moment = |slot| Moment { now, slot, bucket: Some(suspect.bucket), counts: true, about: About::Data };
    let make = || Some(facts(kpi, suspect, now));
    let figures = Some(Figures { make: &make, renewals: &Cell::new(1) });
    match &suspect.state {
        SuspectState::Seen { .. } => {}
        SuspectState::Asked => {
            // As of the slot that saw it, so that a stop in between changes nothing in the alert's history.
            let signal = (Signal::Breach(Severity::Warning), Some(suspect.value));
            move_alert(state, &key, signal, figures, (Policy::AT_ONCE, moment(suspect.slot)), commit);
        }
        SuspectState::Settled(settlement) => {
            let same_day = |known: &Suspect| {
                known.state == SuspectState::Asked
                    && day_of(kpi.grain.start_of(known.bucket, &kpi.zone), &kpi.zone) == day
            };
            if !state.suspects.of(&kpi.id).iter().any(same_day) {
                let signal = (Signal::End(EndReason::Settled(settlement.how)), None);
                move_alert(state, &key, signal, figures, (Policy::AT_ONCE, moment(slot)), commit);
            }
        }
    }
}

fn facts(kpi: &Kpi, suspect: &Suspect, now: Timestamp) -> AlertFacts {
    let settlement = match &suspect.state {
        SuspectState::Settled(settlement) => Some(settlement.clone()),
        SuspectState::Seen { .. } | SuspectState::Asked => None,
    };
    AlertFacts {
        category: Some(kpi.category),
        unit: kpi.unit.clone(),
        owner: kpi.owner.as_ref().map(ToString::to_string),
        value: Some(suspect.value),
        suspect: Some(SuspectFacts {
            kpi: kpi.id.clone(),
            labels: suspect.series.labels.clone(),
            bucket: kpi.bucket_name(suspect.bucket),
            value: suspect.value,
            low: suspect.low,
            high: suspect.high,
            max_jump: kpi.quality.max_jump,
            settlement,
        }),
        ..trouble_facts(None, kpi.title.clone(), now)
    }
}

/// A person's decision that stands no more; it is kept with author and note.
fn superseded(suspect: &Suspect, now: Timestamp) -> Option<Suspect> {
    let SuspectState::Settled(settlement) = &suspect.state else { return None };
    let settlement = Settlement { superseded_at: Some(now), ..settlement.clone() };
    Some(Suspect { state: SuspectState::Settled(settlement), ..suspect.clone() })
}

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
    let mut round = Round { kpi: &kpi, moment: (now, last_slot), changed: Vec::new(), unsuspected: 0 };
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
    if let Some(max_jump) = kpi.quality.max_jump {
        round.release(state, max_jump);
    }
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
            state.history.remove(&suspect.series, suspect.bucket);
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
