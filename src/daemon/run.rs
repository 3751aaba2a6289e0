//! `vigie run`: everything that can fail is done before the service says that it is ready.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::control::Control;
use super::cycle::Cycle;
use super::drive::{Driver, Signals};
use super::engine_thread::LiveEngine;
use super::reload::{Prepared, Reloader, prepare};
use super::space::Readiness;
use crate::clock::{Clock, monotonic};
use crate::config::LogFormat;
use crate::store::{OpenOptions, Store};
use crate::telemetry::{self, Lines, Metrics};
use crate::web::{self, Health};

/// Exit code for a configuration with errors.
pub const CONFIGURATION_ERROR: u8 = 78;
/// How long a start waits for another process that has the state and may be ending.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `vigie run` was asked.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Files and folders of the configuration.
    pub config: Vec<PathBuf>,
}

/// Runs the service until it is told to end. Returns the exit code.
pub async fn run(options: RunOptions) -> anyhow::Result<u8> {
    let signals = Signals::watch()?;
    let prepared = prepare(&options.config);
    let text = prepared.as_ref().map_or_else(String::as_str, |prepared| &prepared.remarks);
    std::io::stderr().write_all(text.as_bytes()).context("stderr can't be written")?;
    let Ok(Prepared { built, settings, .. }) = prepared else { return Ok(CONFIGURATION_ERROR) };
    let lines = match settings.log.format {
        LogFormat::Text => Lines::Text,
        LogFormat::Json => Lines::Json,
        LogFormat::Journald => Lines::Journald,
    };
    telemetry::init(&settings.log.level, lines).map_err(anyhow::Error::msg)?;
    let clock = Clock::Wall;
    let started = monotonic();
    let store = Store::open(&settings.state, open_options()).await?;
    // While another process keeps it locked nothing would be decided or sent: whoever starts this is to know.
    store.try_writing().await?;
    let metrics = Arc::new(Metrics::new(&built.metric_names()));
    let (to_cycle, requests) = mpsc::channel(64);
    let control = Control::bind(&settings.control).await?;
    let listener = match settings.listen {
        Some(address) => Some(web::bind(address).await?),
        None => None,
    };
    #[cfg_attr(not(feature = "seeded-bugs"), expect(unused_mut, reason = "seeded bugs are set below"))]
    let mut cycle = Cycle::start(store, built.clone(), clock.now()).await?;
    #[cfg(feature = "seeded-bugs")]
    {
        cycle.bug = super::deliver::DeliveryBug::from_environment();
    }
    let begun = json!({"version": env!("CARGO_PKG_VERSION"), "configuration": built.setup.catalog.checksum,
                       "commit": settings.commit});
    cycle.note(None, "start", &begun, clock.now()).await?;
    let serving = tokio::spawn(control.serve(to_cycle));
    let (stop, stopped) = oneshot::channel::<()>();
    let engine = LiveEngine::new(cycle.engine().clone());
    let health = Arc::new(EngineHealth { engine: engine.clone(), readiness: cycle.readiness() });
    let web = listener.map(|listener| {
        let stopped = async move { drop(stopped.await) };
        tokio::spawn(web::serve(listener, metrics.clone(), health, stopped))
    });
    tracing::info!(
        kpis = built.setup.catalog.kpis.len(),
        objectives = built.setup.catalog.objectives.len(),
        rules = built.setup.catalog.rules.len(),
        state = %settings.state.display(),
        after_ms = started.elapsed().as_millis() as u64,
        "vigie is ready"
    );
    metrics.set_started_at(clock.now());
    metrics.set_configured_at(clock.now());
    let reloader = Reloader::new(options.config, settings);
    let mut driver = Driver::new(cycle, clock, metrics).reloading(reloader, engine);
    let ended = driver.drive(requests, signals).await;
    drop(stop);
    serving.abort();
    if let Some(web) = web {
        web.abort();
    }
    if ended.is_ok() {
        driver.cycle.note(None, "end", &json!({}), Clock::Wall.now()).await?;
    }
    driver.cycle.store().close().await;
    ended?;
    tracing::info!("vigie has ended");
    Ok(0)
}

/// Alive while the engine's thread answers; ready unless something keeps the service from its work.
struct EngineHealth {
    engine: LiveEngine,
    readiness: Readiness,
}

impl Health for EngineHealth {
    async fn alive(&self) {
        self.engine.now().with(|_, _| ()).await;
    }

    async fn ready(&self) -> Result<(), String> {
        self.engine.now().with(|_, _| ()).await;
        self.readiness.trouble().map_or(Ok(()), Err)
    }
}

fn open_options() -> OpenOptions {
    #[cfg(feature = "seeded-bugs")]
    return OpenOptions {
        create: true,
        patience: PATIENCE,
        bug: super::deliver::store_bug(),
        ..OpenOptions::default()
    };
    #[cfg(not(feature = "seeded-bugs"))]
    OpenOptions { create: true, patience: PATIENCE, ..OpenOptions::default() }
}
