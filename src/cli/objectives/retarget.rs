//! What changes in an objective's entry when it gets another target: the figure, the milestones ahead, the parts.

use jiff::civil::Date;

use super::edit::{Edit, Figure, Spot, is_within, parts};
use crate::config::{Config, Loaded};
use crate::model::assessment::{ObjectiveFacts, Status};
use crate::model::kpi::Kpi;
use crate::model::objective::{Objective, Target, Trajectory};
use crate::model::target::{Change, TargetFigure};
use crate::model::unit::Unit;

/// Digits of a proposed target: more would pretend to know.
const DIGITS: i32 = 3;

/// What the period ends below, with a probability of 20, 50 and 80 %.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) low: f64,
    pub(super) even: f64,
    pub(super) high: f64,
}

/// An objective whose target is another one from now on.
pub(super) struct Entry<'a> {
    pub(super) config: &'a Config,
    pub(super) loaded: &'a Loaded,
    pub(super) objective: &'a Objective,
    pub(super) kpi: &'a Kpi,
    pub(super) facts: &'a ObjectiveFacts,
    pub(super) ends: Ends,
    /// Of a target that is relative to it.
    pub(super) baseline: Option<f64>,
    pub(super) today: Date,
}

/// Another target.
pub(super) struct Retarget {
    /// That of the target first.
    pub(super) edits: Vec<Edit>,
    /// As it is written.
    pub(super) old: String,
    pub(super) new: String,
    /// The figure that is another one, met with an even chance and with 80 %; and the targets that it makes.
    pub(super) even: (f64, Target),
    pub(super) likely: (f64, Target),
}

/// The figure of a target that is to be another one.
struct Side {
    path: &'static [&'static str],
    /// Which one of the target's.
    place: usize,
    was: f64,
    even: f64,
    likely: f64,
    /// Whether the target lies above where the period ends.
    is_above: bool,
}

/// How a figure of a target is written.
enum Form {
    Plain {
        figure: Figure,
        scale: f64,
    },
    /// So far from a baseline, with what stands behind the number.
    Relative {
        baseline: f64,
        change: Change,
        scale: f64,
        suffix: String,
    },
}

