//! State that is carried over: to other names, from a backup, to a newer schema.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::date;
use jiff::tz::TimeZone;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::audit::entry_of;
use super::fixtures::{
    Place, alert, at, clock, closed, delivery, files_of, group, key, kpi, labelled, notification, observation, queued,
    reading, total, transition,
};
use crate::model::alert::Phase;
use crate::model::commit::{EvaluateCommit, NotifyCommit, Pulse, RulePulse};
use crate::model::evaluation::{EvaluationRecord, Feedback, Judgement, SeriesVerdict, VerdictCounts};
use crate::model::grain::Grain;
use crate::model::ids::KpiId;
use crate::model::notification::{DeliveryState, GroupBy, Matcher, NewDelivery, Silence};
use crate::model::rename::Renames;
use crate::store::{DeliveryFilter, Keep, Kept, Store, StoreError, TransitionFilter};

async fn filled(place: &Place) -> Store {
    let store = place.open().await;
    let pulse =
        RulePulse { kpi: kpi(), rule: "r".into(), alerts: vec![Pulse(key("r").digest(), Some(9), Some(2.5), 0)] };
    let matcher = Matcher { kpi: vec![kpi()], alert: Some(key("r").id()), ..Matcher::default() };
    let silence =
        Silence { id: "s1".into(), matcher, from: at(1), until: at(9_000), by: "claire".into(), why: "soldes".into() };
    let verdict = SeriesVerdict {
        labels: labelled("web").labels,
        objective: Some("month".into()),
        bucket: Some(9),
        verdict: "warning".into(),
        value: Some(2.5),
        why: None,
    };
    let evaluation = EvaluationRecord {
        rule: "r".into(),
        kpi: kpi(),
        slot: at(200),
        at: at(201),
        script: "s".into(),
        config: "c".into(),
        counts: VerdictCounts { breach: 1, ..VerdictCounts::default() },
        series: vec![verdict],
    };
    let commit = EvaluateCommit {
        observations: vec![total(1, 5.0), observation(labelled("web"), 1, 5.0)],
        alerts: vec![alert("r", Phase::Firing)],
        transitions: vec![transition(1, "r")],
        pulses: vec![pulse],
        clocks: vec![clock(200)],
        silences: vec![silence],
        evaluations: vec![evaluation],
        closed: vec![closed("month", 10), closed("plan", 10)],
        ..EvaluateCommit::default()
    };
    store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    let commit = NotifyCommit {
        groups: vec![group("direction")],
        notifications: vec![notification("n1", "direction")],
        deliveries: vec![delivery("d1", "direction", "t1")],
        ..NotifyCommit::default()
    };
    store.commit_notify(&commit, store.epoch()).await.unwrap();
    let feedback = Feedback {
        alert: key("r").id(),
        identity: key("r").canonical(),
        rule: "r".into(),
        episode: 1,
        fired_at: at(200),
        ended_at: None,
        judgement: Judgement::Useful,
        why: None,
        by: "claire".into(),
        at: at(400),
    };
    store.give_feedback(&feedback).await.unwrap();
    store
}

fn renames() -> Renames {
    Renames {
        kpis: BTreeMap::from([(kpi(), "turnover".into())]),
        objectives: BTreeMap::from([("month".into(), "turnover-month".into()), ("plan".into(), "aim".into())]),
        rules: BTreeMap::from([("r".into(), "late".into())]),
    }
}

