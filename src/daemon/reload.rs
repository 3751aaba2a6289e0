//! Another configuration for the running service: all that can fail is done before anything changes, and where it fails the
//! old one stays in force.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::build::{Built, build};
use super::control::{Reply, Value};
use crate::clock::monotonic;
use crate::config::{Environment, LoadOptions, Loaded, Problem, Secrets, Settings, load, render};
use crate::rule::on_large_stack;

/// Reloads begin this far apart at least: whoever asks more often is served by one for all.
const PAUSE: Duration = Duration::from_secs(1);

/// A configuration that can take effect.
pub(super) struct Prepared {
    pub(super) built: Arc<Built>,
    pub(super) settings: Settings,
    /// Warnings, as text.
    pub(super) remarks: String,
}

/// Reads and builds; the error is every problem, as text.
pub(super) fn prepare(paths: &[PathBuf]) -> Result<Prepared, String> {
    let loaded = load(&LoadOptions { paths: paths.to_vec(), env: Environment::default() });
    let all = |found: Vec<Problem>| {
        let problems: Vec<Problem> = loaded.problems.iter().cloned().chain(found).collect();
        render(&problems, &loaded.sources, false)
    };
    let Some(config) = loaded.config.as_ref().filter(|_| !Loaded::has_errors(&loaded)) else {
        return Err(all(Vec::new()));
    };
    let secrets = Secrets { environment: Environment::default(), base_dir: PathBuf::new() };
    let built = build(config, &loaded, &secrets).map_err(all)?;
    Ok(Prepared { built: Arc::new(built), settings: config.settings.clone(), remarks: all(Vec::new()) })
}

/// Who waits for a reload, by name.
pub(super) type Asker = (String, oneshot::Sender<Reply>);

/// Reloads one after the other.
pub(super) struct Reloader {
    paths: Vec<PathBuf>,
    /// Those in force.
    settings: Settings,
    under_way: Option<JoinHandle<Result<Prepared, String>>>,
    began_at: Option<Instant>,
    /// Who asked for the reload under way, and for the one after it; none: a signal.
    waiting: Vec<Asker>,
    next: Vec<Asker>,
    again: bool,
}

impl Reloader {
    pub(super) fn new(paths: Vec<PathBuf>, settings: Settings) -> Reloader {
        let (waiting, next) = (Vec::new(), Vec::new());
        Reloader { paths, settings, under_way: None, began_at: None, waiting, next, again: false }
    }

    /// Begins a reload, or notes that another must follow the one under way. True when one begins.
    pub(super) fn ask(&mut self, asker: Option<Asker>) -> bool {
        if self.under_way.is_some() {
            self.again = true;
            self.next.extend(asker);
            return false;
        }
        self.waiting.extend(asker);
        let passed = self.began_at.map_or(PAUSE, |at| monotonic().saturating_duration_since(at));
        let pause = PAUSE.saturating_sub(passed);
        self.began_at = monotonic().checked_add(pause);
        let paths = self.paths.clone();
        self.under_way = Some(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let runtime = tokio::runtime::Handle::current();
            // Deep YAML and rules recurse on the stack; sources ask for the runtime.
            let read = move || {
                on_large_stack(|| {
                    let _entered = runtime.enter();
                    prepare(&paths)
                })
            };
            let prepared = tokio::task::spawn_blocking(read).await;
            prepared.unwrap_or_else(|_| Err("reading the configuration panicked; report this as a bug".to_owned()))
        }));
        true
    }

    /// What was prepared; never, while no reload is under way.
    pub(super) async fn prepared(&mut self) -> Result<Prepared, String> {
        let Some(under_way) = &mut self.under_way else { return pending().await };
        let prepared = under_way.await;
        self.under_way = None;
        prepared.unwrap_or_else(|_| Err("reading the configuration was given up".to_owned()))
    }

    /// Who asked for the reload that has been prepared; none: only a signal.
    pub(super) fn asked_by(&self) -> Option<String> {
        let names: Vec<&str> = self.waiting.iter().map(|(by, _)| by.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Why a configuration needs a restart; none where it does not.
    pub(super) fn needs_restart(&self, settings: &Settings) -> Option<String> {
        let fixed = [
            ("state", self.settings.state != settings.state),
            ("listen", self.settings.listen != settings.listen),
            ("control", self.settings.control != settings.control),
            ("log.format", self.settings.log.format != settings.log.format),
        ];
        let changed: Vec<String> =
            fixed.iter().filter(|(_, changed)| *changed).map(|(name, _)| format!("`{name}`")).collect();
        (!changed.is_empty()).then(|| {
            format!("{} can't change while the service runs: restart it, or put the old value back", changed.join(", "))
        })
    }

    /// The commit that the configuration in force stands at.
    pub(super) fn commit(&self) -> Option<&str> {
        self.settings.commit.as_deref()
    }

    /// A configuration is in force.
    pub(super) fn took_effect(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Tells whoever waits; true when another reload is to follow.
    pub(super) fn ended(&mut self, outcome: &Result<String, String>) -> bool {
        for (_, reply) in self.waiting.drain(..) {
            let said = match outcome {
                Ok(text) => Reply::Ok(Value::Text(text.clone())),
                Err(why) => Reply::Error(why.clone()),
            };
            drop(reply.send(said));
        }
        self.waiting = std::mem::take(&mut self.next);
        std::mem::take(&mut self.again)
    }
}
