//! What the source of a test says, and since when.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::case::Case;
use super::form::{HappensForm, SeriesForms, TestForm};
use super::moments::{Calendar, Moment};
use super::play::{Done, Item, Order, What};
use super::values::{Cell, SeriesForm, cell};
use crate::model::grain::BucketIndex;
use crate::model::ids::{KpiId, Labels, SeriesKey};
use crate::model::kpi::Kpi;
use crate::model::observation::{Pull, Reading, ReadingTime, ReadingValue};
use crate::model::rule::Patience;

/// What the source says, and since when.
pub(super) struct Source {
    /// By KPI and series, from the first bucket on.
    values: BTreeMap<KpiId, BTreeMap<Labels, Vec<Cell>>>,
    /// Buckets that are known late, or are other ones from then on, in the order of their instants.
    later: Vec<Later>,
    outages: Vec<(Timestamp, Timestamp, String)>,
    pub(super) longest: usize,
    pub(super) firsts: BTreeMap<KpiId, BucketIndex>,
}

struct Later {
    from: Timestamp,
    kpi: KpiId,
    labels: Labels,
    bucket: BucketIndex,
    value: Cell,
    /// Before it there is nothing, rather than what stands in the series.
    hides: bool,
}

impl Source {
    pub(super) fn of(case: &Case, calendar: &Calendar<'_>, test: &TestForm, folder: &Path) -> Result<Source, String> {
        let all: Vec<(String, &SeriesForm)> = match &test.series {
            SeriesForms::One(series) => vec![(String::new(), series)],
            SeriesForms::Many(series) => series.iter().map(|(name, series)| (name.clone(), series)).collect(),
        };
        let mut values: BTreeMap<KpiId, BTreeMap<Labels, Vec<Cell>>> = BTreeMap::new();
        let mut longest = 0;
        for (name, series) in all {
            let (kpi, labels) = series_named(case, &name)?;
            let own = series.values(folder).map_err(|why| format!("series{}: {why}", spaced(&name)))?;
            if kpi == calendar.kpi.id {
                longest = longest.max(own.len());
            }
            if case.setup.catalog.kpi(&kpi).is_some_and(|kpi| kpi.formula().is_some()) {
                return Err(format!(
                    "series{}: `{kpi}` is computed; give the series of what its formula reads",
                    spaced(&name)
                ));
            }
            if values.entry(kpi).or_default().insert(labels, own).is_some() {
                return Err(format!("series{}: it is given twice", spaced(&name)));
            }
        }
        Ok(Source { values, later: Vec::new(), outages: Vec::new(), longest, firsts: BTreeMap::new() })
    }

    pub(super) fn note<'a>(
        &mut self,
        case: &Case,
        (calendar, start): (&Calendar<'_>, &str),
        happens: &'a HappensForm,
        items: &mut Vec<Item<'a>>,
    ) -> Result<(), String> {
        let of = match &happens.series {
            Some(name) => series_named(case, name).map(|(kpi, labels)| Some(SeriesKey { kpi, labels }))?,
            None => None,
        };
        let at = calendar.after(calendar.moment(&happens.at)?);
        let lasting = |text: &str| match Patience::parse(text) {
            Ok(Patience::Elapsed(lasting)) if lasting.is_positive() => Ok(lasting),
            _ => Err(format!("`{text}` is no duration; write `2d` or `4h`")),
        };
        let mut what = 0;
        if let Some(message) = &happens.outage {
            let until = happens.until.as_ref().ok_or("an outage needs `until`")?;
            let until = calendar.after(calendar.moment(until)?);
            // Of buckets: from the slot of the first up to before that of the second one's successor.
            let from = match calendar.moment(&happens.at)? {
                Moment::Bucket(bucket) => calendar.slot_of(bucket),
                Moment::Instant(at) => at,
            };
            if until <= from {
                return Err("an outage ends after it begins; `until` lies before `at`".to_owned());
            }
            self.outages.push((from, until, message.clone()));
            what += 1;
        }
        for (bucket, hides) in
            happens.late.iter().map(|at| (at, true)).chain(happens.revise.iter().map(|at| (at, false)))
        {
            let (kpi, labels) = series_named(case, happens.series.as_deref().unwrap_or_default())?;
            if self.values.get(&kpi).is_none_or(|series| !series.contains_key(&labels)) {
                return Err(format!("`late` and `revise` need a series that has values; `{kpi}{labels}` has none"));
            }
            // Buckets are those of the KPI that is named.
            let def = case.setup.catalog.kpi(&kpi).ok_or("there is no such KPI")?;
            let own = Calendar::new(def, start)?;
            let Moment::Bucket(bucket) = own.moment(bucket)? else {
                return Err(format!(
                    "`late` and `revise` take a bucket of `{kpi}`, by its number or its name, such as `{}`",
                    def.bucket_name(own.first)
                ));
            };
            let value = if hides {
                self.value(&kpi, &labels, bucket - own.first)
            } else {
                let value = happens.value.as_ref().ok_or("a revision needs `value`; `_` takes the old one away")?;
                match cell(value)?.as_slice() {
                    [one] => one.clone(),
                    several => return Err(format!("a revision has one value, not {}", several.len())),
                }
            };
            self.later.push(Later { from: at, kpi, labels, bucket, value, hides });
            what += 1;
        }
        if let Some(by) = &happens.ack {
            items.push((at, Order::Happens, What::Act(by, Done::Acknowledges, of.clone())));
            what += 1;
        }
        if let Some(text) = &happens.snooze {
            items.push((at, Order::Happens, What::Act("you", Done::Snoozes(lasting(text)?), of.clone())));
            what += 1;
        }
        if let Some(text) = &happens.silence {
            items.push((at, Order::Happens, What::Act("you", Done::Silences(lasting(text)?), None)));
            what += 1;
        }
        if happens.restart {
            items.push((at, Order::Happens, What::Restart));
            what += 1;
        }
        if what != 1 {
            return Err(
                "each entry of `happens` names one thing: outage, late, revise, ack, snooze, silence or restart"
                    .to_owned(),
            );
        }
        self.later.sort_by_key(|later| later.from);
        Ok(())
    }

