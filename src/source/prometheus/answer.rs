//! What the query API answers: its envelope, its values, and its many ways to fail.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::net::{ErrorClass, Response, excerpt};
use crate::source::error::SourceError;
use crate::source::rows::cut;

/// One answer, read.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) series: Vec<Series>,
    /// Data is missing, says the server.
    pub(super) warnings: Vec<String>,
    /// Hints on the query that cost no data.
    pub(super) infos: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Series {
    /// Without `__name__`.
    pub(super) labels: BTreeMap<String, String>,
    /// Milliseconds and value; none for a histogram, which is no number.
    pub(super) points: Vec<(i64, Option<f64>)>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    status: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(rename = "errorType")]
    error_type: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    result_type: String,
    #[serde(borrow)]
    result: &'a serde_json::value::RawValue,
}

type Point<'a> = (f64, Cow<'a, str>);

#[derive(Deserialize)]
struct RawSeries<'a> {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(borrow)]
    value: Option<Point<'a>>,
    #[serde(borrow, default)]
    values: Vec<Point<'a>>,
    histogram: Option<(f64, serde::de::IgnoredAny)>,
    #[serde(default)]
    histograms: Vec<(f64, serde::de::IgnoredAny)>,
}

/// Reads an answer whatever its status; `query_of` names the query in messages, `hide` takes secrets out of what is quoted.
pub(super) fn read(response: &Response, query_of: &str, hide: impl Fn(&str) -> String) -> Result<Answer, SourceError> {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(&response.body) else {
        // Not ready, stopping, or something in between speaks: the text is not ours to decode.
        return Err(match response.error() {
            Some(error) => error.into(),
            None => SourceError::new(
                ErrorClass::Unexpected,
                format!(
                    "{} answered {} with something else than Prometheus does ({}); check url and its path",
                    response.origin,
                    response.status,
                    excerpt(hide(&response.text()).as_bytes())
                ),
            ),
        });
    };
    if envelope.status != "success" {
        let said = hide(envelope.error.as_deref().unwrap_or("without a reason"));
        return Err(failure(response, &envelope, query_of, &excerpt(said.as_bytes())));
    }
    let unexpected = |what: &str| {
        let message = format!("{query_of}: {} answered {what}; check that url leads to Prometheus", response.origin);
        SourceError::new(ErrorClass::Unexpected, message)
    };
    let data = envelope.data.ok_or_else(|| unexpected("without data"))?;
    let series = match data.result_type.as_str() {
        "vector" | "matrix" => {
            let raw: Vec<RawSeries<'_>> =
                serde_json::from_str(data.result.get()).map_err(|_| unexpected("series that can't be read"))?;
            if data.result_type == "matrix" && raw.iter().any(|series| series.value.is_some()) {
                return Err(unexpected("a matrix of single values"));
            }
            let mut points = raw.iter().flat_map(|series| series.value.iter().chain(&series.values));
            if let Some((_, text)) = points.find(|(_, text)| !is_number(text)) {
                return Err(unexpected(&format!("a value that is no number, `{}`", cut(&hide(text)))));
            }
            raw.into_iter().map(Series::from).collect()
        }
        "scalar" => {
            let point: Point<'_> =
                serde_json::from_str(data.result.get()).map_err(|_| unexpected("a scalar that can't be read"))?;
            vec![Series { labels: BTreeMap::new(), points: vec![numbered(&point)] }]
        }
        other => {
            let message = format!("{query_of}: it gives a {other}, which is no number; write a query that gives one");
            return Err(SourceError::config(message));
        }
    };
    Ok(Answer { series, warnings: envelope.warnings, infos: envelope.infos })
}

impl From<RawSeries<'_>> for Series {
    fn from(raw: RawSeries<'_>) -> Self {
        let mut labels = raw.metric;
        labels.remove("__name__");
        let histograms = raw.histogram.iter().chain(&raw.histograms).map(|(at, _)| (milliseconds(*at), None));
        let points = raw.value.iter().chain(&raw.values).map(numbered).chain(histograms).collect();
        Series { labels, points }
    }
}

/// As Prometheus writes them: only `+Inf` and `-Inf` are infinite.
fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|number| !number.is_infinite() || text.ends_with("Inf"))
}

fn numbered((at, text): &Point<'_>) -> (i64, Option<f64>) {
    // NaN stands for what is no number here too; the caller takes it as nothing said.
    (milliseconds(*at), Some(text.parse().unwrap_or(f64::NAN)))
}

fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// Classifies an error that the API itself reports.
fn failure(response: &Response, envelope: &Envelope<'_>, query_of: &str, said: &str) -> SourceError {
    let kind = envelope.error_type.as_deref().unwrap_or_default();
    let origin = &response.origin;
    let (class, message) = match (response.status, kind) {
        (401 | 403 | 404 | 407 | 429, _) => return response.error().map_or_else(|| unclear(origin), SourceError::from),
        (_, "bad_data" | "execution") | (400 | 422, _) => {
            (ErrorClass::Config, format!("{query_of} is refused by {origin}: {said}; correct it"))
        }
        (_, "timeout") | (503, _) => {
            let after = response.retry_after();
            let class = after.map_or(ErrorClass::Transient, |after| ErrorClass::Throttled { after: Some(after) });
            (
                class,
                format!("{query_of}: {origin} was too busy or too slow: {said}; it is tried again, make it lighter"),
            )
        }
        _ => (ErrorClass::Transient, format!("{query_of}: {origin} failed: {said}; it is tried again")),
    };
    SourceError::new(class, message)
}

fn unclear(origin: &str) -> SourceError {
    SourceError::new(ErrorClass::Unexpected, format!("{origin} answered unclearly; check url"))
}
