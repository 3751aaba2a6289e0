//! The decision: what a receiver should hear now, given what is and what it last heard.
//!
//! Level-triggered: `flush` compares the alerts with the log of what was told. A stop between an
//! evaluation and its notification therefore loses nothing; the next look finds the same difference.
//! Timers move from due instant to due instant, never from "now", so that a late wake shifts nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::compose::{Item, compose};
use super::group::Groups;
use super::mute::silence_end;
use super::route::destination;
use crate::model::alert::{Alert, AlertKey, Phase};
use crate::model::catalog::Catalog;
use crate::model::commit::NotifyCommit;
use crate::model::digest::Digest;
use crate::model::notification::{
    Group, GroupKey, NewDelivery, Notification, NotificationItem, NotifyReason, Route, Silence, ThreadRef, Told,
};
use crate::model::verdict::Severity;

/// What decisions read.
pub struct Desk<'a> {
    pub catalog: &'a Catalog,
    pub alert: &'a dyn Fn(&AlertKey) -> Option<&'a Alert>,
    pub silences: &'a [Silence],
    /// True when another alert already tells of the cause.
    pub inhibited: &'a dyn Fn(&Alert) -> bool,
    /// True while an alert's past is being stepped: what it is now, it may not be in the end.
    pub held: &'a dyn Fn(&AlertKey) -> bool,
    pub now: Timestamp,
}

/// How long an inhibited alert waits before it is looked at again, if nothing else wakes its group.
const INHIBITION_RECHECK: SignedDuration = SignedDuration::from_mins(5);

/// Puts changed alerts into their groups and sets the groups' timers. A group is taken out and written back
/// once, however many of its alerts changed.
pub fn consider(groups: &mut Groups, desk: &Desk<'_>, changed: &[AlertKey], commit: &mut NotifyCommit) {
    let mut touched: BTreeMap<GroupKey, (Group, bool)> = BTreeMap::new();
    for key in changed {
        let Some(alert) = (desk.alert)(key) else { continue };
        let mut holders = groups.holding(key);
        if alert.phase == Phase::Firing && !desk.catalog.is_in_shadow(key) {
            let destination = destination(desk.catalog, alert);
            let (group, dirty) = touched.entry(destination.group.clone()).or_insert_with(|| {
                let known = groups.get(&destination.group).cloned();
                (known.unwrap_or_else(|| open(&destination.group, desk.now)), false)
            });
            if group.members.insert(key.clone()) {
                group.next_flush.get_or_insert(first_flush(group, destination.route, desk.now));
                *dirty = true;
            }
            if !holders.contains(&destination.group) {
                holders.push(destination.group);
            }
        }
        for holder in &holders {
            if !touched.contains_key(holder) {
                let Some(group) = groups.get(holder).cloned() else { continue };
                touched.insert(holder.clone(), (group, false));
            }
            let Some((group, dirty)) = touched.get_mut(holder) else { continue };
            *dirty |= schedule(group, desk, alert);
        }
        if alert.phase == Phase::Resolved && holders.is_empty() {
            commit.alerts_gone.push(key.clone());
        }
    }
    for (group, _) in touched.into_values().filter(|(_, dirty)| *dirty) {
        save(groups, commit, group);
    }
}

/// What hid some alerts is over: their groups look again, no sooner than they would have told anything.
pub fn uncover(groups: &mut Groups, desk: &Desk<'_>, hid: &dyn Fn(&Alert) -> bool, commit: &mut NotifyCommit) {
    let waits = |group: &&Group| {
        group.members.iter().filter_map(|key| (desk.alert)(key)).any(|alert| {
            alert.phase == Phase::Firing && news(group.told.get(&alert.key), alert).is_some() && hid(alert)
        })
    };
    let waiting: Vec<Group> = groups.iter().filter(waits).cloned().collect();
    for mut group in waiting {
        let due = first_flush(&group, route_of(desk.catalog, &group.key), desk.now);
        if group.next_flush.is_none_or(|at| due < at) {
            group.next_flush = Some(due);
            save(groups, commit, group);
        }
    }
}

