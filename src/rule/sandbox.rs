//! The script engine with every door closed and every limit explicit.

use std::thread;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage, BasicStringPackage,
    LogicPackage, Package,
};
use rhai::{Array, Dynamic, Engine, EvalContext, Map, OptimizationLevel};

use super::views::{Fallible, Shared, runtime};
use super::{lists, outcome, views};

/// Operations one run may take; a shipped rule takes about fifty.
pub(super) const OPERATIONS_MAX: u64 = 100_000;
const CALL_LEVELS_MAX: usize = 16;
const EXPR_DEPTH_MAX: usize = 32;
const STRING_BYTES_MAX: usize = 4_096;
const ARRAY_ITEMS_MAX: usize = 1_024;
const MAP_ITEMS_MAX: usize = 256;
const VARIABLES_MAX: usize = 64;
const FUNCTIONS_MAX: usize = 32;
/// Longest script, in bytes; parsing is linear in it.
pub(super) const SCRIPT_BYTES_MAX: usize = 64 * 1024;
/// Deep expressions recurse on the native stack; this leaves a wide margin over the depth limits.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Items of a list or map that a call passes over in the time of about one operation.
const ITEMS_PER_OPERATION: u64 = 16;

/// Words that would let a script load, evaluate, wait or swallow an unmeasurable value. What `this` names could grow
/// beyond every limit (see [`look_at_variable`]).
const FORBIDDEN: [&str; 9] = ["eval", "import", "export", "try", "catch", "throw", "Fn", "curry", "this"];

/// Builds an engine that offers a rule what it may call, and nothing else.
pub(super) fn engine() -> Engine {
    let mut engine = Engine::new_raw();
    for package in [
        ArithmeticPackage::new().as_shared_module(),
        LogicPackage::new().as_shared_module(),
        BasicMathPackage::new().as_shared_module(),
        BasicStringPackage::new().as_shared_module(),
        BasicIteratorPackage::new().as_shared_module(),
        BasicArrayPackage::new().as_shared_module(),
        BasicMapPackage::new().as_shared_module(),
    ] {
        engine.register_global_module(package);
    }
    for word in FORBIDDEN {
        engine.disable_symbol(word);
    }
    engine.set_max_operations(OPERATIONS_MAX);
    engine.set_max_call_levels(CALL_LEVELS_MAX);
    engine.set_max_expr_depths(EXPR_DEPTH_MAX, EXPR_DEPTH_MAX);
    engine.set_max_string_size(STRING_BYTES_MAX);
    engine.set_max_array_size(ARRAY_ITEMS_MAX);
    engine.set_max_map_size(MAP_ITEMS_MAX);
    engine.set_max_variables(VARIABLES_MAX);
    engine.set_max_functions(FUNCTIONS_MAX);
    engine.set_max_modules(0);
    engine.set_allow_anonymous_fn(false);
    engine.set_allow_shadowing(true);
    engine.set_strict_variables(true);
    // Simple folds constants and keeps positions; full would call functions while compiling.
    engine.set_optimization_level(OptimizationLevel::Simple);
    #[expect(deprecated, reason = "rhai marks with it what may change; nothing else sees each variable")]
    engine.on_var(look_at_variable);
    lists::register(&mut engine);
    views::register(&mut engine);
    outcome::register(&mut engine);
    engine
}

/// Holds each variable to the limits. The engine measures what was assigned, not what it was assigned into: `m[k] = v`
/// and `m.a[k] = v` would grow a list or map for ever. And the name of a function would give a pointer to it, whose calls
/// from `map`, `sort` and the like are not counted and lose the error that ends a script.
fn look_at_variable(name: &str, _: usize, context: EvalContext) -> Fallible<Option<Dynamic>> {
    match context.scope().get(name) {
        None => Err(runtime(&format!("'{name}' is a function: it can be called, not handed on"))),
        Some(value) if value.is_array() || value.is_map() => {
            context.engine().ensure_data_size_within_limits(value)?;
            // Comparing, searching and sorting count as one operation each.
            if let Some(run) = context.tag().read_lock::<Shared>() {
                run.spend(items(value) / ITEMS_PER_OPERATION)?;
            }
            Ok(None)
        }
        Some(_) => Ok(None),
    }
}

/// Items of a list or map, with those in its items.
fn items(value: &Dynamic) -> u64 {
    if let Some(list) = value.read_lock::<Array>() {
        list.iter().map(|item| 1 + items(item)).sum()
    } else if let Some(map) = value.read_lock::<Map>() {
        map.values().map(|item| 1 + items(item)).sum()
    } else {
        0
    }
}

/// Runs `work` on a thread whose stack holds the deepest script that the limits allow.
///
/// # Panics
/// Hands on a panic of `work`.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("rules".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .expect("a thread can be started");
        match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
