//! Whatever a server quotes of what it was sent, no secret stands in an outcome, a cause, a preview or a debug text.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::subjects::{ALL, HTTP, Kind, LONG, check_hidden, class, outcome_of};
use crate::channel::fake_smtp::{At, Does, FakeSmtp};
use crate::channel::fixture::{self, SECRET};

/// The address in all the forms that a server may quote it in, whole and in parts.
fn echoes(kind: Kind, port: u16) -> Vec<String> {
    let (url, target) = (kind.url(port), kind.target());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut found = vec![url.clone(), target.clone(), path.to_owned(), query.to_owned()];
    found.extend(path.split('/').chain(query.split(['&', '='])).map(str::to_owned));
    let decoded: Vec<String> =
        found.iter().map(|text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()).collect();
    found.extend(decoded);
    // Of the values behind headers and signatures.
    found.extend([SECRET.to_owned(), STANDARD.encode(SECRET)].into_iter().filter(|_| kind == Kind::Webhook));
    found.retain(|text| text.contains(SECRET) || text.contains(&STANDARD.encode(SECRET)));
    let json = found.iter().map(|text| serde_json::json!({"error": {"message": text}}).to_string()).collect::<Vec<_>>();
    found.extend(json);
    found.sort();
    found.dedup();
    found
}

#[tokio::test]
async fn what_a_server_quotes_is_blanked() {
    for kind in HTTP {
        let port = MockServer::start().await.address().port();
        assert!(echoes(kind, port).len() >= 6, "{kind:?}");
        for status in [200, 302, 400, 403, 429, 500] {
            let server = MockServer::start().await;
            let channel = kind.at(&server);
            for echo in echoes(kind, server.address().port()) {
                server.reset().await;
                let answer = ResponseTemplate::new(status)
                    .set_body_string(format!("quoted: {echo}"))
                    .insert_header("Location", kind.url(1).as_str());
                Mock::given(any()).respond_with(answer).mount(&server).await;
                let outcome = outcome_of(&channel, &fixture::firing_fr(), LONG).await;
                let said = format!("{outcome:?}");
                assert!(class(&outcome) == "sent" || said.contains("quoted"), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_mail_server_quotes_is_blanked() {
    let blob = "550 5.7.0 quoted: AHZpZ2llAHMzY3IzdC1IdW50ZXIyMg==";
    assert!(blob.ends_with(&STANDARD.encode(format!("\0vigie\0{SECRET}"))));
    for at in [At::Auth, At::Mail, At::Rcpt, At::Data, At::Dot] {
        for reply in ["550 5.7.0 quoted: s3cr3t-Hunter22", "450 4.7.0 quoted: czNjcjN0LUh1bnRlcjIy", blob] {
            let server = FakeSmtp::start(Some((at, Does::Says(reply)))).await;
            let channel = Kind::Email.channel(server.port, Path::new("."));
            let outcome = outcome_of(&channel, &fixture::firing_fr(), LONG).await;
            assert!(format!("{outcome:?}").contains("quoted"), "{outcome:?}");
            if at == At::Auth {
                check_hidden(&channel.probe(LONG).await.expect_err("refused"));
            }
        }
    }
}

#[tokio::test]
async fn nothing_shown_of_a_channel_holds_its_secrets() {
    for kind in ALL {
        let dir = tempfile::tempdir().expect("a folder");
        let channel = kind.channel(1, dir.path());
        let delivery = fixture::firing_fr();
        let probed = channel.probe(LONG).await;
        check_hidden(&format!(
            "{channel:?} {:?} {probed:?} {}",
            channel.recipients(),
            channel.render_preview(&delivery)
        ));
        check_hidden(&kind.arrived(&delivery).await);
    }
}
