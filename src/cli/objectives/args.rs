//! What can be typed after `vigie objectives`.

use std::path::PathBuf;

use clap::Subcommand;
use jiff::SignedDuration;
use jiff::civil::Date;

use crate::cli::args::{duration, named};
use crate::cli::instant::When;
use crate::model::unit::Language;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  vigie objectives --owner claire
  vigie objectives show revenue-month
  vigie objectives outcomes --from 2026-01-01
  vigie objectives roll --by '+5 %'
  vigie objectives review | git apply")]
pub struct ObjectivesArgs {
    #[command(subcommand)]
    pub command: Option<ObjectivesCommand>,
    #[command(flatten)]
    pub list: ListArgs,
}

#[derive(Debug, Subcommand)]
pub enum ObjectivesCommand {
    /// One line for each: target, actual, expected, landing, probability, status
    List(ListArgs),
    /// Show one whole: figures in words, actions, how its past periods ended
    Show(ShowArgs),
    /// Show how periods that are over ended, and how many were reached
    ///
    /// A period is decided once, as soon as its last bucket is final, and kept for good. Values that are revised later make
    /// another revision of it; what stood there before is shown beside it.
    Outcomes(OutcomesArgs),
    /// Write the objectives of the next year, as YAML ready to stand beside the configuration
    ///
    /// Periods by name or by dates, actions and milestones move by whole years; objectives that recur need nothing. What is
    /// written passes `vigie check` beside the configuration. Comments within an entry are kept, those above it are not.
    #[command(after_help = "Examples:
  vigie objectives roll                            those of this year, for the next
  vigie objectives roll --by '+5 %' --write 2027.yaml
  vigie objectives roll revenue-2026 --to 2028")]
    Roll(RollArgs),
    /// Propose other targets where one has been out of reach for a while, as a patch with its evidence
    ///
    /// Nothing is changed. The new target is what the period most likely ends at; the figure that is reached with a
    /// probability of 80 % stands beside it.
    #[command(after_help = "Examples:
  vigie objectives review
  vigie objectives review revenue-2026 --under '20 %' --for 30d
  vigie objectives review | git apply")]
    Review(ReviewArgs),
}

#[derive(Debug, Default, clap::Args)]
pub struct ListArgs {
    /// Only those of this KPI; may be repeated
    #[arg(long, value_name = "KPI")]
    pub kpi: Vec<String>,
    /// Only those that this person answers for
    #[arg(long, value_name = "PERSON")]
    pub owner: Option<String>,
    /// Only those of this status, by its name in JSON, such as `off_trajectory`; may be repeated
    #[arg(long, value_name = "STATUS")]
    pub status: Vec<String>,
    /// Only those of this axis of the strategy
    #[arg(long, value_name = "AXIS")]
    pub axis: Option<String>,
    /// As of then: 2026-11-03 (its end), '2026-11-03 08:00', 2026-11-03T07:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub at: Option<When>,
}

#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Its id
    pub id: String,
    /// The language of the words [default: that of the configuration]
    #[arg(long, value_name = "LANGUAGE", value_parser = named::<Language>(&["fr", "en"]))]
    pub lang: Option<Language>,
    /// As of then: 2026-11-03 (its end), '2026-11-03 08:00', 2026-11-03T07:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub at: Option<When>,
}

#[derive(Debug, clap::Args)]
pub struct OutcomesArgs {
    /// Only of this objective, also of one that has left the configuration
    pub id: Option<String>,
    /// Only periods that ended on this day or later
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// Only periods that ended on this day or before
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
}

#[derive(Debug, clap::Args)]
pub struct RollArgs {
    /// Only these [default: all of the newest year]
    pub id: Vec<String>,
    /// The year that the periods end in [default: the year after]
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1971..=9000))]
    pub to: Option<i16>,
    /// Raise every target and milestone by that share, such as '+5 %' or '-2,5 %'
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = change)]
    pub by: Option<f64>,
    /// Write to this new file instead of the output; nothing is written over
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct ReviewArgs {
    /// Only these
    pub id: Vec<String>,
    /// The probability that it must have stayed under
    #[arg(long, value_name = "SHARE", default_value = "10 %", value_parser = share)]
    pub under: f64,
    /// For how long [default: 14 days, or a third of the period so far if that is less]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub span: Option<SignedDuration>,
    /// As of then: 2026-11-03 (its end), '2026-11-03 08:00', 2026-11-03T07:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub at: Option<When>,
}

/// `+5 %` as 0.05.
fn change(text: &str) -> Result<f64, String> {
    let wrong = || "no change in per cent; write '+5 %'".to_owned();
    let number = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim().replace(',', ".").replace('\u{2212}', "-");
    let signed = number.strip_prefix('+').unwrap_or(&number);
    let percent: f64 = signed.parse().map_err(|_| wrong())?;
    if percent.is_finite() && percent > -100.0 && percent.abs() <= 1_000.0 { Ok(percent / 100.0) } else { Err(wrong()) }
}

/// `10 %` as 0.1.
fn share(text: &str) -> Result<f64, String> {
    let share = change(text).map_err(|_| "no share; write '10 %'".to_owned())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("a share lies between 0 and 100 %".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_people_write_them() {
        for (text, value) in [("+5 %", 0.05), ("5%", 0.05), ("-2,5 %", -0.025), ("\u{2212}10 %", -0.1)] {
            assert!(change(text).is_ok_and(|read| (read - value).abs() < 1e-12), "{text}");
        }
        for wrong in ["5", "%", "abc %", "-100 %", "NaN %", "inf %"] {
            assert!(change(wrong).is_err(), "{wrong}");
        }
        assert!(share("10 %").is_ok() && share("0 %").is_err() && share("120 %").is_err());
    }
}
