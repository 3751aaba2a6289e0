//! Lengths that go with a grain, in buckets: the cycle, the year, how far back levels look.

use crate::model::grain::Grain;

/// Lengths in buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rhythm {
    /// Spans before an origin whose levels are combined, with their weights before anything is learned.
    pub(super) levels: &'static [(usize, f64)],
    /// The same for figures that stand at a moment: the newest value counts most.
    pub(super) moments: &'static [(usize, f64)],
    /// Least span that a seasonal change starts from.
    pub(super) base: usize,
    /// Buckets on each side that make the level around one, a month all in all.
    pub(super) reach: usize,
    /// The same for the shape of the year within a period.
    pub(super) season: usize,
    /// A year, and the step that years are rounded to so that weekdays or hours match.
    year: f64,
    step: f64,
    /// Buckets of history that are looked at.
    pub(super) history_max: usize,
    per: usize,
}

impl Rhythm {
    pub(super) fn of(grain: Grain) -> Rhythm {
        let days = Rhythm {
            levels: &[(7, 0.35), (28, 0.35), (91, 0.2), (364, 0.1)],
            moments: &[(1, 0.7), (7, 0.2), (28, 0.1)],
            base: 14,
            reach: 14,
            season: 7,
            year: 365.2425,
            step: 7.0,
            history_max: 3_300,
            per: 1,
        };
        match grain {
            Grain::Day => days,
            Grain::Seconds(width) => {
                let per = (86_400 / width.max(1)).max(1) as usize;
                Rhythm {
                    levels: &[(1, 0.2), (7, 0.35), (28, 0.3), (91, 0.15)],
                    moments: &[(0, 0.7), (1, 0.2), (7, 0.1)],
                    base: 7 * per,
                    reach: 14 * per,
                    season: 7 * per,
                    year: 365.2425 * per as f64,
                    step: 7.0 * per as f64,
                    history_max: 30_000,
                    per,
                }
            }
            Grain::Week => Rhythm {
                levels: &[(2, 0.25), (4, 0.35), (13, 0.3), (52, 0.1)],
                moments: &[(1, 0.7), (4, 0.2), (13, 0.1)],
                base: 4,
                reach: 4,
                season: 1,
                year: 52.1775,
                step: 1.0,
                history_max: 520,
                per: 1,
            },
            Grain::Month => Rhythm {
                levels: &[(1, 0.3), (3, 0.4), (12, 0.3)],
                moments: &[(1, 0.7), (3, 0.2), (12, 0.1)],
                base: 3,
                reach: 2,
                season: 0,
                year: 12.0,
                step: 1.0,
                history_max: 240,
                per: 1,
            },
        }
    }

    /// A length of the lists, in buckets; 0 stands for a single one.
    pub(super) fn buckets(&self, length: usize) -> usize {
        (length * self.per).max(1)
    }

    /// Buckets in that many years.
    pub(super) fn years(&self, count: usize) -> usize {
        ((count as f64 * self.year / self.step).round() * self.step) as usize
    }

    /// A year, as a length of time.
    pub(super) fn year(&self) -> f64 {
        self.year
    }
}
