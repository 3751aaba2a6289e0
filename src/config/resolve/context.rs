//! What every resolver needs: the entries by id, the defaults, and a place to report to.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::tz::TimeZone;

use super::gather::{Gathered, Section};
use super::period::FiscalYears;
use crate::config::load::Documents;
use crate::config::problem::{Level, Problem};
use crate::config::scalar::{Amount, could_group};
use crate::config::suggest;
use crate::model::calendar::Calendar;
use crate::model::ids::{Labels, PersonId};
use crate::model::unit::{Language, Unit};

/// Gathers problems, by the path of what they concern.
pub(super) struct Report<'a> {
    pub(super) documents: &'a Documents,
    pub(super) problems: Vec<Problem>,
    /// False when a file could not be read: what it would have defined can't be called missing.
    pub(super) whole: bool,
}

impl Report<'_> {
    pub(super) fn error(&mut self, path: &[&str], message: impl Into<String>, help: &str) {
        self.add(Level::Error, path, message.into(), help);
    }

    pub(super) fn warn(&mut self, path: &[&str], message: impl Into<String>, help: &str) {
        self.add(Level::Warning, path, message.into(), help);
    }

    fn add(&mut self, severity: Level, path: &[&str], message: String, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.problems.push(Problem { severity, help, ..self.documents.problem_at(path, message) });
    }

    /// True when the id is defined; reports at `path` when it isn't.
    pub(super) fn reference<T>(&mut self, path: &[&str], what: &str, id: &str, section: &Section<T>) -> bool {
        if section.contains_key(id) {
            return true;
        }
        if self.whole {
            let help = suggest::help(id, section.keys().map(String::as_str), &format!("no {what} is defined yet"));
            self.error(path, format!("no {what} is called `{id}`"), &help);
        }
        false
    }
}

/// The report with the entries and the defaults of the top level.
pub(super) struct Context<'a> {
    pub(super) report: Report<'a>,
    pub(super) all: &'a Gathered,
    pub(super) zone: TimeZone,
    pub(super) language: Language,
    pub(super) calendars: Calendars,
    pub(super) fiscal: FiscalYears,
}

/// The calendars that can be named, and the one of those who name none.
#[derive(Default)]
pub(super) struct Calendars {
    pub(super) named: IndexMap<String, Arc<Calendar>>,
    pub(super) default: Arc<Calendar>,
    /// Digests of the files read beside the configuration's own: calendars, tables of targets.
    pub(super) files: Vec<u64>,
}

impl Context<'_> {
    /// The calendar of a name, if one is given; reports a name that no calendar has.
    pub(super) fn calendar(&mut self, path: &[&str], name: Option<&str>) -> Option<Arc<Calendar>> {
        let name = name?;
        let all = self.all;
        self.report.reference(path, "calendar", name, &all.calendars);
        self.calendars.named.get(name).cloned()
    }

    pub(super) fn person(&mut self, path: &[&str], id: Option<&str>) -> Option<PersonId> {
        let id = id?;
        let all = self.all;
        self.report.reference(path, "person", id, &all.people).then(|| PersonId::from(id))
    }

    /// An amount in the KPI's unit; one written with `%` needs a unit that knows shares.
    pub(super) fn amount(&mut self, path: &[&str], amount: Amount, unit: &Unit) -> f64 {
        let Amount { number, per_cent } = amount;
        // Of shares nobody has thousands; of the rest YAML reads `27.000` as 27, whatever its author meant.
        if !matches!(unit, Unit::Ratio | Unit::Percent)
            && let Some(two_ways) = self.report.documents.text(path).and_then(|text| could_group(text, '.'))
        {
            self.report.warn(path, format!("a point is decimal: this is {number}"), &two_ways);
        }
        match (unit, per_cent) {
            (Unit::Ratio, true) => number / 100.0,
            (Unit::Ratio, false) if number.abs() > 1.5 => {
                let message = format!("{number} in the unit `ratio` is {} %", number * 100.0);
                self.report.warn(path, message, "write it with `%`, or as a share between 0 and 1");
                number
            }
            (Unit::Percent, _) | (_, false) => number,
            (Unit::None | Unit::Currency(_) | Unit::Points | Unit::Other(_), true) => {
                let help = "write the figure in the KPI's unit";
                self.report.error(path, format!("`{number} %` for a KPI whose unit is not a share"), help);
                number
            }
        }
    }

    /// The labels of a `where`, whose names must be dimensions.
    pub(super) fn labels<'l>(
        &mut self,
        path: &[&str],
        labels: impl IntoIterator<Item = (&'l String, &'l String)>,
        dimensions: &[String],
    ) -> Labels {
        let pairs: Vec<(&String, &String)> = labels.into_iter().collect();
        for (name, _) in &pairs {
            let mut at = path.to_vec();
            at.push(name);
            self.dimension(&at, name, dimensions);
        }
        pairs.into_iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// Reports a name that is no dimension.
    pub(super) fn dimension(&mut self, path: &[&str], name: &str, dimensions: &[String]) {
        if !dimensions.iter().any(|dimension| dimension == name) {
            let none = "the KPI has no `dimensions`: add them to it";
            let help = suggest::help(name, dimensions.iter().map(String::as_str), none);
            self.report.error(path, format!("`{name}` is not a dimension of the KPI"), &help);
        }
    }
}
