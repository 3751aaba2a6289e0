//! The record that a slot leaves of what a rule found.

use jiff::Timestamp;

use super::setup::Setup;
use crate::assess::Assessment;
use crate::model::commit::EvaluateCommit;
use crate::model::evaluation::{EvaluationRecord, SERIES_MAX, SeriesVerdict, VerdictCounts};
use crate::model::ids::ObjectiveId;
use crate::model::kpi::Kpi;
use crate::model::verdict::Verdict;
use crate::rule::CompiledRule;

/// Longest reason that is kept.
const WHY_CHARS_MAX: usize = 300;

/// Gathers the verdicts of one rule in one slot.
pub(super) struct Log {
    is_kept: bool,
    counts: VerdictCounts,
    quiet: Vec<SeriesVerdict>,
    other: Vec<SeriesVerdict>,
}

impl Log {
    pub(super) fn of(is_kept: bool) -> Log {
        Log { is_kept, counts: VerdictCounts::default(), quiet: Vec::new(), other: Vec::new() }
    }

    pub(super) fn note(&mut self, assessment: &Assessment, objective: Option<&ObjectiveId>, verdict: &Verdict) {
        if !self.is_kept {
            return;
        }
        let counts = &mut self.counts;
        let (name, value, why) = match verdict {
            Verdict::Judged(finding) => match finding.level {
                Some(level) => {
                    counts.breach += 1;
                    (level.as_str(), finding.value, None)
                }
                None => {
                    counts.quiet += 1;
                    ("ok", finding.value, None)
                }
            },
            Verdict::Hold { reason } => {
                counts.held += 1;
                ("hold", None, Some(reason.key.clone()))
            }
            Verdict::NoData { missing, what } => {
                counts.no_data += 1;
                ("no_data", None, Some(format!("{what}: {}", missing.as_str())))
            }
            Verdict::Failed { cause } => {
                counts.failed += 1;
                ("failed", None, Some(cause.chars().take(WHY_CHARS_MAX).collect()))
            }
        };
        let kept = if name == "ok" { &mut self.quiet } else { &mut self.other };
        if kept.len() >= SERIES_MAX {
            return;
        }
        kept.push(SeriesVerdict {
            labels: assessment.labels.clone(),
            objective: objective.cloned(),
            bucket: assessment.current().ok().map(|point| point.index),
            verdict: name.to_owned(),
            value: value.filter(|value| value.is_finite()),
            why,
        });
    }

    pub(super) fn close(
        self,
        (setup, kpi, rule): (&Setup, &Kpi, &CompiledRule),
        (at, slot): (Timestamp, Timestamp),
        commit: &mut EvaluateCommit,
    ) {
        if !self.is_kept || self.counts.all() == 0 {
            return;
        }
        let mut series = self.other;
        let left = SERIES_MAX.saturating_sub(series.len());
        series.extend(self.quiet.into_iter().take(left));
        commit.evaluations.push(EvaluationRecord {
            rule: rule.def.id.clone(),
            kpi: kpi.id.clone(),
            slot,
            at,
            script: rule.digest.clone(),
            config: setup.catalog.checksum.chars().take(16).collect(),
            counts: self.counts,
            series,
        });
    }
}
