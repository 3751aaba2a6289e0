//! Raw entries to the catalog: references, defaults, and what must agree with what.

mod baseline;
mod beside;
mod calendar;
mod context;
mod event;
mod formula;
mod gather;
mod kpi;
mod measurable;
mod objective;
mod period;
mod query;
mod receiver;
mod reconcile;
mod route;
mod rule;
mod service;
mod split;
mod table;
mod target;
mod to_date;
mod whole;

pub(super) use whole::resolve;
