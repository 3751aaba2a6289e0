//! The figures of the README: CPU per evaluation, memory, time to ready, size of the binary.
//!
//! `cargo bench --bench figures`. CPU is that of the threads at work, so that a busy machine changes
//! little; memory and times are those of the real binary.

#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

mod support;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use support::{DAYS, Rule, Size, World, process_cpu_ns, thread_cpu_ns};
use vigie::clock::{Clock, monotonic};
use vigie::engine::{Event, SlotEvent, definition_of, step};
use vigie::model::commit::{EvaluateCommit, KpiClock};
use vigie::model::ids::{KpiId, RuleId};
use vigie::rule::on_large_stack;
use vigie::store::{OpenOptions, Store};

/// The program under measure, built with the profile of the bench.
const VIGIE: &str = env!("CARGO_BIN_EXE_vigie");
/// Longest wait for the daemon.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    println!("| figure | limit | measured |\n|---|---|---|");
    on_large_stack(|| {
        evaluation();
        notification();
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(committed());
    ready();
    runtime.block_on(service());
    replays();
    let size = std::fs::metadata(VIGIE).map_or(0, |file| file.len());
    row("binary", "30 MB", format!("{:.1} MB", size as f64 / 1e6));
}

/// A year of five-minute values, and a hundred KPIs with five rules each over two years: whole processes, tables read.
fn replays() {
    let folder = scratch();
    let start = date(2025, 1, 1).at(0, 0, 0, 0);
    let mut text = String::from("time,value\n");
    for step in 0..105_120_i64 {
        let at = start.saturating_add((5 * step).minutes());
        let value = 80.0 + 30.0 * (step as f64 / 288.0 * std::f64::consts::TAU).sin() + noise(step);
        let _ = writeln!(text, "{},{value:.2}", at.strftime("%Y-%m-%d %H:%M:%S"));
    }
    std::fs::write(folder.path().join("load.csv"), text).expect("the folder can be written");
    let words = "backtest --csv load.csv --time time --value value --grain 5m --rule signal/threshold --with below=10";
    row("`backtest` of a year of five-minute values", "400 ms", replay(folder.path(), words, 105_120));

    let names: Vec<String> = (0..100).map(|number| format!("k{number}")).collect();
    let mut text = format!("day,{}\n", names.join(","));
    let first = TimeZone::UTC.to_datetime(Clock::Wall.now()).date().saturating_sub(731.days());
    for step in 0..730_i64 {
        let _ = write!(text, "{}", first.saturating_add(step.days()));
        for number in 0..100 {
            let value = 100.0
                + 20.0 * ((step + number) as f64 / 7.0 * std::f64::consts::TAU).sin()
                + noise(step * 101 + number);
            let _ = write!(text, ",{value:.2}");
        }
        text.push('\n');
    }
    std::fs::write(folder.path().join("kpis.csv"), text).expect("the folder can be written");
    let mut yaml = String::from(
        "timezone: Europe/Paris\nstate: sqlite:none.db\npeople: {ada: {mail: ada@example.test}}\n\
         sources: {books: {csv: {path: kpis.csv}}}\nkpis:\n",
    );
    for name in &names {
        let _ = writeln!(
            yaml,
            "  {name}: {{title: {name}, category: operational, kind: level, source: books, query: {{time: day, value: {name}}}, \
             schedule: daily 06:15, history: 740d}}"
        );
    }
    yaml.push_str("rules:\n");
    for (number, with) in
        ["below: 40", "above: 160", "below: 50, recover: 60", "above: 150, recover: 140", "below: 45, critical: 35"]
            .iter()
            .enumerate()
    {
        let _ = writeln!(yaml, "  r{number}: {{script: signal/threshold, on: all, with: {{{with}}}}}");
    }
    yaml.push_str("receivers: {ops: {maildir: {path: boxes, to: [ada]}}}\nroute: {to: ops}\n");
    std::fs::write(folder.path().join("vigie.yaml"), yaml).expect("the folder can be written");
    let measured = replay(folder.path(), "backtest --config vigie.yaml", 360_000);
    row("`backtest` of 100 KPIs, 5 rules each, 730 days", "3 s", measured);
}

/// A little of everything, the same each time.
fn noise(step: i64) -> f64 {
    let mut mixed = (step as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 29;
    (mixed % 1000) as f64 / 50.0 - 10.0
}

/// The best of five runs of the program, each of which must have judged that often.
fn replay(folder: &Path, words: &str, verdicts: u64) -> String {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let began = monotonic();
        let ran = Command::new(VIGIE)
            .args(words.split(' '))
            .args(["--format", "json"])
            .current_dir(folder)
            .output()
            .expect("the program was built with the bench");
        best = best.min(began.elapsed());
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let judged =
            said.rsplit("\"evaluations\":").next().and_then(|rest| rest.split(',').next()?.parse::<u64>().ok());
        assert!(judged.is_some_and(|judged| judged >= verdicts), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    }
    format!("{:.0} ms", best.as_secs_f64() * 1e3)
}

fn row(figure: &str, limit: &str, measured: impl std::fmt::Display) {
    println!("| {figure} | {limit} | {measured} |");
}

fn microseconds(ns: u64, count: usize) -> String {
    format!("{:.1} us", ns as f64 / 1e3 / count as f64)
}

/// Assessment, rule and alert; nothing is written.
fn evaluation() {
    for rule in Rule::ALL {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let world = World::new(Size::WIDE, rule, folder.path());
        let day = date(2026, 11, 22);
        let mut state = world.state(day);
        let now = World::slot_after(day);
        let kpi = world.kpis().remove(0);
        let event = || {
            Event::Slot(SlotEvent {
                kpi: kpi.clone(),
                slot: now,
                pull: None,
                only: None,
                retry_at: None,
                completes: true,
            })
        };
        let mut measure = || {
            let before = thread_cpu_ns();
            let effects = step(&mut state, world.setup(), event(), now);
            let spent = thread_cpu_ns() - before;
            assert_eq!(effects.tally.verdicts as usize, world.size.series());
            assert_eq!(effects.tally.failures, 0);
            (spent, effects.evaluate.alerts.len())
        };
        let (first, alerts) = measure();
        let again = (0..5).map(|_| measure().0).min().unwrap_or(0);
        let state = if rule.fires() { "firing" } else { "quiet" };
        assert_eq!(alerts > 0, rule.fires(), "{rule:?}");
        let figure = format!("CPU per evaluation, `{}`, {state}", rule.script());
        let first = microseconds(first, world.size.series());
        row(&figure, "10 us", format!("{} (first time {first})", microseconds(again, world.size.series())));
    }
}

/// The notify half when all series begin to fire at once.
fn notification() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let world = World::new(Size::WIDE, Rule::ThresholdFiring, folder.path());
    let day = date(2026, 11, 22);
    let mut state = world.state(day);
    let kpi = world.kpis().remove(0);
    let (event, now) = world.slot(&kpi, day.checked_add(1.day()).expect("a date of our days"));
    step(&mut state, world.setup(), Event::Slot(event), now);
    let began = thread_cpu_ns();
    step(&mut state, world.setup(), Event::Wake, now);
    let later = now.checked_add(1.minute()).expect("an instant of our days");
    let effects = step(&mut state, world.setup(), Event::Wake, later);
    assert_eq!(effects.notify.notifications.len(), 1);
    let spent = (thread_cpu_ns() - began) as f64 / 1e6;
    row("CPU to tell of 10,000 alerts at once", "", format!("{spent:.0} ms"));
}

/// A slot with one new observation per series, written to a database on disk.
async fn committed() {
    for rule in [Rule::ThresholdQuiet, Rule::ThresholdFiring] {
        let folder = scratch();
        let world = World::new(Size::WIDE, rule, folder.path());
        let day = date(2026, 11, 22);
        let store = open(&folder.path().join("state.db")).await;
        let mut state = world.state(day);
        let kpi = world.kpis().remove(0);
        let mut best = (u64::MAX, Duration::MAX);
        let mut first = None;
        for after in 1..=6_i64 {
            let (event, now) = world.slot(&kpi, day.checked_add(after.days()).expect("a date of our days"));
            let (cpu, began) = (process_cpu_ns(), monotonic());
            let effects = step(&mut state, world.setup(), Event::Slot(event), now);
            store.commit_evaluate(&effects.evaluate, store.epoch()).await.expect("the disk has space");
            let spent = (process_cpu_ns().saturating_sub(cpu), began.elapsed());
            first.get_or_insert(spent.0);
            best = best.min(spent);
        }
        let count = world.size.series();
        let figure = format!(
            "CPU per evaluation with its observation committed, {}",
            if rule.fires() { "firing" } else { "quiet" }
        );
        let measured = format!(
            "{} (first time {}; the slot of {count} series takes {:.0} ms)",
            microseconds(best.0, count),
            microseconds(first.unwrap_or(0), count),
            best.1.as_secs_f64() * 1e3
        );
        row(&figure, "30 us", measured);
        store.close().await;
    }
}

/// From the start of the process to its line "vigie is ready", with 1,000 KPIs.
fn ready() {
    let folder = scratch();
    let size = Size { kpis: 1_000, series_per_kpi: 1 };
    let yaml = support::yaml(size, Rule::ThresholdQuiet, "monthly 1 00:00");
    std::fs::write(folder.path().join("vigie.yaml"), yaml).expect("the folder can be written");
    std::fs::write(folder.path().join("numbers.csv"), "day,shop,value\n").expect("the folder can be written");
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let (mut child, took) = start(folder.path());
            end(&mut child);
            took
        })
        .collect();
    let first = times.remove(0).as_secs_f64() * 1e3;
    times.sort();
    let median = times[times.len() / 2].as_secs_f64() * 1e3;
    row("ready with 1,000 KPIs", "200 ms", format!("{median:.0} ms (with a new database {first:.0} ms)"));
}

