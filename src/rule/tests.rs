//! Scripts against small series: verdicts, errors with positions, limits that hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{CompiledRule, RuleSet, Run, SHIPPED, ScriptFiles, Stopwatch, on_large_stack, reference, shipped};
use crate::assess::Assessment;
use crate::model::assessment::Unmeasurable;
use crate::model::calendar::{Calendar, CalendarRules};
use crate::model::catalog::Catalog;
use crate::model::closure::{ClosedDays, Closure};
use crate::model::grain::Grain;
use crate::model::ids::{KpiId, Labels, RuleId, SeriesKey};
use crate::model::kpi::{Empty, Kpi, Lateness, Quality, Query};
use crate::model::notification::{Matcher, Person, Route};
use crate::model::objective::{Measure, Objective, Target, Trajectory};
use crate::model::observation::Observation;
use crate::model::period::PeriodSpec;
use crate::model::rule::{NoDataPolicy, ParamValue, RuleDef, SeriesChoice};
use crate::model::schedule::Schedule;
use crate::model::series::SeriesData;
use crate::model::text::Localized;
use crate::model::unit::{Category, Direction, Kind, Language, Unit};
use crate::model::verdict::{Severity, Verdict};

#[path = "shipped_tests.rs"]
mod of_shipped;

fn kpi() -> Arc<Kpi> {
    Arc::new(Kpi {
        id: "revenue".into(),
        title: "Chiffre d'affaires".into(),
        category: Category::Financial,
        unit: Unit::Currency("EUR".into()),
        better: Direction::Higher,
        kind: Kind::Flow,
        grain: Grain::Day,
        zone: TimeZone::UTC,
        calendar: Arc::new(Calendar::default()),
        source: "shop".into(),
        query: Query::Text(String::new()),
        dimensions: Vec::new(),
        schedule: Schedule::parse("daily 06:15").expect("a schedule"),
        expected: Lateness::Elapsed(SignedDuration::from_hours(24)),
        settle: SignedDuration::ZERO,
        history: SignedDuration::from_hours(24 * 400),
        keep: SignedDuration::from_hours(24 * 800),
        recheck: None,
        empty: Empty::Missing,
        complete: 0.8,
        quality: Quality::default(),
        reconcile: None,
        since: None,
        owner: None,
    })
}

fn catalog(with: &[(&str, ParamValue)]) -> Catalog {
    let rule = RuleDef {
        id: "r".into(),
        script: "test".into(),
        on: vec!["revenue".into()],
        series: SeriesChoice::Total,
        with: with.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        for_: None,
        keep_firing_for: None,
        no_data: NoDataPolicy::default(),
        use_provisional: false,
        shadow: false,
    };
    Catalog {
        zone: TimeZone::UTC,
        language: Language::Fr,
        kpis: IndexMap::from([(KpiId::from("revenue"), kpi())]),
        objectives: IndexMap::new(),
        rules: IndexMap::from([(RuleId::from("r"), Arc::new(rule))]),
        people: IndexMap::new(),
        receivers: IndexMap::new(),
        route: Route {
            path: "0".into(),
            matcher: Matcher::default(),
            to: "ops".into(),
            group_by: Vec::new(),
            wait: SignedDuration::ZERO,
            interval: SignedDuration::ZERO,
            remind: None,
            routes: Vec::new(),
        },
        events: IndexMap::new(),
        renames: crate::model::rename::Renames::default(),
        checksum: String::new(),
    }
}

const NOW: &str = "2026-11-23T06:15:00Z";

/// The values are those of the last days before 23 November; none is a missing bucket.
fn assessment(values: &[Option<f64>]) -> Arc<Assessment> {
    let now: Timestamp = NOW.parse().expect("an instant");
    let newest = Grain::Day.last_ended(now, &TimeZone::UTC);
    let mut data = SeriesData::default();
    for (back, value) in values.iter().rev().enumerate() {
        if let Some(value) = value {
            data.put(&Observation {
                series: SeriesKey::total(&"revenue".into()),
                bucket: newest - back as i64,
                value: *value,
                parts: None,
                provisional: false,
                known_at: now,
                assumed: false,
            });
        }
    }
    Arc::new(Assessment::new(kpi(), Labels::total(), Arc::new(data), None, now))
}

fn files(script: &str, sidecar: Option<&str>) -> ScriptFiles {
    ScriptFiles {
        path: "rules/test.rhai".into(),
        text: script.into(),
        sidecar_path: "rules/test.yaml".into(),
        sidecar: sidecar.map(str::to_owned),
    }
}

