//! Logs to stderr.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

/// What is logged can be changed once logging has started.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging to stderr. `level` is a level or a filter as `tracing` writes it.
pub fn init(level: &str, json: bool) -> Result<(), String> {
    let (chosen, handle) = reload::Layer::new(filter(level)?);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).with_filter(filter_fn(is_free_of_secrets)).boxed()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).with_filter(filter_fn(is_free_of_secrets)).boxed()
    };
    let started = tracing_subscriber::registry().with(chosen).with(lines).try_init();
    started.map_err(|error| format!("logging can't start: {error}"))?;
    // A process starts logging once.
    drop(FILTER.set(handle));
    Ok(())
}

/// Logs from now on what `level` says.
///
/// # Errors
/// It is not understood, or logging has not started.
pub fn set_level(level: &str) -> Result<(), String> {
    let set = FILTER.get().ok_or("logging has not started")?;
    set.reload(filter(level)?).map_err(|error| error.to_string())
}

fn filter(level: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(level).map_err(|error| {
        format!("log level `{level}` is not understood ({error}): write `info`, or `info,vigie=debug`")
    })
}

/// Below `info` libraries tell of headers, addresses and statements as they are, whoever asks for it.
fn is_free_of_secrets(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    target == "vigie" || target.starts_with("vigie::") || *metadata.level() <= Level::INFO
}
