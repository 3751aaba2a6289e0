//! Calendar files as programs write them, and as nobody should.

use jiff::civil::date;

use super::*;

fn file(events: &[&str]) -> String {
    let events: Vec<String> = events.iter().map(|lines| format!("BEGIN:VEVENT\n{lines}\nEND:VEVENT")).collect();
    format!("BEGIN:VCALENDAR\nVERSION:2.0\n{}\nEND:VCALENDAR\n", events.join("\n")).replace('\n', "\r\n")
}

/// The days off of a year, first to last.
fn closed(ics: &Ics, year: i16) -> Vec<(Date, Date)> {
    ics.closures.iter().flat_map(|closure| closure.days.within(year)).collect()
}

#[track_caller]
fn check(event: &str, year: i16, expected: &[(Date, Date)]) {
    let ics = read(&file(&[event])).unwrap();
    assert_eq!(closed(&ics, year), expected, "{event}");
    assert_eq!(ics.remarks, [], "{event}");
}

#[test]
fn whole_days_close() {
    let august = [(date(2026, 8, 3), date(2026, 8, 21))];
    check("DTSTART;VALUE=DATE:20260803\nDTEND;VALUE=DATE:20260822", 2026, &august);
    check("DTSTART;VALUE=DATE:20260803\nDURATION:P19D", 2026, &august);
    check("DTSTART:20260803\nDTEND:20260822", 2026, &august);
    let eve = [(date(2026, 12, 24), date(2026, 12, 24))];
    check("DTSTART;VALUE=DATE:20261224", 2026, &eve);
    check("DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261224", 2026, &eve);
    check("DTSTART;X-A=\"a:b;c\";VALUE=DATE:20261224\nBEGIN:VALARM\nDURATION:PT5M\nEND:VALARM", 2026, &eve);
}

#[test]
fn yearly_events_come_back() {
    let start = "DTSTART;VALUE=DATE:20241224\nDTEND;VALUE=DATE:20241227\n";
    let of = |year| (date(year, 12, 24), date(year, 12, 26));
    check(&format!("{start}RRULE:FREQ=YEARLY"), 2026, &[of(2026)]);
    check(&format!("{start}RRULE:FREQ=YEARLY"), 2023, &[]);
    check(&format!("{start}RRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24;WKST=MO"), 2026, &[of(2026)]);
    check(&format!("{start}RRULE:FREQ=YEARLY;INTERVAL=2"), 2025, &[]);
    check(&format!("{start}RRULE:FREQ=YEARLY;COUNT=2"), 2025, &[of(2025)]);
    check(&format!("{start}RRULE:FREQ=YEARLY;COUNT=2"), 2026, &[]);
    check(&format!("{start}RRULE:FREQ=YEARLY;UNTIL=20251224"), 2025, &[of(2025)]);
    check(&format!("{start}RRULE:FREQ=YEARLY;UNTIL=20251223T225959Z"), 2025, &[]);
    check(&format!("{start}RRULE:FREQ=YEARLY\nEXDATE;VALUE=DATE:20251224,20271224"), 2025, &[]);
    check(&format!("{start}RRULE:FREQ=YEARLY\nEXDATE;VALUE=DATE:20251224,20271224"), 2026, &[of(2026)]);
}

#[test]
fn a_moved_day_takes_the_place_of_its_own() {
    let ics = read(&file(&[
        "UID:a\nDTSTART;VALUE=DATE:20240601\nRRULE:FREQ=YEARLY",
        "UID:a\nRECURRENCE-ID;VALUE=DATE:20260601\nDTSTART;VALUE=DATE:20260608",
        "UID:a\nRECURRENCE-ID;VALUE=DATE:20270601\nSTATUS:CANCELLED\nDTSTART;VALUE=DATE:20270601",
    ]))
    .unwrap();
    assert_eq!(closed(&ics, 2026), [(date(2026, 6, 8), date(2026, 6, 8))]);
    assert_eq!(closed(&ics, 2027), []);
    assert_eq!(closed(&ics, 2028).len(), 1);
}

