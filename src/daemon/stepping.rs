//! Evaluations that follow from pulls, taken in pieces: slots missed over a long time are thousands of commits, and
//! sends, people's requests and other KPIs must not wait for the last of them.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::asked::AskedEnd;
use super::cycle::{Cycle, CycleError};
use super::jobs::{JobKind, PullOutcome};
use super::replay::events_of;
use crate::clock::monotonic;
use crate::engine::{Effects, Event, SlotEvent, Tally};
use crate::model::alert::{Aspect, Change};
use crate::model::ids::KpiId;

/// What is still to be stepped of one pull.
pub(super) struct Replay {
    kpi: KpiId,
    events: VecDeque<(SlotEvent, Timestamp)>,
    /// When the answer of the source was there.
    at: Timestamp,
    tally: Tally,
    took: Duration,
    /// False for new rules: slots that their KPI missed are still to be stepped.
    moves_on: bool,
    /// Nothing was told of the KPI before either.
    was_held: bool,
    /// What came was left, for it came while history paused.
    left: bool,
    /// What to tell the person who asked for it.
    asked: Option<AskedEnd>,
}

/// All evaluations of one pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stepped {
    pub tally: Tally,
    /// Without the pauses between its pieces.
    pub took: Duration,
    pub at: Timestamp,
}

impl Cycle {
    /// Takes in what a pull brought: evaluates, commits, and tells what is to be told.
    pub async fn pulled(&mut self, outcome: PullOutcome) -> Result<(), CycleError> {
        let now = outcome.at;
        self.take_up(outcome).await;
        self.advance(now, Duration::MAX).await.map(drop)
    }

    /// Takes over what a pull brought; [`Cycle::advance`] steps it. Nothing is told of its KPI before the end.
    pub async fn take_up(&mut self, outcome: PullOutcome) {
        let (kpi, at) = (outcome.job.kpi.id.clone(), outcome.at);
        let moves_on = !matches!(outcome.job.kind, JobKind::NewRules { .. });
        // While history pauses what came is left: it is asked for again, as of slots that were missed.
        let left = self.is_paused();
        let mut asked = asked_end(&outcome);
        self.said.pull(&outcome);
        let events: VecDeque<_> = if left { VecDeque::new() } else { events_of(outcome).into() };
        if let Some((end, report)) = asked.as_mut().zip(events.front().and_then(|(event, _)| event.pull.as_ref())) {
            end.rejected = report.rejections.len();
            end.warnings.clone_from(&report.warnings);
            end.oldest = report.oldest;
        }
        if let Some((event, _)) = events.front() {
            self.said.refused(&kpi, event);
        }
        let (id, several) = (kpi.clone(), events.len() > 1);
        let was_held = self
            .engine
            .with(move |state, _| state.catching_up.contains(&id) || (several && !state.catching_up.insert(id)))
            .await;
        let (tally, took) = (Tally::default(), Duration::ZERO);
        self.replays.push(Replay { kpi, events, at, tally, took, moves_on, was_held, left, asked });
    }

    /// Whether something that was taken up is still to be stepped.
    pub fn has_steps(&self) -> bool {
        !self.replays.is_empty()
    }

    /// Steps what was taken up, shortest first, until it is all done or the time is over; at least one evaluation.
    /// Returns the pulls that are done with.
    pub async fn advance(&mut self, now: Timestamp, time: Duration) -> Result<Vec<Stepped>, CycleError> {
        let (began, mut done) = (monotonic(), Vec::new());
        while let Some(shortest) = (0..self.replays.len()).min_by_key(|index| self.replays[*index].events.len()) {
            let replay = self.replays.swap_remove(shortest);
            if let Some(stepped) = self.step_replay(replay, now).await? {
                done.push(stepped);
            }
            if began.elapsed() >= time {
                break;
            }
        }
        Ok(done)
    }

    /// One evaluation; the last of a pull ends it.
    async fn step_replay(&mut self, mut replay: Replay, now: Timestamp) -> Result<Option<Stepped>, CycleError> {
        let began = monotonic();
        let mut cut_off = replay.left || self.is_paused();
        if !cut_off && let Some((event, at)) = replay.events.pop_front() {
            match self.event(Event::Slot(event), at).await? {
                Some(effects) => {
                    replay.tally += effects.tally;
                    if let Some(end) = &mut replay.asked {
                        end.stored += effects.evaluate.observations.len();
                    }
                    log_failures(&effects);
                }
                None => cut_off = true,
            }
        }
        replay.took += began.elapsed();
        if !cut_off && !replay.events.is_empty() {
            self.replays.push(replay);
            return Ok(None);
        }
        let Replay { kpi, at, tally, took, moves_on, was_held, asked, .. } = replay;
        if let Some(mut end) = asked {
            if cut_off {
                end.failed = Some(self.refusal("nothing was stored", "ask"));
            }
            self.asked_ended(&kpi, end);
        }
        if tally.crowded_out > 0 {
            tracing::warn!(
                kpi = %kpi,
                slots = tally.crowded_out,
                "rules that read several KPIs waited in more slots than are kept; they ran in the oldest with what is there"
            );
        }
        if tally.unsuspected > 0 {
            tracing::warn!(
                kpi = %kpi,
                values = tally.unsuspected,
                "values jumped and are taken as they are: too many of the KPI wait to be settled, see `vigie suspect list`"
            );
        }
        // Half of what was missed: nothing is told of it before the rest was stepped.
        if !cut_off && (moves_on || !was_held) {
            let id = kpi.clone();
            self.engine.with(move |state, _| state.catching_up.remove(&id)).await;
        }
        self.ended_pull(kpi);
        self.wake(now.max(at)).await?;
        Ok(Some(Stepped { tally, took, at }))
    }
}

/// For a span that somebody waits for: why its pull failed, if it did.
fn asked_end(outcome: &PullOutcome) -> Option<AskedEnd> {
    matches!(outcome.job.kind, JobKind::Asked { .. }).then(|| {
        let failed = outcome.result.as_ref().and_then(|result| result.as_ref().err()).map(ToString::to_string);
        AskedEnd { failed, ..AskedEnd::default() }
    })
}

/// Rules that have begun to fail, once each; what goes on failing is an alert.
fn log_failures(effects: &Effects) {
    let fired = effects.evaluate.transitions.iter().filter(|step| step.change == Change::Fired);
    for step in fired.filter(|step| step.key.aspect == Aspect::Failed) {
        let alert = effects.evaluate.alerts.iter().find(|alert| alert.key == step.key);
        let cause = alert.and_then(|alert| alert.facts.as_ref()?.cause.clone()).unwrap_or_default();
        tracing::warn!(subject = %step.key.subject, cause, "a rule fails; what it watches is not judged");
    }
}
