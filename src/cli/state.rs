//! The state database, read beside a daemon or without one.

use crate::config::Config;
use crate::store::{OpenOptions, Store};

/// Opens the configured state for reading; a file that is refused is left as it is.
pub(super) async fn open(config: &Config) -> anyhow::Result<Store> {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    Ok(Store::open(&config.settings.state, options).await?)
}
