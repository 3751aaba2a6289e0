//! `vigie new kpi` from outside.

use std::fs;

use super::support::{Ran, SMALL, folder, vigie};

const DAYS: &str = "date;shop;total
2024-02-01;Lyon;1200,5
2024-02-01;Lille;800
2024-02-02;Lyon;abc
2024-02-03;Lyon;900
";

/// In a folder whose configuration is unfinished elsewhere.
fn new_kpi(dir: &tempfile::TempDir, words: &[&str]) -> Ran {
    fs::write(dir.path().join("shop.csv"), DAYS).unwrap();
    let query = ["--source", "shop", "--query", "{time: date, value: total, labels: [shop]}", "--from", "2024-01-30"];
    vigie(dir.path(), &[&["new", "kpi", "--config", "vigie.yaml"], words, &query[..]].concat())
}

#[test]
fn a_proposal_is_shown_and_written_and_holds() {
    let dir = folder(&SMALL.replace("script: objective/off_trajectory", "script: nowhere"));
    let ran = new_kpi(&dir, &["sales", "--title", "Ventes: tout", "--output", "sales.yaml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // How old the newest value is depends on the day.
    let steady: Vec<&str> =
        ran.out.lines().filter(|line| !line.contains("expected:") && !line.contains(" values from ")).collect();
    insta::assert_snapshot!("new_kpi", steady.join("\n"));
    assert!(!dir.path().join("vigie.db").exists());
    let written = fs::read_to_string(dir.path().join("sales.yaml")).unwrap();
    assert!(ran.out.contains(&written), "{written}");

    let again = new_kpi(&dir, &["sales", "--output", "sales.yaml"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.err.contains("'sales.yaml' exists already and is not overwritten"), "{again:?}");
    assert_eq!(fs::read_to_string(dir.path().join("sales.yaml")).unwrap(), written);

    fs::write(dir.path().join("vigie.yaml"), SMALL).unwrap();
    let checked = vigie(dir.path(), &["check", "vigie.yaml", "sales.yaml"]);
    assert_eq!((checked.code, checked.err.as_str()), (0, ""), "{checked:?}");
    assert!(checked.out.starts_with("2 KPIs"), "{checked:?}");
}

#[test]
fn programs_read_records() {
    let dir = folder(SMALL);
    let ran = new_kpi(&dir, &["sales", "--format", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    assert_eq!((of("observation").len(), of("rejection").len(), of("summary").len()), (5, 1, 1), "{ran:?}");
    let [proposal] = of("proposal")[..] else { panic!("one proposal: {ran:?}") };
    let field = |key: &str| (&proposal["fields"][key]["value"], proposal["fields"][key]["reason"].as_str().unwrap());
    assert_eq!(
        field("dimensions"),
        (&serde_json::json!(["shop"]), "the labels that the query names: shop has 2 values")
    );
    assert_eq!(field("quality.max_jump").0, &serde_json::Value::Null);
    assert_eq!(field("timezone").0, "Europe/Paris");
    assert!(proposal["yaml"].as_str().unwrap().starts_with("kpis:\n  sales:\n"), "{proposal}");
}

#[test]
fn what_can_not_be_drafted_is_refused() {
    let dir = folder(SMALL);
    let check = |words: &[&str], part: &str| {
        let ran = new_kpi(&dir, words);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
        assert!(ran.err.contains(part), "{part:?} is not in {ran:?}");
    };
    check(&["revenue"], "KPI 'revenue' stands in the configuration already, at vigie.yaml:10; choose another id");
    let query = ["new", "kpi", "x", "--config", "vigie.yaml", "--source"];
    let ran = vigie(dir.path(), &[&query[..], &["shpo", "--query", "{time: date, value: total}"]].concat());
    assert!(ran.code == 1 && ran.err.contains("did you mean `shop`?"), "{ran:?}");
    let ran = vigie(dir.path(), &[&query[..], &["shop", "--query", "{time: date, value: totl}"]].concat());
    assert!(ran.code == 1 && ran.err.contains("did you mean `total`?"), "{ran:?}");
    let ran =
        vigie(dir.path(), &[&query[..], &["shop", "--days", "2", "--query", "{time: date, value: total}"]].concat());
    assert!(ran.code == 1 && ran.err.contains("the query gives no value from"), "{ran:?}");
    assert!(ran.err.contains("look further back with --from"), "{ran:?}");
}
