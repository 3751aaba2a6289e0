//! What was learned of periods, kept for as long as nothing changes of what it rests on.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::learned::{Figure, Landing, Learned};
use super::window::Span;
use crate::model::grain::BucketIndex;
use crate::model::ids::ObjectiveId;

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
        if let Some(lesson) = kept.get(objective).filter(|lesson| lesson.ground == ground) {
            return lesson.learned.clone();
        }
        let print = print();
        if let Some(lesson) = kept.get_mut(objective)
            && lesson.print == print
            && (Ground { edits: ground.edits, ..lesson.ground.clone() }) == ground
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
