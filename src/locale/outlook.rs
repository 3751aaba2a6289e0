//! Words for what is expected of a period: where it lands, how probable its target is, what that rests on.

use crate::model::assessment::{Basis, ObjectiveFacts};
use crate::model::course::{Course, Fan};
use crate::model::notification::Picture;
use crate::model::unit::{Language, Unit};

use super::dates::period;
use super::goals::chance_label;
use super::numbers::{Sign, percent, quantity};
use super::texts::{Text, text};

/// Probabilities nearer to certainty than this are told as such.
const CERTAIN: f64 = 0.01;

/// `371 000 € (entre 352 000 € et 389 000 €, 8 fois sur 10)`: an interval of 80 %, in the digits that it bears.
pub fn landing(lang: Language, fan: Fan, unit: &Unit) -> String {
    let fan = fan.rounded();
    let [mean, low, high] = [fan.mean, fan.low, fan.high].map(|figure| quantity(lang, figure, unit));
    match lang {
        Language::Fr => format!("{mean} (entre {low} et {high}, 8 fois sur 10)"),
        Language::En => format!("{mean} (between {low} and {high}, 8 times out of 10)"),
    }
}

/// A probability in whole per cent: never none at all, never all.
pub fn chance(lang: Language, probability: f64) -> String {
    let shown = |probability| percent(lang, probability, Sign::Negative);
    if probability < CERTAIN {
        let bound = shown(CERTAIN);
        return match lang {
            Language::Fr => format!("moins de {bound}"),
            Language::En => format!("less than {bound}"),
        };
    }
    if probability > 1.0 - CERTAIN {
        let bound = shown(1.0 - CERTAIN);
        return match lang {
            Language::Fr => format!("plus de {bound}"),
            Language::En => format!("more than {bound}"),
        };
    }
    shown((probability * 100.0).round() / 100.0)
}

/// What a probability became within a week, in points; none where nothing would show.
fn chance_change(lang: Language, change: f64) -> Option<String> {
    let points = (change * 100.0).round();
    let shown = (points != 0.0 && points.is_finite()).then(|| quantity(lang, points.abs(), &Unit::Points))?;
    let sign = if points < 0.0 { '-' } else { '+' };
    Some(match lang {
        Language::Fr => format!("{sign}{shown} en 7 jours"),
        Language::En => format!("{sign}{shown} in 7 days"),
    })
}

/// The probability of an objective under its label, with its change where that is known; none once nothing is open.
pub fn chance_told(lang: Language, facts: &ObjectiveFacts) -> Option<(Text, String)> {
    let now = chance(lang, facts.chance()?);
    let change = facts.probability_change.and_then(|change| chance_change(lang, change));
    let change = change.map(|change| format!(" ({change})")).unwrap_or_default();
    Some((chance_label(facts.target), format!("{now}{change}")))
}

/// `apprise sur 24 périodes`, or what stands in for it and why.
pub fn basis(lang: Language, basis: Basis) -> String {
    let short = |how: &str| match lang {
        Language::Fr => format!("{how} (historique trop court pour l'apprendre)"),
        Language::En => format!("{how} (too little history to learn it)"),
    };
    let flat = |how: &str| match lang {
        Language::Fr => format!("{how} (rien à apprendre d'un historique sans total au-dessus de zéro)"),
        Language::En => format!("{how} (nothing to learn from a history with no total above zero)"),
    };
    match (lang, basis) {
        (Language::Fr, Basis::Learned { periods: 1 }) => "apprise sur 1 période".to_owned(),
        (Language::En, Basis::Learned { periods: 1 }) => "learned from 1 period".to_owned(),
        (Language::Fr, Basis::Learned { periods }) => format!("apprise sur {periods} périodes"),
        (Language::En, Basis::Learned { periods }) => format!("learned from {periods} periods"),
        (Language::Fr, Basis::WorkingDays) => short("jours ouvrés"),
        (Language::En, Basis::WorkingDays) => short("working days"),
        (Language::Fr, Basis::Linear) => short("linéaire"),
        (Language::En, Basis::Linear) => short("linear"),
        (Language::Fr, Basis::FlatWorkingDays) => flat("jours ouvrés"),
        (Language::En, Basis::FlatWorkingDays) => flat("working days"),
        (Language::Fr, Basis::FlatLinear) => flat("linéaire"),
        (Language::En, Basis::FlatLinear) => flat("linear"),
    }
}

