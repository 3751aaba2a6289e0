//! The http_json source against a server on loopback: values, times, labels, faults, bounds.

use std::time::Duration;

use serde_json::json;
use wiremock::matchers::{body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::model::grain::Grain;
use crate::model::http_query::{Aggregate, HttpBody, HttpMethod, HttpQuery, Numbers};
use crate::model::kpi::{Empty, Kpi};
use crate::model::observation::{Parts, ReadingValue};
use crate::model::unit::Kind;
use crate::net::ErrorClass;
use crate::source::http_json::fixture::{build, items, json, kpi, orders, pull, pull_from, refused, source};

fn values(pull: &crate::model::observation::Pull) -> Vec<ReadingValue> {
    pull.readings.iter().map(|reading| reading.value.clone()).collect()
}

#[tokio::test]
async fn rows_become_readings() {
    let server = MockServer::start().await;
    let answer = json!({"items": [
        {"at": "2026-05-01T08:00:00+02:00", "total": 12.5, "channel": "web"},
        {"at": "2026-05-02", "total": 9_007_199_254_740_993_i64, "channel": 7},
        {"at": 1_777_672_799, "total": null, "channel": null},
        {"at": "2026-04-30T21:59:59Z", "total": 1, "channel": "outside"},
        {"at": "2026-05-02 14:30", "total": true},
    ]});
    Mock::given(method("GET"))
        .and(path("/v1/orders"))
        .and(query_param("from", "2026-05-01T00:00:00+02:00"))
        .and(query_param("until", "2026-05-03"))
        .and(header("accept", "application/json"))
        .and(header("x-team", "sales"))
        .respond_with(json(&answer))
        .expect(1)
        .mount(&server)
        .await;
    let mut query = orders();
    query.params = vec![("from".into(), "{from}".into()), ("until".into(), "{to_date}".into())];
    query.labels = vec![("channel".into(), "$.channel".into())];
    let kpi = Kpi { dimensions: vec!["channel".into()], ..kpi(query) };
    let found = pull(&source(&server, r#","headers":{"X-Team":"sales"}"#), kpi).await.unwrap();
    let expected = [12.5, 9_007_199_254_740_992.0].map(ReadingValue::Number);
    assert_eq!(values(&found)[..2], expected);
    assert_eq!(values(&found)[2..], [ReadingValue::Absent, ReadingValue::Number(1.0)]);
    let labels: Vec<String> = found.readings.iter().map(|reading| reading.labels.to_string()).collect();
    assert_eq!(labels, [r#"{channel="web"}"#, r#"{channel="7"}"#, r#"{channel=""}"#, r#"{channel=""}"#]);
    assert!(found.complete && found.warnings.is_empty());
    assert_eq!(found.readings[3].origin, "row 5");
}

#[tokio::test]
async fn numbers_in_texts_are_read_only_if_asked() {
    let answer = items(&json!([{"at": "2026-05-01", "total": "1234.50"}]));
    let found = pull_from(answer.clone(), kpi(orders()), "").await.unwrap();
    assert_eq!(values(&found), [ReadingValue::Unreadable("1234.50".into())]);
    assert!(found.warnings[0].contains("such as `1234.50`; say numbers: text"), "{:?}", found.warnings);
    let asked = HttpQuery { numbers: Numbers::Text, ..orders() };
    let found = pull_from(answer, kpi(asked.clone()), "").await.unwrap();
    assert_eq!((values(&found), found.warnings.len()), (vec![ReadingValue::Number(1234.5)], 0));
    let odd = items(&json!([{"at": "2026-05-01", "total": "soon"}, {"at": "2026-05-01", "total": {"a": 1}}]));
    let found = pull_from(odd, kpi(asked), "").await.unwrap();
    let unreadable = ["soon", "an object"].map(|raw| ReadingValue::Unreadable(raw.into()));
    assert_eq!(values(&found), unreadable);
}

#[tokio::test]
async fn ratios_and_aggregates() {
    let answer = items(&json!([
        {"at": "2026-05-01", "won": 3, "asked": 4, "total": 5},
        {"at": "2026-05-01", "won": 1, "asked": null, "total": 7},
    ]));
    let halves =
        HttpQuery { value: None, numerator: Some("$.won".into()), denominator: Some("$.asked".into()), ..orders() };
    let found = pull_from(answer.clone(), kpi(halves), "").await.unwrap();
    let parts = ReadingValue::Parts(Parts { numerator: 3.0, denominator: 4.0, n: None });
    assert_eq!(values(&found), [parts, ReadingValue::Absent]);
    for (by, expected) in [
        (Aggregate::Count, 2.0),
        (Aggregate::Sum, 12.0),
        (Aggregate::Mean, 6.0),
        (Aggregate::Min, 5.0),
        (Aggregate::Max, 7.0),
    ] {
        let query = HttpQuery { aggregate: Some(by), ..orders() };
        let found = pull_from(answer.clone(), kpi(query), "").await.unwrap();
        assert_eq!(values(&found), [ReadingValue::Number(expected)], "{by:?}");
        assert_eq!(found.readings[0].origin, "2 rows");
    }
}

#[tokio::test]
async fn an_answer_without_time_holds_for_the_newest_ended_bucket() {
    let snapshot = HttpQuery { rows: "$".into(), value: Some("$.open".into()), ..HttpQuery::default() };
    let found = pull_from(json(&json!({"open": 17})), kpi(snapshot.clone()), "").await.unwrap();
    assert_eq!(values(&found), [ReadingValue::Number(17.0)]);
    let zone = kpi(snapshot.clone()).zone;
    let bucket = found.readings[0].time.bucket(Grain::Day, &zone);
    assert_eq!(Grain::Day.date_of(bucket).to_string(), "2026-05-02");
    let many = HttpQuery { rows: "$.items[*]".into(), value: Some("$".into()), ..snapshot };
    let error = pull_from(items(&json!([1, 2])), kpi(many), "").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Config);
    assert!(error.message.contains("2 rows but no time"), "{error}");
}

#[tokio::test]
async fn an_answer_for_the_span_is_asked_for_bucket_by_bucket() {
    let server = MockServer::start().await;
    for (day, total) in [("2026-05-01", 10), ("2026-05-02", 20)] {
        Mock::given(method("POST"))
            .and(body_json(json!({"day": day})))
            .and(header("content-type", "application/json"))
            .respond_with(json(&json!({"total": total})))
            .expect(1)
            .mount(&server)
            .await;
    }
    let query = HttpQuery {
        method: HttpMethod::Post,
        body: Some(HttpBody::Text(r#"{{"day": "{from_date}"}"#.into())),
        rows: "$".into(),
        value: Some("$.total".into()),
        ..HttpQuery::default()
    };
    let found = pull(&source(&server, ""), kpi(query)).await.unwrap();
    assert_eq!(values(&found), [10.0, 20.0].map(ReadingValue::Number));
}

#[tokio::test]
async fn times_that_cannot_be_read() {
    let american = items(&json!([{"at": "05/31/2026", "total": 1}]));
    let error = pull_from(american.clone(), kpi(orders()), "").await.unwrap_err();
    assert!(error.message.contains("`05/31/2026`") && error.message.contains("say time_format"), "{error}");
    let told = HttpQuery { time_format: Some("%m/%d/%Y".into()), ..orders() };
    assert!(pull_from(american, kpi(told), "").await.unwrap().complete);
    let some = items(&json!([{"at": "2026-05-01", "total": 1}, {"total": 2}]));
    let found = pull_from(some, kpi(orders()), "").await.unwrap();
    assert!(!found.complete && found.warnings[0].contains("1 rows have no readable time"), "{:?}", found.warnings);
}

#[tokio::test]
async fn no_rows_is_told_from_a_wrong_place() {
    for empty in [items(&json!([])), items(&json!(null)), ResponseTemplate::new(204)] {
        let found = pull_from(empty, kpi(orders()), "").await.unwrap();
        assert!(found.readings.is_empty() && found.complete);
    }
    refused(
        json(&json!({"errors": ["no"], "itens": []})),
        ErrorClass::Config,
        &["query of KPI `revenue`: rows", "`$` has `errors`, `itens` (did you mean `itens`?)"],
    )
    .await;
    let several = HttpQuery { value: Some("$.*".into()), ..orders() };
    let error = pull_from(items(&json!([{"at": "2026-05-01", "a": 1}])), kpi(several), "").await.unwrap_err();
    assert!(error.message.contains("leads to 2 values in row 1"), "{error}");
}

#[tokio::test]
async fn a_path_that_no_row_has_is_told_with_what_they_have() {
    let answer = items(&json!([
        {"d": "2026-05-01", "total": 12, "sum": {"gross": 15}, "canal": "web"},
        {"d": "2026-05-09", "total": 3, "sum": {"gross": 4}, "canal": "shop"},
    ]));
    type Change = fn(&mut HttpQuery);
    let cases: [(Change, &str); 5] = [
        (
            |q| q.value = Some("$.totaal".into()),
            "query of KPI `revenue`: value: nothing stands at `$.totaal` in any of the rows (2); `$` of the first has `d`, `total`, `sum`, `canal` (did you mean `total`?): correct value",
        ),
        (
            |q| q.value = Some("$.sum.gros".into()),
            "value: nothing stands at `$.sum.gros` in any of the rows (2); `$.sum` of the first has `gross` (did you mean `gross`?)",
        ),
        (|q| q.labels[0].1 = "$.chanel".into(), "labels.canal: nothing stands at `$.chanel`"),
        (|q| q.time = Some("$.date".into()), "time: nothing stands at `$.date` in any of the rows (2)"),
        (
            |q| (q.value, q.numerator, q.denominator) = (None, Some("$.total".into()), Some("$.nr".into())),
            "denominator: nothing stands at `$.nr`",
        ),
    ];
    for (change, part) in cases {
        let labels = vec![("canal".into(), "$.canal".into())];
        let mut query = HttpQuery { time: Some("$.d".into()), labels, ..orders() };
        change(&mut query);
        let kpi = Kpi { dimensions: vec!["canal".into()], empty: Empty::Zero, ..kpi(query) };
        let error = pull_from(answer.clone(), kpi, "").await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Config, "{error}");
        assert!(error.message.contains(part), "{error} lacks {part}");
    }
    // A row without it is absent as long as another has it, be it one of another time.
    let some = items(&json!([{"at": "2026-05-01"}, {"at": "2026-05-09", "total": 3}]));
    assert_eq!(values(&pull_from(some, kpi(orders()), "").await.unwrap()), [ReadingValue::Absent]);
    // What a filter selects may be missing from all; that makes no zeros.
    let by_id = HttpQuery { value: Some("$.fields[?@.id==7].value".into()), ..orders() };
    let none = items(&json!([{"at": "2026-05-01", "fields": [{"id": 1, "value": 3}]}]));
    let found = pull_from(none, kpi(by_id), "").await.unwrap();
    assert!(!found.complete && found.warnings[0].contains("selects nothing"), "{:?}", found.warnings);
}

#[tokio::test]
async fn what_a_server_sends_back_is_blanked() {
    let echo =
        json(&json!({"items": [{"at": "2026-05-01", "total": "s3cret-token"}, {"at": "s3cret-token", "total": 1}]}));
    let pull = pull_from(echo, kpi(orders()), r#","auth":{"bearer":{"env":"TOKEN"}}"#).await.unwrap();
    let shown = format!("{pull:?}");
    assert!(shown.contains("***") && !shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn errors_have_classes_and_remedies() {
    let text = |status: u16, text: &str| ResponseTemplate::new(status).set_body_string(text);
    let html = ResponseTemplate::new(200)
        .set_body_raw("<html><title>Log in</title> as s3cret-token</html>", "text/html; charset=utf-8");
    refused(html, ErrorClass::Unexpected, &["text/html instead of JSON (Log in as ***)", "check url, path and auth"])
        .await;
    let broken = ResponseTemplate::new(200).set_body_raw(r#"{"items": ["#, "application/json");
    refused(broken, ErrorClass::Unexpected, &["JSON that can't be read", "line 1"]).await;
    let twice = ResponseTemplate::new(200).set_body_raw(r#"{"items": [{"total": 1, "total": 2}]}"#, "application/json");
    refused(twice, ErrorClass::Unexpected, &["the key `total` stands twice"]).await;
    refused(ResponseTemplate::new(200), ErrorClass::Unexpected, &["nothing instead of JSON"]).await;
    let encoded = ResponseTemplate::new(200).set_body_raw("(\u{b5}/", "application/json");
    let encoded = encoded.insert_header("content-encoding", "zstd");
    refused(encoded, ErrorClass::Unexpected, &["the encoding zstd, which was not asked for"]).await;
    let deep = ResponseTemplate::new(200).set_body_raw("[".repeat(100_000), "application/json");
    refused(deep, ErrorClass::Unexpected, &["JSON that can't be read"]).await;
    refused(text(401, "bad key s3cret-token"), ErrorClass::Auth, &["(bad key ***)", "check the credentials"]).await;
    refused(text(403, ""), ErrorClass::Auth, &["may not do this"]).await;
    refused(text(404, ""), ErrorClass::Config, &["check its path"]).await;
    refused(text(500, ""), ErrorClass::Transient, &["tried again"]).await;
    let throttled = |status| text(status, "").insert_header("retry-after", "120");
    let class = ErrorClass::Throttled { after: Some(Duration::from_secs(120)) };
    refused(throttled(429), class, &["asks to wait 120s"]).await;
    refused(throttled(503), class, &["come back later"]).await;
    let away = ResponseTemplate::new(302).insert_header("location", "http://other.example.test/?k=s3cret-token");
    refused(away, ErrorClass::Config, &["redirects to http://other.example.test"]).await;
}

#[tokio::test]
async fn rows_and_bytes_are_bounded() {
    let answer = items(&json!([{"at": "2026-05-01", "total": 1}, {"at": "2026-05-01", "total": 2}]));
    for (bound, part) in [(r#","rows_max":1"#, "more than 1 rows"), (r#","bytes_max":20"#, "larger than 20 bytes")] {
        let error = pull_from(answer.clone(), kpi(orders()), bound).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::TooLarge);
        assert!(error.message.contains(part) && error.message.contains("raise"), "{error}");
    }
}

#[tokio::test]
async fn a_passing_failure_is_tried_again() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(502)).up_to_n_times(1).mount(&server).await;
    Mock::given(method("GET")).respond_with(items(&json!([]))).expect(1).mount(&server).await;
    pull(&source(&server, ""), kpi(orders())).await.unwrap();
}

#[tokio::test]
async fn names_are_looked_up_and_accept_may_be_set() {
    let server = MockServer::start().await;
    let vendor = header("accept", "application/vnd.api+json");
    let answer = ResponseTemplate::new(200).set_body_raw(r#"{"items": []}"#, "application/vnd.api+json");
    Mock::given(path("/v1/orders")).and(vendor).respond_with(answer).expect(1).mount(&server).await;
    let url = format!("http://localhost:{}/v1", server.address().port());
    let named = build(&format!(r#""url":"{url}","headers":{{"Accept":"application/vnd.api+json"}}"#)).unwrap();
    pull(&named, kpi(orders())).await.unwrap();
}

#[tokio::test]
async fn probing_tells_status_and_content() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_raw("{}", "application/json");
    Mock::given(path("/v1/")).respond_with(answer).mount(&server).await;
    let told = source(&server, "").probe().await.unwrap();
    assert_eq!(told, format!("http_json at {}: 200, application/json", server.uri()));
    server.reset().await;
    let told = source(&server, "").probe().await.unwrap();
    assert!(told.contains(": 404, "), "{told}");
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(401)).mount(&server).await;
    assert_eq!(source(&server, "").probe().await.unwrap_err().class, ErrorClass::Auth);
}

#[test]
fn settings_are_judged_when_built() {
    for (json, part) in [
        (r#""url":"api.example.com""#, "url must be an address"),
        (r#""url":"https://h/?key=hunter2""#, "without anything after ?"),
        (r#""url":"https://me:hunter2@h/""#, "write them under auth"),
        (r#""url":"http://169.254.169.254/latest""#, "allow_link_local: true"),
        (r#""url":"http://[fe80::1]/""#, "link-local or metadata"),
        (r#""url":"http://0.0.0.0:80/""#, "allow_link_local: true"),
        (r#""url":"https://h","auth":{"bearer":"hunter2"}"#, "{env: NAME}"),
        (r#""url":"https://h","user":"x""#, "unknown field `user`"),
        (r#""url":"https://h","paging":{"next_link":"next"}"#, "is no JSONPath"),
        (r#""url":"https://h","paging":{"offset":{"param":"o","size":0}}"#, "size is 0"),
        (
            r#""url":"https://h","auth":{"oauth2":{"token_url":"http://[fd00:ec2::254]/t","client_id":"a","client_secret":{"env":"S"}}}"#,
            "auth.oauth2.token_url: [fd00:ec2::254]",
        ),
    ] {
        let error = build(json).unwrap_err();
        assert!(error.contains(part) && !error.contains("hunter2"), "{error} lacks {part}");
    }
    let allowed = build(r#""url":"http://169.254.1.1/x","allow_link_local":true"#).unwrap();
    assert_eq!(allowed.object(), "http_json http://169.254.1.1");
    assert!(!format!("{:?}", build(r#""url":"https://h/hunter2""#).unwrap()).contains("hunter2"));
}

#[tokio::test]
async fn a_window_is_asked_for_at_once() {
    let server = MockServer::start().await;
    Mock::given(query_param("from", "2026-05-01"))
        .and(query_param("to", "2026-06-01"))
        .respond_with(json(&json!({"unique": 41})))
        .expect(1)
        .mount(&server)
        .await;
    let params = vec![("from".to_owned(), "{from_date}".to_owned()), ("to".to_owned(), "{to_date}".to_owned())];
    let query = HttpQuery { params, rows: "$".into(), value: Some("$.unique".into()), ..HttpQuery::default() };
    let window = Kpi { kind: Kind::Window, ..kpi(query.clone()) };
    let bucket = window.grain.index_of_date(jiff::civil::date(2026, 5, 31));
    let request = crate::source::PullRequest {
        window: Some(bucket),
        ..crate::source::fixture::request(window, "2026-05-01", "2026-05-31")
    };
    let found = source(&server, "").pull(&request).await.unwrap();
    assert_eq!(values(&found), [ReadingValue::Number(41.0)]);
    assert_eq!(found.readings[0].time.bucket(Grain::Day, &request.kpi.zone), bucket);
    for wrong in [HttpQuery { time: Some("$.day".into()), ..query.clone() }, HttpQuery { params: Vec::new(), ..query }]
    {
        let error = source(&server, "").check_query(&Kpi { kind: Kind::Window, ..kpi(wrong) }).unwrap_err();
        assert!(error.contains("a window is one value for all of the span"), "{error}");
    }
}
