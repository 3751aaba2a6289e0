//! The configuration as a whole: what is accepted, and what each mistake is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Config, Draft, Environment, Level, LoadOptions, Loaded, load, load_kpis, render, schema, to_json};
use crate::model::http_query::{HttpBody, HttpMethod, Paging};
use crate::model::ids::{KpiId, ObjectiveId, ReceiverId, RuleId};
use crate::model::kpi::{Lateness, Query};
use crate::model::ledger_query::{Figure, LedgerQuery, Reads, Side};
use crate::model::objective::{Measure, Stretch, Target, Trajectory};
use crate::model::period::PeriodSpec;
use crate::model::rule::{Patience, SeriesChoice};
use crate::model::unit::Language;

const EXAMPLE: &str = include_str!("../../contrib/examples/vigie.yaml");

/// The smallest configuration that holds one of each; mistakes are planted into it.
#[path = "kpi_tests.rs"]
mod of_kpis;
#[path = "objective_tests.rs"]
mod of_objectives;
#[path = "service_tests.rs"]
mod of_the_service;

const SMALL: &str = r"timezone: Europe/Paris
people:
  claire: {mail: claire@example.test}
sources:
  shop: {csv: {path: shop.csv}}
kpis:
  revenue:
    title: Chiffre d'affaires
    category: financial
    unit: EUR
    source: shop
    query: {time: date, value: montant}
    dimensions: [channel]
    owner: claire
objectives:
  revenue-month:
    kpi: revenue
    statement: Atteindre 400 000 €
    reach: 400000
    period: month
rules:
  at-risk:
    script: objective/off_trajectory
    on: [revenue]
    with: {enter: 0.05}
mail: {from: vigie@example.test}
receivers:
  direction: {email: {to: [claire]}}
route: {to: direction}
";

fn environment() -> Environment {
    let names = ["SHOP_URL", "SLACK_URL", "TEAMS_URL", "HOOK_KEY", "OPS_TOKEN", "SUPPORT_KEY"];
    Environment::Fixed(names.map(|name| (name.to_owned(), "hidden-value".to_owned())).into())
}

fn load_files(files: &[(&str, &str)], env: Environment) -> (tempfile::TempDir, Loaded) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let loaded = load(&LoadOptions { paths: vec![dir.path().to_owned()], env });
    (dir, loaded)
}

/// The rendered problems, with the folder's name taken out.
fn told(files: &[(&str, &str)]) -> String {
    let (dir, loaded) = load_files(files, environment());
    let text = render(&loaded.problems, &loaded.sources, false);
    assert_eq!(loaded.config.is_none(), loaded.has_errors(), "{text}");
    text.replace(&format!("{}/", dir.path().display()), "")
}

fn accepted(text: &str) -> Config {
    let (_dir, loaded) = load_files(&[("vigie.yaml", text)], environment());
    assert!(!loaded.has_errors(), "{}", render(&loaded.problems, &loaded.sources, false));
    loaded.config.unwrap()
}

/// One change to the small configuration, and what it must be told.
fn mistake(from: &str, to: &str, parts: &[&str]) {
    assert!(SMALL.contains(from), "{from:?} is not in the small configuration");
    let text = told(&[("vigie.yaml", &SMALL.replacen(from, to, 1))]);
    for part in parts {
        assert!(text.contains(part), "{to:?}: {part:?} is not in\n{text}");
    }
}

#[test]
fn the_small_configuration_resolves_with_defaults() {
    let config = accepted(SMALL);
    let kpi = config.catalog.kpi(&KpiId::from("revenue")).unwrap();
    assert_eq!(kpi.schedule.as_str(), "daily 06:15");
    assert_eq!(kpi.expected, Lateness::Elapsed(jiff::SignedDuration::from_hours(24)));
    assert_eq!(kpi.complete, 0.8);
    let Query::Table(table) = &kpi.query else { panic!("not a table") };
    assert_eq!(table.labels, ["channel"]);
    let objective = config.catalog.objective(&ObjectiveId::from("revenue-month")).unwrap();
    let (target, measure) = (objective.target.clone(), objective.measure);
    assert_eq!((target, measure), (Target::Reach(400_000.0).into(), Measure::Sum));
    assert_eq!(objective.trajectory, Trajectory::Learned);
    assert_eq!(objective.owner.as_ref().unwrap().as_str(), "claire");
    let receiver = &config.catalog.receivers[&ReceiverId::from("direction")];
    assert_eq!(receiver.recipients[0].name, "claire@example.test");
    assert_eq!(config.catalog.route.path, "0");
}

