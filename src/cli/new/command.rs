//! `vigie new kpi`: asks, looks, proposes; writes nothing but the file that it is told to.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::json;
use serde_yaml::Value;

use super::args::{NewCommand, NewKpiArgs};
use super::figures::Figures;
use super::look::{Look, Looking, Sketch, read_query, resolve};
use super::proposal::{Field, record, yaml};
use super::propose::{Seen, propose};
use super::times::{Shape, grain_text, shape};
use crate::cli::configuration;
use crate::cli::output::{Out, counted};
use crate::cli::query::{in_order, remarks, shown, told, validated};
use crate::model::grain::Grain;
use crate::model::kpi::{Kpi, Query};
use crate::model::observation::{Observation, Pull, ReadingValue};
use crate::model::roll_ups::RollUps;
use crate::source::SourceConfig;
use crate::validate::Validated;

/// Values that are shown.
const VALUES_SHOWN: usize = 30;
/// Refused readings that are shown.
const REJECTIONS_SHOWN: usize = 10;

pub(in crate::cli) async fn new(
    out: &mut Out,
    paths: &[PathBuf],
    command: NewCommand,
    now: Timestamp,
) -> anyhow::Result<u8> {
    match command {
        NewCommand::Kpi(args) => kpi(out, paths, &args, now).await,
        NewCommand::Rule(args) => super::rule::rule(out, &args),
    }
}

async fn kpi(out: &mut Out, paths: &[PathBuf], args: &NewKpiArgs, now: Timestamp) -> anyhow::Result<u8> {
    if let Some(path) = args.output.as_deref().filter(|path| path.exists()) {
        return Err(exists(path));
    }
    let Drawn { look, found, proposed } = draw(paths, args, now).await?;
    let Some(proposed) = proposed else { return nothing(out, &look, &found) };
    if out.is_json() {
        records(out, &look, found, &proposed)?;
    } else {
        texts(out, &look, found, &proposed)?;
    }
    end(out, paths, args, &proposed.text)?;
    Ok(0)
}

/// What came of asking.
pub(super) struct Drawn {
    pub(super) look: Look,
    /// What would be stored.
    pub(super) found: Validated,
    /// None: there is no value to rest anything on.
    pub(super) proposed: Option<Proposed>,
}

pub(super) struct Proposed {
    /// As the configuration reads the text.
    pub(super) kpi: Arc<Kpi>,
    pub(super) fields: Vec<Field>,
    pub(super) text: String,
}

/// Asks the source, once or twice, and draws the proposal up.
pub(super) async fn draw(paths: &[PathBuf], args: &NewKpiArgs, now: Timestamp) -> anyhow::Result<Drawn> {
    let (config, loaded) = configuration::read_kpis(paths)?;
    let known = config.catalog.kpis.contains_key(args.id.as_str());
    if let Some(at) = loaded.locate(&["kpis", &args.id]).filter(|_| known) {
        bail!(
            "KPI '{0}' stands in the configuration already, at {1}:{2}; choose another id, or see its values with \
             `vigie query {0}`",
            args.id,
            at.file,
            at.line
        );
    }
    let mut sketch = Sketch::new(args, read_query(args, &config)?)?;
    sketch.find_kind(paths)?;
    let source = config.sources.get(args.source.as_str()).map(|(source, _)| source);
    let mut looking = Looking { paths, args, now, narrowed: None, notes: Vec::new() };
    let first = looking.look(&mut sketch).await?;
    let shape = shape_of(source, &first);
    let look = if settle(&mut sketch, &shape, &first) {
        looking.look(&mut sketch).await?
    } else {
        Look { kpi: sketch.resolve(paths)?.1, ..first }
    };
    let of = |kpi: &Kpi| validated(kpi, look.pull.clone(), look.span, &RollUps::default(), now);
    let seen = of(&look.kpi);
    if seen.observations.is_empty() {
        return Ok(Drawn { look, found: seen, proposed: None });
    }
    let mut figures = Figures::new(&look.kpi, &seen.observations, look.span);
    figures.is_complete = look.pull.complete;
    figures.shared = shared(&look.kpi, &look.pull);
    let days = args.days.map(i64::from);
    let mut fields = propose(&Seen { sketch: &sketch, shape: &shape, figures: &figures, days });
    let resolved = |fields: &[Field]| {
        let text = yaml(&args.id, fields)?;
        let (_, kpi) = resolve(paths, &args.id, &text).context("the proposal does not hold; report this")?;
        anyhow::Ok((text, kpi))
    };
    // Limits are of what would be stored, zeros for absent buckets included.
    let (_, unlimited) = resolved(&fields)?;
    fields.extend(Figures::new(&unlimited, &of(&unlimited).observations, look.span).limits());
    fields.push(Field::none("owner", "who answers for it, an id of `people`"));
    let (text, kpi) = resolved(&fields)?;
    let mut found = of(&kpi);
    found.warnings.splice(0..0, looking.notes);
    Ok(Drawn { look, found, proposed: Some(Proposed { kpi, fields, text }) })
}

