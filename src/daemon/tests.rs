//! The cycle by a clock that the test moves: what is due, what a full disk holds up, what a start makes up for.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::config::{Environment, LoadOptions, Secrets, load, render};
use crate::model::kpi::Kpi;
use crate::store::{OpenOptions, Store, TransitionFilter};

#[path = "build_tests.rs"]
mod builds;
#[path = "carry_tests.rs"]
mod carries;
#[path = "formula_tests.rs"]
mod formulas;
#[path = "habit_tests.rs"]
mod habits;
#[path = "locked_tests.rs"]
mod locked;
#[path = "past_tests.rs"]
mod past;
#[path = "stepping_tests.rs"]
mod pieces;
#[path = "pull_tests.rs"]
mod pulls;
#[path = "record_tests.rs"]
mod records;
#[path = "repair_tests.rs"]
mod repairs;
#[path = "send_tests.rs"]
pub(super) mod sends;
#[path = "window_tests.rs"]
mod windows;

const COMPANY: &str = r"timezone: UTC
state: sqlite:state.db
people:
  ada: {mail: ada@example.test}
sources:
  shop: {csv: {path: sales.csv}}
kpis:
  sales:
    title: Sales
    category: financial
    better: lower
    source: shop
    query: {time: day, value: amount}
    schedule: daily 06:00
    history: 60d
rules:
  high: {script: signal/threshold, on: [sales], with: {above: 100}}
receivers:
  ops: {maildir: {path: boxes, to: [ada]}}
route: {to: ops, group: {wait: 0s}}
";

/// A folder with a configuration, sales, and the state of the service over them.
pub(super) struct Place {
    dir: TempDir,
    pub(super) clock: Clock,
}

impl Place {
    /// Sales of every day from July to November; those of the days named are high.
    pub(super) fn new(high: &[&str]) -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap(), clock: Clock::script(at("2026-09-01T09:00:00Z")) };
        let days = jiff::civil::date(2026, 7, 1).series(jiff::ToSpan::days(1)).take(150);
        let line = |day: jiff::civil::Date| {
            let amount = if high.contains(&day.to_string().as_str()) { 200 } else { 50 };
            format!("{day};{amount}\n")
        };
        let text: String = std::iter::once("day;amount\n".to_owned()).chain(days.map(line)).collect();
        fs::write(place.path("sales.csv"), text).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) async fn store(&self) -> Store {
        let options = OpenOptions { create: true, reserve_bytes: 0, ..OpenOptions::default() };
        Store::open(&self.path("state.db"), options).await.unwrap()
    }

    pub(super) fn built(&self, text: &str) -> Arc<Built> {
        let path = self.path("vigie.yaml");
        fs::write(&path, text).unwrap();
        Place::read(vec![path])
    }

    fn read(paths: Vec<PathBuf>) -> Arc<Built> {
        let loaded = load(&LoadOptions { paths, env: Environment::default() });
        let told = render(&loaded.problems, &loaded.sources, false);
        let config = loaded.config.clone().unwrap_or_else(|| panic!("{told}"));
        let secrets = Secrets { environment: Environment::default(), base_dir: PathBuf::new() };
        match build(&config, &loaded, &secrets) {
            Ok(built) => Arc::new(built),
            Err(problems) => panic!("{}", render(&problems, &loaded.sources, false)),
        }
    }

    fn kpi(&self, schedule: &str) -> Kpi {
        let built = self.built(&COMPANY.replace("daily 06:00", schedule));
        Kpi::clone(built.setup.catalog.kpi(&"sales".into()).unwrap())
    }

    async fn start(&self, text: &str, from: &str) -> Script {
        self.clock.set(at(from));
        let cycle = Cycle::start(self.store().await, self.built(text), self.clock.now()).await.unwrap();
        Script::new(cycle, self.clock.clone())
    }

    /// After that many writes the disk is full.
    fn fill_disk_after(&self, writes: u32) {
        fs::write(self.path("state.db.full"), writes.to_string()).unwrap();
    }

    /// After that many writes another process works on the database.
    fn lock_after(&self, writes: u32) {
        fs::write(self.path("state.db.locked"), writes.to_string()).unwrap();
    }

    fn unlock(&self) {
        fs::remove_file(self.path("state.db.locked")).unwrap();
    }

    fn free_disk(&self) {
        fs::remove_file(self.path("state.db.full")).unwrap();
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

/// Ends a service as a kill would: nothing more is written.
pub(super) async fn kill(script: Script) {
    script.cycle.store().close().await;
}

/// `rule:high/sales#breach Fired`, in the order of decisions.
pub(super) async fn changes(cycle: &Cycle) -> Vec<String> {
    let all = TransitionFilter { limit: u32::MAX, ..TransitionFilter::default() };
    let changes = cycle.store().transitions(&all).await.unwrap();
    changes.iter().map(|change| format!("{} {} {:?}", change.slot, change.key.canonical(), change.change)).collect()
}