#[test]
fn a_rolling_measure_names_its_stretch() {
    let rolling = |stretch: &str| {
        SMALL.replacen("period: month", &format!("period: month\n    measure: {{rolling: {stretch}}}"), 1)
    };
    let measure = |stretch| accepted(&rolling(stretch)).catalog.objectives[&ObjectiveId::from("revenue-month")].measure;
    assert_eq!(measure("28d"), Measure::Rolling(Stretch::Days(28)));
    assert_eq!(measure("12 months"), Measure::Rolling(Stretch::Months(12)));
    let text = told(&[("vigie.yaml", &rolling("a while"))]);
    assert!(text.contains("`a while` is not a number of days, weeks or months such as `28d`"), "{text}");
    for (stretch, message) in [
        ("28", "`28` has no unit: did you mean `28d`?"),
        ("\"28\"", "`28` has no unit: did you mean `28d`?"),
        ("6h", "`6h` is not a number of days, weeks or months"),
    ] {
        let text = told(&[("vigie.yaml", &rolling(stretch))]);
        assert!(text.contains(message), "{text}");
        assert_eq!(text.matches("error: ").count(), 1, "{text}");
    }
    let text = told(&[("vigie.yaml", &SMALL.replacen("period: month", "period: month\n    measure: rolling", 1))]);
    assert!(text.contains("`rolling` needs a value") && text.contains("`{rolling: ...}`"), "{text}");
    let of = |grain: &str, stretch: &str| {
        let kpi = format!("unit: EUR\n    grain: {grain}");
        told(&[("vigie.yaml", &rolling(stretch).replacen("unit: EUR", &kpi, 1))])
    };
    let text = of("month", "28d");
    assert!(text.contains("shorter than a bucket") && text.contains("write `1 month`"), "{text}");
    assert!(of("week", "6d").contains("write `1w`"));
    assert_eq!((of("month", "1 month"), of("week", "1w"), of("day", "1d")), Default::default());
}

/// The small configuration with an HTTP API in the place of its table.
fn small_api(query: &str) -> String {
    let api = r#"http_json: {url: "https://api.example.test", paging: {link_header: true}}"#;
    SMALL.replacen("csv: {path: shop.csv}", api, 1).replacen(
        "query: {time: date, value: montant}",
        &format!("query: {query}"),
        1,
    )
}

#[test]
fn a_request_is_read_with_its_defaults() {
    let query = r#"{path: orders, params: {from: "{from}", limit: 5, state: [a, b]}, body: {day: ["{to_date}"]},
      rows: "$.items[*]", time: $.at, value: $.total, labels: {channel: $.channel}, paging: none}"#;
    let config = accepted(&small_api(query));
    let kpi = config.catalog.kpi(&KpiId::from("revenue")).unwrap();
    let Query::Http(request) = &kpi.query else { panic!("not a request") };
    assert_eq!((request.method, request.paging.as_ref()), (HttpMethod::Post, Some(&Paging::None)));
    let params = [("from", "{from}"), ("limit", "5"), ("state", "a"), ("state", "b")];
    assert_eq!(request.params, params.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(request.body, Some(HttpBody::Json(serde_json::json!({"day": ["{to_date}"]}))));
    assert_eq!(request.labels, [("channel".to_owned(), "$.channel".to_owned())]);
}

/// The small configuration with an accounting export in the place of its table.
fn small_ledger(query: &str) -> String {
    SMALL.replacen("csv: {path: shop.csv}", r#"fec: {path: "*FEC*.txt"}"#, 1).replacen(
        "query: {time: date, value: montant}",
        &format!("query: {query}"),
        1,
    )
}

