//! KPIs that hang on others: computed, compared, to date.

use super::*;

#[test]
fn rules_select_computed_kpis_by_what_they_are() {
    let more = "  share: {title: S, category: financial, unit: ratio, formula: revenue / (revenue + 1 * revenue)}
  twice: {title: T, category: financial, unit: EUR, formula: revenue * 2}
objectives:";
    for (kind, expected) in [("ratio", &["share"][..]), ("flow", &["revenue", "twice"]), ("[ratio, flow]", &[])] {
        let text = SMALL.replace("objectives:", more).replace("on: [revenue]", &format!("on: {{kind: {kind}}}"));
        let config = accepted(&text);
        let on: Vec<&str> = config.catalog.rules[&RuleId::from("at-risk")].on.iter().map(KpiId::as_str).collect();
        let all = &["revenue", "share", "twice"][..];
        assert_eq!(on, if expected.is_empty() { all } else { expected }, "{kind}");
    }
}

#[test]
fn formulas_read_kpis_that_fit() {
    let with = |more: &str| SMALL.replace("objectives:", &format!("{more}objectives:"));
    let config = accepted(&with(
        "  share: {title: S, category: financial, unit: ratio, formula: revenue / (revenue + 1 * revenue)}\n",
    ));
    let share = config.catalog.kpi(&KpiId::from("share")).unwrap();
    assert_eq!(share.kind, crate::model::unit::Kind::Ratio);
    let refused = |kpi: &str, part: &str| {
        let text = told(&[("vigie.yaml", &with(&format!("  x: {{title: X, category: financial, {kpi}}}\n")))]);
        assert!(text.contains(part), "{kpi}: {part:?} is not in\n{text}");
    };
    refused("formula: revenue / revenu", "no KPI is called `revenu`");
    refused("formula: revenue +", "the formula `revenue +` is wrong at character 10");
    refused("formula: revenue * 2, unit: USD", "it gives EUR, and the KPI's unit is USD");
    for share in ["revenue / revenue", "revenue / (1000 * revenue)"] {
        refused(&format!("formula: {share}, unit: \"%\""), "a ratio is a share of 1");
    }
    accepted(&with("  x: {title: X, category: financial, formula: 100 * revenue / revenue, unit: \"%\"}\n"));
    refused("formula: revenue * revenue", "two KPIs are multiplied");
    refused("formula: revenue + 1", "a constant is added to a KPI");
    refused("formula: revenue, grain: month", "the grains of `revenue` and of this KPI differ");
    refused("formula: revenue, timezone: Asia/Tokyo", "the time zones of `revenue` and of this KPI differ");
    refused("formula: revenue, empty: zero", "what a formula lacks is not zero");
    refused("formula: x", "`x` is computed itself");
    refused("formula: revenue, source: shop", "`source` beside a formula");
    refused("query: SELECT 1", "missing field `source`");
    refused("source: shop", "missing field `query`");
}

#[test]
fn kpis_that_should_say_the_same_fit() {
    let other = "  books: {title: B, category: financial, unit: EUR, source: shop, query: {time: d, value: v}}\n";
    let with = |reconcile: &str, other: &str| {
        let compared = format!("unit: EUR\n    reconcile: {reconcile}");
        SMALL.replacen("unit: EUR", &compared, 1).replacen("objectives:", &format!("{other}objectives:"), 1)
    };
    let config = accepted(&with("{with: books, within: 2 %}", other));
    let revenue = config.catalog.kpi(&KpiId::from("revenue")).unwrap();
    let reconcile = revenue.reconcile.clone().unwrap();
    assert_eq!((reconcile.with.as_str(), reconcile.within), ("books", 0.02));
    let refused = |reconcile: &str, other: &str, part: &str| {
        let text = told(&[("vigie.yaml", &with(reconcile, other))]);
        assert!(text.contains(part), "{reconcile}: {part:?} is not in\n{text}");
    };
    refused("{with: book, within: 2 %}", other, "did you mean `books`?");
    let back = other.replacen("{title", "{reconcile: {with: revenue, within: 1 %}, title", 1);
    refused("{with: books, within: 2 %}", &back, "`books` waits for this KPI in turn");
    refused("{with: books}", other, "missing field `within`");
    refused("{with: books, within: 200 %}", other, "is not between 0 and 100 %");
    refused("{with: revenue, within: 2 %}", other, "`revenue` is compared with itself");
    for (changed, part) in [
        ("grain: month, ", "`books` has another grain"),
        ("timezone: Asia/Tokyo, ", "`books` has another time zone"),
        ("kind: level, ", "`books` has another kind"),
    ] {
        refused("{with: books, within: 2 %}", &other.replacen("{title", &format!("{{{changed}title"), 1), part);
    }
    refused("{with: books, within: 2 %}", &other.replace("EUR", "USD"), "`books` has another unit");
}

