//! `vigie backup`: a checked copy of the state.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::json;

use super::args::BackupArgs;
use super::output::Out;
use super::{configuration, state};

/// Backups in a folder are called by when they were made, in UTC, so that their names sort by age.
const PREFIX: &str = "vigie-";
const SUFFIX: &str = ".db";

pub(super) async fn backup(out: &mut Out, paths: &[PathBuf], args: &BackupArgs, now: Timestamp) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let is_folder = args.to.is_dir();
    if args.keep.is_some() && !is_folder {
        bail!("--keep is for a folder, and {} is none", args.to.display());
    }
    let to = if is_folder { args.to.join(name_of(now)) } else { args.to.clone() };
    let store = state::open(&config).await?;
    let made = store.backup(&to).await;
    store.close().await;
    let bytes = made?;
    // Only once there is a new one.
    let removed = match args.keep {
        Some(keep) => thin_out(&args.to, &to, keep as usize)?,
        None => Vec::new(),
    };
    if out.is_json() {
        out.record(&json!({"type": "backup", "path": to, "bytes": bytes, "removed": removed}))?;
        return Ok(0);
    }
    out.line(&format!("{}: {bytes} bytes, checked", to.display()))?;
    for path in removed {
        out.line(&format!("{}: removed", path.display()))?;
    }
    Ok(0)
}

fn name_of(now: Timestamp) -> String {
    format!("{PREFIX}{}{SUFFIX}", now.strftime("%Y%m%dT%H%M%S%3fZ"))
}

/// Removes the oldest backups of a folder, never the one just made; what has another name is left alone.
fn thin_out(folder: &Path, made: &Path, keep: usize) -> anyhow::Result<Vec<PathBuf>> {
    let named = || format!("{} can't be looked through", folder.display());
    let mut backups = Vec::new();
    for entry in fs::read_dir(folder).with_context(named)? {
        let entry = entry.with_context(named)?;
        let is_file = entry.file_type().with_context(named)?.is_file();
        if is_file && entry.path() != made && entry.file_name().to_str().is_some_and(is_backup) {
            backups.push(entry.path());
        }
    }
    backups.sort();
    backups.truncate((backups.len() + 1).saturating_sub(keep));
    for path in &backups {
        fs::remove_file(path).with_context(|| format!("{} can't be removed", path.display()))?;
    }
    Ok(backups)
}

fn is_backup(name: &str) -> bool {
    let at = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    let form = "00000000T000000000Z";
    at.is_some_and(|at| {
        at.len() == form.len()
            && at.chars().zip(form.chars()).all(|(is, of)| if of == '0' { is.is_ascii_digit() } else { is == of })
    })
}

#[cfg(test)]
mod tests {
    use super::{is_backup, name_of};

    #[test]
    fn names_are_known_again() {
        let name = name_of("2026-11-28T08:30:05.120Z".parse().unwrap());
        assert_eq!(name, "vigie-20261128T083005120Z.db");
        assert!(is_backup(&name));
        for other in
            ["vigie.db", "vigie-20261128.db", "vigie-20261128T083005120Z.db.creating", "vigie-2026112xT083005120Z.db"]
        {
            assert!(!is_backup(other), "{other}");
        }
    }
}
