//! What can be said about a script without running it: unknown names, texts, parameters.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, ParseErrorType, Position, Stmt};

use super::outcome::FUNCTIONS;
use super::sidecar::Sidecar;
use super::suggest::did_you_mean;
use super::views::WINDOWS;
use crate::assess::{KPI_FIELDS, OBJECTIVE_FIELDS};
use crate::model::text::{Localized, Template};

/// A problem at a place in the script.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub position: Position,
    pub message: String,
}

/// All that a walk over the script found.
#[derive(Default)]
pub(super) struct Findings {
    pub problems: Vec<Found>,
    /// What each condition watches, by the position of its call.
    pub watched: HashMap<Position, String>,
    /// Where the script's first loop begins.
    pub first_loop: Option<Position>,
    /// Literals given to `say`, `warning`, `hold`, `suggest`...
    texts: Vec<(String, Position)>,
    params: Vec<(String, Position)>,
    /// Whether something is said whose text does not stand there.
    pub computes_texts: bool,
}

/// Calls whose first text argument people read.
const SAYING: [&str; 6] = ["say", "suggest", "info", "warning", "critical", "hold"];

/// Walks the whole script once.
pub(super) fn walk(engine: &Engine, ast: &AST) -> Findings {
    let mut findings = Findings::default();
    let own: HashSet<&str> = ast.iter_functions().map(|f| f.name).collect();
    let mut native: BTreeSet<String> =
        engine.collect_fn_metadata(None, |info| Some(info.metadata.name.to_string()), true).into_iter().collect();
    // Getters of properties are named `get$...`.
    native.retain(|name| !name.contains('$'));
    native.extend(own.iter().map(|name| (*name).to_owned()));
    native.extend(["print", "debug", "type_of", "is_shared", "len", "contains", "to_string"].map(str::to_owned));
    for (.., function) in ast.shared_lib().iter_script_fn_info() {
        if function.name.starts_with("__") {
            let message = format!("'{}': names of functions don't begin with two underscores", function.name);
            findings.problems.push(Found { position: function.body.start_position(), message });
        }
    }
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Variable(variable, _, position))) if own.contains(variable.1.as_str()) => {
                let message = format!("'{}' is a function of this script: it can be called, not handed on", variable.1);
                findings.problems.push(Found { position: *position, message });
            }
            Some(ASTNode::Expr(expr)) => findings.look_at(expr, &native),
            Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => findings.look_at_function(call, *position, &native),
            Some(ASTNode::Stmt(Stmt::While(_, position) | Stmt::Do(_, _, position) | Stmt::For(_, position))) => {
                findings.first_loop = findings.first_loop.or(Some(*position));
            }
            _ => {}
        }
        true
    });
    findings
}

impl Findings {
    fn look_at(&mut self, expr: &Expr, known_functions: &BTreeSet<String>) {
        match expr {
            Expr::Dot(parts, ..) => {
                if let (Expr::Variable(variable, ..), Expr::Property(property, position)) =
                    (&parts.lhs, first_of(&parts.rhs))
                {
                    self.look_at_property(&variable.1, &property.2, *position);
                }
                if let Expr::MethodCall(call, position) = first_of(&parts.rhs) {
                    self.look_at_call(call, *position, known_functions);
                }
            }
            Expr::FnCall(call, position) => self.look_at_function(call, *position, known_functions),
            Expr::MethodCall(call, position) => self.look_at_call(call, *position, known_functions),
            _ => {}
        }
    }

    /// A plain call; conditions note what they watch.
    fn look_at_function(&mut self, call: &FnCallExpr, position: Position, known_functions: &BTreeSet<String>) {
        self.look_at_call(call, position, known_functions);
        if matches!(call.name.as_str(), "above" | "below" | "outside")
            && let Some(what) = call.args.first().and_then(describe)
        {
            self.watched.insert(position, what);
        }
    }

    fn look_at_property(&mut self, on: &str, name: &str, position: Position) {
        let known: Vec<&str> = match on {
            "kpi" => KPI_FIELDS.iter().map(|field| field.name).collect(),
            "objective" => OBJECTIVE_FIELDS.iter().map(|field| field.name).collect(),
            "p" => return self.params.push((name.to_owned(), position)),
            _ => return,
        };
        if !known.contains(&name) {
            let hint = did_you_mean(name, known.into_iter());
            self.problems.push(Found { position, message: format!("unknown property '{name}' on {on}{hint}") });
        }
    }

    fn look_at_call(&mut self, call: &FnCallExpr, position: Position, known: &BTreeSet<String>) {
        let name = call.name.as_str();
        if name.chars().next().is_some_and(char::is_alphabetic) && !known.contains(name) {
            let ours = FUNCTIONS
                .iter()
                .map(|(signature, _)| signature.trim_start_matches('.').split('(').next().unwrap_or_default())
                .chain(WINDOWS.iter().map(|(window, _)| *window))
                .chain(known.iter().map(String::as_str));
            let hint = did_you_mean(name, ours);
            self.problems.push(Found { position, message: format!("unknown function '{name}'{hint}") });
        }
        if SAYING.contains(&name) && !call.args.is_empty() {
            self.computes_texts |= !call.args.iter().any(|arg| matches!(arg, Expr::StringConstant(..)));
        }
        if SAYING.contains(&name)
            && let Some(Expr::StringConstant(text, at)) =
                call.args.iter().find(|arg| matches!(arg, Expr::StringConstant(..)))
        {
            self.texts.push((text.to_string(), *at));
        }
    }

