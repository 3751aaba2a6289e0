//! Scalars with a notation of their own: durations, patience, lateness, shares, figures, grains, days.
//!
//! Each is parsed while the file is decoded, so that a bad one is reported where it stands.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use jiff::SignedDuration;
use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::model::grain::Grain;
use crate::model::kpi::{Lateness, Recheck, RecheckEvery};
use crate::model::ledger_query::Accounts;
use crate::model::objective::Stretch;
use crate::model::rule::Patience;
use crate::model::unit::Unit;

/// A value written as text (or as a bare number, where that is clear).
pub trait Notation: Sized {
    const NAME: &'static str;
    /// The accepted forms, for messages and for the schema.
    const FORMS: &'static str;
    /// Whether a bare number is one of them.
    const NUMBERS: bool = false;

    fn read(text: &str) -> Result<Self, String>;

    /// What is told of a number alone, where that is none of them.
    fn bare(text: &str) -> String {
        format!("`{text}` is a bare number: expected {}", Self::FORMS)
    }
}

/// A scalar decoded by its notation.
#[derive(Clone, Debug, PartialEq)]
pub struct Written<T>(pub T);

impl<'de, T: Notation> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(Reader(PhantomData)).map(Written)
    }
}

struct Reader<T>(PhantomData<T>);

impl<T: Notation> Reader<T> {
    fn number<E: Error>(text: &str) -> Result<T, E> {
        if T::NUMBERS {
            return read(text);
        }
        Err(E::custom(T::bare(text)))
    }
}

impl<T: Notation> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::FORMS)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        read(text)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Self::number(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Self::number(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        Self::number(&number.to_string())
    }
}

fn read<T: Notation, E: Error>(text: &str) -> Result<T, E> {
    T::read(text.trim()).map_err(E::custom)
}

impl<T: Notation> JsonSchema for Written<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        if T::NUMBERS {
            json_schema!({"type": ["string", "number"], "description": T::FORMS})
        } else {
            json_schema!({"type": "string", "description": T::FORMS})
        }
    }
}

fn expected<T: Notation>(text: &str) -> String {
    format!("`{text}` is not {}", T::FORMS)
}

impl Notation for SignedDuration {
    const NAME: &'static str = "Duration";
    const FORMS: &'static str = "a duration such as `90s`, `5m`, `2h`, `3d` or `2w`";

    fn read(text: &str) -> Result<Self, String> {
        let wrong = || expected::<Self>(text);
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (digits, unit) = text.split_at(split);
        let count: i64 = digits.parse().map_err(|_| wrong())?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return Err(wrong()),
        };
        // A hundred years: longer is a slip, and would leave the range of instants.
        let total = count.checked_mul(seconds).filter(|total| *total <= 36_525 * 86_400);
        total.map(SignedDuration::from_secs).ok_or_else(|| format!("`{text}` is longer than a hundred years"))
    }
}

impl Notation for Stretch {
    const NAME: &'static str = "Stretch";
    const FORMS: &'static str = "a number of days, weeks or months such as `28d`, `4w` or `12 months`";

    fn bare(text: &str) -> String {
        format!("`{text}` has no unit: did you mean `{text}d`? Expected {}", Self::FORMS)
    }

    fn read(text: &str) -> Result<Self, String> {
        let wrong = || expected::<Self>(text);
        let is_bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let split = text.find(|c: char| !c.is_ascii_digit());
        let split = split.ok_or_else(|| if is_bare { Self::bare(text) } else { wrong() })?;
        let (digits, unit) = text.split_at(split);
        let count: u32 = digits.parse().map_err(|_| wrong())?;
        let (stretch, days) = match unit.trim() {
            "d" => (Stretch::Days(count), u64::from(count)),
            "w" => (Stretch::Days(count.saturating_mul(7)), u64::from(count) * 7),
            "month" | "months" => (Stretch::Months(count), u64::from(count) * 30),
            _ => return Err(wrong()),
        };
        // Ten years, a little over: no history is kept for longer.
        if (1..=3_660).contains(&days) {
            Ok(stretch)
        } else {
            Err(format!("`{text}` is not between a day and ten years"))
        }
    }
}

