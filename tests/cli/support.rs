//! Runs the built program in a folder of its own.

use std::path::Path;
use std::process::Command;

/// A small configuration whose paths all lie in its folder.
pub(crate) const SMALL: &str = r"timezone: Europe/Paris
state: sqlite:vigie.db
control: c.sock
people:
  claire: {mail: claire@example.test}
sources:
  shop: {csv: {path: shop.csv}}
kpis:
  revenue:
    title: Chiffre d'affaires
    category: financial
    unit: EUR
    source: shop
    query: {time: date, value: montant}
    owner: claire
objectives:
  revenue-month:
    kpi: revenue
    statement: Atteindre 400 000 €
    reach: 400000
    period: month
rules:
  at-risk:
    script: objective/off_trajectory
    on: [revenue]
mail: {from: vigie@example.test}
receivers:
  direction: {maildir: {path: boites, to: [claire]}}
route: {to: direction}
";

/// What a run left: the exit code, stdout and stderr.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `vigie` with these words in that folder, without any environment.
pub(crate) fn vigie(dir: &Path, words: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args(words)
        .current_dir(dir)
        .env_clear()
        .output()
        .expect("the program was built with the tests");
    Ran {
        code: output.status.code().expect("no signal ended it"),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A folder with that configuration and some sales.
pub(crate) fn folder(configuration: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("vigie.yaml"), configuration).expect("written");
    let sales = "date;montant\n2026-01-20;1200,5\n2026-01-21;abc\n";
    std::fs::write(dir.path().join("shop.csv"), sales).expect("written");
    dir
}
