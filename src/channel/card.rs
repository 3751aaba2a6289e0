//! The neutral message as an Adaptive Card for Teams, within the size that Teams displays.
//!
//! Texts are Markdown to Teams. None of ours is, and what comes from outside is escaped to mean just itself. A card that is
//! too large is made anew with less of each alert, in the order of [`LADDER`], and says how much is missing.

use serde_json::{Value, json};

use crate::locale::{Text, text};
use crate::model::notification::{Message, Section};
use crate::model::unit::Language;
use crate::model::verdict::Severity;

use super::clean;
use super::mark::mark;

/// Teams refuses 28 KiB of its own form of a card, into which it turns what is posted: 24,453 bytes were too many. Such a
/// card is accepted and never displayed.
const BYTES_MAX: usize = 20_000;
/// The oldest version that knows all elements used, for the sake of phones.
const VERSION: &str = "1.2";
const SUBJECT_CHARS_MAX: usize = 150;
const HEADLINE_CHARS_MAX: usize = 500;
const TITLE_CHARS_MAX: usize = 150;
const STATE_CHARS_MAX: usize = 100;
const LABEL_CHARS_MAX: usize = 80;
const VALUE_CHARS_MAX: usize = 200;
const SENTENCE_CHARS_MAX: usize = 600;
const SUMMARY_CHARS_MAX: usize = 200;
/// More alerts than this don't fit even as their titles.
const ALERTS_MAX: usize = 100;
/// Of each kind of detail in one alert.
const ITEMS_MAX: usize = 50;

/// How many items of each kind an alert shows.
#[derive(Clone, Copy)]
struct Detail {
    sentences: usize,
    suggestions: usize,
    facts: usize,
    comparisons: usize,
    /// Where the data came from, why the reader gets this.
    notes: usize,
}

/// From everything to title and state; all alerts of a card have the same detail. The headline names gap and landing, so
/// figures go before suggestions.
const LADDER: [Detail; 8] = {
    let all = Detail {
        sentences: ITEMS_MAX,
        suggestions: ITEMS_MAX,
        facts: ITEMS_MAX,
        comparisons: ITEMS_MAX,
        notes: ITEMS_MAX,
    };
    let without_notes = Detail { notes: 0, ..all };
    let without_comparisons = Detail { comparisons: 0, ..without_notes };
    let few_facts = Detail { facts: 10, ..without_comparisons };
    let without_facts = Detail { facts: 0, ..few_facts };
    let one_suggestion = Detail { suggestions: 1, ..without_facts };
    let one_sentence = Detail { sentences: 1, suggestions: 0, ..one_suggestion };
    let title = Detail { sentences: 0, ..one_sentence };
    [all, without_notes, without_comparisons, few_facts, without_facts, one_suggestion, one_sentence, title]
};

/// The JSON that is posted; the same for every attempt.
pub(super) fn payload(message: &Message) -> Value {
    let sections = &message.sections;
    if sections.len() <= ALERTS_MAX {
        for detail in LADDER {
            let alerts = sections.iter().map(|section| alert(message.language, section, detail)).collect();
            let payload = envelope(message, alerts, message.more);
            if bytes(&payload) <= BYTES_MAX {
                return payload;
            }
        }
    }
    let mut room = BYTES_MAX.saturating_sub(bytes(&envelope(message, Vec::new(), sections.len() + message.more)));
    let mut shown = Vec::new();
    for section in sections.iter().take(ALERTS_MAX) {
        let alert = alert(message.language, section, LADDER[LADDER.len() - 1]);
        // And the comma before it.
        let wanted = bytes(&alert) + 1;
        if wanted > room {
            break;
        }
        room -= wanted;
        shown.push(alert);
    }
    let hidden = sections.len() - shown.len() + message.more;
    envelope(message, shown, hidden)
}

fn bytes(value: &Value) -> usize {
    value.to_string().len()
}

fn envelope(message: &Message, alerts: Vec<Value>, hidden: usize) -> Value {
    let tone = tone(message.severity, message.resolved);
    let mark = mark(message.severity, message.resolved);
    let whole = format!("{mark} {} - {}", message.subject, message.headline);
    let head = vec![
        block(&format!("{mark} {}", escape(&message.subject, SUBJECT_CHARS_MAX)), Look::Title),
        block(&escape(&message.headline, HEADLINE_CHARS_MAX), Look::Plain),
    ];
    let mut body = vec![json!({"type": "Container", "style": tone, "bleed": true, "items": some(head)})];
    body.extend(alerts);
    let more = (hidden > 0).then(|| more(message.language, hidden, Text::MoreAlerts));
    let sent = block(&escape(&message.sent_line, VALUE_CHARS_MAX), Look::Subtle);
    body.extend(some(more.into_iter().chain([sent]).collect()));
    json!({
        "type": "message",
        // Else the notification says no more than "Card". No Markdown here.
        "summary": clean::one_line(&whole, SUMMARY_CHARS_MAX).replace('<', "‹").replace('>', "›"),
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": VERSION,
                "fallbackText": escape(&whole, HEADLINE_CHARS_MAX),
                "msteams": {"width": "Full"},
                "body": body,
            },
        }],
    })
}

