//! What is opened, what is refused, and that refused files stay as they were.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

use super::fixtures::{Place, alert, clock, files_of, group, key, reading, total, transition, writing};
use crate::model::alert::Phase;
use crate::model::commit::{EvaluateCommit, NotifyCommit};
use crate::store::migrate::KNOWN_VERSION;
use crate::store::{OpenOptions, Store, StoreError, files};

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

async fn run(path: &Path, sql: &str) {
    let mut conn = raw(path).await;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

/// Both ways of opening refuse it, with a message that holds `says`, and leave every byte where it was.
async fn refused(path: &Path, expected: fn(&StoreError) -> bool, says: &str) {
    let before = files_of(path);
    for options in [writing(), OpenOptions { create: false, ..writing() }, reading()] {
        let error = Store::open(path, options).await.unwrap_err();
        assert!(expected(&error), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(says) && text.contains(path.to_str().unwrap()), "{text}");
        assert!(files_of(path) == before, "files were touched: {options:?}");
    }
}

fn corrupt(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { .. })
}

async fn closed_with_data(place: &Place) {
    let store = place.open().await;
    let commit = EvaluateCommit {
        observations: (0..5_000).map(|bucket| total(bucket, 1.0)).collect(),
        alerts: vec![alert("r", Phase::Firing)],
        transitions: vec![transition(1, "r")],
        clocks: vec![clock(200)],
        ..EvaluateCommit::default()
    };
    store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_new_database_is_private_and_empty() {
    let place = Place::new();
    let missing = Store::open(&place.path(), OpenOptions::default()).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }), "{missing}");
    assert!(!place.path().parent().unwrap().exists(), "looking creates nothing");

    let store = place.open().await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.path().parent().unwrap()), 0o700);
    for suffix in ["", "-wal", ".lock"] {
        assert_eq!(mode(&files::suffixed(&place.path(), suffix)), 0o600, "{suffix}");
    }
    let state = store.load().await.unwrap();
    assert!(state.alerts.is_empty() && state.last_seq == 0 && state.notifications == 0);
    assert_eq!(state.config_checksum, None);
    store.close().await;
    let names: Vec<String> = files_of(&place.path()).into_keys().collect();
    assert_eq!(names, ["vigie.db"], "nothing is left beside a closed database");
}

#[tokio::test]
async fn a_restart_finds_everything() {
    let place = Place::new();
    closed_with_data(&place).await;
    let store = place.open().await;
    store.set_config_checksum("c0ffee").await.unwrap();
    let commit = NotifyCommit { groups: vec![group("direction")], ..NotifyCommit::default() };
    store.commit_notify(&commit, store.epoch()).await.unwrap();
    drop(store);
    // Not closed: the next one waits for the file and recovers the log.
    let store = place.open().await;
    let state = store.load().await.unwrap();
    assert_eq!(state.alerts, [alert("r", Phase::Firing)]);
    assert_eq!(state.groups, [group("direction")]);
    assert_eq!(state.clocks, [clock(200)]);
    assert_eq!((state.last_seq, state.config_checksum.as_deref()), (1, Some("c0ffee")));
}

#[tokio::test]
async fn what_was_committed_survives_the_loss_of_the_process() {
    let (place, after) = (Place::new(), Place::new());
    let store = place.open().await;
    let commit = EvaluateCommit { alerts: vec![alert("r", Phase::Firing)], ..EvaluateCommit::default() };
    store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    // What a kill leaves: the database and its log, as they are on disk now.
    std::fs::create_dir_all(after.path().parent().unwrap()).unwrap();
    for suffix in ["", "-wal"] {
        std::fs::copy(files::suffixed(&place.path(), suffix), files::suffixed(&after.path(), suffix)).unwrap();
    }
    assert_eq!(after.open().await.alerts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let place = Place::new();
    closed_with_data(&place).await;
    run(&place.path(), "PRAGMA user_version = 99").await;
    let newer = |error: &StoreError| matches!(error, StoreError::Newer { found: 99, known: KNOWN_VERSION, .. });
    refused(&place.path(), newer, "schema version 99").await;
}

#[tokio::test]
async fn a_newer_schema_that_stands_only_in_the_log_is_refused() {
    let (place, after) = (Place::new(), Place::new());
    closed_with_data(&place).await;
    let mut conn = raw(&place.path()).await;
    sqlx::raw_sql("PRAGMA user_version = 98; CREATE TABLE later (x)").execute(&mut conn).await.unwrap();
    std::fs::create_dir_all(after.path().parent().unwrap()).unwrap();
    for suffix in ["", "-wal"] {
        std::fs::copy(files::suffixed(&place.path(), suffix), files::suffixed(&after.path(), suffix)).unwrap();
    }
    let newer = |error: &StoreError| matches!(error, StoreError::Newer { found: 98, .. });
    refused(&after.path(), newer, "schema version 98").await;
}

#[tokio::test]
async fn a_foreign_database_is_refused() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    run(&place.path(), "CREATE TABLE bookmarks (x); PRAGMA application_id = 42").await;
    refused(&place.path(), |error| matches!(error, StoreError::Foreign { .. }), "0x0000002a").await;
}

