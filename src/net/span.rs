//! A stretch of time as settings write it: `500ms`, `90s`, `5m`, `2h`, `1d`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A positive stretch of clock time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub Duration);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl FromStr for TimeSpan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}` is no duration; write a whole number and a unit, such as 500ms, 30s or 5m");
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(refused)?;
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refused())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(refused)?;
        match number.checked_mul(*factor) {
            Some(milliseconds) if milliseconds > 0 => Ok(TimeSpan(Duration::from_millis(milliseconds))),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis() as u64;
        let fitting = UNITS.iter().rev().find(|(_, factor)| milliseconds.is_multiple_of(*factor));
        let (unit, factor) = fitting.unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", milliseconds / factor)
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for TimeSpan {
    fn schema_name() -> Cow<'static, str> {
        "TimeSpan".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^ *[0-9]+ *(ms|s|m|h|d) *$", "examples": ["30s", "5m"] })
    }
}

#[cfg(test)]
mod tests {
    use super::TimeSpan;

    #[test]
    fn spans() {
        for (text, milliseconds) in
            [("500ms", 500), ("90s", 90_000), ("5m", 300_000), ("2 h", 7_200_000), ("1d", 86_400_000)]
        {
            assert_eq!(text.parse::<TimeSpan>().unwrap().0.as_millis(), milliseconds, "{text}");
        }
        for text in ["", "5", "5 y", "-5s", "0s", "99999999999999999d", "s"] {
            assert!(text.parse::<TimeSpan>().unwrap_err().contains("is no duration"), "{text}");
        }
        assert_eq!("120s".parse::<TimeSpan>().unwrap().to_string(), "2m");
    }
}