impl Notation for Patience {
    const NAME: &'static str = "Patience";
    const FORMS: &'static str = "a number of buckets such as `2 buckets`, or a duration such as `30m`";

    fn read(text: &str) -> Result<Self, String> {
        let buckets = text.strip_suffix("buckets").or_else(|| text.strip_suffix("bucket"));
        if let Some(count) = buckets {
            return match count.trim().parse() {
                Ok(0) => Err("0 buckets is no patience: leave it out, or write `1 bucket`".to_owned()),
                Ok(count @ 1..=100_000) => Ok(Patience::Buckets(count)),
                _ => Err(expected::<Self>(text)),
            };
        }
        SignedDuration::read(text).map(Patience::Elapsed).map_err(|_| expected::<Self>(text))
    }
}

/// A number of buckets alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets(pub u32);

impl Notation for Buckets {
    const NAME: &'static str = "Buckets";
    const FORMS: &'static str = "a number of buckets such as `3 buckets`";
    const NUMBERS: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        let count = text.strip_suffix("buckets").or_else(|| text.strip_suffix("bucket")).unwrap_or(text);
        let count = count.trim().parse().ok().filter(|count| (1..=100_000).contains(count));
        count.map(Buckets).ok_or_else(|| expected::<Self>(text))
    }
}

impl Notation for Lateness {
    const NAME: &'static str = "Lateness";
    const FORMS: &'static str = "a time after the bucket's end such as `2h`, `36h after end` or `1 workday after end`";

    fn read(text: &str) -> Result<Self, String> {
        let stretch = text.strip_suffix("after end").unwrap_or(text).trim();
        let workdays = stretch.strip_suffix("workdays").or_else(|| stretch.strip_suffix("workday"));
        if let Some(count) = workdays {
            let count = count.trim().parse().ok().filter(|count| *count <= 366);
            return count.map(Lateness::Workdays).ok_or_else(|| expected::<Self>(text));
        }
        SignedDuration::read(stretch).map(Lateness::Elapsed).map_err(|_| expected::<Self>(text))
    }
}

impl Notation for Recheck {
    const NAME: &'static str = "Recheck";
    const FORMS: &'static str = "how often and how far back, such as `monthly 400d`, `weekly 60d` or `daily 14d`";

    fn read(text: &str) -> Result<Self, String> {
        let (every, back) = text.split_once(' ').ok_or_else(|| expected::<Self>(text))?;
        let every = match every {
            "daily" => RecheckEvery::Day,
            "weekly" => RecheckEvery::Week,
            "monthly" => RecheckEvery::Month,
            _ => return Err(expected::<Self>(text)),
        };
        let back = SignedDuration::read(back.trim()).map_err(|_| expected::<Self>(text))?;
        if back.is_zero() { Err(expected::<Self>(text)) } else { Ok(Recheck { every, back }) }
    }
}

/// A share: 0 to 1, however it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

impl Notation for Share {
    const NAME: &'static str = "Share";
    const FORMS: &'static str = "a share such as `80 %` or `0.8`";
    const NUMBERS: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        let (number, scale) = match text.strip_suffix('%') {
            Some(percent) => (percent, 100.0),
            None => (text, 1.0),
        };
        let share = number_of::<Self>(number, text)? / scale;
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("`{text}` is not between 0 and 100 %: expected {}", Self::FORMS));
        }
        Ok(Share(share))
    }
}

/// How far something may jump: 3 for `300 %`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump(pub f64);

impl Notation for Jump {
    const NAME: &'static str = "Jump";
    const FORMS: &'static str = "a percentage such as `300 %`";

    fn read(text: &str) -> Result<Self, String> {
        let number = number_of::<Self>(text.strip_suffix('%').ok_or_else(|| expected::<Self>(text))?, text)?;
        if !(10.0..=1_000_000.0).contains(&number) {
            return Err(format!("`{text}` is not between 10 and 1000000 %: expected {}", Self::FORMS));
        }
        Ok(Jump(number / 100.0))
    }
}

/// A target or limit in the KPI's unit; `per_cent` tells how it was written, so that the unit can be checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    pub number: f64,
    pub per_cent: bool,
}

