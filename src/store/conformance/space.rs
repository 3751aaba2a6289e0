//! A full disk, played by a bound on the number of pages, and a lock that another process holds.

use std::path::Path;
use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions as _};

use super::fixtures::{Place, at, delivery, queued, total, writing};
use crate::model::commit::EvaluateCommit;
use crate::model::notification::AttemptOutcome;
use crate::store::files;
use crate::store::open::{BUSY_TIMEOUT, writer_options};
use crate::store::write::Writer;
use crate::store::{NextStep, OpenOptions, Store, StoreError};

/// Called once the reserve has been freed: where a file `<db>.grows` says so, the freed space can be used.
pub(in crate::store) async fn space_was_freed(writer: &mut Writer, path: &Path) {
    if files::beside(path, "grows").exists() {
        limit(writer, 1_000_000).await;
    }
}

/// Where a file `<db>.full` says so nothing can be written; a number in it is how many writes still go through.
pub(in crate::store) fn disk_is_full(path: &Path) -> bool {
    none_goes_through(&files::beside(path, "full"))
}

fn none_goes_through(marker: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(marker) else { return false };
    match text.parse::<u32>().ok().and_then(|left| left.checked_sub(1)) {
        Some(left) => {
            std::fs::write(marker, left.to_string()).unwrap();
            false
        }
        None => true,
    }
}

/// Where a file `<db>.locked` says so another process works on the database; a number in it is how many writes still go
/// through.
pub(in crate::store) fn is_locked(path: &Path) -> bool {
    none_goes_through(&files::beside(path, "locked"))
}

/// Where a file `<db>.brim` says so the database can't be opened before the reserve was given up.
pub(in crate::store) fn refuse_while_reserve_is_held(path: &Path) -> Result<(), StoreError> {
    let held = files::beside(path, "brim").exists() && files::beside(path, "reserve").exists();
    if held { Err(StoreError::Full { path: path.to_owned(), reserve_freed: false }) } else { Ok(()) }
}

async fn limit(writer: &mut Writer, pages: u32) {
    let pragma = format!("PRAGMA max_page_count = {pages}");
    sqlx::raw_sql(AssertSqlSafe(pragma)).execute(writer.connection()).await.unwrap();
}

async fn set_limit(store: &Store, pages: u32) {
    limit(&mut *store.inner.writer.as_ref().unwrap().lock().await, pages).await;
}

fn history(from: i64) -> EvaluateCommit {
    EvaluateCommit {
        observations: (from..from + 20_000).map(|bucket| total(bucket, bucket as f64)).collect(),
        ..EvaluateCommit::default()
    }
}

#[tokio::test]
async fn a_full_disk_frees_the_reserve_then_says_so() {
    let place = Place::new();
    let store = Store::open(&place.path(), OpenOptions { reserve_bytes: 1 << 20, ..writing() }).await.unwrap();
    assert!(store.reserve_held());
    assert_eq!(files::length(&files::beside(&place.path(), "reserve")), 1 << 20);
    set_limit(&store, 1).await;
    let error = store.commit_evaluate(&history(0), 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { reserve_freed: true, .. }), "{error}");
    assert!(error.to_string().contains("free disk space"), "{error}");
    assert!(!store.reserve_held());
    let error = store.commit_evaluate(&history(0), 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { reserve_freed: false, .. }), "{error}");
    assert!(store.series_of(&"revenue".into()).await.unwrap().is_empty(), "nothing of the write was kept");

    set_limit(&store, 1_000_000).await;
    store.commit_evaluate(&history(0), 1).await.unwrap();
    assert!(store.restore_reserve().await.unwrap() && store.reserve_held());
}

#[tokio::test]
async fn the_reserve_makes_room_to_open() {
    let place = Place::new();
    let options = OpenOptions { reserve_bytes: 1 << 20, ..writing() };
    let store = Store::open(&place.path(), options).await.unwrap();
    store.commit_notify(&queued(vec![delivery("k", "direction", "t")]), 1).await.unwrap();
    store.close().await;
    std::fs::write(files::beside(&place.path(), "brim"), "").unwrap();
    let store = Store::open(&place.path(), options).await.unwrap();
    assert_eq!(store.due(at(400), 10).await.unwrap().len(), 1);
    store.close().await;
}

#[tokio::test]
async fn what_the_reserve_gives_carries_the_write() {
    let place = Place::new();
    let store = Store::open(&place.path(), OpenOptions { reserve_bytes: 1 << 20, ..writing() }).await.unwrap();
    store.commit_notify(&queued(vec![delivery("k", "direction", "t")]), 1).await.unwrap();
    std::fs::write(files::beside(&place.path(), "grows"), "").unwrap();
    set_limit(&store, 1).await;
    store.commit_evaluate(&history(0), 1).await.unwrap();
    assert!(!store.reserve_held());
    let attempt = store.begin_attempt(1, at(400)).await.unwrap();
    let sent = AttemptOutcome::Sent { detail: "250 ok".into() };
    store.finish_attempt(attempt, &sent, at(401), NextStep::Sent).await.unwrap();
}

#[tokio::test]
async fn of_a_lock_only_the_first_write_waits_long() {
    let place = Place::new();
    let store = Store::open(&place.path(), writing()).await.unwrap();
    let patience = async |store: &Store| {
        let mut writer = store.inner.writer.as_ref().unwrap().lock().await;
        let set: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(writer.connection()).await.unwrap();
        Duration::from_millis(set.try_into().unwrap())
    };
    assert_eq!(patience(&store).await, BUSY_TIMEOUT);
    let mut other = writer_options(&place.path()).connect().await.unwrap();
    for how in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        sqlx::raw_sql(how).execute(&mut other).await.unwrap();
        // What it waits for the first time is SQLite's; here it need not.
        let short = "PRAGMA busy_timeout = 1";
        sqlx::raw_sql(short).execute(store.inner.writer.as_ref().unwrap().lock().await.connection()).await.unwrap();
        for _ in 0..2 {
            let error = store.commit_evaluate(&history(0), 1).await.unwrap_err();
            assert!(matches!(error, StoreError::Locked { pid: None, .. }) && error.may_pass(), "{how}: {error:?}");
            assert!(!error.is_fatal() && patience(&store).await < BUSY_TIMEOUT / 10, "{how}");
        }
        assert!(store.try_writing().await.unwrap_err().may_pass(), "{how}");
        assert!(store.series_of(&"revenue".into()).await.unwrap().is_empty(), "{how}: who reads does not wait");
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        store.try_writing().await.unwrap();
        assert_eq!(patience(&store).await, BUSY_TIMEOUT, "{how}: as before");
    }
    store.commit_evaluate(&history(0), 1).await.unwrap();
    assert!(!store.series_of(&"revenue".into()).await.unwrap().is_empty());
}
