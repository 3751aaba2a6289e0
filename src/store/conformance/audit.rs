//! What was done to the service: kept in order, and nobody changes it unseen.

use jiff::Timestamp;

use super::fixtures::{Place, at};
use crate::model::audit::{AuditEntry, AuditRow};
use crate::model::commit::EvaluateCommit;
use crate::store::{AUDIT_ROWS_MAX, Store};

pub(super) fn entry_of(what: &str, seconds: i64) -> AuditEntry {
    let detail = r#"{"why":"soldes \"d'hiver\""}"#.to_owned();
    AuditEntry { at: at(seconds), by: Some("claire".to_owned()), what: what.to_owned(), detail }
}

async fn all(store: &Store, span: (Timestamp, Timestamp)) -> (Vec<AuditRow>, Option<i64>) {
    let mut rows = Vec::new();
    let broken = store.audit(span, |row| rows.push(row)).await.unwrap();
    (rows, broken)
}

const EVER: (Timestamp, Timestamp) = (Timestamp::MIN, Timestamp::MAX);

async fn change(store: &Store, sql: &'static str) {
    let mut writer = store.inner.writer.as_ref().unwrap().lock().await;
    sqlx::query(sql).execute(writer.connection()).await.unwrap();
}

#[tokio::test]
async fn entries_stand_in_order_with_commits_and_alone() {
    let place = Place::new();
    let store = place.open().await;
    store.note(&entry_of("start", 1)).await.unwrap();
    let commit =
        EvaluateCommit { audit: vec![entry_of("silence", 2), entry_of("snooze", 2)], ..EvaluateCommit::default() };
    store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    store.note(&AuditEntry { by: None, ..entry_of("end", 3) }).await.unwrap();
    let (rows, broken) = all(&store, EVER).await;
    let seen: Vec<(i64, &str)> = rows.iter().map(|row| (row.number, row.entry.what.as_str())).collect();
    assert_eq!(seen, [(1, "start"), (2, "silence"), (3, "snooze"), (4, "end")]);
    assert_eq!((&rows[1].entry, broken), (&entry_of("silence", 2), None));
    let (rows, _) = all(&store, (at(2), at(3))).await;
    assert_eq!(rows.len(), 2, "the end is left out");
}

#[tokio::test]
async fn a_change_by_another_hand_is_seen() {
    for (sql, broken_at) in [
        ("UPDATE audit SET by = 'paul' WHERE number = 2", 2),
        ("UPDATE audit SET detail = '{}' WHERE number = 1", 1),
        ("UPDATE audit SET at = at + 1 WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 2", 3),
    ] {
        let place = Place::new();
        let store = place.open().await;
        for seconds in 1..5 {
            store.note(&entry_of("silence", seconds)).await.unwrap();
        }
        change(&store, sql).await;
        assert_eq!(all(&store, EVER).await.1, Some(broken_at), "{sql}");
    }
}

#[tokio::test]
async fn the_oldest_go_and_the_rest_stays_whole() {
    let place = Place::new();
    let store = place.open().await;
    store.note(&entry_of("start", 1)).await.unwrap();
    // As if many had come since.
    change(&store, "UPDATE sqlite_sequence SET seq = 99999 WHERE name = 'audit'").await;
    let number = AUDIT_ROWS_MAX;
    store.note(&entry_of("silence", 2)).await.unwrap();
    assert_eq!(all(&store, EVER).await.0.iter().map(|row| row.number).collect::<Vec<_>>(), [1, number]);
    store.note(&entry_of("end", 3)).await.unwrap();
    let (rows, broken) = all(&store, EVER).await;
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [number, number + 1]);
    assert_eq!(broken, None);
}
