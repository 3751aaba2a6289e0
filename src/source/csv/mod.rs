//! Text tables on disk: one file or many, as spreadsheets and business software export them.

mod config;
mod decode;
mod files;
mod overlap;
mod records;
mod relation;
mod table;
mod wide;
mod workbook;

pub use config::{CsvConfig, CsvSource, Decimal};
pub use overlap::{Overlap, Period, PeriodOverlap};
pub use wide::Wide;
pub use workbook::XlsxConfig;
