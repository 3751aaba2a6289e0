//! Pictures of figures over time, as SVG that stands in a page by itself: no script, no font, no outside reference.

mod line;
mod scale;

pub use line::{Limit, LineChart, Shade};
