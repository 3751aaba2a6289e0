//! What is known about one series, and its objective, at one instant.
//!
//! Pure and lazy: nothing is computed before it is read, nothing is computed twice. Fetching the
//! data is the caller's work, judging it the rules'.

mod assessment;
mod burn;
mod course;
mod elapsed;
mod events;
mod facts;
mod fields;
mod forecast;
mod freshness;
mod jump;
mod learned;
mod lessons;
mod objective;
mod outcome;
mod outlook;
mod passage;
mod target;
mod trajectory;
mod window;

#[cfg(test)]
mod course_tests;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod objective_tests;
#[cfg(test)]
mod outcome_tests;
#[cfg(test)]
mod outlook_tests;
#[cfg(test)]
mod staying_tests;
#[cfg(test)]
mod target_tests;

pub use assessment::Assessment;
pub use events::KnownEvents;
pub use fields::{Field, FieldUnit, KPI_FIELDS, OBJECTIVE_FIELDS};
pub use forecast::{Forecast, Seasons};
pub use freshness::due_at;
pub use jump::Band;
pub use lessons::Lessons;
pub use outcome::{
    AHEAD_FROM, Closing, EARLY_BUCKETS_MIN, EARLY_SHARE, LIKELY_FROM, OFF_TRAJECTORY_FROM, SURE_FROM, UNLIKELY_UNDER,
    WATCH_FROM,
};
pub use outlook::INTERVAL;
pub use passage::Passages;
