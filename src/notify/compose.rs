//! The neutral message: words in the recipient's language, figures beside them, no markup.
//!
//! The subject is made from the group alone, so that it stays the same over the thread; state and
//! figures stand in the headline.

use jiff::Timestamp;

use super::section::section;
use crate::locale::{Text, datetime, reason as reason_words, text};
use crate::model::alert::{About, Alert};
use crate::model::catalog::Catalog;
use crate::model::ids::ReceiverId;
use crate::model::notification::{GroupBy, GroupKey, Message, NotifyReason, Section, Told};
use crate::model::unit::Language;
use crate::model::verdict::Severity;

/// Most alerts told one by one in a message; the rest is counted.
const SECTIONS_MAX: usize = 20;
/// Most pictures in a message: those of the weightiest alerts.
const PICTURES_MAX: usize = 8;

/// One alert of a message.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    pub alert: &'a Alert,
    pub reason: NotifyReason,
    /// What its receiver heard of it before.
    pub heard: Option<Told>,
}

/// Writes what one recipient of a group reads about these alerts.
pub fn compose(catalog: &Catalog, group: &GroupKey, told: &[Item<'_>], language: Language, now: Timestamp) -> Message {
    let mut sections: Vec<Section> = told.iter().map(|item| section(catalog, group, item, language)).collect();
    sections.sort_by_key(|section| (section.resolved, std::cmp::Reverse(section.severity)));
    let reason = told.iter().map(|item| item.reason).min().unwrap_or(NotifyReason::Updated);
    let severity =
        told.iter().map(|item| item.alert.stated_level().unwrap_or(Severity::Info)).max().unwrap_or(Severity::Info);
    let resolved = sections.iter().all(|section| section.resolved);
    let headline = headline(&sections, reason, language);
    let more = sections.len().saturating_sub(SECTIONS_MAX);
    sections.truncate(SECTIONS_MAX);
    for section in sections.iter_mut().skip(PICTURES_MAX) {
        section.picture = None;
    }
    let sent = datetime(language, now, &catalog.zone);
    Message {
        language,
        reason,
        about: told.first().map_or(About::System, |item| item.alert.about),
        severity,
        resolved,
        subject: subject(catalog, group, language),
        headline,
        sections,
        more,
        created_at: now,
        sent_line: format!("{} {sent}", text(language, Text::SentAt)),
    }
}

/// A message marked as a drill, with an alert's facts if one is given.
pub fn drill(
    catalog: &Catalog,
    receiver: &ReceiverId,
    alert: Option<&Alert>,
    language: Language,
    now: Timestamp,
) -> Message {
    let group = GroupKey { route: "-".to_owned(), receiver: receiver.clone(), by: std::collections::BTreeMap::new() };
    let item = |alert| Item { alert, reason: NotifyReason::Test, heard: None };
    let told: Vec<Item<'_>> = alert.into_iter().map(item).collect();
    let mark = text(language, Text::Drill);
    let message = compose(catalog, &group, &told, language, now);
    let gist = message.sections.first().map(|section| format!(" · {}", section.headline)).unwrap_or_default();
    Message {
        subject: format!("[Vigie] {}", reason_words(language, NotifyReason::Test)),
        headline: format!("{mark}{gist}"),
        reason: NotifyReason::Test,
        resolved: false,
        ..message
    }
}

/// `[Vigie] Chiffre d'affaires – objectif`; the same for every message of the group.
fn subject(catalog: &Catalog, group: &GroupKey, language: Language) -> String {
    let value = |by: GroupBy| group.by.get(&by).map(String::as_str).filter(|value| !value.is_empty());
    let title = value(GroupBy::Kpi).map(|id| match id.split_once(':') {
        Some(("source", name)) => format!("{} {name}", text(language, Text::Source)),
        Some(("receiver", name)) => format!("{} {name}", text(language, Text::Receiver)),
        _ if id == "service" => text(language, Text::ServiceTrouble).to_owned(),
        _ => catalog.kpis.get(id).map_or_else(|| id.to_owned(), |kpi| kpi.title.clone()),
    });
    let source = || value(GroupBy::Source).map(|name| format!("{} {name}", text(language, Text::Source)));
    let rule = || value(GroupBy::Rule).map(ToOwned::to_owned);
    let category = || value(GroupBy::Category).map(ToOwned::to_owned);
    let stem = title.or_else(source).or_else(rule).or_else(category);
    let stem = stem.unwrap_or_else(|| text(language, Text::Alert).to_owned());
    let labels = value(GroupBy::Labels).map(|labels| format!(" {labels}")).unwrap_or_default();
    let about = value(GroupBy::Objective).map(|_| format!(" – {}", text(language, Text::Objective).to_lowercase()));
    format!("[Vigie] {stem}{labels}{}", about.unwrap_or_default())
}

fn headline(sections: &[Section], reason: NotifyReason, language: Language) -> String {
    let Some(worst) = sections.first() else { return reason_words(language, reason).to_owned() };
    let lead = match reason {
        NotifyReason::Reminder => format!("{} · ", text(language, Text::Reminder)),
        NotifyReason::Correction => format!("{} · ", text(language, Text::Corrected)),
        NotifyReason::Escalated | NotifyReason::Deescalated => format!("{} · ", reason_words(language, reason)),
        NotifyReason::First | NotifyReason::Updated | NotifyReason::Resolved | NotifyReason::Test => String::new(),
    };
    let gist = &worst.headline;
    match sections.len() {
        1 => format!("{lead}{gist}"),
        count => format!("{lead}{count} {} · {gist}", text(language, Text::Alerts)),
    }
}
