//! What can be typed after `vigie backtest`.

use std::path::PathBuf;

use crate::cli::instant::When;
use crate::model::rule::Patience;

#[derive(Debug, clap::Args)]
pub struct BacktestArgs {
    /// A rule of the configuration; with --csv also a script such as `signal/threshold`. Default: all rules
    #[arg(long, value_name = "RULE")]
    pub rule: Vec<String>,
    /// A parameter of the rule, instead of what is configured; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment, requires = "rule")]
    pub with: Vec<(String, String)>,
    /// How long a breach must last before the alert fires, instead of what is configured
    #[arg(long = "for", value_name = "PATIENCE", value_parser = Patience::parse, requires = "rule")]
    pub for_: Option<Patience>,
    /// How long calm must last before it ends, instead of what is configured
    #[arg(long, value_name = "PATIENCE", value_parser = Patience::parse, requires = "rule")]
    pub keep_firing_for: Option<Patience>,
    /// First day, in the KPI's zone, or an instant. Default: from the first known value on
    #[arg(long, value_name = "DATE", value_parser = When::parse)]
    pub from: Option<When>,
    /// Last day, or an instant, included. Default: up to the last known value
    #[arg(long, value_name = "DATE", value_parser = When::parse)]
    pub to: Option<When>,
    /// Try each value of a parameter
    #[arg(long, value_name = "NAME=FROM..TO/STEP", value_parser = Sweep::parse, requires = "rule")]
    pub sweep: Option<Sweep>,
    /// Also each message, as a JSON object of its own
    #[arg(long)]
    pub messages: bool,
    /// Also one self-contained page with pictures
    #[arg(long, value_name = "FILE", conflicts_with = "sweep")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub table: TableArgs,
}

/// A table on disk in place of what is stored.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A table on disk")]
pub struct TableArgs {
    /// A file, or a pattern such as `exports/*.csv`; each row is known as soon as it stands there
    #[arg(long, value_name = "FILE", requires_all = ["time", "value", "rule"])]
    pub csv: Option<String>,
    /// Column of the times
    #[arg(long, value_name = "COLUMN", requires = "csv")]
    pub time: Option<String>,
    /// Column of the values
    #[arg(long, value_name = "COLUMN", requires = "csv")]
    pub value: Option<String>,
    /// Width of one value: `5m`, `hour`, `day`, `week`, `month`. Default: as configured, else `day`
    #[arg(long, value_name = "GRAIN", requires = "csv")]
    pub grain: Option<String>,
    /// Zone of times that name none
    #[arg(long, value_name = "ZONE", default_value = "UTC", requires = "csv")]
    pub zone: String,
    /// Which KPI of the configuration the values are of, where the rule watches several
    #[arg(long, value_name = "KPI", requires = "csv")]
    pub kpi: Option<String>,
    /// Unit of the values
    #[arg(long, value_name = "UNIT", requires = "csv")]
    pub unit: Option<String>,
    /// `higher` or `lower` is better
    #[arg(long, value_name = "WAY", requires = "csv")]
    pub better: Option<String>,
    /// `flow` adds up, `level` is a state
    #[arg(long, value_name = "KIND", requires = "csv")]
    pub kind: Option<String>,
}

/// Values of one parameter, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    pub name: String,
    pub values: Vec<f64>,
}

/// Most values of one sweep.
const SWEEP_MAX: usize = 200;

impl Sweep {
    /// Reads `enter=0.2..0.5/0.05`: both ends are among the values, as far as the step meets them.
    fn parse(text: &str) -> Result<Sweep, String> {
        let form = "write NAME=FROM..TO/STEP, such as enter=0.2..0.5/0.05";
        let (name, span) = assignment(text)?;
        let parts = span.split_once("..").and_then(|(from, rest)| Some((from, rest.split_once('/')?)));
        let (from, (to, step)) = parts.ok_or(form)?;
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let (from, to, step) =
            (number(from).ok_or(form)?, number(to).ok_or(form)?, number(step).filter(|step| *step > 0.0).ok_or(form)?);
        if to < from {
            return Err(format!("{to} is before {from}; {form}"));
        }
        let steps = ((to - from) / step + 1e-9).floor();
        if steps >= SWEEP_MAX as f64 {
            return Err(format!("more than {SWEEP_MAX} values; take a larger step"));
        }
        // 0.2 + 3 steps of 0.05 is 0.35, not 0.35000000000000003.
        let digits = [from, step].map(|number| number.to_string().split_once('.').map_or(0, |(_, tail)| tail.len()));
        let digits = digits.into_iter().max().unwrap_or(0);
        let at = |index: usize| format!("{:.digits$}", from + step * index as f64).parse().unwrap_or(from);
        Ok(Sweep { name, values: (0..=steps as usize).map(at).collect() })
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as below=60")?;
    if name.trim().is_empty() {
        return Err("the parameter's name is missing before `=`".to_owned());
    }
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Sweep;

    #[test]
    fn a_sweep_meets_both_ends() {
        for (text, values) in [
            ("enter=0.2..0.4/0.05", &[0.2, 0.25, 0.3, 0.35, 0.4][..]),
            ("enter=1..2/0.4", &[1.0, 1.4, 1.8]),
            ("enter=-1..1/1", &[-1.0, 0.0, 1.0]),
            ("enter=5..5/1", &[5.0]),
        ] {
            assert_eq!(Sweep::parse(text).map(|sweep| sweep.values), Ok(values.to_vec()), "{text}");
        }
        for (text, part) in [
            ("enter", "NAME=VALUE"),
            ("enter=1", "FROM..TO/STEP"),
            ("enter=1..2", "FROM..TO/STEP"),
            ("enter=1..2/0", "FROM..TO/STEP"),
            ("enter=1..2/-1", "FROM..TO/STEP"),
            ("enter=2..1/1", "1 is before 2"),
            ("enter=nan..1/1", "FROM..TO/STEP"),
            ("enter=0..1/0.0001", "more than 200 values"),
        ] {
            let error = Sweep::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
