//! `vigie suspect`: values that jumped or that another KPI contradicts, listed and settled.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;

use super::args::{SuspectArgs, SuspectCommand};
use super::output::{Out, Table, clean, moment};
use super::{ask, configuration, state};
use crate::config::Config;
use crate::daemon::Request;
use crate::locale::quantity;
use crate::model::action::ActionKind;
use crate::model::ids::Labels;
use crate::model::suspect::{Decision, Settled, Settlement, Suspect, SuspectState};
use crate::model::unit::Language;

/// Open suspect values that a command looks through.
const OPEN_MAX: u32 = 10_000;

pub(super) async fn suspect(out: &mut Out, paths: &[PathBuf], command: SuspectCommand) -> anyhow::Result<u8> {
    let (which, decision) = match command {
        SuspectCommand::List { all, limit } => {
            let config = configuration::read(paths)?;
            let found = state::open(&config).await?.suspects(!all, limit).await?;
            list(out, &config, &found)?;
            return Ok(0);
        }
        SuspectCommand::Accept { which } => (which, Decision::Accept),
        SuspectCommand::Correct { which, value } => (which, Decision::Correct { value }),
        SuspectCommand::Reject { which } => (which, Decision::Reject),
    };
    let config = configuration::read(paths)?;
    let open = state::open(&config).await?.suspects(true, OPEN_MAX).await?;
    let action = action(&config, &open, which, decision)?;
    ask::tell(out, &config.settings.control, &Request::Act(action)).await
}

/// The bucket is the one of the KPI's open suspect values that bears the name typed, or begins with it.
fn action(config: &Config, open: &[Suspect], which: SuspectArgs, decision: Decision) -> anyhow::Result<ActionKind> {
    let SuspectArgs { kpi: id, bucket, label, note } = which;
    let Some(kpi) = config.catalog.kpi(&id.as_str().into()) else {
        bail!("no KPI '{id}' in the configuration");
    };
    let named = |suspect: &Suspect| kpi.bucket_name(suspect.bucket);
    let mut buckets: Vec<_> = open.iter().filter(|suspect| suspect.series.kpi == kpi.id).collect();
    buckets.sort_by_key(|suspect| suspect.bucket);
    buckets.dedup_by_key(|suspect| suspect.bucket);
    let all: Vec<String> = buckets.iter().map(|suspect| named(suspect)).collect();
    let typed = bucket.trim().replace(' ', "T");
    let meant: Vec<_> = buckets.into_iter().filter(|suspect| named(suspect).starts_with(&typed)).collect();
    let [meant] = meant.as_slice() else {
        match (all.is_empty(), meant.is_empty()) {
            (true, _) => bail!("no value of '{id}' is suspect; `vigie suspect list --all` shows those that were"),
            (false, true) => bail!("no value of '{id}' is suspect for {bucket}; those that are: {}", all.join(", ")),
            (false, false) => {
                let several: Vec<String> = meant.iter().map(|suspect| named(suspect)).collect();
                bail!("several values of '{id}' are suspect for {bucket}; say which: {}", several.join(", "))
            }
        }
    };
    let labels = (!label.is_empty()).then(|| Labels::from_iter(label));
    Ok(ActionKind::Settle { kpi: kpi.id.clone(), bucket: meant.bucket, labels, decision, note })
}

fn list(out: &mut Out, config: &Config, found: &[Suspect]) -> anyhow::Result<()> {
    let kpi_of = |suspect: &Suspect| config.catalog.kpi(&suspect.series.kpi);
    if out.is_json() {
        for suspect in found {
            let settled = match &suspect.state {
                SuspectState::Settled(settlement) => Some(settlement),
                SuspectState::Seen { .. } | SuspectState::Asked => None,
            };
            let Suspect { series, value, low, high, beside, slot, since, state, .. } = suspect;
            out.record(&json!({
                "type": "suspect", "kpi": series.kpi, "labels": series.labels,
                "bucket": kpi_of(suspect).map(|kpi| kpi.bucket_name(suspect.bucket)),
                "value": value, "low": low, "high": high, "beside": beside, "slot": slot, "since": since, "state": state.as_str(),
                "by": settled.and_then(|settled| settled.by.as_ref()), "at": settled.map(|settled| settled.at),
                "note": settled.and_then(|settled| settled.note.as_ref()),
                "superseded_at": settled.and_then(|settled| settled.superseded_at),
                "corrected_to": settled.and_then(corrected_to),
            }))?;
        }
        return Ok(());
    }
    if found.is_empty() {
        out.line("no value is suspect")?;
        return Ok(());
    }
    let mut table = Table::new(&["KPI", "BUCKET", "VALUE", "COMPARED WITH", "SINCE", "STATE"]);
    for suspect in found {
        let Some(kpi) = kpi_of(suspect) else { continue };
        let shown = |value| quantity(Language::En, value, &kpi.unit);
        table.row([
            format!("{}{}", suspect.series.kpi, suspect.series.labels),
            kpi.bucket_name(suspect.bucket),
            shown(suspect.value),
            match &suspect.beside {
                None => format!("{} to {} before it", shown(suspect.low), shown(suspect.high)),
                Some(beside) => format!("{} of {}", shown(beside.value), beside.kpi),
            },
            moment(suspect.since, &kpi.zone),
            suspect.state.as_str().to_owned(),
        ]);
        if let SuspectState::Settled(settlement) = &suspect.state {
            let Settlement { by, at, note, superseded_at, .. } = settlement;
            let new = corrected_to(settlement).map(|value| format!("to {}", shown(value)));
            let by = by.as_ref().map(|by| format!("by {by}"));
            let over = superseded_at.map(|at| format!("until the source said otherwise, {}", moment(at, &kpi.zone)));
            let parts = [new, by, Some(moment(*at, &kpi.zone)), note.clone(), over];
            table.remark(clean(&parts.into_iter().flatten().collect::<Vec<_>>().join(", ")));
        }
    }
    out.table(&table)?;
    Ok(())
}

fn corrected_to(settlement: &Settlement) -> Option<f64> {
    match settlement.how {
        Settled::Corrected { value } => Some(value),
        Settled::Accepted | Settled::Rejected | Settled::Confirmed | Settled::Withdrawn | Settled::Agreed => None,
    }
}
