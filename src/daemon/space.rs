//! Writes that find no way and may find one later: the disk is full, or another process works on the database.
//!
//! On a full disk history pauses, what is queued still goes out, and the service says so about itself: the store frees its
//! reserve for the write that met the full disk, and from then on nothing is pulled. A step that could not be written
//! even so is kept: the engine is ahead of the disk, so nothing more is decided before it is written. While another process
//! keeps the database locked no attempt can be begun either; each second it is tried whether it has let go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::cycle::{Cycle, CycleError};
use super::deliver::SendOutcome;
use crate::engine::{DeliveryReport, Effects, Event};
use crate::model::alert::About;
use crate::model::ids::ReceiverId;
use crate::store::StoreError;

/// While something waits it is looked at again this often.
pub(super) const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// What waits for space, or for a lock.
#[derive(Default)]
pub(super) struct Space {
    /// Told to the engine: the reserve is gone.
    low: bool,
    /// Decided, not on disk.
    unwritten: Option<Box<Effects>>,
    /// Attempts that ended and whose outcome is not on disk; their deliveries count as under way.
    unrecorded: Vec<SendOutcome>,
    /// Ends of deliveries that the engine has not heard of, the newest of each receiver.
    unheard: BTreeMap<ReceiverId, DeliveryReport>,
    /// The start of an attempt could not be written.
    sending_stopped: bool,
    /// That sending stopped stands in the log, and none has begun since.
    stop_is_said: bool,
    /// Another process works on the database; it stands in the log, and nothing could be written since.
    locked: bool,
    /// Attempts of the last run that are not yet marked as cut off; until then none may begin.
    cut_off_unmarked: bool,
    /// What was held is being tried again.
    retrying: bool,
    /// When space was last looked at.
    looked_at: Option<Timestamp>,
    readiness: Readiness,
}

/// Why the service can't do its work, for the health page; shared with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Readiness(Arc<Mutex<Option<String>>>);

