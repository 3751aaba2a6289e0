//! Calendars in the configuration: names, closures, calendar files.

use jiff::civil::{Date, date};

use super::{SMALL, environment, load_files, told};
use crate::config::Config;
use crate::model::calendar::{Calendar, DayOff};
use crate::model::ids::{KpiId, PersonId};

const ICS: &str = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Inventaire\r\nDTSTART;VALUE=DATE:20260504\r\n\
                   DTEND;VALUE=DATE:20260506\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:r1\r\nSUMMARY:Réunion\r\n\
                   DTSTART:20260601T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

const NAMED: &str = "calendar: bureau
calendars:
  bureau: {country: FR}
  atelier:
    country: FR
    region: alsace-moselle
    weekend: [friday, saturday]
    bridge_days: true
    closures:
      - 2026-08-31
      - 2026-08-03..2026-08-21
      - 12-24..01-02
      - {on: 10-01, name: Fête}
      - {from: 2026-09-01, to: 2026-09-02, name: Travaux}
    ics: [fermetures.ics]
timezone: Europe/Paris";

fn with(calendars: &str) -> String {
    SMALL.replacen("timezone: Europe/Paris", calendars, 1)
}

fn accepted(text: &str) -> Config {
    let (_dir, loaded) = load_files(&[("vigie.yaml", text), ("fermetures.ics", ICS)], environment());
    assert!(!loaded.has_errors(), "{:?}", loaded.problems);
    loaded.config.unwrap()
}

fn off(calendar: &Calendar, day: Date) -> Option<&str> {
    match calendar.day_off(day)? {
        DayOff::Weekend => Some("weekend"),
        DayOff::Holiday(holiday) | DayOff::Bridge(holiday) => Some(holiday.fr),
        DayOff::Closure(name) => Some(name.unwrap_or("closure")),
    }
}

#[test]
fn calendars_have_names_and_all_their_days() {
    let config = accepted(&with(NAMED));
    assert_eq!(*config.calendar, Calendar::french());
    let atelier = &config.calendars["atelier"];
    for (day, reason) in [
        (date(2026, 4, 3), Some("Vendredi saint")),
        (date(2026, 8, 2), None),
        (date(2026, 8, 7), Some("closure")),
        (date(2026, 8, 21), Some("closure")),
        (date(2026, 8, 22), Some("weekend")),
        (date(2026, 8, 31), Some("closure")),
        (date(2027, 10, 1), Some("Fête")),
        (date(2026, 9, 2), Some("Travaux")),
        (date(2030, 1, 2), Some("closure")),
        (date(2026, 5, 5), Some("Inventaire")),
        (date(2026, 5, 6), None),
        // Between a holiday and a weekend of Friday and Saturday; a Wednesday before a Thursday that works.
        (date(2026, 11, 12), Some("Armistice de 1918")),
        (date(2026, 7, 15), None),
    ] {
        assert_eq!(off(atelier, day), reason, "{day}");
    }
}

#[test]
fn kpis_and_people_name_their_calendar() {
    let text = with(NAMED).replacen("    owner: claire", "    owner: claire\n    calendar: atelier", 1).replacen(
        "claire@example.test}",
        "claire@example.test, calendar: bureau}",
        1,
    );
    let config = accepted(&text);
    let kpi = config.catalog.kpi(&KpiId::from("revenue")).unwrap();
    assert_eq!(kpi.calendar, config.calendars["atelier"]);
    let claire = &config.catalog.people[&PersonId::from("claire")];
    assert_eq!(claire.calendar.as_ref(), Some(&config.calendars["bureau"]));
}

#[test]
fn who_names_none_has_the_default() {
    let config = accepted(&with("calendar: {country: FR, closures: [2026-12-24]}\ntimezone: Europe/Paris"));
    let kpi = config.catalog.kpi(&KpiId::from("revenue")).unwrap();
    assert_eq!(off(&kpi.calendar, date(2026, 12, 24)), Some("closure"));
    assert_eq!(config.catalog.people[&PersonId::from("claire")].calendar, None);
    assert_eq!(accepted(SMALL).calendar, Calendar::default().into());
}

