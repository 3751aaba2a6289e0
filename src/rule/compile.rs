//! Scripts into rules: compiled once, checked before anything runs, all problems at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use rhai::{AST, Dynamic, Engine, OptimizationLevel, Position};

use super::check::{self, Findings};
use super::coverage::{Coverage, Site};
use super::inline::{Edit, inline, original};
use super::sandbox::{self, SCRIPT_BYTES_MAX, on_large_stack};
use super::sidecar::{ParameterKind, Sidecar};
use super::suggest::did_you_mean;
use super::views::{Param, Params, register_parameters};
use crate::model::calendar::Calendar;
use crate::model::catalog::Catalog;
use crate::model::digest::Digest;
use crate::model::ids::{KpiId, PersonId, RuleId};
use crate::model::rule::{ParamValue, RuleDef, SeriesChoice};
use crate::model::text::Localized;

/// A script and its sidecar as they were found.
#[derive(Clone, Debug)]
pub struct ScriptFiles {
    /// Path as people know it, for messages.
    pub path: String,
    pub text: String,
    pub sidecar_path: String,
    /// None when there is no sidecar.
    pub sidecar: Option<String>,
}

/// Something wrong with a rule's script, sidecar or parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleProblem {
    pub rule: RuleId,
    /// Where in a script or sidecar; none: in the configuration.
    pub file: Option<PathBuf>,
    /// From 1; 0 when the configuration's own position serves.
    pub line: usize,
    pub column: usize,
    /// The key of the rule's configuration that is wrong: `script`, `on`, `with.enter`.
    pub key: Option<String>,
    pub message: String,
}

/// Time as the rim measures it: rules themselves know none.
pub trait Stopwatch: Send + Sync {
    /// A run begins.
    fn start(&self);

    /// The run takes longer than it may.
    fn is_over(&self) -> bool;
}

/// Operations between two looks at the stopwatch: some tens of microseconds.
const OPERATIONS_PER_LOOK: u64 = 512;

/// All rules of a configuration, ready to run.
pub struct RuleSet {
    pub(super) engine: Arc<Engine>,
    pub(super) stopwatch: Option<Arc<dyn Stopwatch>>,
    pub(super) coverage: Option<Coverage>,
    /// Of people who have one of their own.
    pub(super) calendars: HashMap<PersonId, Arc<Calendar>>,
    rules: HashMap<RuleId, Arc<CompiledRule>>,
}

/// A rule ready to run.
pub struct CompiledRule {
    pub def: Arc<RuleDef>,
    pub sidecar: Sidecar,
    /// Path of the script, for messages.
    pub path: String,
    /// Runs once per objective of the series, and not without one.
    pub needs_objective: bool,
    /// KPIs that parameters name.
    pub others: Vec<KpiId>,
    /// Tells this script, with its texts and parameters, from others.
    pub digest: String,
    pub(super) ast: AST,
    pub(super) params: Arc<Params>,
    pub(super) texts: HashMap<String, Localized>,
    /// What each condition watches, by the position of its call.
    pub(super) watched: HashMap<Position, String>,
    /// Where a run that ends by its limits most likely spent itself.
    pub(super) first_loop: Option<Position>,
    /// Of a script that is covered: what its conditions are known by.
    pub(super) sites: HashMap<Position, usize>,
    /// Where the script that runs is another than the one that was written.
    pub(super) edits: Vec<Edit>,
}

impl RuleSet {
    /// Compiles and checks every rule of a catalog. `load` finds a script by its name.
    pub fn compile(
        catalog: &Catalog,
        load: &(dyn Fn(&str) -> Result<ScriptFiles, String> + Sync),
    ) -> (RuleSet, Vec<RuleProblem>) {
        RuleSet::compile_covered(catalog, load, None)
    }

