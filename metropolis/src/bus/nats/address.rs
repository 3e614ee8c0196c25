//! Addresses of servers: what a URL says of where to connect, without what it says of whom.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The port of a URL that names none.
const PORT: u16 = 4222;

/// Where one server is. Holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) is_tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// The address of a URL; `None` when it names no host.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let host = url.host_str().filter(|host| !host.is_empty())?;
        Some(Self {
            is_tls: url.scheme() == "tls",
            // A URL writes an IPv6 address in brackets, a resolver knows it without.
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(PORT),
        })
    }
}

/// Servers tell of each other as `host:port`.
impl FromStr for Address {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        parse(text).as_ref().and_then(Self::of).ok_or(())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "tls" } else { "nats" };
        write!(f, "{scheme}://")?;
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Reads a URL whose scheme may be missing.
pub(super) fn parse(text: &str) -> Option<Url> {
    if text.contains("://") {
        Url::parse(text).ok()
    } else {
        Url::parse(&format!("nats://{text}")).ok()
    }
}
