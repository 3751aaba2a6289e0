//! `calendar` and `event list` on a small configuration.

use super::support::{SMALL, folder, vigie};
use vigie::store::{OpenOptions, Store};

fn with_calendars() -> String {
    let calendars = "calendars: {atelier: {country: FR, region: alsace-moselle, bridge_days: true, closures: [12-24]}}";
    let event = "events: {greve: {name: Grève, from: 2026-11-24, kpis: [revenue], exclude: true}}";
    format!("{SMALL}{calendars}\n{event}\n")
}

#[test]
fn a_year_is_listed() {
    let dir = folder(&with_calendars());
    let ran = vigie(dir.path(), &["calendar", "atelier", "--year", "2027", "--config", "vigie.yaml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for line in
        ["2027-03-26  Fri  holiday", "2027-05-07  Fri  bridge", "2027-12-24  Fri  closure", "in 2027; its other"]
    {
        assert!(ran.out.contains(line), "{line} is not in\n{}", ran.out);
    }
    let words = ["calendar", "atelier", "--year", "2027", "--format", "json", "--config", "vigie.yaml"];
    let ran = vigie(dir.path(), &words);
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["date"], &lines[0]["name"]), (&"2027-01-01".into(), &"Jour de l'an".into()));
    assert_eq!(lines.last().unwrap()["type"], "year");
    let ran = vigie(dir.path(), &["calendar", "bureau", "--config", "vigie.yaml"]);
    assert!(ran.code == 1 && ran.err.contains("there are: atelier"), "{ran:?}");
}

#[test]
fn events_of_the_configuration_are_listed() {
    let dir = folder(&with_calendars());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = OpenOptions { create: true, reserve_bytes: 0, ..OpenOptions::default() };
        Store::open(&dir.path().join("vigie.db"), options).await.unwrap().close().await;
    });
    let ran = vigie(dir.path(), &["event", "list", "--config", "vigie.yaml"]);
    assert!(ran.code == 0 && ran.out.contains("greve  2026-11-24  2026-11-24  excluded  revenue"), "{ran:?}");
    let ran = vigie(dir.path(), &["event", "remove", "greve", "--config", "vigie.yaml"]);
    assert!(ran.code == 1 && ran.err.contains("no vigie answers"), "{ran:?}");
}
