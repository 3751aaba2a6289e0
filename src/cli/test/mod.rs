//! `vigie test`: rules are tried on made-up series, by the same evaluation as live; no configuration is needed.

mod case;
mod covered;
mod expect;
mod form;
mod junit;
mod moments;
mod play;
mod source;
mod tried;
mod values;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;

use self::case::{Cases, Script};
use self::expect::Failure;
use self::form::FileForm;
use super::output::{Out, counted};
use crate::clock::monotonic;
use crate::rule::{Coverage, on_large_stack};

pub(super) use self::tried::{try_file, try_rule};

/// Bytes of one test file.
const FILE_BYTES_MAX: u64 = 4 << 20;
const SUFFIX: &str = ".test.yaml";

#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// Test files, or folders that are gone through for `*.test.yaml` [default: rules]
    pub paths: Vec<PathBuf>,
    /// Only tests whose file or name has this in it
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Write the outcome as JUnit XML too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Tell which conditions of the scripts were never true, or never false
    #[arg(long)]
    pub coverage: bool,
}

/// One test that was run.
struct Ran {
    file: String,
    name: String,
    outcome: Outcome,
    took: Duration,
}

enum Outcome {
    Passed,
    Failed(Vec<Failure>),
    /// It could not be run.
    Wrong(String),
}

pub(super) fn test(out: &mut Out, args: &TestArgs) -> anyhow::Result<u8> {
    let defaults = [PathBuf::from("rules")];
    let paths = if args.paths.is_empty() { &defaults[..] } else { &args.paths };
    let files = find(paths)?;
    let coverage = args.coverage.then(Coverage::default);
    let began = monotonic();
    let mut all = Vec::new();
    for path in &files {
        all.extend(run_file(path, args.filter.as_deref(), coverage.as_ref()));
    }
    let took = began.elapsed();
    if all.is_empty() {
        bail!("no test has `{}` in its file or name", args.filter.as_deref().unwrap_or_default());
    }
    for ran in &all {
        tell(out, ran)?;
    }
    let failed = all.iter().filter(|ran| !matches!(ran.outcome, Outcome::Passed)).count();
    if let Some(coverage) = &coverage {
        covered::tell(out, coverage)?;
    }
    if out.is_json() {
        out.record(&json!({"type": "summary", "files": files.len(), "tests": all.len(), "failed": failed,
                           "seconds": took.as_secs_f64()}))?;
    } else {
        let failed = if failed == 0 { "all passed".to_owned() } else { format!("{failed} failed") };
        let files = counted(files.len(), "file");
        out.line(&format!("{} in {files}: {failed} ({:.2} s)", counted(all.len(), "test"), took.as_secs_f64()))?;
    }
    if let Some(path) = &args.junit {
        fs::write(path, junit::render(&all)).with_context(|| format!("{} can't be written", path.display()))?;
    }
    Ok(u8::from(failed > 0))
}

/// All test files of those paths, in order.
fn find(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_file() {
            files.push(path.clone());
            continue;
        }
        if !path.is_dir() {
            bail!("there is no file or folder {}; name one that holds `NAME{SUFFIX}`", path.display());
        }
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            let named = || format!("{} can't be read", folder.display());
            for entry in fs::read_dir(&folder).with_context(named)? {
                let entry = entry.with_context(named)?;
                let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
                let kind = entry.file_type().with_context(named)?;
                // Links are not followed: a folder may hold itself.
                match (kind.is_dir() && !is_hidden, entry.file_name().to_string_lossy().ends_with(SUFFIX)) {
                    (true, _) => folders.push(entry.path()),
                    (false, true) if !is_hidden => files.push(entry.path()),
                    (false, _) => {}
                }
            }
        }
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        let all: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        bail!("no `NAME{SUFFIX}` in {}; a rule is tested by a file of its name beside it", all.join(", "));
    }
    Ok(files)
}

