//! What an address says by itself: the part of it that may be shown, and whether it is this machine.

use std::net::IpAddr;

use super::Url;

/// Scheme, host and port: the part of an address that is never secret.
pub(super) fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// True for hosts that can only be this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machine_counts_as_loopback() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["mail.example.test", "10.0.0.1", "localhost.example.test", "0.0.0.0", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
