//! Gathers the readings of one pull by series and bucket, and combines those that share one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::grain::BucketIndex;
use crate::model::ids::Labels;
use crate::model::kpi::{Empty, Kpi};
use crate::model::observation::{Parts, ReadingValue};
use crate::model::roll_ups::RollUps;
use crate::model::unit::{Kind, LevelOverTime};

/// Everything said about one bucket of one series.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    said: Option<Said>,
    /// A reading came without value.
    absent: bool,
    /// A reading was refused or unreadable: what is left may be only a part.
    pub(super) spoiled: bool,
}

#[derive(Clone, Copy, Debug)]
enum Said {
    Sum(f64),
    Parts(Parts),
    /// A ratio of which only the quotient is known.
    Quotient(f64),
    Last {
        at: Timestamp,
        value: f64,
    },
    Mean {
        sum: f64,
        count: u32,
    },
}

/// A combined value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Combined {
    pub(super) value: f64,
    pub(super) parts: Option<Parts>,
}

/// What taking over a reading brought up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Well,
    /// It replaced another reading of the same moment.
    Replaced,
    Refused(String),
}

impl Slot {
    /// Takes over one reading of a KPI. Anything refused spoils the bucket.
    pub(super) fn take(&mut self, kpi: &Kpi, at: Timestamp, value: &ReadingValue) -> Taken {
        let taken = match value {
            ReadingValue::Absent => {
                self.absent = true;
                Taken::Well
            }
            ReadingValue::Unreadable(_) => Taken::Refused("it is no number".to_owned()),
            ReadingValue::Foreign { currency, .. } => {
                Taken::Refused(kpi.unit.refusal_of(currency).unwrap_or_else(|| "it is no number".to_owned()))
            }
            ReadingValue::Number(number) if !number.is_finite() => Taken::Refused("it is not finite".to_owned()),
            ReadingValue::Number(number) => self.number(kpi.kind, at, *number),
            ReadingValue::Parts(parts) => self.parts(kpi.kind, parts),
        };
        self.spoiled |= matches!(taken, Taken::Refused(_));
        taken
    }

    fn number(&mut self, kind: Kind, at: Timestamp, number: f64) -> Taken {
        let said = match (kind, self.said) {
            (Kind::Flow, Some(Said::Sum(sum))) => Said::Sum(sum + number),
            (Kind::Flow, _) => Said::Sum(number),
            (Kind::Ratio | Kind::Window, None) => Said::Quotient(number),
            (Kind::Window, Some(_)) => {
                return Taken::Refused(
                    "a second value of one window; let the query give one row for each set of labels".to_owned(),
                );
            }
            (Kind::Ratio, Some(_)) => {
                return Taken::Refused(
                    "a second value of a ratio in one bucket can't be pooled; give numerator and denominator"
                        .to_owned(),
                );
            }
            (Kind::Level { over_time: LevelOverTime::Mean, .. }, Some(Said::Mean { sum, count })) => {
                Said::Mean { sum: sum + number, count: count + 1 }
            }
            (Kind::Level { over_time: LevelOverTime::Mean, .. }, _) => Said::Mean { sum: number, count: 1 },
            (Kind::Level { over_time: LevelOverTime::Last, .. }, Some(Said::Last { at: before, .. }))
                if at < before =>
            {
                return Taken::Well;
            }
            (Kind::Level { over_time: LevelOverTime::Last, .. }, before) => {
                let twice = matches!(before, Some(Said::Last { at: before, .. }) if before == at);
                self.said = Some(Said::Last { at, value: number });
                return if twice { Taken::Replaced } else { Taken::Well };
            }
        };
        self.said = Some(said);
        Taken::Well
    }

    fn parts(&mut self, kind: Kind, parts: &Parts) -> Taken {
        let finite =
            [Some(parts.numerator), Some(parts.denominator), parts.n].into_iter().flatten().all(f64::is_finite);
        if !finite {
            return Taken::Refused("a half of it is not finite".to_owned());
        }
        match (kind, self.said) {
            (Kind::Ratio, Some(Said::Parts(before))) => self.said = Some(Said::Parts(before.pooled_with(parts))),
            (Kind::Ratio, None) => self.said = Some(Said::Parts(*parts)),
            (Kind::Ratio, Some(_)) => {
                return Taken::Refused("the bucket has a plain value already, which can't be pooled".to_owned());
            }
            (Kind::Flow | Kind::Level { .. } | Kind::Window, _) => {
                return Taken::Refused(
                    "it has numerator and denominator, but the KPI is no ratio; declare kind: ratio".to_owned(),
                );
            }
        }
        Taken::Well
    }