#[tokio::test]
async fn everything_goes_on_under_the_new_names() {
    let place = Place::new();
    let store = filled(&place).await;
    let (old, new) = (key("r"), renames().alert(&key("r")).unwrap());
    let renamed = store.rename(&renames()).await.unwrap();
    assert_eq!((renamed.done, renamed.refused.len()), (renames(), 0));
    let state = store.load().await.unwrap();
    let mut expected = alert("r", Phase::Firing);
    (expected.key, expected.counters.last_bucket, expected.value) = (new.clone(), Some(9), Some(2.5));
    assert_eq!(state.alerts, [expected], "with what its pulse says");
    let group = &state.groups[0];
    assert_eq!(group.members.iter().chain(group.told.keys()).collect::<Vec<_>>(), [&new, &new]);
    assert_eq!((group.key.by[&GroupBy::Kpi].as_str(), group.thread.as_str()), ("turnover", "t1"));
    let clock = &state.clocks[0];
    assert_eq!((clock.kpi.as_str(), clock.rules[0].as_str(), clock.last_slot), ("turnover", "late", Some(at(200))));
    let matcher = &state.silences[0].matcher;
    assert_eq!((matcher.kpi[0].as_str(), matcher.alert.clone()), ("turnover", Some(new.id())));
    let turnover = KpiId::from("turnover");
    assert_eq!(store.observations(&turnover, 0, 9).await.unwrap().len(), 2);
    assert_eq!(store.observations(&kpi(), 0, 9).await.unwrap().len(), 0);
    let of = |alert: &crate::model::alert::AlertKey| TransitionFilter {
        alert: Some(alert.id().to_string()),
        ..TransitionFilter::default()
    };
    assert_eq!(store.transitions(&of(&new)).await.unwrap()[0].key, new);
    assert_eq!(store.transitions(&of(&old)).await.unwrap().len(), 0);
    let filter = DeliveryFilter { alert: Some(new.id().to_string()), ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(&filter).await.unwrap().len(), 1, "what was told of it is found");
    let feedback = store.feedback().await.unwrap();
    assert_eq!((&feedback[0].alert, feedback[0].rule.as_str()), (&new.id(), "late"));
    let logged = store.evaluations(&"late".into(), &turnover, (at(9_999), 9)).await.unwrap();
    assert_eq!(logged[0].series[0].objective.as_ref().unwrap().as_str(), "turnover-month");
    let closed = store.closed_periods(None, (None, None)).await.unwrap();
    let names: Vec<_> = closed.iter().map(|closed| (closed.objective.as_str(), &closed.kpi)).collect();
    assert_eq!(names, [("aim", &turnover), ("turnover-month", &turnover)], "also where no alert ever was");
    assert_eq!(store.violations(&[&"direction".into()]).await.unwrap(), []);
    // It stays in the configuration, and is asked for at every start.
    let again = store.rename(&renames()).await.unwrap();
    assert!(again.done.is_empty() && again.refused.is_empty(), "{again:?}");
}

#[tokio::test]
async fn names_with_a_history_of_their_own_are_left_apart() {
    let place = Place::new();
    let store = filled(&place).await;
    let mut other = total(1, 7.0);
    other.series.kpi = "turnover".into();
    let commit = EvaluateCommit { observations: vec![other], ..EvaluateCommit::default() };
    store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    let renamed = store.rename(&renames()).await.unwrap();
    assert_eq!(renamed.refused, ["KPI 'turnover' has a history of its own; that of 'revenue' stays apart"]);
    assert_eq!((renamed.done.kpis.len(), renamed.done.rules.len()), (0, 1));
    assert_eq!(store.observations(&kpi(), 0, 9).await.unwrap().len(), 2);
    let alert = &store.alerts().await.unwrap()[0];
    assert_eq!((alert.key.rule().unwrap().as_str(), alert.key.kpi().unwrap()), ("late", &kpi()));
}

#[tokio::test]
async fn a_restored_state_is_withheld_and_keeps_what_stood_there() {
    let place = Place::new();
    let store = filled(&place).await;
    let backup = place.path().with_file_name("backup.db");
    store.backup(&backup).await.unwrap();
    let lost = NotifyCommit { deliveries: vec![delivery("d2", "direction", "t1")], ..NotifyCommit::default() };
    store.commit_notify(&lost, store.epoch()).await.unwrap();
    let open = Store::restore(&backup, &place.path(), &entry_of("restore", 5_000)).await.unwrap_err();
    assert!(matches!(open, StoreError::Locked { .. }), "{open}");
    store.close().await;

    let restored = Store::restore(&backup, &place.path(), &entry_of("restore", 5_000)).await.unwrap();
    assert_eq!((restored.queued, restored.as_of), (1, Some(at(300))));
    let store = place.open().await;
    assert_eq!(store.withheld().await.unwrap(), Some(at(5_000)));
    assert_eq!(store.deliveries(&DeliveryFilter::default()).await.unwrap().len(), 1);
    assert_eq!(store.load().await.unwrap().groups[0].messages, 100_001, "no number is given twice");
    let mut noted = Vec::new();
    assert_eq!(store.audit((at(0), at(9_999)), |row| noted.push(row.entry.what)).await.unwrap(), None);
    assert_eq!(noted, ["restore"]);

    assert_eq!(store.release(Some("too old")).await.unwrap(), 1);
    assert_eq!(store.withheld().await.unwrap(), None);
    let cancelled = store.deliveries(&DeliveryFilter::default()).await.unwrap().remove(0);
    assert_eq!((cancelled.state, cancelled.note.as_deref()), (DeliveryState::Cancelled, Some("too old")));
    store.close().await;

    let aside = Store::open(&restored.aside.unwrap(), reading()).await.unwrap();
    assert_eq!(aside.deliveries(&DeliveryFilter::default()).await.unwrap().len(), 2, "what stood there is whole");
}

