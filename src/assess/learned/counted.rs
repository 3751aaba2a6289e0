//! Laws of whole numbers: counts of what is rare, and successes among so many.

/// Probability beyond which a table ends.
const TAIL: f64 = 1e-9;
const TABLE_MAX: usize = 20_000;
/// Expected counts beyond which a smooth law serves as well.
pub(super) const EXPECTED_MAX: f64 = 300.0;

/// The distribution of a whole number, as a table.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    /// Probability of at most that many; the tail beyond the end is nothing.
    through: Vec<f64>,
    /// Counts of failures: the number is that of the trials minus them.
    trials: Option<f64>,
    pub(super) mean: f64,
}

impl Counted {
    /// A Poisson count whose rate is uncertain as a gamma law with a variance of `over` times the squared mean: the
    /// negative binomial.
    pub(super) fn rare(mean: f64, over: f64) -> Counted {
        let shape = 1.0 / over.max(1e-6);
        let none = (-shape * (mean / shape).ln_1p()).exp();
        let share = mean / (mean + shape);
        let next = |count: f64| (count + shape) / (count + 1.0) * share;
        Counted { through: table(none, next), trials: None, mean }
    }

    /// Successes among `trials` with a chance that is uncertain as a beta law; `alike` is the correlation of two trials.
    /// The rarer of success and failure is counted.
    pub(super) fn shares(trials: f64, chance: f64, alike: f64) -> Counted {
        let trials = trials.round().max(0.0);
        let is_rare = chance <= 0.5;
        let rare = if is_rare { chance } else { 1.0 - chance }.max(1e-9);
        let size = (1.0 / alike.clamp(1e-7, 0.9) - 1.0).max(0.1);
        let (a, b) = (rare * size, (1.0 - rare) * size);
        let none = (ln_gamma(b + trials) - ln_gamma(b) + ln_gamma(size) - ln_gamma(size + trials)).exp();
        let next = |count: f64| {
            let left = trials - count;
            if left <= 0.0 { 0.0 } else { left / (count + 1.0) * (count + a) / (left - 1.0 + b) }
        };
        let through = table(none.min(1.0), next);
        Counted { through, trials: (!is_rare).then_some(trials), mean: trials * chance }
    }

    /// The probability of fewer than that.
    pub(super) fn below(&self, number: f64) -> f64 {
        match self.trials {
            None => self.through(number.ceil() - 1.0),
            Some(trials) => 1.0 - self.through((trials - number).floor()),
        }
    }

    /// The probability of at most that.
    pub(super) fn at_most(&self, number: f64) -> f64 {
        self.below(number.floor() + 1.0)
    }

    /// The least number that is reached with that probability at most.
    pub(super) fn quantile(&self, probability: f64) -> f64 {
        match self.trials {
            None => self.through.partition_point(|through| *through < probability) as f64,
            Some(trials) => trials - self.through.partition_point(|through| *through < 1.0 - probability) as f64,
        }
    }

    fn through(&self, count: f64) -> f64 {
        if count < 0.0 {
            return 0.0;
        }
        self.through.get(count as usize).copied().unwrap_or(1.0)
    }
}

/// Sums of probabilities, each made from the one before. What rounding and the tail leave is shared among all.
fn table(none: f64, next: impl Fn(f64) -> f64) -> Vec<f64> {
    let (mut probability, mut sum) = (none, none);
    let mut through = vec![sum];
    while sum < 1.0 - TAIL && probability > 0.0 && through.len() < TABLE_MAX {
        probability *= next((through.len() - 1) as f64);
        sum += probability;
        through.push(sum);
    }
    for share in &mut through {
        *share /= sum;
    }
    through
}

/// The logarithm of the gamma function above zero, by Stirling's series from 7 on.
pub(super) fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 0.0);
    while x < 7.0 {
        below += x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (x - 0.5) * x.ln() - x + 0.918_938_533_204_672_8 + series - below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-9 * expected.abs().max(1.0), "{actual} is not {expected}");
    }

    #[test]
    fn the_gamma_function_of_whole_numbers_is_a_factorial() {
        close(ln_gamma(1.0), 0.0);
        close(ln_gamma(5.0), 24.0_f64.ln());
        close(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln());
        close(ln_gamma(11.0), 3_628_800.0_f64.ln());
    }

    #[test]
    fn certain_rates_are_poisson() {
        let law = Counted::rare(2.0, 0.0);
        assert!((law.below(1.0) - (-2.0_f64).exp()).abs() < 1e-5);
        assert!((law.at_most(2.0) - 5.0 * (-2.0_f64).exp()).abs() < 1e-5);
        close(law.below(0.0), 0.0);
        assert_eq!((law.quantile(0.5), law.quantile(0.9)), (2.0, 4.0));
    }

    #[test]
    fn uncertain_rates_spread_as_the_negative_binomial_does() {
        let (mean, over) = (12.0, 0.25);
        let law = Counted::rare(mean, over);
        let chance = |count: usize| law.through[count] - if count == 0 { 0.0 } else { law.through[count - 1] };
        let moment =
            |power: i32| (0..law.through.len()).map(|count| chance(count) * (count as f64).powi(power)).sum::<f64>();
        assert!((moment(1) - mean).abs() < 1e-5);
        assert!((moment(2) - moment(1).powi(2) - (mean + over * mean * mean)).abs() < 1e-3);
    }

    #[test]
    fn successes_among_trials_follow_the_beta_binomial() {
        // Two trials, uniform chance: none, one or two are equally likely.
        let law = Counted::shares(2.0, 0.5, 1.0 / 3.0);
        close(law.at_most(0.0), 1.0 / 3.0);
        close(law.at_most(1.0), 2.0 / 3.0);
        close(law.at_most(2.0), 1.0);
        // Where success is the rule failures are counted: three of three at least is 0.9 cubed.
        let law = Counted::shares(3.0, 0.9, 0.0);
        assert!((1.0 - law.below(3.0) - 0.729).abs() < 1e-5);
        assert_eq!(law.quantile(0.1), 2.0);
        close(law.below(4.0), 1.0);
        close(law.below(-1.0), 0.0);
    }
}
