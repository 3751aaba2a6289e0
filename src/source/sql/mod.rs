//! Databases: one read-only statement per KPI. SQLite now; the rest of the folder knows no dialect but in `statement`.

mod config;
mod sqlite;
mod statement;
mod table;

pub use config::{SqlConfig, SqlSource};
