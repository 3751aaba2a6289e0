//! One pull: requests in order, each tried again by itself; labels become dimensions.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::answer::{self, Answer, Series};
use super::config::{PrometheusSource, WINDOW, promql};
use super::plan::{self, REQUESTS_MAX};
use crate::clock;
use crate::model::ids::Labels;
use crate::model::kpi::Kpi;
use crate::model::observation::{Pull, Reading, ReadingTime, ReadingValue};
use crate::net::{ErrorClass, Request, retry};
use crate::source::error::SourceError;
use crate::source::labels::{check_dimension, labels_of};
use crate::source::request::PullRequest;

/// Warnings of the server that are kept.
const WARNINGS_MAX: usize = 10;
/// Time for the small requests of a probe.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);

impl PrometheusSource {
    pub(in crate::source) async fn pull(&self, request: &PullRequest) -> Result<Pull, SourceError> {
        let started = clock::monotonic();
        let query = windowed(promql(&request.kpi).map_err(SourceError::config)?, request);
        let mut pull = Pull { complete: true, ..Pull::default() };
        let mut planned = plan::requests(request.ended_buckets(), request.kpi.grain, &request.kpi.zone);
        if planned.len() > REQUESTS_MAX {
            let skipped = planned.len() - REQUESTS_MAX;
            planned.drain(..skipped);
            pull.complete = false;
            pull.warnings.push(format!(
                "the span needs {} requests, more than {REQUESTS_MAX}: the oldest {skipped} were left out; pull a shorter span",
                skipped + REQUESTS_MAX
            ));
        }
        for part in &planned {
            let answer = self.ask(&query, part, request, started).await?;
            self.take(answer, part, request, &mut pull)?;
        }
        Ok(pull)
    }

    /// Sends one request until it succeeds or can't.
    async fn ask(
        &self,
        query: &str,
        part: &plan::Request,
        request: &PullRequest,
        started: Instant,
    ) -> Result<Answer, SourceError> {
        let left = request.deadline.saturating_sub(started.elapsed());
        let query_of = format!("query of KPI `{}`", request.kpi.id);
        retry(request.retries(), left, |left| {
            let query_of = &query_of;
            async move {
                let response = self.client.send(self.http_request(query, part, left)).await?;
                answer::read(&response, query_of, |text| self.client.scrubbed(text))
            }
        })
        .await
    }

    /// The query as a form: long ones fit, and no server writes them into its access log.
    fn http_request(&self, query: &str, part: &plan::Request, left: Duration) -> Request {
        let seconds =
            |milliseconds: i64| format!("{}.{:03}", milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000));
        let at = |end: Option<&jiff::Timestamp>| seconds(end.map_or(0, |end| end.as_millisecond()));
        let timeout = format!("{}ms", left.as_millis().max(1));
        let (first, last) = (at(part.ends.first()), at(part.ends.last()));
        let request = match part.step() {
            None => Request::form(self.endpoint("query"), &[("query", query), ("time", &first), ("timeout", &timeout)]),
            Some(step) => Request::form(
                self.endpoint("query_range"),
                &[("query", query), ("start", &first), ("end", &last), ("step", &seconds(step)), ("timeout", &timeout)],
            ),
        };
        request.deadline(left)
    }

    fn endpoint(&self, name: &str) -> crate::net::Url {
        self.api.join(name).expect("invariant: a base address and a plain name")
    }

    /// Takes the readings of one answer over.
    fn take(
        &self,
        answer: Answer,
        part: &plan::Request,
        request: &PullRequest,
        pull: &mut Pull,
    ) -> Result<(), SourceError> {
        let kpi = &request.kpi;
        if answer.series.len() > self.series_max {
            let message = format!(
                "query of KPI `{}`: it gives {} series, more than {}; aggregate with sum by (...), or raise series_max",
                kpi.id,
                answer.series.len(),
                self.series_max
            );
            return Err(SourceError::new(ErrorClass::TooLarge, message));
        }
        if kpi.dimensions.is_empty() && answer.series.len() > 1 {
            let labels: BTreeSet<String> =
                answer.series.iter().flat_map(|series| series.labels.keys().cloned()).collect();
            let error = SourceError::config(format!(
                "query of KPI `{}`: it gives {} series, but the KPI has no dimensions; wrap it in sum(...), or add dimensions",
                kpi.id,
                answer.series.len()
            ));
            return Err(error.with_labels(labels.into_iter().collect()));
        }
        pull.complete &= answer.warnings.is_empty();
        let room = WARNINGS_MAX.saturating_sub(pull.warnings.len());
        let said = answer.warnings.into_iter().chain(answer.infos);
        pull.warnings.extend(said.map(|text| crate::net::excerpt(self.client.scrubbed(&text).as_bytes())).take(room));
        for series in answer.series {
            let labels = dimensions(kpi, &series)?;
            let origin = if labels.is_total() { "prometheus".to_owned() } else { format!("prometheus {labels}") };
            for (at, value) in series.points {
                let Some(index) = part.bucket_ending(at) else { continue };
                let value = match value {
                    Some(value) if value.is_finite() => ReadingValue::Number(value),
                    Some(_) => ReadingValue::Absent,
                    None => ReadingValue::Unreadable("a native histogram; use histogram_quantile()".to_owned()),
                };
                let start = kpi.grain.start_of(index, &kpi.zone);
                let time = ReadingTime::Instant(start);
                pull.readings.push(Reading { time, labels: labels.clone(), value, origin: origin.clone() });
            }
        }
        Ok(())
    }

    /// Product and version, where the server tells them.
    pub(in crate::source) async fn probe(&self) -> Result<String, SourceError> {
        #[derive(Deserialize)]
        struct BuildInfo {
            data: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        let info = self.client.send(Request::get(self.endpoint("status/buildinfo")).deadline(PROBE_DEADLINE)).await?;
        let version = serde_json::from_slice::<BuildInfo>(&info.body).ok().filter(|_| info.is_success());
        // Whatever speaks the query API may do without the other; the question that counts is this one.
        let form = Request::form(self.endpoint("query"), &[("query", "vector(1)")]).deadline(PROBE_DEADLINE);
        let response = self.client.send(form).await?;
        answer::read(&response, "query vector(1)", |text| self.client.scrubbed(text))?;
        let version = version.map(|info| format!(" {}", info.data.version)).unwrap_or_default();
        Ok(format!("prometheus{version} at {}", info.origin))
    }
}

/// The query with the length of the window that it is asked for, in place of its placeholder.
fn windowed<'a>(query: &'a str, request: &PullRequest) -> Cow<'a, str> {
    if request.window.is_none() {
        return Cow::Borrowed(query);
    }
    let length = request.to.as_millisecond() - request.from.as_millisecond();
    Cow::Owned(query.replace(WINDOW, &format!("{length}ms")))
}

/// The dimensions of a series; a label that is none is told with its remedy.
fn dimensions(kpi: &Kpi, series: &Series) -> Result<Labels, SourceError> {
    if kpi.dimensions.is_empty() {
        return Ok(Labels::total());
    }
    for name in series.labels.keys() {
        check_dimension(kpi, name).map_err(|cause| {
            let by = kpi.dimensions.join(", ");
            SourceError::config(format!("query of KPI `{}`: {cause}, as with sum by ({by}) (...)", kpi.id))
        })?;
    }
    Ok(labels_of(kpi, |name| series.labels.get(name).map(String::as_str)))
}

#[cfg(test)]
#[path = "pull_tests.rs"]
mod tests;
