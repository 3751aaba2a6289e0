//! Failures that come again and again: said once while they stay the same, and so is their end.

use std::collections::BTreeMap;

use super::jobs::PullOutcome;
use crate::engine::SlotEvent;
use crate::model::ids::{KpiId, ReceiverId};

/// Failures that are remembered. Beyond, all are news again.
const REMEMBERED_MAX: usize = 10_000;

/// Four times what begins the log anew by itself; a large commit may pass it, though not for long.
const LOG_LONG_BYTES: u64 = 16 << 20;
const LOG_LONG_LOOKS: u32 = 5;

/// What was last said of everything that fails.
#[derive(Debug, Default)]
pub(super) struct Said {
    last: BTreeMap<String, String>,
    /// Looks at which the log of the state was long, one after the other.
    log_long_for: u32,
}

impl Said {
    /// True when something else, or nothing, was last said of it.
    fn is_news(&mut self, of: String, text: &str) -> bool {
        if self.last.get(&of).is_some_and(|last| last == text) {
            return false;
        }
        if self.last.len() >= REMEMBERED_MAX {
            self.last.clear();
        }
        self.last.insert(of, text.to_owned());
        true
    }

    /// True when something was said of it.
    fn is_over(&mut self, of: &str) -> bool {
        self.last.remove(of).is_some()
    }

    /// How a pull ended.
    pub(super) fn pull(&mut self, outcome: &PullOutcome) {
        let PullOutcome { job, result, refusal, .. } = outcome;
        let (kpi, source) = (&job.kpi.id, &job.kpi.source);
        let of = format!("pull {kpi}");
        match result {
            // Why was said once, of the source.
            Some(Err(error)) if refusal.is_some() => tracing::debug!(%kpi, %source, %error, "pull not sent"),
            Some(Err(error)) if self.is_news(of.clone(), &error.to_string()) => {
                tracing::warn!(%kpi, %source, %error, "pull failed");
            }
            Some(Err(error)) => tracing::debug!(%kpi, %source, %error, "pull failed again"),
            Some(Ok(_)) if self.is_over(&of) => tracing::info!(%kpi, %source, "pulled again"),
            Some(Ok(_)) | None => {}
        }
    }

    /// Readings that were refused: those of the last pull refused again are no news.
    pub(super) fn refused(&mut self, kpi: &KpiId, event: &SlotEvent) {
        let Some(pull) = event.pull.as_ref().filter(|pull| !pull.nothing_asked && pull.trouble.is_none()) else {
            return;
        };
        let (of, rejected) = (format!("readings {kpi}"), pull.rejections.len());
        match pull.rejections.first() {
            Some(first) => {
                if self.is_news(of, &format!("{rejected} {first:?}")) {
                    tracing::warn!(%kpi, rejected, cause = first.cause, "readings were refused; `vigie status` shows them");
                }
            }
            None => drop(self.is_over(&of)),
        }
    }

    /// The log of the state, looked at once a second: one that stays long is held by a reader.
    pub(super) fn log(&mut self, bytes: u64) {
        self.log_long_for = if bytes > LOG_LONG_BYTES { self.log_long_for + 1 } else { 0 };
        let of = "log".to_owned();
        if self.log_long_for == 0 {
            if self.is_over(&of) {
                tracing::info!(bytes, "the state's write-ahead log begins anew");
            }
        } else if self.log_long_for > LOG_LONG_LOOKS && self.is_news(of, "") {
            tracing::warn!(
                bytes,
                "the state's write-ahead log grows: a program that reads the state does not let go of it; end that program"
            );
        }
    }

    /// Whether it is news why a receiver's recipient does not get its messages.
    pub(super) fn is_news_of(&mut self, receiver: &ReceiverId, recipient: &str, cause: &str) -> bool {
        self.is_news(format!("send {receiver} {recipient}"), cause)
    }

    pub(super) fn sent(&mut self, receiver: &ReceiverId, recipient: &str) {
        self.is_over(&format!("send {receiver} {recipient}"));
    }
}

#[cfg(test)]
mod tests {
    use super::{REMEMBERED_MAX, Said};

    #[test]
    fn a_failure_is_news_once_until_it_changes_or_ends() {
        let mut said = Said::default();
        let mut news = |text: &str| said.is_news("pull a".to_owned(), text);
        assert_eq!([news("refused"), news("refused"), news("slow"), news("refused")], [true, false, true, true]);
        assert!(said.is_news("pull b".to_owned(), "refused"));
        assert_eq!([said.is_over("pull a"), said.is_over("pull a")], [true, false]);
        assert!(said.is_news("pull a".to_owned(), "refused"));
    }

    #[test]
    fn a_log_that_stays_long_is_told_once() {
        let mut said = Said::default();
        let mut told_after = |bytes: u64, looks: u32| {
            for _ in 0..looks {
                said.log(bytes);
            }
            said.last.contains_key("log")
        };
        assert!(!told_after(17 << 20, 5), "a large commit");
        assert!(!told_after(4 << 20, 1));
        assert!(!told_after(17 << 20, 5));
        assert!(told_after(17 << 20, 1));
        assert!(!told_after(4 << 20, 1), "over");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut said = Said::default();
        for number in 0..3 * REMEMBERED_MAX {
            said.is_news(number.to_string(), "refused");
            assert!(said.last.len() <= REMEMBERED_MAX);
        }
    }
}
