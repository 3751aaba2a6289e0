//! What is asked for changes while there is a state: the shape of buckets, dimensions to look at, and slots that
//! are missed where they would have been seen one by one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use jiff::civil::{Date, date};
use jiff::{Timestamp, ToSpan};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;
use vigie::clock::Clock;
use vigie::daemon::Script;
use vigie::model::grain::Grain;
use vigie::model::ids::{KpiId, Labels};
use vigie::store::TransitionFilter;

use super::play::{advance, configured, folder, start};
use super::world::paris;

const COMPANY: &str = r"timezone: Europe/Paris
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
    dimensions: [channel, region]
    schedule: daily 06:15
    history: 60d
    empty: zero
rules:
  high: {script: signal/threshold, on: [sales], with: {above: 100}, for: 2 buckets, keep_firing_for: 2 buckets}
receivers:
  ops: {maildir: {path: boxes, to: [ada]}}
route: {to: ops}
";

/// A service over one file of sales, by a clock that the test moves.
struct Service {
    dir: TempDir,
    clock: Clock,
    script: Option<Script>,
}

impl Service {
    fn new(sales: &str) -> Service {
        let service = Service { dir: folder(), clock: Clock::script(morning(date(2026, 9, 1))), script: None };
        service.write(sales);
        service
    }

    fn write(&self, sales: &str) {
        fs::write(self.dir.path().join("sales.csv"), sales).expect("the sales are written");
    }

    fn lose(&self) {
        fs::remove_file(self.dir.path().join("sales.csv")).expect("there was a file");
    }

    async fn run(&mut self, configuration: &str, from: Timestamp, until: Timestamp) {
        self.stop().await;
        self.clock.set(from);
        let built = configured(self.dir.path(), configuration);
        self.script = Some(start(self.dir.path(), &built, &self.clock).await);
        self.go_on(until).await;
    }

    async fn go_on(&mut self, until: Timestamp) {
        advance(self.script(), until).await;
    }

    fn script(&mut self) -> &mut Script {
        self.script.as_mut().expect("it runs")
    }

    async fn stop(&mut self) {
        if let Some(script) = self.script.take() {
            script.cycle.store().close().await;
        }
    }

    /// `day value` of one series, oldest first; days are the first ones of their buckets.
    async fn series(&mut self, kpi: &str, grain: Grain, labels: &[(&str, &str)]) -> Vec<(Date, f64)> {
        let labels: Labels = labels.iter().copied().collect();
        let all = self.script().cycle.store().series_of(&KpiId::from(kpi)).await.expect("the store can be read");
        let points = all.into_iter().filter(|(of, _)| *of == labels).flat_map(|(_, points)| points);
        points.map(|point| (grain.date_of(point.bucket), point.value)).collect()
    }

    /// The name under which series were set aside.
    async fn retired(&mut self) -> String {
        let options = SqliteConnectOptions::new().filename(self.dir.path().join("state.db")).read_only(true);
        let mut state = SqliteConnection::connect_with(&options).await.expect("the state opens");
        let sql = "SELECT DISTINCT kpi FROM series WHERE kpi <> 'sales'";
        let names: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut state).await.expect("it can be read");
        let [name] = names.as_slice() else { panic!("{names:?}") };
        assert!(name.starts_with("sales until 2026-09-16T"), "{name}");
        name.clone()
    }

    /// Every value that is stored of the sales.
    async fn values(&mut self) -> BTreeMap<(String, Date), f64> {
        let all = self.script().cycle.store().series_of(&"sales".into()).await.expect("the store can be read");
        let lines = all.into_iter().flat_map(|(labels, points)| {
            let of = labels.to_string();
            points.into_iter().map(move |point| ((of.clone(), Grain::Day.date_of(point.bucket)), point.value))
        });
        lines.collect()
    }

    /// `2026-09-16 high{} fired`, in the order of decisions.
    async fn history(&mut self) -> Vec<String> {
        let all = TransitionFilter { limit: u32::MAX, ..TransitionFilter::default() };
        let changes = self.script().cycle.store().transitions(&all).await.expect("the store can be read");
        let line = |change: &vigie::model::alert::Transition| {
            let day = paris().to_datetime(change.at).date();
            let what = format!("{:?}", change.change);
            let what = what.split(['(', ' ', '{']).next().unwrap_or_default().to_lowercase();
            format!("{day} {} {what}", change.key.canonical())
        };
        changes.iter().map(line).collect()
    }
}

