//! `vigie backtest`: what rules would have done over the past, by the same evaluation as live.

mod args;
mod counts;
pub(super) mod lacking;
mod page;
mod report;
pub(super) mod stored;
mod table;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub(super) use self::args::{BacktestArgs, Sweep};
use self::counts::Counts;
use self::page::Page;
use self::report::Report;
use super::configuration::Refused;
use super::output::{Out, Table, moment};
use super::progress::Progress;
use super::rows::Row;
use crate::config::{Loaded, render};
use crate::daemon::build_rules;
use crate::engine::{Doubt, Effects, Past, Setup, State, Track};
use crate::locale::duration;
use crate::model::catalog::Catalog;
use crate::model::evaluation::Feedback;
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
    plan.bring_to_light();
    match &args.sweep {
        Some(sweep) => swept(out, plan, sweep),
        None => {
            let setup = plan.setup()?;
            let mut page = args.html.as_ref().map(|_| Page::default());
            let mut report = Report::new(out, &plan, args.messages);
            report.begin()?;
            let saw = |state: &State, effects: &Effects, shown| report.saw((state, effects), shown, page.as_mut());
            let (counts, state) = plan.replay(&setup, saw)?;
            if let Some((path, page)) = args.html.as_ref().zip(page) {
                page.write(path, &plan, (&counts, &state))?;
            }
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
    /// What people said of alerts of these rules.
    feedback: Vec<Feedback>,
}

/// What was known, in the order in which it became known.
enum Known {
    Versions { known: Vec<Lived>, doubts: Vec<Doubt> },
    Rows(Arc<Kpi>, Vec<Row>),
}

/// What was known of one KPI, and when it was judged.
pub(super) struct Lived {
    pub(super) kpi: Arc<Kpi>,
    pub(super) versions: Vec<Observation>,
    judged: Vec<(Timestamp, Timestamp)>,
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

    /// Rules as they were called on the command line.
    fn rule_names(&self) -> Vec<&str> {
        self.rules.iter().map(|id| self.called(id)).collect()
    }

    fn called<'a>(&'a self, rule: &'a RuleId) -> &'a str {
        self.called.as_deref().unwrap_or(rule.as_str())
    }

    fn kpi_names(&self) -> Vec<&str> {
        match &self.known {
            Known::Versions { known, .. } => known.iter().map(|lived| lived.kpi.id.as_str()).collect(),
            Known::Rows(kpi, _) => vec![kpi.id.as_str()],
        }
    }

    fn zone_name(&self) -> &str {
        self.catalog.zone.iana_name().unwrap_or("UTC")
    }

    /// From when to when rules were asked: rows of a table are judged when their buckets are over.
    fn lived(&self) -> (Timestamp, Timestamp) {
        let ended = match &self.known {
            Known::Versions { .. } => None,
            Known::Rows(kpi, rows) => table::ended(kpi, rows),
        };
        (self.span.0, ended.unwrap_or(self.span.1))
    }

    /// What a rule in shadow would tell is what is asked here.
    fn bring_to_light(&mut self) {
        let is_in_shadow = |id: &&RuleId| self.catalog.rules.get(*id).is_some_and(|rule| rule.shadow);
        let shadows: Vec<String> = self.rules.iter().filter(is_in_shadow).map(|id| format!("'{id}'")).collect();
        if !shadows.is_empty() {
            self.warnings.push(format!("live nobody is told of {}: it has `shadow: true`", shadows.join(", ")));
        }
        self.change(|rule| rule.shadow = false);
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
    ) -> anyhow::Result<(Counts, State)> {
        on_large_stack(|| {
            let mut past = Past::new(setup);
            let mut counts = Counts::new(&self.catalog, !self.feedback.is_empty());
            let mut outcome = Ok(());
            let (from, to) = self.span;
            let seconds = |at: Timestamp| u64::try_from(at.duration_since(from).as_secs()).unwrap_or(0);
            let progress = Progress::beside_lines("replaying", seconds(to));
            let mut steps = 0;
            let mut watch = |state: &State, effects: &Effects, (at, shown): (Timestamp, Timestamp)| {
                steps += 1;
                progress.at(steps, || seconds(at));
                if at < from {
                    // What fires at the beginning has fired before.
                    return counts.saw_before(effects, from);
                }
                counts.saw(effects, at);
                if outcome.is_ok() {
                    outcome = saw(state, effects, shown);
                }
            };
            match &self.known {
                Known::Versions { known, doubts } => {
                    let track = |lived: &Lived| {
                        Track::new(lived.kpi.clone(), lived.versions.clone()).judged_at(lived.judged.clone())
                    };
                    let mut tracks: Vec<Track> = known.iter().map(track).collect();
                    past.run(&mut tracks, doubts, self.span, &mut |state, effects, at| {
                        watch(state, effects, (at, at));
                    });
                }
                Known::Rows(kpi, rows) => {
                    // The last slot, and the time that stands in the table for it: timers run on from there.
                    let mut last: Option<(Timestamp, Timestamp)> = None;
                    let shown = |at: Timestamp, last: Option<(Timestamp, Timestamp)>| {
                        last.map_or(at, |(slot, written)| written.saturating_add(at.duration_since(slot)).unwrap_or(at))
                    };
                    for (event, slot, written) in table::slots(kpi, rows) {
                        let before = last;
                        past.slot(event, slot, &mut |state, effects, at| {
                            let last = if at < slot { before } else { Some((slot, written)) };
                            watch(state, effects, (at, shown(at, last)));
                        });
                        last = Some((slot, written));
                    }
                    // What would be told before another row could come.
                    if let Some((slot, _)) = last {
                        let next = kpi.grain.bucket(kpi.grain.last_ended(slot, &kpi.zone) + 1, &kpi.zone).end;
                        let until = next.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(slot);
                        past.tell_before(until, &mut |state, effects, at| watch(state, effects, (at, shown(at, last))));
                    }
                }
            }
            progress.end();
            counts.end(&past, &self.rules, &self.feedback, self.lived());
            outcome.map(|()| (counts, past.into_state()))
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
            (Err(_), Ok(number)) if number.is_finite() => ParamValue::Number(number),
            (Err(_), _) => ParamValue::Text(text.to_owned()),
        },
    }
}

/// One replay for each value of a parameter.
fn swept(out: &mut Out, mut plan: Plan, sweep: &Sweep) -> anyhow::Result<()> {
    if sweep.values.is_empty() {
        bail!("--sweep {}: no value", sweep.name);
    }
    let has_objectives = !plan.catalog.objectives.is_empty();
    let has_feedback = !plan.feedback.is_empty();
    let mut heading = vec![sweep.name.as_str(), "FIRED", "ENDED", "FLAPPED", "FIRING", "MESSAGES"];
    if has_objectives {
        heading.extend(["PRECISION", "RECALL", "LEAD"]);
    }
    if has_feedback {
        heading.extend(["FALSE ONES", "USEFUL ONES"]);
    }
    let mut table = Table::new(&heading);
    for value in &sweep.values {
        plan.change(|rule| {
            rule.with.insert(sweep.name.clone(), ParamValue::Number(*value));
        });
        let setup = plan.setup()?;
        let (counts, _) = plan.replay(&setup, |_, _, _| Ok(()))?;
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
        if has_feedback {
            cells.extend(counts.judged.cells());
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