#[test]
fn names_are_unfolded_and_unescaped() {
    let ics = read(&file(&["SUMMARY:Cong\n és d'été\\, atelier\nDTSTART;VALUE=DATE:20260803"])).unwrap();
    assert_eq!(ics.closures[0].name.as_deref(), Some("Congés d'été, atelier"));
}

#[test]
fn what_is_left_out_is_told() {
    let remark = |event: &str, part: &str| {
        let ics = read(&file(&[event, "SUMMARY:Autre\nDTSTART;VALUE=DATE:20260101"])).unwrap();
        assert_eq!(ics.closures.len(), 1, "{event}");
        let [(3, told)] = ics.remarks.as_slice() else { panic!("{event}: {:?}", ics.remarks) };
        assert!(told.contains(part), "{event}: {told}");
    };
    remark("SUMMARY:Réunion\nDTSTART:20260803T090000Z", "the event 'Réunion' has a time of day");
    remark("UID:x1\nDTSTART;TZID=Europe/Paris:20260803T000000", "the event with UID x1 has a time of day");
    remark("DTSTART;VALUE=DATE:20260803\nRRULE:FREQ=WEEKLY;BYDAY=MO", "RRULE:FREQ=WEEKLY;BYDAY=MO");
    remark("DTSTART;VALUE=DATE:20260803\nRRULE:FREQ=YEARLY;BYDAY=1MO", "only yearly events on their own date");
    remark("DTSTART;VALUE=DATE:20260803\nRDATE;VALUE=DATE:20260901", "RDATE");
    remark("DTSTART;VALUE=DATE:20260803\nDTEND;VALUE=DATE:20260802", "ends before it starts");
    remark("DTSTART;VALUE=DATE:20260803\nDURATION:PT8H", "not whole days");
    remark("SUMMARY:Vide", "no DTSTART");
}

#[test]
fn free_time_and_cancelled_events_close_nothing() {
    let free = "DTSTART;VALUE=DATE:20260803\nTRANSP:TRANSPARENT";
    let ics = read(&file(&[free, free, "DTSTART;VALUE=DATE:20260804\nSTATUS:CANCELLED"])).unwrap();
    assert_eq!(ics.closures, []);
    assert!(ics.remarks[0].1.contains("all 2 events are marked as free time"), "{:?}", ics.remarks);
    let ics = read(&file(&[free, "DTSTART;VALUE=DATE:20260805"])).unwrap();
    let told = "an event without name is marked as free time (TRANSP:TRANSPARENT): it does not count as a day off";
    assert_eq!((ics.closures.len(), ics.remarks), (1, vec![(3, told.to_owned())]));
    let ics = read(&file(&["DTSTART;VALUE=DATE:20260805", free, free])).unwrap();
    assert!(ics.remarks[0].1.starts_with("2 events are marked as free time"), "{:?}", ics.remarks);
}

#[test]
fn what_is_no_calendar_is_refused_with_its_line() {
    let refused = |text: &str, line: usize, part: &str| {
        let (at, why) = read(text).unwrap_err();
        assert!(at == line && why.contains(part), "{text:?}: {at}: {why}");
    };
    refused("", 1, "empty");
    refused("<html>\n", 1, "no line of a calendar file");
    refused("BEGIN:VCARD\nEND:VCARD\n", 1, "BEGIN:VCALENDAR");
    refused("BEGIN:VCALENDAR\n", 1, "cut off");
    refused("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260803\n", 2, "cut off");
    refused(&file(&["DTSTART;VALUE=DATE:20261340"]), 4, "`20261340` is no date of DTSTART");
    refused(&file(&["DTSTART:demain"]), 4, "`demain` is no date");
    refused(&file(&["EXDATE:20260101,x"]), 4, "`x` is no date");
    let many: Vec<&str> = vec!["DTSTART:20260803"; EVENTS_MAX + 1];
    refused(&file(&many), 2 + 3 * (EVENTS_MAX + 1), "more than 2000 events");
}

#[test]
fn deep_nesting_is_no_danger() {
    let deep = "BEGIN:VEVENT\n".repeat(70_000);
    let (line, why) = read(&format!("BEGIN:VCALENDAR\n{deep}")).unwrap_err();
    assert!(line == 2 && why.contains("cut off"), "{line}: {why}");
}
