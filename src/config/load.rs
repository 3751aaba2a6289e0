//! Files to configuration: finds them, reads them within bounds, merges them, gathers all problems.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::problem::{Hidden, Problem, SourceText};
use super::resolve;
use super::secrets::Environment;
use super::settings::Config;
use super::yaml::{self, FILE_BYTES_MAX, Kind, Node, Span};
use super::{decode, raw};
use crate::model::digest::hexadecimal;

/// Most files of one configuration.
const FILES_MAX: usize = 200;
/// Most problems told at once.
const PROBLEMS_MAX: usize = 200;

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Files, and folders whose `*.yaml` and `*.yml` are read in the order of their names.
    pub paths: Vec<PathBuf>,
    pub env: Environment,
}

/// Text of an entry that stands in no file yet, read as if it were a file of its own.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// What problems in it name instead of a file.
    pub name: &'a str,
    pub text: &'a str,
}

/// What a KPI can hang on.
const KPI_SECTIONS: &[&str] = &["timezone", "language", "calendar", "calendars", "people", "sources", "kpis"];

/// What came of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// None when there is any error.
    pub config: Option<Config>,
    pub problems: Vec<Problem>,
    /// The texts read, for showing lines of them.
    pub sources: Vec<SourceText>,
    /// The control socket, also when there are errors: the default one where they hide it.
    pub control: PathBuf,
    documents: Documents,
}

/// A place in a file: lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// In characters.
    pub width: usize,
}

impl Loaded {
    /// Where a path of keys stands: its value if all of it exists, else the key of the deepest part that does.
    /// None when not even the first key exists.
    pub fn locate(&self, path: &[&str]) -> Option<Position> {
        self.documents.locate(path)
    }

    /// Where a value of one piece stands; none where the path leads to none.
    pub fn scalar_at(&self, path: &[&str]) -> Option<Position> {
        if self.documents.is_scalar(path) { self.locate(path) } else { None }
    }

    /// Where the key at the end of a path stands; none where there is no such path.
    pub fn key_at(&self, path: &[&str]) -> Option<Position> {
        let mut places = self.documents.files.iter().map(|file| (file, file.root.find(path)));
        let (file, found) = places.find(|(_, found)| found.steps == path.len())?;
        Some(position(&file.name, found.key))
    }

    /// A problem at a path, for checks that come after loading.
    pub fn problem_at(&self, path: &[&str], message: impl Into<String>) -> Problem {
        self.documents.problem_at(path, message.into())
    }

    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}

/// The trees of all files that could be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Documents {
    pub(super) files: Vec<Document>,
    /// The sections that are looked at; none: all.
    sections: Option<&'static [&'static str]>,
}

#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) name: String,
    /// The folder that relative paths in it start from.
    pub(super) base_dir: PathBuf,
    pub(super) root: std::sync::Arc<Node>,
}

impl Documents {
    /// True for a section that is not looked at, whatever it holds.
    pub(super) fn leaves_out(&self, section: &str) -> bool {
        self.sections.is_some_and(|sections| !sections.contains(&section))
    }

    fn find(&self, path: &[&str]) -> Option<(&Document, Span)> {
        let best = self
            .files
            .iter()
            .map(|file| (file, file.root.find(path)))
            .filter(|(_, found)| found.steps > 0)
            // The first file wins between equals.
            .reduce(|best, other| if other.1.steps > best.1.steps { other } else { best });
        best.map(|(file, found)| (file, if found.steps == path.len() { found.value } else { found.key }))
    }

    pub(super) fn locate(&self, path: &[&str]) -> Option<Position> {
        self.find(path).map(|(file, span)| position(&file.name, span))
    }

    /// True when a path leads to a scalar.
    pub(super) fn is_scalar(&self, path: &[&str]) -> bool {
        self.text(path).is_some()
    }

    /// The scalar that a path leads to, as it was written.
    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        match &self.node(path)?.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The path of the first scalar with that text below a path; the path itself when there is none.
    pub(super) fn value_path(&self, path: &[&str], text: &str) -> Vec<String> {
        let mut at: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        if let Some(node) = self.node(path) {
            node.seek(text, &mut at);
        }
        at
    }

    fn node(&self, path: &[&str]) -> Option<&Node> {
        self.files.iter().find_map(|file| file.root.at(path))
    }

