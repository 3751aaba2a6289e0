//! Databases: one read-only statement per KPI. A file for each product; the rest of the folder knows no dialect but in
//! `statement`.

mod address;
mod config;
mod memory;
mod mysql;
mod names;
mod postgres;
mod server;
mod sqlite;
mod statement;
mod table;

pub use config::{SqlConfig, SqlSource};
pub(super) use memory::{Effect, Note, Relation, statement_of};
pub(super) use table::SqlValue;
