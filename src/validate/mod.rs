//! From what a source said to observations: places readings in buckets, adds, pools, refuses, fills.
//!
//! Pure. Freshness and completeness over time are the assessment's business.

mod buckets;
mod limits;
mod outcome;

pub use outcome::{Context, Known, KnownAt, Span, Validated, validate};
