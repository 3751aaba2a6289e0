//! From fiscal years to readings: movements of each bucket, balances at the end of each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;

use super::columns::AMOUNT_SCALE;
use super::years::Year;
use crate::model::grain::BucketIndex;
use crate::model::ids::Labels;
use crate::model::kpi::{Empty, Kpi};
use crate::model::ledger_query::{LedgerQuery, Reads, Side};
use crate::model::observation::{Pull, Reading, ReadingTime, ReadingValue};
use crate::model::unit::{Kind, LevelOverTime};
use crate::source::request::PullRequest;

/// Sums by labels, in ten-thousandths of a euro, debit less credit.
type Sums = BTreeMap<Labels, i64>;

/// What the KPI asks for.
pub(super) fn pull(request: &PullRequest, query: &LedgerQuery, years: &[Year]) -> Pull {
    let kpi = &*request.kpi;
    let buckets: Vec<BucketIndex> = request.ended_buckets().collect();
    let mut work = Work { kpi, query, years, pull: Pull { complete: true, ..Pull::default() } };
    let missing = work.without_books(&buckets);
    work.tell_of_years(&buckets);
    match query.reads {
        Reads::Movement => work.movements(&buckets, &missing),
        Reads::Balance => {
            let whole: Vec<_> = buckets.iter().filter(|bucket| !missing.contains(bucket)).copied().collect();
            work.balances(&whole);
        }
    }
    work.tell_of_missing(&missing);
    work.pull
}

struct Work<'a> {
    kpi: &'a Kpi,
    query: &'a LedgerQuery,
    years: &'a [Year],
    pull: Pull,
}