/// The daemon with 10,000 series of 400 days: loads them, catches up one day, goes on.
async fn service() {
    let folder = scratch();
    let world = World::new(Size::WIDE, Rule::ThresholdQuiet, folder.path());
    let kpi = world.kpis().remove(0);
    let zone = TimeZone::get("Europe/Paris").expect("the zones are built in");
    let now = Clock::Wall.now();
    // A slot that lies a minute back is missed by the daemon when it starts.
    let today = zone.to_datetime(now).date();
    let missed = zone.to_datetime(now.checked_sub(1.minute()).expect("an instant of our days"));
    let schedule = format!("daily {:02}:{:02}", missed.hour(), missed.minute());
    let text = support::yaml(Size::WIDE, Rule::ThresholdQuiet, &schedule);
    std::fs::write(folder.path().join("vigie.yaml"), text).expect("the folder can be written");
    let yesterday = today.checked_sub(1.day()).expect("a date of our days");
    let filled = fill(&world, &kpi, yesterday.checked_sub(1.day()).expect("a date of our days")).await;
    numbers(&world, &kpi, yesterday);
    let began = monotonic();
    let (mut child, _) = start(folder.path());
    let slot = wait_for_slot(&folder.path().join("state.db"), &kpi, filled).await;
    let took = began.elapsed().as_secs_f64();
    assert!(slot, "the daemon did not finish its slot within {PATIENCE:?}");
    let (now_kb, most_kb) = (memory(&child, "VmRSS"), memory(&child, "VmHWM"));
    end(&mut child);
    let measured = format!("{:.0} MB (at most {:.0} MB)", now_kb * 1.024e-3, most_kb * 1.024e-3);
    row("resident memory, 10,000 series of 400 days", "80 MB", measured);
    row("from start to the verdicts on 10,000 series of 400 days", "", format!("{took:.1} s"));
}

