//! What a script builds and returns: conditions with both sides, levels, texts, suggestions.
//!
//! A condition keeps its figures, so that hysteresis is kept by the engine and `explain` can say why.

use std::sync::Arc;

use jiff::civil::Date;
use rhai::{Array, Dynamic, Engine, FLOAT, ImmutableString, Map, NativeCallContext, Position};

use super::views::{Day, Fallible, runtime, surroundings};
use crate::model::verdict::{Comparison, ConditionRecord, Severity};

/// Conditions and other outcomes in one verdict, with those of its parts.
pub(super) const PARTS_MAX: usize = 256;
/// How deep `all_of` and `any_of` stand in each other.
pub(super) const NESTING_MAX: usize = 8;
/// Of one outcome.
const SUGGESTIONS_MAX: usize = 8;
/// Of one verdict, with those of its parts.
const SUGGESTIONS_OF_PARTS_MAX: usize = 32;

/// A verdict under construction. Scripts copy it at the price of one operation, so that copies share their parts.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub node: Node,
    /// Key of the sidecar's texts, or a literal.
    pub say: Option<ImmutableString>,
    pub suggestions: Vec<Proposal>,
    below: Below,
}

/// What stands below an outcome.
#[derive(Clone, Copy, Debug, Default)]
struct Below {
    parts: usize,
    levels: usize,
    suggestions: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Fixed(Option<Severity>),
    Hold(ImmutableString),
    Condition(Condition),
    All(Arc<[Outcome]>),
    Any(Arc<[Outcome]>),
}

#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub value: f64,
    pub comparison: Comparison,
    pub limit: f64,
    pub limit_high: f64,
    pub recovers_at: Option<f64>,
    pub critical_at: Option<f64>,
    pub severity: Severity,
    /// Where it was called: names the figure that it watched.
    pub position: Position,
}

#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub say: ImmutableString,
    pub who: Option<ImmutableString>,
    pub by: Option<Date>,
}

/// What a node says, with hysteresis still open.
pub(super) struct Judged {
    pub level: Option<Severity>,
    pub recovered: bool,
    pub floor: Severity,
}

impl Condition {
    fn crosses(&self, limit: f64) -> bool {
        match self.comparison {
            Comparison::Above => self.value > limit,
            Comparison::Below => self.value < limit,
            Comparison::Outside => self.value < self.limit || self.value > self.limit_high,
        }
    }

    pub(super) fn is_met(&self) -> bool {
        self.crosses(self.limit)
    }

    fn is_recovered(&self) -> bool {
        !self.is_met()
            && self.recovers_at.is_none_or(|limit| match self.comparison {
                Comparison::Above => self.value <= limit,
                Comparison::Below => self.value >= limit,
                Comparison::Outside => self.value >= self.limit + limit && self.value <= self.limit_high - limit,
            })
    }

    fn judge(&self) -> Judged {
        let critical =
            self.comparison != Comparison::Outside && self.critical_at.is_some_and(|limit| self.crosses(limit));
        let level = if critical { Some(Severity::Critical) } else { self.is_met().then_some(self.severity) };
        Judged { level, recovered: level.is_none() && self.is_recovered(), floor: self.severity }
    }

    fn record(&self, what: String) -> ConditionRecord {
        ConditionRecord {
            what,
            value: self.value,
            comparison: self.comparison,
            limit: self.limit,
            limit_high: (self.comparison == Comparison::Outside).then_some(self.limit_high),
            recovers_at: self.recovers_at,
            critical_at: self.critical_at,
            met: self.judge().level.is_some(),
        }
    }
}

impl Outcome {
    fn new(node: Node) -> Self {
        Self { node, say: None, suggestions: Vec::new(), below: Below::default() }
    }

    /// Level and recovery over all parts: `all_of` is as bad as its mildest, `any_of` as its worst.
    pub(super) fn judge(&self) -> Judged {
        match &self.node {
            Node::Fixed(level) => {
                Judged { level: *level, recovered: level.is_none(), floor: level.unwrap_or(Severity::Info) }
            }
            Node::Hold(_) => Judged { level: None, recovered: false, floor: Severity::Info },
            Node::Condition(condition) => condition.judge(),
            Node::All(parts) => {
                let parts: Vec<Judged> = parts.iter().map(Outcome::judge).collect();
                Judged {
                    level: parts.iter().map(|part| part.level).min().flatten(),
                    recovered: parts.iter().any(|part| part.recovered),
                    floor: parts.iter().map(|part| part.floor).min().unwrap_or(Severity::Info),
                }
            }
            Node::Any(parts) => {
                let parts: Vec<Judged> = parts.iter().map(Outcome::judge).collect();
                let open = parts.iter().filter(|part| !part.recovered).map(|part| part.floor).max();
                Judged {
                    level: parts.iter().filter_map(|part| part.level).max(),
                    recovered: parts.iter().all(|part| part.recovered),
                    floor: open.unwrap_or(Severity::Info),
                }
            }
        }
    }

