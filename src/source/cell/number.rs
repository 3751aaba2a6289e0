//! Numbers as people and spreadsheets write them: `1 234,50`, `(1 234,50)`, `1.234,50 €`, `1,234.50`.
//!
//! Which of comma and point is the decimal mark is decided per column, never per cell: see [`Column`].

use super::currency::{Currency, Marks};

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
        /// The mark that stood beside it.
        currency: Option<Currency>,
    },
    /// Empty, `-`, `n/a`, `NaN`: nothing was said.
    Absent,
    Unreadable,
}

const ABSENT: [&str; 12] = ["", "-", "–", "—", "n/a", "#n/a", "na", "nd", "n.d.", "null", "none", "nan"];

/// Stands before a number that is written for machines, with a point, so that nothing is to be decided; a spreadsheet's
/// cell that holds a number. No text of people holds this control character.
const EXACT: char = '\u{1}';

/// A number as machines write it, marked so that it is read as it is whatever its column's decimal mark.
pub(in crate::source) fn exact(text: &str) -> String {
    format!("{EXACT}{text}")
}

/// The text without such a mark, for names and messages.
pub(in crate::source) fn shown(text: &str) -> &str {
    text.trim_start_matches(EXACT)
}

/// The first of a spreadsheet's cells that hold nothing but numbers up to one, not all of them whole: it shows them as per
/// cents where they are formatted so, which is not told to those who read it.
pub(in crate::source) fn share_of<'c>(cells: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let mut sample = None;
    for cell in cells.filter(|cell| !is_absent(cell)) {
        let number: f64 = cell.strip_prefix(EXACT)?.parse().ok()?;
        if number.abs() > 1.0 {
            return None;
        }
        if number.fract() != 0.0 {
            sample = sample.or(Some(shown(cell)));
        }
    }
    sample
}

/// What is told of such cells where the KPI's unit is `%`.
pub(in crate::source) fn told_of_share(column: &str, sample: &str) -> String {
    format!(
        "column `{column}` holds only numbers up to 1, such as {sample}, and the KPI's unit is `%`: if the spreadsheet shows \
         them as per cents they are shares, say unit: ratio"
    )
}

/// Reads one cell with a known decimal mark.
pub(in crate::source) fn read(text: &str, mark: Mark) -> Cell {
    if let Some(exact) = text.strip_prefix(EXACT) {
        let value = exact.parse().ok().filter(|value: &f64| value.is_finite());
        return value.map_or(Cell::Unreadable, |value| Cell::Number { value, percent: false, currency: None });
    }
    if let Some((digits, is_whole)) = as_machines_write(text)
        && (is_whole || mark == Mark::Point)
    {
        let value = digits.parse().ok().filter(|value: &f64| value.is_finite());
        return value.map_or(Cell::Unreadable, |value| Cell::Number { value, percent: false, currency: None });
    }
    if is_absent(text) {
        return Cell::Absent;
    }
    let Some(bare) = Bare::of(text) else { return Cell::Unreadable };
    match plain(&bare.digits, mark) {
        Some(value) => Cell::Number {
            value: if bare.negative { -value } else { value },
            percent: bare.percent,
            currency: bare.currency,
        },
        None => Cell::Unreadable,
    }
}

/// Whether a cell that is a number is written as an amount, not as a code could be: with a decimal mark, a currency or
/// a per cent sign.
pub(in crate::source) fn is_amount(text: &str) -> bool {
    text.starts_with(EXACT)
        || Bare::of(text)
            .is_some_and(|bare| bare.percent || bare.currency.is_some() || bare.digits.contains([',', '.']))
}

/// Whether the only mark in a number could as well group its thousands.
pub(in crate::source) fn is_ambiguous(text: &str, mark: char) -> bool {
    Bare::of(text)
        .is_some_and(|bare| bare.digits.contains(mark) && matches!(evidence(&bare.digits), Evidence::Ambiguous))
}

/// `-12` and `12.5`, as nearly all cells of an export are written, without taking them apart: the text, and whether it has
/// no point. None: look closer.
fn as_machines_write(text: &str) -> Option<(&str, bool)> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let (Some(first), Some(last)) = (digits.first(), digits.last()) else { return None };
    if !first.is_ascii_digit() || !last.is_ascii_digit() {
        return None;
    }
    let mut points = 0;
    for byte in digits {
        match byte {
            b'0'..=b'9' => {}
            b'.' => points += 1,
            _ => return None,
        }
    }
    (points <= 1).then_some((text, points == 0))
}

fn is_absent(text: &str) -> bool {
    let text = text.trim();
    text.len() <= 5 && ABSENT.contains(&text.to_lowercase().as_str())
}