#[test]
fn what_a_file_leaves_out_is_a_warning_at_its_name() {
    let text = told(&[("vigie.yaml", &with(NAMED)), ("fermetures.ics", ICS)]);
    let expected = "warning: vigie.yaml:15:11: fermetures.ics:7: the event 'Réunion' has a time of day";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn mistakes_in_calendars_are_told_where_they_stand() {
    let check = |entry: &str, parts: &[&str]| {
        let text = with(&format!("calendars: {{a: {{{entry}}}}}\ntimezone: Europe/Paris"));
        let text = told(&[("vigie.yaml", &text), ("page.ics", "<html>"), ("long.ics", &" ".repeat(1_000_001))]);
        for part in parts {
            assert!(text.contains(part), "{entry}: {part:?} is not in\n{text}");
        }
    };
    check("ics: [none.ics]", &["error: vigie.yaml:1:23: the calendar file none.ics does not exist", "mend the path"]);
    check("ics: [page.ics]", &["page.ics can't be used: line 1: `<html>` is no line of a calendar file"]);
    check("ics: [long.ics]", &["long.ics has more than 1000000 bytes"]);
    check("country: DE", &["not yet: the public holidays of `DE`"]);
    check("region: alsace-moselle", &["a region without its country", "add `country: FR`"]);
    check("country: FR, region: bretagne", &["called `bretagne`", "write `alsace-moselle`"]);
    check("weekend: [samedi]", &["unknown value `samedi`"]);
    check("weekend: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]", &["no day of the week works"]);
    check("bridge_days: true", &["warning: ", "the calendar has none"]);
    check("closures: [24/12]", &["vigie.yaml:1:28: `24/12` is not days such as"]);
    check("closures: [{name: x}]", &["vigie.yaml:1:28: the closure has no days"]);
    check("closures: [{from: 08-03}]", &["the closure has only one end"]);
    check("closures: [{on: 08-03, to: 08-04}]", &["has both `on` and"]);
    check("closures: [{from: 2026-08-03, to: 08-04}]", &["one end has a year"]);
    check("closures: [{on: 08-03, nom: x}]", &["vigie.yaml:1:40: unknown field `nom`", "`to`, `name`"]);
    let unknown = |from: &str, to: &str, part: &str| {
        let text = told(&[("vigie.yaml", &with(NAMED).replacen(from, to, 1)), ("fermetures.ics", ICS)]);
        assert!(text.contains(part), "{to}: {part:?} is not in\n{text}");
    };
    unknown("calendar: bureau", "calendar: burea", "vigie.yaml:1:11: no calendar is called `burea`");
    unknown("owner: claire", "calendar: atelie", "no calendar is called `atelie`");
    unknown("example.test}", "example.test, calendar: x}", "no calendar is called `x`");
}

#[test]
fn calendar_files_are_part_of_the_checksum() {
    let checksum = |ics: &str| {
        let (_dir, loaded) = load_files(&[("vigie.yaml", &with(NAMED)), ("fermetures.ics", ics)], environment());
        loaded.config.unwrap().catalog.checksum
    };
    assert_eq!(checksum(ICS), checksum(ICS));
    assert_ne!(checksum(ICS), checksum(&ICS.replace("20260506", "20260507")));
}

#[test]
fn events_have_days_and_what_they_touch() {
    let event = |text: &str| format!("{SMALL}events:\n  greve: {{{text}}}\n");
    let config =
        accepted(&event("name: Grève, from: 2026-11-24, kpis: [revenue], labels: {channel: web}, exclude: true"));
    let greve = &config.catalog.events["greve"];
    assert_eq!((greve.what.from, greve.what.to), (date(2026, 11, 24), date(2026, 11, 24)));
    assert_eq!((greve.known_at, greve.what.exclude), (None, true));
    let check = |text: &str, parts: &[&str]| {
        let told = told(&[("vigie.yaml", &event(text))]);
        for part in parts {
            assert!(told.contains(part), "{text}: {part:?} is not in\n{told}");
        }
    };
    check("name: Grève", &["missing field `from`"]);
    check("name: ' ', from: 2026-11-24", &["31:17: the name is empty"]);
    check("name: x, from: 2026-11-24, to: 2026-11-23", &["swap them"]);
    check("name: x, from: 11-24", &["a day such as"]);
    check("name: x, from: 2026-11-24, kpis: [revenu]", &["no KPI is called `revenu`", "did you mean `revenue`"]);
    check(
        "name: x, from: 2026-11-24, labels: {chanel: web}",
        &["`chanel` is a dimension of none", "did you mean `channel`"],
    );
}
