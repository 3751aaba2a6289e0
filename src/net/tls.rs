//! TLS as settings describe it: the files of authorities and of a client certificate.

use std::path::Path;
use std::sync::Once;

use reqwest::{Certificate, ClientBuilder, Identity};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::settings::TlsConfig;
use crate::secret::Resolver;

/// Whom to trust and how to be trusted, put into a client's settings.
pub(super) fn with_tls(
    mut builder: ClientBuilder,
    tls: &TlsConfig,
    base_dir: &Path,
    resolve: Resolver<'_>,
) -> Result<ClientBuilder, String> {
    if let Some(path) = &tls.ca {
        let authorities = authorities(base_dir, path, "tls.ca")?;
        let authorities: Result<Vec<_>, _> = authorities.iter().map(|each| Certificate::from_der(each)).collect();
        let authorities = authorities.map_err(|error| format!("tls.ca: {} can't be used: {error}", path.display()))?;
        builder = builder.tls_certs_only(authorities);
    }
    match (&tls.cert, &tls.key) {
        (Some(path), key) => {
            let mut pem = read_pem(base_dir, path, "tls.cert")?;
            if let Some(key) = key {
                pem.push(b'\n');
                pem.extend_from_slice(resolve(key)?.expose().as_bytes());
            }
            let identity = Identity::from_pem(&pem).map_err(|_| {
                format!("tls.cert: {} with its key is no usable identity; both must be PEM", path.display())
            })?;
            builder = builder.identity(identity);
        }
        (None, Some(_)) => return Err("tls.key stands without tls.cert; name the certificate's file too".to_owned()),
        (None, None) => {}
    }
    Ok(builder)
}

/// The certificates of a PEM file of authorities, each of them usable. `key` names the setting in messages.
pub fn authorities(base_dir: &Path, path: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read_pem(base_dir, path, key)?;
    let refused = |why: &str| format!("{key}: {} {why}", base_dir.join(path).display());
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|_| refused("is damaged; it must be a PEM file of certificates"))?;
    if found.is_empty() {
        return Err(refused("holds no certificate; it must be a PEM file"));
    }
    let mut trial = RootCertStore::empty();
    for each in &found {
        trial.add(each.clone()).map_err(|_| refused("holds a certificate that can't be read; replace it"))?;
    }
    Ok(found)
}

fn read_pem(base_dir: &Path, path: &Path, key: &str) -> Result<Vec<u8>, String> {
    let path = base_dir.join(path);
    std::fs::read(&path)
        .map_err(|error| format!("{key}: can't read {}: {error}; check path and rights", path.display()))
}

/// Names the one TLS implementation; a second call changes nothing.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error only says that somebody installed one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
