//! Numbers as people and spreadsheets write them: `1 234,50`, `(1 234,50)`, `1.234,50 €`, `1,234.50`.
//!
//! Which of comma and point is the decimal mark is decided per column, never per cell: see [`Column`].

/// The character between units and tenths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Mark {
    Comma,
    Point,
}

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::source) enum Cell {
    Number {
        value: f64,
        percent: bool,
    },
    /// Empty, `-`, `n/a`, `NaN`: nothing was said.
    Absent,
    Unreadable,
}

const ABSENT: [&str; 12] = ["", "-", "–", "—", "n/a", "#n/a", "na", "nd", "n.d.", "null", "none", "nan"];

/// Reads one cell with a known decimal mark.
pub(in crate::source) fn read(text: &str, mark: Mark) -> Cell {
    if is_absent(text) {
        return Cell::Absent;
    }
    let Some(bare) = Bare::of(text) else { return Cell::Unreadable };
    match plain(&bare.digits, mark) {
        Some(value) => Cell::Number { value: if bare.negative { -value } else { value }, percent: bare.percent },
        None => Cell::Unreadable,
    }
}

fn is_absent(text: &str) -> bool {
    let text = text.trim();
    text.len() <= 5 && ABSENT.contains(&text.to_lowercase().as_str())
}

/// A cell without sign, currency, per cent sign and blanks inside; grouping blanks became `'`.
struct Bare {
    negative: bool,
    percent: bool,
    digits: String,
}

impl Bare {
    fn of(text: &str) -> Option<Bare> {
        let mut rest = text.trim();
        let mut negative = false;
        if let Some(inner) = rest.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
            (rest, negative) = (inner.trim(), true);
        }
        let mut signed = negative;
        let mut percent = false;
        // Signs and currencies come in any order: `-12 €`, `€ -12`, `12- €`, `-12 %`.
        loop {
            let before = rest;
            rest = without_currency(rest).trim();
            for sign in ['-', '−', '+'] {
                let stripped = rest.strip_prefix(sign).or_else(|| rest.strip_suffix(sign));
                if let Some(inner) = stripped {
                    if signed {
                        return None;
                    }
                    (rest, negative, signed) = (inner.trim(), sign != '+', true);
                }
            }
            if let Some(inner) = rest.strip_suffix('%') {
                if percent {
                    return None;
                }
                (rest, percent) = (inner.trim(), true);
            }
            if rest == before {
                break;
            }
        }
        // No-break, narrow no-break and thin blanks group digits as plain ones do.
        let digits: String = rest.chars().map(|c| if c.is_whitespace() || c == '’' { '\'' } else { c }).collect();
        digits.starts_with(|c: char| c.is_ascii_digit() || c == ',' || c == '.').then_some(Bare {
            negative,
            percent,
            digits,
        })
    }
}

/// Cuts one currency symbol or ISO code off either end.
fn without_currency(text: &str) -> &str {
    const SYMBOLS: [char; 6] = ['€', '$', '£', '¥', '₹', '¤'];
    let code = |word: &str| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    let text = text.trim().trim_start_matches(SYMBOLS).trim_end_matches(SYMBOLS).trim();
    if let (Some(head), Some(rest)) = (text.get(..3), text.get(3..))
        && code(head)
    {
        return rest.trim();
    }
    if let Some(cut) = text.len().checked_sub(3)
        && let (Some(rest), Some(tail)) = (text.get(..cut), text.get(cut..))
        && code(tail)
    {
        return rest.trim();
    }
    text
}

/// Digits with grouping and one decimal mark; groups have three digits.
fn plain(text: &str, mark: Mark) -> Option<f64> {
    let (decimal, grouping) = match mark {
        Mark::Comma => (',', '.'),
        Mark::Point => ('.', ','),
    };
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once(decimal).unwrap_or((mantissa, ""));
    let mut groups = whole.split(['\'', grouping]);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let grouped = rest.iter().all(|group| group.len() == 3 && all_digits(group));
    let leading_fits = rest.is_empty() || (1..=3).contains(&first.len());
    if !grouped
        || !leading_fits
        || !all_digits(first)
        || !all_digits(fraction)
        || (whole.is_empty() && fraction.is_empty())
    {
        return None;
    }
    if let Some(exponent) = exponent
        && !all_digits(exponent.trim_start_matches(['+', '-']))
    {
        return None;
    }
    let exponent = exponent.map(|exponent| format!("e{exponent}")).unwrap_or_default();
    let value: f64 = format!("{first}{}.{fraction}0{exponent}", rest.concat()).parse().ok()?;
    value.is_finite().then_some(value)
}

/// What the cells of one column show about its decimal mark.
///
/// `1.234,50` has both marks: the later one is decimal. A mark that stands twice groups. A mark not
/// followed by exactly three digits, or after more than three digits, after `0` or in a number
/// grouped by blanks, is decimal. Only `1,234` and `1.234` show nothing by themselves; another cell
/// of the column then decides, else the caller's fallback, which the source says aloud.
#[derive(Clone, Debug, Default)]
pub(in crate::source) struct Column {
    comma: Option<String>,
    point: Option<String>,
    ambiguous: Option<String>,
}

/// The outcome for a column.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::source) enum Decided {
    Sure(Mark),
    /// Nothing decides; the sample can be read two ways.
    Open {
        sample: String,
    },
    /// The column holds both ways of writing.
    Mixed {
        comma: String,
        point: String,
    },
}

