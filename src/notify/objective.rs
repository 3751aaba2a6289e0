//! What a message says and shows of an objective.

use super::section::Writer;
use crate::locale::{
    Sign, Text, basis, chance_told, days_late, landing, percent, period, picture, rate_label, said,
    target as target_words,
};
use crate::model::alert::{Aspect, Phase};
use crate::model::assessment::ObjectiveFacts;
use crate::model::course::Fan;
use crate::model::notification::Picture;
use crate::model::text::{Figure, Said};

/// Figures of a landing as texts of rules name them.
const ESTIMATES: [&str; 3] = ["objective.projected", "objective.low", "objective.high"];

impl Writer<'_> {
    pub(super) fn objective_facts(&self, objective: &ObjectiveFacts, add: &mut impl FnMut(Text, String)) {
        let target = objective.target;
        let rate = |value: f64| {
            format!("{} {}", self.amount(target.rate_rounded(value, self.unit())), self.word(Text::PerWorkingDay))
        };
        if let Some(actual) = objective.actual {
            add(Text::Actual, self.amount(actual));
        }
        if let Some(expected) = objective.expected {
            add(Text::Expected, self.amount(expected));
        }
        add(Text::Target, target_words(self.language, target, self.unit()));
        if let Some(drift) = objective.drift {
            let ratio =
                objective.drift_ratio.map(|ratio| format!(" ({})", percent(self.language, ratio, Sign::Always)));
            add(Text::Drift, format!("{}{}", self.difference(drift), ratio.unwrap_or_default()));
        }
        if let Some(days) = objective.drift_days {
            add(Text::DriftDays, days_late(self.language, days));
        }
        if let Some(fan) = objective.landing() {
            add(Text::Landing, landing(self.language, fan, self.unit()));
        } else if let Some(projected) = objective.projected {
            add(Text::Landing, self.amount(projected));
        }
        if let Some((label, chance)) = chance_told(self.language, objective) {
            add(label, chance);
        }
        if let Some(required) = objective.required_rate.filter(|_| self.alert.phase == Phase::Firing) {
            add(rate_label(target, objective.measure, self.unit()), rate(required));
        }
        if let Some(current) = objective.current_rate.filter(|_| self.alert.phase == Phase::Firing) {
            add(Text::CurrentRate, rate(current));
        }
        if let Some(left) = objective.working_days_left.filter(|_| self.alert.phase == Phase::Firing) {
            add(Text::WorkingDaysLeft, left.to_string());
        }
        add(Text::Period, period(self.language, objective.period_start, objective.period_end));
        if let Some(found) = objective.basis {
            add(Text::Trajectory, basis(self.language, found));
        }
    }

    /// The picture of the period, where the alert is about an objective.
    pub(super) fn picture(&self) -> Option<Picture> {
        let facts = self.facts.filter(|_| self.alert.key.aspect == Aspect::Breach)?;
        let (objective, course) = (facts.objective.as_ref()?, facts.course.clone()?);
        Some(picture(self.language, &self.title(), objective, self.unit(), course))
    }

    /// A rule's text; of a landing it has the digits that the facts below it have.
    pub(super) fn said(&self, words: &Said) -> Option<String> {
        let fan = self.facts.and_then(|facts| facts.objective.as_ref()?.landing());
        let Some(round) = fan.and_then(Fan::rounding) else { return said(words, self.language) };
        let mut words = words.clone();
        for name in ESTIMATES {
            if let Some(Figure::Quantity(value, _)) = words.figures.get_mut(name) {
                *value = round(*value);
            }
        }
        said(&words, self.language)
    }
}
