//! The configuration in force: which it is, when it was read, and how long its secrets are valid.

use prometheus::{Gauge, GaugeVec, IntGauge, Opts, Registry};

use super::metrics::{MetricNames, registered};

#[derive(Debug)]
pub(super) struct InForce {
    info: GaugeVec,
    reload_successful: IntGauge,
    reload_success_at: Gauge,
    credential_expiry: GaugeVec,
}

impl InForce {
    pub(super) fn new(registry: &Registry) -> InForce {
        let gauges = |name, help, labels: &[&str]| registered(registry, GaugeVec::new(Opts::new(name, help), labels));
        InForce {
            info: gauges("vigie_config_info", "Checksum of the configuration in force; always 1.", &["checksum"]),
            reload_successful: registered(
                registry,
                IntGauge::new(
                    "vigie_config_last_reload_successful",
                    "1 when the configuration was last read without error, else 0.",
                ),
            ),
            reload_success_at: registered(
                registry,
                Gauge::with_opts(Opts::new(
                    "vigie_config_last_reload_success_timestamp_seconds",
                    "When the configuration in force was read.",
                )),
            ),
            credential_expiry: gauges(
                "vigie_credential_expiry_timestamp_seconds",
                "When a secret ends, of those that say so.",
                &["credential"],
            ),
        }
    }

    /// It is this one from now on; nothing stays of the one before.
    pub(super) fn took_effect(&self, names: &MetricNames<'_>) {
        self.info.reset();
        self.info.with_label_values(&[names.config_checksum]).set(1.0);
        self.credential_expiry.reset();
        for (credential, ends) in &names.credentials {
            self.credential_expiry.with_label_values(&[*credential]).set(ends.as_second() as f64);
        }
        self.reload_successful.set(1);
    }

    pub(super) fn read_at(&self, at: jiff::Timestamp) {
        self.reload_success_at.set(at.as_millisecond() as f64 / 1000.0);
    }

    /// Another one was refused.
    pub(super) fn stays(&self) {
        self.reload_successful.set(0);
    }
}
