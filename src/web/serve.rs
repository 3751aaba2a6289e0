//! The listener and its few pages.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::health::Health;
use crate::telemetry::Metrics;

/// An engine that has not answered by then counts as stuck.
const HEALTH_DEADLINE: Duration = Duration::from_secs(5);
/// A client has this long to say what it asks for, also between two requests.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// The longest life of a connection.
const CONNECTION_MAX: Duration = Duration::from_secs(300);
/// Connections at once; for one more the oldest is cut off.
const CONNECTIONS_MAX: usize = 256;
/// After a failed accept, before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long answers under way may take to end.
const END_MAX: Duration = Duration::from_secs(1);
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address} ({cause}): stop what uses it, or set `listen:` to another address")]
pub struct BindError {
    pub address: SocketAddr,
    pub cause: io::Error,
}

struct Shared<H> {
    metrics: Arc<Metrics>,
    health: Arc<H>,
    deadline: Duration,
}

impl<H> Clone for Shared<H> {
    fn clone(&self) -> Self {
        Shared { metrics: self.metrics.clone(), health: self.health.clone(), deadline: self.deadline }
    }
}

/// Takes the address, so that a clash is known before anything else starts.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|cause| BindError { address, cause })
}

/// Answers until `stop` ends, then finishes what is under way.
pub async fn serve<H: Health>(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    health: Arc<H>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let shared = Shared { metrics, health, deadline: HEALTH_DEADLINE };
    accept(listener, router(shared), HEAD_DEADLINE, stop).await;
    Ok(())
}

/// Serves each connection within bounds: neither many nor slow clients keep others waiting.
async fn accept(
    listener: TcpListener,
    router: Router,
    head_deadline: Duration,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_deadline);
    let mut open: JoinSet<()> = JoinSet::new();
    // Oldest first.
    let mut connections: VecDeque<AbortHandle> = VecDeque::new();
    let mut is_short = false;
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => {
                is_short = false;
                while open.try_join_next().is_some() {}
                connections.retain(|connection| !connection.is_finished());
                if connections.len() >= CONNECTIONS_MAX
                    && let Some(oldest) = connections.pop_front()
                {
                    oldest.abort();
                }
                let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
                connections.push_back(open.spawn(async move { drop(timeout(CONNECTION_MAX, served).await) }));
            }
            // No descriptor is left, or the client went; a loop at once would keep the processor busy.
            Err(error) => {
                if !std::mem::replace(&mut is_short, true) {
                    tracing::warn!(%error, "a connection to the metrics can't be accepted; it is tried again");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let ended = async { while open.join_next().await.is_some() {} };
    drop(timeout(END_MAX, ended).await);
}

fn router<H: Health>(shared: Shared<H>) -> Router {
    Router::new()
        .route("/metrics", get(metrics_page::<H>))
        .route("/healthz", get(healthz::<H>))
        .route("/readyz", get(readyz::<H>))
        .with_state(shared)
}

async fn metrics_page<H: Health>(State(shared): State<Shared<H>>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], shared.metrics.render()).into_response()
}

async fn healthz<H: Health>(State(shared): State<Shared<H>>) -> Response {
    match timeout(shared.deadline, shared.health.alive()).await {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(_) => unavailable("the engine does not answer"),
    }
}

async fn readyz<H: Health>(State(shared): State<Shared<H>>) -> Response {
    match timeout(shared.deadline, shared.health.ready()).await {
        Ok(Ok(())) => (StatusCode::OK, "ok\n").into_response(),
        Ok(Err(cause)) => unavailable(&cause),
        Err(_) => unavailable("the engine does not answer"),
    }
}

