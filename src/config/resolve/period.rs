//! Periods of objectives: those that recur, those that are named, two days; and when the company's years begin.

use jiff::ToSpan;
use jiff::civil::Date;

use super::context::{Context, Report};
use super::gather::Gathered;
use crate::config::days::OneDay;
use crate::config::decode::not_yet;
use crate::config::raw::{RawFixedPeriod, RawPeriod, RawYearName};
use crate::config::suggest;
use crate::model::closure::DayOfYear;
use crate::model::period::{Period, PeriodSpec};

/// The words for periods that recur.
const RECURRING: [&str; 5] = ["month", "quarter", "half", "year", "fiscal_year"];
const FORMS: &str = "write `month`, `quarter`, `half`, `year`, `fiscal_year`, one by name (`2026-11`, `2026-Q4`, `2026-H1`, \
                     `2026`, `FY2026`) or `{from: ..., to: ...}`";

/// The company's years.
#[derive(Clone, Copy, Debug)]
pub(super) struct FiscalYears {
    starts: DayOfYear,
    named_after: RawYearName,
}

/// Those that the configuration gives; civil years where it gives none.
pub(super) fn fiscal_years(report: &mut Report<'_>, all: &Gathered) -> FiscalYears {
    let civil = FiscalYears { starts: DayOfYear { month: 1, day: 1 }, named_after: RawYearName::End };
    let Some(raw) = all.fiscal_year.as_ref().and_then(|item| item.value.as_ref()) else { return civil };
    match raw.starts.0 {
        OneDay::Yearly(DayOfYear { month: 2, day: 29 }) => {
            let message = "not every year has a 29 February to begin on";
            report.error(&["fiscal_year", "starts"], message, "write `03-01`, or `02-28`");
            civil
        }
        OneDay::Yearly(starts) => FiscalYears { starts, named_after: raw.named_after.unwrap_or(RawYearName::End) },
        OneDay::Of(day) => {
            let help = format!("write `starts: {:02}-{:02}`", day.month(), day.day());
            report.error(&["fiscal_year", "starts"], "a fiscal year begins on the same day each year", &help);
            civil
        }
    }
}

impl FiscalYears {
    /// A period by its name: one that recurs, or one of them such as `2026-11`, `2026-Q4`, `2026-H1`, `2026`, `FY2026`.
    pub(super) fn named(self, name: &str) -> Option<PeriodSpec> {
        match name {
            "month" => Some(PeriodSpec::Month),
            "quarter" => Some(PeriodSpec::Quarter),
            "half" => Some(PeriodSpec::Half),
            "year" => Some(PeriodSpec::Year),
            "fiscal_year" => Some(PeriodSpec::FiscalYear { starts: self.starts }),
            _ => self.one(name).map(|Period { first: from, last: to }| PeriodSpec::Between { from, to }),
        }
    }

    /// One period by its name.
    pub(super) fn one(self, name: &str) -> Option<Period> {
        if let Some(year) = name.strip_prefix("FY").or_else(|| name.strip_suffix("-FY")) {
            return self.year(year_of(year)?);
        }
        let (year, part) = name.split_once('-').unwrap_or((name, ""));
        let year = year_of(year)?;
        let within = |text: &str, most: i8| text.parse::<i8>().ok().filter(|number| (1..=most).contains(number));
        let (first, months): (i8, i8) = match (part.as_bytes(), part.get(1..)) {
            ([], _) if name.len() == 4 => (1, 12),
            ([b'Q', _], Some(quarter)) => (within(quarter, 4)? * 3 - 2, 3),
            ([b'H', _], Some(half)) => (within(half, 2)? * 6 - 5, 6),
            ([_, _], _) => (within(part, 12)?, 1),
            _ => return None,
        };
        let last = Date::new(year, first + months - 1, 1).ok()?.last_of_month();
        Some(Period { first: Date::new(year, first, 1).ok()?, last })
    }

    fn year(self, year: i16) -> Option<Period> {
        let spec = PeriodSpec::FiscalYear { starts: self.starts };
        // The one that holds the last day of that civil year began in it; the one that holds its first day began no later.
        let began = spec.holding(Date::new(year, 12, 31).ok()?)?;
        match self.named_after {
            RawYearName::End if began.last.year() != year => spec.holding(began.first.saturating_sub(1.day())),
            RawYearName::End | RawYearName::Start => Some(began),
        }
    }
}

fn year_of(text: &str) -> Option<i16> {
    text.parse().ok().filter(|year| text.len() == 4 && (1971..=9000).contains(year))
}

/// The periods of an objective; reports what is no period.
pub(super) fn resolve(context: &mut Context<'_>, path: &[&str], raw: &RawPeriod) -> Option<PeriodSpec> {
    match raw {
        RawPeriod::Fixed(fixed) => {
            between(context, path, fixed).map(|period| PeriodSpec::Between { from: period.first, to: period.last })
        }
        RawPeriod::Named(name) => {
            let spec = context.fiscal.named(name);
            if spec.is_none() {
                unknown(context, path, name, FORMS);
            }
            spec
        }
    }
}

/// Two days in their order.
pub(super) fn between(context: &mut Context<'_>, path: &[&str], raw: &RawFixedPeriod) -> Option<Period> {
    let period = Period { first: raw.from.0, last: raw.to.0 };
    if period.first > period.last {
        let help = "swap `from` and `to`; both days are included";
        context.report.error(path, "the period ends before it begins", help);
        return None;
    }
    Some(period)
}

/// Reports a name that is no period.
fn unknown(context: &mut Context<'_>, path: &[&str], name: &str, forms: &str) {
    let (message, help) = not_yet(name).unwrap_or_else(|| {
        let near = suggest::nearest(name, RECURRING).map(|near| format!("did you mean `{near}`?"));
        (format!("`{name}` is not a period"), near.unwrap_or_else(|| forms.to_owned()))
    });
    context.report.error(path, message, &help);
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn check(years: FiscalYears, name: &str, expected: Option<(Date, Date)>) {
        let found = years.one(name).map(|period| (period.first, period.last));
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn periods_have_names() {
        let years = FiscalYears { starts: DayOfYear { month: 4, day: 1 }, named_after: RawYearName::End };
        check(years, "2026-11", Some((date(2026, 11, 1), date(2026, 11, 30))));
        check(years, "2026-Q4", Some((date(2026, 10, 1), date(2026, 12, 31))));
        check(years, "2025-H1", Some((date(2025, 1, 1), date(2025, 6, 30))));
        check(years, "2025-H2", Some((date(2025, 7, 1), date(2025, 12, 31))));
        check(years, "2026", Some((date(2026, 1, 1), date(2026, 12, 31))));
        check(years, "FY2026", Some((date(2025, 4, 1), date(2026, 3, 31))));
        check(years, "2026-FY", Some((date(2025, 4, 1), date(2026, 3, 31))));
        let by_start = FiscalYears { named_after: RawYearName::Start, ..years };
        check(by_start, "FY2026", Some((date(2026, 4, 1), date(2027, 3, 31))));
        let civil = FiscalYears { starts: DayOfYear { month: 1, day: 1 }, ..years };
        check(civil, "FY2026", Some((date(2026, 1, 1), date(2026, 12, 31))));
        for name in
            ["2026-13", "2026-Q5", "2026-H3", "2026-Q", "26", "FY26", "2026-", "20260", "month", "2026-é", "+026"]
        {
            check(years, name, None);
        }
    }
}
