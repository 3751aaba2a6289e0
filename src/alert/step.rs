//! One step in an alert's life. Pure: state and signal in, state and changes out.
//!
//! `for` and recovery count new buckets; the same bucket seen twice counts once. Going up is
//! immediate; going down or out waits for `keep_firing_for`.

use jiff::Timestamp;

use crate::model::alert::{About, Alert, AlertKey, Change, Counters, EndReason, Freeze, Phase, Stated};
use crate::model::grain::BucketIndex;
use crate::model::rule::Patience;
use crate::model::verdict::Severity;

/// How patient an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a breach lasts before the alert fires.
    pub for_: Patience,
    /// How long calm lasts before it ends, or a lower level before it sinks.
    pub keep_firing_for: Patience,
}

impl Policy {
    /// Fires and ends with the first bucket that says so.
    pub const AT_ONCE: Policy = Policy { for_: Patience::NONE, keep_firing_for: Patience::NONE };
}

/// When the verdict was given, and on what.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: Timestamp,
    pub slot: Timestamp,
    /// The bucket that was judged.
    pub bucket: Option<BucketIndex>,
    /// False for evaluations that must not count: revisions, provisional buckets not asked for.
    pub counts: bool,
    /// Who cares about it.
    pub about: About,
}

/// What a verdict means for one alert.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    Breach(Severity),
    /// Between the two limits of a hysteresis: nothing begins, nothing ends.
    Between {
        floor: Severity,
    },
    Calm,
    Freeze(Freeze),
    End(EndReason),
}

/// The alert after the step and what changed, oldest first. An inactive alert need not be remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stepped {
    pub alert: Option<Alert>,
    pub changes: Vec<(Phase, Phase, Change)>,
    pub written: Written,
}

/// What of a step must be written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Written {
    #[default]
    Nothing,
    /// It goes on as before: its newest bucket and value, nothing else.
    Pulse,
    Whole,
}

/// Takes one step. `value` is the figure that the verdict watched. What the alert says of itself
/// (`facts`) is left to the caller, who knows from the changes whether anybody will read it.
pub fn step(
    alert: Option<Alert>,
    key: &AlertKey,
    (signal, value): (Signal, Option<f64>),
    policy: Policy,
    moment: Moment,
) -> Stepped {
    let mut walk = Walk { changes: Vec::new(), value, policy, moment, began: false, refrozen: false };
    let before = alert.as_ref().map(Marks::of);
    let after = match signal {
        Signal::Freeze(freeze) => walk.freeze(alert, freeze),
        Signal::End(reason) => walk.end(alert, reason),
        Signal::Breach(severity) => walk.breach(alert, key, severity),
        Signal::Between { floor } => walk.between(alert, floor),
        Signal::Calm => walk.calm(alert),
    };
    let written = walk.written(before, after.as_ref().map(Marks::of));
    Stepped { alert: after, changes: walk.changes, written }
}

/// Everything of an alert that a step can move without naming a change.
#[derive(Clone, Copy, PartialEq)]
struct Marks {
    phase: Phase,
    severity: Severity,
    since: Timestamp,
    counters: Counters,
    value: Option<f64>,
    stated: Option<Stated>,
}

impl Marks {
    fn of(alert: &Alert) -> Marks {
        let &Alert { phase, severity, since, counters, value, stated, .. } = alert;
        Marks { phase, severity, since, counters, value, stated }
    }

    /// Without what a pulse writes.
    fn steady(self) -> Marks {
        Marks { counters: Counters { last_bucket: None, ..self.counters }, value: None, ..self }
    }
}

struct Walk {
    changes: Vec<(Phase, Phase, Change)>,
    value: Option<f64>,
    policy: Policy,
    moment: Moment,
    /// This very step began the breach.
    began: bool,
    /// It was frozen already, for another reason.
    refrozen: bool,
}

impl Walk {
    fn written(&self, before: Option<Marks>, after: Option<Marks>) -> Written {
        if !self.changes.is_empty() || self.refrozen {
            return Written::Whole;
        }
        match (before, after) {
            (before, after) if before == after => Written::Nothing,
            (Some(before), Some(after)) if before.steady() == after.steady() && after.phase == Phase::Firing => {
                Written::Pulse
            }
            _ => Written::Whole,
        }
    }

