//! Whether the tests of shipped rules would notice a mistake: every rule is made wrong in one place after the other, and
//! its own test file must fail. What no test can notice is listed with its reason in `survivors.txt`.

mod mutant;
mod run;
mod script;
mod sidecar;
mod tokens;

use std::fs;
use std::path::Path;

use self::run::{Outcome, Report, Rule, judge};

/// The least share of mutants that a rule's tests must notice.
const SHARE_MIN: f64 = 0.95;

#[test]
fn the_tests_of_shipped_rules_notice_mistakes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rule = |(name, script, sidecar): &(&str, &str, &str)| Rule {
        name: (*name).to_owned(),
        script: (*script).to_owned(),
        sidecar: (*sidecar).to_owned(),
        tests: fs::read_to_string(root.join(format!("rules/{name}.test.yaml"))).unwrap(),
    };
    let rules: Vec<Rule> = vigie::rule::SHIPPED.iter().map(rule).collect();
    let reports = judge(&rules);
    print(&reports);
    let listed = fs::read_to_string(root.join("tests/mutation/survivors.txt")).unwrap();
    let wrong = complaints(&reports, &listed);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn print(reports: &[Report]) {
    println!("{:<28}{:>8}{:>8}{:>9}{:>9}", "rule", "mutants", "killed", "share", "invalid");
    let row = |name: &str, mutants: usize, killed: usize, invalid: usize| {
        println!("{name:<28}{mutants:>8}{killed:>8}{:>7.1} %{invalid:>9}", share(killed, mutants) * 100.0);
    };
    let (mut mutants, mut killed, mut invalid) = (0, 0, 0);
    for report in reports {
        let own = [Outcome::Killed, Outcome::Survived, Outcome::Invalid].map(|outcome| report.count(outcome));
        row(&report.rule, own[0] + own[1], own[0], own[2]);
        mutants += own[0] + own[1];
        killed += own[0];
        invalid += own[2];
    }
    row("all", mutants, killed, invalid);
    for (title, outcome) in [("survived", Outcome::Survived), ("invalid, not counted", Outcome::Invalid)] {
        println!("{title}:");
        for name in reports.iter().flat_map(|report| report.named(outcome)) {
            println!("  rules/{name}");
        }
    }
}

fn share(killed: usize, mutants: usize) -> f64 {
    if mutants == 0 { 0.0 } else { killed as f64 / mutants as f64 }
}

/// What is not as it must be: too few killed, a survivor that nobody looked at, an entry of the list without its survivor.
fn complaints(reports: &[Report], listed: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known = Vec::new();
    for line in listed.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match line.split_once(" | ").map(|(name, reason)| (name.trim(), reason.trim())) {
            Some((name, reason)) if !reason.is_empty() => known.push(name),
            _ => wrong.push(format!("no reason is given, as `MUTANT | REASON`: {line}")),
        }
    }
    for report in reports {
        let (killed, survived) = (report.count(Outcome::Killed), report.count(Outcome::Survived));
        let share = share(killed, killed + survived);
        if share < SHARE_MIN {
            let (share, least) = (share * 100.0, SHARE_MIN * 100.0);
            wrong.push(format!("{}: its tests kill {share:.1} % of its mutants, less than {least} %", report.rule));
        }
        let new = report.named(Outcome::Survived).filter(|name| !known.contains(name));
        wrong.extend(new.map(|name| format!("no test notices, and no reason is listed: rules/{name}")));
    }
    let survives = |name: &&str| reports.iter().any(|report| report.named(Outcome::Survived).any(|own| own == *name));
    wrong.extend(
        known.iter().filter(|name| !survives(name)).map(|name| format!("listed, but it does not survive: {name}")),
    );
    wrong
}

fn low(tests: &str) -> Report {
    let rule = Rule {
        name: "stock/low".to_owned(),
        script: "// Under the limit.\nfn evaluate(kpi, p) {\n    below(kpi.value, p.limit).critical_below(5).say(\"low\").suggest(\"order\")\n}\n".to_owned(),
        sidecar: "parameters: {limit: {default: 10, help: limit}}\ntexts: {low: {en: \"{kpi.value} left\"}, order: {en: order}}\n".to_owned(),
        tests: format!("tests:\n{tests}"),
    };
    judge(&[rule]).remove(0)
}

#[test]
fn weak_tests_leave_survivors() {
    let report = low("- {name: far under, series: 11 3, expect: [{at: 1, verdict: ok}, {at: 2, verdict: critical}]}");
    let survived: Vec<&str> = report.named(Outcome::Survived).collect();
    // Neither a limit nor a word is looked at.
    assert_eq!(
        survived,
        [
            "stock/low.rhai:3:22: below(): the limit p.limit itself is on the other side",
            "stock/low.rhai:3:46: critical_below(): the limit 5 itself is on the other side",
            "stock/low.rhai:3:46: 5 becomes 4",
            "stock/low.rhai:3:46: 5 becomes 6",
            "stock/low.rhai:3:48: .say() is removed",
            "stock/low.rhai:3:53: \"low\" becomes \"order\"",
            "stock/low.rhai:3:59: .suggest() is removed",
            "stock/low.rhai:3:68: \"order\" becomes \"low\"",
            "stock/low.yaml:1:31: default of limit: 10 becomes 8",
            "stock/low.yaml:2:19: the text low in en is another",
            "stock/low.yaml:2:20: {kpi.value} is removed from low in en",
            "stock/low.yaml:2:52: the text order in en is another",
        ]
    );
    let wrong = complaints(&[report], "stock/low.rhai:1:1: no mutant | it was one\nstock/low.rhai:2:1: y |\n");
    assert!(wrong[0].starts_with("no reason is given"), "{wrong:?}");
    assert!(wrong[1].starts_with("stock/low: its tests kill "), "{wrong:?}");
    assert!(wrong[2].starts_with("no test notices, and no reason is listed: rules/stock/low.rhai:3:"), "{wrong:?}");
    assert_eq!(wrong.last().unwrap(), "listed, but it does not survive: stock/low.rhai:1:1: no mutant");
}

#[test]
fn whole_tests_leave_none() {
    let report = low(r"
- name: at its limits
  series: 10 9.9 5 4.9
  expect:
  - {at: 1, verdict: ok}
  - {at: 2, verdict: warning, text: 9.9 left, suggestions: [order]}
  - {at: 3, verdict: warning}
  - {at: 4, verdict: critical}
");
    assert_eq!(report.named(Outcome::Survived).collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(report.count(Outcome::Killed) > 15);
    assert_eq!(complaints(&[report], "# nothing\n"), Vec::<String>::new());
}

#[test]
fn what_is_no_rule_is_not_counted() {
    let rule = Rule {
        name: "high".to_owned(),
        script: "fn evaluate(kpi, p) { above(kpi.value, 10) }".to_owned(),
        sidecar: "for: 1 bucket\n".to_owned(),
        tests: "tests: [{name: a, series: 11, expect: [{at: 1, verdict: warning, alert: firing}]}]".to_owned(),
    };
    let report = judge(&[rule]).remove(0);
    assert_eq!(report.named(Outcome::Invalid).collect::<Vec<_>>(), ["high.yaml:1:6: for: 1 bucket becomes 0 bucket"]);
    assert!(report.named(Outcome::Killed).any(|name| name == "high.yaml:1:6: for: 1 bucket becomes 2 bucket"));
}
