//! `vigie run`: everything that can fail is done before the service says that it is ready.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::{mpsc, oneshot};

use super::build::{Built, build};
use super::control::Control;
use super::cycle::Cycle;
use super::drive::Driver;
use super::engine_thread::EngineThread;
use super::space::Readiness;
use crate::clock::{Clock, monotonic};
use crate::config::{Environment, LoadOptions, Loaded, LogFormat, Secrets, load, render};
use crate::net::ErrorClass;
use crate::store::{OpenOptions, Store};
use crate::telemetry::{self, MetricNames, Metrics};
use crate::web::{self, Health};

/// Exit code for a configuration with errors.
pub const CONFIGURATION_ERROR: u8 = 78;
/// What `vigie run` was asked.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Files and folders of the configuration.
    pub config: Vec<PathBuf>,
}

/// Runs the service until it is told to end. Returns the exit code.
pub async fn run(options: RunOptions) -> anyhow::Result<u8> {
    let loaded = load(&LoadOptions { paths: options.config.clone(), env: Environment::default() });
    let Some((built, settings)) = prepare(&loaded)? else { return Ok(CONFIGURATION_ERROR) };
    telemetry::init(&settings.log.level, settings.log.format == LogFormat::Json).map_err(anyhow::Error::msg)?;
    let clock = Clock::Wall;
    let started = monotonic();
    let store = Store::open(&settings.state, open_options()).await?;
    let metrics = Arc::new(Metrics::new(&names(&built)));
    let (to_cycle, requests) = mpsc::channel(64);
    let control = Control::bind(&settings.control).await?;
    let listener = match settings.listen {
        Some(address) => Some(web::bind(address).await?),
        None => None,
    };
    let built = Arc::new(built);
    #[cfg_attr(not(feature = "seeded-bugs"), expect(unused_mut, reason = "seeded bugs are set below"))]
    let mut cycle = Cycle::start(store, built.clone(), clock.now()).await?;
    #[cfg(feature = "seeded-bugs")]
    {
        cycle.bug = super::deliver::DeliveryBug::from_environment();
    }
    let serving = tokio::spawn(control.serve(to_cycle));
    let (stop, stopped) = oneshot::channel::<()>();
    let health = Arc::new(EngineHealth { engine: cycle.engine().clone(), readiness: cycle.readiness() });
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
    let mut driver = Driver::new(cycle, clock, metrics);
    let ended = driver.drive(requests).await;
    drop(stop);
    serving.abort();
    if let Some(web) = web {
        web.abort();
    }
    driver.cycle.store().close().await;
    ended?;
    tracing::info!("vigie has ended");
    Ok(0)
}

/// Alive while the engine's thread answers; ready unless something keeps the service from its work.
struct EngineHealth {
    engine: EngineThread,
    readiness: Readiness,
}

impl Health for EngineHealth {
    async fn alive(&self) {
        self.engine.with(|_, _| ()).await;
    }

    async fn ready(&self) -> Result<(), String> {
        self.engine.with(|_, _| ()).await;
        self.readiness.trouble().map_or(Ok(()), Err)
    }
}

/// The names that become labels of metrics.
fn names(built: &Built) -> MetricNames<'_> {
    let kinds: BTreeSet<&str> = built.channels.values().flatten().map(|channel| channel.kind()).collect();
    MetricNames {
        sources: built.sources.keys().collect(),
        failures: &ErrorClass::WORDS,
        receivers: built.setup.catalog.receivers.keys().collect(),
        channels: kinds.into_iter().collect(),
        config_checksum: &built.setup.catalog.checksum,
    }
}

/// Everything that can fail before the service says that it is ready; problems go to stderr.
fn prepare(loaded: &Loaded) -> anyhow::Result<Option<(Built, crate::config::Settings)>> {
    let mut problems = loaded.problems.clone();
    let built = loaded.config.as_ref().filter(|_| !loaded.has_errors()).map(|config| {
        let secrets = Secrets { environment: Environment::default(), base_dir: PathBuf::new() };
        build(config, loaded, &secrets)
    });
    let built = match built {
        Some(Ok(built)) => Some(built),
        Some(Err(found)) => {
            problems.extend(found);
            None
        }
        None => None,
    };
    let text = render(&problems, &loaded.sources, false);
    std::io::stderr().write_all(text.as_bytes()).context("stderr can't be written")?;
    Ok(built.zip(loaded.config.as_ref().map(|config| config.settings.clone())))
}

fn open_options() -> OpenOptions {
    #[cfg(feature = "seeded-bugs")]
    return OpenOptions { create: true, bug: super::deliver::store_bug(), ..OpenOptions::default() };
    #[cfg(not(feature = "seeded-bugs"))]
    OpenOptions { create: true, ..OpenOptions::default() }
}