    /// Keys of texts that the sidecar lacks, literals that don't parse, placeholders that name nothing.
    pub(super) fn check_texts(&self, sidecar: &Sidecar) -> Vec<Found> {
        let mut found = Vec::new();
        for (text, position) in &self.texts {
            if sidecar.texts.contains_key(text) {
                continue;
            }
            if is_key(text) && !sidecar.texts.is_empty() {
                let hint = did_you_mean(text, sidecar.texts.keys().map(String::as_str));
                let message = format!("no text '{text}' in the sidecar{hint}");
                found.push(Found { position: *position, message });
            } else if let Err(error) = Template::parse(text) {
                found.push(Found { position: *position, message: error.message });
            }
        }
        for (key, text) in self.texts(sidecar) {
            let at = self.texts.iter().find(|(used, _)| *used == key).map_or(Position::new(1, 1), |(_, at)| *at);
            for path in text.paths() {
                if let Err(message) = check_path(path, sidecar) {
                    found.push(Found { position: at, message: format!("text '{key}': {message}") });
                }
            }
        }
        found
    }

    pub(super) fn check_params(&self, sidecar: &Sidecar) -> Vec<Found> {
        self.params
            .iter()
            .filter(|(name, _)| !sidecar.parameters.contains_key(name) && name != "has")
            .map(|(name, position)| {
                let hint = did_you_mean(name, sidecar.parameters.keys().map(String::as_str));
                let message = format!("parameter '{name}' is not declared in the sidecar{hint}");
                Found { position: *position, message }
            })
            .collect()
    }

    /// Every text that the script may say: the sidecar's, and literals in the script.
    pub(super) fn texts(&self, sidecar: &Sidecar) -> HashMap<String, Localized> {
        let mut texts: HashMap<String, Localized> =
            sidecar.texts.iter().map(|(key, text)| (key.clone(), text.clone())).collect();
        for (text, _) in &self.texts {
            if !texts.contains_key(text)
                && let Ok(template) = Template::parse(text)
            {
                let template = Arc::new(template);
                texts.insert(text.clone(), Localized { fr: Some(template.clone()), en: Some(template) });
            }
        }
        texts
    }
}

/// `at_risk` is a key; a sentence is a literal.
fn is_key(text: &str) -> bool {
    text.contains('_') && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// A placeholder's path must name something that a verdict can read.
fn check_path(path: &str, sidecar: &Sidecar) -> Result<(), String> {
    let (root, name) = path.split_once('.').unwrap_or((path, ""));
    let known: Vec<&str> = match root {
        "kpi" => KPI_FIELDS.iter().map(|field| field.name).collect(),
        "objective" => OBJECTIVE_FIELDS.iter().map(|field| field.name).collect(),
        "p" => sidecar.parameters.keys().map(String::as_str).collect(),
        "condition" => vec!["value", "limit"],
        "label" => return Ok(()),
        _ => {
            let hint = did_you_mean(root, ["kpi", "objective", "p", "condition", "label"].into_iter());
            return Err(format!(
                "placeholder '{{{path}}}' must begin with kpi, objective, p, condition or label{hint}"
            ));
        }
    };
    if known.contains(&name) {
        return Ok(());
    }
    Err(format!("unknown placeholder '{{{path}}}'{}", did_you_mean(name, known.into_iter())))
}

/// First link of a chain `a.b.c` as rhai nests it on the right.
fn first_of(expr: &Expr) -> &Expr {
    match expr {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => &parts.lhs,
        other => other,
    }
}

/// `objective.drift_ratio`, `kpi.change(7)`, a variable's name; none for anything else.
fn describe(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        Expr::Dot(parts, ..) => {
            let left = describe(&parts.lhs)?;
            match first_of(&parts.rhs) {
                Expr::Property(property, _) => Some(format!("{left}.{}", property.2)),
                Expr::MethodCall(call, _) => {
                    let args: Vec<String> =
                        call.args.iter().map(|arg| describe(arg).unwrap_or_else(|| "…".into())).collect();
                    Some(format!("{left}.{}({})", call.name, args.join(", ")))
                }
                _ => None,
            }
        }
        Expr::IntegerConstant(number, _) => Some(number.to_string()),
        Expr::FloatConstant(number, _) => Some(number.to_string()),
        _ => None,
    }
}

/// A syntax error in words, with the remedy where the word is one that rules may not use.
pub(super) fn syntax(error: &ParseErrorType) -> String {
    let text = error.to_string();
    let reserved: BTreeMap<&str, &str> = [
        ("eval", "scripts can't build scripts"),
        ("import", "a rule is one file"),
        ("try", "an unmeasurable value ends the rule; ask has(\"name\") first"),
        ("this", "hand the value on as a parameter"),
        ("throw", "return hold(\"reason\") instead"),
    ]
    .into();
    if let Some((word, remedy)) = reserved.iter().find(|(word, _)| text.contains(&format!("'{word}'"))) {
        return format!("'{word}' is not available in rules: {remedy}");
    }
    let mut characters = text.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}
