//! `check`, `query` and `send` on small configurations.

use super::support::{SMALL, folder, vigie};

const BROKEN: &str = r"kpis:
  revenue:
    title: Chiffre d'affaires
    category: finacial
    source: shop
    query: {time: date, value: montant}
    grian: day
rules:
  at-risk: {script: objective/off_trajectry, on: [revenu]}
receivers:
  ops: {slack: {webhook: {env: SLACK_URL}}}
route: {to: opps}
";

#[test]
fn a_broken_configuration_tells_everything_at_once() {
    let dir = folder(BROKEN);
    let ran = vigie(dir.path(), &["check", "vigie.yaml"]);
    assert_eq!(ran.code, 78, "{ran:?}");
    insta::assert_snapshot!("check_broken", format!("{}---\n{}", ran.err, ran.out));
    let ran = vigie(dir.path(), &["check", "--format", "json", "--config", "vigie.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (78, ""));
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 3 && lines.iter().rev().skip(1).all(|line| line["line"].is_number()), "{lines:?}");
}

#[test]
fn a_sound_configuration_is_counted() {
    let dir = folder(SMALL);
    let ran = vigie(dir.path(), &["check", "vigie.yaml"]);
    let said = "1 KPI, 1 objective, 1 rule, 1 receiver: no problem found\n";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, said, ""));
}

#[test]
fn a_rule_of_ones_own_without_tests_is_told() {
    let dir = folder(&SMALL.replace("script: objective/off_trajectory", "script: own"));
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join("rules").join(name), text).unwrap();
    write("own.rhai", "fn evaluate(kpi, p) { above(kpi.value, 1e9) }\n");
    let ran = vigie(dir.path(), &["check", "vigie.yaml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in ["has no tests", "own.test.yaml and run `vigie test`"] {
        assert!(ran.err.contains(part), "{part}: {ran:?}");
    }
    write("own.test.yaml", "tests: []\n");
    let ran = vigie(dir.path(), &["check", "vigie.yaml"]);
    assert!(ran.code == 0 && ran.out.contains("no problem found"), "{ran:?}");
}

