//! Values that all modules share: definitions, observations, verdicts, alerts, messages.
//!
//! Plain data with serde derives. No I/O, no clock, no script engine.

pub mod action;
pub mod alert;
pub mod assessment;
pub mod audit;
pub mod calendar;
pub mod catalog;
pub mod closure;
pub mod commit;
pub mod course;
pub mod digest;
pub mod entry;
pub mod evaluation;
pub mod event;
pub mod figures;
pub mod formula;
pub mod grain;
pub mod holidays;
pub mod http_query;
pub mod ids;
pub mod kpi;
pub mod ledger_query;
pub mod notification;
pub mod objective;
pub mod observation;
pub mod outcome;
pub mod period;
pub mod rename;
pub mod roll_ups;
pub mod rolled;
pub mod rule;
pub mod schedule;
pub mod series;
pub mod suspect;
pub mod target;
pub mod text;
pub mod unit;
pub mod verdict;
