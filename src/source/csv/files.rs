//! Finding the files and reading each whole, never half of an old and half of a new one.

use std::cmp::Ordering;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::clock;
use crate::net::ErrorClass;
use crate::source::error::SourceError;

const FILES_MAX: usize = 10_000;
/// Tries to read a file that is rewritten meanwhile.
const READS_MAX: usize = 3;

/// A file, or all files of a pattern.
#[derive(Clone, Debug)]
pub(in crate::source) struct Files {
    base_dir: PathBuf,
    /// As the configuration writes it.
    pub(in crate::source) pattern: String,
    bytes_max: u64,
}

impl Files {
    pub(super) fn new(base_dir: &Path, pattern: &str, bytes_max: u64) -> Result<Files, String> {
        if pattern.trim().is_empty() {
            return Err("path is empty; write a file or a pattern such as exports/*.csv".to_owned());
        }
        let files = Files { base_dir: base_dir.to_path_buf(), pattern: pattern.to_owned(), bytes_max };
        glob::Pattern::new(&files.full_pattern()).map_err(|error| format!("path `{pattern}`: {}", error.msg))?;
        Ok(files)
    }

    /// The pattern with its folder; the folder's own name is taken as it is.
    fn full_pattern(&self) -> String {
        if Path::new(&self.pattern).is_absolute() {
            return self.pattern.clone();
        }
        format!("{}/{}", glob::Pattern::escape(&self.base_dir.to_string_lossy()), self.pattern)
    }

    /// The files there are now, by name; none is an error, which may pass when an export arrives.
    pub(in crate::source) fn list(&self) -> Result<Vec<PathBuf>, SourceError> {
        let single = self.base_dir.join(&self.pattern);
        if single.is_file() {
            return Ok(vec![single]);
        }
        // Names that begin with a point are hidden: locks, older versions, what other systems leave. The library would
        // leave them out even of a pattern that begins so itself.
        let named = |part: &str| part.starts_with('.') && part.contains(['*', '?', '[']);
        let require_literal_leading_dot = !self.pattern.split('/').any(named);
        let options = glob::MatchOptions { require_literal_leading_dot, ..glob::MatchOptions::new() };
        let found = glob::glob_with(&self.full_pattern(), options)
            .map_err(|error| SourceError::config(format!("path `{}`: {}", self.pattern, error.msg)))?;
        let found = found.filter_map(Result::ok).filter(|path| path.is_file() && !is_lock(path));
        let mut files: Vec<PathBuf> = found.collect();
        if files.is_empty() {
            let is_here = self.base_dir.as_os_str().is_empty();
            let folder = if is_here { "the current folder".to_owned() } else { self.base_dir.display().to_string() };
            let message =
                format!("no file {} in {folder}; check the path, the rights, and that the export ran", self.pattern);
            return Err(SourceError::new(ErrorClass::Transient, message));
        }
        if files.len() > FILES_MAX {
            let message =
                format!("{} matches {} files, more than {FILES_MAX}; narrow the pattern", self.pattern, files.len());
            return Err(SourceError::new(ErrorClass::TooLarge, message));
        }
        files.sort_by(|a, b| by_numbers(&a.to_string_lossy(), &b.to_string_lossy()).then_with(|| a.cmp(b)));
        Ok(files)
    }

    /// A file's name for messages: beside the configuration, without its folder.
    pub(in crate::source) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.base_dir).unwrap_or(path).display().to_string()
    }

    /// When a file was last written, by its name for messages; a file that is gone was written at the beginning of time.
    pub(in crate::source) fn written(&self, shown: &str) -> (i64, i64) {
        fs::metadata(self.base_dir.join(shown)).map_or((i64::MIN, 0), |data| (data.mtime(), data.mtime_nsec()))
    }

    /// Reads every file whole: name for messages, bytes.
    pub(in crate::source) fn read(&self, until: Instant) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
        let mut left = self.bytes_max;
        let mut files = Vec::new();
        for path in self.list()? {
            let shown = self.shown(&path);
            check_deadline(until, &shown)?;
            let bytes = read_unchanged(&path, &shown, |path| read_at_most(path, left))?;
            let Some(rest) = left.checked_sub(bytes.len() as u64) else {
                let message = format!(
                    "{} holds more than {} bytes; move old files away, or raise bytes_max",
                    self.pattern, self.bytes_max
                );
                return Err(SourceError::new(ErrorClass::TooLarge, message));
            };
            left = rest;
            files.push((shown, bytes));
        }
        Ok(files)
    }
}

/// What Excel puts beside a workbook while somebody has it open.
fn is_lock(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("~$"))
}

