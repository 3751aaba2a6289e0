//! What holds of every forecast.

use super::{Forecast, Seasons};

/// Even noise between -1 and 1, always the same.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// Near enough to a bell.
    fn bell(&mut self) -> f64 {
        (0..6).map(|_| self.next()).sum::<f64>() / 2.0_f64.sqrt()
    }
}

fn forecast(history: &[f64], seasons: &[usize], horizon: usize) -> Forecast {
    Forecast::of(history, &Seasons::new(seasons.iter().copied()), horizon).unwrap()
}

fn means(forecast: &Forecast) -> Vec<f64> {
    (0..forecast.horizon()).map(|step| forecast.mean(step)).collect()
}

#[track_caller]
fn check_sound(name: &str, history: &[f64], seasons: &[usize], horizon: usize) {
    let forecast = forecast(history, seasons, horizon);
    let is_nonnegative = history.iter().all(|value| value.is_nan() || *value >= 0.0);
    for step in 0..horizon {
        let (low, high) = forecast.interval(step, 0.8);
        let mean = forecast.mean(step);
        assert!(
            low.is_finite() && mean.is_finite() && high.is_finite(),
            "{name}, {horizon} steps, {step}: {low} {mean} {high}"
        );
        assert!(low <= mean && mean <= high, "{name}, {horizon} steps, {step}: {low} {mean} {high}");
        assert!(!is_nonnegative || low >= 0.0, "{name}, {horizon} steps, {step}: {low}");
        let (lower, higher) = forecast.interval(step, 0.95);
        assert!(lower <= low && high <= higher, "{name}, {horizon} steps, {step}");
    }
    for future in forecast.futures(60) {
        assert_eq!(future.len(), horizon);
        assert!(
            future.iter().all(|value| value.is_finite() && (!is_nonnegative || *value >= 0.0)),
            "{name}: {future:?}"
        );
    }
}

/// Series of many kinds, each with its seasons.
fn kinds() -> Vec<(&'static str, Vec<f64>, &'static [usize])> {
    let mut noise = Noise(7);
    let mut series = |length: usize, value: &mut dyn FnMut(f64, f64) -> f64| -> Vec<f64> {
        (0..length).map(|at| value(at as f64, noise.bell())).collect()
    };
    let mut walk = 50.0;
    let mut negative = -20.0;
    let wave = |at: f64, length: f64| (std::f64::consts::TAU * at / length).sin();
    vec![
        ("noise", series(200, &mut |_, e| 100.0 + 5.0 * e), &[7]),
        (
            "walk",
            series(300, &mut |_, e| {
                walk += e;
                walk
            }),
            &[7, 365],
        ),
        (
            "below zero",
            series(120, &mut |_, e| {
                negative += e * 0.3;
                negative
            }),
            &[12],
        ),
        ("around zero", series(200, &mut |at, e| 10.0 * wave(at, 24.0) + e), &[24, 168]),
        (
            "hours",
            series(700, &mut |at, e| (200.0 + 80.0 * wave(at, 24.0) + 40.0 * wave(at, 168.0)) * (1.0 + 0.05 * e)),
            &[24, 168],
        ),
        ("shares", series(120, &mut |at, e| (0.01 * at + 0.2 * wave(at, 12.0) + 0.05 * e).exp()), &[12]),
        ("counts", series(150, &mut |at, e| (3.0 + 2.0 * wave(at, 7.0) + 1.5 * e).max(0.0).round()), &[7]),
        ("sparse", series(150, &mut |_, e| if e > 1.2 { (e * 3.0).round() } else { 0.0 }), &[7]),
        ("shift", series(150, &mut |at, e| if at < 120.0 { 10.0 + e } else { 500.0 + 10.0 * e }), &[7]),
        ("tiny", series(100, &mut |_, e| 1e-12 * (5.0 + e)), &[7]),
        ("huge", series(100, &mut |_, e| 1e200 * (5.0 + e)), &[7]),
        ("outliers", series(200, &mut |at, e| if at as usize % 37 == 9 { 9_000.0 } else { 100.0 + e }), &[7]),
        ("zeros", vec![0.0; 80], &[7]),
        ("three", vec![5.0, 7.0, 6.0], &[7, 365]),
        ("three alike", vec![5.0; 3], &[7]),
        ("four rising", vec![1.0, 2.0, 3.0, 4.0], &[]),
        (
            "yearly days",
            series(1_200, &mut |at, e| 100.0 + 30.0 * wave(at, 365.25) + 8.0 * wave(at, 7.0) + e),
            &[7, 365],
        ),
    ]
}

