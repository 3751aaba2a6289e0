//! The spans of objectives: months, quarters, years, or two dates; inclusive civil days.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Which periods an objective has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodSpec {
    Month,
    Quarter,
    Year,
    /// Once, both days included.
    Between {
        from: Date,
        to: Date,
    },
}

/// One period: inclusive civil days in the KPI's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub first: Date,
    pub last: Date,
}

impl PeriodSpec {
    /// The period that holds that day; none outside a single period.
    pub fn holding(&self, _day: Date) -> Option<Period> {
        unimplemented!()
    }

    /// The period just before the one that begins on `first`; for a single period the span of equal length before.
    pub fn before(&self, _period: Period) -> Period {
        unimplemented!()
    }
}

impl Period {
    pub fn contains(&self, day: Date) -> bool {
        self.first <= day && day <= self.last
    }

    /// Number of civil days.
    pub fn days(&self) -> u32 {
        unimplemented!()
    }

    /// The same dates a year before (29 February becomes 28).
    pub fn year_before(&self) -> Period {
        unimplemented!()
    }
}
