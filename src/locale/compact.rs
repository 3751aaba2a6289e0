//! Figures as short as a picture needs them: `1,2 M€`, `€850k`.

use crate::model::unit::{Language, Unit};

use super::numbers::{DECIMALS_MAX, Decimals, NARROW, UNBREAKABLE, currency_symbol, number};

/// From here on a figure in billions is written as a power of ten.
const BILLIONS_MAX: f64 = 1e7;

/// And below here one without.
const SMALL_MIN: f64 = 1e-5;

/// The power of a thousand that figures are written in.
#[derive(Clone, Copy)]
struct Magnitude {
    divisor: f64,
    suffix: &'static str,
}

impl Magnitude {
    fn of(lang: Language, value: f64) -> Self {
        let (divisor, suffix) = match (value.abs(), lang) {
            (1e9.., Language::Fr) => (1e9, "Md"),
            (1e9.., Language::En) => (1e9, "bn"),
            (1e6.., _) => (1e6, "M"),
            (1e4.., _) => (1e3, "k"),
            _ => (1.0, ""),
        };
        Magnitude { divisor, suffix }
    }
}

/// A figure with its unit, rounded to so many significant digits; whole figures up to ten thousand stay as they are.
pub(super) fn figure(lang: Language, value: f64, digits: usize, unit: &Unit) -> String {
    let value = percents(value, unit);
    let magnitude = Magnitude::of(lang, rounded(value, digits));
    with_unit(lang, &written(lang, value, digits, magnitude), magnitude, unit)
}

/// Two figures that are read as one: of one magnitude, that of the larger. A unit that stands behind is named once.
pub(super) fn pair(lang: Language, (one, other): (f64, f64), digits: usize, unit: &Unit) -> (String, String) {
    let (one, other) = (percents(one, unit), percents(other, unit));
    let of = |value: f64| Magnitude::of(lang, rounded(value, digits));
    let magnitude = if of(one).divisor > of(other).divisor { of(one) } else { of(other) };
    let [first, second] = [one, other].map(|value| written(lang, value, digits, magnitude));
    // Nothing is neither thousands nor millions.
    let full = with_unit(lang, &first, if one == 0.0 { of(one) } else { magnitude }, unit);
    // `€362 to €434k` would be read as three hundred and sixty-two.
    let first = if full.starts_with(first.as_str()) { first } else { full };
    (first, with_unit(lang, &second, magnitude, unit))
}

fn percents(value: f64, unit: &Unit) -> f64 {
    if *unit == Unit::Ratio { value * 100.0 } else { value }
}

/// The number alone, in that magnitude.
fn written(lang: Language, value: f64, digits: usize, magnitude: Magnitude) -> String {
    let scaled = rounded(value, digits) / magnitude.divisor;
    let whole_digits = if scaled == 0.0 { 1 } else { scaled.abs().log10().floor() as i64 + 1 };
    let decimals = (digits as i64 - whole_digits).clamp(0, DECIMALS_MAX as i64) as u8;
    trimmed(lang, scaled_number(lang, scaled, decimals))
}

/// The marks of an axis, all of one magnitude and with the decimals that tell them apart. Units that are words are left out.
pub(super) fn axis(lang: Language, marks: &[f64], unit: &Unit) -> Vec<String> {
    let factor = if *unit == Unit::Ratio { 100.0 } else { 1.0 };
    let greatest = marks.iter().fold(0.0_f64, |greatest, mark| greatest.max((mark * factor).abs()));
    let magnitude = Magnitude::of(lang, greatest);
    let scaled: Vec<f64> = marks.iter().map(|mark| mark * factor / magnitude.divisor).collect();
    let step = scaled.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(f64::INFINITY, f64::min);
    let decimals = (0..DECIMALS_MAX as u8).find(|decimals| {
        let power = 10_f64.powi(i32::from(*decimals));
        scaled.iter().all(|mark| (mark * power - (mark * power).round()).abs() <= step * power * 1e-3)
    });
    let unit = match unit {
        Unit::Points | Unit::Other(_) => &Unit::None,
        unit => unit,
    };
    let decimals = decimals.unwrap_or(DECIMALS_MAX as u8);
    let written = |mark: &f64| match *mark {
        // Nothing is neither millions nor has it decimals.
        0.0 => with_unit(lang, "0", Magnitude::of(lang, 0.0), unit),
        mark => with_unit(lang, &scaled_number(lang, mark, decimals), magnitude, unit),
    };
    scaled.iter().map(written).collect()
}

