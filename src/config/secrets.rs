//! Secrets from the environment, from files and from systemd credentials. The environment is read here only.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::secret::{Secret, SecretRef};

/// Largest secret file read.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Set by systemd: the folder of what `LoadCredential` hands over.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where variables come from: the process, or a fixed table for tests and trials.
#[derive(Clone, Debug, Default)]
pub enum Environment {
    #[default]
    Process,
    Fixed(BTreeMap<String, String>),
    /// The process, which the service manager did not start: what only the service is handed is not looked for.
    Outside,
    /// Nothing is read and no secret is looked for: commands that only ask the state need none.
    Unneeded,
}

impl Environment {
    /// For a command that can do without what only the service is handed: it is looked for where there is a folder of it.
    pub fn at_hand() -> Environment {
        match Environment::Process.get(CREDENTIALS) {
            Some(_) => Environment::Process,
            None => Environment::Outside,
        }
    }

    /// The variable's value; none when it is unset or not UTF-8.
    pub fn get(&self, name: &str) -> Option<String> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
            Environment::Process | Environment::Outside => std::env::var(name).ok(),
            Environment::Fixed(table) => table.get(name).cloned(),
            Environment::Unneeded => None,
        }
    }
}

/// Resolves references to secrets. Relative files are taken from the folder of the configuration file.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    pub environment: Environment,
    pub base_dir: PathBuf,
}

impl Secrets {
    /// The value behind a reference; the error names the reference and the remedy, never a value.
    pub fn resolve(&self, reference: &SecretRef) -> Result<Secret, String> {
        match reference {
            SecretRef::Env(name) => match self.environment.get(name) {
                None => Err(format!("the environment variable `{name}` is not set: set it for the service")),
                Some(value) if value.trim().is_empty() => {
                    Err(format!("the environment variable `{name}` is empty: set it for the service"))
                }
                Some(value) => Ok(Secret::new(value)),
            },
            SecretRef::File(path) => read_private(&self.base_dir.join(path), Readers::Restricted),
            SecretRef::Credential(name) => self.credential(name),
        }
    }

    /// True for what only the service has, when this is not the service.
    pub fn leaves_out(&self, reference: &SecretRef) -> bool {
        matches!((&self.environment, reference), (Environment::Outside, SecretRef::Credential(_)))
    }

    fn credential(&self, name: &str) -> Result<Secret, String> {
        let mut parts = Path::new(name).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(format!("the credential name `{name}` is not a plain file name: write its name only"));
        }
        let Some(folder) = self.environment.get(CREDENTIALS) else {
            return Err(format!(
                "the credential `{name}` can't be read, as CREDENTIALS_DIRECTORY is not set: \
                 add `LoadCredential={name}:/path` to the systemd unit"
            ));
        };
        read_private(&Path::new(&folder).join(name), Readers::Managed)
    }
}

/// Who guards a secret's file: its own mode, or systemd.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    Restricted,
    Managed,
}

fn read_private(path: &Path, readers: Readers) -> Result<Secret, String> {
    let name = path.display();
    // Looked at before it is opened: opening a pipe would block for ever.
    let about =
        std::fs::metadata(path).map_err(|error| format!("the secret file {name} can't be read: {}", cause(&error)))?;
    if !about.is_file() {
        return Err(format!("the secret file {name} is not a regular file: name a file that holds the value alone"));
    }
    let mode = about.permissions().mode() & 0o777;
    if readers == Readers::Restricted && mode & 0o007 != 0 {
        return Err(format!("the secret file {name} is open to all users (mode {mode:04o}): run `chmod 600 {name}`"));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("the secret file {name} can't be read: {}", cause(&error)))?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("the secret file {name} is over 64 KiB: name a file that holds the value alone"));
    }
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(format!("the secret file {name} is not UTF-8 text: store the value as text"));
    };
    let value = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if value.trim().is_empty() {
        return Err(format!("the secret file {name} is empty: write the value into it"));
    }
    Ok(Secret::new(value.to_owned()))
}

/// The cause of a failed read with its remedy.
fn cause(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist: create it, or mend the path".to_owned(),
        std::io::ErrorKind::PermissionDenied => {
            "permission denied: make the service's user its owner, with mode 600".to_owned()
        }
        _ => error.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn secrets(dir: &Path) -> Secrets {
        let table = [("TOKEN", "s3cr3t"), ("EMPTY", " "), ("CREDENTIALS_DIRECTORY", &*dir.to_string_lossy())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Secrets { environment: Environment::Fixed(table.into()), base_dir: dir.to_owned() }
    }

    fn check(dir: &Path, reference: SecretRef, expected: Result<&str, &str>) {
        match (secrets(dir).resolve(&reference), expected) {
            (Ok(value), Ok(wanted)) => assert_eq!(value.expose(), wanted),
            (Err(text), Err(wanted)) => assert!(text.contains(wanted), "{text:?} lacks {wanted:?}"),
            (got, wanted) => panic!("{reference:?}: got {got:?}, wanted {wanted:?}"),
        }
    }

    fn file(dir: &Path, name: &str, bytes: &[u8], mode: u32) -> SecretRef {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        SecretRef::File(name.into())
    }

    #[test]
    fn variables_are_read_and_their_absence_named() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), SecretRef::Env("TOKEN".into()), Ok("s3cr3t"));
        check(dir.path(), SecretRef::Env("NOPE".into()), Err("`NOPE` is not set"));
        check(dir.path(), SecretRef::Env("EMPTY".into()), Err("`EMPTY` is empty"));
    }

    #[test]
    fn files_are_private_small_and_full() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        check(at, file(at, "good", b"pass word\n", 0o600), Ok("pass word"));
        check(at, file(at, "crlf", b"pw\r\n", 0o640), Ok("pw"));
        check(at, file(at, "open", b"pw", 0o644), Err("chmod 600"));
        check(at, file(at, "open", b"pw", 0o602), Err("open to all users"));
        check(at, file(at, "large", &vec![b'x'; 65 * 1024], 0o600), Err("over 64 KiB"));
        check(at, file(at, "blank", b"\n", 0o600), Err("is empty"));
        check(at, file(at, "bytes", &[0xff, 0xfe], 0o600), Err("not UTF-8"));
        check(at, SecretRef::File("absent".into()), Err("does not exist"));
        check(at, SecretRef::File(".".into()), Err("not a regular file"));
    }

    #[test]
    fn credentials_come_from_their_folder_only() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        file(at, "smtp", b"pw\n", 0o444);
        check(at, SecretRef::Credential("smtp".into()), Ok("pw"));
        check(at, SecretRef::Credential("../smtp".into()), Err("plain file name"));
        let bare = Secrets { environment: Environment::Fixed(BTreeMap::new()), base_dir: at.to_owned() };
        assert!(bare.resolve(&SecretRef::Credential("smtp".into())).unwrap_err().contains("LoadCredential"));
    }
}