    /// The bucket's value; none when nothing was said, or only a part is known.
    pub(super) fn combined(&self) -> Option<Combined> {
        if self.spoiled {
            return None;
        }
        let plain = |value| Combined { value, parts: None };
        self.said.map(|said| match said {
            Said::Sum(value) | Said::Quotient(value) | Said::Last { value, .. } => plain(value),
            Said::Mean { sum, count } => plain(sum / f64::from(count)),
            // A denominator of zero: the bucket came, its ratio is undefined.
            Said::Parts(parts) => Combined { value: parts.ratio().unwrap_or(f64::NAN), parts: Some(parts) },
        })
    }

    /// The source gave the bucket a value that is not taken, or said that it has none.
    pub(super) fn is_denied(&self) -> bool {
        self.spoiled || (self.absent && self.said.is_none())
    }

    /// Why its combined value is no number to store, though each of its readings was finite.
    pub(super) fn overflow(&self) -> Option<&'static str> {
        let (sums, quotient) = match self.said? {
            Said::Sum(sum) | Said::Mean { sum, .. } => ([sum, 0.0, 0.0], None),
            Said::Parts(parts) => ([parts.numerator, parts.denominator, parts.n.unwrap_or(0.0)], parts.ratio()),
            // One reading each, which is checked when it is taken.
            Said::Quotient(_) | Said::Last { .. } => return None,
        };
        if !sums.into_iter().all(f64::is_finite) {
            return Some("the sum is not a finite number; correct the readings of that bucket");
        }
        quotient
            .is_some_and(|quotient| !quotient.is_finite())
            .then_some("the ratio is not a finite number; correct the numerators and denominators of that bucket")
    }

    /// Adds a dimension value's slot to a series that it is part of.
    fn add(&mut self, other: &Slot) {
        self.spoiled |= other.spoiled;
        let Some(said) = other.combined() else { return };
        self.said = Some(match (self.said, said.parts) {
            (Some(Said::Parts(before)), Some(parts)) => Said::Parts(before.pooled_with(&parts)),
            (_, Some(parts)) => Said::Parts(parts),
            (Some(Said::Sum(before)), None) => Said::Sum(before + said.value),
            (_, None) => Said::Sum(said.value),
        });
    }
}

/// The slots of one pull.
pub(super) type Slots = BTreeMap<Labels, Buckets>;

/// Slots of one series by bucket, in order. A daily pull brings a bucket or two of each of thousands of series, for which
/// the nodes of a tree would be mostly empty; a first pull brings thousands of buckets in any order.
#[derive(Clone, Debug)]
pub(super) enum Buckets {
    Few(Vec<(BucketIndex, Slot)>),
    Many(BTreeMap<BucketIndex, Slot>),
}

/// Buckets from which a series has many.
const FEW_MAX: usize = 8;

impl Default for Buckets {
    fn default() -> Buckets {
        Buckets::Few(Vec::new())
    }
}

impl Buckets {
    /// The slot of a bucket, made where there is none.
    pub(super) fn slot(&mut self, index: BucketIndex) -> &mut Slot {
        if let Buckets::Few(few) = self
            && few.len() == FEW_MAX
        {
            *self = Buckets::Many(std::mem::take(few).into_iter().collect());
        }
        match self {
            Buckets::Many(many) => many.entry(index).or_default(),
            Buckets::Few(few) => {
                let place = few.binary_search_by_key(&index, |(known, _)| *known);
                let at = place.unwrap_or_else(|at| {
                    few.reserve_exact(1);
                    few.insert(at, (index, Slot::default()));
                    at
                });
                &mut few[at].1
            }
        }
    }

    pub(super) fn get(&self, index: BucketIndex) -> Option<&Slot> {
        match self {
            Buckets::Few(few) => {
                let place = few.binary_search_by_key(&index, |(known, _)| *known).ok()?;
                few.get(place).map(|(_, slot)| slot)
            }
            Buckets::Many(many) => many.get(&index),
        }
    }

