//! Tests whose text is at hand, within narrow bounds: what is fuzzed.

use std::path::Path;

use super::case::{Case, Cases, RULE, Script};
use super::{parse, play};
use crate::engine::Setup;
use crate::model::ids::KpiId;
use crate::rule::on_large_stack;

/// Slots that one test steps.
const SLOTS_MAX: usize = 400;
/// Tests of one file.
const TESTS_MAX: usize = 4;
/// A file that does not exist: its script is the shipped one of that name, and nothing stands beside it.
const PATH: &str = "/dev/null/rules/signal/threshold.test.yaml";
/// What happens to a rule that was compiled: it rises, falls, is late, is revised.
const LIVED: &str = "
tests:
- name: lived
  series: 100+10x9 _ 190-30x8 0 -5 1e15 100x3
  happens:
  - {at: 3, revise: 2, value: 5}
  - {at: 5, restart: true}
  - {at: 8, outage: away, until: 9}
  expect:
  - {at: 22, text: '', told: []}
";

/// Lives the first tests of a file's text; true when all of them could be lived, whatever came of them.
pub(in crate::cli) fn try_file(text: &str) -> bool {
    let Ok(form) = parse(text) else { return false };
    let path = Path::new(PATH);
    let script = Script::of(path, form.script.as_deref());
    let folder = path.parent().unwrap_or(path);
    on_large_stack(|| {
        let mut cases = Cases::bounded(SLOTS_MAX);
        let tests = form.tests.iter().take(TESTS_MAX);
        let mut lived = |test| cases.of(&script, &form, test).and_then(|case| play::play(&case, &form, test, folder));
        // Each is lived, also after one that can't be.
        tests.fold(!form.tests.is_empty(), |all, test| lived(test).is_ok() && all)
    })
}

/// Lives a rule that is called `rule`, on one of its KPIs.
pub(in crate::cli) fn try_rule(setup: Setup, main: KpiId) -> bool {
    let form = parse(LIVED).expect("invariant: the fixed test is one");
    let case = Case { setup, rule: RULE.into(), main, slots_max: SLOTS_MAX, is_covered: false };
    on_large_stack(|| form.tests.iter().all(|test| play::play(&case, &form, test, Path::new(PATH)).is_ok()))
}
