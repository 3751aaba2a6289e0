//! Opening the state database: who may, what is refused, and what it looks like once open.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Mutex;

use super::backup::copy;
use super::error::{Failure, StoreError};
use super::files;
use super::inspect::{Found, inspect};
use super::lock::InstanceLock;
use super::migrate;
use super::reserve::{RESERVE_BYTES, Reserve};
use super::verify;
use super::write::Writer;

/// How long a write waits for another process that works on the database.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Each has a thread and a cache of its own.
const READERS_MAX: u32 = 2;
/// Rows a reader may run ahead of its consumer.
const ROW_BUFFER: usize = 1024;

/// How to open.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// Create the database where there is none, with its folder.
    pub create: bool,
    /// Only read; works beside a running daemon and takes no lock.
    pub read_only: bool,
    /// Size of the reserve file; 0 for none.
    pub reserve_bytes: u64,
    /// How long to wait for another process that writes to it and may be ending.
    pub patience: Duration,
    /// Breaks one guarantee on purpose.
    #[cfg(feature = "seeded-bugs")]
    pub bug: Option<SeededBug>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions {
            create: false,
            read_only: false,
            reserve_bytes: RESERVE_BYTES,
            patience: Duration::ZERO,
            #[cfg(feature = "seeded-bugs")]
            bug: None,
        }
    }
}

/// Between the two transactions of `TwoTransactions`: long enough for a kill at random to fall into it.
#[cfg(feature = "seeded-bugs")]
pub(super) const TORN_PAUSE: Duration = Duration::from_millis(300);

/// Guarantees that can be broken, to show that the crash checker catches it.
#[cfg(feature = "seeded-bugs")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeededBug {
    /// Each half of a step is written in two transactions.
    TwoTransactions,
    /// The start of an attempt is not written.
    NoAttemptRecord,
}

/// The state database. Clones share one writer and a few readers.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) path: PathBuf,
    pub(super) readers: SqlitePool,
    /// None when opened for reading.
    pub(super) writer: Option<Mutex<Writer>>,
    pub(super) reserve: Reserve,
    /// The epoch this process took up when it opened.
    pub(super) epoch: AtomicI64,
    #[cfg(feature = "seeded-bugs")]
    pub(super) bug: Option<SeededBug>,
    /// Last field: let go after the connections.
    lock: std::sync::Mutex<Option<InstanceLock>>,
}

impl Store {
    /// Opens the database at `path`. What is refused is left byte for byte as it was.
    pub async fn open(path: &Path, options: OpenOptions) -> Result<Store, StoreError> {
        if options.read_only { open_reader(path, options).await } else { open_writer(path, options).await }
    }

    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The epoch to name in commits.
    pub fn epoch(&self) -> i64 {
        self.inner.epoch.load(Ordering::SeqCst)
    }

    /// Closes all connections; the last one folds the write-ahead log into the database. Then another process
    /// may open it. Later calls fail.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        if let Some(writer) = &self.inner.writer {
            writer.lock().await.close().await;
        }
        if let Ok(mut lock) = self.inner.lock.lock() {
            lock.take();
        }
    }

    /// Takes the reserve again once there is space. False while there is too little.
    pub async fn restore_reserve(&self) -> Result<bool, StoreError> {
        let reserve = self.inner.reserve.clone();
        blocking(&self.inner.path, move || reserve.hold()).await
    }

    /// Bytes of the write-ahead log, which begins anew once nobody reads what was before.
    pub fn log_bytes(&self) -> u64 {
        files::length(&files::suffixed(&self.inner.path, "-wal"))
    }

    /// True once the reserve was freed (or never fitted): history should pause, what is queued still goes out.
    pub fn reserve_lost(&self) -> bool {
        self.inner.reserve.lost()
    }

    /// False once the reserve was freed (or never fitted), or where none was asked for.
    pub fn reserve_held(&self) -> bool {
        self.inner.reserve.held()
    }
}

async fn open_reader(path: &Path, options: OpenOptions) -> Result<Store, StoreError> {
    let version = match inspect(path)? {
        Found::Nothing => return Err(StoreError::NotFound { path: path.to_owned() }),
        Found::Ours { version } => version,
    };
    if version < migrate::KNOWN_VERSION {
        let detail = format!("it has the older schema version {version}, which only `vigie run` may bring up to date");
        return Err(StoreError::ReadOnly { path: path.to_owned(), detail });
    }
    let readers = reader_pool(path);
    assemble(path, options, readers, None, None).await
}

async fn open_writer(path: &Path, options: OpenOptions) -> Result<Store, StoreError> {
    if inspect(path)? == Found::Nothing {
        if !options.create {
            return Err(StoreError::NotFound { path: path.to_owned() });
        }
        files::create_folder_of(path).map_err(|error| StoreError::io(path, &error))?;
    }
    let lock = InstanceLock::take(path, options.patience).await?;
    // Another process may have finished with it between the first look and the lock.
    let version = match inspect(path)? {
        Found::Nothing => create(path).await?,
        Found::Ours { version } => {
            // Says "permission denied" before SQLite would quietly fall back to reading.
            fs::OpenOptions::new().write(true).open(path).map_err(|error| StoreError::io(path, &error))?;
            version
        }
    };
    let reserve = Reserve::of(path, options.reserve_bytes);
    let conn = match connect(path, version).await.map_err(|error| out_of_files(path, error)) {
        // The files beside the database (log, shared memory) need a little space themselves.
        Err(error @ StoreError::Full { .. }) if reserve.free().map_err(|error| StoreError::io(path, &error))? => {
            tracing::error!(path = %path.display(), %error, "disk full: the reserve was freed so that the state can be opened");
            connect(path, version).await?
        }
        other => other?,
    };
    if !blocking(path, move || reserve.hold()).await? && options.reserve_bytes > 0 {
        tracing::warn!(path = %path.display(), "no space for the reserve file; a full disk will stop notifications too");
    }
    assemble(path, options, reader_pool(path), Some(Mutex::new(Writer::new(conn))), Some(lock)).await
}

