//! Pages against a server on loopback: each style, its ends, its bounds, and what would never end.

use serde_json::{Value, json};
use wiremock::matchers::{body_json, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::model::http_query::{CursorPaging, HttpBody, HttpMethod, HttpQuery, Paging};
use crate::net::ErrorClass;
use crate::source::error::SourceError;
use crate::source::http_json::fixture::{json, kpi, orders, pull, source};

fn rows(totals: &[u32]) -> Value {
    totals.iter().map(|total| json!({"at": "2026-05-01", "total": total})).collect()
}

async fn serve(server: &MockServer, asked: &[(&str, &str)], missing: &str, answer: ResponseTemplate) {
    let mut mock = Mock::given(path("/v1/orders")).and(query_param_is_missing(missing));
    for (name, value) in asked {
        mock = mock.and(query_param(*name, *value));
    }
    mock.respond_with(answer).expect(1).mount(server).await;
}

async fn count(server: &MockServer, paging: &str) -> Result<usize, SourceError> {
    let source = source(server, &format!(r#","paging":{paging}"#));
    pull(&source, kpi(orders())).await.map(|pull| pull.readings.len())
}

fn wrong(error: &SourceError, class: ErrorClass, part: &str) {
    assert_eq!(error.class, class, "{error}");
    assert!(error.message.contains(part), "{error} lacks {part}");
}

#[tokio::test]
async fn next_links_are_followed() {
    let server = MockServer::start().await;
    let whole = format!("{}/v1/orders?p=3#top", server.uri());
    for (asked, missing, answer) in [
        (&[][..], "p", json!({"items": rows(&[1, 2]), "next": "?p=2"})),
        (&[("p", "2")][..], "-", json!({"items": rows(&[3]), "next": whole})),
        (&[("p", "3")][..], "-", json!({"items": rows(&[4]), "next": null})),
    ] {
        serve(&server, asked, missing, json(&answer)).await;
    }
    assert_eq!(count(&server, r#"{"next_link":"$.next"}"#).await, Ok(4));
}

#[tokio::test]
async fn links_of_the_header_are_followed() {
    let server = MockServer::start().await;
    let first = json(&json!({"items": rows(&[1])}))
        .append_header("link", r#"</v1/orders>; rel="first""#)
        .append_header("link", r#"</v1/orders?p=2>; rel="next", </v1/orders?p=9>; rel="last""#);
    serve(&server, &[], "p", first).await;
    serve(&server, &[("p", "2")], "-", json(&json!({"items": rows(&[2])}))).await;
    assert_eq!(count(&server, r#"{"link_header":true}"#).await, Ok(2));
}

#[tokio::test]
async fn links_elsewhere_and_circles_are_refused() {
    for next in
        ["http://other.example.test/v1/orders", "https://127.0.0.1/", "//169.254.169.254/", "file:///etc/passwd"]
    {
        let server = MockServer::start().await;
        serve(&server, &[], "p", json(&json!({"items": rows(&[1]), "next": next}))).await;
        let error = count(&server, r#"{"next_link":"$.next"}"#).await.unwrap_err();
        wrong(&error, ErrorClass::Config, "is not followed, so that credentials stay here");
    }
    let server = MockServer::start().await;
    serve(&server, &[], "p", json(&json!({"items": rows(&[1]), "next": "orders"}))).await;
    let error = count(&server, r#"{"next_link":"$.next"}"#).await.unwrap_err();
    wrong(&error, ErrorClass::Unexpected, "the next link repeats after page 1");
    let server = MockServer::start().await;
    serve(&server, &[], "p", json(&json!({"items": rows(&[1]), "next": 7}))).await;
    let error = count(&server, r#"{"next_link":"$.next"}"#).await.unwrap_err();
    wrong(&error, ErrorClass::Config, "leads to a number");
}

#[tokio::test]
async fn cursors_lead_on_and_must_not_repeat() {
    let server = MockServer::start().await;
    for (asked, missing, answer) in [
        (&[][..], "after", json!({"items": rows(&[1]), "meta": {"cursor": "a+b&c"}})),
        (&[("after", "a+b&c")][..], "-", json!({"items": rows(&[2]), "meta": {"cursor": 17}})),
        (&[("after", "17")][..], "-", json!({"items": rows(&[3]), "meta": {"cursor": ""}})),
    ] {
        serve(&server, asked, missing, json(&answer)).await;
    }
    let paging = r#"{"cursor":{"from":"$.meta.cursor","param":"after"}}"#;
    assert_eq!(count(&server, paging).await, Ok(3));
    let server = MockServer::start().await;
    let again = json(&json!({"items": rows(&[1]), "meta": {"cursor": "same"}}));
    Mock::given(path("/v1/orders")).respond_with(again).expect(2).mount(&server).await;
    let error = count(&server, paging).await.unwrap_err();
    wrong(&error, ErrorClass::Unexpected, "paging.cursor repeats after page 2");
    assert!(!error.message.contains("same"), "{error}");
}

#[tokio::test]
async fn an_empty_page_points_on_and_ends_where_it_repeats() {
    let server = MockServer::start().await;
    for (asked, missing, answer) in [
        (&[][..], "p", json!({"items": [], "next": "?p=2"})),
        (&[("p", "2")][..], "-", json!({"items": rows(&[3]), "next": "?p=3"})),
        (&[("p", "3")][..], "-", json!({"items": [], "next": "?p=3"})),
    ] {
        serve(&server, asked, missing, json(&answer)).await;
    }
    assert_eq!(count(&server, r#"{"next_link":"$.next"}"#).await, Ok(1));
    let server = MockServer::start().await;
    for (asked, missing, answer) in [
        (&[][..], "after", json!({"items": [], "cursor": "a"})),
        (&[("after", "a")][..], "-", json!({"items": rows(&[1, 2]), "cursor": "b"})),
        (&[("after", "b")][..], "-", json!({"items": [], "cursor": "b"})),
    ] {
        serve(&server, asked, missing, json(&answer)).await;
    }
    assert_eq!(count(&server, r#"{"cursor":{"from":"$.cursor","param":"after"}}"#).await, Ok(2));
}

#[tokio::test]
async fn a_cursor_stands_in_a_body_that_is_a_map() {
    let server = MockServer::start().await;
    for (body, answer) in [
        (json!({"limit": 1}), json!({"items": rows(&[1]), "next": "x"})),
        (json!({"limit": 1, "after": "x"}), json!({"items": rows(&[2])})),
    ] {
        Mock::given(body_json(body)).respond_with(json(&answer)).expect(1).mount(&server).await;
    }
    let query = HttpQuery {
        method: HttpMethod::Post,
        body: Some(HttpBody::Json(json!({"limit": 1}))),
        paging: Some(Paging::Cursor(CursorPaging { from: "$.next".into(), param: "after".into() })),
        ..orders()
    };
    assert_eq!(pull(&source(&server, ""), kpi(query)).await.unwrap().readings.len(), 2);
}

#[tokio::test]
async fn offsets_end_at_a_short_page_and_numbers_at_an_empty_one() {
    let server = MockServer::start().await;
    for (skip, totals) in [("0", &[1, 2][..]), ("2", &[3, 4]), ("4", &[5])] {
        serve(&server, &[("skip", skip), ("limit", "2")], "-", json(&json!({"items": rows(totals)}))).await;
    }
    assert_eq!(count(&server, r#"{"offset":{"param":"skip","size_param":"limit","size":2}}"#).await, Ok(5));
    let server = MockServer::start().await;
    for (page, totals) in [("0", &[1, 2][..]), ("1", &[3]), ("2", &[])] {
        serve(&server, &[("page", page)], "limit", json(&json!({"items": rows(totals)}))).await;
    }
    assert_eq!(count(&server, r#"{"page":{"param":"page","first":0}}"#).await, Ok(3));
    let server = MockServer::start().await;
    serve(&server, &[("page", "1"), ("per", "2")], "-", json(&json!({"items": rows(&[1])}))).await;
    assert_eq!(count(&server, r#"{"page":{"param":"page","size_param":"per","size":2}}"#).await, Ok(1));
}

#[tokio::test]
async fn pages_are_bounded_and_a_query_may_have_none() {
    let server = MockServer::start().await;
    let full = json(&json!({"items": rows(&[1])}));
    Mock::given(path("/v1/orders")).respond_with(full).mount(&server).await;
    let endless = r#","paging":{"page":{"param":"page"}},"pages_max":3"#;
    let error = pull(&source(&server, endless), kpi(orders())).await.unwrap_err();
    wrong(&error, ErrorClass::TooLarge, "more than 3 pages");
    assert!(error.message.contains("raise pages_max"), "{error}");
    let bytes = r#","paging":{"page":{"param":"page"}},"bytes_max":100"#;
    let error = pull(&source(&server, bytes), kpi(orders())).await.unwrap_err();
    wrong(&error, ErrorClass::TooLarge, "its pages hold more than 100 bytes");
    let single = HttpQuery { paging: Some(Paging::None), ..orders() };
    assert_eq!(pull(&source(&server, endless), kpi(single)).await.unwrap().readings.len(), 1);
}
