//! Will the objective be reached? The learned trajectory of a period, and the law of its end.
//!
//! Pure: a history that was known then goes in, figures come out, the same ones each time.

mod classes;
mod combine;
mod counted;
mod factors;
mod history;
mod landing;
mod pooled;
mod rhythm;
mod rolling;
mod scale;
mod season;
mod spread;
mod staying;
mod trajectory;

#[cfg(test)]
mod tests;

pub(in crate::assess) use history::{History, Part};
pub(in crate::assess) use landing::{DOUBT, Figure, Landing};
pub(in crate::assess) use trajectory::Learned;
