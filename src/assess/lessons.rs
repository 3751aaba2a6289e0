//! What was learned of periods, kept for as long as nothing changes of what it rests on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::learned::{Landing, Learned};
use super::window::Span;
use crate::model::grain::BucketIndex;
use crate::model::ids::ObjectiveId;

/// The lessons of all objectives, shared by the assessments of all slots. Whatever is kept could be learned again: it may be
/// dropped at any time.
#[derive(Debug, Default)]
pub struct Lessons(Mutex<HashMap<ObjectiveId, Lesson>>);

/// Objectives whose lessons are kept.
const KEPT_MAX: usize = 10_000;

/// Landings of one objective that are kept: of its newest bucket, of a week before, and of the period's begin.
const LANDINGS_MAX: usize = 4;

/// What a trajectory was learned from: the same again gives the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ground {
    /// The buckets of the period.
    pub(super) whole: Span,
    /// How often the series was changed but at its end.
    pub(super) edits: u32,
    /// Its oldest bucket: what is no longer kept is no ground any more.
    pub(super) first: Option<BucketIndex>,
    /// Days that are no basis for anything.
    pub(super) excluded: Vec<Span>,
}

#[derive(Debug)]
struct Lesson {
    ground: Ground,
    learned: Arc<Learned>,
    /// Each with the bucket up to which it was reckoned, oldest reckoning first.
    landings: Vec<(BucketIndex, Option<Arc<Landing>>)>,
}

impl Lessons {
    /// The trajectory learned from that ground.
    pub(super) fn learned(
        &self,
        objective: &ObjectiveId,
        ground: Ground,
        learn: impl FnOnce(&Ground) -> Learned,
    ) -> Arc<Learned> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lesson) = kept.get(objective).filter(|lesson| lesson.ground == ground) {
            return lesson.learned.clone();
        }
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let learned = Arc::new(learn(&ground));
        kept.insert(objective.clone(), Lesson { ground, learned: learned.clone(), landings: Vec::new() });
        learned
    }

    /// Where it lands, by what is known up to a bucket; reckoned on that trajectory.
    pub(super) fn landing(
        &self,
        objective: &ObjectiveId,
        (learned, known_to): (&Arc<Learned>, BucketIndex),
        reckon: impl FnOnce() -> Option<Landing>,
    ) -> Option<Arc<Landing>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lesson = kept.get_mut(objective).filter(|lesson| Arc::ptr_eq(&lesson.learned, learned));
        let known = lesson.as_ref().and_then(|lesson| lesson.landings.iter().find(|(at, _)| *at == known_to));
        if let Some((_, landing)) = known {
            return landing.clone();
        }
        let landing = reckon().map(Arc::new);
        if let Some(lesson) = lesson {
            if lesson.landings.len() >= LANDINGS_MAX {
                lesson.landings.remove(0);
            }
            lesson.landings.push((known_to, landing.clone()));
        }
        landing
    }
}
