//! Dates, moments, spans and periods as each language writes them.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::model::period::{Period, PeriodSpec};
use crate::model::unit::Language;

const MONTHS_FR: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];
const BRIEF_MONTHS_FR: [&str; 12] =
    ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `23 novembre 2026`, `23 November 2026`.
pub fn date(lang: Language, day: Date) -> String {
    format!("{} {} {}", day_number(lang, day), month_name(lang, day), day.year())
}

/// `23/11/2026`, `23 Nov 2026`.
pub fn short_date(lang: Language, day: Date) -> String {
    match lang {
        Language::Fr => format!("{:02}/{:02}/{}", day.day(), day.month(), day.year()),
        Language::En => format!("{} {} {}", day.day(), &month_name(lang, day)[..3], day.year()),
    }
}

/// `lundi 23 novembre 2026 à 06:15`, in that zone.
pub fn datetime(lang: Language, at: Timestamp, zone: &TimeZone) -> String {
    let local = zone.to_datetime(at);
    let day = local.date();
    let (weekday, joint) = match lang {
        Language::Fr => (weekday_fr(day), "à"),
        Language::En => (weekday_en(day), "at"),
    };
    format!("{weekday} {} {joint} {:02}:{:02}", date(lang, day), local.hour(), local.minute())
}

/// `novembre 2026`, `November 2026`.
pub fn month(lang: Language, day: Date) -> String {
    format!("{} {}", month_name(lang, day), day.year())
}

/// A length of time, its two greatest parts: `3 j 4 h`, `2 h 30 min`, `45 s`.
pub fn duration(lang: Language, span: SignedDuration) -> String {
    let seconds = span.as_secs().unsigned_abs();
    let day = match lang {
        Language::Fr => "j",
        Language::En => "d",
    };
    let parts = [(seconds / 86_400, day), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let Some(first) = parts.iter().position(|(count, _)| *count > 0) else {
        return "0 s".to_owned();
    };
    let written: Vec<String> = parts[first..]
        .iter()
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    let sign = if span.is_negative() { "-" } else { "" };
    format!("{sign}{}", written.join(" "))
}

/// The name of a span of days, both included: a month, a quarter, a half, a year, else its two ends.
pub fn period(lang: Language, first: Date, last: Date) -> String {
    if first == last {
        return date(lang, first);
    }
    let whole = first.day() == 1 && last == last.last_of_month() && first.year() == last.year();
    match (whole, first.month(), last.month()) {
        (true, 1, 12) => first.year().to_string(),
        (true, from, to) if from == to => month(lang, first),
        (true, from @ (1 | 7), to) if to == from + 5 => half(lang, to / 6, first.year()),
        (true, from, to) if from % 3 == 1 && to == from + 2 => quarter(lang, to / 3, first.year()),
        _ => between(lang, first, last),
    }
}

/// The period of those that recur that holds a day, or the only one, as people call it: `exercice 2026`, `October 2026`.
pub fn period_of(lang: Language, spec: PeriodSpec, day: Date) -> String {
    let Some(Period { first, last }) = spec.single().or_else(|| spec.holding(day)) else { return spec.to_string() };
    if !matches!(spec, PeriodSpec::FiscalYear { .. }) {
        return period(lang, first, last);
    }
    let years = if first.year() == last.year() {
        first.year().to_string()
    } else {
        format!("{}-{}", first.year(), last.year())
    };
    match lang {
        Language::Fr => format!("exercice {years}"),
        Language::En => format!("fiscal year {years}"),
    }
}

/// `24–26 nov.`, `24 Nov – 2 Dec`; a year that is not `year` is written.
pub(super) fn brief_span(lang: Language, first: Date, last: Date, year: i16) -> String {
    let named = |day: Date| brief_day(lang, day);
    let dated = |day: Date| format!("{} {}", named(day), day.year());
    let (from, to) = match (first.year() == last.year(), last.year() == year) {
        (true, true) => (named(first), named(last)),
        (true, false) => (named(first), dated(last)),
        (false, _) => (dated(first), dated(last)),
    };
    if first == last {
        return to;
    }
    if first.first_of_month() == last.first_of_month() {
        return format!("{}–{to}", day_number(lang, first));
    }
    format!("{from} – {to}")
}

/// `24 nov.`, `24 Nov`.
pub(super) fn brief_day(lang: Language, day: Date) -> String {
    format!("{} {}", day_number(lang, day), brief_month(lang, day))
}

/// `nov.`, `Nov`.
pub(super) fn brief_month(lang: Language, day: Date) -> &'static str {
    match lang {
        Language::Fr => BRIEF_MONTHS_FR[usize::from(day.month().unsigned_abs()) - 1],
        Language::En => &month_name(lang, day)[..3],
    }
}

