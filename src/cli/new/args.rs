//! What can be typed after `vigie new`; options that fix a field are called as it is.

use std::path::PathBuf;

use clap::Subcommand;
use jiff::civil::Date;

use super::rule::NewRuleArgs;
use crate::cli::args::named;
use crate::model::unit::{Category, Direction};

#[derive(Debug, Subcommand)]
pub enum NewCommand {
    /// Try a query, show its newest values, and propose the KPI around it, ready to be pasted
    ///
    /// Nothing is stored, and nothing is changed but a file named with --output. Each line of the proposal says what it
    /// rests on; what is said here is taken as it is.
    #[command(after_help = "Examples:
  vigie new kpi revenue --source shop --query-file revenue.sql
  vigie new kpi revenue --source shop --unit EUR --query 'SELECT date(created_at) AS bucket,
      sum(total) AS value FROM orders WHERE created_at >= :from AND created_at < :to GROUP BY 1'
  vigie new kpi stock --source files --kind level --query '{time: date, value: quantity}'
  vigie new kpi tickets --source support --query-file tickets.yaml --output /etc/vigie/tickets.yaml")]
    Kpi(Box<NewKpiArgs>),
    /// Write a rule that works: script, parameters with texts, and tests, to be changed into your own
    ///
    /// Nothing that is there is written over.
    #[command(after_help = "Examples:
  vigie new rule sales/low_basket
  vigie new rule sales/behind --objective --dir /etc/vigie/rules")]
    Rule(NewRuleArgs),
}

#[derive(Debug, clap::Args)]
pub struct NewKpiArgs {
    /// What the KPI is to be called in the configuration, such as revenue
    pub id: String,
    /// The source that is asked, by its id in the configuration
    #[arg(long, value_name = "ID")]
    pub source: String,
    /// What it is asked, as the KPI's `query`: SQL, PromQL, or a mapping such as '{time: date, value: total}'
    #[arg(long, value_name = "QUERY", required_unless_present = "query_file", conflicts_with = "query_file")]
    pub query: Option<String>,
    /// The same from a file: YAML where its name ends in .yaml, else the text that it holds
    #[arg(long, value_name = "FILE")]
    pub query_file: Option<PathBuf>,
    /// Days looked back [default: 400; fewer for hours, more for months]
    #[arg(long, value_name = "DAYS", conflicts_with = "from", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub days: Option<u32>,
    /// First day looked at
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// Write the proposal to this new file too
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The name that messages show
    #[arg(long, value_name = "TEXT", help_heading = "Instead of proposals")]
    pub title: Option<String>,
    #[arg(
        long,
        value_parser = named::<Category>(&["financial", "operational", "customer"]),
        help_heading = "Instead of proposals"
    )]
    pub category: Option<Category>,
    /// Such as EUR, %, ratio, points, none or a word
    #[arg(long, help_heading = "Instead of proposals")]
    pub unit: Option<String>,
    #[arg(
        long,
        value_parser = named::<Direction>(&["higher", "lower", "in_band"]),
        help_heading = "Instead of proposals"
    )]
    pub better: Option<Direction>,
    /// flow, level, ratio, window, or with settings: '{level: {over_time: mean}}'
    #[arg(long, help_heading = "Instead of proposals")]
    pub kind: Option<String>,
    /// day, week, month, hour, or a duration such as 5m
    #[arg(long, help_heading = "Instead of proposals")]
    pub grain: Option<String>,
    /// Zone of its days, such as Europe/Paris
    #[arg(long, visible_alias = "zone", value_name = "ZONE", help_heading = "Instead of proposals")]
    pub timezone: Option<String>,
    /// Labels that split it into series, such as channel,shop
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Instead of proposals")]
    pub dimensions: Option<Vec<String>>,
}