fn at(day: Date, hour: i8) -> Timestamp {
    paris().to_timestamp(day.at(hour, 0, 0, 0)).expect("a moment of the zone")
}

/// After the day's slot.
fn morning(day: Date) -> Timestamp {
    at(day, 9)
}

fn september(day: i8) -> Date {
    date(2026, 9, day)
}

/// Sales of every day from 1 August to 31 October: of the web as told, of the shops 4 in each region.
fn sales(web: impl Fn(Date) -> Option<i64>) -> String {
    let mut text = "day;channel;region;amount\n".to_owned();
    let mut day = date(2026, 8, 1);
    while day < date(2026, 11, 1) {
        let _ = writeln!(text, "{day};shop;n;4\n{day};shop;s;4");
        if let Some(amount) = web(day) {
            let _ = writeln!(text, "{day};web;n;{amount}");
        }
        day = day.saturating_add(1.day());
    }
    text
}

fn weekly() -> String {
    COMPANY.replace("    schedule:", "    grain: week\n    schedule:").replace("history: 60d", "history: 40d")
}

/// Ten a day, but 150 on Monday 14 and Tuesday 15 September.
fn two_high_days(day: Date) -> i64 {
    if day == september(14) || day == september(15) { 142 } else { 2 }
}

#[tokio::test]
async fn a_kpi_by_days_becomes_one_by_weeks() {
    let mut service = Service::new(&sales(|day| Some(two_high_days(day))));
    service.run(COMPANY, morning(september(1)), at(september(16), 12)).await;
    let days = service.series("sales", Grain::Day, &[]).await;
    assert_eq!(days.last(), Some(&(september(15), 150.0)));
    // The source is away when the configuration changes: nothing is set aside before the new history is there.
    service.lose();
    service.run(&weekly(), at(september(16), 13), at(september(16), 14)).await;
    service.run(&weekly(), at(september(16), 15), at(september(16), 16)).await;
    assert_eq!(service.series("sales", Grain::Day, &[]).await, days);
    service.write(&sales(|day| Some(two_high_days(day))));
    service.go_on(at(september(17), 12)).await;
    // What was counted before it was set aside must not come back from the store either.
    service.run(&weekly(), at(september(17), 13), at(date(2026, 10, 7), 12)).await;
    let weeks = service.series("sales", Grain::Week, &[]).await;
    let expected = |from: Date| {
        let sum = (0..7).map(|after| 8 + two_high_days(from.saturating_add(after.days()))).sum::<i64>();
        (from, sum as f64)
    };
    let mondays: Vec<Date> = weeks.iter().map(|(day, _)| *day).collect();
    assert_eq!((mondays.first(), mondays.last()), (Some(&date(2026, 8, 3)), Some(&september(28))));
    assert_eq!(weeks, mondays.into_iter().map(expected).collect::<Vec<_>>());
    assert_eq!(service.series("sales", Grain::Week, &[("channel", "web"), ("region", "n")]).await.len(), weeks.len());
    // What was there is kept whole, under a name of its own.
    let kept = service.retired().await;
    assert_eq!(service.series(&kept, Grain::Day, &[]).await, days);
    // Two days in breach fire it; then the week before is calm, the week of the breach is not, and two calm weeks
    // end it.
    let history: Vec<String> = service.history().await.into_iter().filter(|line| line.contains("#breach")).collect();
    let expected = ["2026-09-15 pended", "2026-09-16 fired", "2026-10-05 resolved"];
    let (dates, whole): (Vec<&str>, Vec<&str>) = history.iter().filter_map(|line| line.split_once(' ')).unzip();
    let short: Vec<String> = dates
        .iter()
        .zip(whole)
        .map(|(day, rest)| format!("{day} {}", rest.rsplit(' ').next().unwrap_or_default()))
        .collect();
    assert_eq!(short, expected, "{history:?}");
    // A restart finds only weeks.
    service.run(&weekly(), at(date(2026, 10, 7), 13), at(date(2026, 10, 8), 12)).await;
    assert_eq!(service.series("sales", Grain::Week, &[]).await, weeks);
    assert_eq!(service.retired().await, kept);
}