fn exists(path: &Path) -> anyhow::Error {
    anyhow::anyhow!("file '{}' exists already and is not overwritten; name another with --output", path.display())
}

/// What the times tell, where the source says its own.
fn shape_of(source: Option<&SourceConfig>, look: &Look) -> Shape {
    let times: Vec<_> = look.pull.readings.iter().map(|reading| reading.time).collect();
    let untold = match (&look.kpi.query, source) {
        (_, Some(SourceConfig::Prometheus(_))) => {
            Some((Grain::Day, "Prometheus is evaluated at the end of each bucket"))
        }
        (Query::Ledger(_), _) => {
            Some((Grain::Month, "an export is summed by whatever is asked, and complete by the month"))
        }
        (Query::Http(query), _) if query.time.is_none() => Some((Grain::Day, "the query names no time")),
        (Query::Http(query), _) if query.aggregate.is_some() => {
            Some((Grain::Day, "the query makes one value of a bucket's rows"))
        }
        _ => None,
    };
    match untold {
        Some((grain, why)) => {
            let zone_reason = "the configuration's".to_owned();
            Shape { grain: (grain, format!("a guess: {why}")), zone: None, zone_reason }
        }
        None => shape(&times, &look.kpi.zone),
    }
}

/// Takes over what the first look told. True when the source must be asked once more for it.
fn settle(sketch: &mut Sketch, shape: &Shape, look: &Look) -> bool {
    let has_parts = look.pull.readings.iter().any(|reading| matches!(reading.value, ReadingValue::Parts(_)));
    if has_parts && sketch.given("kind").is_none() && sketch.kind.as_str() != Some("ratio") {
        sketch.kind = Value::from("ratio");
        sketch.kind_reason = Some("the answer has numerator and denominator".to_owned());
    }
    let grain = if sketch.given("grain").is_some() { look.kpi.grain } else { shape.grain.0 };
    sketch.grain = if sketch.given("grain").is_some() { sketch.grain.clone() } else { grain_text(grain) };
    if sketch.given("timezone").is_none() && grain.is_civil() {
        sketch.timezone.clone_from(&shape.zone);
    }
    let is_other_zone = sketch.given("timezone").is_none() && sketch.timezone.is_some();
    grain != look.kpi.grain || is_other_zone
}

/// Buckets of one series that more than one reading says something of.
fn shared(kpi: &Kpi, pull: &Pull) -> usize {
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for reading in &pull.readings {
        *counts.entry((reading.time.bucket(kpi.grain, &kpi.zone), &reading.labels)).or_default() += 1;
    }
    counts.values().filter(|count| **count > 1).count()
}

/// Without a single value there is nothing to propose; why there is none is told.
fn nothing(out: &mut Out, look: &Look, found: &Validated) -> anyhow::Result<u8> {
    if out.is_json() {
        told(out, &look.kpi, &[], found)?;
    } else if !found.rejections.is_empty() || !found.warnings.is_empty() {
        shown(out, &look.kpi, &[], found)?;
    }
    out.finish()?;
    let notes = remarks(found, look.pull.complete).join(", ");
    bail!(
        "KPI '{}': the query gives no value from {} to {} ({notes}); look further back with --from, or mend the query",
        look.kpi.id,
        look.kpi.bucket_name(look.span.0),
        look.kpi.bucket_name(look.span.1),
    )
}