#[test]
fn a_window_to_date_is_a_kpi_of_its_own() {
    let window = SMALL.replacen("unit: EUR", "unit: none\n    kind: window", 1).replacen(
        "csv: {path: shop.csv}",
        "sql: {url: \"sqlite://shop.db\"}",
        1,
    );
    let window = window.replacen("    dimensions: [channel]\n", "", 1);
    let query = &window[window.find("query:").unwrap()..];
    let query = &query[..query.find('\n').unwrap()];
    let window = window.replacen(query, "query: SELECT 1 AS value WHERE :from < :to", 1);
    let config = accepted(&window);
    let ids: Vec<&str> = config.catalog.kpis.keys().map(KpiId::as_str).collect();
    assert!(ids.contains(&"revenue") && ids.contains(&"revenue@month"), "{ids:?}");
    let objective = config.catalog.objectives.values().next().unwrap();
    assert_eq!((objective.kpi.as_str(), objective.measure), ("revenue@month", Measure::ToDate));
    let on: Vec<_> = config.catalog.rules.values().flat_map(|rule| rule.on.iter().map(KpiId::as_str)).collect();
    assert!(on.contains(&"revenue@month"), "{on:?}");
    // What a bucket may hold, and how it may move, says nothing of a period that begins anew and grows.
    let limited = |limits: &str| {
        let text = window.replacen("kind: window", &format!("kind: window\n    quality: {limits}"), 1);
        let config = accepted(&text);
        config.catalog.kpi(&"revenue@month".into()).map(|kpi| kpi.quality).expect("the period to date")
    };
    let quality = limited("{min: 5, max: 15, max_jump: 300 %, vanished: ignore}");
    assert_eq!((quality.min, quality.max, quality.max_jump, quality.ignores_vanished), (None, None, None, true));
    assert_eq!(limited("{min: 0}").min, Some(0.0), "what no bucket may be below, no period can");
    // Split, it has no total unless the query gives one: told of the KPI that people know, once each.
    let split = window.replacen("kind: window", "kind: window\n    dimensions: [channel]", 1);
    let text = told(&[("vigie.yaml", &split)]);
    assert_eq!(text.matches("the window `revenue` has no total").count(), 2, "{text}");
    assert!(!text.contains("@month"), "{text}");
    // Each bucket by itself needs nothing more.
    let each = window.replacen("period: month", "period: month\n    measure: each", 1);
    assert!(accepted(&each).catalog.kpi(&"revenue@month".into()).is_none());
    let refused = |text: &str, part: &str| {
        let told = told(&[("vigie.yaml", text)]);
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    };
    refused(&window.replacen("period: month", "period: month\n    measure: mean", 1), "`to_date` or `each`");
    refused(&SMALL.replacen("unit: EUR", "unit: EUR\n    kind: window", 1), "computes nothing itself");
    let halved = "  half: {title: H, category: financial, formula: revenue / 2}\nobjectives:";
    refused(&window.replacen("objectives:", halved, 1), "`revenue` is a window, which only its source can compute");
}
