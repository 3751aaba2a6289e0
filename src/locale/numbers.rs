//! Numbers and quantities as each language writes them.
//!
//! Figures shown must be recoverable: never more rounding than to the cent.

use crate::model::unit::{Language, Unit};

use super::texts::{Text, text};

/// How many decimals are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimals {
    /// At most two, none needlessly; for figures under a hundredth two significant ones.
    Auto,
    /// Just that many, zeros included.
    Fixed(u8),
}

/// When a sign is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Always,
    Negative,
}

/// Between thousands, and before `€` and `%`, in French: narrow and unbreakable.
pub(super) const NARROW: char = '\u{202f}';
/// Between a number and its unit in French: unbreakable.
pub(super) const UNBREAKABLE: char = '\u{a0}';
/// Most decimals written, however small the figure.
pub(super) const DECIMALS_MAX: usize = 8;

/// A number as the language writes it: `1 234,5` or `1,234.5`.
pub fn number(lang: Language, value: f64, decimals: Decimals) -> String {
    if !value.is_finite() {
        return text(lang, Text::Unavailable).to_owned();
    }
    let digits = match decimals {
        Decimals::Auto => plain_digits(value.abs(), 2),
        Decimals::Fixed(count) => format!("{:.*}", usize::from(count).min(DECIMALS_MAX), value.abs()),
    };
    let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let sign = if value < 0.0 && !is_zero { "-" } else { "" };
    format!("{sign}{}", grouped(lang, &digits))
}

/// A number with its sign, also when it is positive; zero has none.
pub fn signed(lang: Language, value: f64, decimals: Decimals) -> String {
    with_plus(value, number(lang, value, decimals))
}

/// A value in its KPI's unit: `1 234,50 €`, `12,5 %`, `42 points`.
pub fn quantity(lang: Language, value: f64, unit: &Unit) -> String {
    if !value.is_finite() {
        return text(lang, Text::Unavailable).to_owned();
    }
    let plain = || number(lang, value, Decimals::Auto);
    match unit {
        Unit::None => plain(),
        Unit::Currency(code) => money(lang, value, code),
        Unit::Ratio => per_cent(lang, &number(lang, value * 100.0, Decimals::Auto)),
        Unit::Percent => per_cent(lang, &plain()),
        Unit::Points => with_word(lang, &plain(), if is_singular(lang, value) { "point" } else { "points" }),
        Unit::Other(word) => with_word(lang, &plain(), word),
    }
}

/// A share as per cent, at most one decimal: 0.125 reads `12,5 %`.
pub fn percent(lang: Language, ratio: f64, sign: Sign) -> String {
    if !ratio.is_finite() {
        return text(lang, Text::Unavailable).to_owned();
    }
    let value = ratio * 100.0;
    let digits = plain_digits(value.abs(), 1);
    let minus = if value < 0.0 && digits.bytes().any(|byte| matches!(byte, b'1'..=b'9')) { "-" } else { "" };
    let written = format!("{minus}{}", grouped(lang, &digits));
    per_cent(lang, &if sign == Sign::Always { with_plus(value, written) } else { written })
}

/// A number of days, at most one decimal; the word is the text's.
pub fn days(lang: Language, value: f64) -> String {
    if !value.is_finite() {
        return text(lang, Text::Unavailable).to_owned();
    }
    number(lang, (value * 10.0).round() / 10.0, Decimals::Auto)
}

/// `2,5 jours ouvrés`, `1 working day`.
pub fn working_days(lang: Language, value: f64) -> String {
    if !value.is_finite() {
        return text(lang, Text::Unavailable).to_owned();
    }
    let word = match (lang, is_singular(lang, (value * 10.0).round() / 10.0)) {
        (Language::Fr, true) => "jour ouvré",
        (Language::Fr, false) => "jours ouvrés",
        (Language::En, true) => "working day",
        (Language::En, false) => "working days",
    };
    with_word(lang, &days(lang, value), word)
}

/// A drift in working days, in words; negative is late: `2,5 jours ouvrés de retard`.
pub fn days_late(lang: Language, drift_days: f64) -> String {
    let rounded = (drift_days * 10.0).round() / 10.0;
    if !rounded.is_finite() {
        return text(lang, Text::Unavailable).to_owned();
    }
    if rounded == 0.0 {
        return text(lang, Text::OnSchedule).to_owned();
    }
    let amount = working_days(lang, rounded.abs());
    match (lang, rounded < 0.0) {
        (Language::Fr, true) => format!("{amount} de retard"),
        (Language::Fr, false) => format!("{amount} d'avance"),
        (Language::En, true) => format!("{amount} late"),
        (Language::En, false) => format!("{amount} ahead"),
    }
}

