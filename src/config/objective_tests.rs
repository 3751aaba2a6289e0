//! Objectives of the configuration: periods, targets, and what each mistake is told.

use jiff::civil::date;

use super::{SMALL, accepted, mistake};
use crate::config::Config;
use crate::model::closure::DayOfYear;
use crate::model::ids::ObjectiveId;
use crate::model::objective::Objective;
use crate::model::period::{Period, PeriodSpec};

/// The configuration with that in the place of the objective's target and period.
fn written(fields: &str) -> String {
    SMALL.replacen("    reach: 400000\n    period: month\n", fields, 1)
}

fn resolved(fields: &str) -> Config {
    accepted(&written(fields))
}

fn objective(config: &Config) -> &Objective {
    config.catalog.objective(&ObjectiveId::from("revenue-month")).unwrap()
}

#[test]
fn fiscal_years_begin_where_the_company_says() {
    let fiscal = |fields: &str, setting: &str| {
        let text = written(fields).replacen("people:", &format!("{setting}\npeople:"), 1);
        objective(&accepted(&text)).period
    };
    let year = |first, last| Some(Period { first, last });
    let april = fiscal("    reach: 400000\n    period: fiscal_year\n", "fiscal_year: {starts: 04-01}");
    assert_eq!(april, PeriodSpec::FiscalYear { starts: DayOfYear { month: 4, day: 1 } });
    assert_eq!(april.holding(date(2026, 11, 28)), year(date(2026, 4, 1), date(2027, 3, 31)));
    let named = fiscal("    reach: 400000\n    period: FY2026\n", "fiscal_year: {starts: 04-01}");
    assert_eq!(named.single(), year(date(2025, 4, 1), date(2026, 3, 31)));
    let by_start = "fiscal_year: {starts: 04-01, named_after: start}";
    let named = fiscal("    reach: 400000\n    period: 2026-FY\n", by_start);
    assert_eq!(named.single(), year(date(2026, 4, 1), date(2027, 3, 31)));
    assert_eq!(objective(&resolved("    reach: 1\n    period: half\n")).period, PeriodSpec::Half);
    assert_eq!(
        objective(&resolved("    reach: 1\n    period: 2026-H1\n")).period.single(),
        year(date(2026, 1, 1), date(2026, 6, 30))
    );
}

#[test]
fn mistakes_of_periods_are_told() {
    let zone = "timezone: Europe/Paris";
    mistake(zone, "fiscal_year: {starts: 02-29}", &["vigie.yaml:1:23: ", "29 February", "write `03-01`"]);
    mistake(zone, "fiscal_year: {starts: 2026-04-01}", &["the same day each year", "`starts: 04-01`"]);
    mistake(zone, "fiscal_year: {start: 04-01}", &["unknown field `start`", "did you mean `starts`"]);
    mistake(zone, "fiscal_year: {starts: 04-01, named_after: ends}", &["did you mean `end`"]);
    mistake("period: month", "period: fiscal-year", &["vigie.yaml:20:13: ", "did you mean `fiscal_year`?"]);
    mistake("period: month", "period: 2026-H3", &["`2026-H3` is not a period", "`2026-H1`"]);
}
