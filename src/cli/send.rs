//! `vigie send`: a drill through the running daemon, else straight through the channels.

use std::path::PathBuf;

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::json;

use super::args::SendArgs;
use super::output::{Out, Table};
use super::{ask, configuration, state};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::{DrillOutcome, Reply, Request, Value, drills, request, send_drills};
use crate::model::alert::Alert;
use crate::model::ids::{AlertId, ReceiverId};

pub(super) async fn send(out: &mut Out, paths: &[PathBuf], args: SendArgs, now: Timestamp) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let (receiver, alert) = (ReceiverId::from(args.receiver), args.alert.map(AlertId::from));
    let asked = Request::Send { receiver: receiver.clone(), alert: alert.clone() };
    let outcomes = match request(&config.settings.control, &asked).await {
        Ok(Reply::Ok(Value::Sent(outcomes))) => outcomes,
        Ok(Reply::Ok(other)) => bail!("an unexpected answer ({other:?}): is the daemon of another version?"),
        Ok(Reply::Error(why)) => bail!("{why}"),
        Err(error) if ask::nobody_listens(&error) => {
            let alert = match alert {
                Some(id) => Some(stored(&config, &id).await?),
                None => None,
            };
            let built = configuration::read_and_build(paths)?;
            let ready = drills(&built, &receiver, alert.as_ref(), now).map_err(anyhow::Error::msg)?;
            send_drills(ready, &Clock::Wall).await
        }
        Err(error) => return Err(error),
    };
    tell(out, &outcomes)?;
    Ok(u8::from(outcomes.iter().any(|outcome| !outcome.sent)))
}

async fn stored(config: &Config, id: &AlertId) -> anyhow::Result<Alert> {
    let alerts = state::open(config).await?.alerts().await?;
    let found = alerts.into_iter().find(|alert| alert.key.id() == *id);
    found.with_context(|| format!("no live alert '{id}': `vigie alerts` shows those that fire"))
}

fn tell(out: &mut Out, outcomes: &[DrillOutcome]) -> anyhow::Result<()> {
    if out.is_json() {
        for DrillOutcome { recipient, sent, detail } in outcomes {
            out.record(&json!({"type": "drill", "recipient": recipient, "sent": sent, "detail": detail}))?;
        }
        return Ok(());
    }
    let mut table = Table::new(&["RECIPIENT", "RESULT", "DETAIL"]);
    for DrillOutcome { recipient, sent, detail } in outcomes {
        let result = if *sent { "sent" } else { "failed" };
        table.row([recipient.clone(), result.to_owned(), detail.clone()]);
    }
    out.table(&table)?;
    Ok(())
}
