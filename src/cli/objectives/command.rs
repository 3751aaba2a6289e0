//! From what was typed after `vigie objectives` to what does it.

use std::path::PathBuf;

use jiff::Timestamp;

use super::args::{ObjectivesArgs, ObjectivesCommand};
use super::{list, outcomes, review, roll, show};
use crate::cli::output::Out;

pub(in crate::cli) async fn objectives(
    out: &mut Out,
    paths: &[PathBuf],
    args: ObjectivesArgs,
    now: Timestamp,
) -> anyhow::Result<u8> {
    match args.command {
        None => list::list(out, paths, &args.list, now).await,
        Some(ObjectivesCommand::List(list)) => list::list(out, paths, &list, now).await,
        Some(ObjectivesCommand::Show(show)) => show::show(out, paths, &show, now).await,
        Some(ObjectivesCommand::Outcomes(asked)) => outcomes::outcomes(out, paths, &asked).await,
        Some(ObjectivesCommand::Roll(roll)) => roll::roll(out, paths, &roll),
        Some(ObjectivesCommand::Review(review)) => review::review(out, paths, &review, now).await,
    }
}
