//! Thirty days in which the service is stopped, reloaded and killed, its disk is full and its mailboxes are away, while
//! sources fail and figures are revised as in all scenarios: what is decided and told is what it is without any of the
//! service's own troubles, and every message arrives, no more often than attempts were cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastrand::Rng;
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;
use vigie::clock::{Clock, monotonic};
use vigie::daemon::{Built, Point, Script};
use vigie::model::ids::ReceiverId;
use vigie::model::notification::DeliveryState;
use vigie::store::{DeliveryFilter, OpenOptions, Store};

use super::history::{History, first_difference};
use super::play::{Company, act, configured, folder, history, play_in, start_on};
use super::restarts::{busy_minutes, is_calm, restarts, runtime, seeds, side_by_side};
use super::world::{Happening, World};

const DAYS: i64 = 30;
/// Stops, of which half are reloads.
const STOPS: usize = 16;
const KILLS_OF_EACH_KIND: usize = 15;
const FULL_DISKS_OF_EACH_KIND: usize = 4;
const MAILBOXES_AWAY: usize = 4;
/// A step that needs more than this frees it.
const RESERVE_BYTES: u64 = 1 << 16;
const BOXES: [&str; 2] = ["ada", "bob"];

/// How a mailbox is away.
#[derive(Clone, Copy, Debug)]
enum Away {
    /// It may come back: sends are tried again.
    Lost,
    /// No further try can help: what is sent to it is dead until somebody sends it again.
    Refused,
}