#[tokio::test]
async fn a_backup_that_is_none_changes_nothing() {
    let place = Place::new();
    filled(&place).await.close().await;
    let before = files_of(&place.path());
    let folder = tempfile::tempdir().unwrap();
    let (absent, garbage) = (folder.path().join("absent"), folder.path().join("garbage"));
    std::fs::write(&garbage, [0x55; 8192]).unwrap();
    let mut cut = before.values().next().unwrap().clone();
    cut.truncate(cut.len() / 2);
    let torn = folder.path().join("torn");
    std::fs::write(&torn, cut).unwrap();
    for backup in [&absent, &garbage, &torn] {
        let error = Store::restore(backup, &place.path(), &entry_of("restore", 1)).await.unwrap_err();
        assert!(error.to_string().contains(backup.to_str().unwrap()), "{error}");
        assert!(files_of(&place.path()) == before, "files were touched by {error}");
    }
}

/// Brings a closed database to how an older version would have left it.
async fn as_of_version(path: &Path, version: u32) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut conn = options.connect().await.unwrap();
    let sql = format!(
        "DROP TABLE audit; DROP TABLE rolled; DROP TABLE closed_period; DELETE FROM meta WHERE name = 'identity'; PRAGMA user_version = {version}"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

#[tokio::test]
async fn a_migration_keeps_what_was_and_can_be_gone_back_on() {
    let place = Place::new();
    filled(&place).await.close().await;
    as_of_version(&place.path(), 6).await;
    let before = std::fs::read(place.path()).unwrap();
    place.open().await.close().await;
    let kept = place.path().with_file_name("vigie.db.schema-6");
    assert!(std::fs::read(place.path()).unwrap() != before, "the schema is newer");
    let mut conn = SqliteConnectOptions::new().filename(&kept).read_only(true).connect().await.unwrap();
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut conn).await.unwrap();
    let alerts: i64 = sqlx::query_scalar("SELECT count(*) FROM alert").fetch_one(&mut conn).await.unwrap();
    assert_eq!((version, alerts), (6, 1));
    conn.close().await.unwrap();
    let restored = Store::restore(&kept, &place.path(), &entry_of("restore", 5_000)).await.unwrap();
    assert_eq!(restored.queued, 1, "an older backup is brought up to date");
}

#[tokio::test]
async fn what_does_not_hold_is_named() {
    let place = Place::new();
    let store = filled(&place).await;
    let two = queued(vec![delivery("d2", "direction", "t1"), delivery("d3", "ops", "t2")]);
    store.commit_notify(&two, store.epoch()).await.unwrap();
    let direction = "direction".into();
    let told_twice = store.violations(&[&direction]).await.unwrap();
    assert_eq!(told_twice.len(), 1, "{told_twice:?}");
    for (sql, says) in [
        ("UPDATE delivery SET state = 'sent', sent_at = 1 WHERE key = 'd1'", "has an attempt that succeeded"),
        ("UPDATE delivery SET state = 'dead' WHERE key = 'd2'", "says why"),
        ("INSERT INTO attempt (delivery, started_at) SELECT id, 1 FROM delivery WHERE key = 'd3'", "the one under way"),
        (
            "INSERT INTO attempt (delivery, started_at, outcome) SELECT id, 1, 'sent' FROM delivery, (VALUES (1), (2)) \
             WHERE key = 'd1'",
            "succeeds once",
        ),
        ("UPDATE alert SET phase = 'pending'", "where its last change left it"),
        (
            "INSERT INTO transition SELECT 2, alert, alert_id, kpi, episode, at, slot, 'pending', 'firing', change, severity, \
                 value, body FROM transition",
            "begins where the one before ended",
        ),
        ("DELETE FROM alert", "is told of its end"),
    ] {
        let mut writer = store.inner.writer.as_ref().unwrap().lock().await;
        sqlx::query(sql).execute(writer.connection()).await.unwrap();
        drop(writer);
        let found = store.violations(&[&direction]).await.unwrap();
        let named = found.iter().find(|violation| violation.invariant.contains(says));
        assert!(named.is_some_and(|violation| !violation.places.is_empty()), "{says}: {found:?}");
    }
    assert!(store.violations(&[]).await.unwrap().iter().all(|found| !found.invariant.contains("told of its end")));
}

