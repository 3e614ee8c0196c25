//! Messages that a server passes on and that client libraries die of, or hang up over (async-nats 0.51 does).
//!
//! No library sends them; whoever can write to a socket can. Each goes to a worker's task and to a caller's inbox.

use std::time::{Duration, Instant};

use metropolis::{Bus, Client, Worker};
use metropolis_tests::{NatsServer, eventually, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{PATIENCE, Work, connect, work};

/// How long service may be down after one message.
const DOWN_MAX: Duration = Duration::from_secs(2);

/// A header block with this line after its first one.
fn headers(line: &[u8]) -> Vec<u8> {
    [b"NATS/1.0\r\n", line, b"\r\n\r\n"].concat()
}

/// `HPUB` with this reply subject, block, and no payload.
fn hpub(to: &str, reply: &str, block: &[u8]) -> Vec<u8> {
    let head = format!("HPUB {to} {reply} {0} {0}\r\n", block.len());
    [head.as_bytes(), block, b"\r\n"].concat()
}

/// Every message of the table, to a subject; what each is, and its bytes.
fn poisons(to: &str) -> Vec<(&'static str, Vec<u8>)> {
    let reply = "_INBOX_stranger.1";
    let good = headers(b"Good: yes");
    // What breaks the subject itself needs a wildcard subscription; there it is the last token.
    let beside = |bytes: &[u8]| {
        [
            to.rsplit_once('.')
                .map_or(to, |(start, _)| start)
                .as_bytes(),
            b".",
            bytes,
        ]
        .concat()
    };
    let odd = |token: &[u8]| {
        let head = [
            b"HPUB ",
            &beside(token)[..],
            b" ",
            good.len().to_string().as_bytes(),
            b" ",
            good.len().to_string().as_bytes(),
            b"\r\n",
        ]
        .concat();
        [&head[..], &good, b"\r\n"].concat()
    };
    vec![
        (
            "a lone CR in a header value",
            hpub(to, reply, &headers(b"Bad: a\rb")),
        ),
        (
            "a header name with a space",
            hpub(to, reply, &headers(b"Bad name: a")),
        ),
        (
            "a header name that is not ASCII",
            hpub(to, reply, &headers("N\u{e4}me: a".as_bytes())),
        ),
        (
            "a header line without a colon",
            hpub(to, reply, &headers(b"Nothing")),
        ),
        (
            "a header value that is not UTF-8",
            hpub(to, reply, &headers(b"Bad: \xff\xfe")),
        ),
        (
            "a status that is no number",
            hpub(to, reply, b"NATS/1.0 abc\r\n\r\n"),
        ),
        (
            "no version line",
            hpub(to, reply, b"HTTP/1.1\r\nGood: yes\r\n\r\n"),
        ),
        (
            "a reply subject with U+2003",
            hpub(to, "_INBOX_stranger.\u{2003}x", &good),
        ),
        ("a subject with U+00A0", odd("\u{a0}x".as_bytes())),
        ("a subject with a vertical tab", odd(b"\x0bx")),
        (
            "a subject that is not UTF-8",
            [b"PUB ", &beside(b"\xff\xfe")[..], b" 0\r\n\r\n"].concat(),
        ),
    ]
}

/// Speaks the protocol by hand and waits until the server has processed it.
async fn raw(server: &NatsServer, command: &[u8]) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let connect = b"CONNECT {\"verbose\":false,\"headers\":true}\r\n";
    stream
        .write_all(&[connect, command, b"PING\r\n"].concat())
        .await
        .unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"PONG\r\n") {
        let read = within(PATIENCE, stream.read_buf(&mut heard)).await.unwrap();
        assert!(read > 0, "the server hung up: {}", heard.escape_ascii());
    }
}

/// Waits until calls are answered again; gives how long that took.
async fn in_service(client: &Client) -> Duration {
    let started = Instant::now();
    eventually(PATIENCE, async || {
        let call = client.call::<work>(&Work { ms: 0 });
        call.with_timeout(Duration::from_millis(200)).await.is_ok()
    })
    .await;
    started.elapsed()
}

/// Where the answers of a bus arrive: a request shows it to whoever takes it.
async fn inbox_of(bus: &Bus, server: &NatsServer) -> String {
    let witness = connect(&server.url(), "witness").await;
    let mut requests = witness.subscribe("witness", None, 16).await.unwrap();
    let subject = metropolis::subject::Subject::parse("witness".to_owned()).unwrap();
    let asking = tokio::spawn({
        let bus = bus.clone();
        async move {
            let outgoing = metropolis::bus::Outgoing::empty(subject);
            let _ = bus
                .request(outgoing, Instant::now() + Duration::from_millis(100))
                .await;
        }
    });
    let request = within(PATIENCE, requests.next()).await.unwrap();
    asking.await.unwrap();
    request.reply.unwrap().to_string()
}

/// Sends each message to a subject of one party, which stays connected and in service.
async fn survive(server: &NatsServer, to: &str, victim: &Bus, client: &Client) {
    for (what, bytes) in poisons(to) {
        let before = victim.counters();
        raw(server, &bytes).await;
        // Fences tell when the victim has read it; one that fails has been cut off by it.
        let _ = victim
            .fence(Instant::now() + Duration::from_millis(300))
            .await;
        let down = in_service(client).await;
        let after = victim.counters();
        assert!(down < DOWN_MAX, "{what}: {down:?}");
        assert!(victim.is_connected(), "{what}");
        assert_eq!(after.reconnects, before.reconnects, "{what}");
        if what != "a status that is no number" {
            assert!(after.malformed > before.malformed, "{what} was not noticed");
        }
    }
    assert_eq!(victim.counters().in_flight, 0);
}

/// Its subject has a parameter, so that a message with a broken last token reaches it.
#[metropolis::task(subject = "faults.named.{name}")]
async fn named(name: Name) -> String {
    name.name
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_survives_every_malformed_message() {
    let server = NatsServer::start().await;
    let worker_bus = connect(&server.url(), "worker").await;
    let worker = Worker::new(worker_bus.clone())
        .serve::<work>()
        .serve::<named>();
    let worker = worker.start().await.unwrap();
    let client = Client::new(connect(&server.url(), "client").await);
    survive(&server, "faults.named.x", &worker_bus, &client).await;
    // The task that was hit serves as well as the other one.
    let name = "again".to_owned();
    assert_eq!(client.call::<named>(&Name { name }).await.unwrap(), "again");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_survives_every_malformed_message_in_its_inbox() {
    let server = NatsServer::start().await;
    let worker = Worker::new(connect(&server.url(), "worker").await).serve::<work>();
    let worker = worker.start().await.unwrap();
    let bus = connect(&server.url(), "gateway").await;
    let inbox = inbox_of(&bus, &server).await;
    survive(&server, &inbox, &bus, &Client::new(bus.clone())).await;
    worker.stop().await;
}
