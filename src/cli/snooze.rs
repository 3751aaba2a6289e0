//! `vigie snooze`.

use std::path::PathBuf;

use jiff::Timestamp;

use super::args::SnoozeArgs;
use super::output::Out;
use super::{ask, configuration};
use crate::daemon::Request;
use crate::model::action::ActionKind;
use crate::model::ids::AlertId;

pub(super) async fn snooze(out: &mut Out, paths: &[PathBuf], args: SnoozeArgs, now: Timestamp) -> anyhow::Result<u8> {
    let config = configuration::read(paths)?;
    let until = ask::end_of(&args.span, now, &config.catalog.zone)?;
    let action = ActionKind::Snooze { alert: AlertId::from(args.alert), until };
    ask::tell(out, &config.settings.control, &Request::Act(action)).await
}
