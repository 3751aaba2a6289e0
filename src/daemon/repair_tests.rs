//! Numbers that turn out to be others: values that jump, a past that is restated, spans that people ask for.

use tokio::sync::oneshot;

use super::*;
use crate::daemon::control::{Reply, Value};
use crate::model::action::{Action, ActionKind};
use crate::model::grain::Grain;
use crate::model::ids::{KpiId, Labels};
use crate::model::suspect::Decision;

fn bucket(day: &str) -> i64 {
    Grain::Day.index_of_date(day.parse().unwrap())
}

impl Place {
    /// Says something else of one day.
    pub(super) fn restate(&self, day: &str, amount: i64) {
        let text = fs::read_to_string(self.path("sales.csv")).unwrap();
        let restated =
            |line: &str| if line.starts_with(day) { format!("{day};{amount}\n") } else { format!("{line}\n") };
        fs::write(self.path("sales.csv"), text.lines().map(restated).collect::<String>()).unwrap();
    }

    /// Says something of a day that it said nothing of.
    fn add(&self, day: &str, amount: i64) {
        let text = fs::read_to_string(self.path("sales.csv")).unwrap();
        fs::write(self.path("sales.csv"), format!("{text}{day};{amount}\n")).unwrap();
    }

    /// Says nothing of one day any more.
    pub(super) fn lose(&self, day: &str) {
        let text = fs::read_to_string(self.path("sales.csv")).unwrap();
        let left = text.lines().filter(|line| !line.starts_with(day)).map(|line| format!("{line}\n"));
        fs::write(self.path("sales.csv"), left.collect::<String>()).unwrap();
    }

    /// The text of every mail, oldest first.
    fn mails(&self) -> Vec<String> {
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut folders = vec![self.path("boxes")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() { folders.push(entry) } else { paths.push(entry) }
            }
        }
        let mut mails: Vec<(std::time::SystemTime, String)> = paths
            .iter()
            .map(|path| (fs::metadata(path).unwrap().modified().unwrap(), fs::read_to_string(path).unwrap()))
            .collect();
        mails.sort();
        mails
            .into_iter()
            .map(|(_, text)| {
                text.replace("=\r\n", "").replace("=\n", "").replace("=E2=80=AF", " ").replace("=C2=A0", " ")
            })
            .collect()
    }
}

async fn versions(script: &Script, day: &str) -> Vec<f64> {
    let all = script.cycle.store().versions_of(&"sales".into(), &Labels::total(), bucket(day)).await.unwrap();
    all.iter().map(|version| version.value).collect()
}

/// What asking for a span came to.
pub(super) async fn ask(script: &mut Script, kpi: &str, from: &str, to: &str) -> Reply {
    let (reply, answered) = oneshot::channel();
    let now = script.now();
    script.cycle.ask_pull(kpi.into(), (bucket(from), bucket(to)), (None, reply), now).await;
    script.advance_to(now + seconds(1)).await.unwrap();
    answered.await.unwrap()
}

