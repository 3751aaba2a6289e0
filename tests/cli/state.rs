//! The state database is read beside the daemon; what is refused stays byte for byte as it was.

use std::path::Path;

use super::support::{Ran, SMALL, folder, vigie};
use vigie::model::commit::EvaluateCommit;
use vigie::model::grain::Grain;
use vigie::model::ids::{Labels, SeriesKey};
use vigie::model::observation::Observation;
use vigie::store::{Keep, Kept, OpenOptions, Store};

fn looked(dir: &Path, command: &str) -> Ran {
    vigie(dir, &[command, "--config", "vigie.yaml"])
}

#[track_caller]
fn check_refused(dir: &Path, part: &str) {
    let database = dir.join("vigie.db");
    let before = std::fs::read(&database).unwrap();
    for command in ["status", "alerts", "deliveries", "run"] {
        let ran = looked(dir, command);
        assert_eq!(ran.code, 1, "{command}: {ran:?}");
        assert!(ran.err.contains(part), "{command}: {part:?} is not in {ran:?}");
        assert_eq!(std::fs::read(&database).unwrap(), before, "{command} touched the database");
        assert!(!dir.join("c.sock").exists(), "{command} left its socket");
    }
}

/// A database as `run` leaves it after a clean end.
fn database(dir: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = OpenOptions { create: true, reserve_bytes: 0, ..OpenOptions::default() };
        Store::open(&dir.join("vigie.db"), options).await.unwrap().close().await;
    });
}

#[test]
fn a_corrupt_state_is_refused_and_untouched() {
    let dir = folder(SMALL);
    std::fs::write(dir.path().join("vigie.db"), "not a database at all".repeat(50)).unwrap();
    check_refused(dir.path(), "is damaged");
    std::fs::write(dir.path().join("vigie.db"), "").unwrap();
    check_refused(dir.path(), "empty or cut off");
}