/// A picture with its words; the title is that of the figures.
pub fn picture(lang: Language, title: &str, facts: &ObjectiveFacts, unit: &Unit, course: Course) -> Picture {
    let colon = match lang {
        Language::Fr => "\u{a0}: ",
        Language::En => ": ",
    };
    Picture {
        title: format!("{title} – {}", period(lang, facts.period_start, facts.period_end)),
        remark: chance_told(lang, facts).map(|(label, chance)| format!("{}{colon}{chance}", text(lang, label))),
        unit: unit.clone(),
        course,
    }
}

#[cfg(test)]
mod tests {
    use Language::{En, Fr};

    use super::*;

    fn plain(text: &str) -> String {
        text.replace(['\u{202f}', '\u{a0}'], " ")
    }

    #[test]
    fn landings_have_their_interval() {
        let fan = Fan { mean: 371_234.56, low: 352_123.4, high: 388_987.6 };
        let euro = Unit::Currency("EUR".to_owned());
        let said = plain(&landing(Fr, fan, &euro));
        assert_eq!(said, "371 000 € (entre 352 000 € et 389 000 €, 8 fois sur 10)");
        assert_eq!(landing(En, fan, &euro), "€371,000 (between €352,000 and €389,000, 8 times out of 10)");
    }

    #[test]
    fn nothing_open_is_told_as_certain() {
        let check = |probability, fr: &str, en: &str| {
            assert_eq!((plain(&chance(Fr, probability)), chance(En, probability)), (fr.to_owned(), en.to_owned()));
        };
        check(0.224, "22 %", "22%");
        check(0.001, "moins de 1 %", "less than 1%");
        check(0.0099, "moins de 1 %", "less than 1%");
        check(0.01, "1 %", "1%");
        check(0.99, "99 %", "99%");
        check(0.9949, "plus de 99 %", "more than 99%");
    }

    #[test]
    fn what_a_probability_became_is_told_in_points() {
        let check = |change, fr: Option<&str>, en: Option<&str>| {
            let said = chance_change(Fr, change).map(|said| plain(&said));
            assert_eq!((said.as_deref(), chance_change(En, change).as_deref()), (fr, en));
        };
        check(-0.18, Some("-18 points en 7 jours"), Some("-18 points in 7 days"));
        check(0.012, Some("+1 point en 7 jours"), Some("+1 point in 7 days"));
        check(0.004, None, None);
        check(f64::NAN, None, None);
    }

    #[test]
    fn a_trajectory_says_what_it_rests_on() {
        let check = |of, fr: &str, en: &str| assert_eq!((&*basis(Fr, of), &*basis(En, of)), (fr, en));
        check(Basis::Learned { periods: 24 }, "apprise sur 24 périodes", "learned from 24 periods");
        check(Basis::Learned { periods: 1 }, "apprise sur 1 période", "learned from 1 period");
        check(
            Basis::WorkingDays,
            "jours ouvrés (historique trop court pour l'apprendre)",
            "working days (too little history to learn it)",
        );
        check(
            Basis::Linear,
            "linéaire (historique trop court pour l'apprendre)",
            "linear (too little history to learn it)",
        );
        check(
            Basis::FlatWorkingDays,
            "jours ouvrés (rien à apprendre d'un historique sans total au-dessus de zéro)",
            "working days (nothing to learn from a history with no total above zero)",
        );
    }
}
