//! The prometheus source against a server on loopback: values, faults, limits.

use std::path::Path;
use std::time::Duration;

use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::model::grain::Grain;
use crate::model::kpi::{Kpi, Query};
use crate::model::observation::{Pull, ReadingTime, ReadingValue};
use crate::model::unit::Kind;
use crate::net::ErrorClass;
use crate::source::error::SourceError;
use crate::source::fixture::{self, instant};
use crate::source::{BuildContext, PullRequest, Source, SourceConfig};

fn kpi() -> Kpi {
    fixture::kpi(Query::Text("increase(orders_total[1d])".into()))
}

fn source(server: &MockServer, more: &str) -> Source {
    let json = format!(r#"{{"prometheus":{{"url":"{}/prefix"{more}}}}}"#, server.uri());
    let config: SourceConfig = serde_json::from_str(&json).unwrap();
    let resolve = |_: &_| Ok(crate::secret::Secret::new("s3cret".into()));
    config.build(&BuildContext { base_dir: Path::new("."), resolve: &resolve }).unwrap()
}

async fn server(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    server
}

fn json(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.to_owned(), "application/json")
}

/// Asks for the first two days of May 2026 in Paris; they end at 22:00 UTC.
async fn pull_from(answer: ResponseTemplate, kpi: Kpi, more: &str) -> Result<Pull, SourceError> {
    let server = server(answer).await;
    let mut request = fixture::request(kpi, "2026-05-01", "2026-05-02");
    // Failures that pass are tried again until then; a busy machine needs the time for one whole exchange.
    request.deadline = Duration::from_millis(1500);
    source(&server, more).pull(&request).await
}

fn matrix(series: &str) -> ResponseTemplate {
    json(&format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#))
}

const FIRST_END: i64 = 1_777_672_800;
const SECOND_END: i64 = FIRST_END + 86_400;

async fn refused(answer: ResponseTemplate, class: ErrorClass, parts: &[&str]) {
    let error = pull_from(answer, kpi(), r#","auth":{"bearer":{"env":"T"}}"#).await.unwrap_err();
    assert_eq!(error.class, class, "{error}");
    for part in parts {
        assert!(error.message.contains(part), "{error} lacks {part}");
    }
    assert!(!error.message.contains("s3cret") && !error.message.contains("/prefix"), "{error}");
}

#[tokio::test]
async fn values_must_be_numbers() {
    for value in ["twelve", "1e400", ""] {
        let series = format!(r#"{{"metric":{{}},"values":[[{FIRST_END},"{value}"]]}}"#);
        let told = format!("a value that is no number, `{value}`");
        refused(matrix(&series), ErrorClass::Unexpected, &[&told]).await;
    }
    let series = format!(r#"{{"metric":{{}},"values":[[{FIRST_END},"+Inf"],[{SECOND_END},"-Inf"]]}}"#);
    assert_eq!(pull_from(matrix(&series), kpi(), "").await.unwrap().readings.len(), 2);
}

#[tokio::test]
async fn a_span_is_one_range_query_at_bucket_ends() {
    let server = MockServer::start().await;
    let values = format!(r#"[[{FIRST_END},"12.5"],[{SECOND_END},"NaN"]]"#);
    let body = format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{"__name__":"x","job":"a"}},"values":{values}}}]}}}}"#
    );
    Mock::given(method("POST"))
        .and(path("/prefix/api/v1/query_range"))
        .and(header("authorization", "Basic bWU6czNjcmV0"))
        .and(header("x-scope-orgid", "team"))
        .and(body_string_contains("query=increase%28orders_total%5B1d%5D%29"))
        .and(body_string_contains("start=1777672800.000&end=1777759200.000&step=86400.000"))
        .respond_with(json(&body))
        .expect(1)
        .mount(&server)
        .await;
    let more = r#","auth":{"basic":{"user":"me","password":{"env":"P"}}},"headers":{"X-Scope-OrgID":"team"}"#;
    let found = source(&server, more).pull(&fixture::request(kpi(), "2026-05-01", "2026-05-02")).await.unwrap();
    let values: Vec<_> = found.readings.iter().map(|reading| (reading.time, reading.value.clone())).collect();
    let start = |text: &str| ReadingTime::Instant(instant(text));
    let expected = [
        (start("2026-04-30T22:00:00Z"), ReadingValue::Number(12.5)),
        (start("2026-05-01T22:00:00Z"), ReadingValue::Absent),
    ];
    assert_eq!(values, expected);
    assert!(found.complete && found.readings[0].labels.is_total());
}

