//! The control socket: what goes through, what is refused, and what is left behind.

use super::*;
use crate::model::ids::SilenceId;

fn pong() -> Reply {
    Reply::Ok(Value::Pong { version: "1".to_owned(), pid: 7, config_checksum: "abc".to_owned() })
}

/// Serves in the background; every request is echoed as text with its author.
async fn serve(path: &Path) -> (tokio::task::JoinHandle<()>, tokio::task::JoinHandle<()>) {
    let control = Control::bind(path).await.unwrap();
    let (to, mut from) = mpsc::channel::<Incoming>(4);
    let server = tokio::spawn(control.serve(to));
    let decider = tokio::spawn(async move {
        while let Some(incoming) = from.recv().await {
            let reply = match &incoming.request {
                Request::Ping => pong(),
                Request::Cancel { .. } => Reply::Error("no such delivery".to_owned()),
                other => Reply::Ok(Value::Text(format!("{} {other:?}", incoming.by))),
            };
            drop(incoming.reply.send(reply));
        }
    });
    (server, decider)
}

async fn raw(path: &Path, bytes: &[u8]) -> Reply {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    serde_json::from_slice(&said).unwrap()
}

#[tokio::test]
async fn requests_go_through_with_their_author() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new").join("c.sock");
    let _served = serve(&path).await;
    assert_eq!(request(&path, &Request::Ping).await.unwrap(), pong());
    let cancel = Request::Cancel { delivery: 3, why: "é".to_owned() };
    assert_eq!(request(&path, &cancel).await.unwrap(), Reply::Error("no such delivery".to_owned()));
    let end = Request::Act(ActionKind::EndSilence { silence: SilenceId::from("s1") });
    let Reply::Ok(Value::Text(text)) = request(&path, &end).await.unwrap() else { panic!("a text") };
    let me = uzers::get_current_username().map(|name| name.to_string_lossy().into_owned());
    let me = me.unwrap_or_else(|| format!("uid:{}", uzers::get_current_uid()));
    assert!(text.starts_with(&me), "{text}");
}

#[tokio::test]
async fn what_is_no_request_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.sock");
    let _served = serve(&path).await;
    let refused = |reply: Reply, part: &str| match reply {
        Reply::Error(text) => assert!(text.contains(part), "{text}"),
        Reply::Ok(value) => panic!("{value:?}"),
    };
    refused(raw(&path, b"{}\n").await, "not understood");
    refused(raw(&path, b"\xff\xff\n").await, "not understood");
    refused(raw(&path, &vec![b'x'; REQUEST_BYTES_MAX as usize + 1]).await, "more than 65536 bytes");
}

#[tokio::test]
async fn the_file_is_private_and_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.sock");
    let control = Control::bind(&path).await.unwrap();
    assert_eq!(control.path(), path);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let second = Control::bind(&path).await.unwrap_err();
    assert!(second.to_string().contains("another vigie answers"), "{second}");
    drop(control);
    assert!(!path.exists());
    let nobody = format!("{:#}", request(&path, &Request::Ping).await.unwrap_err());
    assert!(nobody.contains("is `vigie run` up"), "{nobody}");
}

#[tokio::test]
async fn a_leftover_socket_is_replaced_and_anything_else_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(Control::bind(&path).await.unwrap());
    std::fs::write(&path, "precious").unwrap();
    let error = Control::bind(&path).await.unwrap_err();
    assert!(error.to_string().contains("is no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_silent_client_is_let_go() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let (to, _from) = mpsc::channel(1);
    serve_one(near, to, Duration::from_millis(5)).await;
    let mut said = String::new();
    far.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("no request came within 5ms"), "{said}");
}

#[tokio::test]
async fn serving_ends_with_the_decider() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.sock");
    let (server, decider) = serve(&path).await;
    decider.abort();
    server.await.unwrap();
    assert!(!path.exists());
}
