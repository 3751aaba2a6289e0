//! One run of one rule: an assessment in, a verdict out; nothing a script does gets further.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rhai::{CallFnOptions, Dynamic, EvalAltResult, Position, Scope};

use super::compile::{CompiledRule, RuleSet};
use super::inline::original;
use super::outcome::Outcome;
use super::sandbox::OPERATIONS_MAX;
use super::views::{Ended, KpiView, ObjectiveView, Param, ParamsView, Shared, Surroundings};
use crate::assess::{Assessment, FieldUnit, OBJECTIVE_FIELDS};
use crate::model::assessment::{Measured, Unmeasurable};
use crate::model::calendar::Calendar;
use crate::model::grain::day_of;
use crate::model::ids::PersonId;
use crate::model::rule::ParamValue;
use crate::model::text::{Figure, Localized, Said};
use crate::model::verdict::{ConditionRecord, Details, Finding, Reason, Suggestion, Verdict};

/// A verdict, and what it rests on.
pub struct Run {
    pub verdict: Verdict,
    /// False when the script read only how fresh the data is, and judged no bucket.
    pub read_data: bool,
    surroundings: Shared,
    /// What the script returned, when it returned a verdict.
    outcome: Option<Outcome>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.verdict)
    }
}

impl RuleSet {
    /// Runs a rule on one assessment. `others` are the KPIs that its parameters name.
    ///
    /// Must be called on a thread with a large stack ([`super::on_large_stack`]).
    pub fn run(
        &self,
        rule: &CompiledRule,
        assessment: &Arc<Assessment>,
        others: BTreeMap<String, Arc<Assessment>>,
    ) -> Run {
        let run: Shared = Arc::new(Surroundings {
            assessment: assessment.clone(),
            calendar: self.calendar_of(assessment),
            params: rule.params.clone(),
            others,
            read_data: AtomicBool::new(false),
            spent: AtomicU64::new(0),
        });
        if let Some(stopwatch) = &self.stopwatch {
            stopwatch.start();
        }
        let called = catch_unwind(AssertUnwindSafe(|| self.call(rule, &run)));
        let (verdict, outcome) = match called {
            Ok(Ok(outcome)) => {
                if let Some(coverage) = &self.coverage {
                    outcome.each_condition(&mut |condition| {
                        if let Some(site) = rule.sites.get(&condition.position) {
                            coverage.note(*site, condition.is_met());
                        }
                    });
                }
                (rule.conclude(&run, &outcome), Some(outcome))
            }
            Ok(Err(error)) => (rule.fail(&error), None),
            Err(_) => (Verdict::Failed { cause: format!("{}: the script made its engine panic", rule.path) }, None),
        };
        Run { verdict, read_data: run.read_data.load(Ordering::Relaxed), surroundings: run, outcome }
    }

    /// The calendar of who answers for what is judged, if that person has one.
    fn calendar_of(&self, assessment: &Assessment) -> Option<Arc<Calendar>> {
        if self.calendars.is_empty() {
            return None;
        }
        let of_objective = assessment.objective.as_ref().and_then(|objective| objective.owner.as_ref());
        self.calendars.get(of_objective.or(assessment.kpi.owner.as_ref())?).cloned()
    }

    fn call(&self, rule: &CompiledRule, run: &Shared) -> Result<Outcome, Box<EvalAltResult>> {
        let mut scope = Scope::new();
        let options = CallFnOptions::new().eval_ast(false).with_tag(run.clone());
        let kpi = KpiView { run: run.clone(), other: None };
        let p = ParamsView(run.clone());
        let returned: Dynamic = if rule.needs_objective {
            let objective = ObjectiveView(run.clone());
            self.engine.call_fn_with_options(options, &mut scope, &rule.ast, "evaluate", (kpi, objective, p))?
        } else {
            self.engine.call_fn_with_options(options, &mut scope, &rule.ast, "evaluate", (kpi, p))?
        };
        returned.try_cast_result::<Outcome>().map_err(|other| {
            let kind = other.type_name();
            let message = format!("evaluate() must return a verdict such as ok() or above(...), not {kind}");
            EvalAltResult::ErrorRuntime(message.into(), Position::NONE).into()
        })
    }
}

