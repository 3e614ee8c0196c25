use std::cell::Cell;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::server::patience::Activity;
use crate::server::stream::Head;

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
async fn talk(pieces: &[&str], may_rest: bool) -> (String, Vec<bool>) {
    let (mut client, server) = pair().await;
    let (stream, head) = Stream::new(server, Bytes::new(), Activity::default());
    let busy = Cell::new(false);
    let service = service_fn(|request| measure(&busy, &head, request));
    let mut http1 = Http1::new(stream, service, || {
        may_rest && !busy.get() && head.is_empty()
    });
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

#[tokio::test]
async fn a_client_that_leaves_while_its_connection_rests_ends_it() {
    let (client, server) = pair().await;
    let (stream, _) = Stream::new(server, Bytes::new(), Activity::default());
    let service = service_fn(async |_| Ok(Response::new(Full::default())));
    let mut http1 = Http1::new(stream, service, || true);
    assert!(timeout(WHILE, &mut http1).await.is_err());
    drop(client);
    timeout(WHILE, http1).await.expect("it ends");
}
