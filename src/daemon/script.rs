//! The cycle under a clock that the caller moves: demo, scenarios, later `test` and `backtest`.

use jiff::{SignedDuration, Timestamp};

use super::cycle::{Cycle, CycleError};
use crate::clock::Clock;

/// Rounds of pulls or sends at one instant before something must be wrong.
const ROUNDS_MAX: usize = 100_000;

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
        for _ in 0..ROUNDS_MAX {
            let now = self.clock.now();
            self.settle(now).await?;
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
        Ok(())
    }

    /// Everything due at this very instant.
    async fn settle(&mut self, now: Timestamp) -> Result<(), CycleError> {
        for _ in 0..ROUNDS_MAX {
            self.cycle.tend_space(now).await?;
            self.cycle.tend_retention(now).await?;
            let jobs = self.cycle.due_pulls(now).await?;
            let idle = jobs.is_empty();
            for (job, source) in jobs {
                let outcome = job.pull(source, &self.clock).await;
                self.cycle.pulled(outcome).await?;
            }
            self.cycle.wake(now).await?;
            let sends = self.cycle.due_sends(now).await?;
            if idle && sends.is_empty() {
                return Ok(());
            }
            for send in sends {
                let outcome = send.run(&self.clock).await;
                self.cycle.sent(outcome).await?;
            }
        }
        Ok(())
    }
}
