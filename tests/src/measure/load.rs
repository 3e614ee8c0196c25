//! Closed-loop load that checks every answer and spends little itself.
//!
//! Every contender sends back what it got. One task for all of NATS and bare TCP for HTTP, because a whole client would
//! outweigh what is measured. Meant for a runtime of one thread: the load would otherwise take another one's.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::books;
use crate::within;

/// How long the last answers may take.
const ANSWERS_DEADLINE: Duration = Duration::from_secs(10);

/// Load that goes on until it is dropped, but for pauses.
#[derive(Debug)]
pub struct Load {
    counts: Arc<Counts>,
    /// Whether requests are sent.
    gate: watch::Sender<bool>,
    loops: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    answered: AtomicU64,
    /// Told when nothing is under way any more.
    all_answered: Notify,
    /// In microseconds; kept only where requests go one at a time, because more of them mostly wait for one another.
    latencies: Option<Mutex<Vec<f64>>>,
}

/// What one window of a load found.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// CPU µs per request, by process in the order they were named, each with those it started.
    pub spent: Vec<f64>,
    /// CPU µs per request of this process, which makes the load.
    pub load: f64,
    /// Requests answered per second.
    pub per_second: f64,
    /// How long each request took, in µs, where they went one at a time.
    pub latencies: Vec<f64>,
}

impl Load {
    /// Keeps as many requests under way over one connection to a server, to each subject in turn.
    ///
    /// One task and one inbox for all: each answer sends the next request, whichever it belonged to.
    ///
    /// # Panics
    ///
    /// When the server does not listen.
    pub async fn over_nats(url: &str, subjects: &[String], in_flight: usize, body: Bytes) -> Self {
        let client = async_nats::connect(url).await.expect("the server listens");
        let inbox = client.new_inbox();
        let mut answers = client
            .subscribe(inbox.clone())
            .await
            .expect("the server takes it");
        let mut load = Self::new(in_flight);
        let (counts, mut gate) = (Arc::clone(&load.counts), load.gate.subscribe());
        // Of a kind that is cheap to clone, as each request does.
        let subjects = subjects.iter().map(|subject| subject.as_str().into());
        let subjects: Vec<async_nats::Subject> = subjects.collect();
        let mut subjects = subjects.into_iter().cycle();
        load.loops.spawn(async move {
            let mut request = || {
                let subject = subjects.next().expect("there is a subject");
                counts.send();
                client.publish_with_reply(subject, inbox.clone(), body.clone())
            };
            let (mut owed, mut sent) = (in_flight, Instant::now());
            loop {
                if *gate.borrow_and_update() && owed > 0 {
                    sent = Instant::now();
                    for _ in 0..std::mem::take(&mut owed) {
                        request().await.expect("the server listens");
                    }
                }
                tokio::select! {
                    Some(answer) = answers.next() => {
                        assert!(answer.payload == body, "no echo: {:?}", answer.payload);
                        counts.answer(sent);
                        owed += 1;
                    }
                    changed = gate.changed() => changed.expect("the gate lives as long as the load"),
                }
            }
        });
        load
    }

    /// Keeps one request under way on each of as many HTTP connections, to each path in turn.
    ///
    /// # Panics
    ///
    /// When nobody listens there.
    pub async fn over_http(
        address: SocketAddr,
        paths: &[String],
        connections: usize,
        body: Bytes,
    ) -> Self {
        let mut load = Self::new(connections);
        let requests: Arc<[Bytes]> = paths.iter().map(|path| post(path, &body)).collect();
        for number in 0..connections {
            let mut connection = Connection::open(address).await;
            let (requests, counts) = (Arc::clone(&requests), Arc::clone(&load.counts));
            let (body, mut gate) = (body.clone(), load.gate.subscribe());
            // Each connection begins at another path, so that they do not all ask for the same at a time.
            let first = number * requests.len() / connections;
            load.loops.spawn(async move {
                for at in (0..requests.len()).cycle().skip(first) {
                    opened(&mut gate).await;
                    let sent = Instant::now();
                    counts.send();
                    connection.exchange(&requests[at], &body).await;
                    counts.answer(sent);
                }
            });
        }
        load
    }

    fn new(in_flight: usize) -> Self {
        let counts = Counts {
            latencies: (in_flight == 1).then(Mutex::default),
            ..Counts::default()
        };
        Self {
            counts: Arc::new(counts),
            gate: watch::Sender::new(true),
            loops: JoinSet::new(),
        }
    }

