//! `vigie demo`: six weeks of a French company, played by the same engine, store and channels as `run`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::json;
use tokio::sync::mpsc;

use super::super::output::blocks;
use super::{CONFIGURATION, REPLAY_DAYS, generate};
use crate::clock::Clock;
use crate::config::{Config, Environment, LoadOptions, Loaded, Secrets, load, render};
use crate::daemon::{Cycle, Driver, Script, Signals, build};
use crate::locale::{Text, datetime, text};
use crate::model::grain::{day_of, start_of_day};
use crate::model::notification::{Delivery, DeliveryState, NotifyReason};
use crate::model::unit::Language;
use crate::store::{DeliveryFilter, OpenOptions, Store};
use crate::telemetry::{MetricNames, Metrics};

/// The numbers are the same for everybody.
const SEED: u64 = 2026;
const DATABASE: &str = "entreprise.db";

/// What `vigie demo` was asked.
#[derive(Clone, Debug, Default)]
pub struct DemoOptions {
    /// Where everything lies; none: `vigie-demo` in the system's folder for temporary files.
    pub dir: Option<PathBuf>,
    /// The day to play up to; none: today.
    pub now: Option<Date>,
    /// Ends after the replay.
    pub once: bool,
    /// One JSON object a line instead of text.
    pub json: bool,
}

/// Plays the demo. Returns the exit code.
pub async fn run(options: DemoOptions) -> anyhow::Result<u8> {
    let dir = options.dir.unwrap_or_else(|| std::env::temp_dir().join("vigie-demo"));
    std::fs::create_dir_all(&dir).with_context(|| format!("folder {} can't be made", dir.display()))?;
    let dir = dir.canonicalize().with_context(|| format!("folder {} can't be read", dir.display()))?;
    let zone = TimeZone::get("Europe/Paris").context("the time zone Europe/Paris is unknown")?;
    let wall = Clock::Wall.now();
    let today = options.now.unwrap_or_else(|| day_of(wall, &zone));
    let tell = Teller { json: options.json };
    prepare(&dir, today, tell).await?;
    let (loaded, config) = read_configuration(&dir)?;
    let secrets = Secrets { environment: Environment::default(), base_dir: PathBuf::new() };
    let built = match build(&config, &loaded, &secrets) {
        Ok(built) => Arc::new(built),
        Err(problems) => bail!("{}", render(&problems, &loaded.sources, false)),
    };
    let end = if options.now.is_some() { start_of_day(today, &zone) + SignedDuration::from_hours(12) } else { wall };
    let first = today.checked_sub(REPLAY_DAYS.days()).context("the day is too early")?;
    let clock = Clock::script(start_of_day(first, &zone));
    let store = Store::open(&config.settings.state, OpenOptions { create: true, ..OpenOptions::default() }).await?;
    tell.start(&dir, &config.settings.state, (first, today))?;
    let mut script = Script::new(Cycle::start(store, built.clone(), clock.now()).await?, clock);
    play(&mut script, (first, end), &zone, tell).await?;
    if options.once {
        script.cycle.store().close().await;
        return Ok(0);
    }
    tell.remark("\nThe replay is over; the demo runs on. Ctrl-C ends it.\n")?;
    let (_nobody, requests) = mpsc::channel(1);
    let mut driver = Driver::new(script.cycle, Clock::shifted_to(end), Arc::new(Metrics::new(&MetricNames::default())));
    driver.drive(requests, Signals::watch()?).await?;
    driver.cycle.store().close().await;
    Ok(0)
}

/// Makes the company unless it is there; clears what an earlier replay left.
async fn prepare(dir: &Path, today: Date, tell: Teller) -> anyhow::Result<()> {
    let database = dir.join(DATABASE);
    if database.exists() {
        tell.remark(&format!("{} is there already and is replayed as it stands\n", database.display()))?;
    } else {
        tell.remark("writing two years of orders, stock, deliveries and answers...\n")?;
        generate(&database, today, SEED).await?;
    }
    for left in ["etat.db", "etat.db-wal", "etat.db-shm", "etat.db.lock", "etat.db.reserve"] {
        let path = dir.join(left);
        if path.exists() {
            std::fs::remove_file(&path).with_context(|| format!("{} can't be removed", path.display()))?;
        }
    }
    let boxes = dir.join("boites");
    if boxes.exists() {
        std::fs::remove_dir_all(&boxes).with_context(|| format!("{} can't be removed", boxes.display()))?;
    }
    let configuration = dir.join("vigie.yaml");
    if !configuration.exists() {
        std::fs::write(&configuration, CONFIGURATION)
            .with_context(|| format!("{} can't be written", configuration.display()))?;
    }
    Ok(())
}