fn rounded(value: f64, digits: usize) -> f64 {
    if value.abs() < 1e4 || !value.is_finite() {
        return value;
    }
    // By way of the text, which is rounded exactly.
    format!("{value:.*e}", digits.saturating_sub(1)).parse().unwrap_or(value)
}

fn scaled_number(lang: Language, scaled: f64, decimals: u8) -> String {
    if scaled == 0.0 || (SMALL_MIN..BILLIONS_MAX).contains(&scaled.abs()) {
        return number(lang, scaled, Decimals::Fixed(decimals));
    }
    let written = format!("{scaled:.2e}");
    if lang == Language::Fr { written.replace('.', ",") } else { written }
}

/// Without the zeros that end a fraction.
fn trimmed(lang: Language, written: String) -> String {
    let point = if lang == Language::Fr { ',' } else { '.' };
    if !written.contains(point) || written.contains('e') {
        return written;
    }
    written.trim_end_matches('0').trim_end_matches(point).to_owned()
}

fn with_unit(lang: Language, written: &str, magnitude: Magnitude, unit: &Unit) -> String {
    let suffix = magnitude.suffix;
    let plain = match lang {
        Language::Fr if !suffix.is_empty() => format!("{written}{NARROW}{suffix}"),
        Language::Fr | Language::En => format!("{written}{suffix}"),
    };
    match (lang, unit) {
        (_, Unit::None) => plain,
        (Language::Fr, Unit::Currency(code)) => {
            let symbol = currency_symbol(code);
            // `M€`, but `M CHF`.
            let space = if suffix.is_empty() || symbol == code { NARROW.to_string() } else { String::new() };
            format!("{plain}{space}{symbol}")
        }
        (Language::En, Unit::Currency(code)) => match (currency_symbol(code), plain.strip_prefix('-')) {
            (symbol, _) if symbol == code => format!("{code} {plain}"),
            (symbol, Some(rest)) => format!("-{symbol}{rest}"),
            (symbol, None) => format!("{symbol}{plain}"),
        },
        (Language::Fr, Unit::Ratio | Unit::Percent) => format!("{plain}{NARROW}%"),
        (Language::En, Unit::Ratio | Unit::Percent) => format!("{plain}%"),
        (_, Unit::Points) => format!("{plain}{UNBREAKABLE}pts"),
        (_, Unit::Other(word)) => format!("{plain}{UNBREAKABLE}{word}"),
    }
}

#[cfg(test)]
mod tests {
    use Language::{En, Fr};

    use super::*;

    /// Writes the special spaces as `_` (narrow) and `~`, so that cases can be read.
    fn visible(text: &str) -> String {
        text.replace(NARROW, "_").replace(UNBREAKABLE, "~")
    }

