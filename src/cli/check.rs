//! `vigie check`: every problem of the configuration at once, and on demand whether its systems can be reached.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, join_all};
use serde_json::json;
use tokio::time::timeout;

use super::args::CheckArgs;
use super::configuration::secrets;
use super::output::{Out, Table, counted};
use crate::clock::monotonic;
use crate::config::{Config, Environment, Level, LoadOptions, Loaded, Problem, load, render, to_json};
use crate::daemon::{Built, CONFIGURATION_ERROR, build};
use crate::engine::{FailedTrial, Setup, try_rules};
use crate::model::ids::{ReceiverId, RuleId};
use crate::model::notification::Route;
use crate::rule::shipped;
use crate::source::Source;

/// For one system to answer.
const PROBE_DEADLINE: Duration = Duration::from_secs(15);
/// Exit code when only `--connect` found something.
const PROBES_FAILED: u8 = 1;

pub(super) async fn check(out: &mut Out, config: &[PathBuf], args: CheckArgs) -> anyhow::Result<u8> {
    let paths = if args.paths.is_empty() { config.to_vec() } else { args.paths };
    let loaded = load(&LoadOptions { paths, env: Environment::Process });
    let mut problems = loaded.problems.clone();
    let built = loaded.config.as_ref().and_then(|config| {
        problems.extend(unrouted(config, &loaded));
        build(config, &loaded, &secrets()).map_err(|found| problems.extend(found)).ok()
    });
    let trials = built.as_ref().map(|built| tried(&built.setup, &loaded)).unwrap_or_default();
    let never_works = trials.iter().any(Problem::is_error);
    problems.extend(trials);
    if out.is_json() {
        out.raw(to_json(&problems).as_bytes())?;
    } else {
        let text = render(&problems, &loaded.sources, out.colors_stderr());
        std::io::stderr().write_all(text.as_bytes())?;
    }
    summary(out, loaded.config.as_ref(), &problems)?;
    let Some(built) = built.filter(|_| !never_works) else { return Ok(CONFIGURATION_ERROR) };
    if args.connect && connect(out, &built).await? > 0 {
        return Ok(PROBES_FAILED);
    }
    Ok(0)
}

/// Receivers that no route leads to; they can still be sent drills.
fn unrouted(config: &Config, loaded: &Loaded) -> Vec<Problem> {
    fn collect<'a>(route: &'a Route, routed: &mut BTreeSet<&'a ReceiverId>) {
        routed.insert(&route.to);
        route.routes.iter().for_each(|child| collect(child, routed));
    }
    let mut routed = BTreeSet::new();
    collect(&config.catalog.route, &mut routed);
    let idle = config.catalog.receivers.keys().filter(|id| !routed.contains(id));
    idle.map(|id| {
        let message = format!("no route leads to receiver '{id}'");
        let problem = loaded.problem_at(&["receivers", id.as_str()], message);
        Problem { severity: Level::Warning, ..problem }.help("name it in `route:`, or remove it")
    })
    .collect()
}

/// Rules that fail on made-up figures: always is an error, sometimes a warning.
fn tried(setup: &Setup, loaded: &Loaded) -> Vec<Problem> {
    let is_shipped = |rule: &RuleId, path: &str| {
        let script = setup.rules.get(rule).and_then(|rule| shipped(&rule.def.script));
        script.is_some_and(|script| script.path == path)
    };
    let found = try_rules(setup).into_iter().map(|trial| {
        let FailedTrial { rule, path, at, message, always } = trial;
        let (severity, when) = if always {
            (Level::Error, "it fails on any figures")
        } else {
            (Level::Warning, "it failed on one of two series of made-up figures")
        };
        let message = format!("rule '{rule}': {message}");
        let problem = match at {
            // Of a shipped script the reader has no file: what can be wrong there is what it was given.
            Some(_) if is_shipped(&rule, &path) => loaded.problem_at(&["rules", rule.as_str()], message),
            Some((line, column)) => {
                let mut problem = Problem::of_file(&path, message);
                (problem.line, problem.column) = (line, column);
                problem
            }
            None => loaded.problem_at(&["rules", rule.as_str()], message),
        };
        Problem { severity, ..problem }.help(format!("the rule was tried as `run` would: {when}"))
    });
    found.collect()
}