/// Tells every group that is due. `numbered` hands out notification numbers.
///
/// A late wake goes through each group's timers in their order, each as of its own instant: a reminder that a
/// snooze or a silence hid when it was due is not told afterwards, and one that was due before news stays one.
/// Every round moves the timer it served past its instant, so that the rounds end.
pub fn flush(groups: &mut Groups, desk: &Desk<'_>, numbered: &mut u64, commit: &mut NotifyCommit) {
    for key in groups.due(desk.now) {
        // Its timers stay due: they are gone through, as of their own instants, once it is let go.
        if groups.get(&key).is_some_and(|group| is_held(group, desk)) {
            continue;
        }
        while let Some(group) = groups.get(&key).cloned() {
            let next = [group.next_flush, group.next_remind].into_iter().flatten().min();
            let Some(due) = next.filter(|at| *at <= desk.now) else { break };
            flush_group(groups, desk, (group, due), numbered, commit);
        }
    }
}

/// Whether a group holds an alert of which nothing is told for now.
fn is_held(group: &Group, desk: &Desk<'_>) -> bool {
    group.members.iter().chain(group.told.keys()).any(|key| (desk.held)(key))
}

fn open(key: &GroupKey, now: Timestamp) -> Group {
    let digest = Digest::of(format_args!("{}|{}|{:?}", key.route, key.receiver, key.by));
    Group {
        key: key.clone(),
        thread: format!("v{digest:016x}.{:x}", now.as_millisecond()),
        opened_at: now,
        next_flush: None,
        last_flush: None,
        next_remind: None,
        messages: 0,
        told: BTreeMap::new(),
        members: std::collections::BTreeSet::new(),
    }
}

fn first_flush(group: &Group, route: &Route, now: Timestamp) -> Timestamp {
    let waited = plus(now, route.wait);
    group.last_flush.map_or(waited, |last| waited.max(plus(last, route.interval)))
}

/// Sets the timer of a group that has news of an alert: rising levels at once, the rest at the interval.
/// True when that changed the group.
fn schedule(group: &mut Group, desk: &Desk<'_>, alert: &Alert) -> bool {
    let Some(reason) = news(group.told.get(&alert.key), alert) else { return false };
    let interval = route_of(desk.catalog, &group.key).interval;
    let due = match (reason, group.last_flush) {
        (NotifyReason::Escalated, _) | (_, None) => desk.now,
        (_, Some(last)) => desk.now.max(plus(last, interval)),
    };
    let sooner = reason != NotifyReason::First && group.next_flush.is_none_or(|at| due < at);
    if sooner {
        group.next_flush = Some(due);
    }
    sooner
}

/// What a receiver has not heard yet of an alert.
fn news(told: Option<&Told>, alert: &Alert) -> Option<NotifyReason> {
    let heard = told.filter(|told| told.phase == Phase::Firing);
    let stated = alert.stated_level();
    match (alert.phase, heard) {
        (Phase::Firing, None) => Some(NotifyReason::First),
        // What a correction left, or one that is taken back, until a new bucket says more.
        (Phase::Firing, Some(told))
            if alert.revision > told.revision
                && (alert.stated.is_some() || alert.counters.last_bucket == told.bucket) =>
        {
            Some(NotifyReason::Correction)
        }
        (Phase::Firing, Some(told)) if stated > heard_level(told) => Some(NotifyReason::Escalated),
        (Phase::Firing, Some(told)) if stated < heard_level(told) => Some(NotifyReason::Deescalated),
        (Phase::Firing, Some(told)) if alert.revision > told.revision => Some(NotifyReason::Correction),
        (Phase::Resolved, Some(_)) => Some(NotifyReason::Resolved),
        // It waits to fire again; that it ended before is news all the same.
        (Phase::Pending, Some(_)) if alert.resolved_at.is_some() => Some(NotifyReason::Resolved),
        (Phase::Inactive | Phase::Pending | Phase::Firing | Phase::Resolved, _) => None,
    }
}

/// The level that a receiver heard last; none where it was no breach after all.
fn heard_level(told: &Told) -> Option<Severity> {
    (!told.is_calm).then_some(told.severity)
}

/// The alert as its end is told.
fn as_told(alert: &Alert, reason: NotifyReason) -> Cow<'_, Alert> {
    if reason == NotifyReason::Resolved && alert.phase == Phase::Pending {
        return Cow::Owned(Alert { phase: Phase::Resolved, ..alert.clone() });
    }
    Cow::Borrowed(alert)
}

