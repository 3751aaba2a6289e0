//! How sources stand, in `vigie status`: what is stored of them, and what the running daemon says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::output::{Table, ago, clean, counted, or_dash};
use crate::daemon::{GateState, Paused};
use crate::model::commit::SourceState;
use crate::model::ids::SourceId;

/// One source as it stands.
pub(super) struct Standing {
    source: SourceId,
    /// None: it was never asked.
    stored: Option<SourceState>,
    /// None: no daemon says.
    gate: Option<GateState>,
}

/// Every source that was asked or can be, by name.
pub(super) fn standings(stored: &[SourceState], gates: Vec<GateState>) -> Vec<Standing> {
    let blank = |source: &SourceId| Standing { source: source.clone(), stored: None, gate: None };
    let mut all: BTreeMap<SourceId, Standing> = BTreeMap::new();
    for state in stored {
        all.entry(state.source.clone()).or_insert_with(|| blank(&state.source)).stored = Some(state.clone());
    }
    for gate in gates {
        let standing = all.entry(gate.source.clone()).or_insert_with(|| blank(&gate.source));
        standing.gate = Some(gate);
    }
    all.into_values().collect()
}

impl Standing {
    fn failures(&self) -> u32 {
        self.stored.as_ref().map_or(0, |stored| stored.failures)
    }

    fn paused(&self) -> Option<&Paused> {
        self.gate.as_ref()?.paused.as_ref()
    }

    /// In one word.
    fn state(&self, now: Timestamp) -> &'static str {
        match (self.paused(), &self.stored) {
            (Some(paused), _) if paused.until > now => "paused",
            (Some(_), _) => "trying",
            (None, None) => "not asked yet",
            (None, Some(_)) if self.failures() > 0 => "failing",
            (None, Some(_)) => "ok",
        }
    }

    fn cause(&self) -> Option<&str> {
        let stored = self.stored.as_ref().filter(|stored| stored.failures > 0);
        let paused = self.paused().map(|paused| paused.cause.as_str());
        paused.or_else(|| stored?.last_error.as_deref())
    }

    pub(super) fn record(&self, now: Timestamp) -> Value {
        let (stored, gate) = (self.stored.as_ref(), self.gate.as_ref());
        json!({"type": "source", "source": self.source, "state": self.state(now), "failures": self.failures(),
               "paused_until": self.paused().map(|paused| paused.until), "cause": self.cause(),
               "last_ok": stored.and_then(|stored| stored.last_ok),
               "last_error": stored.and_then(|stored| stored.last_error.as_ref()),
               "pulls": gate.map(|gate| gate.pulls), "not_sent": gate.map(|gate| gate.refused),
               "requests": gate.and_then(|gate| gate.requests), "waiting": gate.map(|gate| gate.waiting)})
    }
}

pub(super) fn table(sources: &[Standing], now: Timestamp) -> Table {
    let mut table = Table::new(&["SOURCE", "STATE", "LAST OK", "PULLS", "REQUESTS", "CAUSE"]);
    for standing in sources {
        let state = match (standing.paused(), standing.failures()) {
            (Some(paused), _) if paused.until > now => {
                format!("paused until {}", paused.until.strftime("%H:%M:%S UTC"))
            }
            (None, failures @ 1..) => format!("failing, {}", counted(failures as usize, "pull")),
            (Some(_) | None, _) => standing.state(now).to_owned(),
        };
        let pulls = standing.gate.as_ref().map(|gate| match gate.refused {
            0 => gate.pulls.to_string(),
            refused => format!("{}, {refused} not sent", gate.pulls),
        });
        table.row([
            standing.source.to_string(),
            state,
            or_dash(standing.stored.as_ref().and_then(|stored| stored.last_ok).map(|at| ago(at, now))),
            or_dash(pulls),
            or_dash(standing.gate.as_ref().and_then(|gate| gate.requests)),
            or_dash(standing.cause().map(clean)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn standing(failures: u32, paused: Option<i64>) -> Standing {
        let source = SourceId::from("shop");
        let last_error = (failures > 0).then(|| "no answer; check it".to_owned());
        let stored = SourceState { source: source.clone(), failures, last_ok: Some(at(0)), last_error };
        let paused = paused.map(|until| Paused { until: at(until), cause: "refused; check the key".to_owned() });
        let gate = GateState { source, paused, pulls: 7, refused: 2, requests: Some(9), waiting: 0 };
        standings(&[stored], vec![gate]).pop().unwrap()
    }

    #[test]
    fn states_and_causes() {
        let check = |failures, paused, state: &str, cause: Option<&str>| {
            let record = standing(failures, paused).record(at(60));
            assert_eq!((record["state"].as_str(), record["cause"].as_str()), (Some(state), cause), "{record}");
            assert_eq!((&record["pulls"], &record["not_sent"], &record["requests"]), (&json!(7), &json!(2), &json!(9)));
        };
        check(0, None, "ok", None);
        check(4, None, "failing", Some("no answer; check it"));
        check(4, Some(90), "paused", Some("refused; check the key"));
        check(4, Some(30), "trying", Some("refused; check the key"));
        assert_eq!(standings(&[], vec![]).len(), 0);
        let alone = Standing { source: "shop".into(), stored: None, gate: None };
        assert_eq!(alone.record(at(0))["state"], "not asked yet");
    }
}
