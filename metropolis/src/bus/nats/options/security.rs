//! What the files hold that secure a connection. Errors name a file and what is wrong with it, never what it holds.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{ConnectError, Credentials, Tls};
use crate::config::NatsSecurity;

/// The largest file with a certificate or a secret, in bytes.
const FILE_MAX: u64 = 256 * 1024;

/// The length of an nkey's seed.
const SEED_LEN: usize = 58;

/// Whom the files say to connect as.
pub(super) fn credentials(security: &NatsSecurity) -> Result<Credentials, ConnectError> {
    let NatsSecurity {
        user,
        password_file,
        token_file,
        nkey_file,
        creds_file,
        ..
    } = security;
    match (user, password_file, token_file, nkey_file, creds_file) {
        (None, None, None, None, None) => Ok(Credentials::None),
        (Some(name), Some(password), None, None, None) => Ok(Credentials::User {
            name: name.clone(),
            password: secret(password)?,
        }),
        (Some(_), None, None, None, None) | (None, Some(_), None, None, None) => Err(
            ConnectError::Security("a NATS user needs a password file, and a password file a user"),
        ),
        (None, None, Some(token), None, None) => Ok(Credentials::Token(secret(token)?)),
        (None, None, None, Some(seed), None) => nkey(seed),
        (None, None, None, None, Some(creds)) => self::creds(creds),
        _ => Err(ConnectError::Security(
            "NATS credentials were given in more than one way; user and password, token, nkey and creds exclude one another",
        )),
    }
}

/// The certificates' files, once it is sure that they hold some: the library would only say that TLS does not work.
pub(super) fn tls(security: &NatsSecurity) -> Result<Tls, ConnectError> {
    let own = match (&security.cert, &security.key) {
        (Some(cert), Some(key)) => {
            holds(cert, "BEGIN CERTIFICATE", "holds no certificate in PEM")?;
            holds(key, "PRIVATE KEY", "holds no private key in PEM")?;
            Some((cert.clone(), key.clone()))
        }
        (None, None) => None,
        _ => {
            return Err(ConnectError::Security(
                "a NATS client certificate needs its key, and a key its certificate",
            ));
        }
    };
    if let Some(ca) = &security.ca {
        holds(ca, "BEGIN CERTIFICATE", "holds no certificate in PEM")?;
    }
    Ok(Tls {
        ca: security.ca.clone(),
        own,
    })
}

fn nkey(path: &Path) -> Result<Credentials, ConnectError> {
    let seed = secret(path)?;
    if is_seed(&seed) {
        Ok(Credentials::Nkey(seed))
    } else {
        Err(wrong(path, "holds no seed of a user's nkey"))
    }
}

fn is_seed(text: &str) -> bool {
    text.len() == SEED_LEN
        && text.starts_with("SU")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn creds(path: &Path) -> Result<Credentials, ConnectError> {
    let text = read(path)?;
    let jwt = armoured(&text, "NATS USER JWT");
    let seed = armoured(&text, "USER NKEY SEED").filter(|seed| is_seed(seed));
    let creds = jwt.zip(seed).map(|(jwt, seed)| Credentials::Creds {
        jwt: jwt.to_owned(),
        seed: seed.to_owned(),
    });
    creds.ok_or_else(|| wrong(path, "holds no JWT with its seed, as a .creds file does"))
}

/// The line after the one that begins a kind; the dashes around both differ from tool to tool.
fn armoured<'t>(text: &'t str, kind: &str) -> Option<&'t str> {
    let (_, after) = text.split_once(&format!("BEGIN {kind}"))?;
    let is_inside = |line: &&str| !line.is_empty() && !line.starts_with('-');
    after.lines().map(str::trim).find(is_inside)
}

fn holds(path: &Path, what: &str, problem: &str) -> Result<(), ConnectError> {
    if read(path)?.contains(what) {
        Ok(())
    } else {
        Err(wrong(path, problem))
    }
}

fn secret(path: &Path) -> Result<String, ConnectError> {
    let text = read(path)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(wrong(path, "is empty"));
    }
    Ok(text.to_owned())
}

/// Reads a small file; it is done once per connection, and blocks no longer than a local disk does.
fn read(path: &Path) -> Result<String, ConnectError> {
    let unreadable =
        |error: std::io::Error| wrong(path, &format!("cannot be read: {}", error.kind()));
    let file = File::open(path).map_err(unreadable)?;
    let mut text = Vec::new();
    file.take(FILE_MAX + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > FILE_MAX {
        return Err(wrong(path, "is too large"));
    }
    String::from_utf8(text).map_err(|_| wrong(path, "is no text"))
}

fn wrong(path: &Path, problem: &str) -> ConnectError {
    ConnectError::File {
        path: path.display().to_string(),
        problem: problem.to_owned(),
    }
}