/// One timer of a group, as of the instant it was due.
fn flush_group(
    groups: &mut Groups,
    desk: &Desk<'_>,
    (mut group, due): (Group, Timestamp),
    numbered: &mut u64,
    commit: &mut NotifyCommit,
) {
    let route = route_of(desk.catalog, &group.key);
    let is_reminder = group.next_remind.is_some_and(|at| at <= due);
    let mut items = Vec::new();
    let mut look_again: Option<Timestamp> = None;
    for key in group.members.iter().chain(group.told.keys().filter(|key| !group.members.contains(*key))) {
        let Some(alert) = (desk.alert)(key) else { continue };
        let Some(reason) = news(group.told.get(key), alert) else { continue };
        // What was told before its rule was put in shadow is told to the end.
        if reason != NotifyReason::Resolved && desk.catalog.is_in_shadow(key) {
            continue;
        }
        let hidden = (reason != NotifyReason::Resolved).then(|| hidden_until(desk, alert, due)).flatten();
        match hidden {
            Some(until) => look_again = Some(look_again.map_or(until, |at: Timestamp| at.min(until))),
            None => items.push((key.clone(), reason)),
        }
    }
    if items.is_empty() && is_reminder {
        items = reminders(desk, &group, due);
    }
    group.next_flush = look_again;
    if is_reminder || !items.is_empty() {
        group.next_remind = route.remind.map(|remind| next_beat(due, remind, desk.now));
    }
    if !items.is_empty() {
        tell(desk, &mut group, &items, numbered, commit);
        group.last_flush = Some(due);
    }
    close_what_ended(groups, desk, group, commit);
}

/// When an alert that was hidden at `due` should be looked at again; none when nothing hid it.
fn hidden_until(desk: &Desk<'_>, alert: &Alert, due: Timestamp) -> Option<Timestamp> {
    silence_end(desk.catalog, desk.silences, alert, due)
        .or_else(|| (desk.inhibited)(alert).then(|| next_beat(due, INHIBITION_RECHECK, desk.now)))
}

/// Alerts that reminders due now would tell of.
pub fn reminded(groups: &Groups, desk: &Desk<'_>) -> Vec<AlertKey> {
    let free = groups.iter().filter(|group| !is_held(group, desk));
    let due = free.filter_map(|group| Some((group, group.next_remind.filter(|at| *at <= desk.now)?)));
    due.flat_map(|(group, at)| reminders(desk, group, at)).map(|(key, _)| key).collect()
}

/// Alerts still firing that nobody has taken on.
fn reminders(desk: &Desk<'_>, group: &Group, due: Timestamp) -> Vec<(AlertKey, NotifyReason)> {
    group
        .told
        .iter()
        .filter(|(_, told)| told.phase == Phase::Firing)
        .filter_map(|(key, _)| (desk.alert)(key))
        .filter(|alert| alert.phase == Phase::Firing && alert.acknowledged.is_none())
        .filter(|alert| alert.snoozed_until.is_none_or(|until| until <= due))
        .filter(|alert| hidden_until(desk, alert, due).is_none() && !desk.catalog.is_in_shadow(&alert.key))
        .map(|alert| (alert.key.clone(), NotifyReason::Reminder))
        .collect()
}

