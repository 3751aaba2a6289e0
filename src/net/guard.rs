//! Guarded addresses: where clouds hand out credentials to whoever asks from inside the machine.
//!
//! Addresses written as such and names that this machine resolves are judged; behind a proxy, the proxy resolves.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Amazon's metadata service over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);

/// True for link-local and metadata addresses, and for those that mean "any".
fn is_guarded(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_unspecified() || address == METADATA_V6,
    }
}

/// True when a host as it stands in an address is a guarded one; of a name nothing is known yet.
pub fn is_guarded_host(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse().is_ok_and(is_guarded)
}

/// A name that leads to a guarded address.
#[derive(Debug)]
pub(super) struct GuardedAddress;

impl GuardedAddress {
    /// Whether this is why a request failed.
    pub(super) fn caused(error: &(dyn Error + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<GuardedAddress>() {
                return true;
            }
            next = error.source();
        }
        false
    }
}

impl fmt::Display for GuardedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name leads to a link-local or metadata address")
    }
}

impl Error for GuardedAddress {}

type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks names up as the system does, and refuses those with a guarded address among theirs.
pub(super) struct Guard {
    lookup: fn(String) -> Found,
}

impl Guard {
    pub(super) fn new() -> Guard {
        // The port is a placeholder: the client puts the right one in its place.
        Guard { lookup: |name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let found = found.await?;
            if found.iter().any(|address| is_guarded(address.ip())) {
                return Err(GuardedAddress.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Guard, is_guarded_host};
    use crate::net::{ErrorClass, NetError, install_crypto};

    #[test]
    fn link_local_and_metadata_addresses_are_guarded() {
        for host in ["169.254.169.254", "0.0.0.0", "[fe80::1]", "[::]", "[fd00:ec2::254]", "[::ffff:169.254.1.1]"] {
            assert!(is_guarded_host(host), "{host}");
        }
        for host in ["127.0.0.1", "10.0.0.1", "[::1]", "[fd00:ec2::253]", "api.example.test", "170.254.0.1", ""] {
            assert!(!is_guarded_host(host), "{host}");
        }
    }

    #[tokio::test]
    async fn names_that_lead_there_are_refused() {
        install_crypto();
        let guard = Guard {
            lookup: |_| Box::pin(async { Ok(["127.0.0.1:0", "169.254.169.254:0"].map(|a| a.parse().unwrap()).into()) }),
        };
        let client = reqwest::Client::builder().tls_certs_only([]).dns_resolver(Arc::new(guard)).build().unwrap();
        let error = client.get("http://api.example.test/x").send().await.unwrap_err();
        let error = NetError::from_reqwest(error, "http://api.example.test");
        assert_eq!(error.class, ErrorClass::Config, "{error}");
        assert!(error.message.contains("metadata address") && error.message.contains("allow_link_local"), "{error}");
    }
}
