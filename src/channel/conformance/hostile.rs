//! Texts from outside stay texts: no markup, mention, link, header or control of theirs works in any channel.

use serde_json::Value;

use super::subjects::{ALL, Kind, part, texts};
use crate::channel::fixture;
use crate::model::notification::{Fact, NewDelivery};
use crate::model::unit::Unit;

/// What may come in a label, a name, a cause.
const HOSTILE: [&str; 13] = [
    "<script>alert(1)</script><img src=x onerror=alert(2)><a href=\"javascript:alert(3)\">clic</a>",
    "\"><b style=x>gras</b> &lt;b&gt; &#60;at&#62; {{ 7*7 }} {% raw %}",
    "**gras** __gras__ *it* _it_ ~~non~~ `code` ```",
    "[clic](javascript:alert(4)) ![image](https://evil.example.test/x.png) <https://evil.example.test>",
    "<!channel> <!here> <@U123> <#C123> <https://evil.example.test|ici>",
    "https://evil.example.test/x www.evil.example.test mailto:claire@evil.example.test //localhost/x",
    "<at>Claire</at> <at id=\"0\">tous</at> @channel @here",
    "# titre",
    "- point",
    "1. point",
    "> citation",
    "---",
    "CA\r\nBcc: evil@example.test\r\n\r\n.\r\nQUIT\r\n\u{0}\u{7}\u{8}\u{1b}[31m\u{7f}\u{85}\u{9b}\u{202e}fdp.exe\u{2066}x\u{2028}y\u{feff}",
];

/// Of a mail of ours.
const HEADERS: [&str; 17] = [
    "From",
    "To",
    "Subject",
    "Message-ID",
    "Date",
    "MIME-Version",
    "Content-Type",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "List-Id",
    "X-Vigie-Alert",
    "X-Vigie-State",
    "X-Vigie-Reason",
    "X-Vigie-Severity",
    "X-Vigie-Delivery",
    "Importance",
    "X-Priority",
];

fn delivery(text: &str) -> NewDelivery {
    let mut delivery = fixture::firing_fr();
    let message = &mut delivery.message;
    for field in [&mut message.subject, &mut message.headline, &mut message.sent_line] {
        text.clone_into(field);
    }
    let section = &mut message.sections[0];
    for field in [&mut section.title, &mut section.state, &mut section.headline] {
        text.clone_into(field);
    }
    section.data = Some(text.to_owned());
    section.facts = vec![Fact { label: text.to_owned(), value: text.to_owned() }; 3];
    for list in [&mut section.sentences, &mut section.suggestions, &mut section.comparisons, &mut section.why] {
        *list = vec![text.to_owned(); 2];
    }
    let picture = section.picture.as_mut().expect("a picture");
    (picture.title, picture.remark) = (text.to_owned(), Some(text.to_owned()));
    picture.course.events[0].name = text.to_owned();
    picture.unit = Unit::Other(text.to_owned());
    delivery
}

#[tokio::test]
async fn texts_from_outside_do_nothing() {
    for kind in ALL {
        for text in HOSTILE {
            let arrived = kind.arrived(&delivery(text)).await;
            match kind {
                Kind::Email | Kind::Maildir => check_mail(&arrived),
                Kind::Slack => check_slack(&serde_json::from_str(&arrived).expect("JSON")),
                Kind::Teams => check_teams(&arrived, text),
                // A machine gets what was said, unaltered; JSON keeps it apart from everything else.
                Kind::Webhook => {
                    assert!(!arrived.chars().any(|each| u32::from(each) < 0x20), "{arrived}");
                    let said = texts(kind, &arrived).iter().filter(|each| *each == text).count();
                    assert!(said >= 16, "{said} of {text:?} in {arrived}");
                }
            }
            if kind != Kind::Webhook {
                for each in texts(kind, &arrived) {
                    check_clean(&each);
                }
            }
        }
    }
}

