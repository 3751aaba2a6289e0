//! When a source is asked and when it is spared: a circuit breaker, without I/O and without a clock.
//!
//! Closed, every pull is let through. After failures in a row it opens: pulls are refused until a time. From then on it
//! is half open: one pull at a time tries. What a source answered, a refused query too, closes it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::digest::Digest;
use crate::model::ids::{KpiId, SourceId};
use crate::net::{ErrorClass, RETRY_AFTER_MAX};
use crate::source::SourceError;

/// Failures in a row that open it.
const FAILURES_TO_OPEN: u32 = 3;
/// Of how many different KPIs they must be, where the source has as many: one with a heavy or forbidden query of its own
/// must not hold up the others. As many failed tries open it again.
const KPIS_TO_OPEN: usize = 2;
/// How long it opens first; each further time in a row doubles it.
const OPEN_FIRST: SignedDuration = SignedDuration::from_secs(15);
/// And at most: jitter included less than the first distance at which a KPI tries again.
const OPEN_MAX: SignedDuration = SignedDuration::from_secs(90);
/// The same where credentials are refused: they don't heal by themselves, and accounts get locked.
const AUTH_OPEN_FIRST: SignedDuration = SignedDuration::from_mins(10);
const AUTH_OPEN_MAX: SignedDuration = SignedDuration::from_mins(60);
/// Spans are spread by that much to either side, in percent.
const JITTER_PERCENT: i64 = 20;
/// No opening is longer than that: one that seems to be was reckoned by a clock that ran ahead.
const REMAINING_MAX: SignedDuration = SignedDuration::from_mins(75);

/// The breaker of one source.
#[derive(Clone, Debug)]
pub(super) struct Breaker {
    /// Its name spreads openings, the same at each run.
    source: SourceId,
    /// KPIs that ask the source.
    kpis: usize,
    /// None: closed.
    open: Option<Open>,
    /// A pull that tries is under way.
    trying: bool,
    /// Failures in a row since pulls were last let through, and whose they are.
    failures: u32,
    failed: BTreeSet<KpiId>,
    /// How often it opened in a row.
    openings: u32,
    /// When each KPI last failed that has not succeeded since.
    failed_at: BTreeMap<KpiId, Timestamp>,
}

/// Why pulls are refused, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) until: Timestamp,
    /// The failure that opened it.
    pub(super) cause: SourceError,
    /// When a pull last failed.
    pub(super) failed_at: Timestamp,
}

/// What becomes of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Pass,
    /// It tries whether the source answers again.
    Try,
    /// Another one tries.
    Wait,
    Refused(Open),
}

/// What a failure says of the source.
enum Sign {
    /// It answered, though not what was wanted.
    Answers,
    /// Nothing: it was not asked.
    Nothing,
    Down,
    Auth,
    Throttled(Option<Duration>),
}

impl Breaker {
    pub(super) fn new(source: &SourceId, kpis: usize) -> Breaker {
        Breaker {
            source: source.clone(),
            kpis,
            open: None,
            trying: false,
            failures: 0,
            failed: BTreeSet::new(),
            openings: 0,
            failed_at: BTreeMap::new(),
        }
    }

    /// Whether a pull may be sent. One that tries must be ended, or given up.
    pub(super) fn admit(&mut self, now: Timestamp) -> Admission {
        match &self.open {
            None => Admission::Pass,
            Some(open) if open.until > now && open.until.duration_since(now) <= REMAINING_MAX => {
                Admission::Refused(open.clone())
            }
            Some(_) if self.trying => Admission::Wait,
            Some(_) => {
                self.trying = true;
                Admission::Try
            }
        }
    }

    /// The pull that tried ended without saying anything of the source.
    pub(super) fn give_up(&mut self) {
        self.trying = false;
    }

    /// A pull that was let through ended. True when that opened or closed it.
    pub(super) fn ended(&mut self, kpi: &KpiId, (tried, error): (bool, Option<&SourceError>), now: Timestamp) -> bool {
        self.trying &= !tried;
        match error.map_or(Sign::Answers, |error| sign(error.class)) {
            Sign::Nothing => false,
            Sign::Answers => {
                if error.is_none() {
                    self.failed_at.remove(kpi);
                }
                (self.failures, self.openings) = (0, 0);
                self.failed.clear();
                self.open.take().is_some()
            }
            sign @ (Sign::Down | Sign::Auth | Sign::Throttled(_)) => {
                self.failed_at.insert(kpi.clone(), now);
                let cause = error.expect("invariant: a success is an answer");
                self.fail(kpi, (sign, tried, cause), now)
            }
        }
    }

    fn fail(&mut self, kpi: &KpiId, (sign, tried, cause): (Sign, bool, &SourceError), now: Timestamp) -> bool {
        if let Some(open) = &mut self.open {
            open.failed_at = open.failed_at.max(now);
            // One that was under way when it opened is no news.
            if !tried {
                return false;
            }
        }
        self.failures = self.failures.saturating_add(1);
        self.failed.insert(kpi.clone());
        let several = self.failed.len() >= KPIS_TO_OPEN.min(self.kpis);
        let enough = match sign {
            // The other side speaks for all pulls.
            Sign::Throttled(_) => true,
            Sign::Auth => several,
            Sign::Down | Sign::Answers | Sign::Nothing => several && (tried || self.failures >= FAILURES_TO_OPEN),
        };
        if !enough {
            return false;
        }
        self.openings = self.openings.saturating_add(1);
        let span = match sign {
            Sign::Throttled(Some(after)) => SignedDuration::try_from(after.min(RETRY_AFTER_MAX)).unwrap_or(OPEN_MAX),
            Sign::Auth => self.spread(AUTH_OPEN_FIRST, AUTH_OPEN_MAX),
            Sign::Throttled(None) | Sign::Down | Sign::Answers | Sign::Nothing => self.spread(OPEN_FIRST, OPEN_MAX),
        };
        let until = now.checked_add(span).unwrap_or(now);
        self.open = Some(Open { until, cause: cause.clone(), failed_at: now });
        self.failures = 0;
        self.failed.clear();
        true
    }

    /// The doubled span of this opening within its bound, then spread: sources that died together are not asked
    /// together.
    fn spread(&self, first: SignedDuration, max: SignedDuration) -> SignedDuration {
        let doubled = first.saturating_mul(1 << self.openings.saturating_sub(1).min(16)).min(max);
        // The count stands first: what comes last moves only the low bits.
        let chance = Digest::of(format_args!("{} {}", self.openings, self.source)) >> 16;
        let width = u64::try_from(2 * JITTER_PERCENT + 1).unwrap_or(1);
        let percent = 100 - JITTER_PERCENT + i64::try_from(chance % width).unwrap_or(0);
        SignedDuration::from_millis(doubled.as_millis() as i64 / 100 * percent)
    }

    pub(super) fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }

    /// When a KPI last failed that has not succeeded since; such ones are asked last, the longest ago first.
    pub(super) fn failed_at(&self, kpi: &KpiId) -> Option<Timestamp> {
        self.failed_at.get(kpi).copied()
    }
}

fn sign(class: ErrorClass) -> Sign {
    match class {
        ErrorClass::Auth => Sign::Auth,
        ErrorClass::Throttled { after } => Sign::Throttled(after),
        ErrorClass::Transient | ErrorClass::Deadline => Sign::Down,
        ErrorClass::Quota { .. } => Sign::Nothing,
        ErrorClass::Config | ErrorClass::Unexpected | ErrorClass::TooLarge => Sign::Answers,
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
