//! Texts, numbers, dates and currency in French and English.
//!
//! Pure: a language and a value in, words out. Which words stand where is decided by those who compose.

mod compact;
mod dates;
mod goals;
mod numbers;
mod outlook;
mod pictures;
mod render;
mod sentences;
mod texts;
mod words;

pub use dates::{date, datetime, duration, month, period, period_of, short_date};
pub use goals::{chance_label, goal, push_goal, rate_label};
pub use numbers::{Decimals, Sign, currency_symbol, days, days_late, number, percent, quantity, signed, working_days};
pub use outlook::{basis, chance, chance_told, landing, picture};
pub use pictures::PictureWords;
pub use render::{figure, render, said};
pub use sentences::{
    bucket_words, comparison, corrected_value, during, end_reason, freeze, suspicion, target, unmeasurable,
    unmeasurable_and_remedy, vanished,
};
pub use texts::{Text, text};
pub use words::{about, aspect, category, outcome, phase, reason, settled, severity, status};