#[test]
fn every_kind_of_series_has_a_sound_forecast() {
    for (name, values, seasons) in kinds() {
        for horizon in [1, 13, 100] {
            check_sound(name, &values, seasons, horizon);
        }
        // The same with every fifth value, and a whole stretch, missing.
        let mut gaps = values.clone();
        let length = gaps.len();
        for (at, value) in gaps.iter_mut().enumerate().filter(|_| length > 20) {
            if at % 5 == 3 || (length / 2..length / 2 + 9).contains(&at) {
                *value = f64::NAN;
            }
        }
        check_sound(&format!("{name} with gaps"), &gaps, seasons, 13);
    }
}

/// Demand that comes now and then, without any rhythm: what is foretold is its mean, of which sums are made, and not the
/// zeros and peaks of the last week over again.
#[test]
fn what_comes_now_and_then_is_foretold_by_its_mean() {
    let (mut foretold, mut came, mut wildest) = (0.0, 0.0, 0.0_f64);
    for seed in 0..30 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut next = || if random.f64() < 0.25 { f64::from(random.u32(2..9)) } else { 0.0 };
        let history: Vec<f64> = (0..300).map(|_| next()).collect();
        let forecast = forecast(&history, &[7, 365], 28);
        let means = means(&forecast);
        let (low, high) = means.iter().fold((f64::MAX, 0.0_f64), |(low, high), mean| (low.min(*mean), high.max(*mean)));
        wildest = wildest.max(high - low);
        foretold += means.iter().sum::<f64>();
        came += (0..28).map(|_| next()).sum::<f64>();
        for step in 0..28 {
            assert!(forecast.interval(step, 0.8).0 >= 0.0, "{seed}");
        }
    }
    // One in four of 5 on the average, 28 times.
    assert!((foretold / came - 1.0).abs() < 0.15, "{foretold:.0} beside {came:.0}");
    assert!(wildest < 2.5, "one day is foretold {wildest:.1} more than another");
}

#[test]
fn nights_do_not_make_a_series_sparse() {
    let week = |at: usize| if at % 24 < 15 { 0.0 } else { 40.0 + (at % 7) as f64 };
    let values: Vec<f64> = (0..600).map(week).collect();
    let forecast = forecast(&values, &[24, 168], 24);
    assert!(!forecast.model().contains("demand"), "{}", forecast.model());
}

#[test]
fn too_few_values_have_none() {
    for history in [&[][..], &[1.0, 2.0], &[f64::NAN; 50], &[f64::NAN, 1.0, f64::INFINITY, 2.0]] {
        assert!(Forecast::of(history, &Seasons::new([7]), 5).is_none(), "{history:?}");
    }
    assert!(Forecast::of(&[1.0, f64::NAN, 2.0, 3.0], &Seasons::new([]), 5).is_some());
    assert_eq!(forecast(&[1.0, 2.0, 3.0], &[], 0).horizon(), 0);
}

#[test]
fn a_constant_stays() {
    for value in [0.0, 0.1, 42.0, -7.3, 1e9] {
        for length in [3, 40, 400] {
            let forecast = forecast(&vec![value; length], &[7, 30], 20);
            for step in 0..20 {
                let (low, high) = forecast.interval(step, 0.99);
                assert!(
                    [low, forecast.mean(step), high].iter().all(|found| (found - value).abs() <= value.abs() * 1e-9),
                    "{value}"
                );
            }
        }
    }
}

