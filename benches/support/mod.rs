//! What the benches share: a configuration of any size, its series in memory or in a store, CPU time.

#![allow(dead_code, unreachable_pub, reason = "a module of two programs, each of which uses a part")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use vigie::config::{Environment, LoadOptions, Secrets, load};
use vigie::daemon::{Built, build};
use vigie::engine::{PullReport, Setup, SlotEvent, State};
use vigie::model::grain::BucketIndex;
use vigie::model::ids::{KpiId, Labels, ObjectiveId, SeriesKey};
use vigie::model::observation::Observation;

/// Daily observations of each series.
pub const DAYS: i64 = 400;

/// How many KPIs of how many series, and which rule judges each series.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub kpis: usize,
    pub series_per_kpi: usize,
}

impl Size {
    /// One KPI with 10,000 labels.
    pub const WIDE: Size = Size { kpis: 1, series_per_kpi: 10_000 };
    /// 1,000 KPIs with ten labels each.
    pub const MANY: Size = Size { kpis: 1_000, series_per_kpi: 10 };

    pub fn series(self) -> usize {
        self.kpis * self.series_per_kpi
    }
}

/// One rule on every series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    ThresholdQuiet,
    ThresholdFiring,
    ChangeQuiet,
    ChangeFiring,
    TrajectoryQuiet,
    TrajectoryFiring,
}

impl Rule {
    pub const ALL: [Rule; 6] = [
        Rule::ThresholdQuiet,
        Rule::ThresholdFiring,
        Rule::ChangeQuiet,
        Rule::ChangeFiring,
        Rule::TrajectoryQuiet,
        Rule::TrajectoryFiring,
    ];

    pub fn script(self) -> &'static str {
        match self {
            Rule::ThresholdQuiet | Rule::ThresholdFiring => "signal/threshold",
            Rule::ChangeQuiet | Rule::ChangeFiring => "signal/change",
            Rule::TrajectoryQuiet | Rule::TrajectoryFiring => "objective/off_trajectory",
        }
    }

    pub fn fires(self) -> bool {
        matches!(self, Rule::ThresholdFiring | Rule::ChangeFiring | Rule::TrajectoryFiring)
    }

    /// Values lie between 90 and 110 a day.
    fn with(self) -> &'static str {
        match self {
            Rule::ThresholdQuiet => "{above: 1000}",
            Rule::ThresholdFiring => "{above: 10}",
            Rule::ChangeQuiet => "{drop: 0.9, rise: 9}",
            Rule::ChangeFiring => "{drop: -9}",
            Rule::TrajectoryQuiet | Rule::TrajectoryFiring => "{}",
        }
    }

    /// Of one series over a month.
    fn target(self) -> u32 {
        if self == Rule::TrajectoryFiring { 30_000 } else { 1_000 }
    }
}

/// A configuration in YAML; `folder` holds its state, `numbers.csv` and socket.
pub fn yaml(size: Size, rule: Rule, schedule: &str) -> String {
    let mut text = String::from(
        "timezone: Europe/Paris\nlanguage: en\ncalendar: {country: FR}\nstate: sqlite:state.db\ncontrol: control.sock\n\
         people:\n  claire: {mail: claire@example.test}\nsources:\n  shop: {csv: {path: numbers.csv}}\n\
         receivers:\n  claire: {maildir: {path: mails, to: [claire]}}\nkpis:\n",
    );
    for number in 0..size.kpis {
        let _ = writeln!(
            text,
            "  kpi-{number}:\n    title: Orders of shop {number}\n    category: financial\n    unit: EUR\n    kind: flow\n    \
             grain: day\n    source: shop\n    query: {{time: day, value: value, labels: [shop]}}\n    \
             dimensions: [shop]\n    schedule: {schedule}\n    history: 400d\n    owner: claire"
        );
    }
    text.push_str("objectives:\n");
    for number in 0..size.kpis {
        let _ = writeln!(
            text,
            "  month-{number}:\n    kpi: kpi-{number}\n    statement: Sell each month\n    reach: {}\n    period: month\n    \
             trajectory: working_days",
            rule.target()
        );
    }
    let _ = writeln!(
        text,
        "rules:\n  judge:\n    script: {}\n    on: all\n    each: shop\n    with: {}",
        rule.script(),
        rule.with()
    );
    text
}

