use std::cell::Cell;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::server::patience::Activity;
use crate::server::stream::Head;
use crate::server::turnstile::Turnstile;

/// Long enough for what was sent to be answered.
const WHILE: Duration = Duration::from_millis(50);

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let client = TcpStream::connect(address).await.expect("a connection");
    let (server, _) = listener.accept().await.expect("a connection");
    (client, server)
}

/// Answers with the length of what is sent.
async fn measure(
    busy: &Cell<bool>,
    head: &Head,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    busy.set(true);
    head.lengths();
    let body = request.collect().await.map(|body| body.to_bytes());
    busy.set(false);
    let length = body.map_or(0, |body| body.len());
    Ok(Response::new(Full::from(length.to_string())))
}

/// Sends one piece after the other; gives all that is answered, and after which pieces the connection rests.
async fn talk(pieces: &[&str], is_crowd: bool) -> (String, Vec<bool>) {
    let (mut client, server) = pair().await;
    let (stream, head) = Stream::new(server, Bytes::new(), Activity::default());
    let busy = Cell::new(false);
    let service = service_fn(|request| measure(&busy, &head, request));
    let is_idle = || !busy.get() && head.is_empty();
    let mut http1 = Http1::new(stream, service, || is_crowd, is_idle, Entry::at(None));
    let mut rests = Vec::new();
    for piece in pieces {
        let sent = client.write_all(piece.as_bytes()).await;
        sent.expect("an open connection");
        assert!(timeout(WHILE, &mut http1).await.is_err(), "{piece}");
        rests.push(http1.resting.is_some());
    }
    http1.graceful_shutdown();
    timeout(WHILE, &mut http1).await.expect("it ends when idle");
    drop(http1);
    let mut answers = String::new();
    let read = client.read_to_string(&mut answers).await;
    read.expect("all was read, so nothing is reset");
    (answers, rests)
}

fn bodies(answers: &str) -> Vec<&str> {
    let answers = answers.split("HTTP/1.1 200 OK").skip(1);
    answers
        .filter_map(|answer| answer.split("\r\n\r\n").nth(1))
        .collect()
}

#[tokio::test]
async fn a_connection_rests_when_all_is_answered_and_not_halfway() {
    let pieces = [
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "POST /b HTTP/1.1\r\nHo",
        "st: a\r\nContent-Length: 4\r\n\r\n",
        "ab",
        "cd",
        "GET /c HTTP/1.1\r\nHost: a\r\n\r\nPOST /d HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na",
        "\r\nGET /e HTTP/1.1\r\nHost: a\r\n\r\nGET /f HTTP/1.1\r\n",
        "Host: a\r\n\r\n",
    ];
    let (answers, rests) = talk(&pieces, true).await;
    assert_eq!(bodies(&answers), ["3", "4", "0", "1", "0", "0"]);
    let halfway = [1, 2, 3, 6];
    let expected: Vec<_> = (0..pieces.len())
        .map(|piece| !halfway.contains(&piece))
        .collect();
    assert_eq!(rests, expected);

    let (answers_of_one_that_stays, rests) = talk(&pieces, false).await;
    assert_eq!(bodies(&answers_of_one_that_stays), bodies(&answers));
    assert!(rests.iter().all(|rests| !rests));
}

/// Connections that are in, until nobody else is let in.
fn fill(turnstile: &Arc<Turnstile>) -> Vec<Entry> {
    let mut context = Context::from_waker(Waker::noop());
    let entries = std::iter::repeat_with(|| Entry::at(Some(Arc::clone(turnstile))));
    let inside =
        entries.map_while(|mut entry| entry.poll_enter(&mut context).is_ready().then_some(entry));
    inside.collect()
}

/// What is answered to a request that finds the turnstile full, in a crowd or not, at once and after somebody has left or the
/// server stops.
async fn ask_at_a_full_turnstile(is_crowd: bool, is_stopping: bool) -> [String; 2] {
    let turnstile = Arc::new(Turnstile::default());
    let mut others = fill(&turnstile);
    let (mut client, server) = pair().await;
    let (stream, _) = Stream::new(server, Bytes::new(), Activity::default());
    let service = service_fn(async |_| Ok(Response::new(Full::default())));
    let entry = Entry::at(Some(turnstile));
    let mut http1 = Http1::new(stream, service, || is_crowd, || true, entry);
    let sent = client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sent.expect("an open connection");
    let mut answers = [String::new(), String::new()];
    for answer in &mut answers {
        // It may end, if the server stops.
        let _ = timeout(WHILE, &mut http1).await;
        let mut read = [0; 1024];
        let length = client.try_read(&mut read).unwrap_or_default();
        *answer = String::from_utf8_lossy(&read[..length]).into_owned();
        match is_stopping {
            true => http1.let_in(),
            false => drop(others.pop()),
        }
    }
    answers
}

#[tokio::test]
async fn in_a_crowd_a_request_is_read_when_it_is_let_in() {
    let [at_once, later] = ask_at_a_full_turnstile(true, false).await;
    assert!(
        at_once.is_empty() && later.starts_with("HTTP/1.1 200 OK"),
        "{at_once} {later}"
    );
    let [at_once, _] = ask_at_a_full_turnstile(false, false).await;
    assert!(at_once.starts_with("HTTP/1.1 200 OK"), "{at_once}");
}

#[tokio::test]
async fn whoever_waits_to_be_let_in_is_answered_when_the_server_stops() {
    let [at_once, later] = ask_at_a_full_turnstile(true, true).await;
    assert!(
        at_once.is_empty() && later.starts_with("HTTP/1.1 200 OK"),
        "{at_once} {later}"
    );
}

#[tokio::test]
async fn a_client_that_leaves_while_its_connection_rests_ends_it() {
    let (client, server) = pair().await;
    let (stream, _) = Stream::new(server, Bytes::new(), Activity::default());
    let service = service_fn(async |_| Ok(Response::new(Full::default())));
    let mut http1 = Http1::new(stream, service, || true, || true, Entry::at(None));
    assert!(timeout(WHILE, &mut http1).await.is_err());
    drop(client);
    timeout(WHILE, http1).await.expect("it ends");
}
