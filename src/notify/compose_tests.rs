//! What recipients read, in both languages.

use std::fmt::Write as _;

use jiff::civil::date;

use super::super::{Item, compose};
use super::{alert, at, catalog, route};
use crate::model::alert::{
    Alert, AlertFacts, Aspect, Correction, EndReason, Freeze, PeriodOutcome, Phase, Stated, Subject,
};
use crate::model::assessment::{
    Basis, ComparisonBasis, ComparisonFact, DataFacts, ObjectiveFacts, Status, Unmeasurable,
};
use crate::model::catalog::Catalog;
use crate::model::course::{Course, CourseShape, Goal};
use crate::model::event::EventFact;
use crate::model::grain::Grain;
use crate::model::ids::SeriesKey;
use crate::model::kpi::{Empty, Kpi, Lateness, Quality, Query};
use crate::model::notification::{GroupBy, GroupKey, Matcher, Message, NotifyReason, Told};
use crate::model::objective::{Measure, Target};
use crate::model::schedule::Schedule;
use crate::model::text::{Figure, Localized, Said, Template};
use crate::model::unit::{Category, Direction, Kind, Language, Unit};
use crate::model::verdict::{Severity, Suggestion};

fn text(fr: &str, en: &str, figures: &[(&str, Figure)]) -> Said {
    let template = |text: &str| Some(Template::parse(text).expect("a template").into());
    let figures = figures.iter().map(|(name, figure)| ((*name).to_owned(), figure.clone())).collect();
    Said { text: Localized { fr: template(fr), en: template(en) }, figures }
}

fn facts() -> AlertFacts {
    AlertFacts {
        at: at(0),
        title: "Chiffre d'affaires".to_owned(),
        category: Some(Category::Financial),
        unit: Unit::Currency("EUR".to_owned()),
        owner: None,
        value: None,
        said: None,
        conditions: Vec::new(),
        suggestions: Vec::new(),
        statement: None,
        objective: None,
        course: None,
        comparisons: Vec::new(),
        data: Some(DataFacts {
            as_of: Some(at(-375)),
            provisional: false,
            completeness: 1.0,
            source: "shop".to_owned(),
        }),
        cause: None,
        suspect: None,
        vanished: None,
        events: Vec::new(),
    }
}

fn objective_facts(target: Target, actual: f64, expected: f64) -> ObjectiveFacts {
    ObjectiveFacts {
        status: Status::OffTrajectory,
        target,
        measure: Measure::Sum,
        period_start: date(2027, 1, 1),
        period_end: date(2027, 1, 31),
        actual: Some(actual),
        expected: Some(expected),
        drift: Some(actual - expected),
        drift_ratio: Some((actual - expected) / expected),
        drift_days: Some(-2.5),
        projected: Some(actual * 1.4),
        low: None,
        high: None,
        probability: None,
        probability_change: None,
        basis: None,
        required_rate: Some(22_916.67),
        current_rate: Some(17_500.0),
        working_days_left: Some(6),
        completeness: 1.0,
    }
}

fn firing() -> Alert {
    let said = text(
        "{kpi.title} : {objective.drift_ratio|percent} par rapport à la trajectoire.",
        "{kpi.title}: {objective.drift_ratio|percent} against its trajectory.",
        &[
            ("kpi.title", Figure::Text("Chiffre d'affaires".to_owned())),
            ("objective.drift_ratio", Figure::Ratio(-0.125)),
        ],
    );
    let say = text("Relancer les paniers.", "Remind the baskets.", &[]);
    let facts = AlertFacts {
        value: Some(0.125),
        said: Some(said),
        suggestions: vec![Suggestion { say, who: Some("claire".into()), by: Some(date(2027, 1, 29)) }],
        statement: Some("Porter le chiffre d'affaires mensuel à 400 000 €".to_owned()),
        objective: Some(objective_facts(Target::Reach(400_000.0), 262_500.0, 300_000.0)),
        comparisons: vec![ComparisonFact {
            basis: ComparisonBasis::SpanBefore,
            value: 262_500.0,
            reference: 285_600.0,
            from: date(2026, 12, 1),
            to: date(2026, 12, 15),
        }],
        ..facts()
    };
    let series = SeriesKey::total(&"revenue".into());
    let mut alert = Alert { severity: Severity::Critical, facts: Some(facts.into()), ..alert("a", at(0)) };
    alert.key.subject = Subject::Rule { rule: "at-risk".into(), series, objective: Some("month".into()) };
    alert.key.period = Some(date(2027, 1, 1));
    alert
}

