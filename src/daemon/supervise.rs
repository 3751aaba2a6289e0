//! What the service manager hears: ready, reloading, stopping, how it goes, and that every part still moves.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The service manager, if one has started this process and asked to be told; else all of it is for nobody.
pub(super) struct Supervisor {
    /// A third of the watchdog's limit.
    ping_every: Option<Duration>,
    pinged_at: Option<Instant>,
    status: String,
    is_deaf: bool,
}

impl Supervisor {
    pub(super) fn new() -> Supervisor {
        let ping_every = sd_notify::watchdog_enabled().map(|limit| limit / 3);
        Supervisor { ping_every, pinged_at: None, status: String::new(), is_deaf: false }
    }

    /// Under a watchdog that nobody has set up.
    #[cfg(test)]
    pub(super) fn watched(limit: Duration) -> Supervisor {
        Supervisor { ping_every: Some(limit / 3), ..Supervisor::new() }
    }

    /// When the last ping went out.
    #[cfg(test)]
    pub(super) fn pinged_at(&self) -> Option<Instant> {
        self.pinged_at
    }

    /// It works, at first or again after a reload.
    pub(super) fn ready(&mut self) {
        self.tell(&[NotifyState::Ready]);
    }

    pub(super) fn reloading(&mut self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "the monotonic clock can't be read, so no reload is announced"),
        }
    }

    pub(super) fn stopping(&mut self) {
        self.tell(&[NotifyState::Stopping]);
    }

    /// How it goes, in one line; only what is new is told.
    pub(super) fn status(&mut self, status: String) {
        if self.status != status {
            self.tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// One round of everything is done.
    pub(super) fn alive(&mut self, now: Instant) {
        let Some(every) = self.ping_every else { return };
        // Half of the time between, so that a round a little early counts.
        if self.pinged_at.is_none_or(|at| now.saturating_duration_since(at) >= every / 2) {
            self.tell(&[NotifyState::Watchdog]);
            self.pinged_at = Some(now);
        }
    }

    /// A round must come at least this often.
    pub(super) fn round_max(&self) -> Duration {
        self.ping_every.unwrap_or(Duration::MAX)
    }

    fn tell(&mut self, state: &[NotifyState<'_>]) {
        match sd_notify::notify(state) {
            Ok(()) => self.is_deaf = false,
            // It is tried again each time, and said once.
            Err(error) => {
                if !std::mem::replace(&mut self.is_deaf, true) {
                    tracing::warn!(%error, "the service manager can't be told anything: check NOTIFY_SOCKET");
                }
            }
        }
    }
}