#[test]
fn a_ledger_is_asked_by_figure_or_accounts() {
    let ledger = |query: &str| match &accepted(&small_ledger(query)).catalog.kpi(&KpiId::from("revenue")).unwrap().query
    {
        Query::Ledger(query) => LedgerQuery::clone(query),
        other => panic!("{other:?}"),
    };
    assert_eq!(ledger("{figure: revenue}"), Figure::Revenue.query());
    let found = ledger("{accounts: [70, -709, '7A'], sign: credit, labels: {channel: JournalCode}}");
    let accounts: Vec<_> = found.accounts.iter().map(|one| (one.prefix.as_str(), one.excluded)).collect();
    assert_eq!(accounts, [("70", false), ("709", true), ("7A", false)]);
    assert_eq!((found.sign, found.reads), (Side::Credit, Reads::Movement));
    assert_eq!(found.labels, [("channel".to_owned(), "JournalCode".to_owned())]);
    for (query, part) in [
        ("SELECT 1", "is an accounting export, and the query is a text"),
        ("{figure: revenu}", "did you mean `revenue`"),
        ("{figure: revenue, accounts: [70]}", "`figure` names its accounts itself"),
        ("{figure: revenue, sign: debit}", "`figure` says `sign` already"),
        ("{figure: cash}", "a balance is a state, and the KPI is a flow"),
        ("{accounts: [70]}", "`sign` is missing"),
        ("{accounts: [-70], sign: credit}", "names no accounts that count"),
        ("{accounts: [ventes], sign: credit}", "`ventes` is not the beginning of an account's number"),
        ("{figure: revenue, time: date}", "`time` means nothing to an accounting export"),
        ("{figure: revenue, rows: $}", "`rows` means nothing to an accounting export"),
        ("{figure: revenue, labels: [channel]}", "name their columns"),
        ("{figure: revenue, labels: {chanel: JournalCode}}", "`chanel` is not a dimension"),
    ] {
        let text = told(&[("vigie.yaml", &small_ledger(query))]);
        assert!(text.contains(part), "{query}: {part:?} is not in\n{text}");
    }
    let table = "query: {time: date, value: montant}";
    mistake(table, "query: {figure: revenue}", &["`figure` asks an accounting export", "name a source `fec`"]);
}

#[test]
fn only_figures_entered_by_hand_have_no_query() {
    let table = "    query: {time: date, value: montant}\n";
    let hand = |query: &str| {
        SMALL.replacen("csv: {path: shop.csv}", "manual: {}", 1).replacen(table, &format!("{query}\n"), 1)
    };
    assert_eq!(accepted(&hand("")).catalog.kpi(&KpiId::from("revenue")).unwrap().query, Query::Entered);
    let text = told(&[("vigie.yaml", &hand(table.trim_end()))]);
    assert!(text.contains("are entered by hand: there is nothing to ask"), "{text}");
    let text = told(&[("vigie.yaml", &hand("    settle: 2d"))]);
    assert!(text.contains("`settle` pulls figures again, and these are entered by hand"), "{text}");
    mistake(table, "", &["missing field `query`: what the source `shop` is asked", "add `query: ...`"]);
}

#[test]
fn a_query_must_have_the_form_of_its_source() {
    let labels = ", labels: {channel: $.channel}";
    for (query, part) in [
        ("SELECT 1".to_owned(), "is an HTTP API, and the query is a text"),
        ("{value: $.a, labels: [channel]}".to_owned(), "an API's labels are paths"),
        ("{value: $.a, labels: {chanel: $.c}}".to_owned(), "`chanel` is not a dimension"),
        (format!("{{path: a{labels}}}"), "names no path of the value"),
        (format!("{{value: $.a, params: {{x: {{y: 1}}}}{labels}}}"), "the parameter `x` is no text or number"),
        (format!("{{value: $.a, metod: GET{labels}}}"), "did you mean `method`"),
        (format!("{{value: $.a, method: PUT{labels}}}"), "PUT"),
    ] {
        let text = told(&[("vigie.yaml", &small_api(&query))]);
        assert!(text.contains(part), "{query}: {part:?} is not in\n{text}");
    }
    let unknown = small_api("{path: a, value: $.a}").replacen("source: shop", "source: shp", 1);
    let text = told(&[("vigie.yaml", &unknown)]);
    assert!(text.contains("no source is called `shp`") && !text.contains("means nothing"), "{text}");
    let table = "query: {time: date, value: montant}";
    mistake(table, "query: {time: date, value: montant, rows: $}", &["`rows` means nothing to a table"]);
    mistake(table, "query: {value: montant}", &["`time` is missing"]);
    mistake(table, "query: {time: d, value: v, labels: {channel: c}}", &["a table's labels are columns"]);
}

