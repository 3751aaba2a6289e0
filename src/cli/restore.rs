//! `vigie restore`: a backup in the state's place; and `vigie release`, which lets it tell again.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::args::{ReleaseArgs, RestoreArgs};
use super::output::{Out, moment};
use super::{ask, configuration, deliveries, state};
use crate::daemon::{Queued, Request, own_name};
use crate::model::audit::AuditEntry;
use crate::model::notification::DeliveryState;
use crate::store::{DeliveryFilter, Store};

/// Unsent deliveries that are listed.
const LISTED_MAX: u32 = 1_000;

pub(super) async fn restore(
    out: &mut Out,
    paths: &[PathBuf],
    args: &RestoreArgs,
    now: Timestamp,
) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let path = &config.settings.state;
    let detail = json!({"from": args.from, "state": path}).to_string();
    let entry = AuditEntry { at: now, by: Some(own_name()), what: "restore".to_owned(), detail };
    let restored = Store::restore(&args.from, path, &entry).await?;
    let zone = &config.catalog.zone;
    if out.is_json() {
        out.record(&json!({"type": "restored", "state": path, "from": args.from, "as_of": restored.as_of,
                           "queued": restored.queued, "aside": restored.aside}))?;
    } else {
        let as_of = restored.as_of.map_or_else(|| "nothing".to_owned(), |at| moment(at, zone));
        out.line(&format!(
            "{}: restored from {}, which knows of all up to {as_of}",
            path.display(),
            args.from.display()
        ))?;
        if let Some(aside) = &restored.aside {
            out.line(&format!("what stood there before is kept in {}", aside.display()))?;
        }
        out.line("")?;
    }
    if restored.queued > 0 {
        let filter =
            DeliveryFilter { state: Some(DeliveryState::Queued), limit: LISTED_MAX, ..DeliveryFilter::default() };
        let store = state::open(&config).await?;
        let found = store.deliveries(&filter).await;
        store.close().await;
        deliveries::list(out, &found?, now, zone)?;
    }
    if !out.is_json() {
        if restored.queued > 0 {
            out.line("These were not sent when the backup was made; they may have been since.")?;
            out.line("")?;
        }
        out.line("Start the service: it pulls what is missing and evaluates, but tells nothing before")?;
        out.line(if restored.queued > 0 {
            "`vigie release --send` (the above go out too) or `vigie release --cancel` (they don't)."
        } else {
            "`vigie release`."
        })?;
    }
    Ok(0)
}

pub(super) async fn release(out: &mut Out, paths: &[PathBuf], args: &ReleaseArgs) -> anyhow::Result<u8> {
    let queued = match (args.send, args.cancel) {
        (true, _) => Some(Queued::Send),
        (_, true) => Some(Queued::Cancel),
        (false, false) => None,
    };
    ask::ask(out, paths, &Request::Release { queued }).await
}