    /// The first hold found, if any part holds.
    pub(super) fn hold(&self) -> Option<&ImmutableString> {
        match &self.node {
            Node::Hold(reason) => Some(reason),
            Node::All(parts) | Node::Any(parts) => parts.iter().find_map(Outcome::hold),
            Node::Fixed(_) | Node::Condition(_) => None,
        }
    }

    /// The first condition that is met, else the first one.
    pub(super) fn watched(&self) -> Option<&Condition> {
        self.find(&|condition| condition.judge().level.is_some()).or_else(|| self.find(&|_| true))
    }

    fn find(&self, wanted: &dyn Fn(&Condition) -> bool) -> Option<&Condition> {
        match &self.node {
            Node::Condition(condition) => Some(condition).filter(|condition| wanted(condition)),
            Node::All(parts) | Node::Any(parts) => parts.iter().find_map(|part| part.find(wanted)),
            Node::Fixed(_) | Node::Hold(_) => None,
        }
    }

    pub(super) fn each_condition(&self, look: &mut dyn FnMut(&Condition)) {
        match &self.node {
            Node::Condition(condition) => look(condition),
            Node::All(parts) | Node::Any(parts) => parts.iter().for_each(|part| part.each_condition(look)),
            Node::Fixed(_) | Node::Hold(_) => {}
        }
    }

    /// Every condition, in the order of the script, named by `name`.
    pub(super) fn records(&self, name: &dyn Fn(Position) -> String, into: &mut Vec<ConditionRecord>) {
        match &self.node {
            Node::Condition(condition) => into.push(condition.record(name(condition.position))),
            Node::All(parts) | Node::Any(parts) => parts.iter().for_each(|part| part.records(name, into)),
            Node::Fixed(_) | Node::Hold(_) => {}
        }
    }

    /// Its own text, else that of the worst part that is met.
    pub(super) fn text(&self) -> Option<&ImmutableString> {
        if self.say.is_some() {
            return self.say.as_ref();
        }
        match &self.node {
            Node::All(parts) | Node::Any(parts) => parts
                .iter()
                .filter_map(|part| part.text().map(|text| (part.judge().level, text)))
                .max_by_key(|(level, _)| *level)
                .map(|(_, text)| text),
            Node::Fixed(_) | Node::Hold(_) | Node::Condition(_) => None,
        }
    }

    /// Suggestions of this outcome and of every part that is met.
    pub(super) fn proposals(&self) -> Vec<&Proposal> {
        let mut all: Vec<&Proposal> = self.suggestions.iter().collect();
        if let Node::All(parts) | Node::Any(parts) = &self.node {
            all.extend(parts.iter().filter(|part| part.judge().level.is_some()).flat_map(Outcome::proposals));
        }
        all
    }
}

