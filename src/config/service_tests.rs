//! Old names, secrets that expire, what is kept, signs of life.

use super::*;

#[test]
fn what_was_called_otherwise_is_known_by_its_old_name() {
    let renamed = SMALL.replacen("  revenue:\n", "  revenue:\n    was: ca\n", 1).replacen(
        "  at-risk:\n",
        "  at-risk:\n    was: risque\n",
        1,
    );
    let renames = accepted(&renamed).catalog.renames;
    assert_eq!(renames.kpis, [("ca".into(), "revenue".into())].into());
    assert_eq!(renames.rules, [("risque".into(), "at-risk".into())].into());
    assert!(renames.objectives.is_empty());
    mistake("  revenue:\n", "  revenue:\n    was: revenue\n", &["`revenue` is still defined in `kpis`"]);
    let twice = "  at-risk:\n    was: a\n    script: signal/flatline\n    on: [revenue]\n  other:\n    was: a\n";
    mistake("  at-risk:\n", twice, &["`was: a` stands twice in `rules`"]);
}

#[test]
fn a_secret_says_until_when_it_is_valid() {
    let api = small_api("{path: orders, rows: $, time: $.at, value: $.total}");
    let with = |auth: &str| api.replacen("paging:", &format!("auth: {{bearer: {auth}}}, paging:"), 1);
    let config = accepted(&with("{env: OPS_TOKEN, expires: 2027-03-31}"));
    let [credential] = config.credentials.as_slice() else { panic!("{:?}", config.credentials) };
    assert_eq!((credential.reference.to_string().as_str(), credential.place.1), ("{env: OPS_TOKEN}", 5));
    let warning = |day: &str| credential.warning(day.parse().unwrap());
    assert_eq!(warning("2027-02-28"), None);
    assert_eq!(warning("2027-03-01").unwrap(), "the secret {env: OPS_TOKEN} expires in 30 days, on 2027-03-31");
    assert_eq!(warning("2027-03-31").unwrap(), "the secret {env: OPS_TOKEN} expires today");
    assert_eq!(warning("2027-04-01").unwrap(), "the secret {env: OPS_TOKEN} has expired on 2027-03-31");
    assert_eq!(accepted(&with("{expires: 2027-03-31, env: OPS_TOKEN}")).credentials[0].expires, credential.expires);
    for (first, then) in
        [(", expires: 2027-03-31", "2027-01-31"), (", expires: 2027-01-31", "2027-03-31"), ("", "2027-01-31")]
    {
        let beat = format!("heartbeat: {{url: {{env: OPS_TOKEN, expires: {then}}}}}\n");
        let config = accepted(&format!("{}{beat}", with(&format!("{{env: OPS_TOKEN{first}}}"))));
        let ends: Vec<_> = config.credentials.iter().map(|known| known.expires.unwrap().to_string()).collect();
        assert_eq!(ends, ["2027-01-31"], "named twice, the first day counts");
    }
    // The night after that day; in Paris the clocks have just gone forward.
    let ends = |expires: &str| {
        let config = accepted(&with(&format!("{{env: OPS_TOKEN{expires}}}")));
        config.credentials[0].ends(&config.catalog.zone).map(|at| at.to_string())
    };
    assert_eq!(ends(", expires: 2027-03-31").unwrap(), "2027-03-31T22:00:00Z");
    assert_eq!(ends(", expires: 2027-03-26").unwrap(), "2027-03-26T23:00:00Z");
    for never in ["9999-12-30", "9999-12-31"] {
        assert_eq!(ends(&format!(", expires: {never}")).unwrap(), jiff::Timestamp::MAX.to_string());
    }
    assert_eq!(ends(""), None);
    for (auth, part) in [
        ("{env: OPS_TOKEN, expires: soon}", "`expires` is a day such as 2027-03-31, not `soon`"),
        ("{expires: 2027-03-31}", "write `{env: NAME}`, `{file: path}`"),
        ("{env: OPS_TOKEN, file: token}", "`env` and `file` can't stand together"),
    ] {
        let text = told(&[("vigie.yaml", &with(auth))]);
        assert!(text.contains(part), "{auth}: {part:?} is not in\n{text}");
    }
}

#[test]
fn what_is_kept_is_at_least_what_is_pulled() {
    let keep = |text: &str| accepted(text).catalog.kpi(&KpiId::from("revenue")).unwrap().keep.as_hours() / 24;
    assert_eq!(keep(SMALL), 3650);
    let with = |more: &str| SMALL.replacen("    unit: EUR\n", &format!("    unit: EUR\n    {more}\n"), 1);
    assert_eq!(keep(&with("grain: hour")), 1100);
    assert_eq!(keep(&with("grain: 5m")), 400);
    assert_eq!(keep(&with("history: 5000d")), 5000);
    assert_eq!(keep(&with("keep: 500d")), 500);
    let short = told(&[("vigie.yaml", &with("keep: 399d"))]);
    assert!(short.contains("`keep` is shorter than `history`"), "{short}");
    let yearly = with("history: 60d\n    keep: 100d").replacen("period: month", "period: year", 1);
    let short = told(&[("vigie.yaml", &yearly)]);
    assert!(short.contains("keeps its buckets for 100 days, but a period of this objective has 366"), "{short}");
    let few = told(&[("vigie.yaml", &format!("{SMALL}retention: {{messages: 7d}}\n"))]);
    assert!(few.contains("write `30d` at least"), "{few}");
}

#[test]
fn a_heartbeat_has_an_address_and_an_interval() {
    let with = |beat: &str| format!("{SMALL}heartbeat: {beat}\n");
    let heartbeat = accepted(&with("{url: {env: OPS_TOKEN}}")).settings.heartbeat.unwrap();
    assert_eq!(heartbeat.every.as_secs(), 60);
    let heartbeat = accepted(&with("{url: 'http://127.0.0.1:9/x', every: 10s}")).settings.heartbeat.unwrap();
    assert_eq!(heartbeat.every.as_secs(), 10);
    for (beat, part) in [
        ("{url: {env: OPS_TOKEN}, every: 5s}", "more often than every ten seconds"),
        ("{every: 1m}", "missing field `url`"),
        ("{url: {env: NOT_SET}}", "`NOT_SET` is not set"),
    ] {
        let text = told(&[("vigie.yaml", &with(beat))]);
        assert!(text.contains(part), "{beat}: {part:?} is not in\n{text}");
    }
}