impl Work<'_> {
    /// The buckets whose last day no year holds, and those of which only a part is in the books, where that matters: a
    /// balance of the last day needs no day before it.
    fn without_books(&self, buckets: &[BucketIndex]) -> BTreeSet<BucketIndex> {
        let last_alone = matches!(
            (self.query.reads, self.kpi.kind),
            (Reads::Balance, Kind::Level { over_time: LevelOverTime::Last, .. })
        );
        let held = |bucket: &&BucketIndex| {
            let (first, last) = (self.kpi.grain.date_of(**bucket), self.last_day(**bucket));
            let begins = last_alone || self.years.iter().any(|year| year.covers(first));
            begins && self.years.iter().any(|year| year.holds(last))
        };
        buckets.iter().filter(|bucket| !held(bucket)).copied().collect()
    }

    /// Says what is wrong with the years asked for. Wrong entries of these days make the pull incomplete.
    fn tell_of_years(&mut self, buckets: &[BucketIndex]) {
        let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else { return };
        let (first, last) = (self.kpi.grain.date_of(*first), self.last_day(*last));
        for year in self.years.iter().filter(|year| year.start <= last && first <= year.closing) {
            self.pull.complete &= year.doubtful.range(first..=last).next().is_none();
            self.pull.warnings.extend(year.warnings.iter().cloned());
        }
    }

    /// Says which days have no books.
    fn tell_of_missing(&mut self, missing: &BTreeSet<BucketIndex>) {
        let (Some(from), Some(to)) = (missing.first(), missing.last()) else { return };
        self.pull.complete = false;
        let (from, to) = (self.kpi.grain.date_of(*from), self.last_day(*to));
        let (books, remedy) = match (self.years.first(), self.years.last()) {
            (Some(oldest), Some(newest)) => {
                let remedy = if to > newest.end {
                    "export again once these days are entered"
                } else {
                    "export these years too, or shorten the KPI's history"
                };
                (format!("they go from {} to {} ({})", oldest.start, newest.end, newest.name), remedy)
            }
            _ => ("they hold no entry".to_owned(), "export again"),
        };
        let count = missing.len();
        self.pull
            .warnings
            .push(format!("the books say nothing of {count} buckets from {from} to {to}: {books}; {remedy}"));
    }

    fn movements(&mut self, buckets: &[BucketIndex], missing: &BTreeSet<BucketIndex>) {
        let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else { return };
        let mut sums: BTreeMap<(BucketIndex, Labels), (i64, &str)> = BTreeMap::new();
        for year in self.years {
            for line in year.lines.iter().filter(|line| !line.opening) {
                let bucket = self.kpi.grain.index_of_date(line.date);
                // Of a bucket that the books don't hold to its end there would be only a part.
                if (*first..=*last).contains(&bucket) && !missing.contains(&bucket) {
                    let sum = sums.entry((bucket, line.labels.clone())).or_insert((0, &year.name));
                    *sum = (sum.0.saturating_add(line.amount), &year.name);
                }
            }
        }
        if self.kpi.empty == Empty::Zero && !missing.is_empty() && self.pull.complete {
            add_zeros(buckets, missing, &mut sums);
        }
        for ((bucket, labels), (sum, name)) in sums {
            let origin = name.to_owned();
            self.push(self.kpi.grain.date_of(bucket), labels, sum, origin);
        }
    }

    fn balances(&mut self, buckets: &[BucketIndex]) {
        let mut days: Vec<Date> = buckets.iter().flat_map(|bucket| self.moments(*bucket)).collect();
        days.dedup();
        let mut days = days.into_iter().peekable();
        let mut before: Option<(&Year, Sums)> = None;
        for year in self.years {
            while days.next_if(|day| *day < year.start).is_some() {}
            let asked = days.peek().is_some_and(|day| year.holds(*day));
            let Some(mut sums) = self.opening(year, before.take(), asked) else { continue };
            let mut kept = sums.clone();
            let mut lines = year.lines.iter().filter(|line| !line.opening).peekable();
            loop {
                let day = days.next_if(|day| year.holds(*day));
                while let Some(line) = lines.next_if(|line| day.is_none_or(|day| line.date <= day)) {
                    add(&mut sums, &line.labels, line.amount);
                    if !line.of_result {
                        add(&mut kept, &line.labels, line.amount);
                    }
                }
                let Some(day) = day else { break };
                for (labels, sum) in &sums {
                    self.push(day, labels.clone(), *sum, year.name.clone());
                }
                if sums.is_empty() {
                    self.push(day, Labels::total(), 0, year.name.clone());
                }
            }
            before = Some((year, kept));
        }
    }

    /// Where the accounts stand when a year begins; none where that can't be known.
    fn opening(&mut self, year: &Year, before: Option<(&Year, Sums)>, asked: bool) -> Option<Sums> {
        let mut sums = Sums::new();
        if year.opens {
            for line in year.lines.iter().filter(|line| line.opening) {
                add(&mut sums, &line.labels, line.amount);
            }
            return Some(sums);
        }
        let name = &year.name;
        let twice = "if a journal of it holds them that is not known for it, they count twice: add its code to opening_journals";
        let (warning, sums) = match before {
            None => (
                format!("{name} has no opening entries, and no year before it is there: its balances begin at zero"),
                Some(sums),
            ),
            Some((before, kept)) if year.follows(before) => (
                format!("{name} has no opening entries: its balances go on from the end of {}; {twice}", before.name),
                Some(kept),
            ),
            Some((before, _)) => (
                format!(
                    "{name} has no opening entries, and {} ends on {}, long before: it has no balances; export it with its opening entries",
                    before.name, before.closing
                ),
                None,
            ),
        };
        if asked {
            self.pull.complete &= sums.is_some();
            self.pull.warnings.push(warning);
        }
        sums
    }

    /// The days whose balances make that of a bucket: its last one, or each where the mean is asked for.
    fn moments(&self, bucket: BucketIndex) -> Vec<Date> {
        let last = self.last_day(bucket);
        match self.kpi.kind {
            Kind::Level { over_time: LevelOverTime::Mean, .. } => {
                self.kpi.grain.date_of(bucket).series(1.day()).take_while(|day| *day <= last).collect()
            }
            Kind::Level { over_time: LevelOverTime::Last, .. } | Kind::Flow | Kind::Ratio | Kind::Window => vec![last],
        }
    }

    fn last_day(&self, bucket: BucketIndex) -> Date {
        self.kpi.grain.date_of(bucket + 1).saturating_sub(1.day())
    }

    fn push(&mut self, day: Date, labels: Labels, sum: i64, origin: String) {
        let sum = match self.query.sign {
            Side::Debit => sum,
            Side::Credit => -sum,
        };
        // No minus before a zero.
        let value = ReadingValue::Number(sum as f64 / AMOUNT_SCALE + 0.0);
        self.pull.readings.push(Reading { time: ReadingTime::Date(day), labels, value, origin });
    }
}

fn add(sums: &mut Sums, labels: &Labels, amount: i64) {
    let sum = sums.entry(labels.clone()).or_default();
    *sum = sum.saturating_add(amount);
}

/// Where the books say nothing of some buckets, no zeros may be made up for these; so those of the others are said.
fn add_zeros(
    buckets: &[BucketIndex],
    missing: &BTreeSet<BucketIndex>,
    sums: &mut BTreeMap<(BucketIndex, Labels), (i64, &str)>,
) {
    let mut since: BTreeMap<Labels, BucketIndex> = BTreeMap::new();
    for (bucket, labels) in sums.keys() {
        since.entry(labels.clone()).or_insert(*bucket);
    }
    for bucket in buckets.iter().filter(|bucket| !missing.contains(bucket)) {
        let mut any = false;
        for (labels, _) in since.iter().filter(|(_, first)| *first <= bucket) {
            sums.entry((*bucket, labels.clone())).or_insert((0, "no entry"));
            any = true;
        }
        if !any {
            sums.insert((*bucket, Labels::total()), (0, "no entry"));
        }
    }
}
