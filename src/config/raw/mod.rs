//! The shape of the configuration files. The doc comment of each field is its manual entry.

mod calendar;
mod event;
mod kpi;
mod objective;
mod people;
mod query;
mod route;
mod rule;
mod target;
mod top;

pub use calendar::{RawCalendar, RawCalendarChoice, RawClosure, RawNamedClosure, RawWeekday};
pub use event::RawEvent;
pub use kpi::{RawEmpty, RawKind, RawKindName, RawKpi, RawLevel, RawOverTime, RawQuality, RawReconcile, RawVanished};
pub use objective::{
    RawAction, RawFixedPeriod, RawMeasure, RawMilestones, RawObjective, RawPeriod, RawThen, RawTrajectory,
};
pub use people::RawPerson;
pub use query::{RawLabels, RawQuery, RawQueryMap};
pub use route::{RawGroup, RawMatch, RawRoute, RawSubRoute};
pub use rule::{OneOrMany, RawNoData, RawOn, RawParam, RawRule, RawSelection};
pub use target::{RawBaseline, RawParts, RawTarget};
pub use top::{RawFiscalYear, RawHeartbeat, RawLog, RawLogFormat, RawMetrics, RawRetention, RawTop, RawYearName};
