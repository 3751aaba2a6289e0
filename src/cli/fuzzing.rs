//! What is fuzzed: five ways in which bytes of others come in, each from end to end, without disk, network or clock.
//!
//! `tests/fuzz` calls these under libFuzzer, and replays its corpus through them in `cargo test`. None may panic, hang or
//! take memory without bound, whatever the bytes. Each tells whether they were taken all the way, so that the replay
//! shows that its corpus reaches what it is for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::test::{try_file, try_rule};
use crate::config::{Config, Draft, load_text, render, to_json};
use crate::daemon::build_rules;
use crate::engine::{Setup, try_rules};
use crate::model::kpi::Kpi;
use crate::model::unit::Kind;
use crate::rule::{RuleSet, ScriptFiles};
use crate::source::{PullRequest, SourceConfig};
use crate::validate::{Context, KnownAt, Span, validate};

/// Larger inputs say nothing that smaller ones don't; the bounds on sizes have tests of their own.
pub const BYTES_MAX: usize = 64 * 1024;
/// What stands between the parts of an input: a script and its sidecar, settings and what is read by them.
pub const PARTS: &str = "\n=====\n";
/// 1 July 2026, noon.
const NOW: i64 = 1_782_907_200;
/// Buckets that are judged.
const BUCKETS: i64 = 400;
/// Slots that each schedule is asked for.
const SLOTS: usize = 4;

/// The catalog that rules are compiled against: each kind of KPI, with an objective.
const CATALOG: &str = r#"
timezone: Europe/Paris
language: fr
people: {you: {mail: you@localhost}}
sources: {test: {sql: {url: "sqlite://test.db"}}}
kpis:
  sales:
    {title: Sales, category: financial, unit: EUR, source: test, kind: flow, dimensions: [shop],
     query: "SELECT bucket, shop, value FROM test"}
  stock: {title: Stock, category: operational, source: test, kind: level, query: "SELECT bucket, value FROM test"}
  churn:
    {title: Churn, category: operational, unit: ratio, source: test, kind: ratio, better: lower,
     query: "SELECT bucket, numerator, denominator FROM test"}
objectives:
  year: {kpi: sales, statement: Sell, reach: 60000, period: year, trajectory: linear}
  floor: {kpi: stock, statement: Keep, at_least: 100, period: month}
  few: {kpi: churn, statement: Hold, at_most: 20 %, period: quarter}
rules:
  rule: {script: signal/threshold, on: [sales, stock, churn], with: {above: 1}}
receivers: {you: {maildir: {path: ".", to: [you]}}}
route: {to: you, group: {wait: 0s}}
"#;

/// A configuration: read, resolved, its problems shown; if it has no error, its schedules are asked and its rules tried.
pub fn config(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    let loaded = load_text(Draft { name: "vigie.yaml", text });
    for color in [false, true] {
        drop(render(&loaded.problems, &loaded.sources, color));
    }
    drop(to_json(&loaded.problems));
    let Some(config) = loaded.config.clone() else { return false };
    for kpi in config.catalog.kpis.values() {
        let mut at = now();
        for _ in 0..SLOTS {
            let Some(next) = kpi.schedule.next_after(at, &kpi.zone, &kpi.calendar) else { break };
            let before = kpi.schedule.last_at_or_before(next, &kpi.zone, &kpi.calendar);
            assert_eq!(before, Some(next), "a slot is the last one at its own instant");
            at = next;
        }
        drop(kpi.bucket_name(kpi.grain.last_ended(at, &kpi.zone)));
    }
    let Ok(setup) = build_rules(config.catalog, &[], &loaded) else { return false };
    try_rules(&setup).is_empty()
}

/// A script, and its sidecar behind [`PARTS`]: compiled, tried on made-up figures, then lived.
pub fn rule(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    let (script, sidecar) = parts(text);
    let mut catalog = known(&CATALOG_READ, CATALOG).catalog.clone();
    for rule in catalog.rules.values_mut() {
        Arc::make_mut(rule).with.clear();
    }
    let catalog = Arc::new(catalog);
    let files = ScriptFiles {
        path: "rule.rhai".to_owned(),
        text: script.to_owned(),
        sidecar_path: "rule.yaml".to_owned(),
        sidecar: sidecar.map(str::to_owned),
    };
    let (rules, problems) = RuleSet::compile(&catalog, &|_| Ok(files.clone()));
    if !problems.is_empty() {
        return false;
    }
    let setup = Setup::new(catalog, Arc::new(rules));
    try_rules(&setup).is_empty() && try_rule(setup, "sales".into())
}

