//! A copy of the state as it is at one instant, made beside a service that goes on writing.

use std::fs;
use std::path::Path;

use sqlx::ConnectOptions;

use super::error::{Failure, StoreError};
use super::files;
use super::open::{Store, blocking, finish, reader_options};
use super::verify::whole;

impl Store {
    /// Writes a copy to `to`, which must not be there yet; it stands there whole and checked, or not at all. Returns its
    /// bytes.
    ///
    /// # Errors
    /// Also when the copy, and so most likely the state, is damaged.
    pub async fn backup(&self, to: &Path) -> Result<u64, StoreError> {
        let io = |error: std::io::Error| StoreError::io(to, &error);
        let building = files::beside(to, "creating");
        match fs::symlink_metadata(to) {
            Ok(_) => {
                let cause = "there is a file of that name, which is not written over".to_owned();
                return Err(StoreError::Io { path: to.to_owned(), cause });
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            Err(_) => {}
        }
        if let Err(error) = fs::remove_file(&building)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(io(error));
        }
        // SQLite writes into an empty file, so that nobody else can read it from the first byte on.
        files::open_private(&building).map_err(io)?;
        let made = self.copy_to(&building).await.map_err(|failure| failure.on(to)).and_then(|damage| match damage {
            Some(detail) => Err(StoreError::Corrupt { path: self.path().to_owned(), detail }),
            None => Ok(()),
        });
        if let Err(error) = made {
            // Half a copy serves nobody.
            drop(fs::remove_file(&building));
            return Err(error);
        }
        let (from, place) = (building, to.to_owned());
        blocking(to, move || {
            fs::File::open(&from)?.sync_all()?;
            fs::rename(&from, &place)?;
            files::sync_folder_of(&place)?;
            Ok(files::length(&place))
        })
        .await
    }

    /// Copies, and says what is wrong with the copy.
    async fn copy_to(&self, building: &Path) -> Result<Option<String>, Failure> {
        let mut conn = reader_options(self.path()).pragma("query_only", "OFF").connect().await?;
        let name = building.to_string_lossy().into_owned();
        let copied = sqlx::query("VACUUM INTO ?1").bind(name).execute(&mut conn).await;
        finish(conn).await?;
        copied?;
        let mut copy = reader_options(building).immutable(true).connect().await?;
        let damage = whole(&mut copy).await;
        finish(copy).await?;
        damage
    }
}