fn summary(out: &mut Out, config: Option<&Config>, problems: &[Problem]) -> anyhow::Result<()> {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    let counts = config.map(|config| {
        let catalog = &config.catalog;
        [
            (catalog.kpis.len(), "KPI"),
            (catalog.objectives.len(), "objective"),
            (catalog.rules.len(), "rule"),
            (config.channels.len(), "receiver"),
        ]
    });
    if out.is_json() {
        let [kpis, objectives, rules, receivers] =
            counts.map_or([None; 4], |counts| counts.map(|(count, _)| Some(count)));
        let record = json!({"type": "summary", "kpis": kpis, "objectives": objectives, "rules": rules,
                            "receivers": receivers, "errors": errors, "warnings": warnings});
        return Ok(out.record(&record)?);
    }
    let found: Vec<String> = [(errors, "error"), (warnings, "warning")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| counted(count, word))
        .collect();
    let found = if found.is_empty() { "no problem found".to_owned() } else { found.join(", ") };
    let read = counts.map(|counts| counts.map(|(count, word)| counted(count, word)).join(", "));
    out.line(&read.map_or_else(|| found.clone(), |read| format!("{read}: {found}")))?;
    Ok(())
}

/// One system that was tried.
struct Probe {
    name: String,
    kind: &'static str,
    /// What was found, else why not.
    result: Result<String, String>,
    took: Duration,
}

/// Tries every source and channel side by side. Returns how many failed.
async fn connect(out: &mut Out, built: &Built) -> anyhow::Result<usize> {
    let sources = built.sources.iter().map(|(id, source)| {
        let asked = async { source.probe().await.map_err(|error| error.to_string()) };
        probe(format!("source {id}"), kind_of(source), asked.boxed())
    });
    let channels = built.channels.iter().flat_map(|(id, channels)| channels.iter().map(move |channel| (id, channel)));
    let channels = channels
        .map(|(id, channel)| probe(format!("receiver {id}"), channel.kind(), channel.probe(PROBE_DEADLINE).boxed()));
    let mut probes: Vec<Probe> = join_all(sources.map(FutureExt::boxed).chain(channels.map(FutureExt::boxed))).await;
    probes.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
    let mut table = Table::new(&["NAME", "KIND", "RESULT", "TIME", "FOUND"]);
    for Probe { name, kind, result, took } in &probes {
        let (word, text) = match result {
            Ok(found) => ("ok", found),
            Err(cause) => ("error", cause),
        };
        if out.is_json() {
            let record = json!({"type": "probe", "name": name, "kind": kind, "ok": result.is_ok(),
                                "milliseconds": took.as_millis() as u64, "found": text});
            out.record(&record)?;
        }
        table.row([
            name.clone(),
            (*kind).to_owned(),
            word.to_owned(),
            format!("{} ms", took.as_millis()),
            text.clone(),
        ]);
    }
    if !out.is_json() {
        out.table(&table)?;
    }
    Ok(probes.iter().filter(|probe| probe.result.is_err()).count())
}

async fn probe(name: String, kind: &'static str, asked: BoxFuture<'_, Result<String, String>>) -> Probe {
    let began = monotonic();
    let late = |_| Err(format!("no answer within {} s: check the address and the network", PROBE_DEADLINE.as_secs()));
    // A channel keeps its own deadline; this one is only for what does not.
    let result = timeout(PROBE_DEADLINE + Duration::from_secs(1), asked).await.unwrap_or_else(late);
    Probe { name, kind, result, took: began.elapsed() }
}

fn kind_of(source: &Source) -> &'static str {
    match source {
        Source::Csv(_) => "csv",
        Source::Sql(_) => "sql",
        Source::Prometheus(_) => "prometheus",
        Source::HttpJson(_) => "http_json",
    }
}