/// The value of each bucket.
type Series<'a> = &'a dyn Fn(usize) -> f64;

#[test]
fn a_pure_season_goes_on() {
    let day = |at: usize| 50.0 + [3.0, 9.0, 40.0, 12.0, 0.5, 7.0][at % 6];
    let week = |at: usize| day(at) * [1.0, 1.1, 0.9, 1.0, 1.3, 0.2, 0.1][at / 6 % 7];
    let shop = |at: usize| [20.0, 21.0, 20.0, 22.0, 30.0, 26.0, 0.0][at % 7];
    let cases: [(usize, &[usize], Series<'_>); 4] =
        [(40, &[6], &day), (400, &[6, 42], &week), (56, &[7, 365], &shop), (800, &[7, 365], &shop)];
    for (length, seasons, value) in cases {
        let history: Vec<f64> = (0..length).map(value).collect();
        for horizon in [1, 5, 14, 60] {
            let forecast = forecast(&history, seasons, horizon);
            for step in 0..horizon {
                let (expected, (low, high)) = (value(length + step), forecast.interval(step, 0.8));
                let mean = forecast.mean(step);
                let told = || {
                    format!(
                        "{length} values, {seasons:?}, step {step} of {horizon}: {low} {mean} {high} for {expected}"
                    )
                };
                assert!((mean - expected).abs() <= expected * 1e-3, "{}", told());
                assert!(high - low <= 0.05 * expected, "{}", told());
            }
        }
    }
}

#[test]
fn a_lone_outlier_moves_little() {
    let mut noise = Noise(3);
    let history: Vec<f64> =
        (0..200).map(|at| 100.0 + 10.0 * [0.0, 1.0, 3.0, 1.0, 0.0, -2.0, -3.0][at % 7] + noise.bell()).collect();
    let calm = means(&forecast(&history, &[7], 14));
    for at in [60, 150, 193, 199] {
        let mut hit = history.clone();
        hit[at] = 20_000.0;
        let moved = means(&forecast(&hit, &[7], 14));
        let worst = calm.iter().zip(&moved).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 60.0, "an outlier at {at} moved a mean by {worst}");
    }
}

#[test]
fn a_shift_of_level_is_followed() {
    let mut noise = Noise(5);
    let history: Vec<f64> = (0..200).map(|at| if at < 170 { 100.0 } else { 300.0 } + 3.0 * noise.bell()).collect();
    for mean in means(&forecast(&history, &[7], 14)) {
        assert!((270.0..330.0).contains(&mean), "{mean}");
    }
}

#[test]
fn only_the_newest_values_are_read_and_nothing_else_counts() {
    for (name, values, seasons) in kinds() {
        let one = forecast(&values, seasons, 13);
        let other = forecast(&[&[f64::NAN; 9][..], &values].concat(), seasons, 13);
        let all = |forecast: &Forecast| -> Vec<f64> {
            let intervals = (0..13).flat_map(|step| <[f64; 2]>::from(forecast.interval(step, 0.8)));
            means(forecast).into_iter().chain(intervals).chain(forecast.futures(50).flatten()).collect()
        };
        assert_eq!(all(&one), all(&forecast(&values, seasons, 13)), "{name}");
        assert_eq!(all(&one), all(&other), "{name}");
        assert_eq!(one.model(), other.model());
    }
    let old = [vec![1e9; 500], (0..2_500).map(|at| 50.0 + f64::from(at % 7)).collect()].concat();
    assert_eq!(means(&forecast(&old, &[7], 7)), means(&forecast(&old[500..], &[7], 7)));
}

#[test]
fn a_forecast_scales_with_its_series() {
    for (name, values, seasons) in kinds().into_iter().filter(|(name, ..)| *name != "huge") {
        let double: Vec<f64> = values.iter().map(|value| value * 4_096.0).collect();
        let (one, other) = (forecast(&values, seasons, 13), forecast(&double, seasons, 13));
        let scaled: Vec<f64> = means(&one).iter().map(|mean| mean * 4_096.0).collect();
        assert_eq!(scaled, means(&other), "{name}");
    }
}

#[test]
fn intervals_widen_with_the_step() {
    let mut noise = Noise(11);
    let mut value = 0.0;
    let walk: Vec<f64> = (0..400)
        .map(|_| {
            value += noise.bell();
            value
        })
        .collect();
    let forecast = forecast(&walk, &[7], 30);
    let width = |step: usize| {
        let (low, high) = forecast.interval(step, 0.8);
        high - low
    };
    assert!((1..30).all(|step| width(step) >= width(step - 1)), "{:?}", (0..30).map(width).collect::<Vec<_>>());
    assert!(width(29) > 2.5 * width(0), "{} {}", width(0), width(29));
}

#[test]
fn intervals_hold_what_they_say() {
    let mut noise = Noise(13);
    let (mut inside, mut all) = ([0; 3], 0);
    for series in 0..60 {
        let (mut carried, mut values) = (0.0, Vec::new());
        for at in 0..(150 + 14) {
            carried = 0.7 * carried + noise.bell();
            values.push(100.0 + 5.0 * [0.0, 2.0, 1.0, 3.0, 1.0, -4.0, -5.0][(at + series) % 7] + 2.0 * carried);
        }
        let forecast = forecast(&values[..150], &[7], 14);
        for (step, value) in values[150..].iter().enumerate() {
            all += 1;
            for (count, level) in inside.iter_mut().zip([0.5, 0.8, 0.95]) {
                let (low, high) = forecast.interval(step, level);
                *count += i32::from(low <= *value && *value <= high);
            }
        }
    }
    let [half, most, nearly_all] = inside.map(|count| f64::from(count) / f64::from(all));
    assert!((0.45..0.62).contains(&half), "{half}");
    assert!((0.74..0.88).contains(&most), "{most}");
    assert!(nearly_all > 0.9, "{nearly_all}");
}

#[test]
fn sums_over_futures_are_as_wide_as_errors_hang_together() {
    let mut noise = Noise(17);
    let sums = |carry: f64, noise: &mut Noise| {
        let mut carried = 0.0;
        let values: Vec<f64> = (0..600)
            .map(|_| {
                carried = carry * carried + noise.bell();
                100.0 + carried
            })
            .collect();
        let forecast = forecast(&values, &[7], 20);
        let mut sums: Vec<f64> = forecast.futures(480).map(|future| future.iter().sum()).collect();
        sums.sort_by(f64::total_cmp);
        let single: f64 = (0..20).map(|step| forecast.interval(step, 0.8)).map(|(low, high)| high - low).sum();
        (sums[432] - sums[48]) / single
    };
    // Of errors without any tie a sum is narrower than its parts by the root of their number, 0.22; of errors that last, less.
    let (loose, tied) = (sums(0.0, &mut noise), sums(0.95, &mut noise));
    assert!((0.12..0.4).contains(&loose), "{loose}");
    assert!(tied > 0.6 && tied < 1.1, "{tied}");
}

#[test]
fn each_step_of_futures_is_distributed_as_its_quantiles() {
    let (_, values, seasons) = kinds().swap_remove(4);
    let forecast = forecast(&values, seasons, 24);
    let futures: Vec<Vec<f64>> = forecast.futures(960).collect();
    for step in [0, 11, 23] {
        for p in [0.1, 0.5, 0.9] {
            let border = forecast.quantile(step, p);
            let below = futures.iter().filter(|future| future[step] <= border).count() as f64 / 960.0;
            assert!((below - p).abs() < 0.03, "step {step}: {below} of futures are below the quantile {p}");
        }
    }
    // A smaller set is the start of a larger one.
    assert!(forecast.futures(7).zip(&futures).all(|(one, other)| one == *other));
}