fn run(script: &str, sidecar: Option<&str>, with: &[(&str, ParamValue)], values: &[Option<f64>]) -> Run {
    compiled_run(script, sidecar, with, values).1
}

fn compiled_run(
    script: &str,
    sidecar: Option<&str>,
    with: &[(&str, ParamValue)],
    values: &[Option<f64>],
) -> (Arc<CompiledRule>, Run) {
    on_large_stack(|| {
        let (rules, problems) = RuleSet::compile(&catalog(with), &|_| Ok(files(script, sidecar)));
        assert_eq!(problems, []);
        let rule = rules.get(&"r".into()).expect("compiled").clone();
        let run = rules.run(&rule, &assessment(values), BTreeMap::new());
        (rule, run)
    })
}

/// Runs a body of `evaluate(kpi, p)` on the values 100, 100, 40.
fn verdict(body: &str) -> Verdict {
    run(&format!("fn evaluate(kpi, p) {{ {body} }}"), None, &[], &[Some(100.0), Some(100.0), Some(40.0)]).verdict
}

fn level(body: &str) -> Option<Severity> {
    match verdict(body) {
        Verdict::Judged(finding) => finding.level,
        other => panic!("{body}: {other:?}"),
    }
}

fn problems(script: &str, sidecar: Option<&str>, with: &[(&str, ParamValue)]) -> Vec<String> {
    let (_, problems) = RuleSet::compile(&catalog(with), &|_| Ok(files(script, sidecar)));
    problems
        .into_iter()
        .map(|problem| match problem.file {
            Some(file) => format!("{}:{}:{}: {}", file.display(), problem.line, problem.column, problem.message),
            None => format!("{}: {}", problem.key.unwrap_or_default(), problem.message),
        })
        .collect()
}

#[test]
fn conditions_give_levels() {
    assert_eq!(level("below(kpi.value, 50)"), Some(Severity::Warning));
    assert_eq!(level("below(kpi.value, 50).critical_below(45)"), Some(Severity::Critical));
    assert_eq!(level("below(kpi.value, 50).critical_below(20)"), Some(Severity::Warning));
    assert_eq!(level("below(kpi.value, 40)"), None);
    assert_eq!(level("above(kpi.value, 39.5).level(\"info\")"), Some(Severity::Info));
    assert_eq!(level("outside(kpi.value, 50, 150)"), Some(Severity::Warning));
    assert_eq!(level("all_of([below(kpi.value, 50), above(kpi.value, 30)])"), Some(Severity::Warning));
    assert_eq!(level("all_of([below(kpi.value, 50), above(kpi.value, 60)])"), None);
    assert_eq!(
        level("any_of([above(kpi.value, 60), below(kpi.value, 50).critical_below(45)])"),
        Some(Severity::Critical)
    );
    assert_eq!(level("if kpi.value < 50 { critical(\"low\") } else { ok() }"), Some(Severity::Critical));
    assert_eq!(level("ok()"), None);
}

#[test]
fn windows_and_changes_read_the_series() {
    assert_eq!(level("below(kpi.sum(3), 240.5)"), Some(Severity::Warning));
    assert_eq!(level("below(kpi.change(1), -0.59)"), Some(Severity::Warning));
    assert_eq!(level("below(kpi.mean(3), 80)"), None);
    assert_eq!(level("above(kpi.previous, 99)"), Some(Severity::Warning));
}

#[test]
fn hysteresis_leaves_a_gap() {
    let Verdict::Judged(between) = verdict("below(kpi.value, 30).recovers_above(60)") else { panic!() };
    assert_eq!((between.level, between.recovered), (None, false));
    let Verdict::Judged(calm) = verdict("below(kpi.value, 30).recovers_above(35)") else { panic!() };
    assert_eq!((calm.level, calm.recovered), (None, true));
}

#[test]
fn a_condition_knows_what_it_watched() {
    let script = "fn evaluate(kpi, p) { all_of([above(kpi.value, 50), below(kpi.change(1), -0.2)]) }";
    let (rule, run) = compiled_run(script, None, &[], &[Some(100.0), Some(100.0), Some(40.0)]);
    let Verdict::Judged(finding) = run.verdict else { panic!() };
    // The first condition that is met, not the first one.
    assert!((finding.value.expect("a value") - -0.6).abs() < 1e-9);
    let conditions = rule.details(&run).conditions;
    assert_eq!(
        conditions.iter().map(|c| (c.what.as_str(), c.met)).collect::<Vec<_>>(),
        [("kpi.value", false), ("kpi.change(1)", true)]
    );
}

