//! The names that scripts and texts can read, with their units: one table for reading and for the manual.

use jiff::SignedDuration;

use super::assessment::Assessment;
use crate::model::assessment::{Measured, Unmeasurable};
use crate::model::event::EventFact;
use crate::model::grain::day_of;
use crate::model::text::Figure;
use crate::model::unit::{Category, Unit};

/// A name that a script or a text can read.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub unit: FieldUnit,
    /// One line, for the manual.
    pub doc: &'static str,
    read: fn(&Assessment) -> Measured<Figure>,
}

/// What a field's figure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldUnit {
    /// In the KPI's unit.
    Kpi,
    /// In the KPI's unit, per working day.
    KpiPerWorkingDay,
    /// A bare count.
    Count,
    /// A share; 0.12 is 12 %.
    Ratio,
    /// Civil days.
    Days,
    WorkingDays,
    Date,
    /// True or false; texts show 1 or 0.
    Flag,
    Status,
    Text,
    /// A list of texts to scripts; texts show them joined.
    Names,
}

/// Fields of a KPI that say how fresh its data is, or what it is; reading them judges no bucket.
const FRESHNESS: [&str; 10] =
    ["id", "title", "unit", "category", "owner", "source", "labels", "age_days", "late_days", "missed_buckets"];

impl Field {
    /// Its figure.
    pub fn read(&self, assessment: &Assessment) -> Measured<Figure> {
        (self.read)(assessment)
    }

    /// Whether it judges no bucket of its KPI.
    pub fn is_about_freshness(&self) -> bool {
        FRESHNESS.contains(&self.name)
    }
}

impl FieldUnit {
    /// As the manual writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            FieldUnit::Kpi => "KPI's unit",
            FieldUnit::KpiPerWorkingDay => "KPI's unit per working day",
            FieldUnit::Count => "count",
            FieldUnit::Ratio => "ratio",
            FieldUnit::Days => "days",
            FieldUnit::WorkingDays => "working days",
            FieldUnit::Date => "date",
            FieldUnit::Flag => "true or false",
            FieldUnit::Status => "status",
            FieldUnit::Text => "text",
            FieldUnit::Names => "list of names",
        }
    }
}

impl Assessment {
    /// The figure that `kpi.<name>` stands for; none when there is no such name.
    pub fn kpi_figure(&self, name: &str) -> Option<Measured<Figure>> {
        read(KPI_FIELDS, name, self)
    }

    /// The figure that `objective.<name>` stands for; none when there is no such name.
    pub fn objective_figure(&self, name: &str) -> Option<Measured<Figure>> {
        read(OBJECTIVE_FIELDS, name, self)
    }

    fn quantity(&self, value: f64) -> Figure {
        Figure::Quantity(value, self.kpi.unit.clone())
    }
}

