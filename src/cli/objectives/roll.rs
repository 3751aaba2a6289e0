//! `vigie objectives roll`: the objectives of the next year, written as their author wrote this year's.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::json;

use super::args::RollArgs;
use super::edit::{Edit, Figure, Spot, block, edited, is_within, parts};
use super::known::named;
use crate::cli::configuration;
use crate::cli::output::Out;
use crate::config::{Config, Draft, Environment, LoadOptions, Loaded, Problem, load_beside, render};
use crate::model::objective::{Objective, Trajectory};
use crate::model::period::{Period, PeriodSpec};
use crate::model::target::Baseline;

/// The targets of one figure.
const FIGURES: [&str; 4] = ["reach", "reduce_to", "at_least", "at_most"];

pub(super) fn roll(out: &mut Out, paths: &[PathBuf], args: &RollArgs) -> anyhow::Result<u8> {
    let (config, loaded) = configuration::read_whole(paths)?;
    let objectives = named(&config, &args.id)?;
    let years = objectives.iter().filter_map(|objective| Some(fixed(objective)?.1.year()));
    // Asked for by name, each goes on from its own year; else those of older years have had their turn.
    let newest = if args.id.is_empty() { years.max() } else { None };
    let mut rolled = Vec::new();
    let mut remarks = Vec::new();
    // Parts go with their whole.
    for objective in objectives.iter().filter(|objective| objective.id.whole().is_none()) {
        let Some((_, to)) = fixed(objective) else {
            let every = match objective.period {
                PeriodSpec::FiscalYear { .. } => "fiscal year".to_owned(),
                spec => spec.to_string(),
            };
            remarks.push(format!("{}: recurs every {every}; nothing to do", objective.id));
            continue;
        };
        let year = args.to.unwrap_or(to.year().saturating_add(1));
        if year <= to.year() {
            remarks.push(format!("{}: lies in {year} or later already", objective.id));
            continue;
        }
        if args.to.is_none() && newest.is_some_and(|newest| to.year() < newest) {
            remarks.push(format!("{}: ends in {}; name it to roll it", objective.id, to.year()));
            continue;
        }
        let job = Job { config: &config, loaded: &loaded, objective, years: year - to.year(), by: args.by };
        // One that can't be rolled is no reason against the others.
        let right = |entry: Rolled| match refuse_wrong(paths, &written(std::slice::from_ref(&entry), &[])) {
            Ok(()) => Ok(entry),
            Err(why) => Err(why.to_string()),
        };
        match job.rolled().and_then(right) {
            Ok(entry) => rolled.push(entry),
            Err(why) => remarks.push(format!("{}: not rolled: {why}", objective.id)),
        }
    }
    if rolled.is_empty() {
        for remark in &remarks {
            writeln!(std::io::stderr(), "{remark}")?;
        }
        bail!("no objective to roll; periods that recur need nothing");
    }
    let text = written(&rolled, &remarks);
    refuse_wrong(paths, &text)?;
    if let Some(path) = &args.write {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let mut file =
            file.with_context(|| format!("can't write {}; name a file that is not there yet", path.display()))?;
        file.write_all(text.as_bytes()).with_context(|| format!("can't write {}", path.display()))?;
    }
    if out.is_json() {
        for entry in &rolled {
            out.record(
                &json!({"objective": entry.from, "becomes": entry.id, "yaml": entry.text, "notes": entry.notes}),
            )?;
        }
    } else if let Some(path) = &args.write {
        out.line(&format!("wrote {} to {}", crate::cli::output::counted(rolled.len(), "objective"), path.display()))?;
    } else {
        out.raw(text.as_bytes())?;
    }
    Ok(0)
}

/// First and last day of a period that does not recur.
fn fixed(objective: &Objective) -> Option<(Date, Date)> {
    match objective.period {
        PeriodSpec::Between { from, to } => Some((from, to)),
        _ => None,
    }
}

/// One entry of the next year.
struct Rolled {
    from: String,
    id: String,
    /// As it stands below `objectives:`.
    text: String,
    /// What is to be looked at.
    notes: Vec<String>,
}

fn written(rolled: &[Rolled], remarks: &[String]) -> String {
    let mut text = "# Written by `vigie objectives roll`: to be read, then put beside the configuration.\n".to_owned();
    for line in remarks.iter().flat_map(|remark| remark.lines()) {
        let _ = writeln!(text, "# {line}");
    }
    text.push_str("objectives:\n");
    for entry in rolled {
        for note in &entry.notes {
            let _ = writeln!(text, "  # {note}");
        }
        text.push_str(&entry.text);
    }
    text
}

