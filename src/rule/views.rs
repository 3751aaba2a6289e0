//! What scripts see: `kpi`, `objective` and `p`, as values whose unknown names are errors.
//!
//! Reading what can't be had ends the script at once; the reason travels in the error and no
//! comparison ever sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::civil::Date;
use rhai::{Array, Dynamic, Engine, EvalAltResult, FLOAT, INT, ImmutableString, NativeCallContext, Position};

use super::sandbox::OPERATIONS_MAX;
use crate::assess::{Assessment, Field, FieldUnit, KPI_FIELDS, OBJECTIVE_FIELDS};
use crate::model::assessment::{Measured, Unmeasurable};
use crate::model::calendar::Calendar;
use crate::model::event::EventFact;
use crate::model::rule::ParamValue;
use crate::model::text::Figure;

pub(super) type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// One run's surroundings, reachable from every call through the context's tag.
pub(super) struct Surroundings {
    pub assessment: Arc<Assessment>,
    /// Of the owner, where working days are counted for a person; none: the KPI's.
    pub calendar: Option<Arc<Calendar>>,
    pub params: Arc<Params>,
    /// The totals of KPIs that parameters name, by id.
    pub others: BTreeMap<String, Arc<Assessment>>,
    /// Whether the verdict rests on a bucket's value, or only on how fresh the data is.
    pub read_data: AtomicBool,
    /// Operations that calls have cost beyond the one that the engine counts.
    pub spent: AtomicU64,
}

impl Surroundings {
    /// Counts what a call costs beyond a plain one: time that the engine's own count knows nothing of.
    pub(super) fn spend(&self, operations: u64) -> Fallible<()> {
        let before = self.spent.fetch_add(operations, Ordering::Relaxed);
        if before.saturating_add(operations) > OPERATIONS_MAX {
            return Err(EvalAltResult::ErrorTooManyOperations(Position::NONE).into());
        }
        Ok(())
    }
}

pub(super) type Shared = Arc<Surroundings>;

/// A KPI: the one the rule runs on, or one that a parameter names.
#[derive(Clone)]
pub(super) struct KpiView {
    pub run: Shared,
    pub other: Option<Arc<Assessment>>,
}

#[derive(Clone)]
pub(super) struct ObjectiveView(pub Shared);

/// The rule's parameters, each with a value or `()`.
pub(super) type Params = BTreeMap<String, Param>;

#[derive(Clone, Debug)]
pub(super) enum Param {
    Value {
        value: ParamValue,
        /// As scripts see it.
        seen: Dynamic,
    },
    Unset,
    /// A parameter of type kpi, by id.
    Kpi(String),
}

#[derive(Clone)]
pub(super) struct ParamsView(pub Shared);

#[derive(Clone, Copy, PartialEq)]
pub(super) struct Day(pub Date);

/// Carried by the error that ends a script on an unmeasurable value.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub missing: Unmeasurable,
    pub what: String,
}

/// Buckets of a window that are read in the time of about one operation.
const BUCKETS_PER_OPERATION: u32 = 16;
/// What finding a part of a way takes, in operations.
const WAY_OPERATIONS: u64 = 100;

/// Windows over the last buckets: name, meaning.
pub(super) const WINDOWS: [(&str, &str); 8] = [
    ("sum", "sum of the last n buckets (flows only), in the KPI's unit"),
    ("mean", "mean of the last n buckets; pooled for ratios, in the KPI's unit"),
    ("min", "smallest of the last n buckets, in the KPI's unit"),
    ("max", "largest of the last n buckets, in the KPI's unit"),
    ("median", "median of the last n buckets, in the KPI's unit"),
    ("change", "last n buckets against the n before, as a ratio (0.1 is +10 %)"),
    ("change_abs", "last n buckets against the n before, in the KPI's unit"),
    ("change_year", "last n buckets against the same span a year before, as a ratio"),
];