fn group(alert: &Alert) -> GroupKey {
    let by = [GroupBy::Kpi, GroupBy::Objective];
    let routed = Catalog {
        route: crate::model::notification::Route {
            group_by: by.to_vec(),
            ..route("0", "ops", Matcher::default(), Vec::new())
        },
        ..catalog()
    };
    super::destination(&routed, alert).group
}

#[test]
fn events_stand_in_one_line() {
    let mut alert = firing();
    let event = EventFact { name: "Grève".to_owned(), from: date(2027, 1, 11), to: date(2027, 1, 12) };
    let before = (*alert.facts.clone().unwrap()).clone();
    alert.facts =
        Some(AlertFacts { at: "2027-01-16T06:15:00Z".parse().unwrap(), events: vec![event], ..before }.into());
    for (language, line) in
        [(Language::Fr, "Pendant : Grève (11–12 janv.)"), (Language::En, "During: Grève (11–12 Jan)")]
    {
        let text = read(&alert, NotifyReason::First, language);
        assert!(text.contains(line), "{text}");
    }
}

/// A first mail, of the thirteenth time the value was told.
fn heard() -> Told {
    Told {
        phase: Phase::Firing,
        severity: Severity::Critical,
        is_calm: false,
        value: Some(13.0),
        bucket: Some(Grain::Day.index_of_date(jiff::civil::date(2026, 11, 23))),
        actual: None,
        episode: 1,
        revision: 0,
        at: at(0),
    }
}

/// The message as plain lines.
fn read(alert: &Alert, reason: NotifyReason, language: Language) -> String {
    read_with(&catalog(), alert, reason, language)
}

fn read_with(catalog: &Catalog, alert: &Alert, reason: NotifyReason, language: Language) -> String {
    let item = Item { alert, reason, heard: (alert.revision > 0).then(heard) };
    let message = compose(catalog, &group(alert), &[item], language, at(30));
    let mut out = format!("{}\n{}\n{}\n", message.subject, message.headline, message.sent_line);
    for section in &message.sections {
        let facts = section.facts.iter().map(|fact| format!("{} = {}", fact.label, fact.value));
        let parts: [(&str, Vec<String>); 6] = [
            ("sentence", section.sentences.clone()),
            ("fact", facts.collect()),
            ("comparison", section.comparisons.clone()),
            ("suggestion", section.suggestions.clone()),
            ("data", section.data.iter().cloned().collect()),
            ("why", section.why.clone()),
        ];
        for (kind, lines) in parts {
            for line in lines {
                writeln!(out, "{kind}: {line}").expect("a string takes everything");
            }
        }
    }
    out
}

fn snapshot(name: &str, alert: &Alert, reason: NotifyReason) {
    for (language, ending) in [(Language::Fr, "fr"), (Language::En, "en")] {
        insta::assert_snapshot!(format!("{name}_{ending}"), read(alert, reason, language));
    }
}

fn resolved(alert: Alert) -> Alert {
    Alert { phase: Phase::Resolved, resolved_at: Some(at(2880)), end: Some(EndReason::Recovered), ..alert }
}

#[test]
fn an_objective_that_is_missed() {
    snapshot("firing", &firing(), NotifyReason::First);
    snapshot("resolved", &resolved(firing()), NotifyReason::Resolved);
}

