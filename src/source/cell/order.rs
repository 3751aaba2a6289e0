//! Whether the dates of a file have their month first (`11/25/2026`), which would put `11/12/2026` on a wrong day.

use jiff::civil::Date;

/// Dates with the day first, for each with the month first, from which on the latter are slips of the pen.
const SLIPS: usize = 10;

/// What the cells of one column of one file show.
#[derive(Clone, Debug, Default)]
pub(in crate::source) struct Orders {
    pub(in crate::source) month_first: usize,
    day_first: usize,
    /// Where the first date with its month first stands, and itself.
    sample: Option<(String, String)>,
}

impl Orders {
    pub(in crate::source) fn see(&mut self, text: &str, origin: impl FnOnce() -> String) {
        match order(text) {
            Some(Order::Day) => self.day_first += 1,
            Some(Order::Month) => {
                self.month_first += 1;
                self.sample.get_or_insert_with(|| (origin(), text.trim().chars().take(40).collect()));
            }
            None => {}
        }
    }

    /// Why its dates can't be read with the day first, and what to say instead.
    pub(in crate::source) fn refusal(&self) -> Option<String> {
        let (at, text) = self.sample.as_ref()?;
        (self.month_first * SLIPS >= self.day_first).then(|| {
            format!(
                "{at}: `{text}` has its month before its day, so that dates such as 11/12/2026 would count on a wrong \
                 day; say date_format: \"{}\"",
                format_of(text)
            )
        })
    }
}

enum Order {
    Day,
    Month,
}

/// Which of day and month comes first; none where it does not show.
fn order(text: &str) -> Option<Order> {
    let day = text.trim().split([' ', 'T']).next()?;
    let separator = day.chars().find(|c| !c.is_ascii_digit()).filter(|c| ['-', '/', '.'].contains(c))?;
    let mut parts = day.split(separator);
    let (Some(first), Some(second), Some(year), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let number = |part: &str| part.parse::<i8>().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()));
    let (first, second) = (number(first)?, number(second)?);
    let year = match (year.len(), year.parse::<i16>().ok()?) {
        (4, year) => year,
        (2, year) => 2000 + year,
        _ => return None,
    };
    match (first > 12, second > 12) {
        (true, false) => Date::new(year, second, first).ok().map(|_| Order::Day),
        (false, true) => Date::new(year, first, second).ok().map(|_| Order::Month),
        _ => None,
    }
}

/// How such a date is written, in strftime.
fn format_of(text: &str) -> String {
    let (day, clock) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let separator = day.chars().find(|c| !c.is_ascii_digit()).unwrap_or('/');
    let year = if day.rsplit(separator).next().is_some_and(|year| year.len() == 2) { "%y" } else { "%Y" };
    let halves = clock.to_ascii_lowercase().ends_with('m');
    let clock = match (clock.matches(':').count(), halves) {
        (1, false) => " %H:%M",
        (2, false) => " %H:%M:%S",
        (1, true) => " %I:%M %p",
        (2, true) => " %I:%M:%S %p",
        _ => "",
    };
    format!("%m{separator}%d{separator}{year}{clock}")
}

#[cfg(test)]
mod tests {
    use super::Orders;

    fn refusal(cells: &[&str]) -> Option<String> {
        let mut orders = Orders::default();
        for cell in cells {
            orders.see(cell, || "a.csv:2".to_owned());
        }
        orders.refusal()
    }

    #[test]
    fn months_first_are_told_with_their_form() {
        for (text, format) in [
            ("11/25/2026", "%m/%d/%Y"),
            ("1/25/26", "%m/%d/%y"),
            ("11-25-2026 14:30", "%m-%d-%Y %H:%M"),
            ("11/25/2026 2:30:05 PM", "%m/%d/%Y %I:%M:%S %p"),
        ] {
            let told = refusal(&["11/12/2026", text]).unwrap();
            assert!(
                told.starts_with(&format!("a.csv:2: `{text}`")) && told.contains(&format!("\"{format}\"")),
                "{told}"
            );
        }
        for cells in [&["25/11/2026", "11/12/2026"][..], &["2026-11-25"], &["31/31/2026"], &["02/30/2026"], &["x", ""]]
        {
            assert_eq!(refusal(cells), None, "{cells:?}");
        }
        // One slip of the pen among many others.
        let slip = [&["25/11/2026"; 11][..], &["11/25/2026"]].concat();
        assert_eq!(refusal(&slip), None);
        assert!(refusal(&slip[5..]).is_some());
    }
}
