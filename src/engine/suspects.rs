//! Suspect values: what jumped is asked for again; if the source stays with it people are asked, and nothing is judged
//! on its series until they, or what follows, have settled it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::event::{PullReport, Tally};
use super::moves::{Figures, move_alert};
use super::outage::trouble_facts;
use super::reconcile;
use super::setup::Setup;
use super::state::State;
use crate::alert::{Moment, Policy, Signal};
use crate::assess::Band;
use crate::model::alert::{About, AlertFacts, AlertKey, Aspect, EndReason, Phase, Subject, SuspectFacts};
use crate::model::commit::EvaluateCommit;
use crate::model::grain::{BucketIndex, day_of};
use crate::model::ids::{KpiId, Labels, SeriesKey};
use crate::model::kpi::{Kpi, LATE_BUCKETS, Reconcile};
use crate::model::observation::Observation;
use crate::model::series::Point;
use crate::model::suspect::{Beside, Settled, Settlement, Suspect, SuspectState};
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

    pub(super) fn into_all(self) -> impl Iterator<Item = Suspect> {
        self.by_kpi.into_values().flatten()
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

    pub(super) fn put(&mut self, suspect: Suspect) {
        let all = self.by_kpi.entry(suspect.series.kpi.clone()).or_default();
        all.retain(|known| known.series != suspect.series || known.bucket != suspect.bucket);
        if suspect.is_open() || suspect.overrides() {
            all.push(suspect);
        }
    }
}

/// Whether a history is the first, which is taken as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum First {
    #[default]
    No,
    /// It is stepped, and more of it follows.
    Replayed,
    Whole,
}

/// What a pull brought that was not known.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    pub first: First,
    /// Every bucket of the total of which something is new, however old, with the final value that was replaced.
    pub compared: BTreeMap<BucketIndex, Option<f64>>,
    /// What the source says now, where it is not what it said before.
    said: BTreeMap<Labels, BTreeMap<BucketIndex, f64>>,
    /// Buckets to be looked at, with the final value that the new one replaced.
    pub fresh: BTreeMap<Labels, BTreeMap<BucketIndex, Option<f64>>>,
}

impl News {
    /// What the source says now of a bucket that is not what it said before.
    pub(super) fn said(&self, labels: &Labels, bucket: BucketIndex) -> Option<f64> {
        self.said.get(labels)?.get(&bucket).copied()
    }

    /// The newest bucket of the total of which something is new.
    pub(super) fn newest(&self) -> Option<BucketIndex> {
        self.compared.last_key_value().map(|(bucket, _)| *bucket)
    }

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
        let replaced = before.filter(|before| !before.provisional).map(|before| before.value);
        if pulled_to.is_some() && labels.is_total() {
            self.compared.insert(bucket, replaced);
        }
        if pulled_to.is_some_and(is_new) {
            self.fresh.entry(labels.clone()).or_default().insert(bucket, replaced);
        }
    }
}

/// Whether values of the KPI can be, or be made, suspect: of most nothing ever is, and thousands of series need no notes.
pub(super) fn is_watched(state: &State, setup: &Setup, kpi: &Kpi) -> bool {
    kpi.quality.max_jump.is_some()
        || kpi.reconcile.is_some()
        || !state.suspects.of(&kpi.id).is_empty()
        || !setup.reconciled_with(&kpi.id).is_empty()
}

/// Looks at what came in, in order, and at what is still open.
pub(super) fn look(
    state: &mut State,
    setup: &Setup,
    kpi: &Arc<Kpi>,
    (pull, news): (&PullReport, &News),
    moment: (Timestamp, Timestamp),
    commit: &mut EvaluateCommit,
) -> Tally {
    if !is_watched(state, setup, kpi) {
        return Tally::default();
    }
    let mut round = Round::new(setup, kpi, moment);
    let open: Vec<(Labels, BucketIndex)> =
        round.open(state).map(|known| (known.series.labels.clone(), known.bucket)).collect();
    round.withdraw(state, news);
    round.let_go(state);
    if let Some(max_jump) = kpi.quality.max_jump {
        round.judge(state, (pull, news, &open), max_jump);
    }
    if let Some(reconcile) = &kpi.reconcile {
        let is_open = |bucket| open.iter().any(|(labels, at)| labels.is_total() && *at == bucket);
        round.compare(state, (reconcile, pull.at), news, is_open);
    }
    round.release(state);
    round.compare_confirmed(state, pull.at);
    round.ask(state, pull);
    let tally = Tally { unsuspected: round.unsuspected, ..Tally::default() };
    round.end(state, commit);
    tally
}

