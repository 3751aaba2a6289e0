//! The rules of the house that no compiler holds: imports between modules, headers, sizes, forbidden texts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom; modules that are not named may import everything.
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("secret", &["model"]),
    ("telemetry", &["model"]),
    ("locale", &["model"]),
    ("chart", &["model"]),
    ("net", &["model", "clock", "secret", "telemetry"]),
    ("validate", &["model"]),
    ("assess", &["model"]),
    ("alert", &["model"]),
    ("rule", &["model", "assess"]),
    ("notify", &["model", "locale"]),
    ("engine", &["model", "assess", "rule", "alert", "notify"]),
    ("source", &["model", "clock", "secret", "telemetry", "locale", "net"]),
    ("channel", &["model", "clock", "secret", "telemetry", "locale", "net", "chart"]),
    ("store", &["model", "clock", "telemetry"]),
    ("web", &["model", "telemetry", "locale", "chart", "store"]),
    // Of the last three only the types that describe their settings.
    ("config", &["model", "secret", "source", "channel", "net"]),
    (
        "daemon",
        &[
            "model",
            "clock",
            "secret",
            "telemetry",
            "locale",
            "net",
            "source",
            "validate",
            "assess",
            "rule",
            "alert",
            "notify",
            "engine",
            "chart",
            "channel",
            "store",
            "web",
            "config",
        ],
    ),
];

/// Lines of one file.
const LINES_MAX: usize = 700;

struct File {
    /// From the package's folder.
    name: String,
    text: String,
    test: bool,
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["src", "tests", "benches"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.push(File { test: is_test(&name), text: fs::read_to_string(&path).unwrap(), name });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// Files that only tests see, by where their module is declared or by their name.
fn is_test(name: &str) -> bool {
    let stem = name.trim_end_matches(".rs");
    let last = stem.rsplit('/').next().unwrap_or(stem);
    !name.starts_with("src/")
        || last.ends_with("tests")
        || name.contains("/conformance")
        || ["fixture", "fixtures", "fake_smtp"].contains(&last)
}

/// The lines before the file's unit tests, with their numbers.
fn code(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let lines = file.text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let tests = |line: &str| line.starts_with("#[cfg(test)]");
    let mut lines = lines.peekable();
    let mut ended = false;
    std::iter::from_fn(move || {
        while let Some((number, line)) = lines.next() {
            // `#[cfg(test)]` before `mod tests {` ends the code; before `mod fixture;` it hides one line.
            if tests(line) {
                while lines.next_if(|(_, next)| next.starts_with("#[")).is_some() {}
                match lines.next() {
                    Some((_, next)) if next.ends_with(';') => continue,
                    _ => ended = true,
                }
            }
            if ended {
                return None;
            }
            return Some((number, line));
        }
        None
    })
}

#[track_caller]
fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

/// The modules that a line names after `crate::`; several where it names a list.
fn imported(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    if line.trim_start().starts_with("//") {
        return found;
    }
    for (at, _) in line.match_indices("crate::") {
        // `$crate::` and `my_crate::` are something else.
        if line[..at].ends_with(|before: char| before == '$' || before == '_' || before.is_alphanumeric()) {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        let names = rest.strip_prefix('{').map_or(rest, |list| list.split('}').next().unwrap_or(list));
        let list = if rest.starts_with('{') { names.split(',').collect() } else { vec![names] };
        for name in list {
            let name = name.trim();
            let end = name.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(name.len());
            if end > 0 {
                found.push(&name[..end]);
            }
        }
    }
    found
}

#[test]
fn imports_follow_the_table() {
    let table: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let modules: Vec<&str> = table.keys().copied().chain(["cli"]).collect();
    let mut found = Vec::new();
    for file in files().iter().filter(|file| !file.test) {
        let module = file.name.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
        let Some(allowed) = table.get(module) else { continue };
        for (number, line) in code(file) {
            for name in imported(line).into_iter().filter(|name| modules.contains(name)) {
                if name != module && !allowed.contains(&name) {
                    found.push(format!("{}:{number}: `{module}` must not import `{name}`", file.name));
                }
            }
        }
    }
    none(&found, "imports that the design does not allow");
}

#[test]
fn every_import_is_seen() {
    assert_eq!(imported("use crate::model::ids::KpiId;"), ["model"]);
    assert_eq!(imported("use crate::{clock, store::Store};"), ["clock", "store"]);
    assert_eq!(imported("    let x = crate::rule::run(crate::clock::monotonic());"), ["rule", "clock"]);
    assert_eq!(imported("pub(in crate::source) fn x()"), ["source"]);
    assert_eq!(imported("// see crate::web"), Vec::<&str>::new());
    assert_eq!(imported("$crate::x! other_crate::y"), Vec::<&str>::new());
    let file = |text: &str| File { name: "src/x.rs".to_owned(), text: text.to_owned(), test: false };
    let seen = |text: &str| code(&file(text)).map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!(seen("a\n#[cfg(test)]\nmod fixture;\nb\n#[cfg(test)]\nmod tests {\nc\n}\n"), [1, 4]);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = files().into_iter().filter(|file| !file.text.starts_with("//! "));
    none(&silent.map(|file| file.name).collect::<Vec<_>>(), "files that do not begin with `//!`");
}

#[test]
fn files_stay_within_their_size() {
    let long = files().into_iter().filter(|file| file.text.lines().count() > LINES_MAX);
    none(&long.map(|file| file.name).collect::<Vec<_>>(), "files over 700 lines: split them by concept");
}

#[test]
fn files_end_with_one_newline_and_hold_no_loose_whitespace() {
    let mut found = Vec::new();
    for file in files() {
        if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
            found.push(format!("{}: ends without a newline, or with an empty line", file.name));
        }
        let loose = file.text.lines().enumerate().filter(|(_, line)| line.contains('\t') || line.ends_with(' '));
        found.extend(loose.map(|(at, _)| format!("{}:{}: a tab, or a space at the end", file.name, at + 1)));
    }
    none(&found, "whitespace");
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| !file.test) {
        let unwraps = code(file).filter(|(_, line)| !line.trim_start().starts_with("//") && line.contains(".unwrap()"));
        found.extend(unwraps.map(|(number, _)| format!("{}:{number}", file.name)));
    }
    none(&found, "`.unwrap()` outside tests: handle it, or `expect` the invariant");
}

#[test]
fn no_path_of_a_machine_is_in_the_sources() {
    // In pieces, so that this file does not find itself.
    let forbidden = [["/ro", "ot/"], ["/ho", "me/"], ["/wo", "rk/"], ["/Us", "ers/"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for file in files() {
        for (at, line) in file.text.lines().enumerate() {
            if forbidden.iter().any(|path| line.contains(path.as_str())) {
                found.push(format!("{}:{}: {}", file.name, at + 1, line.trim()));
            }
        }
    }
    none(&found, "paths of a machine");
}
