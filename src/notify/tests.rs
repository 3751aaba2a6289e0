//! Who is told what and when, minute by minute; what a message says stands in `compose_tests.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Desk, Groups, consider, destination, flush};
use crate::model::alert::{About, Acknowledgement, Alert, AlertKey, Aspect, Counters, EndReason, Phase, Subject};
use crate::model::catalog::Catalog;
use crate::model::commit::NotifyCommit;
use crate::model::ids::{Labels, ReceiverId, SeriesKey};
use crate::model::notification::{GroupBy, Matcher, Receiver, Recipient, Route, Silence};
use crate::model::unit::Language;
use crate::model::verdict::Severity;

#[path = "compose_tests.rs"]
mod compose;

const REMIND_MINUTES: i64 = 1440;

/// Minutes since the beginning.
fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).expect("in range")
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

fn receiver(id: &str) -> (ReceiverId, Arc<Receiver>) {
    let recipients = vec![Recipient { name: format!("{id}@example.test"), language: Language::Fr }];
    (id.into(), Arc::new(Receiver { id: id.into(), recipients }))
}

fn route(path: &str, to: &str, matcher: Matcher, routes: Vec<Route>) -> Route {
    Route {
        path: path.to_owned(),
        matcher,
        to: to.into(),
        group_by: vec![GroupBy::Kpi],
        wait: minutes(10),
        interval: minutes(60),
        remind: Some(minutes(REMIND_MINUTES)),
        routes,
    }
}

fn catalog() -> Catalog {
    Catalog {
        zone: TimeZone::UTC,
        language: Language::Fr,
        kpis: IndexMap::new(),
        objectives: IndexMap::new(),
        rules: IndexMap::new(),
        people: IndexMap::new(),
        receivers: IndexMap::from([receiver("ops"), receiver("boss")]),
        route: route("0", "ops", Matcher::default(), Vec::new()),
        events: IndexMap::new(),
        renames: crate::model::rename::Renames::default(),
        checksum: String::new(),
    }
}

fn key(name: &str) -> AlertKey {
    let series = SeriesKey { kpi: "k".into(), labels: Labels::from_iter([("n", name)]) };
    let subject = Subject::Rule { rule: "r".into(), series, objective: None };
    AlertKey { subject, period: None, aspect: Aspect::Breach }
}

fn alert(name: &str, now: Timestamp) -> Alert {
    Alert {
        key: key(name),
        about: About::Objective,
        episode: 1,
        phase: Phase::Firing,
        severity: Severity::Warning,
        since: now,
        fired_at: Some(now),
        resolved_at: None,
        end: None,
        counters: Counters::default(),
        frozen: None,
        acknowledged: None,
        snoozed_until: None,
        slot: now,
        revision: 0,
        correction: None,
        stated: None,
        value: None,
        facts: None,
    }
}

/// One thing told: minute, reason, alert, receiver.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    minute: i64,
    reason: &'static str,
    alert: String,
    receiver: String,
}

/// Alerts, groups and what was told of them.
struct Post {
    catalog: Catalog,
    alerts: BTreeMap<AlertKey, Alert>,
    groups: Groups,
    silences: Vec<Silence>,
    hidden: BTreeSet<AlertKey>,
    numbered: u64,
    minute: i64,
    told: Vec<Told>,
    deliveries: usize,
}

impl Post {
    fn new(catalog: Catalog) -> Post {
        Post {
            catalog,
            alerts: BTreeMap::new(),
            groups: Groups::default(),
            silences: Vec::new(),
            hidden: BTreeSet::new(),
            numbered: 0,
            minute: 0,
            told: Vec::new(),
            deliveries: 0,
        }
    }

    /// Decides at the present minute.
    fn decide(&mut self, changed: &[AlertKey]) {
        let mut commit = NotifyCommit::default();
        let (alerts, hidden) = (&self.alerts, &self.hidden);
        let desk = Desk {
            catalog: &self.catalog,
            alert: &|key| alerts.get(key),
            silences: &self.silences,
            inhibited: &|alert| hidden.contains(&alert.key),
            held: &|_| false,
            now: at(self.minute),
        };
        consider(&mut self.groups, &desk, changed, &mut commit);
        flush(&mut self.groups, &desk, &mut self.numbered, &mut commit);
        for notification in &commit.notifications {
            for item in &notification.items {
                let alert = item.key.series().and_then(|series| series.labels.get("n")).unwrap_or_default().to_owned();
                let receiver = notification.group.receiver.to_string();
                self.told.push(Told { minute: self.minute, reason: item.reason.as_str(), alert, receiver });
            }
        }
        self.deliveries += commit.deliveries.len();
        for key in &commit.alerts_gone {
            self.alerts.remove(key);
        }
    }

