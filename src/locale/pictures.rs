//! The words of the picture of an objective.

use jiff::civil::Date;

use crate::model::course::{CourseFacts, CourseWord, CourseWords, Goal};
use crate::model::unit::{Language, Unit};

use super::compact;
use super::dates::{brief_day, brief_month, date, day_number};
use super::numbers::quantity;
use super::texts::{Text, text};

/// How a picture reads in one language, its figures in that unit.
#[derive(Clone, Debug)]
pub struct PictureWords {
    pub lang: Language,
    pub unit: Unit,
}

impl CourseWords for PictureWords {
    fn word(&self, word: CourseWord) -> &str {
        let of = match word {
            CourseWord::Actual => Text::Actual,
            CourseWord::Expected => Text::ExpectedCourse,
            CourseWord::Target => Text::Target,
            CourseWord::Landing => Text::Landing,
            CourseWord::Today => Text::Today,
            CourseWord::To => Text::UpTo,
        };
        text(self.lang, of)
    }

    fn axis(&self, marks: &[f64]) -> Vec<String> {
        compact::axis(self.lang, marks, &self.unit)
    }

    fn figure(&self, value: f64, digits: usize) -> String {
        compact::figure(self.lang, value, digits, &self.unit)
    }

    fn range(&self, low: f64, high: f64, digits: usize) -> String {
        let (low, high) = compact::pair(self.lang, (low, high), digits, &self.unit);
        format!("{low} {} {high}", self.word(CourseWord::To))
    }

    fn day(&self, day: Date) -> String {
        brief_day(self.lang, day)
    }

    fn day_number(&self, day: Date) -> String {
        day_number(self.lang, day)
    }

    fn month(&self, day: Date) -> String {
        brief_month(self.lang, day).to_owned()
    }

    fn summary(&self, facts: &CourseFacts<'_>) -> String {
        let lang = self.lang;
        let shown = |value| quantity(lang, value, &self.unit);
        let pick = |fr: &'static str, en: &'static str| if lang == Language::Fr { fr } else { en };
        let mut parts = vec![match facts.actual {
            Some((value, day)) => {
                format!("{} {} {} {}", pick("réalisé", "actual"), shown(value), pick("au", "as of"), date(lang, day))
            }
            None => pick("rien de réalisé encore", "nothing actual yet").to_owned(),
        }];
        if let Some(expected) = facts.expected {
            parts.push(format!("{} {}", pick("attendu", "expected"), shown(expected)));
        }
        parts.extend(facts.target.map(|target| match target {
            Goal::At(value) => format!("{} {}", pick("cible", "target"), shown(value)),
            Goal::Between(low, high) => format!(
                "{} {} {} {}",
                pick("cible entre", "target between"),
                shown(low),
                pick("et", "and"),
                shown(high)
            ),
        }));
        let landing = facts.landing.map(|landing| {
            format!(
                "{} {}{} {} ({} {} {} {})",
                pick("Atterrissage au", "Landing on"),
                date(lang, facts.last_day),
                pick("\u{a0}:", ":"),
                shown(landing.mean),
                pick("entre", "between"),
                shown(landing.low),
                pick("et", "and"),
                shown(landing.high)
            )
        });
        let stand = format!("{}{} {}", facts.title, pick("\u{a0}:", ":"), parts.join(", "));
        let remark = facts.remark.map(|remark| remark.trim_end_matches('.').to_owned());
        let sentences: Vec<String> = [Some(stand), landing, remark].into_iter().flatten().collect();
        format!("{}.", sentences.join(". "))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date as day;

    use super::*;
    use crate::model::course::Fan;

    #[test]
    fn a_picture_is_told_with_its_figures() {
        let mut facts = CourseFacts {
            title: "Chiffre d'affaires",
            actual: Some((1_234_567.0, day(2026, 11, 23))),
            expected: Some(1_400_000.0),
            target: Some(Goal::At(2_000_000.0)),
            landing: Some(Fan { mean: 1_800_000.0, low: 1_600_000.0, high: 1_950_000.5 }),
            last_day: day(2026, 11, 30),
            remark: Some("Probabilité : 8 %"),
        };
        let words = |lang| PictureWords { lang, unit: Unit::Currency("EUR".to_owned()) };
        let said = |lang, facts: &CourseFacts<'_>| words(lang).summary(facts).replace(['\u{202f}', '\u{a0}'], " ");
        assert_eq!(
            said(Language::Fr, &facts),
            "Chiffre d'affaires : réalisé 1 234 567 € au 23 novembre 2026, attendu 1 400 000 €, cible 2 000 000 €. \
             Atterrissage au 30 novembre 2026 : 1 800 000 € (entre 1 600 000 € et 1 950 000,50 €). Probabilité : 8 %."
        );
        facts.remark = None;
        assert_eq!(
            said(Language::En, &facts),
            "Chiffre d'affaires: actual €1,234,567 as of 23 November 2026, expected €1,400,000, target €2,000,000. \
             Landing on 30 November 2026: €1,800,000 (between €1,600,000 and €1,950,000.50)."
        );
        let bare = CourseFacts {
            actual: None,
            expected: None,
            target: Some(Goal::Between(1.0, 2.0)),
            landing: None,
            ..facts.clone()
        };
        assert_eq!(said(Language::Fr, &bare), "Chiffre d'affaires : rien de réalisé encore, cible entre 1 € et 2 €.");
    }
}
