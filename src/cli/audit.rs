//! `vigie audit`: what was done to the service, and by whom.

use std::path::PathBuf;

use anyhow::Context as _;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::args::{AuditArgs, Format};
use super::output::{Out, Table, counted, moment};
use super::{configuration, state};
use crate::model::audit::AuditRow;
use crate::model::grain::start_of_day;

pub(super) async fn audit(out: &mut Out, paths: &[PathBuf], args: &AuditArgs) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let zone = &config.catalog.zone;
    let from = args.from.map_or(Timestamp::MIN, |day| start_of_day(day, zone));
    let to = match args.to {
        Some(day) => start_of_day(day.checked_add(1.day()).context("--to is too late")?, zone),
        None => Timestamp::MAX,
    };
    let store = state::open(&config).await?;
    let mut rows: Vec<AuditRow> = Vec::new();
    let broken = store.audit((from, to), |row| rows.push(row)).await?;
    match out.format() {
        Format::Json => {
            for AuditRow { number, entry, digest } in &rows {
                let detail: Value = serde_json::from_str(&entry.detail).unwrap_or(Value::Null);
                out.record(
                    &json!({"type": "audit", "number": number, "at": entry.at, "by": entry.by, "what": entry.what,
                                   "detail": detail, "digest": digest}),
                )?;
            }
            out.record(&json!({"type": "summary", "entries": rows.len(), "broken_at": broken}))?;
        }
        Format::Csv => out.raw(&table(&rows)?)?,
        Format::Text => {
            let mut table = Table::new(&["NUMBER", "WHEN", "BY", "WHAT", "DETAIL"]);
            for AuditRow { number, entry, .. } in &rows {
                let by = entry.by.clone().unwrap_or_else(|| "-".to_owned());
                table.row([number.to_string(), moment(entry.at, zone), by, entry.what.clone(), entry.detail.clone()]);
            }
            out.line(&counted(rows.len(), "noted action"))?;
            out.table(&table)?;
        }
    }
    Ok(match broken {
        Some(number) => {
            eprintln_broken(number)?;
            1
        }
        None => 0,
    })
}

fn eprintln_broken(number: i64) -> std::io::Result<()> {
    use std::io::Write as _;

    let text =
        format!("error: entry {number} does not follow from the one before: the audit was changed by another hand\n");
    std::io::stderr().write_all(text.as_bytes())
}

fn table(rows: &[AuditRow]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["number", "at", "by", "what", "detail", "digest"])?;
    for AuditRow { number, entry, digest } in rows {
        let by = entry.by.clone().unwrap_or_default();
        let cells =
            [number.to_string(), entry.at.to_string(), by, entry.what.clone(), entry.detail.clone(), digest.clone()];
        table.write_record(cells.map(|cell| harmless(&cell)))?;
    }
    Ok(table.into_inner()?)
}

/// A cell that begins like a formula would be one for a spreadsheet.
fn harmless(cell: &str) -> String {
    let starts = cell.chars().next().is_some_and(|first| matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r'));
    if starts { format!("'{cell}") } else { cell.to_owned() }
}
