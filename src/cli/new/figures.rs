//! What the values of a draft suggest: whether they add up, limits, what absence means, when a value is late.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::{Mapping, Value};

use super::movement::{Movement, movement};
use super::proposal::Field;
use super::times::span_text;
use crate::assess::Band;
use crate::cli::output::counted;
use crate::locale::quantity;
use crate::model::grain::{BucketIndex, Grain};
use crate::model::ids::Labels;
use crate::model::kpi::{Kpi, LATE_BUCKETS, Query};
use crate::model::observation::Observation;
use crate::model::series::SeriesData;
use crate::model::unit::{Kind, Language};

/// Jumps that are proposed, in per cent.
const JUMPS: [u32; 7] = [100, 200, 300, 500, 1_000, 2_000, 5_000];
/// What was seen must stay within this part of a proposed jump.
const MARGIN: f64 = 0.5;
/// Values with enough before them, from which a jump is proposed.
const JUDGED_MIN: usize = 20;
/// Share of absent buckets from which absence looks usual.
const GAPS_USUAL: f64 = 0.05;
/// With fewer buckets absence tells nothing.
const BUCKETS_MIN: usize = 28;
/// Absent buckets in a row that a long weekend explains.
const GAP_MAX: usize = 4;

/// The values of one look, by series.
pub(super) struct Figures<'a> {
    pub(super) kpi: &'a Kpi,
    series: BTreeMap<&'a Labels, SeriesData>,
    pub(super) span: (BucketIndex, BucketIndex),
    /// Whether the source gave all that there is.
    pub(super) is_complete: bool,
    /// Buckets to which more than one reading was added.
    pub(super) shared: usize,
}

