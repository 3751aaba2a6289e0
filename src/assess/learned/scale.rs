//! The scale on which levels are forecast: logarithms, where a series is above zero, else the series' own unit.

/// How a level is written down for the forecast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Logarithms of levels, of at least `least`.
    Log { least: f64 },
    /// Levels over a unit.
    Plain { unit: f64 },
    /// Levels that are parts of a whole, from 0 to 1.
    Part,
}

/// Part of the usual level under which logarithms are not followed: a series that stands still would go on for ever.
const LEAST_SHARE: f64 = 0.02;
/// Part of the values that may be under zero on a scale of logarithms.
const NEGATIVE_SHARE_MAX: f64 = 0.02;

/// Mean of whole numbers from which logarithms serve as well as counts.
const RARE_BELOW: f64 = 3.0;

impl Scale {
    /// The one that fits values, most of which are there.
    pub(super) fn of(values: &[f64]) -> Scale {
        let (mut sum, mut count, mut negative) = (0.0, 0.0, 0.0);
        for value in values.iter().filter(|value| value.is_finite()) {
            sum += value;
            count += 1.0;
            negative += f64::from(u8::from(*value < 0.0));
        }
        if sum > 0.0 && negative <= NEGATIVE_SHARE_MAX * count {
            return Scale::Log { least: LEAST_SHARE * unit_of(values) };
        }
        Scale::plain(values)
    }

    /// The mean size of the values as unit.
    pub(super) fn plain(values: &[f64]) -> Scale {
        Scale::Plain { unit: unit_of(values) }
    }

    pub(super) fn put(self, level: f64) -> f64 {
        match self {
            // NaN stays NaN, which `max` would not keep.
            Scale::Log { least } if level < least => least.ln(),
            Scale::Log { .. } => level.ln(),
            Scale::Plain { unit } => level / unit,
            Scale::Part => level,
        }
    }

    /// How far a level lies from a forecast; none for a level that logarithms can't have.
    pub(super) fn error(self, level: f64, center: f64) -> Option<f64> {
        match self {
            Scale::Log { .. } => (level > 0.0).then(|| level.ln() - center),
            Scale::Plain { unit } => Some(level / unit - center),
            Scale::Part => Some(level - center),
        }
    }

    /// The size of a share of a level: one per cent of it is so much on the scale.
    pub(super) fn share_at(self, put: f64) -> f64 {
        match self {
            Scale::Log { .. } => 1.0,
            Scale::Plain { .. } => put.abs(),
            // One per cent of 98 % moves the 2 % that are left by half.
            Scale::Part => put.min(1.0 - put).max(0.0),
        }
    }

    pub(super) fn take(self, put: f64) -> f64 {
        match self {
            Scale::Log { .. } => put.exp(),
            Scale::Plain { unit } => put * unit,
            Scale::Part => put,
        }
    }
}

fn unit_of(values: &[f64]) -> f64 {
    let sizes = values.iter().filter(|value| value.is_finite());
    let (size, count) = sizes.fold((0.0, 0.0), |(size, count), value| (size + value.abs(), count + 1.0));
    if size > 0.0 { size / count } else { 1.0 }
}

/// True for whole numbers that are mostly small: their logarithms would not add up.
pub(super) fn is_rare(values: &[f64]) -> bool {
    let there = || values.iter().filter(|value| !value.is_nan());
    let (sum, count) = there().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum < RARE_BELOW * count && there().all(|value| is_whole(*value))
}

pub(super) fn is_whole(value: f64) -> bool {
    value >= 0.0 && value.fract() == 0.0
}
