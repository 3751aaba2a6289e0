//! Answers to what people ask of the running service over the control socket.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::control::{Incoming, Reply, Request, Value as Said};
use super::cycle::{Cycle, CycleError};
use super::drill::{drills, send_drills};
use crate::clock::Clock;
use crate::engine::Answer;
use crate::locale::quantity;
use crate::model::action::Action;
use crate::model::alert::{Alert, Change, Phase, Transition};
use crate::model::evaluation::{Feedback, Judgement};
use crate::model::ids::AlertId;
use crate::model::unit::{Language, Unit};
use crate::store::{StoreError, TransitionFilter};
use crate::telemetry;

/// Answers one request. Only a store that can't be written any more is an error.
pub(super) async fn answer(
    cycle: &mut Cycle,
    incoming: Incoming,
    (now, clock): (Timestamp, &Clock),
) -> Result<(), CycleError> {
    let Incoming { by, request, reply } = incoming;
    tracing::info!(by, ?request, "asked over the control socket");
    if let Some((what, detail)) = noted(&request) {
        cycle.note(Some(&by), what, &detail, now).await?;
    }
    let said = match request {
        Request::Ping => Reply::Ok(Said::Pong {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            config_checksum: cycle.built.setup.catalog.checksum.clone(),
        }),
        // Whoever drives the cycle reloads it.
        Request::Reload => Reply::Error("this service has no configuration to reload".to_owned()),
        Request::LogLevel { level } => match telemetry::set_level(&level) {
            Ok(()) => Reply::Ok(Said::Text(format!("logging at `{level}` until the next start or reload"))),
            Err(why) => Reply::Error(why),
        },
        Request::Sources => Reply::Ok(Said::Sources(cycle.gates())),
        Request::Act(what) => match cycle.act(Action { by, what }, now).await? {
            Ok(Answer::Alert(id)) => Reply::Ok(Said::Text(format!("alert {id}: done"))),
            Ok(Answer::Text(text)) => Reply::Ok(Said::Text(text)),
            Ok(Answer::Silence(id)) => Reply::Ok(Said::Text(format!("silence {id}: done"))),
            Ok(Answer::Entered { kpi, period, value, before }) => {
                let catalog = &cycle.built.setup.catalog;
                let unit = catalog.kpi(&kpi).map_or(Unit::None, |kpi| kpi.unit.clone());
                let shown = |value: f64| quantity(Language::En, value, &unit);
                let value = value.map_or_else(|| "undefined".to_owned(), shown);
                let before = before.map(|before| format!(" instead of {}", shown(before))).unwrap_or_default();
                Reply::Ok(Said::Text(format!("{kpi} {period}: {value} entered{before}")))
            }
            Ok(Answer::Event(id)) => Reply::Ok(Said::Text(format!("event {id}: done"))),
            Err(why) => Reply::Error(why),
        },
        Request::Pull { kpi, from, to, held_from } => {
            cycle.ask_pull(kpi, (from, to), (held_from, reply), now).await;
            return Ok(());
        }
        Request::Resend { delivery } => {
            let done = cycle.store().requeue(delivery, now).await;
            settled(done, || format!("delivery {delivery} is queued again"))?
        }
        Request::Cancel { delivery, why } => {
            let done = cycle.store().cancel(delivery, &format!("cancelled by {by}: {why}")).await;
            settled(done, || format!("delivery {delivery} is cancelled"))?
        }
        Request::Release { queued } => match cycle.release(queued, now).await? {
            Ok(said) => Reply::Ok(Said::Text(said)),
            Err(why) => Reply::Error(why),
        },
        Request::Feedback { alert, judgement, why } => match feedback(cycle, &alert, (judgement, why), (by, now)).await
        {
            Ok(Ok(said)) => Reply::Ok(Said::Text(said)),
            Ok(Err(why)) => Reply::Error(why),
            Err(error) => settled(Err(error), String::new)?,
        },
        Request::Send { receiver, alert } => {
            let facts = alert_of(cycle, alert).await;
            let ready = facts.and_then(|alert| drills(&cycle.built, &receiver, alert.as_ref(), now));
            match ready {
                Ok(ready) => {
                    // Past the cycle: a slow channel must not hold up anything that is decided.
                    let clock = clock.clone();
                    tokio::spawn(async move {
                        drop(reply.send(Reply::Ok(Said::Sent(send_drills(ready, &clock).await))));
                    });
                    return Ok(());
                }
                Err(why) => Reply::Error(why),
            }
        }
    };
    // The asker may have gone; what was done stays done.
    drop(reply.send(said));
    Ok(())
}

