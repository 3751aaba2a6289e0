//! One series in memory: dense arrays by bucket index, newest version only.

use std::sync::Arc;

use super::grain::BucketIndex;
use super::observation::{Observation, Parts};

/// One bucket of a series as it is known now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub index: BucketIndex,
    /// NaN where the ratio is undefined.
    pub value: f64,
    pub parts: Option<Parts>,
    pub provisional: bool,
}

/// Newest versions of one series, a little over 8 bytes a bucket (32 for ratios).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesData {
    first: BucketIndex,
    values: Vec<f64>,
    marks: Marks,
    parts: Vec<Parts>,
    /// The oldest bucket whose value is suspect: while there is one, nothing is judged on the series.
    pub held: Option<BucketIndex>,
    edits: Edits,
}

/// How often anything but a next bucket was put. Two series of equal buckets are equal, however they came about.
#[derive(Clone, Copy, Debug, Default)]
struct Edits(u32);

impl PartialEq for Edits {
    fn eq(&self, _: &Edits) -> bool {
        true
    }
}

const PRESENT: u8 = 1;
const PROVISIONAL: u8 = 2;

/// Two bits a bucket, four buckets a byte: there may be millions of buckets in memory.
#[derive(Clone, Debug, Default, PartialEq)]
struct Marks(Vec<u8>);

impl Marks {
    fn get(&self, offset: usize) -> u8 {
        self.0.get(offset / 4).map_or(0, |four| four >> (offset % 4 * 2) & 3)
    }

    fn set(&mut self, offset: usize, mark: u8) {
        let byte = offset / 4;
        if byte >= self.0.len() {
            self.0.resize(byte + 1, 0);
        }
        let shift = offset % 4 * 2;
        self.0[byte] = self.0[byte] & !(3 << shift) | mark << shift;
    }

    /// The marks of `kept`, in order, from `offset` on; those before are none.
    fn moved(&self, kept: std::ops::Range<usize>, offset: usize) -> Marks {
        let mut moved = Marks(Vec::with_capacity((offset + kept.len()).div_ceil(4)));
        for (position, from) in kept.enumerate() {
            moved.set(offset + position, self.get(from));
        }
        moved
    }
}

/// Most buckets one series keeps in memory; older ones stay in the store.
pub const BUCKETS_MAX: usize = 200_000;

impl SeriesData {
    pub fn shared() -> Arc<SeriesData> {
        Arc::new(SeriesData::default())
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Changes with every change but a bucket that comes after all others: what was learned of the buckets before stands
    /// for as long as it is the same.
    pub fn edits(&self) -> u32 {
        self.edits.0
    }

    /// Index of the oldest and newest bucket held.
    pub fn span(&self) -> Option<(BucketIndex, BucketIndex)> {
        (!self.values.is_empty()).then(|| (self.first, self.first + self.values.len() as i64 - 1))
    }

    pub fn last(&self) -> Option<Point> {
        self.span().and_then(|(_, last)| self.get(last))
    }

    pub fn get(&self, index: BucketIndex) -> Option<Point> {
        let offset = usize::try_from(index.checked_sub(self.first)?).ok()?;
        let value = *self.values.get(offset)?;
        let mark = self.marks.get(offset);
        (mark & PRESENT != 0).then(|| Point {
            index,
            value,
            parts: self.parts.get(offset).copied().filter(|parts| !parts.denominator.is_nan()),
            provisional: mark & PROVISIONAL != 0,
        })
    }

    /// The buckets present in `from..=to`, oldest first.
    pub fn range(&self, from: BucketIndex, to: BucketIndex) -> impl DoubleEndedIterator<Item = Point> + '_ {
        let (first, last) = self.span().unwrap_or((0, -1));
        (from.max(first)..=to.min(last)).filter_map(|index| self.get(index))
    }

    /// A series from its points, oldest first, with room for some more: growing right after a load would move every
    /// series and leave holes of their size behind.
    pub fn of(points: &[Point]) -> SeriesData {
        let Some(last) = points.last().map(|point| point.index) else { return SeriesData::default() };
        let kept = points.partition_point(|point| last.saturating_sub(point.index) >= BUCKETS_MAX as i64);
        let points = &points[kept..];
        let first = points[0].index;
        let buckets = (last - first + 1) as usize;
        let parts = if points.iter().any(|point| point.parts.is_some()) { buckets } else { 0 };
        let (values, parts) = (roomy(f64::NAN, buckets), roomy(NO_PARTS, parts));
        let marks = Marks(Vec::with_capacity(values.capacity().div_ceil(4)));
        let mut data = SeriesData { first, values, marks, parts, held: None, edits: Edits::default() };
        for point in points {
            let offset = (point.index - first) as usize;
            data.values[offset] = point.value;
            data.marks.set(offset, PRESENT | if point.provisional { PROVISIONAL } else { 0 });
            if let Some(parts) = point.parts {
                data.parts[offset] = parts;
            }
        }
        data
    }

