//! One pull: a request per span, page after page, each tried again by itself.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::answer::{self, Page};
use super::config::HttpJsonSource;
use super::oauth::Moment;
use super::paging::{Course, Next, Turn};
use super::plan::Plan;
use super::table::Table;
use super::template::Span;
use crate::clock;
use crate::model::observation::{Pull, ReadingValue};
use crate::net::{ErrorClass, Request, Response, retry};
use crate::source::error::SourceError;
use crate::source::request::PullRequest;
use crate::source::shared::Member;

/// Buckets that are asked for one by one in a pull.
const SPANS_MAX: usize = 400;
/// What a byte of JSON takes in memory once it is read, about.
const JSON_BYTES: usize = 4;
/// Time for the request of a probe.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);

/// What is left of a pull's allowance.
struct Budget<'a> {
    request: &'a PullRequest,
    member: &'a Member<'a>,
    started: Instant,
    bytes: usize,
}

impl Budget<'_> {
    fn left(&self) -> Duration {
        self.request.deadline.saturating_sub(self.started.elapsed())
    }

    fn now(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.started.elapsed()).unwrap_or_default();
        self.request.now.checked_add(since).unwrap_or(self.request.now)
    }
}

impl HttpJsonSource {
    pub(in crate::source) async fn pull(
        &self,
        request: &PullRequest,
        member: &Member<'_>,
    ) -> Result<Pull, SourceError> {
        let pull = self.pull_all(request, member).await.map_err(|error| self.without_secrets(error))?;
        Ok(self.nothing_echoed(pull))
    }

    /// A server may send back what it was sent: what is quoted of its rows must not hold it.
    fn nothing_echoed(&self, mut pull: Pull) -> Pull {
        for warning in &mut pull.warnings {
            *warning = self.scrubbed(warning);
        }
        for reading in &mut pull.readings {
            if let ReadingValue::Unreadable(raw) = &mut reading.value {
                *raw = self.scrubbed(raw);
            }
        }
        pull
    }

    async fn pull_all(&self, request: &PullRequest, member: &Member<'_>) -> Result<Pull, SourceError> {
        let plan = self.plan(&request.kpi).map_err(SourceError::config)?;
        let mut budget = Budget { request, member, started: clock::monotonic(), bytes: 0 };
        let mut table = Table::new(request, &plan);
        let (spans, left_out) = spans(&plan, request);
        for (span, holds_for) in spans {
            self.pages(&plan, &span, holds_for, &mut table, &mut budget).await?;
        }
        if left_out > 0 {
            table.warn(format!(
                "the span needs a request for each bucket, more than {SPANS_MAX}: the oldest {left_out} were left out; pull a shorter span, or name time in the query"
            ));
        }
        let one_by_one = plan.fields.time.is_some() || plan.asks_for_span();
        if !one_by_one && plan.fields.labels.is_empty() && plan.fields.aggregate.is_none() && table.count > 1 {
            return Err(SourceError::config(format!(
                "query of KPI `{}`: it gives {} rows but no time; name time, select one row, or say aggregate",
                request.kpi.id, table.count
            )));
        }
        let mut pull = table.finish()?;
        pull.complete &= left_out == 0;
        Ok(pull)
    }

