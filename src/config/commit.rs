//! Which commit of git a configuration stands at, where it stands in a working copy.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders above that are looked at.
const DEPTH_MAX: usize = 32;
/// Longer files are none of git's.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The commit that is checked out around a file or folder; none outside of a working copy. What has been changed since it
/// was checked out is not seen.
pub(super) fn commit_of(path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let marks = path.ancestors().take(DEPTH_MAX).map(|folder| folder.join(".git"));
    let mark = marks.into_iter().find(|mark| mark.exists())?;
    let folder = if mark.is_dir() {
        mark
    } else {
        // A further working copy, or a submodule: the file names the folder.
        let named = PathBuf::from(text(&mark)?.strip_prefix("gitdir:")?.trim());
        mark.parent()?.join(named)
    };
    let head = text(&folder.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref:") else { return digits(&head) };
    let name = name.trim();
    // Branches of further working copies stand where the first has them.
    let shared = text(&folder.join("commondir")).map(|shared| folder.join(shared.trim()));
    let places = || [Some(folder.clone()), shared.clone()].into_iter().flatten();
    let loose = places().find_map(|place| digits(&text(&place.join(name))?));
    let packed = |place: PathBuf| {
        let all = text(&place.join("packed-refs"))?;
        all.lines().find_map(|line| digits(line.strip_suffix(name)?.strip_suffix(' ')?))
    };
    loose.or_else(|| places().find_map(packed))
}

fn text(path: &Path) -> Option<String> {
    let is_file = fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() <= BYTES_MAX);
    is_file.then(|| fs::read_to_string(path).ok()).flatten()
}

/// A commit's name, in either of git's lengths.
fn digits(text: &str) -> Option<String> {
    let text = text.trim();
    let is_name = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_name.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::commit_of;

    const ONE: &str = "0123456789abcdef0123456789abcdef01234567";
    const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_commit_is_found_wherever_git_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let (copy, config) = (dir.path().join("a"), dir.path().join("a/etc/vigie"));
        write(&config, "vigie.yaml", "");
        assert_eq!(commit_of(&config), None, "no working copy");
        write(&copy, ".git/HEAD", &format!("{ONE}\n"));
        assert_eq!(commit_of(&config).as_deref(), Some(ONE), "detached");
        write(&copy, ".git/HEAD", "ref: refs/heads/main\n");
        assert_eq!(commit_of(&config), None, "nothing was committed yet");
        write(&copy, ".git/packed-refs", &format!("# pack-refs with: peeled\n{OTHER} refs/heads/main\n"));
        assert_eq!(commit_of(&config).as_deref(), Some(OTHER), "packed");
        write(&copy, ".git/refs/heads/main", &format!("{ONE}\n"));
        assert_eq!(
            commit_of(&config.join("vigie.yaml")).as_deref(),
            Some(ONE),
            "a loose branch is newer than a packed one"
        );
        let further = dir.path().join("b");
        write(&copy, ".git/worktrees/b/HEAD", "ref: refs/heads/main\n");
        write(&copy, ".git/worktrees/b/commondir", "../..\n");
        write(&further, ".git", "gitdir: ../a/.git/worktrees/b\n");
        assert_eq!(commit_of(&further).as_deref(), Some(ONE), "a further working copy");
    }

    #[test]
    fn what_is_none_of_git_gives_nothing() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), ".git/HEAD", "ref: refs/heads/main\n");
        write(dir.path(), ".git/refs/heads/main", "hello\n");
        assert_eq!(commit_of(dir.path()), None);
    }
}
