//! Sentences made of values: why something can't be measured, how two figures compare, why an alert ended.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::model::alert::{EndReason, Freeze, SuspectFacts, VanishedFacts};
use crate::model::assessment::{ComparisonBasis, ComparisonFact, Unmeasurable};
use crate::model::event::EventFact;
use crate::model::objective::Target;
use crate::model::suspect::{Settled, Settlement};
use crate::model::text::Said;
use crate::model::unit::{Language, Unit};

use super::dates::{brief_span, date, datetime, period};
use super::numbers::{Decimals, Sign, number, percent, quantity};
use super::render::said;
use super::texts::{Text, text};
use super::words::{outcome, settled};

/// Why a value can't be had; `zone` is the KPI's.
pub fn unmeasurable(lang: Language, missing: &Unmeasurable, zone: &TimeZone) -> String {
    match (lang, missing) {
        (Language::Fr, Unmeasurable::NoData) => "aucune donnée sur la période demandée".to_owned(),
        (Language::En, Unmeasurable::NoData) => "no data in the span asked for".to_owned(),
        (Language::Fr, Unmeasurable::Late { bucket_end }) => {
            format!("les données jusqu'au {} ne sont pas arrivées", datetime(lang, *bucket_end, zone))
        }
        (Language::En, Unmeasurable::Late { bucket_end }) => {
            format!("the data up to {} has not arrived", datetime(lang, *bucket_end, zone))
        }
        (Language::Fr, Unmeasurable::Incomplete { present, due }) => {
            format!("données incomplètes : {present} relevés sur {due} attendus")
        }
        (Language::En, Unmeasurable::Incomplete { present, due }) => {
            format!("incomplete data: {present} of {due} expected readings")
        }
        (Language::Fr, Unmeasurable::Suspect { day, .. }) => {
            format!("la valeur du {} est suspecte et attend une décision", date(lang, *day))
        }
        (Language::En, Unmeasurable::Suspect { day, .. }) => {
            format!("the value of {} is suspect and waits for a decision", date(lang, *day))
        }
        (Language::Fr, Unmeasurable::ZeroDenominator) => "le dénominateur du ratio est nul".to_owned(),
        (Language::En, Unmeasurable::ZeroDenominator) => "the ratio's denominator is zero".to_owned(),
        (Language::Fr, Unmeasurable::ZeroReference) => "la valeur de référence est nulle pour l'instant".to_owned(),
        (Language::En, Unmeasurable::ZeroReference) => "the figure to compare with is zero for now".to_owned(),
        (Language::Fr, Unmeasurable::NoHistory) => "pas d'historique pour comparer".to_owned(),
        (Language::En, Unmeasurable::NoHistory) => "no history to compare with".to_owned(),
        (Language::Fr, Unmeasurable::Excluded { event }) => {
            format!("la période de comparaison tombe pendant : {event}")
        }
        (Language::En, Unmeasurable::Excluded { event }) => {
            format!("the span to compare with lies in: {event}")
        }
        (Language::Fr, Unmeasurable::OutsidePeriod) => "hors de la période de l'objectif".to_owned(),
        (Language::En, Unmeasurable::OutsidePeriod) => "outside the objective's period".to_owned(),
        (Language::Fr, Unmeasurable::NoBaseline { from, to, why }) => {
            let why = unmeasurable(lang, why, zone);
            format!("la référence de l'objectif ({}) n'est pas mesurable : {why}", period(lang, *from, *to))
        }
        (Language::En, Unmeasurable::NoBaseline { from, to, why }) => {
            let why = unmeasurable(lang, why, zone);
            format!("the objective's baseline ({}) can't be measured: {why}", period(lang, *from, *to))
        }
        (Language::Fr, Unmeasurable::NoTarget { from, to }) => {
            format!("le tableau des objectifs n'a pas de valeur pour {}", period(lang, *from, *to))
        }
        (Language::En, Unmeasurable::NoTarget { from, to }) => {
            format!("the table of targets has no figure for {}", period(lang, *from, *to))
        }
        (Language::Fr, Unmeasurable::NotDefined { what }) => format!("{what} n'a pas de sens pour cet indicateur"),
        (Language::En, Unmeasurable::NotDefined { what }) => format!("{what} makes no sense for this indicator"),
    }
}

