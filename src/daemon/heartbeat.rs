//! A sign of life that goes out: a monitor elsewhere raises the alarm when it does not come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::config::Heartbeat as Settings;
use crate::net::{Endpoint, HttpClient, HttpSettings};
use crate::secret::Resolver;

/// One beat ends within this time.
const DEADLINE: Duration = Duration::from_secs(10);

/// Where signs of life go, and how often.
pub struct Heart {
    endpoint: Endpoint,
    every: Duration,
}

impl Heart {
    pub(super) fn build(settings: &Settings, resolve: Resolver<'_>) -> Result<Heart, String> {
        let said = |cause: String| format!("heartbeat: {cause}");
        let url = settings.url.resolve(resolve).map_err(said)?;
        let http = HttpSettings { tls: settings.tls.clone(), proxy: settings.proxy.clone(), ..HttpSettings::default() };
        let client = HttpClient::new(&http, &settings.base_dir, resolve).map_err(said)?;
        let endpoint = Endpoint::new(client, url.expose()).map_err(said)?;
        Ok(Heart { endpoint, every: settings.every })
    }

    async fn beat(&self) -> Result<(), String> {
        let origin = self.endpoint.origin();
        match self.endpoint.post(Vec::new(), &[], DEADLINE).await {
            Ok(answer) if answer.is_success() => Ok(()),
            Ok(answer) => Err(format!("{origin} answered {} {}", answer.status, answer.body)),
            Err(unanswered) => Err(unanswered.error.message),
        }
    }
}

/// The beats of a running service.
#[derive(Default)]
pub(super) struct Beating {
    heart: Option<Arc<Heart>>,
    began_at: Option<Instant>,
    under_way: Option<JoinHandle<Result<(), String>>>,
    is_failing: bool,
}

impl Beating {
    /// Goes on by a configuration that took effect.
    pub(super) fn configured(&mut self, heart: Option<Arc<Heart>>) {
        if let Some(beat) = self.under_way.take() {
            beat.abort();
        }
        *self = Beating { heart, ..Beating::default() };
    }

    /// How long until the next beat; none where there are none.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        let every = self.heart.as_ref()?.every;
        Some(self.began_at.map_or(Duration::ZERO, |at| every.saturating_sub(now.saturating_duration_since(at))))
    }

    /// Everything moves: a beat goes out if it is due. Gives how the last one ended, once it has.
    pub(super) async fn alive(&mut self, now: Instant) -> Option<bool> {
        let ended = match &mut self.under_way {
            Some(beat) if beat.is_finished() => {
                let outcome = beat.await.unwrap_or_else(|error| Err(error.to_string()));
                self.under_way = None;
                Some(self.heard(&outcome))
            }
            Some(_) | None => None,
        };
        if self.under_way.is_none()
            && self.due_in(now) == Some(Duration::ZERO)
            && let Some(heart) = self.heart.clone()
        {
            self.began_at = Some(now);
            self.under_way = Some(tokio::spawn(async move { heart.beat().await }));
        }
        ended
    }

    /// The same failure again and again is said once, and so is its end.
    fn heard(&mut self, outcome: &Result<(), String>) -> bool {
        match outcome {
            Ok(()) if self.is_failing => tracing::info!("the heartbeat is taken again"),
            Err(cause) if !self.is_failing => {
                tracing::warn!(cause, "the heartbeat is not taken: the monitor may raise the alarm; it is tried again");
            }
            Ok(()) | Err(_) => {}
        }
        self.is_failing = outcome.is_err();
        outcome.is_ok()
    }
}
