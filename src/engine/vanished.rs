//! Dimension values that came regularly and come no more while others of the KPI do: a shop that stopped sending, a
//! channel that was renamed. The total looks only a little low then, or zeros are taken for figures.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::moves::{Figures, move_alert};
use super::outage::trouble_facts;
use super::state::State;
use crate::alert::{Moment, Policy, Signal};
use crate::model::alert::{About, AlertFacts, AlertKey, Aspect, Phase, Subject, VanishedFacts, VanishedValue};
use crate::model::commit::EvaluateCommit;
use crate::model::grain::BucketIndex;
use crate::model::kpi::{Empty, Kpi};
use crate::model::series::{Point, SeriesData};
use crate::model::unit::{Direction, Kind};
use crate::model::verdict::Severity;

/// Buckets that are looked at for what is usual; a value that has been away for that long begins no alert any more.
const LOOKED_AT: BucketIndex = 60;
/// Buckets among them in which a value must have come to be one that comes regularly.
const PRESENT_MIN: usize = 20;
/// Buckets that one may be away for beyond twice its longest absence.
const GRACE: BucketIndex = 2;
/// Values that one message names.
const NAMED_MAX: usize = 10;

/// Dimension and value, with the series that bear it.
type Values<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a Arc<SeriesData>>>;

/// Looks for values that vanished, after a complete pull; one alert per KPI begins, goes on or ends.
pub(super) fn look(
    state: &mut State,
    kpi: &Arc<Kpi>,
    (now, slot): (Timestamp, Timestamp),
    commit: &mut EvaluateCommit,
) {
    let key = AlertKey { subject: Subject::Data(kpi.id.clone()), period: None, aspect: Aspect::NoData };
    let firing = state.book.get(&key).filter(|alert| alert.phase == Phase::Firing);
    let told = firing.and_then(|alert| alert.facts.as_ref()?.vanished.clone());
    let is_looked_for = !kpi.dimensions.is_empty() && !kpi.quality.ignores_vanished && !is_wished_away(kpi);
    // What is not looked for any more is no trouble either.
    let found = if is_looked_for { vanished(state, kpi, told.as_ref()) } else { None };
    let signal = if found.is_some() { Signal::Breach(Severity::Warning) } else { Signal::Calm };
    let make = || {
        Some(AlertFacts {
            category: Some(kpi.category),
            owner: kpi.owner.as_ref().map(ToString::to_string),
            vanished: Some(found.clone()?),
            ..trouble_facts(None, kpi.title.clone(), now)
        })
    };
    let figures = Some(Figures { make: &make, renewals: &Cell::new(1) });
    let moment = Moment { now, slot, bucket: None, counts: true, about: About::Data };
    move_alert(state, &key, (signal, None), figures, (Policy::AT_ONCE, moment), commit);
}

/// Errors and complaints of a kind that come no more are what is wished for, where absence means zero.
fn is_wished_away(kpi: &Kpi) -> bool {
    kpi.better == Direction::Lower && kpi.empty == Empty::Zero
}

/// What comes no more; of what was told so, for as long as it does not come again.
fn vanished(state: &State, kpi: &Kpi, told: Option<&VanishedFacts>) -> Option<VanishedFacts> {
    let finest = || state.history.of(&kpi.id).filter(|(labels, _)| labels.count() == kpi.dimensions.len());
    let last_of =
        |data: &Arc<SeriesData>| data.range(BucketIndex::MIN, BucketIndex::MAX).rfind(|point| comes(kpi, point));
    let newest = finest().filter_map(|(_, data)| last_of(data)).map(|point| point.index).max()?;
    // Nearly always all of them have come.
    if finest().all(|(_, data)| comes_in(kpi, data, newest)) {
        return None;
    }
    let mut away: Values<'_> = BTreeMap::new();
    for (labels, data) in finest() {
        for pair in labels.iter() {
            away.entry(pair).or_default().push(data);
        }
    }
    away.retain(|_, series| !series.iter().any(|data| comes_in(kpi, data, newest)));
    let mut facts = VanishedFacts { values: Vec::new(), count: 0 };
    for ((dimension, value), series) in away {
        let is_told = |known: &&VanishedValue| known.dimension == dimension && known.value == value;
        let known = told.and_then(|told| told.values.iter().find(is_told)).map(|known| known.last.clone());
        let gone = || gone_since(newest, |bucket| series.iter().any(|data| comes_in(kpi, data, bucket)));
        let Some(last) = known.or_else(|| gone().map(|last| kpi.bucket_name(last))) else { continue };
        facts.count += 1;
        if facts.values.len() < NAMED_MAX {
            facts.values.push(VanishedValue { dimension: dimension.to_owned(), value: value.to_owned(), last });
        }
    }
    (facts.count > 0).then_some(facts)
}

/// The bucket in which something came last, if it came regularly and has been away for longer than ever.
fn gone_since(newest: BucketIndex, comes: impl Fn(BucketIndex) -> bool) -> Option<BucketIndex> {
    let present: Vec<BucketIndex> = (newest - LOOKED_AT + 1..=newest).filter(|bucket| comes(*bucket)).collect();
    let last = *present.last()?;
    let longest = present.windows(2).map(|pair| pair[1] - pair[0] - 1).max()?;
    (present.len() >= PRESENT_MIN && newest - last > 2 * longest + GRACE).then_some(last)
}

fn comes_in(kpi: &Kpi, data: &SeriesData, bucket: BucketIndex) -> bool {
    data.get(bucket).is_some_and(|point| comes(kpi, &point))
}

/// Zero is a figure only where absence is not taken for it. What is provisional may still come.
fn comes(kpi: &Kpi, point: &Point) -> bool {
    let is_figure = point.value != 0.0 || kpi.empty == Empty::Missing || kpi.kind == Kind::Ratio;
    !point.provisional && point.value.is_finite() && is_figure
}

#[cfg(test)]
mod tests {
    use super::gone_since;

    #[track_caller]
    fn check(days: &str, gone_for: Option<i64>) {
        let all: Vec<bool> = days.chars().map(|day| day == 'x').collect();
        let newest = all.len() as i64 - 1;
        let comes = |bucket: i64| usize::try_from(bucket).is_ok_and(|bucket| all[bucket]);
        assert_eq!(gone_since(newest, comes).map(|last| newest - last), gone_for, "{days}");
    }

    #[test]
    fn what_is_away_for_longer_than_ever_is_gone() {
        let month = "x".repeat(30);
        check(&format!("{month}.."), None);
        check(&format!("{month}..."), Some(3));
        // Closed on Sundays, open on no weekend.
        check(&format!("{}...", "xxxxxx.".repeat(5)), None);
        check(&format!("{}....", "xxxxxx.".repeat(5)), Some(5));
        check(&format!("{}.....", "xxxxx..".repeat(5)), Some(7));
        check(&format!("{}....", "xxxxx..".repeat(5)), None);
        // It came too seldom, or its absence is old.
        check(&format!("{}....", "x".repeat(19)), None);
        check(&format!("{month}{}", ".".repeat(40)), Some(40));
        check(&format!("{month}{}", ".".repeat(41)), None);
        check("", None);
    }
}
