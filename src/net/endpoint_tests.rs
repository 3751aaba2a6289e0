//! Posting once: what may be shown, what counts as arrived, and whom TLS trusts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{Endpoint, Unanswered};
use crate::net::fixture::{Authority, HttpsServer, Issued};
use crate::net::{ErrorClass, HttpClient, HttpSettings, Request, TlsConfig, Url};
use crate::secret::{Secret, SecretRef};

const LONG: Duration = Duration::from_secs(20);

fn client(settings: &HttpSettings, base_dir: &Path) -> Result<HttpClient, String> {
    // References to files give what is in them.
    let resolve = |reference: &SecretRef| match reference {
        SecretRef::File(path) => Ok(Secret::new(std::fs::read_to_string(base_dir.join(path)).unwrap())),
        SecretRef::Env(name) | SecretRef::Credential(name) => Ok(Secret::new(name.clone())),
    };
    HttpClient::new(settings, base_dir, &resolve)
}

fn endpoint(url: &str) -> Result<Endpoint, String> {
    Endpoint::new(client(&HttpSettings::default(), Path::new(".")).unwrap(), url)
}

#[test]
fn addresses_are_checked_without_being_shown() {
    for (url, hint) in [("ftp://h/SECRETPATH", "https://"), ("not a url SECRETPATH", "can't be read")] {
        let error = endpoint(url).err().unwrap();
        assert!(error.contains(hint) && !error.contains("SECRETPATH"), "{error}");
    }
    let mut endpoint = endpoint("https://u:pass@hooks.example.test:8443/services/SECRETPATH?q=12345").unwrap();
    endpoint.hide(Secret::new("another".into()));
    assert_eq!(endpoint.origin(), "https://hooks.example.test:8443");
    assert_eq!(endpoint.quoted("see /services/SECRETPATH and q=12345, pass, another"), "see *** and ***, ***, ***");
    assert_eq!(endpoint.quoted("<html><h1>Bad\nGateway</h1></html>"), "Bad Gateway");
}

#[test]
fn only_what_nobody_can_read_is_private() {
    for (url, private) in [("https://h/x", true), ("http://127.0.0.1/x", true), ("http://h/x", false)] {
        assert_eq!(endpoint(url).unwrap().is_private(), private, "{url}");
    }
}

/// A folder with the authority of the server that is asked.
struct Trust {
    folder: TempDir,
    authority: Authority,
}

impl Trust {
    fn new() -> Trust {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("Vigie test authority"));
        authority.write(&folder.path().join("ca.pem"));
        Trust { folder, authority }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Posts to the server under this name with these settings.
    async fn post(&self, server: &HttpsServer, host: &str, tls: Option<TlsConfig>) -> Result<String, Unanswered> {
        let settings = HttpSettings { tls, ..HttpSettings::default() };
        let client = client(&settings, self.folder.path()).unwrap();
        let url = format!("https://{host}:{}/hook?token=s3cret", server.port);
        let endpoint = Endpoint::new(client.clone(), &url).unwrap();
        let probed = endpoint.probe(LONG).await;
        let got = client.send(Request::get(Url::parse(&url).unwrap())).await;
        let posted = endpoint.post(b"{}".to_vec(), &[("x-key", "s3cret")], LONG).await;
        // Getting, posting and probing agree on whom they trust, and why not.
        match &posted {
            Ok(answer) => {
                assert_eq!(answer.status, 200);
                assert_eq!((probed.is_ok(), got.map(|got| got.status)), (true, Ok(200)));
            }
            Err(unanswered) => {
                let (got, probed) = (got.unwrap_err(), probed.unwrap_err());
                assert_eq!((&got, &probed), (&unanswered.error, &unanswered.error));
                assert!(!unanswered.error.message.contains("s3cret"), "{unanswered:?}");
            }
        }
        posted.map(|answer| answer.body)
    }
}

fn ca() -> TlsConfig {
    TlsConfig { ca: Some("ca.pem".into()), ..TlsConfig::default() }
}

