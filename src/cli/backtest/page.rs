//! A replay as one page that stands by itself: figures, pictures, and what would have happened.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use super::Plan;
use super::counts::Counts;
use super::report::{Line, summary};
use crate::chart::{Limit, LineChart, Shade};
use crate::cli::output::moment;
use crate::engine::{Effects, State};
use crate::locale::{duration, quantity};
use crate::model::alert::{AlertKey, Aspect, Change, Phase, Transition};
use crate::model::ids::{KpiId, Labels, RuleId, SeriesKey};
use crate::model::kpi::Kpi;
use crate::model::notification::Message;
use crate::model::unit::Language;
use crate::model::verdict::Severity;

const TEMPLATE: &str = include_str!("page.html");
/// Pictures of one page.
const CHARTS_MAX: usize = 24;
/// Lines of the timeline, and spans of time in pictures.
const ROWS_MAX: usize = 2_000;
const SHADES_MAX: usize = 20_000;

/// One rule on one series: what a picture shows.
type Drawn = (RuleId, SeriesKey);

/// Gathers what the page shows.
#[derive(Default)]
pub(super) struct Page {
    rows: Vec<Row>,
    rows_left: usize,
    shades: BTreeMap<Drawn, Vec<Shade>>,
    shaded: usize,
    /// Alerts that fire, since when and how badly.
    open: BTreeMap<AlertKey, (Timestamp, Severity)>,
    /// The limit that a rule compared its KPI's value with last.
    limits: BTreeMap<Drawn, Vec<f64>>,
}

#[derive(Serialize)]
struct Row {
    at: String,
    message: bool,
    what: String,
    severity: &'static str,
    title: String,
    text: String,
    body: Vec<String>,
}

#[derive(Serialize)]
struct Picture {
    title: String,
    note: String,
    svg: String,
}

/// What the template reads.
#[derive(Serialize)]
struct View<'a> {
    heading: String,
    span: String,
    figures: [Figure; 5],
    charts: Vec<Picture>,
    charts_left: usize,
    lines: Vec<String>,
    warnings: &'a [String],
    rows: &'a [Row],
    rows_left: usize,
}

#[derive(Serialize)]
struct Figure {
    name: &'static str,
    value: String,
}

impl Page {
    pub(super) fn saw(&mut self, plan: &Plan, lines: &[Line], (state, effects): (&State, &Effects), shown: Timestamp) {
        for (line, transition) in lines.iter().zip(Line::told(effects)) {
            self.follow(state, transition, (plan.span.0, shown));
            self.row(|| Row {
                at: moment(shown, &plan.catalog.zone),
                message: false,
                what: line.change.clone(),
                severity: transition.severity.as_str(),
                title: line.title.clone(),
                text: line.text.clone().unwrap_or_default(),
                body: Vec::new(),
            });
        }
        for delivery in &effects.notify.deliveries {
            self.row(|| Row {
                at: moment(shown, &plan.catalog.zone),
                message: true,
                what: delivery.message.reason.as_str().to_owned(),
                severity: delivery.message.severity.as_str(),
                title: delivery.receiver.to_string(),
                text: delivery.message.headline.clone(),
                body: body(&delivery.message),
            });
        }
    }

    fn row(&mut self, make: impl FnOnce() -> Row) {
        if self.rows.len() < ROWS_MAX { self.rows.push(make()) } else { self.rows_left += 1 }
    }

    /// Notes from when to when an alert fires at which level.
    fn follow(&mut self, state: &State, transition: &Transition, (from, at): (Timestamp, Timestamp)) {
        let key = &transition.key;
        if key.aspect != Aspect::Breach {
            return;
        }
        if let Some(drawn) = drawn(key)
            && let Some(facts) = state.book.get(key).and_then(|alert| alert.facts.as_deref())
        {
            let of_value = facts.conditions.iter().filter(|condition| condition.what == "kpi.value");
            let limits =
                of_value.flat_map(|condition| [Some(condition.limit), condition.limit_high]).flatten().collect();
            self.limits.insert(drawn, limits);
        }
        let fires = transition.to == Phase::Firing && !matches!(transition.change, Change::Withdrawn);
        match self.open.remove(key) {
            Some((since, severity)) if !fires || severity != transition.severity => {
                self.shade(key, Shade { from: since, to: at, severity });
            }
            Some(open) => {
                self.open.insert(key.clone(), open);
                return;
            }
            // It has fired since before the beginning.
            None if matches!(transition.change, Change::Resolved(_)) => {
                self.shade(key, Shade { from, to: at, severity: transition.severity });
            }
            None => {}
        }
        if fires {
            self.open.insert(key.clone(), (at, transition.severity));
        }
    }

    fn shade(&mut self, key: &AlertKey, shade: Shade) {
        self.shaded += 1;
        if let Some(drawn) = drawn(key).filter(|_| self.shaded <= SHADES_MAX) {
            self.shades.entry(drawn).or_default().push(shade);
        }
    }

