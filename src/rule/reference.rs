//! The manual of everything a script can read and call, made from the tables that the code uses.

use std::fmt::Write as _;

use super::outcome::FUNCTIONS;
use super::shipped::SHIPPED;
use super::sidecar::Sidecar;
use super::views::{BURNS, WINDOWS};
use crate::assess::{Field, FieldUnit, KPI_FIELDS, OBJECTIVE_FIELDS};

/// `rules/README.md`; a test compares the file with this.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    fields(&mut page, "What `kpi` has", "kpi", KPI_FIELDS);
    page.push_str("\nWindows over the newest buckets; `n` goes from 1 to 10 000:\n\n| call | meaning |\n|---|---|\n");
    for (name, meaning) in WINDOWS {
        let _ = writeln!(page, "| `kpi.{name}(n)` | {meaning} |");
    }
    page.push_str("| `kpi.label(\"channel\")` | value of a dimension of this series, or `()` |\n");
    page.push_str("| `kpi.has(\"name\")` | whether reading it gives a value now |\n");
    fields(&mut page, "What `objective` has", "objective", OBJECTIVE_FIELDS);
    page.push_str("\n| call | meaning |\n|---|---|\n");
    for (call, meaning) in BURNS {
        let _ = writeln!(page, "| `objective.{call}` | {meaning} |");
    }
    page.push_str("\n## What a script calls and returns\n\n| call | meaning |\n|---|---|\n");
    for (call, meaning) in FUNCTIONS {
        let _ = writeln!(page, "| `{call}` | {meaning} |");
    }
    page.push_str(TAIL);
    for (name, script, sidecar) in SHIPPED {
        let about = script.lines().next().unwrap_or_default().trim_start_matches("//").trim();
        let _ = writeln!(page, "\n### `{name}`\n\n{about}\n\n| parameter | default | meaning |\n|---|---|---|");
        let sidecar = Sidecar::parse(sidecar).unwrap_or_default();
        for (parameter, definition) in &sidecar.parameters {
            let default = definition.default.as_ref().and_then(|value| serde_json::to_string(value).ok());
            let _ = writeln!(
                page,
                "| `{parameter}` | {} | {} |",
                default.unwrap_or_else(|| "none".into()),
                definition.help
            );
        }
    }
    page
}

/// `contrib/editor/vigie.d.rhai`: what editors that know rhai complete and explain; a test compares the file with this.
pub fn definitions() -> String {
    let mut page = String::from("// What a rule can read and call; made by `vigie schema --rhai`.\nmodule static;\n");
    for (on, table) in [("kpi", KPI_FIELDS), ("objective", OBJECTIVE_FIELDS)] {
        for field in table {
            let kind = match field.unit {
                FieldUnit::Text | FieldUnit::Status => "string",
                FieldUnit::Flag => "bool",
                FieldUnit::Date => "date",
                FieldUnit::Names => "array",
                FieldUnit::Kpi
                | FieldUnit::KpiPerWorkingDay
                | FieldUnit::Count
                | FieldUnit::Ratio
                | FieldUnit::Days
                | FieldUnit::WorkingDays => "float",
            };
            let _ = writeln!(
                page,
                "\n/// {} ({})\nfn get {}({on}: {on}) -> {kind};",
                field.doc,
                field.unit.as_str(),
                field.name
            );
        }
    }
    for (name, meaning) in WINDOWS {
        let _ = writeln!(page, "\n/// {meaning}\nfn {name}(kpi: kpi, n: int) -> float;");
    }
    for (call, meaning) in BURNS {
        let call = call.replace("(share", "(objective: objective, share: float").replace("slack", "slack: float");
        let _ = writeln!(page, "\n/// {meaning}\nfn {call} -> float;");
    }
    page.push_str("\n/// value of a dimension of this series, or `()`\nfn label(kpi: kpi, name: string) -> ?;\n");
    page.push_str("\n/// whether reading it gives a value now\nfn has(kpi: kpi, name: string) -> bool;\n");
    for (call, meaning) in FUNCTIONS {
        let (name, words) = call.trim_start_matches('.').trim_end_matches(')').split_once('(').unwrap_or((call, ""));
        // Examples of arguments stand for their kinds.
        let words =
            words.replace("[a, b]", "parts").replace("\"info\"", "level").replace("#{who: ..., by: ...}", "more");
        let kind = |word: &str| match word {
            "n" => "int",
            "parts" => "array",
            "more" => "map",
            "text" | "reason" | "name" | "level" => "string",
            _ => "float",
        };
        let own = call.starts_with('.').then(|| "verdict: verdict".to_owned());
        let words = words.split(", ").filter(|word| !word.is_empty()).map(|word| format!("{word}: {}", kind(word)));
        let words: Vec<String> = own.into_iter().chain(words).collect();
        let gives = match name {
            "has" => "bool",
            "workdays" | "days" => "date",
            _ => "verdict",
        };
        let _ = writeln!(page, "\n/// {meaning}\nfn {name}({}) -> {gives};", words.join(", "));
    }
    page
}

