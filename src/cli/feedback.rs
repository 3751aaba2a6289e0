//! `vigie feedback`.

use std::path::PathBuf;

use super::args::{FeedbackArgs, Said};
use super::output::Out;
use super::{ask, configuration};
use crate::daemon::Request;
use crate::model::evaluation::Judgement;
use crate::model::ids::AlertId;

pub(super) async fn feedback(out: &mut Out, paths: &[PathBuf], args: FeedbackArgs) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let judgement = match args.judgement {
        Said::FalsePositive => Judgement::FalsePositive,
        Said::Useful => Judgement::Useful,
    };
    let why = args.why.map(|why| why.trim().to_owned()).filter(|why| !why.is_empty());
    let asked = Request::Feedback { alert: AlertId::from(args.alert), judgement, why };
    ask::tell(out, &config.settings.control, &asked).await
}
