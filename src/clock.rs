//! The only place that asks what time it is. Everything else takes time as an argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::Timestamp;

/// A source of the present instant, whole milliseconds.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    Wall,
    /// A clock that a test, a demo or a script sets.
    Script(Arc<AtomicI64>),
    /// The machine's clock, moved by that many milliseconds: a demo that runs on at another date.
    Shifted(i64),
}

impl Clock {
    /// A clock that stands at `at` until it is set.
    pub fn script(at: Timestamp) -> Clock {
        Clock::Script(Arc::new(AtomicI64::new(at.as_millisecond())))
    }

    /// The machine's clock, moved so that it shows `at` now.
    pub fn shifted_to(at: Timestamp) -> Clock {
        Clock::Shifted(at.as_millisecond() - Clock::Wall.now().as_millisecond())
    }

    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
            Clock::Wall => to_milliseconds(Timestamp::now()),
            Clock::Shifted(by) => {
                let at = Clock::Wall.now().as_millisecond() + by;
                Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX)
            }
            Clock::Script(at) => {
                Timestamp::from_millisecond(at.load(Ordering::SeqCst)).unwrap_or(Timestamp::UNIX_EPOCH)
            }
        }
    }

    /// Moves a script clock; the wall clock can't be set.
    pub fn set(&self, to: Timestamp) {
        if let Clock::Script(at) = self {
            at.store(to.as_millisecond(), Ordering::SeqCst);
        }
    }
}

/// A monotonic instant, for deadlines and measured durations only.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Cuts an instant to whole milliseconds, the resolution of the store.
pub fn to_milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
