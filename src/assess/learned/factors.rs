//! What the classes of buckets are worth: factors on the level of the time, by credibility.
//!
//! A bucket's expected value is the level around it times one factor a group. Factors are found group by group in turn
//! (iterative proportional fitting, which solves a Poisson model with a log link and so keeps sums unbiased and takes
//! zeros). A factor is drawn toward 1 as far as its class is thin, by the credibility n / (n + k) of Bühlmann and Straub,
//! "Glaubwürdigkeit für Schadensätze" (1970): k is the variance within classes over that between them, both learned from
//! the group itself, so that a group that tells nothing apart has factors of 1.

use super::classes::Group;

/// Turns of the fitting; each is a pass over the buckets and groups.
const TURNS: usize = 5;
/// Values further off than this many robust deviations count as that far: one spike is no habit.
const CAP_DEVIATIONS: f64 = 4.0;
/// A factor can't be zero: another group's share of it could never be told again.
const FACTOR_LEAST: f64 = 1e-4;
/// What a count may lie off beyond so many deviations of a Poisson law.
const RARE_ROOM: f64 = 2.0;
/// The part of the level under which a bucket's spread is not taken to fall.
const SPREAD_LEAST: f64 = 0.1;

/// The values to learn from, and how.
pub(super) struct Lesson<'a> {
    /// NaN where there is none.
    pub(super) values: &'a [f64],
    /// At least as long as the values: the buckets to come have classes too.
    pub(super) groups: &'a [Group],
    /// Buckets on each side of one that make the level around it.
    pub(super) reach: usize,
    /// Buckets after which a value counts half.
    pub(super) half_life: f64,
    /// True for counts of what is rare, where chance alone makes spikes.
    pub(super) is_rare: bool,
}

/// What was learned.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    /// A factor for each bucket that has classes, also those to come.
    pub(super) of: Vec<f64>,
    /// The values with spikes cut.
    pub(super) tame: Vec<f64>,
    /// Robust spread of a bucket as a share of what is expected of it.
    pub(super) spread: f64,
    is_rare: bool,
}

impl Factors {
    /// Factors that are given, not learned.
    pub(super) fn fixed(values: &[f64], of: Vec<f64>) -> Factors {
        let of = of.into_iter().map(|factor| factor.max(FACTOR_LEAST)).collect();
        Factors { of, tame: values.to_vec(), spread: 1.0, is_rare: false }
    }

    pub(super) fn learn(lesson: &Lesson<'_>) -> Factors {
        let Lesson { values, groups, .. } = *lesson;
        let buckets = groups.iter().map(|group| group.of.len()).min().unwrap_or(values.len());
        let mut learned = Factors { is_rare: lesson.is_rare, ..Factors::fixed(values, vec![1.0; buckets]) };
        let recency = recency(values.len(), lesson.half_life);
        let mut tables: Vec<Vec<f64>> = groups.iter().map(|group| vec![1.0; group.classes]).collect();
        for turn in 0..TURNS {
            let level = levels(&learned.tame, &learned.of, lesson.reach);
            if turn > 0 {
                learned.cut(values, &level);
            }
            for (group, table) in groups.iter().zip(&mut tables) {
                let found = credible(&learned, &level, &recency, (group, table));
                for (factor, class) in learned.of.iter_mut().zip(&group.of) {
                    let class = usize::from(*class);
                    *factor *= found[class] / table[class];
                }
                *table = found;
            }
        }
        learned.retame(values, lesson.reach);
        learned
    }

    /// Takes over other values of the same buckets and cuts their spikes; what the factors are stays.
    pub(super) fn retame(&mut self, values: &[f64], reach: usize) {
        if self.tame.len() != values.len() {
            self.tame = values.to_vec();
            let level = levels(&self.tame, &self.of, reach);
            self.cut(values, &level);
        }
        let level = levels(&self.tame, &self.of, reach);
        self.cut(values, &level);
    }

