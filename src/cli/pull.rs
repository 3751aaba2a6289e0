//! `vigie pull`: has the running service pull a span of a KPI once more, in pieces, with progress.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use jiff::Timestamp;
use serde_json::json;

use super::configuration;
use super::output::{Out, clean, counted};
use super::progress::Progress;
use super::query::{self, QueryArgs};
use crate::daemon::{Reply, Request, Value, request};
use crate::model::grain::BucketIndex;
use crate::model::kpi::Kpi;

/// Pieces that a span is cut into, where they are not too small.
const PIECES: i64 = 50;
const PIECE_MIN: i64 = 31;
const PIECE_MAX: i64 = 2_000;
/// Warnings that are shown.
const WARNINGS_MAX: usize = 10;

pub(super) async fn pull(out: &mut Out, paths: &[PathBuf], args: QueryArgs, now: Timestamp) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let kpi = query::kpi_named(&config, &args.kpi)?;
    let (first, last) = query::span(&kpi, &args, now)?;
    // The period to date of a window is asked for by the same query, so it is as old.
    let is_to_date =
        |other: &&Arc<Kpi>| kpi.since.is_none() && other.since.is_some() && other.id.base() == kpi.id.as_str();
    let to_date = config.catalog.kpis.values().filter(is_to_date);
    for kpi in [&kpi].into_iter().chain(to_date) {
        let pulled = pull_one(&config.settings.control, kpi, (first, last)).await?;
        pulled.tell(out, kpi, (first, last))?;
    }
    Ok(0)
}

/// What came of a span.
#[derive(Default)]
struct Pulled {
    stored: usize,
    rejected: usize,
    warnings: Vec<String>,
}

async fn pull_one(control: &Path, kpi: &Kpi, (first, last): (BucketIndex, BucketIndex)) -> anyhow::Result<Pulled> {
    let piece = ((last - first + 1) / PIECES).clamp(PIECE_MIN, PIECE_MAX);
    let progress = Progress::of(kpi.id.as_str(), (last - first + 1).unsigned_abs());
    let mut whole = Pulled::default();
    let (mut from, mut held_from) = (first, None::<BucketIndex>);
    while from <= last {
        let to = last.min(from + piece - 1);
        let asked = Request::Pull { kpi: kpi.id.clone(), from, to, held_from };
        match request(control, &asked).await {
            Ok(Reply::Ok(Value::Pulled { stored, rejected, warnings, oldest })) => {
                held_from = held_from.into_iter().chain(oldest).min();
                whole.stored += stored;
                whole.rejected += rejected;
                let known = &mut whole.warnings;
                let new: Vec<String> = warnings.into_iter().filter(|warning| !known.contains(warning)).collect();
                known.extend(new);
            }
            Ok(Reply::Ok(other)) => bail!("an unexpected answer ({other:?}): is the daemon of another version?"),
            Ok(Reply::Error(why)) => {
                progress.end();
                bail!("{}: {why}{}", named(kpi, (from, to)), already(kpi, (first, from)));
            }
            Err(error) => {
                progress.end();
                return Err(error);
            }
        }
        progress.advance((to + 1 - from).unsigned_abs());
        progress.say(format!(", up to {}", kpi.bucket_name(to)));
        from = to + 1;
    }
    progress.end();
    Ok(whole)
}

impl Pulled {
    fn tell(&self, out: &mut Out, kpi: &Kpi, (first, last): (BucketIndex, BucketIndex)) -> anyhow::Result<()> {
        let Pulled { stored, rejected, warnings } = self;
        if out.is_json() {
            out.record(&json!({"type": "pulled", "kpi": kpi.id, "buckets": last - first + 1, "stored": stored,
                               "rejected": rejected, "warnings": warnings}))?;
            return Ok(());
        }
        let refused = match *rejected {
            0 => String::new(),
            rejected => format!(", {} (`vigie status`)", counted(rejected, "refused reading")),
        };
        let span = named(kpi, (first, last));
        out.line(&format!("{}, {span}: {} new or revised{refused}", kpi.id, counted(*stored, "bucket")))?;
        for warning in warnings.iter().take(WARNINGS_MAX) {
            out.line(&format!("warning: {}", clean(warning)))?;
        }
        Ok(())
    }
}

fn named(kpi: &Kpi, (from, to): (BucketIndex, BucketIndex)) -> String {
    format!("{} to {}", kpi.bucket_name(from), kpi.bucket_name(to))
}

/// What of a span that failed midway is done: asking again from there loses nothing and doubles nothing.
fn already(kpi: &Kpi, (first, failed): (BucketIndex, BucketIndex)) -> String {
    if failed == first { String::new() } else { format!("; what lies before {} is stored", kpi.bucket_name(failed)) }
}