/// With a landing that is known to a certain extent, in the words of a rule as well.
fn foretold() -> Alert {
    let said = text(
        "{objective.probability|percent} de chances, atterrissage {objective.projected|unit}.",
        "A chance of {objective.probability|percent}, landing at {objective.projected|unit}.",
        &[
            ("objective.probability", Figure::Ratio(0.004)),
            ("objective.projected", Figure::Quantity(371_234.56, Unit::Currency("EUR".to_owned()))),
        ],
    );
    let objective = ObjectiveFacts {
        projected: Some(371_234.56),
        low: Some(352_123.4),
        high: Some(388_987.6),
        probability: Some(0.004),
        probability_change: Some(-0.18),
        basis: Some(Basis::Learned { periods: 24 }),
        ..objective_facts(Target::Reach(400_000.0), 262_500.0, 300_000.0)
    };
    let buckets: Vec<_> = (1..=31).map(|day| date(2027, 1, day).at(0, 0, 0, 0)).collect();
    let course = Course {
        shape: CourseShape::Cumulated,
        end: date(2027, 2, 1).at(0, 0, 0, 0),
        now: None,
        actual: (1..=15).map(|day| Some(17_500.0 * f64::from(day))).collect(),
        expected: (1..=31).map(|day| Some(400_000.0 * f64::from(day) / 31.0)).collect(),
        landing: Vec::new(),
        target: Some(Goal::At(400_000.0)),
        closed: Vec::new(),
        events: Vec::new(),
        buckets,
    };
    let facts = AlertFacts { objective: Some(objective), course: Some(course), said: Some(said), ..facts() };
    Alert { facts: Some(facts.into()), ..firing() }
}

#[test]
fn a_landing_has_its_interval_its_probability_and_its_basis() {
    snapshot("foretold", &foretold(), NotifyReason::First);
    let mut short = foretold();
    let mut facts = short.facts.as_deref().cloned().expect("facts");
    let objective = facts.objective.as_mut().expect("an objective");
    (objective.basis, objective.probability) = (Some(Basis::WorkingDays), Some(0.224));
    short.facts = Some(facts.clone().into());
    let said = read(&short, NotifyReason::First, Language::Fr);
    let said = said.replace(['\u{202f}', '\u{a0}'], " ");
    assert!(said.contains("Trajectoire = jours ouvrés (historique trop court pour l'apprendre)\n"), "{said}");
    assert!(said.contains("Probabilité d'atteindre la cible = 22 % (-18 points en 7 jours)\n"), "{said}");
    // Once it is over nothing is probable any more, and the end has no interval.
    let objective = facts.objective.as_mut().expect("an objective");
    (objective.projected, objective.low, objective.high, objective.probability) =
        (Some(371_234.56), Some(371_234.56), Some(371_234.56), Some(0.0));
    short.facts = Some(facts.into());
    let said = read(&short, NotifyReason::First, Language::En);
    assert!(said.contains("Landing = €371,234.56\n") && !said.contains("Probability of"), "{said}");
}

#[test]
fn pictures_are_of_objectives_and_few() {
    let alerts: Vec<Alert> = (0..12).map(|_| foretold()).collect();
    let message = |alerts: &[Alert]| {
        let item = |alert| Item { alert, reason: NotifyReason::First, heard: None };
        let told: Vec<Item<'_>> = alerts.iter().map(item).collect();
        compose(&catalog(), &group(&alerts[0]), &told, Language::Fr, at(30))
    };
    let shown = |alerts: &[Alert]| message(alerts).sections.iter().filter(|section| section.picture.is_some()).count();
    assert_eq!((shown(&alerts[..1]), shown(&alerts)), (1, 8));
    let picture = message(&alerts).sections[0].picture.clone().expect("a picture");
    assert_eq!(picture.title, "Chiffre d'affaires – janvier 2027");
    let remark = "Probabilité d'atteindre la cible\u{a0}: moins de 1\u{202f}% (-18\u{a0}points en 7 jours)";
    assert_eq!(picture.remark.as_deref(), Some(remark));
    let mut failed = foretold();
    failed.key.aspect = Aspect::Failed;
    assert_eq!(shown(&[failed]), 0);
    // What was stored before pictures were.
    let mut old = serde_json::to_value(message(&alerts[..1])).expect("JSON");
    let section = old["sections"][0].as_object_mut().expect("a section");
    section.remove("picture");
    let payload = section["payload"].as_object_mut().expect("a payload");
    for name in ["low", "high", "probability"] {
        assert!(payload.remove(name).is_some_and(|figure| figure.is_number()), "{name}");
    }
    let old: Message = serde_json::from_value(old).expect("an old message");
    assert_eq!((old.sections[0].picture.clone(), old.sections[0].payload.low), (None, None));
}

