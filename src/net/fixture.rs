//! Certificates made on the spot, and a small HTTPS server on loopback, for the tests of all who speak TLS.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::tls::install_crypto;

/// A private authority.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, both in PEM.
pub(crate) struct Issued {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(owned(&["localhost"])).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes its certificate for a `ca` setting.
    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, self.pem()).unwrap();
    }

    /// Its own certificate as a server would show it.
    pub(crate) fn itself(&self) -> Issued {
        Issued { cert: self.pem(), key: self.issuer.key().serialize_pem() }
    }

    /// A certificate for these names and addresses, valid now.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.sign(CertificateParams::new(owned(names)).unwrap())
    }

    /// The same, but no longer valid.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> Issued {
        let mut params = CertificateParams::new(owned(names)).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Issued { cert: cert.pem(), key: key.serialize_pem() }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Issued {
    /// The settings of a server that shows it and asks nobody who they are.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        install_crypto();
        self.finish(ServerConfig::builder().with_no_client_auth())
    }

    /// The same, for clients with a certificate of that authority only.
    pub(crate) fn acceptor_for(&self, clients: &Authority) -> TlsAcceptor {
        install_crypto();
        let mut roots = RootCertStore::empty();
        roots.add(clients.issuer.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        self.finish(ServerConfig::builder().with_client_cert_verifier(verifier))
    }

    fn finish(&self, builder: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>) -> TlsAcceptor {
        let chain = vec![CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
    }
}

/// An HTTPS server that gives every request the same answer; it ends with the value.
pub(crate) struct HttpsServer {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl HttpsServer {
    pub(crate) async fn start(acceptor: TlsAcceptor, answer: &str) -> HttpsServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (taken, answer) = (Arc::clone(&requests), answer.to_owned());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acceptor.clone(), answer.clone(), Arc::clone(&taken)));
            }
        });
        HttpsServer { port, requests, task }
    }

    /// Head and body of each request that came through TLS.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    answer: String,
    requests: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut stream = match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => BufReader::new(stream),
        Err((error, mut stream)) => {
            // Hears the client out, so that a reset does not overtake what it was told.
            stream.shutdown().await?;
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
            return Err(error);
        }
    };
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let begin = request.len();
        if stream.read_line(&mut request).await? == 0 {
            return Ok(());
        }
        let line = request[begin..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    request.push_str(&String::from_utf8_lossy(&body));
    requests.lock().unwrap().push(request);
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
