//! Reading single cells of tables as people write them: numbers and times.

pub(super) mod number;
pub(super) mod time;