#[test]
fn a_correction_says_the_old_value() {
    let mut alert = firing();
    let before = alert.facts.as_deref().cloned().expect("facts");
    let unit = Unit::None;
    let bucket = Some(Grain::Day.index_of_date(jiff::civil::date(2026, 11, 23)));
    alert.correction = Some(Correction { old: Some(12.0), new: Some(3.0), bucket, actual: None });
    (alert.revision, alert.stated) = (1, Some(Stated { level: None }));
    alert.facts = Some(AlertFacts { unit, objective: None, value: Some(8.0), ..before }.into());
    snapshot("correction", &alert, NotifyReason::Correction);
}

#[test]
fn a_share_differs_in_points() {
    let mut alert = firing();
    let objective = ObjectiveFacts {
        measure: Measure::Pooled,
        drift_days: None,
        required_rate: None,
        current_rate: None,
        projected: Some(0.902),
        ..objective_facts(Target::AtLeast(0.95), 0.902, 0.95)
    };
    let base = AlertFacts { title: "Livraisons à l'heure".to_owned(), unit: Unit::Ratio, ..facts() };
    alert.facts = Some(AlertFacts { objective: Some(objective), value: Some(0.05), ..base }.into());
    snapshot("ratio", &alert, NotifyReason::Escalated);
}

#[test]
fn a_budget_is_told_as_one() {
    let objective = ObjectiveFacts {
        required_rate: Some(1_234.56),
        current_rate: Some(2_345.67),
        probability: Some(0.24),
        probability_change: Some(-0.18),
        ..objective_facts(Target::AtMost(50_000.0), 45_000.0, 30_000.0)
    };
    let mut alert = firing();
    alert.facts = Some(AlertFacts { objective: Some(objective), ..facts() }.into());
    let told = |alert: &Alert| {
        let message = compose(
            &catalog(),
            &group(alert),
            &[Item { alert, reason: NotifyReason::First, heard: None }],
            Language::Fr,
            at(30),
        );
        message.sections.into_iter().next().expect("a section")
    };
    let figures = told(&alert).facts;
    let value = |label: &str| {
        let found = figures.iter().find(|fact| fact.label == label).unwrap_or_else(|| panic!("{label}: {figures:?}"));
        found.value.replace(['\u{202f}', '\u{a0}'], " ")
    };
    assert_eq!(value("Reste à dépenser"), "1 235 € par jour ouvré");
    assert_eq!(value("Rythme actuel"), "2 346 € par jour ouvré");
    assert_eq!(value("Probabilité de tenir la cible"), "24 % (-18 points en 7 jours)");
    (alert.phase, alert.end) = (Phase::Resolved, Some(EndReason::PeriodEnded(PeriodOutcome::Missed)));
    assert_eq!(told(&alert).state, "Période terminée : limite dépassée");
}

#[test]
fn missing_data_and_outages_say_what_is_wrong() {
    let mut missing = firing();
    missing.key.aspect = Aspect::NoData;
    missing.frozen = Some(Freeze::NoData { missing: Unmeasurable::Late { bucket_end: at(-1815) } });
    missing.facts = Some(facts().into());
    snapshot("no_data", &missing, NotifyReason::First);
    let mut outage = alert("a", at(0));
    outage.key.subject = Subject::Source("shop".into());
    outage.key.aspect = Aspect::Outage;
    let cause = Some("database shop.db: the file is damaged; restore it".to_owned());
    outage.facts = Some(AlertFacts { title: "shop".to_owned(), unit: Unit::None, data: None, cause, ..facts() }.into());
    snapshot("outage", &outage, NotifyReason::First);
}