/// Why a value can't be had, and what whoever runs the service can do about it where the objective itself lacks something.
pub fn unmeasurable_and_remedy(lang: Language, missing: &Unmeasurable, zone: &TimeZone) -> String {
    let why = unmeasurable(lang, missing, zone);
    match remedy(lang, missing) {
        Some(remedy) => match lang {
            Language::Fr => format!("{why}\u{a0}; {remedy}"),
            Language::En => format!("{why}; {remedy}"),
        },
        None => why,
    }
}

fn remedy(lang: Language, missing: &Unmeasurable) -> Option<&'static str> {
    let (fr, en) = match missing {
        Unmeasurable::NoTarget { .. } => {
            ("complétez le tableau des objectifs", "add the figure to the table of targets")
        }
        Unmeasurable::NoBaseline { why, .. } => match **why {
            Unmeasurable::NoHistory | Unmeasurable::NoData | Unmeasurable::Incomplete { .. } => (
                "faites entrer ces jours (`vigie pull`, et `history` et `keep` de l'indicateur assez longs), ou donnez la référence en chiffres",
                "get those days in (`vigie pull`, and the KPI's `history` and `keep` long enough), or write the baseline as a figure",
            ),
            Unmeasurable::ZeroReference | Unmeasurable::ZeroDenominator => (
                "donnez la cible en chiffres, ou une autre référence",
                "write the target as a figure, or give another baseline",
            ),
            _ => return None,
        },
        _ => return None,
    };
    Some(match lang {
        Language::Fr => fr,
        Language::En => en,
    })
}

/// `12,5 % de moins que la période précédente, du 1er au 22 octobre 2026 (350 000 € contre 400 000 €)`.
pub fn comparison(lang: Language, fact: &ComparisonFact, unit: &Unit) -> String {
    let figures = (quantity(lang, fact.value, unit), quantity(lang, fact.reference, unit));
    let basis = match (lang, fact.basis) {
        (Language::Fr, ComparisonBasis::SpanBefore) => "la période précédente",
        (Language::En, ComparisonBasis::SpanBefore) => "the span before",
        (Language::Fr, ComparisonBasis::YearBefore) => "l'an dernier",
        (Language::En, ComparisonBasis::YearBefore) => "the year before",
    };
    let when = period(lang, fact.from, fact.to);
    let (than, against) = match lang {
        Language::Fr => ("que", "contre"),
        Language::En => ("than", "against"),
    };
    let head = match (lang, gap(lang, fact, unit)) {
        (_, Some(gap)) => format!("{gap} {than} {basis}"),
        (Language::Fr, None) => format!("Comme {basis}"),
        (Language::En, None) => format!("Same as {basis}"),
    };
    format!("{}, {when} ({} {against} {})", head, figures.0, figures.1)
}

/// The difference in words; none where nothing would show. Shares differ in points, not per cent.
fn gap(lang: Language, fact: &ComparisonFact, unit: &Unit) -> Option<String> {
    let difference = fact.value - fact.reference;
    let points = |value: f64| {
        let word = quantity(lang, value, &Unit::Points);
        (number(lang, value, Decimals::Auto) != "0").then_some(word)
    };
    let amount = match unit {
        Unit::Ratio => points(difference.abs() * 100.0)?,
        Unit::Percent | Unit::Points => points(difference.abs())?,
        Unit::None | Unit::Currency(_) | Unit::Other(_) if fact.reference == 0.0 => {
            (difference != 0.0).then(|| quantity(lang, difference.abs(), unit))?
        }
        Unit::None | Unit::Currency(_) | Unit::Other(_) => {
            (difference != 0.0).then(|| percent(lang, (difference / fact.reference).abs(), Sign::Negative))?
        }
    };
    let direction = match (lang, difference > 0.0) {
        (Language::Fr, true) => "de plus",
        (Language::Fr, false) => "de moins",
        (Language::En, true) => "more",
        (Language::En, false) => "less",
    };
    Some(format!("{amount} {direction}"))
}

