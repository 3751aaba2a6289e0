//! Text tables on disk: one file or many, as spreadsheets and business software export them.

mod config;
mod decode;
mod files;
mod overlap;
mod records;
mod relation;
mod table;
mod typed;
mod wide;
mod workbook;

pub(in crate::source) use config::in_background;
pub use config::{CsvConfig, CsvSource, Decimal};
pub(in crate::source) use decode::text;
pub(in crate::source) use files::check_deadline;
pub use overlap::{Overlap, Period, PeriodOverlap};
pub(in crate::source) use records::Records;
pub use wide::Wide;
pub use workbook::XlsxConfig;
