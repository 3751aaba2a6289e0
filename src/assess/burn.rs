//! How fast an objective's room is used up, over the newest part of its way.
//!
//! As burn rates of error budgets are, with the share of the trajectory in the place of clock time: 1 uses up the room by
//! the period's end, 2 in half of the way.

use super::assessment::{Assessment, not_defined, quotient};
use super::objective::Standing;
use super::trajectory::{Course, expected_on_way, has_milestones, more_is_good};
use super::window::{Aggregate, Span};
use crate::model::assessment::{Measured, Unmeasurable};
use crate::model::grain::BucketIndex;
use crate::model::objective::{Measure, Target};
use crate::model::observation::Parts;
use crate::model::unit::Kind;

/// Shares of a way are sums of decimals: 8 of 100 days are 8 %.
const HAIR: f64 = 1e-9;

/// Stands for the events of a sum that is no count. Scripts compare it with whole numbers, which infinity is not fit for.
const UNCOUNTED: f64 = 1e12;

/// The newest buckets of a period that make up a share of its way.
struct Newest {
    span: Span,
    /// The share that they do make up.
    way: f64,
}

/// What a part of the way was to bring, what it brought, and what may be lost over the whole way.
struct Room {
    planned: f64,
    actual: f64,
    slack: f64,
}

impl Assessment {
    /// The speed at which the newest buckets that make up `share` of the way (all of the period's, while they are fewer)
    /// used up the objective's room. For a sum the room is what the period usually brings beyond the target, at least
    /// `slack` of the target; for a share of cases (a ratio from 0 to 1) what the target leaves of 1, or of 0.
    pub fn burn(&self, share: f64, slack: f64) -> Measured<f64> {
        let standing = self.standing()?;
        let newest = self.newest(standing, share)?;
        if self.kpi.kind == Kind::Ratio {
            return self.burn_of_cases(&newest);
        }
        let room = self.room(standing, &newest, slack)?;
        let behind = room.planned - room.actual;
        let lost = if more_is_good(self.target_now()?) { behind } else { -behind };
        quotient(quotient(lost, room.slack)?, newest.way)
    }

    /// How many events `burn` rests on for that share of the way: the cases of a ratio; of whole numbers what came or was to
    /// come; more than any count for other sums. None where an objective has no burn.
    pub fn burn_events(&self, share: f64) -> Measured<f64> {
        match self.burn(share, 1.0) {
            Err(Unmeasurable::NotDefined { .. } | Unmeasurable::ZeroReference) => return Ok(0.0),
            Err(missing) => return Err(missing),
            Ok(_) => {}
        }
        let standing = self.standing()?;
        let newest = self.newest(standing, share)?;
        let points = || self.data.range(newest.span.from, newest.span.to);
        if self.kpi.kind == Kind::Ratio {
            return Ok(points().filter_map(|point| point.parts).map(|parts: Parts| parts.denominator).sum());
        }
        if points().any(|point| point.value.fract() != 0.0) {
            return Ok(UNCOUNTED);
        }
        let room = self.room(standing, &newest, 1.0)?;
        Ok(room.actual.max(room.planned))
    }

    fn newest(&self, standing: &Standing, share: f64) -> Measured<Newest> {
        let whole = standing.whole;
        let through = self.way_through(standing, standing.counted.to)?;
        // The way only grows: the newest bucket that lies so far behind is found by halving.
        let (mut far, mut near) = (whole.from - 1, standing.counted.to);
        while near - far > 1 {
            let middle = far.midpoint(near);
            if through - self.way_through(standing, middle)? >= share - HAIR {
                far = middle;
            } else {
                near = middle;
            }
        }
        let way = through - self.way_through(standing, far)?;
        Ok(Newest { span: Span { from: far + 1, to: standing.counted.to }, way })
    }

