//! The configuration as commands need it: whole and without errors, or refused with everything that is wrong.

use std::path::PathBuf;

use crate::config::{Config, Environment, LoadOptions, Loaded, Secrets, load, render};
use crate::daemon::{Built, build};

/// The configuration has errors; the message shows them all.
#[derive(Debug, thiserror::Error)]
#[error("{rendered}")]
pub struct Refused {
    rendered: String,
}

/// Reads the configuration without looking for secrets: who asks how things stand need not have them.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Config> {
    let (config, _) = read_with(paths, Environment::Unneeded)?;
    Ok(config)
}

/// Reads the configuration and builds everything that runs.
pub(super) fn read_and_build(paths: &[PathBuf]) -> anyhow::Result<Built> {
    let (config, loaded) = read_with(paths, Environment::Process)?;
    let built = build(&config, &loaded, &secrets());
    built.map_err(|problems| Refused { rendered: render(&problems, &loaded.sources, false) }.into())
}

/// Secrets of this process.
pub(super) fn secrets() -> Secrets {
    Secrets { environment: Environment::Process, base_dir: PathBuf::new() }
}

fn read_with(paths: &[PathBuf], env: Environment) -> anyhow::Result<(Config, Loaded)> {
    let mut loaded = load(&LoadOptions { paths: paths.to_vec(), env });
    match loaded.config.take() {
        Some(config) => Ok((config, loaded)),
        None => {
            let errors: Vec<_> = loaded.problems.iter().filter(|problem| problem.is_error()).cloned().collect();
            Err(Refused { rendered: render(&errors, &loaded.sources, false) }.into())
        }
    }
}
