//! `vigie ack`.

use std::path::PathBuf;

use super::args::AckArgs;
use super::ask;
use super::output::Out;
use crate::model::action::ActionKind;
use crate::model::ids::AlertId;

pub(super) async fn ack(out: &mut Out, paths: &[PathBuf], args: AckArgs) -> anyhow::Result<u8> {
    let alert = AlertId::from(args.alert);
    let action = if args.undo {
        ActionKind::Unacknowledge { alert }
    } else {
        ActionKind::Acknowledge { alert, note: args.note }
    };
    ask::act(out, paths, action).await
}