#[test]
fn a_rule_that_can_never_work_is_found_before_it_is_live() {
    let dir = folder(&SMALL.replace("script: objective/off_trajectory", "script: own"));
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let written = |text: &str| std::fs::write(rules.join("own.rhai"), text).unwrap();

    written("fn evaluate(kpi, p) {\n    let much = kpi.value + \"a\";\n    above(much.len, 1)\n}\n");
    let ran = vigie(dir.path(), &["check", "vigie.yaml"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err.contains("rules/own.rhai:2:26: ") && ran.err.contains("fails on rising and on falling figures alike"),
        "{}",
        ran.err
    );

    written("fn evaluate(kpi, p) {\n    let n = 0;\n    while true { n += 1; }\n    ok()\n}\n");
    let ran = vigie(dir.path(), &["check", "vigie.yaml"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("rules/own.rhai:3:") && ran.err.contains("operations"), "{}", ran.err);

    // One that fails now and then may still serve.
    written("fn evaluate(kpi, p) {\n    if kpi.change(7) > 0 { let much = kpi.value + \"a\"; }\n    ok()\n}\n");
    let ran = vigie(dir.path(), &["check", "vigie.yaml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err.contains("own.rhai:2:") && ran.err.contains("one of two") && ran.out.contains("2 warnings"),
        "{ran:?}"
    );

    let typo = "script: signal/change\n    with: {drop: 0.2, against: yeer}";
    std::fs::write(dir.path().join("vigie.yaml"), SMALL.replace("script: objective/off_trajectory", typo)).unwrap();
    let ran = vigie(dir.path(), &["check", "vigie.yaml"]);
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(ran.err.contains("can't be 'yeer'; did you mean 'year'?"), "{}", ran.err);
}

#[test]
fn an_idle_receiver_is_only_a_warning() {
    let idle = SMALL.replace("route:", "  idle: {maildir: {path: autres, to: [claire]}}\nroute:");
    let dir = folder(&idle);
    let ran = vigie(dir.path(), &["check", "vigie.yaml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("no route leads to receiver 'idle'") && ran.out.contains("1 warning"), "{ran:?}");
}

#[test]
fn connecting_tells_what_can_be_reached() {
    let dir = folder(SMALL);
    let ran = vigie(dir.path(), &["check", "vigie.yaml", "--connect"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("source shop") && ran.out.contains("receiver direction"), "{ran:?}");
    assert!(ran.out.contains("kpi revenue") && ran.out.contains("no value in the newest 7 buckets"), "{ran:?}");
    let wrong = SMALL.replace("value: montant", "value: montan");
    std::fs::write(dir.path().join("vigie.yaml"), &wrong).unwrap();
    let ran = vigie(dir.path(), &["check", "vigie.yaml", "--connect"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("did you mean `montant`?"), "{ran:?}");
    std::fs::write(dir.path().join("vigie.yaml"), SMALL).unwrap();
    std::fs::remove_file(dir.path().join("shop.csv")).unwrap();
    let ran = vigie(dir.path(), &["check", "vigie.yaml", "--connect", "--format", "json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains(r#""name":"source shop","kind":"csv","ok":false"#), "{ran:?}");
    assert!(!ran.out.contains("kpi revenue"), "one cause is told once: {ran:?}");
}

#[test]
fn a_query_shows_rows_and_what_was_refused() {
    let dir = folder(SMALL);
    let words = ["query", "revenue", "--from", "2026-01-15", "--to", "2026-01-25", "--config", "vigie.yaml"];
    let ran = vigie(dir.path(), &words);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in ["2026-01-20  total", "€1,200.50", "refused: shop.csv:3: `abc`", "nothing was stored"] {
        assert!(ran.out.contains(part), "{part:?} is not in {ran:?}");
    }
    assert!(!dir.path().join("vigie.db").exists());
    let ran = vigie(dir.path(), &["query", "revenu", "--config", "vigie.yaml"]);
    assert!(ran.code == 1 && ran.err.contains("no KPI 'revenu'") && ran.err.contains("revenue"), "{ran:?}");
}

#[test]
fn a_query_of_a_formula_asks_for_what_it_reads() {
    let kpis = "kpis:
  orders: {title: Commandes, category: operational, source: shop, query: {time: date, value: commandes}}
  basket: {title: Panier, category: financial, unit: EUR, formula: revenue / orders}
";
    let dir = folder(&SMALL.replace("kpis:\n", kpis));
    let sales = "date;montant;commandes\n2026-01-20;1200,5;10\n2026-01-21;900;abc\n2026-01-22;700;7\n";
    std::fs::write(dir.path().join("shop.csv"), sales).unwrap();
    let words = ["query", "basket", "--from", "2026-01-20", "--to", "2026-01-22", "--config", "vigie.yaml"];
    let ran = vigie(dir.path(), &words);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "2026-01-20  total   €120.05 (1200.5 / 10)",
        "2026-01-22  total   €100 (700 / 7)",
        "warning: `orders`: 1 reading refused, such as shop.csv:3 `abc`",
        "2 observations, 0 rejections; nothing was stored",
    ] {
        assert!(ran.out.contains(part), "{part:?} is not in {}", ran.out);
    }
    assert!(!ran.out.contains("2026-01-21"), "what one of them lacks is left out: {ran:?}");
    assert!(!dir.path().join("vigie.db").exists());
    let by_hand = SMALL
        .replace("kpis:\n", kpis)
        .replace("sources:\n", "sources:\n  hand: {manual: {}}\n")
        .replace("source: shop, query: {time: date, value: commandes}", "source: hand");
    std::fs::write(dir.path().join("vigie.yaml"), by_hand).unwrap();
    let ran = vigie(dir.path(), &words);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("`revenue / orders`: KPI 'orders' is entered by hand"), "{ran:?}");
}

#[test]
fn a_drill_needs_no_daemon() {
    let dir = folder(SMALL);
    let ran = vigie(dir.path(), &["send", "direction", "--config", "vigie.yaml"]);
    assert!(ran.code == 0 && ran.out.contains("claire@example.test  sent"), "{ran:?}");
    assert_eq!(std::fs::read_dir(dir.path().join("boites/new")).unwrap().count(), 1);
    let ran = vigie(dir.path(), &["send", "nobody-known", "--config", "vigie.yaml"]);
    assert!(ran.code == 1 && ran.err.contains("no receiver 'nobody-known'"), "{ran:?}");
}

/// A configuration in two folders: the receivers in one, the mail server and its files in the other.
fn mail_apart() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let receivers = SMALL
        .replace("mail: {from: vigie@example.test}\n", "")
        .replace("{maildir: {path: boites, to: [claire]}}", "{email: {to: [claire]}}");
    let mail = "mail:\n  from: vigie@example.test\n  smtp:\n    {host: localhost, port: 465, ca: tls/ca.pem, user: v, \
                password: {file: secret}}\n";
    for (folder, name, text) in [("kpis", "vigie.yaml", receivers.as_str()), ("mail", "mail.yaml", mail)] {
        std::fs::create_dir(dir.path().join(folder)).expect("made");
        std::fs::write(dir.path().join(folder).join(name), text).expect("written");
    }
    std::fs::create_dir(dir.path().join("mail/tls")).expect("made");
    let secret = dir.path().join("mail/secret");
    std::fs::write(&secret, "hunter22").expect("written");
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("made private");
    dir
}

#[test]
fn an_authority_for_mail_is_a_pem_file_beside_the_file_that_names_it() {
    let dir = mail_apart();
    let check = |code: i32, words: &[&str]| {
        // From elsewhere, so that nothing can be relative to where it is started.
        let (kpis, mail) = (dir.path().join("kpis"), dir.path().join("mail"));
        let ran = vigie(std::path::Path::new("/"), &["check", kpis.to_str().unwrap(), mail.to_str().unwrap()]);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(words.iter().all(|word| ran.err.contains(word)), "{ran:?}");
    };
    let ca = dir.path().join("mail/tls/ca.pem");
    check(78, &["receiver 'direction'", "mail.smtp.ca", "mail/tls/ca.pem", "check path and rights"]);
    std::fs::write(&ca, "not PEM at all").unwrap();
    check(78, &["receiver 'direction'", "mail.smtp.ca", "mail/tls/ca.pem", "holds no certificate"]);
    let authority = rcgen::generate_simple_self_signed(["authority.example.test".to_owned()]).unwrap();
    std::fs::write(&ca, authority.cert.pem()).unwrap();
    check(0, &[]);
}

#[test]
fn outside_of_the_service_what_only_it_is_handed_is_no_error() {
    let held = "  books: {sql: {url: {credential: books_url}}}\n";
    let configuration = SMALL.replace("sources:\n", &format!("sources:\n{held}"));
    let dir = folder(&configuration);
    let ran = vigie(dir.path(), &["check", "vigie.yaml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("{credential: books_url} is handed to the service alone"), "{ran:?}");

    // All else is told as before, and whoever needs it still refuses.
    let wrong = dir.path().join("wrong.yaml");
    std::fs::write(&wrong, configuration.replace("reach: 400000", "reach: many")).unwrap();
    assert_eq!(vigie(dir.path(), &["check", "wrong.yaml"]).code, 78);
    let ran = vigie(dir.path(), &["run", "--config", "vigie.yaml"]);
    assert!(ran.code == 78 && ran.err.contains("LoadCredential=books_url"), "{ran:?}");
}

#[test]
fn a_table_of_targets_that_ends_is_told() {
    let zone = jiff::tz::TimeZone::get("Europe/Paris").unwrap();
    let today = zone.to_datetime(vigie::clock::Clock::Wall.now()).date();
    let month = |ahead: i32| {
        let day = today.first_of_month().saturating_add(jiff::ToSpan::months(ahead));
        format!("{}-{:02}", day.year(), day.month())
    };
    let check = |first: i32, last: i32| {
        let rows: Vec<String> = (first..=last).map(|ahead| format!("{}: 400000", month(ahead))).collect();
        let dir = folder(&SMALL.replace("reach: 400000", &format!("reach: {{{}}}", rows.join(", "))));
        let ran = vigie(dir.path(), &["check", "vigie.yaml"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.err
    };
    assert!(check(-2, -1).contains("the table of targets of objective 'revenue-month' ended on "));
    assert_eq!(check(-2, 2), "");
    // No month ends in more than thirty days.
    let soon = check(-2, 0);
    assert!(soon.contains("ends in ") || soon.contains("ends today"), "{soon}");
}
