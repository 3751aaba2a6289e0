//! `assess` over a table of sales: what was known then, and nothing else.

use super::support::{SMALL, folder, vigie};

/// Sales of every day of January and half of February 2026; ten days were known only when the file was read.
fn sales() -> String {
    let days = jiff::civil::date(2026, 1, 1).series(jiff::ToSpan::days(1)).take(46);
    let line = |day: jiff::civil::Date| format!("{day};{}\n", if day.day() == 20 { 30_000 } else { 12_000 });
    std::iter::once("date;montant\n".to_owned()).chain(days.map(line)).collect()
}

fn lines(dir: &std::path::Path, words: &[&str]) -> Vec<serde_json::Value> {
    let words = [&["assess", "--config", "vigie.yaml", "--format", "json"], words].concat();
    let ran = vigie(dir, &words);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_instant_knows_its_past() {
    let dir = folder(SMALL);
    std::fs::write(dir.path().join("shop.csv"), sales()).unwrap();
    let found = lines(dir.path(), &["--from", "2026-01-19", "--to", "2026-01-21"]);
    let figure = |line: &serde_json::Value, name: &str| line["objective"][name].as_f64().unwrap();
    let seen: Vec<_> = found.iter().map(|line| (figure(line, "actual"), line["value"].as_f64().unwrap())).collect();
    assert_eq!(seen, [(216_000.0, 12_000.0), (228_000.0, 12_000.0), (258_000.0, 30_000.0)], "known the morning after");
    assert_eq!(found[2]["objective"]["id"], "revenue-month");
    assert_eq!(found[2]["objective"]["period"], serde_json::json!({"from": "2026-01-01", "to": "2026-01-31"}));
    for name in ["expected", "drift", "drift_ratio", "projected", "required_rate", "current_rate"] {
        assert!(found[2]["objective"][name].is_number(), "{name}: {}", found[2]);
    }
    assert!(found[2]["objective"]["status"].is_string());

    // The same as of one instant; and the future changes nothing of it.
    assert_eq!(lines(dir.path(), &["--kpi", "revenue", "--at", "2026-01-21"]), found[2..]);
    let known: String = sales().lines().take(1 + 25).flat_map(|line| [line, "\n"]).collect();
    std::fs::write(dir.path().join("shop.csv"), known).unwrap();
    assert_eq!(lines(dir.path(), &["--from", "2026-01-19", "--to", "2026-01-21"]), found);
}

#[test]
fn it_is_shown_as_a_table_and_wrong_times_are_refused() {
    let dir = folder(SMALL);
    std::fs::write(dir.path().join("shop.csv"), sales()).unwrap();
    let with = |words: &[&str]| vigie(dir.path(), &[&["assess", "--config", "vigie.yaml"], words].concat());
    let ran = with(&["--at", "2026-01-21"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("assess", ran.out);
    let ran = with(&["--at", "2026-01-21", "--chart"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("chart", ran.out);
    for (words, part) in [
        (&["--at", "soon"][..], "no day and no instant"),
        (&["--at", "2999-01-01"], "lies ahead"),
        (&["--from", "2026-01-21"], "--to"),
        (&["--from", "2026-01-21", "--to", "2026-01-19"], "nothing lies between"),
        (&["--kpi", "sales"], "no KPI 'sales'"),
        (&["--chart", "--format", "json"], "leave out --format json"),
        (&["--chart", "--from", "2026-01-19", "--to", "2026-01-21"], "cannot be used with"),
    ] {
        let ran = with(words);
        assert!(ran.code != 0 && ran.err.contains(part), "{words:?}: {ran:?}");
    }
}

/// One KPI whose source has nothing, or fails, used to end it for all.
#[test]
fn what_has_no_data_leaves_the_others_theirs() {
    let more = "  refunds: {title: Remboursements, category: financial, unit: EUR, source: shop, query: {time: date, value: rembourse}}
  visits: {title: Visites, category: customer, source: by-hand}
objectives:
";
    let dir = folder(&SMALL.replace("objectives:\n", more).replace("kpis:\n", "  by-hand: {manual: {}}\nkpis:\n"));
    std::fs::write(dir.path().join("shop.csv"), sales()).unwrap();
    let assess = |words: &[&str]| {
        let words = [&["assess", "--config", "vigie.yaml", "--format", "json", "--at", "2026-01-21"], words].concat();
        vigie(dir.path(), &words)
    };
    let ran = assess(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.lines().count() == 1 && ran.out.contains("\"kpi\":\"revenue\""), "{ran:?}");
    for part in ["warning: KPI 'refunds'", "warning: nothing was entered of KPI 'visits'"] {
        assert!(ran.err.contains(part), "{part:?} is not in {ran:?}");
    }
    // Where nothing is left to be said, that is an error.
    let ran = assess(&["--kpi", "refunds"]);
    assert!(ran.code == 1 && ran.err.contains("KPI 'refunds'"), "{ran:?}");
}
