//! What must not depend on restarts: the alerts' histories, and who was told what.

use std::collections::BTreeSet;

use vigie::model::alert::Transition;
use vigie::store::ItemRecord;

/// What came of ninety days.
pub(super) struct History {
    /// One line a change, by instant and alert; changes of one alert stay in their order.
    pub(super) alerts: Vec<String>,
    /// Receiver, alert, reason, slot.
    pub(super) told: BTreeSet<String>,
}

impl History {
    pub(super) fn new(mut transitions: Vec<Transition>, items: &[ItemRecord]) -> History {
        transitions.sort_by_key(|change| (change.at, change.key.canonical(), change.seq));
        let told = |item: &ItemRecord| format!("{} {} {} {}", item.slot, item.alert, item.reason, item.receiver);
        History { alerts: transitions.iter().map(line).collect(), told: items.iter().map(told).collect() }
    }
}

pub(super) fn line(change: &Transition) -> String {
    format!(
        "{} {} slot {} {}>{} {:?} {} {:?}",
        change.at,
        change.key.canonical(),
        change.slot,
        change.from.as_str(),
        change.to.as_str(),
        change.change,
        change.severity.as_str(),
        change.value
    )
}

/// The first place where two histories part; none when they are equal.
pub(super) fn first_difference<'a>(
    base: impl IntoIterator<Item = &'a String>,
    other: impl IntoIterator<Item = &'a String>,
) -> Option<String> {
    let (mut base, mut other) = (base.into_iter(), other.into_iter());
    let mut position = 0;
    loop {
        match (base.next(), other.next()) {
            (None, None) => return None,
            (expected, found) if expected == found => position += 1,
            (expected, found) => {
                let shown = |line: Option<&String>| line.cloned().unwrap_or_else(|| "(nothing)".to_owned());
                return Some(format!("line {position}:\n  expected {}\n  found    {}", shown(expected), shown(found)));
            }
        }
    }
}
