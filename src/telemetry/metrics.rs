//! The figures that Prometheus scrapes. Every label set is there from the start with 0, so that a rate never begins with a
//! gap.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use super::figures::Gauges;
use super::in_force::InForce;
use crate::model::alert::Phase;
use crate::model::figures::KpiFigures;
use crate::model::ids::{ReceiverId, SourceId};
use crate::model::notification::AttemptOutcome;
use crate::model::verdict::Severity;

/// The names that become labels; the configuration bounds them.
#[derive(Clone, Debug, Default)]
pub struct MetricNames<'a> {
    pub sources: Vec<&'a SourceId>,
    /// Classes of failures.
    pub failures: &'a [&'static str],
    pub receivers: Vec<&'a ReceiverId>,
    /// Kinds of channels in use: `email`, `slack`.
    pub channels: Vec<&'a str>,
    /// How secrets are referred to that end, never what they are, and when each of them does.
    pub credentials: Vec<(&'a str, jiff::Timestamp)>,
    pub config_checksum: &'a str,
}

/// How a pull ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullEnd {
    Complete,
    /// The source said or showed that data is missing.
    Partial,
    /// With the class of the failure.
    Failed(&'static str),
    /// The source is spared after failures.
    NotSent,
}

/// Why an attempt at a delivery failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// Worth another try.
    Retry,
    /// It may have gone through or not.
    Ambiguous,
    /// No further try can help.
    Permanent,
}

const PULL_ENDS: [&str; 4] = ["complete", "partial", "failed", "not_sent"];
const HEARTBEAT_ENDS: [&str; 2] = ["taken", "failed"];
const FAILURE_REASONS: [FailureReason; 3] = [FailureReason::Retry, FailureReason::Ambiguous, FailureReason::Permanent];
/// States in which an alert lives.
const LIVE_PHASES: [Phase; 2] = [Phase::Pending, Phase::Firing];

/// Seconds; an evaluation takes microseconds to milliseconds.
const EVALUATION_BUCKETS: &[f64] = &[0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Seconds; a pull takes milliseconds to its deadline of ten minutes.
const PULL_BUCKETS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];

impl PullEnd {
    pub fn as_str(self) -> &'static str {
        match self {
            PullEnd::Complete => "complete",
            PullEnd::Partial => "partial",
            PullEnd::Failed(_) => "failed",
            PullEnd::NotSent => "not_sent",
        }
    }
}

impl FailureReason {
    /// None when the attempt succeeded.
    pub fn of(outcome: &AttemptOutcome) -> Option<FailureReason> {
        match outcome {
            AttemptOutcome::Sent { .. } => None,
            AttemptOutcome::Retry { .. } => Some(FailureReason::Retry),
            AttemptOutcome::Ambiguous { .. } => Some(FailureReason::Ambiguous),
            AttemptOutcome::Permanent { .. } => Some(FailureReason::Permanent),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            FailureReason::Retry => "retry",
            FailureReason::Ambiguous => "ambiguous",
            FailureReason::Permanent => "permanent",
        }
    }
}

/// Every figure, with a registry of its own: tests and reloads never share one.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    evaluations: IntCounter,
    evaluation_failures: IntCounter,
    evaluation_duration: Histogram,
    last_evaluation: Gauge,
    pulls: IntCounterVec,
    pull_failures: IntCounterVec,
    pull_duration: HistogramVec,
    pulls_waiting: IntGaugeVec,
    source_paused: IntGaugeVec,
    slots_missed: IntCounter,
    alerts: IntGaugeVec,
    notifications: IntCounterVec,
    notifications_failed: IntCounterVec,
    outbox_queued: IntGaugeVec,
    outbox_oldest: Gauge,
    state_space: IntGauge,
    state_locked: IntGauge,
    withheld: IntGauge,
    state_log: IntGauge,
    heartbeats: IntCounterVec,
    heartbeat_at: Gauge,
    started_at: Gauge,
    in_force: InForce,
    kpis: Mutex<Gauges>,
}

