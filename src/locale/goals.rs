//! What a target asks for, in words that fit it: some are reached, others are kept to.

use crate::model::objective::{Measure, Target};
use crate::model::unit::{Language, Unit};

use super::numbers::quantity;
use super::texts::Text;

/// `atteindre 400 000 €`, `ne pas dépasser 50 000 €`, `stay between 2 and 4`.
pub fn goal(lang: Language, target: Target, unit: &Unit) -> String {
    let shown = |value| quantity(lang, value, unit);
    match (lang, target) {
        (Language::Fr, Target::Reach(to)) => format!("atteindre {}", shown(to)),
        (Language::En, Target::Reach(to)) => format!("reach {}", shown(to)),
        (Language::Fr, Target::ReduceTo(to)) => format!("descendre à {}", shown(to)),
        (Language::En, Target::ReduceTo(to)) => format!("come down to {}", shown(to)),
        (Language::Fr, Target::AtLeast(least)) => format!("rester à {} ou plus", shown(least)),
        (Language::En, Target::AtLeast(least)) => format!("stay at {} or more", shown(least)),
        (Language::Fr, Target::AtMost(most)) => format!("ne pas dépasser {}", shown(most)),
        (Language::En, Target::AtMost(most)) => format!("stay within {}", shown(most)),
        (Language::Fr, Target::Between(low, high)) => format!("rester entre {} et {}", shown(low), shown(high)),
        (Language::En, Target::Between(low, high)) => format!("stay between {} and {}", shown(low), shown(high)),
    }
}

/// Puts what is to be done behind a text: the French `de` loses its vowel before another one.
pub fn push_goal(lang: Language, text: &mut String, goal: &str) {
    if lang == Language::Fr && text.ends_with(" de ") && goal.starts_with('a') {
        text.truncate(text.len() - "e ".len());
        text.push('\'');
    }
    text.push_str(goal);
}

/// What is told with a probability: a target is reached once, or kept to all the time.
pub fn chance_label(target: Target) -> Text {
    if target.is_kept() { Text::ChanceToKeep } else { Text::ChanceToReach }
}

/// What is told with the rate that leads to the target: what each day must bring, or of a budget what it may still use.
pub fn rate_label(target: Target, measure: Measure, unit: &Unit) -> Text {
    let is_budget = matches!(target, Target::AtMost(_) | Target::ReduceTo(_)) && measure == Measure::Sum;
    match unit {
        Unit::Currency(_) if is_budget => Text::LeftToSpend,
        _ if is_budget => Text::LeftToUse,
        _ => Text::RequiredRate,
    }
}

#[cfg(test)]
mod tests {
    use Language::{En, Fr};

    use super::*;

    #[test]
    fn every_target_has_its_verb() {
        let euro = Unit::Currency("EUR".to_owned());
        let check = |target: Target, fr: &str, en: &str| {
            let mut said = "chances de ".to_owned();
            push_goal(Fr, &mut said, &goal(Fr, target, &euro));
            assert_eq!(said.replace('\u{202f}', " "), fr);
            let mut said = "a chance to ".to_owned();
            push_goal(En, &mut said, &goal(En, target, &euro));
            assert_eq!(said, en);
        };
        check(Target::Reach(400_000.0), "chances d'atteindre 400 000 €", "a chance to reach €400,000");
        check(Target::ReduceTo(20.0), "chances de descendre à 20 €", "a chance to come down to €20");
        check(Target::AtLeast(95.0), "chances de rester à 95 € ou plus", "a chance to stay at €95 or more");
        check(Target::AtMost(50_000.0), "chances de ne pas dépasser 50 000 €", "a chance to stay within €50,000");
        check(Target::Between(2.0, 4.0), "chances de rester entre 2 € et 4 €", "a chance to stay between €2 and €4");
    }

    #[test]
    fn a_budget_has_something_left() {
        let euro = Unit::Currency("EUR".to_owned());
        assert_eq!(rate_label(Target::AtMost(5.0), Measure::Sum, &euro), Text::LeftToSpend);
        assert_eq!(rate_label(Target::ReduceTo(5.0), Measure::Sum, &Unit::None), Text::LeftToUse);
        assert_eq!(rate_label(Target::ReduceTo(5.0), Measure::AtEnd, &euro), Text::RequiredRate);
        assert_eq!(rate_label(Target::Reach(5.0), Measure::Sum, &euro), Text::RequiredRate);
        assert_eq!(rate_label(Target::Between(5.0, 6.0), Measure::Sum, &euro), Text::RequiredRate);
    }
}