    /// The same, with each run noting which conditions were true and which were false.
    pub fn compile_covered(
        catalog: &Catalog,
        load: &(dyn Fn(&str) -> Result<ScriptFiles, String> + Sync),
        coverage: Option<&Coverage>,
    ) -> (RuleSet, Vec<RuleProblem>) {
        on_large_stack(|| {
            let mut engine = sandbox::engine();
            if let Some(coverage) = coverage {
                coverage.register(&mut engine);
            }
            let mut rules: HashMap<RuleId, Arc<CompiledRule>> = HashMap::new();
            let mut problems = Vec::new();
            for def in catalog.rules.values() {
                match compile_rule((&engine, coverage), catalog, def, load) {
                    Ok(rule) => {
                        rules.insert(def.id.clone(), Arc::new(rule));
                    }
                    Err(found) => problems.extend(found),
                }
            }
            let calendars =
                catalog.people.values().filter_map(|person| Some((person.id.clone(), person.calendar.clone()?)));
            let names: BTreeSet<&str> =
                rules.values().flat_map(|rule| rule.params.keys().map(String::as_str)).collect();
            register_parameters(&mut engine, names.into_iter());
            let (engine, calendars) = (Arc::new(engine), calendars.collect());
            (RuleSet { engine, stopwatch: None, coverage: coverage.cloned(), calendars, rules }, problems)
        })
    }

    /// Ends runs that take too long by the wall; the operation limits hold all the same. Must be called before the
    /// set is shared.
    pub fn watch(&mut self, stopwatch: Arc<dyn Stopwatch>) {
        if let Some(engine) = Arc::get_mut(&mut self.engine) {
            let watch = stopwatch.clone();
            engine.on_progress(move |operations| {
                (operations % OPERATIONS_PER_LOOK == 0 && watch.is_over()).then_some(Dynamic::UNIT)
            });
        }
        self.stopwatch = Some(stopwatch);
    }

    pub fn get(&self, id: &RuleId) -> Option<&Arc<CompiledRule>> {
        self.rules.get(id)
    }
}