    pub(super) fn value(&self, kpi: &KpiId, labels: &Labels, place: i64) -> Cell {
        let series = self.values.get(kpi)?.get(labels)?;
        usize::try_from(place).ok().and_then(|place| series.get(place).cloned()).flatten()
    }

    /// Every slot from that of the first bucket on.
    pub(super) fn slots(
        &mut self,
        case: &Case,
        calendar: &Calendar<'_>,
        start: &str,
        ends: Timestamp,
        items: &mut Vec<Item<'_>>,
    ) -> Result<(), String> {
        for kpi in case.setup.catalog.kpis.values() {
            let own = Calendar::new(kpi, start)?;
            self.firsts.insert(kpi.id.clone(), own.first);
            let order = if kpi.formula().is_some() { Order::Computed } else { Order::Slot };
            let mut slot = own.slot_of(own.first);
            while slot <= ends {
                items.push((slot, order, What::Slot(kpi.clone())));
                if items.len() > case.slots_max {
                    let (slots_max, ends) = (case.slots_max, calendar.kpi.zone.to_datetime(ends));
                    return Err(format!("more than {slots_max} slots up to {ends}"));
                }
                let Some(next) = kpi.schedule.next_after(slot, &kpi.zone, &kpi.calendar) else { break };
                slot = next;
            }
        }
        Ok(())
    }

    pub(super) fn outage(&self, at: Timestamp) -> Option<&str> {
        self.outages.iter().find(|(from, until, _)| *from <= at && at < *until).map(|(.., message)| message.as_str())
    }

    /// What it says of a span at an instant.
    pub(super) fn pull(&self, kpi: &Kpi, (from, to): (BucketIndex, BucketIndex), at: Timestamp) -> Pull {
        let first = self.firsts.get(&kpi.id).copied().unwrap_or(from);
        let mut pull = Pull { complete: true, ..Pull::default() };
        let Some(all) = self.values.get(&kpi.id) else { return pull };
        for (labels, values) in all {
            let own: Vec<&Later> =
                self.later.iter().filter(|later| later.kpi == kpi.id && later.labels == *labels).collect();
            for bucket in from..=to {
                let place = usize::try_from(bucket - first).ok();
                let mut value = place.and_then(|place| values.get(place).cloned()).flatten();
                for later in own.iter().filter(|later| later.bucket == bucket) {
                    match later.from <= at {
                        true => value.clone_from(&later.value),
                        false if later.hides => value = None,
                        false => {}
                    }
                }
                let Some(value) = value else { continue };
                pull.readings.push(reading(kpi, bucket, labels, value));
            }
        }
        pull
    }
}

fn reading(kpi: &Kpi, bucket: BucketIndex, labels: &Labels, value: ReadingValue) -> Reading {
    let time = ReadingTime::Instant(kpi.grain.start_of(bucket, &kpi.zone));
    Reading { time, labels: labels.clone(), value, origin: format!("the test, {}", kpi.bucket_name(bucket)) }
}

fn spaced(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" {name}") }
}

/// `revenue`, `revenue{channel="web"}`, `{channel="web"}`, or nothing for the total of the first KPI.
pub(super) fn series_named(case: &Case, name: &str) -> Result<(KpiId, Labels), String> {
    let (kpi, labels) = match name.split_once('{') {
        None => (name.trim(), ""),
        Some((kpi, rest)) => {
            let inner = rest.trim_end().strip_suffix('}');
            (
                kpi.trim(),
                inner.ok_or_else(|| format!("`{name}`: the labels are not closed; write `{{channel=\"web\"}}`"))?,
            )
        }
    };
    let kpi = if kpi.is_empty() { case.main.clone() } else { KpiId::from(kpi) };
    let Some(def) = case.setup.catalog.kpi(&kpi) else {
        let known: Vec<&str> = case.setup.catalog.kpis.keys().map(KpiId::as_str).collect();
        return Err(format!("`{name}`: there is no KPI `{kpi}`; there are {}", known.join(", ")));
    };
    let mut pairs = Vec::new();
    for pair in labels.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (label, value) =
            pair.split_once('=').ok_or_else(|| format!("`{pair}` is no label; write `channel=\"web\"`"))?;
        if !def.dimensions.iter().any(|dimension| dimension == label.trim()) {
            return Err(format!(
                "`{}` is no dimension of KPI `{kpi}`; it has: {}",
                label.trim(),
                def.dimensions.join(", ")
            ));
        }
        pairs.push((label.trim().to_owned(), value.trim().trim_matches('"').to_owned()));
    }
    Ok((kpi, pairs.into_iter().collect()))
}
