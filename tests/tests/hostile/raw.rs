//! Bytes that are hardly HTTP. Whoever is not understood is not listened to any further: behind every case comes a
//! request that must not be answered.

use std::time::Duration;

use metropolis::{Bus, Worker};
use metropolis_tests::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::exchange::{answers, ask, exchange, get, request};
use crate::limits::echo_bytes;
use crate::parties::{House, PATIENCE, gateway};
use crate::paths::{echo, echo_query};

const SMUGGLED: &[u8] =
    b"GET /hostile/echo/smuggled HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";

async fn house() -> House {
    let tasks = |worker: Worker| {
        worker
            .serve::<echo>()
            .serve::<echo_bytes>()
            .serve::<echo_query>()
    };
    House::start(tasks).await
}

/// Checks that bytes get one answer of that status, and that nothing behind them was read as a request.
async fn refused(house: &mut House, bytes: &[u8], expected: u16) {
    let shown = bytes[..bytes.len().min(200)].escape_ascii().to_string();
    let all = [bytes, SMUGGLED].concat();
    let answers = exchange(house.address(), &all).await;
    let statuses: Vec<u16> = answers.list.iter().map(|answer| answer.status).collect();
    assert!(answers.is_closed, "left open: {shown} {statuses:?}");
    assert_eq!(statuses, [expected], "{shown}");
    assert_eq!(house.subjects().await, [""; 0], "{shown}");
}

/// A POST of bytes with these headers and this body.
fn post(headers: &str, body: &str) -> Vec<u8> {
    format!("POST /hostile/bytes HTTP/1.1\r\nHost: gateway\r\n{headers}\r\n{body}").into_bytes()
}

#[tokio::test]
async fn two_readings_of_where_a_body_ends_are_refused() {
    let mut house = house().await;
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: 1e1\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: five\r\n",
        "Content-Length:\r\n",
        "Content-Length: \u{665}\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Content-Length : 5\r\n",
        "Content_Length: 5\r\n",
        "Content--Length: 5\r\n",
        "Transfer_Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding:\r\n",
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "content-length: 5\r\ntransfer-encoding: CHUNKED\r\nconnection: keep-alive\r\n",
    ] {
        refused(&mut house, &post(headers, "0\r\n\r\n"), 400).await;
    }
}

#[tokio::test]
async fn chunks_that_are_none_are_refused() {
    let mut house = house().await;
    for chunks in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhel\r\n0\r\n\r\n",
        "5\u{a0}\r\nhello\r\n0\r\n\r\n",
        "5\0\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
    ] {
        let bytes = post("Transfer-Encoding: chunked\r\n", chunks);
        refused(&mut house, &bytes, 400).await;
    }
    // Extensions and trailers have bounds too.
    let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(100_000));
    refused(
        &mut house,
        &post("Transfer-Encoding: chunked\r\n", &extension),
        400,
    )
    .await;
    let trailers = format!("5\r\nhello\r\n0\r\n{}\r\n", "a: b\r\n".repeat(20_000));
    refused(
        &mut house,
        &post("Transfer-Encoding: chunked\r\n", &trailers),
        400,
    )
    .await;
}

#[tokio::test]
async fn trailers_are_left_out() {
    let mut house = house().await;
    let headers = "Transfer-Encoding: chunked\r\nTrailer: Nats-Msg-Id\r\nConnection: close\r\n";
    let chunks = "3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nNats-Msg-Id: 1\r\nContent-Length: 7\r\n\r\n";
    let answer = ask(house.address(), &post(headers, chunks)).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
    let seen = house.seen().await;
    let map = seen[0].headers.as_ref().unwrap();
    let names: Vec<String> = map.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["Content-Type"]);
}

#[tokio::test]
async fn request_lines_that_are_none_are_refused() {
    let mut house = house().await;
    for line in [
        "GET /hostile/echo/a",
        "GET /hostile/echo/a HTTP/0.9",
        "GET /hostile/echo/a HTTP/1.2",
        "GET /hostile/echo/a HTTP/2.0",
        "GET /hostile/echo/a http/1.1",
        "GET /hostile/echo/a HTTP/1.1 HTTP/1.1",
        "GET /hostile/echo/a HTTP/1.1 ",
        "GET  /hostile/echo/a HTTP/1.1",
        "GET\t/hostile/echo/a\tHTTP/1.1",
        "GET /hostile/echo/a b HTTP/1.1",
        "GET /hostile/echo/a\rb HTTP/1.1",
        "GET /hostile/echo/a\nHost: x HTTP/1.1",
        "GET /hostile/echo/a\0 HTTP/1.1",
        "GET /hostile/echo/\u{1} HTTP/1.1",
        "GET HTTP/1.1",
        " GET /hostile/echo/a HTTP/1.1",
        "G(T /hostile/echo/a HTTP/1.1",
        "GET /hostile/echo/a#b HTTP/1.1\0",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
    ] {
        let bytes = format!("{line}\r\nHost: gateway\r\n\r\n");
        refused(&mut house, bytes.as_bytes(), 400).await;
    }
}