/// The sign of a well-known currency, else its code.
pub fn currency_symbol(code: &str) -> &str {
    match code {
        "EUR" => "€",
        "USD" => "$",
        "GBP" => "£",
        "JPY" => "¥",
        other => other,
    }
}

fn money(lang: Language, value: f64, code: &str) -> String {
    let symbol = currency_symbol(code);
    let amount = number(lang, value, cents(value));
    match lang {
        Language::Fr => format!("{amount}{NARROW}{symbol}"),
        Language::En if symbol == code => format!("{code} {amount}"),
        Language::En => match amount.strip_prefix('-') {
            Some(rest) => format!("-{symbol}{rest}"),
            None => format!("{symbol}{amount}"),
        },
    }
}

/// Amounts that are not whole are written to the cent, smaller ones as they are.
fn cents(value: f64) -> Decimals {
    let is_whole = (value * 100.0).round() % 100.0 == 0.0;
    if is_whole || value.abs() < 0.01 { Decimals::Auto } else { Decimals::Fixed(2) }
}

fn per_cent(lang: Language, digits: &str) -> String {
    match lang {
        Language::Fr => format!("{digits}{NARROW}%"),
        Language::En => format!("{digits}%"),
    }
}

fn with_word(lang: Language, digits: &str, word: &str) -> String {
    match lang {
        Language::Fr => format!("{digits}{UNBREAKABLE}{word}"),
        Language::En => format!("{digits} {word}"),
    }
}

fn with_plus(value: f64, written: String) -> String {
    let shows_something = written.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    if value > 0.0 && shows_something { format!("+{written}") } else { written }
}

/// French takes the singular below two, English at one only.
fn is_singular(lang: Language, value: f64) -> bool {
    match lang {
        Language::Fr => value.abs() < 2.0,
        Language::En => value.abs() == 1.0,
    }
}

/// Digits of a non-negative number with at most `decimals` decimals, or two significant ones if that shows nothing.
fn plain_digits(value: f64, decimals: usize) -> String {
    let smallest_shown = 0.5 * 10f64.powi(-(decimals as i32));
    let wanted = if value > 0.0 && value < 10.0 * smallest_shown {
        ((1.0 - value.log10().floor()) as usize).clamp(decimals, DECIMALS_MAX)
    } else {
        decimals
    };
    // The shortest text that reads back as the number, unless it is longer than wanted.
    let shortest = format!("{value}");
    let shown = shortest.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let written = if shown <= wanted { shortest } else { format!("{value:.wanted$}") };
    match written.split_once('.') {
        Some((whole, fraction)) => match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            kept => format!("{whole}.{kept}"),
        },
        None => written,
    }
}

