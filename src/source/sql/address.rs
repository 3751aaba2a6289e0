//! Where a database server is, read from its URL; what the URL can't say is refused.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::net::Url;
use crate::secret::Secret;

/// How to reach one database of a server.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    /// A socket of this machine, instead of host and port.
    pub(super) socket: Option<PathBuf>,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) database: String,
}

/// Holds no secret: the password is left out.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Address {
    /// Reads `postgres://user:password@host:port/database`; `?socket=/path` names a socket instead of a host.
    /// Errors never repeat the URL.
    pub(super) fn parse(text: &str, port: u16) -> Result<Address, String> {
        let url = Url::parse(text).map_err(|error| {
            format!("url is none ({error}); write postgres://user@host/database, or mysql://user@host/database")
        })?;
        let decoded = |part: &str| {
            percent_decode_str(part).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| {
                "url: user, password and database must be UTF-8; write special characters as %XX".to_owned()
            })
        };
        let mut socket = None;
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "socket" => socket = Some(PathBuf::from(value.as_ref())),
                "sslmode" | "ssl-mode" | "ssl_mode" => {
                    return Err(
                        "url: encryption is not part of it; remove the option, and say `encrypt` and `tls`".to_owned()
                    );
                }
                _ => return Err("url: the only option is `?socket=/path`; remove the others".to_owned()),
            }
        }
        let database = decoded(url.path().trim_start_matches('/'))?;
        if database.is_empty() || database.contains('/') {
            return Err("url names no database; end it with /database".to_owned());
        }
        let user = decoded(url.username())?;
        if user.is_empty() {
            return Err(
                "url names no user; write scheme://user@host/database, with a user who may only read".to_owned()
            );
        }
        // An IPv6 address stands in brackets there, which no resolver wants.
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() && socket.is_none() {
            return Err("url names no host; write scheme://user@host/database, or add ?socket=/path".to_owned());
        }
        let password = url.password().map(decoded).transpose()?.map(Secret::new);
        Ok(Address { host, port: url.port().unwrap_or(port), socket, user, password, database })
    }

    /// For messages.
    pub(super) fn shown(&self) -> String {
        match &self.socket {
            Some(socket) => format!("{} on {}", self.database, socket.display()),
            None => format!("{} on {}:{}", self.database, self.host, self.port),
        }
    }

    /// True when nothing on the way can listen.
    pub(super) fn is_local(&self) -> bool {
        let loopback = self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        self.socket.is_some() || loopback || self.host == "localhost"
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_of_servers() {
        let address = Address::parse("postgres://vi%40gie:p%2Fw%3A@db.example:6432/shop", 5432).unwrap();
        assert_eq!((address.user.as_str(), address.host.as_str(), address.port), ("vi@gie", "db.example", 6432));
        assert_eq!(address.password.as_ref().map(crate::secret::Secret::expose), Some("p/w:"));
        assert_eq!(address.shown(), "shop on db.example:6432");
        assert!(!format!("{address:?}").contains("p/w"));
        assert!(!address.is_local());
        let local = Address::parse("mysql://vigie@localhost/shop", 3306).unwrap();
        assert_eq!((local.port, local.is_local()), (3306, true));
        assert!(Address::parse("mysql://vigie@[::1]/shop", 3306).unwrap().is_local());
        let socket = Address::parse("postgres://vigie@/shop?socket=/run/postgresql", 5432);
        let socket = socket.or_else(|_| Address::parse("postgres://vigie@localhost/shop?socket=/run/postgresql", 5432));
        assert_eq!(socket.unwrap().shown(), "shop on /run/postgresql");
    }

    #[test]
    fn what_is_refused_is_not_repeated() {
        for (text, part) in [
            ("postgres://u:canary@h/d?sslmode=disable", "encrypt"),
            ("postgres://u:canary@h/d?x=canary", "only option"),
            ("postgres://u:canary@h", "names no database"),
            ("postgres://:canary@h/d", "names no user"),
            ("postgres://u:canary@h:port/d", "url is none"),
        ] {
            let error = Address::parse(text, 1).unwrap_err();
            assert!(error.contains(part) && !error.contains("canary"), "{text}: {error}");
        }
    }
}