#[test]
fn the_annotated_example_is_valid() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("smtp"), "hidden-value\n").unwrap();
    let Environment::Fixed(mut table) = environment() else { unreachable!() };
    table.insert("CREDENTIALS_DIRECTORY".to_owned(), dir.path().to_string_lossy().into_owned());
    let (_dir, loaded) = load_files(&[("vigie.yaml", EXAMPLE)], Environment::Fixed(table));
    assert_eq!(render(&loaded.problems, &loaded.sources, false), "");
    let config = loaded.config.unwrap();
    let objective = config.catalog.objective(&ObjectiveId::from("ca-trimestre")).unwrap();
    let (from, to) = (jiff::civil::date(2026, 10, 1), jiff::civil::date(2026, 12, 31));
    assert_eq!(objective.period, PeriodSpec::Between { from, to });
    assert!(matches!(&objective.trajectory, Trajectory::Milestones(list) if list.len() == 3));
    let rule = &config.catalog.rules[&RuleId::from("hors-trajectoire")];
    assert_eq!(rule.for_, Some(Patience::Buckets(2)));
    let rule = &config.catalog.rules[&RuleId::from("chute-par-canal")];
    assert_eq!(rule.series, SeriesChoice::Each(vec!["canal".to_owned()]));
    assert_eq!(rule.on, [KpiId::from("chiffre-affaires")]);
    let ops = &config.catalog.receivers[&ReceiverId::from("exploitation")];
    assert_eq!(ops.recipients.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["slack", "teams", "webhook"]);
    assert_eq!(config.recipient_channels[&ReceiverId::from("exploitation")], [0, 1, 2]);
    assert_eq!(config.catalog.route.routes[0].path, "0.0");
}

/// The example of the design, less what this version does not have.
const DESIGN: &str = r#"timezone: Europe/Paris
language: fr
calendar: {country: FR}                   # named calendars can be added: closures, ICS files
state: sqlite:///var/lib/vigie/vigie.db
listen: 127.0.0.1:9810                    # /metrics and health
people:
  claire: {mail: claire@example.test, language: fr}
sources:
  shop: {sql: {url: {env: SHOP_URL}}}
  ops:  {prometheus: {url: "http://127.0.0.1:9090"}}
kpis:
  revenue:
    title: Chiffre d'affaires
    category: financial
    unit: EUR
    better: higher
    kind: flow
    grain: day
    source: shop
    query: |
      SELECT date(created_at) AS bucket, channel, sum(total) AS value FROM orders
      WHERE created_at >= :from AND created_at < :to GROUP BY 1, 2
    dimensions: [channel]
    schedule: daily 06:15
    expected: 1 workday after end         # later than this is late
    settle: 2d                            # younger buckets are provisional and pulled again
    history: 400d                         # pulled on first start
    empty: zero
    quality: {min: 0}
    owner: claire
objectives:
  revenue-month:
    kpi: revenue
    statement: Porter le chiffre d'affaires mensuel à 400 000 €
    reach: 400000
    measure: sum
    period: month
    trajectory: working_days
    axis: croissance
    owner: claire
    actions: [{do: Relancer les paniers abandonnés, who: claire, by: 2026-11-30}]
rules:
  revenue-at-risk:
    script: objective/at_risk
    on: [revenue]                         # or {category: financial}
    with: {enter: 0.35, exit: 0.60}
    for: 2 buckets
    no_data: {after: 3 buckets, severity: warning}
mail: {from: "Vigie <vigie@example.test>", smtp: {host: localhost, port: 25}}
receivers:
  direction: {email: {to: [claire]}}
  ops:       {slack: {webhook: {env: SLACK_URL}}}
route:
  to: ops
  routes: [{match: {about: objective, category: financial}, to: direction, remind: 24h}]
"#;

#[test]
fn channels_are_written_to_in_the_language_that_they_state() {
    let stated = r#"
  ops:
    - {slack: {webhook: {env: SLACK_URL}, language: en}}
    - {teams: {webhook: {env: TEAMS_URL}, language: en}}
    - {webhook: {url: "https://hooks.example.test/", language: en}}
    - {teams: {webhook: {env: TEAMS_URL}}}"#;
    let config = accepted(&DESIGN.replace("\n  ops:       {slack: {webhook: {env: SLACK_URL}}}", stated));
    let ops = &config.catalog.receivers[&ReceiverId::from("ops")];
    let found: Vec<(&str, Language)> = ops.recipients.iter().map(|one| (one.name.as_str(), one.language)).collect();
    let expected =
        [("slack", Language::En), ("teams", Language::En), ("webhook", Language::En), ("teams-2", Language::Fr)];
    assert_eq!(found, expected);
}

