//! `vigie new rule`: a script with its parameters, texts and tests, which pass, ready to be changed.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::cli::output::Out;

#[derive(Debug, clap::Args)]
pub struct NewRuleArgs {
    /// Its name, as `script:` is to name it: folders and a name, such as sales/low_basket
    pub name: String,
    /// For objectives instead of values
    #[arg(long)]
    pub objective: bool,
    /// The folder `rules` beside the configuration
    #[arg(long, value_name = "FOLDER", default_value = "rules")]
    pub dir: PathBuf,
}

pub(super) fn rule(out: &mut Out, args: &NewRuleArgs) -> anyhow::Result<u8> {
    let name = &args.name;
    let is_step = |step: &str| {
        !step.is_empty() && step.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
    };
    if !name.split('/').all(is_step) {
        bail!("'{name}' is no name of a script; use small letters, digits, - and _, with / between folders");
    }
    let base = args.dir.join(name);
    let folder = base.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let (script, sidecar, tests) = if args.objective { OBJECTIVE } else { VALUE };
    let all = [("rhai", script), ("yaml", sidecar), ("test.yaml", tests)].map(|(end, text)| {
        let mut path = base.clone().into_os_string();
        path.push(format!(".{end}"));
        (PathBuf::from(path), text)
    });
    if let Some((path, _)) = all.iter().find(|(path, _)| path.exists()) {
        bail!("{} is there already; nothing was written", path.display());
    }
    for (path, text) in &all {
        let written = OpenOptions::new().write(true).create_new(true).open(path);
        let written = written.and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("{} can't be written", path.display()))?;
        out.line(&format!("wrote {}", path.display()))?;
    }
    out.line(&format!("now: vigie test {}; then name it in `rules:` with `script: {name}`", all[2].0.display()))?;
    Ok(0)
}

/// Script, sidecar, tests.
type Draft = (&'static str, &'static str, &'static str);

const VALUE: Draft = (
    "// Fires while the newest value lies below a limit; ends once it clearly is above it again.
fn evaluate(kpi, p) {
    below(kpi.value, p.below)
        .recovers_above(p.recover)
        .critical_below(p.critical)
        .say(\"low\")
        .suggest(\"look\", #{ by: workdays(2) })
}
",
    "parameters:
  below:    {default: 60, help: fires below this}
  recover:  {default: 70, help: ends at this or above}
  critical: {default: 40, help: critical below this}
texts:
  low:
    fr: \"{kpi.title} : {kpi.value|unit}, sous {p.below|unit}.\"
    en: \"{kpi.title}: {kpi.value|unit}, below {p.below|unit}.\"
  look:
    fr: \"Chercher ce qui a changé.\"
    en: \"Look for what has changed.\"
",
    "kpi: {title: Basket, unit: EUR}
tests:
- name: fires below the limit and ends well above it
  series: 60 59 69 70
  expect:
  - {at: 1, verdict: ok, alert: inactive, told: []}
  - {at: 2, verdict: warning, alert: firing, text: \"below\", suggestions: [Look], told: [{reason: first}]}
  - {at: 3, verdict: ok, alert: firing}
  - {at: 4, alert: resolved, told: [{reason: resolved}]}
- name: is critical far below
  series: 40 39
  expect:
  - {at: 1, verdict: warning}
  - {at: 2, verdict: critical, severity: critical}
",
);

const OBJECTIVE: Draft = (
    "// Fires while too much of the objective's trajectory is missing; ends once it is clearly back.
fn evaluate(kpi, objective, p) {
    if objective.too_early { return hold(\"too_early\"); }
    above(objective.shortfall_ratio, p.enter)
        .recovers_below(p.exit)
        .critical_above(p.critical)
        .say(\"behind\")
}
",
    "parameters:
  enter:    {default: 0.1, help: share of the trajectory missing above which it fires}
  exit:     {default: 0.05, help: share at or below which it ends}
  critical: {default: 0.2, help: share above which it is critical}
texts:
  behind:
    fr: \"{kpi.title} : {objective.actual|unit}, {objective.drift_ratio|percent} sur la trajectoire.\"
    en: \"{kpi.title}: {objective.actual|unit}, {objective.drift_ratio|percent} against its trajectory.\"
  too_early:
    fr: trop tôt pour conclure
    en: too early to tell
",
    "kpi: {title: Sales, kind: flow, unit: EUR}
objective: {statement: 310 euros in January, reach: 310, measure: sum, period: month, trajectory: linear}
tests:
- name: fires when a tenth is missing, and ends when it is back
  # 10 a day are expected: 88 of 100 on the tenth day, 168 of 170 on the seventeenth.
  series: 9x8 7 15x1 10 10 11 11 10
  expect:
  - {at: 1, verdict: hold, reason: too_early}
  - {at: 9, verdict: ok, alert: inactive}
  - {at: 10, verdict: warning, alert: firing, told: [{reason: first}]}
  - {at: 12, alert: resolved}
- name: is critical when a fifth is missing
  series: 7.9x9
  expect:
  - {at: 10, verdict: critical, severity: critical}
",
);
