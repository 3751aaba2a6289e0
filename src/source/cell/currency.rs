//! The mark of a currency at either end of an amount: `€`, `$`, or a code of ISO 4217 such as `CHF`.
//!
//! Three capitals that are no such code are part of a name: `FAC0020` is a document, `PAR001` a shop.

/// Codes in use, and those that old exports may still hold.
#[rustfmt::skip]
const CODES: [&str; 160] = [
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD", "BIF",
    "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLF", "CLP", "CNH", "CNY",
    "COP", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP",
    "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HRK", "HTG", "HUF", "IDR", "ILS", "INR", "IQD",
    "IRR", "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP",
    "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN",
    "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG",
    "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP",
    "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD",
    "UYU", "UZS", "VED", "VES", "VND", "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
];
/// What a symbol may mean, the usual one first.
const SYMBOLS: [(char, &[&str]); 7] = [
    ('€', &["EUR"]),
    (
        '$',
        &[
            "USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD", "MXN", "ARS", "CLP", "COP", "BBD", "BMD", "BND", "BSD",
            "BZD", "FJD", "GYD", "JMD", "KYD", "LRD", "NAD", "SBD", "SRD", "TTD", "UYU", "XCD", "DOP",
        ],
    ),
    ('£', &["GBP", "EGP", "FKP", "GIP", "LBP", "SDG", "SHP", "SSP", "SYP"]),
    ('¥', &["JPY", "CNY", "CNH"]),
    ('₹', &["INR"]),
    ('₣', &["CHF"]),
    // The sign for any currency says nothing.
    ('¤', &[]),
];
/// Codes that are believed also where they stand right before the digits of a whole number, as shops and documents
/// are named (`MAD12`).
const COMMON: [&str; 4] = ["EUR", "USD", "GBP", "CHF"];

/// The currencies that a mark may mean, the usual one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) struct Currency(&'static [&'static str]);

impl Currency {
    /// `$` is any dollar, `CAD` but one of them.
    pub(in crate::source) fn fits(self, code: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(code))
    }

    /// As messages name it.
    pub(in crate::source) fn code(self) -> &'static str {
        self.0.first().copied().unwrap_or_default()
    }

    /// What two marks of one amount say together, `$50 CAD`; none where they contradict.
    fn and(self, other: Currency) -> Option<Currency> {
        match (self.0.len(), other.0.len()) {
            (1, _) if other.fits(self.code()) => Some(self),
            (_, 1) if self.fits(other.code()) => Some(other),
            _ => (self == other).then_some(self),
        }
    }
}

/// The marks found at the ends of one cell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    pub(super) currency: Option<Currency>,
    /// Whether a code was among them, not only symbols.
    pub(super) coded: bool,
    /// A code that stood right before what follows it, without a blank.
    pub(super) glued: Option<&'static str>,
}

impl Marks {
    /// Cuts one mark off either end. None: two marks contradict each other.
    pub(super) fn cut<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let mut rest = text.trim();
        for (symbol, codes) in SYMBOLS {
            if let Some(inner) = rest.strip_prefix(symbol).or_else(|| rest.strip_suffix(symbol)) {
                if !codes.is_empty() {
                    self.add(Currency(codes))?;
                }
                rest = inner.trim();
            }
        }
        if let Some((at, inner)) = rest.get(..3).and_then(place).zip(rest.get(3..)) {
            self.glued = self.glued.or((!inner.starts_with(char::is_whitespace)).then_some(CODES[at]));
            self.coded = true;
            self.add(Currency(&CODES[at..=at]))?;
            return Some(inner.trim());
        }
        let end = rest.len().saturating_sub(3);
        if let Some((at, inner)) = rest.get(end..).and_then(place).zip(rest.get(..end)) {
            self.coded = true;
            self.add(Currency(&CODES[at..=at]))?;
            return Some(inner.trim());
        }
        Some(rest)
    }

    fn add(&mut self, found: Currency) -> Option<()> {
        self.currency = Some(self.currency.map_or(Some(found), |known| known.and(found))?);
        Some(())
    }

    /// Whether digits beside a code are rather the rest of a name: `PAB001`, `MAD12`, `TOP-3`.
    pub(super) fn is_name(self, digits: &str) -> bool {
        let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        let numbered =
            is_whole && digits.len() > 1 && digits.starts_with('0') && digits.bytes().any(|byte| byte != b'0');
        let shared = self.glued.is_some_and(|code| !COMMON.contains(&code));
        self.coded && (numbered || (shared && is_whole))
    }
}

fn place(word: &str) -> Option<usize> {
    CODES.binary_search(&word).ok()
}

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn codes_are_in_order_and_each_is_there_once() {
        assert!(CODES.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(CODES.iter().all(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())));
    }
}