/// A test file beside `rules/signal/threshold.rhai`.
pub fn test_file(data: &[u8]) -> bool {
    text(data).is_some_and(try_file)
}

/// A table; before it and [`PARTS`] may stand `{source: ..., kpi: ...}`, settings other than `date` and `total`.
pub fn csv(data: &[u8]) -> bool {
    let source = json!({"csv": {"path": "table.csv"}});
    pulled(data, source, &json!({"time": "date", "value": "total"}))
}

/// An answer in JSON; before it and [`PARTS`] may stand settings other than `$.items[*]` with `$.at` and `$.total`.
pub fn json(data: &[u8]) -> bool {
    let source = json!({"http_json": {"url": "https://api.example.test/"}});
    pulled(data, source, &json!({"path": "orders", "rows": "$.items[*]", "time": "$.at", "value": "$.total"}))
}

static CATALOG_READ: OnceLock<Config> = OnceLock::new();

fn known(read: &'static OnceLock<Config>, text: &str) -> &'static Config {
    let load = || load_text(Draft { name: "the fixed configuration", text }).config;
    read.get_or_init(|| load().expect("invariant: the fixed configuration has no error"))
}

fn pulled(data: &[u8], source: Value, query: &Value) -> bool {
    if data.len() > BYTES_MAX {
        return false;
    }
    let at = data.windows(PARTS.len()).position(|window| window == PARTS.as_bytes());
    let (settings, body) = at.map_or((&b"{}"[..], data), |at| (&data[..at], &data[at + PARTS.len()..]));
    let Ok(Value::Object(mut settings)) = serde_yaml::from_slice(settings) else { return false };
    let source = settings.remove("source").unwrap_or(source);
    let mut kpi = settings.remove("kpi").unwrap_or_else(|| json!({}));
    if let Some(fields) = kpi.as_object_mut() {
        let own = [("title", json!("Figure")), ("category", json!("financial")), ("unit", json!("EUR"))];
        for (key, value) in own.into_iter().chain([("source", json!("asked")), ("query", query.clone())]) {
            fields.entry(key).or_insert(value);
        }
    }
    let document = json!({
        "timezone": "Europe/Paris", "language": "fr", "people": {"you": {"mail": "you@localhost"}},
        "sources": {"asked": source}, "kpis": {"figure": kpi},
        "receivers": {"you": {"maildir": {"path": ".", "to": ["you"]}}}, "route": {"to": "you"},
    });
    let Some(config) = load_text(Draft { name: "the settings", text: &document.to_string() }).config else {
        return false;
    };
    let (Some(kpi), Some((source, _))) = (config.catalog.kpis.get("figure"), config.sources.get("asked")) else {
        return false;
    };
    judged(kpi, source, body)
}

/// Pulls and validates, as live would.
fn judged(kpi: &Arc<Kpi>, source: &SourceConfig, body: &[u8]) -> bool {
    let (now, grain, zone) = (now(), kpi.grain, &kpi.zone);
    let to = grain.last_ended(now, zone);
    let from = to - BUCKETS + 1;
    let is_window = kpi.kind == Kind::Window;
    let request = PullRequest {
        kpi: kpi.clone(),
        from: grain.start_of(if is_window { to } else { from }, zone),
        to: grain.bucket(to, zone).end,
        window: is_window.then_some(to),
        now,
        deadline: Duration::from_secs(3600),
        tries_max: 1,
        shared: Arc::default(),
    };
    let Ok(pull) = source.pull_bytes(&request, body) else { return false };
    let roll_ups = Arc::default();
    let context = Context {
        kpi,
        span: Span { from, to },
        known_at: KnownAt::Own(now),
        now,
        roll_ups: &roll_ups,
        known: &[],
        zero_from: None,
        held_from: None,
    };
    !validate(&context, pull).observations.is_empty()
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok().filter(|text| text.len() <= BYTES_MAX)
}

fn parts(text: &str) -> (&str, Option<&str>) {
    text.split_once(PARTS).map_or((text, None), |(first, second)| (first, Some(second)))
}
