//! The budget of requests that a configuration allows a source: so many a minute, a day, and at once.
//!
//! It is counted by the time since the start: a start begins with a whole budget.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::{ErrorClass, NetError};
use crate::clock::{Clock, monotonic};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// A span is counted in so many parts; a request counts until the whole part in which it was sent is over.
const PARTS: u32 = 60;

/// Most requests to a source. Each counts: every page, and every time that one is tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Most requests in any minute; further ones wait, and fail where they would wait beyond their pull's deadline.
    /// Default: no limit. Example: `60`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Most requests in any 24 hours, counted since the service started or was reloaded. Default: no limit. Example: `10000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_day: Option<u32>,
    /// Most requests at once. Default: no limit but that of pulls (4). Example: `2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

impl LimitsConfig {
    fn check(&self) -> Result<(), String> {
        let all = [
            ("requests_per_minute", self.requests_per_minute),
            ("requests_per_day", self.requests_per_day),
            ("concurrency", self.concurrency),
        ];
        match all.into_iter().find(|(_, limit)| *limit == Some(0)) {
            Some((name, _)) => Err(format!("limits.{name} must be at least 1; remove it for no limit")),
            None => Ok(()),
        }
    }
}

/// Counts what is sent, and holds back what is too much.
#[derive(Debug, Default)]
pub(super) struct Budget {
    windows: Mutex<Vec<Window>>,
    places: Option<Semaphore>,
    sent: AtomicU64,
}

/// Most requests within a span that moves along with the time.
#[derive(Debug)]
struct Window {
    key: &'static str,
    span: Duration,
    max: u32,
    /// Since when the parts are counted.
    began: Instant,
    /// Parts in which something was sent: number and count, oldest first.
    parts: VecDeque<(u32, u32)>,
}

impl Budget {
    pub(super) fn new(limits: &LimitsConfig) -> Result<Budget, String> {
        limits.check()?;
        let began = monotonic();
        let window =
            |key, span, max: Option<u32>| max.map(|max| Window { key, span, max, began, parts: VecDeque::new() });
        let minute = window("requests_per_minute", MINUTE, limits.requests_per_minute);
        let day = window("requests_per_day", DAY, limits.requests_per_day);
        Ok(Budget {
            windows: Mutex::new(minute.into_iter().chain(day).collect()),
            places: limits.concurrency.map(|places| Semaphore::new(places as usize)),
            sent: AtomicU64::new(0),
        })
    }

    /// Waits until a request to `origin` may be sent; what would have to wait longer than `left` fails at once.
    pub(super) async fn take(&self, origin: &str, left: Duration) -> Result<Option<SemaphorePermit<'_>>, NetError> {
        let until = monotonic() + left;
        let place = match &self.places {
            None => None,
            Some(places) => places.acquire().await.ok(),
        };
        loop {
            let now = monotonic();
            let Err((wait, key, max)) = self.book(now) else { break };
            if now + wait >= until {
                return Err(spent(origin, (key, max), wait));
            }
            tokio::time::sleep(wait).await;
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(place)
    }

    /// Requests that were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Counts a request in all windows, or in none: then how long the fullest has no room, and which it is.
    fn book(&self, now: Instant) -> Result<(), (Duration, &'static str, u32)> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let full = windows.iter_mut().filter_map(|window| Some((window.wait(now)?, window.key, window.max))).max();
        match full {
            Some(full) => Err(full),
            None => {
                windows.iter_mut().for_each(|window| window.count(now));
                Ok(())
            }
        }
    }
}

impl Window {
    fn part_at(&self, now: Instant) -> u32 {
        let parts = now.saturating_duration_since(self.began).as_millis() / self.part().as_millis().max(1);
        u32::try_from(parts).unwrap_or(u32::MAX)
    }

    fn part(&self) -> Duration {
        self.span / PARTS
    }

    /// How long there is no room; none when there is.
    fn wait(&mut self, now: Instant) -> Option<Duration> {
        let part = self.part_at(now);
        while self.parts.front().is_some_and(|(of, _)| of.saturating_add(PARTS) < part) {
            self.parts.pop_front();
        }
        let sent: u32 = self.parts.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count));
        let (oldest, _) = self.parts.front().filter(|_| sent >= self.max)?;
        let free = self.began + self.part() * oldest.saturating_add(PARTS + 1);
        Some(free.saturating_duration_since(now).max(Duration::from_millis(1)))
    }

    fn count(&mut self, now: Instant) {
        let part = self.part_at(now);
        match self.parts.back_mut() {
            Some((of, count)) if *of == part => *count = count.saturating_add(1),
            Some(_) | None => self.parts.push_back((part, 1)),
        }
    }
}

