//! Rule scripts: the only place that knows rhai.
//!
//! A script is compiled and checked once ([`RuleSet::compile`]); a run takes an assessment and gives
//! a verdict. Everything a script can do is bounded, and the bounds count operations, so that a
//! verdict never depends on the machine.

mod check;
mod compile;
mod conditions;
mod coverage;
mod inline;
mod lint;
mod lists;
mod outcome;
mod reference;
mod run;
mod sandbox;
mod shipped;
mod sidecar;
mod suggest;
#[cfg(test)]
mod tests;
mod views;

pub use compile::{CompiledRule, RuleProblem, RuleSet, ScriptFiles, Stopwatch};
pub use coverage::{Coverage, Site, Ways};
pub use lint::{Remark, lint};
pub use reference::{definitions, reference};
pub use run::Run;
pub use sandbox::on_large_stack;
pub use shipped::{SHIPPED, parameters_of, shipped};
pub use sidecar::{Parameter, Sidecar, sidecar_schema};
