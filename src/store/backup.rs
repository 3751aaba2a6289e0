//! A copy of the state as it is at one instant, made beside a service that goes on writing.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use sqlx::ConnectOptions;

use super::error::{Failure, StoreError};
use super::files;
use super::inspect::{Found, inspect};
use super::migrate;
use super::open::{Store, blocking, finish, reader_options, writer_options};
use super::verify::whole;

impl Store {
    /// Writes a copy to `to`, which must not be there yet; it stands there whole and checked, or not at all. Returns its
    /// bytes.
    ///
    /// # Errors
    /// Also when the copy, and so most likely the state, is damaged.
    pub async fn backup(&self, to: &Path) -> Result<u64, StoreError> {
        let refused = |cause: String| StoreError::Backup { path: to.to_owned(), cause };
        let io = |error: std::io::Error| refused(error.to_string());
        // SQLite takes a relative name that begins with `file:` for an address.
        let place = std::path::absolute(to).map_err(io)?;
        if place.to_str().is_none() {
            return Err(refused("its name is not UTF-8; choose another".to_owned()));
        }
        if fs::symlink_metadata(&place).is_ok() {
            return Err(refused("there is a file of that name, which is not written over".to_owned()));
        }
        let building = files::beside(&place, &format!("{}.creating", std::process::id()));
        if let Err(error) = fs::remove_file(&building)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(io(error));
        }
        // SQLite writes into an empty file, so that nobody else can read it from the first byte on.
        files::open_private(&building).map_err(io)?;
        let made = match copy(self.path(), &building, false).await {
            Ok(None) => tell_apart(&building).await.map(|()| None),
            other => other,
        };
        let made = match made {
            Ok(None) => {
                let (from, place) = (building.clone(), place.clone());
                let moved = blocking(to, move || {
                    fs::File::open(&from)?.sync_all()?;
                    // Unlike a rename it writes over nothing.
                    fs::hard_link(&from, &place)?;
                    files::sync_folder_of(&place)?;
                    Ok(files::length(&place))
                });
                moved.await.map_err(|error| refused(error.to_string()))
            }
            Ok(Some(detail)) => Err(StoreError::Corrupt { path: self.path().to_owned(), detail }),
            Err(failure) => Err(match failure.on(self.path()) {
                error @ StoreError::Corrupt { .. } => error,
                StoreError::Full { .. } => refused("no space is left there".to_owned()),
                error => refused(error.to_string()),
            }),
        };
        // The copy has a name of its own by now, or serves nobody.
        drop(files::clear(&building));
        made
    }
}

async fn tell_apart(building: &Path) -> Result<(), Failure> {
    let mut conn = writer_options(building).connect().await?;
    let told = migrate::tell_apart(&mut conn).await;
    finish(conn).await?;
    told
}

/// Copies a database into an empty file, and says what is wrong with the copy. Beside one that nobody else can have open no
/// file is left.
pub(super) async fn copy(from: &Path, building: &Path, is_ours: bool) -> Result<Option<String>, Failure> {
    let is_closed = !files::suffixed(from, "-wal").exists() && !files::suffixed(from, "-shm").exists();
    let mut conn = reader_options(from).immutable(is_ours && is_closed).pragma("query_only", "OFF").connect().await?;
    let name = building.to_string_lossy().into_owned();
    let copied = sqlx::query("VACUUM INTO ?1").bind(name).execute(&mut conn).await;
    finish(conn).await?;
    copied?;
    match inspect(building) {
        Ok(Found::Ours { .. }) => {}
        Ok(Found::Nothing) => return Ok(Some("its copy is empty".to_owned())),
        Err(error) => return Ok(Some(format!("of its copy: {error}"))),
    }
    let mut copy = reader_options(building).immutable(true).connect().await?;
    let damage = whole(&mut copy).await;
    finish(copy).await?;
    damage
}
