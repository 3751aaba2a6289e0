//! Every fixed word of a message, in both languages.
//!
//! A new text is one line in the table; the compiler and a test see to it that both languages are there.

use crate::model::unit::Language;

macro_rules! texts {
    ($($name:ident: $fr:literal, $en:literal;)+) => {
        /// A fixed text; its words come from [`text`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Text {
            $($name,)+
        }

        impl Text {
            pub const ALL: &[Text] = &[$(Text::$name),+];
        }

        /// The words of a text in that language.
        pub fn text(lang: Language, text: Text) -> &'static str {
            match (text, lang) {
                $((Text::$name, Language::Fr) => $fr,
                (Text::$name, Language::En) => $en,)+
            }
        }
    };
}

texts! {
    // Words in place of a figure.
    Unavailable: "indisponible", "unavailable";
    OnSchedule: "au rythme prévu", "on schedule";
    // Labels of facts.
    Actual: "Réalisé", "Actual";
    Expected: "Attendu à date", "Expected to date";
    Target: "Cible", "Target";
    ExpectedCourse: "Attendu", "Expected";
    Today: "aujourd'hui", "today";
    UpTo: "à", "to";
    Drift: "Écart", "Drift";
    DriftDays: "Avance ou retard", "Ahead or late";
    Landing: "Atterrissage", "Landing";
    ChanceToReach: "Probabilité d'atteindre la cible", "Probability of reaching the target";
    ChanceToKeep: "Probabilité de tenir la cible", "Probability of keeping to the target";
    Trajectory: "Trajectoire", "Trajectory";
    RequiredRate: "Rythme requis", "Required rate";
    LeftToSpend: "Reste à dépenser", "Left to spend";
    LeftToUse: "Reste permis", "Left to use";
    CurrentRate: "Rythme actuel", "Current rate";
    PerWorkingDay: "par jour ouvré", "per working day";
    WorkingDaysLeft: "Jours ouvrés restants", "Working days left";
    Period: "Période", "Period";
    Since: "Depuis", "Since";
    Completeness: "Complétude", "Completeness";
    DataAsOf: "Données au", "Data as of";
    Source: "Source", "Source";
    Provisional: "provisoire", "provisional";
    Final: "définitif", "final";
    Value: "Valeur", "Value";
    Threshold: "Seuil", "Threshold";
    State: "État", "State";
    Owner: "Responsable", "Owner";
    Objective: "Objectif", "Objective";
    Kpi: "Indicateur", "Indicator";
    Category: "Catégorie", "Category";
    Cause: "Cause", "Cause";
    OldValue: "Ancienne valeur", "Old value";
    NewValue: "Nouvelle valeur", "New value";
    FiredAt: "Déclenchée le", "Fired at";
    ResolvedAt: "Rétablie le", "Resolved at";
    SettledAt: "Tranchée le", "Settled at";
    Duration: "Durée", "Duration";
    // Headings and footings of a message.
    Comparisons: "Comparaisons", "Comparisons";
    Suggestions: "Ajustements proposés", "Suggested adjustments";
    Data: "Données", "Data";
    Why: "Pourquoi vous recevez ce message", "Why you receive this message";
    Rule: "règle", "rule";
    Receiver: "destinataire", "receiver";
    Route: "route", "route";
    Acknowledge: "Pour prendre en charge :", "To acknowledge:";
    EnterFigure: "Saisir la valeur :", "Enter the figure:";
    FigurePlaceholder: "VALEUR", "VALUE";
    AcknowledgedBy: "Pris en charge par", "Acknowledged by";
    SnoozedUntil: "En sommeil jusqu'au", "Snoozed until";
    Alert: "Alerte", "Alert";
    Alerts: "alertes", "alerts";
    MoreAlerts: "autres alertes, voir `vigie alerts`", "more alerts, see `vigie alerts`";
    MoreDetails: "autres détails, voir `vigie alerts`", "more details, see `vigie alerts`";
    By: "d'ici le", "by";
    SentAt: "Envoyé le", "Sent";
    // What happened.
    Recovered: "Rétabli", "Recovered";
    Corrected: "Valeur corrigée", "Corrected value";
    CorrectedFrom: "au lieu de", "instead of";
    NoBreach: "Plus de dépassement", "No breach any more";
    NoBreachAnyMore:
        "Ce n'est plus un dépassement ; l'alerte se termine avec la prochaine valeur qui le confirme.",
        "It is no breach any more; the alert ends with the next value that bears it out.";
    Reminder: "Rappel", "Reminder";
    Drill: "Ceci est un essai, aucune action n'est attendue", "This is a drill, nothing needs to be done";
    PeriodEnded: "Période terminée", "Period ended";
    SourceOutage: "Source en panne", "Source outage";
    NoData: "Données absentes", "No data";
    RuleFailed: "Règle en échec", "Rule failed";
    DeliveryDead: "Message impossible à remettre", "Message can't be delivered";
    ServiceTrouble: "Problème du service", "Service trouble";
    SourceRecovered: "Source rétablie", "Source recovered";
    DataRecovered: "Données de retour", "Data is back";
    RuleRecovered: "Règle de nouveau évaluée", "Rule evaluated again";
    ToldOnce: "Les indicateurs de cette source ne donnent pas d'alerte séparée", "The indicators of this source raise no alert of their own";
    FiguresFrozen: "Les alertes en cours gardent leur état", "Alerts under way keep their state";
    // Under every message.
    FooterAutomatic: "Message automatique de Vigie", "Automatic message from Vigie";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_both_languages() {
        for &each in Text::ALL {
            for lang in [Language::Fr, Language::En] {
                let words = text(lang, each);
                assert!(!words.trim().is_empty() && words.trim() == words, "{each:?} in {lang:?}: {words:?}");
            }
        }
    }
}