    /// Share of the way to the target that the trajectory has behind it with a bucket of the period.
    fn way_through(&self, standing: &Standing, index: BucketIndex) -> Measured<f64> {
        if index < standing.whole.from {
            return Ok(0.0);
        }
        let passage = self.passages().of(standing.period, index, &self.kpi);
        let share = self.share_behind((standing.course, passage.whole), passage.counted.to, &passage.elapsed)?;
        let objective = self.the_objective()?;
        if standing.course != Course::Accumulates || !has_milestones(&objective.trajectory, standing.covered) {
            return Ok(share);
        }
        let goal = self.target_now()?.figure(standing.actual);
        let behind = (&passage.elapsed, share);
        quotient(expected_on_way(&objective.trajectory, standing.covered, behind, &Ok(0.0), goal)?, goal)
    }

    fn burn_of_cases(&self, newest: &Newest) -> Measured<f64> {
        let objective = self.the_objective()?;
        if !matches!(objective.measure, Measure::Pooled | Measure::Mean | Measure::Rolling(_)) {
            return not_defined("a burn of single values; measure the ratio `pooled`");
        }
        let (goal, is_bad) = match self.target_now()? {
            Target::Reach(goal) | Target::AtLeast(goal) => (1.0 - goal, true),
            Target::ReduceTo(goal) | Target::AtMost(goal) => (goal, false),
            Target::Between(..) => return not_defined("a burn of a band"),
        };
        if !(0.0..=1.0).contains(&goal) {
            return not_defined("a burn of a ratio that is no share of cases");
        }
        let share = Aggregate::Pooled.over(newest.span, &self.data, &self.kpi)?;
        quotient(if is_bad { 1.0 - share } else { share }, goal)
    }

    fn room(&self, standing: &Standing, newest: &Newest, slack: f64) -> Measured<Room> {
        let objective = self.the_objective()?;
        if objective.measure != Measure::Sum || matches!(objective.target, Target::Between(..)) {
            return not_defined("a burn of an objective that is neither a sum to one target nor a pooled ratio");
        }
        let target = self.target_now()?.figure(standing.actual);
        let usual = self.usual(standing).unwrap_or(target);
        let (plan, spare) = if more_is_good(self.target_now()?) {
            (usual.max(target), usual - target)
        } else {
            (usual.min(target), target - usual)
        };
        let actual = Aggregate::Sum.over(newest.span, &self.data, &self.kpi)?;
        Ok(Room { planned: plan * newest.way, actual, slack: spare.max(slack * target.abs()) })
    }