    /// Writes the page.
    pub(super) fn write(mut self, path: &Path, plan: &Plan, (counts, state): (&Counts, &State)) -> anyhow::Result<()> {
        let open = std::mem::take(&mut self.open);
        for (key, since) in counts.open_since().filter(|(key, _)| !open.contains_key(*key)) {
            let severity = state.book.get(key).map_or(Severity::Warning, |alert| alert.severity);
            self.shade(key, Shade { from: since, to: plan.span.1, severity });
        }
        for (key, (from, severity)) in open {
            self.shade(&key, Shade { from, to: plan.span.1, severity });
        }
        let (charts, charts_left) = self.charts(plan, state);
        let zone = &plan.catalog.zone;
        let heading = format!("{} on {}", plan.rule_names().join(", "), plan.kpi_names().join(", "));
        let span = format!("{} to {} ({})", moment(plan.span.0, zone), moment(plan.span.1, zone), plan.zone_name());
        let figure = |name, value| Figure { name, value };
        let figures = [
            figure("alerts fired", counts.fired.to_string()),
            figure("ended", counts.ended.to_string()),
            figure("firing in all", duration(Language::En, counts.firing)),
            figure("fired again within 10 buckets", counts.flapped.to_string()),
            figure("messages", counts.messages().to_string()),
        ];
        let mut environment = Environment::new();
        environment.add_template("page.html", TEMPLATE).context("the page's template")?;
        let page = environment.get_template("page.html")?.render(Serde(View {
            heading,
            span,
            figures,
            charts,
            charts_left,
            lines: summary(counts, plan.lived()),
            warnings: &plan.warnings,
            rows: &self.rows,
            rows_left: self.rows_left,
        }))?;
        std::fs::write(path, page).with_context(|| format!("--html {}", path.display()))
    }

    /// Series whose alerts fired first, the most shaken ones before the others.
    fn charts(&self, plan: &Plan, state: &State) -> (Vec<Picture>, usize) {
        let mut all: Vec<Drawn> = Vec::new();
        for rule in plan.rules.iter().filter_map(|id| plan.catalog.rules.get(id)) {
            for kpi in &rule.on {
                let labels = state.history.labels(kpi).filter(|labels| rule.series.covers(labels));
                all.extend(
                    labels.map(|labels| (rule.id.clone(), SeriesKey { kpi: kpi.clone(), labels: labels.clone() })),
                );
            }
        }
        all.sort_by_cached_key(|drawn| (std::cmp::Reverse(self.shades.get(drawn).map_or(0, Vec::len)), drawn.clone()));
        let left = all.len().saturating_sub(CHARTS_MAX);
        let pictures = all.iter().take(CHARTS_MAX).filter_map(|drawn| self.picture(plan, state, drawn));
        (pictures.collect(), left)
    }

    fn picture(&self, plan: &Plan, state: &State, drawn: &Drawn) -> Option<Picture> {
        let (rule, series) = drawn;
        let kpi = plan.catalog.kpi(&series.kpi)?;
        let data = state.history.series(&series.kpi, &series.labels)?;
        let (first, last) = data.span()?;
        let (from, to) = plan.span;
        let first = first.max(kpi.grain.index_at(from, &kpi.zone));
        let last = last.min(kpi.grain.index_at(to, &kpi.zone));
        let mut known = data.range(first, last).peekable();
        let points = (first..=last)
            .map(|bucket| {
                let value = known.next_if(|point| point.index == bucket).map(|point| point.value);
                (kpi.grain.start_of(bucket, &kpi.zone), value)
            })
            .collect();
        let shades = self.shades.get(drawn).cloned().unwrap_or_default();
        let number = |value: f64| quantity(Language::En, value, &kpi.unit);
        let limits = self.limits.get(drawn).into_iter().flatten();
        let limits = limits.map(|value| Limit { value: *value, name: format!("limit {}", number(*value)) }).collect();
        let title = titled(kpi, &series.labels);
        let times = match shades.len() {
            0 => "did not fire".to_owned(),
            1 => "fired once".to_owned(),
            count => format!("fired over {count} spans of time"),
        };
        let note = format!("Rule {}: {times}.", plan.called(rule));
        let chart =
            LineChart { alt: format!("{title}. {note}"), zone: &kpi.zone, points, limits, shades, number: &number };
        Some(Picture { title, note, svg: chart.svg()? })
    }
}

fn drawn(key: &AlertKey) -> Option<Drawn> {
    Some((key.rule()?.clone(), key.series()?.clone()))
}

fn titled(kpi: &Kpi, labels: &Labels) -> String {
    let id: &KpiId = &kpi.id;
    if kpi.title.is_empty() { format!("{id}{labels}") } else { format!("{}{labels}", kpi.title) }
}

/// What the message says below its first line.
fn body(message: &Message) -> Vec<String> {
    let of = |section: &crate::model::notification::Section| {
        let lines = [&section.sentences, &section.comparisons, &section.suggestions].into_iter().flatten();
        lines.cloned().collect::<Vec<_>>()
    };
    std::iter::once(message.subject.clone()).chain(message.sections.iter().flat_map(of)).collect()
}
