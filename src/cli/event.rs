//! `vigie event`: add, list, remove.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::args::{EventAddArgs, EventCommand};
use super::output::{Out, Table, moment};
use super::{ask, configuration, state};
use crate::config::Config;
use crate::model::action::ActionKind;
use crate::model::event::{BusinessEvent, EventDays};
use crate::model::ids::{EventId, KpiId};

pub(super) async fn event(
    out: &mut Out,
    paths: &[PathBuf],
    command: EventCommand,
    now: Timestamp,
) -> anyhow::Result<u8> {
    match command {
        EventCommand::Add(add) => ask::act(out, paths, ActionKind::AddEvent(days(add))).await,
        EventCommand::Remove { id } => ask::act(out, paths, ActionKind::RemoveEvent { event: EventId::from(id) }).await,
        EventCommand::List => {
            let config = configuration::read(paths)?;
            let added = state::open(&config).await?.events().await?;
            let configured = config.catalog.events.values().map(|event| (**event).clone());
            let events: Vec<BusinessEvent> =
                configured.chain(added).filter(|event| event.removed_at.is_none_or(|removed| now < removed)).collect();
            list(out, &config, events)?;
            Ok(0)
        }
    }
}

fn days(add: EventAddArgs) -> EventDays {
    EventDays {
        name: add.name.trim().to_owned(),
        from: add.from,
        to: add.to.unwrap_or(add.from),
        kpis: add.kpi.into_iter().map(KpiId::from).collect(),
        labels: add.label.into_iter().collect(),
        exclude: add.exclude,
    }
}

fn list(out: &mut Out, config: &Config, mut events: Vec<BusinessEvent>) -> anyhow::Result<()> {
    events.sort_by_key(|event| (event.what.from, event.what.to));
    if out.is_json() {
        for BusinessEvent { id, what, by, known_at, removed_at: _ } in &events {
            let record = json!({"type": "event", "id": id, "name": what.name, "from": what.from, "to": what.to,
                                "kpis": what.kpis, "labels": what.labels, "exclude": what.exclude, "by": by,
                                "known_at": known_at});
            out.record(&record)?;
        }
        return Ok(());
    }
    if events.is_empty() {
        out.line("no events")?;
        return Ok(());
    }
    let mut table = Table::new(&["ID", "FROM", "TO", "KIND", "ABOUT", "KNOWN SINCE", "NAME"]);
    for BusinessEvent { id, what, by, known_at, .. } in events {
        let kpis: Vec<&str> = what.kpis.iter().map(KpiId::as_str).collect();
        let about = if kpis.is_empty() { "all".to_owned() } else { kpis.join(",") };
        let since = match (known_at, by) {
            (Some(at), Some(by)) => format!("{}, by {by}", moment(at, &config.catalog.zone)),
            (Some(at), None) => moment(at, &config.catalog.zone),
            (None, _) => "always (configuration)".to_owned(),
        };
        table.row([
            id.to_string(),
            what.from.to_string(),
            what.to.to_string(),
            if what.exclude { "excluded" } else { "explains" }.to_owned(),
            format!("{about}{}", what.labels),
            since,
            what.name,
        ]);
    }
    out.table(&table)?;
    Ok(())
}
