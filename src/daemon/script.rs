//! The cycle under a clock that the caller moves: demo, scenarios, later `test` and `backtest`.

use jiff::{SignedDuration, Timestamp};

use super::cycle::{Cycle, CycleError};
use crate::clock::Clock;

/// Rounds of pulls or sends at one instant before something must be wrong.
const ROUNDS_MAX: usize = 100_000;

/// Where a script may be cut off, as by a kill: between two things that a step on its way does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A source has answered; nothing of it was taken up.
    Pulled,
    /// The start of an attempt is on disk, and nothing has left.
    Begun,
    /// A message has left; what became of it is not on disk.
    Left,
}

/// A cycle and its clock.
pub struct Script {
    pub cycle: Cycle,
    clock: Clock,
}

impl Script {
    /// `clock` must be a script clock; the one that sources and channels of this cycle read.
    pub fn new(cycle: Cycle, clock: Clock) -> Script {
        Script { cycle, clock }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Does everything that is due until then, each thing at its own instant, in order.
    pub async fn advance_to(&mut self, until: Timestamp) -> Result<(), CycleError> {
        self.advance_while(until, |_| true).await.map(drop)
    }

    /// [`Script::advance_to`] for as long as `goes_on` says so at each point; false where it was cut off. Then the cycle is
    /// amid what it does and must not be used again: only what is on disk counts.
    pub async fn advance_while(
        &mut self,
        until: Timestamp,
        mut goes_on: impl FnMut(Point) -> bool,
    ) -> Result<bool, CycleError> {
        for _ in 0..ROUNDS_MAX {
            let now = self.clock.now();
            if !self.settle(now, &mut goes_on).await? {
                return Ok(false);
            }
            let next = self.cycle.next_wake(now).await;
            let sends = self.cycle.next_delivery().await?;
            let next = [next, sends].into_iter().flatten().min();
            match next.filter(|at| *at <= until) {
                Some(at) => {
                    let later = now.checked_add(SignedDuration::from_millis(1)).unwrap_or(now);
                    self.clock.set(at.max(later).min(until.max(later)));
                }
                None => break,
            }
            if self.clock.now() > until {
                break;
            }
        }
        self.clock.set(until.max(self.clock.now()));
        Ok(true)
    }

    /// Everything due at this very instant; false where it was cut off.
    async fn settle(&mut self, now: Timestamp, goes_on: &mut impl FnMut(Point) -> bool) -> Result<bool, CycleError> {
        for _ in 0..ROUNDS_MAX {
            self.cycle.tend_space(now).await?;
            self.cycle.tend_retention(now).await?;
            let jobs = self.cycle.due_pulls(now).await?;
            let idle = jobs.is_empty();
            for (job, source) in jobs {
                let outcome = job.pull(source, &self.clock).await;
                if !goes_on(Point::Pulled) {
                    return Ok(false);
                }
                self.cycle.pulled(outcome).await?;
            }
            self.cycle.wake(now).await?;
            let sends = self.cycle.due_sends(now).await?;
            if idle && sends.is_empty() {
                return Ok(true);
            }
            for send in sends {
                if !goes_on(Point::Begun) {
                    return Ok(false);
                }
                let outcome = send.run(&self.clock).await;
                if !goes_on(Point::Left) {
                    return Ok(false);
                }
                self.cycle.sent(outcome).await?;
            }
        }
        Ok(true)
    }
}