    /// What the history before the period made expect of it, where there is enough to learn from.
    fn usual(&self, standing: &Standing) -> Option<f64> {
        let learned = self.learned(standing.whole).ok()?;
        let landing =
            learned.is_learned().then(|| self.landing_from(standing.whole, standing.whole.from - 1).ok())??;
        Some(landing.mean())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use crate::assess::fixture::{LEVEL, Series, close, monthly};
    use crate::model::assessment::Unmeasurable;
    use crate::model::kpi::Empty;
    use crate::model::objective::{Measure, Stretch, Target, Trajectory};
    use crate::model::unit::Kind;

    const NOW: &str = "2026-11-21T05:15:00Z";

    /// Ten a day, then another figure from 16 to 20 November.
    fn days(kind: Kind, then: f64) -> Series {
        Series::daily(kind).fill(date(2026, 11, 1), date(2026, 11, 15), 10.0).fill(
            date(2026, 11, 16),
            date(2026, 11, 20),
            then,
        )
    }

    fn sum(target: Target) -> crate::model::objective::Objective {
        monthly(Measure::Sum, target, Trajectory::Linear)
    }

    #[test]
    fn a_sum_burns_what_it_may_lose() {
        // 300 in thirty days; a fifth of it, 60, may be lost. Five days of 4 lose 30 of it in a sixth of the way.
        let a = days(Kind::Flow, 4.0).assess(NOW, Some(sum(Target::Reach(300.0))));
        close(a.burn(5.0 / 30.0, 0.2), 3.0);
        close(a.burn(1.0 / 30.0, 0.2), 3.0);
        // Ten days: 30 lost in a third.
        close(a.burn(1.0 / 3.0, 0.2), 1.5);
        // A window that is longer than what has passed is what has passed.
        close(a.burn(0.9, 0.2), 30.0 / 60.0 / (20.0 / 30.0));
        // More than half a day is a whole one.
        close(a.burn(0.6 / 30.0, 0.1), 6.0);
        // Of a budget it is what is too much.
        let a = days(Kind::Flow, 13.0).assess(NOW, Some(sum(Target::AtMost(300.0))));
        close(a.burn(5.0 / 30.0, 0.2), 1.5);
        let a = days(Kind::Flow, 7.0).assess(NOW, Some(sum(Target::AtMost(300.0))));
        close(a.burn(5.0 / 30.0, 0.2), -1.5);
    }

    #[test]
    fn what_a_period_usually_brings_is_room() {
        // Years of twelve a day promise 360 a month: 60 more than the target.
        let series = days(Kind::Flow, 4.0).fill(date(2024, 11, 1), date(2026, 10, 31), 12.0);
        let a = series.assess(NOW, Some(sum(Target::Reach(300.0))));
        let burn = a.burn(5.0 / 30.0, 0.0).unwrap();
        assert!((burn - 40.0 / 60.0 * 6.0).abs() < 0.1, "{burn}");
        // No more is asked for than the target where the history promises less.
        let a = series.assess(NOW, Some(sum(Target::Reach(600.0))));
        let burn = a.burn(5.0 / 30.0, 0.5).unwrap();
        assert!((burn - 80.0 / 300.0 * 6.0).abs() < 0.01, "{burn}");
    }

    #[test]
    fn a_share_burns_what_its_goal_leaves() {
        let ratio = (1..=20).fold(Series::daily(Kind::Ratio), |series, day| {
            series.ratio(date(2026, 11, day), if day > 15 { 17.0 } else { 20.0 }, 20.0)
        });
        let pooled = |target| monthly(Measure::Pooled, target, Trajectory::Linear);
        let a = ratio.assess(NOW, Some(pooled(Target::AtLeast(0.95))));
        close(a.burn(5.0 / 30.0, 0.2), 3.0);
        close(a.burn_events(5.0 / 30.0), 100.0);
        let a = ratio.assess(NOW, Some(pooled(Target::AtMost(0.17))));
        close(a.burn(5.0 / 30.0, 0.2), 5.0);
        // Nothing may be lost of all, and no ratio beyond one is a share.
        for target in [Target::AtLeast(1.0), Target::AtLeast(3.0), Target::Between(0.1, 0.2)] {
            let a = ratio.assess(NOW, Some(pooled(target)));
            assert!(a.burn(0.1, 0.2).is_err());
            assert_eq!(a.burn_events(0.1), Ok(0.0));
        }
    }

    #[test]
    fn events_are_what_came_or_was_to_come() {
        let reach = |series: &Series, goal| series.assess(NOW, Some(sum(Target::Reach(goal)))).burn_events(0.1);
        close(reach(&days(Kind::Flow, 4.0), 300.0), 30.0);
        assert_eq!(reach(&days(Kind::Flow, 40.0), 300.0), Ok(120.0));
        assert_eq!(reach(&days(Kind::Flow, 0.5), 300.0), Ok(super::UNCOUNTED));
        // Where nothing may happen nothing can be lost, and neither by what has no room.
        assert_eq!(reach(&days(Kind::Flow, 0.0), 0.0), Ok(0.0));
        let each = monthly(Measure::Each, Target::AtLeast(5.0), Trajectory::Linear);
        assert_eq!(days(LEVEL, 4.0).assess(NOW, Some(each)).burn_events(0.1), Ok(0.0));
        let rolling = monthly(Measure::Rolling(Stretch::Days(7)), Target::AtLeast(5.0), Trajectory::Linear);
        assert_eq!(days(Kind::Flow, 4.0).assess(NOW, Some(rolling)).burn_events(0.1), Ok(0.0));
        // Missing data is missing, not nothing.
        let late = days(Kind::Flow, 4.0).with(|kpi| kpi.empty = Empty::Missing);
        let a = late.assess("2026-11-26T05:15:00Z", Some(sum(Target::Reach(300.0))));
        assert!(matches!(a.burn_events(0.1), Err(Unmeasurable::Late { .. })));
    }
}