    pub(super) fn problem_at(&self, path: &[&str], message: String) -> Problem {
        match self.find(path) {
            Some((file, span)) => problem(&file.name, span, message),
            None => Problem::of_file(self.files.first().map_or("", |file| &file.name), message),
        }
    }
}

fn position(file: &str, span: Span) -> Position {
    Position { file: file.to_owned(), line: span.line, column: span.column, width: span.width }
}

pub(super) fn problem(file: &str, span: Span, message: String) -> Problem {
    Problem { line: span.line, column: span.column, span: span.width, ..Problem::of_file(file, message) }
}

/// Reads, checks and resolves the configuration. Never fails: what went wrong stands in `problems`.
pub fn load(options: &LoadOptions) -> Loaded {
    Reading::default().all(options, None)
}

/// The same of one text that stands in no file; paths in it are relative to the working folder.
pub fn load_text(draft: Draft<'_>) -> Loaded {
    Reading::default().all(&LoadOptions { paths: Vec::new(), env: Environment::Unneeded }, Some(draft))
}

/// The same with a draft beside the files.
pub fn load_beside(options: &LoadOptions, draft: Draft<'_>) -> Loaded {
    Reading::default().all(options, Some(draft))
}

/// The same of the sections that a KPI hangs on, with a draft beside them: rules and receivers may be unfinished while
/// KPIs are written.
pub fn load_kpis(options: &LoadOptions, draft: Option<Draft<'_>>) -> Loaded {
    let documents = Documents { sections: Some(KPI_SECTIONS), ..Documents::default() };
    Reading { documents, ..Reading::default() }.all(options, draft)
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    problems: Vec<Problem>,
    sources: Vec<SourceText>,
    documents: Documents,
    /// Texts without any entry.
    empty: usize,
}

impl Reading {
    fn all(mut self, options: &LoadOptions, draft: Option<Draft<'_>>) -> Loaded {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let files = find_files(&options.paths, &mut self.problems);
        if options.paths.is_empty() && draft.is_none() {
            let problem = Problem::of_file("", "no configuration was named");
            self.problems.push(problem.help("name a file or a folder with `--config`"));
        }
        for path in files.iter().take(FILES_MAX) {
            match read(path) {
                Ok(text) => {
                    digest.update(&(text.len() as u64).to_le_bytes());
                    digest.update(text.as_bytes());
                    let base_dir = path.parent().map(Path::to_owned).unwrap_or_default();
                    self.take(path.display().to_string(), base_dir, text);
                }
                Err(problem) => self.problems.push(*problem),
            }
        }
        let checksum = hexadecimal(&digest.finish().as_ref()[..16]);
        let texts = files.len() + usize::from(draft.is_some());
        if let Some(Draft { name, text }) = draft {
            self.take(name.to_owned(), PathBuf::new(), text.to_owned());
        }
        let Reading { mut problems, sources, documents, empty } = self;
        // What a broken file would have defined is unknown: its absence must not be reported elsewhere.
        let whole = files.len() <= FILES_MAX && documents.files.len() + empty == texts;
        let config = resolve::resolve(&documents, options, checksum, whole, &mut problems);
        finish(&mut problems);
        let control = config.settings.control.clone();
        let config = (!problems.iter().any(Problem::is_error)).then_some(config);
        Loaded { config, problems, sources, control, documents }
    }

    /// Takes over one text.
    fn take(&mut self, name: String, base_dir: PathBuf, text: String) {
        let (root, faults) = yaml::parse(&text);
        let faults_none = faults.is_empty();
        self.problems.extend(
            faults.into_iter().map(|fault| Problem { help: fault.help, ..problem(&name, fault.span, fault.message) }),
        );
        let mut hidden = Vec::new();
        self.empty += usize::from(faults_none && root.as_ref().is_none_or(|root| root.is_null()));
        if let Some(root) = root.filter(|root| !root.is_null()) {
            hide_secrets(&root, &mut hidden);
            if matches!(root.kind, Kind::Map(_)) {
                self.documents.files.push(Document { name: name.clone(), base_dir, root });
            } else {
                let message = "the file is not a mapping of sections".to_owned();
                let help = "begin with sections such as `kpis:` and `rules:`";
                self.problems.push(problem(&name, root.span, message).help(help));
            }
        }
        self.sources.push(SourceText { file: name, text, hidden });
    }
}