fn unavailable(cause: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{cause}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::*;
    use crate::telemetry::MetricNames;

    #[derive(Clone, Copy)]
    enum Fake {
        Well,
        Starting,
        Stuck,
    }

    impl Health for Fake {
        async fn alive(&self) {
            if matches!(self, Fake::Stuck) {
                std::future::pending::<()>().await;
            }
        }

        async fn ready(&self) -> Result<(), String> {
            match self {
                Fake::Well => Ok(()),
                Fake::Starting => Err("catching up".to_owned()),
                Fake::Stuck => std::future::pending().await,
            }
        }
    }

    async fn page(health: Fake, path: &str) -> String {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let metrics = Arc::new(Metrics::new(&MetricNames::default()));
        let shared = Shared { metrics, health: Arc::new(health), deadline: Duration::from_millis(20) };
        let served = tokio::spawn(accept(listener, router(shared), HEAD_DEADLINE, async { drop(stopped.await) }));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        stop.send(()).unwrap();
        served.await.unwrap();
        said
    }

    async fn check(health: Fake, path: &str, parts: &[&str]) {
        let said = page(health, path).await;
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in\n{said}");
        }
    }

    #[tokio::test]
    async fn pages_tell_how_the_service_is() {
        check(Fake::Well, "/healthz", &["200 OK", "\r\n\r\nok\n"]).await;
        check(Fake::Stuck, "/healthz", &["503 Service Unavailable", "the engine does not answer"]).await;
        check(Fake::Starting, "/healthz", &["200 OK"]).await;
        check(Fake::Starting, "/readyz", &["503 ", "catching up"]).await;
        check(Fake::Stuck, "/readyz", &["503 ", "the engine does not answer"]).await;
        check(Fake::Well, "/readyz", &["200 OK"]).await;
        check(Fake::Well, "/metrics", &["200 OK", "version=0.0.4", "vigie_evaluations_total 0"]).await;
        check(Fake::Well, "/other", &["404 Not Found"]).await;
    }

    /// A service that is well and answers until it is aborted.
    async fn serving(head_deadline: Duration) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Arc::new(Metrics::new(&MetricNames::default()));
        let shared = Shared { metrics, health: Arc::new(Fake::Well), deadline: HEALTH_DEADLINE };
        let served = tokio::spawn(accept(listener, router(shared), head_deadline, std::future::pending()));
        (address, served)
    }

    #[tokio::test]
    async fn slow_clients_are_cut_off_and_keep_nobody_waiting() {
        // None of them says more, so that only one more than there may be cuts one off.
        let (address, served) = serving(Duration::from_secs(3600)).await;
        let mut slow = Vec::new();
        for _ in 0..CONNECTIONS_MAX + 20 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /metr").await.unwrap();
            slow.push(stream);
        }
        let mut quick = TcpStream::connect(address).await.unwrap();
        quick.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut said = String::new();
        quick.read_to_string(&mut said).await.unwrap();
        assert!(said.contains("200 OK"), "{said}");
        // The oldest are gone, reset or ended; the newest still wait.
        let mut rest = Vec::new();
        assert!(!matches!(slow[0].read_to_end(&mut rest).await, Ok(1..)));
        let newest = slow.last_mut().unwrap();
        newest.write_all(b"ics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
        newest.read_to_end(&mut rest).await.unwrap();
        assert!(String::from_utf8_lossy(&rest).contains("vigie_evaluations_total 0"));
        served.abort();
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_is_cut_off() {
        let (address, served) = serving(Duration::from_millis(20)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metr").await.unwrap();
        let mut said = Vec::new();
        drop(stream.read_to_end(&mut said).await);
        assert!(!String::from_utf8_lossy(&said).contains("200 OK"));
        served.abort();
    }

    #[tokio::test]
    async fn serving_ends_when_told() {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let metrics = Arc::new(Metrics::new(&MetricNames::default()));
        serve(listener, metrics, Arc::new(Fake::Well), async {}).await.unwrap();
    }

    #[tokio::test]
    async fn a_taken_address_is_named_with_the_remedy() {
        let first = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).await.unwrap_err().to_string();
        assert!(error.contains(&address.to_string()) && error.contains("set `listen:`"), "{error}");
    }
}
