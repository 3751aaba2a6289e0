//! The neutral message as mails show it: cleaned, bounded, and rendered by the two mail templates.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value};
use serde::Serialize;

use crate::locale::{Text, severity, text};
use crate::model::notification::{Fact, Message, Section};
use crate::model::unit::Language;
use crate::model::verdict::Severity;

use super::clean;
use super::picture::alt_text;

/// Mail readers clip longer HTML (Gmail near 100 KB after encoding).
const HTML_BYTES_MAX: usize = 80_000;
/// Sections shown at most; the rest is counted.
const SECTIONS_MAX: usize = 100;
/// Items shown at most in each list of a section.
const ITEMS_MAX: usize = 30;
const LINE_CHARS_MAX: usize = 1000;
const TITLE_CHARS_MAX: usize = 200;
/// Steps a template may take; a full mail needs a tenth.
const FUEL: u64 = 2_000_000;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.build().expect("invariant: the default delimiters are distinct"));
    environment.set_auto_escape_callback(|name| {
        if name.rsplit('.').next() == Some("html") { AutoEscape::Html } else { AutoEscape::None }
    });
    for (name, source) in
        [("mail.html", include_str!("templates/mail.html")), ("mail.txt", include_str!("templates/mail.txt"))]
    {
        environment.add_template(name, source).expect("invariant: shipped templates parse, a test renders them");
    }
    environment
});

/// The two bodies of a mail.
pub(super) struct Bodies {
    pub(super) text: String,
    pub(super) html: String,
    /// Sections shown.
    pub(super) shown: usize,
}

/// Renders both bodies; an alert too many is counted, never cut in half. `pictures` are the content ids of the sections'
/// pictures; what has none is shown without.
pub(super) fn bodies(message: &Message, pictures: &[Option<String>]) -> Result<Bodies, String> {
    let mut shown = message.sections.len().min(SECTIONS_MAX);
    loop {
        let view = View::of(message, shown, pictures);
        let html = rendered("mail.html", &view)?;
        if html.len() <= HTML_BYTES_MAX || shown == 0 {
            return Ok(Bodies { text: rendered("mail.txt", &view)?, html, shown });
        }
        shown /= 2;
    }
}

/// A message as a mail without markup says it.
///
/// # Errors
/// The template can't be rendered.
pub fn text_of(message: &Message) -> Result<String, String> {
    bodies(message, &[]).map(|bodies| bodies.text)
}

fn rendered(name: &str, view: &View) -> Result<String, String> {
    TEMPLATES
        .get_template(name)
        .and_then(|template| template.render(Value::from(Serde(view))))
        .map_err(|error| format!("the template {name} can't be rendered: {error}; report this"))
}

#[derive(Serialize)]
struct View {
    lang: &'static str,
    subject: String,
    headline: String,
    tone: Tone,
    sections: Vec<SectionView>,
    /// `3 autres alertes, voir ...`, when not all are shown.
    more: Option<String>,
    sent: String,
    words: Words,
}

/// Colours of one state; readable on light and dark ground alike because each text has its own ground.
#[derive(Clone, Copy, Serialize)]
struct Tone {
    strong: &'static str,
    soft: &'static str,
    ink: &'static str,
}

#[derive(Serialize)]
struct SectionView {
    alert: String,
    title: String,
    state: String,
    rule_line: String,
    tone: Tone,
    sentences: Vec<String>,
    /// What the picture shows, in words.
    picture_text: Option<String>,
    /// The picture's content id.
    picture: Option<String>,
    facts: Vec<FactView>,
    comparisons: Vec<String>,
    suggestions: Vec<String>,
    /// `3 autres détails, voir ...`, when not all are shown.
    more: Option<String>,
    data: Option<String>,
    why: Vec<String>,
}

#[derive(Serialize)]
struct FactView {
    label: String,
    /// The label filled with spaces, so that values stand below each other in plain text.
    padded: String,
    value: String,
    /// The gap and the landing: what a reader looks for first.
    key: bool,
}

#[derive(Serialize)]
struct Words {
    comparisons: &'static str,
    suggestions: &'static str,
    data: &'static str,
    why: &'static str,
    automatic: &'static str,
    colon: &'static str,
}

impl View {
    fn of(message: &Message, shown: usize, pictures: &[Option<String>]) -> View {
        let lang = message.language;
        let hidden = message.sections.len() - shown + message.more;
        View {
            lang: match lang {
                Language::Fr => "fr",
                Language::En => "en",
            },
            subject: clean::one_line(&message.subject, TITLE_CHARS_MAX),
            headline: clean::one_line(&message.headline, LINE_CHARS_MAX),
            tone: tone(message.severity, message.resolved),
            sections: message.sections[..shown]
                .iter()
                .enumerate()
                .map(|(at, section)| SectionView::of(section, lang, pictures.get(at).cloned().flatten()))
                .collect(),
            more: (hidden > 0).then(|| format!("{hidden} {}", text(lang, Text::MoreAlerts))),
            sent: clean::one_line(&message.sent_line, LINE_CHARS_MAX),
            words: Words {
                comparisons: text(lang, Text::Comparisons),
                suggestions: text(lang, Text::Suggestions),
                data: text(lang, Text::Data),
                why: text(lang, Text::Why),
                automatic: text(lang, Text::FooterAutomatic),
                colon: match lang {
                    Language::Fr => "\u{a0}:",
                    Language::En => ":",
                },
            },
        }
    }
}

