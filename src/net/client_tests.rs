//! The client against a server on loopback: bounds, redirects, credentials, messages.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::HttpClient;
use crate::net::{AuthConfig, BasicAuth, ErrorClass, HttpSettings, NetError, Request, TlsConfig, Url};
use crate::secret::{Secret, SecretRef, Text};

fn client(settings: &HttpSettings) -> HttpClient {
    HttpClient::new(settings, Path::new("."), &|_| Ok(Secret::new("s3cret".into()))).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn refused(outcome: Result<crate::net::Response, NetError>, class: ErrorClass, parts: &[&str]) {
    let error = outcome.unwrap_err();
    assert_eq!(error.class, class, "{error}");
    for part in parts {
        assert!(error.message.contains(part), "{error} lacks {part}");
    }
    assert!(!error.message.contains("s3cret"), "{error}");
}

/// A server that answers every connection with these pieces, `pause` apart.
async fn raw_server(pieces: Vec<Vec<u8>>, pause: Duration) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            for piece in &pieces {
                if stream.write_all(piece).await.is_err() {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
        }
    });
    url(&format!("http://{address}/private/path?key=s3cret"))
}

#[tokio::test]
async fn credentials_and_headers_are_sent() {
    let server = MockServer::start().await;
    let basic = AuthConfig::Basic(BasicAuth { user: "me".into(), password: SecretRef::Env("P".into()) });
    let mut headers = BTreeMap::new();
    headers.insert("X-Scope-OrgID".to_owned(), Text::from("team"));
    let cases = [(basic, "Basic bWU6czNjcmV0"), (AuthConfig::Bearer(SecretRef::Env("T".into())), "Bearer s3cret")];
    for (auth, expected) in cases {
        Mock::given(method("POST"))
            .and(header("authorization", expected))
            .and(header("x-scope-orgid", "team"))
            .and(header("user-agent", concat!("vigie/", env!("CARGO_PKG_VERSION"))))
            .respond_with(ResponseTemplate::new(201).set_body_string("done").insert_header("x-id", "7"))
            .expect(1)
            .mount(&server)
            .await;
        let client = client(&HttpSettings { auth: Some(auth), headers: headers.clone(), ..HttpSettings::default() });
        let response = client.send(Request::post(url(&server.uri()), b"x".to_vec())).await.unwrap();
        assert_eq!((response.status, response.text().as_str(), response.header("x-id")), (201, "done", Some("7")));
        server.verify().await;
        server.reset().await;
    }
}

#[tokio::test]
async fn a_status_is_not_an_error_here() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(500).set_body_string("x")).mount(&server).await;
    let response = client(&HttpSettings::default()).send(Request::get(url(&server.uri()))).await.unwrap();
    assert_eq!(response.status, 500);
}

#[tokio::test]
async fn slow_drip_meets_the_total_deadline() {
    let mut pieces = vec![b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".to_vec()];
    pieces.extend(std::iter::repeat_n(b"x".to_vec(), 1000));
    let address = raw_server(pieces, Duration::from_millis(20)).await;
    let request = Request::get(address).deadline(Duration::from_millis(200));
    let outcome = client(&HttpSettings::default()).send(request).await;
    refused(outcome, ErrorClass::Deadline, &["http://127.0.0.1:", "within 200ms", "ask for less"]);
}

/// A few hundred bytes of gzip that unpack to 256 KiB of zeros.
fn bomb() -> Vec<u8> {
    use base64::Engine as _;
    let packed = "\
        H4sIAAAAAAAC/+3BMQEAAADCoPVP7W0HoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAA3gAi6g7iAAAEAA==\
    ";
    base64::engine::general_purpose::STANDARD.decode(packed.trim()).unwrap()
}

#[tokio::test]
async fn bytes_are_counted_after_decompression() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_bytes(bomb()).insert_header("content-encoding", "gzip");
    Mock::given(method("GET")).respond_with(answer).mount(&server).await;
    let small = HttpSettings { bytes_max: Some(10_000), ..HttpSettings::default() };
    let outcome = client(&small).send(Request::get(url(&server.uri()))).await;
    refused(outcome, ErrorClass::TooLarge, &["larger than 10000 bytes", "bytes_max"]);
}