/// `Pendant : Grève des transports (24–26 nov.)`; years are written where they are not `year`. None without events.
pub fn during(lang: Language, events: &[EventFact], year: i16) -> Option<String> {
    const SHOWN_MAX: usize = 3;
    let shown: Vec<String> = events
        .iter()
        .take(SHOWN_MAX)
        .map(|event| format!("{} ({})", event.name, brief_span(lang, event.from, event.to, year)))
        .collect();
    let lead = match lang {
        Language::Fr => "Pendant : ",
        Language::En => "During: ",
    };
    let more = events.len().saturating_sub(SHOWN_MAX);
    let more = if more == 0 { String::new() } else { format!(", + {more}") };
    (!shown.is_empty()).then(|| format!("{lead}{}{more}", shown.join(", ")))
}

/// Why an alert ended; `target` is that of its objective.
pub fn end_reason(lang: Language, end: &EndReason, target: Option<Target<()>>) -> String {
    match (lang, end) {
        (Language::Fr, EndReason::Recovered) => "Rétabli".to_owned(),
        (Language::En, EndReason::Recovered) => "Recovered".to_owned(),
        (Language::Fr, EndReason::PeriodEnded(how)) => {
            format!("Période terminée : {}", outcome(lang, *how, target))
        }
        (Language::En, EndReason::PeriodEnded(how)) => {
            format!("Period ended: {}", outcome(lang, *how, target))
        }
        (_, EndReason::Settled(how)) => settled(lang, *how).to_owned(),
        (Language::Fr, EndReason::Removed) => "Clos : règle ou indicateur retiré de la configuration".to_owned(),
        (Language::En, EndReason::Removed) => "Closed: rule or KPI removed from the configuration".to_owned(),
    }
}

/// Why an alert's state is held; `zone` is the KPI's.
pub fn freeze(lang: Language, freeze: &Freeze, zone: &TimeZone) -> String {
    match (lang, freeze) {
        (Language::Fr, Freeze::Hold { reason, said }) => {
            format!("évaluation suspendue : {}", hold(lang, reason, said.as_ref()))
        }
        (Language::En, Freeze::Hold { reason, said }) => {
            format!("evaluation held: {}", hold(lang, reason, said.as_ref()))
        }
        (Language::Fr, Freeze::NoData { missing }) => {
            format!("évaluation gelée : {}", unmeasurable(lang, missing, zone))
        }
        (Language::En, Freeze::NoData { missing }) => {
            format!("evaluation frozen: {}", unmeasurable(lang, missing, zone))
        }
        (Language::Fr, Freeze::Failed { cause }) => format!("la règle a échoué : {cause}"),
        (Language::En, Freeze::Failed { cause }) => format!("the rule failed: {cause}"),
    }
}