async fn check_refused(trust: &Trust, shown: &Issued, tls: Option<TlsConfig>, parts: &[&str]) {
    let server = HttpsServer::start(shown.acceptor(), "ok").await;
    let unanswered = trust.post(&server, "localhost", tls).await.unwrap_err();
    assert_eq!((unanswered.error.class, unanswered.may_have_arrived), (ErrorClass::Config, false), "{unanswered:?}");
    let place = format!("https://localhost:{}", server.port);
    for part in parts.iter().copied().chain([place.as_str()]) {
        assert!(unanswered.error.message.contains(part), "{unanswered:?} lacks {part}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_private_authority_is_trusted_once_it_is_named() {
    let trust = Trust::new();
    let server = HttpsServer::start(trust.authority.issue(&["localhost", "127.0.0.1"]).acceptor(), "ok").await;
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(trust.post(&server, host, Some(ca())).await.unwrap(), "ok");
    }
    let posted = server.requests().into_iter().find(|request| request.starts_with("POST ")).unwrap();
    assert!(posted.starts_with("POST /hook?token=s3cret HTTP/1.1\r\n") && posted.ends_with("\r\n\r\n{}"), "{posted}");
    // The probe asks for nothing that is a secret, and posts nothing.
    assert!(server.requests()[0].starts_with("HEAD / HTTP/1.1\r\n"), "{:?}", server.requests());
}

#[tokio::test]
async fn certificates_that_are_not_to_be_trusted_say_why() {
    let trust = Trust::new();
    let good = trust.authority.issue(&["localhost"]);
    let stranger = Authority::new("Somebody else");
    let unknown = ["signed by an authority that is not trusted", "in tls.ca"];
    check_refused(&trust, &good, None, &unknown).await;
    check_refused(&trust, &stranger.issue(&["localhost"]), Some(ca()), &unknown).await;
    // The same name with another key.
    let twin = Authority::new("Vigie test authority");
    check_refused(&trust, &twin.issue(&["localhost"]), Some(ca()), &unknown).await;
    let own = ["it is an authority's own", "replace it on the server"];
    check_refused(&trust, &trust.authority.itself(), Some(ca()), &own).await;
    let other = trust.authority.issue(&["mail.example.test"]);
    check_refused(&trust, &other, Some(ca()), &["is made for mail.example.test", "in url"]).await;
    let old = trust.authority.issue_expired(&["localhost"]);
    check_refused(&trust, &old, Some(ca()), &["has expired", "renew it"]).await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_wants_one() {
    let trust = Trust::new();
    let mine = trust.authority.issue(&["vigie.example.test"]);
    std::fs::write(trust.path("vigie.pem"), &mine.cert).unwrap();
    std::fs::write(trust.path("vigie.key"), &mine.key).unwrap();
    std::fs::write(trust.path("both.pem"), format!("{}{}", mine.cert, mine.key)).unwrap();
    let shown = trust.authority.issue(&["localhost"]);
    let server = HttpsServer::start(shown.acceptor_for(&trust.authority), "ok").await;
    let apart = TlsConfig { cert: Some("vigie.pem".into()), key: Some(SecretRef::File("vigie.key".into())), ..ca() };
    let together = TlsConfig { cert: Some("both.pem".into()), ..ca() };
    for tls in [apart.clone(), together] {
        assert_eq!(trust.post(&server, "localhost", Some(tls)).await.unwrap(), "ok");
    }
    // Without one, and with one of an authority that the server does not know.
    let came = server.requests().len();
    let refused = trust.post(&server, "localhost", Some(ca())).await.unwrap_err();
    assert!(refused.error.message.contains("wants a client certificate"), "{refused:?}");
    assert!(refused.error.message.contains("in tls.cert") && !refused.may_have_arrived, "{refused:?}");
    let stranger = HttpsServer::start(shown.acceptor_for(&Authority::new("Somebody else")), "ok").await;
    let refused = trust.post(&stranger, "localhost", Some(apart)).await.unwrap_err();
    assert!(refused.error.message.contains("client certificate") && !refused.may_have_arrived, "{refused:?}");
    assert_eq!((server.requests().len(), stranger.requests().len()), (came, 0));
}

#[tokio::test]
async fn what_speaks_no_tls_is_told_apart() {
    let server = wiremock::MockServer::start().await;
    let url = format!("https://localhost:{}/hook", server.address().port());
    let unanswered = endpoint(&url).unwrap().post(Vec::new(), &[], LONG).await.unwrap_err();
    assert!(unanswered.error.message.contains("no TLS; check that url"), "{unanswered:?}");
    assert!(!unanswered.may_have_arrived);
}

#[test]
fn files_that_can_not_be_used_are_named() {
    let trust = Trust::new();
    let check = |text: &str, part: &str| {
        std::fs::write(trust.path("given.pem"), text).unwrap();
        let tls = Some(TlsConfig { ca: Some("given.pem".into()), ..TlsConfig::default() });
        let error = client(&HttpSettings { tls, ..HttpSettings::default() }, trust.folder.path()).unwrap_err();
        assert!(error.contains("tls.ca") && error.contains("given.pem") && error.contains(part), "{error}");
    };
    check("", "holds no certificate");
    check("not PEM at all", "holds no certificate");
    check(&trust.authority.issue(&["localhost"]).key, "holds no certificate");
    check("-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n", "is damaged");
    check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "can't be read");
    let good = trust.authority.pem();
    check(&format!("{good}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "can't be read");
}