/// Functions and methods that scripts call, with their meaning; `rules/README.md` is made from it.
pub(super) const FUNCTIONS: &[(&str, &str)] = &[
    ("above(value, limit)", "condition: met while value > limit"),
    ("below(value, limit)", "condition: met while value < limit"),
    ("outside(value, low, high)", "condition: met while value < low or value > high"),
    ("all_of([a, b])", "met while every part is met; as bad as the mildest"),
    ("any_of([a, b])", "met while one part is met; as bad as the worst"),
    ("ok()", "nothing is wrong"),
    ("info(text)", "breach at level info"),
    ("warning(text)", "breach at level warning"),
    ("critical(text)", "breach at level critical"),
    ("hold(reason)", "no verdict now: the alert's state and counters stay as they are"),
    ("has(name)", "whether objective.name (else kpi.name) can be read now; true or false, never an error"),
    ("workdays(n)", "the date n working days from today, by the owner's calendar, else the KPI's (n from 0 to 3660)"),
    ("days(n)", "the date n days from today (n from 0 to 3660)"),
    (".recovers_above(x)", "on below(): an alert that fires ends only at x or above"),
    (".recovers_below(x)", "on above(): an alert that fires ends only at x or below"),
    (".recovers_inside(margin)", "on outside(): it ends only that far inside both limits"),
    (".critical_above(x)", "on above(): level critical while value > x"),
    (".critical_below(x)", "on below(): level critical while value < x"),
    (".level(\"info\")", "level of a condition: info, warning (the default) or critical"),
    (".say(text)", "the text: a key of the sidecar's texts, or a literal with {placeholders}"),
    (
        ".suggest(text, #{who: ..., by: ...})",
        "proposes an adjustment; who is a person's id, by is a date, at the latest the last day of the objective's period",
    ),
];

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Outcome>("verdict");
    for (name, comparison) in [("above", Comparison::Above), ("below", Comparison::Below)] {
        engine.register_fn(name, move |c: NativeCallContext, value: Dynamic, limit: Dynamic| {
            condition(&c, comparison, &value, (&limit, None))
        });
        // The usual types by themselves: functions of any type are found last.
        engine.register_fn(name, move |c: NativeCallContext, value: FLOAT, limit: FLOAT| {
            condition(&c, comparison, &value.into(), (&limit.into(), None))
        });
    }
    engine.register_fn("outside", |c: NativeCallContext, value: Dynamic, low: Dynamic, high: Dynamic| {
        condition(&c, Comparison::Outside, &value, (&low, Some(&high)))
    });
    engine.register_fn("all_of", |c: NativeCallContext, parts: Array| joined(&c, parts, Node::All));
    engine.register_fn("any_of", |c: NativeCallContext, parts: Array| joined(&c, parts, Node::Any));
    engine.register_fn("ok", || Outcome::new(Node::Fixed(None)));
    for severity in Severity::ALL {
        engine.register_fn(severity.as_str(), move |text: ImmutableString| Outcome {
            say: Some(text),
            ..Outcome::new(Node::Fixed(Some(severity)))
        });
        engine.register_fn(severity.as_str(), move || Outcome::new(Node::Fixed(Some(severity))));
    }
    engine.register_fn("hold", |reason: ImmutableString| Outcome::new(Node::Hold(reason)));
    for (name, fits) in [
        ("recovers_above", Comparison::Below),
        ("recovers_below", Comparison::Above),
        ("recovers_inside", Comparison::Outside),
        ("critical_above", Comparison::Above),
        ("critical_below", Comparison::Below),
    ] {
        engine.register_fn(name, move |o: Outcome, x: Dynamic| limit(o, name, &x, fits));
        engine.register_fn(name, move |o: Outcome, x: FLOAT| limit(o, name, &x.into(), fits));
    }
    engine.register_fn("level", level);
    engine.register_fn("say", |o: Outcome, text: ImmutableString| Outcome { say: Some(text), ..o });
    engine.register_fn("suggest", |o: Outcome, text: ImmutableString| suggest(o, text, &Map::new()));
    engine.register_fn("suggest", |o: Outcome, text: ImmutableString, more: Map| suggest(o, text, &more));
}

fn condition(
    context: &NativeCallContext,
    comparison: Comparison,
    value: &Dynamic,
    (limit, high): (&Dynamic, Option<&Dynamic>),
) -> Fallible<Outcome> {
    let name = context.fn_name();
    let limit = number(name, "limit", limit)?;
    let limit_high = high.map_or(Ok(limit), |high| number(name, "upper limit", high))?;
    if limit_high < limit {
        return Err(runtime(&format!("{name}(): the lower limit {limit} is above the upper limit {limit_high}")));
    }
    Ok(Outcome::new(Node::Condition(Condition {
        value: number(name, "value", value)?,
        comparison,
        limit,
        limit_high,
        recovers_at: None,
        critical_at: None,
        severity: Severity::Warning,
        position: context.call_position(),
    })))
}

fn number(function: &str, what: &str, value: &Dynamic) -> Fallible<f64> {
    let found = value.as_float().or_else(|_| value.as_int().map(|whole| whole as FLOAT));
    match found {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(runtime(&format!("{function}(): the {what} is not a finite number"))),
        Err(_) if value.is_unit() => Err(runtime(&format!(
            "{function}(): the {what} is not set; give the parameter a value or test it with `!= ()` first"
        ))),
        Err(kind) => Err(runtime(&format!("{function}(): the {what} must be a number, not {kind}"))),
    }
}