/// Which dimension values come no more.
pub fn vanished(lang: Language, vanished: &VanishedFacts) -> String {
    let named = vanished.values.iter().map(|known| {
        let bucket = bucket_words(lang, &known.last);
        match lang {
            Language::Fr => format!("{} « {} » (dernière valeur : {bucket})", known.dimension, known.value),
            Language::En => format!("{} “{}” (last value: {bucket})", known.dimension, known.value),
        }
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let rest = vanished.count.saturating_sub(vanished.values.len() as u64);
    let rest = match (lang, rest) {
        (_, 0) => String::new(),
        (Language::Fr, 1) => " et 1 autre".to_owned(),
        (Language::Fr, rest) => format!(" et {rest} autres"),
        (Language::En, rest) => format!(" and {rest} more"),
    };
    match lang {
        Language::Fr => format!("Ne donne plus de valeurs, alors que le reste arrive : {named}{rest}."),
        Language::En => format!("Gives no more values, while the rest comes in: {named}{rest}."),
    }
}

/// A bucket as commands name it, in words where it is a day or a month.
pub fn bucket_words(lang: Language, bucket: &str) -> String {
    // A moment reads as a day too, and would lose its time.
    let day = bucket.parse().ok().filter(|_| bucket.len() == "2026-11-24".len());
    let month = || {
        let first: Date = format!("{bucket}-01").parse().ok().filter(|_| bucket.len() == "2026-11".len())?;
        Some(period(lang, first, first.last_of_month()))
    };
    day.map(|day| date(lang, day)).or_else(month).unwrap_or_else(|| bucket.to_owned())
}

/// A figure that was told and is another one now, of a bucket if that is known: `Valeur corrigée (janvier 2026) : ...`.
pub fn corrected_value(lang: Language, bucket: Option<&str>, (new, old): (&str, &str)) -> String {
    let of = bucket.map(|bucket| format!(" ({bucket})")).unwrap_or_default();
    let (corrected, from) = (text(lang, Text::Corrected), text(lang, Text::CorrectedFrom));
    match lang {
        Language::Fr => format!("{corrected}{of} : {new} {from} {old}."),
        Language::En => format!("{corrected}{of}: {new} {from} {old}."),
    }
}

/// What a suspect value was compared with, and what is to be done, or was.
pub fn suspicion(lang: Language, suspect: &SuspectFacts, unit: &Unit) -> Vec<String> {
    let shown = |value| quantity(lang, value, unit);
    let bucket = bucket_words(lang, &suspect.bucket);
    let (value, low, high) = (shown(suspect.value), shown(suspect.low), shown(suspect.high));
    let mut lines = vec![match (lang, &suspect.beside) {
        (Language::Fr, None) => {
            format!("{bucket} : {value}, alors que les valeurs précédentes vont de {low} à {high}.")
        }
        (Language::En, None) => format!("{bucket}: {value}, while the values before it go from {low} to {high}."),
        (Language::Fr, Some((other, said))) => {
            format!("{bucket} : {value}, alors que « {other} » dit {} (toléré : de {low} à {high}).", shown(*said))
        }
        (Language::En, Some((other, said))) => {
            format!("{bucket}: {value}, while “{other}” says {} (tolerated: {low} to {high}).", shown(*said))
        }
    }];
    match &suspect.settlement {
        None => {
            let command = format!("vigie suspect accept {} {}", suspect.kpi, suspect.bucket);
            lines.push(match lang {
                Language::Fr => "La série n'est pas évaluée tant que cette valeur n'est pas tranchée.".to_owned(),
                Language::En => "The series is not judged before this value is settled.".to_owned(),
            });
            lines.push(match lang {
                Language::Fr => format!("Si elle est réelle : {command} (sinon `correct` ou `reject`)"),
                Language::En => format!("If it is real: {command} (else `correct` or `reject`)"),
            });
        }
        Some(Settlement { how, by, note, .. }) => {
            let by = by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
            let new = match (lang, how) {
                (Language::Fr, Settled::Corrected { value }) => format!(" : {}", shown(*value)),
                (Language::En, Settled::Corrected { value }) => format!(": {}", shown(*value)),
                (
                    _,
                    Settled::Accepted | Settled::Rejected | Settled::Confirmed | Settled::Withdrawn | Settled::Agreed,
                ) => String::new(),
            };
            let note = note.as_ref().map(|note| format!(". {note}")).unwrap_or_default();
            lines.push(format!("{}{new}{by}{note}", settled(lang, *how)));
        }
    }
    lines
}

/// Why a script holds: its text, else the key that stands in the script.
fn hold(lang: Language, key: &str, text: Option<&Said>) -> String {
    text.and_then(|text| said(text, lang)).unwrap_or_else(|| key.to_owned())
}

/// A target in words: `au moins 95 %`, `400 000 €`, `entre 2 et 4`.
pub fn target(lang: Language, target: Target, unit: &Unit) -> String {
    let shown = |value| quantity(lang, value, unit);
    match (lang, target) {
        (_, Target::Reach(value) | Target::ReduceTo(value)) => shown(value),
        (Language::Fr, Target::AtLeast(value)) => format!("au moins {}", shown(value)),
        (Language::En, Target::AtLeast(value)) => format!("at least {}", shown(value)),
        (Language::Fr, Target::AtMost(value)) => format!("au plus {}", shown(value)),
        (Language::En, Target::AtMost(value)) => format!("at most {}", shown(value)),
        (Language::Fr, Target::Between(low, high)) => format!("entre {} et {}", shown(low), shown(high)),
        (Language::En, Target::Between(low, high)) => format!("between {} and {}", shown(low), shown(high)),
    }
}

#[cfg(test)]
mod tests {
    use Language::{En, Fr};
    use jiff::civil::date;

    use super::*;
    use crate::model::alert::{PeriodOutcome, VanishedValue};
    use crate::model::text::{Localized, Template};

    fn plain(text: &str) -> String {
        text.replace(['\u{202f}', '\u{a0}'], " ")
    }

    #[track_caller]
    fn check(value: f64, reference: f64, unit: &Unit, fr: &str, en: &str) {
        let fact = ComparisonFact {
            basis: ComparisonBasis::SpanBefore,
            value,
            reference,
            from: date(2026, 10, 1),
            to: date(2026, 10, 22),
        };
        assert_eq!(plain(&comparison(Fr, &fact, unit)), fr);
        assert_eq!(plain(&comparison(En, &fact, unit)), en);
    }

    #[test]
    fn events_are_named_up_to_three() {
        let event = |name: &str| EventFact { name: name.to_owned(), from: date(2026, 11, 24), to: date(2026, 11, 26) };
        let strike = event("Grève des transports");
        let one = [strike.clone()];
        assert_eq!(during(Fr, &one, 2026).as_deref(), Some("Pendant : Grève des transports (24–26 nov.)"));
        assert_eq!(during(En, &one, 2025).as_deref(), Some("During: Grève des transports (24–26 Nov 2026)"));
        let five = vec![event("a"); 5];
        assert!(during(En, &five, 2026).is_some_and(|line| line.ends_with("a (24–26 Nov), + 2")));
        assert_eq!(during(Fr, &[], 2026), None);
    }

    #[test]
    fn comparisons_speak_of_per_cent_or_of_points() {
        let euro = Unit::Currency("EUR".to_owned());
        check(
            350_000.0,
            400_000.0,
            &euro,
            "12,5 % de moins que la période précédente, du 1er au 22 octobre 2026 (350 000 € contre 400 000 €)",
            "12.5% less than the span before, 1 to 22 October 2026 (€350,000 against €400,000)",
        );
        check(
            0.05,
            0.025,
            &Unit::Ratio,
            "2,5 points de plus que la période précédente, du 1er au 22 octobre 2026 (5 % contre 2,5 %)",
            "2.5 points more than the span before, 1 to 22 October 2026 (5% against 2.5%)",
        );
        check(
            7.0,
            0.0,
            &Unit::None,
            "7 de plus que la période précédente, du 1er au 22 octobre 2026 (7 contre 0)",
            "7 more than the span before, 1 to 22 October 2026 (7 against 0)",
        );
        check(
            7.0,
            7.0,
            &Unit::None,
            "Comme la période précédente, du 1er au 22 octobre 2026 (7 contre 7)",
            "Same as the span before, 1 to 22 October 2026 (7 against 7)",
        );
    }

    #[test]
    fn the_unmeasurable_says_why() {
        let late = Unmeasurable::Late { bucket_end: "2026-11-22T23:00:00Z".parse().expect("valid") };
        let paris = TimeZone::get("Europe/Paris").expect("bundled zone");
        assert_eq!(
            unmeasurable(Fr, &late, &paris),
            "les données jusqu'au lundi 23 novembre 2026 à 00:00 ne sont pas arrivées"
        );
        assert_eq!(
            unmeasurable(En, &Unmeasurable::Incomplete { present: 3, due: 10 }, &paris),
            "incomplete data: 3 of 10 expected readings"
        );
    }

    #[test]
    fn values_that_vanished_are_named() {
        let value = |value: &str, last: &str| VanishedValue {
            dimension: "boutique".to_owned(),
            value: value.to_owned(),
            last: last.to_owned(),
        };
        let values = vec![value("Lyon", "2026-11-20"), value("Nice", "2026-10")];
        let found = VanishedFacts { values, count: 4 };
        assert_eq!(
            plain(&vanished(Fr, &found)),
            "Ne donne plus de valeurs, alors que le reste arrive : boutique « Lyon » (dernière valeur : 20 novembre 2026), \
             boutique « Nice » (dernière valeur : octobre 2026) et 2 autres."
        );
        assert!(vanished(En, &VanishedFacts { count: 3, ..found }).ends_with(" and 1 more."));
    }

    #[test]
    fn a_suspicion_names_its_bucket_its_range_and_the_command() {
        let suspect = |bucket: &str| SuspectFacts {
            kpi: "sales".into(),
            labels: crate::model::ids::Labels::total(),
            bucket: bucket.to_owned(),
            value: 5_000.0,
            low: 40.0,
            high: 60.0,
            beside: None,
            max_jump: Some(3.0),
            settlement: None,
        };
        let lines = suspicion(En, &suspect("2026-11-24"), &Unit::None);
        assert_eq!(plain(&lines[0]), "24 November 2026: 5,000, while the values before it go from 40 to 60.");
        assert!(lines[2].contains("vigie suspect accept sales 2026-11-24 (else"), "{lines:?}");
        let beside = SuspectFacts { beside: Some(("Comptabilité".to_owned(), 50.0)), ..suspect("2026-10") };
        let lines = suspicion(Fr, &beside, &Unit::None);
        let expected = "octobre 2026 : 5 000, alors que « Comptabilité » dit 50 (toléré : de 40 à 60).";
        assert_eq!(plain(&lines[0]), expected);
        let lines = suspicion(Fr, &suspect("2026-11-24T18:46"), &Unit::None);
        assert!(lines[0].starts_with("2026-11-24T18:46 : "), "{lines:?}");
        assert!(lines[2].contains("sales 2026-11-24T18:46 (sinon"), "{lines:?}");
        let by = Some("claire".to_owned());
        let at = "2026-11-24T10:00:00Z".parse().expect("valid");
        let settlement = Some(Settlement {
            how: Settled::Corrected { value: 50.0 },
            by,
            at,
            note: Some("Acme".to_owned()),
            superseded_at: None,
        });
        let lines = suspicion(Fr, &SuspectFacts { settlement, ..suspect("2026-11-24") }, &Unit::None);
        assert_eq!(lines[1], "Valeur corrigée : 50 (claire). Acme");
    }

    #[test]
    fn a_hold_speaks_the_readers_language() {
        let template = |text: &str| Some(std::sync::Arc::new(Template::parse(text).expect("valid")));
        let text = Localized { fr: template("trop tôt pour conclure"), en: template("too early to tell") };
        let words = Some(Said { text, figures: std::collections::BTreeMap::new() });
        let held = Freeze::Hold { reason: "too_early".to_owned(), said: words };
        assert_eq!(freeze(Fr, &held, &TimeZone::UTC), "évaluation suspendue : trop tôt pour conclure");
        assert_eq!(freeze(En, &held, &TimeZone::UTC), "evaluation held: too early to tell");
        // What was stored before the words were kept.
        let old: Freeze = serde_json::from_str(r#"{"hold":{"reason":"too_early"}}"#).expect("an old state");
        assert_eq!(freeze(En, &old, &TimeZone::UTC), "evaluation held: too_early");
        assert_eq!(
            unmeasurable(Fr, &Unmeasurable::ZeroReference, &TimeZone::UTC),
            "la valeur de référence est nulle pour l'instant"
        );
    }

    #[test]
    fn ends_freezes_and_targets_have_words() {
        assert_eq!(
            end_reason(Fr, &EndReason::PeriodEnded(PeriodOutcome::Missed), None),
            "Période terminée : objectif manqué"
        );
        assert_eq!(
            freeze(En, &Freeze::NoData { missing: Unmeasurable::NoData }, &TimeZone::UTC),
            "evaluation frozen: no data in the span asked for"
        );
        assert_eq!(plain(&target(Fr, Target::AtLeast(0.95), &Unit::Ratio)), "au moins 95 %");
        assert_eq!(target(En, Target::Between(2.0, 4.0), &Unit::None), "between 2 and 4");
    }
}
