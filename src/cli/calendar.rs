//! `vigie calendar`: the days off of a year, so that one can see which days Vigie believes in.

use std::path::PathBuf;

use anyhow::bail;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::json;

use super::args::CalendarArgs;
use super::configuration;
use super::output::{Out, Table};
use crate::model::calendar::{Calendar, DayOff};
use crate::model::unit::Language;

pub(super) fn calendar(out: &mut Out, paths: &[PathBuf], args: &CalendarArgs, now: Timestamp) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let calendar = match &args.name {
        None => &config.calendar,
        Some(name) => match config.calendars.get(name) {
            Some(calendar) => calendar,
            None if config.calendars.is_empty() => bail!("no calendar '{name}': `calendars:` defines none"),
            None => {
                let known: Vec<&str> = config.calendars.keys().map(String::as_str).collect();
                bail!("no calendar '{name}' in the configuration; there are: {}", known.join(", "))
            }
        },
    };
    let year = args.year.unwrap_or_else(|| config.catalog.zone.to_datetime(now).year());
    let days = days_off(calendar, year, config.catalog.language);
    let working = calendar.working_days(date(year, 1, 1), date(year, 12, 31));
    if out.is_json() {
        let name = args.name.as_deref();
        for day in &days {
            out.record(&json!({"type": "day_off", "calendar": name, "date": day.date, "kind": day.kind,
                               "name": day.name, "weekend": day.weekend}))?;
        }
        out.record(&json!({"type": "year", "calendar": name, "year": year, "working_days": working}))?;
        return Ok(0);
    }
    let mut table = Table::new(&["DATE", "DAY", "KIND", "NAME"]);
    for day in days {
        let kind = if day.weekend { format!("{} (on a weekend)", day.kind) } else { day.kind.to_owned() };
        table.row([day.date.to_string(), day.date.strftime("%a").to_string(), kind, day.name.unwrap_or_default()]);
    }
    out.table(&table)?;
    let name = args.name.as_deref().unwrap_or("the default calendar");
    out.line(&format!("{name} has {working} working days in {year}; its other days off are weekends"))?;
    Ok(0)
}

/// A day off that is more than a weekend.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    date: Date,
    kind: &'static str,
    name: Option<String>,
    weekend: bool,
}

/// The days of a year that are off for more than being a weekend; of closures those that would work.
fn days_off(calendar: &Calendar, year: i16, language: Language) -> Vec<Line> {
    let days = date(year, 1, 1).series(jiff::Span::new().days(1)).take_while(|day| day.year() == year);
    let line = |date: Date| {
        let weekend = calendar.rules().weekend.holds(date);
        let (kind, name) = match calendar.day_off(date)? {
            DayOff::Holiday(holiday) => ("holiday", Some(holiday.name(language).to_owned())),
            DayOff::Closure(name) if !weekend => ("closure", name.map(ToOwned::to_owned)),
            DayOff::Bridge(holiday) => ("bridge", Some(holiday.name(language).to_owned())),
            DayOff::Closure(_) | DayOff::Weekend => return None,
        };
        Some(Line { date, kind, name, weekend })
    };
    days.filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::calendar::CalendarRules;
    use crate::model::closure::{ClosedDays, Closure};
    use crate::model::holidays::{Country, FrenchRegion};

    #[test]
    fn a_year_lists_what_is_off() {
        let days = ClosedDays::Once { from: date(2026, 8, 7), to: date(2026, 8, 10) };
        let calendar = Calendar::new(CalendarRules {
            country: Some(Country::France(FrenchRegion::AlsaceMoselle)),
            closures: vec![Closure { days, name: Some("Inventaire".to_owned()) }],
            bridge_days: true,
            ..CalendarRules::default()
        });
        let told: Vec<String> = days_off(&calendar, 2026, Language::En)
            .into_iter()
            .map(|line| {
                format!("{} {} {}{}", line.date, line.kind, line.name.unwrap(), if line.weekend { " *" } else { "" })
            })
            .collect();
        assert_eq!(
            told,
            [
                "2026-01-01 holiday New Year's Day",
                "2026-01-02 bridge New Year's Day",
                "2026-04-03 holiday Good Friday",
                "2026-04-06 holiday Easter Monday",
                "2026-05-01 holiday Labour Day",
                "2026-05-08 holiday Victory Day 1945",
                "2026-05-14 holiday Ascension Day",
                "2026-05-15 bridge Ascension Day",
                "2026-05-25 holiday Whit Monday",
                "2026-07-13 bridge Bastille Day",
                "2026-07-14 holiday Bastille Day",
                "2026-08-07 closure Inventaire",
                "2026-08-10 closure Inventaire",
                "2026-08-15 holiday Assumption Day *",
                "2026-11-01 holiday All Saints' Day *",
                "2026-11-11 holiday Armistice Day",
                "2026-12-25 holiday Christmas Day",
                "2026-12-26 holiday St Stephen's Day *",
            ]
        );
    }
}
