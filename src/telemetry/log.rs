//! Logs, to stderr or to systemd's journal.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

/// What is logged can be changed once logging has started.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// In what form, and where to, is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// To stderr, for people.
    Text,
    /// To stderr, one object a line.
    Json,
    /// To systemd's journal, each field by its name.
    Journald,
}

/// Starts logging. `level` is a level or a filter as `tracing` writes it.
pub fn init(level: &str, lines: Lines) -> Result<(), String> {
    let (chosen, handle) = reload::Layer::new(filter(level)?);
    let written = || fmt::layer().with_writer(std::io::stderr);
    let lines = match lines {
        Lines::Json => written().json().flatten_event(true).with_filter(filter_fn(is_free_of_secrets)).boxed(),
        Lines::Text => {
            written().with_ansi(std::io::stderr().is_terminal()).with_filter(filter_fn(is_free_of_secrets)).boxed()
        }
        Lines::Journald => {
            let journal = tracing_journald::layer().map_err(|error| {
                format!(
                    "systemd's journal can't be written to ({error}): write `log: {{format: text}}` where there is none"
                )
            })?;
            journal.with_field_prefix(Some("VIGIE".to_owned())).with_filter(filter_fn(is_free_of_secrets)).boxed()
        }
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

/// Whether a level or filter is understood.
///
/// # Errors
/// With what can be written.
pub fn check_level(level: &str) -> Result<(), String> {
    filter(level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, String> {
    let wrong =
        |why: &str| format!("log level `{level}` is not understood ({why}): write `info`, or `info,vigie=debug`");
    // A word alone would be taken for a module, and everything else fall silent.
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    if let Some(word) = level.split(',').find(|part| !part.contains('=') && !is_level(part.trim())) {
        return Err(wrong(&format!("`{}` is none of error, warn, info, debug, trace, off", word.trim())));
    }
    EnvFilter::try_new(level).map_err(|error| wrong(&error.to_string()))
}

/// Below `info` libraries tell of headers, addresses and statements as they are, whoever asks for it.
fn is_free_of_secrets(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    target == "vigie" || target.starts_with("vigie::") || *metadata.level() <= Level::INFO
}

#[cfg(test)]
mod tests {
    use super::check_level;

    #[test]
    fn what_is_no_level_is_refused() {
        for level in ["info", "debug", "off", "warn,vigie=debug", "vigie::daemon=trace,info", " info"] {
            assert_eq!(check_level(level), Ok(()), "{level}");
        }
        for level in ["dbug", "", "info,", "vigie", "vigie=loud", "lou[d", "info,bogus"] {
            assert!(check_level(level).unwrap_err().contains("is not understood"), "{level}");
        }
    }
}