#[test]
fn the_example_of_the_design_is_valid() {
    let config = accepted(DESIGN);
    assert_eq!(config.settings.listen, Some("127.0.0.1:9810".parse().unwrap()));
    let kpi = config.catalog.kpi(&KpiId::from("revenue")).unwrap();
    assert_eq!(kpi.expected, Lateness::Workdays(1));
}

#[test]
fn a_problem_shows_place_line_and_remedy() {
    let text = told(&[("vigie.yaml", &SMALL.replacen("    source: shop", "    sourc: shop", 1))]);
    let expected = "\
error: vigie.yaml:11:5: unknown field `sourc`
11 |     sourc: shop
   |     ^^^^^
  help: did you mean `source`?
";
    assert_eq!(text, expected);
}

#[test]
fn all_problems_of_all_entries_come_at_once() {
    let text = SMALL
        .replace("category: financial", "category: finance")
        .replace("reach: 400000", "reach: beaucoup")
        .replace("on: [revenue]", "on: [revenu]")
        .replace("period: month", "period: lunar")
        .replace("    with: {enter: 0.05}", "    with: {enter: [1]}\n    fro: 2 buckets")
        .replace("route: {to: direction}", "route: {to: directeur}\ntimezon: UTC");
    let text = told(&[("vigie.yaml", &text)]);
    for part in [
        "9:15: unknown value `finance`",
        "did you mean `financial`?",
        "`beaucoup` is not a figure such as",
        "a number, a text, or true or false",
        "unknown field `fro`",
        "no receiver is called `directeur`",
        "did you mean `direction`?",
        "unknown section `timezon`",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn references_are_checked() {
    mistake("source: shop", "source: shpo", &["11:13: no source is called `shpo`", "did you mean `shop`?"]);
    mistake("owner: claire", "owner: clara", &["no person is called `clara`", "did you mean `claire`?"]);
    mistake("kpi: revenue", "kpi: revenues", &["no KPI is called `revenues`"]);
    mistake("on: [revenue]", "on: [revenue, orders]", &["24:19: no KPI is called `orders`"]);
    mistake("to: [claire]", "to: [claire, bob]", &["no person is called `bob`"]);
    mistake(
        "route: {to: direction}",
        "route: {to: direction, routes: [{match: {kpi: sales}}]}",
        &["no KPI is called `sales`"],
    );
    mistake("on: [revenue]", "on: []", &["runs on no KPI"]);
    mistake("on: [revenue]", "on: {category: customer}", &["warning: ", "never runs"]);
    mistake(
        "on: [revenue]",
        "on: all\n    each: chanel",
        &["25:11: `chanel` is not a dimension", "did you mean `channel`?"],
    );
}

#[test]
fn what_does_not_agree_is_refused() {
    mistake(
        "period: month",
        "period: month\n    measure: pooled",
        &["makes no sense for a flow", "`sum`, `mean`, `each` or `rolling`"],
    );
    mistake("reach: 400000", "reach: 1\n    at_most: 2", &["two targets, `reach` and `at_most`"]);
    mistake("    reach: 400000\n", "", &["16:3: the objective has no target"]);
    mistake("reach: 400000", "reduce_to: 4", &["warning: ", "does not agree"]);
    mistake("reach: 400000", "between: [5, 3]", &["not below its upper end"]);
    mistake("reach: 400000", "reach: 12 %", &["whose unit is not a share"]);
    mistake("unit: EUR", "unit: EUR\n    kind: ratio", &["a ratio needs its parts"]);
    mistake("timezone: Europe/Paris", "timezone: Europe/Pari", &["no time zone is called"]);
    mistake("script: objective/off_trajectory", "script: ../../etc/passwd", &["is not the name of a script"]);
    mistake("revenue-month:", "Revenue Month:", &["not a valid id"]);
    mistake("mail: {from: vigie@example.test}", "", &["warning: ", "127.0.0.1:25"]);
    let milestones = "period: 2026-Q4\n    trajectory: {milestones: {2026-11-30: 1, 2026-10-31: 2, 2027-01-01: 3}}";
    mistake("period: month", milestones, &["2026-10-31 is out of order", "2027-01-01 lies outside the period"]);
}

#[test]
fn what_can_never_be_measured_is_told() {
    let level = |text: &str| text.replacen("    unit: EUR\n", "    unit: EUR\n    kind: level\n", 1);
    let two = |text: &str| level(text).replacen("dimensions: [channel]", "dimensions: [channel, region]", 1);
    let keep = |text: &str| text.replacen("reach: 400000", "at_least: 4", 1);
    let check = |text: &str, parts: &[&str]| {
        let told = told(&[("vigie.yaml", text)]);
        for part in parts {
            assert!(told.contains(part), "{part:?} is not in\n{told}");
        }
        assert_eq!(parts.is_empty(), told.is_empty(), "{told}");
    };
    let total = "the level `revenue` has no total: its values don't add up over `channel`";
    check(
        &keep(&level(SMALL)),
        &[
            &format!("warning: vigie.yaml:18:10: {total}"),
            "add `where:` with a value of `channel`, declare `kind: {level: {additive: true}}`",
            &format!("warning: vigie.yaml:25:10: {total}"),
            "add `each: channel`, declare",
        ],
    );
    let with = |text: String, rule: &str, objective: &str| {
        let text = text.replacen("on: [revenue]", &format!("on: [revenue]\n    {rule}"), 1);
        keep(&text.replacen("period: month", &format!("period: month\n    {objective}"), 1))
    };
    check(&with(level(SMALL), "each: channel", "where: {channel: web}"), &[]);
    let left_out = |field: &str, name: &str| {
        format!("`{field}` leaves out `{name}`, over which the values of the level `revenue` don't add up")
    };
    check(
        &with(two(SMALL), "each: channel", "where: {region: Sud}"),
        &[
            &format!("error: vigie.yaml:22:12: {}", left_out("where", "channel")),
            &format!("error: vigie.yaml:27:11: {}", left_out("each", "region")),
            "name all of `channel`, `region`, or declare",
        ],
    );
    let additive = two(SMALL).replace("kind: level", "kind: {level: {additive: true}}");
    check(&with(additive, "each: channel", "where: {region: Sud}"), &[]);
    let twice = with(level(SMALL), "each: [channel, channel]", "where: {channel: web}");
    check(&twice, &["the dimension `channel` stands twice"]);
}

#[test]
fn roll_ups_are_bounded() {
    let names: Vec<String> = ('a'..='f').map(String::from).collect();
    let pairs = |first: usize| (first + 1..names.len()).map(move |second| (first, second));
    let rules =
        (0..names.len()).flat_map(pairs).chain((0..2).map(|at| (at, at))).fold(String::new(), |text, (a, b)| {
            let each = if a == b { names[a].clone() } else { format!("{}, {}", names[a], names[b]) };
            text + format!(
                "  r{a}{b}: {{script: signal/threshold, on: [revenue], each: [{each}], with: {{above: 1}}}}\n"
            )
            .as_str()
        });
    let text = SMALL.replacen("dimensions: [channel]", &format!("dimensions: [{}]", names.join(", ")), 1);
    let text = text.replacen("rules:\n", &format!("rules:\n{rules}"), 1);
    let said = told(&[("vigie.yaml", &text)]);
    assert!(said.contains("13:17: rules and objectives look at the KPI `revenue` by 17 sets of dimensions"), "{said}");
    let fewer = text.replacen("  r11:", "  # r11:", 1);
    assert_eq!(told(&[("vigie.yaml", &fewer)]), "");
}

#[test]
fn what_is_planned_is_told_as_not_yet() {
    for (from, to) in [
        ("mail: claire@example.test", "mail: claire@example.test, role: manager"),
        ("csv: {path: shop.csv}", "google_analytics: {property: 1}"),
        ("timezone: Europe/Paris", "quiet_hours: {}"),
        ("timezone: Europe/Paris", "calendar: {country: DE}"),
    ] {
        mistake(from, to, &["not yet: "]);
    }
}

#[test]
fn hostile_texts_are_refused_clearly() {
    let check = |text: &str, part: &str| {
        let told = told(&[("vigie.yaml", text)]);
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    };
    let bomb = (1..10).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        text + format!("a{level}: &a{level} [{before}]\n").as_str()
    });
    check(&bomb, "aliases expand to more than 100000 values");
    let broken = (0..20_000).fold(String::new(), |text, at| text + format!("a{at}: 1\n").as_str());
    check(&broken, "more problems are not shown");
    let broken = (0..20_000).fold("kpis:\n".to_owned(), |text, at| text + format!("  a{at}: {{b: 1}}\n").as_str());
    check(&broken, "more problems are not shown");
    check("kpis: &a\n  x: *a\n", "2:6: an alias inside the node it names: a cycle");
    check("kpis:\n\tx: 1\n", "2:1: a tab in the indentation");
    check("kpis:\n\tx: 1\n", "use spaces");
    check("kpis: {}\nkpis: {}\n", "`kpis` stands twice");
    check(&format!("x: {}{}", "[".repeat(500), "]".repeat(500)), "nested deeper than 64 levels");
    check(&format!("x: [{}]", "1,".repeat(150_000)), "more than 100000 values");
    check(&"#".repeat(2 << 20), "the file holds 2097152 bytes, more than the 1048576 allowed");
    check("kpis: {a: &x {title: t}, b: {<<: *x}}\n", "merge keys `<<` are not supported");
    check("kpis: !evil {}\n", "is not supported");
    check("kpis: {}\n---\nkpis: {}\n", "a second document");
    check("kpis: *nobody\n", "anchor");
    check("- a\n- b\n", "not a mapping of sections");
    check("kpis: [", "not valid YAML");
    check("\u{1b}[31mkpis: 1\n", "");
    assert!(!told(&[("vigie.yaml", "\"\\e[31mx\": 1\n")]).contains('\u{1b}'));
}