#[tokio::test]
async fn one_bucket_is_an_instant_query() {
    let server = MockServer::start().await;
    for (kind, result) in [
        ("vector", format!(r#"[{{"metric":{{}},"value":[{FIRST_END}.000,"+Inf"]}}]"#)),
        ("scalar", format!(r#"[{FIRST_END},"4e2"]"#)),
    ] {
        Mock::given(path("/prefix/api/v1/query"))
            .and(body_string_contains("time=1777672800.000"))
            .respond_with(json(&format!(
                r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#
            )))
            .expect(1)
            .mount(&server)
            .await;
        let found = source(&server, "").pull(&fixture::request(kpi(), "2026-05-01", "2026-05-01")).await.unwrap();
        let expected = if kind == "vector" { ReadingValue::Absent } else { ReadingValue::Number(400.0) };
        assert_eq!(found.readings[0].value, expected);
        server.verify().await;
        server.reset().await;
    }
}

#[tokio::test]
async fn labels_become_dimensions() {
    let mut by_channel = kpi();
    by_channel.dimensions = vec!["channel".into()];
    let series = |metric: &str| format!(r#"{{"metric":{metric},"values":[[{FIRST_END},"1"]]}}"#);
    let two = matrix(&format!("{},{}", series(r#"{"__name__":"x","channel":"web"}"#), series("{}")));
    let found = pull_from(two.clone(), by_channel.clone(), "").await.unwrap();
    let labels: Vec<String> = found.readings.iter().map(|reading| reading.labels.to_string()).collect();
    assert_eq!(labels, [r#"{channel="web"}"#, r#"{channel=""}"#]);
    let error = pull_from(two.clone(), kpi(), "").await.unwrap_err();
    assert!(error.message.contains("2 series, but the KPI has no dimensions; wrap it in sum(...)"), "{error}");
    let error = pull_from(matrix(&series(r#"{"instance":"a"}"#)), by_channel.clone(), "").await.unwrap_err();
    assert!(
        error.message.contains("`instance` is no dimension") && error.message.contains("sum by (channel)"),
        "{error}"
    );
    let error = pull_from(two, by_channel, r#","series_max":1"#).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::TooLarge);
    assert!(error.message.contains("2 series, more than 1") && error.message.contains("raise series_max"), "{error}");
}

#[tokio::test]
async fn empty_histograms_and_warnings() {
    let found = pull_from(matrix(""), kpi(), "").await.unwrap();
    assert!(found.readings.is_empty() && found.complete);
    let histogram = matrix(&format!(r#"{{"metric":{{}},"histograms":[[{FIRST_END},{{"count":"1","sum":"2"}}]]}}"#));
    let found = pull_from(histogram, kpi(), "").await.unwrap();
    assert!(matches!(&found.readings[0].value, ReadingValue::Unreadable(text) if text.contains("histogram")));
    let partial =
        r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["store down"],"infos":["hint"]}"#;
    let found = pull_from(json(partial), kpi(), "").await.unwrap();
    assert_eq!((found.complete, found.warnings), (false, vec!["store down".to_owned(), "hint".to_owned()]));
    let hinted = r#"{"status":"success","data":{"resultType":"matrix","result":[]},"infos":["hint"]}"#;
    assert!(pull_from(json(hinted), kpi(), "").await.unwrap().complete);
}

#[tokio::test]
async fn errors_have_classes_and_remedies() {
    let error = |status: u16, kind: &str| {
        let body = format!(r#"{{"status":"error","errorType":"{kind}","error":"parse error at char 3"}}"#);
        ResponseTemplate::new(status).set_body_raw(body, "application/json")
    };
    refused(error(400, "bad_data"), ErrorClass::Config, &["KPI `revenue`", "parse error at char 3", "correct it"])
        .await;
    refused(error(422, "execution"), ErrorClass::Config, &["refused by http://127.0.0.1:"]).await;
    refused(error(503, "timeout"), ErrorClass::Transient, &["too slow"]).await;
    refused(error(500, "internal"), ErrorClass::Transient, &["failed: parse error"]).await;
    let text = |status: u16, text: &str| ResponseTemplate::new(status).set_body_string(text);
    refused(text(503, "Service Unavailable"), ErrorClass::Transient, &["answered 503 (Service Unavailable)"]).await;
    refused(text(502, "<html><h1>Bad Gateway</h1></html>"), ErrorClass::Transient, &["(Bad Gateway)"]).await;
    refused(text(401, "Unauthorized"), ErrorClass::Auth, &["check the credentials"]).await;
    refused(text(404, "404 page not found"), ErrorClass::Config, &["check its path"]).await;
    refused(text(200, "<html>Log in</html>"), ErrorClass::Unexpected, &["(Log in)", "check url"]).await;
    let absurd = text(429, "slow down").insert_header("retry-after", "99999999");
    refused(absurd, ErrorClass::Throttled { after: Some(Duration::from_secs(3600)) }, &["asks to wait 3600s"]).await;
    let deep = format!(r#"{{"status":"success","data":{}"#, "[".repeat(100_000));
    refused(json(&deep), ErrorClass::Unexpected, &["something else than Prometheus"]).await;
    let string = r#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#;
    refused(json(string), ErrorClass::Config, &["gives a string"]).await;
}

#[tokio::test]
async fn slowness_and_size_are_bounded() {
    let slow = matrix("").set_delay(Duration::from_secs(30));
    refused(slow, ErrorClass::Deadline, &["http://127.0.0.1:"]).await;
    let error = pull_from(json(&" ".repeat(5000)), kpi(), r#","bytes_max":1000"#).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::TooLarge, "{error}");
    let away = ResponseTemplate::new(307).insert_header("location", "http://other.example.test/x?key=s3cret");
    refused(away, ErrorClass::Config, &["redirects to http://other.example.test"]).await;
}

#[tokio::test]
async fn a_passing_failure_is_tried_again() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).up_to_n_times(1).mount(&server).await;
    Mock::given(method("POST")).respond_with(matrix("")).expect(1).mount(&server).await;
    source(&server, "").pull(&fixture::request(kpi(), "2026-05-01", "2026-05-02")).await.unwrap();
}

#[tokio::test]
async fn long_spans_are_chunks_and_months_have_a_bound() {
    let server = server(matrix("")).await;
    let mut minutes = kpi();
    minutes.grain = Grain::Seconds(60);
    // 31 days of minutes: 44,640 points.
    source(&server, "").pull(&fixture::request(minutes, "2026-05-01", "2026-05-31")).await.unwrap();
    assert!((4..=5).contains(&server.received_requests().await.unwrap().len()));
    server.reset().await;
    Mock::given(method("POST")).respond_with(matrix("")).mount(&server).await;
    let mut months = kpi();
    months.grain = Grain::Month;
    let mut request = fixture::request(months, "1900-01-01", "2025-12-31");
    request.deadline = Duration::from_secs(60);
    let found = source(&server, "").pull(&request).await.unwrap();
    assert!(!found.complete && found.warnings[0].contains("more than 400"), "{:?}", found.warnings);
}

#[tokio::test]
async fn probing_tells_the_version() {
    let server = server(json(r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#)).await;
    let info = json(r#"{"status":"success","data":{"version":"3.14.0"}}"#);
    Mock::given(path("/prefix/api/v1/status/buildinfo")).respond_with(info).mount(&server).await;
    let told = source(&server, "").probe().await.unwrap();
    assert_eq!(told, format!("prometheus 3.14.0 at {}", server.uri()));
}

#[tokio::test]
async fn https_is_trusted_once_its_authority_is_named() {
    use crate::net::fixture::{Authority, HttpsServer};

    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("Vigie test authority"));
    authority.write(&folder.path().join("ca.pem"));
    let answer =
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1777672800,"7"]]}]}}"#;
    let shown = authority.issue(&["localhost"]);
    let server = HttpsServer::start(shown.acceptor_for(&authority), answer).await;
    let mine = authority.issue(&["vigie.example.test"]);
    std::fs::write(folder.path().join("vigie.pem"), mine.cert).unwrap();
    let source = |tls: &str| {
        let json = format!(r#"{{"prometheus":{{"url":"https://localhost:{}"{tls}}}}}"#, server.port);
        let config: SourceConfig = serde_json::from_str(&json).unwrap();
        let resolve = |_: &_| Ok(crate::secret::Secret::new(mine.key.clone()));
        config.build(&BuildContext { base_dir: folder.path(), resolve: &resolve }).unwrap()
    };
    let request = fixture::request(kpi(), "2026-05-01", "2026-05-01");
    let trusting = source(r#","tls":{"ca":"ca.pem","cert":"vigie.pem","key":{"file":"vigie.key"}}"#);
    let pull = trusting.pull(&request).await.unwrap();
    assert_eq!(pull.readings[0].value, ReadingValue::Number(7.0));
    let place = format!("https://localhost:{}", server.port);
    for (tls, parts) in [("", ["not trusted", "tls.ca"]), (r#","tls":{"ca":"ca.pem"}"#, ["wants a client", "tls.cert"])]
    {
        let error = source(tls).pull(&request).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Config);
        assert!(parts.iter().all(|part| error.message.contains(part)) && error.message.contains(&place), "{error}");
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn equal_questions_are_asked_once() {
    let server = MockServer::start().await;
    let answer = matrix(&format!(r#"{{"metric":{{}},"values":[[{FIRST_END},"1"],[{SECOND_END},"2"]]}}"#));
    Mock::given(method("POST")).respond_with(answer).expect(2).mount(&server).await;
    let source = source(&server, "");
    let first = fixture::request(kpi(), "2026-05-01", "2026-05-02");
    // Title and limits are not the server's business; the span is.
    let twin = Kpi { id: "other".into(), title: "Other".into(), ..kpi() };
    let later = fixture::request(kpi(), "2026-05-02", "2026-05-02");
    let twin = PullRequest { kpi: std::sync::Arc::new(twin), ..first.clone() };
    let later = PullRequest { shared: first.shared.clone(), ..later };
    for request in [&first, &twin, &later] {
        first.shared.expect(source.asks(&request.kpi), 1);
    }
    assert_eq!(source.pull(&first).await.unwrap().readings, source.pull(&twin).await.unwrap().readings);
    source.pull(&later).await.unwrap();
    server.verify().await;
}

#[tokio::test]
async fn a_window_is_asked_for_by_its_length() {
    let server = MockServer::start().await;
    // 31 days of May in Paris.
    let answer = format!(r#"{{"metric":{{}},"value":[{},"0.25"]}}"#, 1_780_264_800);
    Mock::given(method("POST"))
        .and(path("/prefix/api/v1/query"))
        .and(body_string_contains("latency%5B2678400000ms%5D"))
        .and(body_string_contains("time=1780264800.000"))
        .respond_with(json(&format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{answer}]}}}}"#)))
        .expect(1)
        .mount(&server)
        .await;
    let query = Query::Text("quantile_over_time(0.9, latency[$window])".into());
    let kpi = Kpi { kind: Kind::Window, ..fixture::kpi(query) };
    let bucket = kpi.grain.index_of_date(jiff::civil::date(2026, 5, 31));
    let request = PullRequest { window: Some(bucket), ..fixture::request(kpi, "2026-05-01", "2026-05-31") };
    let found = source(&server, "").pull(&request).await.unwrap();
    assert_eq!(found.readings.len(), 1);
    assert_eq!(found.readings[0].value, ReadingValue::Number(0.25));
    assert_eq!(found.readings[0].time, ReadingTime::Instant(instant("2026-05-30T22:00:00Z")));
    let without = Kpi { kind: Kind::Window, ..fixture::kpi(Query::Text("up".into())) };
    let error = source(&server, "").check_query(&without).unwrap_err();
    assert!(error.contains("latency[$window]"), "{error}");
}