/// What is written is right beside what is there, or is not written.
fn refuse_wrong(paths: &[PathBuf], text: &str) -> anyhow::Result<()> {
    let options = LoadOptions { paths: paths.to_vec(), env: Environment::Unneeded };
    let loaded = load_beside(&options, Draft { name: "the objectives that were rolled", text });
    let wrong: Vec<Problem> = loaded.problems.iter().filter(|problem| problem.is_error()).cloned().collect();
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("what would be written is not right, so it is not:\n{}", render(&wrong, &loaded.sources, false))
}

struct Job<'a> {
    config: &'a Config,
    loaded: &'a Loaded,
    objective: &'a Objective,
    years: i16,
    by: Option<f64>,
}

impl Job<'_> {
    fn rolled(&self) -> Result<Rolled, String> {
        let id = self.objective.id.as_str();
        let key = Spot::key(self.loaded, &["objectives", id]).ok_or("its entry was not found")?;
        if !key.begins_line(self.loaded) {
            return Err("it shares a line with others; give its entry a line of its own".to_owned());
        }
        let lines = block(self.loaded, &key).ok_or("its file was not read")?;
        let (new, mut notes) = (self.new_id()?, Vec::new());
        let mut edits = vec![key.clone().becomes(&new)];
        self.period(&mut edits)?;
        self.dates(&mut edits)?;
        self.figures(&mut edits, &mut notes)?;
        self.statement(&mut edits, &mut notes);
        notes.extend(self.objective.baseline.map(|baseline| match baseline {
            Baseline::Figure(_) => "its baseline is the figure that it was; write that of the new period".to_owned(),
            Baseline::Over(Period { first, last }) => {
                format!("its baseline is still what {first} to {last} came to; name the period that it is to be")
            }
            Baseline::PeriodBefore | Baseline::YearBefore => {
                "its baseline moves along: it is what the period rolled from comes to".to_owned()
            }
        }));
        let dropped = match Spot::key(self.loaded, &["objectives", id, "was"]) {
            Some(was) if was.begins_line(self.loaded) => Some(was.line),
            Some(_) => return Err("its `was` shares a line with other fields; give it a line of its own".to_owned()),
            None => None,
        };
        if let Some(stray) = edits.iter().find(|edit| !is_within(self.loaded, &key, &edit.spot)) {
            return Err(format!("`{}` stands elsewhere, by an alias; write it out in its entry", stray.spot.raw));
        }
        let mut by_line: HashMap<usize, Vec<&Edit>> = HashMap::new();
        for edit in &edits {
            by_line.entry(edit.spot.line).or_default().push(edit);
        }
        let mut text = String::new();
        for (number, line) in (key.line..).zip(&lines).filter(|(number, _)| Some(*number) != dropped) {
            let line = edited(line, by_line.get(&number).into_iter().flatten().copied());
            let body = line.get(key.indent()..).unwrap_or_else(|| line.trim_start());
            let _ = writeln!(text, "{}", format!("  {body}").trim_end());
        }
        Ok(Rolled { from: id.to_owned(), id: new, text, notes })
    }

    /// With the year in it moved, else with the year behind it.
    fn new_id(&self) -> Result<String, String> {
        let id = self.objective.id.as_str();
        let (_, to) = fixed(self.objective).ok_or("its period recurs")?;
        let moved = self.moved_years(id);
        let new = if moved == id { format!("{id}-{}", to.year() + self.years) } else { moved };
        if self.config.catalog.objectives.contains_key(new.as_str()) {
            return Err(format!("there is `{new}` already"));
        }
        Ok(new)
    }

    /// Years of the period that stand alone, moved.
    fn moved_years(&self, text: &str) -> String {
        let Some((from, to)) = fixed(self.objective) else { return text.to_owned() };
        let is_year = |digits: &str| digits.parse().is_ok_and(|year: i16| (from.year()..=to.year()).contains(&year));
        let mut moved = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, from_digits) = rest.split_at(start);
            let end = from_digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(from_digits.len());
            let (digits, after) = from_digits.split_at(end);
            moved.push_str(before);
            match digits.parse::<i16>().ok().filter(|_| digits.len() == 4 && is_year(digits)) {
                Some(year) => moved.push_str(&(year + self.years).to_string()),
                None => moved.push_str(digits),
            }
            rest = after;
        }
        moved + rest
    }

    fn spot(&self, path: &[&str]) -> Option<Spot> {
        Spot::value(self.loaded, &[&["objectives", self.objective.id.as_str()], path].concat())
    }

    fn period(&self, edits: &mut Vec<Edit>) -> Result<(), String> {
        if let Some(name) = self.spot(&["period"]) {
            let moved = self.moved_years(name.plain());
            if moved == name.plain() {
                return Err(format!("its period `{}` does not name its year", name.plain()));
            }
            edits.push(name.becomes(&moved));
            return Ok(());
        }
        for end in ["from", "to"] {
            let day = self.spot(&["period", end]).ok_or("its period is written in a form that can't be moved")?;
            edits.push(self.day(day)?);
        }
        Ok(())
    }

    /// A day so many years later; the last of February stays the last.
    fn day(&self, spot: Spot) -> Result<Edit, String> {
        let moved = self.later(spot.plain())?;
        Ok(spot.becomes(&moved))
    }

    fn later(&self, day: &str) -> Result<String, String> {
        let day: Date = day.parse().map_err(|_| format!("`{day}` is no day that can be moved"))?;
        let later = day.saturating_add(i64::from(self.years).years());
        Ok(if day == day.last_of_month() { later.last_of_month() } else { later }.to_string())
    }

    /// Of actions and milestones.
    fn dates(&self, edits: &mut Vec<Edit>) -> Result<(), String> {
        let id = self.objective.id.as_str();
        let actions = self.objective.actions.iter().enumerate().filter(|(_, action)| action.by.is_some());
        for (position, _) in actions {
            let day =
                self.spot(&["actions", &position.to_string(), "by"]).ok_or("the day of an action was not found")?;
            edits.push(self.day(day)?);
        }
        if let Some(day) = self.spot(&["done_by"]) {
            edits.push(self.day(day)?);
        }
        if self.objective.set_for().is_some() {
            return Err("its targets stand by period; write those of the next year".to_owned());
        }
        if let Trajectory::Milestones(milestones) = &self.objective.trajectory {
            for milestone in milestones {
                let day = milestone.by.to_string();
                let key = Spot::key(self.loaded, &["objectives", id, "trajectory", "milestones", &day]);
                edits.push(self.day(key.ok_or("a milestone was not found")?)?);
                if self.by.is_some() {
                    edits.push(self.raised(&["trajectory", "milestones", &day])?);
                }
            }
        }
        Ok(())
    }

    fn figures(&self, edits: &mut Vec<Edit>, notes: &mut Vec<String>) -> Result<(), String> {
        if self.by.is_none() {
            return Ok(());
        }
        let before = edits.len();
        for name in FIGURES {
            if let Some(spot) = self.spot(&[name]) {
                let raised = self.raised(&[name])?;
                if let Some(old) = Figure::read(spot.plain()) {
                    let parts = parts(self.config, self.loaded, self.objective, (old, raised.plain()))?;
                    edits.extend(parts);
                }
                edits.push(raised);
            }
        }
        for end in ["0", "1"] {
            if self.spot(&["between", end]).is_some() {
                edits.push(self.raised(&["between", end])?);
            }
        }
        if edits.len() == before {
            notes.push("its target is no plain figure: --by left it as it was".to_owned());
        }
        Ok(())
    }

    fn raised(&self, path: &[&str]) -> Result<Edit, String> {
        let spot = self.spot(path).ok_or_else(|| format!("`{}` is no plain figure", path.join(".")))?;
        let figure = Figure::read(spot.plain())
            .ok_or_else(|| format!("--by can't raise `{}`, which is no plain figure; leave --by out", spot.plain()))?;
        let raised = figure.with(figure.number * (1.0 + self.by.unwrap_or(0.0)));
        Ok(spot.becomes(&raised))
    }

    fn statement(&self, edits: &mut Vec<Edit>, notes: &mut Vec<String>) {
        let Some(statement) = self.spot(&["statement"]) else {
            notes.push("its statement is as it was; read it again".to_owned());
            return;
        };
        let moved = self.moved_years(statement.plain());
        if moved != statement.plain() {
            edits.push(statement.clone().becomes(&moved));
        }
        if self.by.is_some() && moved.chars().filter(char::is_ascii_digit).count() > 4 {
            notes.push("its statement may still name the old figure; read it again".to_owned());
        }
    }
}
