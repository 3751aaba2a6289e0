//! What machines read over HTTP: `/metrics`, `/healthz` and `/readyz`.

mod health;
mod serve;

pub use health::Health;
pub use serve::{BindError, bind, serve};
