//! Closed-loop load that checks every answer and spends little itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Load that goes on until it is dropped.
pub(crate) struct Load {
    answered: Arc<AtomicU64>,
    loops: JoinSet<()>,
}

impl Load {
    fn new() -> Self {
        Self {
            answered: Arc::default(),
            loops: JoinSet::new(),
        }
    }

    /// Requests answered so far.
    pub(crate) fn answered(&mut self) -> u64 {
        assert!(self.loops.try_join_next().is_none(), "the load ended early");
        self.answered.load(Ordering::Relaxed)
    }

    /// Keeps as many requests under way over one connection to a server.
    ///
    /// One task and one inbox for all: each answer sends the next request, whichever it belonged to.
    pub(crate) async fn over_nats(
        url: &str,
        subject: &'static str,
        in_flight: usize,
        payload: &'static [u8],
    ) -> Self {
        let client = async_nats::connect(url).await.expect("the server listens");
        let inbox = client.new_inbox();
        let mut answers = client
            .subscribe(inbox.clone())
            .await
            .expect("the server takes it");
        let mut load = Self::new();
        let answered = Arc::clone(&load.answered);
        load.loops.spawn(async move {
            let request =
                || client.publish_with_reply(subject, inbox.clone(), Bytes::from_static(payload));
            for _ in 0..in_flight {
                request().await.expect("the server listens");
            }
            while let Some(answer) = answers.next().await {
                assert_eq!(answer.payload, payload, "an answer is the request's echo");
                answered.fetch_add(1, Ordering::Relaxed);
                request().await.expect("the server listens");
            }
        });
        load
    }

    /// Keeps one request under way on each of as many HTTP connections.
    pub(crate) async fn over_http(
        address: SocketAddr,
        connections: usize,
        path: &str,
        payload: &'static [u8],
    ) -> Self {
        let mut load = Self::new();
        let request = post(path, payload);
        for _ in 0..connections {
            let stream = TcpStream::connect(address)
                .await
                .expect("the contender listens");
            stream
                .set_nodelay(true)
                .expect("a fresh connection is open");
            let (request, answered) = (request.clone(), Arc::clone(&load.answered));
            load.loops.spawn(async move {
                let mut connection = Connection {
                    stream,
                    received: Vec::new(),
                };
                loop {
                    connection.exchange(&request, payload).await;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        load
    }
}

fn post(path: &str, payload: &[u8]) -> Bytes {
    let length = payload.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), payload].concat().into()
}

/// An HTTP connection that reads no more of an answer than it needs: a whole client would outweigh what is measured.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    async fn exchange(&mut self, request: &[u8], echo: &[u8]) {
        self.stream
            .write_all(request)
            .await
            .expect("the contender listens");
        self.received.clear();
        while !self.received.ends_with(echo) {
            let read = self.stream.read_buf(&mut self.received).await;
            assert!(
                matches!(read, Ok(1..)),
                "no echo: {}",
                self.received.escape_ascii()
            );
        }
        assert!(
            self.received.starts_with(b"HTTP/1.1 200 "),
            "{}",
            self.received.escape_ascii()
        );
    }
}