impl SectionView {
    fn of(section: &Section, lang: Language, picture: Option<String>) -> SectionView {
        let state = clean::one_line(&section.state, TITLE_CHARS_MAX);
        let title = clean::one_line(&section.title, TITLE_CHARS_MAX);
        let counts = [
            section.sentences.len(),
            section.facts.len(),
            section.comparisons.len(),
            section.suggestions.len(),
            section.why.len(),
        ];
        let hidden: usize = counts.iter().map(|count| count.saturating_sub(ITEMS_MAX)).sum();
        SectionView {
            alert: clean::one_line(section.alert.as_str(), TITLE_CHARS_MAX),
            rule_line: "-".repeat(title.chars().count().clamp(8, 72)),
            title,
            state: if state.is_empty() { severity(lang, section.severity).to_owned() } else { state },
            tone: tone(section.severity, section.resolved),
            sentences: listed(&section.sentences),
            picture_text: section
                .picture
                .as_ref()
                .map(|picture| clean::one_line(&alt_text(picture, lang), LINE_CHARS_MAX)),
            picture,
            facts: facts(&section.facts, lang),
            comparisons: listed(&section.comparisons),
            suggestions: listed(&section.suggestions),
            more: (hidden > 0).then(|| format!("{hidden} {}", text(lang, Text::MoreDetails))),
            data: section.data.as_deref().map(|data| clean::one_line(data, LINE_CHARS_MAX)),
            why: listed(&section.why),
        }
    }
}

fn listed(items: &[String]) -> Vec<String> {
    items.iter().take(ITEMS_MAX).map(|item| clean::one_line(item, LINE_CHARS_MAX)).collect()
}

fn facts(facts: &[Fact], lang: Language) -> Vec<FactView> {
    let keys = [Text::Drift, Text::DriftDays, Text::Landing, Text::ChanceToReach, Text::ChanceToKeep]
        .map(|each| text(lang, each));
    let labels: Vec<String> =
        facts.iter().take(ITEMS_MAX).map(|fact| clean::one_line(&fact.label, TITLE_CHARS_MAX)).collect();
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    labels
        .into_iter()
        .zip(facts)
        .map(|(label, fact)| FactView {
            padded: format!("{label:<width$}"),
            key: keys.contains(&label.as_str()),
            value: clean::one_line(&fact.value, LINE_CHARS_MAX),
            label,
        })
        .collect()
}

fn tone(severity: Severity, resolved: bool) -> Tone {
    match (resolved, severity) {
        (true, _) => Tone { strong: "#067647", soft: "#ecfdf3", ink: "#054f31" },
        (false, Severity::Critical) => Tone { strong: "#b42318", soft: "#fef3f2", ink: "#7a271a" },
        (false, Severity::Warning) => Tone { strong: "#b54708", soft: "#fffaeb", ink: "#7a2e0e" },
        (false, Severity::Info) => Tone { strong: "#175cd3", soft: "#eff8ff", ink: "#194185" },
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn markup_in_texts_stays_text() {
        let mut message = fixture::firing_fr().message;
        message.headline = "<script>alert(1)</script> & \"x\"\u{202e}".to_owned();
        message.sections[0].title = "<b>CA</b>".to_owned();
        let bodies = bodies(&message, &[]).expect("renders");
        assert!(!bodies.html.contains("<script") && !bodies.html.contains("<b>CA"), "{}", bodies.html);
        assert!(bodies.html.contains("&lt;b&gt;CA"));
        assert!(bodies.text.starts_with("<script>alert(1)</script> & \"x\"\n"), "{}", bodies.text);
    }

    #[test]
    fn headline_comes_first_in_both_bodies() {
        let message = fixture::firing_fr().message;
        let bodies = bodies(&message, &[]).expect("renders");
        assert_eq!(bodies.text.lines().next(), Some(message.headline.as_str()));
        let body = bodies.html.split("<body").nth(1).expect("a body");
        let first =
            body.split('>').skip(1).filter_map(|part| part.split('<').next()).find(|words| !words.trim().is_empty());
        assert!(first.is_some_and(|first| first.trim().starts_with("Hors trajectoire")), "{first:?}");
    }

    #[test]
    fn floods_are_counted_and_stay_under_the_clip() {
        let mut message = fixture::firing_fr().message;
        message.sections = vec![message.sections[0].clone(); 500];
        let bodies = bodies(&message, &[]).expect("renders");
        assert!(bodies.html.len() <= HTML_BYTES_MAX, "{}", bodies.html.len());
        assert!(bodies.html.contains("autres alertes") && bodies.text.contains("autres alertes"));
        let shown = bodies.text.matches("Ajustements proposés").count();
        assert!(shown > 5, "{shown}");
        assert!(bodies.text.contains(&format!("{} autres alertes", 500 - shown)), "{shown}");
    }

    #[test]
    fn enormous_texts_are_cut() {
        let mut message = fixture::firing_fr().message;
        let section = &mut message.sections[0];
        section.sentences = vec!["é<".repeat(100_000); 100];
        section.comparisons = section.sentences.clone();
        let bodies = bodies(&message, &[]).expect("renders");
        assert!(bodies.html.len() <= HTML_BYTES_MAX, "{}", bodies.html.len());
        assert!(bodies.text.starts_with(&message.headline));
    }
}
