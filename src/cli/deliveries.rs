//! `vigie deliveries`: what was or is to be delivered; show, send again, cancel.

use std::path::PathBuf;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::args::{DeliveriesArgs, DeliveriesCommand};
use super::output::{Out, Table, ago, moment, or_dash};
use super::{ask, configuration, state};
use crate::daemon::Request;
use crate::model::ids::ReceiverId;
use crate::model::notification::{Delivery, DeliveryState, Message};
use crate::store::{Attempt, DeliveryFilter};

pub(super) async fn deliveries(
    out: &mut Out,
    paths: &[PathBuf],
    args: DeliveriesArgs,
    now: Timestamp,
) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let control = &config.settings.control;
    match args.command {
        Some(DeliveriesCommand::Resend { id }) => ask::tell(out, control, &Request::Resend { delivery: id }).await,
        Some(DeliveriesCommand::Cancel { id, why }) => {
            ask::tell(out, control, &Request::Cancel { delivery: id, why }).await
        }
        Some(DeliveriesCommand::Show { id }) => {
            let found = state::open(&config).await?.delivery(id).await?;
            let (delivery, attempts) =
                found.with_context(|| format!("no delivery {id}: `vigie deliveries` shows the newest"))?;
            let preview = preview(paths, &delivery);
            show(out, &delivery, &attempts, preview, &config.catalog.zone)?;
            Ok(0)
        }
        None => {
            let receiver = args.receiver.map(ReceiverId::from);
            let filter = DeliveryFilter { state: args.state, receiver, alert: None, limit: args.limit };
            let found = state::open(&config).await?.deliveries(&filter).await?;
            list(out, &found, now, &config.catalog.zone)?;
            Ok(0)
        }
    }
}

pub(super) fn list(out: &mut Out, found: &[Delivery], now: Timestamp, zone: &TimeZone) -> anyhow::Result<()> {
    if out.is_json() {
        found.iter().try_for_each(|delivery| out.record(&record(delivery)))?;
        return Ok(());
    }
    if found.is_empty() {
        out.line("no delivery")?;
        return Ok(());
    }
    let mut table = Table::new(&["ID", "STATE", "RECEIVER", "RECIPIENT", "REASON", "CREATED", "TRIES", "NEXT"]);
    for delivery in found {
        let queued = delivery.state == DeliveryState::Queued;
        table.row([
            delivery.id.to_string(),
            delivery.state.as_str().to_owned(),
            delivery.new.receiver.to_string(),
            delivery.new.recipient.clone(),
            delivery.new.message.reason.as_str().to_owned(),
            moment(delivery.new.created_at, zone),
            delivery.attempts.to_string(),
            or_dash(queued.then(|| ago(delivery.next_attempt_at, now))),
        ]);
        let note = delivery.note.as_ref().filter(|_| delivery.state != DeliveryState::Sent);
        let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
        table.remark(format!("{}{note}", delivery.new.message.headline));
    }
    out.table(&table)?;
    Ok(())
}

fn record(delivery: &Delivery) -> Value {
    let message = &delivery.new.message;
    let alerts: Vec<_> = message.sections.iter().map(|section| &section.alert).collect();
    json!({
        "type": "delivery", "id": delivery.id, "key": delivery.new.key, "notification": delivery.new.notification,
        "state": delivery.state, "receiver": delivery.new.receiver, "recipient": delivery.new.recipient,
        "reason": message.reason, "severity": message.severity, "about": message.about, "alerts": alerts,
        "subject": message.subject, "headline": message.headline, "created_at": delivery.new.created_at,
        "attempts": delivery.attempts,
        "next_attempt_at": (delivery.state == DeliveryState::Queued).then_some(delivery.next_attempt_at),
        "note": delivery.note,
    })
}

/// What its channel would send, where it can be built here.
fn preview(paths: &[PathBuf], delivery: &Delivery) -> Result<String, String> {
    let built = configuration::read_and_build(paths)
        .map_err(|_| "the channels can't be built here; `vigie check` says why".to_owned())?;
    let receiver = &delivery.new.receiver;
    let definition = built.setup.catalog.receivers.get(receiver);
    let position = definition.and_then(|definition| {
        definition.recipients.iter().position(|recipient| recipient.name == delivery.new.recipient)
    });
    let place = position.and_then(|position| built.recipient_channels.get(receiver)?.get(position).copied());
    let channel = place.and_then(|place| built.channels.get(receiver)?.get(place));
    let channel = channel.ok_or_else(|| "the configuration has no such recipient any more".to_owned())?;
    Ok(channel.render_preview(&delivery.new))
}

fn show(
    out: &mut Out,
    delivery: &Delivery,
    attempts: &[Attempt],
    preview: Result<String, String>,
    zone: &TimeZone,
) -> anyhow::Result<()> {
    if out.is_json() {
        let mut record = record(delivery);
        record["tries"] = serde_json::to_value(attempts)?;
        record["message"] = serde_json::to_value(&delivery.new.message)?;
        record["preview"] = json!(preview.ok());
        return Ok(out.record(&record)?);
    }
    let to = format!("{} of {}", delivery.new.recipient, delivery.new.receiver);
    out.line(&format!("delivery {} to {to}: {}", delivery.id, delivery.state.as_str()))?;
    out.line(&format!(
        "created {}, reason {}",
        moment(delivery.new.created_at, zone),
        delivery.new.message.reason.as_str()
    ))?;
    if let Some(note) = &delivery.note {
        out.line(note)?;
    }
    if !attempts.is_empty() {
        let mut table = Table::new(&["TRY", "BEGAN", "OUTCOME", "DETAIL"]);
        for (number, attempt) in attempts.iter().enumerate() {
            let outcome = attempt.outcome.as_deref().unwrap_or("under way");
            table.row([
                (number + 1).to_string(),
                moment(attempt.started_at, zone),
                outcome.to_owned(),
                or_dash(attempt.detail.as_ref()),
            ]);
        }
        out.line("")?;
        out.table(&table)?;
    }
    out.line("")?;
    match preview {
        Ok(text) => out.text(&text)?,
        Err(why) => {
            out.line(&format!("({why}; the message without its form:)"))?;
            plain(&delivery.new.message).iter().try_for_each(|line| out.line(line))?;
        }
    }
    Ok(())
}

/// The neutral message in lines.
fn plain(message: &Message) -> Vec<String> {
    let mut lines = vec![message.subject.clone(), message.headline.clone()];
    for section in &message.sections {
        lines.push(String::new());
        lines.push(section.headline.clone());
        lines.extend(section.sentences.iter().cloned());
        lines.extend(section.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)));
        lines.extend(section.comparisons.iter().chain(&section.suggestions).cloned());
        lines.extend(section.data.iter().chain(&section.why).cloned());
    }
    lines
}