impl Column {
    pub(in crate::source) fn see(&mut self, text: &str) {
        if is_absent(text) {
            return;
        }
        let Some(bare) = Bare::of(text) else { return };
        let slot = match evidence(&bare.digits) {
            Evidence::Comma => &mut self.comma,
            Evidence::Point => &mut self.point,
            Evidence::Ambiguous => &mut self.ambiguous,
            Evidence::None => return,
        };
        slot.get_or_insert_with(|| text.trim().chars().take(40).collect());
    }

    pub(in crate::source) fn decide(self) -> Decided {
        match (self.comma, self.point, self.ambiguous) {
            (Some(comma), Some(point), _) => Decided::Mixed { comma, point },
            (Some(_), None, _) => Decided::Sure(Mark::Comma),
            (None, None, Some(sample)) => Decided::Open { sample },
            (None, _, _) => Decided::Sure(Mark::Point),
        }
    }
}

enum Evidence {
    Comma,
    Point,
    Ambiguous,
    None,
}

fn evidence(digits: &str) -> Evidence {
    let commas = digits.matches(',').count();
    let points = digits.matches('.').count();
    match (commas, points) {
        (0, 0) => Evidence::None,
        (0, 1) => single(digits, '.', Evidence::Point),
        (1, 0) => single(digits, ',', Evidence::Comma),
        (0, _) => Evidence::Comma,
        (_, 0) => Evidence::Point,
        _ if digits.rfind(',') > digits.rfind('.') => Evidence::Comma,
        _ => Evidence::Point,
    }
}

/// One mark only: decimal unless it could as well group thousands.
fn single(digits: &str, mark: char, decimal: Evidence) -> Evidence {
    let (before, after) = digits.split_once(mark).unwrap_or((digits, ""));
    let could_group = after.len() == 3
        && after.bytes().all(|byte| byte.is_ascii_digit())
        && (1..=3).contains(&before.len())
        && !before.starts_with('0');
    if could_group { Evidence::Ambiguous } else { decimal }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Column, Decided, Mark, read};

    fn check(text: &str, mark: Mark, expected: Option<f64>) {
        match (read(text, mark), expected) {
            (Cell::Number { value, .. }, Some(wanted)) => assert_eq!(value, wanted, "{text}"),
            (Cell::Unreadable, None) => {}
            (found, _) => panic!("{text}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn french_numbers() {
        for (text, value) in [
            ("1 234,50", 1234.5),
            ("1\u{a0}234,50", 1234.5),
            ("1\u{202f}234\u{202f}567,5", 1_234_567.5),
            ("(1 234,50)", -1234.5),
            ("(1 234,50 €)", -1234.5),
            ("1.234,50", 1234.5),
            ("1.234.567", 1_234_567.0),
            ("12,5", 12.5),
            ("-12,5", -12.5),
            ("−12,5", -12.5),
            ("12,5-", -12.5),
            ("+3", 3.0),
            (",5", 0.5),
            ("12,", 12.0),
            ("1 234,50 €", 1234.5),
            ("€ 1 234,50", 1234.5),
            ("-12 EUR", -12.0),
            ("CHF 1'234,5", 1234.5),
            ("1234", 1234.0),
            ("1,5e3", 1500.0),
        ] {
            check(text, Mark::Comma, Some(value));
        }
    }

    #[test]
    fn english_numbers() {
        for (text, value) in
            [("1,234.50", 1234.5), ("$1,234", 1234.0), ("($5)", -5.0), ("1e-3", 0.001), ("0.1", 0.1), ("-$7.25", -7.25)]
        {
            check(text, Mark::Point, Some(value));
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in
            ["abc", "12 34", "1,23,456", "1.2.3", "12;5", "--5", "(-5)", "inf", "1e400", "0x10", "#REF!", "5 %%"]
        {
            check(text, Mark::Point, None);
        }
        check("1.23", Mark::Comma, None);
        for text in ["", "  ", "-", "N/A", "#N/A", "null", "NaN", "nd"] {
            assert_eq!(read(text, Mark::Point), Cell::Absent, "{text}");
        }
        assert_eq!(read("12,5 %", Mark::Comma), Cell::Number { value: 12.5, percent: true });
    }

    #[test]
    fn a_column_decides_its_mark() {
        fn decided(cells: &[&str]) -> Decided {
            let mut column = Column::default();
            for cell in cells {
                column.see(cell);
            }
            column.decide()
        }
        assert_eq!(decided(&["1,234", "5,6"]), Decided::Sure(Mark::Comma));
        assert_eq!(decided(&["1,234", "5.6"]), Decided::Sure(Mark::Point));
        assert_eq!(decided(&["1.234,5"]), Decided::Sure(Mark::Comma));
        assert_eq!(decided(&["1,234.5"]), Decided::Sure(Mark::Point));
        assert_eq!(decided(&["1.234.567", "1.234"]), Decided::Sure(Mark::Comma));
        assert_eq!(decided(&["0.123"]), Decided::Sure(Mark::Point));
        assert_eq!(decided(&["1 234,567"]), Decided::Sure(Mark::Comma));
        assert_eq!(decided(&["12", "", "x"]), Decided::Sure(Mark::Point));
        assert_eq!(decided(&["12", "1,234"]), Decided::Open { sample: "1,234".into() });
        assert_eq!(decided(&["1,5", "1.5"]), Decided::Mixed { comma: "1,5".into(), point: "1.5".into() });
    }
}
