//! Vigie: figures against objectives, alerts before they are missed. The page below is `ARCHITECTURE.md`.

#![doc = include_str!("../ARCHITECTURE.md")]

pub mod model;

pub mod clock;
pub mod secret;
pub mod telemetry;

pub mod locale;

pub mod net;
pub mod source;

pub mod validate;

pub mod assess;

pub mod rule;

pub mod alert;

pub mod notify;

pub mod engine;

pub mod chart;

pub mod channel;

pub mod store;

pub mod web;

pub mod config;

pub mod daemon;

pub mod cli;