fn fields(page: &mut String, title: &str, on: &str, fields: &[Field]) {
    let _ = writeln!(page, "\n## {title}\n\n| property | unit | meaning |\n|---|---|---|");
    for field in fields {
        let _ = writeln!(page, "| `{on}.{}` | {} | {} |", field.name, field.unit.as_str(), field.doc);
    }
}

const HEAD: &str = "\
# Rules

A rule is a [rhai](https://rhai.rs) script with a sidecar of the same name: `objective/off_trajectory.rhai` and
`objective/off_trajectory.yaml`. `script: a/b` means `rules/a/b.rhai` beside the configuration, else the one that ships in
the binary. This page is generated from the tables that the program uses.

```rhai
// Warns when the stock is low; critical when it is out.
fn evaluate(kpi, p) {
    below(kpi.value, p.safety).recovers_above(p.recover).critical_below(1).say(\"low\")
}
```

- `fn evaluate(kpi, p)` runs once per series and slot. `fn evaluate(kpi, objective, p)` runs once per objective of the
  series, and not without one.
- A rule looks at the KPI's total. `each: channel` runs it for every channel and `where: {channel: web}` for one; what the
  KPI's other dimensions split is rolled up: flows and additive levels add, ratios pool. Levels that don't add up need all
  their dimensions named.
- Reading what can't be had (no data, late, suspect, incomplete, before the history, a share of what is zero now) ends the
  script as *no data*; a comparison never sees it. `has(\"name\")` asks first.
- A condition keeps both its sides: between its limit and its recovery limit nothing begins and nothing ends.
- A name that doesn't exist is an error with its position: `rules/a/b.rhai:12:9: unknown property 'drft' on objective; did
  you mean 'drift'?`
- Limits: 100 000 operations, 16 call levels, expressions 32 deep, texts of 4 096 bytes, arrays of 1 024, maps of 256,
  64 variables, 32 functions, 64 KiB of script; 256 conditions, eight levels deep, and 32 suggestions in a verdict. They
  count, so that a verdict never depends on the machine; what takes longer counts for more: a window for its buckets,
  `workdays(n)` for its days, a list or map for its items. There is no `eval`, `import`, `try`, `throw`, `this`, no clock,
  no randomness, no file, no network, and functions are called, never handed on.
- Days and dates are the KPI's: its zone, its working calendar. `workdays(n)` counts by the owner's calendar where that
  person has one.
- Events (`events:`, `vigie event`) are read by name: `if \"Soldes\" in kpi.events { return hold(\"sale\"); }`. The days of an
  event with `exclude: true` are no basis for comparison: a change against a span that shares a day with them ends the
  script as *no data*, and messages leave that comparison out; no earlier span is taken in its place, which would compare
  with something else than the text says. Days of the newer span, sums, means and other windows stay as they are. An event
  added by command is unknown to all that was decided before.
";

const TAIL: &str = "
## The sidecar

```yaml
parameters:
  safety: {default: 10, help: \"fires below this quantity\"}      # its default gives its type
  peer:   {type: kpi, help: \"another KPI, read as p.peer.value\"} # number, integer, bool, text, kpi
  month:  {default: any, one_of: [any, december], help: \"when\"}   # a text that may be one of these
require_one_of: [safety]                                         # at least one must be set
for: 2 buckets                                                   # default patience; the configuration's `for` wins
about: objective                                                 # or data: alerts go to ops, not to managers
texts:
  low:
    fr: \"{kpi.title} : il reste {kpi.value|unit}.\"
    en: \"{kpi.title}: {kpi.value|unit} left.\"
```

Placeholders are `{kpi.x}`, `{objective.x}`, `{p.x}`, `{label.x}`, `{condition.value}`, `{condition.limit}`, with
`|unit` (the KPI's unit), `|percent` (signed, of a ratio), `|signed` or `|days`. `{{` writes a brace.

## Tests

`vigie test` tries rules on made-up series, by the same evaluation as live: validation, alerts, groups and messages. Tests
stand beside the script, `low.test.yaml` beside `low.rhai`, and need no configuration:

```yaml
kpi: {title: Article 12, unit: articles}       # fields as in `kpis`; the rest has defaults: a level, by day
with: {safety: 10, recover: 15}                # the rule's parameters
tests:
- name: fires under the safety stock, and recovers well above it
  series: 12 9 14 15
  expect:
  - {at: 1, verdict: ok, alert: inactive, told: []}
  - {at: 2, verdict: warning, value: 9, alert: firing, told: [{to: you, reason: first, text: low}]}
  - {at: 3, verdict: ok, alert: firing}
  - {at: 4, alert: resolved, told: [{reason: resolved}]}
- name: is critical when nothing is left, whatever happens meanwhile
  rule: {for: 2 buckets}                       # fields as in `rules`
  series: 12 9 0 0 20
  happens:
  - {at: 2, restart: true}
  - {at: 3, outage: the till is down, until: \"2026-01-04 12:00\"}
  expect:
  - {at: \"2026-01-04 11:00\", verdict: warning, alert: pending}
  - {at: 4, verdict: critical, alert: firing, severity: critical}
```

- A file and each of its tests take `timezone` (UTC), `language` (en), `start` (2026-01-01, the first bucket), `kpi` or `kpis`,
  `objective` or `objectives`, `with`, `rule`, `people`, `receivers`, `route`, `calendar`, `events`: written as in the
  configuration, the test's over the file's. A file names another script with `script: a/b`.
- `series`: `5 7`, `5+2x3` (5 7 9 11), `5-1x2` (5 4 3), `5x2` (5 5 5), `_` (missing), `_x3`, `45/60` (halves of a ratio), a list,
  `{csv: file.csv}` (last column, under a heading), or `{season: {length: 60, base: 100, trend: 0.5, week: [1, 1, 1, 1, 1.2,
  0.6, 0], noise: 0.05, seed: 1}}`. Several series are named: `{revenue: 1x9, '{channel=\"web\"}': 2x9}`.
- `at` is a bucket, by number (1 is the first) or name (`2026-01-04`), a local time, or a time since the start (`3d`). Of a
  bucket, things happen just after its slot, and what is expected holds just before the next one.
- `happens`: `outage: TEXT` with `until`, `late: BUCKET` (its value is not known before `at`), `revise: BUCKET` with `value` (`_`
  takes it away), `ack: PERSON`, `snooze: 2d`, `silence: 2d`, `restart: true`; `series` names which one. As live, what was
  known before is asked for again only by `settle`, `recheck` and holes: a revision that nothing asks for is not seen.
- `expect`: `verdict` (ok, info, warning, critical, hold, no_data, failed), `reason`, `value`, `text`, `suggestions`; `alert`
  (inactive, pending, firing, resolved), `severity`, `frozen`, `acknowledged`, `snoozed`, of `aspect` breach, no_data or failed;
  `told`: all messages since the last `told`, each by `to`, `reason`, `subject`, `text`, `after`, `before`. Texts are looked
  for within; `series` and `objective` choose where the rule runs on several.

## Rules that ship

Of the rules about objectives one tells of one trouble:

- `objective/at_risk` where there are a few months of history, else `objective/off_trajectory`: not both on one KPI.
- `objective/burn` beside either tells of a sudden loss before it shows in the whole; while the target is likely it is silent.
- `objective/budget` in the place of these three on KPIs whose objectives are sums not to exceed; it passes over all others.
- `objective/missed` beside any of them has the last word: what is out of reach, or was not reached. Send it where decisions are
  made rather than to those who act from day to day.
- `objective/rebaseline` beside `at_risk` is for whoever may change the target, and `objective/reached_early` for whoever can use
  the effort elsewhere; both tell for information only.
";