/// Checks what is there, connects, and brings the schema up to date.
async fn connect(path: &Path, version: u32) -> Result<SqliteConnection, StoreError> {
    #[cfg(test)]
    super::conformance::refuse_while_reserve_is_held(path)?;
    verify::quick(path).await?;
    if version < migrate::KNOWN_VERSION {
        keep_as_it_was(path, version).await?;
    }
    let mut conn = writer_options(path).connect().await.map_err(|error| Failure::from(error).on(path))?;
    migrate::migrate(&mut conn, version).await.map_err(|failure| failure.on(path))?;
    Ok(conn)
}

/// Where no file can be made any more SQLite only says that it can't open one.
fn out_of_files(path: &Path, error: StoreError) -> StoreError {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let has_none = || rustix::fs::statvfs(folder).is_ok_and(|about| about.f_files > 0 && about.f_favail == 0);
    match error {
        StoreError::Io { path, .. } if has_none() => StoreError::Full { path, reserve_freed: false },
        other => other,
    }
}

/// Keeps a checked copy before the schema is changed, for those who must go back to the version before.
async fn keep_as_it_was(path: &Path, version: u32) -> Result<(), StoreError> {
    let kept = files::beside(path, &format!("schema-{version}"));
    let building = files::suffixed(&kept, ".creating");
    let io = |error: std::io::Error| StoreError::io(&kept, &error);
    files::clear(&building).map_err(io)?;
    files::open_private(&building).map_err(io)?;
    let copied = copy(path, &building, true).await;
    let made = match copied {
        Ok(None) => {
            let (from, to) = (building.clone(), kept.clone());
            let placed = blocking(&kept, move || {
                fs::File::open(&from)?.sync_all()?;
                fs::rename(&from, &to)?;
                files::sync_folder_of(&to)
            });
            placed.await
        }
        Ok(Some(detail)) => Err(StoreError::Corrupt { path: path.to_owned(), detail }),
        Err(failure) => Err(failure.on(&kept)),
    };
    if made.is_ok() {
        tracing::info!(version, kept = %kept.display(), "the state as it was is kept before its schema changes");
    } else {
        drop(files::clear(&building));
    }
    made
}

async fn assemble(
    path: &Path,
    options: OpenOptions,
    readers: SqlitePool,
    writer: Option<Mutex<Writer>>,
    lock: Option<InstanceLock>,
) -> Result<Store, StoreError> {
    let epoch: i64 = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'epoch'")
        .fetch_one(&readers)
        .await
        .map_err(|error| Failure::from(error).on(path))?;
    let inner = Inner {
        path: path.to_owned(),
        readers,
        writer,
        reserve: Reserve::of(path, options.reserve_bytes),
        epoch: AtomicI64::new(epoch),
        #[cfg(feature = "seeded-bugs")]
        bug: options.bug,
        lock: std::sync::Mutex::new(lock),
    };
    Ok(Store { inner: Arc::new(inner) })
}

/// Makes a whole database under another name, then moves it in place: a crash in between leaves none, never half a one.
async fn create(path: &Path) -> Result<u32, StoreError> {
    let building = files::beside(path, "creating");
    let io = |error: std::io::Error| StoreError::io(path, &error);
    files::clear(&building).map_err(io)?;
    files::open_private(&building).map_err(io)?;
    let build = async {
        let mut conn = writer_options(&building).connect().await?;
        migrate::migrate(&mut conn, 0).await?;
        conn.close().await?;
        Ok(())
    };
    build.await.map_err(|failure: Failure| failure.on(path))?;
    fs::File::open(&building).and_then(|file| file.sync_all()).map_err(io)?;
    fs::rename(&building, path).map_err(io)?;
    files::sync_folder_of(path).map_err(io)?;
    Ok(migrate::KNOWN_VERSION)
}

pub(super) fn writer_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // Bounds what the log keeps on disk after a large commit.
        .pragma("journal_size_limit", (64 << 20).to_string())
        .pragma("temp_store", "MEMORY")
        // What is changed is written out soon; the system keeps the file in its own memory too.
        .pragma("cache_size", "-2048")
        .disable_statement_logging()
}

pub(super) fn reader_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .row_buffer_size(ROW_BUFFER)
        .pragma("query_only", "ON")
        .pragma("cache_size", "-1024")
        .disable_statement_logging()
}

fn reader_pool(path: &Path) -> SqlitePool {
    // A connection to a file does not break while it rests.
    let options = SqlitePoolOptions::new().max_connections(READERS_MAX).test_before_acquire(false);
    options.connect_lazy_with(reader_options(path))
}

/// Runs file work that may take a while beside the other tasks.
pub(super) async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    done.map_err(|error| StoreError::io(path, &error))
}

/// Closes a connection that served one purpose.
pub(super) async fn finish(conn: SqliteConnection) -> Result<(), Failure> {
    Ok(conn.close().await?)
}
