//! Events of the business beside a series: which days are no basis for a comparison, and what explains its figures.

use std::sync::Arc;

use jiff::civil::Date;

use super::assessment::Assessment;
use super::window::Span;
use crate::model::assessment::{Measured, Unmeasurable};
use crate::model::event::{BusinessEvent, EventFact};
use crate::model::grain::day_of;

/// Events about one KPI that are known at one instant.
pub type KnownEvents = Arc<[Arc<BusinessEvent>]>;

/// Buckets before the current one that a message shows where no objective gives a span.
const SHOWN_BUCKETS: u32 = 7;

impl Assessment {
    /// Takes the events that are known at its instant.
    pub fn with_events(mut self, events: Option<KnownEvents>) -> Assessment {
        self.events = events;
        self
    }

    /// The events in the days of the current bucket.
    pub fn bucket_events(&self) -> Measured<Vec<EventFact>> {
        let index = self.current()?.index;
        let (from, to) = self.days_of(Span { from: index, to: index });
        Ok(self.events_within(from, to))
    }

    /// The events in the period under way, up to the current bucket.
    pub fn period_events(&self) -> Measured<Vec<EventFact>> {
        self.the_objective()?;
        let period = self.period()?;
        let index = self.current()?.index;
        let (_, to) = self.days_of(Span { from: index, to: index });
        Ok(self.events_within(period.first, to.min(period.last)))
    }

    /// The events in the days that a message shows: the objective's period up to the current bucket, else the seven
    /// last buckets.
    pub fn shown_events(&self) -> Vec<EventFact> {
        if self.events.is_none() {
            return Vec::new();
        }
        let shown = match &self.objective {
            Some(_) => self.period_events(),
            None => self.last_span(SHOWN_BUCKETS).map(|span| {
                let (from, to) = self.days_of(span);
                self.events_within(from, to)
            }),
        };
        shown.unwrap_or_default()
    }

    /// The events between the newest bucket there and today: what may explain that data is missing.
    pub fn waiting_events(&self) -> Vec<EventFact> {
        if self.events.is_none() {
            return Vec::new();
        }
        let today = day_of(self.now, &self.kpi.zone);
        let since = self.data.span().map_or(today, |(_, newest)| self.days_of(Span { from: newest, to: newest }).0);
        self.events_within(since.min(today), today)
    }

    /// An error when the span lies in days that are no basis for a comparison.
    pub(super) fn check_basis(&self, span: Span) -> Measured<()> {
        let Some(events) = &self.events else { return Ok(()) };
        let (from, to) = self.days_of(span);
        let excluding = events.iter().find(|event| event.what.exclude && self.is_touched(event, from, to));
        excluding.map_or(Ok(()), |event| Err(Unmeasurable::Excluded { event: event.what.name.clone() }))
    }

    /// Newest first: of many a message shows the first few.
    pub(super) fn events_within(&self, from: Date, to: Date) -> Vec<EventFact> {
        let events = self.events.iter().flat_map(|events| events.iter());
        let touching = events.filter(|event| self.is_touched(event, from, to));
        let mut facts: Vec<EventFact> = touching.map(|event| event.what.fact()).collect();
        facts.sort_by_key(|fact| std::cmp::Reverse(fact.from));
        facts
    }

