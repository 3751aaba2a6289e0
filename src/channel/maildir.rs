//! The same mails written into a Maildir: for a local mailbox, for tests, for sites without a mail server.
//!
//! The file's name comes from the delivery, so a repeat overwrites and never adds a second copy.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::notification::{AttemptOutcome, NewDelivery, Recipient};

use super::build::ChannelContext;
use super::clean;
use super::config::MaildirConfig;
use super::email::Letterhead;
use super::picture::drawn;

pub(super) struct Maildir {
    path: PathBuf,
    head: Letterhead,
}

impl Maildir {
    pub(super) fn build(config: &MaildirConfig, context: &ChannelContext<'_>) -> Result<Maildir, String> {
        if config.path.as_os_str().is_empty() {
            return Err("`path` of the maildir is empty; name a folder".to_owned());
        }
        Ok(Maildir { path: context.base_dir.join(&config.path), head: Letterhead::build(&config.to, &[], context)? })
    }

    pub(super) fn recipients(&self) -> Vec<Recipient> {
        self.head.recipients()
    }

    pub(super) fn preview(&self, delivery: &NewDelivery) -> String {
        self.head.preview(delivery)
    }

    pub(super) async fn send(&self, delivery: &NewDelivery, deadline: Duration) -> AttemptOutcome {
        let (pictures, deadline) = drawn(delivery, deadline).await;
        let mail = match self.head.write(delivery, &pictures) {
            Ok(mail) => mail,
            Err(cause) => return AttemptOutcome::Permanent { cause },
        };
        let (path, name) = (self.path.clone(), file_name(delivery));
        let shown = self.path.display().to_string();
        let writing = tokio::task::spawn_blocking(move || write(&path, &name, &mail.bytes).map(|()| name));
        match tokio::time::timeout(deadline, writing).await {
            Ok(Ok(Ok(name))) => AttemptOutcome::Sent { detail: format!("written to {shown}/new/{name}") },
            Ok(Ok(Err(error))) => classify(&shown, &error),
            Ok(Err(_)) => {
                AttemptOutcome::Ambiguous { cause: format!("maildir {shown}: writing broke off, report this") }
            }
            Err(_) => AttemptOutcome::Ambiguous { cause: format!("maildir {shown}: the disk gave no answer in time") },
        }
    }

    pub(super) async fn probe(&self, deadline: Duration) -> Result<String, String> {
        let path = self.path.clone();
        let shown = self.path.display().to_string();
        let trying = tokio::task::spawn_blocking(move || {
            make_folders(&path)?;
            let trial = path.join("tmp").join("vigie-probe");
            private_file(&trial)?;
            fs::remove_file(trial)
        });
        match tokio::time::timeout(deadline, trying).await {
            Ok(Ok(Ok(()))) => Ok(format!("maildir {shown} can be written")),
            Ok(Ok(Err(error))) => Err(format!("maildir {shown} can't be written: {error}")),
            Ok(Err(_)) | Err(_) => Err(format!("maildir {shown}: the disk gave no answer in time")),
        }
    }
}

/// Time first, so that listings are in order; the rest is the delivery's own name.
fn file_name(delivery: &NewDelivery) -> String {
    format!("{}.{}.vigie", delivery.message.created_at.as_second(), clean::token(&delivery.key))
}

fn write(path: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    make_folders(path)?;
    if already_read(path, name)? {
        return Ok(());
    }
    let draft = path.join("tmp").join(name);
    let mut file = private_file(&draft)?;
    // Mail readers of files expect the system's line ends.
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(draft, path.join("new").join(name))?;
    File::open(path.join("new"))?.sync_all()
}

/// A mail reader moves what it has seen to `cur`, with flags behind the name.
fn already_read(path: &Path, name: &str) -> io::Result<bool> {
    let flagged = format!("{name}:");
    for entry in fs::read_dir(path.join("cur"))? {
        let seen = entry?.file_name();
        let seen = seen.to_string_lossy();
        if *seen == *name || seen.starts_with(&flagged) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn make_folders(path: &Path) -> io::Result<()> {
    for folder in ["tmp", "new", "cur"] {
        DirBuilder::new().recursive(true).mode(0o700).create(path.join(folder))?;
    }
    Ok(())
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn classify(shown: &str, error: &io::Error) -> AttemptOutcome {
    let cause = format!("maildir {shown}: {error}");
    match error.kind() {
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename => {
            AttemptOutcome::Permanent { cause: format!("{cause}; name a folder as `path`") }
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => AttemptOutcome::Retry {
            cause: format!("{cause}; give the service's user write access"),
            after: Some(jiff::SignedDuration::from_mins(5)),
        },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => AttemptOutcome::Retry {
            cause: format!("{cause}; free some space"),
            after: Some(jiff::SignedDuration::from_mins(1)),
        },
        _ => AttemptOutcome::Retry { cause, after: None },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::fixture;
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn maildir(base: &Path, path: &str) -> Maildir {
        let config = MaildirConfig { path: path.into(), to: vec!["claire".to_owned()] };
        fixture::with_context(None, base, |context| Maildir::build(&config, context)).expect("builds")
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect()
    }

    #[tokio::test]
    async fn a_repeat_overwrites() {
        let base = tempfile::tempdir().expect("a folder");
        let channel = maildir(base.path(), "mail");
        let delivery = fixture::firing_fr();
        for _ in 0..2 {
            let outcome = channel.send(&delivery, SOON).await;
            assert!(matches!(outcome, AttemptOutcome::Sent { .. }), "{outcome:?}");
        }
        let new = base.path().join("mail/new");
        assert_eq!(names(&new), ["1795410904.n0000001-claire.vigie"]);
        assert!(names(&base.path().join("mail/tmp")).is_empty());
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&new), mode(&new.join("1795410904.n0000001-claire.vigie"))), (0o700, 0o600));
        let mail = fs::read_to_string(new.join("1795410904.n0000001-claire.vigie")).expect("text");
        assert!(!mail.contains('\r') && mail.contains("multipart/alternative"));
    }

    #[tokio::test]
    async fn a_mail_already_read_is_not_delivered_again() {
        let base = tempfile::tempdir().expect("a folder");
        let channel = maildir(base.path(), "mail");
        let delivery = fixture::firing_fr();
        channel.send(&delivery, SOON).await;
        let name = file_name(&delivery);
        let mail = base.path().join("mail");
        fs::rename(mail.join("new").join(&name), mail.join("cur").join(format!("{name}:2,S"))).expect("moved");
        assert!(matches!(channel.send(&delivery, SOON).await, AttemptOutcome::Sent { .. }));
        assert!(names(&mail.join("new")).is_empty());
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_permanent() {
        let base = tempfile::tempdir().expect("a folder");
        fs::write(base.path().join("mail"), "x").expect("written");
        let channel = maildir(base.path(), "mail");
        let outcome = channel.send(&fixture::firing_fr(), SOON).await;
        assert!(
            matches!(&outcome, AttemptOutcome::Permanent { cause } if cause.contains("name a folder")),
            "{outcome:?}"
        );
        assert!(channel.probe(SOON).await.is_err());
    }

    #[test]
    fn errors_have_classes() {
        let check = |kind: io::ErrorKind, retried: bool| {
            let outcome = classify("/mail", &io::Error::from(kind));
            assert_eq!(matches!(outcome, AttemptOutcome::Retry { .. }), retried, "{kind:?}: {outcome:?}");
        };
        check(io::ErrorKind::StorageFull, true);
        check(io::ErrorKind::PermissionDenied, true);
        check(io::ErrorKind::Interrupted, true);
        check(io::ErrorKind::NotADirectory, false);
    }
}