impl Entry<'_> {
    pub(super) fn retarget(&self) -> Result<Retarget, String> {
        let id = self.objective.id.as_str();
        if let Some(whole) = self.objective.id.whole() {
            return Err(format!(
                "it is a part of `{whole}` and follows that one's target; else change the split by hand"
            ));
        }
        if self.objective.hold.is_some() && self.facts.status == Status::Missed {
            let why = "what was to be kept was missed already, which no other target mends";
            return Err(format!("{why}; take the objective out, or write one for the time to come"));
        }
        let side = self.side()?;
        let path = [&["objectives", id], side.path].concat();
        let spot = Spot::value(self.loaded, &path);
        let figure = self.objective.target.figures().nth(side.place);
        let form = match (&spot, figure) {
            (_, Some(TargetFigure::Table(_)) | None) | (None, _) => None,
            (Some(spot), Some(TargetFigure::Fixed(_))) => self.plain(spot, side.was),
            (Some(spot), Some(TargetFigure::Change(change))) => self.relative(spot, *change),
        };
        let (Some(spot), Some(form)) = (spot, form) else {
            let by_period = matches!(figure, Some(TargetFigure::Table(_)));
            let why =
                if by_period { "its targets stand by period" } else { "its target is no plain figure of its entry" };
            return Err(format!("{why}; change it by hand"));
        };
        let (even, new) = form.written(side.even, side.is_above);
        let (likely, _) = form.written(side.likely, side.is_above);
        let old = spot.plain().to_owned();
        if new == old {
            return Err("its target is what the period most likely ends at already".to_owned());
        }
        self.refuse_turned(&form, even, &new)?;
        let mut edits = vec![spot.becomes(&new)];
        self.milestones((side.was, even), &mut edits)?;
        if let Form::Plain { figure, .. } = form {
            edits.extend(parts(self.config, self.loaded, self.objective, (figure, &new))?);
        }
        let key = Spot::key(self.loaded, &["objectives", id]).ok_or("its entry was not found")?;
        if let Some(stray) = edits.iter().find(|edit| !is_within(self.loaded, &key, &edit.spot)) {
            return Err(format!("`{}` stands elsewhere, by an alias; write it out in its entry", stray.spot.raw));
        }
        let whole = |figure| (figure, self.with(side.place, figure));
        Ok(Retarget { edits, old, new, even: whole(even), likely: whole(likely) })
    }

    /// Of a band the end that the period leaves it by.
    fn side(&self) -> Result<Side, String> {
        let Ends { low, even, high } = self.ends;
        let above = |path, was| Side { path, place: 0, was, even, likely: low, is_above: true };
        let below = |path, place, was| Side { path, place, was, even, likely: high, is_above: false };
        match self.facts.target {
            Target::Reach(was) => Ok(above(&["reach"], was)),
            Target::AtLeast(was) => Ok(above(&["at_least"], was)),
            Target::ReduceTo(was) => Ok(below(&["reduce_to"], 0, was)),
            Target::AtMost(was) => Ok(below(&["at_most"], 0, was)),
            Target::Between(was, _) if even < was => Ok(above(&["between", "0"], was)),
            Target::Between(_, was) if even > was => Ok(below(&["between", "1"], 1, was)),
            Target::Between(..) => {
                Err("its band is narrower than what is uncertain of the period's end; widen it by hand".to_owned())
            }
        }
    }

    /// The target with another figure in that place.
    fn with(&self, place: usize, figure: f64) -> Target {
        match (self.facts.target, place) {
            (Target::Reach(_), _) => Target::Reach(figure),
            (Target::ReduceTo(_), _) => Target::ReduceTo(figure),
            (Target::AtLeast(_), _) => Target::AtLeast(figure),
            (Target::AtMost(_), _) => Target::AtMost(figure),
            (Target::Between(_, high), 0) => Target::Between(figure, high),
            (Target::Between(low, _), _) => Target::Between(low, figure),
        }
    }

    fn plain(&self, spot: &Spot, was: f64) -> Option<Form> {
        let figure = Figure::read(spot.plain())?;
        let scale = self.scale(figure.per_cent);
        // Another figure than the one that is written decides: a period's own.
        let is_it = (was * scale - figure.number).abs() <= 1e-9 * figure.number.abs().max(1.0);
        is_it.then_some(Form::Plain { figure, scale })
    }

    fn relative(&self, spot: &Spot, change: Change) -> Option<Form> {
        let baseline = self.baseline?;
        let scale = match change {
            Change::Share(_) => 100.0,
            Change::Amount(_) => self.scale(true),
        };
        let behind = spot.plain().rfind(|c: char| c.is_ascii_digit())? + 1;
        let suffix = spot.plain().get(behind..)?.to_owned();
        (baseline.is_finite() && baseline != 0.0).then_some(Form::Relative { baseline, change, scale, suffix })
    }

    fn scale(&self, per_cent: bool) -> f64 {
        if per_cent && self.kpi.unit == Unit::Ratio { 100.0 } else { 1.0 }
    }

    /// A target whose name says up is not one that leads down.
    fn refuse_turned(&self, form: &Form, even: f64, new: &str) -> Result<(), String> {
        let Form::Relative { baseline, .. } = form else { return Ok(()) };
        let is_turned = match self.facts.target {
            Target::Reach(_) => even <= *baseline,
            Target::ReduceTo(_) => even >= *baseline,
            Target::AtLeast(_) | Target::AtMost(_) | Target::Between(..) => false,
        };
        let name = self.facts.target.as_str();
        if is_turned {
            Err(format!("`{name}: {new}` would lead away from its baseline; set it by hand"))
        } else {
            Ok(())
        }
    }

    /// Those to come lie as far along the rest of the way as before, which now goes from the actual figure to the new one.
    fn milestones(&self, (was, new): (f64, f64), edits: &mut Vec<Edit>) -> Result<(), String> {
        let Trajectory::Milestones(milestones) = &self.objective.trajectory else { return Ok(()) };
        let known = self.facts.actual.zip(self.facts.expected).filter(|(_, expected)| *expected != was);
        let (actual, expected) =
            known.ok_or("the way that its milestones are on is not known now; change it by hand")?;
        for milestone in milestones.iter().filter(|milestone| milestone.by > self.today) {
            let day = milestone.by.to_string();
            let path = ["objectives", self.objective.id.as_str(), "trajectory", "milestones", &day];
            let spot = Spot::value(self.loaded, &path);
            let spot = spot.ok_or_else(|| format!("its milestone {day} was not found; change it by hand"))?;
            let figure = Figure::read(spot.plain());
            let figure = figure.ok_or_else(|| format!("its milestone {day} is no plain figure; change it by hand"))?;
            let moved = actual + (milestone.value - expected) * (new - actual) / (was - expected);
            let (_, text) = sensible(moved * self.scale(figure.per_cent), actual < new, figure);
            edits.push(spot.becomes(&text));
        }
        Ok(())
    }
}

impl Form {
    /// A figure, rounded to the side that is easier to meet, and its text.
    fn written(&self, value: f64, is_above: bool) -> (f64, String) {
        match self {
            Form::Plain { figure, scale } => {
                let (rounded, text) = sensible(value * scale, is_above, *figure);
                (rounded / scale, text)
            }
            Form::Relative { baseline, change, scale, suffix } => {
                let unit = match change {
                    Change::Share(_) => baseline.abs() / scale,
                    Change::Amount(_) => 1.0 / scale,
                };
                let (rounded, text) = sensible((value - baseline) / unit, is_above, Figure::WHOLE);
                let sign = if rounded < 0.0 { "" } else { "+" };
                (baseline + rounded * unit, format!("{sign}{text}{suffix}"))
            }
        }
    }
}

/// Three digits, on the side that is easier to reach; with its text.
fn sensible(value: f64, is_above: bool, figure: Figure) -> (f64, String) {
    if value == 0.0 || !value.is_finite() {
        return (0.0, figure.decimals(0).with(0.0));
    }
    let places = DIGITS - 1 - value.abs().log10().floor() as i32;
    let step = 10_f64.powi(-places);
    let steps = value / step;
    let rounded = if is_above { (steps + 1e-9).floor() } else { (steps - 1e-9).ceil() } * step;
    let decimals = usize::try_from(places).unwrap_or(0);
    let text = figure.decimals(decimals).with(rounded);
    // 1.20 says no more than 1.2.
    let (number, sign) = text.split_once(' ').map_or((text.as_str(), ""), |(number, _)| (number, " %"));
    let short = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    (rounded, format!("{short}{sign}"))
}
