//! What the buckets ahead will bring, learned from rolling origins: every bucket of the past is taken as a "now" from
//! which as many buckets were ahead, and what came is held against what would have been foretold.
//!
//! The forecast combines the levels of several spans before the origin, each carried forward by what the season did to
//! it in other years. The errors that remain, over windows as long as the one ahead, hold all the autocorrelation there
//! is, so that nothing need be assumed about how independent days are (Tashman, "Out-of-sample tests of forecasting
//! accuracy", 2000, on rolling origins).

use super::combine::{FORECASTS_MAX, Tried, combine};
use super::landing::RATE_MOVES;
use super::rhythm::Rhythm;
use super::scale::Scale;
use super::season::{Season, noise_of};

/// Buckets of a history that is looked at bucket by bucket.
const ORIGINS_MAX: usize = 750;
/// Origins a year of a longer one: one a week.
const YEAR_STEPS: usize = 52;
/// Years on each side of an origin whose seasons are looked at.
const YEARS_MAX: usize = 8;
/// Years after which an origin counts half.
const HALF_LIFE_YEARS: f64 = 2.0;
/// Part of a window that must be there.
const PRESENT_LEAST: f64 = 0.5;
/// Part of its usual volume that a window must have.
const VOLUME_LEAST: f64 = 0.25;
/// Buckets of the period from which its own level counts by itself, and its prior weight.
const SINCE: (usize, f64) = (3, 0.2);
/// The prior weight of all that is there, where nothing can be tried.
const UNTRIED: f64 = 0.35;

/// A series up to now, and what its buckets weigh.
#[derive(Clone, Copy)]
pub(super) struct Past<'a> {
    /// NaN where there is none; the next bucket is the first ahead.
    pub(super) values: &'a [f64],
    /// The same with spikes cut.
    pub(super) tame: &'a [f64],
    /// Factors, or the denominators of ratios: a level is values over these.
    pub(super) volumes: &'a [f64],
    pub(super) rhythm: &'a Rhythm,
    pub(super) scale: Scale,
    /// The variance that chance alone gives the level of one unit of volume, on the scale; 0 where nothing is counted.
    pub(super) chance: f64,
}

/// The buckets ahead that are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ahead {
    /// Buckets before the first of them.
    pub(super) skip: usize,
    pub(super) take: usize,
    /// Buckets that have passed since the period began.
    pub(super) since: usize,
}

/// The level of the buckets ahead, and how such forecasts erred.
#[derive(Clone, Debug)]
pub(super) struct Outlook {
    /// On the scale of the forecast.
    pub(super) center: f64,
    pub(super) lessons: Vec<Lesson>,
    /// Independent windows of history that the lessons amount to.
    pub(super) windows: f64,
    /// The variance that chance alone gives the center: cases that were counted might have come out otherwise.
    pub(super) chance: f64,
}

/// What one origin taught.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lesson {
    /// What came minus what was foretold, on the scale of the forecast.
    pub(super) error: f64,
    pub(super) foretold: f64,
    pub(super) weight: f64,
    /// The place of the first bucket after it.
    pub(super) origin: usize,
    /// The volumes and values of the buckets that came.
    pub(super) volume: f64,
    pub(super) sum: f64,
}

/// What one level would have foretold at each origin; the first one is now.
struct Candidate {
    length: usize,
    volume: f64,
    prior: f64,
    foretold: Vec<f64>,
}

impl Outlook {
    /// None where the newest values give no level.
    pub(super) fn of(past: Past<'_>, ahead: Ahead) -> Option<Outlook> {
        let sums = Sums::of(past);
        let now = past.values.len();
        let coming = Coming { sums: &sums, past, ahead, grid: Grid::of(now, past.rhythm) };
        let grid = coming.grid;
        let usual: Vec<f64> = grid.all(|origin| coming.came(origin, &sums.tame));
        let lengths = coming.lengths();
        let found = lengths.iter().filter_map(|(length, prior)| coming.candidate((*length, *prior), &usual));
        let mut candidates: Vec<Candidate> = found.collect();
        if candidates.is_empty() {
            // So short a history tells no more than its level.
            candidates.push(coming.candidate((now, 1.0), &usual)?);
        }
        let mut lessons = Vec::new();
        let mut tried: Vec<Tried> = candidates.iter().map(|candidate| candidate.tried(ahead)).collect();
        for (at, came) in grid.all(|origin| coming.came(origin, &sums.values)).into_iter().enumerate() {
            // What is not over is no lesson, nor is an origin that a level does not reach back from.
            if !came.is_finite() || candidates.iter().any(|candidate| !candidate.foretold[at].is_finite()) {
                continue;
            }
            for (tried, candidate) in tried.iter_mut().zip(&candidates) {
                tried.errors.push(came - candidate.foretold[at]);
            }
            lessons.push(coming.lesson(grid.origin(at)));
        }
        let weights: Vec<f64> = lessons.iter().map(|lesson| lesson.weight).collect();
        let windows = weights.iter().sum::<f64>() * (grid.step as f64 / ahead.reach() as f64).min(1.0);
        let share = past.scale.share_at(candidates[0].foretold[0]);
        let shares = combine(&tried, &weights, windows, share);
        for (at, lesson) in lessons.iter_mut().enumerate() {
            lesson.error = tried.iter().zip(&shares).map(|(tried, share)| tried.errors[at] * share).sum();
            lesson.foretold = past.scale.put(lesson.sum / lesson.volume) - lesson.error;
        }
        let center = candidates.iter().zip(&shares).map(|(candidate, share)| candidate.foretold[0] * share).sum();
        Some(Outlook { center, lessons, windows, chance: past.chance * doubt_of(&candidates, &shares) })
    }
}

