//! `vigie explain` from outside, on what the demo company lived.

use super::support::vigie;

#[test]
fn why_a_rule_fired_and_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let ran = vigie(dir.path(), &["demo", "--once", "--now", "2026-11-27", "--dir", "demo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let explain = |words: &[&str]| {
        let ran = vigie(dir.path(), &[&["explain", "--config", "demo/vigie.yaml"], words].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out
    };
    let check = |text: &str, parts: &[&str]| {
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    };
    check(
        &explain(&["on-time-off-trajectory", "on-time"]),
        &[
            "on-time: newest 2026-11-26, ",
            "total, objective on-time-month, 2026-11-01 to 2026-11-30",
            "verdict: critical",
            "is above 0.03 (recovers at 0.015, critical at 0.1)",
            "firing, critical, since 2026-11-07 06:15",
            "logistique has heard: firing, critical",
            "first to karim@courlis.test, sent",
        ],
    );
    // It fired, and fires no more.
    let revenue = ["revenue-off-trajectory", "revenue"];
    check(
        &explain(&revenue),
        &[
            "verdict: ok",
            "is not above 0.08",
            "none; the last one ended",
            "it would go to direction",
            "ended: recovered",
        ],
    );
    // The day on which it had escalated, with what was known then and nothing of what came after.
    let then = explain(&[&revenue[..], &["--at", "2026-11-13"]].concat());
    check(&then, &["as of 2026-11-14 00:00", "verdict: critical", "proposes: To reach", "escalated from warning"]);
    assert!(!then.contains("ended: recovered"), "{then}");
    let json = explain(&[&revenue[..], &["--at", "2026-11-13 12:00", "--format", "json"]].concat());
    let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["verdict"], &last["state"], &last["slot"]),
        (&"critical".into(), &"firing".into(), &"2026-11-13T05:15:00Z".into())
    );
    check(
        &explain(&["stock-out", "stock", "--label", "article=chaise-courlis"]),
        &["is not below 10", "it never fired"],
    );
    for (words, part) in [
        (&["revenue-off-trajectory", "stock"][..], "does not run on KPI 'stock'; it runs on revenue"),
        (&["nothing", "stock"], "no rule 'nothing' in the configuration"),
        (&["stock-out", "stock", "--label", "article=x"], "has no series of those labels"),
        (&["stock-out", "stock", "--at", "2099-01-01"], "lies ahead"),
        (&["stock-out", "stock", "--at", "2020-01-01"], "had no slot by then"),
    ] {
        let ran = vigie(dir.path(), &[&["explain", "--config", "demo/vigie.yaml"], words].concat());
        assert!(ran.code == 1 && ran.err.contains(part), "{words:?}: {ran:?}");
    }
    let ran = vigie(dir.path(), &["explain", "--config", "demo/vigie.yaml", "stock-out", "stock", "--at", "soon"]);
    assert!(ran.code == 2 && ran.err.contains("no day and no instant; write 2026-11-03"), "{ran:?}");
}
