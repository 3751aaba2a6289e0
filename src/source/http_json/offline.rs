//! A pull without a server: every request is answered by the same page. What is fuzzed.

use std::sync::Arc;

use reqwest::header::HeaderMap;

use super::answer;
use super::config::HttpJsonConfig;
use super::paging::{Course, Next, Turn};
use super::plan::Plan;
use super::pull::spans;
use super::table::Table;
use crate::model::observation::Pull;
use crate::net::{Response, Url};
use crate::source::error::SourceError;
use crate::source::request::PullRequest;

/// Buckets that are asked for one by one.
const SPANS_MAX: usize = 3;
/// Pages of one request.
const PAGES_MAX: usize = 3;

/// What a pull makes of pages that all have this body.
pub(in crate::source) fn pull_pages(
    config: &HttpJsonConfig,
    request: &PullRequest,
    body: &[u8],
) -> Result<Pull, SourceError> {
    let origin = "https://api.example.test";
    let base = Url::parse(origin).map_err(|error| SourceError::config(error.to_string()))?;
    let plan = Plan::of(&request.kpi, config.paging.as_ref()).map_err(SourceError::config)?;
    let mut table = Table::new(request, &plan);
    let (spans, _) = spans(&plan, request);
    for (span, holds_for) in spans.iter().take(SPANS_MAX) {
        let mut course = Course::new(&plan.paging, &plan.rows, &base);
        let mut next = Some(course.first());
        for _ in 0..PAGES_MAX {
            let url = match next.take() {
                None => break,
                Some(Next::Params(params)) => plan.request(&base, span, params)?.0,
                Some(Next::Link(url)) => plan.follow(&url, span).map(|_| url)?,
            };
            let headers = HeaderMap::new();
            let response = Response { status: 200, headers, body: body.to_vec(), origin: origin.to_owned() };
            let page = Arc::new(answer::read(response, str::to_owned)?);
            if !matches!(course.turn(&page)?, Turn::Page) {
                break;
            }
            let found = page.json.as_ref().map(|json| plan.rows.rows(json)).transpose();
            let rows = found.map_err(SourceError::config)?.unwrap_or_default();
            let count = rows.len();
            for row in rows {
                table.push(row, *holds_for)?;
            }
            next = course.after(&url, page.clone(), count)?;
        }
    }
    table.finish()
}
