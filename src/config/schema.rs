//! The JSON schema of the configuration files, for editors.

use super::raw::RawTop;

/// The schema of one file.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(RawTop).to_value()
}
