//! Whole futures: at each step as likely as the spread says, and hanging together from step to step as errors did.
//!
//! The paths of errors from the origins of the past give the order, the spread gives the sizes (the Schaake shuffle;
//! Clark and others 2004). Sums over steps, and whether a line is ever crossed, follow from such futures, never from the
//! intervals of single steps.

use super::spread::Miss;

/// Where the errors of each origin stood among those of all origins, step by step.
pub(super) struct Shapes {
    /// From 0 to 1, by origin and step.
    places: Vec<Vec<f64>>,
}

/// Whole paths that are enough; with fewer, those that break off serve too.
const WHOLE_MIN: usize = 12;
/// The fraction of the golden ratio: its multiples fill an interval evenly, however many are taken.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

impl Shapes {
    pub(super) fn of(misses: &[Miss], origins: usize, horizon: usize) -> Shapes {
        let mut errors: Vec<Vec<Option<f64>>> = vec![vec![None; horizon]; origins];
        for miss in misses {
            errors[miss.origin][miss.step] = Some(miss.error);
        }
        errors.retain(|path| path.iter().any(Option::is_some));
        // One that breaks off has no last step.
        let is_whole = |path: &Vec<Option<f64>>| path.last().is_some_and(Option::is_some);
        if errors.iter().filter(|path| is_whole(path)).count() >= WHOLE_MIN {
            errors.retain(is_whole);
        }
        let mut places = vec![Vec::with_capacity(horizon); errors.len()];
        for step in 0..horizon {
            let mut order: Vec<(f64, usize)> =
                errors.iter().enumerate().filter_map(|(path, errors)| Some((errors[step]?, path))).collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            // Where it broke off it stays where it stood.
            for place in &mut places {
                place.push(place.last().copied().unwrap_or(0.5));
            }
            for (rank, (_, path)) in order.iter().enumerate() {
                places[*path][step] = (rank as f64 + 0.5) / order.len() as f64;
            }
        }
        Shapes { places }
    }

    /// The place of each step in the `number`-th future; each origin serves in turn, a little higher or lower each time.
    pub(super) fn places(&self, number: usize) -> Option<impl Iterator<Item = f64>> {
        let shape = self.places.get(number % self.places.len().max(1))?;
        let round = number / self.places.len();
        let aside = ((0.5 + round as f64 * GOLDEN).fract() - 0.5) / self.places.len() as f64;
        Some(shape.iter().map(move |place| place + aside))
    }
}

#[cfg(test)]
mod tests {
    use super::Shapes;
    use crate::assess::forecast::spread::Miss;

    #[test]
    fn futures_keep_the_order_of_errors() {
        let miss = |origin, step, error| Miss { origin, step, error, forecast: 0.0 };
        let misses = [miss(0, 0, 5.0), miss(0, 1, -1.0), miss(1, 0, -2.0), miss(1, 1, 3.0), miss(3, 0, 1.0)];
        let shapes = Shapes::of(&misses, 4, 2);
        let places = |number| shapes.places(number).unwrap().collect::<Vec<_>>();
        let close = |found: Vec<f64>, expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        close(places(0), [2.5 / 3.0, 0.25]);
        close(places(1), [0.5 / 3.0, 0.75]);
        // It broke off after the first step.
        close(places(2), [0.5, 0.5]);
        let aside = (0.5 + super::GOLDEN).fract() - 0.5;
        close(places(3), [(2.5 + aside) / 3.0, 0.25 + aside / 3.0]);
        assert!(Shapes::of(&[], 3, 2).places(0).is_none());
    }
}
