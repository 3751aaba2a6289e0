//! Files that the configuration names and that are part of it: read with it, within a bound.

use std::io::Read as _;
use std::path::Path;

/// The file's text, without byte-order mark; else what is wrong with it, and what to do.
pub(super) fn read(path: &Path, bytes_max: u64, name_it: &'static str) -> Result<String, (String, &'static str)> {
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(("does not exist".to_owned(), "create it, or mend the path: it is relative to this file"));
        }
        Err(error) => return Err((format!("can't be read: {error}"), "check its owner and mode")),
    };
    if !about.is_file() {
        return Err(("is no regular file".to_owned(), name_it));
    }
    let too_long = || (format!("has more than {bytes_max} bytes"), "split it, or drop old years");
    let file = std::fs::File::open(path).map_err(|error| (format!("can't be read: {error}"), "check its mode"))?;
    let mut bytes = Vec::new();
    let outcome = file.take(bytes_max + 1).read_to_end(&mut bytes);
    outcome.map_err(|error| (format!("can't be read: {error}"), "check its owner and mode"))?;
    if bytes.len() as u64 > bytes_max {
        return Err(too_long());
    }
    let text = String::from_utf8(bytes).map_err(|_| ("is not UTF-8".to_owned(), "export it in UTF-8"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
