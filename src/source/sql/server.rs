//! What database servers have in common: limits, encryption, and the reading of an answer row by row.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::address::Address;
use super::table::{Columns, SqlValue, Table};
use crate::model::observation::Pull;
use crate::net::{ErrorClass, TlsFault, TlsKeys};
use crate::secret::Secret;
use crate::source::error::SourceError;
use crate::source::request::PullRequest;

const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// For a server to accept a connection.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);
/// For the server to stop a statement by itself, before the connection is dropped.
const GRACE: Duration = Duration::from_secs(2);

/// Bounds of one answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) rows_max: usize,
    pub(super) statement_timeout: Duration,
}

/// How the way to a server is encrypted; certificates are always checked.
#[derive(Clone)]
pub(super) struct Encryption {
    /// PEM of the authorities to trust instead of the system's.
    pub(super) ca: Option<Vec<u8>>,
    /// Client certificate and key, both PEM.
    pub(super) identity: Option<(Vec<u8>, Secret)>,
}

/// A database of a server, ready to be asked.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) limits: Limits,
    /// None: the way is not encrypted.
    pub(super) encryption: Option<Encryption>,
    /// Time zone of the session; none: that of the KPI.
    pub(super) zone: Option<String>,
    /// Connections at once.
    pub(super) permits: Arc<Semaphore>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Server {
    pub(super) fn object(&self) -> String {
        format!("database {}", self.address.shown())
    }

    /// The zone in which the session reckons days.
    pub(super) fn session_zone(&self, request: &PullRequest) -> String {
        let own = || request.kpi.zone.iana_name().unwrap_or("UTC").to_owned();
        self.zone.clone().unwrap_or_else(own)
    }

    /// Runs an exchange with the server while a place is held, within the time left. What runs longer than the
    /// statement may is given up together with its connection.
    pub(super) async fn within<T>(
        &self,
        left: Duration,
        exchange: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let asked = async {
            // The semaphore is never closed.
            let _place = self.permits.acquire().await;
            timeout(CONNECT_MAX + self.limits.statement_timeout + GRACE, exchange).await
        };
        match timeout(left, asked).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(SourceError::new(
                ErrorClass::Deadline,
                format!("{}: no answer in time; check the server and the way to it", self.object()),
            )),
        }
    }

    pub(super) fn too_slow(&self) -> SourceError {
        SourceError::new(
            ErrorClass::Deadline,
            format!(
                "{}: the query ran longer than {:?} and was stopped; make it lighter, add an index, or raise statement_timeout",
                self.object(),
                self.limits.statement_timeout
            ),
        )
    }

    pub(super) fn failed(&self, class: ErrorClass, said: &str, remedy: &str) -> SourceError {
        SourceError::new(class, format!("{}: {said}; {remedy}", self.object()))
    }

    /// Failures below the database's own protocol.
    pub(super) fn unreachable(&self, error: &sqlx::Error) -> SourceError {
        const KEYS: TlsKeys = TlsKeys { host: "url", ca: "tls.ca", cert: Some("tls.cert") };
        let said = error.to_string();
        let said = said.strip_prefix("error communicating with database: ").unwrap_or(&said).to_owned();
        if said.contains("close_notify") {
            let cause = "the connection broke off within the answer";
            return self.failed(ErrorClass::Transient, cause, "check the server and the way to it");
        }
        if let Some(fault) = TlsFault::find(error) {
            let remedy = format!("{}; where the network is trusted, say encrypt: false", fault.remedy(&KEYS));
            return self.failed(ErrorClass::Config, &fault.cause(), &remedy);
        }
        // Some failures of the handshake come as failures to read.
        let is_certificate = said.contains("certificate") || said.contains("UnknownIssuer");
        match error {
            _ if is_certificate => self.failed(
                ErrorClass::Config,
                &said,
                "say tls: {ca: file.pem} for an authority of your own; where the network is trusted, encrypt: false",
            ),
            sqlx::Error::Tls(_) => self.failed(
                ErrorClass::Config,
                &said,
                "check the server's certificate and tls.ca; where the network is trusted, say encrypt: false",
            ),
            sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolTimedOut => {
                self.failed(ErrorClass::Transient, &said, "check that the server runs and can be reached from here")
            }
            sqlx::Error::Configuration(_) => self.failed(ErrorClass::Config, &said, "correct url and tls"),
            _ => self.failed(ErrorClass::Unexpected, &said, "look at the query and the server's log"),
        }
    }
}

/// Reads rows into a pull, within the limits.
pub(super) async fn read_rows<R>(
    limits: Limits,
    request: &PullRequest,
    columns: Columns,
    rows: impl Stream<Item = Result<R, SourceError>>,
    values: impl Fn(&R) -> Result<Vec<SqlValue>, SourceError>,
) -> Result<Pull, SourceError> {
    let mut table = Table::new(request, columns);
    let (mut count, mut bytes) = (0, 0);
    let mut rows = std::pin::pin!(rows);
    while let Some(row) = rows.next().await {
        let row = values(&row?)?;
        count += 1;
        bytes += row.iter().map(SqlValue::size).sum::<usize>();
        if count > limits.rows_max || bytes > TEXT_BYTES_MAX {
            let message = format!(
                "query of KPI `{}`: more than {} rows or {TEXT_BYTES_MAX} bytes; group or filter by :from and :to, or raise rows_max",
                request.kpi.id, limits.rows_max
            );
            return Err(SourceError::new(ErrorClass::TooLarge, message));
        }
        table.push(row);
    }
    table.finish()
}
