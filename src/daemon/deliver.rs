//! Sending: the attempt's start is on disk before a byte leaves, its outcome after; the one place
//! that decides whether and when a delivery is tried again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::cycle::{Cycle, CycleError};
use super::said::Said;
use crate::channel::Channel;
use crate::clock::{Clock, to_milliseconds};
use crate::engine::{DeliveryReport, Event, State};
use crate::model::alert::{About, Phase, Subject};
use crate::model::ids::ReceiverId;
use crate::model::notification::{AttemptOutcome, Delivery};
use crate::store::NextStep;

/// Sends of one receiver under way at once.
const PER_RECEIVER_MAX: usize = 4;
/// Sends under way at once.
const SENDS_MAX: usize = 32;
/// Total time of one attempt.
const SEND_DEADLINE: Duration = Duration::from_secs(30);
const BACKOFF_BASE: SignedDuration = SignedDuration::from_secs(5);
const BACKOFF_CAP: SignedDuration = SignedDuration::from_mins(30);
/// A provider may ask for patience, not for ever.
const AFTER_CAP: SignedDuration = SignedDuration::from_hours(1);
/// A delivery that could not be made for this long is dead: visible, and can be sent again.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(24 * 3);

/// Guarantees broken on purpose, to show that the crash checker notices.
#[cfg(feature = "seeded-bugs")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryBug {
    SentBeforeSend,
    EndDropped,
}

#[cfg(feature = "seeded-bugs")]
impl DeliveryBug {
    /// The switch of the test build: `VIGIE_SEEDED_BUG`.
    pub fn from_environment() -> Option<DeliveryBug> {
        match chosen_bug().as_deref() {
            Some("sent-before-send") => Some(DeliveryBug::SentBeforeSend),
            Some("end-dropped") => Some(DeliveryBug::EndDropped),
            _ => None,
        }
    }
}

/// The store's share of the same switch.
#[cfg(feature = "seeded-bugs")]
pub(super) fn store_bug() -> Option<crate::store::SeededBug> {
    match chosen_bug().as_deref() {
        Some("two-transactions") => Some(crate::store::SeededBug::TwoTransactions),
        Some("no-attempt-record") => Some(crate::store::SeededBug::NoAttemptRecord),
        _ => None,
    }
}

#[cfg(feature = "seeded-bugs")]
#[expect(clippy::disallowed_methods, reason = "a switch of the test build only")]
fn chosen_bug() -> Option<String> {
    std::env::var("VIGIE_SEEDED_BUG").ok()
}

/// One attempt, begun on disk and ready to go.
#[derive(Debug)]
pub struct Send {
    pub delivery: Delivery,
    pub attempt: i64,
    channel: Arc<Channel>,
}

/// An attempt that ended.
#[derive(Debug)]
pub struct SendOutcome {
    pub send: Send,
    pub outcome: AttemptOutcome,
    pub at: Timestamp,
}

impl Send {
    pub async fn run(self, clock: &Clock) -> SendOutcome {
        let number = self.delivery.attempts + 1;
        let outcome = self.channel.send(&self.delivery.new, number, clock.now(), SEND_DEADLINE).await;
        SendOutcome { at: to_milliseconds(clock.now()), outcome, send: self }
    }

    pub fn channel_kind(&self) -> &'static str {
        self.channel.kind()
    }
}