fn half(lang: Language, number: i8, year: i16) -> String {
    match (lang, number) {
        (Language::Fr, 1) => format!("1er semestre {year}"),
        (Language::Fr, _) => format!("{number}e semestre {year}"),
        (Language::En, _) => format!("H{number} {year}"),
    }
}

fn quarter(lang: Language, number: i8, year: i16) -> String {
    match (lang, number) {
        (Language::Fr, 1) => format!("1er trimestre {year}"),
        (Language::Fr, _) => format!("{number}e trimestre {year}"),
        (Language::En, _) => format!("Q{number} {year}"),
    }
}

/// Leaves out of the first day what it shares with the last.
fn between(lang: Language, first: Date, last: Date) -> String {
    let from = if first.year() != last.year() {
        date(lang, first)
    } else if first.month() != last.month() {
        format!("{} {}", day_number(lang, first), month_name(lang, first))
    } else {
        day_number(lang, first)
    };
    match lang {
        Language::Fr => format!("du {from} au {}", date(lang, last)),
        Language::En => format!("{from} to {}", date(lang, last)),
    }
}

pub(super) fn day_number(lang: Language, day: Date) -> String {
    match (lang, day.day()) {
        (Language::Fr, 1) => "1er".to_owned(),
        (_, number) => number.to_string(),
    }
}

fn month_name(lang: Language, day: Date) -> &'static str {
    let index = usize::from(day.month().unsigned_abs()) - 1;
    match lang {
        Language::Fr => MONTHS_FR[index],
        Language::En => MONTHS_EN[index],
    }
}

fn weekday_fr(day: Date) -> &'static str {
    match day.weekday() {
        Weekday::Monday => "lundi",
        Weekday::Tuesday => "mardi",
        Weekday::Wednesday => "mercredi",
        Weekday::Thursday => "jeudi",
        Weekday::Friday => "vendredi",
        Weekday::Saturday => "samedi",
        Weekday::Sunday => "dimanche",
    }
}

fn weekday_en(day: Date) -> &'static str {
    match day.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

#[cfg(test)]
mod tests {
    use Language::{En, Fr};
    use jiff::civil::date as day;

    use super::*;
    use crate::model::closure::DayOfYear;

    #[track_caller]
    fn check_period(first: Date, last: Date, fr: &str, en: &str) {
        assert_eq!(period(Fr, first, last), fr);
        assert_eq!(period(En, first, last), en);
    }

    #[test]
    fn periods_that_recur_have_the_names_that_people_give_them() {
        let day = jiff::civil::date(2026, 11, 28);
        let check = |spec: PeriodSpec, fr: &str, en: &str| {
            assert_eq!((&*period_of(Fr, spec, day), &*period_of(En, spec, day)), (fr, en));
        };
        let fiscal = |month| PeriodSpec::FiscalYear { starts: DayOfYear { month, day: 1 } };
        check(fiscal(1), "exercice 2026", "fiscal year 2026");
        check(fiscal(4), "exercice 2026-2027", "fiscal year 2026-2027");
        check(PeriodSpec::Month, "novembre 2026", "November 2026");
        check(PeriodSpec::Year, "2026", "2026");
        let single = PeriodSpec::Between { from: jiff::civil::date(2026, 7, 1), to: jiff::civil::date(2026, 9, 30) };
        assert_eq!(
            period_of(En, single, day),
            period(En, jiff::civil::date(2026, 7, 1), jiff::civil::date(2026, 9, 30))
        );
    }

