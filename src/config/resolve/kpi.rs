//! KPIs: defaults by grain and kind, and the query's form.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::context::Context;
use super::formula;
use super::query::query;
use crate::config::parts::{QueryForm, query_form};
use crate::config::raw::{RawEmpty, RawKind, RawKpi, RawOverTime, RawVanished};
use crate::model::grain::Grain;
use crate::model::ids::{KpiId, SourceId};
use crate::model::kpi::{Empty, Kpi, Lateness, Quality, Query, Reconcile};
use crate::model::schedule::Schedule;
use crate::model::series::BUCKETS_MAX;
use crate::model::unit::{Direction, Kind, LevelOverTime, Unit};

const HISTORY_DAYS: i64 = 400;
const HISTORY_BUCKETS: i32 = 400;
const HISTORY_WINDOWS: i32 = 62;
pub(super) const KEPT_DAYS: i64 = 3650;
const KEPT_DAYS_OF_HOURS: i64 = 1100;
const KEPT_DAYS_BELOW: i64 = 400;
const COMPLETE: f64 = 0.8;

/// The KPI with its defaults; none when something that all else hangs on is wrong. Those that a formula reads are
/// resolved before.
pub(super) fn resolve(
    context: &mut Context<'_>,
    id: &str,
    raw: &RawKpi,
    known: &HashMap<&str, Arc<Kpi>>,
) -> Option<Kpi> {
    let at = |field: &'static str| ["kpis", id, field];
    let formula = match &raw.formula {
        Some(text) => Some(formula::resolve(context, id, raw, text, known)?),
        None => None,
    };
    let default_grain = formula.as_ref().map_or(Grain::Day, |formula| formula.grain);
    let kind = formula.as_ref().map_or_else(|| kind_of(raw.kind), |formula| formula.kind);
    let grain = raw.grain.as_ref().map_or(default_grain, |grain| grain.0);
    let unit = raw.unit.as_ref().map_or(Unit::None, |unit| unit.0.clone());
    let zone = match &raw.timezone {
        Some(name) => zone(context, &at("timezone"), name)?,
        None => context.zone.clone(),
    };
    dimensions(context, id, raw);
    let all = context.all;
    let (source_known, query) = match &formula {
        Some(formula) => (true, Some(Query::Formula(formula.formula.clone()))),
        None if raw.source.is_empty() => {
            let help = "name it: `source: shop`, or compute the KPI from others: `formula: a / b`";
            context.report.error(&["kpis", id], "missing field `source`: where its numbers come from", help);
            return None;
        }
        None => {
            let source_known = context.report.reference(&at("source"), "source", &raw.source, &all.sources);
            let form = all.sources.get(&raw.source).and_then(|item| item.value.as_ref()).map(query_form);
            if form == Some(QueryForm::Nothing) && raw.settle.is_some() {
                let message = "`settle` pulls figures again, and these are entered by hand";
                let help = "remove it; a figure that is entered again corrects the first";
                context.report.error(&at("settle"), message, help);
            }
            (source_known, query(context, id, raw, kind, form))
        }
    };
    let schedule = schedule(context, id, raw.schedule.as_deref(), grain);
    let history = history(context, id, raw, (grain, kind));
    let keep = keep(context, id, raw, grain, history);
    let quality = quality(context, id, raw, &unit);
    let empty = raw.empty.map_or(Empty::Missing, |empty| match empty {
        RawEmpty::Zero => Empty::Zero,
        RawEmpty::Missing => Empty::Missing,
    });
    if empty == Empty::Zero && kind == Kind::Ratio {
        context.report.error(&at("empty"), "a ratio without cases is not zero", "write `missing`, or leave it out");
    }
    // Its halves give a share: 0.82 would be read as 0.82 %.
    let is_scaled = formula.as_ref().is_some_and(|computed| computed.formula.holds(100.0));
    if kind == Kind::Ratio && unit == Unit::Percent && !is_scaled {
        let message = "a ratio is a share of 1, and `%` means parts of 100";
        context.report.error(&at("unit"), message, "write `ratio`: 0.82 is then shown as 82 %");
    }
    if raw.title.trim().is_empty() {
        context.report.error(&at("title"), "the title is empty", "write the KPI's name as people say it");
    }
    let calendar = context.calendar(&at("calendar"), raw.calendar.as_deref());
    let owner = context.person(&at("owner"), raw.owner.as_deref());
    source_known.then_some(())?;
    Some(Kpi {
        id: KpiId::from(id),
        title: raw.title.clone(),
        category: raw.category,
        unit,
        better: raw.better.unwrap_or(Direction::Higher),
        kind,
        grain,
        zone,
        calendar: calendar.unwrap_or_else(|| context.calendars.default.clone()),
        source: if formula.is_some() { SourceId::from(formula::SOURCE) } else { SourceId::from(raw.source.as_str()) },
        query: query?,
        since: None,
        dimensions: raw.dimensions.clone(),
        schedule: schedule?,
        expected: raw.expected.as_ref().map_or(Lateness::Elapsed(grain.nominal()), |expected| expected.0),
        settle: raw
            .settle
            .as_ref()
            .map_or(formula.as_ref().map_or(SignedDuration::ZERO, |formula| formula.settle), |settle| settle.0),
        history,
        keep,
        recheck: raw.recheck.as_ref().map(|recheck| recheck.0),
        empty,
        complete: raw.complete.as_ref().map_or(COMPLETE, |share| share.0.0),
        quality,
        reconcile: raw
            .reconcile
            .as_ref()
            .map(|reconcile| Reconcile { with: KpiId::from(reconcile.with.as_str()), within: reconcile.within.0.0 }),
        owner,
    })
}