/// Calls over the newest part of an objective's way: name and arguments, meaning.
pub(super) const BURNS: [(&str, &str); 2] = [
    (
        "burn(share, slack)",
        "speed at which the newest buckets that make up a share of the trajectory (0.1 is 10 %) use up its room: 1 is all of it \
         by the period's end. Of a sum the room is what the history promises beyond the target, at least `slack` of it; of a \
         pooled ratio what the target leaves",
    ),
    (
        "burn_events(share)",
        "events that this rests on: cases of a ratio, units of a count, more than any for other sums; 0 where the objective has \
         no burn",
    ),
];

impl KpiView {
    fn assessment(&self) -> &Arc<Assessment> {
        self.other.as_ref().unwrap_or(&self.run.assessment)
    }

    fn touch(&self) {
        self.run.read_data.store(true, Ordering::Relaxed);
    }
}

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<KpiView>("kpi");
    engine.register_type_with_name::<ObjectiveView>("objective");
    engine.register_type_with_name::<ParamsView>("parameters");
    engine.register_type_with_name::<Day>("date");
    // A name of its own for each field: an indexer alone is asked only after the name was looked for everywhere, and
    // an error was made of not finding it. It is there for names that are unknown.
    for field in KPI_FIELDS {
        engine.register_get(field.name, |kpi: &mut KpiView| read_kpi_field(kpi, field));
    }
    for field in OBJECTIVE_FIELDS {
        engine.register_get(field.name, |objective: &mut ObjectiveView| read_objective_field(objective, field));
    }
    engine.register_indexer_get(|kpi: &mut KpiView, name: ImmutableString| read_kpi(kpi, &name));
    engine
        .register_indexer_get(|objective: &mut ObjectiveView, name: ImmutableString| read_objective(objective, &name));
    engine.register_indexer_get(|p: &mut ParamsView, name: ImmutableString| read_param(p, &name));
    engine.register_fn("has", |kpi: &mut KpiView, name: &str| has_on_kpi(kpi, name));
    engine.register_fn("has", |objective: &mut ObjectiveView, name: &str| has_on_objective(objective, name));
    engine.register_fn("has", |context: NativeCallContext, name: &str| has(&context, name));
    engine.register_fn("label", |kpi: &mut KpiView, name: &str| {
        kpi.assessment().labels.get(name).map_or(Dynamic::UNIT, |value| value.to_owned().into())
    });
    for (name, _) in WINDOWS {
        engine.register_fn(name, move |kpi: &mut KpiView, n: INT| window(kpi, name, n));
    }
    engine.register_fn("burn", |objective: &mut ObjectiveView, share: FLOAT, slack: FLOAT| {
        let shares = [("share", share), ("slack", slack)];
        over_way(objective, "burn", &shares, |a| a.burn(share, slack))
    });
    engine.register_fn("burn_events", |objective: &mut ObjectiveView, share: FLOAT| {
        over_way(objective, "burn_events", &[("share", share)], |a| a.burn_events(share))
    });
    engine.register_fn("workdays", |context: NativeCallContext, days: INT| workdays(&context, days));
    engine.register_fn("days", |context: NativeCallContext, days: INT| civil_days(&context, days));
    engine.register_fn("to_string", |day: &mut Day| day.0.to_string());
    engine.register_fn("abs", |x: FLOAT| x.abs());
}

/// Names of parameters, each with a getter of its own. Unknown ones are still errors.
pub(super) fn register_parameters<'a>(engine: &mut Engine, names: impl Iterator<Item = &'a str>) {
    for name in names {
        let known = name.to_owned();
        engine.register_get(name, move |p: &mut ParamsView| read_param(p, &known));
    }
}

/// The run that a native call belongs to.
pub(super) fn surroundings(context: &NativeCallContext) -> Fallible<Shared> {
    context
        .tag()
        .and_then(|tag| tag.clone().try_cast::<Shared>())
        .ok_or_else(|| runtime("this function works inside evaluate() only"))
}