    #[test]
    fn brief_spans_leave_out_what_is_known() {
        let check = |first: Date, last: Date, fr: &str, en: &str| {
            assert_eq!(
                (brief_span(Fr, first, last, 2026).as_str(), brief_span(En, first, last, 2026).as_str()),
                (fr, en)
            );
        };
        check(day(2026, 11, 24), day(2026, 11, 26), "24–26 nov.", "24–26 Nov");
        check(day(2026, 11, 1), day(2026, 11, 1), "1er nov.", "1 Nov");
        check(day(2026, 11, 24), day(2026, 12, 2), "24 nov. – 2 déc.", "24 Nov – 2 Dec");
        check(day(2025, 5, 1), day(2025, 5, 3), "1er–3 mai 2025", "1–3 May 2025");
        check(day(2026, 12, 28), day(2027, 1, 3), "28 déc. 2026 – 3 janv. 2027", "28 Dec 2026 – 3 Jan 2027");
    }

    #[test]
    fn periods_have_names() {
        check_period(day(2026, 11, 1), day(2026, 11, 30), "novembre 2026", "November 2026");
        check_period(day(2028, 2, 1), day(2028, 2, 29), "février 2028", "February 2028");
        check_period(day(2026, 10, 1), day(2026, 12, 31), "4e trimestre 2026", "Q4 2026");
        check_period(day(2026, 1, 1), day(2026, 6, 30), "1er semestre 2026", "H1 2026");
        check_period(day(2026, 7, 1), day(2026, 12, 31), "2e semestre 2026", "H2 2026");
        check_period(day(2026, 1, 1), day(2026, 3, 31), "1er trimestre 2026", "Q1 2026");
        check_period(day(2026, 1, 1), day(2026, 12, 31), "2026", "2026");
        check_period(day(2026, 11, 1), day(2026, 11, 17), "du 1er au 17 novembre 2026", "1 to 17 November 2026");
        check_period(
            day(2026, 2, 1),
            day(2026, 4, 30),
            "du 1er février au 30 avril 2026",
            "1 February to 30 April 2026",
        );
        check_period(
            day(2025, 12, 29),
            day(2026, 1, 4),
            "du 29 décembre 2025 au 4 janvier 2026",
            "29 December 2025 to 4 January 2026",
        );
        check_period(day(2026, 11, 23), day(2026, 11, 23), "23 novembre 2026", "23 November 2026");
    }

    #[test]
    fn dates_and_moments() {
        assert_eq!(date(Fr, day(2026, 8, 1)), "1er août 2026");
        assert_eq!(date(En, day(2026, 8, 1)), "1 August 2026");
        assert_eq!(short_date(Fr, day(2026, 11, 3)), "03/11/2026");
        assert_eq!(short_date(En, day(2026, 11, 3)), "3 Nov 2026");
        let paris = TimeZone::get("Europe/Paris").expect("bundled zone");
        let at: Timestamp = "2026-11-23T05:15:00Z".parse().expect("valid");
        assert_eq!(datetime(Fr, at, &paris), "lundi 23 novembre 2026 à 06:15");
        assert_eq!(datetime(En, at, &paris), "Monday 23 November 2026 at 06:15");
    }

    #[track_caller]
    fn check_duration(seconds: i64, fr: &str) {
        assert_eq!(duration(Fr, SignedDuration::from_secs(seconds)), fr);
    }

    #[test]
    fn durations_show_their_two_greatest_parts() {
        check_duration(0, "0 s");
        check_duration(45, "45 s");
        check_duration(90, "1 min 30 s");
        check_duration(9000, "2 h 30 min");
        check_duration(86_400 * 3 + 4 * 3600 + 59, "3 j 4 h");
        check_duration(86_400 + 59, "1 j");
        check_duration(-7200, "-2 h");
        assert_eq!(duration(En, SignedDuration::from_hours(50)), "2 d 2 h");
    }
}
