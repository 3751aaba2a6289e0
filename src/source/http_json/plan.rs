//! A KPI's query, read: requests it makes, places it reads. What is wrong in it is found without asking.

use serde_json::Value;

use super::paging::Paging;
use super::rows_path::{RowsPath, Trail};
use super::template::{Escape, Span, Template};
use crate::model::http_query::{self, Aggregate, HttpBody, HttpMethod, HttpQuery, Numbers};
use crate::model::kpi::{Kpi, Query};
use crate::model::unit::Kind;
use crate::net::{Request, Url};
use crate::source::error::SourceError;
use crate::source::labels::check_dimension;

/// Headers that prove who is asking or decide where a request goes: the source's business alone.
const RESERVED: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "host", "content-length"];

/// A query, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    method: HttpMethod,
    path: Template,
    params: Vec<(String, Template)>,
    /// Of those with one name, the last counts.
    pub(super) headers: Vec<(String, String)>,
    body: Option<Body>,
    pub(super) rows: RowsPath,
    pub(super) fields: Fields,
    pub(super) paging: Paging,
}

/// Where a row holds what, and how it is read.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) value: Option<Trail>,
    pub(super) numerator: Option<Trail>,
    pub(super) denominator: Option<Trail>,
    pub(super) n: Option<Trail>,
    pub(super) time: Option<Trail>,
    pub(super) time_format: Option<String>,
    /// In the order of the KPI's dimensions.
    pub(super) labels: Vec<Trail>,
    pub(super) numbers: Numbers,
    pub(super) aggregate: Option<Aggregate>,
}

#[derive(Clone, Debug)]
enum Body {
    Text(Template),
    Json(Json),
}

/// JSON with placeholders in its texts.
#[derive(Clone, Debug)]
enum Json {
    Text(Template),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
    Other(Value),
}

impl Plan {
    /// Reads the query of a KPI. `paging` is the source's.
    pub(super) fn of(kpi: &Kpi, paging: Option<&http_query::Paging>) -> Result<Plan, String> {
        let named = |cause: String| format!("query of KPI `{}`: {cause}", kpi.id);
        let query = match &kpi.query {
            Query::Http(query) => query,
            Query::Text(_) | Query::Table(_) | Query::Formula(_) | Query::Ledger(_) | Query::Entered => {
                let form = r#"{path: orders, rows: "$.items[*]", time: $.date, value: $.total}"#;
                return Err(named(format!("an http_json source takes a request; write query: {form}")));
            }
        };
        Plan::read(query, kpi, query.paging.as_ref().or(paging)).map_err(named)
    }

    fn read(query: &HttpQuery, kpi: &Kpi, paging: Option<&http_query::Paging>) -> Result<Plan, String> {
        let template = |key: &str, text: &str| Template::parse(text).map_err(|cause| format!("{key}: {cause}"));
        let place = |key: &str, text: &Option<String>| text.as_ref().map(|text| Trail::parse(key, text)).transpose();
        let plan = Plan {
            method: query.method,
            path: template("path", query.path.trim().trim_start_matches('/'))?,
            params: query
                .params
                .iter()
                .map(|(name, text)| Ok((name.clone(), template(&format!("params.{name}"), text)?)))
                .collect::<Result<_, String>>()?,
            headers: query.headers.clone(),
            body: query.body.as_ref().map(Body::read).transpose()?,
            rows: RowsPath::parse(&query.rows)?,
            fields: Fields {
                value: place("value", &query.value)?,
                numerator: place("numerator", &query.numerator)?,
                denominator: place("denominator", &query.denominator)?,
                n: place("n", &query.n)?,
                time: place("time", &query.time)?,
                time_format: query.time_format.clone(),
                labels: labels(query, kpi)?,
                numbers: query.numbers,
                aggregate: query.aggregate,
            },
            paging: Paging::parse(paging)?,
        };
        plan.check(query, kpi)?;
        Ok(plan)
    }