/// Half past midnight in Paris is still the day before in the configuration's zone, which is UTC.
#[test]
fn a_held_alert_speaks_the_readers_language_and_the_kpis_zone() {
    let kpi = Kpi {
        id: "revenue".into(),
        title: String::new(),
        category: Category::Financial,
        unit: Unit::None,
        better: Direction::Higher,
        kind: Kind::Flow,
        grain: Grain::Day,
        zone: jiff::tz::TimeZone::get("Europe/Paris").expect("a zone"),
        calendar: std::sync::Arc::default(),
        source: "shop".into(),
        query: Query::Text(String::new()),
        dimensions: Vec::new(),
        schedule: Schedule::parse("daily 06:15").expect("a schedule"),
        expected: Lateness::Workdays(1),
        settle: jiff::SignedDuration::ZERO,
        history: jiff::SignedDuration::from_hours(24),
        keep: jiff::SignedDuration::from_hours(24 * 400),
        recheck: None,
        empty: Empty::Missing,
        complete: 0.8,
        quality: Quality::default(),
        reconcile: None,
        since: None,
        owner: None,
    };
    let mut catalog = catalog();
    catalog.kpis.insert(kpi.id.clone(), kpi.into());
    let midnight = "2027-01-14T23:30:00Z".parse().expect("an instant");
    let mut held = firing();
    let words = text("trop tôt pour conclure", "too early to tell", &[]);
    held.frozen = Some(Freeze::Hold { reason: "too_early".to_owned(), said: Some(words) });
    let data = DataFacts { as_of: Some(midnight), ..facts().data.expect("data") };
    held.facts = Some(AlertFacts { data: Some(data), ..facts() }.into());
    let fr = read_with(&catalog, &held, NotifyReason::First, Language::Fr);
    assert!(fr.contains("sentence: évaluation suspendue : trop tôt pour conclure\n"), "{fr}");
    assert!(fr.contains("vendredi 15 janvier 2027 à 00:30"), "{fr}");
    let en = read_with(&catalog, &held, NotifyReason::First, Language::En);
    assert!(en.contains("sentence: evaluation held: too early to tell\n") && !en.contains("too_early"), "{en}");
    held.frozen = Some(Freeze::NoData { missing: Unmeasurable::Late { bucket_end: midnight } });
    let fr = read_with(&catalog, &held, NotifyReason::First, Language::Fr);
    assert!(fr.contains("les données jusqu'au vendredi 15 janvier 2027 à 00:30 ne sont pas arrivées"), "{fr}");
}

#[test]
fn the_subject_is_the_same_over_the_thread_and_has_no_figures() {
    let worse = Alert { severity: Severity::Warning, ..firing() };
    let told = [
        (firing(), NotifyReason::First),
        (worse, NotifyReason::Deescalated),
        (firing(), NotifyReason::Reminder),
        (resolved(firing()), NotifyReason::Resolved),
    ];
    for language in [Language::Fr, Language::En] {
        let subject = |(alert, reason): &(Alert, NotifyReason)| {
            let item = Item { alert, reason: *reason, heard: None };
            compose(&catalog(), &group(alert), &[item], language, at(30)).subject
        };
        let subjects: std::collections::BTreeSet<String> = told.iter().map(subject).collect();
        assert_eq!(subjects.len(), 1, "{subjects:?}");
        assert!(subjects.iter().all(|subject| !subject.contains(|c: char| c.is_ascii_digit())), "{subjects:?}");
    }
}

#[test]
fn many_alerts_in_one_message_are_counted() {
    let alerts: Vec<Alert> = (0..25).map(|n| alert(&format!("n{n}"), at(0))).collect();
    let told: Vec<_> = alerts.iter().map(|alert| Item { alert, reason: NotifyReason::First, heard: None }).collect();
    let message = compose(&catalog(), &group(&alerts[0]), &told, Language::En, at(0));
    assert_eq!(message.sections.len(), 20);
    assert!(message.headline.starts_with("25 alerts · "), "{}", message.headline);
    assert_eq!(message.more, 5);
}
