//! `vigie check`: every problem of the configuration at once, and on demand whether its systems can be reached.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::args::CheckArgs;
use super::connect::connect;
use super::output::{Out, counted};
use crate::config::{Config, Environment, Level, LoadOptions, Loaded, Problem, Secrets, load, render, to_json};
use crate::daemon::{CONFIGURATION_ERROR, build, find_script};
use crate::engine::{FailedTrial, Setup, try_rules};
use crate::model::ids::{ReceiverId, RuleId};
use crate::model::notification::Route;
use crate::rule::{lint, shipped};

/// Exit code when a start would be no problem, but a rule always fails or a system is not reached.
const FOUND: u8 = 1;

pub(super) async fn check(out: &mut Out, config: &[PathBuf], args: CheckArgs, now: Timestamp) -> anyhow::Result<u8> {
    let paths = if args.paths.is_empty() { config.to_vec() } else { args.paths };
    // An admin's shell has not what systemd hands to the service: all else is checked all the same.
    let at_hand = Secrets { environment: Environment::at_hand(), ..Secrets::default() };
    let loaded = load(&LoadOptions { paths, env: at_hand.environment.clone() });
    let mut problems = loaded.problems.clone();
    let built = loaded.config.as_ref().and_then(|config| {
        problems.extend(unrouted(config, &loaded));
        problems.extend(untested(config, &loaded));
        problems.extend(remarked(config));
        problems.extend(expiring(config, now));
        problems.extend(ending(config, &loaded, now));
        build(config, &loaded, &at_hand).map_err(|found| problems.extend(found)).ok()
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
    let Some(built) = built else { return Ok(CONFIGURATION_ERROR) };
    let unreached = args.connect && connect(out, &built, now).await? > 0;
    Ok(if never_works || unreached { FOUND } else { 0 })
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

/// Scripts of one's own without tests beside them; each is told once.
fn untested(config: &Config, loaded: &Loaded) -> Vec<Problem> {
    let mut told = BTreeSet::new();
    let rules = config.catalog.rules.values().filter(|rule| told.insert(&rule.script));
    let found = rules.filter_map(|rule| {
        let in_folder = |end: &str| {
            let paths = config.rule_dirs.iter().map(|folder| folder.join(format!("{}.{end}", rule.script)));
            paths.into_iter().find(|path| path.is_file())
        };
        let script = in_folder("rhai")?;
        if in_folder("test.yaml").is_some() {
            return None;
        }
        let message = format!("rule '{}': {} has no tests", rule.id, script.display());
        let problem = loaded.problem_at(&["rules", rule.id.as_str(), "script"], message);
        let help = format!("write {} and run `vigie test`", script.with_extension("test.yaml").display());
        Some(Problem { severity: Level::Warning, ..problem }.help(help))
    });
    found.collect()
}

/// What is hardly meant in scripts of one's own and their sidecars; each is told once.
fn remarked(config: &Config) -> Vec<Problem> {
    let mut told = BTreeSet::new();
    let recipients = config.catalog.receivers.values().flat_map(|receiver| &receiver.recipients);
    let languages = recipients.map(|recipient| recipient.language).collect();
    let own = |script: &str| config.rule_dirs.iter().any(|folder| folder.join(format!("{script}.rhai")).is_file());
    let rules = config.catalog.rules.values().filter(|rule| told.insert(&rule.script) && own(&rule.script));
    let found = rules.filter_map(|rule| find_script(&config.rule_dirs, &rule.script).ok());
    let remarks = found.flat_map(|files| lint(&files, &languages));
    remarks
        .map(|remark| {
            let mut problem = Problem::of_file(&remark.file, remark.message);
            (problem.line, problem.column) = (remark.line, remark.column);
            Problem { severity: Level::Warning, ..problem }.help(remark.help)
        })
        .collect()
}

/// Secrets that expire soon, or have.
fn expiring(config: &Config, now: Timestamp) -> Vec<Problem> {
    let today = config.catalog.zone.to_datetime(now).date();
    let warned = config.credentials.iter().filter_map(|credential| Some((credential, credential.warning(today)?)));
    warned
        .map(|(credential, message)| {
            let (file, line, column) = &credential.place;
            let mut problem = Problem::of_file(file, message);
            (problem.line, problem.column) = (*line, *column);
            Problem { severity: Level::Warning, ..problem }.help("renew it, then change `expires:`")
        })
        .collect()
}

/// Tables of targets that end soon, or have, of objectives that go on: from then on nothing is judged.
fn ending(config: &Config, loaded: &Loaded, now: Timestamp) -> Vec<Problem> {
    const SOON_DAYS: i32 = 30;
    let today = config.catalog.zone.to_datetime(now).date();
    let objectives = config.catalog.objectives.values();
    let going_on = objectives.filter(|objective| objective.id.whole().is_none() && objective.period.single().is_none());
    let ends = going_on.filter_map(|objective| Some((objective, objective.set_for()?.last)));
    let soon = ends.filter(|(_, last)| (*last - today).get_days() <= SOON_DAYS);
    soon.map(|(objective, last)| {
        let when = match (last - today).get_days() {
            ..0 => format!("ended on {last}"),
            0 => "ends today".to_owned(),
            days => format!("ends in {days} days, on {last}"),
        };
        let message = format!("the table of targets of objective '{}' {when}", objective.id);
        let problem = loaded.problem_at(&["objectives", objective.id.as_str()], message);
        Problem { severity: Level::Warning, ..problem }
            .help("add the figures of the periods to come, or give it a fixed period")
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
            (Level::Error, "it fails on rising and on falling figures alike")
        } else {
            (Level::Warning, "it failed on one of two made-up series")
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
            (catalog.kpis.values().filter(|kpi| kpi.since.is_none()).count(), "KPI"),
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