impl Notation for Amount {
    const NAME: &'static str = "Amount";
    const FORMS: &'static str = "a number such as `400000`, `\"400 000\"`, `3.5` or `12 %`";
    const NUMBERS: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        if text.ends_with('%') && text.starts_with(['+', '-', '\u{2212}']) {
            return Err(format!(
                "`{text}` is a change, which only an objective's target can be: write the figure itself"
            ));
        }
        amount_of::<Self>(text)
    }
}

fn amount_of<T: Notation>(text: &str) -> Result<Amount, String> {
    let per_cent = text.strip_suffix('%');
    let number = number_of::<T>(per_cent.unwrap_or(text), text)?;
    Ok(Amount { number, per_cent: per_cent.is_some() })
}

/// A figure of a target, or how far it lies from the objective's baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TargetAmount {
    Figure(Amount),
    /// A share of the baseline: 0.15 for `+15 %`.
    Share(f64),
    /// Percentage points, or points of a score.
    Points(f64),
}

impl Notation for TargetAmount {
    const NAME: &'static str = "TargetAmount";
    const FORMS: &'static str =
        "a figure such as `400000`, `\"400 000\"` or `12 %`, or a change from the baseline such as `+15 %` or `+3 pts`";
    const NUMBERS: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        let points = ["points", "point", "pts", "pt"].iter().find_map(|unit| text.strip_suffix(unit));
        if !text.starts_with(['+', '-', '\u{2212}']) {
            return match points {
                Some(_) => Err(format!("`{text}` has no sign: write `+{text}` for a change from the baseline")),
                None => amount_of::<Self>(text).map(TargetAmount::Figure),
            };
        }
        if let Some(points) = points {
            return number_of::<Self>(points, text).map(TargetAmount::Points);
        }
        match text.strip_suffix('%') {
            Some(share) => number_of::<Self>(share, text).map(|share| TargetAmount::Share(share / 100.0)),
            None => amount_of::<Self>(text).map(TargetAmount::Figure),
        }
    }
}

/// Accounts by the beginning of their number; a minus takes them out.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountNumber(pub Accounts);

impl Notation for AccountNumber {
    const NAME: &'static str = "AccountNumber";
    const FORMS: &'static str =
        "the beginning of an account's number such as `70`, or `-709` for accounts that don't count";
    const NUMBERS: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        let (prefix, excluded) = match text.strip_prefix(['-', '\u{2212}']) {
            Some(rest) => (rest.trim(), true),
            None => (text, false),
        };
        let fits = prefix.starts_with(|c: char| c.is_ascii_digit())
            && prefix.len() <= 20
            && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let accounts = Accounts { prefix: prefix.to_owned(), excluded };
        fits.then_some(AccountNumber(accounts)).ok_or_else(|| expected::<Self>(text))
    }
}

/// A number as people write it: grouping spaces of any kind, decimal point or comma. `written` is what it stands in.
fn number_of<T: Notation>(text: &str, written: &str) -> Result<f64, String> {
    if let Some(two_ways) = could_group(text, ',') {
        return Err(two_ways);
    }
    let plain: String = text
        .trim()
        .chars()
        .filter(|c| !matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '_' | '\''))
        .map(|c| if c == '\u{2212}' { '-' } else { c })
        .collect();
    // `1,234,567` and `1.234,5` would be guesses: one separator only.
    let separators = plain.matches([',', '.']).count();
    let clear = separators <= 1 && plain.chars().all(|c| c.is_ascii_digit() || "+-.,eE".contains(c));
    let number = plain.replace(',', ".").parse::<f64>().ok().filter(|number| clear && number.is_finite());
    number.ok_or_else(|| expected::<T>(written))
}

/// What is told of a number whose only mark stands before its last three digits, as one that groups thousands does: some
/// write a thousand by it, others a one.
pub(super) fn could_group(text: &str, mark: char) -> Option<String> {
    let text = text.trim();
    let (before, after) = text.trim_start_matches(['+', '-', '\u{2212}']).split_once(mark)?;
    let are_digits = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    (are_digits(before, 1..=3) && are_digits(after, 3..=3) && !before.starts_with('0')).then(|| {
        let (whole, decimal) = (text.replace(mark, ""), text.replace(mark, "."));
        format!("`{text}` can be read two ways: write {whole}, or {decimal}0 if its mark is decimal")
    })
}