#[test]
fn files_merge_and_repeated_ids_name_both_places() {
    let (first, second) = SMALL.split_at(SMALL.find("objectives:").unwrap());
    assert_eq!(told(&[("a.yaml", first), ("b.yml", second), ("c.txt", "junk: [")]), "");
    let again = "people:\n  claire: {mail: other@example.test}\ntimezone: UTC\n";
    let text = told(&[("a.yaml", SMALL), ("b.yaml", again)]);
    assert!(text.contains("b.yaml:2:3: `claire` is defined twice"), "{text}");
    assert!(text.contains("a.yaml:3:3: remove one, or rename it"), "{text}");
    assert!(text.contains("b.yaml:3:1: `timezone` is defined twice"), "{text}");
}

#[test]
fn an_unreadable_file_does_not_make_its_entries_missing() {
    let (first, second) = SMALL.split_at(SMALL.find("objectives:").unwrap());
    let text = told(&[("a.yaml", &first.replace("people:", "people: [")), ("b.yaml", second)]);
    assert!(text.contains("not valid YAML"), "{text}");
    assert!(!text.contains("is called"), "{text}");
}

#[test]
fn secrets_are_resolved_where_they_stand_and_never_shown() {
    let with = |url: &str| SMALL.replacen("csv: {path: shop.csv}", &format!("sql: {{url: {url}}}"), 1);
    let text = told(&[("vigie.yaml", &with("{env: NOT_SET}"))]);
    assert!(text.contains("vigie.yaml:5:27: the environment variable `NOT_SET` is not set"), "{text}");
    let mail = "mail: {from: v@example.test, smtp: {host: h, user: u, password: hunter2}}";
    let text = told(&[("vigie.yaml", &SMALL.replacen("mail: {from: vigie@example.test}", mail, 1))]);
    assert!(text.contains("a secret must be a reference") && text.contains("{env: NAME}"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let text = told(&[("vigie.yaml", &with("postgres://bob:hunter2@db/shop, x: 1"))]);
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_secret_file_open_to_all_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("url.secret");
    fs::write(&secret, "hunter2").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let file = dir.path().join("vigie.yaml");
    fs::write(&file, SMALL.replacen("csv: {path: shop.csv}", "sql: {url: {file: url.secret}}", 1)).unwrap();
    let loaded = load(&LoadOptions { paths: vec![file], env: Environment::Fixed(BTreeMap::new()) });
    let text = render(&loaded.problems, &loaded.sources, false);
    assert!(text.contains("chmod 600") && !text.contains("hunter2"), "{text}");
}

#[test]
fn missing_files_and_folders_are_named() {
    let check = |path: &Path, part: &str| {
        let loaded = load(&LoadOptions { paths: vec![path.to_owned()], env: environment() });
        let text = render(&loaded.problems, &loaded.sources, false);
        assert!(loaded.config.is_none() && text.contains(part), "{text}");
    };
    let dir = tempfile::tempdir().unwrap();
    check(&dir.path().join("vigie.yaml"), "the file does not exist");
    check(dir.path(), "holds no `*.yaml` file");
    fs::write(dir.path().join("latin.yaml"), b"a: 1\nb: caf\xe9\n").unwrap();
    check(dir.path(), "latin.yaml:2:7: the text is not UTF-8");
}

#[test]
fn a_draft_is_read_beside_what_a_kpi_hangs_on() {
    let unfinished =
        SMALL.replace("script: objective/off_trajectory", "script: nowhere").replace("to: direction", "to: x");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("vigie.yaml"), unfinished).unwrap();
    let options = LoadOptions { paths: vec![dir.path().to_owned()], env: Environment::Unneeded };
    let check = |text: &str, part: &str| {
        let loaded = load_kpis(&options, Some(Draft { name: "the draft", text }));
        let text = render(&loaded.problems, &loaded.sources, false);
        assert!(text.contains(part) && (part.is_empty() || loaded.config.is_none()), "{text}");
        loaded.config
    };
    assert!(load(&options).config.is_none(), "the file has errors of its own");
    let draft = "kpis:\n  orders: {title: Orders, category: financial, source: shop, query: {time: d, value: v}}\n";
    let config = check(draft, "").unwrap();
    assert_eq!(config.catalog.kpis.len(), 2);
    assert_eq!(config.catalog.kpi(&"orders".into()).unwrap().zone, config.catalog.zone);
    check(&draft.replace("source: shop", "source: shpo"), "did you mean `shop`?");
    check(&draft.replace("orders", "revenue"), "`revenue` is defined twice");
    check(&draft.replace("title", "titel"), "the draft:2:12: unknown field `titel`");
    check("[]", "not a mapping of sections");
}

#[test]
fn later_checks_find_their_places() {
    let (_dir, loaded) = load_files(&[("vigie.yaml", SMALL)], environment());
    let at = |path: &[&str]| loaded.locate(path).map(|at| (at.line, at.column));
    assert_eq!(at(&["rules", "at-risk", "script"]), Some((23, 13)));
    assert_eq!(at(&["rules", "at-risk", "with", "enter"]), Some((25, 19)));
    assert_eq!(at(&["rules", "at-risk", "with", "absent"]), Some((25, 5)));
    assert_eq!(at(&["rules", "at-risk"]), Some((23, 5)));
    assert_eq!(at(&["nothing"]), None);
    let problem = loaded.problem_at(&["rules", "at-risk", "with", "enter"], "too high");
    assert_eq!((problem.line, problem.severity), (25, Level::Error));
}

#[test]
fn machines_get_one_object_a_line() {
    let (_dir, loaded) = load_files(&[("vigie.yaml", "timezon: UTC\n")], environment());
    let lines = to_json(&loaded.problems);
    let line = lines.lines().find(|line| line.contains("error")).unwrap();
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((value["severity"].as_str(), value["line"].as_u64()), (Some("error"), Some(1)));
    assert!(value["message"].as_str().unwrap().contains("timezon"));
}

#[test]
fn the_schema_documents_every_field() {
    fn check(path: &str, value: &serde_json::Value) {
        if let Some(fields) = value.get("properties").and_then(|fields| fields.as_object()) {
            for (name, field) in fields {
                let bare = field.get("const").is_some() || path.contains("anyOf") || path.contains("oneOf");
                assert!(bare || field.get("description").is_some(), "{path}/{name} has no description");
            }
        }
        if let Some(fields) = value.as_object() {
            fields.iter().for_each(|(name, field)| check(&format!("{path}/{name}"), field));
        }
    }
    let schema = schema();
    assert!(schema["properties"]["kpis"].is_object());
    check("", &schema);
}

#[test]
fn the_checksum_follows_the_bytes() {
    let one = accepted(SMALL).catalog.checksum;
    assert_eq!(one, accepted(SMALL).catalog.checksum);
    assert_ne!(one, accepted(&format!("{SMALL}# remark\n")).catalog.checksum);
}

#[path = "calendar_tests.rs"]
mod calendars;
