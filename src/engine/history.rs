//! Newest observations in memory, by KPI and labels; loaded when a KPI is first needed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::model::grain::BucketIndex;
use crate::model::ids::{KpiId, Labels};
use crate::model::observation::Observation;
use crate::model::series::{Point, SeriesData};

/// The series of every KPI that has been read.
#[derive(Clone, Debug, Default)]
pub struct History {
    kpis: HashMap<KpiId, BTreeMap<Labels, Arc<SeriesData>>>,
}

impl History {
    pub fn has(&self, kpi: &KpiId) -> bool {
        self.kpis.contains_key(kpi)
    }

    /// Takes over a KPI's series as the store has them.
    pub fn load(&mut self, kpi: KpiId, series: BTreeMap<Labels, Arc<SeriesData>>) {
        self.kpis.insert(kpi, series);
    }

    pub fn series(&self, kpi: &KpiId, labels: &Labels) -> Option<&Arc<SeriesData>> {
        self.kpis.get(kpi)?.get(labels)
    }

    pub fn labels(&self, kpi: &KpiId) -> impl Iterator<Item = &Labels> {
        self.kpis.get(kpi).into_iter().flat_map(BTreeMap::keys)
    }

    pub fn of(&self, kpi: &KpiId) -> impl Iterator<Item = (&Labels, &Arc<SeriesData>)> {
        self.kpis.get(kpi).into_iter().flatten()
    }

    /// Takes in a version. Returns the point it revised, when value or parts differ.
    pub fn put(&mut self, observation: &Observation) -> Option<Point> {
        if observation.withdraws() && self.knows(observation) {
            return None;
        }
        let series = self.kpis.entry(observation.series.kpi.clone()).or_default();
        let data = series.entry(observation.series.labels.clone()).or_insert_with(SeriesData::shared);
        let before = Arc::make_mut(data).put(observation)?;
        let same = before.value.to_bits() == observation.value.to_bits() && before.parts == observation.parts;
        (!same).then_some(before)
    }

    /// Lets go of what lies before a bucket; a series of which nothing is left is none any more.
    pub fn forget_before(&mut self, kpi: &KpiId, first: BucketIndex) {
        let Some(series) = self.kpis.get_mut(kpi) else { return };
        series.retain(|_, data| {
            if data.span().is_some_and(|(oldest, _)| oldest < first) {
                Arc::make_mut(data).forget_before(first);
                !data.is_empty()
            } else {
                true
            }
        });
    }

    /// Marks a series as not to be judged because of that bucket, or as free.
    pub fn hold(&mut self, kpi: &KpiId, labels: &Labels, bucket: Option<BucketIndex>) {
        if let Some(data) = self.kpis.get_mut(kpi).and_then(|series| series.get_mut(labels))
            && data.held != bucket
        {
            Arc::make_mut(data).held = bucket;
        }
    }

    /// True when the version says what is known already.
    pub fn knows(&self, observation: &Observation) -> bool {
        let known = self.series(&observation.series.kpi, &observation.series.labels);
        match known.and_then(|data| data.get(observation.bucket)) {
            None => observation.withdraws(),
            Some(point) => {
                point.value.to_bits() == observation.value.to_bits()
                    && point.parts == observation.parts
                    && point.provisional == observation.provisional
            }
        }
    }
}