#[tokio::test]
async fn what_is_too_old_goes_and_what_is_needed_stays() {
    let place = Place::new();
    let store = filled(&place).await;
    let revised = EvaluateCommit {
        observations: (2..40)
            .map(|bucket| total(bucket, 1.0))
            .chain((2..40).map(|bucket| total(bucket, 2.0)))
            .collect(),
        ..EvaluateCommit::default()
    };
    store.commit_evaluate(&revised, store.epoch()).await.unwrap();
    // An alert that is over, told and done with; and another message that still waits.
    let over =
        EvaluateCommit { transitions: vec![transition(2, "over"), transition(3, "r")], ..EvaluateCommit::default() };
    store.commit_evaluate(&over, store.epoch()).await.unwrap();
    store.cancel(1, "done").await.unwrap();
    let waiting = NotifyCommit {
        notifications: vec![notification("n2", "direction")],
        deliveries: vec![NewDelivery { notification: "n2".into(), ..delivery("d2", "direction", "t2") }],
        ..NotifyCommit::default()
    };
    store.commit_notify(&waiting, store.epoch()).await.unwrap();
    let kept = Kept { kpi: kpi(), first: 30, days: None };
    let keep = Keep { told_since: at(10_000), kpis: vec![kept] };
    let mut pieces = 0;
    while store.prune(&keep, 10).await.unwrap() {
        pieces += 1;
    }
    assert!(pieces > 1, "in pieces");
    let left = store.observations(&kpi(), 0, 99).await.unwrap();
    assert_eq!((left.len(), left[0].bucket), (10, 30));
    let deliveries = store.deliveries(&DeliveryFilter::default()).await.unwrap();
    assert_eq!(deliveries.iter().map(|left| left.new.key.as_str()).collect::<Vec<_>>(), ["d2"], "what waits stays");
    let changes = store.transitions(&TransitionFilter::default()).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.seq).collect::<Vec<_>>(), [1, 3], "those of a live alert stay");
    assert_eq!(store.notification_items().await.unwrap().len(), 2, "what a live alert was told stays");
    assert_eq!(store.load().await.unwrap().last_seq, 3);
    assert!(!store.prune(&keep, 10).await.unwrap());
}

#[tokio::test]
async fn fine_buckets_that_go_leave_what_their_days_came_to() {
    let place = Place::new();
    let store = place.open().await;
    let hours = 86_400 / 3_600;
    // Two days of hours and a piece of a third, in a zone whose days begin within an hour.
    let zone = TimeZone::get("Asia/Kolkata").unwrap();
    let (first, _) = Grain::HOUR.buckets_of_day(date(2026, 11, 1), &zone);
    let value = |bucket: i64| ((bucket - first) % hours) as f64;
    let all: Vec<_> = (first..first + 2 * hours + 3).map(|bucket| total(bucket, value(bucket))).collect();
    let commit = EvaluateCommit { observations: all, ..EvaluateCommit::default() };
    store.commit_evaluate(&commit, store.epoch()).await.unwrap();
    let revised = EvaluateCommit { observations: vec![total(first + 5, 50.0)], ..EvaluateCommit::default() };
    store.commit_evaluate(&revised, store.epoch()).await.unwrap();

    let days = Some((Grain::HOUR, zone));
    let keep = |first| Keep { told_since: at(0), kpis: vec![Kept { kpi: kpi(), first, days: days.clone() }] };
    let rolled = async || store.rolled(&kpi(), date(2026, 1, 1), date(2027, 1, 1)).await.unwrap();
    while store.prune(&keep(first + 2 * hours), 10).await.unwrap() {}
    let found = rolled().await;
    let told: Vec<_> =
        found.iter().map(|(_, day)| (day.day.to_string(), day.buckets, day.total, day.high, day.last)).collect();
    assert_eq!(told, [("2026-11-01".into(), 24, 321.0, 50.0, 23.0), ("2026-11-02".into(), 24, 276.0, 23.0, 23.0)]);
    assert_eq!(store.observations(&kpi(), 0, i64::MAX).await.unwrap().len(), 3, "the third day is kept");
    assert!(store.versions_of(&kpi(), &found[0].0, first + 5).await.unwrap().is_empty());

    // What is restated of a day that was added up changes nothing of it.
    let late = EvaluateCommit { observations: vec![total(first, 1_000.0)], ..EvaluateCommit::default() };
    store.commit_evaluate(&late, store.epoch()).await.unwrap();
    while store.prune(&keep(first + 2 * hours), 10).await.unwrap() {}
    assert_eq!(rolled().await, found);
    assert_eq!(store.observations(&kpi(), 0, i64::MAX).await.unwrap().len(), 3);
}
