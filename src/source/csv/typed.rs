//! One column of a table that SQL is asked of: what its cells are, decided from all of them.

use std::collections::BTreeMap;

use super::config::{CsvSource, Decimal, FileSet};
use crate::model::kpi::Kpi;
use crate::model::observation::ReadingTime;
use crate::model::unit::Unit;
use crate::source::cell::number::{Cell, Column, Decided, Mark, is_amount, read, share_of, shown, told_of_share};
use crate::source::cell::order::Orders;
use crate::source::cell::time;
use crate::source::rows::{cut, foreign};
use crate::source::sql::{Effect, Note, SqlValue};

/// The share of cells, as a fraction, from which a column is one of numbers or times: a footer or a stray word is no
/// reason to take all others for text.
const MOST: (usize, usize) = (3, 4);
/// The share from which figures among other cells are no accident: as text the database would sum `20,75` as 20.
const SOME: (usize, usize) = (1, 10);

/// What typing a column looks at beside its cells.
pub(super) struct Setting<'a> {
    pub(super) source: &'a CsvSource,
    pub(super) kpi: &'a Kpi,
    pub(super) delimiter: u8,
    pub(super) files: &'a FileSet,
    /// File and line of each row.
    pub(super) rows: &'a [(usize, u64)],
}

impl Setting<'_> {
    fn origin(&self, row: usize) -> String {
        self.rows.get(row).map_or_else(String::new, |(file, line)| format!("{}:{line}", self.files[*file].0))
    }

    fn time(&self, cell: &str) -> Option<ReadingTime> {
        match &self.source.config.date_format {
            Some(format) => time::read_as(shown(cell), format),
            None => time::read(shown(cell)),
        }
    }

    /// A time as the database's own functions read it, and as `:from` and `:to` are written: in the KPI's zone.
    fn as_time(&self, cell: &str) -> Option<SqlValue> {
        const FORM: &str = "%Y-%m-%d %H:%M:%S";
        let zone = &self.kpi.zone;
        Some(SqlValue::Text(match self.time(cell)? {
            ReadingTime::Date(date) => date.to_string(),
            ReadingTime::Local(local) => local.strftime(FORM).to_string(),
            ReadingTime::Instant(at) => {
                let local = zone.to_datetime(at);
                let text = local.strftime(FORM).to_string();
                // Of an hour that comes twice the offset says which one is meant.
                if zone.to_ambiguous_timestamp(local).is_ambiguous() {
                    let minutes = zone.to_offset(at).seconds() / 60;
                    let sign = if minutes < 0 { '-' } else { '+' };
                    format!("{text}{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
                } else {
                    text
                }
            }
        }))
    }
}

/// A column with its cells, one for each row.
pub(super) struct Typed {
    pub(super) name: String,
    pub(super) cells: Vec<String>,
}

/// What the cells of a column are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Number(Mark),
    Time,
    Text,
    /// Written both ways: none of its numbers can be trusted.
    Doubtful,
}

/// What was seen in a column; cells that say nothing are not counted.
#[derive(Default)]
struct Seen {
    said: usize,
    numbers: usize,
    /// Of the numbers those that can be nothing else, `20,75` or `5 €`.
    amounts: usize,
    /// Of the numbers those such as `007`, which begin with zero as codes do.
    codes: usize,
    /// What is no number.
    times: usize,
    /// Neither numbers nor times.
    others: usize,
    /// Of these those without any digit.
    words: usize,
    word: Option<usize>,
    marks: Column,
    /// By file.
    orders: BTreeMap<usize, Orders>,
}

impl Seen {
    fn is(&self, count: usize, (part, whole): (usize, usize)) -> bool {
        self.said > 0 && count * whole >= self.said * part
    }
}

impl Typed {
    pub(super) fn push(&mut self, cell: &str, row: usize) {
        self.cells.resize(row, String::new());
        self.cells.push(cell.to_owned());
    }

    /// Numbers, times as ISO text, or text; cells that say nothing are NULL. So are those of a column of numbers or
    /// times that are neither, which is told: words among figures must not make a text of all of them.
    pub(super) fn into_values(self, setting: &Setting<'_>, notes: &mut Vec<Note>) -> Vec<SqlValue> {
        let unit = &setting.kpi.unit;
        let kind = self.kind(setting, notes);
        let (mut strays, mut unlike) = (None::<(usize, usize)>, None);
        let mut values = Vec::with_capacity(self.cells.len());
        for (row, cell) in self.cells.iter().enumerate() {
            let value = match kind {
                Type::Text if cell.is_empty() => Some(SqlValue::Null),
                Type::Text => Some(SqlValue::Text(shown(cell).to_owned())),
                Type::Doubtful => Some(SqlValue::Null),
                Type::Number(mark) => match read(cell, mark) {
                    // A share is no amount.
                    Cell::Number { percent: true, .. } if matches!(unit, Unit::Currency(_)) => None,
                    Cell::Number { value, percent, currency } => {
                        unlike = unlike.or_else(|| foreign(unit, currency).map(|currency| (row, currency)));
                        let is_share = percent && *unit == Unit::Ratio;
                        Some(SqlValue::Real(if is_share { value / 100.0 } else { value }))
                    }
                    Cell::Absent => Some(SqlValue::Null),
                    Cell::Unreadable => None,
                },
                Type::Time if read(cell, Mark::Point) == Cell::Absent => Some(SqlValue::Null),
                Type::Time => setting.as_time(cell),
            };
            if value.is_none() {
                strays = Some(strays.map_or((row, 1), |(first, count)| (first, count + 1)));
            }
            values.push(value.unwrap_or(SqlValue::Null));
        }
        let name = &self.name;
        if let (Some((row, said)), Unit::Currency(own)) = (unlike, unit) {
            let (at, sample, said) = (setting.origin(row), cut(&self.cells[row]), said.code());
            self.note(notes, Effect::Refused, format!(
                "{at}: `{sample}` in column `{name}`: its currency is `{said}`, the KPI's is {own}: export each currency into files or a column of its own, or define a KPI for each"
            ));
        }
        if let (Type::Number(_), Unit::Percent) = (kind, unit)
            && let Some(sample) = share_of(self.cells.iter().map(String::as_str))
        {
            self.note(notes, Effect::Told, told_of_share(name, sample));
        }
        if let Some((first, count)) = strays {
            let what = if kind == Type::Time { "times" } else { "numbers" };
            let (at, sample) = (setting.origin(first), cut(&self.cells[first]));
            self.note(notes, Effect::Incomplete, format!(
                "column `{name}` holds {what}, and {count} cells that are none, such as {at}: `{sample}`; they count as absent: correct them, or say text: [{name}]"
            ));
        }
        values
    }

