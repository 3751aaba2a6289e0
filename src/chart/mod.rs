//! Pictures of figures over time: SVG that stands in a page by itself (no script, no font, no outside reference), PNG for
//! mails, blocks for the terminal.

mod blocks;
mod drawing;
mod flags;
mod font;
mod labels;
mod line;
mod objective;
#[cfg(test)]
mod objective_tests;
mod plot;
mod png;
mod raster;
mod scale;
mod scene;
mod stroke;
mod svg;
mod theme;

pub use line::{Limit, LineChart, Shade};
pub use objective::{HEIGHT, ObjectiveChart, WIDTH};
pub use theme::Theme;
