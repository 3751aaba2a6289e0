//! What TLS itself says went wrong: in whose certificate, and what mends it.
//!
//! Found by type in the chain of causes, since the libraries above wrap it and word it each in their own way.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// How the settings name what a remedy may speak of.
#[derive(Clone, Copy, Debug)]
pub struct TlsKeys {
    /// The key that names the server.
    pub host: &'static str,
    /// The key that names trusted authorities.
    pub ca: &'static str,
    /// The key that names a client certificate, where there is one.
    pub cert: Option<&'static str>,
}

/// Why a connection could not be encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The server's certificate is signed by nobody we trust.
    UnknownAuthority,
    /// The server's certificate is made for these names, not for the one that was asked for.
    WrongName(Vec<String>),
    Expired,
    NotYetValid,
    /// The server's certificate can't be used for another reason.
    BadCertificate(String),
    /// The server wants a certificate of ours, or refuses the one it got.
    ClientCertificate(String),
    /// The other side speaks no TLS, or none that we speak.
    Protocol(String),
}

impl TlsFault {
    /// The fault that an error comes from, if it comes from one.
    pub fn find(error: &(dyn Error + 'static)) -> Option<TlsFault> {
        let mut cause = Some(error);
        while let Some(found) = cause {
            if let Some(tls) = tls_error(found) {
                return Some(TlsFault::of(tls));
            }
            cause = found.source();
        }
        None
    }

    fn of(error: &TlsError) -> TlsFault {
        match error {
            TlsError::InvalidCertificate(cause) => TlsFault::of_certificate(cause),
            TlsError::InvalidMessage(_) => TlsFault::Protocol("what it answers is no TLS".to_owned()),
            TlsError::AlertReceived(alert) => match alert {
                AlertDescription::CertificateRequired => {
                    TlsFault::ClientCertificate("it wants a client certificate".to_owned())
                }
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied => {
                    TlsFault::ClientCertificate(format!("it refuses the client certificate ({alert:?})"))
                }
                other => TlsFault::Protocol(format!("it breaks the TLS handshake off ({other:?})")),
            },
            other => TlsFault::Protocol(format!("the TLS handshake fails: {other}")),
        }
    }

    fn of_certificate(cause: &CertificateError) -> TlsFault {
        match cause {
            // A bad signature is what an authority of the same name with another key leaves.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotYetValid,
            CertificateError::NotValidForName => TlsFault::WrongName(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                TlsFault::WrongName(presented.iter().map(|name| plain_name(name)).collect())
            }
            other => {
                let words = other.to_string();
                // What `openssl req -x509` makes without further ado.
                let own = words.contains("CaUsedAsEndEntity");
                let why = if own { "it is an authority's own, which no server may show".to_owned() } else { words };
                TlsFault::BadCertificate(why)
            }
        }
    }

    /// True when the exchange ended over a certificate, before anything that was sent could count.
    pub fn is_certificate(&self) -> bool {
        match self {
            TlsFault::UnknownAuthority
            | TlsFault::WrongName(_)
            | TlsFault::Expired
            | TlsFault::NotYetValid
            | TlsFault::BadCertificate(_)
            | TlsFault::ClientCertificate(_) => true,
            TlsFault::Protocol(_) => false,
        }
    }

    /// What is wrong, as said of the server.
    pub fn cause(&self) -> String {
        match self {
            TlsFault::UnknownAuthority => "its certificate is signed by an authority that is not trusted".to_owned(),
            TlsFault::WrongName(names) if names.is_empty() => "its certificate is made for another name".to_owned(),
            TlsFault::WrongName(names) => format!("its certificate is made for {}", names.join(", ")),
            TlsFault::Expired => "its certificate has expired".to_owned(),
            TlsFault::NotYetValid => "its certificate is not valid yet".to_owned(),
            TlsFault::BadCertificate(why) => format!("its certificate can't be used: {why}"),
            TlsFault::ClientCertificate(what) | TlsFault::Protocol(what) => what.clone(),
        }
    }

    /// What mends it, by the keys of the settings.
    pub fn remedy(&self, keys: &TlsKeys) -> String {
        let TlsKeys { host, ca, cert } = *keys;
        match self {
            TlsFault::UnknownAuthority => format!("name the PEM file of its authority in {ca}"),
            TlsFault::WrongName(_) => format!("write a name that it is made for in {host}"),
            TlsFault::Expired => "renew it on the server".to_owned(),
            TlsFault::NotYetValid => "check the clocks of both machines".to_owned(),
            TlsFault::BadCertificate(_) => "replace it on the server by one that its authority signed".to_owned(),
            TlsFault::ClientCertificate(_) => match cert {
                Some(cert) => format!("name a certificate that it accepts in {cert}"),
                None => "none can be given here, ask its operator for another way in".to_owned(),
            },
            TlsFault::Protocol(_) => format!("check that {host} and the port lead to a server that speaks TLS there"),
        }
    }
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TlsError> {
    match error.downcast_ref::<io::Error>() {
        // What an I/O error was made of is not its `source`.
        Some(outer) => tls_error(outer.get_ref()?),
        None => error.downcast_ref(),
    }
}

/// `mail.example.test` of `DnsName("mail.example.test")`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    const KEYS: TlsKeys = TlsKeys { host: "url", ca: "tls.ca", cert: Some("tls.cert") };

    fn check(error: TlsError, cause: &str, remedy: &str) {
        // As the libraries hand it on: inside an I/O error inside another.
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
        let fault = TlsFault::find(&wrapped).expect("a fault of TLS");
        assert!(fault.cause().contains(cause), "{fault:?}");
        assert!(fault.remedy(&KEYS).contains(remedy), "{fault:?}");
    }

    #[test]
    fn faults_are_found_and_have_remedies() {
        check(CertificateError::UnknownIssuer.into(), "not trusted", "tls.ca");
        check(CertificateError::BadSignature.into(), "not trusted", "tls.ca");
        check(CertificateError::Expired.into(), "has expired", "renew");
        check(CertificateError::NotValidYet.into(), "not valid yet", "clocks");
        check(CertificateError::NotValidForName.into(), "another name", "in url");
        check(CertificateError::Revoked.into(), "can't be used: Revoked", "replace");
        check(TlsError::AlertReceived(AlertDescription::CertificateRequired), "wants a client", "tls.cert");
        check(TlsError::AlertReceived(AlertDescription::UnknownCA), "refuses the client", "tls.cert");
        check(TlsError::AlertReceived(AlertDescription::ProtocolVersion), "breaks the TLS", "speaks TLS");
        assert_eq!(TlsFault::find(&io::Error::other("reset")), None);
        assert_eq!(TlsFault::find(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }

    #[test]
    fn names_lose_their_wrapping() {
        assert_eq!(plain_name("DnsName(\"mx.example.test\")"), "mx.example.test");
        assert_eq!(plain_name("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(plain_name("other"), "other");
    }
}