#[tokio::test]
async fn an_answer_cut_short_is_transient() {
    let pieces = vec![b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nxy".to_vec()];
    let address = raw_server(pieces, Duration::ZERO).await;
    let outcome = client(&HttpSettings::default()).send(Request::get(address)).await;
    refused(outcome, ErrorClass::Transient, &["broke off"]);
}

#[tokio::test]
async fn redirects_stay_within_the_origin() {
    let server = MockServer::start().await;
    let other = MockServer::start().await;
    let redirect = |status: u16, to: &str| ResponseTemplate::new(status).insert_header("location", to);
    for (from, answer) in [
        ("/near", redirect(302, "/end")),
        ("/kept", redirect(308, "/end")),
        ("/far", redirect(307, &format!("{}/end?token=s3cret", other.uri()))),
        ("/loop", redirect(302, "/loop")),
        ("/end", ResponseTemplate::new(200).set_body_string("end")),
    ] {
        Mock::given(path(from)).respond_with(answer).mount(&server).await;
    }
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200)).expect(0).mount(&other).await;
    let client =
        client(&HttpSettings { auth: Some(AuthConfig::Bearer(SecretRef::Env("T".into()))), ..HttpSettings::default() });
    let at = |path: &str| url(&format!("{}{path}", server.uri()));
    assert_eq!(client.send(Request::get(at("/near"))).await.unwrap().text(), "end");
    assert_eq!(client.send(Request::post(at("/kept"), vec![])).await.unwrap().text(), "end");
    let outcome = client.send(Request::get(at("/far"))).await;
    refused(outcome, ErrorClass::Config, &["redirects to http://127.0.0.1:", "write the final address in url"]);
    refused(client.send(Request::post(at("/near"), vec![])).await, ErrorClass::Config, &["redirects"]);
    refused(client.send(Request::get(at("/loop"))).await, ErrorClass::Config, &["in a circle"]);
}

#[tokio::test]
async fn refused_connections_name_host_and_remedy_only() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = url(&format!("http://user:s3cret@127.0.0.1:{port}/hooks/s3cret?token=s3cret"));
    let outcome = client(&HttpSettings::default()).send(Request::get(address)).await;
    refused(outcome, ErrorClass::Transient, &["can't connect to http://127.0.0.1:", "refused", "check the address"]);
}

#[test]
fn settings_that_can_not_work_say_why() {
    fn check(settings: &HttpSettings, part: &str) {
        let resolve = |reference: &SecretRef| Err(format!("{reference} is not set"));
        let error = HttpClient::new(settings, Path::new("/nowhere"), &resolve).unwrap_err();
        assert!(error.contains(part), "{error} lacks {part}");
    }
    let tls = |tls: TlsConfig| HttpSettings { tls: Some(tls), ..HttpSettings::default() };
    check(&tls(TlsConfig { ca: Some("ca.pem".into()), ..TlsConfig::default() }), "tls.ca: can't read /nowhere/ca.pem");
    check(&tls(TlsConfig { key: Some(SecretRef::Env("K".into())), ..TlsConfig::default() }), "tls.key stands without");
    let auth = Some(AuthConfig::Bearer(SecretRef::Env("T".into())));
    check(&HttpSettings { auth, ..HttpSettings::default() }, "{env: T} is not set");
    let headers = BTreeMap::from([("bad name".to_owned(), Text::from("x"))]);
    check(&HttpSettings { headers, ..HttpSettings::default() }, "`bad name` is no header name");
}

#[tokio::test]
async fn an_error_that_echoes_the_credentials_is_quoted_without_them() {
    let basic = AuthConfig::Basic(BasicAuth { user: "me".into(), password: SecretRef::Env("P".into()) });
    for auth in [basic, AuthConfig::Bearer(SecretRef::Env("T".into()))] {
        let server = MockServer::start().await;
        let said = "no: Authorization Basic bWU6czNjcmV0, Bearer s3cret, password s3cret";
        Mock::given(method("GET")).respond_with(ResponseTemplate::new(400).set_body_string(said)).mount(&server).await;
        let client = client(&HttpSettings { auth: Some(auth.clone()), ..HttpSettings::default() });
        let response = client.send(Request::get(url(&server.uri()))).await.unwrap();
        let message = response.error().unwrap().message;
        assert!(message.contains("no: Authorization") && !message.contains("s3cret"), "{message}");
        assert!(matches!(auth, AuthConfig::Bearer(_)) || !message.contains("bWU6"), "{message}");
        assert!(!response.text().contains("s3cret"));
    }
}