/// As many of the newest buckets as are shown, at least one.
fn newest(found: &Validated) -> Vec<&Observation> {
    let rows = in_order(found);
    let mut from = rows.len();
    while let Some(bucket) = from.checked_sub(1).map(|at| rows[at].bucket) {
        let start = rows.partition_point(|row| row.bucket < bucket);
        if from < rows.len() && rows.len() - start > VALUES_SHOWN {
            break;
        }
        from = start;
    }
    rows[from..].to_vec()
}

/// Leaves the first of many refused readings.
fn cut(found: &mut Validated) {
    let more = found.rejections.len().saturating_sub(REJECTIONS_SHOWN);
    if more > 0 {
        found.rejections.truncate(REJECTIONS_SHOWN);
        found.warnings.push(format!("{more} further readings were refused"));
    }
}

fn texts(out: &mut Out, look: &Look, mut found: Validated, proposed: &Proposed) -> anyhow::Result<()> {
    let kpi = &proposed.kpi;
    let notes = remarks(&found, look.pull.complete);
    cut(&mut found);
    let rows = newest(&found);
    shown(out, kpi, &rows, &found)?;
    let (from, to) = (kpi.bucket_name(look.span.0), kpi.bucket_name(look.span.1));
    let all = counted(found.observations.len(), "value");
    let notes: Vec<String> =
        std::iter::once(format!("{all} from {from} to {to}, the newest {} shown", rows.len())).chain(notes).collect();
    out.line(&format!("{}; nothing was stored", notes.join(", ")))?;
    out.line("")?;
    out.text(&proposed.text)?;
    out.line("")?;
    Ok(())
}

fn records(out: &mut Out, look: &Look, mut found: Validated, proposed: &Proposed) -> anyhow::Result<()> {
    let Proposed { kpi, fields, text } = proposed;
    let rejections = found.rejections.len();
    cut(&mut found);
    let rows = newest(&found);
    told(out, kpi, &rows, &found)?;
    out.record(
        &json!({"type": "summary", "kpi": kpi.id, "observations": found.observations.len(), "shown": rows.len(),
                       "rejections": rejections, "outside": found.outside, "running": found.running,
                       "complete": look.pull.complete}),
    )?;
    Ok(out.record(&record(kpi.id.as_str(), fields, text)?)?)
}

/// Writes the file, if one was named, and says what comes next.
fn end(out: &mut Out, paths: &[PathBuf], args: &NewKpiArgs, text: &str) -> anyhow::Result<()> {
    let next = match &args.output {
        None => {
            "next: correct the guesses and put it into the configuration (--output FILE writes it), then `vigie check`"
                .to_owned()
        }
        Some(path) => {
            write(path, text)?;
            let shown = path.display();
            if out.is_json() {
                return Ok(out.record(&json!({"type": "written", "path": shown.to_string()}))?);
            }
            let after =
                if is_live(paths, path) { "" } else { "name it with one more --config, or move it there, then " };
            format!("written to {shown}; next: correct the guesses, {after}`vigie check`")
        }
    };
    if !out.is_json() {
        out.line(&next)?;
    }
    Ok(())
}

/// Writes a new file; one that is there stays as it is.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(path)),
        Err(error) => {
            let message = format!("file '{}' can't be written; check the folder's path and rights", path.display());
            return Err(error).context(message);
        }
    };
    file.write_all(text.as_bytes()).with_context(|| format!("file '{}' can't be written", path.display()))
}

/// True when the configuration reads the file already.
fn is_live(paths: &[PathBuf], path: &Path) -> bool {
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let same = |other: &PathBuf| other.is_dir() && other.canonicalize().ok() == folder.canonicalize().ok();
    yaml && paths.iter().any(same)
}
