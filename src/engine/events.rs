//! Events of the business: which of them count at an instant, and what people's commands do to them.

use std::sync::Arc;

use jiff::Timestamp;

use super::event::{Answer, Effects};
use super::setup::Setup;
use super::state::State;
use crate::assess::KnownEvents;
use crate::model::event::{BusinessEvent, EventDays};
use crate::model::ids::{EventId, KpiId};

/// Events added by command, those that were removed included.
const EVENTS_MAX: usize = 5_000;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Longest event, in days.
const EVENT_DAYS_MAX: i64 = 3_660;

/// The events about a KPI that are known at that instant; none where there are none, as nearly always.
pub(super) fn known(state: &State, setup: &Setup, kpi: &KpiId, at: Timestamp) -> Option<KnownEvents> {
    if setup.catalog.events.is_empty() && state.events.is_empty() {
        return None;
    }
    let all = setup.catalog.events.values().chain(&state.events);
    let known: Vec<Arc<BusinessEvent>> =
        all.filter(|event| event.what.is_about(kpi) && event.is_known(at)).cloned().collect();
    (!known.is_empty()).then(|| known.into())
}

/// Takes in an event; it counts from now on.
pub(super) fn add(
    state: &mut State,
    setup: &Setup,
    (what, by): (EventDays, String),
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Answer, String> {
    check(setup, &what)?;
    if state.events.len() >= EVENTS_MAX {
        return Err(format!(
            "{EVENTS_MAX} events were added by command already; write further ones under `events:` in the configuration"
        ));
    }
    let mut number = now.as_millisecond();
    let id = loop {
        let id = EventId::from(format!("e{number:x}"));
        if !setup.catalog.events.contains_key(&id) && state.events.iter().all(|event| event.id != id) {
            break id;
        }
        number += 1;
    };
    let event = BusinessEvent { id: id.clone(), what, by: Some(by), known_at: Some(now), removed_at: None };
    state.events.push(Arc::new(event.clone()));
    effects.evaluate.events.push(event);
    Ok(Answer::Event(id))
}

/// Lets an event count no more from now on. It stays, for what was decided while it was known.
pub(super) fn remove(
    state: &mut State,
    setup: &Setup,
    id: EventId,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Answer, String> {
    if setup.catalog.events.contains_key(&id) {
        return Err(format!("the event '{id}' stands in the configuration; take it out of `events:` there"));
    }
    let Some(event) = state.events.iter_mut().find(|event| event.id == id && event.removed_at.is_none()) else {
        return Err(format!("no event '{id}'; `vigie event list` shows those that count"));
    };
    let removed = BusinessEvent { removed_at: Some(now), ..(**event).clone() };
    *event = Arc::new(removed.clone());
    effects.evaluate.events.push(removed);
    Ok(Answer::Event(id))
}

fn check(setup: &Setup, what: &EventDays) -> Result<(), String> {
    let EventDays { name, from, to, kpis, labels, .. } = what;
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(format!("an event needs a name, on one line and of at most {NAME_CHARS_MAX} characters"));
    }
    if to < from {
        return Err(format!("the last day {to} lies before the first, {from}"));
    }
    if to.duration_since(*from).as_secs() / 86_400 >= EVENT_DAYS_MAX {
        return Err(format!("an event lasts at most {EVENT_DAYS_MAX} days"));
    }
    if let Some(kpi) = kpis.iter().find(|kpi| setup.catalog.kpi(kpi).is_none()) {
        return Err(format!("no KPI '{kpi}' in the configuration"));
    }
    let named = |kpi: &KpiId| kpis.is_empty() || kpis.contains(kpi);
    let has = |label: &str| {
        let mut touched = setup.catalog.kpis.values().filter(|kpi| named(&kpi.id));
        touched.any(|kpi| kpi.dimensions.iter().any(|dimension| dimension == label))
    };
    match labels.iter().find(|(label, _)| !has(label)) {
        Some((label, _)) => Err(format!("'{label}' is a dimension of none of the event's KPIs")),
        None => Ok(()),
    }
}