    /// Wakes whenever a timer is due, up to and with that minute.
    fn run_to(&mut self, minute: i64) {
        while let Some(due) = self.groups.next_wake().filter(|due| *due <= at(minute)) {
            let due = due.duration_since(at(0)).as_mins();
            assert!(due >= self.minute, "a timer stands still");
            self.minute = due;
            self.decide(&[]);
        }
        self.minute = minute;
    }

    /// `+a` warning, `++a` critical, `-a` ends, `*a` corrected, `ack a`, `snooze a 300`, `silence a 300`,
    /// `hide a`, `show a`; durations in minutes.
    fn act(&mut self, command: &str) {
        let now = at(self.minute);
        let mut words = command.split_whitespace();
        let (verb, name) = (words.next().unwrap_or_default(), words.next());
        let length = words.next().map_or(0, |count| count.parse().expect("minutes"));
        let name = name.unwrap_or_else(|| verb.trim_start_matches(['+', '-', '*']));
        let key = key(name);
        let mut changed = vec![key.clone()];
        match verb {
            "hide" => {
                self.hidden.insert(key);
            }
            "show" => {
                self.hidden.remove(&key);
            }
            "silence" => {
                changed.clear();
                let matcher = Matcher { alert: Some(key.id()), ..Matcher::default() };
                let (by, why, until) = (String::new(), String::new(), now + minutes(length));
                self.silences.push(Silence { id: "s".into(), matcher, from: now, until, by, why });
            }
            _ if verb.starts_with('+') => {
                let severity = if verb.starts_with("++") { Severity::Critical } else { Severity::Warning };
                let live = self.alerts.entry(key).or_insert_with(|| alert(name, now));
                if live.phase == Phase::Resolved {
                    *live = Alert { episode: live.episode + 1, ..alert(name, now) };
                }
                live.severity = severity;
                live.slot = now;
            }
            _ => {
                let Some(live) = self.alerts.get_mut(&key) else { return };
                match verb {
                    "ack" => live.acknowledged = Some(Acknowledgement { by: "ada".to_owned(), at: now, note: None }),
                    "snooze" => live.snoozed_until = Some(now + minutes(length)),
                    _ if verb.starts_with('*') => live.revision += 1,
                    _ => {
                        live.phase = Phase::Resolved;
                        live.resolved_at = Some(now);
                        live.end = Some(EndReason::Recovered);
                    }
                }
            }
        }
        self.decide(&changed);
    }
}

/// Each line is `minute command`; what was told reads `minute reason alert`.
#[track_caller]
fn check_with(catalog: Catalog, script: &[&str], until: i64, expected: &[&str]) -> Post {
    let mut post = Post::new(catalog);
    for line in script {
        let (minute, command) = line.split_once(' ').expect("a minute and a command");
        post.run_to(minute.parse().expect("a minute"));
        post.act(command);
    }
    post.run_to(until);
    let told: Vec<String> =
        post.told.iter().map(|told| format!("{} {} {}", told.minute, told.reason, told.alert)).collect();
    assert_eq!(told, expected, "{script:?}");
    post
}

#[track_caller]
fn check(script: &[&str], until: i64, expected: &[&str]) {
    check_with(catalog(), script, until, expected);
}

#[test]
fn a_new_group_waits_for_company() {
    check(&["0 +a", "5 +b", "9 +c"], 60, &["10 first a", "10 first b", "10 first c"]);
}

#[test]
fn later_company_waits_for_the_interval() {
    check(&["0 +a", "20 +b", "30 +c"], 200, &["10 first a", "70 first b", "70 first c"]);
}

#[test]
fn what_ends_within_the_wait_is_never_told() {
    let post = check_with(catalog(), &["0 +a", "5 -a"], 200, &[]);
    assert!(post.alerts.is_empty() && post.groups.next_wake().is_none(), "nothing is left of it");
}

#[test]
fn rising_is_told_at_once_and_falling_at_the_interval() {
    check(&["0 +a", "20 ++a"], 60, &["10 first a", "20 escalated a"]);
    check(&["0 ++a", "20 +a"], 100, &["10 first a", "70 deescalated a"]);
    check(&["0 +a", "20 ++a", "25 +a"], 100, &["10 first a", "20 escalated a", "80 deescalated a"]);
    check(&["0 ++a", "20 +a", "30 ++a"], 200, &["10 first a"]);
}

