//! Where a series goes from here: a mean, intervals, and whole futures that are possible, of its history alone.
//!
//! Simple forecasters are replayed over the recent past (a rolling origin). Those that erred least weigh most in the
//! blend, and what the blend would have erred then is how wide its intervals are now: nothing is assumed to be normal.
//! The same history gives the same forecast, to the last bit; there is no chance in it.

mod autoregression;
mod blend;
mod candidate;
mod fit;
mod history;
mod intermittent;
mod origins;
mod outlier;
mod paths;
mod repetition;
mod rest;
mod seasons;
mod smoothing;
mod space;
mod spread;

#[cfg(test)]
mod properties_tests;

pub use fit::Forecast;
pub use seasons::Seasons;
