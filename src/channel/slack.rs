//! A Slack incoming webhook: blocks within Slack's limits, and what its short answers mean.

use std::time::Duration;

use serde_json::{Value, json};

use crate::locale::{Text, text};
use crate::model::notification::{AttemptOutcome, Message, NewDelivery, Section};
use crate::net::HttpSettings;

use super::build::ChannelContext;
use super::clean;
use super::config::SlackConfig;
use super::http::Http;
use super::mark::mark;

const BLOCKS_MAX: usize = 50;
const HEADER_CHARS_MAX: usize = 150;
const SECTION_CHARS_MAX: usize = 3000;
const FIELDS_MAX: usize = 10;
const FIELD_CHARS_MAX: usize = 2000;
/// Of one alert.
const FIELD_BLOCKS_MAX: usize = 2;
const FALLBACK_CHARS_MAX: usize = 3000;
/// Blocks one alert may take: text, two of fields, lists, context, divider.
const BLOCKS_PER_ALERT: usize = 6;

pub(super) struct Slack {
    http: Http,
}

impl Slack {
    pub(super) fn build(config: &SlackConfig, context: &ChannelContext<'_>) -> Result<Slack, String> {
        let url = (context.resolve)(&config.webhook).map_err(|cause| format!("slack webhook: {cause}"))?;
        let settings = HttpSettings { tls: config.tls.clone(), proxy: config.proxy.clone(), ..HttpSettings::default() };
        let http = Http::build("slack webhook", &url, &settings, context)?;
        if !http.is_private() {
            return Err("slack webhook: the address is a secret and must begin with https://".to_owned());
        }
        Ok(Slack { http })
    }

    pub(super) async fn send(&self, delivery: &NewDelivery, deadline: Duration) -> AttemptOutcome {
        let body = payload(&delivery.message).to_string().into_bytes();
        match self.http.post(body, &[], deadline).await {
            Ok(answer) if answer.status == 200 && answer.body == "ok" => {
                AttemptOutcome::Sent { detail: format!("{}: ok", self.http.place()) }
            }
            Ok(answer) if answer.is_success() => AttemptOutcome::Permanent {
                cause: format!(
                    "{} answered {} {:?} instead of \"ok\"; is this a Slack webhook?",
                    self.http.place(),
                    answer.status,
                    answer.body
                ),
            },
            Ok(answer) => self.http.refusal(&answer),
            Err(outcome) => outcome,
        }
    }

    pub(super) async fn probe(&self, deadline: Duration) -> Result<String, String> {
        self.http.probe(deadline).await
    }
}

/// The JSON that is posted; the same for every attempt.
pub(super) fn payload(message: &Message) -> Value {
    let mark = mark(message.severity, message.resolved);
    let head = clean::one_line(&format!("{mark} {}", message.subject), HEADER_CHARS_MAX);
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": head}}),
        section_text(&format!("*{}*", escape(&message.headline, SECTION_CHARS_MAX - 10))),
    ];
    let mut shown = 0;
    for section in &message.sections {
        // Two blocks stay free for what follows the alerts.
        if blocks.len() + BLOCKS_PER_ALERT + 2 > BLOCKS_MAX {
            break;
        }
        blocks.extend(section_blocks(message, section));
        shown += 1;
    }
    let hidden = message.sections.len() - shown + message.more;
    if hidden > 0 {
        blocks.push(section_text(&format!("+ {hidden} {}", escape(text(message.language, Text::MoreAlerts), 500))));
    }
    if !message.sent_line.is_empty() {
        blocks.push(context(&message.sent_line));
    }
    json!({
        "text": escape(&format!("{mark} {} - {}", message.subject, message.headline), FALLBACK_CHARS_MAX),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn section_blocks(message: &Message, section: &Section) -> Vec<Value> {
    let mut blocks = vec![json!({"type": "divider"})];
    let mut words = format!(
        "{} *{}*\n{}",
        mark(section.severity, section.resolved),
        escape(&section.title, 300),
        escape(&section.state, 200)
    );
    append(&mut words, "\n", &section.sentences);
    blocks.push(section_text(&words));
    for facts in section.facts.chunks(FIELDS_MAX).take(FIELD_BLOCKS_MAX) {
        let fields: Vec<Value> = facts
            .iter()
            .map(|fact| {
                mrkdwn(&format!("*{}*\n{}", escape(&fact.label, 200), escape(&fact.value, FIELD_CHARS_MAX - 300)))
            })
            .collect();
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    let mut lists = String::new();
    for (title, items) in [(Text::Suggestions, &section.suggestions), (Text::Comparisons, &section.comparisons)] {
        if !items.is_empty() {
            let gap = if lists.is_empty() { "" } else { "\n" };
            lists.extend([gap, "*", text(message.language, title), "*"]);
            append(&mut lists, "\n• ", items);
        }
    }
    if !lists.is_empty() {
        blocks.push(section_text(&lists));
    }
    let hidden = section.facts.len().saturating_sub(FIELD_BLOCKS_MAX * FIELDS_MAX);
    let more = (hidden > 0).then(|| format!("+ {hidden} {}", text(message.language, Text::MoreDetails)));
    let why = section.data.iter().chain(&section.why).map(String::as_str);
    let notes: Vec<&str> = more.as_deref().into_iter().chain(why).collect();
    if !notes.is_empty() {
        blocks.push(context(&notes.join("\n")));
    }
    blocks
}

/// Adds items while they fit whole; markup is never cut in two.
fn append(words: &mut String, before: &str, items: &[String]) {
    for item in items {
        let item = escape(item, 1000);
        if words.chars().count() + before.len() + item.chars().count() + 2 > SECTION_CHARS_MAX {
            words.push_str("\n…");
            return;
        }
        words.push_str(before);
        words.push_str(&item);
    }
}

fn section_text(words: &str) -> Value {
    json!({"type": "section", "text": mrkdwn(words)})
}

fn context(words: &str) -> Value {
    json!({"type": "context", "elements": [mrkdwn(&escape_lines(words, 1900))]})
}

fn mrkdwn(words: &str) -> Value {
    json!({"type": "mrkdwn", "text": words})
}

/// Neutralises Slack's markup and mentions; the result has at most `chars_max` characters.
fn escape(text: &str, chars_max: usize) -> String {
    bounded(clean::one_line(text, chars_max).chars(), chars_max)
}

fn escape_lines(text: &str, chars_max: usize) -> String {
    bounded(clean::lines(text, chars_max).chars(), chars_max)
}

fn bounded(chars: impl Iterator<Item = char>, chars_max: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for each in chars {
        let entity = match each {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => "",
        };
        let length = entity.len().max(1);
        if used + length >= chars_max {
            out.push('…');
            break;
        }
        used += length;
        if entity.is_empty() {
            out.push(each);
        } else {
            out.push_str(entity);
        }
    }
    out
}