/// A proxy that takes one tunnel after another, for those who show these credentials. What it was asked, head by head.
async fn tunnels(credentials: &'static str) -> (u16, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heads = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let allowed = head.contains(&format!("Basic {credentials}"));
            let port: u16 = head.split([' ', ':']).nth(2).unwrap().parse().unwrap();
            seen.lock().unwrap().push(head);
            if !allowed {
                let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
                client.write_all(refusal).await.unwrap();
                continue;
            }
            let Ok(mut server) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else {
                client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                continue;
            };
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (port, heads)
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_sees_no_credentials_of_ours() {
    use crate::net::fixture::{Authority, HttpsServer};
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Ours");
    authority.write(&folder.path().join("ca.pem"));
    let server = HttpsServer::start(authority.issue(&["localhost"]).acceptor(), "through").await;
    let (port, heads) = tunnels("bWU6czNjcmV0").await;
    let through = |proxy: String| {
        let settings = HttpSettings {
            auth: Some(AuthConfig::Bearer(SecretRef::Env("TOKEN".into()))),
            tls: Some(TlsConfig { ca: Some("ca.pem".into()), ..TlsConfig::default() }),
            proxy: Some(Text::Secret(SecretRef::Env("PROXY".into()))),
            ..HttpSettings::default()
        };
        let resolve = move |secret: &SecretRef| match secret {
            SecretRef::Env(name) if name == "PROXY" => Ok(Secret::new(proxy.clone())),
            _ => Ok(Secret::new("t0ken".to_owned())),
        };
        HttpClient::new(&settings, folder.path(), &resolve).unwrap()
    };
    let ask = |client: HttpClient, port: u16| async move {
        client.send(Request::get(url(&format!("https://localhost:{port}/private")))).await
    };
    let client = through(format!("http://me:s3cret@127.0.0.1:{port}"));
    assert_eq!(ask(client.clone(), server.port).await.unwrap().text(), "through");
    assert!(server.requests()[0].to_lowercase().contains("authorization: bearer t0ken"));
    let head = heads.lock().unwrap()[0].clone();
    assert!(head.starts_with(&format!("CONNECT localhost:{} ", server.port)), "{head}");
    assert!(!head.contains("t0ken") && !head.contains("private"), "{head}");
    let echoed = client.scrubbed("Basic bWU6czNjcmV0, s3cret, t0ken; the name stays");
    assert!(!echoed.contains("bWU6") && !echoed.contains("s3cret") && !echoed.contains("t0ken"), "{echoed}");
    assert!(echoed.contains("the name stays"), "{echoed}");

    let shown = format!("through the proxy http://127.0.0.1:{port}:");
    let wrong = ask(through(format!("http://me:wrong-s3cret@127.0.0.1:{port}")), server.port).await;
    refused(wrong, ErrorClass::Auth, &["can't connect to https://localhost:", &shown, "user and password into proxy"]);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    refused(ask(client, closed).await, ErrorClass::Transient, &[&shown, "check proxy"]);
    let nobody = ask(through(format!("http://me:s3cret@127.0.0.1:{closed}")), server.port).await;
    refused(nobody, ErrorClass::Transient, &["through the proxy http://127.0.0.1:", "check proxy"]);
}

#[tokio::test]
async fn a_budget_holds_back_what_is_too_much() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200)).expect(2).mount(&server).await;
    let limits = crate::net::LimitsConfig { requests_per_minute: Some(2), ..crate::net::LimitsConfig::default() };
    let client = client(&HttpSettings { limits, ..HttpSettings::default() });
    let ask = || client.send(Request::get(url(&server.uri())).deadline(Duration::from_secs(5)));
    assert!(ask().await.is_ok() && ask().await.is_ok());
    let error = ask().await.unwrap_err();
    assert!(matches!(error.class, ErrorClass::Quota { .. }) && error.message.contains("is 2"), "{error}");
    assert_eq!(client.requests(), 2);
}