fn alert(language: Language, section: &Section, detail: Detail) -> Value {
    let mut items = vec![
        block(
            &format!("{} {}", mark(section.severity, section.resolved), escape(&section.title, TITLE_CHARS_MAX)),
            Look::Strong,
        ),
        block(&escape(&section.state, STATE_CHARS_MAX), Look::Tone(tone(section.severity, section.resolved))),
    ];
    let mut hidden = 0;
    let mut taken = |there: usize, most: usize| {
        hidden += there.saturating_sub(most);
        there.min(most)
    };
    let shown = taken(section.sentences.len(), detail.sentences);
    items.extend(section.sentences[..shown].iter().map(|each| block(&escape(each, SENTENCE_CHARS_MAX), Look::Plain)));
    let shown = taken(section.facts.len(), detail.facts);
    if shown > 0 {
        let facts = section.facts[..shown].iter().map(|fact| {
            json!({"title": escape(&fact.label, LABEL_CHARS_MAX), "value": escape(&fact.value, VALUE_CHARS_MAX)})
        });
        items.push(json!({"type": "FactSet", "facts": facts.collect::<Vec<Value>>()}));
    }
    for (title, list, most) in [
        (Text::Suggestions, &section.suggestions, detail.suggestions),
        (Text::Comparisons, &section.comparisons, detail.comparisons),
    ] {
        let shown = taken(list.len(), most);
        if shown > 0 {
            items.push(block(text(language, title), Look::Strong));
            let each = |item: &String| block(&format!("• {}", escape(item, SENTENCE_CHARS_MAX)), Look::Plain);
            items.extend(list[..shown].iter().map(each));
        }
    }
    let notes: Vec<&String> = section.data.iter().chain(&section.why).collect();
    let shown = taken(notes.len(), detail.notes);
    items.extend(notes[..shown].iter().map(|note| block(&escape(note, SENTENCE_CHARS_MAX), Look::Subtle)));
    if hidden > 0 {
        items.push(more(language, hidden, Text::MoreDetails));
    }
    json!({"type": "Container", "separator": true, "spacing": "medium", "items": some(items)})
}

/// `+ 12 autres alertes ...`
fn more(language: Language, hidden: usize, what: Text) -> Value {
    // A plus and a blank begin a list.
    block(&escape(&format!("+ {hidden} {}", text(language, what)), TITLE_CHARS_MAX), Look::Subtle)
}

/// Without blocks that have nothing to say.
fn some(blocks: Vec<Value>) -> Vec<Value> {
    blocks.into_iter().filter(|block| block["text"] != "").collect()
}

enum Look {
    Title,
    Strong,
    Plain,
    Subtle,
    Tone(&'static str),
}

/// A paragraph of Markdown; without `wrap` Teams would cut it at the first line.
fn block(markdown: &str, look: Look) -> Value {
    let mut block = json!({"type": "TextBlock", "text": markdown, "wrap": true});
    match look {
        Look::Title => {
            block["size"] = "medium".into();
            block["weight"] = "bolder".into();
        }
        Look::Strong => block["weight"] = "bolder".into(),
        Look::Plain => {}
        Look::Subtle => {
            block["size"] = "small".into();
            block["isSubtle"] = true.into();
        }
        Look::Tone(color) => {
            block["color"] = color.into();
            block["spacing"] = "none".into();
        }
    }
    block
}

/// A style of containers and a colour of texts alike.
fn tone(severity: Severity, resolved: bool) -> &'static str {
    match (resolved, severity) {
        (true, _) => "good",
        (false, Severity::Critical) => "attention",
        (false, Severity::Warning) => "warning",
        (false, Severity::Info) => "accent",
    }
}

/// One line of Markdown that shows this text: no link, mention, format, entity, list or date in it works.
///
/// No more is escaped than that takes, because some phones show the backslashes.
fn escape(text: &str, chars_max: usize) -> String {
    let chars: Vec<char> = clean::one_line(text, chars_max).chars().collect();
    let mut out = String::with_capacity(chars.len());
    for (at, each) in chars.iter().enumerate() {
        if is_markup(&chars[..at], *each, &chars[at + 1..]) {
            out.push('\\');
        }
        out.push(*each);
    }
    out
}

/// Whether a character would be more than itself, by what stands before and behind it.
fn is_markup(before: &[char], each: char, behind: &[char]) -> bool {
    let ends_word = behind.first().is_none_or(|next| next.is_whitespace());
    match each {
        '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '<' | '>' => true,
        // Headings and lists begin a line.
        '#' => before.is_empty(),
        '-' | '+' => before.is_empty() && (ends_word || behind.first() == Some(&each)),
        '.' | ')' if ends_word && !before.is_empty() && before.iter().all(char::is_ascii_digit) => true,
        // Some readers make links of bare addresses: `//host`, `mailto:x`, `host.example`.
        '/' => behind.first() == Some(&each),
        ':' => behind.first().is_some_and(|next| next.is_alphabetic()),
        '.' => {
            before.last().is_some_and(|last| last.is_alphanumeric())
                && behind.first().is_some_and(|next| next.is_alphabetic())
        }
        '&' => begins_entity(behind),
        // `{{DATE(...)}}` becomes a date.
        '{' => before.last() == Some(&'{'),
        _ => false,
    }
}