#[test]
fn a_newer_state_is_refused_and_untouched() {
    let dir = folder(SMALL);
    database(dir.path());
    let path = dir.path().join("vigie.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // SQLite keeps `user_version` at byte 60, big-endian.
    bytes[60..64].copy_from_slice(&9_999_u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    check_refused(dir.path(), "schema version 9999");
}

#[test]
fn without_state_nothing_is_made_up() {
    let dir = folder(SMALL);
    let ran = looked(dir.path(), "status");
    assert!(ran.code == 1 && ran.err.contains("no state database"), "{ran:?}");
    assert!(!dir.path().join("vigie.db").exists());
    let ran = vigie(dir.path(), &["ack", "a1", "--config", "vigie.yaml"]);
    assert!(ran.code == 1 && ran.err.contains("is `vigie run` up"), "{ran:?}");
}

#[test]
fn an_empty_state_is_shown() {
    let dir = folder(SMALL);
    database(dir.path());
    let ran = looked(dir.path(), "status");
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in ["vigie does not run", "revenue  Chiffre d'affaires", "alerts: none", "queue: empty"] {
        assert!(ran.out.contains(part), "{part:?} is not in {ran:?}");
    }
    assert_eq!(looked(dir.path(), "alerts").out, "no live alert\n");
    assert_eq!(looked(dir.path(), "deliveries").out, "no delivery\n");
    let ran = vigie(dir.path(), &["silence", "list", "--config", "vigie.yaml"]);
    assert_eq!(ran.out, "no silence in force\n");
    let ran = vigie(dir.path(), &["status", "--format", "json", "--config", "vigie.yaml"]);
    let first: serde_json::Value = serde_json::from_str(ran.out.lines().next().unwrap()).unwrap();
    assert_eq!((&first["type"], &first["running"]), (&"service".into(), &false.into()));
}

#[test]
fn looking_needs_no_secret() {
    let dir = folder(
        &SMALL
            .replace("csv: {path: shop.csv}", "prometheus: {url: {env: NOT_SET}}")
            .replace("query: {time: date, value: montant}", "query: sum(sales)"),
    );
    database(dir.path());
    let ran = looked(dir.path(), "status");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(looked(dir.path(), "check").code, 78);
}

#[test]
fn a_backup_stands_whole_or_not_at_all() {
    use std::os::unix::fs::PermissionsExt;

    let dir = folder(SMALL);
    database(dir.path());
    let ran = vigie(dir.path(), &["--config", "vigie.yaml", "backup", "copy.db"]);
    assert!(ran.code == 0 && ran.out.contains("copy.db: ") && ran.out.contains("bytes, checked"), "{ran:?}");
    let copy = dir.path().join("copy.db");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    // It is a state like the one it was made of.
    let before = std::fs::read(&copy).unwrap();
    std::fs::rename(&copy, dir.path().join("vigie.db")).unwrap();
    let status = looked(dir.path(), "status");
    assert_eq!(status.code, 0, "{status:?}");
    std::fs::rename(dir.path().join("vigie.db"), &copy).unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), before, "a look changed it");

    let ran = vigie(dir.path(), &["--config", "vigie.yaml", "backup", "again.db"]);
    assert!(ran.code == 1 && ran.err.contains("no state database"), "{ran:?}");
    database(dir.path());
    let ran = vigie(dir.path(), &["--config", "vigie.yaml", "backup", "copy.db"]);
    assert!(ran.code == 1 && ran.err.contains("copy.db") && ran.err.contains("not written over"), "{ran:?}");
    assert_eq!(std::fs::read(&copy).unwrap(), before, "it was written over");

    // A name that SQLite would take for an address.
    let ran = vigie(dir.path(), &["--config", "vigie.yaml", "backup", "file:odd.db"]);
    assert!(ran.code == 0 && std::fs::metadata(dir.path().join("file:odd.db")).unwrap().len() > 4096, "{ran:?}");
    let ran = vigie(dir.path(), &["--config", "vigie.yaml", "backup", "nowhere/copy.db"]);
    assert!(ran.code == 1 && ran.err.contains("no backup was made at nowhere/copy.db: "), "{ran:?}");

    // Damage is not copied in silence, and leaves no half.
    let state = dir.path().join("vigie.db");
    let mut bytes = std::fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0x5a);
    std::fs::write(&state, &bytes).unwrap();
    let ran = vigie(dir.path(), &["--config", "vigie.yaml", "backup", "bad.db"]);
    assert!(ran.code == 1 && ran.err.contains("damaged"), "{ran:?}");
    let left = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.starts_with("bad") || name.contains("creating")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_folder_of_backups_is_thinned_out() {
    let dir = folder(SMALL);
    database(dir.path());
    let backups = dir.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    for old in ["vigie-20200101T000000000Z.db", "vigie-20210101T000000000Z.db", "notes.txt"] {
        std::fs::write(backups.join(old), "old").unwrap();
    }
    let ran = vigie(dir.path(), &["--config", "vigie.yaml", "backup", "backups", "--keep", "2", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(ran.out.trim()).unwrap();
    assert_eq!(
        (&told["type"], &told["removed"]),
        (&"backup".into(), &serde_json::json!(["backups/vigie-20200101T000000000Z.db"]))
    );
    let mut left: Vec<String> =
        std::fs::read_dir(&backups).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(&left[..2], ["notes.txt", "vigie-20210101T000000000Z.db"]);
    // A clock that ran ahead once does not cost the newest.
    std::fs::write(backups.join("vigie-20990101T000000000Z.db"), "").unwrap();
    let ran = vigie(dir.path(), &["--config", "vigie.yaml", "backup", "backups", "--keep", "1", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(ran.out.trim()).unwrap();
    assert!(dir.path().join(told["path"].as_str().unwrap()).exists(), "{told}");
    let ran = vigie(dir.path(), &["--config", "vigie.yaml", "backup", "one.db", "--keep", "2"]);
    assert!(ran.code == 1 && ran.err.contains("--keep is for a folder"), "{ran:?}");
}

#[test]
fn what_is_stored_is_shown_without_its_source() {
    let hourly = SMALL.replace("    source: shop\n", "    source: shop\n    grain: hour\n");
    let dir = folder(&hourly);
    let zone = jiff::tz::TimeZone::get("Europe/Paris").unwrap();
    let (first, end) = Grain::HOUR.buckets_of_day(jiff::civil::date(2026, 1, 20), &zone);
    let observation = |bucket: i64| Observation {
        series: SeriesKey { kpi: "revenue".into(), labels: Labels::total() },
        bucket,
        value: (bucket - first) as f64,
        parts: None,
        provisional: false,
        known_at: Grain::HOUR.start_of(bucket + 1, &zone),
        assumed: false,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = OpenOptions { create: true, reserve_bytes: 0, ..OpenOptions::default() };
        let store = Store::open(&dir.path().join("vigie.db"), options).await.unwrap();
        let observations = (first..end + 2).map(observation).collect();
        let commit = EvaluateCommit { observations, ..EvaluateCommit::default() };
        store.commit_evaluate(&commit, store.epoch()).await.unwrap();
        let kept = Kept { kpi: "revenue".into(), first: end, days: Some((Grain::HOUR, zone.clone())) };
        let keep = Keep { told_since: jiff::Timestamp::UNIX_EPOCH, kpis: vec![kept] };
        store.prune(&keep, 1_000).await.unwrap();
        store.close().await;
    });
    std::fs::remove_file(dir.path().join("shop.csv")).unwrap();
    let words = ["query", "revenue", "--stored", "--from", "2026-01-19", "--to", "2026-01-21"];
    let ran = vigie(dir.path(), &[&words[..], &["--config", "vigie.yaml"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("query_stored", ran.out);
    let ran = vigie(dir.path(), &[&words[..], &["--config", "vigie.yaml", "--format", "json"]].concat());
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "day");
    assert_eq!((lines[0]["value"].as_f64(), lines[0]["buckets"].as_u64()), (Some(276.0), Some(24)));
    assert_eq!(lines[1]["type"], "observation");
    assert_eq!(lines.len(), 3);
}
