//! YAML files to raw entries to the resolved configuration; every problem at once, with its place.
//!
//! `yaml` keeps positions, `decode` finds every problem of an entry, `raw` is the shape of the
//! files, `resolve` checks references and builds the catalog, `secrets` is the only reader of the
//! environment, `parts` is the only contact with sources and channels.

mod commit;
mod days;
mod decode;
mod ics;
mod load;
mod parts;
mod problem;
pub mod raw;
mod resolve;
mod scalar;
mod schema;
mod secrets;
mod settings;
mod suggest;
#[cfg(test)]
mod tests;
mod yaml;

pub use load::{Draft, LoadOptions, Loaded, Position, load, load_beside, load_kpis, load_text};
pub use problem::{Level, Problem, SourceText, render, to_json};
pub use schema::schema;
pub use secrets::{Environment, Secrets};
pub use settings::{Config, Credential, Heartbeat, LogFormat, LogSettings, Settings};
