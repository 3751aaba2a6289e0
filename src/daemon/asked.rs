//! Spans of a KPI that a person asks to be pulled: back-fill and repair, through the same pulls, validation and steps
//! as everything else.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::control::{Reply, Value};
use super::cycle::Cycle;
use super::jobs::{Job, JobKind};
use super::plan::known_series;
use crate::model::grain::BucketIndex;
use crate::model::ids::KpiId;
use crate::model::kpi::Kpi;

/// Buckets asked for at once; commands ask in pieces.
pub(super) const ASKED_BUCKETS_MAX: i64 = 20_000;

/// A span that somebody waits for.
#[derive(Debug)]
pub(super) struct Asked {
    span: (BucketIndex, BucketIndex),
    held_from: Option<BucketIndex>,
    reply: oneshot::Sender<Reply>,
}

impl Asked {
    /// Tells whoever waits; who has gone need not hear.
    pub(super) fn answer(self, reply: Reply) {
        drop(self.reply.send(reply));
    }
}

/// What became of a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AskedEnd {
    /// New and revised buckets, over all series.
    pub stored: usize,
    pub rejected: usize,
    pub warnings: Vec<String>,
    pub oldest: Option<BucketIndex>,
    pub failed: Option<String>,
}

impl Cycle {
    /// Notes a span to be pulled once the KPI has nothing else to do; whoever asked is answered then.
    pub(super) async fn ask_pull(
        &mut self,
        kpi: KpiId,
        (from, to): (BucketIndex, BucketIndex),
        (held_from, reply): (Option<BucketIndex>, oneshot::Sender<Reply>),
        now: Timestamp,
    ) {
        match self.may_ask(&kpi, (from, to), now).await {
            Ok(span) => {
                self.due.insert(kpi.clone(), None);
                self.asked.insert(kpi, Asked { span, held_from, reply });
            }
            Err(why) => drop(reply.send(Reply::Error(why))),
        }
    }

    /// The span without what is left to the KPI's own slots, or why it can't be asked for.
    async fn may_ask(
        &self,
        id: &KpiId,
        (from, to): (BucketIndex, BucketIndex),
        now: Timestamp,
    ) -> Result<(BucketIndex, BucketIndex), String> {
        let Some(kpi) = self.built.setup.catalog.kpi(id).cloned() else {
            return Err(format!(
                "the running service has no KPI '{id}'; was the configuration changed since it started?"
            ));
        };
        if let Some(formula) = kpi.formula() {
            let inputs: Vec<&str> = formula.inputs().iter().map(KpiId::as_str).collect();
            return Err(format!(
                "KPI '{id}' is computed and follows its KPIs by itself; pull those: {}",
                inputs.join(", ")
            ));
        }
        if self.asked.contains_key(id) {
            return Err(format!("a span of KPI '{id}' is being pulled already; wait for it to end"));
        }
        if self.is_paused() {
            return Err(self.refusal("history pauses", "ask"));
        }
        let asked = id.clone();
        let clock = self.engine.with(move |state, _| state.clocks.get(&asked).cloned()).await;
        if clock.as_ref().is_some_and(|clock| self.built.setup.asks_anew(&kpi, clock)) {
            return Err(format!(
                "KPI '{id}' was changed, and its history is to be pulled anew first; see `vigie status`"
            ));
        }
        let Some(pulled_to) = clock.as_ref().and_then(|clock| clock.pulled_to) else {
            return Err(format!(
                "KPI '{id}' has not been pulled yet; its first pull brings its history, see `vigie status`"
            ));
        };
        let to = to.min(pulled_to).min(kpi.grain.last_ended(now, &kpi.zone));
        if from > to {
            let newest = kpi.bucket_name(pulled_to);
            return Err(format!("KPI '{id}' is pulled up to {newest}; what comes after is left to its schedule"));
        }
        let buckets = to.saturating_sub(from).saturating_add(1);
        if buckets > ASKED_BUCKETS_MAX {
            return Err(format!("{buckets} buckets are more than the {ASKED_BUCKETS_MAX} asked for at once"));
        }
        Ok((from, to))
    }

    /// The pull of a KPI that has nothing else to do and of which a span was asked for.
    pub(super) async fn asked_job(&mut self, kpi: &Arc<Kpi>, now: Timestamp) -> Option<Job> {
        let Asked { span, held_from, .. } = self.asked.get(&kpi.id)?;
        let (span, held_from) = (*span, *held_from);
        let id = kpi.id.clone();
        let (slot, known) = self
            .engine
            .with(move |state, _| {
                let slot = state.clocks.get(&id).and_then(|clock| clock.last_slot);
                (slot, known_series(&state.history, &id))
            })
            .await;
        let kind = JobKind::Asked { slot: slot.unwrap_or(now), held_from };
        let roll_ups = self.built.setup.roll_ups(&kpi.id);
        Some(Job { kpi: kpi.clone(), kind, span: Some(span), roll_ups, known, due_at: now, computed: None })
    }

    /// Tells whoever asked.
    pub(super) fn asked_ended(&mut self, kpi: &KpiId, end: AskedEnd) {
        let Some(asked) = self.asked.remove(kpi) else { return };
        let AskedEnd { stored, rejected, warnings, oldest, failed } = end;
        let reply = match failed {
            Some(why) => Reply::Error(why),
            None => Reply::Ok(Value::Pulled { stored, rejected, warnings, oldest }),
        };
        asked.answer(reply);
    }
}