#[test]
fn unmeasurable_ends_the_script() {
    let script = "fn evaluate(kpi, p) { if kpi.value > 0 { critical(\"seen\") } else { ok() } }";
    let late = run(script, None, &[], &[Some(1.0), None, None, None]);
    assert!(matches!(late.verdict, Verdict::NoData { ref what, .. } if what == "kpi.value"), "{late:?}");
    let none = run(script, None, &[], &[]);
    assert!(matches!(none.verdict, Verdict::NoData { .. }));
    let asked = run("fn evaluate(kpi, p) { if has(\"value\") { ok() } else { hold(\"waiting\") } }", None, &[], &[]);
    assert!(matches!(asked.verdict, Verdict::Hold { .. }));
    let from_zero = run("fn evaluate(kpi, p) { above(kpi.change(1), 1) }", None, &[], &[Some(0.0), Some(1.0)]);
    let zero = Unmeasurable::ZeroReference;
    assert!(matches!(from_zero.verdict, Verdict::NoData { missing, .. } if missing == zero));
    let nested =
        run("fn deep(kpi) { kpi.sum(500) } fn evaluate(kpi, p) { above(deep(kpi), 1) }", None, &[], &[Some(1.0)]);
    assert!(matches!(nested.verdict, Verdict::NoData { .. }), "{nested:?}");
}

#[test]
fn freshness_alone_judges_no_bucket() {
    assert!(
        !run("fn evaluate(kpi, p) { above(kpi.missed_buckets, 0) }", None, &[], &[Some(1.0), None, None]).read_data
    );
    assert!(run("fn evaluate(kpi, p) { above(kpi.value, 0) }", None, &[], &[Some(1.0)]).read_data);
}

#[track_caller]
fn check_problem(script: &str, expected: &str) {
    let found = problems(script, None, &[]);
    assert!(found.iter().any(|problem| problem.contains(expected)), "{script}\nfound {found:#?}");
}

#[test]
fn problems_have_positions_and_suggestions() {
    check_problem(
        "fn evaluate(kpi, p) {\n    above(kpi.valeu, 1)\n}",
        "rules/test.rhai:2:15: unknown property 'valeu' on kpi; did you mean 'value'?",
    );
    check_problem("fn evaluate(kpi, p) { abov(kpi.value, 1) }", "unknown function 'abov'; did you mean 'above'?");
    check_problem("fn evaluate(kpi, p) { above(kpi.value, p.x) }", "parameter 'x' is not declared");
    check_problem("fn evaluate(kpi, p) { above(kpi.value, 1 }", "rules/test.rhai:1:");
    check_problem("fn evalute(kpi, p) { ok() }", "no `fn evaluate(kpi, p)`");
    check_problem("fn evaluate(kpi, p) { ok() } fn evaluate(kpi, o, p) { ok() }", "a rule is exactly one of these");
    check_problem(
        "fn evaluate(kpi, p) { ok().say(\"{kpi.titel}\") }",
        "unknown placeholder '{kpi.titel}'; did you mean 'title'?",
    );
    let texts = "texts:\n  too_early: {fr: tôt, en: early}\n";
    let held = problems("fn evaluate(kpi, p) { hold(\"too_erly\") }", Some(texts), &[]);
    assert!(held[0].contains("no text 'too_erly' in the sidecar; did you mean 'too_early'?"), "{held:?}");
    check_problem("fn evaluate(kpi, p) { eval(\"1\") }", "'eval' is not available in rules");
    check_problem("import \"x\" as y; fn evaluate(kpi, p) { ok() }", "'import' is not available in rules");
    check_problem("fn evaluate(kpi, objective, p) { ok() }", "KPI 'revenue' has none");
}

