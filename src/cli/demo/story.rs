//! What happens to the demo company, and when: chosen so that it can be told within the replay.
//!
//! The web shop breaks down, revenue leaves its trajectory, a campaign brings it back within the
//! month; a carrier strikes, customers complain, and the best seller runs out.

use std::ops::RangeInclusive;

use jiff::civil::Date;

use super::days::{each_day, is_working, month_of, shifted, weight};

/// How far back of `now` the demo begins to play.
pub const REPLAY_DAYS: i64 = 42;

/// The monthly objective on revenue, in euros; the configuration states the same figure.
pub(super) const TARGET: f64 = 400_000.0;
/// An undisturbed month ends a little above its objective.
pub(super) const PACE: f64 = 1.03;
/// The web shop's part of an undisturbed working day.
pub(super) const WEB_SHARE: f64 = 0.66;

/// Limits of the shipped rule `objective/off_trajectory`, on the shortfall from the trajectory.
const WARNING: f64 = 0.08;
const CRITICAL: f64 = 0.15;
const RECOVERED: f64 = 0.04;
/// The story stays clear of the limits by this, so that noise can't spoil it.
const MARGIN: f64 = 0.02;

/// The dates and sizes of everything unusual.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// First day of the month in which revenue drops and recovers.
    pub month: Date,
    /// Web orders are down by the share `drop_depth`.
    pub drop: RangeInclusive<Date>,
    pub drop_depth: f64,
    /// Web orders are up by the share `campaign_lift`.
    pub campaign: RangeInclusive<Date>,
    pub campaign_lift: f64,
    /// Deliveries are late.
    pub strike: RangeInclusive<Date>,
    /// Customers are unhappy.
    pub discontent: RangeInclusive<Date>,
    /// The best seller's stock is zero.
    pub stock_out: RangeInclusive<Date>,
}

impl Story {
    /// The gentlest story whose alert fires, escalates and recovers in the replay before `now`; none
    /// when no month has room for it.
    pub fn before(now: Date) -> Option<Story> {
        let current = now.first_of_month();
        let months = [current, shifted(current, -1).first_of_month()].map(Month::holding);
        let mut plots: Vec<(&Month, Plot)> =
            months.iter().flat_map(|month| Plot::all().map(move |plot| (month, plot))).collect();
        plots.sort_by(|(_, a), (_, b)| a.violence().total_cmp(&b.violence()));
        plots.into_iter().find_map(|(month, plot)| {
            let campaign_end = plot.campaign_end(month, now)?;
            Some(plot.told(month, campaign_end, now))
        })
    }

    /// What the story makes of the web shop's orders on that day; 1 when nothing is unusual.
    pub(super) fn web_factor(&self, day: Date) -> f64 {
        if self.drop.contains(&day) {
            1.0 - self.drop_depth
        } else if self.campaign.contains(&day) {
            1.0 + self.campaign_lift
        } else {
            1.0
        }
    }
}

/// A month's days, looked up once for the many plots that are tried on it.
struct Month {
    days: Vec<(Date, bool, f64)>,
    working_days: f64,
    weight: f64,
}

impl Month {
    fn holding(day: Date) -> Month {
        let (first, last) = month_of(day);
        let days: Vec<_> = each_day(first, last).map(|day| (day, is_working(day), weight(day))).collect();
        let working_days = days.iter().filter(|(_, working, _)| *working).count() as f64;
        let weight = days.iter().map(|(_, _, weight)| weight).sum();
        Month { days, working_days, weight }
    }

    fn first(&self) -> Date {
        self.days.first().map(|(day, ..)| *day).expect("invariant: a month has days")
    }

    fn last(&self) -> Date {
        self.first().last_of_month()
    }

    /// The working day after `n` others; the month's last day when there are fewer.
    fn nth_working_day(&self, n: usize) -> Date {
        let working = self.days.iter().filter(|(_, working, _)| *working);
        working.map(|(day, ..)| *day).nth(n).unwrap_or(self.last())
    }
}

/// One way revenue could go in a month.
#[derive(Clone, Copy, Debug)]
struct Plot {
    /// Ordinary working days before the drop.
    calm: usize,
    /// Working days that the drop lasts.
    drop: usize,
    depth: f64,
    lift: f64,
}

impl Plot {
    fn all() -> impl Iterator<Item = Plot> {
        const DEPTHS: [f64; 6] = [0.35, 0.40, 0.45, 0.50, 0.55, 0.60];
        const LIFTS: [f64; 6] = [0.40, 0.50, 0.60, 0.70, 0.80, 0.90];
        (4..=9).flat_map(|calm| {
            (5..=9).flat_map(move |drop| {
                DEPTHS
                    .into_iter()
                    .flat_map(move |depth| LIFTS.into_iter().map(move |lift| Plot { calm, drop, depth, lift }))
            })
        })
    }

