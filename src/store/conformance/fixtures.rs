//! Values to store, and stores in a folder of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tempfile::TempDir;

use crate::model::alert::{
    About, Alert, AlertKey, Aspect, Change, Counters, PeriodOutcome, Phase, Subject, Transition,
};
use crate::model::commit::{KpiClock, NotifyCommit};
use crate::model::ids::{KpiId, Labels, SeriesKey};
use crate::model::notification::{
    Group, GroupBy, GroupKey, Message, NewDelivery, Notification, NotificationItem, NotifyReason, ThreadRef, Told,
};
use crate::model::objective::{Measure, Target};
use crate::model::observation::Observation;
use crate::model::outcome::ClosedPeriod;
use crate::model::period::Period;
use crate::model::unit::Language;
use crate::model::verdict::Severity;
use crate::store::{OpenOptions, Store};

pub(super) struct Place {
    folder: TempDir,
}

impl Place {
    pub(super) fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("state/vigie.db")
    }

    pub(super) async fn open(&self) -> Store {
        Store::open(&self.path(), writing()).await.unwrap()
    }
}

pub(super) fn writing() -> OpenOptions {
    OpenOptions { create: true, reserve_bytes: 0, ..OpenOptions::default() }
}

pub(super) fn reading() -> OpenOptions {
    OpenOptions { read_only: true, ..OpenOptions::default() }
}

/// Every file beside the database that holds data, with its bytes.
pub(super) fn files_of(database: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(database.parent().unwrap()).unwrap();
    files
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| Path::new(name).extension().is_none_or(|ending| ending != "lock"))
        .collect()
}

/// Seconds since 1970.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn kpi() -> KpiId {
    "revenue".into()
}

pub(super) fn total(bucket: i64, value: f64) -> Observation {
    observation(SeriesKey::total(&kpi()), bucket, value)
}

pub(super) fn observation(series: SeriesKey, bucket: i64, value: f64) -> Observation {
    Observation { series, bucket, value, parts: None, provisional: false, known_at: at(bucket), assumed: false }
}

pub(super) fn labelled(channel: &str) -> SeriesKey {
    SeriesKey { kpi: kpi(), labels: Labels::from_iter([("channel", channel), ("a", "z")]) }
}

pub(super) fn key(rule: &str) -> AlertKey {
    let subject = Subject::Rule { rule: rule.into(), series: labelled("web"), objective: Some("month".into()) };
    AlertKey { subject, period: Some(jiff::civil::date(2026, 11, 1)), aspect: Aspect::Breach }
}

pub(super) fn alert(rule: &str, phase: Phase) -> Alert {
    Alert {
        about: About::Objective,
        key: key(rule),
        episode: 1,
        phase,
        severity: Severity::Warning,
        since: at(100),
        fired_at: Some(at(200)),
        resolved_at: None,
        end: None,
        counters: Counters::default(),
        frozen: None,
        acknowledged: None,
        snoozed_until: None,
        slot: at(200),
        revision: 0,
        correction: None,
        stated: None,
        value: None,
        facts: None,
    }
}

/// A month of 2026 that was reached.
pub(super) fn closed(objective: &str, month: i8) -> ClosedPeriod {
    let first = jiff::civil::date(2026, month, 1);
    ClosedPeriod {
        objective: objective.into(),
        kpi: kpi(),
        labels: labelled("web").labels,
        period: Period { first, last: first.last_of_month() },
        outcome: PeriodOutcome::Reached,
        target: Target::Reach(400.5),
        measure: Measure::Sum,
        actual: 412.25,
        present: 30,
        due: 31,
        alerts: 2,
        decided_at: at(300),
        filled_in: false,
        shape: "day".into(),
        revision: 0,
        replaced: None,
    }
}

pub(super) fn transition(seq: u64, rule: &str) -> Transition {
    Transition {
        seq,
        key: key(rule),
        episode: 1,
        at: at(200 + seq as i64),
        slot: at(200),
        from: Phase::Inactive,
        to: Phase::Firing,
        change: Change::Fired,
        severity: Severity::Warning,
        value: Some(0.1),
    }
}

pub(super) fn clock(last_slot: i64) -> KpiClock {
    KpiClock {
        rules: vec!["r".into()],
        kpi: kpi(),
        definition: "d".into(),
        shape: "day".into(),
        roll_ups: vec![],
        last_slot: Some(at(last_slot)),
        waiting: vec![],
        open: None,
        again_at: None,
        pulled_to: Some(12),
        last_pull_at: None,
        last_error: None,
    }
}

pub(super) fn group(receiver: &str) -> Group {
    let told = Told {
        phase: Phase::Firing,
        severity: Severity::Critical,
        is_calm: true,
        value: Some(1.5),
        bucket: Some(7),
        actual: None,
        episode: 1,
        revision: 0,
        at: at(300),
    };
    Group {
        key: GroupKey {
            route: "0.1".into(),
            receiver: receiver.into(),
            by: BTreeMap::from([(GroupBy::Kpi, "revenue".to_owned())]),
        },
        thread: "t1".into(),
        opened_at: at(250),
        next_flush: Some(at(900)),
        last_flush: None,
        next_remind: None,
        messages: 1,
        told: BTreeMap::from([(key("r"), told)]),
        members: BTreeSet::from([key("r")]),
    }
}

pub(super) fn notification(id: &str, receiver: &str) -> Notification {
    let item = NotificationItem { key: key("r"), episode: 1, reason: NotifyReason::First, slot: at(200) };
    Notification {
        id: id.into(),
        group: group(receiver).key,
        at: at(300),
        reason: NotifyReason::First,
        items: vec![item],
    }
}

pub(super) fn delivery(name: &str, receiver: &str, thread: &str) -> NewDelivery {
    NewDelivery {
        key: name.into(),
        notification: "n1".into(),
        receiver: receiver.into(),
        recipient: "claire@example.test".into(),
        thread: ThreadRef { root: thread.into(), position: 0 },
        created_at: at(300),
        message: message(),
    }
}

pub(super) fn queued(deliveries: Vec<NewDelivery>) -> NotifyCommit {
    NotifyCommit { deliveries, ..NotifyCommit::default() }
}

fn message() -> Message {
    Message {
        language: Language::Fr,
        reason: NotifyReason::First,
        about: About::Objective,
        severity: Severity::Critical,
        resolved: false,
        subject: "Chiffre d'affaires \"mensuel\"".into(),
        headline: "Hors trajectoire : \u{2212}8 %".into(),
        sections: vec![],
        created_at: at(300),
        more: 0,
        sent_line: "le 1er janvier".into(),
    }
}