impl CompiledRule {
    /// What the returned outcome means, with the figures that its text names.
    fn conclude(&self, run: &Shared, outcome: &Outcome) -> Verdict {
        if let Some(reason) = outcome.hold() {
            let said = self.texts.get(reason.as_str()).map(|text| said(run, text, None));
            return Verdict::Hold { reason: Reason { key: reason.to_string(), said } };
        }
        let judged = outcome.judge();
        Verdict::Judged(Finding {
            level: judged.level,
            recovered: judged.recovered,
            floor: Some(judged.floor),
            value: outcome.watched().map(|condition| condition.value),
        })
    }

    /// The conditions, text and suggestions of a run; none for one that reached no verdict.
    pub fn details(&self, run: &Run) -> Details {
        let Some(outcome) = &run.outcome else { return Details::default() };
        let mut conditions = Vec::new();
        let name = |position: Position| self.watched.get(&position).cloned().unwrap_or_else(|| "value".to_owned());
        outcome.records(&name, &mut conditions);
        let first = conditions.iter().find(|condition| condition.met).or(conditions.first());
        let judged = outcome.judge();
        let quiet = judged.level.is_none() && judged.recovered;
        let (said, suggestions) =
            if quiet { (None, Vec::new()) } else { self.words(&run.surroundings, outcome, first) };
        Details { conditions, said, suggestions }
    }

    fn words(
        &self,
        run: &Shared,
        outcome: &Outcome,
        first: Option<&ConditionRecord>,
    ) -> (Option<Said>, Vec<Suggestion>) {
        // What is proposed while an objective's period lasts is to be done within it.
        let today = day_of(run.assessment.now, &run.assessment.kpi.zone);
        let period = run.assessment.objective.as_ref().and(run.assessment.period().ok());
        let end = period.map(|period| period.last).filter(|last| *last >= today);
        let localized = |key: &str| self.texts.get(key).cloned().unwrap_or_else(|| Localized::literal(key));
        let text = outcome.text().map(|key| said(run, &localized(key), first));
        let suggestions = outcome
            .proposals()
            .into_iter()
            .map(|proposal| Suggestion {
                say: said(run, &localized(&proposal.say), first),
                who: proposal.who.as_deref().map(PersonId::from),
                by: proposal.by.map(|by| end.map_or(by, |end| by.min(end))),
            })
            // What to do can't hang on a figure that there is not.
            .filter(|suggestion| !suggestion.say.figures.values().any(|figure| *figure == Figure::Unknown))
            .collect();
        (text, suggestions)
    }

    /// An error as a verdict: unmeasurable values are no failure.
    fn fail(&self, error: &EvalAltResult) -> Verdict {
        let inner = error.unwrap_inner();
        let spent = matches!(
            inner,
            EvalAltResult::ErrorTooManyOperations(_)
                | EvalAltResult::ErrorTerminated(..)
                | EvalAltResult::ErrorDataTooLarge(..)
        );
        let position = match (deepest_position(error), self.first_loop) {
            // The engine counts some operations, and measures some values, without their place.
            (Position::NONE, Some(first_loop)) if spent => first_loop,
            (position, _) => original(&self.edits, position),
        };
        let place = match (position.line(), position.position()) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.path),
            (Some(line), None) => format!("{}:{line}", self.path),
            _ => self.path.clone(),
        };
        if let EvalAltResult::ErrorTerminated(token, _) = inner {
            if let Some(ended) = token.clone().try_cast::<Ended>() {
                return match ended.missing {
                    Unmeasurable::NotDefined { what } => {
                        Verdict::Failed { cause: format!("{place}: {} is not defined here: {what}", ended.what) }
                    }
                    missing => Verdict::NoData { missing, what: ended.what },
                };
            }
            return Verdict::Failed { cause: format!("{place}: the run took too long and will be tried again") };
        }
        Verdict::Failed { cause: format!("{place}: {}", describe(inner)) }
    }
}