/// The variance of the combination for cases of variance 1: each level is that of the newest cases, so that of any two the
/// one over fewer holds no case that the other one has not.
fn doubt_of(candidates: &[Candidate], shares: &[f64]) -> f64 {
    let with = |one: &Candidate, other: &Candidate| 1.0 / one.volume.max(other.volume);
    let row = |(one, share): (&Candidate, &f64)| {
        share * candidates.iter().zip(shares).map(|(other, part)| part * with(one, other)).sum::<f64>()
    };
    candidates.iter().zip(shares).map(row).sum()
}

impl Candidate {
    fn tried(&self, ahead: Ahead) -> Tried {
        let before = (1.0 - ahead.since as f64 / self.length as f64).max(0.0);
        Tried { errors: Vec::new(), prior: self.prior, before }
    }
}

impl Ahead {
    fn reach(self) -> usize {
        (self.skip + self.take).max(1)
    }
}

/// The origins that are looked at, now first and then backwards in equal steps.
#[derive(Clone, Copy)]
struct Grid {
    now: usize,
    step: usize,
}

impl Grid {
    /// Every bucket of a short history; of a long one those of the same weekday and hour, which other years hold as well.
    fn of(now: usize, rhythm: &Rhythm) -> Grid {
        let step = if now > ORIGINS_MAX { (rhythm.years(1) / YEAR_STEPS).max(1) } else { 1 };
        Grid { now, step }
    }

    fn all<T>(self, of: impl FnMut(usize) -> T) -> Vec<T> {
        (0..=self.now).rev().step_by(self.step).map(of).collect()
    }

    fn origin(self, at: usize) -> usize {
        self.now - at * self.step
    }
}

/// Sums up to each bucket: of the values, of those with spikes cut, and of the volumes of those that are there.
struct Sums {
    values: Vec<f64>,
    tame: Vec<f64>,
    volumes: Vec<f64>,
    /// Of all volumes, there or not.
    due: Vec<f64>,
}

impl Sums {
    fn of(past: Past<'_>) -> Sums {
        let known = past.values.len();
        let room = || {
            let mut sums = Vec::with_capacity(known + 1);
            sums.push(0.0);
            sums
        };
        let mut sums = Sums { values: room(), tame: room(), volumes: room(), due: room() };
        let (mut value, mut tame, mut volume, mut due) = (0.0, 0.0, 0.0, 0.0);
        for at in 0..known {
            let weighs = past.volumes[at];
            due += if weighs.is_nan() { 0.0 } else { weighs };
            if !past.values[at].is_nan() {
                value += past.values[at];
                tame += past.tame[at];
                volume += weighs;
            }
            sums.values.push(value);
            sums.tame.push(tame);
            sums.volumes.push(volume);
            sums.due.push(due);
        }
        sums
    }

    /// The mean level of the buckets `from..to`; NaN where too few are there, or none that weighs: a closed day says nothing
    /// of the level.
    fn level(&self, values: &[f64], from: usize, to: usize) -> f64 {
        let (there, due) = (self.volumes[to] - self.volumes[from], self.due[to] - self.due[from]);
        let usual = self.due[self.due.len() - 1] / (self.due.len() - 1) as f64 * (to - from) as f64;
        if there > PRESENT_LEAST * due && due > VOLUME_LEAST * usual {
            (values[to] - values[from]) / there
        } else {
            f64::NAN
        }
    }
}

