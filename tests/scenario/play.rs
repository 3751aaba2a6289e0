//! Plays a world: moves the clock, lets things happen at their instants, stops and starts the service.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;
use vigie::clock::Clock;
use vigie::config::{Environment, LoadOptions, Secrets, load, render};
use vigie::daemon::{Built, Cycle, Script, build};
use vigie::model::action::{Action, ActionKind};
use vigie::model::alert::{AlertKey, Phase, Subject};
use vigie::model::ids::AlertId;
use vigie::model::notification::Matcher;
use vigie::model::suspect::{Decision, Suspect};
use vigie::store::{OpenOptions, Store, TransitionFilter};

use super::history::History;
use super::world::{Base, Happening, Outage, World};

/// The service stops at `from` and starts again at `to`; where both are one instant every other time it is reloaded instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

pub(super) async fn play(world: &World, stops: &[Stop]) -> History {
    play_in(&folder(), world, stops).await.1
}

/// Plays it in a folder that is kept, with all that is stored.
pub(super) async fn play_in(dir: &TempDir, world: &World, stops: &[Stop]) -> (Arc<Built>, History) {
    let mut company = Company::found(dir.path(), world).await;
    let built = configured(dir.path(), include_str!("vigie.yaml"));
    let clock = Clock::script(world.start);
    let mut script = start(dir.path(), &built, &clock).await;
    let mut happenings = world.happenings.iter().peekable();
    let mut reloads = false;
    for stop in stops.iter().copied().map(Some).chain([None]) {
        let until = stop.map_or(world.end, |stop| stop.from);
        while let Some((at, what)) = happenings.next_if(|(at, _)| *at <= until) {
            advance(&mut script, *at).await;
            if what.is_action() {
                act(&mut script, what).await;
            } else {
                company.suffer(what).await;
            }
        }
        advance(&mut script, until).await;
        let Some(stop) = stop else { break };
        if stop.from == stop.to {
            reloads = !reloads;
            if reloads {
                let reloaded = script.cycle.reload(built.clone(), clock.now()).await.expect("the store can be written");
                assert_eq!(reloaded, Ok(()));
                continue;
            }
        }
        script.cycle.store().close().await;
        drop(script);
        while let Some((_, what)) = happenings.next_if(|(at, _)| *at <= stop.to) {
            assert!(!what.is_action(), "nobody can act on a service that does not run");
            company.suffer(what).await;
        }
        clock.set(stop.to);
        script = start(dir.path(), &built, &clock).await;
    }
    let store = script.cycle.store();
    let history = history(store).await;
    store.close().await;
    (built, history)
}

pub(super) async fn history(store: &Store) -> History {
    let all = TransitionFilter { limit: u32::MAX, ..TransitionFilter::default() };
    let transitions = store.transitions(&all).await.expect("the store can be read");
    let items = store.notification_items().await.expect("the store can be read");
    History::new(transitions, &items)
}

/// A folder for one play: in memory where there is such a place, for it is about decisions, not about disks.
pub(super) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder for temporary files")
}

pub(super) async fn advance(script: &mut Script, until: Timestamp) {
    script.advance_to(until).await.expect("the store can be written");
}

/// Rules and sources hold no state, so that one build serves all starts; everything else is made anew.
pub(super) async fn start(dir: &Path, built: &Arc<Built>, clock: &Clock) -> Script {
    start_on(&dir.join("state.db"), 0, built, clock).await
}

pub(super) async fn start_on(state: &Path, reserve_bytes: u64, built: &Arc<Built>, clock: &Clock) -> Script {
    let options = OpenOptions { create: true, reserve_bytes, ..OpenOptions::default() };
    let store = Store::open(state, options).await.expect("the state opens");
    let cycle = Cycle::start(store, built.clone(), clock.now()).await.expect("the service starts");
    Script::new(cycle, clock.clone())
}

pub(super) fn configured(dir: &Path, text: &str) -> Arc<Built> {
    let path = dir.join("vigie.yaml");
    fs::write(&path, text).expect("the configuration is written");
    let loaded = load(&LoadOptions { paths: vec![path], env: Environment::default() });
    let told = render(&loaded.problems, &loaded.sources, false);
    let config = loaded.config.clone().unwrap_or_else(|| panic!("{told}"));
    let secrets = Secrets { environment: Environment::default(), base_dir: PathBuf::new() };
    match build(&config, &loaded, &secrets) {
        Ok(built) => Arc::new(built),
        Err(problems) => panic!("{}", render(&problems, &loaded.sources, false)),
    }
}

