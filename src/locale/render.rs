//! Fills templates with figures, in the recipient's language.

use std::collections::BTreeMap;

use crate::model::text::{Figure, Format, Part, Said, Template};
use crate::model::unit::{Language, Unit};

use super::dates::date;
use super::goals::{goal, push_goal};
use super::numbers::{Decimals, Sign, days, percent, quantity, signed};
use super::outlook::chance;
use super::texts::{Text, text};
use super::words::status;

/// How texts name the probability of an objective.
const PROBABILITY: &str = "objective.probability";
/// And what it changed by.
const CHANGE: &str = "objective.probability_change";

/// The template's words with its figures; a figure that is absent reads `indisponible`.
pub fn render(template: &Template, figures: &BTreeMap<String, Figure>, lang: Language) -> String {
    let mut out = String::new();
    for part in &template.parts {
        match part {
            Part::Literal(words) => out.push_str(words),
            Part::Field { path, format } => match figures.get(path).unwrap_or(&Figure::Unknown) {
                // Not as a share, which has a sign and may be none at all.
                Figure::Ratio(value) if path == PROBABILITY => out.push_str(&chance(lang, *value)),
                // Not as per cent of itself.
                Figure::Ratio(value) if path == CHANGE => {
                    let points = Figure::Quantity((value * 100.0).round(), Unit::Points);
                    out.push_str(&figure(&points, Format::Signed, lang));
                }
                Figure::Goal(target, unit) => push_goal(lang, &mut out, &goal(lang, *target, unit)),
                found => out.push_str(&figure(found, *format, lang)),
            },
        }
    }
    out
}

/// The text in that language, else in the other; none where neither was written.
pub fn said(said: &Said, lang: Language) -> Option<String> {
    said.text.get(lang).map(|template| render(template, &said.figures, lang))
}

/// One figure in words.
pub fn figure(figure: &Figure, format: Format, lang: Language) -> String {
    match figure {
        Figure::Text(words) => words.clone(),
        Figure::Date(day) => date(lang, *day),
        Figure::Status(how) => status(lang, *how, None).to_owned(),
        Figure::Standing(how, target) => status(lang, *how, Some(target.bare())).to_owned(),
        Figure::Goal(target, unit) => goal(lang, *target, unit),
        Figure::Unknown => text(lang, Text::Unavailable).to_owned(),
        Figure::Quantity(value, unit) => written(*value, unit, format, lang),
        Figure::Number(value) => written(*value, &Unit::None, format, lang),
        Figure::Ratio(value) => written(*value, &Unit::Ratio, format, lang),
        Figure::Days(value) => match format {
            Format::Plain | Format::Unit | Format::Days => days(lang, *value),
            Format::Percent | Format::Signed => written(*value, &Unit::None, format, lang),
        },
    }
}

fn written(value: f64, unit: &Unit, format: Format, lang: Language) -> String {
    match format {
        Format::Plain | Format::Unit => quantity(lang, value, unit),
        Format::Percent => match unit {
            // Already per cent: only the sign is added.
            Unit::Percent => percent(lang, value / 100.0, Sign::Always),
            _ => percent(lang, value, Sign::Always),
        },
        Format::Signed => match unit {
            Unit::None => signed(lang, value, Decimals::Auto),
            _ if value > 0.0 => format!("+{}", quantity(lang, value, unit)),
            _ => quantity(lang, value, unit),
        },
        Format::Days => days(lang, value),
    }
}

#[cfg(test)]
mod tests {
    use Language::{En, Fr};

    use super::*;
    use crate::model::assessment::Status;
    use crate::model::objective::Target;
    use crate::model::text::Localized;

    fn figures() -> BTreeMap<String, Figure> {
        let euro = Unit::Currency("EUR".to_owned());
        BTreeMap::from([
            ("kpi.title".to_owned(), Figure::Text("Chiffre d'affaires".to_owned())),
            ("objective.drift_ratio".to_owned(), Figure::Ratio(-0.125)),
            ("objective.projected".to_owned(), Figure::Quantity(351_234.5, euro.clone())),
            ("objective.drift".to_owned(), Figure::Quantity(1200.0, euro)),
            ("objective.drift_days".to_owned(), Figure::Days(-2.5)),
            ("objective.status".to_owned(), Figure::Status(Status::OffTrajectory)),
            ("objective.probability".to_owned(), Figure::Ratio(0.224)),
            ("objective.probability_change".to_owned(), Figure::Ratio(-0.178)),
            ("objective.goal".to_owned(), Figure::Goal(Target::Reach(400.0), Unit::None)),
            ("standing".to_owned(), Figure::Standing(Status::Missed, Target::AtMost(1.0))),
            ("n".to_owned(), Figure::Number(3.0)),
            ("by".to_owned(), Figure::Date(jiff::civil::date(2026, 11, 30))),
        ])
    }

    #[track_caller]
    fn check(template: &str, fr: &str, en: &str) {
        let parsed = Template::parse(template).expect("valid template");
        let plain = |text: String| text.replace(['\u{202f}', '\u{a0}'], " ");
        assert_eq!(plain(render(&parsed, &figures(), Fr)), fr);
        assert_eq!(plain(render(&parsed, &figures(), En)), en);
    }

    #[test]
    fn figures_follow_format_and_language() {
        check("{kpi.title} : ok", "Chiffre d'affaires : ok", "Chiffre d'affaires : ok");
        check("{objective.drift_ratio|percent}", "-12,5 %", "-12.5%");
        check("{objective.drift_ratio}", "-12,5 %", "-12.5%");
        check("{objective.projected|unit}", "351 234,50 €", "€351,234.50");
        check("{objective.drift|signed}", "+1 200 €", "+€1,200");
        check("{objective.drift_days|days}", "-2,5", "-2.5");
        check("{n|signed} {n|percent}", "+3 +300 %", "+3 +300%");
        check("{objective.probability|percent}", "22 %", "22%");
        check(
            "{objective.probability_change} {objective.probability_change|percent}",
            "-18 points -18 points",
            "-18 points -18 points",
        );
        check("chances de {objective.goal}", "chances d'atteindre 400", "chances de reach 400");
        check("{standing}", "Limite dépassée", "Limit exceeded");
        check("{objective.status}", "Hors trajectoire", "Off trajectory");
        check("{by}", "30 novembre 2026", "30 November 2026");
        check("{nothing.here|unit}", "indisponible", "unavailable");
        check("{{n}}", "{n}", "{n}");
    }

    #[test]
    fn a_probability_is_never_told_as_certain() {
        let parsed = Template::parse("{objective.probability}").expect("valid template");
        for (value, said) in [(0.0, "less than 1%"), (0.001, "less than 1%"), (0.5, "50%"), (1.0, "more than 99%")] {
            let figures = BTreeMap::from([("objective.probability".to_owned(), Figure::Ratio(value))]);
            assert_eq!(render(&parsed, &figures, En), said);
        }
    }

    #[test]
    fn said_falls_back_to_the_other_language() {
        let only_fr = Said {
            text: Localized { fr: Some(std::sync::Arc::new(Template::parse("n = {n}").expect("valid"))), en: None },
            figures: figures(),
        };
        assert_eq!(said(&only_fr, En).as_deref(), Some("n = 3"));
        assert_eq!(said(&Said::default(), Fr), None);
    }
}