#[tokio::test]
async fn lines_that_end_or_go_on_strangely_are_refused() {
    let mut house = house().await;
    for headers in [
        "a: b\rc: d\r\n",
        "a: b\r\rc: d\r\n",
        "a: b\r\n c\r\n",
        "a: b\r\n\tc\r\n",
        " a: b\r\n",
        "a: b\0c\r\n",
        "a\r\n",
        "a b: c\r\n",
        ": c\r\n",
        "a:b\r\n\r",
        "a: b\x7f\r\n",
    ] {
        let bytes = format!("GET /hostile/echo/a HTTP/1.1\r\nHost: gateway\r\n{headers}\r\n");
        refused(&mut house, bytes.as_bytes(), 400).await;
    }
}

/// A line may end in LF alone (RFC 9112 §2.2), as long as everybody agrees where it ends.
#[tokio::test]
async fn a_bare_line_feed_is_a_line_end_or_refused_and_hides_nothing() {
    let mut house = house().await;
    let bytes = "GET /hostile/echo/a HTTP/1.1\nHost: gateway\nConnection: close\n\n";
    let answer = ask(house.address(), bytes.as_bytes()).await;
    assert!([200, 400].contains(&answer.status));
    house.subjects().await;
    let bytes = post("a: b\nContent-Length: 5\nContent-Length: 6\r\n", "hello");
    refused(&mut house, &bytes, 400).await;
}

#[tokio::test]
async fn a_request_has_one_host() {
    let mut house = house().await;
    for headers in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: a@b\r\n",
        "Host: a\u{e9}\r\n",
    ] {
        let bytes = format!("GET /hostile/echo/a HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        let answer = ask(house.address(), bytes.as_bytes()).await;
        assert_eq!(answer.status, 400, "{headers:?}");
        assert_eq!(house.subjects().await, [""; 0], "{headers:?}");
    }
    for bytes in [
        "GET /hostile/echo/a HTTP/1.0\r\n\r\n",
        "GET /hostile/echo/a HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
        "GET /hostile/echo/a HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n",
        "GET http://other/hostile/echo/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ] {
        let answer = ask(house.address(), bytes.as_bytes()).await;
        assert_eq!(answer.status, 200, "{bytes}");
    }
}

#[tokio::test]
async fn oversized_lines_close_the_connection() {
    let mut house = house().await;
    let long = "x".repeat(300_000);
    for (bytes, status) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 431),
        (format!("{long} / HTTP/1.1\r\nHost: a\r\n\r\n"), 431),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\na: {long}\r\n\r\n"),
            431,
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\n{long}: a\r\n\r\n"),
            431,
        ),
        (
            format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101)),
            431,
        ),
    ] {
        refused(&mut house, bytes.as_bytes(), status).await;
    }
}

