//! Whether a value is too far from those before it: a thousandfold invoice, cents for euros, an empty warehouse.
//!
//! The band is that of the values before, widened by `max_jump`: what lies within the range that a figure had over
//! its last weeks is never suspect, however much it swings from day to day.

use crate::model::grain::BucketIndex;
use crate::model::series::SeriesData;

/// With fewer, nothing is suspect.
const REFERENCE_MIN: usize = 5;

/// The range of the values before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    pub low: f64,
    pub high: f64,
}

impl Band {
    /// Values before it that a value is compared with: four weeks of days, more than two years of months.
    pub const REFERENCE_MAX: usize = 28;

    /// Of the final values before a bucket, newest first, without those to be left out; none when there are too few.
    pub fn before(data: &SeriesData, bucket: BucketIndex, is_left_out: impl Fn(BucketIndex) -> bool) -> Option<Band> {
        let counts = data
            .range(BucketIndex::MIN, bucket - 1)
            .rev()
            .filter(|point| !point.provisional && point.value.is_finite() && !is_left_out(point.index));
        let values: Vec<f64> = counts.take(Band::REFERENCE_MAX).map(|point| point.value).collect();
        (values.len() >= REFERENCE_MIN).then(|| Band::of(&values))
    }

    /// Of at least one value.
    pub fn of(values: &[f64]) -> Band {
        let fold = |pick: fn(f64, f64) -> f64, start| values.iter().copied().fold(start, pick);
        Band { low: fold(f64::min, f64::INFINITY), high: fold(f64::max, f64::NEG_INFINITY) }
    }

    /// Whether a value lies further from the band than `max_jump` allows: 3 means 300 % above the highest, so four
    /// times it, and as many times below the lowest. Values that were all zero say nothing of what may follow.
    pub fn excludes(self, value: f64, max_jump: f64) -> bool {
        let factor = 1.0 + max_jump;
        if !value.is_finite() || (self.low == 0.0 && self.high == 0.0) {
            return false;
        }
        value > upper(self.low, self.high, factor) || value < -upper(-self.high, -self.low, factor)
    }
}

/// The highest value allowed. Where no value was above zero, what swings to the other side may go as far as they did.
fn upper(low: f64, high: f64, factor: f64) -> f64 {
    if high > 0.0 {
        high * factor
    } else if high < 0.0 {
        high / factor
    } else {
        -low * factor
    }
}

#[cfg(test)]
mod tests {
    use super::Band;

    #[track_caller]
    fn check(values: &[f64], within: &[f64], beyond: &[f64]) {
        let band = Band::of(values);
        for value in within {
            assert!(!band.excludes(*value, 3.0), "{value} beside {values:?}");
        }
        for value in beyond {
            assert!(band.excludes(*value, 3.0), "{value} beside {values:?}");
        }
    }

    #[test]
    fn jumps_are_measured_from_the_range_before() {
        check(&[80.0, 100.0, 120.0], &[20.0, 480.0, 100.0], &[19.9, 480.1, 0.0, -5.0, 10_000.0]);
        // Closed on Sundays: any fall is usual, and so is a Monday.
        check(&[0.0, 100.0, 120.0], &[0.0, 480.0, -480.0], &[481.0, -481.0]);
        check(&[-100.0, -50.0], &[-400.0, -12.5, -60.0], &[-401.0, -12.0, 0.0, 50.0]);
        check(&[-100.0, 0.0], &[-400.0, 400.0, 0.0], &[-401.0, 401.0]);
        check(&[-100.0, 50.0], &[-400.0, 200.0], &[-401.0, 201.0]);
        check(&[0.0, 0.0], &[0.0, 1e9, -1e9], &[]);
        check(&[1.0], &[f64::NAN, 4.0], &[4.1]);
    }
}