impl Notation for Grain {
    const NAME: &'static str = "Grain";
    const FORMS: &'static str = "a grain: `day`, `week`, `month`, `hour`, or a duration such as `5m`";

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "day" | "1d" => return Ok(Grain::Day),
            "week" | "1w" => return Ok(Grain::Week),
            "month" => return Ok(Grain::Month),
            "hour" => return Ok(Grain::HOUR),
            "quarter" | "year" => return Err(format!("not yet: the grain `{text}`; use `month`")),
            _ => {}
        }
        let width = SignedDuration::read(text).map_err(|_| expected::<Self>(text))?.as_secs();
        match u32::try_from(width) {
            // Buckets are counted from midnight UTC, so a day must hold a whole number of them.
            Ok(width @ 1..=43_200) if 86_400 % width == 0 => Ok(Grain::Seconds(width)),
            _ => Err(format!("`{text}` does not divide a day: expected {}", Self::FORMS)),
        }
    }
}

/// A civil day.
impl Notation for Date {
    const NAME: &'static str = "Day";
    const FORMS: &'static str = "a day such as `2026-11-30`";

    fn read(text: &str) -> Result<Self, String> {
        let shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let date = text.parse::<Date>().ok().filter(|date| shaped && (1971..=9000).contains(&date.year()));
        date.ok_or_else(|| expected::<Self>(text))
    }
}

/// Where the state lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateUrl(pub PathBuf);

impl Notation for StateUrl {
    const NAME: &'static str = "StateUrl";
    const FORMS: &'static str = "a database such as `sqlite:///var/lib/vigie/vigie.db` or `sqlite:vigie.db`";

    fn read(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres") {
            return Err("not yet: a state in PostgreSQL; use `sqlite:///var/lib/vigie/vigie.db`".to_owned());
        }
        // The text may hold a password when it is of another system: it isn't repeated.
        let wrong = || format!("the state is not {}", Self::FORMS);
        let rest = text.strip_prefix("sqlite:").ok_or_else(wrong)?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path.contains(['?', '#']) || path == ":memory:" {
            return Err(wrong());
        }
        Ok(StateUrl(PathBuf::from(path)))
    }
}

