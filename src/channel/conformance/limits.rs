//! However much there is to tell, each channel keeps within what its provider takes, and says how much it leaves out.

use serde_json::Value;

use super::subjects::{ALL, Kind, part, texts};
use crate::channel::fixture;
use crate::model::notification::{Fact, NewDelivery};

const ALERTS: usize = 200;
const FIGURES: usize = 50;
const CHARS: usize = 100_000;

/// Alerts with that many figures each; every title and every label is there once per alert.
fn delivery(alerts: usize, figures: usize) -> NewDelivery {
    let mut delivery = fixture::firing_fr();
    let mut section = delivery.message.sections[0].clone();
    section.facts = (0..figures)
        .map(|number| Fact { label: format!("Chiffre-{number:03}"), value: "262\u{202f}500\u{202f}€".to_owned() })
        .collect();
    delivery.message.sections = (0..alerts)
        .map(|number| {
            let mut section = section.clone();
            section.title = format!("Indicateur-{number:03}");
            section
        })
        .collect();
    delivery
}

/// The number before these words, or none if they are not there.
fn said(texts: &[String], words: &str) -> usize {
    let Some((before, _)) = texts.iter().find_map(|text| text.split_once(words)) else { return 0 };
    let digits: Vec<char> = before.trim_end().chars().rev().take_while(char::is_ascii_digit).collect();
    digits.into_iter().rev().collect::<String>().parse().expect("a number before the words")
}

fn count(texts: &[String], name: &str, most: usize) -> usize {
    (0..most).filter(|number| texts.iter().any(|text| text.contains(&format!("{name}-{number:03}")))).count()
}

/// What the provider takes; facts from their manuals.
#[track_caller]
fn check_taken(kind: Kind, arrived: &str) {
    match kind {
        Kind::Email | Kind::Maildir => {
            assert!(arrived.is_ascii() && arrived.split("\r\n").all(|line| line.len() < 998));
            // Gmail clips at 102 kB, relays refuse some megabytes.
            assert!(part(arrived, "text/html").len() <= 80_000 && arrived.len() < 500_000, "{}", arrived.len());
        }
        Kind::Slack => check_slack(&serde_json::from_str(arrived).expect("JSON")),
        Kind::Teams => {
            assert!(arrived.len() <= 20_000, "{}", arrived.len());
            let posted: Value = serde_json::from_str(arrived).expect("JSON");
            assert_eq!(posted.to_string(), arrived, "minified");
            check_card(&posted["attachments"][0]["content"]);
        }
        // Ours: all that there is.
        Kind::Webhook => {}
    }
}

#[track_caller]
fn check_slack(posted: &Value) {
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    assert!((1..=4000).contains(&length(&posted["text"])), "{}", posted["text"]);
    let blocks = posted["blocks"].as_array().expect("blocks");
    assert!(blocks.len() <= 50, "{}", blocks.len());
    for block in blocks {
        let limit = if block["type"] == "header" { 150 } else { 3000 };
        assert!(length(&block["text"]["text"]) <= limit, "{block}");
        let of = |key: &str| block[key].as_array().map_or(&[][..], Vec::as_slice);
        for part in [of("fields"), of("elements")] {
            assert!(part.len() <= 10 && part.iter().all(|each| (1..=2000).contains(&length(&each["text"]))), "{block}");
        }
    }
}

/// Only what version 1.2 of the schema has, and no text that is empty or cut at the first line.
#[track_caller]
fn check_card(card: &Value) {
    assert_eq!((&card["type"], &card["version"]), (&"AdaptiveCard".into(), &"1.2".into()));
    assert_eq!(card["msteams"]["width"], "Full");
    assert!(card["fallbackText"].as_str().is_some_and(|text| !text.is_empty()));
    let mut elements: Vec<&Value> = card["body"].as_array().expect("a body").iter().collect();
    assert!(!elements.is_empty());
    while let Some(element) = elements.pop() {
        match element["type"].as_str().expect("a type") {
            "Container" => {
                let items = element["items"].as_array().expect("items");
                assert!(!items.is_empty(), "{element}");
                elements.extend(items);
            }
            "TextBlock" => {
                assert!(element["text"].as_str().is_some_and(|text| !text.is_empty()), "{element}");
                assert_eq!(element["wrap"], true, "{element}");
            }
            "FactSet" => {
                let facts = element["facts"].as_array().expect("facts");
                assert!(
                    !facts.is_empty()
                        && facts.iter().all(|fact| fact["title"].is_string() && fact["value"].is_string())
                );
            }
            other => panic!("an element {other}"),
        }
    }
}

#[tokio::test]
async fn of_many_alerts_those_left_out_are_counted() {
    for kind in ALL {
        for (alerts, figures) in [(ALERTS, 10), (ALERTS, FIGURES), (30, FIGURES), (8, 10)] {
            let mut delivery = delivery(alerts, figures);
            delivery.message.more = 7;
            let arrived = kind.arrived(&delivery).await;
            check_taken(kind, &arrived);
            let texts = texts(kind, &arrived);
            let shown = count(&texts, "Indicateur", alerts);
            let hidden = match kind {
                Kind::Webhook => arrived.split_once(r#""more":7"#).map_or(0, |_| 7),
                _ => said(&texts, " autres alertes"),
            };
            assert_eq!(shown + hidden, alerts + 7, "{kind:?}: {shown} shown, {hidden} said to be left out");
            let least = if kind == Kind::Webhook { alerts } else { 3 };
            assert!(shown >= least, "{kind:?}: {shown} of {alerts} are shown");
        }
    }
}

#[tokio::test]
async fn of_many_figures_those_left_out_are_counted() {
    for kind in ALL {
        for figures in [10, 20, 30, FIGURES, 300] {
            let arrived = kind.arrived(&delivery(1, figures)).await;
            check_taken(kind, &arrived);
            let texts = texts(kind, &arrived);
            let shown = count(&texts, "Chiffre", figures);
            assert!(shown >= 10, "{kind:?}: {shown} of {figures} are shown");
            assert!(texts.concat().contains("abandonn"), "{kind:?}: the suggestion is shown");
            let hidden = said(&texts, " autres détails");
            assert_eq!(shown + hidden, figures, "{kind:?}: {shown} shown, {hidden} said to be left out");
        }
    }
}

#[tokio::test]
async fn texts_of_any_length_are_cut_where_that_shows() {
    // What takes most room once it is escaped, and plain letters.
    for unit in ["é<&*\"\\🔴", "x"] {
        let words = unit.repeat(CHARS / unit.chars().count());
        for kind in ALL {
            let mut delivery = delivery(1, 0);
            let message = &mut delivery.message;
            for text in [&mut message.subject, &mut message.headline, &mut message.sent_line] {
                text.clone_from(&words);
            }
            let section = &mut message.sections[0];
            for text in [&mut section.title, &mut section.state] {
                text.clone_from(&words);
            }
            section.data = Some(words.clone());
            section.sentences = vec![words.clone(); 3];
            section.suggestions.clone_from(&section.sentences);
            section.comparisons.clone_from(&section.sentences);
            section.why.clone_from(&section.sentences);
            section.facts = vec![Fact { label: words.clone(), value: words.clone() }; FIGURES];
            let arrived = kind.arrived(&delivery).await;
            check_taken(kind, &arrived);
            let texts = texts(kind, &arrived);
            if kind == Kind::Webhook {
                assert!(texts.contains(&words));
            } else {
                assert!(texts.iter().any(|text| text.contains('…')), "{kind:?}");
            }
        }
    }
}