/// Methods without a route, and the ones that make a proxy a tunnel.
#[tokio::test]
async fn methods_that_steer_proxies_steer_nothing() {
    let mut house = house().await;
    for (line, status) in [
        ("CONNECT example.com:443", 404),
        ("CONNECT /hostile/echo/a", 405),
        ("TRACE /hostile/echo/a", 405),
        ("TRACK /hostile/echo/a", 405),
        ("PRI *", 404),
        ("OPTIONS *", 404),
        ("GET *", 404),
        ("get /hostile/echo/a", 405),
        ("GET hostile.echo.a.get", 404),
    ] {
        let bytes =
            format!("{line} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nCookie: s=1\r\n\r\n");
        let answer = ask(house.address(), bytes.as_bytes()).await;
        assert!([status, 400].contains(&answer.status), "{line}: {answer:?}");
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("s=1"),
            "{line}"
        );
    }
    assert_eq!(house.subjects().await, [""; 0]);
    // The beginning of HTTP/2 is no request of HTTP/1.1.
    let answers = exchange(house.address(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(answers.is_closed && answers.list.is_empty(), "{answers:?}");
}

#[tokio::test]
async fn an_upgrade_is_ignored() {
    let house = house().await;
    for headers in [
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings, close\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Key: x\r\nConnection: Upgrade, close\r\n",
    ] {
        let bytes = format!("GET /hostile/echo/a HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        assert_eq!(ask(house.address(), bytes.as_bytes()).await.status, 200);
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let mut house = house().await;
    let mut bytes = Vec::new();
    for at in 0..20 {
        bytes.extend(format!("GET /hostile/echo/{at} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes());
        bytes.extend(post("Content-Length: 2\r\n", "hi"));
        bytes.extend(post(
            "Transfer-Encoding: chunked\r\n",
            "2\r\nhi\r\n0\r\n\r\n",
        ));
        bytes.extend(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    bytes.extend(get("/hostile/echo/last"));
    let answers = exchange(house.address(), &bytes).await;
    assert!(answers.is_closed);
    assert_eq!(answers.list.len(), 81);
    for (at, four) in answers.list[..80].chunks(4).enumerate() {
        assert_eq!(four[0].json()["value"], at.to_string());
        assert_eq!(
            (&four[1].body[..], &four[2].body[..]),
            (&b"hi"[..], &b"hi"[..])
        );
        four[3].is_problem(404, "no_route");
    }
    assert_eq!(answers.list[80].json()["value"], "last");
    assert_eq!(house.subjects().await.len(), 61);
}

/// Where a request was pipelined, the length beside its chunks may go unseen; then the chunks count, and its connection
/// ends with it all the same (RFC 9112 §6.1).
#[tokio::test]
async fn doubt_about_a_pipelined_request_ends_the_connection_too() {
    let mut house = house().await;
    let first = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
    for headers in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        "Transfer_Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
    ] {
        let bytes = [&first[..], &post(headers, "0\r\n\r\n"), SMUGGLED].concat();
        let answers = exchange(house.address(), &bytes).await;
        assert!(answers.is_closed, "{headers}");
        let statuses: Vec<u16> = answers.list.iter().map(|answer| answer.status).collect();
        assert!([&[404, 200], &[404, 400]].contains(&&[statuses[0], statuses[1]]));
        assert_eq!(statuses.len(), 2, "{headers}: {statuses:?}");
        let subjects = house.subjects().await;
        assert!(
            subjects.iter().all(|subject| subject == "hostile.bytes"),
            "{subjects:?}"
        );
    }
}

/// A body that was refused is read to its end before the next request, or there is none.
#[tokio::test]
async fn a_refused_body_is_not_the_next_request() {
    let mut house = house().await;
    let body = format!(
        "GET /hostile/echo/inside HTTP/1.1\r\nHost: a\r\n\r\n{}",
        "x".repeat(100)
    );
    for path in ["/nowhere", "/hostile/echo/a", "/hostile/query"] {
        for method in ["GET", "POST", "DELETE"] {
            let first = format!(
                "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let bytes = [first.as_bytes(), &get("/nowhere")].concat();
            let answers = exchange(house.address(), &bytes).await;
            assert!(answers.is_closed);
            let statuses: Vec<u16> = answers.list.iter().map(|answer| answer.status).collect();
            assert!([1, 2].contains(&statuses.len()), "{statuses:?}");
            assert!(statuses.iter().all(|status| *status >= 400), "{statuses:?}");
        }
    }
    assert_eq!(house.subjects().await, [""; 0]);
}

/// Time is stopped, and goes on when everybody waits: what the gateway does after half a minute can be seen at once.
async fn on_stopped_time(test: impl AsyncFn(std::net::SocketAddr)) {
    let bus = Bus::embedded();
    let worker = Worker::new(bus.clone())
        .serve::<echo>()
        .serve::<echo_bytes>();
    let gateway = gateway(&bus).with_worker(worker).start().await.unwrap();
    test(gateway.address()).await;
}

/// Sends bytes and reads to the end; gives what came and after how long.
async fn wait_for_the_end(address: std::net::SocketAddr, bytes: &[u8]) -> (Vec<u8>, Duration) {
    let start = Instant::now();
    // The stopped clock would run ahead of the system, which has to bring all of it to the gateway.
    tokio::time::resume();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    tokio::time::pause();
    let mut received = Vec::new();
    while start.elapsed() < Duration::from_secs(300) {
        match timeout(Duration::from_secs(1), stream.read_buf(&mut received)).await {
            Ok(Ok(1..)) => {}
            Ok(_) => return (received, start.elapsed()),
            // Each second takes a moment of real time, in which the system brings what the gateway has sent.
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    panic!("the connection stays, after {}", bytes.escape_ascii());
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_arrive_closes_the_connection() {
    on_stopped_time(async |address| {
        for half in [
            &b""[..],
            b"G",
            b"GET /hostile/echo/a HTTP/1.1\r\nHost: a\r\n",
        ] {
            let (received, took) = wait_for_the_end(address, half).await;
            assert_eq!(received, b"", "{}", half.escape_ascii());
            assert!((29..=31).contains(&took.as_secs()), "{took:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_408_and_closes_the_connection() {
    on_stopped_time(async |address| {
        for (headers, half) in [
            ("Content-Length: 5\r\n", "hell"),
            ("Transfer-Encoding: chunked\r\n", "5\r\nhel"),
            ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n"),
        ] {
            let (received, took) = wait_for_the_end(address, &post(headers, half)).await;
            let answers = answers(b"POST", &received);
            assert_eq!(answers.len(), 1, "{headers}");
            answers[0].is_problem(408, "body_timeout");
            assert_eq!(answers[0].header("connection"), Some("close"));
            assert!((29..=33).contains(&took.as_secs()), "{took:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_a_head() {
    let house = house().await;
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in request("POST", "/hostile/bytes", "", "hello") {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut received = Vec::new();
    within(PATIENCE, stream.read_to_end(&mut received))
        .await
        .unwrap();
    assert_eq!(answers(b"POST", &received)[0].body, b"hello");
}