    fn freeze(&mut self, alert: Option<Alert>, freeze: Freeze) -> Option<Alert> {
        let mut alert = alert?;
        if alert.phase == Phase::Resolved {
            return Some(alert);
        }
        match &alert.frozen {
            None => self.changes.push((alert.phase, alert.phase, Change::Frozen(freeze.clone()))),
            Some(known) => self.refrozen = *known != freeze,
        }
        alert.frozen = Some(freeze);
        Some(alert)
    }

    fn end(&mut self, alert: Option<Alert>, reason: EndReason) -> Option<Alert> {
        let alert = alert?;
        match alert.phase {
            Phase::Pending => Some(self.withdraw(alert)),
            Phase::Firing => Some(self.resolve(alert, reason)),
            Phase::Inactive | Phase::Resolved => Some(alert),
        }
    }

    fn breach(&mut self, alert: Option<Alert>, key: &AlertKey, severity: Severity) -> Option<Alert> {
        let mut alert = match alert {
            Some(alert) if matches!(alert.phase, Phase::Pending | Phase::Firing) => alert,
            other if !self.moment.counts => return other,
            other => self.begin(other, key, severity),
        };
        self.thaw(&mut alert);
        let new = self.count(&mut alert);
        alert.value = self.value.or(alert.value);
        alert.counters.calm = 0;
        alert.counters.calm_since = None;
        if new {
            self.restate(&mut alert, severity);
        }
        if alert.phase == Phase::Pending {
            alert.counters.breach += u32::from(new);
            alert.severity = severity;
            self.fire_when_due(&mut alert);
        } else if self.moment.counts {
            self.move_level(&mut alert, severity, new);
        }
        Some(alert)
    }

    fn between(&mut self, alert: Option<Alert>, floor: Severity) -> Option<Alert> {
        let mut alert = alert?;
        match alert.phase {
            Phase::Firing => {
                self.thaw(&mut alert);
                let new = self.count(&mut alert);
                alert.value = self.value.or(alert.value);
                alert.counters.calm = 0;
                alert.counters.calm_since = None;
                let level = floor.min(alert.severity);
                if new {
                    self.restate(&mut alert, level);
                }
                if self.moment.counts {
                    self.move_level(&mut alert, level, new);
                }
                Some(alert)
            }
            Phase::Pending if self.moment.counts => Some(self.withdraw(alert)),
            Phase::Inactive | Phase::Pending | Phase::Resolved => Some(alert),
        }
    }

    fn calm(&mut self, alert: Option<Alert>) -> Option<Alert> {
        let mut alert = alert?;
        match alert.phase {
            Phase::Pending if self.moment.counts => Some(self.withdraw(alert)),
            Phase::Inactive | Phase::Pending | Phase::Resolved => Some(alert),
            Phase::Firing => {
                self.thaw(&mut alert);
                if !self.moment.counts {
                    return Some(alert);
                }
                let new = self.count(&mut alert);
                alert.value = self.value.or(alert.value);
                alert.counters.calm += u32::from(new);
                let since = *alert.counters.calm_since.get_or_insert(self.moment.now);
                if self.is_over(self.policy.keep_firing_for, alert.counters.calm, since) {
                    alert = self.resolve(alert, EndReason::Recovered);
                }
                Some(alert)
            }
        }
    }

    /// What an ended alert was stays with it until it fires again: its end may still have to be told.
    fn begin(&mut self, ended: Option<Alert>, key: &AlertKey, severity: Severity) -> Alert {
        self.began = true;
        let ended = ended.filter(|alert| alert.phase == Phase::Resolved);
        Alert {
            key: key.clone(),
            about: self.moment.about,
            episode: ended.as_ref().map_or(0, |alert| alert.episode),
            phase: Phase::Pending,
            severity,
            since: self.moment.now,
            fired_at: ended.as_ref().and_then(|alert| alert.fired_at),
            resolved_at: ended.as_ref().and_then(|alert| alert.resolved_at),
            end: ended.as_ref().and_then(|alert| alert.end.clone()),
            counters: Counters::default(),
            frozen: None,
            acknowledged: None,
            snoozed_until: None,
            slot: self.moment.slot,
            revision: ended.as_ref().map_or(0, |alert| alert.revision),
            correction: None,
            stated: None,
            value: None,
            facts: ended.and_then(|alert| alert.facts),
        }
    }