    /// What each part allows by itself, but not together.
    fn check(&self, query: &HttpQuery, kpi: &Kpi) -> Result<(), String> {
        check_path(&self.path.shape())?;
        if self.method == HttpMethod::Get && self.body.is_some() {
            return Err("a GET has no body; write method: POST, or params instead".to_owned());
        }
        if let Some((name, _)) = self.headers.iter().find(|(name, _)| RESERVED.contains(&name.to_lowercase().as_str()))
        {
            return Err(format!("header `{name}` can't stand in a query; credentials are the source's, under auth"));
        }
        if let Some(name) = self.paging.params().into_iter().find(|name| self.params.iter().any(|(own, _)| own == name))
        {
            return Err(format!("`{name}` stands in params and in paging; remove it from params"));
        }
        if let Some(setting) = self.paging.counted() {
            self.rows.check_countable(setting)?;
        }
        if kpi.kind == Kind::Window && (self.fields.time.is_some() || !self.asks_for_span()) {
            return Err(
                "a window is one value for all of the span: ask for it with `{from}` and `{to}`, and name no time"
                    .to_owned(),
            );
        }
        let aggregates = self.fields.aggregate.is_some();
        match (kpi.kind, &query.value, &query.numerator, &query.denominator) {
            (Kind::Ratio, None, Some(_), Some(_)) if aggregates => {
                Err("the rows of a ratio are pooled; remove aggregate".to_owned())
            }
            (_, None, Some(_), Some(_)) | (_, Some(_), None, None) => Ok(()),
            (_, None, None, None) if self.fields.aggregate == Some(Aggregate::Count) => Ok(()),
            _ => Err("it must name either value or both halves of a ratio, numerator and denominator".to_owned()),
        }
    }

    /// Whether what is answered depends on the span that is asked for.
    pub(super) fn asks_for_span(&self) -> bool {
        self.path.has_slots()
            || self.params.iter().any(|(_, text)| text.has_slots())
            || self.body.as_ref().is_some_and(Body::has_slots)
    }

    /// The address and the request for a span, with the parameters of a page.
    pub(super) fn request(
        &self,
        base: &Url,
        span: &Span,
        page: Vec<(String, Value)>,
    ) -> Result<(Url, Request), SourceError> {
        let mut url = base.clone();
        let below = self.path.render(span, Escape::Percent);
        if !below.is_empty() {
            url.set_path(&format!("{}/{below}", base.path().trim_end_matches('/')));
        }
        let in_body = matches!(&self.body, Some(Body::Json(Json::Map(_))));
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let own = self.params.iter().map(|(name, text)| (name.clone(), text.render(span, Escape::Nothing)));
        let paged = page.iter().filter(|_| !in_body).map(|(name, value)| (name.clone(), plain(value)));
        let params: Vec<_> = own.chain(paged).collect();
        if !params.is_empty() {
            url.query_pairs_mut().extend_pairs(params);
        }
        let request = self.dressed(&url, span, if in_body { page } else { Vec::new() })?;
        Ok((url, request))
    }

    /// The request for an address that the server named.
    pub(super) fn follow(&self, url: &Url, span: &Span) -> Result<Request, SourceError> {
        self.dressed(url, span, Vec::new())
    }

    fn dressed(&self, url: &Url, span: &Span, page: Vec<(String, Value)>) -> Result<Request, SourceError> {
        let mut request = match self.method {
            HttpMethod::Get => Request::get(url.clone()),
            HttpMethod::Post => {
                let body = self.body.as_ref().map(|body| body.render(span, page)).unwrap_or_default();
                Request::post(url.clone(), body.into_bytes()).header("content-type", "application/json")?
            }
        };
        for (name, value) in &self.headers {
            request = request.header(name, value)?;
        }
        Ok(request)
    }
}