impl Metrics {
    pub fn new(names: &MetricNames<'_>) -> Metrics {
        let registry = Registry::new();
        let counter = |name, help| registered(&registry, IntCounter::with_opts(Opts::new(name, help)));
        let counters =
            |name, help, labels: &[&str]| registered(&registry, IntCounterVec::new(Opts::new(name, help), labels));
        let gauges =
            |name, help, labels: &[&str]| registered(&registry, IntGaugeVec::new(Opts::new(name, help), labels));
        let build = Opts::new("vigie_build_info", "Version of the running program; always 1.");
        let build = registered(&registry, GaugeVec::new(build, &["version"]));
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let metrics = Metrics {
            evaluations: counter("vigie_evaluations_total", "Verdicts of rules."),
            evaluation_failures: counter("vigie_evaluation_failures_total", "Verdicts that failed in their script."),
            evaluation_duration: registered(
                &registry,
                Histogram::with_opts(
                    HistogramOpts::new("vigie_evaluation_duration_seconds", "Time to evaluate one slot of one KPI.")
                        .buckets(EVALUATION_BUCKETS.to_vec()),
                ),
            ),
            last_evaluation: registered(
                &registry,
                Gauge::with_opts(Opts::new(
                    "vigie_last_evaluation_timestamp_seconds",
                    "When a slot was last evaluated.",
                )),
            ),
            pulls: counters("vigie_pulls_total", "Pulls from sources.", &["source", "outcome"]),
            pull_failures: counters("vigie_pull_failures_total", "Pulls that failed.", &["source", "class"]),
            pulls_waiting: gauges("vigie_pulls_waiting", "Pulls that wait for a place.", &["source"]),
            source_paused: gauges(
                "vigie_source_paused",
                "1 while pulls are held back after failures, until one succeeds.",
                &["source"],
            ),
            pull_duration: registered(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new("vigie_pull_duration_seconds", "Time of one pull, retries included.")
                        .buckets(PULL_BUCKETS.to_vec()),
                    &["source"],
                ),
            ),
            slots_missed: counter(
                "vigie_slots_missed_total",
                "Slots made up for afterwards: nothing ran, or a pull took longer than from slot to slot.",
            ),
            alerts: gauges("vigie_alerts", "Live alerts.", &["state", "severity"]),
            notifications: counters("vigie_notifications_total", "Attempts to deliver that succeeded.", &["channel"]),
            notifications_failed: counters(
                "vigie_notifications_failed_total",
                "Attempts to deliver that failed.",
                &["channel", "reason"],
            ),
            outbox_queued: gauges("vigie_outbox_queued", "Deliveries that wait to be sent.", &["receiver"]),
            outbox_oldest: registered(
                &registry,
                Gauge::with_opts(Opts::new(
                    "vigie_outbox_oldest_timestamp_seconds",
                    "When the oldest delivery that waits was decided; 0 when none waits.",
                )),
            ),
            state_space: registered(
                &registry,
                IntGauge::new(
                    "vigie_state_space_ok",
                    "0 while the disk of the state is full: history pauses, later sending stops.",
                ),
            ),
            state_locked: registered(
                &registry,
                IntGauge::new(
                    "vigie_state_locked",
                    "1 while another process keeps the state locked: nothing is decided or sent.",
                ),
            ),
            heartbeats: counters("vigie_heartbeats_total", "Signs of life posted to a monitor.", &["outcome"]),
            heartbeat_at: registered(
                &registry,
                Gauge::with_opts(Opts::new(
                    "vigie_heartbeat_last_success_timestamp_seconds",
                    "When a monitor last took a sign of life; 0 where none is configured, or none was taken.",
                )),
            ),
            state_log: registered(
                &registry,
                IntGauge::new("vigie_state_log_bytes", "Size of the state's write-ahead log."),
            ),
            withheld: registered(
                &registry,
                IntGauge::new(
                    "vigie_messages_withheld",
                    "1 while a restored state tells nothing, until it is released.",
                ),
            ),
            started_at: registered(
                &registry,
                Gauge::with_opts(Opts::new("vigie_start_timestamp_seconds", "When the service started.")),
            ),
            in_force: InForce::new(&registry),
            kpis: Mutex::new(Gauges::new(&registry)),
            registry,
        };
        metrics.set_state_space(true);
        for end in HEARTBEAT_ENDS {
            metrics.heartbeats.with_label_values(&[end]);
        }
        metrics.configured(names);
        metrics
    }

    /// A configuration took effect: its label sets begin at 0, old ones keep their counts.
    pub fn configured(&self, names: &MetricNames<'_>) {
        // A series that is away from one page begins anew, and with it the time for which an alert has held.
        let _shown = self.kpis.lock().unwrap_or_else(PoisonError::into_inner);
        // What is no more can't stand at what it last was.
        for gauges in [&self.source_paused, &self.pulls_waiting, &self.outbox_queued] {
            gauges.reset();
        }
        for source in &names.sources {
            self.pull_duration.with_label_values(&[source.as_str()]);
            for end in PULL_ENDS {
                self.pulls.with_label_values(&[source.as_str(), end]);
            }
            for class in names.failures {
                self.pull_failures.with_label_values(&[source.as_str(), class]);
            }
            self.set_source(source, false, 0);
        }
        for channel in &names.channels {
            self.notifications.with_label_values(&[channel]);
            for reason in FAILURE_REASONS {
                self.notifications_failed.with_label_values(&[*channel, reason.as_str()]);
            }
        }
        for receiver in &names.receivers {
            self.outbox_queued.with_label_values(&[receiver.as_str()]);
        }
        for phase in LIVE_PHASES {
            for severity in Severity::ALL {
                self.alerts.with_label_values(&[phase.as_str(), severity.as_str()]);
            }
        }
        self.in_force.took_effect(names);
    }

    pub fn set_started_at(&self, at: jiff::Timestamp) {
        self.started_at.set(at.as_millisecond() as f64 / 1000.0);
    }

    /// When the configuration in force was read.
    pub fn set_configured_at(&self, at: jiff::Timestamp) {
        self.in_force.read_at(at);
    }

    /// A new configuration was refused; the old one stays in force.
    pub fn reload_failed(&self) {
        self.in_force.stays();
    }

    pub fn pull_ended(&self, source: &SourceId, end: PullEnd, took: Duration) {
        self.pulls.with_label_values(&[source.as_str(), end.as_str()]).inc();
        match end {
            PullEnd::NotSent => return,
            PullEnd::Failed(class) => self.pull_failures.with_label_values(&[source.as_str(), class]).inc(),
            PullEnd::Complete | PullEnd::Partial => {}
        }
        self.pull_duration.with_label_values(&[source.as_str()]).observe(took.as_secs_f64());
    }

    /// How a source is doing now.
    pub fn set_source(&self, source: &SourceId, is_paused: bool, waiting: u64) {
        self.source_paused.with_label_values(&[source.as_str()]).set(i64::from(is_paused));
        self.pulls_waiting.with_label_values(&[source.as_str()]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// One slot was evaluated: so many verdicts, so many of them failed, and when (Unix seconds).
    pub fn evaluated(&self, verdicts: u64, failures: u64, took: Duration, at: jiff::Timestamp) {
        self.evaluations.inc_by(verdicts);
        self.evaluation_failures.inc_by(failures);
        self.evaluation_duration.observe(took.as_secs_f64());
        self.last_evaluation.set(at.as_millisecond() as f64 / 1000.0);
    }

    pub fn slots_missed(&self, count: u64) {
        self.slots_missed.inc_by(count);
    }

    /// An attempt over a channel of that kind ended.
    pub fn delivery_ended(&self, channel: &str, result: Result<(), FailureReason>) {
        match result {
            Ok(()) => self.notifications.with_label_values(&[channel]).inc(),
            Err(reason) => self.notifications_failed.with_label_values(&[channel, reason.as_str()]).inc(),
        }
    }

    /// The live alerts, counted anew.
    pub fn set_alerts(&self, alerts: impl IntoIterator<Item = (Phase, Severity)>) {
        let mut counts: BTreeMap<(Phase, Severity), i64> = BTreeMap::new();
        for alert in alerts {
            *counts.entry(alert).or_default() += 1;
        }
        for phase in LIVE_PHASES {
            for severity in Severity::ALL {
                let count = counts.get(&(phase, severity)).copied().unwrap_or(0);
                self.alerts.with_label_values(&[phase.as_str(), severity.as_str()]).set(count);
            }
        }
    }

    /// Depth of the queue per receiver of the configuration; one that is not named has an empty queue.
    pub fn set_queue<'a>(&self, receivers: impl IntoIterator<Item = &'a ReceiverId>, depth: &[(ReceiverId, u64)]) {
        for receiver in receivers {
            let queued = depth.iter().find(|(known, _)| known == receiver).map_or(0, |(_, queued)| *queued);
            self.outbox_queued.with_label_values(&[receiver.as_str()]).set(queued as i64);
        }
    }

    /// When the oldest delivery that waits was decided.
    pub fn set_oldest_queued(&self, at: Option<jiff::Timestamp>) {
        self.outbox_oldest.set(at.map_or(0.0, |at| at.as_millisecond() as f64 / 1000.0));
    }

    /// Whether the disk has what the service needs.
    pub fn set_state_space(&self, enough: bool) {
        self.state_space.set(i64::from(enough));
    }

    /// Whether another process keeps the state locked.
    pub fn set_state_locked(&self, is_locked: bool) {
        self.state_locked.set(i64::from(is_locked));
    }

    /// A sign of life was taken by the monitor, or not.
    pub fn heartbeat_ended(&self, is_taken: bool, at: jiff::Timestamp) {
        self.heartbeats.with_label_values(&[HEARTBEAT_ENDS[usize::from(!is_taken)]]).inc();
        if is_taken {
            self.heartbeat_at.set(at.as_millisecond() as f64 / 1000.0);
        }
    }

    /// Size of the state's write-ahead log.
    pub fn set_state_log(&self, bytes: u64) {
        self.state_log.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Whether a restored state tells nothing yet.
    pub fn set_withheld(&self, withheld: bool) {
        self.withheld.set(i64::from(withheld));
    }

    /// Shows KPIs and objectives as they are, and none that was shown before.
    pub fn set_kpis(&self, figures: &KpiFigures) {
        self.kpis.lock().unwrap_or_else(PoisonError::into_inner).show(figures);
    }

    /// All figures in the text format 0.0.4.
    pub fn render(&self) -> String {
        // No page shows KPIs amid a change, or half of a configuration.
        let _shown = self.kpis.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::error!(%error, "the metrics can't be written");
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// Puts a figure into the registry. Names are constants here, so what is wrong with one is a bug a test meets.
pub(super) fn registered<M: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<M>) -> M {
    let metric = made.expect("metric names and labels are valid constants");
    let names: Vec<&Desc> = metric.desc();
    debug_assert!(names.iter().all(|desc| desc.fq_name.starts_with("vigie_")), "every name begins with vigie_");
    registry.register(Box::new(metric.clone())).expect("metric names are unique constants");
    metric
}
