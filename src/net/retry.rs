//! Trying again: exponential backoff with full jitter, within one total deadline.

use std::future::Future;
use std::time::Duration;

use super::error::{ErrorClass, NetError, RETRY_AFTER_MAX};
use crate::clock;

/// How often and how patiently to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, the first included.
    pub attempts_max: u32,
    /// Upper end of the first wait; each further one doubles it.
    pub base: Duration,
    /// Upper end of every wait that the other side did not ask for.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts_max: 3, base: Duration::from_millis(500), cap: Duration::from_secs(15) }
    }
}

/// An error that knows whether trying again can help.
pub trait Retryable {
    fn class(&self) -> ErrorClass;
}

impl Retryable for NetError {
    fn class(&self) -> ErrorClass {
        self.class
    }
}

impl RetryPolicy {
    /// The wait before try number `attempt + 1` (the first try is 1): what the other side asked
    /// for, else anything up to the doubled bound, so that many clients don't come back together.
    fn wait(&self, attempt: u32, class: ErrorClass) -> Duration {
        if let ErrorClass::Throttled { after: Some(after) } = class {
            return after.min(RETRY_AFTER_MAX);
        }
        let bound = self.base.saturating_mul(1 << (attempt - 1).min(16)).min(self.cap);
        bound.mul_f64(fastrand::f64())
    }
}

/// Runs `operation` until it succeeds, can't succeed, or the deadline leaves no room for another
/// try. It gets the time that is left. A wait that would pass the deadline is not begun: the error
/// is returned at once, so that the caller can come back when the other side asked to.
pub async fn retry<T, E, F, R>(policy: RetryPolicy, deadline: Duration, mut operation: F) -> Result<T, E>
where
    E: Retryable,
    F: FnMut(Duration) -> R,
    R: Future<Output = Result<T, E>>,
{
    let started = clock::monotonic();
    let mut attempt = 1;
    loop {
        let error = match operation(deadline.saturating_sub(started.elapsed())).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let wait = policy.wait(attempt, error.class());
        let left = deadline.saturating_sub(started.elapsed());
        if attempt >= policy.attempts_max || !error.class().retryable() || wait >= left {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::error::{ErrorClass, NetError};
    use super::{RetryPolicy, retry};

    const QUICK: RetryPolicy =
        RetryPolicy { attempts_max: 3, base: Duration::from_millis(1), cap: Duration::from_millis(2) };

    /// Fails with `class` the first `failures` times; returns the number of tries.
    async fn check(class: ErrorClass, failures: u32, expected: Result<u32, u32>) {
        let mut tries = 0;
        let outcome = retry(QUICK, Duration::from_secs(5), |_| {
            tries += 1;
            let now = tries;
            async move { if now <= failures { Err(NetError::new(class, "no")) } else { Ok(()) } }
        })
        .await;
        assert_eq!(outcome.map(|()| tries).map_err(|_| tries), expected, "{class:?}");
    }

    #[tokio::test]
    async fn only_what_can_change_is_tried_again() {
        check(ErrorClass::Transient, 2, Ok(3)).await;
        check(ErrorClass::Transient, 3, Err(3)).await;
        check(ErrorClass::Throttled { after: None }, 1, Ok(2)).await;
        check(ErrorClass::Throttled { after: Some(Duration::from_millis(1)) }, 1, Ok(2)).await;
        check(ErrorClass::Throttled { after: Some(Duration::from_secs(60)) }, 1, Err(1)).await;
        for class in [ErrorClass::Auth, ErrorClass::Config, ErrorClass::Unexpected, ErrorClass::TooLarge] {
            check(class, 1, Err(1)).await;
        }
    }

    #[test]
    fn waits_grow_to_the_cap_and_no_further() {
        let policy = RetryPolicy::default();
        for attempt in 1..40 {
            assert!(policy.wait(attempt, ErrorClass::Transient) <= policy.cap);
        }
        let asked = ErrorClass::Throttled { after: Some(Duration::from_secs(1_000_000)) };
        assert_eq!(policy.wait(1, asked), Duration::from_secs(3600));
    }
}
