//! Every way in which one value of a sidecar is made wrong: defaults, patience, who is told, words.

use std::ops::Range;

use saphyr_parser::{Event, Parser};

use super::mutant::{Mutant, Place, figures};

/// A value with its way from the top: `parameters`, `safety`, `default`.
struct Leaf {
    way: Vec<String>,
    value: String,
    bytes: Range<usize>,
}

pub(super) fn mutants(place: Place<'_>) -> Vec<Mutant> {
    let leaves = leaves(place.text);
    let mut made = Vec::new();
    for leaf in &leaves {
        let mut make = |what: &str, with: &str| made.push(place.mutant(what, &[(leaf.bytes.clone(), with)]));
        let way: Vec<&str> = leaf.way.iter().map(String::as_str).collect();
        match way[..] {
            ["parameters", name, "default"] => {
                let choices = leaves.iter().filter(|other| other.way[..].starts_with(&leaf.way[..2]));
                let choices = choices.filter(|other| other.way[2] == "one_of" && other.value != leaf.value);
                let others = figures(&leaf.value).into_iter().chain(choices.map(|choice| choice.value.clone()));
                for other in others {
                    make(&format!("default of {name}: {} becomes {other}", leaf.value), &other);
                }
            }
            ["for"] => {
                let (number, unit) = leaf.value.split_once(' ').unwrap_or((&leaf.value, ""));
                for other in figures(number) {
                    make(&format!("for: {} becomes {other} {unit}", leaf.value), &format!("{other} {unit}"));
                }
            }
            ["about"] => {
                let other = if leaf.value == "data" { "objective" } else { "data" };
                make(&format!("about: {} becomes {other}", leaf.value), other);
            }
            ["texts", key, language] => {
                make(&format!("the text {key} in {language} is another"), "\"Something else\"");
                for placeholder in placeholders(&place.text[leaf.bytes.clone()]) {
                    let bytes = leaf.bytes.start + placeholder.start..leaf.bytes.start + placeholder.end;
                    let what = format!("{} is removed from {key} in {language}", &place.text[bytes.clone()]);
                    made.push(place.mutant(&what, &[(bytes, "")]));
                }
            }
            _ => {}
        }
    }
    made
}

/// The keys of its texts.
pub(super) fn keys(sidecar: &str) -> Vec<String> {
    let mut keys: Vec<String> =
        leaves(sidecar).into_iter().filter(|leaf| leaf.way[0] == "texts").map(|leaf| leaf.way[1].clone()).collect();
    keys.dedup();
    keys
}

/// Where `{...}` stand in a text; `{{` is a brace.
fn placeholders(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|open| at + open) {
        if text[open..].starts_with("{{") {
            at = open + 2;
            continue;
        }
        let Some(close) = text[open..].find('}').map(|close| open + close + 1) else { break };
        found.push(open..close);
        at = close;
    }
    found
}

/// Maps and lists that are open: the keys that lead into them, and whether a map waits for a key.
enum Open {
    Map { waits: bool },
    List { next: usize },
}

fn leaves(text: &str) -> Vec<Leaf> {
    // Positions are counted in characters.
    let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut open: Vec<Open> = Vec::new();
    let mut way: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.unwrap();
        let is_key = matches!(open.last(), Some(Open::Map { waits: true }));
        if let Some(Open::List { next }) = open.last_mut()
            && matches!(event, Event::Scalar(..) | Event::MappingStart(..) | Event::SequenceStart(..))
        {
            way.push(next.to_string());
            *next += 1;
        }
        let ended = match event {
            Event::Scalar(value, ..) if is_key => {
                way.push(value.into_owned());
                open.pop();
                open.push(Open::Map { waits: false });
                false
            }
            Event::Scalar(value, ..) => {
                let bytes = offsets[span.start.index()]..offsets[span.end.index()];
                found.push(Leaf { way: way.clone(), value: value.into_owned(), bytes });
                true
            }
            Event::MappingStart(..) => {
                open.push(Open::Map { waits: true });
                false
            }
            Event::SequenceStart(..) => {
                open.push(Open::List { next: 0 });
                false
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                true
            }
            _ => false,
        };
        if ended {
            // A value is complete: its key or number leads no further.
            way.pop();
            if let Some(Open::Map { waits }) = open.last_mut() {
                *waits = true;
            }
        }
    }
    found
}

#[test]
fn every_value_is_changed() {
    let sidecar = "# é: 1\nparameters:\n  a: {default: 10, help: \"1 é\"}\n  b: {help: x, default: no, one_of: [no, yes]}\n\
                   about: data\nfor: 2 buckets\ntexts:\n  low: {fr: \"é {kpi.value}\", en: \"{{ {p.a|unit}\"}\n  out: {en: x}\n";
    let made = mutants(Place { file: "a.yaml", text: sidecar });
    let names: Vec<&str> = made.iter().map(|mutant| mutant.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "a.yaml:3:16: default of a: 10 becomes 8",
            "a.yaml:3:16: default of a: 10 becomes 12",
            "a.yaml:4:25: default of b: no becomes yes",
            "a.yaml:5:8: about: data becomes objective",
            "a.yaml:6:6: for: 2 buckets becomes 1 buckets",
            "a.yaml:6:6: for: 2 buckets becomes 3 buckets",
            "a.yaml:8:13: the text low in fr is another",
            "a.yaml:8:16: {kpi.value} is removed from low in fr",
            "a.yaml:8:34: the text low in en is another",
            "a.yaml:8:38: {p.a|unit} is removed from low in en",
            "a.yaml:9:13: the text out in en is another",
        ]
    );
    assert_eq!(made[1].text, sidecar.replace("10", "12"));
    assert_eq!(made[7].text, sidecar.replace("{kpi.value}", ""));
    assert_eq!(made[8].text, sidecar.replace("\"{{ {p.a|unit}\"", "\"Something else\""));
    assert_eq!(keys(sidecar), ["low", "out"]);
}