fn limit(mut outcome: Outcome, function: &str, x: &Dynamic, fits: Comparison) -> Fallible<Outcome> {
    let x = number(function, "limit", x)?;
    match &mut outcome.node {
        Node::Condition(condition) if condition.comparison == fits => {
            if function.starts_with("critical") {
                condition.critical_at = Some(x);
            } else {
                let turned = match fits {
                    Comparison::Above => x > condition.limit,
                    Comparison::Below => x < condition.limit,
                    Comparison::Outside => x < 0.0,
                };
                if turned {
                    return Err(runtime(&format!(
                        "{function}({x}): recovery lies on the wrong side of the limit {}",
                        condition.limit
                    )));
                }
                condition.recovers_at = Some(x);
            }
            Ok(outcome)
        }
        _ => Err(runtime(&format!(
            "{function}() fits {}() only",
            match fits {
                Comparison::Above => "above",
                Comparison::Below => "below",
                Comparison::Outside => "outside",
            }
        ))),
    }
}

fn level(mut outcome: Outcome, name: ImmutableString) -> Fallible<Outcome> {
    let Some(severity) = Severity::ALL.into_iter().find(|severity| severity.as_str() == name.as_str()) else {
        return Err(runtime(&format!("level('{name}'): a level is info, warning or critical")));
    };
    match &mut outcome.node {
        Node::Condition(condition) => condition.severity = severity,
        Node::Fixed(Some(level)) => *level = severity,
        Node::Fixed(None) | Node::Hold(_) | Node::All(_) | Node::Any(_) => {
            return Err(runtime("level() fits a condition only"));
        }
    }
    Ok(outcome)
}

/// Parts as one outcome, whose size stays bounded: judging and writing it down counts no operations.
fn joined(context: &NativeCallContext, parts: Array, node: fn(Arc<[Outcome]>) -> Node) -> Fallible<Outcome> {
    let name = context.fn_name();
    surroundings(context)?.spend(parts.len() as u64)?;
    let parts = outcomes(name, parts)?;
    let below = Below {
        parts: parts.iter().map(|part| 1 + part.below.parts).sum(),
        levels: parts.iter().map(|part| 1 + part.below.levels).max().unwrap_or_default(),
        suggestions: parts.iter().map(|part| part.suggestions.len() + part.below.suggestions).sum(),
    };
    for (found, most, what) in [
        (below.parts, PARTS_MAX, "conditions"),
        (below.levels, NESTING_MAX, "levels of all_of() and any_of()"),
        (below.suggestions, SUGGESTIONS_OF_PARTS_MAX, "suggestions"),
    ] {
        if found > most {
            return Err(runtime(&format!("{name}(): at most {most} {what}")));
        }
    }
    Ok(Outcome { below, ..Outcome::new(node(parts.into())) })
}

fn outcomes(function: &str, parts: Array) -> Fallible<Vec<Outcome>> {
    if parts.is_empty() {
        return Err(runtime(&format!("{function}() needs at least one condition")));
    }
    parts
        .into_iter()
        .map(|part| {
            let kind = part.type_name().to_owned();
            part.try_cast::<Outcome>().ok_or_else(|| {
                runtime(&format!("{function}() takes conditions, not {kind}; use above(), below() or outside()"))
            })
        })
        .collect()
}

fn suggest(mut outcome: Outcome, say: ImmutableString, more: &Map) -> Fallible<Outcome> {
    if outcome.suggestions.len() >= SUGGESTIONS_MAX {
        return Err(runtime(&format!("suggest(): at most {SUGGESTIONS_MAX} suggestions")));
    }
    let mut proposal = Proposal { say, who: None, by: None };
    for (key, value) in more {
        match key.as_str() {
            "who" if value.is_unit() => {}
            "who" => {
                let id = value.clone().try_cast::<ImmutableString>();
                let id = id.ok_or_else(|| runtime("suggest(): `who` takes the id of a person, a text"))?;
                proposal.who = Some(id);
            }
            "by" => {
                let day = value.clone().try_cast::<Day>();
                proposal.by = Some(day.ok_or_else(|| runtime("suggest(): `by` takes a date such as workdays(5)"))?.0);
            }
            other => {
                let hint = super::suggest::did_you_mean(other, ["who", "by"].into_iter());
                return Err(runtime(&format!("suggest(): unknown key '{other}'{hint}")));
            }
        }
    }
    outcome.suggestions.push(proposal);
    Ok(outcome)
}
