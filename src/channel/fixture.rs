//! Deliveries and contexts for the tests of all channels.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Weekday;

use crate::model::alert::{About, Phase};
use crate::model::course::{Course, CourseEvent, CourseShape, Fan, Goal};
use crate::model::ids::{Labels, PersonId};
use crate::model::notification::{
    Fact, Message, NewDelivery, NotifyReason, Payload, Person, Picture, Section, ThreadRef,
};
use crate::model::unit::{Language, Unit};
use crate::model::verdict::Severity;
use crate::secret::{Secret, SecretRef};

use super::build::{ChannelContext, MailContext};
use super::config::MailConfig;

/// What every secret of these tests resolves to, unless the reference is a URL itself.
pub(super) const SECRET: &str = "s3cr3t-Hunter22";

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("a valid instant")
}

/// A context with one person, `claire`; `{env: X}` resolves to X when X is an address, else to [`SECRET`].
pub(super) fn with_context<T>(
    mail: Option<&MailConfig>,
    base_dir: &Path,
    run: impl FnOnce(&ChannelContext<'_>) -> T,
) -> T {
    let people = |id: &PersonId| {
        (id.as_str() == "claire").then(|| Person {
            id: id.clone(),
            name: "Claire Léger".to_owned(),
            mail: Some("claire@example.test".to_owned()),
            language: Language::Fr,
            calendar: None,
        })
    };
    let resolve = |reference: &SecretRef| match reference {
        SecretRef::Env(name) if name == "MISSING" => Err("environment variable MISSING is not set".to_owned()),
        SecretRef::Env(text) if text.contains("://") => Ok(Secret::new(text.clone())),
        SecretRef::Env(_) | SecretRef::File(_) | SecretRef::Credential(_) => Ok(Secret::new(SECRET.to_owned())),
    };
    let mail = mail.map(|config| MailContext { config, resolve: &resolve, base_dir });
    run(&ChannelContext { mail, people: &people, resolve: &resolve, base_dir, default_language: Language::En })
}

/// The opening message of a thread, critical, in French.
pub(super) fn firing_fr() -> NewDelivery {
    delivery(
        "n0000001-claire",
        0,
        Message {
            language: Language::Fr,
            reason: NotifyReason::First,
            about: About::Objective,
            severity: Severity::Critical,
            resolved: false,
            subject: "Chiffre d'affaires : objectif de novembre 2026".to_owned(),
            headline:
                "Hors trajectoire : -12,5\u{202f}% (-37\u{202f}500\u{202f}€), atterrissage 351\u{202f}234,5\u{202f}€"
                    .to_owned(),
            sections: vec![section_fr()],
            more: 0,
            created_at: at("2026-11-23T05:15:04Z"),
            sent_line: "Envoyé le lundi 23 novembre 2026 à 06:15".to_owned(),
        },
    )
}

/// A follow-up that escalates, in English.
pub(super) fn escalated_en() -> NewDelivery {
    let mut section = section_fr();
    section.title = "Revenue".to_owned();
    section.state = "Critical · Off trajectory".to_owned();
    section.reason = NotifyReason::Escalated;
    section.sentences = vec!["Revenue: -12.5% off its trajectory, landing at €351,234.5".to_owned()];
    section.facts = facts(&[
        ("Actual", "€262,500"),
        ("Expected to date", "€300,000"),
        ("Target", "€400,000"),
        ("Drift", "-€37,500 (-12.5%)"),
        ("Landing", "€351,000 (between €338,000 and €365,000, 8 times out of 10)"),
        ("Probability of reaching the target", "less than 1%"),
    ]);
    if let Some(picture) = &mut section.picture {
        picture.title = "Revenue – November 2026".to_owned();
        picture.remark = Some("Probability of reaching the target: less than 1%".to_owned());
    }
    section.comparisons =
        vec!["8.1% less than the span before, 1 to 22 October 2026 (€262,500 against €285,600)".to_owned()];
    section.suggestions = vec!["Follow up on abandoned carts (claire, by 30 November 2026)".to_owned()];
    section.data = Some("as of Monday 23 November 2026 at 00:00, 100% complete, source shop".to_owned());
    section.why =
        vec!["Rule revenue-at-risk, receiver direction".to_owned(), "To acknowledge: vigie ack a0123456789".to_owned()];
    delivery(
        "n0000002-claire",
        1,
        Message {
            language: Language::En,
            reason: NotifyReason::Escalated,
            about: About::Objective,
            severity: Severity::Critical,
            resolved: false,
            subject: "Revenue: objective of November 2026".to_owned(),
            headline: "Off trajectory: -12.5% (-€37,500), landing at €351,234.5".to_owned(),
            sections: vec![section],
            more: 0,
            created_at: at("2026-11-24T05:15:02Z"),
            sent_line: "Sent Tuesday 24 November 2026 at 06:15".to_owned(),
        },
    )
}

/// The end of the thread, in French.
pub(super) fn resolved_fr() -> NewDelivery {
    let mut delivery = firing_fr();
    delivery.key = "n0000003-claire".to_owned();
    delivery.notification = "n0000003".to_owned();
    delivery.thread.position = 2;
    let message = &mut delivery.message;
    message.reason = NotifyReason::Resolved;
    message.resolved = true;
    message.headline = "Rétabli : +0,4\u{202f}% sur la trajectoire, atterrissage 401\u{202f}600\u{202f}€".to_owned();
    let section = &mut message.sections[0];
    section.reason = NotifyReason::Resolved;
    section.resolved = true;
    section.state = "Rétabli · En bonne voie".to_owned();
    section.suggestions.clear();
    section.payload.state = Phase::Resolved;
    section.payload.resolved_at = Some(at("2026-11-26T05:15:00Z"));
    delivery
}

fn delivery(key: &str, position: u32, message: Message) -> NewDelivery {
    NewDelivery {
        key: key.to_owned(),
        notification: key.split('-').next().unwrap_or(key).to_owned(),
        receiver: "direction".into(),
        recipient: "claire@example.test".to_owned(),
        thread: ThreadRef { root: "t0000001-claire".to_owned(), position },
        created_at: message.created_at,
        message,
    }
}

fn section_fr() -> Section {
    Section {
        headline: String::new(),
        alert: "a0123456789".into(),
        title: "Chiffre d'affaires".to_owned(),
        state: "Critique · Hors trajectoire".to_owned(),
        severity: Severity::Critical,
        resolved: false,
        reason: NotifyReason::First,
        sentences: vec![
            "Chiffre d'affaires : -12,5\u{202f}% sur la trajectoire, atterrissage 351\u{202f}234,5\u{202f}€".to_owned(),
            "Objectif : Porter le chiffre d'affaires mensuel à 400\u{202f}000\u{202f}€".to_owned(),
        ],
        facts: facts(&[
            ("Réalisé", "262\u{202f}500\u{202f}€"),
            ("Attendu à date", "300\u{202f}000\u{202f}€"),
            ("Cible", "400\u{202f}000\u{202f}€"),
            ("Écart", "-37\u{202f}500\u{202f}€ (-12,5\u{202f}%)"),
            ("Avance ou retard", "2,5\u{a0}jours ouvrés de retard"),
            ("Atterrissage", "351\u{202f}000\u{202f}€ (entre 338\u{202f}000\u{202f}€ et 365\u{202f}000\u{202f}€, 8 fois sur 10)"),
            ("Probabilité d'atteindre la cible", "moins de 1\u{202f}%"),
            ("Rythme requis", "22\u{202f}916,67\u{202f}€ par jour ouvré"),
            ("Rythme actuel", "17\u{202f}500\u{202f}€ par jour ouvré"),
            ("Période", "novembre 2026"),
            ("Trajectoire", "apprise sur 12 périodes"),
            ("Depuis", "lundi 23 novembre 2026 à 06:15"),
        ]),
        picture: Some(picture()),
        comparisons: vec![
            "8,1\u{202f}% de moins que la période précédente, du 1er au 22 octobre 2026 (262\u{202f}500\u{202f}€ contre 285\u{202f}600\u{202f}€)"
                .to_owned(),
        ],
        suggestions: vec!["Relancer les paniers abandonnés (claire, d'ici le 30 novembre 2026)".to_owned()],
        data: Some("au lundi 23 novembre 2026 à 00:00, complétude 100\u{202f}%, source shop".to_owned()),
        why: vec![
            "Règle revenue-at-risk, destinataire direction".to_owned(),
            "Pour prendre en charge : vigie ack a0123456789".to_owned(),
        ],
        payload: payload(),
    }
}

/// A month whose first 22 days are known.
fn picture() -> Picture {
    let days = || (1..=30_i8).map(|day| jiff::civil::date(2026, 11, day));
    let last = 351_000.0;
    let landing = |day: i8| {
        let share = (f64::from(day) - 22.0) / 8.0;
        let (mean, open) = (262_500.0 + share * (last - 262_500.0), share.sqrt());
        (day > 22).then_some(Fan { mean, low: mean - open * 13_000.0, high: mean + open * 14_000.0 })
    };
    Picture {
        title: "Chiffre d'affaires – novembre 2026".to_owned(),
        remark: Some("Probabilité d'atteindre la cible\u{a0}: moins de 1\u{202f}%".to_owned()),
        unit: Unit::Currency("EUR".to_owned()),
        course: Course {
            shape: CourseShape::Cumulated,
            buckets: days().map(|day| day.at(0, 0, 0, 0)).collect(),
            end: jiff::civil::date(2026, 12, 1).at(0, 0, 0, 0),
            now: Some(jiff::civil::date(2026, 11, 23).at(6, 15, 0, 0)),
            actual: (1..=22).map(|day| Some(262_500.0 * f64::from(day) / 22.0)).collect(),
            expected: (1..=30)
                .map(|day| Some(if day == 22 { 300_000.0 } else { 400_000.0 * f64::from(day) / 30.0 }))
                .collect(),
            landing: (1..=30).map(landing).collect(),
            target: Some(Goal::At(400_000.0)),
            closed: days().map(|day| day.weekday() == Weekday::Sunday).collect(),
            events: vec![CourseEvent { on: jiff::civil::date(2026, 11, 27), name: "Black Friday".to_owned() }],
        },
    }
}

fn payload() -> Payload {
    Payload {
        alert: "a0123456789".into(),
        episode: 1,
        identity: "rule:revenue-at-risk/revenue/revenue-month@2026-11-01#breach".to_owned(),
        state: Phase::Firing,
        severity: Severity::Critical,
        about: About::Objective,
        aspect: "breach".to_owned(),
        rule: Some("revenue-at-risk".to_owned()),
        kpi: Some("revenue".to_owned()),
        labels: Labels::total(),
        objective: Some("revenue-month".to_owned()),
        period: Some("2026-11-01".to_owned()),
        since: at("2026-11-23T05:15:00Z"),
        fired_at: Some(at("2026-11-23T05:15:00Z")),
        resolved_at: None,
        slot: at("2026-11-23T05:15:00Z"),
        value: Some(-0.125),
        actual: Some(262_500.0),
        expected: Some(300_000.0),
        target: Some(400_000.0),
        drift: Some(-37_500.0),
        drift_ratio: Some(-0.125),
        drift_days: Some(-2.5),
        projected: Some(351_234.5),
        low: Some(338_120.0),
        high: Some(364_870.25),
        probability: Some(0.006),
        unit: "EUR".to_owned(),
    }
}

fn facts(pairs: &[(&str, &str)]) -> Vec<Fact> {
    pairs.iter().map(|(label, value)| Fact { label: (*label).to_owned(), value: (*value).to_owned() }).collect()
}