    /// How far from an ordinary month; nine bad days at a third less are the story to be told.
    fn violence(&self) -> f64 {
        2.0 * self.depth + self.lift + 0.03 * (9.0 - self.drop as f64)
    }

    /// Last day of the campaign, when the alert fires, escalates and recovers in the replay before `now`.
    fn campaign_end(&self, month: &Month, now: Date) -> Option<Date> {
        let mut progress = Progress::default();
        let (mut actual, mut worked, mut campaign_end) = (0.0, 0_usize, None);
        for (day, working, weight) in &month.days {
            worked += usize::from(*working);
            let factor = if campaign_end.is_some() { 1.0 } else { self.factor(worked) };
            actual += TARGET * PACE * weight / month.weight * (1.0 - WEB_SHARE + WEB_SHARE * factor);
            if worked == 0 {
                continue;
            }
            let shortfall = 1.0 - actual / (TARGET * worked as f64 / month.working_days);
            progress.see(*day, shortfall);
            if campaign_end.is_none() && factor > 1.0 && shortfall < 0.0 {
                campaign_end = Some(*day);
            }
        }
        // Firing must be seen from the replay's start, the end of the alert before its end.
        let told = progress.stirred? >= shifted(now, 1 - REPLAY_DAYS)
            && progress.escalated? >= shifted(progress.fired?, 2)
            && progress.recovered? <= shifted(now, -2)
            && progress.recovered? < month.last();
        told.then(|| campaign_end.unwrap_or(month.last()))
    }

    /// What is left of the web shop's orders on the month's working day of that number.
    fn factor(&self, worked: usize) -> f64 {
        if worked <= self.calm {
            1.0
        } else if worked <= self.calm + self.drop {
            1.0 - self.depth
        } else {
            1.0 + self.lift
        }
    }

    fn told(self, month: &Month, campaign_end: Date, now: Date) -> Story {
        let relaunch = month.nth_working_day(self.calm + self.drop);
        Story {
            month: month.first(),
            drop: month.nth_working_day(self.calm)..=shifted(relaunch, -1),
            drop_depth: self.depth,
            campaign: relaunch..=campaign_end,
            campaign_lift: self.lift,
            strike: shifted(now, -27)..=shifted(now, -14),
            discontent: shifted(now, -25)..=shifted(now, -5),
            stock_out: shifted(now, -12)..=shifted(now, -10),
        }
    }
}

/// Follows the alert through a month, as the rule would with `for: 2 buckets`.
#[derive(Debug, Default)]
struct Progress {
    /// The earliest that noise could let it fire.
    stirred: Option<Date>,
    fired: Option<Date>,
    escalated: Option<Date>,
    recovered: Option<Date>,
    before: Option<f64>,
}

impl Progress {
    fn see(&mut self, day: Date, shortfall: f64) {
        let twice_above = |limit: f64| shortfall > limit && self.before.is_some_and(|before| before > limit);
        let twice_below = |limit: f64| shortfall < limit && self.before.is_some_and(|before| before < limit);
        if self.stirred.is_none() && twice_above(WARNING - MARGIN / 2.0) {
            self.stirred = Some(day);
        }
        if self.fired.is_none() {
            // Firing at once as critical would leave nothing to escalate.
            if twice_above(WARNING) && shortfall < CRITICAL - MARGIN / 2.0 {
                self.fired = Some(day);
            }
        } else if self.escalated.is_none() {
            if twice_above(CRITICAL + MARGIN) {
                self.escalated = Some(day);
            }
        } else if self.recovered.is_none() && twice_below(RECOVERED - MARGIN) {
            self.recovered = Some(day);
        }
        self.before = Some(shortfall);
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::days::each_day;
    use super::{REPLAY_DAYS, Story};

    #[test]
    fn every_day_of_ten_years_has_a_story_within_the_replay() {
        for now in each_day(date(2024, 1, 1), date(2033, 12, 31)).step_by(2) {
            let story = Story::before(now).unwrap_or_else(|| panic!("no story before {now}"));
            assert!(story.drop.start() < story.drop.end(), "{now}: {story:?}");
            assert!(story.drop.end() < story.campaign.start(), "{now}: {story:?}");
            assert!(*story.campaign.start() < now, "{now}: {story:?}");
            let span = (now - *story.drop.start()).get_days();
            assert!(i64::from(span) <= REPLAY_DAYS + 7, "{now}: {story:?}");
        }
    }
}
