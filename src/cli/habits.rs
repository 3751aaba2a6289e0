//! How rules have been doing: verdicts that are always the same, failures, and what people said of their alerts.

use serde_json::json;

use super::output::{Out, Table, clean, counted, moment};
use crate::locale::{Sign, percent};
use crate::model::catalog::Catalog;
use crate::model::evaluation::{Feedback, Habit, Judgement, RuleHabit, VerdictCounts};
use crate::model::ids::RuleId;
use crate::model::unit::Language;

/// One rule of the configuration, with what is known of it.
pub(super) struct RuleStanding {
    id: RuleId,
    shadow: bool,
    habit: Option<RuleHabit>,
    useful: u64,
    false_positives: u64,
}

pub(super) fn standings(catalog: &Catalog, habits: Vec<RuleHabit>, feedback: &[Feedback]) -> Vec<RuleStanding> {
    let said = |id: &RuleId, judgement| {
        // Of missing data a rule is no judge.
        let is_own = |said: &&Feedback| said.rule == *id && said.identity.ends_with("#breach");
        feedback.iter().filter(is_own).filter(|said| said.judgement == judgement).count() as u64
    };
    let mut habits: std::collections::HashMap<RuleId, RuleHabit> =
        habits.into_iter().map(|habit| (habit.rule.clone(), habit)).collect();
    let of = |(id, def): (&RuleId, &std::sync::Arc<crate::model::rule::RuleDef>)| RuleStanding {
        id: id.clone(),
        shadow: def.shadow,
        habit: habits.remove(id),
        useful: said(id, Judgement::Useful),
        false_positives: said(id, Judgement::FalsePositive),
    };
    catalog.rules.iter().map(of).collect()
}

impl RuleStanding {
    /// Share of the judged alerts that were right.
    fn precision(&self) -> Option<f64> {
        let judged = self.useful + self.false_positives;
        (judged > 0).then(|| self.useful as f64 / judged as f64)
    }

    pub(super) fn record(&self, out: &mut Out) -> anyhow::Result<()> {
        let habit = self.habit.as_ref();
        let counts = habit.map(|habit| habit.counts);
        Ok(out.record(&json!({
            "type": "rule", "rule": self.id, "shadow": self.shadow, "since": habit.map(|habit| habit.since),
            "slots": habit.map_or(0, |habit| habit.slots), "verdicts": counts.map(VerdictCounts::all),
            "quiet": counts.map(|counts| counts.quiet), "breach": counts.map(|counts| counts.breach),
            "held": counts.map(|counts| counts.held), "no_data": counts.map(|counts| counts.no_data),
            "failed": counts.map(|counts| counts.failed),
            "habit": habit.and_then(RuleHabit::habit).map(Habit::as_str),
            "failure": habit.and_then(|habit| habit.failure.as_ref()),
            "useful": self.useful, "false_positives": self.false_positives, "precision": self.precision(),
        }))?)
    }

    /// What is worth a line, if anything is.
    fn note(&self, catalog: &Catalog) -> Option<String> {
        let mut parts = Vec::new();
        if let Some((habit, kind)) = self.habit.as_ref().and_then(|habit| Some((habit, habit.habit()?))) {
            let slots = counted(usize::try_from(habit.slots).unwrap_or(usize::MAX), "slot");
            let since = moment(habit.since, &catalog.zone);
            parts.push(match kind {
                Habit::Fails => {
                    let why = habit.failure.as_deref().map(|why| format!(": {}", clean(why))).unwrap_or_default();
                    format!("fails{why}")
                }
                Habit::NeverInBreach => format!("never in breach in {slots} since {since}"),
                Habit::AlwaysInBreach => format!("always in breach in {slots} since {since}"),
                Habit::AlwaysHolds => format!("always holds, in {slots} since {since}"),
                Habit::NeverHasData => format!("never had data in {slots} since {since}"),
            });
        }
        if self.shadow {
            parts.push("in shadow, nobody is told".to_owned());
        }
        if let Some(precision) = self.precision() {
            let share = percent(Language::En, precision, Sign::Negative);
            parts.push(format!(
                "{share} of its judged alerts were right ({} useful, {} false)",
                self.useful, self.false_positives
            ));
        }
        (!parts.is_empty()).then(|| parts.join(" \u{b7} "))
    }
}

/// Rules of which there is something to say.
pub(super) fn table(rules: &[RuleStanding], catalog: &Catalog) -> Option<Table> {
    let mut table = Table::new(&["RULE", "WORTH A LOOK"]);
    let mut is_empty = true;
    for (rule, note) in rules.iter().filter_map(|rule| Some((rule, rule.note(catalog)?))) {
        table.row([rule.id.to_string(), note]);
        is_empty = false;
    }
    (!is_empty).then_some(table)
}
