//! Events: their days, and what they touch.

use super::context::Context;
use crate::config::days::stretch;
use crate::config::raw::RawEvent;
use crate::config::suggest;
use crate::model::event::{BusinessEvent, EventDays};
use crate::model::ids::{EventId, KpiId};

const NAME_CHARS_MAX: usize = 100;

/// The event; none when its days make no sense.
pub(super) fn resolve(context: &mut Context<'_>, id: &str, raw: &RawEvent) -> Option<BusinessEvent> {
    let at = |field: &'static str| ["events", id, field];
    let name = raw.name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let message = format!("the name is empty, longer than {NAME_CHARS_MAX} characters, or of several lines");
        context.report.error(&at("name"), message, "write in a few words what people call it");
    }
    let all = context.all;
    for (position, kpi) in raw.kpis.iter().enumerate() {
        let position = position.to_string();
        context.report.reference(&["events", id, "kpis", &position], "KPI", kpi, &all.kpis);
    }
    labels(context, id, raw);
    let from = raw.from.0;
    let to = raw.to.as_ref().map_or(from, |to| to.0);
    let (from, to) = match stretch(from, to) {
        Ok(days) => days,
        Err(message) => {
            context.report.error(&at("to"), message, "");
            return None;
        }
    };
    let what = EventDays {
        name: name.to_owned(),
        from,
        to,
        kpis: raw.kpis.iter().map(|kpi| KpiId::from(kpi.as_str())).collect(),
        labels: raw.labels.iter().collect(),
        exclude: raw.exclude,
    };
    Some(BusinessEvent { id: EventId::from(id), what, by: None, known_at: None, removed_at: None })
}

/// A label must be a dimension of one of its KPIs at least; an event about all of them may fit some.
fn labels(context: &mut Context<'_>, id: &str, raw: &RawEvent) {
    let all = context.all;
    let touched = all.kpis.iter().filter(|(kpi, _)| raw.kpis.is_empty() || raw.kpis.contains(kpi));
    let dimensions: Vec<&str> = touched
        .filter_map(|(_, item)| item.value.as_ref())
        .flat_map(|kpi| kpi.dimensions.iter().map(String::as_str))
        .collect();
    // A KPI that could not be read may have had it.
    let known = context.report.whole && all.kpis.values().all(|item| item.value.is_some());
    for name in raw.labels.keys().filter(|name| known && !dimensions.contains(&name.as_str())) {
        let help =
            suggest::help(name, dimensions.iter().copied(), "the KPIs have no `dimensions`: add them, or leave it out");
        let message = format!("`{name}` is a dimension of none of the event's KPIs");
        context.report.error(&["events", id, "labels", name], message, &help);
    }
}