fn spent(origin: &str, (key, max): (&str, u32), wait: Duration) -> NetError {
    let now = Clock::Wall.now();
    let reset_at = SignedDuration::try_from(wait).ok().and_then(|wait| now.checked_add(wait).ok()).unwrap_or(now);
    let message = format!(
        "the budget for {origin} is used up, limits.{key} is {max}: there is room again at {}; ask for less or more seldom, or raise it",
        reset_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    );
    NetError::new(ErrorClass::Quota { reset_at }, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(span_seconds: u64, max: u32) -> Window {
        let span = Duration::from_secs(span_seconds);
        Window { key: "requests_per_minute", span, max, began: monotonic(), parts: VecDeque::new() }
    }

    #[test]
    fn no_span_ever_holds_more() {
        let mut window = window(60, 10);
        let mut rng = fastrand::Rng::with_seed(7);
        let (mut now, mut sent) = (window.began, Vec::new());
        for _ in 0..2000 {
            now += Duration::from_millis(rng.u64(0..4000));
            if let Some(wait) = window.wait(now) {
                assert!(wait <= Duration::from_secs(61), "{wait:?}");
                now += wait;
                assert_eq!(window.wait(now), None, "what was promised holds");
            }
            window.count(now);
            sent.push(now);
        }
        for (at, last) in sent.iter().enumerate().skip(10) {
            assert!(*last - sent[at - 10] >= Duration::from_secs(60), "eleven within a minute");
        }
        assert!(window.parts.len() <= 61);
        assert!(now - window.began < Duration::from_secs(2000 * 7), "and it is used");
    }

    #[tokio::test(start_paused = true)]
    async fn what_fits_waits_and_what_does_not_fails() {
        // Time stands still for the budget itself: it reads the machine's clock.
        let budget = Budget::new(&LimitsConfig { requests_per_minute: Some(2), ..LimitsConfig::default() }).unwrap();
        let take = |left| budget.take("https://h", Duration::from_secs(left));
        assert!(take(5).await.is_ok());
        assert!(take(5).await.is_ok());
        let error = take(5).await.unwrap_err();
        let ErrorClass::Quota { reset_at } = error.class else { panic!("{error}") };
        let wait = reset_at.duration_since(Clock::Wall.now()).as_secs();
        assert!((55..=61).contains(&wait), "{wait}");
        for part in ["https://h", "limits.requests_per_minute is 2", "UTC", "raise it"] {
            assert!(error.message.contains(part), "{error} lacks {part}");
        }
        assert_eq!(budget.sent(), 2);
    }

    #[test]
    fn a_day_is_counted_beside_the_minute() {
        let limits = LimitsConfig { requests_per_minute: Some(5), requests_per_day: Some(7), concurrency: None };
        let budget = Budget::new(&limits).unwrap();
        let at = |seconds| monotonic() + Duration::from_secs(seconds);
        for _ in 0..5 {
            budget.book(at(0)).unwrap();
        }
        let (wait, key, _) = budget.book(at(0)).unwrap_err();
        assert!(key == "requests_per_minute" && wait <= Duration::from_secs(61), "{wait:?}");
        budget.book(at(70)).unwrap();
        budget.book(at(70)).unwrap();
        let (wait, key, max) = budget.book(at(70)).unwrap_err();
        assert_eq!((key, max), ("requests_per_day", 7));
        assert!(wait > Duration::from_secs(86_000) && wait <= Duration::from_secs(86_400 + 1_440), "{wait:?}");
        budget.book(at(86_400 + 1_500)).unwrap();
    }

    #[tokio::test]
    async fn so_many_at_once() {
        let budget = Budget::new(&LimitsConfig { concurrency: Some(1), ..LimitsConfig::default() }).unwrap();
        let first = budget.take("https://h", MINUTE).await.unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(20), budget.take("https://h", MINUTE)).await;
        assert!(waits.is_err());
        drop(first);
        assert!(budget.take("https://h", MINUTE).await.unwrap().is_some());
    }

    #[test]
    fn none_at_all_is_a_mistake() {
        let limits = LimitsConfig { requests_per_day: Some(0), ..LimitsConfig::default() };
        let error = Budget::new(&limits).unwrap_err();
        assert!(error.contains("limits.requests_per_day must be at least 1"), "{error}");
    }
}
