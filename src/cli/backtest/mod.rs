//! `vigie backtest`: what rules would have done over the past, by the same evaluation as live.

mod args;
mod counts;
mod lacking;
pub(super) mod progress;
mod report;
pub(super) mod stored;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use jiff::Timestamp;
use serde_json::json;

pub(super) use self::args::{BacktestArgs, Sweep};
use self::counts::Counts;
use self::progress::Progress;
use self::report::Report;
use self::table::Row;
use super::configuration::Refused;
use super::output::{Out, Table, moment};
use crate::config::{Loaded, render};
use crate::daemon::build_rules;
use crate::engine::{Effects, Past, Setup, State, Track};
use crate::locale::duration;
use crate::model::catalog::Catalog;
use crate::model::ids::RuleId;
use crate::model::kpi::Kpi;
use crate::model::observation::Observation;
use crate::model::rule::{ParamValue, RuleDef};
use crate::model::unit::Language;
use crate::rule::on_large_stack;

pub(super) async fn backtest(
    out: &mut Out,
    paths: &[PathBuf],
    args: BacktestArgs,
    now: Timestamp,
) -> anyhow::Result<u8> {
    let mut plan = match &args.table.csv {
        Some(csv) => table::plan(paths, csv, &args).await?,
        None => stored::plan(paths, &args, now).await?,
    };
    plan.change(|rule| {
        for (name, value) in &args.with {
            rule.with.insert(name.clone(), value_of(value));
        }
        rule.for_ = args.for_.or(rule.for_);
        rule.keep_firing_for = args.keep_firing_for.or(rule.keep_firing_for);
    });
    match &args.sweep {
        Some(sweep) => swept(out, plan, sweep),
        None => {
            let setup = plan.setup()?;
            let mut report = Report::new(out, &plan, args.messages);
            report.begin()?;
            let counts = plan.replay(&setup, |state, effects, shown| report.saw(state, effects, shown))?;
            report.end(&counts)
        }
    }?;
    Ok(0)
}

/// What is replayed.
struct Plan {
    catalog: Catalog,
    rule_dirs: Vec<PathBuf>,
    loaded: Loaded,
    /// The rules that were asked for.
    rules: Vec<RuleId>,
    /// What the only rule was called on the command line, where no configuration names it.
    called: Option<String>,
    known: Known,
    /// First and last instant.
    span: (Timestamp, Timestamp),
    /// What is to be said of what was read.
    warnings: Vec<String>,
}

/// What was known, in the order in which it became known.
enum Known {
    Versions(Vec<(Arc<Kpi>, Vec<Observation>)>),
    Rows(Arc<Kpi>, Vec<Row>),
}

impl Plan {
    /// Changes the rules that were asked for.
    fn change(&mut self, mut change: impl FnMut(&mut RuleDef)) {
        for id in &self.rules {
            if let Some(rule) = self.catalog.rules.get_mut(id) {
                change(Arc::make_mut(rule));
            }
        }
    }

    fn setup(&self) -> anyhow::Result<Setup> {
        build_rules(self.catalog.clone(), &self.rule_dirs, &self.loaded).map_err(|problems| match &self.called {
            // There is no file whose line could be shown.
            Some(called) => {
                let causes: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
                anyhow::anyhow!("--rule {called}: {}", causes.join("; "))
            }
            None => Refused::of(render(&problems, &self.loaded.sources, false)).into(),
        })
    }

    /// Replays all of it; `saw` is given each step, with the instant that people know it by. An error of
    /// `saw` ends it.
    fn replay(
        &self,
        setup: &Setup,
        mut saw: impl FnMut(&State, &Effects, Timestamp) -> anyhow::Result<()> + Send,
    ) -> anyhow::Result<Counts> {
        on_large_stack(|| {
            let mut past = Past::new(setup);
            let mut counts = Counts::new(&self.catalog);
            let mut outcome = Ok(());
            let (from, to) = self.span;
            let seconds = |at: Timestamp| u64::try_from(at.duration_since(from).as_secs()).unwrap_or(0);
            let progress = Progress::of("replaying", seconds(to));
            let mut steps = 0;
            let mut watch = |state: &State, effects: &Effects, (at, shown): (Timestamp, Timestamp)| {
                counts.saw(effects, at);
                steps += 1;
                progress.at(steps, || seconds(at));
                if outcome.is_ok() {
                    outcome = saw(state, effects, shown);
                }
            };
            match &self.known {
                Known::Versions(known) => {
                    let track =
                        |(kpi, versions): &(Arc<Kpi>, Vec<Observation>)| Track::new(kpi.clone(), versions.clone());
                    let mut tracks: Vec<Track> = known.iter().map(track).collect();
                    past.run(&mut tracks, self.span, &mut |state, effects, at| watch(state, effects, (at, at)));
                }
                Known::Rows(kpi, rows) => {
                    for (event, slot, written) in table::slots(kpi, rows) {
                        // Timers that come due between two rows have instants of their own.
                        let shown = |at: Timestamp| if at == slot { written } else { at };
                        past.slot(event, slot, &mut |state, effects, at| watch(state, effects, (at, shown(at))));
                    }
                }
            }
            progress.end();
            counts.end(&past, &self.rules, self.span.1);
            outcome.map(|()| counts)
        })
    }
}

/// A parameter as YAML would read it.
fn value_of(text: &str) -> ParamValue {
    match text {
        "true" => ParamValue::Bool(true),
        "false" => ParamValue::Bool(false),
        text => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(whole), _) => ParamValue::Integer(whole),
            (Err(_), Ok(number)) => ParamValue::Number(number),
            (Err(_), Err(_)) => ParamValue::Text(text.to_owned()),
        },
    }
}

/// The folder that relative paths of the command line start from.
fn here() -> &'static Path {
    Path::new("")
}

/// One replay for each value of a parameter.
fn swept(out: &mut Out, mut plan: Plan, sweep: &Sweep) -> anyhow::Result<()> {
    if sweep.values.is_empty() {
        bail!("--sweep {}: no value", sweep.name);
    }
    let has_objectives = !plan.catalog.objectives.is_empty();
    let mut heading = vec![sweep.name.as_str(), "FIRED", "ENDED", "FLAPPED", "FIRING", "MESSAGES"];
    if has_objectives {
        heading.extend(["PRECISION", "RECALL", "LEAD"]);
    }
    let mut table = Table::new(&heading);
    for value in &sweep.values {
        plan.change(|rule| {
            rule.with.insert(sweep.name.clone(), ParamValue::Number(*value));
        });
        let setup = plan.setup()?;
        let counts = plan.replay(&setup, |_, _, _| Ok(()))?;
        if out.is_json() {
            let mut record = counts.record(&plan);
            if let Some(fields) = record.as_object_mut() {
                fields.insert("type".to_owned(), "sweep".into());
                fields.insert("parameter".to_owned(), json!(sweep.name));
                fields.insert("parameter_value".to_owned(), json!(value));
            }
            out.record(&record)?;
            continue;
        }
        let firing = duration(Language::En, counts.firing);
        let mut cells = vec![
            value.to_string(),
            counts.fired.to_string(),
            counts.ended.to_string(),
            counts.flapped.to_string(),
            firing,
            counts.messages().to_string(),
        ];
        if has_objectives {
            cells.extend(counts.truth.cells());
        }
        table.row(cells);
    }
    if !out.is_json() {
        let zone = &plan.catalog.zone;
        out.line(&format!("{} to {}", moment(plan.span.0, zone), moment(plan.span.1, zone)))?;
        out.table(&table)?;
    }
    Ok(())
}