#[test]
fn ends_and_corrections_wait_for_the_interval() {
    check(&["0 +a", "20 -a"], 200, &["10 first a", "70 resolved a"]);
    check(&["0 +a", "200 -a"], 300, &["10 first a", "200 resolved a"]);
    check(&["0 +a", "20 *a"], 200, &["10 first a", "70 correction a"]);
}

#[test]
fn reminders_keep_their_beat() {
    check(&["0 +a"], 3000, &["10 first a", "1450 reminder a", "2890 reminder a"]);
    // News begins the beat anew.
    check(&["0 +a", "100 ++a"], 1600, &["10 first a", "100 escalated a", "1540 reminder a"]);
    let silent = Catalog { route: Route { remind: None, ..catalog().route }, ..catalog() };
    check_with(silent, &["0 +a"], 9000, &["10 first a"]);
}

#[test]
fn acknowledged_and_snoozed_stop_reminders_only() {
    check(&["0 +a", "20 ack a", "1500 ++a", "4000 -a"], 5000, &["10 first a", "1500 escalated a", "4000 resolved a"]);
    check(&["0 +a", "20 snooze a 2000", "1500 -a"], 5000, &["10 first a", "1500 resolved a"]);
    check(&["0 +a", "20 snooze a 2000"], 3000, &["10 first a", "2890 reminder a"]);
}

#[test]
fn a_silence_hides_all_but_the_end() {
    check(&["0 +a", "20 silence a 5000", "30 ++a", "1600 -a"], 9000, &["10 first a", "1600 resolved a"]);
    check(&["0 +a", "20 silence a 2000"], 3000, &["10 first a", "2890 reminder a"]);
}

#[test]
fn what_still_fires_when_a_silence_ends_is_told_then() {
    check(&["0 +a", "5 silence a 300"], 400, &["305 first a"]);
    check(&["0 +a", "5 silence a 300", "200 -a"], 400, &[]);
    check(&["0 +a", "20 silence a 300", "30 ++a"], 400, &["10 first a", "320 escalated a"]);
    // A second silence reaches further.
    check(&["0 +a", "5 silence a 300", "100 silence a 400"], 600, &["500 first a"]);
}

#[test]
fn an_inhibited_alert_waits_for_its_cause_to_end() {
    // The group is looked at again at its own pace once nothing hides the alert.
    check(&["0 +a", "1 hide a", "100 show a"], 200, &["105 first a"]);
    check(&["0 +a", "1 hide a", "100 -a"], 200, &[]);
}

#[test]
fn a_late_wake_decides_as_of_the_instants_it_missed() {
    let mut post = Post::new(catalog());
    let late = |post: &mut Post, minute: i64| {
        post.minute = minute;
        post.decide(&[]);
    };
    post.act("+a");
    late(&mut post, 37);
    assert_eq!(post.groups.next_wake(), Some(at(10 + REMIND_MINUTES)), "beats count from the instant it was due");
    post.act("snooze a 1430");
    late(&mut post, 1500);
    assert_eq!(post.told.len(), 1, "the reminder was snoozed when it was due");
    late(&mut post, 9000);
    assert_eq!(post.told.len(), 2, "of many missed reminders one is told");
    assert_eq!(post.groups.next_wake(), Some(at(10 + 7 * REMIND_MINUTES)));
}

#[test]
fn a_reminder_due_before_news_stays_a_reminder() {
    let mut post = Post::new(catalog());
    for (minute, command) in [(0, "+a"), (5, "+b"), (6, "silence b 1500")] {
        post.run_to(minute);
        post.act(command);
    }
    post.run_to(1000);
    post.minute = 2000;
    post.decide(&[]);
    let told: Vec<_> = post.told.iter().map(|told| (told.reason, told.alert.as_str())).collect();
    assert_eq!(told, [("first", "a"), ("reminder", "a"), ("first", "b")]);
}

