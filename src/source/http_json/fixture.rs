//! Servers, sources and queries for the tests of this folder.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::model::http_query::HttpQuery;
use crate::model::kpi::{Kpi, Query};
use crate::model::observation::Pull;
use crate::net::ErrorClass;
use crate::secret::{Secret, SecretRef};
use crate::source::error::SourceError;
use crate::source::{BuildContext, Source, SourceConfig};

/// A row has `at` and `total`.
pub(super) fn orders() -> HttpQuery {
    HttpQuery {
        path: "orders".into(),
        rows: "$.items[*]".into(),
        value: Some("$.total".into()),
        time: Some("$.at".into()),
        ..HttpQuery::default()
    }
}

pub(super) fn kpi(query: HttpQuery) -> Kpi {
    crate::source::fixture::kpi(Query::Http(Box::new(query)))
}

/// A source of these settings; the secret of a variable is `s3cret-` and its name in small letters.
pub(super) fn build(settings: &str) -> Result<Source, String> {
    let config: SourceConfig =
        serde_json::from_str(&format!(r#"{{"http_json":{{{settings}}}}}"#)).map_err(|error| error.to_string())?;
    let resolve = |reference: &SecretRef| match reference {
        SecretRef::Env(name) => Ok(Secret::new(format!("s3cret-{}", name.to_lowercase()))),
        other => Err(format!("{other} is not set")),
    };
    config.build(&BuildContext { base_dir: Path::new("."), resolve: &resolve })
}

pub(super) fn source(server: &MockServer, more: &str) -> Source {
    build(&format!(r#""url":"{}/v1/"{more}"#, server.uri())).unwrap()
}

pub(super) fn json(answer: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(answer.to_string(), "application/json; charset=utf-8")
}

pub(super) fn items(rows: &Value) -> ResponseTemplate {
    json(&json!({ "items": rows }))
}

/// Asks for the first two days of May 2026 in Paris.
pub(super) async fn pull(source: &Source, kpi: Kpi) -> Result<Pull, SourceError> {
    let mut request = crate::source::fixture::request(kpi, "2026-05-01", "2026-05-02");
    // Failures that pass are tried again until then; a busy machine needs the time for one whole exchange.
    request.deadline = Duration::from_secs(3);
    source.pull(&request).await
}

pub(super) async fn pull_from(answer: ResponseTemplate, kpi: Kpi, more: &str) -> Result<Pull, SourceError> {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(answer).mount(&server).await;
    pull(&source(&server, more), kpi).await
}

pub(super) async fn refused(answer: ResponseTemplate, class: ErrorClass, parts: &[&str]) {
    let error = pull_from(answer, kpi(orders()), r#","auth":{"bearer":{"env":"TOKEN"}}"#).await.unwrap_err();
    assert_eq!(error.class, class, "{error}");
    for part in parts {
        assert!(error.message.contains(part), "{error} lacks {part}");
    }
    assert!(!error.message.contains("s3cret") && !error.message.contains("/v1"), "{error}");
}