/// Writes 400 days up to `last` as if the daemon had run until then.
async fn fill(world: &World, kpi: &KpiId, last: Date) -> Timestamp {
    let store = open(&world.folder.join("state.db")).await;
    let definition = &world.setup().catalog.kpis[kpi];
    let newest = definition.grain.index_of_date(last);
    let known_at = World::slot_after(last);
    for bucket in newest - DAYS + 1..=newest {
        let commit =
            EvaluateCommit { observations: world.observations(kpi, bucket, known_at), ..EvaluateCommit::default() };
        store.commit_evaluate(&commit, store.epoch()).await.expect("the disk has space");
    }
    let yesterday = Clock::Wall.now().checked_sub(23.hours()).expect("an instant of our days");
    let clock = KpiClock {
        kpi: kpi.clone(),
        definition: definition_of(definition),
        shape: String::new(),
        roll_ups: Vec::new(),
        rules: vec![RuleId::from("judge")],
        last_slot: Some(yesterday),
        waiting: Vec::new(),
        open: None,
        again_at: None,
        pulled_to: Some(newest),
        last_pull_at: Some(known_at),
        last_error: None,
    };
    let commit = EvaluateCommit { clocks: vec![clock], ..EvaluateCommit::default() };
    store.commit_evaluate(&commit, store.epoch()).await.expect("the disk has space");
    store.close().await;
    yesterday
}