fn describe(error: &EvalAltResult) -> String {
    match error {
        EvalAltResult::ErrorTooManyOperations(_) => {
            format!("more than {OPERATIONS_MAX} operations; use the window functions instead of loops")
        }
        EvalAltResult::ErrorStackOverflow(_) => "functions call each other too deeply".to_owned(),
        EvalAltResult::ErrorRuntime(message, _) => message.to_string(),
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            format!("no function {signature}; rules/README.md lists what a script can call")
        }
        other => {
            let mut plain = other.clone_without_position();
            plain.make_ascii_lowercase_first();
            plain
        }
    }
}

/// Small helpers on error texts; rhai appends the position, which stands in front already.
trait PlainText {
    fn clone_without_position(&self) -> String;
}

impl PlainText for EvalAltResult {
    fn clone_without_position(&self) -> String {
        let text = self.to_string();
        text.rfind(" (line ").map_or(text.clone(), |at| text[..at].to_owned())
    }
}

trait LowercaseFirst {
    fn make_ascii_lowercase_first(&mut self);
}

impl LowercaseFirst for String {
    fn make_ascii_lowercase_first(&mut self) {
        if let Some(first) = self.get_mut(0..1) {
            first.make_ascii_lowercase();
        }
    }
}

/// The innermost position that is known: where it happened, not where it was called.
fn deepest_position(error: &EvalAltResult) -> Position {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, at) => {
            let deeper = deepest_position(inner);
            if deeper.is_none() { *at } else { deeper }
        }
        other => other.position(),
    }
}

/// The text with every figure it names in any language.
fn said(run: &Shared, text: &Localized, condition: Option<&ConditionRecord>) -> Said {
    // A parameter is a bare number, and may be one in the KPI's unit: the text says.
    let in_unit = |path: &str| match figure(run, path, condition) {
        Figure::Number(value) if text.asks_unit(path) => Figure::Quantity(value, run.assessment.kpi.unit.clone()),
        figure => figure,
    };
    let figures = text.paths().map(|path| (path.to_owned(), in_unit(path))).collect();
    Said { text: text.clone(), figures }
}

/// A figure of an objective, of which rates are as fine as the target; unknown where it can't be had.
fn rate_rounded(assessment: &Assessment, name: &str, found: Measured<Figure>) -> Figure {
    let is_rate = OBJECTIVE_FIELDS.iter().any(|field| field.name == name && field.unit == FieldUnit::KpiPerWorkingDay);
    match (found, assessment.target_now()) {
        (Ok(Figure::Quantity(rate, unit)), Ok(target)) if is_rate => {
            Figure::Quantity(target.rate_rounded(rate, &unit), unit)
        }
        (found, _) => found.unwrap_or(Figure::Unknown),
    }
}

fn figure(run: &Shared, path: &str, condition: Option<&ConditionRecord>) -> Figure {
    let Some((root, name)) = path.split_once('.') else { return Figure::Unknown };
    let assessment = &run.assessment;
    let known = match root {
        "kpi" => assessment.kpi_figure(name).map(|found| found.unwrap_or(Figure::Unknown)),
        "objective" => assessment.objective_figure(name).map(|found| rate_rounded(assessment, name, found)),
        "label" => assessment.labels.get(name).map(|value| Figure::Text(value.to_owned())),
        "condition" => condition.map(|record| match name {
            "limit" => Figure::Number(record.limit),
            _ => Figure::Number(record.value),
        }),
        _ => match run.params.get(name) {
            Some(Param::Value { value: ParamValue::Number(value), .. }) => Some(Figure::Number(*value)),
            Some(Param::Value { value: ParamValue::Integer(value), .. }) => Some(Figure::Number(*value as f64)),
            Some(Param::Value { value: ParamValue::Text(value), .. }) => Some(Figure::Text(value.clone())),
            Some(Param::Value { value: ParamValue::Bool(value), .. }) => Some(Figure::Text(value.to_string())),
            Some(Param::Kpi(id)) => Some(Figure::Text(id.clone())),
            Some(Param::Unset) | None => None,
        },
    };
    known.unwrap_or(Figure::Unknown)
}
