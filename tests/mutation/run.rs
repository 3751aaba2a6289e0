//! Runs a rule's own tests on each of its mutants, by the built program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use super::mutant::{Mutant, Place};
use super::{script, sidecar};
use crate::cli::support::vigie;

pub(super) struct Rule {
    /// `signal/change`
    pub name: String,
    pub script: String,
    pub sidecar: String,
    pub tests: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A test fails.
    Killed,
    Survived,
    /// No test can be run: it is no rule.
    Invalid,
}

/// What became of a rule's mutants.
pub(super) struct Report {
    pub rule: String,
    mutants: Vec<(String, Outcome)>,
}

impl Report {
    pub(super) fn count(&self, outcome: Outcome) -> usize {
        self.named(outcome).count()
    }

    pub(super) fn named(&self, outcome: Outcome) -> impl Iterator<Item = &str> {
        self.mutants.iter().filter(move |(_, own)| *own == outcome).map(|(name, _)| name.as_str())
    }
}

/// Makes all mutants of each rule and runs its tests on them.
pub(super) fn judge(rules: &[Rule]) -> Vec<Report> {
    let dir = tempfile::tempdir().unwrap();
    let mut all: Vec<(usize, String)> = Vec::new();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut write = |rule: &Rule, place: usize, name: &str, (script, sidecar): (&str, &str)| {
        // One process for each core; mutants of one rule cost alike and are dealt in turn.
        let folder = dir.path().join(format!("{}/{}/rules", all.len() % threads, all.len()));
        let file = |suffix: &str| folder.join(format!("{}{suffix}", rule.name));
        fs::create_dir_all(file("").parent().unwrap()).unwrap();
        fs::write(file(".rhai"), script).unwrap();
        fs::write(file(".yaml"), sidecar).unwrap();
        fs::write(file(".test.yaml"), &rule.tests).unwrap();
        all.push((place, name.to_owned()));
    };
    for (place, rule) in rules.iter().enumerate() {
        write(rule, place, "", (&rule.script, &rule.sidecar));
        for Mutant { name, text } in scripts(rule) {
            write(rule, place, &name, (&text, &rule.sidecar));
        }
        for Mutant { name, text } in sidecars(rule) {
            write(rule, place, &name, (&rule.script, &text));
        }
    }
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    let parts: Vec<_> = (0..threads.min(all.len())).map(|part| dir.path().join(part.to_string())).collect();
    thread::scope(|scope| {
        let running: Vec<_> = parts.iter().map(|part| scope.spawn(|| run(part))).collect();
        outcomes.extend(running.into_iter().flat_map(|thread| thread.join().unwrap()));
    });
    let mut reports: Vec<Report> =
        rules.iter().map(|rule| Report { rule: rule.name.clone(), mutants: Vec::new() }).collect();
    for (number, (place, name)) in all.into_iter().enumerate() {
        let outcome = outcomes[&number];
        if name.is_empty() {
            assert_eq!(outcome, Outcome::Survived, "{}: its own tests fail", rules[place].name);
        } else {
            let mutants = &mut reports[place].mutants;
            assert!(mutants.iter().all(|(other, _)| *other != name), "two mutants are called {name}");
            mutants.push((name, outcome));
        }
    }
    reports
}

fn scripts(rule: &Rule) -> Vec<Mutant> {
    let file = format!("{}.rhai", rule.name);
    script::mutants(Place { file: &file, text: &rule.script }, &sidecar::keys(&rule.sidecar))
}

fn sidecars(rule: &Rule) -> Vec<Mutant> {
    let file = format!("{}.yaml", rule.name);
    sidecar::mutants(Place { file: &file, text: &rule.sidecar })
}

/// Runs all test files of a folder; what became of each mutant, by its number.
fn run(folder: &Path) -> BTreeMap<usize, Outcome> {
    let ran = vigie(folder, &["test", "--format", "json", "."]);
    // Tests that passed, that failed, and that could not be run.
    let mut counts: BTreeMap<usize, [usize; 3]> = BTreeMap::new();
    for line in ran.out.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(file) = record["file"].as_str() else { continue };
        let number = file.trim_start_matches("./").split('/').next().and_then(|number| number.parse().ok()).unwrap();
        let outcome = match record["outcome"].as_str() {
            Some("passed") => 0,
            Some("failed") => 1,
            Some("error") => 2,
            other => panic!("{other:?} is no outcome: {line}"),
        };
        counts.entry(number).or_default()[outcome] += 1;
    }
    assert!(!counts.is_empty(), "{ran:?}");
    let outcome = |counts: [usize; 3]| match counts {
        [_, 0, 0] => Outcome::Survived,
        [0, 0, _] => Outcome::Invalid,
        _ => Outcome::Killed,
    };
    counts.into_iter().map(|(number, counts)| (number, outcome(counts))).collect()
}