#[tokio::test]
async fn a_symbolic_link_is_not_followed() {
    let (place, other) = (Place::new(), Place::new());
    closed_with_data(&other).await;
    std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    symlink(other.path(), place.path()).unwrap();
    refused(&place.path(), |error| matches!(error, StoreError::Foreign { .. }), "symbolic link").await;
}

#[tokio::test]
async fn damaged_headers_are_refused() {
    for bytes in [&b""[..], b"SQLite format 3\0 and then nothing", &[0x55; 8192]] {
        let place = Place::new();
        std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
        std::fs::write(place.path(), bytes).unwrap();
        refused(&place.path(), corrupt, "damaged").await;
    }
}

/// Neither the structure nor the queries need to touch the last page.
#[tokio::test]
async fn a_database_cut_within_its_last_page_is_refused() {
    let place = Place::new();
    closed_with_data(&place).await;
    let mut bytes = std::fs::read(place.path()).unwrap();
    bytes.truncate(bytes.len() - 100);
    std::fs::write(place.path(), bytes).unwrap();
    refused(&place.path(), corrupt, "the file is cut off").await;
}

#[tokio::test]
async fn the_log_of_another_database_is_refused() {
    let (place, other) = (Place::new(), Place::new());
    closed_with_data(&place).await;
    let store = other.open().await;
    store.set_config_checksum("c0ffee").await.unwrap();
    let log = |place: &Place| files::suffixed(&place.path(), "-wal");
    std::fs::copy(log(&other), log(&place)).unwrap();
    let before = files_of(&place.path());
    let error = Store::open(&place.path(), writing()).await.unwrap_err();
    // Found by its identity, or by pages that don't fit.
    assert!(corrupt(&error), "{error}");
    assert!(files_of(&place.path()) == before, "files were touched");
}

#[tokio::test]
async fn a_log_without_its_database_is_refused() {
    let place = Place::new();
    closed_with_data(&place).await;
    std::fs::rename(place.path(), files::suffixed(&place.path(), "-wal")).unwrap();
    refused(&place.path(), corrupt, "write-ahead log").await;
}

/// Damage that only the check of the structure finds; a reader may open, and meets it when it reads.
#[tokio::test]
async fn damaged_pages_are_refused() {
    for damage in ["flip", "cut"] {
        let place = Place::new();
        closed_with_data(&place).await;
        let mut bytes = std::fs::read(place.path()).unwrap();
        match damage {
            "flip" => {
                // Leaf pages of the history stand at the end.
                let start = bytes.len() / 4096 / 2 * 4096;
                bytes[start..start + 2048].fill(0xa5);
            }
            _ => bytes.truncate(bytes.len() / 2),
        }
        std::fs::write(place.path(), &bytes).unwrap();
        let before = files_of(&place.path());
        let error = Store::open(&place.path(), writing()).await.unwrap_err();
        assert!(corrupt(&error), "{damage}: {error:?}");
        assert!(files_of(&place.path()) == before, "{damage}: files were touched");
    }
}

#[tokio::test]
async fn a_second_instance_is_refused_and_names_the_first() {
    let place = Place::new();
    let store = place.open().await;
    let error = Store::open(&place.path(), writing()).await.unwrap_err();
    let pid = std::process::id();
    assert!(matches!(error, StoreError::Locked { pid: Some(found), .. } if found == pid), "{error:?}");
    assert!(error.to_string().contains(&format!("process {pid}")), "{error}");
    store.close().await;
    drop(store);
    place.open().await;
}

#[tokio::test]
async fn a_reader_beside_a_writer_sees_and_never_writes() {
    let place = Place::new();
    let store = place.open().await;
    let reader = Store::open(&place.path(), reading()).await.unwrap();
    assert!(reader.alerts().await.unwrap().is_empty());
    let commit = EvaluateCommit { alerts: vec![alert("r", Phase::Firing)], ..EvaluateCommit::default() };
    store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    assert_eq!(reader.alerts().await.unwrap()[0].key, key("r"));
    let error = reader.commit_evaluate(&commit, reader.epoch()).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert!(matches!(reader.begin_attempt(1, jiff::Timestamp::UNIX_EPOCH).await, Err(StoreError::ReadOnly { .. })));
    assert_eq!(reader.verify().await.unwrap(), None);
}

#[tokio::test]
async fn an_interrupted_creation_is_begun_anew() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    std::fs::write(files::beside(&place.path(), "creating"), "half").unwrap();
    assert!(place.open().await.load().await.is_ok());
    assert!(!files::beside(&place.path(), "creating").exists());
}
