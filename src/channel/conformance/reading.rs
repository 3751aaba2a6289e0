//! What people read, kept as it is.

use std::path::Path;

use super::subjects::Kind;
use crate::channel::{fixture, view};

#[test]
fn what_people_read() {
    let [maildir, slack, teams, webhook] =
        [Kind::Maildir, Kind::Slack, Kind::Teams, Kind::Webhook].map(|kind| kind.channel(1, Path::new(".")));
    for (name, delivery) in [
        ("firing_fr", fixture::firing_fr()),
        ("escalated_en", fixture::escalated_en()),
        ("resolved_fr", fixture::resolved_fr()),
    ] {
        insta::assert_snapshot!(format!("{name}_text"), maildir.render_preview(&delivery));
        let pictures = [Some("chart0.n0000001-claire@example.test".to_owned())];
        insta::assert_snapshot!(
            format!("{name}_html"),
            view::bodies(&delivery.message, &pictures).expect("renders").html
        );
        insta::assert_snapshot!(format!("{name}_slack"), slack.render_preview(&delivery));
        insta::assert_snapshot!(format!("{name}_teams"), teams.render_preview(&delivery));
        insta::assert_snapshot!(format!("{name}_webhook"), webhook.render_preview(&delivery));
    }
}
