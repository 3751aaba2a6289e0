//! What is no error in a rule and yet hardly meant: parameters that nothing reads, texts that are never said or lack a
//! language, lines that are never reached.

use std::collections::BTreeSet;

use rhai::{AST, ASTFlags, ASTNode, Expr, OptimizationLevel, Position, Stmt, StmtBlock};

use super::compile::ScriptFiles;
use super::sandbox::{self, SCRIPT_BYTES_MAX, on_large_stack};
use super::sidecar::{Sidecar, key_place};
use super::{check, suggest};
use crate::model::text::Localized;
use crate::model::unit::Language;

/// Something to look at in a script or its sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub file: String,
    /// From 1.
    pub line: usize,
    pub column: usize,
    pub message: String,
    pub help: String,
}

/// Looks through a script and its sidecar; nothing of one that does not compile. `languages` are those of its readers.
pub fn lint(files: &ScriptFiles, languages: &BTreeSet<Language>) -> Vec<Remark> {
    if files.text.len() > SCRIPT_BYTES_MAX {
        return Vec::new();
    }
    on_large_stack(|| {
        let mut engine = sandbox::engine();
        // What is never reached must not be thrown away before it is seen.
        engine.set_optimization_level(OptimizationLevel::None);
        let Ok(ast) = engine.compile(&files.text) else { return Vec::new() };
        let sidecar = files.sidecar.as_deref().map(Sidecar::parse).and_then(Result::ok).unwrap_or_default();
        let mut remarks = unreached(files, &ast);
        remarks.extend(idle(files, &sidecar, &ast, &check::walk(&engine, &ast)));
        remarks.extend(untranslated(files, &sidecar, languages));
        remarks
    })
}

fn in_sidecar(files: &ScriptFiles, path: &[&str], message: String, help: String) -> Remark {
    let (line, column) = key_place(files.sidecar.as_deref().unwrap_or_default(), path);
    Remark { file: files.sidecar_path.clone(), line, column, message, help }
}

/// Parameters that are read nowhere, texts that are never said.
fn idle(files: &ScriptFiles, sidecar: &Sidecar, ast: &AST, findings: &check::Findings) -> Vec<Remark> {
    let (mut words, mut names): (BTreeSet<String>, BTreeSet<String>) = Default::default();
    ast.walk(&mut |nodes: &[ASTNode]| {
        match nodes.last() {
            Some(ASTNode::Expr(Expr::StringConstant(text, _))) => {
                words.insert(text.to_string());
            }
            Some(ASTNode::Expr(Expr::Property(property, _))) => {
                names.insert(property.2.to_string());
            }
            _ => {}
        }
        true
    });
    let placed: BTreeSet<&str> = sidecar.texts.values().flat_map(Localized::paths).collect();
    let literal = findings.texts(sidecar);
    let is_placed = |name: &str| {
        let path = format!("p.{name}");
        placed.contains(path.as_str()) || literal.values().any(|text| text.paths().any(|placed| placed == path))
    };
    let mut remarks = Vec::new();
    for name in
        sidecar.parameters.keys().filter(|name| !words.contains(*name) && !names.contains(*name) && !is_placed(name))
    {
        let hint = suggest::did_you_mean(name, names.iter().map(String::as_str));
        let message = format!("parameter '{name}' is read neither by the script nor by a text{hint}");
        let help = format!("read it as `p.{name}`, or take it out");
        remarks.push(in_sidecar(files, &["parameters", name], message, help));
    }
    let computed = findings.computes_texts;
    for key in sidecar.texts.keys().filter(|key| !computed && !words.contains(*key)) {
        let hint = suggest::did_you_mean(key, words.iter().map(String::as_str));
        let message = format!("text '{key}' is never said{hint}");
        remarks.push(in_sidecar(
            files,
            &["texts", key],
            message,
            format!("say it with `.say(\"{key}\")`, or take it out"),
        ));
    }
    remarks
}