/// The file that the daemon pulls: one day of every series.
fn numbers(world: &World, kpi: &KpiId, day: Date) {
    let bucket = world.setup().catalog.kpis[kpi].grain.index_of_date(day);
    let mut text = String::from("day,shop,value\n");
    for observation in world.observations(kpi, bucket, Timestamp::UNIX_EPOCH) {
        let shop = observation.series.labels.get("shop").unwrap_or_default().to_owned();
        let _ = writeln!(text, "{day},{shop},{}", observation.value);
    }
    std::fs::write(world.folder.join("numbers.csv"), text).expect("the folder can be written");
}

async fn wait_for_slot(state: &Path, kpi: &KpiId, after: Timestamp) -> bool {
    let began = monotonic();
    let store =
        Store::open(state, OpenOptions { read_only: true, ..OpenOptions::default() }).await.expect("it is there");
    while began.elapsed() < PATIENCE {
        let stored = store.load().await.expect("it can be read");
        if stored.clocks.iter().any(|clock| clock.kpi == *kpi && clock.last_slot > Some(after)) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// Starts the daemon and waits until it says that it is ready.
fn start(folder: &Path) -> (Child, Duration) {
    let began: Instant = monotonic();
    let mut child = Command::new(VIGIE)
        .args(["run", "--config"])
        .arg(folder.join("vigie.yaml"))
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built with the bench");
    let lines = BufReader::new(child.stderr.take().expect("invariant: it is piped")).lines();
    let mut seen = Vec::new();
    let mut lines = lines.map_while(Result::ok);
    for line in lines.by_ref() {
        if line.contains("vigie is ready") {
            let took = began.elapsed();
            // The rest is read too, so that the daemon never waits for its log.
            std::thread::spawn(move || lines.for_each(drop));
            return (child, took);
        }
        seen.push(line);
    }
    end(&mut child);
    panic!("the daemon ended before it was ready:\n{}", seen.join("\n"));
}

fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

/// A line of the child's `status`, in KiB.
fn memory(child: &Child, name: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(f64::NAN)
}

/// On the disk, where temporary folders may lie in memory.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder")
}

async fn open(path: &Path) -> Store {
    Store::open(path, OpenOptions { create: true, ..OpenOptions::default() }).await.expect("a new database")
}
