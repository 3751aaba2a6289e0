//! The demo company's stock, deliveries and satisfaction answers.

use fastrand::Rng;
use jiff::civil::{Date, DateTime, Weekday};

use super::days::{each_day, is_working, shifted};
use super::orders::{Order, day_rng};
use super::story::Story;

/// One line of the table `stock`: what is there at the end of a day.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StockLevel {
    pub day: Date,
    pub article: &'static str,
    pub quantity: i64,
}

/// One line of the table `deliveries`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Delivery {
    pub order_id: i64,
    pub promised_on: Date,
    /// None while it is on its way.
    pub delivered_on: Option<Date>,
}

/// One line of the table `answers`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub answered_at: DateTime,
    /// 0 to 10.
    pub score: i64,
}

/// Articles with their usual sales on a working day; the first is the best seller.
const ARTICLES: [(&str, i64); 12] = [
    ("lampe-azur", 14),
    ("chaise-courlis", 9),
    ("bureau-estran", 6),
    ("caisson-galet", 5),
    ("etagere-dune", 5),
    ("fauteuil-embrun", 4),
    ("bras-ecran-vigie", 7),
    ("repose-pieds-ressac", 4),
    ("cloison-alize", 3),
    ("table-archipel", 2),
    ("patere-crique", 6),
    ("horloge-maree", 3),
];

/// Days for which an order to the supplier fills the shelf.
const REFILL_DAYS: i64 = 30;
/// Days of sales left when the shelf is filled again.
const RESERVE_DAYS: i64 = 6;
/// Days over which the best seller's shelf empties before it is bare.
const DECLINE_DAYS: i64 = 9;
/// Days within which a parcel is promised.
const PROMISE_DAYS: i64 = 4;

/// Levels of every article for `from..=to`.
pub(super) fn stock(story: &Story, from: Date, to: Date, seed: u64) -> Vec<StockLevel> {
    let mut levels: Vec<i64> = (12..).zip(&ARTICLES).map(|(days, (_, sales))| days * sales).collect();
    let mut lines = Vec::new();
    for day in each_day(from, to) {
        let mut rng = day_rng(seed, "stock", day);
        for ((_, sales), level) in ARTICLES.iter().zip(&mut levels) {
            let sold = if is_working(day) { sales * rng.i64(70..=130) / 100 } else { rng.i64(0..=1) };
            *level -= sold;
            if *level < sales * RESERVE_DAYS {
                *level += sales * REFILL_DAYS;
            }
        }
        if let Some(level) = levels.first_mut() {
            *level = best_seller(story, day).unwrap_or(*level);
        }
        lines.extend(ARTICLES.iter().zip(&levels).map(|((article, _), level)| StockLevel {
            day,
            article,
            quantity: *level,
        }));
    }
    lines
}

/// The best seller's level around its stock-out; none in ordinary times.
fn best_seller(story: &Story, day: Date) -> Option<i64> {
    let (_, sales) = ARTICLES.first()?;
    let bare = story.stock_out.start();
    if story.stock_out.contains(&day) {
        Some(0)
    } else if shifted(*bare, -DECLINE_DAYS) <= day && day < *bare {
        Some(sales * i64::from((*bare - day).get_days()))
    } else {
        (shifted(*story.stock_out.end(), 1) == day).then_some(sales * REFILL_DAYS)
    }
}

/// A delivery for every order; those under way at the end of `to` have no day yet.
pub(super) fn deliveries(story: &Story, orders: &[Order], to: Date, seed: u64) -> Vec<Delivery> {
    let deliver = |order: &Order| {
        let ordered = order.created_at.date();
        let mut rng = day_rng(seed ^ order.id as u64, "deliveries", ordered);
        let promised_on = shifted(ordered, PROMISE_DAYS);
        let on_time = next_round(shifted(ordered, rng.i64(1..=3)), &mut rng);
        let struck = story.strike.contains(&on_time);
        let late = rng.f64() < if struck { 0.42 } else { 0.022 };
        let delivered_on = if late { shifted(promised_on, rng.i64(1..=5)) } else { on_time };
        Delivery { order_id: order.id, promised_on, delivered_on: (delivered_on <= to).then_some(delivered_on) }
    };
    orders.iter().map(deliver).collect()
}

/// Most Sunday parcels wait for Monday; relay points take the others, so that no day goes without.
fn next_round(day: Date, rng: &mut Rng) -> Date {
    if day.weekday() == Weekday::Sunday && rng.f64() < 0.7 { shifted(day, 1) } else { day }
}

/// Answers to the satisfaction survey for `from..=to`, oldest first.
pub(super) fn answers(story: &Story, from: Date, to: Date, seed: u64) -> Vec<Answer> {
    let mut answers = Vec::new();
    for day in each_day(from, to) {
        let mut rng = day_rng(seed, "answers", day);
        let count = if is_working(day) { rng.usize(9..=14) } else { rng.usize(4..=7) };
        let satisfied = if story.discontent.contains(&day) { 0.48 } else { 0.87 };
        let mut today: Vec<Answer> = (0..count)
            .map(|_| Answer {
                answered_at: day.at(rng.i8(8..23), rng.i8(0..60), rng.i8(0..60), 0),
                score: if rng.f64() < satisfied { rng.i64(7..=10) } else { rng.i64(0..=6) },
            })
            .collect();
        today.sort_by_key(|answer| answer.answered_at);
        answers.extend(today);
    }
    answers
}