/// What befalls the service itself.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Stop,
    Start,
    Reload,
    /// At the next such point it is killed, and started again at once.
    Kill(Point),
    /// No row fits into that table any more.
    Fill(&'static str),
    Free(&'static str),
    TakeMailbox(&'static str, Away),
    GiveMailbox(&'static str),
}

enum Turn<'a> {
    Happens(&'a Happening),
    Befalls(Trouble),
}

#[test]
fn a_month_of_faults_loses_and_changes_nothing() {
    side_by_side(seeds(1), one_seed);
}

fn one_seed(seed: u64) {
    let began = monotonic();
    // The clocks go back on the 21st day.
    let world = World::of(seed, date(2026, 10, 5), DAYS);
    let (base, sends) = runtime().block_on(without_troubles(&world));
    let troubles = troubles(&world, seed, &sends);
    let (lived, felt) = runtime().block_on(Month::live(&world, &troubles));
    println!(
        "month {seed}: {} changes, {} told; {}; {:.1} s",
        base.alerts.len(),
        base.told.len(),
        felt.line(&world, &troubles),
        began.elapsed().as_secs_f64()
    );
    assert!(base.alerts.len() > 40 && base.told.len() > 15, "seed {seed}: too little happened to compare");
    if let Some(difference) = first_difference(&base.alerts, &lived.alerts) {
        panic!("seed {seed}, a month of faults, alerts, {difference}");
    }
    if let Some(difference) = first_difference(&base.told, &lived.told) {
        panic!("seed {seed}, a month of faults, what was told, {difference}");
    }
    felt.check(seed);
}

/// What comes of it when only sources and figures are irregular, and when messages are decided then.
async fn without_troubles(world: &World) -> (History, Vec<Timestamp>) {
    let dir = folder();
    let (_, history) = play_in(&dir, world, &[]).await;
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let store = Store::open(&dir.path().join("state.db"), options).await.expect("the state opens");
    let all = DeliveryFilter { limit: u32::MAX, ..DeliveryFilter::default() };
    let deliveries = store.deliveries(&all).await.expect("the store can be read");
    store.close().await;
    (history, deliveries.iter().map(|delivery| delivery.new.created_at).collect())
}

/// Around the moments at which messages go out; the rest at random.
fn troubles(world: &World, seed: u64, sends: &[Timestamp]) -> Vec<(Timestamp, Trouble)> {
    let (mut rng, busy) = (Rng::with_seed(seed ^ 0x0300), busy_minutes());
    let mut all = Vec::new();
    let mut taken: Vec<(Timestamp, Timestamp)> = Vec::new();
    for stop in restarts(world, seed, STOPS) {
        taken.push((stop.from, stop.to));
        if stop.from == stop.to {
            all.push((stop.from, Trouble::Reload));
        } else {
            all.extend([(stop.from, Trouble::Stop), (stop.to, Trouble::Start)]);
        }
    }
    let second = SignedDuration::from_secs(1);
    for table in ["attempt", "delivery"] {
        let mut left = FULL_DISKS_OF_EACH_KIND;
        for _ in 0..2000 {
            let from = sends[rng.usize(0..sends.len())] - second;
            let to = from + SignedDuration::from_secs(rng.i64(5..600));
            let apart = taken.iter().all(|(start, end)| to + second < *start || *end + second < from);
            // Nothing is pulled while a decision can't be written, so that no slot may be missed.
            if left > 0 && apart && to < world.end && is_calm(world, &busy, from, to) {
                taken.push((from, to));
                all.extend([(from, Trouble::Fill(table)), (to, Trouble::Free(table))]);
                left -= 1;
            }
        }
    }
    for point in [Point::Pulled, Point::Begun, Point::Left] {
        for _ in 0..KILLS_OF_EACH_KIND {
            let at = sends[rng.usize(0..sends.len())] - second;
            let earlier = SignedDuration::from_mins(rng.i64(0..60));
            all.push((if point == Point::Pulled { at - earlier } else { at }, Trouble::Kill(point)));
        }
    }
    for name in BOXES {
        let mut back = world.start;
        for (number, at) in chosen(&mut rng, sends).into_iter().enumerate() {
            let way = if number % 2 == 0 { Away::Lost } else { Away::Refused };
            let to = at + SignedDuration::from_mins(rng.i64(1..15 * 60));
            if at > back && to < world.end - SignedDuration::from_hours(24) {
                all.extend([(at - second, Trouble::TakeMailbox(name, way)), (to, Trouble::GiveMailbox(name))]);
                back = to + second;
            }
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

fn chosen(rng: &mut Rng, sends: &[Timestamp]) -> BTreeSet<Timestamp> {
    (0..MAILBOXES_AWAY).map(|_| sends[rng.usize(0..sends.len())]).collect()
}

/// What of it came to pass.
#[derive(Default)]
struct Felt {
    kills: BTreeMap<&'static str, usize>,
    full: BTreeMap<&'static str, usize>,
    failed: usize,
    dead: usize,
    messages: usize,
    copies: u32,
    cut_off: u32,
}

impl Felt {
    fn line(&self, world: &World, troubles: &[(Timestamp, Trouble)]) -> String {
        let count = |is: fn(&Trouble) -> bool| troubles.iter().filter(|(_, trouble)| is(trouble)).count();
        let happened = |is: fn(&Happening) -> bool| world.happenings.iter().filter(|(_, what)| is(what)).count();
        format!(
            "{} outages, {} late or revised rows, {} stops, {} reloads, {:?} kills, {:?} full disks, {} failed attempts, \
             {} dead and sent again, {} messages, {} copies more after {} attempts without outcome",
            happened(|what| matches!(what, Happening::Down(..))),
            happened(|what| matches!(what, Happening::Sql(..))),
            count(|trouble| matches!(trouble, Trouble::Stop)),
            count(|trouble| matches!(trouble, Trouble::Reload)),
            self.kills,
            self.full,
            self.failed,
            self.dead,
            self.messages,
            self.copies,
            self.cut_off,
        )
    }

    /// Each kind of trouble was met, or nothing was shown.
    fn check(&self, seed: u64) {
        for point in ["Pulled", "Begun", "Left"] {
            assert!(self.kills.contains_key(point), "seed {seed}: never killed at {point}");
        }
        for table in ["attempt", "delivery"] {
            assert!(self.full.contains_key(table), "seed {seed}: a full disk never kept back a row of {table}");
        }
        assert!(self.failed > 0 && self.dead > 0, "seed {seed}: no send failed, or none for good");
        assert!(self.copies > 0, "seed {seed}: a kill after a message has left must bring a copy");
    }
}

struct Month {
    dir: TempDir,
    company: Company,
    built: Arc<Built>,
    clock: Clock,
    /// None while it is stopped.
    script: Option<Script>,
    /// Another one after each kill: the files as the kill left them.
    state: PathBuf,
    armed: Vec<Point>,
    /// How often each message lay in its mailbox; people take out what they find.
    received: BTreeMap<String, u32>,
    felt: Felt,
}

impl Month {
    async fn live(world: &World, troubles: &[(Timestamp, Trouble)]) -> (History, Felt) {
        let dir = folder();
        let company = Company::found(dir.path(), world).await;
        let built = configured(dir.path(), include_str!("vigie.yaml"));
        let (state, clock) = (dir.path().join("state-0.db"), Clock::script(world.start));
        let (armed, received, felt) = (Vec::new(), BTreeMap::new(), Felt::default());
        let mut month = Month { dir, company, built, clock, script: None, state, armed, received, felt };
        month.start().await;
        let happens = world.happenings.iter().map(|(at, what)| (*at, Turn::Happens(what)));
        let befalls = troubles.iter().map(|(at, what)| (*at, Turn::Befalls(*what)));
        let mut turns: Vec<_> = happens.chain(befalls).collect();
        turns.sort_by_key(|(at, _)| *at);
        for (at, turn) in turns {
            month.advance(at).await;
            match turn {
                Turn::Happens(what) if what.is_action() => act(month.running(), what).await,
                Turn::Happens(what) => month.company.suffer(what).await,
                Turn::Befalls(what) => month.befall(what).await,
            }
        }
        month.advance(world.end).await;
        month.end().await
    }

    fn running(&mut self) -> &mut Script {
        self.script.as_mut().expect("nobody can act on a service that does not run")
    }

    async fn start(&mut self) {
        self.script = Some(start_on(&self.state, RESERVE_BYTES, &self.built, &self.clock).await);
    }

    async fn stop(&mut self) {
        if let Some(script) = self.script.take() {
            script.cycle.store().close().await;
        }
    }

    async fn advance(&mut self, until: Timestamp) {
        loop {
            let Some(script) = &mut self.script else {
                self.clock.set(until);
                return;
            };
            let mut met = None;
            let armed = &self.armed;
            let goes_on = |point: Point| {
                met = armed.iter().position(|wanted| *wanted == point);
                met.is_none()
            };
            let is_there = script.advance_while(until, goes_on).await.expect("the store can be written");
            self.read_mail();
            let Some(met) = met.filter(|_| !is_there) else { return };
            let point = self.armed.swap_remove(met);
            *self.felt.kills.entry(name_of(point)).or_default() += 1;
            self.die().await;
            self.start().await;
        }
    }

    /// What is on disk at this moment is all that is left. The old files end as nobody looks at them any more.
    async fn die(&mut self) {
        let number: usize = self.felt.kills.values().sum();
        let left = self.dir.path().join(format!("state-{number}.db"));
        for ending in ["", "-wal"] {
            let from = with_ending(&self.state, ending);
            if from.exists() {
                fs::copy(from, with_ending(&left, ending)).expect("the files can be copied");
            }
        }
        self.stop().await;
        fs::remove_file(&self.state).expect("there was a state");
        self.state = left;
    }

    async fn befall(&mut self, what: Trouble) {
        match what {
            Trouble::Stop => self.stop().await,
            Trouble::Start => self.start().await,
            Trouble::Reload => {
                let (built, now) = (self.built.clone(), self.clock.now());
                let reloaded = self.running().cycle.reload(built, now).await.expect("the store can be written");
                assert_eq!(reloaded, Ok(()));
            }
            Trouble::Kill(point) => self.armed.push(point),
            // SQLite has no number left for a row, and says what it says of a full disk.
            Trouble::Fill(table) => self.count_rows_from(table, "9223372036854775807").await,
            Trouble::Free(table) => {
                self.count_rows_from(table, &format!("(SELECT coalesce(max(id), 0) FROM {table})")).await;
                if !self.running().cycle.has_space() {
                    *self.felt.full.entry(table).or_default() += 1;
                }
            }
            Trouble::TakeMailbox(name, away) => {
                let (mailbox, kept) = (self.mailbox(name), self.kept(name));
                if mailbox.exists() {
                    fs::rename(&mailbox, kept).expect("the mailbox can be moved");
                }
                fs::create_dir_all(mailbox.parent().expect("it has a folder")).expect("the folder is made");
                match away {
                    Away::Lost => symlink("nowhere", mailbox).expect("the link is made"),
                    Away::Refused => fs::write(mailbox, "").expect("the file is written"),
                }
            }
            Trouble::GiveMailbox(name) => self.give_mailbox(name).await,
        }
    }

    /// From which number on rows of a table are counted.
    async fn count_rows_from(&mut self, table: &str, number: &str) {
        let options = SqliteConnectOptions::new().filename(&self.state).disable_statement_logging();
        let mut state = options.connect().await.expect("the state opens");
        let sql = format!(
            "DELETE FROM sqlite_sequence WHERE name = '{table}'; INSERT INTO sqlite_sequence VALUES ('{table}', {number})"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut state).await.expect("the state can be written");
        state.close().await.expect("the state closes");
    }

    /// It is there again, and somebody sends what could not be sent.
    async fn give_mailbox(&mut self, name: &str) {
        let (mailbox, kept) = (self.mailbox(name), self.kept(name));
        fs::remove_file(&mailbox).expect("something stood in its place");
        if kept.exists() {
            fs::rename(kept, mailbox).expect("the mailbox can be moved");
        }
        let now = self.clock.now();
        let dead = DeliveryFilter { state: Some(DeliveryState::Dead), limit: u32::MAX, ..DeliveryFilter::default() };
        let Some(script) = &self.script else { return };
        let store = script.cycle.store();
        for delivery in store.deliveries(&dead).await.expect("the store can be read") {
            store.requeue(delivery.id, now).await.expect("the store can be written");
            self.felt.dead += 1;
        }
    }

    fn mailbox(&self, name: &str) -> PathBuf {
        self.dir.path().join("boxes").join(name)
    }

    fn kept(&self, name: &str) -> PathBuf {
        self.dir.path().join("boxes").join(format!("{name}.kept"))
    }

    fn read_mail(&mut self) {
        for name in BOXES {
            let Ok(mails) = fs::read_dir(self.mailbox(name).join("new")) else { continue };
            for mail in mails {
                let path = mail.expect("the mailbox can be read").path();
                *self.received.entry(place_of(&path.display().to_string())).or_default() += 1;
                fs::remove_file(path).expect("the mail is taken");
            }
        }
    }

    /// Every delivery arrived, and no more often than attempts could not be known to have failed.
    async fn end(mut self) -> (History, Felt) {
        let store = self.running().cycle.store().clone();
        let receivers: Vec<&ReceiverId> = self.built.setup.catalog.receivers.keys().collect();
        let violations = store.violations(&receivers).await.expect("the store can be read");
        assert!(violations.is_empty(), "{violations:?}");
        let all = DeliveryFilter { limit: u32::MAX, ..DeliveryFilter::default() };
        for delivery in store.deliveries(&all).await.expect("the store can be read") {
            assert_eq!(delivery.state, DeliveryState::Sent, "{delivery:?}");
            let (_, attempts) =
                store.delivery(delivery.id).await.expect("the store can be read").expect("it was there just now");
            let outcome = |wanted: &'static str| {
                attempts.iter().filter(move |attempt| attempt.outcome.as_deref() == Some(wanted))
            };
            let unknown = outcome("unknown").count() as u32;
            assert_eq!(outcome("ambiguous").count(), 0, "{attempts:?}");
            let sent = outcome("sent").next().and_then(|attempt| attempt.detail.as_deref()).expect("it was sent");
            let received = self.received.remove(&place_of(sent)).unwrap_or_default();
            assert!((1..=1 + unknown).contains(&received), "received {received} times: {delivery:?} {attempts:?}");
            self.felt.messages += 1;
            self.felt.copies += received - 1;
            self.felt.cut_off += unknown;
            self.felt.failed += outcome("retry").count() + outcome("permanent").count();
        }
        assert!(self.received.is_empty(), "nobody decided to send {:?}", self.received);
        let mut history = history(&store).await;
        // Of the mailboxes that were away the service told too; the rest is what it is without that.
        history.alerts.retain(|line| !line.contains(" receiver:"));
        history.told.retain(|line| !line.contains(" receiver:"));
        self.stop().await;
        (history, self.felt)
    }
}

fn name_of(point: Point) -> &'static str {
    match point {
        Point::Pulled => "Pulled",
        Point::Begun => "Begun",
        Point::Left => "Left",
    }
}

/// `ada/new/…` of a mail's path, or of a text that ends with it.
fn place_of(path: &str) -> String {
    path.rsplit_once("boxes/").map(|(_, place)| place.to_owned()).expect("mails lie in mailboxes")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut whole = path.as_os_str().to_owned();
    whole.push(ending);
    whole.into()
}