pub fn labels(number: usize) -> Labels {
    [("shop", format!("shop-{number:05}"))].into_iter().collect()
}

/// A value between 90 and 110 that repeats from run to run.
pub fn value(series: usize, bucket: BucketIndex) -> f64 {
    let mixed =
        (series as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (bucket as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
    90.0 + ((mixed >> 32) % 2_000) as f64 / 100.0
}

/// A configuration that has been built, and the folder it lies in.
pub struct World {
    pub built: Built,
    pub size: Size,
    pub folder: PathBuf,
}

impl World {
    /// Writes the configuration into `folder` and builds it. Trajectory rules get one objective per series.
    pub fn new(size: Size, rule: Rule, folder: &Path) -> World {
        std::fs::write(folder.join("vigie.yaml"), yaml(size, rule, "daily 06:15")).expect("the folder can be written");
        std::fs::write(folder.join("numbers.csv"), "day,shop,value\n").expect("the folder can be written");
        let loaded = load(&LoadOptions { paths: vec![folder.join("vigie.yaml")], env: Environment::default() });
        assert!(!loaded.has_errors(), "{:#?}", loaded.problems);
        let mut config = loaded.config.clone().expect("invariant: there are no errors");
        for number in 0..size.kpis {
            let whole = config.catalog.objectives[&ObjectiveId::from(format!("month-{number}"))].clone();
            for series in 0..size.series_per_kpi {
                let id = ObjectiveId::from(format!("month-{number}-{series}"));
                let mut one = (*whole).clone();
                (one.id, one.labels) = (id.clone(), labels(series));
                config.catalog.objectives.insert(id, Arc::new(one));
            }
        }
        let secrets = Secrets { environment: Environment::default(), base_dir: folder.to_owned() };
        let built = build(&config, &loaded, &secrets).expect("invariant: the configuration is right");
        World { built, size, folder: folder.to_owned() }
    }

    pub fn setup(&self) -> &Setup {
        &self.built.setup
    }

    pub fn kpis(&self) -> Vec<KpiId> {
        (0..self.size.kpis).map(|number| KpiId::from(format!("kpi-{number}"))).collect()
    }

    /// The instant of the morning slot after a day.
    pub fn slot_after(day: Date) -> Timestamp {
        let zone = jiff::tz::TimeZone::get("Europe/Paris").expect("the zones are built in");
        let local = day.checked_add(1.day()).expect("a date of our days").at(6, 15, 0, 0);
        zone.to_timestamp(local).expect("a time that exists")
    }

    /// What a pull of all series of a KPI brings for one bucket.
    pub fn observations(&self, kpi: &KpiId, bucket: BucketIndex, known_at: Timestamp) -> Vec<Observation> {
        (0..self.size.series_per_kpi)
            .map(|number| Observation {
                series: SeriesKey { kpi: kpi.clone(), labels: labels(number) },
                bucket,
                value: value(number, bucket),
                parts: None,
                provisional: false,
                known_at,
                assumed: false,
            })
            .collect()
    }

    /// The slot after `day`, with that day's observations.
    pub fn slot(&self, kpi: &KpiId, day: Date) -> (SlotEvent, Timestamp) {
        let now = World::slot_after(day);
        let grain = self.setup().catalog.kpis[kpi].grain;
        let bucket = grain.index_of_date(day);
        let observations = self.observations(kpi, bucket, now);
        let pull = PullReport { observations, pulled_to: Some(bucket), at: Some(now), ..PullReport::default() };
        (SlotEvent { kpi: kpi.clone(), slot: now, pull: Some(pull), only: None, retry_at: None, completes: true }, now)
    }

    /// A state with 400 days of every series up to `day`.
    pub fn state(&self, day: Date) -> State {
        let mut state = State::default();
        for kpi in self.kpis() {
            let last = self.setup().catalog.kpis[&kpi].grain.index_of_date(day);
            for bucket in last - DAYS + 1..=last {
                for observation in self.observations(&kpi, bucket, World::slot_after(day)) {
                    state.history.put(&observation);
                }
            }
        }
        state
    }
}

/// CPU time of this thread so far, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    schedstat("/proc/thread-self/schedstat")
}

/// CPU time of all threads of this process that still run, in nanoseconds.
pub fn process_cpu_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux has /proc");
    tasks.flatten().map(|task| schedstat(&task.path().join("schedstat").display().to_string())).sum()
}

fn schedstat(path: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}