    /// Takes over all pages of one span.
    async fn pages(
        &self,
        plan: &Plan,
        span: &Span,
        holds_for: Timestamp,
        table: &mut Table<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<(), SourceError> {
        let id = &budget.request.kpi.id;
        let too_large = |what: String| SourceError::new(ErrorClass::TooLarge, format!("query of KPI `{id}`: {what}"));
        let named =
            |error: SourceError| SourceError { message: format!("query of KPI `{id}`: {}", error.message), ..error };
        let mut course = Course::new(&plan.paging, &plan.rows, &self.base);
        let mut next = course.first();
        // That there are no more is told by one more that is empty.
        let last = u32::from(plan.paging.counted().is_some());
        for number in 0..self.pages_max.saturating_add(last) {
            let params = match &next {
                Next::Params(params) => format!("{params:?}"),
                Next::Link(_) => String::new(),
            };
            let (url, request) = match next {
                Next::Params(params) => plan.request(&self.base, span, params)?,
                Next::Link(url) => {
                    let request = plan.follow(&url, span)?;
                    (url, request)
                }
            };
            // Everything else of a request is the group's; parameters may stand in its body.
            let name = format!("{} {} {number} {url} {params}", span.from, span.to);
            let weigh = |page: &Page| page.bytes.saturating_mul(JSON_BYTES);
            let is_later = number > 0 && plan.paging.counted().is_some();
            let asked = Box::pin(self.ask(&request, is_later, budget));
            let page = budget.member.get(name, weigh, asked).await?;
            match course.turn(&page).map_err(named)? {
                Turn::Page => {}
                Turn::End => return Ok(()),
                Turn::Again(warning) => {
                    table.warn(warning);
                    return Ok(());
                }
            }
            budget.bytes += page.bytes;
            if budget.bytes > self.bytes_max {
                let bound = self.bytes_max;
                return Err(too_large(format!(
                    "its pages hold more than {bound} bytes; ask for less, or raise bytes_max"
                )));
            }
            let rows = match &page.json {
                None => Vec::new(),
                Some(json) => plan.rows.rows(json).map_err(|cause| named(SourceError::config(cause)))?,
            };
            if table.count + rows.len() > self.rows_max {
                let bound = self.rows_max;
                return Err(too_large(format!("it gives more than {bound} rows; ask for less, or raise rows_max")));
            }
            for row in &rows {
                table.push(row, holds_for).map_err(named)?;
            }
            let count = rows.len();
            match course.after(&url, page, count)? {
                Some(more) => next = more,
                None => return Ok(()),
            }
        }
        let bound = self.pages_max;
        Err(too_large(format!("it has more than {bound} pages; ask for larger pages or less, or raise pages_max")))
    }

    /// Sends one request until it succeeds or can't; `is_later`: for a page that may be none any more.
    async fn ask(&self, request: &Request, is_later: bool, budget: &Budget<'_>) -> Result<Page, SourceError> {
        retry(budget.request.retries(), budget.left(), |left| async move {
            let moment = Moment { now: Some(budget.now()), left };
            let response = self.exchange(request.clone().deadline(left), moment).await?;
            let hide = |text: &str| self.scrubbed(text);
            if is_later { answer::read_later(response, hide) } else { answer::read(response, hide) }
        })
        .await
    }

    /// One exchange; a token that is refused is fetched anew, once.
    async fn exchange(&self, request: Request, moment: Moment) -> Result<Response, SourceError> {
        let Some(tokens) = &self.tokens else { return Ok(self.client.send(request).await?) };
        let token = tokens.get(moment).await?;
        let bearer = |token: &crate::secret::Secret| format!("Bearer {}", token.expose());
        let response = self.client.send(request.clone().header("authorization", &bearer(&token))?).await?;
        if response.status != 401 {
            return Ok(response);
        }
        tokens.give_up(&token).await;
        let token = tokens.get(moment).await?;
        Ok(self.client.send(request.header("authorization", &bearer(&token))?).await?)
    }

    /// Status and content type of the address itself.
    pub(in crate::source) async fn probe(&self) -> Result<String, SourceError> {
        let mut request = Request::get(self.base.clone()).deadline(PROBE_DEADLINE);
        if let Some(accept) = self.accept {
            request = request.header("accept", accept)?;
        }
        let moment = Moment { now: None, left: PROBE_DEADLINE };
        let response = self.exchange(request, moment).await.map_err(|error| self.without_secrets(error))?;
        // Many APIs have nothing at their root: what counts is that it is reached and lets us in.
        match response.error() {
            Some(error) if error.class != ErrorClass::Config => Err(self.without_secrets(error.into())),
            _ => {
                let content = response.header("content-type").unwrap_or("no content type");
                Ok(format!("http_json at {}: {}, {}", response.origin, response.status, self.scrubbed(content)))
            }
        }
    }

    fn without_secrets(&self, error: SourceError) -> SourceError {
        SourceError { message: self.scrubbed(&error.message), ..error }
    }
}

/// The spans to ask for, each with the bucket that rows without time hold for; and how many were left out.
pub(super) fn spans(plan: &Plan, request: &PullRequest) -> (Vec<(Span, Timestamp)>, usize) {
    let (grain, zone) = (request.kpi.grain, &request.kpi.zone);
    let span = |from, to| Span { from, to, zone: zone.clone() };
    if let Some(bucket) = request.window {
        return (vec![(span(request.from, request.to), grain.start_of(bucket, zone))], 0);
    }
    if plan.fields.time.is_some() || !plan.asks_for_span() {
        let newest_ended = grain.start_of(grain.last_ended(request.now, zone), zone);
        return (vec![(span(request.from, request.to), newest_ended)], 0);
    }
    // An answer that tells no time is the figure of the whole span: only a span of one bucket is a bucket's.
    let mut spans: Vec<_> = request
        .ended_buckets()
        .map(|index| {
            let bucket = grain.bucket(index, zone);
            (span(bucket.start, bucket.end), bucket.start)
        })
        .collect();
    let left_out = spans.len().saturating_sub(SPANS_MAX);
    spans.drain(..left_out);
    (spans, left_out)
}

#[cfg(test)]
#[path = "pull_tests.rs"]
mod tests;
