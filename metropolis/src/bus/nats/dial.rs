//! One attempt to connect: the first server that takes us, with its greeting and ours exchanged.

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Bytes, BytesMut};
use nkeys::KeyPair;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::address::Address;
use super::options::{Credentials, Target};
use super::protocol::{self, ConnectInfo, Operation, ServerInfo};
use super::{ConnectError, NatsOptions, tls};

/// How long one server may take to let us in.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The oldest server that has what the framework needs.
const SERVER_MIN: (u64, u64) = (2, 10);

/// How an attempt ended that did not give a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// It may go better next time.
    #[error("{0}")]
    Yet(String),
    #[error(transparent)]
    ForGood(ConnectError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Yet(error.to_string())
    }
}

/// A connection that a server has accepted.
pub(super) struct Dialled {
    pub(super) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// What was read and not yet understood.
    pub(super) buffer: BytesMut,
    pub(super) server: ServerInfo,
}

/// Connects to the first of the options' servers, or of those that were heard of, that takes us.
///
/// The options' files are read again each time: what they hold may have been changed because a server refused it.
pub(super) async fn dial(options: &NatsOptions, heard: &[Address]) -> Result<Dialled, Failed> {
    let target = options.target().map_err(Failed::ForGood)?;
    let mut failed = Failed::Yet("there is no server".to_owned());
    for address in shuffled(&target.servers, heard) {
        let letting_in = let_in(&address, options, &target);
        failed = match tokio::time::timeout(ATTEMPT, letting_in).await {
            Ok(Ok(dialled)) => return Ok(dialled),
            Ok(Err(Failed::ForGood(error))) => return Err(Failed::ForGood(error)),
            Ok(Err(failed)) => failed,
            Err(_) => Failed::Yet(format!("{address} did not answer within {ATTEMPT:?}")),
        };
    }
    Err(failed)
}

/// The servers in an order of chance, so that the clients of a cluster spread over it.
fn shuffled(named: &[Address], heard: &[Address]) -> Vec<Address> {
    let mut servers = named.to_vec();
    servers.extend(
        heard
            .iter()
            .filter(|server| !named.contains(server))
            .cloned(),
    );
    for last in (1..servers.len()).rev() {
        // Without random numbers they stay as they are, which is an order as well.
        let chance = getrandom::u32().unwrap_or(u32::MAX) as usize;
        servers.swap(last, chance % (last + 1));
    }
    servers
}

async fn let_in(
    address: &Address,
    options: &NatsOptions,
    target: &Target,
) -> Result<Dialled, Failed> {
    let mut stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(4096);
    let server = greeting(&mut stream, &mut buffer).await?;
    check_version(&server, target)?;
    let (mut reader, mut writer) = if server.tls_required || target.demands_tls() {
        let stream = encrypted(stream, &server, address, target).await?;
        halves(tokio::io::split(stream))
    } else {
        halves(stream.into_split())
    };
    let hello = hello(options, target, &server)?;
    let exchanged = exchange(&mut reader, &mut writer, &mut buffer, &hello).await;
    exchanged.map_err(|failed| named(failed, target))?;
    Ok(Dialled {
        reader,
        writer,
        buffer,
        server,
    })
}

type Halves = (
    Box<dyn AsyncRead + Send + Unpin>,
    Box<dyn AsyncWrite + Send + Unpin>,
);

fn halves(
    (reader, writer): (
        impl AsyncRead + Send + Unpin + 'static,
        impl AsyncWrite + Send + Unpin + 'static,
    ),
) -> Halves {
    (Box::new(reader), Box::new(writer))
}

