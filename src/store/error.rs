//! What can go wrong with the state database: each message names the object, the cause and the remedy.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no database at that path, and creating one was not asked for.
    #[error("no state database at {}: check `state:` in the configuration, or let `vigie run` create it", path.display())]
    NotFound { path: PathBuf },
    /// A newer Vigie wrote it; the file was left as it is.
    #[error(
        "state database {} has schema version {found}, this vigie knows up to {known}: run the newer vigie, \
         or restore a backup made before the upgrade", path.display()
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    /// It belongs to something else; the file was left as it is.
    #[error("{} is not a vigie state database ({found}): point `state:` to another path", path.display())]
    Foreign { path: PathBuf, found: String },
    /// Its content can't be trusted; the file was left as it is.
    #[error("state database {} is damaged ({detail}): put a copy made before in its place, or move it away to start anew", path.display())]
    Corrupt { path: PathBuf, detail: String },
    /// Another process works on it.
    #[error("state database {} is in use by {}: stop that process, or use another `state:`", path.display(), holder(*pid))]
    Locked { path: PathBuf, pid: Option<u32> },
    /// The file can't be written, or was opened for reading.
    #[error("state database {} can't be written ({detail}): give the service's user the right to write it", path.display())]
    ReadOnly { path: PathBuf, detail: String },
    /// The disk is full. The reserve, where it was still held, has been given up.
    #[error("no space left for state database {}{}: free disk space; nothing of this write was kept", path.display(), spent(*reserve_freed))]
    Full {
        path: PathBuf,
        /// True when the reserve was freed by this write, and was not enough.
        reserve_freed: bool,
    },
    /// The operating system failed to read or write. Not to be tried again: leave and recover at the next start.
    #[error("input or output error on {} ({cause}): check the disk, then start vigie again", path.display())]
    Io { path: PathBuf, cause: String },
    /// Another daemon took over; nothing was written.
    #[error("state database {} was taken over by another vigie (epoch {found}, this one holds {held}): stop this one", path.display())]
    Fenced { path: PathBuf, held: i64, found: i64 },
    /// A delivery is not in the state that the action needs.
    #[error("delivery {delivery} {detail}: see `vigie deliveries`")]
    Refused { delivery: i64, detail: String },
    /// A copy of the state can't be made there; the state is as it was.
    #[error("no backup was made at {}: {cause}", path.display())]
    Backup { path: PathBuf, cause: String },
    /// A statement failed for another reason: a bug, or a schema changed by hand.
    #[error("state database {}: {cause}; report this as a bug", path.display())]
    Sql { path: PathBuf, cause: String },
}

impl StoreError {
    /// True when nothing of the write was kept and the same write may do later: there may be space again, and whoever
    /// works on the database may let go of it.
    pub fn may_pass(&self) -> bool {
        matches!(self, StoreError::Full { .. } | StoreError::Locked { .. })
    }

    /// True when the process must not go on writing: it leaves, and recovers at its next start.
    pub fn is_fatal(&self) -> bool {
        matches!(self, StoreError::Io { .. } | StoreError::Corrupt { .. } | StoreError::Fenced { .. })
    }

    pub(super) fn io(path: &Path, error: &io::Error) -> StoreError {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                StoreError::Full { path, reserve_freed: false }
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                StoreError::ReadOnly { path, detail: error.to_string() }
            }
            _ => StoreError::Io { path, cause: error.to_string() },
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn spent(reserve_freed: bool) -> &'static str {
    if reserve_freed { " even after its reserve was freed" } else { "" }
}

/// A failure inside one piece of work, before it is known which file it concerns.
#[derive(Debug)]
pub(super) enum Failure {
    Sql(sqlx::Error),
    /// A stored value that can't be read back.
    Decode(String),
    Encode(serde_json::Error),
    Fenced {
        held: i64,
        found: i64,
    },
    Refused {
        delivery: i64,
        detail: String,
    },
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::Sql(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::Encode(error)
    }
}

// Primary result codes of SQLite; extended ones carry them in their low byte.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;
/// Growing the shared-memory file failed, which only a full disk does.
const IOERR_SHMSIZE: i32 = IOERR | (19 << 8);

impl Failure {
    pub(super) fn is_full(&self) -> bool {
        matches!(self.code(), Some(code) if code & 0xff == FULL || code == IOERR_SHMSIZE)
    }

    pub(super) fn is_locked(&self) -> bool {
        matches!(self.code(), Some(code) if matches!(code & 0xff, BUSY | LOCKED))
    }

    fn code(&self) -> Option<i32> {
        let Failure::Sql(sqlx::Error::Database(error)) = self else { return None };
        error.code()?.parse().ok()
    }

    /// Names the file and the remedy.
    pub(super) fn on(self, path: &Path) -> StoreError {
        let code = self.code();
        let path = path.to_owned();
        match self {
            Failure::Fenced { held, found } => StoreError::Fenced { path, held, found },
            Failure::Refused { delivery, detail } => StoreError::Refused { delivery, detail },
            Failure::Decode(detail) => StoreError::Corrupt { path, detail },
            Failure::Encode(error) => StoreError::Sql { path, cause: error.to_string() },
            Failure::Sql(sqlx::Error::Io(error)) => StoreError::io(&path, &error),
            Failure::Sql(sqlx::Error::ColumnDecode { index, source }) => {
                StoreError::Corrupt { path, detail: format!("column {index}: {source}") }
            }
            Failure::Sql(error) => {
                let cause = match &error {
                    sqlx::Error::Database(error) => error.message().to_owned(),
                    other => other.to_string(),
                };
                match code {
                    Some(IOERR_SHMSIZE) => StoreError::Full { path, reserve_freed: false },
                    Some(code) => by_code(code & 0xff, path, cause),
                    None => StoreError::Sql { path, cause },
                }
            }
        }
    }
}

fn by_code(primary: i32, path: PathBuf, cause: String) -> StoreError {
    match primary {
        BUSY | LOCKED => StoreError::Locked { path, pid: None },
        READONLY => StoreError::ReadOnly { path, detail: cause },
        IOERR | CANTOPEN => StoreError::Io { path, cause },
        CORRUPT | NOTADB => StoreError::Corrupt { path, detail: cause },
        FULL => StoreError::Full { path, reserve_freed: false },
        _ => StoreError::Sql { path, cause },
    }
}