/// What `kpi.<name>` can be.
pub const KPI_FIELDS: &[Field] = &[
    field("id", FieldUnit::Text, "name of the KPI in the configuration", |a| Ok(text(a.kpi.id.as_str()))),
    field("title", FieldUnit::Text, "title of the KPI", |a| Ok(text(&a.kpi.title))),
    field("unit", FieldUnit::Text, "unit of its values; empty for plain numbers", |a| Ok(text(unit_text(&a.kpi.unit)))),
    field("category", FieldUnit::Text, "financial, operational or customer", |a| {
        Ok(text(Category::as_str(a.kpi.category)))
    }),
    field("owner", FieldUnit::Text, "person who answers for it; empty without one", |a| {
        Ok(text(a.kpi.owner.as_ref().map_or("", |owner| owner.as_str())))
    }),
    field("source", FieldUnit::Text, "where its numbers are pulled from", |a| Ok(text(a.kpi.source.as_str()))),
    field("labels", FieldUnit::Text, "labels of the series; empty for the total", |a| Ok(text(&a.labels.to_string()))),
    field("value", FieldUnit::Kpi, "value of the current bucket, the newest one that is due and there", |a| {
        a.value().map(|value| a.quantity(value))
    }),
    field("previous", FieldUnit::Kpi, "value of the bucket before the current one", |a| {
        a.previous().map(|value| a.quantity(value))
    }),
    field("change", FieldUnit::Ratio, "current bucket against the one before", |a| a.change(1).map(Figure::Ratio)),
    field("change_abs", FieldUnit::Kpi, "current bucket minus the one before", |a| {
        a.change_abs(1).map(|value| a.quantity(value))
    }),
    field("change_year", FieldUnit::Ratio, "current bucket against a year before (52 weeks for days)", |a| {
        a.change_year(1).map(Figure::Ratio)
    }),
    field("date", FieldUnit::Date, "first day of the current bucket", |a| {
        Ok(Figure::Date(day_of(a.current_bucket()?.start, &a.kpi.zone)))
    }),
    field("provisional", FieldUnit::Flag, "whether the current bucket may still change", |a| {
        Ok(flag(a.is_provisional()))
    }),
    field("completeness", FieldUnit::Ratio, "share of the due buckets that are there", |a| {
        Ok(Figure::Ratio(a.data_facts().completeness))
    }),
    field("age_days", FieldUnit::Days, "days since the end of the newest bucket there", |a| a.age().map(days)),
    field("late_days", FieldUnit::Days, "days since the first missing bucket was due; 0 when nothing is late", |a| {
        Ok(days(a.lateness()))
    }),
    field("missed_buckets", FieldUnit::Count, "overdue buckets at the end of the series", |a| {
        match a.missed_buckets() {
            u32::MAX => Err(Unmeasurable::NoData),
            missed => Ok(Figure::Number(f64::from(missed))),
        }
    }),
    field("events", FieldUnit::Names, "events in the current bucket, as known by then", |a| {
        a.bucket_events().map(|events| names(&events))
    }),
];

