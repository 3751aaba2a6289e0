//! The demo company's orders: what each channel sells on each day.
//!
//! Each day's amount is planned first and then cut into orders, so that the months land where the
//! objective expects them and single orders still look like orders.

use fastrand::Rng;
use jiff::civil::{Date, DateTime};

use super::days::{each_day, is_working, month_of, number_of, season, shifted, weight};
use super::story::{PACE, REPLAY_DAYS, Story, TARGET, WEB_SHARE};

/// One line of the table `orders`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    pub id: i64,
    pub created_at: DateTime,
    pub channel: &'static str,
    pub customer_id: i64,
    /// In cents, so that sums are exact.
    pub total_cents: i64,
}

struct Channel {
    name: &'static str,
    /// Part of a working day's and of a day off's amount.
    share: f64,
    share_off: f64,
    /// Usual order in euros.
    basket: f64,
    /// Relative spread of a day's amount.
    spread: f64,
    /// First number of its customers, and how many there are.
    customers: (i64, i64),
}

const CHANNELS: [Channel; 3] = [
    Channel { name: "web", share: WEB_SHARE, share_off: 0.80, basket: 258.0, spread: 0.04, customers: (1000, 5200) },
    Channel { name: "boutique", share: 0.20, share_off: 0.20, basket: 390.0, spread: 0.06, customers: (7000, 900) },
    Channel { name: "revendeurs", share: 0.14, share_off: 0.0, basket: 1150.0, spread: 0.09, customers: (8000, 64) },
];

/// All orders of `from..=to`, oldest first.
pub(super) fn orders(story: &Story, from: Date, to: Date, now: Date, seed: u64) -> Vec<Order> {
    let mut orders = Vec::with_capacity(45_000);
    let mut month = MonthPlan::of(from, story, now);
    for day in each_day(from, to) {
        if month.first != day.first_of_month() {
            month = MonthPlan::of(day, story, now);
        }
        let mut rng = day_rng(seed, "orders", day);
        let first = orders.len();
        for channel in &CHANNELS {
            let amount = month.amount(story, channel, day) * (1.0 + wobble(channel, day, seed));
            sell(&mut orders, channel, amount, day, &mut rng);
        }
        if let Some(today) = orders.get_mut(first..) {
            today.sort_by_key(|order| (order.created_at, order.customer_id));
        }
    }
    for (id, order) in (10_001..).zip(&mut orders) {
        order.id = id;
    }
    orders
}

/// Randomness of one table's day: later days stay as they are when an earlier one changes.
pub(super) fn day_rng(seed: u64, table: &str, day: Date) -> Rng {
    let salt = table.bytes().fold(number_of(day) as u64, |salt, byte| salt.wrapping_mul(131) ^ u64::from(byte));
    Rng::with_seed(seed ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A bell-shaped number around 0 with deviation 1, within -3..3.
pub(super) fn bell(rng: &mut Rng) -> f64 {
    // The sum of twelve uniform numbers has variance 1.
    ((0..12).map(|_| rng.f64()).sum::<f64>() - 6.0).clamp(-3.0, 3.0)
}

/// What a month should bring, in euros per ordinary working day.
struct MonthPlan {
    first: Date,
    rate: f64,
}

impl MonthPlan {
    fn of(day: Date, story: &Story, now: Date) -> MonthPlan {
        let (first, last) = month_of(day);
        let weight: f64 = each_day(first, last).map(weight).sum();
        MonthPlan { first, rate: TARGET * PACE * era(story, first, now) / weight }
    }

    /// What a channel should sell on a day of this month.
    fn amount(&self, story: &Story, channel: &Channel, day: Date) -> f64 {
        let share = if is_working(day) { channel.share } else { channel.share_off };
        let accident = if channel.name == "web" { story.web_factor(day) } else { 1.0 };
        self.rate * weight(day) * share * accident
    }
}

/// How a month before the replay compares with the months of the replay.
///
/// The objective is set for the present season: months of the replay are ordinary ones, earlier
/// ones follow the season and a growth of 6 % a year.
fn era(story: &Story, month: Date, now: Date) -> f64 {
    let replayed = shifted(now, -REPLAY_DAYS).first_of_month().min(story.month);
    if month >= replayed {
        return 1.0;
    }
    let years = f64::from((replayed - month).get_days()) / 365.0;
    season(month.month()) / season(story.month.month()) * (1.0 - 0.06 * years)
}

/// How far a day's amount lies from its plan, as a share.
///
/// What one day brings too much the next one lacks, as where offices order a day sooner or later:
/// single days vary, months don't.
fn wobble(channel: &Channel, day: Date, seed: u64) -> f64 {
    let of = |day: Date| bell(&mut day_rng(seed, channel.name, day));
    channel.spread * (of(day) - of(shifted(day, -1)))
}

/// Cuts a day's amount into orders.
fn sell(orders: &mut Vec<Order>, channel: &Channel, amount: f64, day: Date, rng: &mut Rng) {
    if amount <= 0.0 {
        return;
    }
    let count = (amount / channel.basket).round().max(1.0) as usize;
    let sizes: Vec<f64> = (0..count).map(|_| (0.55 * bell(rng)).exp()).collect();
    let whole: f64 = sizes.iter().sum();
    let (first_customer, customers) = channel.customers;
    orders.extend(sizes.iter().map(|size| Order {
        id: 0,
        created_at: day.at(rng.i8(8..22), rng.i8(0..60), rng.i8(0..60), 0),
        channel: channel.name,
        customer_id: first_customer + rng.i64(0..customers),
        total_cents: ((amount * size / whole) * 100.0).round().max(990.0) as i64,
    }));
}