/// Controls, and what turns the direction of writing.
fn is_hidden(each: char) -> bool {
    each.is_control() || matches!(each, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{feff}')
}

#[track_caller]
fn check_clean(text: &str) {
    assert!(!text.contains(|each| is_hidden(each) && !matches!(each, '\n' | '\r')), "{text:?}");
}

/// Names of the headers of a mail.
fn header_names(mail: &str) -> Vec<String> {
    let (head, _) = mail.split_once("\r\n\r\n").expect("a head");
    let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    lines.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
}

#[track_caller]
fn check_mail(mail: &str) {
    for name in header_names(mail) {
        assert!(HEADERS.contains(&name.as_str()), "a header {name}");
    }
    let html = part(mail, "text/html");
    // The template's own tags have none of these; text that is escaped has no `<`.
    for tag in html.split('<').skip(1) {
        let name: String = tag.chars().take_while(|each| !matches!(each, ' ' | '>')).collect();
        let known = ["!DOCTYPE", "html", "head", "meta", "title", "body", "div", "table", "tr", "td", "br", "img"];
        assert!(known.contains(&name.trim_start_matches('/')), "a tag {name} in {html}");
        let mut inside = tag.split('>').next().unwrap_or_default().to_owned();
        // Of pictures, only those that the mail has inside; what they show in words is text.
        if name == "img" {
            let (before, rest) = inside.split_once(r#"" alt=""#).expect("words for those who see no picture");
            let (_, after) = rest.split_once('"').expect("an end of the words");
            let source = before.strip_prefix(r#"img src="cid:chart0."#).expect("a picture of the mail's own");
            assert!(!source.contains([':', '/']), "a source {source}");
            inside = after.to_owned();
        }
        for word in ["href", "src=", "onerror", "javascript"] {
            assert!(!inside.contains(word), "{word} in <{inside}>");
        }
    }
    // Whole, though the text has what would end it.
    assert!(mail.trim_end().ends_with("--") && part(mail, "text/plain").contains("Message automatique de Vigie"));
}

/// Mentions and links of Slack stand in angle brackets; it has no others. Only the header is plain text, in which Slack
/// knows no markup.
#[track_caller]
fn check_slack(posted: &Value) {
    let mut found = vec![posted["text"].as_str().expect("a text for notifications")];
    for block in posted["blocks"].as_array().expect("blocks") {
        let of = |key: &str| block[key].as_array().map_or(&[][..], Vec::as_slice);
        let marked = of("fields").iter().chain(of("elements")).chain([&block["text"]]);
        found.extend(marked.filter(|text| text["type"] == "mrkdwn").filter_map(|text| text["text"].as_str()));
        let is_known = ["header", "section", "context", "divider"].iter().any(|kind| block["type"] == *kind);
        assert!(is_known && (block["type"] == "header") == (block["text"]["type"] == "plain_text"), "{block}");
    }
    assert!(found.len() > 5, "{posted}");
    for text in found {
        assert!(!text.contains(['<', '>']), "{text}");
        for (at, _) in text.match_indices('&') {
            assert!(["&amp;", "&lt;", "&gt;"].iter().any(|entity| text[at..].starts_with(entity)), "{text}");
        }
    }
}

#[track_caller]
fn check_teams(arrived: &str, text: &str) {
    let posted: Value = serde_json::from_str(arrived).expect("JSON");
    let card = &posted["attachments"][0]["content"];
    // Neither mentions nor actions are ever sent: words alone can't make one.
    assert!(card["msteams"]["entities"].is_null() && card["actions"].is_null(), "{card}");
    let summary = posted["summary"].as_str().expect("a summary");
    assert!(!summary.contains(['<', '>']), "{summary}");
    let wanted = |each: &char| !each.is_whitespace() && !is_hidden(*each);
    let plain = |text: &str| text.chars().filter(wanted).collect::<String>();
    let fallback = card["fallbackText"].as_str().expect("a text for old readers").to_owned();
    let mut said = 0;
    for each in texts(Kind::Teams, &card["body"].to_string()).iter().chain([&fallback]) {
        assert!(!each.contains("<at>") && !each.contains("</at>"), "{each}");
        said += usize::from(plain(&shown(each)).contains(&plain(text)));
    }
    // Some are cut.
    assert!(said >= 14, "{said} of {text:?} in {card}");
}

/// What CommonMark shows of a line that must hold nothing but text; panics where something would be more.
#[track_caller]
fn shown(markdown: &str) -> String {
    let mut out = String::new();
    let mut chars = markdown.char_indices().peekable();
    while let Some((at, each)) = chars.next() {
        match each {
            '\\' if chars.peek().is_some_and(|(_, next)| next.is_ascii_punctuation()) => {
                out.push(chars.next().expect("peeked").1);
            }
            '*' | '_' | '[' | ']' | '<' | '>' | '~' | '`' => panic!("{each} at {at} works in {markdown}"),
            '&' => {
                let name = &markdown[at + 1..];
                let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '#').unwrap_or(name.len());
                assert!(end == 0 || !name[end..].starts_with(';'), "an entity at {at} in {markdown}");
                out.push(each);
            }
            _ => out.push(each),
        }
    }
    let first = markdown.split(' ').next().unwrap_or_default();
    let numbered = first.strip_suffix(['.', ')']).unwrap_or_default();
    let is_number = !numbered.is_empty() && numbered.bytes().all(|byte| byte.is_ascii_digit());
    assert!(!is_number && !["-", "+", "="].contains(&first), "a list: {markdown}");
    assert!(!markdown.starts_with(['#', ' ']) && !markdown.starts_with("--"), "a heading, code or a rule: {markdown}");
    let bare = markdown.replace("\\/", "");
    assert!(!bare.contains("{{") && !bare.contains("//") && !bare.contains("e.t"), "a date or an address: {markdown}");
    out
}
