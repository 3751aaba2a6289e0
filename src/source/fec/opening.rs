//! How a fiscal year is known to begin: days of opening entries, and entries that restate the year before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;

use super::book::{Entry, Seen, TOLERANCE};

/// Days around the first of a year within which its opening entries are dated.
pub(super) const OPENING_DAYS: i32 = 31;
/// The share of rows (one of that many) dated before a year from which they are another one; fewer are strays.
pub(super) const STRAY_ROWS: usize = 20;
/// Rows of an entry that may open a year alone.
const START_ROWS_MIN: usize = 3;
/// Groups of accounts from which entries look like a whole balance sheet.
const SHEET_GROUPS_MIN: usize = 4;

/// The first three digits of an account of a balance sheet (classes 1 to 5): finer ones may change from year to year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group([u8; 3]);

impl Group {
    pub(super) fn of(account: &str) -> Option<Group> {
        let mut group = [b'0'; 3];
        account.bytes().zip(&mut group).for_each(|(digit, place)| *place = digit);
        matches!(group[0], b'1'..=b'5').then_some(Group(group))
    }

    /// The year's result and what is carried over of it: they stand elsewhere once a year is closed.
    fn is_result(self) -> bool {
        matches!(self.0, [b'1', b'1' | b'2', _])
    }
}

/// Where groups of accounts stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Balances(BTreeMap<Group, i64>);

impl Balances {
    pub(super) fn add(&mut self, group: Group, amount: i64) {
        let sum = self.0.entry(group).or_default();
        *sum = sum.saturating_add(amount);
    }

    pub(super) fn plus(mut self, other: &Balances) -> Balances {
        other.0.iter().for_each(|(group, amount)| self.add(*group, *amount));
        self
    }

    /// Whether these are the other's balances once more, but for a few groups that were entered late.
    fn restate(&self, other: &Balances) -> bool {
        let of = |balances: &Balances, group: &Group| balances.0.get(group).copied().unwrap_or_default();
        let groups: BTreeSet<&Group> = self.0.keys().chain(other.0.keys()).filter(|group| !group.is_result()).collect();
        let (mut same, mut all) = (0, 0);
        for (own, others) in groups.into_iter().map(|group| (of(self, group), of(other, group))) {
            if own.abs() >= TOLERANCE || others.abs() >= TOLERANCE {
                all += 1;
                same += usize::from(own.saturating_sub(others).abs() < TOLERANCE);
            }
        }
        same >= 2 && same * 5 >= all * 4
    }
}

/// Entries of a year's first days, without accounts of class 6 or 7.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) date: Date,
    /// Its code.
    pub(super) journal: String,
    pub(super) entries: BTreeSet<usize>,
    pub(super) sums: Balances,
}

impl Start {
    /// The ones that restate balances, of those dated near the first day of a year.
    pub(super) fn restating<'a>(starts: &'a [Start], first: Date, balances: &Balances) -> Option<&'a Start> {
        starts.iter().find(|start| is_near(start.date, first) && start.sums.restate(balances))
    }

    /// Whether it looks like a whole balance sheet: capital, and what it is made of.
    pub(super) fn is_sheet(&self) -> bool {
        let has = |class: u8| self.sums.0.keys().any(|group| group.0[0] == class);
        self.sums.0.len() >= SHEET_GROUPS_MIN && has(b'1') && (has(b'4') || has(b'5'))
    }
}

/// Whether a day is one on which a year that begins on another may be opened.
pub(super) fn is_near(day: Date, first: Date) -> bool {
    (first.saturating_sub(OPENING_DAYS.days())..=first.saturating_add(OPENING_DAYS.days())).contains(&day)
}

/// The entries of the first days that may open the year: those of a journal and day, then each alone.
pub(super) fn starts(seen: &Seen, first: Option<Date>, closing: Option<Date>) -> Vec<Start> {
    let usual = closing.map(|closing| closing.saturating_sub(12.months()).saturating_add(1.day()));
    let is_early = |day: Date| [first, usual].into_iter().flatten().any(|first| is_near(day, first));
    let may_open = |entry: &Entry| is_early(entry.date) && !entry.of_result && !entry.closes();
    let (mut groups, mut alone) = (BTreeMap::<(Date, usize), Start>::new(), BTreeMap::<usize, Start>::new());
    for (position, group, amount) in &seen.amounts {
        let entry = &seen.entries[*position];
        if !may_open(entry) {
            continue;
        }
        let new = || Start {
            date: entry.date,
            journal: seen.journals.get(entry.journal).cloned().unwrap_or_default(),
            entries: BTreeSet::new(),
            sums: Balances::default(),
        };
        let start = groups.entry((entry.date, entry.journal)).or_insert_with(new);
        start.entries.insert(*position);
        start.sums.add(*group, *amount);
        if entry.rows >= START_ROWS_MIN {
            let start = alone.entry(*position).or_insert_with(new);
            start.entries.insert(*position);
            start.sums.add(*group, *amount);
        }
    }
    groups.into_values().chain(alone.into_values()).collect()
}

/// The first days of the fiscal years of a file, which should hold one: the later ones by their opening entries. The first
/// of them is before all days.
pub(super) fn first_days(entries: &[Entry], closing: Option<Date>) -> Vec<Date> {
    let mut firsts = vec![Date::MIN];
    let openings: BTreeSet<Date> = entries.iter().filter(|entry| entry.opens()).map(|entry| entry.date).collect();
    let Some(first) = openings.first().copied() else { return firsts };
    let closed: BTreeSet<Date> = entries.iter().filter(|entry| entry.closes()).map(|entry| entry.date).collect();
    let after_closing = closing.map(|closing| closing.saturating_add(1.day()));
    let moving = |from: Date, to: Date| -> usize {
        let own = entries.iter().filter(|entry| !entry.opens() && (from..to).contains(&entry.date));
        own.map(|entry| entry.rows).sum()
    };
    let all = moving(Date::MIN, Date::MAX);
    for day in openings.into_iter().skip(1).filter(|day| closing.is_none_or(|closing| *day <= closing)) {
        let is_anniversary = [Some(first), after_closing].into_iter().flatten().any(|first| {
            // A leap day has no anniversary in most years; no year begins on one.
            (first.month(), first.day()) == (day.month(), day.day())
        });
        // A correction of opening entries in the middle of a year begins none.
        if !is_anniversary && !closed.contains(&day.saturating_sub(1.day())) {
            continue;
        }
        // Rows with a wrong year are no year of their own.
        let before = firsts.last().copied().unwrap_or(Date::MIN);
        if moving(before, day) * STRAY_ROWS >= all {
            firsts.push(day);
        }
    }
    firsts
}
