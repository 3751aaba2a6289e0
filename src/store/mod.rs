//! The state database: what must survive a crash, in one SQLite file.
//!
//! Writes go through one connection, each a transaction under an epoch; reads through a small pool. Sizes per row stand
//! at the head of the first migration.

mod audit;
mod backup;
mod closed;
mod error;
mod evaluate;
mod evaluations;
mod files;
mod inspect;
mod invariants;
mod lock;
mod migrate;
mod notify;
mod observations;
mod open;
mod outbox;
mod read;
mod rename;
mod reserve;
mod restore;
mod retention;
mod send;
mod verify;
mod write;

#[cfg(test)]
mod conformance;

pub use audit::AUDIT_ROWS_MAX;
pub use error::StoreError;
pub use evaluate::REJECTIONS_PER_KPI_MAX;
pub use invariants::Violation;
#[cfg(feature = "seeded-bugs")]
pub use open::SeededBug;
pub use open::{OpenOptions, Store};
pub use outbox::DUE_PER_RECIPIENT_MAX;
pub use read::{Attempt, DeliveryFilter, ItemRecord, TransitionFilter};
pub use rename::Renamed;
pub use reserve::RESERVE_BYTES;
pub use restore::Restored;
pub use retention::{Keep, Kept};
pub use send::NextStep;