fn read_configuration(dir: &Path) -> anyhow::Result<(Loaded, Config)> {
    let loaded = load(&LoadOptions { paths: vec![dir.join("vigie.yaml")], env: Environment::default() });
    match loaded.config.clone().filter(|_| !loaded.has_errors()) {
        Some(config) => Ok((loaded, config)),
        None => bail!("{}", render(&loaded.problems, &loaded.sources, false)),
    }
}

/// Day by day, printing each mail with its file as it comes.
async fn play(
    script: &mut Script,
    (first, end): (Date, Timestamp),
    zone: &TimeZone,
    tell: Teller,
) -> anyhow::Result<()> {
    let mut printed = 0;
    let mut day = first;
    loop {
        day = day.checked_add(1.day()).context("the day is too late")?;
        let until = start_of_day(day, zone).min(end);
        script.advance_to(until).await?;
        printed = print_new(script, printed, zone, tell).await?;
        if until >= end {
            break;
        }
    }
    tell.end(printed)
}

async fn print_new(script: &Script, printed: usize, zone: &TimeZone, tell: Teller) -> anyhow::Result<usize> {
    let filter = DeliveryFilter { state: Some(DeliveryState::Sent), limit: 10_000, ..DeliveryFilter::default() };
    let mut sent = script.cycle.store().deliveries(&filter).await?;
    sent.sort_by_key(|delivery| delivery.id);
    for delivery in sent.iter().skip(printed) {
        let (_, attempts) = script.cycle.store().delivery(delivery.id).await?.context("a listed delivery exists")?;
        let file = attempts.last().and_then(|attempt| attempt.detail.clone()).unwrap_or_default();
        let file = file.trim_start_matches("written to ").to_owned();
        tell.mail(delivery, &file, zone)?;
    }
    Ok(sent.len())
}

fn record(value: &serde_json::Value) -> anyhow::Result<()> {
    say(&format!("{value}\n"))
}

/// Says what happens, in the format that was asked for.
#[derive(Clone, Copy)]
struct Teller {
    json: bool,
}

impl Teller {
    /// For people only.
    fn remark(self, text: &str) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { say(text) }
    }

    fn start(self, dir: &Path, state: &Path, (first, today): (Date, Date)) -> anyhow::Result<()> {
        let (database, boxes) = (dir.join(DATABASE), dir.join("boites"));
        if self.json {
            return record(&json!({
                "type": "start", "database": database, "maildir": boxes, "state": state,
                "from": first.to_string(), "to": today.to_string(),
            }));
        }
        let (database, boxes, state) = (database.display(), boxes.display(), state.display());
        say(&format!("database  {database}\nmaildir   {boxes}\nstate     {state}\nplaying   {first} to {today}\n"))
    }

    fn mail(self, delivery: &Delivery, file: &str, zone: &TimeZone) -> anyhow::Result<()> {
        let (new, message) = (&delivery.new, &delivery.new.message);
        if self.json {
            return record(&json!({
                "type": "mail", "at": new.created_at.to_string(), "to": new.recipient,
                "subject": message.subject, "headline": message.headline, "file": file,
            }));
        }
        let at = datetime(Language::Fr, new.created_at, zone);
        let (receiver, to) = (text(Language::Fr, Text::Receiver), &new.recipient);
        say(&format!("\n{at}  {receiver} {to}\n  {}\n  {}\n  {file}\n", message.subject, message.headline))?;
        // The mails that follow in a thread show the same period a little later.
        let opening = message.sections.iter().filter(|_| message.reason == NotifyReason::First);
        for picture in opening.filter_map(|section| section.picture.as_ref()) {
            let blocks = blocks(picture, message.language);
            let indented = blocks.lines().fold(String::new(), |text, line| text + "  " + line + "\n");
            say(&format!("\n{indented}"))?;
        }
        Ok(())
    }

    fn end(self, mails: usize) -> anyhow::Result<()> {
        if self.json { record(&json!({"type": "summary", "mails": mails})) } else { say(&format!("{mails} mails\n")) }
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("stdout can't be written")
}