impl Readiness {
    pub(super) fn trouble(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, trouble: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl Cycle {
    /// True while history pauses.
    pub(super) fn is_paused(&self) -> bool {
        self.space.low || self.is_held()
    }

    /// True while a step waits to be written, so that no other may be taken.
    pub(super) fn is_held(&self) -> bool {
        self.space.unwritten.is_some()
    }

    /// When it is looked next whether all can be written; none while it can.
    pub(super) fn looks_for_space_at(&self, now: Timestamp) -> Option<Timestamp> {
        let looked_at = self.space.looked_at.filter(|at| *at <= now);
        self.waits().then(|| looked_at.map_or(now, |at| at.checked_add(LOOK_AGAIN).unwrap_or(now)))
    }

    pub(super) fn sending_is_stopped(&self) -> bool {
        self.space.sending_stopped
    }

    pub(super) fn readiness(&self) -> Readiness {
        self.space.readiness.clone()
    }

    /// Whether the state takes all that the service has to write, so that it goes on with everything.
    pub fn writes_all(&self) -> bool {
        !self.waits()
    }

    /// Whether another process keeps the service from writing.
    pub fn is_locked(&self) -> bool {
        self.space.locked
    }

    /// Whether the disk has what the service needs.
    pub fn has_space(&self) -> bool {
        self.writes_all() || self.is_locked()
    }

    /// Why something that a person asks for is refused while not all can be written.
    pub(super) fn refusal(&self, so: &str, ask: &str) -> String {
        let path = self.store.path().display();
        if self.is_locked() {
            format!("another process keeps {path} locked, so {so}; end that process, then {ask} again")
        } else {
            format!("the disk of {path} is full, so {so}; free some space, then {ask} again")
        }
    }

    /// What a person is told whose action is taken up and can't be written yet.
    pub(super) fn kept_until_written(&self) -> String {
        let path = self.store.path().display();
        let (cause, when) = if self.is_locked() {
            (format!("another process keeps {path} locked"), "it lets go")
        } else {
            (format!("the disk of {path} is full"), "there is space")
        };
        format!(
            "{cause}: this is done as soon as {when}, unless the service ends before; don't ask again, `vigie audit` shows it"
        )
    }

    fn waits(&self) -> bool {
        self.is_paused() || self.space.sending_stopped || !self.space.unrecorded.is_empty()
    }

    /// What a write has met that is kept to be tried again. A lock is told here, once, whatever it holds up.
    fn met(&mut self, error: &StoreError) {
        let was_locked = self.space.locked;
        self.space.locked = matches!(error, StoreError::Locked { .. });
        if self.space.locked && !was_locked {
            tracing::error!(%error, "locked: nothing is decided or sent until it is let go of; what waits is kept");
        }
    }

    pub(super) fn hold_step(&mut self, effects: Effects, error: &StoreError) {
        self.met(error);
        if !self.is_locked() {
            tracing::error!(%error, "deciding waits until there is space; what is queued still goes out");
        }
        self.space.unwritten = Some(Box::new(effects));
        self.say_ready();
    }

    pub(super) fn hold_outcome(&mut self, done: SendOutcome, error: &StoreError) {
        self.met(error);
        // Looked at again every second: once is said of each.
        if !self.space.retrying && !self.is_locked() {
            tracing::error!(%error, delivery = done.send.delivery.id, "the outcome of an attempt waits for space");
        }
        self.space.unrecorded.push(done);
        self.say_ready();
    }

    pub(super) fn hold_report(&mut self, report: DeliveryReport) {
        // The engine passes over dead messages about the service itself; one must not hide an end that counts.
        if report.dead.is_none() || report.about != About::System {
            self.space.unheard.insert(report.receiver.clone(), report);
        }
    }

    pub(super) fn stop_sending(&mut self, error: &StoreError) {
        self.met(error);
        if !self.is_locked() && !self.space.stop_is_said {
            tracing::error!(%error, "the reserve is spent: sending stops until there is space");
            self.space.stop_is_said = true;
        }
        self.space.sending_stopped = true;
        self.say_ready();
    }

    /// An attempt has begun: the next stop is news again.
    pub(super) fn sending_goes_on(&mut self) {
        self.space.stop_is_said = false;
    }

    /// Marks attempts that the last run left without outcome; none begins before that is written.
    pub(super) async fn mark_cut_off(&mut self) -> Result<(), CycleError> {
        match self.store.abandoned().await {
            Ok(0) => {}
            Ok(attempts) => {
                tracing::warn!(attempts, "attempts without outcome from the last run; their deliveries are sent again");
            }
            Err(error) if error.may_pass() => {
                self.space.cut_off_unmarked = true;
                self.stop_sending(&error);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.space.cut_off_unmarked = false;
        Ok(())
    }

    /// Writes what waits, takes the reserve again, and tells the engine when that changes something.
    pub async fn tend_space(&mut self, now: Timestamp) -> Result<(), CycleError> {
        let lost = self.store.reserve_lost();
        if !lost && self.writes_all() {
            self.space.looked_at = None;
            return Ok(());
        }
        // Every wake of the loop comes by here; each look writes.
        if self.looks_for_space_at(now).is_some_and(|at| at > now) {
            return Ok(());
        }
        self.space.looked_at = Some(now);
        if self.space.locked {
            match self.store.try_writing().await {
                Ok(()) => {
                    let path = self.store.path().display();
                    tracing::info!(%path, "no other process keeps the state locked any more; missed slots are caught up");
                    self.space.locked = false;
                }
                Err(error) if error.may_pass() => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(effects) = self.space.unwritten.take()
            && let Err(error) = self.write(&effects).await
        {
            if !error.may_pass() {
                return Err(error.into());
            }
            self.met(&error);
            self.space.unwritten = Some(effects);
        }
        // What ended is written before anything else begins; what still can't be is put back.
        self.space.retrying = true;
        for done in std::mem::take(&mut self.space.unrecorded) {
            self.record(done).await?;
        }
        self.space.retrying = false;
        if self.space.cut_off_unmarked {
            self.mark_cut_off().await?;
        }
        self.space.sending_stopped = !self.space.unrecorded.is_empty() || self.space.cut_off_unmarked;
        if !self.is_held() {
            let low = lost && !self.store.restore_reserve().await?;
            self.tell_space(low, now).await?;
        }
        while !self.is_held()
            && let Some((_, report)) = self.space.unheard.pop_first()
        {
            self.event(Event::DeliveryEnded(report), now).await?;
        }
        self.say_ready();
        self.wake(now).await
    }

    async fn tell_space(&mut self, low: bool, now: Timestamp) -> Result<(), CycleError> {
        if low == self.space.low {
            return Ok(());
        }
        self.space.low = low;
        let path = self.store.path().display().to_string();
        if low {
            tracing::error!(path, "history pauses until there is space; what is queued still goes out");
        } else {
            tracing::info!(path, "there is space again; missed slots are caught up");
        }
        let trouble = low.then(|| {
            format!("the disk of {path} is full: figures are neither pulled nor judged until there is space; free some")
        });
        self.event(Event::Service { trouble }, now).await.map(drop)
    }

    fn say_ready(&self) {
        let space = &self.space;
        let what = match () {
            () if space.sending_stopped || !space.unrecorded.is_empty() => "nothing can be written, so nothing is sent",
            () if space.unwritten.is_some() => "nothing can be decided; what is queued still goes out",
            () if space.low => "history pauses; what is queued still goes out",
            () => return space.readiness.set(None),
        };
        let path = self.store.path().display();
        space.readiness.set(Some(if space.locked {
            format!("another process keeps {path} locked: nothing is decided or sent until it lets go")
        } else {
            format!("the disk of {path} is full: {what}")
        }));
    }
}
