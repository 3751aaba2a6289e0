//! What any store must do, checked against the API.
use super::write::Writer;
use std::path::Path;
pub(super) async fn space_was_freed(_writer: &mut Writer, _path: &Path) {}