/// Writes one notification, one outbox row per recipient, and what was told.
fn tell(
    desk: &Desk<'_>,
    group: &mut Group,
    items: &[(AlertKey, NotifyReason)],
    numbered: &mut u64,
    commit: &mut NotifyCommit,
) {
    let shown: Vec<(Cow<'_, Alert>, NotifyReason)> = items
        .iter()
        .filter_map(|(key, reason)| (desk.alert)(key).map(|alert| (as_told(alert, *reason), *reason)))
        .collect();
    let told: Vec<Item<'_>> = shown
        .iter()
        .map(|(alert, reason)| Item { alert, reason: *reason, heard: group.told.get(&alert.key).cloned() })
        .collect();
    let Some(reason) = told.iter().map(|item| item.reason).min() else { return };
    *numbered += 1;
    let id = format!("n{numbered}");
    let receiver = desk.catalog.receivers.get(&group.key.receiver);
    for (position, recipient) in receiver.iter().flat_map(|receiver| &receiver.recipients).enumerate() {
        commit.deliveries.push(NewDelivery {
            key: format!("{}.{}.{position}", group.thread, group.messages),
            notification: id.clone(),
            receiver: group.key.receiver.clone(),
            recipient: recipient.name.clone(),
            thread: ThreadRef { root: format!("{}.{position}", group.thread), position: group.messages },
            created_at: desk.now,
            message: compose(desk.catalog, &group.key, &told, recipient.language, desk.now),
        });
    }
    group.messages += 1;
    for Item { alert, .. } in &told {
        let stated = alert.stated_level();
        let heard = Told {
            phase: alert.phase,
            severity: stated.unwrap_or(alert.severity),
            is_calm: stated.is_none(),
            value: alert.value,
            bucket: alert.counters.last_bucket,
            actual: alert.facts.as_ref().and_then(|facts| facts.objective.as_ref()?.actual),
            episode: alert.episode,
            revision: alert.revision,
            at: desk.now,
        };
        group.told.insert(alert.key.clone(), heard);
    }
    let items = told
        .iter()
        .map(|Item { alert, reason, .. }| NotificationItem {
            key: alert.key.clone(),
            episode: alert.episode,
            reason: *reason,
            slot: alert.slot,
        })
        .collect();
    commit.notifications.push(Notification { id, group: group.key.clone(), at: desk.now, reason, items });
}

/// Takes ended alerts out of the group, and the group out of the book when nothing is left in it.
fn close_what_ended(groups: &mut Groups, desk: &Desk<'_>, mut group: Group, commit: &mut NotifyCommit) {
    let ended: Vec<AlertKey> = group
        .members
        .iter()
        .chain(group.told.keys())
        .filter(|key| {
            let over = (desk.alert)(key).is_none_or(|alert| alert.phase != Phase::Firing);
            let heard_of_firing = group.told.get(*key).is_some_and(|told| told.phase == Phase::Firing);
            let gone = (desk.alert)(key).is_none();
            over && (!heard_of_firing || gone)
        })
        .cloned()
        .collect();
    for key in &ended {
        group.members.remove(key);
        group.told.remove(key);
    }
    if group.members.is_empty() && group.told.is_empty() {
        commit.groups.retain(|known| known.key != group.key);
        commit.groups_gone.push(group.key.clone());
        groups.remove(&group.key);
    } else {
        save(groups, commit, group);
    }
    if ended.is_empty() {
        return;
    }
    // Another group may have let go of the same alert already.
    let gone: HashSet<AlertKey> = commit.alerts_gone.iter().cloned().collect();
    for key in ended {
        let resolved = (desk.alert)(&key).is_some_and(|alert| alert.phase == Phase::Resolved);
        if resolved && groups.holding(&key).is_empty() && !gone.contains(&key) {
            commit.alerts_gone.push(key);
        }
    }
}

fn save(groups: &mut Groups, commit: &mut NotifyCommit, group: Group) {
    commit.groups_gone.retain(|key| *key != group.key);
    match commit.groups.iter_mut().find(|known| known.key == group.key) {
        Some(known) => known.clone_from(&group),
        None => commit.groups.push(group.clone()),
    }
    groups.put(group);
}

/// The route a group was made by; when it is gone from the configuration, the root.
fn route_of<'a>(catalog: &'a Catalog, key: &GroupKey) -> &'a Route {
    fn find<'a>(route: &'a Route, path: &str) -> Option<&'a Route> {
        if route.path == path {
            return Some(route);
        }
        route.routes.iter().find_map(|child| find(child, path))
    }
    find(&catalog.route, &key.route).unwrap_or(&catalog.route)
}

/// The first beat after `now` of a rhythm that began at `from`.
fn next_beat(from: Timestamp, every: SignedDuration, now: Timestamp) -> Timestamp {
    let every = every.max(SignedDuration::from_secs(1));
    let passed = now.duration_since(from).as_secs().max(0) / every.as_secs();
    let skipped = i32::try_from(passed + 1).unwrap_or(i32::MAX);
    plus(from, every.saturating_mul(skipped))
}

fn plus(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}
