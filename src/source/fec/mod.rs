//! French accounting exports (fichier des écritures comptables, article A. 47 A-1 of the livre des procédures
//! fiscales): files of entries become movements and balances of accounts.

mod book;
mod columns;
mod config;
mod figures;
mod opening;
mod years;

pub use config::{FecConfig, FecSource};
