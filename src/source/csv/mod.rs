//! Text tables on disk: one file or many, as spreadsheets and business software export them.

mod config;
mod decode;
mod files;
mod table;

pub use config::{CsvConfig, CsvSource, Decimal};