#[test]
fn a_rule_that_no_objective_is_for_is_refused() {
    let check = |labels: Labels, series: SeriesChoice, expected: Option<&str>| {
        let mut catalog = catalog(&[]);
        let objective = Objective {
            id: "o".into(),
            kpi: "revenue".into(),
            labels,
            statement: String::new(),
            target: Target::Reach(1.0).into(),
            measure: Measure::Sum,
            period: PeriodSpec::Month,
            trajectory: Trajectory::Linear,
            baseline: None,
            hold: None,
            axis: None,
            owner: None,
            actions: Vec::new(),
        };
        catalog.objectives.insert(objective.id.clone(), Arc::new(objective));
        let def = RuleDef { series, ..RuleDef::clone(&catalog.rules[&RuleId::from("r")]) };
        catalog.rules.insert(def.id.clone(), Arc::new(def));
        let load = |_: &str| Ok(files("fn evaluate(kpi, objective, p) { ok() }", None));
        let (_, problems) = on_large_stack(|| RuleSet::compile(&catalog, &load));
        let told: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        match expected {
            None => assert_eq!(told, [""; 0]),
            Some(part) => assert!(told.len() == 1 && told[0].contains(part), "{told:?}"),
        }
    };
    let web = || Labels::from_iter([("channel", "web")]);
    let each = || SeriesChoice::Each(vec!["channel".to_owned()]);
    check(Labels::total(), SeriesChoice::Total, None);
    check(web(), each(), None);
    check(web(), SeriesChoice::Where(web()), None);
    check(web(), SeriesChoice::Total, Some("KPI 'revenue' has none on its total"));
    check(Labels::total(), each(), Some("has none on the series that the rule looks at"));
    check(web(), SeriesChoice::Where(Labels::from_iter([("channel", "shop")])), Some("has none on the series"));
}

#[test]
fn parameters_are_checked() {
    let sidecar =
        "parameters:\n  enter: {default: 0.3, help: limit}\n  low: {type: number, help: x}\nrequire_one_of: [low]\n";
    let script = "fn evaluate(kpi, p) { below(kpi.value, p.enter) }";
    let wrong =
        problems(script, Some(sidecar), &[("entr", ParamValue::Number(1.0)), ("enter", ParamValue::Text("x".into()))]);
    assert!(
        wrong.iter().any(|p| p.contains("with.entr: script 'test' has no parameter 'entr'; did you mean 'enter'?")),
        "{wrong:#?}"
    );
    assert!(wrong.iter().any(|p| p.contains("with.enter: parameter 'enter' must be a number")), "{wrong:#?}");
    assert!(wrong.iter().any(|p| p.contains("needs at least one of the parameters low")), "{wrong:#?}");
    let right = run(
        script,
        Some(sidecar),
        &[("low", ParamValue::Integer(1)), ("enter", ParamValue::Integer(41))],
        &[Some(40.0)],
    );
    assert!(matches!(right.verdict, Verdict::Judged(ref finding) if finding.level.is_some()));
    let share = ("enter", ParamValue::Text("4100 %".to_owned()));
    let percent = run(script, Some(sidecar), &[("low", ParamValue::Integer(1)), share], &[Some(40.0)]);
    assert!(matches!(percent.verdict, Verdict::Judged(ref finding) if finding.level.is_some()), "4100 % is 41");
}

