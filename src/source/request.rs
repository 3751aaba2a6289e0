//! What a source is asked, what it needs to be built, and what it is able to.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::shared::Shared;
use crate::model::grain::BucketIndex;
use crate::model::kpi::Kpi;
use crate::net::RetryPolicy;
use crate::secret::Resolver;

/// What building a source may look at.
pub struct BuildContext<'a> {
    /// The folder of the configuration file; paths are relative to it.
    pub base_dir: &'a Path,
    pub resolve: Resolver<'a>,
}

/// One pull: the buckets of a KPI that begin in `[from, to)`.
#[derive(Clone, Debug)]
pub struct PullRequest {
    pub kpi: Arc<Kpi>,
    /// Start of the first bucket.
    pub from: Timestamp,
    /// End of the last bucket.
    pub to: Timestamp,
    /// The whole span is one window, which is asked for at once; what comes is of this bucket.
    pub window: Option<BucketIndex>,
    pub now: Timestamp,
    /// Total time for everything, retries included.
    pub deadline: Duration,
    /// Times that a request is sent, if need be.
    pub tries_max: u32,
    /// What others that are due together ask and are told.
    pub shared: Arc<Shared>,
}

impl PullRequest {
    /// How often what fails is tried again.
    pub(super) fn retries(&self) -> RetryPolicy {
        RetryPolicy { attempts_max: self.tries_max, ..RetryPolicy::default() }
    }

    /// The buckets asked for, first and last; empty (last before first) when `to` is not after `from`.
    pub(super) fn buckets(&self) -> RangeInclusive<BucketIndex> {
        if let Some(bucket) = self.window {
            return bucket..=bucket;
        }
        let (grain, zone) = (self.kpi.grain, &self.kpi.zone);
        let last_moment = self.to.checked_sub(SignedDuration::from_millis(1)).unwrap_or(self.to);
        grain.index_at(self.from, zone)..=grain.index_at(last_moment, zone)
    }

    /// The buckets asked for that have ended by now.
    pub(super) fn ended_buckets(&self) -> RangeInclusive<BucketIndex> {
        let asked = self.buckets();
        *asked.start()..=(*asked.end()).min(self.kpi.grain.last_ended(self.now, &self.kpi.zone))
    }
}

/// In which form a source takes its queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryForm {
    /// In the system's own language.
    Text,
    /// As columns of a table.
    Table,
    /// As an HTTP request and paths into its answer.
    Request,
    /// As accounts of a ledger.
    Ledger,
    /// None: nothing is asked.
    Nothing,
}

/// What a source is able to, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    pub query: QueryForm,
    /// Past buckets can be asked for.
    pub history: bool,
    /// Most buckets one pull should ask for; the caller splits longer spans.
    pub buckets_per_pull_max: u32,
    /// It is reached over the network, so that outages are to be expected.
    pub network: bool,
}