/// A KPI without settings is a flow.
pub(super) fn kind_of(raw: Option<RawKind>) -> Kind {
    match raw {
        None | Some(RawKind::Flow) => Kind::Flow,
        Some(RawKind::Ratio) => Kind::Ratio,
        Some(RawKind::Window) => Kind::Window,
        Some(RawKind::Level(level)) => Kind::Level {
            over_time: match level.over_time {
                None | Some(RawOverTime::Last) => LevelOverTime::Last,
                Some(RawOverTime::Mean) => LevelOverTime::Mean,
            },
            additive: level.additive,
        },
    }
}

/// A zone by its name.
pub(super) fn zone(context: &mut Context<'_>, path: &[&str], name: &str) -> Option<TimeZone> {
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        context.report.error(
            path,
            format!("no time zone is called `{name}`"),
            "write a name such as `Europe/Paris` or `UTC`",
        );
    }
    zone
}

fn dimensions(context: &mut Context<'_>, id: &str, raw: &RawKpi) {
    const DIMENSIONS_MAX: usize = 8;
    for (position, name) in raw.dimensions.iter().enumerate() {
        let path = ["kpis", id, "dimensions", &position.to_string()];
        if raw.dimensions[..position].contains(name) {
            context.report.error(&path, format!("the dimension `{name}` stands twice"), "remove one of them");
        }
        if name.is_empty() || matches!(name.as_str(), "bucket" | "value" | "numerator" | "denominator" | "n") {
            let help = "name the label's column; `bucket`, `value`, `numerator`, `denominator` and `n` have a meaning of their own";
            context.report.error(&path, format!("`{name}` can't be a dimension"), help);
        }
    }
    if raw.dimensions.len() > DIMENSIONS_MAX {
        let message = format!("more than {DIMENSIONS_MAX} dimensions");
        context.report.error(&["kpis", id, "dimensions"], message, "split by fewer labels, or define several KPIs");
    }
}

fn schedule(context: &mut Context<'_>, id: &str, text: Option<&str>, grain: Grain) -> Option<Schedule> {
    let default = default_schedule(grain);
    match Schedule::parse(text.unwrap_or(&default)) {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            let help = "write `hourly`, `daily 06:15`, `workdays 06:15`, `every 5m`, or a cron expression with seconds";
            context.report.error(&["kpis", id, "schedule"], error, help);
            None
        }
    }
}

/// Days, weeks and months are pulled each morning, shorter grains once per bucket.
pub(super) fn default_schedule(grain: Grain) -> String {
    match grain {
        Grain::Day | Grain::Week | Grain::Month => "daily 06:15".to_owned(),
        Grain::Seconds(3600) => "hourly".to_owned(),
        Grain::Seconds(width) if width % 3600 == 0 => format!("every {}h", width / 3600),
        Grain::Seconds(width) if width % 60 == 0 => format!("every {}m", width / 60),
        Grain::Seconds(width) => format!("every {width}s"),
    }
}

fn history(context: &mut Context<'_>, id: &str, raw: &RawKpi, (grain, kind): (Grain, Kind)) -> SignedDuration {
    let longest = match grain {
        Grain::Day | Grain::Week | Grain::Month => SignedDuration::from_hours(24 * HISTORY_DAYS),
        Grain::Seconds(_) => grain.nominal() * HISTORY_BUCKETS,
    };
    // Each bucket of a window is a request of its own.
    let default = if kind == Kind::Window { longest.min(grain.nominal() * HISTORY_WINDOWS) } else { longest };
    let history = raw.history.as_ref().map_or(default, |history| history.0);
    let buckets = history.as_secs() / grain.nominal().as_secs().max(1);
    if buckets > BUCKETS_MAX as i64 {
        let message = format!("the history would hold {buckets} buckets, more than {BUCKETS_MAX}");
        context.report.error(&["kpis", id, "history"], message, "shorten it, or choose a wider grain");
    }
    history
}

fn keep(context: &mut Context<'_>, id: &str, raw: &RawKpi, grain: Grain, history: SignedDuration) -> SignedDuration {
    let days = match grain {
        Grain::Day | Grain::Week | Grain::Month => KEPT_DAYS,
        Grain::Seconds(width) if width >= 3600 => KEPT_DAYS_OF_HOURS,
        Grain::Seconds(_) => KEPT_DAYS_BELOW,
    };
    let Some(keep) = &raw.keep else { return SignedDuration::from_hours(24 * days).max(history) };
    if keep.0 < history {
        let message = "`keep` is shorter than `history`: what the first start pulls would go at once";
        context.report.error(&["kpis", id, "keep"], message, "lengthen it, or shorten `history`");
    }
    keep.0
}

fn quality(context: &mut Context<'_>, id: &str, raw: &RawKpi, unit: &Unit) -> Quality {
    let Some(quality) = &raw.quality else { return Quality::default() };
    let min = quality.min.as_ref().map(|min| context.amount(&["kpis", id, "quality", "min"], min.0, unit));
    let max = quality.max.as_ref().map(|max| context.amount(&["kpis", id, "quality", "max"], max.0, unit));
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        context.report.error(&["kpis", id, "quality"], "`min` is above `max`: no value would pass", "swap them");
    }
    let max_jump = quality.max_jump.as_ref().map(|jump| jump.0.0);
    Quality { min, max, max_jump, ignores_vanished: quality.vanished == Some(RawVanished::Ignore) }
}