    /// Takes over a newer version of one bucket. Returns what it replaced.
    pub fn put(&mut self, observation: &Observation) -> Option<Point> {
        let before = self.get(observation.bucket);
        if self.span().is_some_and(|(_, last)| observation.bucket <= last) {
            self.edits.0 = self.edits.0.wrapping_add(1);
        }
        if observation.withdraws() {
            self.remove(observation.bucket);
            return before;
        }
        let offset = self.make_room(observation.bucket)?;
        self.values[offset] = observation.value;
        self.marks.set(offset, PRESENT | if observation.provisional { PROVISIONAL } else { 0 });
        if let Some(parts) = observation.parts {
            if self.parts.len() < self.values.len() {
                self.parts.resize(self.values.len(), NO_PARTS);
            }
            self.parts[offset] = parts;
        } else if let Some(old) = self.parts.get_mut(offset) {
            // A quotient alone: the halves of an older version would pool a value that is gone.
            *old = NO_PARTS;
        }
        before
    }

    /// Lets go of what lies before a bucket.
    pub fn forget_before(&mut self, index: BucketIndex) {
        let kept: Vec<Point> = self.range(index, BucketIndex::MAX).collect();
        *self = SeriesData { held: self.held, edits: Edits(self.edits.0.wrapping_add(1)), ..SeriesData::of(&kept) };
    }

    /// Takes a bucket out, as if it had never come.
    pub fn remove(&mut self, index: BucketIndex) {
        let Some(offset) = index.checked_sub(self.first).and_then(|offset| usize::try_from(offset).ok()) else {
            return;
        };
        if offset >= self.values.len() {
            return;
        }
        self.edits.0 = self.edits.0.wrapping_add(1);
        self.values[offset] = f64::NAN;
        self.marks.set(offset, 0);
        if let Some(parts) = self.parts.get_mut(offset) {
            *parts = NO_PARTS;
        }
        self.trim();
    }

    /// The span reaches from a bucket that is present to one that is, as it does after a load.
    fn trim(&mut self) {
        let is_present = |offset: &usize| self.marks.get(*offset) & PRESENT != 0;
        let kept = (0..self.values.len()).rfind(is_present).map_or(0, |last| last + 1);
        let absent = (0..kept).find(is_present).unwrap_or(0);
        self.values.truncate(kept);
        self.parts.truncate(kept);
        if absent > 0 {
            self.marks = self.marks.moved(absent..kept, 0);
            self.values.drain(..absent);
            self.parts.drain(..absent.min(self.parts.len()));
            self.first += absent as i64;
        }
    }

    /// Makes the arrays cover `index`; none when it is older than the bound allows.
    fn make_room(&mut self, index: BucketIndex) -> Option<usize> {
        if self.values.is_empty() {
            self.first = index;
        }
        if index < self.first {
            let missing = usize::try_from(self.first - index).ok()?;
            if missing + self.values.len() > BUCKETS_MAX {
                return None;
            }
            self.marks = self.marks.moved(0..self.values.len(), missing);
            self.values.splice(0..0, std::iter::repeat_n(f64::NAN, missing));
            if !self.parts.is_empty() {
                self.parts.splice(0..0, std::iter::repeat_n(NO_PARTS, missing));
            }
            self.first = index;
        }
        let mut offset = usize::try_from(index - self.first).ok()?;
        if offset >= BUCKETS_MAX {
            let drop = (offset + 1 - BUCKETS_MAX + BUCKETS_MAX / 8).min(self.values.len());
            self.marks = self.marks.moved(drop..self.values.len(), 0);
            self.values.drain(..drop);
            self.parts.drain(..drop.min(self.parts.len()));
            self.first = if self.values.is_empty() { index } else { self.first + drop as i64 };
            offset = usize::try_from(index - self.first).ok()?;
        }
        if offset >= self.values.len() {
            if offset == self.values.len() && self.values.capacity() == self.values.len() {
                let spare = spare(self.values.len());
                self.values.reserve_exact(spare);
            }
            self.values.resize(offset + 1, f64::NAN);
        }
        Some(offset)
    }
}

/// Series grow by a bucket a slot: a little to spare keeps memory near the data.
fn spare(buckets: usize) -> usize {
    (buckets / 50).max(8)
}

fn roomy<T: Clone>(value: T, count: usize) -> Vec<T> {
    let mut all = Vec::with_capacity(if count == 0 { 0 } else { count + spare(count) });
    all.resize(count, value);
    all
}

