//! `vigie silence`: add, list, end.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::args::{Conditions, SilenceCommand};
use super::output::{Out, Table, ago, moment};
use super::{ask, configuration, state};
use crate::daemon::Request;
use crate::model::action::ActionKind;
use crate::model::ids::{AlertId, KpiId, PersonId, RuleId, SilenceId};
use crate::model::notification::{Matcher, Silence};

pub(super) async fn silence(
    out: &mut Out,
    paths: &[PathBuf],
    command: SilenceCommand,
    now: Timestamp,
) -> anyhow::Result<u8> {
    match command {
        SilenceCommand::Add(add) => {
            let config = configuration::read(paths)?;
            let until = ask::end_of(&add.span, now, &config.catalog.zone)?;
            let action = ActionKind::Silence { matcher: matcher(add.what), until, why: add.why };
            ask::tell(out, &config.settings.control, &Request::Act(action)).await
        }
        SilenceCommand::End { id } => {
            ask::act(out, paths, ActionKind::EndSilence { silence: SilenceId::from(id) }).await
        }
        SilenceCommand::List => {
            let config = configuration::read(paths)?;
            let silences = state::open(&config).await?.silences().await?;
            let in_force: Vec<Silence> = silences.into_iter().filter(|silence| silence.until > now).collect();
            list(out, &in_force, now, &config.catalog.zone)?;
            Ok(0)
        }
    }
}

fn matcher(what: Conditions) -> Matcher {
    Matcher {
        about: what.about,
        category: what.category,
        severity: what.severity,
        kpi: what.kpi.into_iter().map(KpiId::from).collect(),
        rule: what.rule.into_iter().map(RuleId::from).collect(),
        owner: what.owner.into_iter().map(PersonId::from).collect(),
        labels: what.label.into_iter().collect(),
        alert: what.alert.map(AlertId::from),
    }
}

fn list(out: &mut Out, silences: &[Silence], now: Timestamp, zone: &TimeZone) -> anyhow::Result<()> {
    if out.is_json() {
        for silence in silences {
            let Silence { id, matcher, from, until, by, why } = silence;
            let record = json!({"type": "silence", "id": id, "matcher": matcher, "from": from, "until": until,
                                "by": by, "why": why});
            out.record(&record)?;
        }
        return Ok(());
    }
    if silences.is_empty() {
        out.line("no silence in force")?;
        return Ok(());
    }
    let mut table = Table::new(&["ID", "UNTIL", "ENDS", "BY", "MATCHES", "WHY"]);
    for silence in silences {
        table.row([
            silence.id.to_string(),
            moment(silence.until, zone),
            ago(silence.until, now),
            silence.by.clone(),
            conditions(&silence.matcher),
            silence.why.clone(),
        ]);
    }
    out.table(&table)?;
    Ok(())
}

/// The conditions in one line: `kpi=revenue severity=info,warning`.
fn conditions(matcher: &Matcher) -> String {
    let listed = |name: &str, values: Vec<&str>| (!values.is_empty()).then(|| format!("{name}={}", values.join(",")));
    let labels = (!matcher.labels.is_total()).then(|| matcher.labels.to_string());
    let parts = [
        listed("about", matcher.about.iter().map(|about| about.as_str()).collect()),
        listed("category", matcher.category.iter().map(|category| category.as_str()).collect()),
        listed("severity", matcher.severity.iter().map(|severity| severity.as_str()).collect()),
        listed("kpi", matcher.kpi.iter().map(KpiId::as_str).collect()),
        listed("rule", matcher.rule.iter().map(RuleId::as_str).collect()),
        listed("owner", matcher.owner.iter().map(PersonId::as_str).collect()),
        labels,
        listed("alert", matcher.alert.iter().map(AlertId::as_str).collect()),
    ];
    let words: Vec<String> = parts.into_iter().flatten().collect();
    if words.is_empty() { "everything".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::About;
    use crate::model::ids::Labels;
    use crate::model::verdict::Severity;

    #[test]
    fn conditions_read_as_typed() {
        assert_eq!(conditions(&Matcher::default()), "everything");
        let matcher = Matcher {
            about: vec![About::Data],
            severity: vec![Severity::Info, Severity::Warning],
            kpi: vec!["revenue".into()],
            labels: Labels::from_iter([("channel", "web")]),
            ..Matcher::default()
        };
        assert_eq!(conditions(&matcher), "about=data severity=info,warning kpi=revenue {channel=\"web\"}");
    }
}
