//! Files around the database: their names, and creating them for the service's user alone.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// `<database>.<ending>`.
pub(super) fn beside(database: &Path, ending: &str) -> PathBuf {
    suffixed(database, &format!(".{ending}"))
}

/// SQLite's own companions: `<database>-wal`, `<database>-shm`.
pub(super) fn suffixed(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens for reading and writing, created with mode 0600 where absent. A symbolic link is refused.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    refuse_link(path)?;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Creates the folder of a database with mode 0700, with those above it where they are absent.
pub(super) fn create_folder_of(path: &Path) -> io::Result<()> {
    match folder_of(path) {
        folder if folder.is_dir() => Ok(()),
        folder => fs::DirBuilder::new().recursive(true).mode(0o700).create(folder),
    }
}

/// Removes what a database that was not finished has left, with its companions.
pub(super) fn clear(building: &Path) -> io::Result<()> {
    for companion in ["", "-wal", "-shm", "-journal"] {
        remove(&suffixed(building, companion))?;
    }
    Ok(())
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes a file's name durable.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Length in bytes; 0 for a file that isn't there.
pub(super) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn refuse_link(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::other("not a regular file")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
