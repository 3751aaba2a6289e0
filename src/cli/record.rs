//! `vigie record`: enters a figure by hand, and lists what was entered.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::json;

use super::args::RecordArgs;
use super::output::{Out, Table, ago, clean};
use super::{ask, configuration, state};
use crate::locale::quantity;
use crate::model::action::{ActionKind, Record};
use crate::model::entry::Entry;
use crate::model::ids::KpiId;
use crate::model::kpi::{Kpi, Query};
use crate::model::unit::Language;

pub(super) async fn record(out: &mut Out, paths: &[PathBuf], args: RecordArgs, now: Timestamp) -> anyhow::Result<u8> {
    let kpi = KpiId::from(args.kpi);
    if args.list {
        let config = configuration::read(paths)?;
        let kpi = config.catalog.kpi(&kpi).with_context(|| format!("no KPI '{kpi}' in the configuration"))?;
        if kpi.query != Query::Entered {
            bail!("KPI '{}' is pulled from the source '{}', nobody enters it", kpi.id, kpi.source);
        }
        let entries = state::open(&config).await?.entries(&kpi.id, args.limit).await?;
        list(out, kpi, &entries, now)?;
        return Ok(0);
    }
    let (Some(period), Some(value)) = (args.period, args.value) else { bail!("say the period and the value") };
    let labels = args.label.into_iter().collect();
    let record = Record { kpi, period, value, labels, note: args.note };
    ask::act(out, paths, ActionKind::Record(record)).await
}

fn list(out: &mut Out, kpi: &Kpi, entries: &[Entry], now: Timestamp) -> anyhow::Result<()> {
    if out.is_json() {
        for entry in entries {
            out.record(&json!({
                "type": "entry", "kpi": entry.kpi, "period": entry.period, "labels": entry.labels,
                "value": entry.value, "numerator": entry.parts.map(|parts| parts.numerator),
                "denominator": entry.parts.map(|parts| parts.denominator), "by": entry.by, "at": entry.at,
                "note": entry.note,
            }))?;
        }
        return Ok(());
    }
    if entries.is_empty() {
        out.line(&format!("nothing was entered for {} yet", kpi.id))?;
        return Ok(());
    }
    let mut table = Table::new(&["PERIOD", "LABELS", "VALUE", "BY", "ENTERED", "NOTE"]);
    for entry in entries {
        let value = match entry.parts {
            Some(parts) => format!("{} / {}", parts.numerator, parts.denominator),
            None => quantity(Language::En, entry.value.unwrap_or(f64::NAN), &kpi.unit),
        };
        let labels = if entry.labels.is_total() { "-".to_owned() } else { entry.labels.to_string() };
        let note = entry.note.as_deref().map_or_else(|| "-".to_owned(), clean);
        table.row([entry.period.clone(), labels, value, entry.by.clone(), ago(entry.at, now), note]);
    }
    out.table(&table)?;
    Ok(())
}