fn grouped(lang: Language, digits: &str) -> String {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (separator, point) = match lang {
        Language::Fr => (NARROW, ','),
        Language::En => (',', '.'),
    };
    let mut out = String::with_capacity(digits.len() + 8);
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push(point);
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{En, Fr};

    /// Writes the special spaces as `_` (narrow) and `~`, so that cases can be read.
    fn visible(text: &str) -> String {
        text.replace(NARROW, "_").replace(UNBREAKABLE, "~")
    }

    #[track_caller]
    fn check_number(value: f64, decimals: Decimals, fr: &str, en: &str) {
        assert_eq!(visible(&number(Fr, value, decimals)), fr);
        assert_eq!(visible(&number(En, value, decimals)), en);
    }

    #[test]
    fn numbers_are_grouped_and_keep_the_cents() {
        check_number(0.0, Decimals::Auto, "0", "0");
        check_number(-0.0, Decimals::Auto, "0", "0");
        check_number(7.0, Decimals::Auto, "7", "7");
        check_number(999.0, Decimals::Auto, "999", "999");
        check_number(1234.5, Decimals::Auto, "1_234,5", "1,234.5");
        check_number(1234.567, Decimals::Auto, "1_234,57", "1,234.57");
        check_number(400_000.0, Decimals::Auto, "400_000", "400,000");
        check_number(-1_234_567.891, Decimals::Auto, "-1_234_567,89", "-1,234,567.89");
        check_number(0.1234, Decimals::Auto, "0,12", "0.12");
        check_number(0.001_234, Decimals::Auto, "0,0012", "0.0012");
        check_number(-0.000_000_000_1, Decimals::Auto, "0", "0");
        check_number(99.999, Decimals::Auto, "100", "100");
        check_number(999.999, Decimals::Auto, "1_000", "1,000");
        check_number(12.0, Decimals::Fixed(2), "12,00", "12.00");
        check_number(1234.5, Decimals::Fixed(0), "1_234", "1,234");
        check_number(f64::NAN, Decimals::Auto, "indisponible", "unavailable");
        check_number(f64::INFINITY, Decimals::Auto, "indisponible", "unavailable");
    }

    #[track_caller]
    fn check_quantity(value: f64, unit: &Unit, fr: &str, en: &str) {
        assert_eq!(visible(&quantity(Fr, value, unit)), fr);
        assert_eq!(visible(&quantity(En, value, unit)), en);
    }

    #[test]
    fn quantities_carry_their_unit() {
        let currency = |code: &str| Unit::Currency(code.to_owned());
        check_quantity(1234.5, &currency("EUR"), "1_234,50_€", "€1,234.50");
        check_quantity(-1234.5, &currency("EUR"), "-1_234,50_€", "-€1,234.50");
        check_quantity(400_000.0, &currency("USD"), "400_000_$", "$400,000");
        check_quantity(99.9, &currency("GBP"), "99,90_£", "£99.90");
        check_quantity(99.9, &currency("CHF"), "99,90_CHF", "CHF 99.90");
        check_quantity(0.125, &Unit::Ratio, "12,5_%", "12.5%");
        check_quantity(0.1234, &Unit::Ratio, "12,34_%", "12.34%");
        check_quantity(12.5, &Unit::Percent, "12,5_%", "12.5%");
        check_quantity(42.0, &Unit::Points, "42~points", "42 points");
        check_quantity(1.0, &Unit::Points, "1~point", "1 point");
        check_quantity(12.0, &Unit::Other("commandes".to_owned()), "12~commandes", "12 commandes");
        check_quantity(12.0, &Unit::None, "12", "12");
        check_quantity(f64::NAN, &Unit::Percent, "indisponible", "unavailable");
    }

    #[track_caller]
    fn check_percent(ratio: f64, sign: Sign, fr: &str, en: &str) {
        assert_eq!(visible(&percent(Fr, ratio, sign)), fr);
        assert_eq!(visible(&percent(En, ratio, sign)), en);
    }

    #[test]
    fn shares_read_as_per_cent() {
        check_percent(0.125, Sign::Always, "+12,5_%", "+12.5%");
        check_percent(0.125, Sign::Negative, "12,5_%", "12.5%");
        check_percent(-0.082, Sign::Always, "-8,2_%", "-8.2%");
        check_percent(-0.1249, Sign::Negative, "-12,5_%", "-12.5%");
        check_percent(0.0, Sign::Always, "0_%", "0%");
        check_percent(0.0002, Sign::Always, "+0,02_%", "+0.02%");
        check_percent(1.0, Sign::Negative, "100_%", "100%");
        check_percent(f64::NAN, Sign::Always, "indisponible", "unavailable");
    }

    #[track_caller]
    fn check_days(value: f64, fr: &str, en: &str) {
        assert_eq!(visible(&days_late(Fr, value)), fr);
        assert_eq!(visible(&days_late(En, value)), en);
    }

    #[test]
    fn drift_in_days_says_late_or_ahead() {
        check_days(-2.46, "2,5~jours ouvrés de retard", "2.5 working days late");
        check_days(-1.0, "1~jour ouvré de retard", "1 working day late");
        check_days(-1.5, "1,5~jour ouvré de retard", "1.5 working days late");
        check_days(3.0, "3~jours ouvrés d'avance", "3 working days ahead");
        check_days(0.01, "au rythme prévu", "on schedule");
        assert_eq!(days(Fr, -2.46), "-2,5");
        assert_eq!(signed(En, 3.0, Decimals::Auto), "+3");
        assert_eq!(signed(Fr, -3.25, Decimals::Auto), "-3,25");
        assert_eq!(signed(Fr, 0.0, Decimals::Auto), "0");
    }
}
