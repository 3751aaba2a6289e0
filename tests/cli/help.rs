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
        &["forecast"],
        &["objectives"],
        &["objectives", "list"],
        &["objectives", "show"],
        &["objectives", "outcomes"],
        &["objectives", "roll"],
        &["objectives", "review"],
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
        &["man"],
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

#[test]
fn every_command_has_a_manual_page() {
    let here = tempfile::tempdir().unwrap();
    let ran = vigie(here.path(), &["man"]);
    insta::assert_snapshot!("man_vigie", ran.out);
    let ran = vigie(here.path(), &["man", "pages/man1"]);
    assert!(ran.code == 0 && ran.out.is_empty(), "{ran:?}");
    let page = |name: &str| std::fs::read_to_string(here.path().join("pages/man1").join(name));
    insta::assert_snapshot!("man_silence_add", page("vigie-silence-add.1").unwrap());
    // The help names every command; of each there is a page, and no other.
    let help = vigie(here.path(), &["--help"]).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = commands.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| *name != "help") {
        let page = page(&format!("vigie-{name}.1")).unwrap_or_else(|error| panic!("vigie-{name}.1: {error}"));
        assert!(page.contains(".SH NAME\nvigie\\-"), "{page}");
    }
    assert!(page("vigie-help.1").is_err());
    let ran = vigie(here.path(), &["man", "pages/man1/vigie.1"]);
    assert!(ran.code == 1 && ran.err.contains("pages/man1/vigie.1"), "{ran:?}");
}
