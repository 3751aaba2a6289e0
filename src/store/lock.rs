//! One writer per database: an exclusive lock on a file beside it, held as long as the process lives.
//!
//! The kernel lets go of it when the process dies, however it dies; the file itself stays.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::error::StoreError;
use super::files;

/// While another process has it, it is tried again this often.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// Held for as long as the value lives.
#[derive(Debug)]
pub(super) struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Takes the lock of that database, or says which process has it and did not let go of it in that time.
    pub(super) async fn take(database: &Path, patience: Duration) -> Result<InstanceLock, StoreError> {
        let path = files::beside(database, "lock");
        let mut file = files::open_private(&path).map_err(|error| StoreError::io(&path, &error))?;
        let tried = async {
            loop {
                match file.try_lock() {
                    Err(TryLockError::WouldBlock) => sleep(TRY_AGAIN).await,
                    tried => return tried,
                }
            }
        };
        match timeout(patience, tried).await {
            Ok(Ok(())) => {}
            Ok(Err(TryLockError::Error(error))) => return Err(StoreError::io(&path, &error)),
            Ok(Err(TryLockError::WouldBlock)) | Err(_) => {
                return Err(StoreError::Locked { path: database.to_owned(), pid: holder(&mut file) });
            }
        }
        // The number only serves the message, so a full disk must not keep the service from starting.
        let written = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "could not write the process id into the lock file");
        }
        Ok(InstanceLock { _file: file })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn place() -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("state.db");
        (dir, database)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_lets_go_in_time_is_waited_for() {
        let (_dir, database) = place();
        let first = InstanceLock::take(&database, Duration::ZERO).await.unwrap();
        let ends = async {
            sleep(Duration::from_secs(4)).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(InstanceLock::take(&database, PATIENCE), ends);
        second.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_it_for_longer_is_named() {
        let (_dir, database) = place();
        let _first = InstanceLock::take(&database, Duration::ZERO).await.unwrap();
        for patience in [PATIENCE, Duration::ZERO] {
            let began = tokio::time::Instant::now();
            let error = InstanceLock::take(&database, patience).await.unwrap_err();
            let waited = began.elapsed();
            assert!(waited >= patience && waited < patience + TRY_AGAIN, "{waited:?} of {patience:?}");
            let pid = std::process::id();
            assert!(matches!(error, StoreError::Locked { pid: Some(found), .. } if found == pid), "{error:?}");
        }
    }
}
