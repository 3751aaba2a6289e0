//! One writer per database: an exclusive lock on a file beside it, held as long as the process lives.
//!
//! The kernel lets go of it when the process dies, however it dies; the file itself stays.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::error::StoreError;
use super::files;

/// Held for as long as the value lives.
#[derive(Debug)]
pub(super) struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Takes the lock of that database, or says which process has it.
    pub(super) fn take(database: &Path) -> Result<InstanceLock, StoreError> {
        let path = files::beside(database, "lock");
        let mut file = files::open_private(&path).map_err(|error| StoreError::io(&path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { path: database.to_owned(), pid: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io(&path, &error)),
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
