//! What the KPIs and objectives themselves are, for those who want them in Prometheus beside the service's own figures.
//! Nothing is there unless the configuration asks for it, and no more series than it allows.

use prometheus::{GaugeVec, IntGauge, Opts, Registry};

use super::metrics::registered;
use crate::model::figures::KpiFigures;
use crate::model::ids::ObjectiveId;
use crate::model::objective::Target;

#[derive(Debug)]
pub(super) struct Gauges {
    value: GaugeVec,
    bucket_end: GaugeVec,
    actual: GaugeVec,
    expected: GaugeVec,
    target: GaugeVec,
    drift_ratio: GaugeVec,
    status: GaugeVec,
    firing: GaugeVec,
    left_out: IntGauge,
}

const OF_SERIES: [&str; 2] = ["kpi", "series"];
const OF_OBJECTIVE: [&str; 3] = ["objective", "kpi", "series"];

impl Gauges {
    pub(super) fn new(registry: &Registry) -> Gauges {
        let gauges = |name, help, labels: &[&str]| registered(registry, GaugeVec::new(Opts::new(name, help), labels));
        Gauges {
            value: gauges("vigie_kpi_value", "Newest final value of a KPI's series, in its unit.", &OF_SERIES),
            bucket_end: gauges(
                "vigie_kpi_bucket_end_timestamp_seconds",
                "End of the bucket of that value.",
                &OF_SERIES,
            ),
            actual: gauges("vigie_objective_actual", "What has been reached in the period so far.", &OF_OBJECTIVE),
            expected: gauges("vigie_objective_expected", "What the trajectory expects by now.", &OF_OBJECTIVE),
            target: gauges("vigie_objective_target", "What is to be reached, or not to be passed.", &OF_OBJECTIVE),
            drift_ratio: gauges("vigie_objective_drift_ratio", "Actual minus expected, over expected.", &OF_OBJECTIVE),
            status: gauges(
                "vigie_objective_status",
                "1 for the status that the objective has.",
                &["objective", "kpi", "series", "status"],
            ),
            firing: gauges(
                "vigie_alert_firing",
                "1 for each alert of a rule that fires.",
                &["rule", "kpi", "series", "objective", "severity"],
            ),
            left_out: registered(
                registry,
                IntGauge::new(
                    "vigie_kpi_series_left_out",
                    "Series that are not shown because the configuration allows no more.",
                ),
            ),
        }
    }

    /// Shows these and nothing else.
    pub(super) fn show(&self, figures: &KpiFigures) {
        let all = [
            &self.value,
            &self.bucket_end,
            &self.actual,
            &self.expected,
            &self.target,
            &self.drift_ratio,
            &self.status,
            &self.firing,
        ];
        all.into_iter().for_each(GaugeVec::reset);
        for (series, value, end) in &figures.values {
            let labels = [series.kpi.as_str(), &series.labels.to_string()];
            self.value.with_label_values(&labels).set(*value);
            self.bucket_end.with_label_values(&labels).set(end.as_millisecond() as f64 / 1000.0);
        }
        for (objective, kpi, labels, facts) in &figures.objectives {
            let series = labels.to_string();
            let labels = [objective.as_str(), kpi.as_str(), &series];
            let target = match facts.target {
                Target::Reach(to) | Target::ReduceTo(to) | Target::AtLeast(to) | Target::AtMost(to) => Some(to),
                // Two figures are no gauge.
                Target::Between(..) => None,
            };
            let figures = [
                (&self.actual, facts.actual),
                (&self.expected, facts.expected),
                (&self.target, target),
                (&self.drift_ratio, facts.drift_ratio),
            ];
            for (gauge, figure) in figures {
                if let Some(figure) = figure {
                    gauge.with_label_values(&labels).set(figure);
                }
            }
            let [objective, kpi, series] = labels;
            self.status.with_label_values(&[objective, kpi, series, facts.status.as_str()]).set(1.0);
        }
        for (rule, series, objective, severity) in &figures.firing {
            let objective = objective.as_ref().map_or("", ObjectiveId::as_str);
            let labels = series.labels.to_string();
            let labels = [rule.as_str(), series.kpi.as_str(), &labels, objective, severity.as_str()];
            self.firing.with_label_values(&labels).set(1.0);
        }
        self.left_out.set(i64::try_from(figures.left_out).unwrap_or(i64::MAX));
    }
}
