//! Reading single cells of tables as people write them: numbers and times.

pub(super) mod currency;
pub(super) mod number;
pub(super) mod order;
pub(super) mod time;