/// Does what somebody does to one of the alerts that fire; nothing when none does.
pub(super) async fn act(script: &mut Script, what: &Happening) {
    let now = script.now();
    let firing: Vec<AlertId> = script
        .cycle
        .engine()
        .with(|state, _| {
            let sorted = state.book.sorted();
            // Those of mailboxes depend on what befalls the service.
            let firing = sorted.values().filter(|alert| alert.phase == Phase::Firing);
            firing
                .map(|alert| &alert.key)
                .filter(|key| !matches!(key.subject, Subject::Receiver(_)))
                .map(AlertKey::id)
                .collect()
        })
        .await;
    let choose = |which: usize| (!firing.is_empty()).then(|| firing[which % firing.len()].clone());
    let kind = match *what {
        Happening::Acknowledge(which) => choose(which).map(|alert| ActionKind::Acknowledge { alert, note: None }),
        Happening::Snooze(which, lasts) => choose(which).map(|alert| ActionKind::Snooze { alert, until: now + lasts }),
        Happening::Silence(which, lasts) => choose(which).map(|alert| ActionKind::Silence {
            matcher: Matcher { alert: Some(alert), ..Matcher::default() },
            until: now + lasts,
            why: "known".to_owned(),
        }),
        Happening::Settle(which, is_real) => {
            let waiting = script.cycle.store().suspects(true, 1_000).await.expect("the store can be read");
            (!waiting.is_empty()).then(|| {
                let Suspect { series, bucket, .. } = waiting[which % waiting.len()].clone();
                let decision = if is_real { Decision::Accept } else { Decision::Reject };
                ActionKind::Settle { kpi: series.kpi, bucket, labels: Some(series.labels), decision, note: None }
            })
        }
        Happening::Sql(..) | Happening::Down(..) | Happening::Up(_) => None,
    };
    if let Some(what) = kind {
        let done =
            script.cycle.act(Action { by: "ada".to_owned(), what }, now).await.expect("the store can be written");
        done.expect("an alert that fires can be acted on");
    }
}

/// The databases. The service reads them through links, so that they can go and come back.
pub(super) struct Company {
    dir: PathBuf,
    shop: SqliteConnection,
    ops: SqliteConnection,
}

impl Company {
    pub(super) async fn found(dir: &Path, world: &World) -> Company {
        fs::write(dir.join("damaged"), damaged()).expect("a damaged file is written");
        let (shop, ops) = (connect(&dir.join("shop.real")).await, connect(&dir.join("ops.real")).await);
        let mut company = Company { dir: dir.to_owned(), shop, ops };
        for base in [Base::Shop, Base::Ops] {
            company.execute(base, "BEGIN").await;
            for (_, sql) in world.rows.iter().filter(|(of, _)| *of == base) {
                company.execute(base, sql).await;
            }
            company.execute(base, "COMMIT").await;
            company.link(base, name(base, "real"));
        }
        company
    }

    pub(super) async fn suffer(&mut self, what: &Happening) {
        match what {
            Happening::Sql(base, sql) => self.execute(*base, sql).await,
            Happening::Down(base, Outage::Gone) => self.unlink(*base),
            Happening::Down(base, Outage::Damaged) => self.link(*base, "damaged".to_owned()),
            Happening::Up(base) => self.link(*base, name(*base, "real")),
            Happening::Acknowledge(_) | Happening::Snooze(..) | Happening::Silence(..) | Happening::Settle(..) => {}
        }
    }

    async fn execute(&mut self, base: Base, sql: &str) {
        let connection = match base {
            Base::Shop => &mut self.shop,
            Base::Ops => &mut self.ops,
        };
        sqlx::query(AssertSqlSafe(sql)).execute(connection).await.expect("the company's database can be written");
    }

    fn unlink(&self, base: Base) {
        let path = self.dir.join(name(base, "db"));
        if path.is_symlink() {
            fs::remove_file(path).expect("the link is removed");
        }
    }

    fn link(&self, base: Base, to: String) {
        self.unlink(base);
        symlink(self.dir.join(to), self.dir.join(name(base, "db"))).expect("the link is made");
    }
}

fn name(base: Base, ending: &str) -> String {
    match base {
        Base::Shop => format!("shop.{ending}"),
        Base::Ops => format!("ops.{ending}"),
    }
}

async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        .disable_statement_logging();
    SqliteConnection::connect_with(&options).await.expect("the company's database opens")
}

/// A database's header with nothing sensible behind it.
fn damaged() -> Vec<u8> {
    let mut bytes = vec![0_u8; 8192];
    bytes[..16].copy_from_slice(b"SQLite format 3\0");
    bytes[16..24].copy_from_slice(&[0x10, 0, 1, 1, 0, 64, 32, 32]);
    bytes[31] = 2;
    bytes[47] = 4;
    bytes[59] = 1;
    bytes[100] = 0xff;
    bytes
}