impl<'a> Figures<'a> {
    pub(super) fn new(kpi: &'a Kpi, observations: &'a [Observation], span: (BucketIndex, BucketIndex)) -> Figures<'a> {
        let mut series: BTreeMap<&Labels, SeriesData> = BTreeMap::new();
        for observation in observations {
            series.entry(&observation.series.labels).or_default().put(observation);
        }
        Figures { kpi, series, span, is_complete: true, shared: 0 }
    }

    /// Index and value of the total; where there is none, of the series with most values.
    fn main(&self) -> Vec<(BucketIndex, f64)> {
        let values = |data: &SeriesData| -> Vec<(BucketIndex, f64)> {
            let all = data.range(BucketIndex::MIN, BucketIndex::MAX).filter(|point| point.value.is_finite());
            all.map(|point| (point.index, point.value)).collect()
        };
        match self.series.get(&Labels::total()) {
            Some(total) => values(total),
            None => self.series.values().map(values).max_by_key(Vec::len).unwrap_or_default(),
        }
    }

    /// Finite values of all series.
    fn all(&self) -> impl Iterator<Item = f64> {
        let points = self.series.values().flat_map(|data| data.range(BucketIndex::MIN, BucketIndex::MAX));
        points.map(|point| point.value).filter(|value| value.is_finite())
    }

    fn shown(&self, value: f64) -> String {
        quantity(Language::En, value, &self.kpi.unit)
    }

    /// Distinct values of a dimension.
    pub(super) fn values_of(&self, dimension: &str) -> usize {
        self.series.keys().filter_map(|labels| labels.get(dimension)).collect::<BTreeSet<_>>().len()
    }

    /// Flow or level: how the values move tells, if anything does.
    pub(super) fn kind(&self) -> Field {
        if self.shared > 0 {
            let reason = format!("{} have several rows, which add up; a guess", counted(self.shared, "bucket"));
            return Field::new("kind", "flow", reason);
        }
        let reason = match movement(&self.main()) {
            Movement::TooFew(count) => format!("a guess: {} are too few to tell a state", counted(count, "value")),
            Movement::None => "a guess: the values are all equal, which tells nothing".to_owned(),
            Movement::Jumping(share) => format!(
                "the average change is {:.0} % of the average deviation, as of what adds up; a guess",
                share * 100.0
            ),
            Movement::Steady(share) => {
                let moves =
                    format!("the average change is {:.0} % of the average deviation, as of a state", share * 100.0);
                let reason = format!("{moves}; a guess");
                if self.kpi.dimensions.is_empty() {
                    return Field::new("kind", "level", reason);
                }
                let additive = Mapping::from_iter([(Value::from("additive"), Value::from(true))]);
                let level = Mapping::from_iter([(Value::from("level"), Value::from(additive))]);
                let reason = format!("{moves}; a guess, as is that its values of one day add up to the total");
                return Field::new("kind", level, reason);
            }
        };
        Field::new("kind", "flow", reason)
    }

    /// `min`, `max` and `max_jump`.
    pub(super) fn limits(&self) -> Vec<Field> {
        let main = self.main();
        let low = self.all().fold(f64::INFINITY, f64::min);
        let high = self.all().fold(f64::NEG_INFINITY, f64::max);
        let lie = match main.len() {
            1 => "the only value is".to_owned(),
            count => format!("the {count} values lie between {} and", self.shown(main_low(&main))),
        };
        let lie = format!("{lie} {}", self.shown(main_high(&main)));
        let min = if low < 0.0 {
            Field::none("quality.min", format!("none, some are negative: {}", self.shown(low)))
        } else {
            Field::new("quality.min", 0, format!("{lie}; nothing is negative"))
        };
        let max = if self.kpi.kind == Kind::Ratio && low >= 0.0 && high <= 1.0 {
            Field::new("quality.max", 1, "no numerator is above its denominator")
        } else {
            Field::none("quality.max", "none: values don't tell how far they may go").unwritten()
        };
        vec![min, max, self.max_jump()]
    }

    /// The least plain figure that leaves room above every jump that was seen. A value is judged by what lay before it,
    /// as the engine would.
    fn max_jump(&self) -> Field {
        let mut judged: Vec<(Band, f64)> = Vec::new();
        for data in self.series.values() {
            let points = data.range(BucketIndex::MIN, BucketIndex::MAX).filter(|point| point.value.is_finite());
            let points: Vec<_> = points.collect();
            // A day off that is the first of its kind is no jump: a first history is taken as it is.
            let whole = points.len() >= Band::REFERENCE_MAX + JUDGED_MIN;
            let judge = points.iter().skip(if whole { Band::REFERENCE_MAX } else { 0 });
            judged.extend(judge.filter_map(|point| Some((Band::before(data, point.index, |_| false)?, point.value))));
        }
        if judged.len() < JUDGED_MIN {
            let reason = format!("none, {} with enough before them are too few", counted(judged.len(), "value"));
            return Field::none("quality.max_jump", reason);
        }
        let holds = |jump: f64| judged.iter().all(|(band, value)| !band.excludes(*value, jump * MARGIN));
        match JUMPS.into_iter().find(|jump| holds(f64::from(*jump) / 100.0)) {
            Some(jump) => Field::new(
                "quality.max_jump",
                format!("{jump} %"),
                format!("none of {} values lies beyond half of that from those before it", judged.len()),
            ),
            None => {
                let most = JUMPS.last().map_or(0, |jump| *jump);
                let reason =
                    format!("none, values lie more than {} % beyond those before them", f64::from(most) * MARGIN);
                Field::none("quality.max_jump", reason)
            }
        }
    }

    /// Absent buckets between the oldest and the newest value.
    fn gaps(&self) -> (Vec<BucketIndex>, usize) {
        let present: BTreeSet<BucketIndex> = self.main().into_iter().map(|(index, _)| index).collect();
        let (Some(first), Some(last)) = (present.first(), present.last()) else { return (Vec::new(), 0) };
        let gaps = (*first..=*last).filter(|index| !present.contains(index)).collect();
        (gaps, (last - first + 1) as usize)
    }

    fn all_off(&self, buckets: impl IntoIterator<Item = BucketIndex>) -> bool {
        let day = |index| self.kpi.grain.date_of(index);
        self.kpi.grain == Grain::Day && buckets.into_iter().all(|index| !self.kpi.calendar.is_working_day(day(index)))
    }

    /// What an absent bucket means.
    pub(super) fn empty(&self, is_flow: bool) -> Field {
        let (gaps, buckets) = self.gaps();
        let newest = self.main().last().map_or(self.span.1, |(index, _)| *index);
        let longest = longest_run(&gaps);
        let missing = |reason: String| Field::new("empty", "missing", reason);
        if gaps.is_empty() {
            return missing(format!("none of {} is absent: one that is will be told", counted(buckets, "bucket")));
        }
        let share = format!("absent are {} of {}", gaps.len(), counted(buckets, "bucket"));
        let silent = (self.span.1 - newest) as usize;
        if !is_flow {
            return missing(format!("{share}; only what adds up can be zero for that"));
        }
        if !self.is_complete {
            return missing(format!("{share}, but the pull was not complete"));
        }
        if buckets < BUCKETS_MIN {
            return missing(format!("{share}, too few to tell; a guess"));
        }
        if silent > longest.max(GAP_MAX) {
            let newest = self.kpi.bucket_name(newest);
            return missing(format!("{share}, and all since {newest}, as if data were lost; a guess, or `zero`"));
        }
        if self.all_off(gaps.iter().copied()) {
            return Field::new("empty", "zero", format!("{share}, all of them days off: nothing happened; a guess"));
        }
        if longest <= GAP_MAX && gaps.len() as f64 >= GAPS_USUAL * buckets as f64 {
            return Field::new(
                "empty",
                "zero",
                format!("{share}, at most {longest} in a row: nothing happened; a guess"),
            );
        }
        missing(format!("{share}, up to {longest} in a row, as if data were lost; a guess, or `zero`"))
    }

    /// How long after its end a bucket's value may take to come.
    pub(super) fn expected(&self) -> Field {
        let (grain, last) = (self.kpi.grain, self.span.1);
        let after = |buckets: i64| format!("{} after end", span_text(grain.nominal().as_secs() * buckets));
        let newest = self.series.values().filter_map(SeriesData::last).map(|point| point.index).max().unwrap_or(last);
        let name = self.kpi.bucket_name(newest);
        let late = last - newest;
        if late == 0 {
            return Field::new("expected", after(1), format!("the newest value is of {name}, the last that has ended"));
        }
        if self.all_off(newest + 1..=last) && self.all_off(self.gaps().0) {
            let reason = format!("the newest value is of {name}, and days off have none");
            return Field::new("expected", "1 workday after end", reason);
        }
        if late > LATE_BUCKETS {
            let reason = format!("a guess: the newest value is of {name}, does the source still deliver?");
            return Field::new("expected", after(1), reason);
        }
        Field::new("expected", after(late + 1), format!("the newest value is of {name}, {late} back"))
    }

    /// What nobody can see in one look.
    pub(super) fn settle(&self) -> Field {
        match self.kpi.query {
            Query::Ledger(_) => Field::new("settle", "45d", "a guess: accounting entries come late"),
            Query::Text(_) | Query::Table(_) | Query::Http(_) | Query::Formula(_) | Query::Entered => {
                Field::new("settle", "0s", "a guess: one look can't show whether figures still change; 2d if they do")
            }
        }
    }

    /// The oldest value, by the name of its bucket.
    pub(super) fn oldest(&self) -> Option<String> {
        let first = self.series.values().filter_map(SeriesData::span).map(|(first, _)| first).min()?;
        Some(self.kpi.bucket_name(first))
    }

    /// True for a ratio whose every value is a share.
    pub(super) fn are_shares(&self) -> bool {
        self.all().all(|value| (0.0..=1.0).contains(&value))
    }
}

fn main_low(values: &[(BucketIndex, f64)]) -> f64 {
    values.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min)
}

fn main_high(values: &[(BucketIndex, f64)]) -> f64 {
    values.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max)
}

fn longest_run(buckets: &[BucketIndex]) -> usize {
    let mut longest = 0;
    let mut run = 0;
    let mut before = None;
    for index in buckets {
        run = if before == Some(index - 1) { run + 1 } else { 1 };
        longest = longest.max(run);
        before = Some(*index);
    }
    longest
}