/// `lt;`, `#60;`, as they follow an ampersand.
fn begins_entity(behind: &[char]) -> bool {
    let name = behind.iter().take_while(|each| each.is_ascii_alphanumeric() || **each == '#').count();
    name > 0 && behind.get(name) == Some(&';')
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(escape(text, 100), expected);
    }

    #[test]
    fn markdown_is_escaped_where_it_would_work() {
        check("**gras** _it_ `x` ~~y~~", r"\*\*gras\*\* \_it\_ \`x\` \~\~y\~\~");
        check("[clic](javascript:x)", r"\[clic\](javascript\:x)");
        check("<at>Claire</at> & <b>", r"\<at\>Claire\</at\> & \<b\>");
        check("R&D, AT&T; &lt;at&gt; &#60;", r"R&D, AT\&T; \&lt;at\&gt; \&#60;");
        check("# titre", r"\# titre");
        check("n° #3", "n° #3");
        check("- point", r"\- point");
        check("---", r"\---");
        check("1. un", r"1\. un");
        check("12) un", r"12\) un");
        check("{{DATE(2026-01-01T00:00:00Z)}}", r"{\{DATE(2026-01-01T00:00:00Z)}}");
        check("https://example.test/x www.example.test", r"https:\//example\.test/x www\.example\.test");
        check("mailto:claire@example.test //localhost", r"mailto\:claire@example\.test \//localhost");
        check("a\\*", r"a\\\*");
    }

    #[test]
    fn figures_stay_as_they_are() {
        for text in
            ["-37\u{202f}500\u{202f}€ (-12,5\u{202f}%)", "-€37,500 (-12.5%)", "+3", "1.5", "à 06:15", "12.", "a|b"]
        {
            let expected = if text == "12." { r"12\." } else { text };
            check(text, expected);
        }
    }

    #[test]
    fn a_message_that_fits_is_shown_whole() {
        let delivery = fixture::firing_fr();
        let payload = payload(&delivery.message).to_string();
        let section = &delivery.message.sections[0];
        for part in section.why.iter().chain(&section.comparisons).chain(&section.suggestions).chain(&section.sentences)
        {
            assert!(payload.contains(part), "{part}");
        }
        assert!(!payload.contains("autres"), "{payload}");
    }

    /// What a card of that many such alerts shows of each: sentences, suggestions, figures, comparisons, notes; and
    /// of how many details it says that they are missing.
    fn shown(alerts: usize) -> (usize, [usize; 5], String) {
        let mut message = fixture::firing_fr().message;
        message.sections = vec![message.sections[0].clone(); alerts];
        let payload = payload(&message);
        assert!(bytes(&payload) <= BYTES_MAX, "{alerts} alerts: {}", bytes(&payload));
        let body = payload["attachments"][0]["content"]["body"].as_array().expect("a body").clone();
        let containers: Vec<&Value> = body[1..].iter().filter(|each| each["type"] == "Container").collect();
        let first = containers[0].to_string();
        let section = &message.sections[0];
        let count = |texts: Vec<&String>| texts.iter().filter(|text| first.contains(text.as_str())).count();
        let found = [
            count(section.sentences.iter().collect()),
            count(section.suggestions.iter().collect()),
            section.facts.iter().filter(|fact| first.contains(&format!(r#""title":"{}""#, fact.label))).count(),
            count(section.comparisons.iter().collect()),
            count(section.data.iter().chain(&section.why).collect()),
        ];
        let missing = first.split("+ ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
        (containers.len(), found, missing.to_owned())
    }

    #[test]
    fn details_go_in_the_stated_order_and_are_counted() {
        let full = [2, 1, 12, 1, 3];
        assert_eq!(shown(1), (1, full, String::new()));
        let mut before = full;
        let mut steps = 0;
        for alerts in 2..80 {
            let (there, found, missing) = shown(alerts);
            if found != before {
                steps += 1;
                assert!(found.iter().zip(before).all(|(now, before)| *now <= before), "{before:?} to {found:?}");
            }
            let gone = full.iter().sum::<usize>() - found.iter().sum::<usize>();
            let said = if gone == 0 { String::new() } else { format!("{gone} autres détails") };
            assert_eq!(missing, said, "{alerts} alerts");
            // Only titles are left before an alert is left out.
            assert!(there == alerts || found == [0; 5], "{there} of {alerts}: {found:?}");
            before = found;
        }
        assert!(steps >= 4 && before == [0; 5], "{steps} {before:?}");
    }
}
