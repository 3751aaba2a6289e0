//! How far the future may lie from its forecast: the errors of the past, smoothed, and a fat-tailed law behind them.

/// Points that stand for the errors of the past.
const POINTS: usize = 64;
/// Independent windows of history that weigh as much as the law does.
const LAW_WINDOWS: f64 = 8.0;
/// Independent windows that the closed form weighs as.
const PRIOR_WINDOWS: f64 = 3.0;
/// What a level is taken to move by, before anything is learned.
const LEVEL_MOVES: f64 = 0.10;
/// Errors further out than that many robust deviations count as that far.
const FAR: f64 = 5.0;
/// Width of the smoothing, in deviations.
const SMOOTHING: f64 = 0.4;
/// Width of the law over the deviation; a Student law of four degrees with the same variance has 0.71, the rest stands
/// for what is learned from few windows.
const LAW_WIDTH: f64 = 0.85;

/// A distribution of errors.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    /// Quantiles of the past errors, at the middles of equal parts.
    points: Vec<f64>,
    center: f64,
    deviation: f64,
    /// Weight of the points beside the law, 0 to 1.
    trust: f64,
}

impl Spread {
    /// `residuals` are errors with weights, `noise` what chance alone does to the mean of the buckets ahead, and `share` the
    /// size of a whole level, all on the scale of the forecast.
    pub(super) fn of(mut residuals: Vec<(f64, f64)>, windows: f64, noise: f64, share: f64) -> Spread {
        let prior = (LEVEL_MOVES * share).hypot(noise).max(1e-9);
        let total: f64 = residuals.iter().map(|(_, weight)| weight).sum();
        if total <= 0.0 {
            return Spread { points: Vec::new(), center: 0.0, deviation: prior, trust: 0.0 };
        }
        residuals.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let mut points = quantiles(&residuals, total);
        let (low, mid, high) = (points[POINTS / 6], points[POINTS / 2], points[POINTS - 1 - POINTS / 6]);
        let far = FAR * ((high - low) / 2.0).max(prior / FAR);
        for point in &mut points {
            *point = point.clamp(mid - far, mid + far);
        }
        let mean = |term: &dyn Fn(f64) -> f64| {
            let terms = residuals.iter().map(|(error, weight)| weight * term(error.clamp(mid - far, mid + far)));
            terms.sum::<f64>() / total
        };
        // The mean error is partly chance: with few windows it is mostly that.
        let trust = windows / (windows + LAW_WINDOWS);
        let center = mean(&|error| error) * trust;
        let variance = mean(&|error| (error - center).powi(2));
        let variance = (variance * windows + prior * prior * PRIOR_WINDOWS) / (windows + PRIOR_WINDOWS);
        Spread { points, center, deviation: variance.sqrt(), trust }
    }

    /// The probability of an error of at most `error`.
    pub(super) fn at_most(&self, error: f64) -> f64 {
        let law = student((error - self.center) / (LAW_WIDTH * self.deviation));
        if self.points.is_empty() {
            return law;
        }
        let width = SMOOTHING * self.deviation;
        let points: f64 = self.points.iter().map(|point| logistic((error - point) / width)).sum();
        self.trust * points / self.points.len() as f64 + (1.0 - self.trust) * law
    }

    /// The mean of a function of the error. Of the law, three points stand for all (Gauss and Hermite).
    pub(super) fn mean(&self, of: impl Fn(f64) -> f64) -> f64 {
        let side = 3.0_f64.sqrt() * self.deviation.min(1.0);
        let law = (of(self.center - side) + 4.0 * of(self.center) + of(self.center + side)) / 6.0;
        if self.points.is_empty() {
            return law;
        }
        let points = self.points.iter().map(|point| of(*point)).sum::<f64>() / self.points.len() as f64;
        self.trust * points + (1.0 - self.trust) * law
    }

    /// The error that the future stays under with that probability.
    pub(super) fn quantile(&self, probability: f64) -> f64 {
        let reach = 40.0 * self.deviation;
        let (mut low, mut high) = (self.center - reach, self.center + reach);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if self.at_most(middle) < probability { low = middle } else { high = middle }
        }
        f64::midpoint(low, high)
    }
}

/// The values at the middles of equal parts of the weight.
fn quantiles(sorted: &[(f64, f64)], total: f64) -> Vec<f64> {
    let mut points = Vec::with_capacity(POINTS);
    let mut passed = 0.0;
    let mut rest = sorted.iter().peekable();
    let mut value = sorted.first().map_or(0.0, |first| first.0);
    for part in 0..POINTS {
        let until = (part as f64 + 0.5) / POINTS as f64 * total;
        while passed < until {
            let Some((error, weight)) = rest.next() else { break };
            passed += weight;
            value = *error;
        }
        points.push(value);
    }
    points
}

/// The Student law of four degrees of freedom, in closed form.
fn student(x: f64) -> f64 {
    let share = x * x / (4.0 + x * x);
    0.5 + 0.375 * (x / (1.0 + x * x / 4.0).sqrt()) * (1.0 - share / 3.0)
}

/// Near to the normal law, and cheap.
fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * x).exp())
}