/// What `objective.<name>` can be.
pub const OBJECTIVE_FIELDS: &[Field] = &[
    field("id", FieldUnit::Text, "name of the objective in the configuration", |a| {
        a.the_objective().map(|objective| text(objective.id.as_str()))
    }),
    field("statement", FieldUnit::Text, "the objective in words", |a| {
        a.the_objective().map(|objective| text(&objective.statement))
    }),
    field("axis", FieldUnit::Text, "strategy axis it serves; empty without one", |a| {
        a.the_objective().map(|objective| text(objective.axis.as_deref().unwrap_or("")))
    }),
    field("owner", FieldUnit::Text, "person who answers for it, else for the KPI; empty without one", |a| {
        let owner = a.the_objective()?.owner.as_ref().or(a.kpi.owner.as_ref());
        Ok(text(owner.map_or("", |owner| owner.as_str())))
    }),
    field("period_start", FieldUnit::Date, "first day of the period", |a| Ok(Figure::Date(a.period()?.first))),
    field("period_end", FieldUnit::Date, "last day of the period", |a| Ok(Figure::Date(a.period()?.last))),
    field("elapsed", FieldUnit::Ratio, "share of the period's days that the data covers", |a| {
        a.elapsed().map(Figure::Ratio)
    }),
    field("days_left", FieldUnit::Days, "days of the period still to come", |a| {
        a.days_left().map(|left| Figure::Days(f64::from(left)))
    }),
    field("working_days_left", FieldUnit::WorkingDays, "working days of the period still to come", |a| {
        a.working_days_left().map(|left| Figure::Days(f64::from(left)))
    }),
    field("too_early", FieldUnit::Flag, "whether too little of the period has passed to judge", |a| {
        a.too_early().map(flag)
    }),
    field("status", FieldUnit::Status, "how the objective stands, in one word", |a| {
        let objective = a.the_objective()?;
        let status = a.status();
        // Without a target that can be told there are only the words that fit any.
        Ok(
            if objective.target.is_kept()
                && let Ok(target) = a.target_now()
            {
                Figure::Standing(status, target)
            } else {
                Figure::Status(status)
            },
        )
    }),
    field("target", FieldUnit::Kpi, "the target; of a band the nearer bound", |a| {
        a.target().map(|value| a.quantity(value))
    }),
    field("goal", FieldUnit::Text, "in texts what the target asks for: `reach 400 000`; to scripts its kind", |a| {
        a.target_now().map(|target| Figure::Goal(target, a.kpi.unit.clone()))
    }),
    field("target_kind", FieldUnit::Text, "reach, reduce_to, at_least, at_most or between", |a| {
        a.the_objective().map(|objective| text(objective.target.as_str()))
    }),
    field("measure", FieldUnit::Text, "sum, pooled, mean, each, at_end, to_date or rolling", |a| {
        a.the_objective().map(|objective| text(objective.measure.as_str()))
    }),
    field("baseline", FieldUnit::Kpi, "where the way to the target begins; 0 for sums", |a| {
        let start = a.standing()?.start.clone()?;
        Ok(a.quantity(start))
    }),
    field("actual", FieldUnit::Kpi, "the measure to date", |a| a.actual().map(|value| a.quantity(value))),
    field("expected", FieldUnit::Kpi, "what the trajectory expects to date; the target where there is no pace", |a| {
        a.expected().map(|value| a.quantity(value))
    }),
    field("drift", FieldUnit::Kpi, "actual minus expected", |a| a.drift().map(|value| a.quantity(value))),
    field("drift_ratio", FieldUnit::Ratio, "drift over expected", |a| a.drift_ratio().map(Figure::Ratio)),
    field("drift_days", FieldUnit::WorkingDays, "drift in days of the planned pace; negative is behind", |a| {
        a.drift_days().map(Figure::Days)
    }),
    field("shortfall", FieldUnit::Kpi, "how far on the bad side of the trajectory; 0 on the good side", |a| {
        a.shortfall().map(|value| a.quantity(value))
    }),
    field("shortfall_ratio", FieldUnit::Ratio, "shortfall over expected; 1 where zero is expected", |a| {
        a.shortfall_ratio().map(Figure::Ratio)
    }),
    field("progress", FieldUnit::Ratio, "share of the way from the baseline to the target", |a| {
        a.progress().map(Figure::Ratio)
    }),
    field("attainment", FieldUnit::Ratio, "actual over target", |a| a.attainment().map(Figure::Ratio)),
    field("projected", FieldUnit::Kpi, "where the period is expected to end", |a| {
        a.projected().map(|value| a.quantity(value))
    }),
    field("low", FieldUnit::Kpi, "lower end of the interval that holds the period's end with 80 %", |a| {
        a.low().map(|value| a.quantity(value))
    }),
    field("high", FieldUnit::Kpi, "upper end of that interval", |a| a.high().map(|value| a.quantity(value))),
    field(
        "probability",
        FieldUnit::Ratio,
        "that the period ends with the target met; of one that is to be held once it is met, that every bucket left holds it",
        |a| a.probability().map(Figure::Ratio),
    ),
    field(
        "probability_change",
        FieldUnit::Ratio,
        "probability minus the one of seven days before; both within the period",
        |a| a.probability_change().map(Figure::Ratio),
    ),
    field("required_rate", FieldUnit::KpiPerWorkingDay, "what each working day left must bring", |a| {
        a.required_rate().map(|value| a.quantity(value))
    }),
    field("current_rate", FieldUnit::KpiPerWorkingDay, "what each working day so far brought", |a| {
        a.current_rate().map(|value| a.quantity(value))
    }),
    field("required_ratio", FieldUnit::Ratio, "required over current pace; 1.2 is a fifth more a day", |a| {
        a.required_ratio().map(Figure::Ratio)
    }),
    field("target_date", FieldUnit::Date, "day on which a sum meets its target, or did, at the current rate", |a| {
        a.target_date().map(Figure::Date)
    }),
    field("milestone_missed", FieldUnit::Flag, "whether the newest milestone that has passed was missed", |a| {
        a.milestone_missed().map(flag)
    }),
    field("completeness", FieldUnit::Ratio, "share of the period's due buckets that are there", |a| {
        a.completeness().map(Figure::Ratio)
    }),
    field("events", FieldUnit::Names, "events in the period up to the current bucket, as known by then", |a| {
        a.period_events().map(|events| names(&events))
    }),
];

const fn field(
    name: &'static str,
    unit: FieldUnit,
    doc: &'static str,
    read: fn(&Assessment) -> Measured<Figure>,
) -> Field {
    Field { name, unit, doc, read }
}

fn read(fields: &[Field], name: &str, assessment: &Assessment) -> Option<Measured<Figure>> {
    fields.iter().find(|field| field.name == name).map(|field| field.read(assessment))
}

fn text(text: &str) -> Figure {
    Figure::Text(text.to_owned())
}