    /// Cuts spikes, against what is expected now.
    fn cut(&mut self, values: &[f64], level: &[f64]) {
        let room = |at: usize| (level[at] * self.of[at]).max(SPREAD_LEAST * level[at]);
        // Closed days are where they are expected and say nothing of the others.
        let off =
            |at: usize| if self.of[at] < SPREAD_LEAST { f64::NAN } else { values[at] / level[at] / self.of[at] - 1.0 };
        let step = (values.len() / 1_000).max(1);
        let mut offs: Vec<f64> =
            (0..values.len()).step_by(step).map(|at| off(at).abs()).filter(|off| off.is_finite()).collect();
        self.spread = 1.4826 * middle(&mut offs).unwrap_or(1.0);
        // Half of the buckets may lie exactly where they are expected, and the rest not.
        let far = CAP_DEVIATIONS * self.spread.max(0.05);
        for (at, value) in values.iter().enumerate() {
            let expected = level[at] * self.of[at];
            let chance = if self.is_rare { RARE_ROOM + CAP_DEVIATIONS * expected.max(0.0).sqrt() } else { 0.0 };
            let most = (far * room(at)).max(chance);
            // Around zero there is no telling what is far.
            let is_told = level[at] > 0.0 && most.is_finite();
            self.tame[at] = if is_told { value.clamp(expected - most, expected + most) } else { *value };
        }
    }
}

/// How much each value counts: half after a half-life.
fn recency(count: usize, half_life: f64) -> Vec<f64> {
    let step = 0.5_f64.powf(1.0 / half_life);
    let mut weights = vec![1.0; count];
    for at in (1..count).rev() {
        weights[at - 1] = weights[at] * step;
    }
    weights
}

/// The level around each bucket: values over factors, within reach.
pub(super) fn levels(values: &[f64], factors: &[f64], reach: usize) -> Vec<f64> {
    let (mut sum, mut weight) = (vec![0.0; values.len() + 1], vec![0.0; values.len() + 1]);
    for (at, value) in values.iter().enumerate() {
        let there = !value.is_nan();
        sum[at + 1] = sum[at] + if there { *value } else { 0.0 };
        weight[at + 1] = weight[at] + if there { factors[at] } else { 0.0 };
    }
    let around = |at: usize| {
        let (from, to) = (at.saturating_sub(reach), (at + reach + 1).min(values.len()));
        (sum[to] - sum[from]) / (weight[to] - weight[from])
    };
    (0..values.len()).map(around).collect()
}

/// The factors of one group beside the others, each drawn toward their mean as far as its class is thin.
fn credible(learned: &Factors, level: &[f64], recency: &[f64], (group, table): (&Group, &[f64])) -> Vec<f64> {
    let classes = group.classes;
    let (mut value, mut volume, mut square) = (vec![0.0; classes], vec![0.0; classes], vec![0.0; classes]);
    let mut count = vec![0.0; classes];
    for (at, tame) in learned.tame.iter().enumerate() {
        let class = usize::from(group.of[at]);
        // What the other groups expect, as a share of the level.
        let exposure = learned.of[at] / table[class];
        let share = tame / level[at];
        if !(share.is_finite() && exposure > 1e-6) {
            continue;
        }
        value[class] += recency[at] * share;
        volume[class] += recency[at] * exposure;
        square[class] += recency[at] * share * share / exposure;
        count[class] += recency[at];
    }
    let (all, whole): (f64, f64) = (value.iter().sum(), volume.iter().sum());
    if !(all > 0.0 && whole > 0.0) {
        return table.to_vec();
    }
    let mean = all / whole;
    let seen = |class: &usize| volume[*class] > 0.0;
    let raw = |class: usize| value[class] / volume[class];
    // Weighted sums of squares within and between classes.
    let within: f64 = (0..classes).filter(seen).map(|class| square[class] - value[class] * raw(class)).sum();
    let freedom = (count.iter().sum::<f64>() - (0..classes).filter(seen).count() as f64).max(1.0);
    let noise = (within / freedom).max(1e-9);
    let apart: f64 = (0..classes).filter(seen).map(|class| volume[class] * (raw(class) - mean).powi(2)).sum();
    let spare = (0..classes).filter(seen).count().saturating_sub(1) as f64;
    let span = whole - volume.iter().map(|volume| volume * volume).sum::<f64>() / whole;
    let signal = ((apart - spare * noise) / span.max(1e-9)).max(0.0);
    let factor = |class: usize| {
        if volume[class] <= 0.0 || signal == 0.0 {
            return 1.0;
        }
        let credibility = volume[class] / (volume[class] + noise / signal);
        (1.0 + credibility * (raw(class) / mean - 1.0)).max(FACTOR_LEAST)
    };
    (0..classes).map(factor).collect()
}

/// The median; the order is lost.
pub(super) fn middle(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let half = values.len() / 2;
    Some(*values.select_nth_unstable_by(half, f64::total_cmp).1)
}
