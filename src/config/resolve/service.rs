//! The service's own settings, the folders of rule scripts.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;

use super::context::Report;
use super::gather::Gathered;
use crate::config::commit::commit_of;
use crate::config::raw::RawLogFormat;
use crate::config::settings::{Heartbeat, LogFormat, LogSettings, Settings};

const STATE: &str = "/var/lib/vigie/vigie.db";
const KEEP_TOLD: SignedDuration = SignedDuration::from_hours(24 * 730);
const KEEP_TOLD_MIN: SignedDuration = SignedDuration::from_hours(24 * 30);
const SHOWN_SERIES: u32 = 200;
const SHOWN_SERIES_MAX: u32 = 10_000;
const HEARTBEAT: Duration = Duration::from_secs(60);
const HEARTBEAT_MIN: Duration = Duration::from_secs(10);
const CONTROL: &str = "/run/vigie/control.sock";

pub(super) fn settings(report: &mut Report<'_>, all: &Gathered) -> Settings {
    let state = all.state.as_ref().and_then(|item| Some(item.base_dir.join(&item.value.as_ref()?.0.0)));
    let control = all.control.as_ref().and_then(|item| Some(item.base_dir.join(item.value.as_ref()?)));
    let log = all.log.as_ref().and_then(|item| item.value.as_ref());
    let first = report.documents.files.first();
    Settings {
        heartbeat: heartbeat(report, all),
        shown_series: shown_series(report, all),
        keep_told: keep_told(report, all),
        commit: first.and_then(|document| commit_of(&document.base_dir)),
        state: state.unwrap_or_else(|| PathBuf::from(STATE)),
        listen: listen(report, all),
        control: control.unwrap_or_else(|| PathBuf::from(CONTROL)),
        log: LogSettings {
            level: log.and_then(|log| log.level.clone()).unwrap_or_else(|| "info".to_owned()),
            format: match log.and_then(|log| log.format) {
                Some(RawLogFormat::Json) => LogFormat::Json,
                Some(RawLogFormat::Journald) => LogFormat::Journald,
                Some(RawLogFormat::Text) | None => LogFormat::Text,
            },
        },
    }
}

fn keep_told(report: &mut Report<'_>, all: &Gathered) -> SignedDuration {
    let raw = all.retention.as_ref().and_then(|item| item.value.as_ref()?.messages.as_ref());
    let kept = raw.map_or(KEEP_TOLD, |kept| kept.0);
    if kept < KEEP_TOLD_MIN {
        let message = "messages are needed for longer: reminders, corrections and ends refer to them";
        report.error(&["retention", "messages"], message, "write `30d` at least");
    }
    kept
}

fn shown_series(report: &mut Report<'_>, all: &Gathered) -> Option<usize> {
    let raw = all.metrics.as_ref()?.value.as_ref()?;
    let series = raw.series.unwrap_or(SHOWN_SERIES);
    if !(1..=SHOWN_SERIES_MAX).contains(&series) {
        let help = format!("write a number from 1 to {SHOWN_SERIES_MAX}");
        report.error(&["metrics", "series"], format!("{series} series can't be shown"), &help);
    }
    raw.kpis.then_some(series as usize)
}

fn heartbeat(report: &mut Report<'_>, all: &Gathered) -> Option<Heartbeat> {
    let item = all.heartbeat.as_ref()?;
    let raw = item.value.as_ref()?;
    let every = raw.every.as_ref().map_or(HEARTBEAT, |every| Duration::try_from(every.0).unwrap_or_default());
    if every < HEARTBEAT_MIN {
        let message = "a heartbeat more often than every ten seconds helps nobody";
        report.error(&["heartbeat", "every"], message, "write `1m`, or `10s` at least");
    }
    let (url, tls, proxy) = (raw.url.clone(), raw.tls.clone(), raw.proxy.clone());
    Some(Heartbeat { url, every, tls, proxy, base_dir: item.base_dir.clone() })
}

fn listen(report: &mut Report<'_>, all: &Gathered) -> Option<SocketAddr> {
    let text = all.listen.as_ref()?.value.as_ref()?;
    // A name would need a resolver at start; this one is known to all.
    let address = text.replacen("localhost:", "127.0.0.1:", 1);
    let parsed = address.parse().ok();
    if parsed.is_none() {
        report.error(
            &["listen"],
            format!("`{text}` is not an address with a port"),
            "write `127.0.0.1:9810` or `[::1]:9810`",
        );
    }
    parsed
}

/// The folders named, else `rules` beside each file where there is one.
pub(super) fn rule_dirs(report: &mut Report<'_>, all: &Gathered) -> Vec<PathBuf> {
    let Some(item) = &all.rule_dirs else {
        let bases: BTreeSet<&Path> = report.documents.files.iter().map(|file| file.base_dir.as_path()).collect();
        return bases.into_iter().map(|base| base.join("rules")).filter(|dir| dir.is_dir()).collect();
    };
    let mut dirs = Vec::new();
    for (position, name) in item.value.iter().flatten().enumerate() {
        let dir = item.base_dir.join(name);
        if !dir.is_dir() {
            let path = ["rule_dirs", &position.to_string()];
            report.error(&path, format!("there is no folder {}", dir.display()), "create it, or mend the path");
        }
        dirs.push(dir);
    }
    dirs
}