/// The order that people mean who count their exports: runs of digits by their size, all else by letter.
fn by_numbers(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (of_a, of_b) = (digits(a), digits(b));
        let order = if of_a > 0 && of_b > 0 {
            let (x, y) = (a[..of_a].trim_start_matches('0'), b[..of_b].trim_start_matches('0'));
            (a, b) = (&a[of_a..], &b[of_b..]);
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            let (x, y) = (a.chars().next(), b.chars().next());
            if x.is_none() || y.is_none() {
                return x.cmp(&y);
            }
            (a, b) = (&a[x.map_or(0, char::len_utf8)..], &b[y.map_or(0, char::len_utf8)..]);
            x.cmp(&y)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Ends long work that passed its deadline.
pub(in crate::source) fn check_deadline(until: Instant, object: &str) -> Result<(), SourceError> {
    if clock::monotonic() < until {
        return Ok(());
    }
    let message = format!("reading {object} took longer than its deadline; have fewer or smaller files there");
    Err(SourceError::new(ErrorClass::Deadline, message))
}

/// Reads one byte more than allowed at most, so that the excess shows.
fn read_at_most(path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(path)?.take(bytes.saturating_add(1)).read_to_end(&mut content)?;
    Ok(content)
}

/// What changes when a file is written to or replaced.
fn stamp(path: &Path) -> io::Result<(u64, u64, i64, i64)> {
    fs::metadata(path).map(|data| (data.ino(), data.len(), data.mtime(), data.mtime_nsec()))
}

/// Reads a file between two equal stamps; a few times, then the writer gets time until the next pull.
fn read_unchanged(
    path: &Path,
    shown: &str,
    mut read: impl FnMut(&Path) -> io::Result<Vec<u8>>,
) -> Result<Vec<u8>, SourceError> {
    let failed = |error: io::Error| {
        let message = format!("can't read {shown}: {error}; check that it exists and that the service may read it");
        SourceError::new(ErrorClass::Transient, message)
    };
    for _ in 0..READS_MAX {
        let before = stamp(path).map_err(failed)?;
        let content = read(path).map_err(failed)?;
        if stamp(path).map_err(failed)? == before {
            return Ok(content);
        }
    }
    let message = format!("{shown} is being rewritten; it is tried again (let the export write beside and rename)");
    Err(SourceError::new(ErrorClass::Transient, message))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::{Files, read_unchanged};
    use crate::clock::monotonic;
    use crate::net::ErrorClass;

    #[test]
    fn patterns_are_read_in_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a[1] dir");
        fs::create_dir(&odd).unwrap();
        for name in ["b.csv", "a.csv", "c.txt"] {
            fs::write(odd.join(name), name).unwrap();
        }
        let until = monotonic() + Duration::from_secs(5);
        let read = |pattern: &str, bytes_max| Files::new(&odd, pattern, bytes_max).unwrap().read(until);
        let names = |pattern: &str| read(pattern, 100).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names("*.csv"), ["a.csv", "b.csv"]);
        assert_eq!(names("b.csv"), ["b.csv"]);
        let error = read("*.xls", 100).unwrap_err();
        assert_eq!(error.class, ErrorClass::Transient);
        assert!(error.message.contains("no file *.xls in "), "{error}");
        let error = read("*.csv", 9).unwrap_err();
        assert_eq!(error.class, ErrorClass::TooLarge);
        assert!(error.message.contains("raise bytes_max"), "{error}");
    }

    #[test]
    fn locks_and_hidden_files_are_no_exports() {
        let folder = tempfile::tempdir().unwrap();
        let hidden = folder.path().join(".conf");
        fs::create_dir_all(hidden.join("deep/.old")).unwrap();
        for name in ["v.csv", ".v2.csv", "._v.csv", "~$v.csv", "deep/w.csv", "deep/.w.csv", "deep/.old/x.csv"] {
            fs::write(hidden.join(name), name).unwrap();
        }
        let names = |pattern: &str| {
            let files = Files::new(&hidden, pattern, 100).unwrap();
            files.list().unwrap().iter().map(|path| files.shown(path)).collect::<Vec<_>>()
        };
        assert_eq!(names("*.csv"), ["v.csv"]);
        assert_eq!(names("**/*.csv"), ["deep/w.csv", "v.csv"]);
        // Whoever names one has it.
        assert_eq!(names(".v*.csv"), [".v2.csv"]);
    }

    #[test]
    fn numbers_in_names_count_by_their_size() {
        let mut names = [
            "e-10.csv",
            "e-9.csv",
            "e-009.csv",
            "e-2026-02.csv",
            "e.csv",
            "e-2026-01 (10).csv",
            "e-2026-01 (2).csv",
            "é",
        ];
        names.sort_by(|a, b| super::by_numbers(a, b).then_with(|| a.cmp(b)));
        let expected = [
            "e-009.csv",
            "e-9.csv",
            "e-10.csv",
            "e-2026-01 (2).csv",
            "e-2026-01 (10).csv",
            "e-2026-02.csv",
            "e.csv",
            "é",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_file_rewritten_while_it_is_read_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        let check = |rewrites: usize| {
            fs::write(&path, "0").unwrap();
            let mut reads = 0;
            read_unchanged(&path, "x.csv", |path| {
                let content = fs::read(path);
                reads += 1;
                if reads <= rewrites {
                    fs::write(path, "x".repeat(reads + 1)).unwrap();
                }
                content
            })
        };
        assert_eq!(check(0).unwrap(), b"0");
        assert_eq!(check(2).unwrap(), b"xxx");
        let error = check(3).unwrap_err();
        assert_eq!(error.class, ErrorClass::Transient);
        assert!(error.message.contains("x.csv is being rewritten"), "{error}");
    }

    #[test]
    fn impossible_paths() {
        let error = |pattern: &str| Files::new(std::path::Path::new("/"), pattern, 1).unwrap_err();
        assert!(error(" ").contains("path is empty"));
        assert!(error("a/[").contains("path `a/[`"));
    }
}