/// Texts that some readers get in the language of others.
fn untranslated(files: &ScriptFiles, sidecar: &Sidecar, languages: &BTreeSet<Language>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (key, text) in &sidecar.texts {
        for language in languages {
            let (missing, name) = match language {
                Language::Fr => (text.fr.is_none(), "fr"),
                Language::En => (text.en.is_none(), "en"),
            };
            if missing {
                let message = format!("text '{key}' has no `{name}`: readers of that language get the other one");
                remarks.push(in_sidecar(files, &["texts", key], message, format!("add `{name}: ...`")));
            }
        }
    }
    remarks
}

/// Lines behind one that always ends the rule, and branches whose condition never changes.
fn unreached(files: &ScriptFiles, ast: &AST) -> Vec<Remark> {
    let mut found: Vec<(Position, String, &'static str)> = Vec::new();
    // Of the function whose body goes on there: whether it has ended, by what has been seen of it.
    let place = |at: Position| (at.line(), at.position());
    let bodies: Vec<_> = ast
        .shared_lib()
        .iter_script_fn_info()
        .map(|(.., function)| (place(function.body.start_position()), place(function.body.end_position())))
        .collect();
    let mut ended: BTreeSet<usize> = BTreeSet::new();
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let [ASTNode::Stmt(statement)] = nodes
            && !matches!(statement, Stmt::Noop(_))
        {
            let at = place(statement.position());
            if let Some(body) = bodies.iter().position(|(begin, end)| *begin <= at && at <= *end) {
                if ended.remove(&body) {
                    found.push(behind(statement));
                }
                if ends(statement) {
                    ended.insert(body);
                }
            }
        }
        match nodes.last() {
            Some(ASTNode::Stmt(Stmt::If(flow, at))) => {
                look_at(&flow.body, &mut found);
                look_at(&flow.branch, &mut found);
                if let Expr::BoolConstant(value, _) = flow.expr {
                    found.push((*at, format!("this condition is always {value}"), "take out what never runs"));
                }
            }
            Some(ASTNode::Stmt(Stmt::While(flow, _) | Stmt::Do(flow, ..))) => look_at(&flow.body, &mut found),
            Some(ASTNode::Stmt(Stmt::For(looped, _))) => look_at(&looped.2.body, &mut found),
            Some(ASTNode::Stmt(Stmt::Block(block)) | ASTNode::Expr(Expr::Stmt(block))) => look_at(block, &mut found),
            _ => {}
        }
        true
    });
    found.sort_by_key(|(at, ..)| (at.line(), at.position()));
    found.dedup();
    let remark = |(at, message, help): (Position, String, &str)| Remark {
        file: files.path.clone(),
        line: at.line().unwrap_or(1),
        column: at.position().unwrap_or(1),
        message,
        help: help.to_owned(),
    };
    found.into_iter().map(remark).collect()
}

