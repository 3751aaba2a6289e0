//! After how many buckets a series may repeat itself.

use crate::model::grain::Grain;

/// Lengths of seasons in buckets, the shortest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seasons(Vec<usize>);

impl Seasons {
    /// More buckets than this are no season that a history could tell of: the week of ten-minute buckets is the longest.
    const LONGEST: usize = 1_008;

    /// Those that people live by: the day and the week, the year.
    pub fn of(grain: Grain) -> Seasons {
        match grain {
            Grain::Seconds(width) => {
                let fits = |period: &u32| width > 0 && period.is_multiple_of(width);
                Seasons::new(
                    [86_400, 604_800].iter().filter(|period| fits(period)).map(|period| (period / width) as usize),
                )
            }
            Grain::Day => Seasons::new([7, 365]),
            Grain::Week => Seasons::new([52]),
            Grain::Month => Seasons::new([12]),
        }
    }

    /// Of any lengths; those that are none are left out.
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Seasons {
        let mut lengths: Vec<usize> =
            lengths.into_iter().filter(|length| (2..=Seasons::LONGEST).contains(length)).collect();
        lengths.sort_unstable();
        lengths.dedup();
        Seasons(lengths)
    }

    pub fn lengths(&self) -> &[usize] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Seasons;
    use crate::model::grain::Grain;

    #[test]
    fn seasons_follow_from_the_grain() {
        for (grain, lengths) in [
            (Grain::HOUR, &[24, 168][..]),
            (Grain::Seconds(900), &[96, 672]),
            (Grain::Seconds(600), &[144, 1008]),
            (Grain::Seconds(300), &[288]),
            (Grain::Seconds(7 * 3_600), &[24]),
            (Grain::Seconds(10), &[]),
            (Grain::Day, &[7, 365]),
            (Grain::Week, &[52]),
            (Grain::Month, &[12]),
        ] {
            assert_eq!(Seasons::of(grain).lengths(), lengths, "{grain:?}");
        }
        assert_eq!(Seasons::new([7, 0, 1, 7, 3]).lengths(), [3, 7]);
    }
}