    fn note(&self, notes: &mut Vec<Note>, effect: Effect, said: String) {
        notes.push(Note { column: self.name.clone(), said, effect });
    }

    fn seen(&self, setting: &Setting<'_>) -> Seen {
        let mut seen = Seen::default();
        for (row, cell) in self.cells.iter().enumerate() {
            if read(cell, Mark::Point) == Cell::Absent {
                continue;
            }
            seen.said += 1;
            let is_number = |mark| matches!(read(cell, mark), Cell::Number { .. });
            if is_number(Mark::Point) || is_number(Mark::Comma) {
                seen.numbers += 1;
                seen.amounts += usize::from(is_amount(cell));
                let is_code = cell.len() > 1 && cell.starts_with('0') && cell.bytes().all(|byte| byte.is_ascii_digit());
                seen.codes += usize::from(is_code && cell.bytes().any(|byte| byte != b'0'));
                seen.marks.see(cell);
                continue;
            }
            if setting.source.config.date_format.is_none()
                && let Some((file, _)) = setting.rows.get(row)
            {
                seen.orders.entry(*file).or_default().see(cell, || setting.origin(row));
            }
            if setting.time(cell).is_some() {
                seen.times += 1;
            } else {
                seen.others += 1;
                seen.words += usize::from(!cell.contains(|c: char| c.is_ascii_digit()));
                seen.word = seen.word.or(Some(row));
            }
        }
        seen
    }

    fn kind(&self, setting: &Setting<'_>, notes: &mut Vec<Note>) -> Type {
        let config = &setting.source.config;
        if config.text.iter().any(|name| name.trim().to_lowercase() == self.name.to_lowercase()) {
            return Type::Text;
        }
        let seen = self.seen(setting);
        let name = &self.name;
        // Also where so many have the month first that they are no times as they stand.
        let month_first = seen.orders.values().map(|orders| orders.month_first).sum::<usize>();
        if seen.is(seen.times + month_first, MOST)
            && let Some(refusal) = seen.orders.values().find_map(Orders::refusal)
        {
            self.note(notes, Effect::Refused, format!("column `{name}`: {refusal}"));
            return Type::Text;
        }
        // Codes that begin with zero are names, unless other cells show that all of them are amounts.
        let coded = seen.codes > 0 && seen.amounts == 0;
        let figures = seen.is(seen.numbers, SOME);
        if !coded && (seen.is(seen.numbers, MOST) || (figures && seen.amounts > 0)) {
            return self.number(setting, seen.marks, notes);
        }
        // Days may stand as 20261231 too. Where what remains holds digits, they are rather numbers of documents such as
        // 2026-012, of which the first twelve look like months.
        let days = || self.cells.iter().filter(|cell| setting.time(cell).is_some()).count();
        if seen.is(seen.times, MOST)
            || (seen.is(seen.times, SOME) && (seen.is(days(), MOST) || seen.words * 2 > seen.others))
        {
            return Type::Time;
        }
        if let (true, false, Some(row)) = (figures, coded, seen.word.filter(|_| seen.words * 2 > seen.others)) {
            let (count, said, at, sample) = (seen.numbers, seen.said, setting.origin(row), cut(&self.cells[row]));
            self.note(notes, Effect::Told, format!(
                "column `{name}` is text, since of its {said} cells {count} are numbers and others words, such as {at}: `{sample}`; sums take these for 0: correct them, or say text: [{name}] if it is meant so"
            ));
        }
        Type::Text
    }

    fn number(&self, setting: &Setting<'_>, marks: Column, notes: &mut Vec<Note>) -> Type {
        let (name, files) = (&self.name, &setting.source.files.pattern);
        match (setting.source.config.decimal, marks.decide()) {
            (Decimal::Comma, _) => Type::Number(Mark::Comma),
            (Decimal::Point, _) => Type::Number(Mark::Point),
            (Decimal::Auto, Decided::Sure(mark)) => Type::Number(mark),
            (Decimal::Auto, Decided::Mixed { comma, point }) => {
                // As absent cells its sums would be 0.
                self.note(notes, Effect::Refused, format!(
                    "column `{name}` of {files} is written both ways, `{comma}` and `{point}`; say decimal: comma or decimal: point"
                ));
                Type::Doubtful
            }
            (Decimal::Auto, Decided::Open { sample }) => {
                let is_comma = setting.delimiter == b';';
                let (mark, word) = if is_comma { (Mark::Comma, "comma") } else { (Mark::Point, "point") };
                self.note(notes, Effect::Told, format!(
                    "column `{name}` of {files}: numbers such as `{sample}` can be read two ways, the {word} was taken as decimal; say decimal: comma or decimal: point"
                ));
                Type::Number(mark)
            }
        }
    }
}
