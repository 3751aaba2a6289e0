//! `vigie test` from outside: shipped rules pass, failures are told whole, wrong tests say why.

use std::fs;
use std::path::Path;

use super::support::{Ran, vigie};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a test file of a rule that fires above 10.
fn run(tests: &str, more: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules/sales");
    fs::create_dir_all(&rules).unwrap();
    let script = "fn evaluate(kpi, p) { above(kpi.value, 10).say(\"Too much: {kpi.value}\").suggest(\"Look\", #{ by: days(1) }) }";
    fs::write(rules.join("high.rhai"), script).unwrap();
    fs::write(rules.join("high.test.yaml"), format!("tests:\n{tests}")).unwrap();
    vigie(dir.path(), &[&["test"], more].concat())
}

#[test]
fn every_shipped_rule_has_tests_that_pass() {
    let ran = vigie(root(), &["test", "rules"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("all passed"), "{ran:?}");
    for (name, ..) in vigie::rule::SHIPPED {
        assert!(root().join(format!("rules/{name}.test.yaml")).is_file(), "{name} has no tests");
    }
}

#[test]
fn all_failures_are_told_at_once() {
    let tests = r#"
- name: two things are wrong
  series: 9 11
  expect:
  - {at: 1, verdict: warning, alert: firing}
  - {at: 2, value: 12, text: nothing of it, suggestions: [Run], told: []}
- name: this one is right
  series: 9 11
  expect: [{at: 2, verdict: warning, suggestions: ["Look, until 2026-01-04"]}]
"#;
    let ran = run(tests, &[]);
    assert_eq!(ran.code, 1);
    let timing = ran.out.rfind(" (").unwrap();
    insta::assert_snapshot!(&ran.out[..timing]);
    // The file is valid XML with a failure in it.
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report.xml");
    let ran = run(tests, &["--junit", report.to_str().unwrap(), "--filter", "wrong"]);
    assert!(ran.out.contains("1 test in 1 file: 1 failed"), "{ran:?}");
    let xml = fs::read_to_string(report).unwrap();
    assert!(xml.contains(r#"tests="1" failures="1" errors="0""#) && xml.contains("<failure message="), "{xml}");
}

#[test]
fn json_has_every_difference() {
    let ran = run("- {name: a, series: 9, expect: [{at: 1, verdict: warning}]}", &["--format", "json"]);
    assert_eq!(ran.code, 1);
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["outcome"], "failed");
    let difference = &lines[0]["failures"][0]["differences"][0];
    assert_eq!(
        (&difference["what"], &difference["expected"], &difference["is"]),
        (&"verdict".into(), &"warning".into(), &"ok".into())
    );
    assert_eq!(lines[1]["failed"], 1);
}

#[test]
fn wrong_tests_say_why() {
    fn check(test: &str, part: &str) {
        let ran = run(test, &[]);
        assert_eq!(ran.code, 1, "{test}: {ran:?}");
        assert!(ran.out.contains(part), "{test}: {} lacks {part}", ran.out);
    }
    check("- {name: a, series: 1, expect: [{at: 1, vredict: ok}]}", "unknown field `vredict`");
    check("- {name: a, series: 1+2, expect: [{at: 1, verdict: ok}]}", "`1+2` is no value; write `5`, `5+2x3`");
    check("- {name: a, series: 1, expect: [{at: 0, verdict: ok}]}", "numbered from 1 on");
    check("- {name: a, series: 1, expect: [{at: soon, verdict: ok}]}", "`soon` is no moment");
    check("- {name: a, series: 1, expect: [{at: 1, verdict: bad}]}", "`bad` is none of ok, info, warning");
    check("- {name: a, series: 1, with: {limit: 3}, expect: [{at: 1, verdict: ok}]}", "limit");
    check("- {name: a, series: 1, kpi: {grian: day}, expect: [{at: 1, verdict: ok}]}", "did you mean");
    check("- {name: a, series: {b: 1}, expect: [{at: 1, verdict: ok}]}", "there is no KPI `b`; there are kpi");
    check("- {name: a, series: 1, happens: [{at: 1}], expect: [{at: 1, verdict: ok}]}", "names one thing");
    check("- {name: a, series: 1, happens: [{at: 1, ack: ada}], expect: [{at: 1, verdict: ok}]}", "nothing fires");
    check(
        "- {name: a, series: 1, kpi: {dimensions: [d]}, expect: [{at: 1, series: '{d=\"x\"}', verdict: ok}]}",
        "none of that name",
    );
    check(
        "- {name: a, series: 1, expect: [{at: 1, verdict: ok}]}\n- {name: a, series: 1, expect: [{at: 1, verdict: ok}]}",
        "the same name",
    );
    let ran = vigie(root(), &["test", "nowhere"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("there is no file or folder nowhere"), "{ran:?}");
}

/// What stands between two fences of the manual.
fn block<'a>(page: &'a str, after: &str, fence: &str) -> &'a str {
    let rest = &page[page.find(after).unwrap()..];
    let begin = rest.find(fence).unwrap() + fence.len();
    &rest[begin..begin + rest[begin..].find("```").unwrap()]
}

#[test]
fn the_manuals_example_passes() {
    let page = vigie::rule::reference();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    fs::create_dir(dir.path().join("rules")).unwrap();
    write("rules/low.rhai", block(&page, "# Rules", "```rhai\n"));
    write("rules/low.test.yaml", block(&page, "## Tests", "```yaml\n"));
    write(
        "rules/low.yaml",
        "parameters: {safety: {default: 5, help: a}, recover: {default: 8, help: b}}\ntexts: {low: {en: low, fr: bas}}\n",
    );
    let ran = vigie(dir.path(), &["test"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    // The README's too, of a rule that ships.
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let test = format!("script: signal/threshold\n{}", block(&readme, "A test file stands beside", "```yaml\n"));
    fs::write(dir.path().join("low.test.yaml"), test).unwrap();
    let ran = vigie(dir.path(), &["test", "."]);
    assert_eq!(ran.code, 0, "{}", ran.out);
}

#[test]
fn a_new_rule_passes_its_tests() {
    let dir = tempfile::tempdir().unwrap();
    for words in [&["new", "rule", "sales/low-basket"][..], &["new", "rule", "behind", "--objective"]] {
        let ran = vigie(dir.path(), words);
        assert_eq!(ran.code, 0, "{ran:?}");
        let ran = vigie(dir.path(), words);
        assert!(ran.code == 1 && ran.err.contains("is there already; nothing was written"), "{ran:?}");
    }
    let ran = vigie(dir.path(), &["test"]);
    assert!(ran.code == 0 && ran.out.contains("4 tests in 2 files: all passed"), "{}", ran.out);
    let ran = vigie(dir.path(), &["new", "rule", "../x"]);
    assert!(ran.code == 1 && ran.err.contains("is no name of a script"), "{ran:?}");
}

#[test]
fn rules_that_ship_are_listed_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let ran = vigie(dir.path(), &["rules"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for (name, script, _) in vigie::rule::SHIPPED {
        assert!(ran.out.contains(name), "{name}: {ran:?}");
        assert!(vigie(dir.path(), &["rules", name]).out.contains(script), "{name}");
    }
    let ran = vigie(dir.path(), &["rules", "signal/treshold"]);
    assert!(ran.code == 1 && ran.err.contains("no rule 'signal/treshold' ships; there are: data/stale"), "{ran:?}");
}

#[test]
fn conditions_that_were_not_taken_both_ways_are_told_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules");
    fs::create_dir_all(&rules).unwrap();
    let script = "fn evaluate(kpi, p) {\n    // nothing\n    if kpi.value > 100 { return hold(\"odd\"); }\n    \
                  if kpi.value < 5 &&\n        kpi.previous > 0 { return ok(); } else if kpi.value == 7 { return ok(); }\n    \
                  let high = above(kpi.value, 10); any_of([high, below(kpi.value, 6)])\n}\n";
    fs::write(rules.join("high.rhai"), script).unwrap();
    let tests = "tests:\n- {name: a, series: 9 11 7, expect: [{at: 1, verdict: ok}, {at: 2, verdict: warning}]}\n";
    fs::write(rules.join("high.test.yaml"), tests).unwrap();
    let ran = vigie(dir.path(), &["test", "--coverage"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told: Vec<&str> = ran.out.lines().filter(|line| line.contains("high.rhai")).collect();
    assert_eq!(
        told,
        [
            "rules/high.rhai: 7 of 10 ways of its conditions were taken (70 %)",
            "  rules/high.rhai:3:8: `kpi.value > 100` was never true",
            "  rules/high.rhai:4:8: `kpi.value < 5 && kpi.previous > 0` was never true",
            "  rules/high.rhai:6:52: `below(kpi.value, ...)` was never true",
        ]
    );
    let ran = vigie(dir.path(), &["test", "--coverage", "--format", "json"]);
    let first = ran.out.lines().find(|line| line.contains("coverage")).unwrap();
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!((&first["line"], &first["true"], &first["false"]), (&3.into(), &0.into(), &3.into()), "{first}");
}

#[test]
fn conditions_are_covered_however_they_are_written() {
    for (script, told) in [
        (
            "if kpi.value > 1 { if kpi.value > 7 { return warning(\"high\"); } }\n    ok()",
            "2:27: `kpi.value > 7` was never true",
        ),
        ("if(kpi.value > 5){ return warning(\"high\"); }\n    ok()", "2:7: `(kpi.value > 5)` was never true"),
        ("if\n        kpi.value > 5 { return warning(\"high\"); }\n    ok()", "3:9: `kpi.value > 5` was never true"),
        (
            "switch kpi.value { 1.0 if (kpi.value > 5 && \"=>\" != \"if\") => warning(\"high\"), _ => ok() }",
            "2:31: `(kpi.value > 5 && \"=>\" != \"if\")` was never true",
        ),
        (
            "switch kpi.value { 1.0 if /* what if so */ kpi.value > 5 => warning(\"high\"), _ => ok() }",
            "2:31: `/* what if so */ kpi.value > 5` was never true",
        ),
        (
            "switch kpi.value { 1.0 if \"if\" == kpi.id => warning(\"high\"), _ => ok() }",
            "2:31: `\"if\" == kpi.id` was never true",
        ),
        ("let n = 0;\n    do { n += 1; } until n > 0 /* ; */;\n    ok()", "3:26: `n > 0 /* ; */` was never false"),
        ("let n = 0;\n    do { n += 1; }\n    while [n][0] > 9; ok()", "4:11: `[n][0] > 9` was never true"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let script = format!("fn evaluate(kpi, p) {{\n    {script}\n}}\n");
        fs::write(dir.path().join("high.rhai"), script).unwrap();
        let tests = "tests:\n- {name: a, series: 1 3, expect: [{at: 1, verdict: ok}, {at: 2, verdict: ok}]}\n";
        fs::write(dir.path().join("high.test.yaml"), tests).unwrap();
        let ran = vigie(dir.path(), &["test", "high.test.yaml", "--coverage"]);
        assert!(ran.code == 0 && ran.out.contains(&format!("high.rhai:{told}")), "{ran:?}");
        assert_eq!(ran.out.matches("never reached").count(), 0, "{ran:?}");
    }
}

#[test]
fn the_tests_of_shipped_rules_take_all_conditions_both_ways() {
    let ran = vigie(root(), &["test", "rules", "--coverage"]);
    assert_eq!(ran.out.matches("(100 %)").count(), vigie::rule::SHIPPED.len(), "{}", ran.out);
}

#[test]
fn values_that_are_not_taken_stand_beside_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("high.test.yaml");
    let tests = "script: signal/threshold\nwith: {above: 5}\nkpi: {quality: {min: 0}}\n\
                 tests:\n- {name: a, series: 1 -3 9, expect: [{at: 2, verdict: ok}, {at: 3, verdict: ok}]}\n";
    fs::write(&path, tests).unwrap();
    let ran = vigie(dir.path(), &["test", "high.test.yaml"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.out.matches("not taken: ").count(), 1, "{ran:?}");
    assert!(ran.out.contains("not taken: kpi of 2026-01-02, `-3`: value -3 is below quality.min 0"), "{ran:?}");

    for (wrong, told) in [
        ("series: {season: {length: 3, bas: 1}}, expect: [{at: 1, verdict: ok}]", "series are values such as"),
        ("series: 1, expect: [{at: [1], verdict: ok}]", "a moment is the number of a bucket"),
        ("series: 1, expect: [{at: 1, text: {a: b}}]", "a text, or a list of texts"),
    ] {
        fs::write(&path, format!("script: signal/threshold\ntests:\n- {{name: a, {wrong}}}\n")).unwrap();
        let ran = vigie(dir.path(), &["test", "high.test.yaml"]);
        let all = format!("{}{}", ran.out, ran.err);
        assert!(ran.code == 1 && all.contains(told) && !all.contains("Form"), "{ran:?}");
    }
}