/// What is noted of a request before it is carried out. Actions are noted with what they change; who only asks is not
/// noted.
fn noted(request: &Request) -> Option<(&'static str, Value)> {
    match request {
        Request::Ping | Request::Sources | Request::Act(_) | Request::Reload => None,
        Request::LogLevel { level } => Some(("log_level", json!({"level": level}))),
        Request::Pull { kpi, from, to, .. } => Some(("pull", json!({"kpi": kpi, "from": from, "to": to}))),
        Request::Resend { delivery } => Some(("resend", json!({"delivery": delivery}))),
        Request::Release { queued } => Some(("release", json!({"queued": queued}))),
        Request::Cancel { delivery, why } => Some(("cancel", json!({"delivery": delivery, "why": why}))),
        Request::Feedback { alert, judgement, why } => {
            Some(("feedback", json!({"alert": alert, "judgement": judgement, "why": why})))
        }
        Request::Send { receiver, alert } => Some(("drill", json!({"receiver": receiver, "alert": alert}))),
    }
}

/// Notes what a person says of an alert's newest firing; answers with what was noted, or why it can't be.
async fn feedback(
    cycle: &Cycle,
    alert: &AlertId,
    (judgement, why): (Judgement, Option<String>),
    (by, at): (String, Timestamp),
) -> Result<Result<String, String>, StoreError> {
    let filter = TransitionFilter { alert: Some(alert.to_string()), limit: 1_000, ..TransitionFilter::default() };
    let changes = cycle.store().transitions(&filter).await?;
    let fired = changes.iter().filter(|change| change.change == Change::Fired).max_by_key(|change| change.seq);
    let Some(fired) = fired else {
        return Ok(Err(format!("no alert '{alert}' has fired; `vigie alerts --all` shows those that did")));
    };
    let Some(rule) = fired.key.rule().cloned() else {
        return Ok(Err(format!("alert '{alert}' is of no rule, so that there is none to learn from it")));
    };
    let is_end = |change: &&Transition| change.seq > fired.seq && change.to == Phase::Resolved;
    let ended_at = changes.iter().filter(is_end).map(|change| change.at).min();
    let identity = fired.key.canonical();
    let given = Feedback {
        alert: alert.clone(),
        identity,
        rule,
        episode: fired.episode,
        fired_at: fired.at,
        ended_at,
        judgement,
        why,
        by,
        at,
    };
    cycle.store().give_feedback(&given).await?;
    Ok(Ok(format!("alert {alert} of {}: {}", fired.at, judgement.as_str())))
}

async fn alert_of(cycle: &Cycle, id: Option<AlertId>) -> Result<Option<Alert>, String> {
    let Some(id) = id else { return Ok(None) };
    let wanted = id.clone();
    let found = cycle.engine().with(move |state, _| state.book.find(&wanted).cloned()).await;
    found.map(Some).ok_or_else(|| format!("no live alert '{id}'; `vigie alerts` shows those that fire"))
}

fn settled(done: Result<(), StoreError>, text: impl FnOnce() -> String) -> Result<Reply, CycleError> {
    match done {
        Ok(()) => Ok(Reply::Ok(Said::Text(text()))),
        Err(error) if error.is_fatal() => Err(error.into()),
        Err(error) => Ok(Reply::Error(error.to_string())),
    }
}
