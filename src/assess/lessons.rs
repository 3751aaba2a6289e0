//! What was learned of periods, kept for as long as nothing changes of what it rests on.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::learned::{Figure, Landing, Learned};
use super::window::Span;
use crate::model::grain::BucketIndex;
use crate::model::ids::ObjectiveId;
use crate::model::kpi::Kpi;
use crate::model::objective::Objective;

/// The lessons of all objectives, shared by the assessments of all slots. Whatever is kept could be learned again: it may be
/// dropped at any time.
#[derive(Debug, Default)]
pub struct Lessons(Mutex<HashMap<ObjectiveId, Lesson>>);

/// Objectives whose lessons are kept.
const KEPT_MAX: usize = 10_000;
/// Landings kept of one objective: the newest, which whoever looks back asks for again, and the oldest asked for, which is
/// that of the period's begin where a rule measures its burn.
const LANDINGS_MAX: usize = 34;

/// What a trajectory was learned from: the same again gives the same.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// As the configuration has them: after a reload the same name may stand for another series, measure or calendar.
    pub(super) kpi: Arc<Kpi>,
    pub(super) objective: Arc<Objective>,
    /// The buckets of the period.
    pub(super) whole: Span,
    /// How often the series was changed but at its end.
    pub(super) edits: u32,
    /// Its oldest bucket: what is no longer kept is no ground any more.
    pub(super) first: Option<BucketIndex>,
    /// Days that are no basis for anything.
    pub(super) excluded: Arc<[Span]>,
}

impl Ground {
    fn is(&self, other: &Ground) -> bool {
        self.edits == other.edits && self.is_but_for_edits(other)
    }

    fn is_but_for_edits(&self, other: &Ground) -> bool {
        Arc::ptr_eq(&self.kpi, &other.kpi)
            && Arc::ptr_eq(&self.objective, &other.objective)
            && (self.whole, self.first, &self.excluded) == (other.whole, other.first, &other.excluded)
    }
}

#[derive(Debug)]
struct Lesson {
    ground: Ground,
    /// Of the figures that it was learned from.
    print: u64,
    learned: Arc<Learned>,
    /// By the bucket up to which it was reckoned.
    landings: BTreeMap<BucketIndex, (Figure, Option<Arc<Landing>>)>,
}

impl Lessons {
    /// The trajectory learned from that ground. `print` tells the figures that it is learned from from others: where only
    /// later ones were changed, as those of the last days are with every pull, what was learned stands.
    pub(super) fn learned(
        &self,
        objective: &ObjectiveId,
        ground: Ground,
        print: impl FnOnce() -> u64,
        learn: impl FnOnce(&Ground) -> Learned,
    ) -> Arc<Learned> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lesson) = kept.get(objective).filter(|lesson| lesson.ground.is(&ground)) {
            return lesson.learned.clone();
        }
        let print = print();
        if let Some(lesson) = kept.get_mut(objective)
            && lesson.print == print
            && lesson.ground.is_but_for_edits(&ground)
        {
            lesson.ground = ground;
            lesson.landings.clear();
            return lesson.learned.clone();
        }
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let learned = Arc::new(learn(&ground));
        kept.insert(objective.clone(), Lesson { ground, print, learned: learned.clone(), landings: BTreeMap::new() });
        learned
    }

    /// Where it lands, by what is known up to a bucket; reckoned on that trajectory. None where it can't be told.
    pub(super) fn landing(
        &self,
        objective: &ObjectiveId,
        (learned, known_to, figure): (&Arc<Learned>, BucketIndex, Figure),
        reckon: impl FnOnce() -> Option<Landing>,
    ) -> Option<Arc<Landing>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lesson = kept.get_mut(objective).filter(|lesson| Arc::ptr_eq(&lesson.learned, learned));
        let Some(lesson) = lesson else { return reckon().map(Arc::new) };
        if let Some((_, landing)) = lesson.landings.get(&known_to).filter(|(of, _)| *of == figure) {
            return landing.clone();
        }
        let landing = reckon().map(Arc::new);
        lesson.landings.insert(known_to, (figure, landing.clone()));
        if lesson.landings.len() > LANDINGS_MAX
            && let Some(second) = lesson.landings.keys().nth(1).copied()
        {
            lesson.landings.remove(&second);
        }
        landing
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::civil::date;

    use super::Lessons;
    use crate::assess::Assessment;
    use crate::assess::fixture::{Series, monthly};
    use crate::model::grain::Grain;
    use crate::model::ids::Labels;
    use crate::model::objective::{Measure, Objective, Target, Trajectory};
    use crate::model::period::PeriodSpec;
    use crate::model::unit::Kind;

    /// Thirty years of months, of which twenty are looked at.
    fn years() -> Series {
        Series::new(Kind::Flow, Grain::Month).fill(date(1996, 1, 1), date(2025, 12, 1), 100.0)
    }

    fn yearly() -> Arc<Objective> {
        let objective = monthly(Measure::Sum, Target::Reach(1_200.0), Trajectory::Learned);
        Arc::new(Objective { period: PeriodSpec::Year, ..objective })
    }

    #[test]
    fn only_what_is_learned_from_is_learned_anew() {
        let (lessons, objective, kpi) = (Arc::<Lessons>::default(), yearly(), Arc::new(years().kpi));
        let learned = |series: &Series| {
            let now = "2026-02-05T05:15:00Z".parse().unwrap();
            let data = Arc::new(series.data().clone());
            let labels = Labels::total();
            let assessment = Assessment::new(kpi.clone(), labels, data, Some(objective.clone()), now);
            let assessment = assessment.learning(&lessons);
            let whole = assessment.passages().buckets_of(assessment.period().unwrap(), &kpi);
            assessment.learned(whole).unwrap()
        };
        let series = years().put(date(2026, 1, 1), 100.0);
        let first = learned(&series);
        // Too old to be looked at, or after the period's begin.
        let mut series = series;
        for day in [date(2003, 1, 1), date(2026, 1, 1)] {
            series = series.put(day, 140.0);
            assert!(Arc::ptr_eq(&first, &learned(&series)), "{day}");
        }
        assert!(!Arc::ptr_eq(&first, &learned(&series.put(date(2020, 3, 1), 140.0))));
    }

    #[test]
    fn another_definition_of_the_same_name_learns_for_itself() {
        let (lessons, kpi) = (Arc::<Lessons>::default(), Arc::new(years().kpi));
        let data = Arc::new(years().put(date(2026, 1, 1), 100.0).data().clone());
        let learned = |objective: &Arc<Objective>| {
            let now = "2026-02-05T05:15:00Z".parse().unwrap();
            let assessment = Assessment::new(kpi.clone(), Labels::total(), data.clone(), Some(objective.clone()), now);
            let assessment = assessment.learning(&lessons);
            let whole = assessment.passages().buckets_of(assessment.period().unwrap(), &kpi);
            assessment.learned(whole).unwrap()
        };
        let (one, other) = (yearly(), yearly());
        let first = learned(&one);
        assert!(Arc::ptr_eq(&first, &learned(&one)));
        assert!(!Arc::ptr_eq(&first, &learned(&other)));
    }
}