    fn is_touched(&self, event: &BusinessEvent, from: Date, to: Date) -> bool {
        event.what.overlaps(from, to) && self.labels.contains(&event.what.labels)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::assess::fixture::{Series, close, monthly};
    use crate::model::event::EventDays;
    use crate::model::ids::Labels;
    use crate::model::objective::{Measure, Target, Trajectory};
    use crate::model::text::Figure;
    use crate::model::unit::Kind;

    const NOW: &str = "2026-11-24T05:15:00Z";

    fn event(name: &str, days: (Date, Date), exclude: bool) -> Arc<BusinessEvent> {
        let what = EventDays {
            name: name.to_owned(),
            from: days.0,
            to: days.1,
            kpis: Vec::new(),
            labels: Labels::total(),
            exclude,
        };
        Arc::new(BusinessEvent { id: name.into(), what, by: None, known_at: None, removed_at: None })
    }

    /// 10 a day from October 2025 on, 20 in the last week; the newest bucket is 23 November 2026.
    fn series() -> Series {
        Series::daily(Kind::Flow).fill(date(2025, 10, 1), date(2026, 11, 16), 10.0).fill(
            date(2026, 11, 17),
            date(2026, 11, 23),
            20.0,
        )
    }

    fn assess(events: &[Arc<BusinessEvent>]) -> Assessment {
        series().assess(NOW, None).with_events(Some(events.into()))
    }

    fn november(day: i8) -> Date {
        date(2026, 11, day)
    }

    #[test]
    fn excluded_days_are_no_basis() {
        let excluded = Err(Unmeasurable::Excluded { event: "Grève".to_owned() });
        let strike = |from, to| [event("Grève", (from, to), true)];
        close(assess(&[]).change(7), 1.0);
        assert_eq!(assess(&strike(november(16), november(16))).change(7), excluded);
        assert_eq!(assess(&strike(november(1), november(10))).change(7), excluded);
        // Neither before the base, nor in the days that are compared with it.
        close(assess(&strike(november(1), november(9))).change(7), 1.0);
        close(assess(&strike(november(17), november(23))).change(7), 1.0);
        // Figures that are no comparison stay.
        close(assess(&strike(november(16), november(23))).sum(10), 170.0);
        // 52 weeks before: 18 to 24 November 2025.
        assert_eq!(assess(&strike(date(2025, 11, 24), date(2025, 11, 30))).change_year(7), excluded);
        close(assess(&strike(date(2025, 11, 25), date(2025, 11, 30))).change_year(7), 1.0);
        // What only explains excludes nothing.
        close(assess(&[event("Soldes", (november(10), november(16)), false)]).change(7), 1.0);
    }

    #[test]
    fn messages_leave_out_what_can_not_be_compared() {
        let bases = |events: &[Arc<BusinessEvent>]| assess(events).comparisons().len();
        assert_eq!(bases(&[]), 2);
        assert_eq!(bases(&[event("Grève", (november(12), november(12)), true)]), 1);
        let objective = monthly(Measure::Sum, Target::Reach(400.0), Trajectory::Linear);
        let a = |events: &[Arc<BusinessEvent>]| {
            series().assess(NOW, Some(objective.clone())).with_events(Some(events.into())).comparisons().len()
        };
        assert_eq!(a(&[]), 2);
        assert_eq!(a(&[event("Grève", (date(2026, 10, 5), date(2026, 10, 5)), true)]), 1);
        // After the same part of the month before.
        assert_eq!(a(&[event("Grève", (date(2026, 10, 24), date(2026, 10, 31)), true)]), 2);
    }

    #[test]
    fn labels_bind_an_event_to_series() {
        let what = EventDays {
            labels: Labels::from_iter([("channel", "web")]),
            ..event("x", (november(1), november(30)), true).what.clone()
        };
        let on_web: KnownEvents =
            [Arc::new(BusinessEvent { what, ..(*event("x", (november(1), november(1)), true)).clone() })].into();
        let of = |labels: Labels| {
            let a = series().assess(NOW, None);
            Assessment::new(a.kpi, labels, a.data, None, a.now).with_events(Some(on_web.clone())).change(7).is_err()
        };
        assert!(of(Labels::from_iter([("channel", "web")])));
        assert!(of(Labels::from_iter([("channel", "web"), ("region", "Sud")])));
        assert!(!of(Labels::from_iter([("channel", "shop")])) && !of(Labels::total()));
    }

    #[test]
    fn what_is_shown_is_what_lies_in_the_days_shown() {
        let names = |facts: Vec<EventFact>| facts.into_iter().map(|fact| fact.name).collect::<Vec<_>>();
        let events = [
            event("avant", (november(1), november(16)), false),
            event("pendant", (november(16), november(17)), false),
            event("hier", (november(23), november(23)), true),
            event("demain", (november(24), november(25)), false),
        ];
        let a = assess(&events);
        assert_eq!(names(a.shown_events()), ["hier", "pendant"]);
        assert_eq!(names(a.bucket_events().unwrap()), ["hier"]);
        assert_eq!(names(a.waiting_events()), ["demain", "hier"]);
        assert_eq!(a.kpi_figure("events"), Some(Ok(Figure::Text("hier".to_owned()))));
        assert!(a.period_events().is_err());
        let objective = monthly(Measure::Sum, Target::Reach(400.0), Trajectory::Linear);
        let a = series().assess(NOW, Some(objective)).with_events(Some(events.as_slice().into()));
        assert_eq!(names(a.shown_events()), ["hier", "pendant", "avant"]);
        assert_eq!(names(series().assess(NOW, None).shown_events()), [""; 0]);
    }
}
