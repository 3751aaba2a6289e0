//! Credentials against servers on loopback: each way, tokens shared, renewed, and never told.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use wiremock::matchers::{body_string, body_string_contains, header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::net::ErrorClass;
use crate::source::Source;
use crate::source::fixture::request;
use crate::source::http_json::fixture::{items, json, kpi, orders, pull, source};

const CLIENT: &str = "grant_type=client_credentials&scope=orders.read&client_id=vigie&client_secret=s3cret-client";

fn oauth(server: &MockServer, more: &str) -> Source {
    let url = server.uri();
    let auth = format!(r#"{{"token_url":"{url}/token","client_id":"vigie","client_secret":{{"env":"CLIENT"}}{more}}}"#);
    source(server, &format!(r#","headers":{{"x-team":"sales"}},"auth":{{"oauth2":{auth}}}"#))
}

async fn grants(server: &MockServer, token: &str, expires_in: Value, times: u64) {
    let answer = json(&json!({"access_token": token, "token_type": "Bearer", "expires_in": expires_in}));
    let answer = answer.set_delay(Duration::from_millis(30));
    Mock::given(path("/token")).respond_with(answer).up_to_n_times(times).expect(times).mount(server).await;
}

async fn accepts(server: &MockServer, token: &str, times: u64) {
    let answer = items(&json!([{"at": "2026-05-01", "total": 1}]));
    Mock::given(path("/v1/orders"))
        .and(header("authorization", format!("Bearer {token}").as_str()))
        .respond_with(answer)
        .expect(times)
        .mount(server)
        .await;
}

#[tokio::test]
async fn every_kind_of_credentials_is_sent() {
    for (auth, name, value) in [
        (r#"{"basic":{"user":"me","password":{"env":"P"}}}"#, "authorization", "Basic bWU6czNjcmV0LXA="),
        (r#"{"bearer":{"env":"T"}}"#, "authorization", "Bearer s3cret-t"),
        (r#"{"header":{"name":"X-Api-Key","value":{"env":"K"}}}"#, "x-api-key", "s3cret-k"),
    ] {
        let server = MockServer::start().await;
        Mock::given(header(name, value)).respond_with(items(&json!([]))).expect(1).mount(&server).await;
        pull(&source(&server, &format!(r#","auth":{auth}"#)), kpi(orders())).await.unwrap();
        server.reset().await;
        let echo = ResponseTemplate::new(403).set_body_string(format!("{} {value}", "x".repeat(110)));
        Mock::given(header(name, value)).respond_with(echo).mount(&server).await;
        let error = pull(&source(&server, &format!(r#","auth":{auth}"#)), kpi(orders())).await.unwrap_err();
        assert!(error.class == ErrorClass::Auth && !error.message.contains("s3cr"), "{error}");
    }
}

#[tokio::test]
async fn one_token_serves_concurrent_pulls() {
    let server = MockServer::start().await;
    let scope = r#","scope":"orders.read""#;
    let answer = json(&json!({"access_token": "first-token", "expires_in": "3600"}));
    let answer = answer.set_delay(Duration::from_millis(100));
    Mock::given(path("/token")).and(body_string(CLIENT)).respond_with(answer).expect(1).mount(&server).await;
    accepts(&server, "first-token", 6).await;
    let source = oauth(&server, scope);
    let pulls = (0..5).map(|_| pull(&source, kpi(orders())));
    for outcome in futures_util::future::join_all(pulls).await {
        outcome.unwrap();
    }
    pull(&source, kpi(orders())).await.unwrap();
    let asked = server.received_requests().await.unwrap();
    let token_request = asked.iter().find(|request| request.url.path() == "/token").unwrap();
    assert!(!token_request.headers.contains_key("x-team") && !token_request.headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_after_a_refusal() {
    let server = MockServer::start().await;
    grants(&server, "first-token", json!(600), 1).await;
    grants(&server, "second-token", json!(600), 1).await;
    accepts(&server, "first-token", 2).await;
    accepts(&server, "second-token", 1).await;
    let source = oauth(&server, "");
    let mut asked = request(kpi(orders()), "2026-05-01", "2026-05-02");
    source.pull(&asked).await.unwrap();
    asked.now += SignedDuration::from_secs(500);
    source.pull(&asked).await.unwrap();
    // Within a minute of its end.
    asked.now += SignedDuration::from_secs(50);
    source.pull(&asked).await.unwrap();
    server.verify().await;

    server.reset().await;
    let refused = ResponseTemplate::new(401);
    let bearer = header("authorization", "Bearer second-token");
    Mock::given(path("/v1/orders")).and(bearer).respond_with(refused).expect(1).mount(&server).await;
    grants(&server, "third-token", json!(600), 1).await;
    accepts(&server, "third-token", 1).await;
    source.pull(&asked).await.unwrap();
    server.verify().await;

    server.reset().await;
    grants(&server, "fourth-token", json!(600), 1).await;
    let echo = ResponseTemplate::new(401).set_body_string("third-token fourth-token s3cret-client");
    Mock::given(path("/v1/orders")).respond_with(echo).expect(2).mount(&server).await;
    let error = source.pull(&asked).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth);
    assert!(error.message.contains("(*** *** ***)"), "{error}");
}

#[tokio::test]
async fn refresh_tokens_and_their_successors() {
    let server = MockServer::start().await;
    for (sent, access, next) in
        [("s3cret-r", "first-token", Some("rotated-refresh")), ("rotated-refresh", "second-token", None)]
    {
        let form = format!("grant_type=refresh_token&refresh_token={sent}");
        let answer = json(&json!({"access_token": access, "expires_in": 60, "refresh_token": next}));
        Mock::given(path("/token"))
            .and(body_string(form))
            .and(header("authorization", "Basic dmlnaWU6czNjcmV0JTJEY2xpZW50"))
            .respond_with(answer)
            .expect(1)
            .mount(&server)
            .await;
        accepts(&server, access, 1).await;
    }
    let source = oauth(&server, r#","refresh_token":{"env":"R"},"credentials":"header""#);
    let mut asked = request(kpi(orders()), "2026-05-01", "2026-05-02");
    source.pull(&asked).await.unwrap();
    asked.now += SignedDuration::from_secs(60);
    source.pull(&asked).await.unwrap();
}

#[tokio::test]
async fn refresh_tokens_stay_hidden_however_many_tokens_came() {
    // Each token is refused, so that every pull fetches another; the refresh token is replaced half-way, or never.
    for replaced_at in [None, Some(2)] {
        let server = MockServer::start().await;
        Mock::given(path("/v1/orders")).respond_with(ResponseTemplate::new(401)).mount(&server).await;
        for number in 0..8 {
            let next = replaced_at.filter(|at| *at == number).map(|_| "rotated-refresh");
            let answer = json(&json!({"access_token": format!("token-{number}"), "refresh_token": next}));
            Mock::given(path("/token")).respond_with(answer).up_to_n_times(1).expect(1).mount(&server).await;
        }
        let source = oauth(&server, r#","refresh_token":{"env":"R"}"#);
        // The first pull fetches two.
        for _ in 0..7 {
            pull(&source, kpi(orders())).await.unwrap_err();
        }
        let said = "refresh token s3cret-r or rotated-refresh of s3cret-client is revoked";
        let refusal = json!({"error": "invalid_grant", "error_description": said});
        let answer = ResponseTemplate::new(400).set_body_json(refusal);
        Mock::given(path("/token")).respond_with(answer).mount(&server).await;
        let error = pull(&source, kpi(orders())).await.unwrap_err();
        let rotated = if replaced_at.is_some() { "***" } else { "rotated-refresh" };
        let told = format!("refresh token *** or {rotated} of *** is revoked");
        assert!(error.message.contains(&told), "{error}");
    }
}

#[tokio::test]
async fn a_refused_token_says_why_without_secrets() {
    let cases = [
        (
            400,
            json!({"error": "invalid_client", "error_description": "s3cret-client is wrong"}),
            ErrorClass::Auth,
            "gives no token, invalid_client: *** is wrong; check auth.oauth2",
        ),
        (200, json!({"token": "s3cret-client"}), ErrorClass::Unexpected, "without access_token; check"),
        (404, json!({}), ErrorClass::Config, "no token: "),
    ];
    for (status, body, class, part) in cases {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(path("/token"))
            .and(body_string_contains("client_credentials"))
            .respond_with(answer)
            .mount(&server)
            .await;
        let error = pull(&oauth(&server, ""), kpi(orders())).await.unwrap_err();
        assert_eq!(error.class, class, "{error}");
        assert!(error.message.contains(part) && !error.message.contains("s3cret"), "{error} lacks {part}");
    }
}
