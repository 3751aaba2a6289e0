//! One word or two for each value of the domain's closed sets.

use crate::model::alert::{About, Aspect, PeriodOutcome, Phase};
use crate::model::assessment::Status;
use crate::model::notification::NotifyReason;
use crate::model::objective::Target;
use crate::model::suspect::Settled;
use crate::model::unit::{Category, Language};
use crate::model::verdict::Severity;

fn pick(lang: Language, fr: &'static str, en: &'static str) -> &'static str {
    match lang {
        Language::Fr => fr,
        Language::En => en,
    }
}

/// How an objective stands. Targets end as what they are: some are reached, others kept to or exceeded.
pub fn status(lang: Language, status: Status, target: Option<Target<()>>) -> &'static str {
    match status {
        Status::Ahead => pick(lang, "En avance", "Ahead"),
        Status::OnTrack => pick(lang, "En bonne voie", "On track"),
        Status::Watch => pick(lang, "À surveiller", "To watch"),
        Status::AtRisk => pick(lang, "À risque", "At risk"),
        Status::OffTrajectory => pick(lang, "Hors trajectoire", "Off trajectory"),
        Status::Reached => match target {
            Some(Target::AtMost(())) => pick(lang, "Limite respectée", "Limit kept"),
            Some(Target::AtLeast(()) | Target::Between((), ())) => pick(lang, "Objectif tenu", "Objective kept"),
            Some(Target::Reach(()) | Target::ReduceTo(())) | None => {
                pick(lang, "Objectif atteint", "Objective reached")
            }
        },
        Status::Missed => match target {
            Some(Target::AtMost(())) => pick(lang, "Limite dépassée", "Limit exceeded"),
            Some(Target::AtLeast(()) | Target::Between((), ())) => {
                pick(lang, "Objectif non tenu", "Objective not kept")
            }
            Some(Target::Reach(()) | Target::ReduceTo(())) | None => pick(lang, "Objectif manqué", "Objective missed"),
        },
        Status::TooEarly => pick(lang, "Trop tôt pour conclure", "Too early to tell"),
        Status::InsufficientData => pick(lang, "Données insuffisantes", "Insufficient data"),
        Status::StaleData => pick(lang, "Données périmées, évaluation gelée", "Stale data, evaluation frozen"),
    }
}

pub fn severity(lang: Language, severity: Severity) -> &'static str {
    match severity {
        Severity::Info => pick(lang, "Information", "Information"),
        Severity::Warning => pick(lang, "Avertissement", "Warning"),
        Severity::Critical => pick(lang, "Critique", "Critical"),
    }
}

pub fn phase(lang: Language, phase: Phase) -> &'static str {
    match phase {
        Phase::Inactive => pick(lang, "Inactive", "Inactive"),
        Phase::Pending => pick(lang, "En attente de confirmation", "Pending"),
        Phase::Firing => pick(lang, "En cours", "Firing"),
        Phase::Resolved => pick(lang, "Rétabli", "Resolved"),
    }
}

/// Why somebody is told something.
pub fn reason(lang: Language, reason: NotifyReason) -> &'static str {
    match reason {
        NotifyReason::First => pick(lang, "Nouvelle alerte", "New alert"),
        NotifyReason::Updated => pick(lang, "Mise à jour", "Update"),
        NotifyReason::Escalated => pick(lang, "Aggravation", "Escalation"),
        NotifyReason::Deescalated => pick(lang, "Amélioration", "Improvement"),
        NotifyReason::Reminder => pick(lang, "Rappel", "Reminder"),
        NotifyReason::Resolved => pick(lang, "Rétabli", "Resolved"),
        NotifyReason::Correction => pick(lang, "Correction", "Correction"),
        NotifyReason::Test => pick(lang, "Essai", "Drill"),
    }
}

pub fn category(lang: Language, category: Category) -> &'static str {
    match category {
        Category::Financial => pick(lang, "Finance", "Financial"),
        Category::Operational => pick(lang, "Opérations", "Operational"),
        Category::Customer => pick(lang, "Clients", "Customer"),
    }
}