    /// One that only waited is as it was before: ended with somebody still to be told, or nothing at all. Its history
    /// says the same for both: what was told by now must not show in it.
    fn withdraw(&mut self, mut alert: Alert) -> Alert {
        self.changes.push((alert.phase, Phase::Inactive, Change::Withdrawn));
        alert.phase = if alert.resolved_at.is_some() { Phase::Resolved } else { Phase::Inactive };
        alert.frozen = None;
        alert
    }

    fn fire_when_due(&mut self, alert: &mut Alert) {
        if !self.is_over(self.policy.for_, alert.counters.breach, alert.since) {
            if self.began {
                self.changes.push((Phase::Inactive, Phase::Pending, Change::Pended));
                alert.slot = self.moment.slot;
            }
            return;
        }
        let from = if self.began { Phase::Inactive } else { Phase::Pending };
        self.changes.push((from, Phase::Firing, Change::Fired));
        alert.phase = Phase::Firing;
        alert.episode += 1;
        alert.fired_at = Some(self.moment.now);
        (alert.resolved_at, alert.end) = (None, None);
        alert.slot = self.moment.slot;
    }

    fn move_level(&mut self, alert: &mut Alert, level: Severity, new: bool) {
        if level >= alert.severity {
            alert.counters.lower = 0;
            alert.counters.lower_since = None;
            if level > alert.severity {
                self.change_level(alert, level);
            }
            return;
        }
        alert.counters.lower += u32::from(new);
        let since = *alert.counters.lower_since.get_or_insert(self.moment.now);
        if self.is_over(self.policy.keep_firing_for, alert.counters.lower, since) {
            alert.counters.lower = 0;
            alert.counters.lower_since = None;
            self.change_level(alert, level);
        }
    }

    fn change_level(&mut self, alert: &mut Alert, level: Severity) {
        let from = alert.severity;
        let change = if level > from { Change::Escalated { from } } else { Change::Deescalated { from } };
        alert.severity = level;
        alert.slot = self.moment.slot;
        self.changes.push((Phase::Firing, Phase::Firing, change));
    }

    /// A correction had said less of it, and a new bucket breaches, or does not bear it out: that is news.
    fn restate(&mut self, alert: &mut Alert, level: Severity) {
        let Some(stated) = alert.stated.take() else { return };
        if stated.level < Some(level) {
            let from = stated.level.unwrap_or(Severity::Info);
            alert.severity = level;
            (alert.counters.lower, alert.counters.lower_since) = (0, None);
            alert.slot = self.moment.slot;
            self.changes.push((Phase::Firing, Phase::Firing, Change::Escalated { from }));
        }
    }

    fn resolve(&mut self, mut alert: Alert, reason: EndReason) -> Alert {
        self.changes.push((Phase::Firing, Phase::Resolved, Change::Resolved(reason.clone())));
        alert.phase = Phase::Resolved;
        alert.resolved_at = Some(self.moment.now);
        alert.end = Some(reason);
        alert.frozen = None;
        // What ends is the alert that fired; what a correction left of it was told when it came.
        alert.stated = None;
        alert.slot = self.moment.slot;
        alert
    }

    fn thaw(&mut self, alert: &mut Alert) {
        if alert.frozen.take().is_some() {
            self.changes.push((alert.phase, alert.phase, Change::Unfrozen));
        }
    }

    /// Notes the bucket; true when it is newer than all counted before.
    fn count(&self, alert: &mut Alert) -> bool {
        let new =
            self.moment.counts && self.moment.bucket.is_none_or(|bucket| alert.counters.last_bucket < Some(bucket));
        if new {
            alert.counters.last_bucket = self.moment.bucket.or(alert.counters.last_bucket);
        }
        new
    }

    fn is_over(&self, patience: Patience, buckets: u32, since: Timestamp) -> bool {
        match patience {
            Patience::Buckets(wanted) => buckets >= wanted.max(1),
            Patience::Elapsed(wanted) => self.moment.now.duration_since(since) >= wanted,
        }
    }
}
