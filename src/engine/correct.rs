//! Revised buckets: verdicts that rest on them are given again, and corrected where they no longer hold.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::evaluate::{Round, Target};
use super::facts;
use super::moves::write;
use super::setup::{Binding, Setup};
use super::state::State;
use crate::model::alert::{AlertFacts, AlertKey, Aspect, Change, Correction, Phase, Stated};
use crate::model::commit::EvaluateCommit;
use crate::model::grain::BucketIndex;
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::objective::Objective;
use crate::model::verdict::Verdict;

/// Revised buckets: alerts that were judged on them are judged again, without counting; when a verdict
/// that was told no longer holds, a correction is due.
pub(super) fn correct(
    state: &mut State,
    setup: &Setup,
    kpi: &Arc<Kpi>,
    revised: &HashMap<Labels, Vec<BucketIndex>>,
    (before, now): (Timestamp, Timestamp),
    commit: &mut EvaluateCommit,
) {
    let round = Round::new(setup, kpi, (before, before));
    for binding in setup.bindings(&kpi.id) {
        for labels in binding.series(&kpi.id, &state.history) {
            if !revised.contains_key(&labels) {
                continue;
            }
            for objective in binding.objectives_of(&labels) {
                round.correct_one(state, binding, &labels, objective, (now, commit));
            }
        }
    }
}

impl Round<'_> {
    fn correct_one(
        &self,
        state: &mut State,
        binding: &Binding,
        labels: &Labels,
        objective: Option<Arc<Objective>>,
        (now, commit): (Timestamp, &mut EvaluateCommit),
    ) {
        let target = Target { rule: &binding.rule, labels, objective: objective.as_ref() };
        let assessment = self.assess(state, binding, labels, objective.clone());
        let key = AlertKey {
            subject: target.subject(&self.kpi.id),
            period: objective.as_ref().and(assessment.period().ok().map(|period| period.first)),
            aspect: Aspect::Breach,
        };
        let Some(mut alert) = state.book.get(&key).filter(|alert| alert.phase == Phase::Firing).cloned() else {
            return;
        };
        let run = self.setup.rules.run(&binding.rule, &assessment, self.others(state, &binding.rule, &assessment));
        let Verdict::Judged(finding) = run.verdict else { return };
        let floor = (!finding.recovered).then_some(finding.floor).flatten();
        let level = finding.level.or(floor);
        if level == alert.stated_level() {
            return;
        }
        let (old, new) = (alert.value, finding.value);
        // A rule without conditions watches no figure; its level has changed all the same.
        if old == new && old.is_some() {
            return;
        }
        let now_known = facts::of_finding(&assessment, finding, binding.rule.details(&run));
        // What the period came to can be compared only as of the same bucket.
        let as_of = |facts: &AlertFacts| facts.data.as_ref().and_then(|data| data.as_of);
        let was = alert.facts.as_deref().filter(|was| as_of(was) == as_of(&now_known));
        let actual = |facts: &AlertFacts| facts.objective.as_ref().and_then(|objective| objective.actual);
        let bucket = assessment.current().ok().map(|point| point.index);
        alert.correction = Some(Correction { old, new, bucket, actual: was.and_then(actual).zip(actual(&now_known)) });
        alert.facts = Some(Arc::new(now_known));
        alert.stated = (level != Some(alert.severity)).then_some(Stated { level });
        alert.value = new;
        alert.revision += 1;
        alert.slot = self.slot;
        let change = (Phase::Firing, Phase::Firing, Change::Corrected { old, new });
        commit.transitions.push(state.transition(&alert, change, now));
        write(state, alert, commit);
    }
}
