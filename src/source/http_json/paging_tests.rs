//! Pages against a server on loopback: each style, its ends, its bounds, and what would never end.

use serde_json::{Value, json};
use wiremock::matchers::{body_json, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::model::http_query::{CursorPaging, HttpBody, HttpMethod, HttpQuery, Paging};
use crate::net::ErrorClass;
use crate::source::error::SourceError;
use crate::source::http_json::fixture::{items, json, kpi, orders, pull, source};

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
async fn offsets_and_numbers_end_at_an_empty_page() {
    let server = MockServer::start().await;
    for (skip, totals) in [("0", &[1, 2][..]), ("2", &[3, 4]), ("4", &[5]), ("5", &[])] {
        serve(&server, &[("skip", skip), ("limit", "2")], "-", json(&json!({"items": rows(totals)}))).await;
    }
    assert_eq!(count(&server, OFFSET).await, Ok(5));
    let server = MockServer::start().await;
    for (page, totals) in [("0", &[1, 2][..]), ("1", &[3]), ("2", &[])] {
        serve(&server, &[("page", page)], "limit", json(&json!({"items": rows(totals)}))).await;
    }
    assert_eq!(count(&server, r#"{"page":{"param":"page","first":0}}"#).await, Ok(3));
    let server = MockServer::start().await;
    serve(&server, &[("page", "1"), ("per", "2")], "-", json(&json!({"items": rows(&[1])}))).await;
    serve(&server, &[("page", "2"), ("per", "2")], "-", ResponseTemplate::new(204)).await;
    assert_eq!(count(&server, PAGE).await, Ok(1));
}

const OFFSET: &str = r#"{"offset":{"param":"skip","size_param":"limit","size":2}}"#;
const PAGE: &str = r#"{"page":{"param":"page","size_param":"per","size":2}}"#;

#[tokio::test]
async fn a_server_that_gives_fewer_than_asked_for_is_asked_on() {
    let (server, paging) = (MockServer::start().await, OFFSET.replace('2', "5"));
    for (skip, totals) in [("0", &[1, 2][..]), ("2", &[3, 4]), ("4", &[5, 6]), ("6", &[])] {
        serve(&server, &[("skip", skip), ("limit", "5")], "-", json(&json!({"items": rows(totals)}))).await;
    }
    assert_eq!(count(&server, &paging).await, Ok(6));
    let (server, paging) = (MockServer::start().await, PAGE.replace('2', "5"));
    for (page, totals) in [("1", &[1, 2][..]), ("2", &[3, 4]), ("3", &[5]), ("4", &[])] {
        serve(&server, &[("page", page), ("per", "5")], "-", json(&json!({"items": rows(totals)}))).await;
    }
    assert_eq!(count(&server, &paging).await, Ok(5));
}

#[tokio::test]
async fn what_is_left_out_of_a_page_or_within_its_elements_is_counted_as_servers_do() {
    let paid = |total: u32, status: &str| json!({"at": "2026-05-01", "total": total, "status": status});
    let order = |lines: &[u32]| json!({ "lines": rows(lines) });
    for (path, pages, expected) in [
        (
            "$.items[?@.status=='paid']",
            [
                json!([paid(1, "paid"), paid(2, "open")]),
                json!([paid(3, "open"), paid(4, "open")]),
                json!([paid(5, "paid"), paid(6, "paid")]),
            ],
            3,
        ),
        (
            "$.items[*].lines[*]",
            [
                json!([order(&[1, 2]), order(&[3, 4, 5])]),
                json!([order(&[]), order(&[])]),
                json!([order(&[6]), order(&[7])]),
            ],
            7,
        ),
    ] {
        for (paging, param, places) in [(OFFSET, "skip", ["0", "2", "4", "6"]), (PAGE, "page", ["1", "2", "3", "4"])] {
            let server = MockServer::start().await;
            for (place, page) in places.iter().zip(pages.iter().chain([&json!([])])) {
                serve(&server, &[(param, place)], "-", items(page)).await;
            }
            let source = source(&server, &format!(r#","paging":{paging}"#));
            let query = HttpQuery { rows: path.into(), ..orders() };
            assert_eq!(pull(&source, kpi(query)).await.unwrap().readings.len(), expected, "{path} {paging}");
        }
    }
}

#[tokio::test]
async fn a_refusal_beyond_the_end_is_the_end_and_any_other_is_none() {
    // What the pages before hold, the refusal, and the rows; none: it is an error.
    for (pages, status, expected) in [
        (&[&[1, 2][..], &[3]][..], 400, Some(3)),
        (&[&[1]], 422, Some(1)),
        (&[&[1, 2]], 404, Some(2)),
        (&[&[1, 2]], 416, Some(2)),
        // Perhaps it does not go that far.
        (&[&[1, 2]], 400, None),
        (&[&[1]], 403, None),
        (&[], 404, None),
    ] {
        for (paging, param) in [(OFFSET, "skip"), (PAGE, "page")] {
            let server = MockServer::start().await;
            let mut rows_before = 0;
            for (number, totals) in pages.iter().enumerate() {
                let place = if param == "skip" { rows_before } else { number + 1 };
                serve(&server, &[(param, &place.to_string())], "-", items(&rows(totals))).await;
                rows_before += totals.len();
            }
            let refusal = ResponseTemplate::new(status).set_body_string("no such page");
            Mock::given(path("/v1/orders")).respond_with(refusal).mount(&server).await;
            let found = count(&server, paging).await;
            assert_eq!(found.as_ref().ok(), expected.as_ref(), "{pages:?} {status} {paging} {found:?}");
            if let (Err(error), 400) = (found, status) {
                wrong(&error, ErrorClass::Config, "no such page");
                assert!(error.message.contains("asking for page 2; if there is none any more"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_that_comes_again_counts_once() {
    // The first page whatever is asked; and the last one for any page beyond it.
    for (paging, param) in [(OFFSET, "skip"), (PAGE, "page")] {
        let server = MockServer::start().await;
        Mock::given(path("/v1/orders")).respond_with(items(&rows(&[1]))).expect(2).mount(&server).await;
        let source = source(&server, &format!(r#","paging":{paging}"#));
        let found = pull(&source, kpi(orders())).await.unwrap();
        assert_eq!(found.readings.len(), 1, "{paging}");
        let told = format!("does not heed the parameter `{param}`");
        assert!(found.warnings[0].contains(&told), "{:?}", found.warnings);
        server.reset().await;
        let first = if param == "skip" { "0" } else { "1" };
        serve(&server, &[(param, first)], "-", items(&rows(&[1, 2]))).await;
        Mock::given(path("/v1/orders")).respond_with(items(&rows(&[3]))).expect(2).mount(&server).await;
        let found = pull(&source, kpi(orders())).await.unwrap();
        assert_eq!((found.readings.len(), found.warnings.len()), (3, 0), "{paging}");
        // Full ones may just as well be others that look alike, or the parameter is wrong.
        server.reset().await;
        Mock::given(path("/v1/orders")).respond_with(items(&rows(&[1, 2]))).expect(2).mount(&server).await;
        let error = pull(&source, kpi(orders())).await.unwrap_err();
        wrong(&error, ErrorClass::Unexpected, "page 2 is the one before once more");
    }
}

#[tokio::test]
async fn pages_are_bounded_and_a_query_may_have_none() {
    let server = MockServer::start().await;
    for page in 1..=4_u32 {
        let full = json(&json!({"items": rows(&[page])}));
        Mock::given(query_param("page", page.to_string())).respond_with(full).mount(&server).await;
    }
    Mock::given(query_param_is_missing("page")).respond_with(items(&rows(&[1]))).mount(&server).await;
    let bound = |pages: u32| format!(r#","paging":{{"page":{{"param":"page"}}}},"pages_max":{pages}"#);
    let endless = bound(3);
    let error = pull(&source(&server, &endless), kpi(orders())).await.unwrap_err();
    wrong(&error, ErrorClass::TooLarge, "more than 3 pages");
    assert!(error.message.contains("raise pages_max"), "{error}");
    let bytes = r#","paging":{"page":{"param":"page"}},"bytes_max":100"#;
    let error = pull(&source(&server, bytes), kpi(orders())).await.unwrap_err();
    wrong(&error, ErrorClass::TooLarge, "its pages hold more than 100 bytes");
    let single = HttpQuery { paging: Some(Paging::None), ..orders() };
    assert_eq!(pull(&source(&server, &endless), kpi(single)).await.unwrap().readings.len(), 1);
    // The empty page that ends them is none of them.
    Mock::given(query_param("page", "5")).respond_with(items(&json!([]))).mount(&server).await;
    assert_eq!(pull(&source(&server, &bound(4)), kpi(orders())).await.unwrap().readings.len(), 4);
}