fn look_at(block: &StmtBlock, found: &mut Vec<(Position, String, &'static str)>) {
    let statements = block.statements();
    let Some(last) = statements.iter().position(ends) else { return };
    let after = statements.iter().skip(last + 1).find(|statement| !matches!(statement, Stmt::Noop(_)));
    found.extend(after.map(behind));
}

fn behind(statement: &Stmt) -> (Position, String, &'static str) {
    let message = "this is never reached: what stands before it always ends here".to_owned();
    (statement.position(), message, "take it out, or move it before")
}

/// Whether what follows in the same block can't run.
fn ends(statement: &Stmt) -> bool {
    match statement {
        Stmt::Return(..) | Stmt::BreakLoop(..) => true,
        Stmt::Block(block) => block.statements().iter().any(ends),
        Stmt::If(flow, _) => flow.body.statements().iter().any(ends) && flow.branch.statements().iter().any(ends),
        // `loop`: nothing but a `break` of its own leads out of it.
        Stmt::While(flow, _) => matches!(flow.expr, Expr::Unit(_) | Expr::BoolConstant(true, _)) && !breaks(statement),
        Stmt::Switch(switch, _) => {
            let cases = &switch.1.expressions;
            let ends_there = |case: &Expr| match case {
                Expr::Stmt(block) => block.statements().iter().any(ends),
                _ => false,
            };
            switch.1.def_case.is_some() && cases.iter().all(|case| ends_there(&case.rhs))
        }
        _ => false,
    }
}

/// Whether a `break` leads out of this very loop.
fn breaks(statement: &Stmt) -> bool {
    let mut found = false;
    statement.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
        let is_loop = |node: &&ASTNode| matches!(node, ASTNode::Stmt(Stmt::While(..) | Stmt::Do(..) | Stmt::For(..)));
        if let Some(ASTNode::Stmt(Stmt::BreakLoop(_, flags, _))) = nodes.last() {
            found |= flags.contains(ASTFlags::BREAK) && nodes.iter().filter(is_loop).count() == 1;
        }
        true
    });
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{SHIPPED, ScriptFiles, shipped};
    use super::lint;
    use crate::model::unit::Language;

    fn both() -> BTreeSet<Language> {
        BTreeSet::from([Language::Fr, Language::En])
    }

    fn told(text: &str, sidecar: &str) -> Vec<String> {
        let files = ScriptFiles {
            path: "r.rhai".to_owned(),
            text: text.to_owned(),
            sidecar_path: "r.yaml".to_owned(),
            sidecar: Some(sidecar.to_owned()),
        };
        lint(&files, &both())
            .into_iter()
            .map(|remark| format!("{}:{}:{}: {}", remark.file, remark.line, remark.column, remark.message))
            .collect()
    }

    #[test]
    fn shipped_rules_leave_nothing_to_remark() {
        for (name, ..) in SHIPPED {
            assert_eq!(lint(&shipped(name).unwrap(), &both()), [], "{name}");
        }
    }

    #[test]
    fn what_is_hardly_meant_is_told_with_its_place() {
        let script = "fn evaluate(kpi, p) {\n    if true { return ok(); }\n    if kpi.value > p.low { return ok(); } else { return \
                      hold(\"odd\"); }\n    let x = 1;\n    warning(\"high\")\n}";
        let sidecar = "parameters:\n  low: {default: 1, help: a}\n  lwo: {default: 1, help: b}\n  shown: {default: 2, help: c}\n\
                       texts:\n  high: {fr: \"haut {p.shown}\", en: \"high\"}\n  odd:\n    fr: bizarre\n  never: {fr: a, en: b}\n";
        assert_eq!(
            told(script, sidecar),
            [
                "r.rhai:2:5: this condition is always true",
                "r.rhai:4:5: this is never reached: what stands before it always ends here",
                "r.yaml:3:3: parameter 'lwo' is read neither by the script nor by a text; did you mean 'low'?",
                "r.yaml:9:3: text 'never' is never said",
                "r.yaml:7:3: text 'odd' has no `en`: readers of that language get the other one",
            ]
        );
        assert_eq!(told("fn evaluate(kpi, p) { ok() }", "{}"), Vec::<String>::new());
        let behind = |script: &str| told(&format!("fn evaluate(kpi, p) {{\n{script}\nok()\n}}"), "{}");
        let never = ["r.rhai:3:1: this is never reached: what stands before it always ends here"];
        for script in [
            "loop { return ok(); }",
            "loop { for i in 0..3 { break; } return ok(); }",
            "switch kpi.value { 1 => { return ok(); } 2 if kpi.n > 1 => { return ok(); } _ => { return ok(); } }",
        ] {
            assert_eq!(behind(script), never, "{script}");
        }
        for script in [
            "loop { if kpi.value > 1 { break; } }",
            "while kpi.value > 1 { return ok(); }",
            "switch kpi.value { 1 => { return ok(); } _ => 2 };",
            "switch kpi.value { 1 => { return ok(); } }",
        ] {
            assert_eq!(behind(script), Vec::<String>::new(), "{script}");
        }
        // What is said may stand elsewhere.
        let texts = "parameters: {key: {default: odd, help: a}}\ntexts: {odd: {fr: a, en: b}}";
        assert_eq!(told("fn evaluate(kpi, p) { warning(p.key) }", texts), Vec::<String>::new());
        assert_eq!(
            told("fn evaluate(kpi, p) { warning(\"other\") }", texts),
            [
                "r.yaml:1:14: parameter 'key' is read neither by the script nor by a text",
                "r.yaml:2:9: text 'odd' is never said"
            ]
        );
        assert_eq!(told("fn evaluate(kpi, p) { ", "{}"), Vec::<String>::new(), "the error is told elsewhere");
    }
}
