//! What fuzzing found and began from, replayed: every input of the corpus goes through its target and comes back.
//!
//! The fuzzers themselves are a package of their own beside this file; `.ci/fuzz` builds and runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use vigie::cli::fuzzing::{self, BYTES_MAX};

/// Bytes of all corpora together: what is kept is read by every run of the tests.
const CORPUS_BYTES_MAX: usize = 400 * 1024;
/// The stack of a process' first thread, on which the fuzzers run and most commands read their configuration.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// A target, and the least number of inputs of its corpus that it takes all the way.
type Target = (&'static str, fn(&[u8]) -> bool, usize);

const TARGETS: [Target; 5] = [
    ("config", fuzzing::config, 5),
    ("rule", fuzzing::rule, 5),
    ("test_file", fuzzing::test_file, 5),
    ("csv", fuzzing::csv, 10),
    ("json", fuzzing::json, 10),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder().join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

/// Every input comes back, and gives the same again.
#[track_caller]
fn check((name, target, taken_min): Target) {
    let replay = move || {
        let taken = corpus(name).into_iter().filter(|(path, bytes)| {
            let taken = target(bytes);
            assert_eq!(target(bytes), taken, "{path} gives something else the second time");
            taken
        });
        taken.count()
    };
    let taken = thread::Builder::new().stack_size(STACK_BYTES).spawn(replay).unwrap().join().unwrap();
    assert!(taken >= taken_min, "{name}: only {taken} inputs are taken all the way, fewer than {taken_min}");
}

#[test]
fn configurations_come_back() {
    check(TARGETS[0]);
}

#[test]
fn rules_come_back() {
    check(TARGETS[1]);
}

#[test]
fn test_files_come_back() {
    check(TARGETS[2]);
}

#[test]
fn tables_come_back() {
    check(TARGETS[3]);
}

#[test]
fn answers_come_back() {
    check(TARGETS[4]);
}

#[test]
fn the_corpus_is_small_and_each_target_has_one() {
    let mut named: Vec<_> =
        fs::read_dir(folder().join("corpus")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    named.sort();
    let mut targets = TARGETS.map(|(name, ..)| name);
    targets.sort_unstable();
    assert_eq!(named, targets);
    let all: Vec<_> = targets.into_iter().flat_map(corpus).collect();
    for (path, bytes) in &all {
        assert!(bytes.len() <= BYTES_MAX, "{path} is larger than what the targets look at");
    }
    let bytes: usize = all.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= CORPUS_BYTES_MAX, "the corpus holds {bytes} bytes");
}

#[test]
fn each_target_is_built() {
    for (name, ..) in TARGETS {
        let text = fs::read_to_string(folder().join(format!("targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("fuzzing::{name}(")), "targets/{name}.rs calls another target");
        let about = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
        assert!(about.contains(&format!("path = \"targets/{name}.rs\"")), "{name} is no binary");
    }
}
