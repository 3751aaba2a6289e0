//! Raw figures for messages: the objective's, comparisons with other spans, the data's state.

use jiff::SignedDuration;
use jiff::civil::Date;

use super::assessment::Assessment;
use super::objective::{Standing, figure_over, measured_span};
use super::window::{Span, before, year_before};
use crate::model::assessment::{ComparisonBasis, ComparisonFact, DataFacts, Measured, ObjectiveFacts};
use crate::model::grain::day_of;
use crate::model::objective::Objective;
use crate::model::period::Period;

/// Buckets compared where no objective gives a span.
const COMPARED_BUCKETS: u32 = 7;
/// Buckets whose completeness counts where no objective gives a span.
const COMPLETENESS_BUCKETS: i64 = 30;

impl Assessment {
    /// Everything a message shows of the objective; none without one, outside its period, or while its target is unknown.
    pub fn facts(&self) -> Option<ObjectiveFacts> {
        self.measured_facts().ok()
    }

    /// The same, or why there is none.
    pub fn measured_facts(&self) -> Measured<ObjectiveFacts> {
        let objective = self.the_objective()?;
        let period = self.period()?;
        Ok(ObjectiveFacts {
            status: self.status(),
            target: self.target_now()?,
            measure: objective.measure,
            period_start: period.first,
            period_end: period.last,
            actual: self.actual().ok(),
            expected: self.expected().ok(),
            drift: self.drift().ok(),
            drift_ratio: self.drift_ratio().ok(),
            drift_days: self.drift_days().ok(),
            projected: self.projected().ok(),
            low: self.low().ok(),
            high: self.high().ok(),
            probability: self.probability().ok(),
            probability_change: self.probability_change().ok(),
            basis: self.basis(),
            required_rate: self.required_rate().ok(),
            current_rate: self.current_rate().ok(),
            working_days_left: self.working_days_left().ok(),
            completeness: self.completeness().unwrap_or(0.0),
        })
    }

    /// The figure beside the same part of the period before and of a year before; without objective
    /// the last seven buckets beside the seven before and a year before. Only what can be measured.
    pub fn comparisons(&self) -> Vec<ComparisonFact> {
        let found = match &self.objective {
            Some(objective) => self.standing().map_or_else(
                |_| Vec::new(),
                |standing| {
                    let periods = [
                        (ComparisonBasis::SpanBefore, objective.period.before(standing.period)),
                        (ComparisonBasis::YearBefore, standing.period.year_before()),
                    ];
                    periods.map(|(basis, period)| self.beside_period(objective, standing, basis, period)).into()
                },
            ),
            None => vec![
                self.beside_span(ComparisonBasis::SpanBefore, self.against_before(COMPARED_BUCKETS)),
                self.beside_span(ComparisonBasis::YearBefore, self.against_year_before(COMPARED_BUCKETS)),
            ],
        };
        found.into_iter().flatten().collect()
    }

    /// How fresh and whole the data is; completeness over the period, else over the last 30 buckets.
    pub fn data_facts(&self) -> DataFacts {
        let completeness = self.completeness().unwrap_or_else(|_| self.recent_completeness());
        DataFacts {
            as_of: self.as_of(),
            provisional: self.is_provisional(),
            completeness,
            source: self.kpi.source.to_string(),
        }
    }

    /// Over the last buckets due, as far as the history reaches.
    fn recent_completeness(&self) -> f64 {
        let to = self.anchor();
        let oldest = to - COMPLETENESS_BUCKETS + 1;
        let from = self.data.span().map_or(oldest, |(first, _)| first.max(oldest));
        Span { from, to }.completeness(&self.data)
    }

    fn beside_period(
        &self,
        objective: &Objective,
        standing: &Standing,
        basis: ComparisonBasis,
        period: Period,
    ) -> Option<ComparisonFact> {
        let whole = self.passages().buckets_of(period, &self.kpi);
        let to = if standing.is_over() {
            whole.to
        } else {
            whole.to.min(whole.from + i64::from(standing.counted.due()) - 1)
        };
        let counted = Span { from: whole.from, to };
        if counted.due() == 0 {
            return None;
        }
        let span = measured_span(objective.measure, counted, &self.kpi);
        self.check_basis(span).ok()?;
        let reference = figure_over(objective.measure, counted, &self.data, &self.kpi).ok()?;
        Some(self.comparison(basis, standing.actual, reference, span))
    }

    fn beside_span(&self, basis: ComparisonBasis, figures: Measured<(f64, f64)>) -> Option<ComparisonFact> {
        let (value, reference) = figures.ok()?;
        let span = self.last_span(COMPARED_BUCKETS).ok()?;
        let beside = match basis {
            ComparisonBasis::SpanBefore => before(span),
            ComparisonBasis::YearBefore => year_before(self.kpi.grain, span),
        };
        Some(self.comparison(basis, value, reference, beside))
    }

    fn comparison(&self, basis: ComparisonBasis, value: f64, reference: f64, span: Span) -> ComparisonFact {
        let (from, to) = self.days_of(span);
        ComparisonFact { basis, value, reference, from, to }
    }

    /// First and last civil day of a span.
    pub(super) fn days_of(&self, span: Span) -> (Date, Date) {
        let zone = &self.kpi.zone;
        let end = self.bucket(span.to).end;
        let inside = end.checked_sub(SignedDuration::from_millis(1)).unwrap_or(end);
        (day_of(self.bucket(span.from).start, zone), day_of(inside, zone))
    }
}
