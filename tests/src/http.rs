//! Two small HTTP/1.1 clients that send what the test wrote.
//!
//! [`raw`] sends bytes, however wrong they are. [`HttpClient`] keeps one connection and sends
//! well-formed requests whose path is passed on without any normalisation.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long [`raw`] waits for the server to close the connection.
pub const RAW_DEADLINE: Duration = Duration::from_secs(5);

/// What a server sent, and whether it then closed the connection.
#[derive(Clone, Debug)]
pub struct Received {
    /// Everything that arrived.
    pub bytes: Vec<u8>,
    /// False when the deadline passed with the connection still open.
    pub is_closed: bool,
}

/// Sends bytes on a connection of their own and returns all that arrives until the server closes
/// it, or until [`RAW_DEADLINE`].
///
/// # Panics
///
/// When nothing listens at `address`.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    raw_within(address, bytes, RAW_DEADLINE).await.bytes
}

/// Like [`raw`] with another deadline; also says whether the server closed the connection.
///
/// # Panics
///
/// When nothing listens at `address`.
pub async fn raw_within(address: SocketAddr, bytes: &[u8], deadline: Duration) -> Received {
    let stream = connect(address).await;
    let (read, mut write) = stream.into_split();
    // A server may answer and close before it has read everything, so failing to write is no
    // failure. The writing half is kept, as dropping it would close the request's side.
    let (received, _) = tokio::join!(read_within(read, deadline), async {
        let _ = timeout(deadline, write.write_all(bytes)).await;
    });
    received
}

/// Like [`raw_within`], but closes the sending side after the bytes.
///
/// # Panics
///
/// When nothing listens at `address`.
pub async fn raw_half_closed(address: SocketAddr, bytes: &[u8], deadline: Duration) -> Received {
    let stream = connect(address).await;
    let (read, mut write) = stream.into_split();
    let (received, _) = tokio::join!(read_within(read, deadline), async {
        let _ = timeout(deadline, write.write_all(bytes)).await;
        let _ = write.shutdown().await;
    });
    received
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address)
        .await
        .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
}

/// A reset counts as closed: that is how a server refuses what it does not want to read.
async fn read_within(mut stream: impl AsyncRead + Unpin, deadline: Duration) -> Received {
    let mut bytes = Vec::new();
    let reading = async { while matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {} };
    let is_closed = timeout(deadline, reading).await.is_ok();
    Received { bytes, is_closed }
}

/// A client with one kept connection.
#[derive(Debug)]
pub struct HttpClient {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

/// Why a request has no response.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Nothing accepted the connection.
    #[error("cannot connect to {0}: {1}")]
    Connect(SocketAddr, #[source] std::io::Error),
    /// The connection broke or was closed before the response was complete.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
}

impl HttpClient {
    /// Connects.
    ///
    /// # Panics
    ///
    /// When nothing listens at `address`.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Connects to something that may not be there.
    ///
    /// # Errors
    ///
    /// When nothing listens at `address`.
    pub async fn try_connect(address: SocketAddr) -> Result<Self, HttpError> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| HttpError::Connect(address, error))?;
        // Like every real client: a small request must not wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // What goes wrong on the connection is reported by the request that needed it.
        tokio::spawn(async { drop(connection.await) });
        Ok(Self { address, sender })
    }

    /// Sends a request and reads the whole response.
    ///
    /// A `host` header is added unless there is one; the path is sent exactly as given.
    ///
    /// # Panics
    ///
    /// When there is no response, or the request cannot be written as HTTP; [`raw`] sends those.
    pub async fn send(
        &mut self,
        method: &str,
        path_and_query: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response {
        self.try_send(method, path_and_query, headers, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path_and_query}: {error}"))
    }

    /// Sends a request to a server that may go away meanwhile.
    ///
    /// # Errors
    ///
    /// When the connection breaks; it is of no use afterwards.
    ///
    /// # Panics
    ///
    /// When the request cannot be written as HTTP.
    pub async fn try_send(
        &mut self,
        method: &str,
        path_and_query: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response, HttpError> {
        let mut request = Request::builder()
            .method(method)
            .uri(exact_uri(path_and_query));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request
            .body(Full::new(body.into()))
            .unwrap_or_else(|error| panic!("`raw` can send this, `HttpClient` cannot: {error}"));
        if !request.headers().contains_key(HOST) {
            let host = self.address.to_string();
            let host = host.parse().expect("an address is a header value");
            request.headers_mut().insert(HOST, host);
        }
        self.exchange(request).await
    }

    /// Whether the server has closed the connection, so that nothing can be sent any more.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response, HttpError> {
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        Ok(Response {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}

/// Parsing cuts off a fragment, so what comes out is compared with what went in.
fn exact_uri(path_and_query: &str) -> Uri {
    match path_and_query.parse::<Uri>() {
        Ok(uri) if uri == *path_and_query => uri,
        _ => panic!("`raw` can send the path {path_and_query:?}, `HttpClient` cannot"),
    }
}

/// A complete response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// The headers, in lower case.
    pub headers: HeaderMap,
    /// The body, with a chunked encoding taken off.
    pub body: Bytes,
}

impl Response {
    /// The first value of a header, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body read as JSON.
    ///
    /// # Panics
    ///
    /// When it is not JSON of that type; the message holds the body.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            let text = self.text();
            panic!(
                "the body of this {} is not the expected JSON: {error}\n{text}",
                self.status
            )
        })
    }
}
