//! KPIs that are computed from others: they wait for them, follow them, and keep both halves.

use super::*;
use crate::model::grain::Grain;
use crate::model::ids::{KpiId, Labels};

/// Sales and costs of each day, the costs half an hour later; the rule watches their margin.
const MARGIN: &str = r"timezone: UTC
state: sqlite:state.db
people:
  ada: {mail: ada@example.test}
sources:
  shop: {csv: {path: sales.csv}}
  books: {csv: {path: costs.csv}}
kpis:
  margin:
    title: Margin
    category: financial
    unit: ratio
    formula: (sales - costs) / sales
    schedule: daily 06:00
    history: 60d
  sales:
    title: Sales
    category: financial
    source: shop
    query: {time: day, value: amount}
    schedule: daily 06:00
    history: 60d
  costs:
    title: Costs
    category: financial
    source: books
    query: {time: day, value: amount}
    schedule: daily 05:30
    history: 60d
rules:
  low: {script: signal/threshold, on: [margin], with: {below: 0.1}}
receivers:
  ops: {maildir: {path: boxes, to: [ada]}}
route: {to: ops, group: {wait: 0s}}
";

impl Place {
    /// Costs of 40 a day up to that one, and of 48 from another day on.
    fn write_costs(&self, until: &str, high_from: &str) {
        let days = jiff::civil::date(2026, 7, 1).series(jiff::ToSpan::days(1)).take(150).map(|day| day.to_string());
        let line = |day: String| format!("{day};{}\n", if day.as_str() >= high_from { 48 } else { 40 });
        let rows: String = days.filter(|day| day.as_str() <= until).map(line).collect();
        fs::write(self.path("costs.csv"), format!("day;amount\n{rows}")).unwrap();
    }
}

/// Value, numerator and denominator of one day of a KPI.
async fn stored(script: &Script, kpi: &str, day: &str) -> Option<(f64, Option<(f64, f64)>)> {
    let bucket = Grain::Day.index_of_date(day.parse().unwrap());
    let all = script.cycle.store().observations(&KpiId::from(kpi), bucket, bucket).await.unwrap();
    let total = all.into_iter().find(|each| each.series.labels == Labels::total())?;
    Some((total.value, total.parts.map(|parts| (parts.numerator, parts.denominator))))
}

#[tokio::test]
async fn a_quotient_keeps_both_its_halves_and_follows_what_it_reads() {
    let place = Place::new(&[]);
    place.write_costs("2026-12-31", "2026-09-05");
    let mut script = place.start(MARGIN, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-02T09:01:00Z")).await.unwrap();
    assert_eq!(stored(&script, "margin", "2026-09-01").await, Some((0.2, Some((10.0, 50.0)))));
    assert_eq!(stored(&script, "margin", "2026-07-05").await, Some((0.2, Some((10.0, 50.0)))));
    script.advance_to(at("2026-09-06T09:00:00Z")).await.unwrap();
    assert_eq!(stored(&script, "margin", "2026-09-05").await, Some((0.04, Some((2.0, 50.0)))));
    assert_eq!(changes(&script.cycle).await, ["2026-09-06T06:00:00Z rule:low/margin#breach Fired"]);
    // Nothing that is computed has a source of its own.
    let sources = script.cycle.engine().with(|state, _| state.sources.len()).await;
    assert_eq!(sources, 2);
    // A stop over several slots gives the same as none.
    let whole = {
        script.advance_to(at("2026-09-12T09:00:00Z")).await.unwrap();
        stored(&script, "margin", "2026-09-11").await
    };
    let other = Place::new(&[]);
    other.write_costs("2026-12-31", "2026-09-05");
    let mut script = other.start(MARGIN, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-03T09:00:00Z")).await.unwrap();
    kill(script).await;
    let mut script = other.start(MARGIN, "2026-09-12T09:00:00Z").await;
    script.advance_to(at("2026-09-12T09:05:00Z")).await.unwrap();
    assert_eq!(stored(&script, "margin", "2026-09-11").await, whole);
    assert_eq!(changes(&script.cycle).await, ["2026-09-06T06:00:00Z rule:low/margin#breach Fired"]);
}

#[tokio::test]
async fn a_bucket_waits_for_that_of_every_input() {
    let place = Place::new(&[]);
    place.write_costs("2026-09-01", "2026-12-31");
    let mut script = place.start(MARGIN, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-03T09:00:00Z")).await.unwrap();
    assert_eq!(stored(&script, "sales", "2026-09-02").await.map(|(value, _)| value), Some(50.0));
    assert_eq!(stored(&script, "margin", "2026-09-02").await, None);
    let said = script.cycle.engine().with(|state, _| state.clocks[&KpiId::from("margin")].last_error.clone()).await;
    assert_eq!(said.as_deref(), Some("`costs` has no value for 2026-09-02 yet"));
    // The file comes with the next slot; what was missing follows, and so does a figure that is restated.
    place.write_costs("2026-12-31", "2026-12-31");
    script.advance_to(at("2026-09-04T09:00:00Z")).await.unwrap();
    assert_eq!(stored(&script, "margin", "2026-09-02").await, Some((0.2, Some((10.0, 50.0)))));
    place.restate("2026-08-20", 80);
    super::repairs::ask(&mut script, "sales", "2026-08-20", "2026-08-20").await;
    script.advance_to(at("2026-09-04T09:05:00Z")).await.unwrap();
    assert_eq!(stored(&script, "margin", "2026-08-20").await, Some((0.5, Some((40.0, 80.0)))));
}

#[tokio::test]
async fn what_an_input_has_no_more_is_taken_back() {
    let place = Place::new(&[]);
    place.write_costs("2026-12-31", "2026-12-31");
    let limited = MARGIN.replace("    formula:", "    quality: {min: 0}\n    formula:");
    let mut script = place.start(&limited, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-03T09:00:00Z")).await.unwrap();
    let margin = Some((0.2, Some((10.0, 50.0))));
    for day in ["2026-08-20", "2026-08-22"] {
        assert_eq!(stored(&script, "margin", day).await, margin);
    }
    // One day is gone, and another one's margin is not believed: neither keeps what it was.
    place.lose("2026-08-20");
    place.restate("2026-08-22", 20);
    super::repairs::ask(&mut script, "sales", "2026-08-19", "2026-08-22").await;
    script.advance_to(at("2026-09-03T09:05:00Z")).await.unwrap();
    for day in ["2026-08-20", "2026-08-22"] {
        assert_eq!(stored(&script, "margin", day).await, None, "{day}");
    }
    assert_eq!(stored(&script, "margin", "2026-08-21").await, margin);
    place.restate("2026-08-22", 50);
    super::repairs::ask(&mut script, "sales", "2026-08-19", "2026-08-22").await;
    script.advance_to(at("2026-09-03T09:10:00Z")).await.unwrap();
    assert_eq!(stored(&script, "margin", "2026-08-22").await, margin);
}
