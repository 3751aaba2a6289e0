//! Asking the running daemon, and telling what it answered.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::args::Span;
use super::configuration;
use super::output::Out;
use crate::daemon::{Reply, Request, Value, request};
use crate::model::action::ActionKind;
use crate::model::grain::start_of_day;

/// Asks the daemon to act, and tells what it did.
pub(super) async fn act(out: &mut Out, paths: &[PathBuf], action: ActionKind) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    tell(out, &config.settings.control, &Request::Act(action)).await
}

/// Has the daemon take up this configuration. One with errors is told by the daemon too, so that whoever watches its log and
/// its metrics learns of them.
pub(super) async fn reload(out: &mut Out, paths: &[PathBuf]) -> anyhow::Result<u8> {
    let (control, read) = configuration::control_of(paths);
    let Some(control) = control else { return read.map(|()| 0) };
    let Err(refused) = read else { return tell(out, &control, &Request::Reload).await };
    match request(&control, &Request::Reload).await {
        // Somebody has mended it meanwhile.
        Ok(reply @ Reply::Ok(_)) => told(out, reply),
        Ok(Reply::Error(_)) | Err(_) => Err(refused),
    }
}

/// Sends one request to the daemon of this configuration, and tells the answer.
pub(super) async fn ask(out: &mut Out, paths: &[PathBuf], asked: &Request) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    tell(out, &config.settings.control, asked).await
}

/// Sends one request over a control socket, and tells the answer.
pub(super) async fn tell(out: &mut Out, control: &Path, asked: &Request) -> anyhow::Result<u8> {
    told(out, request(control, asked).await?)
}

fn told(out: &mut Out, reply: Reply) -> anyhow::Result<u8> {
    match reply {
        Reply::Ok(Value::Text(text)) if out.is_json() => out.record(&json!({"type": "done", "text": text}))?,
        Reply::Ok(Value::Text(text)) => out.line(&text)?,
        Reply::Ok(other) => bail!("an unexpected answer ({other:?}): is the daemon of another version?"),
        Reply::Error(why) => bail!("{why}"),
    }
    Ok(0)
}

/// True when the request failed because no daemon listens.
pub(super) fn nobody_listens(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(ErrorKind::NotFound | ErrorKind::ConnectionRefused))
}

/// The end of the span asked for.
pub(super) fn end_of(span: &Span, now: Timestamp, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    let until = match (span.lasting, &span.until) {
        (Some(lasting), _) => now.checked_add(lasting).context("that is too far away")?,
        (None, Some(text)) => instant(text, zone)?,
        (None, None) => bail!("say how long, with --for or --until"),
    };
    if until.duration_since(now) <= SignedDuration::ZERO {
        bail!("{until} is not in the future");
    }
    Ok(until)
}

fn instant(text: &str, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    // A date alone also reads as a moment, so it is tried first.
    if let (Ok(day), 10) = (text.parse::<Date>(), text.len()) {
        return Ok(start_of_day(day, zone));
    }
    let local: DateTime = text.parse().ok().with_context(|| {
        format!("`{text}` is no time: write `2026-11-30`, `2026-11-30 08:00` or `2026-11-30T07:00:00Z`")
    })?;
    zone.to_timestamp(local).with_context(|| format!("`{text}` does not exist in the configuration's zone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let got = instant(text, &zone).map_or_else(|error| error.to_string(), |at| at.to_string());
        assert!(got.contains(expected), "{text}: {got}");
    }

    #[test]
    fn moments_are_read_in_the_zone() {
        check("2026-11-30", "2026-11-29T23:00:00Z");
        check("2026-11-30 08:00", "2026-11-30T07:00:00Z");
        check("2026-11-30T08:00", "2026-11-30T07:00:00Z");
        check("2026-11-30T08:00:00Z", "2026-11-30T08:00:00Z");
        check("demain", "write `2026-11-30`");
    }

    #[test]
    fn a_span_ends_in_the_future() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let end = |lasting, until: Option<&str>| {
            end_of(&Span { lasting, until: until.map(str::to_owned) }, now, &TimeZone::UTC)
        };
        assert_eq!(end(Some(SignedDuration::from_hours(2)), None).unwrap().to_string(), "2026-11-23T14:00:00Z");
        assert!(end(None, Some("2026-11-23")).unwrap_err().to_string().contains("not in the future"));
        assert!(end(None, None).is_err());
    }
}