/// One look at one KPI.
pub(super) struct Round<'a> {
    setup: &'a Setup,
    kpi: &'a Arc<Kpi>,
    /// Now, and the slot.
    moment: (Timestamp, Timestamp),
    changed: Vec<Suspect>,
    /// Values that are not believed while too many wait already.
    unsuspected: u64,
}

impl<'a> Round<'a> {
    pub(super) fn new(setup: &'a Setup, kpi: &'a Arc<Kpi>, moment: (Timestamp, Timestamp)) -> Round<'a> {
        Round { setup, kpi, moment, changed: Vec::new(), unsuspected: 0 }
    }

    /// True once a value that was held may be judged.
    pub(super) fn has_settled(&self) -> bool {
        self.changed.iter().any(|suspect| !suspect.is_open())
    }

    pub(super) fn change(&mut self, state: &mut State, suspect: Suspect) {
        state.suspects.put(suspect.clone());
        // One that takes its place in the same look is another one, and both are written.
        let is_same = |known: &Suspect| {
            known.series == suspect.series && known.bucket == suspect.bucket && known.since == suspect.since
        };
        self.changed.retain(|known| !is_same(known));
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
    /// What contradicted another KPI is free once both say the same.
    pub(super) fn release(&mut self, state: &mut State) {
        let max_jump = self.kpi.quality.max_jump.unwrap_or(f64::INFINITY);
        let total = Labels::total();
        let has_total = state.history.series(&self.kpi.id, &total).is_some();
        let mut open: Vec<Suspect> = self.open(state).cloned().collect();
        open.sort_by_key(|suspect| suspect.bucket);
        for suspect in open {
            let labels = &suspect.series.labels;
            if suspect.beside.is_some() {
                let with = self.kpi.reconcile.as_ref();
                if with.is_some_and(|with| reconcile::is_agreed(state, self.kpi, with, suspect.bucket)) {
                    self.settle(state, suspect, Settled::Agreed, None);
                }
                continue;
            }
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

    /// What made it suspect was taken out of the configuration.
    fn let_go(&mut self, state: &mut State) {
        let open: Vec<Suspect> = self.open(state).cloned().collect();
        for suspect in open {
            let out = match &suspect.beside {
                None => self.kpi.quality.max_jump.is_none().then_some("quality.max_jump was taken out"),
                Some(beside) => {
                    let stands = self.kpi.reconcile.as_ref().is_some_and(|with| with.with == beside.kpi);
                    (!stands).then_some("reconcile was taken out")
                }
            };
            if let Some(out) = out {
                self.settle(state, suspect, Settled::Accepted, Some(out));
            }
        }
    }

    /// Whether what another KPI says of the new buckets is the same; a bucket that was believed is not made suspect by a
    /// revision of cents.
    pub(super) fn compare(
        &mut self,
        state: &mut State,
        (with, pulled_at): (&Reconcile, Option<Timestamp>),
        news: &News,
        was_open: impl Fn(BucketIndex) -> bool,
    ) {
        let buckets = reconcile::to_compare(state, self.kpi, with, news);
        self.compare_buckets(state, (with, pulled_at), buckets, was_open);
    }

    /// What jumped and is believed now may still be contradicted.
    fn compare_confirmed(&mut self, state: &mut State, pulled_at: Option<Timestamp>) {
        let Some(with) = &self.kpi.reconcile else { return };
        let is_confirmed = |suspect: &&Suspect| {
            let how = match &suspect.state {
                SuspectState::Settled(settlement) => Some(settlement.how),
                SuspectState::Seen { .. } | SuspectState::Asked => None,
            };
            suspect.series.labels.is_total() && how == Some(Settled::Confirmed)
        };
        let buckets = self.changed.iter().filter(is_confirmed).map(|suspect| (suspect.bucket, None)).collect();
        self.compare_buckets(state, (with, pulled_at), buckets, |_| true);
    }

    fn compare_buckets(
        &mut self,
        state: &mut State,
        (with, pulled_at): (&Reconcile, Option<Timestamp>),
        buckets: Vec<(BucketIndex, Option<(f64, f64)>)>,
        was_open: impl Fn(BucketIndex) -> bool,
    ) {
        for (bucket, replaced) in buckets {
            let labels = Labels::total();
            let is_settled = state
                .suspects
                .of(&self.kpi.id)
                .iter()
                .any(|known| known.bucket == bucket && known.series.labels.is_total());
            let is_alike = || replaced.is_some_and(|(old, new)| reconcile::agree(old, new, with.within));
            if is_settled || (!was_open(bucket) && is_alike()) {
                continue;
            }
            let Some(gap) = reconcile::gap(state, self.kpi, with, bucket) else { continue };
            let beside = Beside { kpi: with.with.clone(), value: gap.other };
            self.suspect(state, pulled_at, (&labels, gap.own), (gap.allowed, Some(beside)));
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
                let band = self.band(state, labels, bucket).filter(|band| band.excludes(point.value, max_jump));
                if let Some(band) = band.filter(|_| !point.provisional) {
                    self.suspect(state, pull.at, (labels, point), (band, None));
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

    fn suspect(
        &mut self,
        state: &mut State,
        pulled_at: Option<Timestamp>,
        (labels, point): (&Labels, Point),
        (Band { low, high }, beside): (Band, Option<Beside>),
    ) {
        let (now, slot) = self.moment;
        if state.suspects.of(&self.kpi.id).len() >= SUSPECTS_PER_KPI_MAX {
            self.unsuspected += 1;
            return;
        }
        let series = SeriesKey { kpi: self.kpi.id.clone(), labels: labels.clone() };
        let after = |at: Timestamp| at.checked_add(AGAIN_AFTER).unwrap_or(at);
        // Slots that were missed are stepped by their own time: what was pulled for them so much later would have been
        // said twice by then.
        let is_missed = now <= slot && pulled_at.is_some_and(|at| at >= after(slot));
        // One that comes with a later try is asked for again as well.
        let again_at = if now < after(slot) { after(slot) } else { after(now) };
        let seen = if is_missed { SuspectState::Asked } else { SuspectState::Seen { again_at } };
        let Point { index: bucket, value, .. } = point;
        self.change(state, Suspect { series, bucket, value, low, high, beside, slot, since: now, state: seen });
    }

    /// Three values in a row that are suspect, but of one size, are what the KPI is now.
    fn confirm(&mut self, state: &mut State, labels: &Labels, upto: BucketIndex, max_jump: f64) {
        let Some(data) = state.history.series(&self.kpi.id, labels) else { return };
        let newest = data.range(BucketIndex::MIN, upto).rev().filter(|point| !point.provisional).take(CONFIRMING);
        let run: Vec<Point> = newest.collect();
        let is_of =
            |suspect: &Suspect, point: &Point| suspect.bucket == point.index && suspect.series.labels == *labels;
        let open = |point: &Point| self.open(state).any(|known| known.beside.is_none() && is_of(known, point));
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
    pub(super) fn end(self, state: &mut State, commit: &mut EvaluateCommit) {
        let Round { setup, kpi, moment, changed, .. } = self;
        let labels: BTreeSet<&Labels> = changed.iter().map(|suspect| &suspect.series.labels).collect();
        for labels in labels {
            let open = state.suspects.of(&kpi.id).iter().filter(|known| known.is_open());
            let held = open.filter(|known| known.series.labels == *labels).map(|known| known.bucket).min();
            state.history.hold(&kpi.id, labels, held);
        }
        for suspect in changed.iter().filter(|suspect| suspect.beside.is_none()) {
            tell(state, kpi, suspect, moment, commit);
        }
        if let Some(last) = changed.iter().rfind(|suspect| suspect.beside.is_some()) {
            tell_contradiction(state, (setup, kpi), last, moment, commit);
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
    let is_part = state.history.series(&kpi.id, &Labels::total()).is_some() && !suspect.series.labels.is_total();
    let moment = |slot| Moment { now, slot, bucket: Some(suspect.bucket), counts: true, about: About::Data };
    let make = || Some(facts(kpi, suspect, now));
    let figures = Some(Figures { make: &make, renewals: &Cell::new(1) });
    match &suspect.state {
        SuspectState::Seen { .. } => {}
        // What is told is the total.
        SuspectState::Asked if is_part => {}
        SuspectState::Asked => {
            // As of the slot that saw it, and of when the source is asked again: a stop in between changes nothing in the
            // alert's history.
            let signal = (Signal::Breach(Severity::Warning), Some(suspect.value));
            let moment = Moment { now: told_at(suspect, now), ..moment(suspect.slot) };
            move_alert(state, &key, signal, figures, (Policy::AT_ONCE, moment), commit);
        }
        SuspectState::Settled(settlement) => {
            let same_day = |known: &Suspect| {
                known.is_open()
                    && known.beside.is_none()
                    && day_of(kpi.grain.start_of(known.bucket, &kpi.zone), &kpi.zone) == day
            };
            if let Some(left) = state.suspects.of(&kpi.id).iter().find(|known| same_day(known)).cloned() {
                // What is left to be settled is what the alert goes on about.
                let make = || Some(facts(kpi, &left, now));
                let figures = Some(Figures { make: &make, renewals: &Cell::new(1) });
                let told = state.book.get(&key).is_some_and(|alert| alert.phase == Phase::Firing);
                if told && left.state == SuspectState::Asked {
                    let signal = (Signal::Breach(Severity::Warning), Some(left.value));
                    let moment = Moment { counts: false, ..moment(left.slot) };
                    move_alert(state, &key, signal, figures, (Policy::AT_ONCE, moment), commit);
                }
            } else {
                let signal = (Signal::End(EndReason::Settled(settlement.how)), None);
                move_alert(state, &key, signal, figures, (Policy::AT_ONCE, moment(slot)), commit);
            }
        }
    }
}

/// Moves the alert of a KPI that contradicts another: one, however many buckets it does so in.
fn tell_contradiction(
    state: &mut State,
    (setup, kpi): (&Setup, &Arc<Kpi>),
    last: &Suspect,
    (now, slot): (Timestamp, Timestamp),
    commit: &mut EvaluateCommit,
) {
    let key = AlertKey { subject: Subject::Data(kpi.id.clone()), period: None, aspect: Aspect::Suspect };
    let told = |known: &&Suspect| known.beside.is_some() && known.state == SuspectState::Asked;
    let newest = state.suspects.of(&kpi.id).iter().filter(told).max_by_key(|known| known.bucket).cloned();
    let (signal, shown, slot) = match (newest, &last.state) {
        (Some(newest), _) => {
            let first_seen = newest.slot;
            ((Signal::Breach(Severity::Warning), Some(newest.value)), newest, first_seen)
        }
        (None, SuspectState::Settled(settlement)) => {
            ((Signal::End(EndReason::Settled(settlement.how)), None), last.clone(), slot)
        }
        (None, SuspectState::Seen { .. } | SuspectState::Asked) => return,
    };
    let title = |beside: &Beside| {
        let other = setup.catalog.kpi(&beside.kpi);
        (other.map_or_else(|| beside.kpi.to_string(), |other| other.title.clone()), beside.value)
    };
    let make = || {
        let mut facts = facts(kpi, &shown, now);
        if let Some(suspect) = &mut facts.suspect {
            suspect.beside = shown.beside.as_ref().map(title);
        }
        Some(facts)
    };
    let figures = Some(Figures { make: &make, renewals: &Cell::new(1) });
    let now = if shown.state == SuspectState::Asked { told_at(&shown, now) } else { now };
    let moment = Moment { now, slot, bucket: Some(shown.bucket), counts: true, about: About::Data };
    move_alert(state, &key, signal, figures, (Policy::AT_ONCE, moment), commit);
}

/// When a value is told at the earliest: once its source was asked again, or would have been.
fn told_at(suspect: &Suspect, now: Timestamp) -> Timestamp {
    suspect.slot.checked_add(AGAIN_AFTER).map_or(now, |again| again.max(now))
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
            beside: None,
            max_jump: kpi.quality.max_jump,
            settlement,
        }),
        ..trouble_facts(None, kpi.title.clone(), now)
    }
}

/// A person's decision that stands no more; it is kept with author and note.
pub(super) fn superseded(suspect: &Suspect, now: Timestamp) -> Option<Suspect> {
    let SuspectState::Settled(settlement) = &suspect.state else { return None };
    let settlement = Settlement { superseded_at: Some(now), ..settlement.clone() };
    Some(Suspect { state: SuspectState::Settled(settlement), ..suspect.clone() })
}