#[test]
fn a_run_time_error_is_a_failure_with_its_position() {
    for (body, expected) in [
        ("let x = []; above(x[3], 1)", "rules/test.rhai:1:"),
        ("above(\"a\", 1)", "the value must be a number, not string"),
        ("above(kpi.value, ())", "the limit is not set"),
        ("1", "must return a verdict"),
        ("below(kpi.value, 5).recovers_above(1)", "wrong side"),
        ("let o = kpi; o.nothing", "unknown property 'nothing' on kpi"),
        ("kpi.sum(0)", "from 1 to 10000"),
    ] {
        match verdict(body) {
            Verdict::Failed { cause } => assert!(cause.contains(expected), "{body}: {cause}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn hostile_scripts_end_in_failure() {
    let deep = format!("fn evaluate(kpi, p) {{ {} 1 {} }}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(!problems(&deep, None, &[]).is_empty());
    for body in [
        "loop { }",
        "let a = 0; while true { a += 1; }",
        "for i in 0..1000000000 { }",
        "let s = \"a\"; loop { s += s; }",
        "let a = [1]; loop { a += a; }",
        "let m = #{}; let i = 0; loop { m[i.to_string()] = i; i += 1; }",
        "let s = \"aaaaaaaaaaaaaaaa\"; loop { s.replace(\"a\", s); }",
        "let s = \"x\"; s.pad(1000000000, \"y\"); above(1, 0)",
        "let a = []; a.pad(1000000000, 1); above(1, 0)",
        "let x = 9223372036854775807; x += 1; above(x, 0)",
        "above(1 / 0, 0)",
        "let a = [1, 2]; a[0] = a; loop { a.push(a); }",
    ] {
        let script = format!("fn evaluate(kpi, p) {{ {body} }}");
        if !problems(&script, None, &[]).is_empty() {
            continue; // refused before it ever runs
        }
        match verdict(body) {
            Verdict::Failed { .. } => {}
            other => panic!("{body}: {other:?}"),
        }
    }
    let recursive = run("fn f(x) { f(x + 1) } fn evaluate(kpi, p) { f(1) }", None, &[], &[Some(1.0)]);
    assert!(
        matches!(recursive.verdict, Verdict::Failed { ref cause } if cause.contains("too deeply")),
        "{recursive:?}"
    );
}

/// The cause of a script's failure.
#[track_caller]
fn cause(body: &str) -> String {
    match verdict(body) {
        Verdict::Failed { cause } => cause,
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn verdicts_made_of_verdicts_stay_small() {
    for (body, expected) in [
        ("let o = warning(\"x\"); for i in 0..60 { o = all_of([o, o]); } o", "at most"),
        ("let o = warning(\"x\"); for i in 0..60 { o = any_of([o]); } o", "any_of(): at most 8 levels"),
        ("let a = []; a.pad(257, ok()); all_of(a)", "all_of(): at most 256 conditions"),
        (
            "let a = []; a.pad(16, ok()); let b = []; b.pad(16, all_of(a)); any_of(b)",
            "any_of(): at most 256 conditions",
        ),
        (
            "let o = ok(); for i in 0..8 { o = o.suggest(\"x\"); } all_of([o, o, o, o, o])",
            "all_of(): at most 32 suggestions",
        ),
        ("ok().suggest(\"x\", #{who: [1]})", "`who` takes the id of a person"),
        // What is made and kept costs what it holds.
        ("let a = []; a.pad(250, ok()); for i in 0..500 { all_of(a); } ok()", "more than 100000 operations"),
    ] {
        assert!(cause(body).contains(expected), "{body}: {}", cause(body));
    }
    // Eight levels, each of which says nothing itself: the text is looked for once.
    let deep = "let o = warning(\"{kpi.title}\"); for i in 0..8 { o = all_of([o, ok()]); } o";
    assert!(matches!(verdict(deep), Verdict::Judged(_)));
    let script = "fn evaluate(kpi, p) { any_of([all_of([warning(\"low\"), critical(\"high\")]), info(\"more\")]) }";
    let (rule, run) = compiled_run(script, None, &[], &[Some(1.0)]);
    let said = rule.details(&run).said.expect("a text").text;
    assert_eq!(said, Localized::literal("high"), "that of the worst part");
}

#[test]
fn no_list_or_map_outgrows_its_limit() {
    for body in [
        "let m = #{}; let i = 0; loop { m[i.to_string()] = 1; i += 1; }",
        "let m = #{x: #{}}; let i = 0; loop { m.x[i.to_string()] = 1; i += 1; }",
        "let a = []; a.pad(600, 1); let b = a; loop { b[0] = a; b[1] = a; }",
        "let a = []; a.pad(600, 1); let m = #{x: [[], []]}; m.x[0].append(a); m.x[1].append(a); m.x.len()",
        "fn_of(#{}); } fn fn_of(m) { let i = 0; loop { m[i.to_string()] = 1; i += 1; }",
    ] {
        assert!(cause(body).contains("too large"), "{body}: {}", cause(body));
    }
    check_problem("fn f() { this[0] = this; } fn evaluate(kpi, p) { [].f() }", "'this' is not available in rules");
}

#[test]
fn functions_are_called_and_not_handed_on() {
    for body in [
        "let g = f; ok()",
        "[1].map(f); ok()",
        "[1, 2].sort(f); ok()",
        "above(`${[1].map(f)}`, 1)",
        "switch 1 { 1 if [1].all(f) => ok(), _ => ok() }",
        "let m = #{a: [f]}; ok()",
        "let g = () ?? f; ok()",
        "[1][[0].find(f)]; ok()",
        "for x in [f] { } ok()",
        "while [1].all(f) { } ok()",
        "return f;",
    ] {
        let script = format!("fn f(x) {{ x }} fn evaluate(kpi, p) {{ {body} }}");
        check_problem(&script, "'f' is a function of this script: it can be called, not handed on");
    }
    check_problem("fn evaluate(kpi, p) { \"ok\".call() }", "unknown function 'call'");
}

#[test]
fn costly_calls_count_for_more() {
    for body in [
        "let x = 0.0; for i in 0..4000 { x += kpi.mean(800); } ok()",
        "for i in 0..30 { workdays(3660); } ok()",
        "let a = []; a.pad(1000, 1); let b = a; for i in 0..5000 { a == b; } ok()",
        "let a = [#{}]; for i in 0..200 { a[0][i.to_string()] = i; } for i in 0..9000 { a.len(); } ok()",
    ] {
        let series = [Some(1.0); 800];
        let script = format!("fn evaluate(kpi, p) {{ {body} }}");
        let Verdict::Failed { cause } = run(&script, None, &[], &series).verdict else { panic!("{body}") };
        assert!(cause.contains("more than 100000 operations"), "{body}: {cause}");
    }
    assert!(matches!(verdict("let last = ok(); for i in 0..100 { workdays(i); } last"), Verdict::Judged(_)));
}

#[test]
fn lists_and_maps_are_compared_as_their_items_are() {
    for (met, condition) in [
        (true, "[1, 2.0, \"a\", 'b', true, (), [1], #{a: 1}] == [1, 2, 'a', \"b\", true, (), [1.0], #{a: 1}]"),
        (true, "[1, 2] != [1, 3] && [1] != [1, 1] && [[1]] != [[2]]"),
        (false, "[1] == [\"1\"] || [()] == [0] || [false] == [0]"),
        (true, "#{a: [1], b: 2} == #{b: 2, a: [1]} && #{a: 1} != #{b: 1} && #{a: 1} != #{a: 2}"),
        (true, "2 in [1, 2] && !(3 in [1, 2]) && \"b\" in [\"a\", \"b\"] && [1, [2]].contains([2])"),
        (true, "[5, 6, 5].index_of(5) == 0 && [5, 6, 5].index_of(5, 1) == 2 && [5, 6, 5].index_of(6, -1) == -1"),
        (true, "let a = [1, 1, 2, 2, 1]; a.dedup(); a == [1, 2, 1]"),
        (true, "const A = [days(1)]; A == [days(1)] && A != [days(2)] && A.contains(days(1))"),
    ] {
        let script =
            format!("fn evaluate(kpi, p) {{ let met = {{ {condition} }}; above(if met {{ 1 }} else {{ 0 }}, 0) }}");
        let Verdict::Judged(finding) = run(&script, None, &[], &[Some(1.0)]).verdict else { panic!("{condition}") };
        assert_eq!(finding.level.is_some(), met, "{condition}");
    }
    assert!(cause("[kpi] == [kpi]; ok()").contains("only numbers, texts"));
}

#[test]
fn a_very_long_name_is_compared_with_nothing() {
    let name = "a".repeat(60_000);
    check_problem(&format!("fn evaluate(kpi, p) {{ {name}() }}"), "unknown function 'aaa");
    check_problem("fn evaluate(kpi, p) { abve(kpi.value, 1) }", "did you mean 'above'?");
}

#[test]
fn shipped_rules_compile() {
    for (name, ..) in SHIPPED {
        let with: &[(&str, ParamValue)] = match *name {
            "signal/threshold" => &[("below", ParamValue::Integer(60))],
            "signal/change" => &[("drop", ParamValue::Number(0.2))],
            _ => &[],
        };
        let (_, problems) = RuleSet::compile(&catalog(with), &|_| shipped(name).ok_or_else(String::new));
        let real: Vec<_> = problems.iter().filter(|problem| !problem.message.contains("reads an objective")).collect();
        assert!(real.is_empty(), "{name}: {real:#?}");
    }
}

#[test]
fn working_days_are_those_of_the_owner() {
    let closures =
        vec![Closure { days: ClosedDays::Once { from: date(2026, 11, 24), to: date(2026, 11, 27) }, name: None }];
    let of_claire = Arc::new(Calendar::new(CalendarRules { closures, ..CalendarRules::default() }));
    let by = |owner: Option<&str>| {
        let person = Person {
            id: "claire".into(),
            name: "Claire".into(),
            mail: None,
            language: Language::Fr,
            calendar: Some(of_claire.clone()),
        };
        let mut catalog = catalog(&[]);
        catalog.people.insert("claire".into(), Arc::new(person));
        let script = "fn evaluate(kpi, p) { warning(\"low\").suggest(\"call\", #{ by: workdays(1) }) }";
        on_large_stack(|| {
            let (rules, problems) = RuleSet::compile(&catalog, &|_| Ok(files(script, None)));
            assert_eq!(problems, []);
            let rule = rules.get(&"r".into()).expect("compiled").clone();
            let plain = assessment(&[Some(1.0)]);
            let owned = Arc::new(Kpi { owner: owner.map(Into::into), ..(*plain.kpi).clone() });
            let own = Assessment::new(owned, Labels::total(), plain.data.clone(), None, plain.now);
            let run = rules.run(&rule, &Arc::new(own), BTreeMap::new());
            rule.details(&run).suggestions[0].by
        })
    };
    // 23 November 2026 is a Monday.
    assert_eq!(by(None), Some(date(2026, 11, 24)));
    assert_eq!(by(Some("claire")), Some(date(2026, 11, 30)));
    assert_eq!(by(Some("paul")), Some(date(2026, 11, 24)));
}

#[test]
fn what_is_proposed_ends_with_the_period() {
    let by = |days: u32, now: &str| {
        let script =
            format!("fn evaluate(kpi, objective, p) {{ warning(\"low\").suggest(\"call\", #{{ by: days({days}) }}) }}");
        on_large_stack(|| {
            let november = Objective {
                id: "o".into(),
                kpi: "revenue".into(),
                labels: Labels::total(),
                statement: "400 in November".into(),
                target: Target::Reach(400.0).into(),
                measure: Measure::Sum,
                period: PeriodSpec::Between { from: date(2026, 11, 1), to: date(2026, 11, 30) },
                trajectory: Trajectory::Linear,
                baseline: None,
                hold: None,
                axis: None,
                owner: None,
                actions: Vec::new(),
            };
            let (november, mut catalog) = (Arc::new(november), catalog(&[]));
            catalog.objectives.insert("o".into(), november.clone());
            let (rules, problems) = RuleSet::compile(&catalog, &|_| Ok(files(&script, None)));
            assert_eq!(problems, []);
            let rule = rules.get(&"r".into()).expect("compiled").clone();
            let plain = assessment(&[Some(1.0)]);
            let (kpi, data) = (plain.kpi.clone(), plain.data.clone());
            let now = now.parse().expect("an instant");
            let own = Assessment::new(kpi, Labels::total(), data, Some(november), now);
            let run = rules.run(&rule, &Arc::new(own), BTreeMap::new());
            rule.details(&run).suggestions[0].by
        })
    };
    assert_eq!(by(3, NOW), Some(date(2026, 11, 26)));
    assert_eq!(by(30, NOW), Some(date(2026, 11, 30)));
    // On the day after, nothing can be done within it any more.
    assert_eq!(by(3, "2026-12-01T06:15:00Z"), Some(date(2026, 12, 4)));
}

#[test]
fn the_manual_is_what_the_code_offers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/rules/README.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    if written != reference() {
        let fresh = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/rules-README.md");
        std::fs::create_dir_all(fresh.parent().expect("a folder")).expect("writable");
        std::fs::write(&fresh, reference()).expect("writable");
        panic!("rules/README.md is out of date; take it from target/rules-README.md");
    }
}

/// Over from the third look on.
struct Impatient(std::sync::atomic::AtomicU32);

impl Stopwatch for Impatient {
    fn start(&self) {
        self.0.store(0, std::sync::atomic::Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 2
    }
}

#[test]
fn a_run_that_takes_too_long_has_failed_and_is_tried_again() {
    let script = "fn evaluate(kpi, p) { let i = 0; while i < kpi.value { i += 1; } ok() }";
    let verdict = |rounds: f64| {
        on_large_stack(|| {
            let (mut rules, problems) = RuleSet::compile(&catalog(&[]), &|_| Ok(files(script, None)));
            assert_eq!(problems, []);
            rules.watch(Arc::new(Impatient(0.into())));
            let rule = rules.get(&"r".into()).expect("compiled").clone();
            rules.run(&rule, &assessment(&[Some(rounds)]), BTreeMap::new()).verdict
        })
    };
    assert!(matches!(verdict(10.0), Verdict::Judged(_)));
    let Verdict::Failed { cause } = verdict(5_000.0) else { panic!("it ran on") };
    assert!(cause.contains("rules/test.rhai") && cause.contains("took too long"), "{cause}");
}