    #[test]
    fn figures_keep_the_digits_that_are_asked_for() {
        let euro = Unit::Currency("EUR".to_owned());
        let franc = Unit::Currency("CHF".to_owned());
        let orders = Unit::Other("commandes".to_owned());
        for (value, digits, unit, fr, en) in [
            (1_234_567.0, 3, &euro, "1,23_M€", "€1.23M"),
            (1_234_567.0, 5, &euro, "1,2346_M€", "€1.2346M"),
            (1_200_000.0, 3, &euro, "1,2_M€", "€1.2M"),
            (999_999.6, 3, &euro, "1_M€", "€1M"),
            (-851_499.0, 3, &euro, "-851_k€", "-€851k"),
            (9_876.54, 3, &euro, "9_877_€", "€9,877"),
            (12.345, 3, &euro, "12,3_€", "€12.3"),
            (0.0, 3, &euro, "0_€", "€0"),
            (1e12, 3, &euro, "1_000_Md€", "€1,000bn"),
            (0.000_000_051, 3, &euro, "5,10e-8_€", "€5.10e-8"),
            (2e30, 3, &euro, "2,00e21_Md€", "€2.00e21bn"),
            (1_234_567.0, 3, &franc, "1,23_M_CHF", "CHF 1.23M"),
            (0.1234, 3, &Unit::Ratio, "12,3_%", "12.3%"),
            (97.0, 3, &Unit::Percent, "97_%", "97%"),
            (42.26, 3, &Unit::Points, "42,3~pts", "42.3~pts"),
            (12_345.0, 3, &orders, "12,3_k~commandes", "12.3k~commandes"),
            (0.000_123_4, 3, &Unit::None, "0,000123", "0.000123"),
        ] {
            assert_eq!((visible(&figure(Fr, value, digits, unit)), visible(&figure(En, value, digits, unit))), {
                (fr.to_owned(), en.to_owned())
            });
        }
    }

    #[test]
    fn both_ends_of_a_range_are_of_one_magnitude() {
        let euro = Unit::Currency("EUR".to_owned());
        let franc = Unit::Currency("CHF".to_owned());
        for (low, high, unit, fr, en) in [
            (362_000.0, 434_000.0, &euro, "362|434_k€", "€362k|€434k"),
            (9_500.0, 12_000.0, &euro, "9,5|12_k€", "€9.5k|€12k"),
            (-12_000.0, 1_500.0, &euro, "-12|1,5_k€", "-€12k|€1.5k"),
            (950_000.0, 1_200_000.0, &franc, "0,95|1,2_M_CHF", "CHF 0.95M|CHF 1.2M"),
            (0.12, 0.15, &Unit::Ratio, "12|15_%", "12|15%"),
            (0.0, 434_000.0, &euro, "0|434_k€", "€0|€434k"),
            (362.0, 434.0, &Unit::None, "362|434", "362|434"),
        ] {
            let shown = |lang| {
                let (low, high) = pair(lang, (low, high), 3, unit);
                visible(&format!("{low}|{high}"))
            };
            assert_eq!((shown(Fr), shown(En)), (fr.to_owned(), en.to_owned()));
        }
    }

    #[test]
    fn marks_are_alike() {
        let check = |marks: &[f64], unit: &Unit, fr: &str, en: &str| {
            let shown = |lang| visible(&axis(lang, marks, unit).join(" "));
            assert_eq!((shown(Fr), shown(En)), (fr.to_owned(), en.to_owned()));
        };
        let euro = Unit::Currency("EUR".to_owned());
        check(&[0.0, 5e5, 1e6, 1.5e6], &euro, "0_€ 0,5_M€ 1,0_M€ 1,5_M€", "€0 €0.5M €1.0M €1.5M");
        check(&[0.0, 1e5, 2e5], &euro, "0_€ 100_k€ 200_k€", "€0 €100k €200k");
        check(&[-20.0, 0.0, 20.0], &Unit::None, "-20 0 20", "-20 0 20");
        check(&[0.1, 0.15, 0.2], &Unit::Ratio, "10_% 15_% 20_%", "10% 15% 20%");
        check(&[0.0, 2000.0], &Unit::Other("commandes".to_owned()), "0 2_000", "0 2,000");
        let close = [1_000_000.0, 1_000_000.5, 1_000_001.0];
        check(&close, &euro, "1,0000000_M€ 1,0000005_M€ 1,0000010_M€", "€1.0000000M €1.0000005M €1.0000010M");
    }
}