fn names(events: &[EventFact]) -> Figure {
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    Figure::Text(names.join(", "))
}

fn flag(on: bool) -> Figure {
    Figure::Number(f64::from(u8::from(on)))
}

fn days(duration: SignedDuration) -> Figure {
    Figure::Days(duration.as_secs_f64() / 86_400.0)
}

fn unit_text(unit: &Unit) -> &str {
    match unit {
        Unit::None => "",
        Unit::Currency(code) => code,
        Unit::Ratio | Unit::Percent => "%",
        Unit::Points => "points",
        Unit::Other(name) => name,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::{Field, FieldUnit, KPI_FIELDS, OBJECTIVE_FIELDS};
    use crate::assess::Assessment;
    use crate::assess::fixture::{Series, monthly};
    use crate::model::assessment::{Measured, Status};
    use crate::model::objective::{Measure, Target, Trajectory};
    use crate::model::text::Figure;
    use crate::model::unit::{Kind, Unit};

    fn assessment() -> Assessment {
        let series = Series::daily(Kind::Flow).fill(date(2025, 11, 1), date(2025, 11, 30), 8.0).fill(
            date(2026, 11, 1),
            date(2026, 11, 15),
            10.0,
        );
        let objective = monthly(Measure::Sum, Target::Reach(400.0), Trajectory::Linear);
        series.assess("2026-11-16T05:15:00Z", Some(objective))
    }

    #[test]
    fn each_field_reads_in_its_unit() {
        type Read = fn(&Assessment, &str) -> Option<Measured<Figure>>;
        let tables: [(&[Field], Read); 2] =
            [(KPI_FIELDS, Assessment::kpi_figure), (OBJECTIVE_FIELDS, Assessment::objective_figure)];
        for (fields, read) in tables {
            for (at, field) in fields.iter().enumerate() {
                let figure = read(&assessment(), field.name).unwrap().unwrap();
                let fits = match field.unit {
                    FieldUnit::Kpi | FieldUnit::KpiPerWorkingDay => {
                        matches!(&figure, Figure::Quantity(_, Unit::Currency(code)) if code == "EUR")
                    }
                    FieldUnit::Count | FieldUnit::Flag => matches!(figure, Figure::Number(_)),
                    FieldUnit::Ratio => matches!(figure, Figure::Ratio(_)),
                    FieldUnit::Days | FieldUnit::WorkingDays => matches!(figure, Figure::Days(_)),
                    FieldUnit::Date => matches!(figure, Figure::Date(_)),
                    FieldUnit::Status => matches!(figure, Figure::Status(_) | Figure::Standing(..)),
                    FieldUnit::Text | FieldUnit::Names => matches!(figure, Figure::Text(_) | Figure::Goal(..)),
                };
                assert!(fits, "{}: {figure:?}", field.name);
                assert!(!field.doc.is_empty() && !field.doc.contains('\n') && !field.doc.ends_with('.'));
                assert!(fields[..at].iter().all(|other| other.name != field.name), "{} stands twice", field.name);
            }
            assert!(read(&assessment(), "nonsense").is_none());
        }
    }

    #[test]
    fn figures_carry_their_meaning() {
        let a = assessment();
        assert_eq!(a.kpi_figure("title"), Some(Ok(Figure::Text("Chiffre d'affaires".into()))));
        assert_eq!(a.kpi_figure("unit"), Some(Ok(Figure::Text("EUR".into()))));
        assert_eq!(a.kpi_figure("change_year"), Some(Ok(Figure::Ratio(0.25))));
        assert_eq!(a.kpi_figure("date"), Some(Ok(Figure::Date(date(2026, 11, 15)))));
        assert_eq!(a.objective_figure("owner"), Some(Ok(Figure::Text("claire".into()))));
        assert_eq!(a.objective_figure("status"), Some(Ok(Figure::Status(Status::OffTrajectory))));
        assert_eq!(a.objective_figure("drift_ratio"), Some(Ok(Figure::Ratio(-0.25))));
        let alone = Assessment::new(a.kpi, a.labels, a.data, None, a.now);
        assert!(matches!(alone.objective_figure("status"), Some(Err(_))));
    }

    #[test]
    fn an_assessment_crosses_threads() {
        fn crosses<T: Send + Sync>(_: &T) {}
        crosses(&assessment());
    }
}