#[test]
fn the_first_child_that_matches_takes_the_alert() {
    let critical = Matcher { severity: vec![Severity::Critical], ..Matcher::default() };
    let data = Matcher { about: vec![About::Data], ..Matcher::default() };
    let deeper = Matcher { rule: vec!["r".into()], ..Matcher::default() };
    let catalog = Catalog {
        route: route(
            "0",
            "ops",
            Matcher::default(),
            vec![
                route("0.0", "ops", data, Vec::new()),
                route("0.1", "boss", critical.clone(), vec![route("0.1.0", "boss", deeper, Vec::new())]),
                route("0.2", "ops", critical, Vec::new()),
            ],
        ),
        ..catalog()
    };
    let path = |change: &dyn Fn(&mut Alert)| {
        let mut alert = alert("a", at(0));
        change(&mut alert);
        destination(&catalog, &alert).group.route
    };
    assert_eq!(path(&|_| ()), "0");
    assert_eq!(path(&|alert| alert.about = About::Data), "0.0");
    assert_eq!(path(&|alert| alert.severity = Severity::Critical), "0.1.0");
    let other = |alert: &mut Alert| {
        alert.severity = Severity::Critical;
        alert.key.subject = Subject::Service;
    };
    assert_eq!(path(&other), "0.1");
}

#[test]
fn groups_of_receivers_that_are_gone_are_orphans() {
    let mut post = Post::new(catalog());
    post.act("+a");
    let orphans = post.groups.orphans(|receiver| receiver.as_str() != "ops");
    assert_eq!(orphans.len(), 1);
    post.groups.remove(&orphans[0]);
    assert_eq!(post.groups.holding(&key("a")), []);
    assert_eq!(post.groups.next_wake(), None);
}

#[test]
fn one_row_a_recipient_and_one_thread_a_group() {
    let mut post = check_with(
        catalog(),
        &["0 +a", "200 ++a", "400 -a"],
        500,
        &["10 first a", "200 escalated a", "400 resolved a"],
    );
    assert_eq!(post.deliveries, 3);
    assert!(post.alerts.is_empty() && post.groups.iter().next().is_none(), "nobody is owed anything");
    post.act("+a");
    let again = post.groups.iter().next().map(|group| group.opened_at);
    assert_eq!(again, Some(at(500)), "a new thread");
}

fn commands() -> impl Strategy<Value = Vec<(i64, String)>> {
    let verb = prop_oneof![
        4 => Just("+"), 3 => Just("++"), 4 => Just("-"), 1 => Just("*"), 1 => Just("ack "), 1 => Just("snooze "),
        1 => Just("silence "), 1 => Just("hide "), 1 => Just("show "),
    ];
    let command = (0_i64..400, verb, 0_usize..3, 1_i64..3000).prop_map(|(wait, verb, name, length)| {
        (
            wait,
            format!(
                "{verb}{} {}",
                ["a", "b", "c"][name],
                if verb.ends_with(' ') { length.to_string() } else { String::new() }
            ),
        )
    });
    proptest::collection::vec(command, 1..40)
}

proptest! {
    #[test]
    fn nothing_is_told_twice_and_every_end_is_told(commands in commands()) {
        let mut post = Post::new(catalog());
        for (wait, command) in &commands {
            post.run_to(post.minute + wait);
            post.act(command.trim_end());
        }
        post.run_to(post.minute + 400);
        for name in ["a", "b", "c"] {
            post.act(&format!("show {name}"));
            post.act(&format!("-{name}"));
        }
        post.run_to(post.minute + 9000);
        let mut heard: BTreeMap<&str, &Told> = BTreeMap::new();
        let mut last = i64::MIN;
        for told in &post.told {
            let before = heard.insert(&told.alert, told);
            match told.reason {
                "first" => prop_assert!(before.is_none_or(|before| before.reason == "resolved"), "{told:?}"),
                "reminder" => prop_assert!(told.minute >= last + REMIND_MINUTES || told.minute == last, "{told:?}"),
                _ => prop_assert!(before.is_some_and(|before| before.reason != "resolved"), "{told:?}"),
            }
            last = told.minute;
        }
        for (name, told) in heard {
            prop_assert_eq!(told.reason, "resolved", "{}: {:?}", name, post.told);
        }
        prop_assert!(post.alerts.is_empty() && post.groups.iter().next().is_none(), "something is left");
    }

    #[test]
    fn a_silence_or_an_inhibition_never_hides_an_end(commands in commands()) {
        let mut post = Post::new(catalog());
        for (wait, command) in &commands {
            post.run_to(post.minute + wait);
            post.act(command.trim_end());
        }
        for name in ["a", "b", "c"] {
            post.act(&format!("silence {name} 100000"));
            post.act(&format!("-{name}"));
        }
        post.run_to(post.minute + 61);
        let open: BTreeSet<_> = post.told.iter().fold(BTreeSet::new(), |mut open, told| {
            match told.reason {
                "resolved" => open.remove(&told.alert),
                _ => open.insert(told.alert.clone()),
            };
            open
        });
        prop_assert_eq!(open, BTreeSet::new());
    }
}