#[tokio::test]
async fn a_roll_up_that_is_newly_asked_for_gets_its_history() {
    let mut service = Service::new(&sales(|day| Some(two_high_days(day))));
    service.run(COMPANY, morning(september(1)), at(september(20), 12)).await;
    let (before, history) = (service.values().await, service.history().await);
    assert!(service.series("sales", Grain::Day, &[("channel", "web")]).await.is_empty(), "nobody asked for it");
    let each = "  by-channel: {script: signal/threshold, on: [sales], each: channel, with: {above: 100}}\n";
    let one = "  south: {script: signal/threshold, on: [sales], where: {region: s}, with: {above: 3}}\n";
    let asked = COMPANY.replace("receivers:", &format!("{each}{one}receivers:"));
    service.run(&asked, at(september(20), 13), at(september(20), 14)).await;
    let total = service.series("sales", Grain::Day, &[]).await;
    for (labels, part) in [(("channel", "shop"), Some(8.0)), (("region", "s"), Some(4.0)), (("channel", "web"), None)] {
        let rolled = service.series("sales", Grain::Day, &[labels]).await;
        let value = |day| part.unwrap_or(two_high_days(day) as f64);
        assert_eq!(rolled.len(), total.len(), "{labels:?}");
        assert_eq!(rolled, total.iter().map(|(day, _)| (*day, value(*day))).collect::<Vec<_>>());
    }
    assert!(service.series("sales", Grain::Day, &[("region", "n")]).await.is_empty(), "one region was asked for");
    // What was known stays as it was, and the alert that lived goes on; the new rules were stepped through the past.
    let after = service.values().await;
    assert!(before.iter().all(|(key, value)| after.get(key) == Some(value)));
    let told = service.history().await;
    assert_eq!(told[..history.len()], history);
    let new = &told[history.len()..];
    assert!(new.iter().all(|line| line.contains("rule:by-channel/") || line.contains("rule:south/")), "{new:?}");
    assert!(new.iter().any(|line| line.starts_with("2026-09-15 rule:by-channel/sales{channel=\"web\"}#breach fired")));
    assert_eq!(new.iter().filter(|line| line.contains("rule:south/")).count(), 1, "{new:?}");
    // From then on they come with every slot; a restart pulls nothing anew.
    service.run(&asked, at(september(20), 15), at(september(23), 12)).await;
    assert_eq!(service.series("sales", Grain::Day, &[("channel", "shop")]).await.last(), Some(&(september(22), 8.0)));
}

/// The web opens on 10 September, is closed on the 12th and 13th, and has a shop in the south from the 15th on.
fn opening() -> String {
    let web = |day: Date| {
        let open = day >= september(10) && day != september(12) && day != september(13);
        open.then_some(200)
    };
    let south = "2026-09-15;web;s;5\n2026-09-17;web;s;5\n";
    sales(web) + south
}

#[tokio::test]
async fn missed_slots_give_what_slots_on_time_give() {
    for settle in ["0s", "3d"] {
        let each = "  by-channel: {script: signal/threshold, on: [sales], each: channel, with: {above: 100}}\n";
        let text = COMPANY
            .replace("receivers:", &format!("{each}receivers:"))
            .replace("    empty: zero", &format!("    settle: {settle}\n    empty: zero"));
        let mut lived = Service::new(&opening());
        lived.run(&text, morning(september(3)), at(september(25), 12)).await;
        let mut stopped = Service::new(&opening());
        stopped.run(&text, morning(september(3)), at(september(8), 12)).await;
        stopped.run(&text, at(september(22), 3), at(september(25), 12)).await;
        let (values, again) = (lived.values().await, stopped.values().await);
        assert_eq!(values, again, "settle {settle}");
        assert_eq!(lived.history().await, stopped.history().await, "settle {settle}");
        let first = |labels: &str| values.keys().filter(|(of, _)| of == labels).map(|(_, day)| *day).min();
        assert_eq!(first(r#"{channel="web",region="n"}"#), Some(september(10)), "settle {settle}");
        assert_eq!(first(r#"{channel="web",region="s"}"#), Some(september(15)), "settle {settle}");
        assert_eq!(first(r#"{channel="web"}"#), Some(september(10)), "settle {settle}");
        let closed = (r#"{channel="web"}"#.to_owned(), september(12));
        assert_eq!(values.get(&closed), Some(&0.0), "settle {settle}");
        // A first start that sees all of it says the same of what came before the web opened.
        let mut late = Service::new(&opening());
        late.run(&text, morning(september(25)), at(september(25), 12)).await;
        let late = late.values().await;
        assert!(values.iter().all(|(key, value)| late.get(key) == Some(value)), "settle {settle}");
    }
}