fn run_file(path: &Path, filter: Option<&str>, coverage: Option<&Coverage>) -> Vec<Ran> {
    let file = path.display().to_string();
    let wrong = |why: String| {
        vec![Ran { file: file.clone(), name: String::new(), outcome: Outcome::Wrong(why), took: Duration::ZERO }]
    };
    let form = match read(path) {
        Ok(form) => form,
        Err(error) => return wrong(error),
    };
    if form.tests.is_empty() {
        return wrong("it holds no tests".to_owned());
    }
    let script = Script::of(path, form.script.as_deref());
    let folder = path.parent().unwrap_or(Path::new(""));
    let is_meant = |name: &str| filter.is_none_or(|filter| name.contains(filter) || file.contains(filter));
    on_large_stack(|| {
        let mut cases = Cases::default();
        let mut covered = coverage.map(|coverage| Cases::covered(coverage.clone()));
        let mut all: Vec<Ran> = Vec::new();
        for test in form.tests.iter().filter(|test| is_meant(&test.name)) {
            let began = monotonic();
            let twice = all.iter().any(|ran| ran.name == test.name);
            let outcome = if twice {
                Outcome::Wrong("another test of the file has the same name".to_owned())
            } else {
                let played = cases.of(&script, &form, test).and_then(|case| play::play(&case, &form, test, folder));
                match played {
                    Ok(failures) if failures.is_empty() => Outcome::Passed,
                    Ok(failures) => Outcome::Failed(failures),
                    Err(why) => Outcome::Wrong(why),
                }
            };
            // Beside it, so that what is noted changes nothing in the outcome.
            if let Some(cases) = covered.as_mut().filter(|_| !twice) {
                drop(cases.of(&script, &form, test).and_then(|case| play::play(&case, &form, test, folder)));
            }
            all.push(Ran { file: file.clone(), name: test.name.clone(), outcome, took: began.elapsed() });
        }
        all
    })
}

fn read(path: &Path) -> Result<FileForm, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("it has {size} bytes, more than {FILE_BYTES_MAX}"));
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    parse(&text)
}

/// The JSON Schema of test files.
pub(super) fn schema() -> serde_json::Value {
    schemars::schema_for!(FileForm).to_value()
}

fn parse(text: &str) -> Result<FileForm, String> {
    serde_yaml::from_str(text).map_err(|error| error.to_string())
}

fn tell(out: &mut Out, ran: &Ran) -> anyhow::Result<()> {
    if out.is_json() {
        let (state, failures, why) = match &ran.outcome {
            Outcome::Passed => ("passed", Vec::new(), None),
            Outcome::Failed(failures) => ("failed", failures.iter().map(record).collect(), None),
            Outcome::Wrong(why) => ("error", Vec::new(), Some(why)),
        };
        return Ok(out.record(&json!({"type": "test", "file": ran.file, "name": ran.name, "outcome": state,
                                     "failures": failures, "error": why, "seconds": ran.took.as_secs_f64()}))?);
    }
    match &ran.outcome {
        Outcome::Passed => {}
        outcome => {
            out.line(&format!("FAILED {}: {}", ran.file, ran.name))?;
            for line in lines(outcome) {
                out.line(&line)?;
            }
            out.line("")?;
        }
    }
    Ok(())
}

fn record(failure: &Failure) -> serde_json::Value {
    let line = |(what, expected, is): &(String, String, String)| json!({"what": what, "expected": expected, "is": is});
    json!({"at": failure.at, "differences": failure.lines.iter().map(line).collect::<Vec<_>>(),
           "conditions": failure.conditions, "refused": failure.refused})
}

/// What is wrong, line by line.
fn lines(outcome: &Outcome) -> Vec<String> {
    let failures = match outcome {
        Outcome::Passed => return Vec::new(),
        Outcome::Wrong(why) => return why.lines().map(|line| format!("  {line}")).collect(),
        Outcome::Failed(failures) => failures,
    };
    let mut all = Vec::new();
    for failure in failures {
        all.push(format!("  at {}", failure.at));
        let widest = failure.lines.iter().map(|(what, ..)| what.len()).max().unwrap_or(0);
        for (what, expected, is) in &failure.lines {
            all.push(format!("    {what:widest$}  expected  {expected}"));
            let mut is = is.lines();
            all.push(format!("    {:widest$}  is        {}", "", is.next().unwrap_or_default()));
            all.extend(is.map(|line| format!("    {:widest$}            {line}", "")));
        }
        all.extend(failure.conditions.iter().map(|condition| format!("    compared: {condition}")));
        all.extend(failure.refused.iter().map(|refused| format!("    not taken: {refused}")));
    }
    all
}