#[tokio::test]
async fn a_suspect_value_that_is_real_is_frozen_accepted_and_judged() {
    let suspicious = COMPANY.replace("history: 60d", "history: 60d\n    quality: {max_jump: 300 %}");
    let place = Place::new(&["2026-09-05"]);
    place.restate("2026-09-03", 5_000);
    let mut script = place.start(&suspicious, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-04T06:05:00Z")).await.unwrap();
    assert_eq!(changes(&script.cycle).await, Vec::<String>::new(), "the source is asked once more first");
    // A stop in between loses nothing of that.
    kill(script).await;
    let mut script = place.start(&suspicious, "2026-09-04T06:06:00Z").await;
    script.advance_to(at("2026-09-06T09:00:00Z")).await.unwrap();
    let told = "2026-09-04T06:00:00Z data:sales@2026-09-03#suspect Fired";
    assert_eq!(changes(&script.cycle).await, [told], "nothing else is judged");
    let mail = place.mails().pop().unwrap();
    for part in ["Valeur suspecte", "5 000", "vigie suspect accept sales 2026-09-03"] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    let accept = ActionKind::Settle {
        kpi: "sales".into(),
        bucket: bucket("2026-09-03"),
        labels: None,
        decision: Decision::Accept,
        note: None,
    };
    let now = script.now();
    script.cycle.act(Action { by: "ada".to_owned(), what: accept }, now).await.unwrap().unwrap();
    script.advance_to(now + seconds(60)).await.unwrap();
    let all = changes(&script.cycle).await;
    assert!(all[1].contains("#suspect Resolved"), "{all:?}");
    assert_eq!(all[2..], ["2026-09-06T06:00:00Z rule:high/sales#breach Fired"]);
    assert!(place.mails().iter().any(|mail| mail.contains("Valeur accept=C3=A9e")), "{:?}", place.mails());
}

#[tokio::test]
async fn what_a_catch_up_finds_suspect_is_told_as_of_its_slot() {
    let suspicious = COMPANY.replace("history: 60d", "history: 60d\n    quality: {max_jump: 300 %}");
    let place = Place::new(&[]);
    place.restate("2026-09-03", 5_000);
    let mut script = place.start(&suspicious, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-03T09:00:00Z")).await.unwrap();
    kill(script).await;
    let mut script = place.start(&suspicious, "2026-09-06T09:00:00Z").await;
    script.advance_to(at("2026-09-06T09:01:00Z")).await.unwrap();
    assert_eq!(changes(&script.cycle).await, ["2026-09-04T06:00:00Z data:sales@2026-09-03#suspect Fired"]);
}

#[tokio::test]
async fn the_past_is_looked_at_again_as_often_as_asked() {
    let rechecked = COMPANY.replace("history: 60d", "history: 60d\n    recheck: monthly 60d");
    let place = Place::new(&[]);
    let mut script = place.start(&rechecked, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-10T09:00:00Z")).await.unwrap();
    place.restate("2026-08-20", 70);
    script.advance_to(at("2026-09-30T09:00:00Z")).await.unwrap();
    assert_eq!(versions(&script, "2026-08-20").await, [50.0]);
    // The pull of the first of the month fails at first, and is made up for.
    fs::rename(place.path("sales.csv"), place.path("away.csv")).unwrap();
    script.advance_to(at("2026-10-01T06:05:00Z")).await.unwrap();
    fs::rename(place.path("away.csv"), place.path("sales.csv")).unwrap();
    script.advance_to(at("2026-10-01T06:30:00Z")).await.unwrap();
    assert_eq!(versions(&script, "2026-08-20").await, [50.0, 70.0]);
    let all = script.cycle.store().versions_of(&"sales".into(), &Labels::total(), bucket("2026-08-20")).await.unwrap();
    assert!(all[1].known_at >= at("2026-10-01T06:00:00Z") && !all[1].assumed, "{all:?}");
}

#[tokio::test]
async fn a_start_on_the_morning_of_a_look_at_the_past_leaves_it_to_its_slot() {
    let rechecked = COMPANY.replace("history: 60d", "history: 60d\n    recheck: monthly 60d");
    let place = Place::new(&[]);
    let mut script = place.start(&rechecked, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-29T09:00:00Z")).await.unwrap();
    place.restate("2026-08-20", 70);
    kill(script).await;
    // The slot of the thirtieth is made up for on the first, before the first's own.
    let mut script = place.start(&rechecked, "2026-10-01T05:00:00Z").await;
    script.advance_to(at("2026-10-01T05:30:00Z")).await.unwrap();
    assert_eq!(versions(&script, "2026-08-20").await, [50.0]);
    script.advance_to(at("2026-10-01T06:30:00Z")).await.unwrap();
    assert_eq!(versions(&script, "2026-08-20").await, [50.0, 70.0]);
}

#[tokio::test]
async fn a_span_that_is_asked_for_is_pulled_judged_and_answered() {
    let place = Place::new(&["2026-09-03"]);
    let mut script = place.start(COMPANY, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-04T09:00:00Z")).await.unwrap();
    let pulled = |stored, oldest| {
        Reply::Ok(Value::Pulled { stored, rejected: 0, warnings: Vec::new(), oldest: Some(bucket(oldest)) })
    };
    assert_eq!(ask(&mut script, "sales", "2026-08-01", "2026-08-31").await, pulled(0, "2026-08-01"));
    place.restate("2026-08-20", 70);
    // Before the history, and within it; asking twice changes nothing.
    assert_eq!(ask(&mut script, "sales", "2026-07-01", "2026-08-31").await, pulled(4, "2026-07-01"));
    assert_eq!(ask(&mut script, "sales", "2026-07-01", "2026-08-31").await, pulled(0, "2026-07-01"));
    assert_eq!(versions(&script, "2026-08-20").await, [50.0, 70.0]);
    // What a pull of the past brings says nothing of slots to come.
    let clock = script.cycle.engine().with(|state, _| state.clocks[&KpiId::from("sales")].clone()).await;
    assert_eq!(clock.last_slot, Some(at("2026-09-04T06:00:00Z")));
    let Reply::Error(why) = ask(&mut script, "sales", "2026-09-04", "2026-09-05").await else { panic!("too early") };
    assert!(why.contains("is pulled up to 2026-09-03"), "{why}");
    fs::rename(place.path("sales.csv"), place.path("away.csv")).unwrap();
    let Reply::Error(why) = ask(&mut script, "sales", "2026-08-01", "2026-08-02").await else { panic!("no file") };
    assert!(why.contains("sales.csv"), "{why}");
    let told = changes(&script.cycle).await;
    assert!(!told.iter().any(|line| line.contains("source:")), "who asked was told: {told:?}");
}

#[tokio::test]
async fn a_restated_past_is_corrected_in_its_thread() {
    let place = Place::new(&["2026-09-03"]);
    let mut script = place.start(COMPANY, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-04T09:00:00Z")).await.unwrap();
    assert_eq!(place.mails().len(), 1);
    place.restate("2026-09-03", 90);
    ask(&mut script, "sales", "2026-09-03", "2026-09-03").await;
    script.advance_to(at("2026-09-04T10:00:00Z")).await.unwrap();
    let mails = place.mails();
    let header = |mail: &str, name: &str| {
        let line = mail.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.trim_start_matches(name).trim().to_owned()
    };
    let thread = header(&mails[0], "Message-ID:");
    let told: Vec<&String> = mails[1..].iter().collect();
    assert!(told.iter().all(|mail| mail.contains(&thread)), "{mails:?}");
    assert!(
        told.iter().any(|mail| mail.contains("Valeur corrig=C3=A9e (3 septembre 2026) : 90 au lieu de 200")),
        "{mails:#?}"
    );
}

/// What is known of a day, and how many days are known.
async fn held(script: &Script, day: &str) -> (Option<f64>, usize) {
    let day = bucket(day);
    let look = move |state: &mut crate::engine::State, _: &crate::engine::Setup| {
        let data = state.history.series(&"sales".into(), &Labels::total()).cloned().unwrap();
        (data.get(day).map(|point| point.value), data.range(i64::MIN, i64::MAX).count())
    };
    script.cycle.engine().with(look).await
}

#[tokio::test]
async fn what_the_source_has_no_more_is_withdrawn_and_may_come_again() {
    let place = Place::new(&["2026-09-03"]);
    let mut script = place.start(COMPANY, "2026-09-02T09:00:00Z").await;
    script.advance_to(at("2026-09-06T09:00:00Z")).await.unwrap();
    let fired = "2026-09-04T06:00:00Z rule:high/sales#breach Fired";
    assert_eq!(changes(&script.cycle).await[..1], [fired]);
    place.lose("2026-08-20");
    // Of that day alone nobody can say whether the source forgot it or never had it.
    let Reply::Ok(Value::Pulled { stored: 0, warnings, .. }) =
        ask(&mut script, "sales", "2026-08-20", "2026-08-20").await
    else {
        panic!("nothing is withdrawn")
    };
    assert!(warnings[0].contains("1 stored buckets of KPI `sales` from 2026-08-20 on"), "{warnings:?}");
    let all = ask(&mut script, "sales", "2026-08-19", "2026-08-21").await;
    assert_eq!(
        all,
        Reply::Ok(Value::Pulled { stored: 1, rejected: 0, warnings: Vec::new(), oldest: Some(bucket("2026-08-19")) })
    );
    // The pieces of a longer span know what came before them.
    place.lose("2026-08-25");
    let (reply, answered) = oneshot::channel();
    let now = script.now();
    let held_from = Some(bucket("2026-08-19"));
    let piece = (bucket("2026-08-25"), bucket("2026-08-25"));
    script.cycle.ask_pull("sales".into(), piece, (held_from, reply), now).await;
    script.advance_to(now + seconds(1)).await.unwrap();
    let withdrawn = Value::Pulled { stored: 1, rejected: 0, warnings: Vec::new(), oldest: None };
    assert_eq!(answered.await.unwrap(), Reply::Ok(withdrawn));
    let told = versions(&script, "2026-08-20").await;
    assert!(told.len() == 2 && told[0] == 50.0 && told[1].is_nan(), "{told:?}");
    let (value, count) = held(&script, "2026-08-20").await;
    assert_eq!(value, None);
    // Nothing is written twice, and a start finds the same.
    ask(&mut script, "sales", "2026-08-19", "2026-08-21").await;
    assert_eq!(versions(&script, "2026-08-20").await.len(), 2);
    let now = script.now();
    kill(script).await;
    let mut script = place.start(COMPANY, &now.to_string()).await;
    script.advance_to(now + seconds(5)).await.unwrap();
    assert_eq!(held(&script, "2026-08-20").await, (None, count));
    place.add("2026-08-20", 60);
    ask(&mut script, "sales", "2026-08-19", "2026-08-21").await;
    assert_eq!(held(&script, "2026-08-20").await, (Some(60.0), count + 1));
    assert_eq!(versions(&script, "2026-08-20").await[2..], [60.0]);
}
