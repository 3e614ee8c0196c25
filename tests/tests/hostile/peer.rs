//! A worker that speaks NATS by hand, so that it can answer with any bytes.

use metropolis_tests::{NatsServer, within};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::parties::PATIENCE;

/// The peer, subscribed to one subject.
pub(crate) struct Peer {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Peer {
    pub(crate) async fn start(server: &NatsServer, subject: &str) -> Self {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let (read, write) = stream.into_split();
        let mut peer = Self {
            read: BufReader::new(read),
            write,
        };
        let hello = format!(
            "CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true}}\r\nSUB {subject} 1\r\nPING\r\n"
        );
        peer.write(hello).await;
        while peer.line().await != "PONG" {}
        peer
    }

    /// Waits for a request and gives the subject its answer goes to.
    pub(crate) async fn request(&mut self) -> String {
        loop {
            let line = self.line().await;
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["PING"] => self.write("PONG\r\n").await,
                ["MSG", _, _, reply, length] | ["HMSG", _, _, reply, _, length] => {
                    let length: usize = length.parse().unwrap();
                    let mut payload = vec![0; length + 2];
                    within(PATIENCE, self.read.read_exact(&mut payload))
                        .await
                        .unwrap();
                    return reply.to_owned();
                }
                ["INFO", ..] => {}
                _ => panic!("the server says {line:?}"),
            }
        }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let writing = self.write.write_all(bytes.as_ref());
        within(PATIENCE, writing).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        within(PATIENCE, self.read.read_line(&mut line))
            .await
            .unwrap();
        assert!(!line.is_empty(), "the server closed the connection");
        line.trim_end().to_owned()
    }
}

/// A message without headers.
pub(crate) fn message(to: &str, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let first = format!("PUB {to} {}\r\n", payload.len());
    [first.as_bytes(), payload, b"\r\n"].concat()
}

/// A message whose header block is `NATS/1.0`, these bytes and an empty line.
pub(crate) fn with_head(to: &str, head: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let head = [b"NATS/1.0", head.as_ref(), b"\r\n\r\n"].concat();
    let payload = payload.as_ref();
    let first = format!(
        "HPUB {to} {} {}\r\n",
        head.len(),
        head.len() + payload.len()
    );
    [first.as_bytes(), &head, payload, b"\r\n"].concat()
}
