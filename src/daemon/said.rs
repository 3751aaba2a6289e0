//! Failures that come again and again: said once while they stay the same, and so is their end.

use std::collections::BTreeMap;

use super::jobs::PullOutcome;
use crate::engine::SlotEvent;
use crate::model::ids::{KpiId, ReceiverId};

/// Failures that are remembered. Beyond, all are news again.
const REMEMBERED_MAX: usize = 10_000;

/// What was last said of everything that fails.
#[derive(Debug, Default)]
pub(super) struct Said {
    last: BTreeMap<String, String>,
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
    fn what_is_remembered_is_bounded() {
        let mut said = Said::default();
        for number in 0..3 * REMEMBERED_MAX {
            said.is_news(number.to_string(), "refused");
            assert!(said.last.len() <= REMEMBERED_MAX);
        }
    }
}