/// `has("probability")`: whether reading it, on the objective or else the KPI, would give a value.
fn has(context: &NativeCallContext, name: &str) -> Fallible<bool> {
    let run = surroundings(context)?;
    let mut kpi = KpiView { run: run.clone(), other: None };
    Ok(has_on_objective(&mut ObjectiveView(run), name) || has_on_kpi(&mut kpi, name))
}

/// A name that is none gets no message, which costs more than reading a figure.
fn has_on_kpi(kpi: &mut KpiView, name: &str) -> bool {
    KPI_FIELDS.iter().any(|field| field.name == name) && read_kpi(kpi, name).is_ok()
}

fn has_on_objective(objective: &mut ObjectiveView, name: &str) -> bool {
    OBJECTIVE_FIELDS.iter().any(|field| field.name == name) && read_objective(objective, name).is_ok()
}

fn read_kpi(kpi: &mut KpiView, name: &str) -> Fallible<Dynamic> {
    match KPI_FIELDS.iter().find(|field| field.name == name) {
        Some(field) => read_kpi_field(kpi, field),
        None => Err(unknown("property", name, "kpi", KPI_FIELDS.iter().map(|field| field.name))),
    }
}

fn read_kpi_field(kpi: &mut KpiView, field: &'static Field) -> Fallible<Dynamic> {
    if !field.is_about_freshness() {
        kpi.touch();
    }
    if field.unit == FieldUnit::Names {
        return names(kpi.assessment().bucket_events(), "kpi.events");
    }
    measured(field.read(kpi.assessment()), field).map_err(|missing| {
        // Of several KPIs the message must say which.
        let on = kpi.other.as_ref().map_or("kpi", |other| other.kpi.id.as_str());
        ended(missing, &format!("{on}.{}", field.name))
    })
}

fn read_objective(objective: &mut ObjectiveView, name: &str) -> Fallible<Dynamic> {
    match OBJECTIVE_FIELDS.iter().find(|field| field.name == name) {
        Some(field) => read_objective_field(objective, field),
        None => Err(unknown("property", name, "objective", OBJECTIVE_FIELDS.iter().map(|field| field.name))),
    }
}

fn read_objective_field(objective: &mut ObjectiveView, field: &'static Field) -> Fallible<Dynamic> {
    objective.0.read_data.store(true, Ordering::Relaxed);
    if field.unit == FieldUnit::Names {
        return names(objective.0.assessment.period_events(), "objective.events");
    }
    measured(field.read(&objective.0.assessment), field)
        .map_err(|missing| ended(missing, &format!("objective.{}", field.name)))
}

fn read_param(p: &mut ParamsView, name: &str) -> Fallible<Dynamic> {
    match p.0.params.get(name) {
        Some(Param::Value { seen, .. }) => Ok(seen.clone()),
        Some(Param::Unset) => Ok(Dynamic::UNIT),
        Some(Param::Kpi(id)) => match p.0.others.get(id) {
            Some(other) => Ok(Dynamic::from(KpiView { run: p.0.clone(), other: Some(other.clone()) })),
            None => Err(runtime(&format!("parameter '{name}' names the KPI '{id}', which does not exist"))),
        },
        None => Err(unknown("parameter", name, "p", p.0.params.keys().map(String::as_str))),
    }
}

fn window(kpi: &mut KpiView, name: &'static str, n: INT) -> Fallible<FLOAT> {
    kpi.touch();
    let Some(n) = u32::try_from(n).ok().filter(|n| (1..=10_000).contains(n)) else {
        return Err(runtime(&format!("kpi.{name}({n}): the number of buckets goes from 1 to 10000")));
    };
    kpi.run.spend(u64::from(n / BUCKETS_PER_OPERATION))?;
    let a = kpi.assessment();
    let found = match name {
        "sum" => a.sum(n),
        "mean" => a.mean(n),
        "min" => a.min(n),
        "max" => a.max(n),
        "median" => a.median(n),
        "change" => a.change(n),
        "change_abs" => a.change_abs(n),
        _ => a.change_year(n),
    };
    found.map_err(|missing| ended(missing, &format!("kpi.{name}({n})")))
}