impl Notation for Unit {
    const NAME: &'static str = "Unit";
    const FORMS: &'static str =
        "a unit: a currency such as `EUR`, `%`, `ratio`, `points`, `none`, or a word such as `commandes`";

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "%" | "percent" => return Ok(Unit::Percent),
            "ratio" => return Ok(Unit::Ratio),
            "points" => return Ok(Unit::Points),
            "none" | "nombre" | "number" | "count" => return Ok(Unit::None),
            "€" => return Ok(Unit::Currency("EUR".to_owned())),
            "$" => return Ok(Unit::Currency("USD".to_owned())),
            "£" => return Ok(Unit::Currency("GBP".to_owned())),
            _ => {}
        }
        if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            return Ok(Unit::Currency(text.to_owned()));
        }
        if text.is_empty() || text.chars().count() > 24 || text.chars().any(char::is_control) {
            return Err(expected::<Self>(text));
        }
        Ok(Unit::Other(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Notation + PartialEq + fmt::Debug>(text: &str, expected: T) {
        assert_eq!(T::read(text), Ok(expected), "{text}");
    }

    fn refused<T: Notation + fmt::Debug>(text: &str, part: &str) {
        let error = T::read(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error:?} lacks {part:?}");
    }

    #[test]
    fn durations() {
        check("90s", SignedDuration::from_secs(90));
        check("5m", SignedDuration::from_mins(5));
        check("2 h", SignedDuration::from_hours(2));
        check("3d", SignedDuration::from_hours(72));
        check("2w", SignedDuration::from_hours(336));
        for text in ["", "5", "5 min", "-5m", "1h30m", "h", "5M", "99999999999999999999s"] {
            refused::<SignedDuration>(text, "such as `90s`");
        }
        refused::<SignedDuration>("99999w", "hundred years");
    }

    #[test]
    fn stretches() {
        check("28d", Stretch::Days(28));
        check("4 w", Stretch::Days(28));
        check("1 month", Stretch::Months(1));
        check("122 months", Stretch::Months(122));
        refused::<Stretch>("28", "did you mean `28d`?");
        for wrong in ["", "d", "2h", "-1d", "a year"] {
            refused::<Stretch>(wrong, "is not a number of days, weeks or months");
        }
        for wrong in ["0d", "0 months", "123 months", "99999d", "4294967295w"] {
            refused::<Stretch>(wrong, "is not between a day and ten years");
        }
    }

    #[test]
    fn patience_and_lateness() {
        check("2 buckets", Patience::Buckets(2));
        check("1 bucket", Patience::Buckets(1));
        check("30m", Patience::Elapsed(SignedDuration::from_mins(30)));
        refused::<Patience>("0 buckets", "leave it out");
        refused::<Patience>("soon", "`2 buckets`");
        check("3 buckets", Buckets(3));
        check("3", Buckets(3));
        refused::<Buckets>("30m", "`3 buckets`");
        check("1 workday after end", Lateness::Workdays(1));
        check("2 workdays", Lateness::Workdays(2));
        check("36h after end", Lateness::Elapsed(SignedDuration::from_hours(36)));
        check("2h", Lateness::Elapsed(SignedDuration::from_hours(2)));
        refused::<Lateness>("after end", "`36h after end`");
    }

    #[test]
    fn shares_and_amounts() {
        check("80 %", Share(0.8));
        check("80\u{a0}%", Share(0.8));
        check("2,5\u{202f}%", Share(0.025));
        check("0.8", Share(0.8));
        refused::<Share>("120 %", "not between 0 and 100 %");
        refused::<Share>("many", "`80 %`");
        let plain = |number| Amount { number, per_cent: false };
        check("400000", plain(400_000.0));
        check("400\u{202f}000", plain(400_000.0));
        check("400 000,5", plain(400_000.5));
        check("-3.5", plain(-3.5));
        check("12 %", Amount { number: 12.0, per_cent: true });
        refused::<Amount>("+15 %", "only an objective's target");
        refused::<Amount>("1,234,567", "a number such as");
        // A factor of a thousand is nobody's guess to make.
        refused::<Amount>("27,000", "two ways: write 27000, or 27.0000 if its mark is decimal");
        refused::<TargetAmount>("-1,250", "two ways: write -1250, or -1.2500 if");
        check("0,125", plain(0.125));
        check("27,0000", plain(27.0));
        check("1234,567", plain(1_234.567));
        refused::<Amount>("inf", "a number such as");
        refused::<Amount>("NaN", "a number such as");
    }

    #[test]
    fn grains_days_units() {
        check("day", Grain::Day);
        check("hour", Grain::Seconds(3600));
        check("5m", Grain::Seconds(300));
        check("1s", Grain::Seconds(1));
        refused::<Grain>("7m", "does not divide a day");
        refused::<Grain>("daily", "a grain: `day`");
        refused::<Grain>("quarter", "not yet");
        check("2026-11-30", jiff::civil::date(2026, 11, 30));
        refused::<Date>("2026-02-30", "a day such as");
        refused::<Date>("30/11/2026", "a day such as");
        check("EUR", Unit::Currency("EUR".into()));
        check("%", Unit::Percent);
        check("nombre", Unit::None);
        check("commandes", Unit::Other("commandes".into()));
        check("ms", Unit::Other("ms".into()));
    }

    #[test]
    fn states() {
        check("sqlite:///var/lib/vigie/vigie.db", StateUrl("/var/lib/vigie/vigie.db".into()));
        check("sqlite:vigie.db", StateUrl("vigie.db".into()));
        refused::<StateUrl>("postgres://u:pw@h/db", "not yet");
        refused::<StateUrl>("mysql://u:pw@h/db", "sqlite:///var");
        assert!(!StateUrl::read("mysql://u:pw@h/db").unwrap_err().contains("pw"));
    }
}