/// How a period ended for its objective.
pub fn outcome(lang: Language, outcome: PeriodOutcome, target: Option<Target<()>>) -> String {
    match outcome {
        PeriodOutcome::Reached => status(lang, Status::Reached, target).to_lowercase(),
        PeriodOutcome::Missed => status(lang, Status::Missed, target).to_lowercase(),
        PeriodOutcome::ToBeConfirmed => pick(lang, "résultat à confirmer", "outcome to be confirmed").to_owned(),
    }
}

/// How a suspect value ended.
pub fn settled(lang: Language, how: Settled) -> &'static str {
    match how {
        Settled::Accepted => pick(lang, "Valeur acceptée", "Value accepted"),
        Settled::Corrected { .. } => pick(lang, "Valeur corrigée", "Value corrected"),
        Settled::Rejected => pick(lang, "Valeur rejetée", "Value rejected"),
        Settled::Confirmed => {
            pick(lang, "Confirmée par les valeurs suivantes", "Confirmed by the values that followed")
        }
        Settled::Withdrawn => pick(lang, "La source a rectifié la valeur", "The source put the value right"),
        Settled::Agreed => pick(lang, "Les deux sources concordent de nouveau", "Both sources say the same again"),
    }
}

/// The kind of trouble.
pub fn aspect(lang: Language, aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Breach => pick(lang, "Dépassement", "Breach"),
        Aspect::NoData => pick(lang, "Données absentes", "No data"),
        Aspect::Failed => pick(lang, "Règle en échec", "Rule failed"),
        Aspect::Outage => pick(lang, "Source en panne", "Source outage"),
        Aspect::System => pick(lang, "Problème du service", "Service trouble"),
        Aspect::Suspect => pick(lang, "Valeur suspecte", "Suspect value"),
    }
}

pub fn about(lang: Language, about: About) -> &'static str {
    match about {
        About::Objective => pick(lang, "Objectifs", "Objectives"),
        About::Data => pick(lang, "Données", "Data"),
        About::System => pick(lang, "Service", "Service"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_their_words() {
        assert_eq!(status(Language::Fr, Status::OffTrajectory, None), "Hors trajectoire");
        assert_eq!(status(Language::En, Status::OffTrajectory, None), "Off trajectory");
        assert_eq!(severity(Language::Fr, Severity::Critical), "Critique");
        assert_eq!(phase(Language::Fr, Phase::Resolved), "Rétabli");
        assert_eq!(reason(Language::Fr, NotifyReason::Escalated), "Aggravation");
        assert_eq!(category(Language::En, Category::Customer), "Customer");
        assert_eq!(outcome(Language::Fr, PeriodOutcome::Missed, None), "objectif manqué");
        assert_eq!(aspect(Language::En, Aspect::Outage), "Source outage");
        assert_eq!(about(Language::Fr, About::Data), "Données");
    }

    #[test]
    fn every_target_ends_as_what_it_is() {
        let check = |target: Target<()>, reached: [&str; 2], missed: [&str; 2]| {
            let said = |how| [Language::Fr, Language::En].map(|lang| outcome(lang, how, Some(target)));
            assert_eq!(said(PeriodOutcome::Reached), reached, "{target:?}");
            assert_eq!(said(PeriodOutcome::Missed), missed, "{target:?}");
        };
        let (reached, missed) = (["objectif atteint", "objective reached"], ["objectif manqué", "objective missed"]);
        check(Target::Reach(()), reached, missed);
        check(Target::ReduceTo(()), reached, missed);
        check(Target::AtMost(()), ["limite respectée", "limit kept"], ["limite dépassée", "limit exceeded"]);
        let (kept, lost) = (["objectif tenu", "objective kept"], ["objectif non tenu", "objective not kept"]);
        check(Target::AtLeast(()), kept, lost);
        check(Target::Between((), ()), kept, lost);
    }
}