    fn holds(&self, index: BucketIndex) -> bool {
        self.get(index).is_some()
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (BucketIndex, &Slot)> {
        let (few, many) = match self {
            Buckets::Few(few) => (Some(few), None),
            Buckets::Many(many) => (None, Some(many)),
        };
        let few = few.into_iter().flatten().map(|(index, slot)| (*index, slot));
        few.chain(many.into_iter().flatten().map(|(index, slot)| (*index, slot)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (BucketIndex, &mut Slot)> {
        let (few, many) = match self {
            Buckets::Few(few) => (Some(few), None),
            Buckets::Many(many) => (None, Some(many)),
        };
        let few = few.into_iter().flatten().map(|(index, slot)| (*index, slot));
        few.chain(many.into_iter().flatten().map(|(index, slot)| (*index, slot)))
    }

    fn retain(&mut self, keep: impl Fn(BucketIndex) -> bool) {
        match self {
            Buckets::Few(few) => few.retain(|(index, _)| keep(*index)),
            Buckets::Many(many) => many.retain(|index, _| keep(*index)),
        }
    }
}

/// Buckets that can't be derived, by the labels of the series that lacks them.
pub(super) type Impossible = BTreeMap<Labels, BTreeMap<BucketIndex, Obstacle>>;

/// Why a bucket can't be derived from those of its dimension values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Values of its kind don't add up.
    Kind,
    /// One of them is not known: the rest would be too little.
    Absent,
}

/// Derives the total where the source didn't give it, and the roll-ups that are asked for.
pub(super) fn roll_up(kpi: &Kpi, asked: &RollUps, slots: &mut Slots) -> Impossible {
    let mut impossible = Impossible::new();
    if kpi.dimensions.is_empty() {
        return impossible;
    }
    let given = slots.remove(&Labels::total()).unwrap_or_default();
    let mut derived = Slots::new();
    for (labels, buckets) in &*slots {
        for whole in std::iter::once(Labels::total()).chain(asked.of(labels)) {
            let given = whole.is_total().then_some(&given);
            let own = derived.entry(whole.clone()).or_default();
            for (index, slot) in buckets.iter().filter(|(index, _)| given.is_none_or(|given| !given.holds(*index))) {
                match obstacle(kpi, slot) {
                    None => own.slot(index).add(slot),
                    Some(why) => {
                        impossible.entry(whole.clone()).or_default().insert(index, why);
                    }
                }
            }
        }
    }
    for (labels, buckets) in &impossible {
        if let Some(own) = derived.get_mut(labels) {
            own.retain(|index| !buckets.contains_key(&index));
        }
    }
    let total = derived.entry(Labels::total()).or_default();
    for (index, slot) in given.iter() {
        total.slot(index).clone_from(slot);
    }
    slots.extend(derived);
    impossible
}

fn obstacle(kpi: &Kpi, slot: &Slot) -> Option<Obstacle> {
    if slot.said.is_none() && slot.absent && kpi.empty == Empty::Missing {
        return Some(Obstacle::Absent);
    }
    let adds_up = match kpi.kind {
        Kind::Flow | Kind::Level { additive: true, .. } => true,
        Kind::Ratio => !matches!(slot.said, Some(Said::Quotient(_))),
        Kind::Level { additive: false, .. } | Kind::Window => false,
    };
    (!adds_up).then_some(Obstacle::Kind)
}

#[cfg(test)]
mod tests {
    use super::{Buckets, FEW_MAX};
    use crate::model::grain::BucketIndex;

    #[test]
    fn few_and_many_buckets_are_kept_alike() {
        for count in [0, 1, FEW_MAX, FEW_MAX + 1, 100] {
            let mut buckets = Buckets::default();
            // 37 is prime to every count: each bucket once, in no order; and each asked for twice.
            let all = (0..count).map(|at| (at * 37 % count.max(1)) as BucketIndex);
            for index in all.clone().chain(all) {
                buckets.slot(index).spoiled ^= index % 3 == 0;
                buckets.slot(index).absent = index % 2 == 0;
            }
            let seen: Vec<_> = buckets.iter().map(|(index, slot)| (index, slot.spoiled, slot.absent)).collect();
            let wanted: Vec<_> = (0..count as BucketIndex).map(|index| (index, false, index % 2 == 0)).collect();
            assert_eq!(seen, wanted);
            assert!(buckets.iter_mut().map(|(index, _)| index).eq(0..count as BucketIndex));
            buckets.retain(|index| index % 2 == 1);
            assert!((0..count as BucketIndex).all(|index| buckets.holds(index) == (index % 2 == 1)));
        }
    }
}