    /// Sends nothing more, and waits until everything is answered.
    ///
    /// # Panics
    ///
    /// When that takes too long, or something was not answered as it should be.
    pub async fn pause(&mut self) {
        self.gate.send_replace(false);
        let answered = async {
            while self.counts.is_under_way() {
                tokio::select! {
                    () = self.counts.all_answered.notified() => {}
                    Some(ended) = self.loops.join_next() => panic!("the load ended early: {ended:?}"),
                }
            }
        };
        within(ANSWERS_DEADLINE, answered).await;
    }

    /// Goes on after a pause.
    pub fn resume(&self) {
        self.gate.send_replace(true);
    }

    /// How long each request took since this was asked last, in µs, where they go one at a time.
    pub fn take_latencies(&self) -> Vec<f64> {
        self.counts.take_latencies()
    }

    /// Requests answered so far.
    ///
    /// # Panics
    ///
    /// When a part of the load has ended, because something was not answered as it should be.
    pub fn answered(&mut self) -> u64 {
        if let Some(Err(error)) = self.loops.try_join_next() {
            panic!("the load ended early: {error}");
        }
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// Lets the load warm up, and measures one window of it.
    ///
    /// # Panics
    ///
    /// When nothing is answered.
    pub async fn sample(&mut self, pids: &[u32], warm_up: Duration, window: Duration) -> Sample {
        sleep(warm_up).await;
        self.counts.take_latencies();
        let spent = || -> Vec<Duration> {
            let measured = pids.iter().map(|pid| books::spent_by_family(*pid));
            // Those it measures are this process's children.
            let own = books::spent(std::process::id());
            measured.chain([own]).collect()
        };
        let (start, answered, before) = (Instant::now(), self.answered(), spent());
        sleep(window).await;
        let (time, answered, after) = (start.elapsed(), self.answered() - answered, spent());
        assert!(answered > 0, "nothing was answered");
        let micros = |(before, after): (&Duration, &Duration)| {
            after.saturating_sub(*before).as_secs_f64() * 1e6 / answered as f64
        };
        let mut spent: Vec<f64> = before.iter().zip(&after).map(micros).collect();
        Sample {
            load: spent.pop().unwrap_or_default(),
            spent,
            per_second: answered as f64 / time.as_secs_f64(),
            latencies: self.counts.take_latencies(),
        }
    }
}

/// Done once requests may be sent.
async fn opened(gate: &mut watch::Receiver<bool>) {
    let opened = gate.wait_for(|is_open| *is_open).await;
    opened.expect("the gate lives as long as the load");
}

impl Counts {
    fn send(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    fn is_under_way(&self) -> bool {
        self.answered.load(Ordering::Relaxed) < self.sent.load(Ordering::Relaxed)
    }

    fn answer(&self, sent: Instant) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if !self.is_under_way() {
            self.all_answered.notify_one();
        }
        if let Some(latencies) = &self.latencies {
            let micros = sent.elapsed().as_secs_f64() * 1e6;
            latencies.lock().expect("no holder panics").push(micros);
        }
    }

    fn take_latencies(&self) -> Vec<f64> {
        let latencies = self.latencies.as_ref().map(Mutex::lock);
        latencies
            .map(|latencies| std::mem::take(&mut *latencies.expect("no holder panics")))
            .unwrap_or_default()
    }
}

/// A request with a JSON body.
pub(super) fn post(path: &str, body: &[u8]) -> Bytes {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat().into()
}

/// An HTTP connection that reads no more of an answer than it needs.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await;
        let stream = stream.expect("the contender listens");
        let set = stream.set_nodelay(true);
        set.expect("a fresh connection is open");
        Self {
            stream,
            received: Vec::new(),
        }
    }

    async fn exchange(&mut self, request: &[u8], echo: &[u8]) {
        let sent = self.stream.write_all(request).await;
        sent.expect("the contender listens");
        self.received.clear();
        while !self.received.ends_with(echo) {
            let read = self.stream.read_buf(&mut self.received).await;
            assert!(matches!(read, Ok(1..)), "no echo: {}", self.beginning());
        }
        assert!(
            self.received.starts_with(b"HTTP/1.1 200 "),
            "{}",
            self.beginning()
        );
    }

    fn beginning(&self) -> String {
        let beginning = &self.received[..self.received.len().min(1000)];
        beginning.escape_ascii().to_string()
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::post;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_paused_load_has_nothing_under_way_and_goes_on_afterwards() {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let routes = Router::new().route("/", post(async |body: Bytes| body));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let path = "/".to_owned();
        let mut load = Load::over_http(address, &[path], 8, Bytes::from_static(b"echo")).await;
        let mut before = 0;
        for _ in 0..3 {
            load.resume();
            while load.answered() <= before {
                tokio::task::yield_now().await;
            }
            load.pause().await;
            assert!(!load.counts.is_under_way());
            before = load.answered();
        }
    }
}
