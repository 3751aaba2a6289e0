//! The page that Prometheus reads: label sets from the start, figures as they move, what a reload leaves of them.

use std::time::Duration;

use super::{FailureReason, MetricNames, Metrics, PullEnd};
use crate::model::alert::Phase;
use crate::model::ids::{ReceiverId, SourceId};
use crate::model::verdict::Severity;

fn metrics() -> Metrics {
    let (shop, ops) = (SourceId::from("shop"), ReceiverId::from("ops"));
    let names = MetricNames {
        sources: vec![&shop],
        failures: &["auth", "quota"],
        receivers: vec![&ops],
        channels: vec!["email"],
        credentials: Vec::new(),
        config_checksum: "c0",
    };
    Metrics::new(&names)
}

#[track_caller]
fn check(metrics: &Metrics, lines: &[&str]) {
    let text = metrics.render();
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn every_label_set_begins_at_zero() {
    check(
        &metrics(),
        &[
            "vigie_evaluations_total 0",
            "vigie_evaluation_failures_total 0",
            "vigie_evaluation_duration_seconds_count 0",
            "vigie_pulls_total{outcome=\"failed\",source=\"shop\"} 0",
            "vigie_pulls_total{outcome=\"not_sent\",source=\"shop\"} 0",
            "vigie_pull_failures_total{class=\"quota\",source=\"shop\"} 0",
            "vigie_pulls_waiting{source=\"shop\"} 0",
            "vigie_source_paused{source=\"shop\"} 0",
            "vigie_pull_duration_seconds_count{source=\"shop\"} 0",
            "vigie_slots_missed_total 0",
            "vigie_alerts{severity=\"critical\",state=\"firing\"} 0",
            "vigie_notifications_total{channel=\"email\"} 0",
            "vigie_notifications_failed_total{channel=\"email\",reason=\"permanent\"} 0",
            "vigie_outbox_queued{receiver=\"ops\"} 0",
            "vigie_config_last_reload_successful 1",
            "vigie_state_space_ok 1",
            "vigie_state_locked 0",
            "vigie_messages_withheld 0",
            "vigie_heartbeats_total{outcome=\"failed\"} 0",
            "vigie_config_info{checksum=\"c0\"} 1",
            concat!("vigie_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "vigie_last_evaluation_timestamp_seconds 0",
            "# TYPE vigie_alerts gauge",
        ],
    );
}

#[test]
fn figures_follow_what_happens() {
    let metrics = metrics();
    let second = Duration::from_secs(1);
    metrics.pull_ended(&SourceId::from("shop"), PullEnd::Partial, second);
    metrics.pull_ended(&SourceId::from("shop"), PullEnd::Failed("auth"), second);
    metrics.pull_ended(&SourceId::from("shop"), PullEnd::NotSent, Duration::ZERO);
    metrics.set_source(&SourceId::from("shop"), true, 3);
    metrics.evaluated(3, 1, second, jiff::Timestamp::from_millisecond(1_500).unwrap());
    metrics.slots_missed(2);
    metrics.delivery_ended("email", Ok(()));
    metrics.delivery_ended("email", Err(FailureReason::Ambiguous));
    metrics.set_alerts([(Phase::Firing, Severity::Critical), (Phase::Firing, Severity::Critical)]);
    let ops = ReceiverId::from("ops");
    metrics.set_queue([&ops], &[(ops.clone(), 4)]);
    metrics.reload_failed();
    check(
        &metrics,
        &[
            "vigie_pulls_total{outcome=\"partial\",source=\"shop\"} 1",
            "vigie_pulls_total{outcome=\"failed\",source=\"shop\"} 1",
            "vigie_pulls_total{outcome=\"not_sent\",source=\"shop\"} 1",
            "vigie_pull_failures_total{class=\"auth\",source=\"shop\"} 1",
            "vigie_pull_duration_seconds_count{source=\"shop\"} 2",
            "vigie_source_paused{source=\"shop\"} 1",
            "vigie_pulls_waiting{source=\"shop\"} 3",
            "vigie_evaluations_total 3",
            "vigie_evaluation_failures_total 1",
            "vigie_last_evaluation_timestamp_seconds 1.5",
            "vigie_slots_missed_total 2",
            "vigie_notifications_total{channel=\"email\"} 1",
            "vigie_notifications_failed_total{channel=\"email\",reason=\"ambiguous\"} 1",
            "vigie_alerts{severity=\"critical\",state=\"firing\"} 2",
            "vigie_outbox_queued{receiver=\"ops\"} 4",
            "vigie_config_last_reload_successful 0",
        ],
    );
    metrics.set_alerts([]);
    metrics.set_queue([&ops], &[]);
    check(&metrics, &["vigie_outbox_queued{receiver=\"ops\"} 0"]);
    metrics.configured(&MetricNames { config_checksum: "c1", ..MetricNames::default() });
    check(
        &metrics,
        &[
            "vigie_alerts{severity=\"critical\",state=\"firing\"} 0",
            "vigie_config_info{checksum=\"c1\"} 1",
            "vigie_config_last_reload_successful 1",
        ],
    );
    // What is no more stands at nothing; what was counted of it stays.
    let text = metrics.render();
    assert!(
        !text.contains("c0") && !text.contains("receiver=\"ops\"") && !text.contains("vigie_source_paused{"),
        "{text}"
    );
    assert!(text.contains("vigie_pulls_total{outcome=\"partial\",source=\"shop\"} 1"), "{text}");
}

/// What a scrape finds of secrets that end.
fn ends(metrics: &Metrics) -> Vec<String> {
    let text = metrics.render();
    text.lines().filter(|line| line.starts_with("vigie_credential_expiry_")).map(str::to_owned).collect()
}

#[test]
fn secrets_that_end_are_those_of_the_configuration_in_force() {
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    let with = |credentials| MetricNames { credentials, ..MetricNames::default() };
    let metrics = Metrics::new(&with(vec![("{env: TOKEN}", at(1_800_000_000)), ("{file: a\"b}", at(-60))]));
    let expected = [
        r#"vigie_credential_expiry_timestamp_seconds{credential="{env: TOKEN}"} 1800000000"#,
        r#"vigie_credential_expiry_timestamp_seconds{credential="{file: a\"b}"} -60"#,
    ];
    assert_eq!(ends(&metrics), expected);
    metrics.reload_failed();
    assert_eq!(ends(&metrics), expected);
    metrics.configured(&with(vec![("{env: TOKEN}", at(1_900_000_000))]));
    assert_eq!(ends(&metrics), [expected[0].replace("1800000000", "1900000000")]);
    metrics.configured(&with(Vec::new()));
    assert_eq!(ends(&metrics), [""; 0]);
}
