//! From where in the past forecasts are tried (Tashman 2000, "Out-of-sample tests of forecasting accuracy").

/// Tries in the past.
const TRIES: usize = 48;
/// So many begin within one horizon, at least: those that are closer tell little that is new.
const PER_HORIZON: usize = 4;

/// How many values were known at each try, rising; the last is now. The first half of a history is only learned of.
pub(super) fn origins(length: usize, horizon: usize) -> Vec<usize> {
    let span = length - (length / 2).max(1).min(length);
    let apart = (span / TRIES).clamp(1, (horizon / PER_HORIZON).max(1));
    let back = (0..=TRIES).map(|tries| tries * apart).take_while(|back| *back <= span);
    let mut origins: Vec<usize> = back.map(|back| length - back).collect();
    origins.reverse();
    origins
}

#[cfg(test)]
mod tests {
    use super::origins;

    #[test]
    fn origins_lie_in_the_newer_half() {
        assert_eq!(origins(1, 5), [1]);
        assert_eq!(origins(3, 5), [1, 2, 3]);
        assert_eq!(origins(10, 2), [5, 6, 7, 8, 9, 10]);
        let many = origins(2_000, 48);
        assert_eq!((many.len(), many[0], many[48]), (49, 2_000 - 48 * 12, 2_000));
    }
}