impl Cycle {
    /// Attempts that are due, their start committed. They count as under way until [`Cycle::sent`].
    pub async fn due_sends(&mut self, now: Timestamp) -> Result<Vec<Send>, CycleError> {
        let mut sends = Vec::new();
        if self.sending.len() >= SENDS_MAX || self.sending_is_stopped() || self.withheld {
            return Ok(sends);
        }
        let mut full = None;
        for delivery in self.store.due(now, 256).await? {
            let receiver = delivery.new.receiver.clone();
            if self.sending.contains_key(&delivery.id) || self.is_busy(&receiver) || self.sending.len() >= SENDS_MAX {
                continue;
            }
            let Some(channel) = self.channel_of(&receiver, &delivery.new.recipient) else {
                let why = "its receiver or recipient is no longer in the configuration";
                match self.store.cancel(delivery.id, why).await {
                    Ok(()) => {
                        tracing::warn!(delivery = delivery.id, receiver = %receiver, "delivery cancelled: {why}");
                    }
                    // Others may still go out; this one is looked at again.
                    Err(error) if error.may_pass() => full = Some(error),
                    Err(error) => return Err(error.into()),
                }
                continue;
            };
            let attempt = match self.store.begin_attempt(delivery.id, now).await {
                Ok(attempt) => {
                    self.sending_goes_on();
                    attempt
                }
                Err(error) if error.may_pass() => {
                    self.stop_sending(&error);
                    return Ok(sends);
                }
                Err(error) => return Err(error.into()),
            };
            #[cfg(feature = "seeded-bugs")]
            if self.bug == Some(DeliveryBug::SentBeforeSend) {
                let sent = AttemptOutcome::Sent { detail: "seeded bug".to_owned() };
                self.store.finish_attempt(attempt, &sent, now, NextStep::Sent).await?;
            }
            self.sending.insert(delivery.id, receiver);
            sends.push(Send { delivery, attempt, channel });
        }
        if let Some(error) = full {
            self.stop_sending(&error);
        }
        Ok(sends)
    }

    /// Records what became of an attempt; a delivery that is dead is told to ops.
    pub async fn sent(&mut self, done: SendOutcome) -> Result<(), CycleError> {
        log(
            &mut self.said,
            &done.send.delivery,
            &done.outcome,
            &next_step(&done.send.delivery, &done.outcome, done.at),
        );
        self.record(done).await
    }