const NO_PARTS: Parts = Parts { numerator: f64::NAN, denominator: f64::NAN, n: None };

#[cfg(test)]
mod tests {
    use super::{BUCKETS_MAX, Point, SeriesData};
    use crate::model::ids::SeriesKey;
    use crate::model::observation::{Observation, Parts};

    fn point(index: i64, parts: Option<Parts>) -> Point {
        Point { index, value: index as f64, parts, provisional: index % 3 == 0 }
    }

    fn observed(point: &Point) -> Observation {
        Observation {
            series: SeriesKey::total(&"kpi".into()),
            bucket: point.index,
            value: point.value,
            parts: point.parts,
            provisional: point.provisional,
            known_at: jiff::Timestamp::UNIX_EPOCH,
            assumed: false,
        }
    }

    /// A series made at once is the one that grew observation by observation.
    fn check(points: &[Point]) {
        let mut grown = SeriesData::default();
        for point in points {
            grown.put(&observed(point));
        }
        let all = |data: &SeriesData| data.range(i64::MIN, i64::MAX).collect::<Vec<_>>();
        let made = SeriesData::of(points);
        assert_eq!(made.span(), grown.span());
        assert_eq!(all(&made), all(&grown));
    }

    #[test]
    fn a_series_made_at_once_is_the_one_that_grew() {
        let parts = Some(Parts { numerator: 1.0, denominator: 2.0, n: None });
        check(&[]);
        check(&[point(-5, None)]);
        check(&[point(20_000, None), point(20_001, None), point(20_004, None)]);
        check(&[point(1, None), point(2, parts), point(9, None), point(10, parts)]);
    }

    #[test]
    fn marks_move_with_their_buckets() {
        let mut data = SeriesData::default();
        // Downwards, one by one and over a hole, then beyond the bound.
        for index in [9, 8, 7, 3, 0, -6] {
            data.put(&observed(&point(index, None)));
        }
        let held = |data: &SeriesData| data.range(i64::MIN, i64::MAX).collect::<Vec<_>>();
        assert_eq!(held(&data), [-6, 0, 3, 7, 8, 9].map(|index| point(index, None)));
        let newest = BUCKETS_MAX as i64 + 1;
        data.put(&observed(&point(BUCKETS_MAX as i64 / 2, None)));
        data.put(&observed(&point(newest, None)));
        assert_eq!(held(&data), [BUCKETS_MAX as i64 / 2, newest].map(|index| point(index, None)));
    }

    #[test]
    fn a_bucket_that_is_taken_out_leaves_the_series_that_never_had_it() {
        let parts = Some(Parts { numerator: 1.0, denominator: 2.0, n: None });
        let all = [point(-3, None), point(-2, parts), point(4, None), point(9, parts), point(10, None)];
        for gone in 0..1_u32 << all.len() {
            let mut data = SeriesData::of(&all);
            let is_gone = |place: usize| gone >> place & 1 == 1;
            for (_, point) in all.iter().enumerate().filter(|(place, _)| is_gone(*place)) {
                let withdrawn = Observation { value: f64::NAN, parts: None, ..observed(point) };
                assert_eq!(data.put(&withdrawn), Some(*point));
                assert_eq!(data.put(&withdrawn), None);
            }
            let left: Vec<Point> =
                all.iter().enumerate().filter(|(place, _)| !is_gone(*place)).map(|(_, point)| *point).collect();
            let made = SeriesData::of(&left);
            assert_eq!(data.span(), made.span(), "{left:?}");
            assert_eq!(data.range(i64::MIN, i64::MAX).collect::<Vec<_>>(), left);
            // It grows on from there.
            data.put(&observed(&point(12, parts)));
            assert_eq!((data.last(), data.get(11)), (Some(point(12, parts)), None));
        }
    }

    #[test]
    fn a_version_without_parts_takes_the_old_ones_away() {
        let parts = Some(Parts { numerator: 1.0, denominator: 2.0, n: None });
        let mut data = SeriesData::of(&[point(1, parts), point(2, parts)]);
        assert_eq!(data.put(&observed(&point(1, None))), Some(point(1, parts)));
        assert_eq!((data.get(1), data.get(2)), (Some(point(1, None)), Some(point(2, parts))));
        // Nor does a bucket beyond the parts that are held need any.
        data.put(&observed(&point(3, None)));
        assert_eq!(data.get(3), Some(point(3, None)));
    }

    #[test]
    fn buckets_beyond_the_bound_are_left_out() {
        let newest = BUCKETS_MAX as i64 + 10;
        let made = SeriesData::of(&[point(0, None), point(11, None), point(newest, None)]);
        assert_eq!(made.span(), Some((11, newest)));
    }
}