impl Fields {
    /// Each path with the setting that holds it.
    pub(super) fn places(&self, kpi: &Kpi) -> Vec<(String, &Trail)> {
        let named = [
            ("time", &self.time),
            ("value", &self.value),
            ("numerator", &self.numerator),
            ("denominator", &self.denominator),
            ("n", &self.n),
        ];
        let named = named.into_iter().filter_map(|(key, trail)| Some((key.to_owned(), trail.as_ref()?)));
        let labels = kpi.dimensions.iter().zip(&self.labels);
        named.chain(labels.map(|(name, trail)| (format!("labels.{name}"), trail))).collect()
    }
}

fn labels(query: &HttpQuery, kpi: &Kpi) -> Result<Vec<Trail>, String> {
    query.labels.iter().try_for_each(|(name, _)| check_dimension(kpi, name))?;
    let of = |dimension: &String| {
        let found = query.labels.iter().find(|(name, _)| name == dimension);
        let (_, text) = found.ok_or_else(|| {
            format!("dimension `{dimension}` has no path; add it to labels: {{{dimension}: $.{dimension}}}")
        })?;
        Trail::parse(&format!("labels.{dimension}"), text)
    };
    kpi.dimensions.iter().map(of).collect()
}

/// A path stays below the source's address.
fn check_path(shape: &str) -> Result<(), String> {
    // Some servers decode before they look for steps.
    let shape = shape.to_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
    if shape.contains("://") || shape.contains('\\') {
        return Err("path stands below the source's url; write only what follows it, such as orders".to_owned());
    }
    if shape.contains(['?', '#']) {
        return Err("path must be without anything after ? or #; write it as params".to_owned());
    }
    let upwards = |step: &str| matches!(step, "." | "..");
    if shape.split('/').any(upwards) {
        return Err("path must not lead upwards with . or ..; write the source's url higher".to_owned());
    }
    Ok(())
}

impl Body {
    fn read(body: &HttpBody) -> Result<Body, String> {
        let named = |cause| format!("body: {cause}");
        match body {
            HttpBody::Text(text) => Template::parse(text).map(Body::Text).map_err(named),
            HttpBody::Json(json) => Json::read(json).map(Body::Json).map_err(named),
        }
    }

    fn has_slots(&self) -> bool {
        match self {
            Body::Text(text) => text.has_slots(),
            Body::Json(json) => json.has_slots(),
        }
    }

    fn render(&self, span: &Span, page: Vec<(String, Value)>) -> String {
        match self {
            Body::Text(text) => text.render(span, Escape::Json),
            Body::Json(json) => {
                let mut json = json.render(span);
                if let Value::Object(members) = &mut json {
                    members.extend(page);
                }
                json.to_string()
            }
        }
    }
}

impl Json {
    fn read(json: &Value) -> Result<Json, String> {
        Ok(match json {
            Value::String(text) => Json::Text(Template::parse(text)?),
            Value::Array(items) => Json::List(items.iter().map(Json::read).collect::<Result<_, _>>()?),
            Value::Object(members) => {
                let members = members.iter().map(|(name, member)| Ok((name.clone(), Json::read(member)?)));
                Json::Map(members.collect::<Result<_, String>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Json::Other(json.clone()),
        })
    }

    fn has_slots(&self) -> bool {
        match self {
            Json::Text(text) => text.has_slots(),
            Json::List(items) => items.iter().any(Json::has_slots),
            Json::Map(members) => members.iter().any(|(_, member)| member.has_slots()),
            Json::Other(_) => false,
        }
    }

    fn render(&self, span: &Span) -> Value {
        match self {
            Json::Text(text) => Value::String(text.render(span, Escape::Nothing)),
            Json::List(items) => items.iter().map(|item| item.render(span)).collect(),
            Json::Map(members) => {
                Value::Object(members.iter().map(|(name, member)| (name.clone(), member.render(span))).collect())
            }
            Json::Other(value) => value.clone(),
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