    /// [`Cycle::sent`] without its word in the log: a full disk or a lock makes it happen again.
    pub(super) async fn record(&mut self, done: SendOutcome) -> Result<(), CycleError> {
        let delivery = &done.send.delivery;
        let next = next_step(delivery, &done.outcome, done.at);
        let dead = match &next {
            NextStep::Dead(why) => Some(why.clone()),
            NextStep::Sent | NextStep::RetryAt(_) => None,
        };
        match self.store.finish_attempt(done.send.attempt, &done.outcome, done.at, next).await {
            Ok(()) => {}
            Err(error) if error.may_pass() => {
                self.hold_outcome(done, &error);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.sending.remove(&delivery.id);
        let receiver = delivery.new.receiver.clone();
        let was_dead = Subject::Receiver(receiver.clone());
        let known = self.engine.with(move |state, _| !state.book.of(&was_dead).is_empty()).await;
        let went_through = matches!(done.outcome, AttemptOutcome::Sent { .. });
        // One recipient that is reached says nothing of another that was not.
        let all_reached = known && went_through && !self.is_undelivered(&receiver).await?;
        if dead.is_some() || all_reached {
            let report = DeliveryReport { receiver, about: delivery.new.message.about, dead };
            if self.is_held() {
                self.hold_report(report);
                return Ok(());
            }
            self.event(Event::DeliveryEnded(report), done.at).await?;
            self.wake(done.at).await?;
        }
        Ok(())
    }

    async fn is_undelivered(&self, receiver: &ReceiverId) -> Result<bool, CycleError> {
        Ok(self.store.undelivered().await?.iter().any(|(dead, _)| dead == receiver))
    }

    /// When the next delivery is due that can then be begun; none while sending is stopped or nobody has a free place,
    /// which the end of an attempt, or space, changes.
    pub async fn next_delivery(&self) -> Result<Option<Timestamp>, CycleError> {
        if self.sending_is_stopped() || self.withheld || self.sending.len() >= SENDS_MAX {
            return Ok(None);
        }
        let under_way: BTreeSet<&ReceiverId> = self.sending.values().collect();
        let busy: Vec<ReceiverId> = under_way.into_iter().filter(|receiver| self.is_busy(receiver)).cloned().collect();
        Ok(self.store.next_due(&busy).await?)
    }

    fn is_busy(&self, receiver: &ReceiverId) -> bool {
        self.sending.values().filter(|other| *other == receiver).count() >= PER_RECEIVER_MAX
    }

    /// A stop between the death of a delivery and its evaluation leaves nobody told of it: the alerts that are missing
    /// are opened.
    pub(super) async fn tell_of_the_dead(&mut self, now: Timestamp) -> Result<(), CycleError> {
        for (receiver, cause) in self.store.undelivered().await? {
            if !self.built.setup.catalog.receivers.contains_key(&receiver) {
                continue;
            }
            let subject = Subject::Receiver(receiver.clone());
            let live = move |state: &State| state.book.of(&subject).iter().any(|alert| alert.phase == Phase::Firing);
            if self.engine.with(move |state, _| live(state)).await {
                continue;
            }
            let report = DeliveryReport { receiver, about: About::Data, dead: Some(cause) };
            if self.is_held() {
                self.hold_report(report);
            } else {
                self.event(Event::DeliveryEnded(report), now).await?;
            }
        }
        Ok(())
    }

    fn channel_of(&self, receiver: &ReceiverId, recipient: &str) -> Option<Arc<Channel>> {
        let recipients = &self.built.setup.catalog.receivers.get(receiver)?.recipients;
        let position = recipients.iter().position(|known| known.name == recipient)?;
        let channel = *self.built.recipient_channels.get(receiver)?.get(position)?;
        self.built.channels.get(receiver)?.get(channel).cloned()
    }
}

/// What follows an attempt.
fn next_step(delivery: &Delivery, outcome: &AttemptOutcome, now: Timestamp) -> NextStep {
    let since = delivery.requeued_at.unwrap_or(delivery.new.created_at);
    let too_old = now.duration_since(since) > GIVE_UP_AFTER;
    match outcome {
        AttemptOutcome::Sent { .. } => NextStep::Sent,
        AttemptOutcome::Permanent { cause } => NextStep::Dead(cause.clone()),
        AttemptOutcome::Retry { cause, .. } | AttemptOutcome::Ambiguous { cause } if too_old => {
            NextStep::Dead(format!("given up after 3 days, last: {cause}"))
        }
        AttemptOutcome::Retry { after, .. } => {
            let wait = backoff(delivery).max(after.unwrap_or(SignedDuration::ZERO).min(AFTER_CAP));
            NextStep::RetryAt(now.checked_add(wait).unwrap_or(now))
        }
        AttemptOutcome::Ambiguous { .. } => NextStep::RetryAt(now.checked_add(backoff(delivery)).unwrap_or(now)),
    }
}

/// Doubles with each attempt up to a cap, spread by up to a quarter so that many don't return at once.
fn backoff(delivery: &Delivery) -> SignedDuration {
    let doubled = BACKOFF_BASE.saturating_mul(1 << delivery.tries.min(10)).min(BACKOFF_CAP);
    let seed = delivery.id.cast_unsigned().wrapping_mul(31).wrapping_add(u64::from(delivery.attempts));
    let spread = fastrand::Rng::with_seed(seed).i64(0..=doubled.as_millis() as i64 / 4);
    doubled + SignedDuration::from_millis(spread)
}

fn log(said: &mut Said, delivery: &Delivery, outcome: &AttemptOutcome, next: &NextStep) {
    let (id, receiver, recipient) = (delivery.id, &delivery.new.receiver, &delivery.new.recipient);
    match (outcome, next) {
        (AttemptOutcome::Sent { .. }, _) => {
            said.sent(receiver, recipient);
            tracing::info!(delivery = id, %receiver, recipient, subject = delivery.new.message.subject, "sent");
        }
        (_, NextStep::Dead(cause)) => {
            tracing::error!(delivery = id, %receiver, recipient, cause, "delivery is dead; `vigie deliveries resend {id}` queues it again");
        }
        (
            AttemptOutcome::Retry { cause, .. }
            | AttemptOutcome::Ambiguous { cause }
            | AttemptOutcome::Permanent { cause },
            _,
        ) => {
            let attempts = delivery.attempts + 1;
            if said.is_news_of(receiver, recipient, cause) {
                tracing::warn!(delivery = id, %receiver, recipient, cause, attempts, "not sent, will be tried again");
            } else {
                tracing::debug!(delivery = id, %receiver, recipient, cause, attempts, "again not sent");
            }
        }
    }
}