/// Puts the problems in the order of the files and within the bound.
fn finish(problems: &mut Vec<Problem>) {
    problems.sort_by(|a, b| (&a.file, a.line, a.column, a.severity).cmp(&(&b.file, b.line, b.column, b.severity)));
    problems.dedup();
    if problems.len() > PROBLEMS_MAX {
        problems.sort_by_key(|problem| problem.severity);
        let more = problems.len() - PROBLEMS_MAX;
        problems.truncate(PROBLEMS_MAX);
        problems.push(Problem::of_file("", format!("{more} more problems are not shown")));
    }
}

/// The files of the paths, each once.
fn find_files(paths: &[PathBuf], problems: &mut Vec<Problem>) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for path in paths {
        let name = path.display().to_string();
        if !path.is_dir() {
            files.insert(path.clone());
            continue;
        }
        let found = match std::fs::read_dir(path) {
            Ok(entries) => entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_yaml(path)),
            Err(error) => {
                problems.push(Problem::of_file(&name, format!("the folder can't be read: {error}")));
                continue;
            }
        };
        let before = files.len();
        files.extend(found.take(FILES_MAX + 1));
        if files.len() == before {
            let help = "put the configuration there, or name a file with `--config`";
            problems.push(Problem::of_file(&name, "the folder holds no `*.yaml` file").help(help));
        }
    }
    if files.len() > FILES_MAX {
        let message = format!("more than {FILES_MAX} configuration files");
        problems.push(Problem::of_file("", message).help("merge some of them"));
    }
    files
}

fn is_yaml(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let extension = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    extension && !hidden && !path.is_dir()
}

/// The file's text, within the bound, without byte-order mark.
fn read(path: &Path) -> Result<String, Box<Problem>> {
    let name = path.display().to_string();
    let refuse = |message: String, help: &str| Err(Box::new(Problem::of_file(&name, message).help(help)));
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return refuse("the file does not exist".to_owned(), "mend the path given with `--config`");
        }
        Err(error) => return refuse(format!("the file can't be read: {error}"), "check its owner and mode"),
        Ok(about) if !about.is_file() => return refuse("not a regular file".to_owned(), "name a YAML file"),
        Ok(about) if about.len() > FILE_BYTES_MAX as u64 => {
            let message = format!("the file holds {} bytes, more than the {FILE_BYTES_MAX} allowed", about.len());
            return refuse(message, "split it into several files");
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let outcome = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = outcome {
        return refuse(format!("the file can't be read: {error}"), "check its owner and mode");
    }
    if bytes.len() > FILE_BYTES_MAX {
        return refuse(
            format!("the file holds more than the {FILE_BYTES_MAX} bytes allowed"),
            "split it into several files",
        );
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.split(|byte| *byte == b'\n').count();
            let start = good.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let column = String::from_utf8_lossy(&good[start..]).chars().count() + 1;
            let span = Span { line, column, width: 1, end_line: line };
            let message = "the text is not UTF-8".to_owned();
            Err(Box::new(problem(&name, span, message).help("save the file in UTF-8")))
        }
    }
}

/// Notes every plain value under a name that sounds secret, so that no shown line repeats it.
fn hide_secrets(node: &Node, hidden: &mut Vec<Hidden>) {
    const HIDDEN_MAX: usize = 1_000;
    match &node.kind {
        Kind::Scalar { .. } => {}
        Kind::List(items) => items.iter().for_each(|item| hide_secrets(item, hidden)),
        Kind::Map(entries) => {
            for entry in entries {
                let span = entry.value.span;
                let plain = matches!(entry.value.kind, Kind::Scalar { .. }) && !entry.value.is_null();
                if plain && decode::is_secret_name(&entry.key) && hidden.len() < HIDDEN_MAX {
                    hidden.push(Hidden {
                        line: span.line,
                        column: span.column,
                        width: span.width,
                        end_line: span.end_line,
                    });
                }
                hide_secrets(&entry.value, hidden);
            }
        }
    }
}

/// Names of the sections and settings of the top level, from the schema.
pub(super) fn top_level_names() -> Vec<String> {
    let schema = schemars::schema_for!(raw::RawTop);
    let fields = schema.get("properties").and_then(|fields| fields.as_object());
    fields.into_iter().flat_map(|fields| fields.keys().cloned()).collect()
}
