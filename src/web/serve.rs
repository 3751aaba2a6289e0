//! The listener and its few pages.

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
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::health::Health;
use crate::telemetry::Metrics;

/// An engine that has not answered by then counts as stuck.
const HEALTH_DEADLINE: Duration = Duration::from_secs(5);
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
    axum::serve(listener, router(shared)).with_graceful_shutdown(stop).await
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
    use std::future::IntoFuture;

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
        let answering = axum::serve(listener, router(shared)).with_graceful_shutdown(async { drop(stopped.await) });
        let served = tokio::spawn(answering.into_future());
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
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