struct Coming<'a> {
    sums: &'a Sums,
    past: Past<'a>,
    ahead: Ahead,
    grid: Grid,
}

impl Coming<'_> {
    /// The spans before an origin whose levels are combined, with their prior weights.
    fn lengths(&self) -> Vec<(usize, f64)> {
        let (rhythm, ahead) = (self.past.rhythm, self.ahead);
        let own = if ahead.take == 1 { rhythm.moments } else { rhythm.levels };
        let mut lengths: Vec<(usize, f64)> =
            own.iter().map(|(length, prior)| (rhythm.buckets(*length), *prior)).collect();
        if ahead.take > 1 && ahead.since >= SINCE.0 {
            lengths.push((ahead.since, SINCE.1));
        }
        let now = self.past.values.len();
        let shortest = lengths.iter().map(|(length, _)| *length).min().unwrap_or(now);
        // There must be as many origins as the longest level has buckets.
        lengths.retain(|(length, _)| *length * 2 <= now);
        // Where no origin has come to its end nothing can be tried: a bad week is not all that is known then of a sum. What
        // stands at a moment goes on from there.
        if ahead.take > 1 && now < shortest + ahead.reach() {
            lengths.truncate(FORECASTS_MAX - 1);
            lengths.push((now, UNTRIED));
        }
        lengths.truncate(FORECASTS_MAX);
        lengths
    }

    /// What came after an origin; NaN where it is not over.
    fn came(&self, origin: usize, values: &[f64]) -> f64 {
        let from = origin + self.ahead.skip;
        let to = from + self.ahead.take;
        if to >= values.len() {
            return f64::NAN;
        }
        self.past.scale.put(self.sums.level(values, from, to))
    }

    fn before(&self, origin: usize, length: usize) -> f64 {
        if origin < length {
            return f64::NAN;
        }
        self.past.scale.put(self.sums.level(&self.sums.tame, origin - length, origin))
    }

    fn lesson(&self, origin: usize) -> Lesson {
        let (from, to) = (origin + self.ahead.skip, origin + self.ahead.skip + self.ahead.take);
        let age = (self.past.values.len() - origin) as f64;
        Lesson {
            error: 0.0,
            foretold: 0.0,
            origin,
            weight: 0.5_f64.powf(age / (HALF_LIFE_YEARS * self.past.rhythm.year())),
            volume: self.sums.volumes[to] - self.sums.volumes[from],
            sum: self.sums.values[to] - self.sums.values[from],
        }
    }

    /// None where there is no such level now.
    fn candidate(&self, (length, prior): (usize, f64), usual: &[f64]) -> Option<Candidate> {
        if length == 0 || !self.before(self.grid.now, length).is_finite() {
            return None;
        }
        let mut foretold = self.grid.all(|origin| self.before(origin, length));
        // What the season did from each origin on.
        let base = length.max(self.past.rhythm.base);
        let bases = if base == length { foretold.clone() } else { self.grid.all(|origin| self.before(origin, base)) };
        let change: Vec<f64> = usual.iter().zip(bases).map(|(came, before)| came - before).collect();
        let seasons: Vec<Season> = (0..foretold.len()).map(|at| self.season(at, &change)).collect();
        let known = change.iter().filter(|change| change.is_finite()).count() * self.grid.step;
        let noise = noise_of(&seasons, known as f64 / self.past.rhythm.year());
        foretold.iter_mut().zip(&seasons).for_each(|(foretold, season)| *foretold += season.change(noise));
        // What a level over few cases shows is mostly chance: before anything is learned the longer ones count more.
        let size = RATE_MOVES * self.past.scale.share_at(foretold[0]);
        let volume = self.sums.volumes[self.grid.now] - self.sums.volumes[self.grid.now - length];
        let moves = size * size + 1e-12;
        let prior = prior * moves / (moves + self.past.chance / volume);
        Some(Candidate { length, volume, prior, foretold })
    }

    /// The changes that other years show from the same time of the year on. For an origin in the past years after it count
    /// as well as those before: all of them are known now.
    fn season(&self, at: usize, change: &[f64]) -> Season {
        let mut season = Season::default();
        for years in 1..=YEARS_MAX {
            // Years are whole steps.
            let lag = self.past.rhythm.years(years) / self.grid.step;
            if at < lag && at + lag >= change.len() {
                break;
            }
            let others = [at.checked_sub(lag), at.checked_add(lag)];
            let changes = others.into_iter().flatten().filter_map(|other| change.get(other));
            changes.filter(|change| change.is_finite()).for_each(|change| season.take(*change));
        }
        season
    }
}