/// The server speaks first, also where TLS follows.
async fn greeting(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<ServerInfo, Failed> {
    match next(stream, buffer).await? {
        Operation::Info(info) => Ok(*info),
        Operation::Error(text) => Err(Failed::Yet(text)),
        _ => Err(Failed::Yet("it is no NATS server".to_owned())),
    }
}

async fn encrypted(
    stream: TcpStream,
    server: &ServerInfo,
    address: &Address,
    target: &Target,
) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>, Failed> {
    if !server.tls_required && !server.tls_available {
        let reason = "the server offers no TLS".to_owned();
        return Err(untrusted(reason, target));
    }
    match tls::wrap(stream, &address.host, &target.tls).await {
        Ok(stream) => Ok(stream),
        Err(error) => Err(named(Wrong::Io(error), target)),
    }
}

/// What an exchange can fail of.
enum Wrong {
    Io(io::Error),
    /// The server's complaint.
    Said(String),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Sends who we are, and hears whether that is good enough.
async fn exchange(
    reader: &mut (dyn AsyncRead + Send + Unpin),
    writer: &mut (dyn AsyncWrite + Send + Unpin),
    buffer: &mut BytesMut,
    hello: &[u8],
) -> Result<(), Wrong> {
    // A server that does not trust us may hang up before all is written, and what it said still waits to be read.
    let written = greet(writer, hello).await;
    loop {
        match next(reader, buffer).await {
            Ok(Operation::Pong) => return Ok(()),
            Ok(Operation::Error(text)) => return Err(Wrong::Said(text)),
            Ok(_) => {}
            Err(error) if tls::distrust(&error).is_some() => return Err(error.into()),
            Err(error) => return Err(written.err().unwrap_or(error).into()),
        }
    }
}

async fn greet(writer: &mut (dyn AsyncWrite + Send + Unpin), hello: &[u8]) -> io::Result<()> {
    writer.write_all(&[hello, protocol::PING].concat()).await?;
    writer.flush().await
}

async fn next(
    reader: &mut (dyn AsyncRead + Send + Unpin),
    buffer: &mut BytesMut,
) -> io::Result<Operation> {
    loop {
        if let Some(operation) = protocol::take(buffer).map_err(io::Error::other)? {
            return Ok(operation);
        }
        if reader.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn named(wrong: Wrong, target: &Target) -> Failed {
    match wrong {
        Wrong::Said(text) if is_refusal(&text) => Failed::ForGood(ConnectError::Refused {
            servers: target.servers(),
        }),
        Wrong::Said(text) => Failed::Yet(text),
        Wrong::Io(error) => match tls::distrust(&error) {
            Some(reason) => untrusted(reason, target),
            None => error.into(),
        },
    }
}

fn untrusted(reason: String, target: &Target) -> Failed {
    Failed::ForGood(ConnectError::Untrusted {
        servers: target.servers(),
        reason,
    })
}

/// Whether a server's complaint is about who we are.
fn is_refusal(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("authorization") || text.contains("authentication")
}

fn check_version(server: &ServerInfo, target: &Target) -> Result<(), Failed> {
    if is_new_enough(&server.version) {
        return Ok(());
    }
    Err(Failed::ForGood(ConnectError::TooOld {
        servers: target.servers(),
        version: server.version.clone(),
    }))
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= SERVER_MIN
}

/// The line that says who we are. A seed never leaves: it signs what the server just made up.
fn hello(options: &NatsOptions, target: &Target, server: &ServerInfo) -> Result<Bytes, Failed> {
    let mut info = ConnectInfo {
        verbose: false,
        pedantic: false,
        echo: true,
        headers: true,
        no_responders: true,
        protocol: 1,
        tls_required: target.demands_tls(),
        lang: "rust/metropolis",
        version: env!("CARGO_PKG_VERSION"),
        name: &options.name,
        user: None,
        pass: None,
        auth_token: None,
        nkey: None,
        jwt: None,
        sig: None,
    };
    match &target.credentials {
        Credentials::None => {}
        Credentials::Token(token) => info.auth_token = Some(token),
        Credentials::User { name, password } => {
            info.user = Some(name);
            info.pass = Some(password);
        }
        Credentials::Nkey(seed) => {
            let pair = key_pair(seed)?;
            info.sig = Some(signature(&pair, server)?);
            info.nkey = Some(pair.public_key());
        }
        Credentials::Creds { jwt, seed } => {
            info.sig = Some(signature(&key_pair(seed)?, server)?);
            info.jwt = Some(jwt);
        }
    }
    let json = serde_json::to_string(&info).expect("texts and booleans have a JSON form");
    Ok(Bytes::from(format!("CONNECT {json}\r\n")))
}

fn key_pair(seed: &str) -> Result<KeyPair, Failed> {
    // The error is not shown: it might say what it was given.
    KeyPair::from_seed(seed).map_err(|_| {
        Failed::ForGood(ConnectError::Security(
            "the nkey seed is no seed of an nkey",
        ))
    })
}

fn signature(pair: &KeyPair, server: &ServerInfo) -> Result<String, Failed> {
    let signature = pair
        .sign(server.nonce.as_bytes())
        .map_err(|_| Failed::ForGood(ConnectError::Security("the nkey seed cannot sign")))?;
    Ok(URL_SAFE_NO_PAD.encode(signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for version in ["2.10.0", "2.10.26", "2.14.6", "2.15.0-dev", "3.0.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["2.9.10", "1.4.1", "", "two"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }

    #[test]
    fn servers_are_tried_in_any_order_and_each_once() {
        let address = |text: &str| text.parse::<Address>().expect("an address");
        let named = [address("one"), address("two:1")];
        let heard = [address("two:1"), address("three")];
        let mut shown: Vec<String> = shuffled(&named, &heard)
            .iter()
            .map(ToString::to_string)
            .collect();
        shown.sort();
        assert_eq!(
            shown,
            ["nats://one:4222", "nats://three:4222", "nats://two:1"]
        );
    }
}
