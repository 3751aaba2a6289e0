//! What the time of the year does to a level, as other years show it, by credibility.

/// Noise over signal of a season that only one year shows.
const NOISE: f64 = 2.0;
const NOISE_RANGE: (f64, f64) = (0.05, 50.0);

/// Changes of one season in several years.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Season {
    years: f64,
    sum: f64,
    square: f64,
}

impl Season {
    pub(super) fn take(&mut self, change: f64) {
        self.years += 1.0;
        self.sum += change;
        self.square += change * change;
    }

    /// The mean change by credibility, n / (n + noise over signal).
    pub(super) fn change(&self, noise: f64) -> f64 {
        if self.years == 0.0 { 0.0 } else { self.sum / (self.years + noise) }
    }
}

/// Variance of a season's change from year to year over that from season to season (Bühlmann's k): products of two years'
/// changes have the latter as their mean. It is drawn toward a guess that counts as one of the `years` of changes.
pub(super) fn noise_of(seasons: &[Season], years: f64) -> f64 {
    let (mut signal, mut total, mut count) = (0.0, 0.0, 0.0);
    for season in seasons.iter().filter(|season| season.years >= 2.0) {
        signal += (season.sum * season.sum - season.square) / (season.years * (season.years - 1.0));
        total += season.square / season.years;
        count += 1.0;
    }
    if count == 0.0 {
        return NOISE;
    }
    let signal = f64::max(signal, 1e-12);
    let found = ((total - signal) / signal).clamp(NOISE_RANGE.0, NOISE_RANGE.1);
    let shown = years * count / seasons.len() as f64;
    ((found.ln() * shown + NOISE.ln()) / (shown + 1.0)).exp()
}
