//! The configuration as commands need it: whole and without errors, or refused with everything that is wrong.

use std::path::PathBuf;

use crate::config::{Config, Draft, Environment, LoadOptions, Loaded, Problem, Secrets, load, load_kpis, render};
use crate::daemon::{Built, build};

/// The configuration has errors; the message shows them all.
#[derive(Debug, thiserror::Error)]
#[error("{rendered}")]
pub struct Refused {
    rendered: String,
}

impl Refused {
    pub(super) fn of(rendered: String) -> Refused {
        Refused { rendered }
    }
}

/// The same as [`read`], with all that was read.
pub(super) fn read_whole(paths: &[PathBuf]) -> anyhow::Result<(Config, Loaded)> {
    read_with(paths, Environment::Unneeded)
}

/// Reads the configuration without looking for secrets: who asks how things stand need not have them.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Config> {
    let (config, _) = read_with(paths, Environment::Unneeded)?;
    Ok(config)
}

/// Where the service of this configuration listens, and the configuration's errors, if it has any. None where there is no
/// configuration at all.
pub(super) fn control_of(paths: &[PathBuf]) -> (Option<PathBuf>, Result<(), anyhow::Error>) {
    let loaded = load(&LoadOptions { paths: paths.to_vec(), env: Environment::Unneeded });
    let control = (!loaded.sources.is_empty()).then(|| loaded.control.clone());
    (control, whole(loaded).map(drop))
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

/// Reads what KPIs hang on, whatever else the configuration holds.
pub(super) fn read_kpis(paths: &[PathBuf]) -> anyhow::Result<(Config, Loaded)> {
    whole(load_kpis(&LoadOptions { paths: paths.to_vec(), env: Environment::Unneeded }, None))
}

/// A draft, read beside the configuration.
pub(super) enum Drafted {
    Read(Box<Config>),
    /// The draft has these errors, and the configuration none.
    Wrong(Vec<Problem>),
}

/// Reads a KPI that stands in no file yet, given by the name of the draft and its text.
pub(super) fn read_draft(paths: &[PathBuf], (name, text): (&str, &str)) -> anyhow::Result<Drafted> {
    let options = LoadOptions { paths: paths.to_vec(), env: Environment::Unneeded };
    let loaded = load_kpis(&options, Some(Draft { name, text }));
    let errors: Vec<Problem> = loaded.problems.iter().filter(|problem| problem.is_error()).cloned().collect();
    if !errors.is_empty() && errors.iter().all(|problem| problem.file == name) {
        return Ok(Drafted::Wrong(errors));
    }
    whole(loaded).map(|(config, _)| Drafted::Read(Box::new(config)))
}

fn read_with(paths: &[PathBuf], env: Environment) -> anyhow::Result<(Config, Loaded)> {
    whole(load(&LoadOptions { paths: paths.to_vec(), env }))
}

/// The configuration with all that was read, unless it has errors.
fn whole(mut loaded: Loaded) -> anyhow::Result<(Config, Loaded)> {
    match loaded.config.take() {
        Some(config) => Ok((config, loaded)),
        None => {
            let errors: Vec<_> = loaded.problems.iter().filter(|problem| problem.is_error()).cloned().collect();
            Err(Refused { rendered: render(&errors, &loaded.sources, false) }.into())
        }
    }
}
