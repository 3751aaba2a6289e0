//! Which days count as working: weekends, public holidays of France, closures.

use std::collections::BTreeSet;

use jiff::civil::Date;

/// A working calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    pub country: Option<Country>,
    /// Further days off.
    pub closures: BTreeSet<Date>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Country {
    France,
}

impl Calendar {
    pub fn is_working_day(&self, _day: Date) -> bool {
        unimplemented!()
    }

    /// Number of working days in `from..=to`; 0 when `to` is before `from`.
    pub fn working_days(&self, _from: Date, _to: Date) -> u32 {
        unimplemented!()
    }

    /// The working day that lies `days` working days after `day` (0: `day` itself if it works, else the next).
    pub fn add_working_days(&self, _day: Date, _days: u32) -> Date {
        unimplemented!()
    }
}