/// A cell without sign, currency, per cent sign and blanks inside; grouping blanks became `'`.
struct Bare {
    negative: bool,
    percent: bool,
    currency: Option<Currency>,
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
        let (mut percent, mut marks) = (false, Marks::default());
        // Signs and currencies come in any order: `-12 €`, `€ -12`, `12- €`, `-12 %`.
        loop {
            let before = rest;
            rest = marks.cut(rest)?.trim();
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
        let begins = digits.starts_with(|c: char| c.is_ascii_digit() || c == ',' || c == '.');
        let currency = marks.currency;
        (begins && !marks.is_name(&digits)).then_some(Bare { negative, percent, currency, digits })
    }
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
        if text.starts_with(EXACT) {
            return;
        }
        let shown = match as_machines_write(text) {
            Some((_, true)) => return,
            Some((digits, false)) => evidence(digits.trim_start_matches('-')),
            None if is_absent(text) => return,
            None => match Bare::of(text) {
                Some(bare) => evidence(&bare.digits),
                None => return,
            },
        };
        let slot = match shown {
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
    use super::{Cell, Column, Decided, Mark, exact, read, shown};

    fn check(text: &str, mark: Mark, expected: Option<f64>) {
        match (read(text, mark), expected) {
            (Cell::Number { value, .. }, Some(wanted)) => assert_eq!(value, wanted, "{text}"),
            (Cell::Unreadable, None) => {}
            (found, _) => panic!("{text}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn per_cents_of_a_spreadsheet_are_shares() {
        fn check(cells: &[&str], sample: Option<&str>) {
            let cells: Vec<String> =
                cells.iter().map(|cell| if cell.is_empty() { String::new() } else { super::exact(cell) }).collect();
            assert_eq!(super::share_of(cells.iter().map(String::as_str)), sample, "{cells:?}");
        }
        check(&["1", "", "0.125", "-0.5"], Some("0.125"));
        check(&["0.125", "12.5"], None);
        check(&["1", "0"], None);
        check(&[], None);
        assert_eq!(super::share_of(["0.125"].into_iter()), None, "a text is what it says");
    }

    #[test]
    fn the_short_way_reads_as_the_long_one() {
        use super::{Bare, as_machines_write, evidence, plain};
        let mut short = 0;
        for text in [
            "0", "-0", "007", "12", "-12", "1.5", "-1.5", "0.125", "1.234", "12.345", "1234.567", "-1.234", "9e9",
            "1.", ".5",
        ] {
            let Some((digits, is_whole)) = as_machines_write(text) else { continue };
            short += 1;
            let bare = Bare::of(text).unwrap_or_else(|| panic!("{text}"));
            let mut marks = vec![Mark::Point];
            marks.extend(is_whole.then_some(Mark::Comma));
            for mark in marks {
                let long = plain(&bare.digits, mark).map(|value| if bare.negative { -value } else { value });
                assert_eq!(digits.parse().ok(), long, "{text}");
            }
            let kind = |digits: &str| std::mem::discriminant(&evidence(digits));
            assert_eq!(kind(&bare.digits), kind(digits.trim_start_matches('-')), "{text}");
        }
        assert_eq!(short, 12);
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
        assert_eq!(read("12,5 %", Mark::Comma), Cell::Number { value: 12.5, percent: true, currency: None });
    }

    #[test]
    fn codes_of_documents_and_shops_are_no_amounts() {
        for text in [
            "FAC0020",
            "AVO0021",
            "PAR001",
            "FAC-001",
            "FAC 12",
            "12 FAC",
            "LYO1",
            "1LYO",
            "MAD001",
            "MAD12",
            "MAD-12",
            "PAB 001",
            "CAD007",
            "€5 USD",
            "EUR 5 CHF",
        ] {
            check(text, Mark::Point, None);
        }
    }

    #[test]
    fn the_currency_that_was_read_is_kept() {
        for (text, value, code) in [
            ("100,00 EUR", 100.0, "EUR"),
            ("1 000 USD", 1000.0, "USD"),
            ("$50,00", 50.0, "USD"),
            ("-$50 CAD", -50.0, "CAD"),
            ("CAD $50", 50.0, "CAD"),
            ("50,00 £", 50.0, "GBP"),
            ("€ 0", 0.0, "EUR"),
            ("EUR 00", 0.0, "EUR"),
            ("EUR100", 100.0, "EUR"),
            ("100EUR", 100.0, "EUR"),
            ("MAD12,50", 12.5, "MAD"),
            ("MAD 12", 12.0, "MAD"),
            ("12MAD", 12.0, "MAD"),
            ("CHF 1'234,5-", -1234.5, "CHF"),
        ] {
            match read(text, Mark::Comma) {
                Cell::Number { value: found, currency: Some(currency), .. } => {
                    assert_eq!((found, currency.code()), (value, code), "{text}");
                }
                found => panic!("{text}: {found:?}"),
            }
        }
        let Cell::Number { currency: Some(dollar), .. } = read("$5", Mark::Point) else { panic!("no dollar") };
        assert!(dollar.fits("USD") && dollar.fits("CAD") && !dollar.fits("EUR"));
        assert!(matches!(read("5 ¤", Mark::Point), Cell::Number { currency: None, .. }));
    }

    #[test]
    fn an_exact_number_is_read_as_it_is() {
        for mark in [Mark::Comma, Mark::Point] {
            check(&exact("1234.567"), mark, Some(1234.567));
            check(&exact("-1.5e-7"), mark, Some(-1.5e-7));
        }
        let mut column = Column::default();
        column.see(&exact("1.234"));
        column.see("5,5");
        assert_eq!(column.decide(), Decided::Sure(Mark::Comma));
        assert_eq!(shown(&exact("1.5")), "1.5");
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
