//! Help texts are read by people: each is kept as a snapshot.

use super::support::vigie;

#[test]
fn help_of_every_command() {
    let here = tempfile::tempdir().unwrap();
    let commands: &[&[&str]] = &[
        &[],
        &["run"],
        &["check"],
        &["schema"],
        &["query"],
        &["backtest"],
        &["status"],
        &["alerts"],
        &["ack"],
        &["snooze"],
        &["silence"],
        &["silence", "add"],
        &["silence", "list"],
        &["silence", "end"],
        &["deliveries"],
        &["deliveries", "show"],
        &["deliveries", "resend"],
        &["deliveries", "cancel"],
        &["send"],
        &["completions"],
        &["demo"],
        &["new"],
        &["new", "kpi"],
        &["pull"],
        &["suspect"],
        &["suspect", "list"],
        &["suspect", "accept"],
        &["suspect", "correct"],
        &["suspect", "reject"],
        &["record"],
        &["calendar"],
        &["event"],
        &["event", "add"],
        &["event", "list"],
        &["event", "remove"],
    ];
    for command in commands {
        let words: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let ran = vigie(here.path(), &words);
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        let name = if command.is_empty() { "vigie".to_owned() } else { command.join("_") };
        insta::assert_snapshot!(format!("help_{name}"), ran.out);
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let here = tempfile::tempdir().unwrap();
    for words in [&["frobnicate"][..], &["ack"], &["snooze", "a1"], &["query", "x", "--from", "soon"], &[]] {
        let ran = vigie(here.path(), words);
        assert_eq!(ran.code, 2, "{words:?}: {ran:?}");
        assert!(!ran.err.is_empty());
    }
}

#[test]
fn completions_and_schema_are_printed() {
    let here = tempfile::tempdir().unwrap();
    let ran = vigie(here.path(), &["completions", "bash"]);
    assert!(ran.code == 0 && ran.out.contains("_vigie"), "{ran:?}");
    let ran = vigie(here.path(), &["schema", "--rhai"]);
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/editor/vigie.d.rhai"));
    assert_eq!(ran.out, kept.unwrap_or_default(), "renew it: vigie schema --rhai > contrib/editor/vigie.d.rhai");
    let ran = vigie(here.path(), &["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(schema["properties"]["kpis"].is_object());
    for (flag, property) in [("--sidecar", "texts"), ("--test", "tests")] {
        let ran = vigie(here.path(), &["schema", flag]);
        let schema: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert!(schema["properties"][property].is_object(), "{flag}: {schema}");
    }
}
