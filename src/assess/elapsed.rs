//! How much of a period has passed, in civil days and in working days.

use jiff::{Timestamp, ToSpan};

use super::window::Span;
use crate::model::calendar::Calendar;
use crate::model::grain::{day_of, start_of_day};
use crate::model::kpi::Kpi;
use crate::model::objective::Trajectory;
use crate::model::period::Period;

/// Days of a period up to one instant; fractions where it falls within a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Elapsed {
    pub(super) days: f64,
    pub(super) days_total: f64,
    pub(super) working: f64,
    pub(super) working_total: f64,
}

/// The civil days that the buckets of a period cover. They differ from the period's own where it
/// cuts through weeks or months: a bucket counts whole, in the period that holds its first day.
pub(super) fn covered_days(period: Period, whole: Span, kpi: &Kpi) -> Period {
    if !kpi.grain.is_civil() || whole.due() == 0 {
        return period;
    }
    Period { first: kpi.grain.date_of(whole.from), last: kpi.grain.date_of(whole.to + 1).saturating_sub(1.day()) }
}

impl Elapsed {
    pub(super) fn until(through: Timestamp, period: Period, kpi: &Kpi) -> Elapsed {
        let calendar: &Calendar = &kpi.calendar;
        let totals = (f64::from(period.days()), f64::from(calendar.working_days(period.first, period.last)));
        let day = day_of(through, &kpi.zone);
        let (days, working) = if day < period.first {
            (0.0, 0.0)
        } else if day > period.last {
            totals
        } else {
            let start = start_of_day(day, &kpi.zone);
            let length = start_of_day(day.saturating_add(1.day()), &kpi.zone).duration_since(start);
            let part = through.duration_since(start).as_secs_f64() / length.as_secs_f64().max(1.0);
            let yesterday = day.saturating_sub(1.day());
            let whole_days = Period { first: period.first, last: yesterday }.days();
            let today_works = f64::from(u8::from(calendar.is_working_day(day)));
            let whole_working = calendar.working_days(period.first, yesterday);
            (f64::from(whole_days) + part, f64::from(whole_working) + part * today_works)
        };
        Elapsed { days, days_total: totals.0, working, working_total: totals.1 }
    }

    /// Share of the way that the trajectory has behind it, 0 to 1.
    pub(super) fn share(&self, trajectory: &Trajectory) -> f64 {
        match trajectory {
            Trajectory::WorkingDays | Trajectory::Learned if self.working_total > 0.0 => {
                self.working / self.working_total
            }
            Trajectory::WorkingDays | Trajectory::Learned | Trajectory::Linear | Trajectory::Milestones(_) => {
                self.days / self.days_total
            }
        }
    }

    /// Days that rates are counted in, past and in all: working days, or civil ones where none works.
    pub(super) fn rate_days(&self) -> (f64, f64) {
        if self.working_total > 0.0 { (self.working, self.working_total) } else { (self.days, self.days_total) }
    }
}