/// Reads a figure over the newest part of an objective's way.
fn over_way(
    objective: &mut ObjectiveView,
    name: &str,
    shares: &[(&str, f64)],
    read: impl FnOnce(&Assessment) -> Measured<f64>,
) -> Fallible<FLOAT> {
    let run = &objective.0;
    run.read_data.store(true, Ordering::Relaxed);
    if let Some((what, share)) = shares.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
        return Err(runtime(&format!("objective.{name}(): {share} is no {what}; it goes from 0 to 1")));
    }
    run.spend(WAY_OPERATIONS)?;
    read(&run.assessment).map_err(|missing| ended(missing, &format!("objective.{name}()")))
}

fn workdays(context: &NativeCallContext, days: INT) -> Fallible<Day> {
    let run = surroundings(context)?;
    let days = bounded_days(days)?;
    run.spend(u64::from(days))?;
    let calendar = run.calendar.as_ref().unwrap_or(&run.assessment.kpi.calendar);
    Ok(Day(calendar.add_working_days(today(&run), days)))
}

fn civil_days(context: &NativeCallContext, days: INT) -> Fallible<Day> {
    let run = surroundings(context)?;
    let days = i64::from(bounded_days(days)?);
    let today = today(&run);
    Ok(Day(today.checked_add(jiff::Span::new().days(days)).unwrap_or(today)))
}

fn today(run: &Shared) -> Date {
    crate::model::grain::day_of(run.assessment.now, &run.assessment.kpi.zone)
}

fn bounded_days(days: INT) -> Fallible<u32> {
    u32::try_from(days)
        .ok()
        .filter(|days| *days <= 3_660)
        .ok_or_else(|| runtime(&format!("{days} days: the number of days goes from 0 to 3660")))
}

/// What a figure looks like to a script: a plain number, truth value, text or date.
fn measured(found: Measured<Figure>, field: &Field) -> Measured<Dynamic> {
    Ok(match found? {
        Figure::Number(value) if field.unit == FieldUnit::Flag => (value != 0.0).into(),
        Figure::Quantity(value, _) | Figure::Number(value) | Figure::Ratio(value) | Figure::Days(value) => value.into(),
        Figure::Date(date) => Dynamic::from(Day(date)),
        Figure::Status(status) | Figure::Standing(status, _) => status_name(status).into(),
        // In words only texts have it.
        Figure::Goal(target, _) => target.as_str().into(),
        Figure::Text(text) => text.into(),
        Figure::Unknown => Dynamic::UNIT,
    })
}

/// Names of events as a list, which texts show joined.
fn names(found: Measured<Vec<EventFact>>, what: &str) -> Fallible<Dynamic> {
    let events = found.map_err(|missing| ended(missing, what))?;
    Ok(events.into_iter().map(|event| Dynamic::from(event.name)).collect::<Array>().into())
}

/// A status as scripts compare it: the name that JSON uses.
fn status_name(status: crate::model::assessment::Status) -> String {
    serde_json::to_value(status).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl Param {
    pub(super) fn value(value: ParamValue) -> Param {
        let seen = match &value {
            ParamValue::Bool(value) => (*value).into(),
            ParamValue::Integer(value) => (*value).into(),
            ParamValue::Number(value) => (*value).into(),
            ParamValue::Text(value) => value.clone().into(),
        };
        Param::Value { value, seen }
    }
}

/// Ends the script; no `catch` can hold it.
pub(super) fn ended(missing: Unmeasurable, what: &str) -> Box<EvalAltResult> {
    let token = Dynamic::from(Ended { missing, what: what.to_owned() });
    EvalAltResult::ErrorTerminated(token, Position::NONE).into()
}

pub(super) fn runtime(message: &str) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(message.to_owned().into(), Position::NONE).into()
}

fn unknown<'a>(kind: &str, name: &str, on: &str, known: impl Iterator<Item = &'a str>) -> Box<EvalAltResult> {
    runtime(&format!("unknown {kind} '{name}' on {on}{}", super::suggest::did_you_mean(name, known)))
}
