//! Where to connect and as whom, checked before anything is sent. Credentials never leave this file but to the client.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use super::address::{self, Address};
use crate::config::NatsSecurity;

mod security;

/// Where and as whom to connect.
#[derive(Clone)]
pub struct NatsOptions {
    /// Servers of one cluster, as `nats://host:4222` or `tls://…`; credentials as `user:password@` or `token@`.
    pub urls: Vec<String>,
    /// The name the server's connection reports show.
    pub name: String,
    /// `worker`, `gateway` or `client`: replies come to `_INBOX_<role>.>`, so that a role can be permitted.
    pub role: String,
    /// How long to look for a server; without it, for ever.
    pub connect_timeout: Option<Duration>,
    /// Certificates and credentials; none but the URL's otherwise.
    pub security: NatsSecurity,
}

impl NatsOptions {
    /// Connects to one server, waiting for it for ever.
    #[must_use]
    pub fn new(url: impl Into<String>, role: impl Into<String>) -> Self {
        let role = role.into();
        Self {
            urls: vec![url.into()],
            name: format!("metropolis/{role}"),
            role,
            connect_timeout: None,
            security: NatsSecurity::default(),
        }
    }

    /// Checks URLs and role, and reads what the files hold.
    pub(super) fn target(&self) -> Result<Target, ConnectError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if self.role.is_empty() || self.role.len() > ROLE_MAX || !self.role.bytes().all(good) {
            return Err(ConnectError::Role {
                role: self.role.clone(),
            });
        }
        let mut target = Target {
            servers: Vec::new(),
            credentials: security::credentials(&self.security)?,
            tls: security::tls(&self.security)?,
        };
        for url in &self.urls {
            target.add(url)?;
        }
        if target.servers.is_empty() {
            return Err(ConnectError::NoUrl);
        }
        Ok(target)
    }
}

/// The longest role, in bytes; it is part of every reply subject.
const ROLE_MAX: usize = 32;

impl fmt::Debug for NatsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            urls,
            name,
            role,
            connect_timeout,
            security,
        } = self;
        let urls: Vec<String> = urls.iter().map(|url| without_userinfo(url)).collect();
        f.debug_struct("NatsOptions")
            .field("urls", &urls)
            .field("name", name)
            .field("role", role)
            .field("connect_timeout", connect_timeout)
            .field("security", security)
            .finish()
    }
}

/// Why no bus was made of the options. No text of it holds credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is nowhere to connect to.
    #[error("no NATS URL was given; write one as `nats://host:4222`")]
    NoUrl,
    /// A URL cannot be understood.
    #[error("the NATS URL `{url}` {problem}; write it as `nats://host:4222`")]
    Url {
        /// The URL without its credentials.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The role cannot be part of a subject.
    #[error("the role \"{role}\" must be 1 to {ROLE_MAX} letters, digits, `_` or `-`")]
    Role {
        /// The role as given.
        role: String,
    },
    /// A file with a certificate or a secret cannot be used.
    #[error("the file {path} {problem}")]
    File {
        /// Where it is.
        path: String,
        /// What is wrong with it; never what it holds.
        problem: String,
    },
    /// Settings that secure the connection contradict one another.
    #[error("{0}")]
    Security(&'static str),
    /// One side does not trust the other's certificate, or has none.
    #[error("no trusted connection to the NATS server at {servers}: {reason}")]
    Untrusted {
        /// The servers' addresses.
        servers: String,
        /// What TLS says.
        reason: String,
    },
    /// The server does not know these credentials.
    #[error("the NATS server at {servers} refused the credentials")]
    Refused {
        /// The servers' addresses.
        servers: String,
    },
    /// The server lacks what the framework needs.
    #[error("the NATS server at {servers} has version {version}; 2.10 or newer is needed")]
    TooOld {
        /// The servers' addresses.
        servers: String,
        /// The version it tells.
        version: String,
    },
    /// The server took the connection and does not let answers through to it.
    #[error("the NATS server at {servers} does not let `{inbox}>` be subscribed to")]
    NoInbox {
        /// The servers' addresses.
        servers: String,
        /// What the permission must begin with.
        inbox: String,
    },
    /// There was no server in time.
    #[error("no NATS server was reached at {servers} within {after:?}: {reason}")]
    Unreachable {
        /// The servers' addresses.
        servers: String,
        /// How long was tried.
        after: Duration,
        /// What the last attempt ended with.
        reason: String,
    },
}

/// Checked addresses, and the credentials that were taken out of them or out of files.
pub(super) struct Target {
    pub(super) servers: Vec<Address>,
    pub(super) credentials: Credentials,
    pub(super) tls: Tls,
}

/// Whom to connect as.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    None,
    Token(String),
    User {
        name: String,
        password: String,
    },
    /// The seed of an nkey.
    Nkey(String),
    /// What a `.creds` file holds: who it is, and the seed that proves it.
    Creds {
        jwt: String,
        seed: String,
    },
}

/// Certificates to trust and to show; their files were looked into.
#[derive(Clone, Default)]
pub(super) struct Tls {
    pub(super) ca: Option<PathBuf>,
    /// The certificate and its key.
    pub(super) own: Option<(PathBuf, PathBuf)>,
}

impl Target {
    /// The addresses, for logs and errors.
    pub(super) fn servers(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(Address::to_string).collect();
        servers.join(", ")
    }

    /// Whether an unencrypted connection is none: certificates are named, or a URL begins with `tls://`. Servers that
    /// are heard of later are told without a scheme.
    pub(super) fn demands_tls(&self) -> bool {
        let names_tls = self.servers.iter().any(|server| server.is_tls);
        self.tls.ca.is_some() || self.tls.own.is_some() || names_tls
    }

    fn add(&mut self, url: &str) -> Result<(), ConnectError> {
        let wrong = |problem| ConnectError::Url {
            url: without_userinfo(url),
            problem,
        };
        let parsed =
            address::parse(url.trim()).ok_or_else(|| wrong("is not a URL of a NATS server"))?;
        if !matches!(parsed.scheme(), "nats" | "tls") {
            return Err(wrong("does not begin with `nats://` or `tls://`"));
        }
        let server = Address::of(&parsed).ok_or_else(|| wrong("names no host"))?;
        let credentials =
            credentials(&parsed).ok_or_else(|| wrong("has credentials that are not UTF-8"))?;
        if self.credentials != Credentials::None
            && credentials != Credentials::None
            && credentials != self.credentials
        {
            return Err(wrong(
                "has other credentials than what was given before it; all servers are given the same",
            ));
        }
        if credentials != Credentials::None {
            self.credentials = credentials;
        }
        self.servers.push(server);
        Ok(())
    }
}

/// Whom a URL says to connect as; `None` when it is not UTF-8 once decoded.
fn credentials(url: &Url) -> Option<Credentials> {
    let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    Some(match (url.username(), url.password()) {
        ("", None) => Credentials::None,
        (token, None) => Credentials::Token(decoded(token)?),
        (name, Some(password)) => Credentials::User {
            name: decoded(name)?,
            password: decoded(password)?,
        },
    })
}

/// For texts that may be no URL at all: whatever stands before the last `@` goes.
fn without_userinfo(url: &str) -> String {
    let (scheme, rest) = url
        .split_once("://")
        .map_or(("", url), |(scheme, rest)| (scheme, rest));
    let Some((_, rest)) = rest.rsplit_once('@') else {
        return url.to_owned();
    };
    match scheme {
        "" => rest.to_owned(),
        scheme => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests;