fn compile_rule(
    (engine, coverage): (&Engine, Option<&Coverage>),
    catalog: &Catalog,
    def: &Arc<RuleDef>,
    load: &dyn Fn(&str) -> Result<ScriptFiles, String>,
) -> Result<CompiledRule, Vec<RuleProblem>> {
    let files = load(&def.script).map_err(|message| vec![in_config(def, "script", message)])?;
    let mut problems = Vec::new();
    let sidecar = read_sidecar(def, &files, &mut problems);
    let (params, others) = resolve_params(catalog, def, &sidecar, &mut problems);
    let compiled = compile_script(engine, def, &files, &mut problems);
    let Some((compiled_ast, findings)) = compiled else { return Err(problems) };
    problems.extend(findings.check_texts(&sidecar).into_iter().map(|found| in_script(def, &files.path, found)));
    problems.extend(findings.check_params(&sidecar).into_iter().map(|found| in_script(def, &files.path, found)));
    let arity = entry_arity(&compiled_ast);
    if arity.is_none() {
        let message =
            "no `fn evaluate(kpi, p)` or `fn evaluate(kpi, objective, p)`; a rule is exactly one of these".to_owned();
        problems.push(in_script(def, &files.path, check::Found { position: Position::new(1, 1), message }));
    }
    if arity == Some(3) {
        let covered = |kpi: &KpiId| catalog.objectives_on(kpi).any(|objective| def.series.covers(&objective.labels));
        // An objective on a window's period to date is on a KPI of its own beside it.
        let beside = |kpi: &KpiId| def.on.iter().filter(|other| other.base() == kpi.as_str()).collect::<Vec<_>>();
        let is_own = |kpi: &&KpiId| kpi.base() == kpi.as_str();
        for kpi in def.on.iter().filter(is_own).filter(|kpi| !beside(kpi).iter().any(|kpi| covered(kpi))) {
            let remedy = if beside(kpi).iter().all(|kpi| catalog.objectives_on(kpi).next().is_none()) {
                "has none; add one or leave it out of `on`"
            } else if def.series == SeriesChoice::Total {
                "has none on its total; give the rule the `where` or `each` of its objectives, or add one without `where`"
            } else {
                "has none on the series that the rule looks at; add one whose `where` names just these dimensions"
            };
            let message = format!("script '{}' reads an objective, and KPI '{kpi}' {remedy}", def.script);
            problems.push(in_config(def, "on", message));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let texts = findings.texts(&sidecar);
    let mut edits = Vec::new();
    let (ast, watched, sites) = match coverage {
        None => {
            let (ast, watched);
            (ast, watched, edits) = with_values(engine, (&files.text, compiled_ast, findings.watched), &params);
            (ast, watched, HashMap::new())
        }
        Some(coverage) => cover((engine, coverage), &files, compiled_ast, findings.watched),
    };
    let whole = format_args!("{}\0{}\0{:?}", files.text, files.sidecar.as_deref().unwrap_or_default(), def.with);
    let digest = format!("{:016x}", Digest::of(whole));
    Ok(CompiledRule {
        def: def.clone(),
        digest,
        path: files.path,
        needs_objective: arity == Some(3),
        others,
        ast,
        params: Arc::new(params),
        texts,
        watched,
        sites,
        edits,
        first_loop: findings.first_loop,
        sidecar,
    })
}

/// The script with the values of its parameters put in, and what its conditions watch; as it was where that can't be done.
fn with_values(
    engine: &Engine,
    (text, ast, watched): (&str, AST, HashMap<Position, String>),
    params: &Params,
) -> (AST, HashMap<Position, String>, Vec<Edit>) {
    let changed = inline(text, &ast, params).and_then(|inlined| Some((engine.compile(&inlined.text).ok()?, inlined)));
    let Some((changed, inlined)) = changed else { return (ast, watched, Vec::new()) };
    let edits = inlined.into_edits();
    // They are named as they were written.
    let named = |(at, what): (Position, String)| (at, watched.get(&original(&edits, at)).cloned().unwrap_or(what));
    let watched = check::walk(engine, &changed).watched.into_iter().map(named).collect();
    (changed, watched, edits)
}

/// The script with its branches wrapped, and what its conditions are known by; as it was where that can't be done.
fn cover(
    (engine, coverage): (&Engine, &Coverage),
    files: &ScriptFiles,
    ast: AST,
    watched: HashMap<Position, String>,
) -> (AST, HashMap<Position, String>, HashMap<Position, usize>) {
    // As it was written: what the engine folds together has conditions of its own all the same.
    let mut plain = sandbox::engine();
    plain.set_optimization_level(OptimizationLevel::None);
    let Ok(written) = plain.compile(&files.text) else { return (ast, watched, HashMap::new()) };
    let covered = coverage.wrap(&files.path, &files.text, &written);
    let wrapped = match engine.compile(&covered.text) {
        Ok(wrapped) => wrapped,
        Err(error) => {
            coverage.lose(&files.path, check::syntax(error.err_type()));
            return (ast, watched, HashMap::new());
        }
    };
    let watched = check::walk(engine, &wrapped).watched;
    let line = |line: usize| files.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let sites = watched
        .iter()
        .map(|(position, what)| {
            let (at, column) = covered.original(*position);
            // The call's own words, up to its comma.
            let call: String = line(at).chars().skip(column - 1).take_while(|c| *c != '(').collect();
            let text = format!("{}({what}, ...)", call.trim());
            let site = coverage.site(Site { path: files.path.clone(), line: at, column, text });
            (*position, site)
        })
        .collect();
    (wrapped, watched, sites)
}

fn compile_script(
    engine: &Engine,
    def: &RuleDef,
    files: &ScriptFiles,
    problems: &mut Vec<RuleProblem>,
) -> Option<(AST, Findings)> {
    if files.text.len() > SCRIPT_BYTES_MAX {
        let message = format!("the script has {} bytes; at most {SCRIPT_BYTES_MAX} are allowed", files.text.len());
        problems.push(in_script(def, &files.path, check::Found { position: Position::new(1, 1), message }));
        return None;
    }
    match engine.compile(&files.text) {
        Ok(ast) => {
            let findings = check::walk(engine, &ast);
            problems.extend(findings.problems.iter().cloned().map(|found| in_script(def, &files.path, found)));
            Some((ast, findings))
        }
        Err(error) => {
            let message = check::syntax(error.err_type());
            problems.push(in_script(def, &files.path, check::Found { position: error.position(), message }));
            None
        }
    }
}

/// Number of parameters of `evaluate`, when it is 2 or 3 and there is no other.
fn entry_arity(ast: &AST) -> Option<usize> {
    let mut entries = ast.iter_functions().filter(|f| f.name == "evaluate").map(|f| f.params.len());
    let arity = entries.next().filter(|n| (2..=3).contains(n));
    arity.filter(|_| entries.next().is_none())
}

fn read_sidecar(def: &RuleDef, files: &ScriptFiles, problems: &mut Vec<RuleProblem>) -> Sidecar {
    let Some(text) = &files.sidecar else { return Sidecar::default() };
    Sidecar::parse(text).unwrap_or_else(|found| {
        problems.extend(found.into_iter().map(|problem| RuleProblem {
            rule: def.id.clone(),
            file: Some(files.sidecar_path.clone().into()),
            line: problem.line,
            column: problem.column,
            key: None,
            message: problem.message,
        }));
        Sidecar::default()
    })
}

/// Parameters with their defaults, checked for name and type; and the KPIs they name.
fn resolve_params(
    catalog: &Catalog,
    def: &RuleDef,
    sidecar: &Sidecar,
    problems: &mut Vec<RuleProblem>,
) -> (Params, Vec<KpiId>) {
    let mut params: Params = BTreeMap::new();
    let mut others = Vec::new();
    for (name, parameter) in &sidecar.parameters {
        let key = format!("with.{name}");
        let value = match def.with.get(name).or(parameter.default.as_ref()) {
            None => Param::Unset,
            Some(value) => match typed(parameter.kind(), value) {
                Ok(Param::Kpi(id)) => {
                    let id = KpiId::from(id);
                    if catalog.kpi(&id).is_none() {
                        let hint = did_you_mean(id.as_str(), catalog.kpis.keys().map(KpiId::as_str));
                        problems.push(in_config(def, &key, format!("parameter '{name}': no KPI '{id}'{hint}")));
                    }
                    others.push(id.clone());
                    Param::Kpi(id.to_string())
                }
                Ok(Param::Value { value: ParamValue::Text(text), .. }) if !parameter.allows(&text) => {
                    let hint = did_you_mean(&text, parameter.one_of.iter().map(String::as_str));
                    let choice = parameter.one_of.join(", ");
                    let message = format!("parameter '{name}' can't be '{text}'{hint} (it is one of {choice})");
                    problems.push(in_config(def, &key, message));
                    Param::Unset
                }
                Ok(param) => param,
                Err(wanted) => {
                    problems.push(in_config(def, &key, format!("parameter '{name}' must be {wanted}")));
                    Param::Unset
                }
            },
        };
        params.insert(name.clone(), value);
    }
    for name in def.with.keys().filter(|name| !sidecar.parameters.contains_key(*name)) {
        let hint = did_you_mean(name, sidecar.parameters.keys().map(String::as_str));
        let known: Vec<&str> = sidecar.parameters.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        let message = format!("script '{}' has no parameter '{name}'{hint} ({known})", def.script);
        problems.push(in_config(def, &format!("with.{name}"), message));
    }
    let required = &sidecar.require_one_of;
    if !required.is_empty() && required.iter().all(|name| matches!(params.get(name), None | Some(Param::Unset))) {
        let message = format!("script '{}' needs at least one of the parameters {}", def.script, required.join(", "));
        problems.push(in_config(def, "with", message));
    }
    (params, others)
}

fn typed(kind: ParameterKind, value: &ParamValue) -> Result<Param, &'static str> {
    let fits = match (kind, value) {
        (ParameterKind::Kpi, ParamValue::Text(id)) => return Ok(Param::Kpi(id.clone())),
        (ParameterKind::Number, ParamValue::Text(text)) => {
            return percentage(text).map(|share| Param::value(ParamValue::Number(share))).ok_or("a number");
        }
        (ParameterKind::Number, ParamValue::Integer(whole)) => {
            return Ok(Param::value(ParamValue::Number(*whole as f64)));
        }
        (ParameterKind::Number, ParamValue::Number(_))
        | (ParameterKind::Integer, ParamValue::Integer(_))
        | (ParameterKind::Bool, ParamValue::Bool(_))
        | (ParameterKind::Text, ParamValue::Text(_)) => true,
        _ => false,
    };
    if fits {
        return Ok(Param::value(value.clone()));
    }
    Err(match kind {
        ParameterKind::Number => "a number",
        ParameterKind::Integer => "a whole number",
        ParameterKind::Bool => "true or false",
        ParameterKind::Text => "a text",
        ParameterKind::Kpi => "the id of a KPI",
    })
}

/// `25 %` or `2,5 %` as a share: 0.25, 0.025.
fn percentage(text: &str) -> Option<f64> {
    let number = text.trim().strip_suffix('%')?.trim_end().replace(',', ".");
    number.parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| value / 100.0)
}

fn in_config(def: &RuleDef, key: &str, message: String) -> RuleProblem {
    RuleProblem { rule: def.id.clone(), file: None, line: 0, column: 0, key: Some(key.to_owned()), message }
}

fn in_script(def: &RuleDef, path: &str, found: check::Found) -> RuleProblem {
    RuleProblem {
        rule: def.id.clone(),
        file: Some(path.into()),
        line: found.position.line().unwrap_or(1),
        column: found.position.position().unwrap_or(1),
        key: None,
        message: found.message,
    }
}
