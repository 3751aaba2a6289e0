//! The probability that every bucket to come meets a target, where each must: a day that breaks it can't be made good.
//!
//! Two estimates, joined by credibility. One is how often it came so: past windows as long as the one ahead, each put on
//! the level that is foretold now; it holds whatever hangs together from bucket to bucket. The other, for histories that
//! hold few such windows, is the law of a single bucket, and for the others how often single buckets met the target, as
//! if so many were independent as their autocorrelation leaves (Bayley and Hammersley, "The 'effective' number of
//! independent observations in an autocorrelated time series", 1946, in its simplest form).

use super::counted::ln_gamma;
use super::rolling::{Ahead, Lesson, Outlook, Past};
use crate::model::objective::Target;

/// Windows of the past that are looked at; those that begin closer tell little that is new.
const WINDOWS_MAX: usize = 128;
/// Independent windows that weigh as much as the law does.
const LAW_WINDOWS: f64 = 8.0;
/// How much each bucket is taken to be like the one before it, until so many are known.
const ALIKE: f64 = 0.9;
const ALIKE_KNOWN_FROM: usize = 14;

pub(super) struct Staying<'a> {
    pub(super) past: Past<'a>,
    pub(super) outlook: &'a Outlook,
    pub(super) ahead: Ahead,
    /// Buckets of the past that lie before the period: how much hangs together is learned from these, so that what the
    /// period brings moves the level alone.
    pub(super) before: usize,
    /// Whole numbers that stay so.
    pub(super) is_rare: bool,
    pub(super) target: Target,
}

impl Staying<'_> {
    /// Within 0 and 1. `one` is the probability that a single bucket with such a volume meets the target.
    pub(super) fn chance(&self, one: impl Fn(f64) -> f64) -> f64 {
        let count = self.count();
        let volumes = &self.past.volumes[self.past.values.len()..][..count];
        let (least, most) = volumes
            .iter()
            .fold((f64::INFINITY, 0.0_f64), |(least, most), volume| (least.min(*volume), most.max(*volume)));
        // The day that is the hardest, whichever side the target is on.
        let hardest = one(least).min(one(most));
        let windows = self.windows();
        let (stayed, of_all) =
            (share(windows.iter().map(|window| (window.weight, window.has_stayed()))), self.met(&windows));
        let others = (count as f64 - 1.0) * self.independence();
        let by_law = hardest * of_all.all(others);
        let trust = self.outlook.windows / (self.outlook.windows + LAW_WINDOWS);
        stayed.map_or(by_law, |stayed| trust * stayed + (1.0 - trust) * by_law).clamp(0.0, 1.0)
    }

    /// Buckets to come.
    fn count(&self) -> usize {
        self.ahead.skip + self.ahead.take
    }

    fn windows(&self) -> Vec<Window> {
        let apart = self.outlook.lessons.len().div_ceil(WINDOWS_MAX).max(1);
        self.outlook.lessons.iter().step_by(apart).map(|lesson| self.window(lesson)).collect()
    }

    /// What came after an origin, as far above or below the level that is foretold now as it was above or below that of
    /// then.
    fn window(&self, lesson: &Lesson) -> Window {
        let Past { values, volumes, scale, .. } = self.past;
        let mut window = Window { weight: lesson.weight, met: 0, there: 0 };
        for step in 0..self.count() {
            let (value, volume) = (values[lesson.origin + step], volumes[lesson.origin + step]);
            if value.is_nan() {
                continue;
            }
            let off = if volume > 0.0 { scale.put(value / volume) - lesson.foretold } else { 0.0 };
            let here = volumes[values.len() + step] * scale.take(self.outlook.center + off);
            window.there += 1;
            window.met += usize::from(self.is_met_by(if self.is_rare { here.round() } else { here }));
        }
        window
    }

    /// A hair of tolerance: a way through logarithms and back need not end where it began.
    fn is_met_by(&self, value: f64) -> bool {
        let hair = 1e-9 * value.abs();
        self.target.is_met_by(value) || self.target.is_met_by(value + hair) || self.target.is_met_by(value - hair)
    }

    /// The single buckets that met the target, and those that missed it, by the share in past windows, else in those that
    /// came.
    fn met(&self, windows: &[Window]) -> Single {
        let known = || self.past.values.iter().filter(|value| !value.is_nan());
        let (met, there) = windows.iter().fold((0.0, 0.0), |(met, there), window| {
            (met + window.weight * window.met as f64, there + window.weight * window.there as f64)
        });
        let seen = known().count() as f64;
        let share = if there > 0.0 {
            met / there
        } else {
            known().filter(|value| self.is_met_by(**value)).count() as f64 / seen.max(1.0)
        };
        Single { met: share * seen, missed: (1.0 - share) * seen }
    }

    /// The part of buckets that count as independent, above 0 to 1, by how much each is like the one before it.
    fn independence(&self) -> f64 {
        let Past { values, volumes, scale, .. } = self.past;
        let level = |at: usize| if volumes[at] > 0.0 { scale.put(values[at] / volumes[at]) } else { f64::NAN };
        let levels: Vec<f64> = (0..self.before.min(values.len())).map(level).collect();
        let there = || levels.iter().filter(|level| level.is_finite());
        let mean = there().sum::<f64>() / (there().count() as f64).max(1.0);
        let squares: f64 = there().map(|level| (level - mean).powi(2)).sum();
        let pairs = levels.iter().zip(levels.iter().skip(1)).map(|(one, next)| (one - mean) * (next - mean));
        let products: f64 = pairs.filter(|product| product.is_finite()).sum();
        // Of a short history, and of one that stands still, nothing is known of how much hangs together: a level does.
        let is_known = squares > 0.0 && there().count() >= ALIKE_KNOWN_FROM;
        let alike = if is_known { (products / squares).clamp(0.0, 1.0) } else { ALIKE };
        (1.0 - alike) / (1.0 + alike)
    }
}

/// How many single buckets met the target, and how many missed it.
struct Single {
    met: f64,
    missed: f64,
}

impl Single {
    /// The probability that so many more all meet it: how often one does is itself uncertain, as a beta law around what was
    /// seen, from half a bucket each (Jeffreys). With none missed in ten, ten more are not nearly as sure as the share of ten
    /// in ten says, nor as unlikely as its tenth power after half a miss.
    fn all(&self, more: f64) -> f64 {
        let (good, of) = (self.met + 0.5, self.met + self.missed + 1.0);
        (ln_gamma(good + more) - ln_gamma(good) + ln_gamma(of) - ln_gamma(of + more)).exp()
    }
}

/// A window of the past, put on the present level.
struct Window {
    weight: f64,
    met: usize,
    there: usize,
}

impl Window {
    fn has_stayed(&self) -> bool {
        self.met == self.there
    }
}

/// The weighed share of those that are so; none without any.
fn share(of: impl Iterator<Item = (f64, bool)>) -> Option<f64> {
    let (are, all) =
        of.fold((0.0, 0.0), |(are, all), (weight, is)| (if is { are + weight } else { are }, all + weight));
    (all > 0.0).then(|| are / all)
}
