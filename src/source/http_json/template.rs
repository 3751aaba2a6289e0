//! Texts with placeholders for the span that is asked: `{from}`, `{to_date}`, `{from_unix}`.
//!
//! What is put in is escaped for the place where it stands, so that no value can break out of it.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::model::grain::day_of;
use crate::source::suggest::{did_you_mean, listed};

/// What a path holds as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The span asked for, `to` exclusive.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) zone: TimeZone,
}

/// How a value is written where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Escape {
    /// What comes after escapes it whole.
    Nothing,
    Percent,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    From,
    To,
    FromDate,
    ToDate,
    LastDate,
    FromUnix,
    ToUnix,
    FromMs,
    ToMs,
}

const SLOTS: [(&str, Slot); 9] = [
    ("from", Slot::From),
    ("to", Slot::To),
    ("from_date", Slot::FromDate),
    ("to_date", Slot::ToDate),
    ("last_date", Slot::LastDate),
    ("from_unix", Slot::FromUnix),
    ("to_unix", Slot::ToUnix),
    ("from_ms", Slot::FromMs),
    ("to_ms", Slot::ToMs),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Slot(Slot),
}

/// A text with its placeholders found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

impl Template {
    pub(super) fn parse(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            plain.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('{') {
                plain.push('{');
                rest = after;
                continue;
            }
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let Some(after) = after.strip_prefix('}').filter(|_| !name.is_empty()) else {
                return Err("`{` opens a placeholder such as {from}; write {{ for a brace".to_owned());
            };
            let Some((_, slot)) = SLOTS.into_iter().find(|(known, _)| *known == name) else {
                let names = || SLOTS.into_iter().map(|(name, _)| name);
                let near = did_you_mean(name, names());
                return Err(format!(
                    "unknown placeholder `{{{name}}}`{near}; there are {}, and {{{{ for a brace",
                    listed(names())
                ));
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Slot(slot));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template(parts))
    }

    /// Whether the answer depends on the span.
    pub(super) fn has_slots(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Slot(_)))
    }

    /// The texts between the placeholders, and a letter for each of these.
    pub(super) fn shape(&self) -> String {
        self.0.iter().map(|part| if let Part::Text(text) = part { text.as_str() } else { "x" }).collect()
    }

    pub(super) fn render(&self, span: &Span, escape: Escape) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Slot(slot) => {
                    let value = slot.value(span);
                    match escape {
                        Escape::Nothing => out.push_str(&value),
                        Escape::Percent => out.extend(utf8_percent_encode(&value, UNRESERVED)),
                        Escape::Json => {
                            let quoted = serde_json::Value::String(value).to_string();
                            out.push_str(&quoted[1..quoted.len() - 1]);
                        }
                    }
                }
            }
        }
        out
    }
}

impl Slot {
    fn value(self, span: &Span) -> String {
        let instant = |at: Timestamp| at.display_with_offset(span.zone.to_offset(at)).to_string();
        // The day of the last moment: a span that ends within a day needs that day whole.
        let last = || day_of(span.to.checked_sub(SignedDuration::from_millis(1)).unwrap_or(span.to), &span.zone);
        match self {
            Slot::From => instant(span.from),
            Slot::To => instant(span.to),
            Slot::FromDate => day_of(span.from, &span.zone).to_string(),
            Slot::ToDate => last().tomorrow().unwrap_or_else(|_| last()).to_string(),
            Slot::LastDate => last().to_string(),
            Slot::FromUnix => span.from.as_second().to_string(),
            Slot::ToUnix => span.to.as_second().to_string(),
            Slot::FromMs => span.from.as_millisecond().to_string(),
            Slot::ToMs => span.to.as_millisecond().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::{Escape, Span, Template};

    fn render(text: &str, escape: Escape) -> String {
        let span = Span {
            from: "2026-04-30T22:00:00Z".parse().unwrap(),
            to: "2026-05-02T22:00:00Z".parse().unwrap(),
            zone: TimeZone::get("Europe/Paris").unwrap(),
        };
        Template::parse(text).unwrap().render(&span, escape)
    }

    #[test]
    fn the_span_in_every_form() {
        for (text, expected) in [
            ("{from}", "2026-05-01T00:00:00+02:00"),
            ("{to}", "2026-05-03T00:00:00+02:00"),
            ("{from_date}/{to_date}/{last_date}", "2026-05-01/2026-05-03/2026-05-02"),
            ("{from_unix} {to_unix}", "1777586400 1777759200"),
            ("{from_ms} {to_ms}", "1777586400000 1777759200000"),
            (r#"{{"a": {from_unix}}"#, r#"{"a": 1777586400}"#),
            ("{{{from_date}}", "{2026-05-01}"),
            ("}{{from}", "}{from}"),
        ] {
            assert_eq!(render(text, Escape::Nothing), expected, "{text}");
        }
        assert_eq!(render("a/{from}/b", Escape::Percent), "a/2026-05-01T00%3A00%3A00%2B02%3A00/b");
        assert_eq!(render(r#""{from_date}""#, Escape::Json), r#""2026-05-01""#);
    }

    #[test]
    fn days_of_a_span_within_days() {
        let span = Span {
            from: "2026-05-01T10:00:00Z".parse().unwrap(),
            to: "2026-05-01T12:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        };
        let text = Template::parse("{from_date} {to_date} {last_date} {to}").unwrap().render(&span, Escape::Nothing);
        assert_eq!(text, "2026-05-01 2026-05-02 2026-05-01 2026-05-01T12:00:00+00:00");
    }

    #[test]
    fn what_is_no_placeholder() {
        for (text, part) in [
            ("{form}", "unknown placeholder `{form}` (did you mean `from`?)"),
            ("{from_dat}", "did you mean `from_date`"),
            ("{", "write {{ for a brace"),
            (r#"{"a":1}"#, "write {{ for a brace"),
            ("{from", "opens a placeholder"),
            ("{}", "opens a placeholder"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
