//! Figures that people enter: read and validated by their KPI's definition before the engine takes them in.

use jiff::Timestamp;

use crate::engine::{Entered, PullReport, Setup, State};
use crate::model::action::Record;
use crate::model::entry::Entry;
use crate::model::grain::BucketIndex;
use crate::model::ids::Labels;
use crate::model::kpi::{Kpi, LATE_BUCKETS, Query};
use crate::model::observation::{Parts, Pull, Reading, ReadingTime, ReadingValue};
use crate::model::series::Point;
use crate::source::read_value;
use crate::validate::{Context, KnownAt, Span, validate};

/// Longest note, in characters.
const NOTE_CHARS_MAX: usize = 1_000;

/// Makes of what was typed what the engine takes in, or says what is wrong with it.
pub(super) fn read(
    state: &State,
    setup: &Setup,
    (record, by): (Record, String),
    now: Timestamp,
) -> Result<Entered, String> {
    let Record { kpi, period, value, labels, note } = record;
    let Some(kpi) = setup.catalog.kpi(&kpi) else {
        let entered = setup.catalog.kpis.values().filter(|kpi| kpi.query == Query::Entered);
        let known: Vec<&str> = entered.map(|kpi| kpi.id.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(format!("no KPI '{kpi}' in the configuration of the daemon; figures are entered for: {known}"));
    };
    if kpi.query != Query::Entered {
        let source = &kpi.source;
        return Err(format!(
            "KPI '{}' is pulled from the source '{source}', it can't be entered; correct it there",
            kpi.id
        ));
    }
    // What a replay still brings would be judged before what is entered now.
    let is_ready = state.clocks.get(&kpi.id).is_some_and(|clock| !setup.asks_anew(kpi, clock));
    if !is_ready || state.catching_up.contains(&kpi.id) {
        return Err(format!("KPI '{}' is still being taken up; try again in a moment", kpi.id));
    }
    if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_CHARS_MAX) {
        return Err(format!("the note has more than {NOTE_CHARS_MAX} characters; shorten it"));
    }
    let labels = named_labels(kpi, &labels)?;
    let bucket = bucket(kpi, &period, now)?;
    let value = read_value(kpi, &value)?;
    let period = kpi.bucket_name(bucket);
    let reading = |labels: Labels, value| {
        let time = ReadingTime::Instant(kpi.grain.start_of(bucket, &kpi.zone));
        Reading { time, labels, value, origin: format!("entered by {by}") }
    };
    let mut readings = vec![reading(labels.clone(), value)];
    readings.extend(others(state, kpi, &labels, bucket).into_iter().map(|(labels, value)| reading(labels, value)));
    let roll_ups = setup.roll_ups(&kpi.id);
    let context = Context {
        kpi,
        span: Span { from: bucket, to: bucket },
        known_at: KnownAt::Own(now),
        now,
        roll_ups: &roll_ups,
        known: &[],
        zero_from: None,
        held_from: None,
    };
    let found = validate(&context, Pull { readings, ..Pull::default() });
    if let Some(refused) = found.rejections.first() {
        return Err(format!("{} is not taken: {}", refused.origin, refused.cause));
    }
    let Some(own) = found.observations.iter().find(|observation| observation.series.labels == labels) else {
        return Err(format!("{period} of KPI '{}' is not taken: it gives no value", kpi.id));
    };
    let entry = Entry {
        kpi: kpi.id.clone(),
        labels,
        period,
        value: Some(own.value).filter(|value| !value.is_nan()),
        parts: own.parts,
        by,
        note: note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty()),
        at: now,
    };
    // Nothing was asked of any source.
    let pull =
        PullReport { observations: found.observations, at: Some(now), nothing_asked: true, ..PullReport::default() };
    Ok(Entered { entry, bucket, pull })
}

/// All dimensions or none: the total, which a KPI whose parts add up has from these.
fn named_labels(kpi: &Kpi, labels: &Labels) -> Result<Labels, String> {
    let dimensions = || kpi.dimensions.join(", ");
    if let Some((name, _)) = labels.iter().find(|(name, _)| !kpi.dimensions.iter().any(|known| known == name)) {
        let has = if kpi.dimensions.is_empty() { "none".to_owned() } else { dimensions() };
        return Err(format!("`{name}` is no dimension of KPI '{}'; it has {has}", kpi.id));
    }
    if let Some(missing) = kpi.dimensions.iter().find(|name| labels.get(name).is_none()) {
        return Err(format!(
            "KPI '{}' is split by {}: name each, such as --label {missing}=VALUE; its total is made of them",
            kpi.id,
            dimensions()
        ));
    }
    Ok(labels.clone())
}

/// A bucket that has ended, and is not too old to be kept.
fn bucket(kpi: &Kpi, period: &str, now: Timestamp) -> Result<BucketIndex, String> {
    let index = kpi.grain.read_name(period, &kpi.zone)?;
    let bucket = kpi.grain.bucket(index, &kpi.zone);
    if bucket.end > now {
        let from = kpi.zone.to_datetime(bucket.end).strftime("%Y-%m-%d %H:%M");
        return Err(format!("{period} has not ended; enter it from {from} on"));
    }
    let oldest = now.checked_sub(kpi.history).unwrap_or(now);
    if bucket.end <= oldest {
        let days = kpi.history.as_hours() / 24;
        return Err(format!(
            "{period} is older than the {days} days of history that KPI '{}' has; raise `history`",
            kpi.id
        ));
    }
    Ok(index)
}

/// The same bucket of the other dimension values, for the total: one that is still to come leaves it open.
fn others(state: &State, kpi: &Kpi, own: &Labels, bucket: BucketIndex) -> Vec<(Labels, ReadingValue)> {
    let is_other = |labels: &Labels| labels != own && labels.count() == kpi.dimensions.len() && !labels.is_total();
    let series = state.history.of(&kpi.id).filter(|(labels, _)| is_other(labels));
    series
        .filter_map(|(labels, data)| {
            let value = match data.get(bucket) {
                Some(Point { parts: Some(Parts { numerator, denominator, n }), .. }) => {
                    ReadingValue::Parts(Parts { numerator, denominator, n })
                }
                Some(point) => ReadingValue::Number(point.value),
                None => {
                    let (first, last) = data.span()?;
                    (first <= bucket && bucket <= last + LATE_BUCKETS).then_some(ReadingValue::Absent)?
                }
            };
            Some((labels.clone(), value))
        })
        .collect()
}
