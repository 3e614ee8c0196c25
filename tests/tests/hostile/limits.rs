//! Sizes are measured before anything is written to the bus: at the limit it goes through, one byte past it does not.

use std::time::Duration;

use metropolis::Raw;
use metropolis_gateway::{HEADERS_BYTES_MAX, HEADERS_MAX, URI_MAX};
use metropolis_tests::eventually;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::exchange::{Answer, ask, get, request};
use crate::parties::{House, PATIENCE};
use crate::paths::{echo_body, echo_query};

/// Sends bytes back.
#[metropolis::task(subject = "hostile.bytes")]
pub(crate) async fn echo_bytes(raw: Raw) -> Raw {
    raw
}

static GATE: Semaphore = Semaphore::const_new(0);

/// Ends when the gate lets it.
#[metropolis::task(subject = "hostile.gated")]
async fn gated() -> String {
    GATE.acquire().await.unwrap().forget();
    "through".to_owned()
}

/// Never ends.
#[metropolis::task(subject = "hostile.endless")]
async fn endless() {
    std::future::pending().await
}

fn by_length(body: &[u8]) -> Vec<u8> {
    request("POST", "/hostile/bytes", "", body)
}

fn by_chunks(body: &[u8]) -> Vec<u8> {
    let chunks = body.chunks(1000).map(|chunk| {
        let size = format!("{:x}\r\n", chunk.len());
        [size.as_bytes(), chunk, b"\r\n"].concat()
    });
    let chunks = chunks.chain([b"0\r\n\r\n".to_vec()]).collect::<Vec<_>>();
    let head = request(
        "POST",
        "/hostile/bytes",
        "Transfer-Encoding: chunked\r\n",
        "",
    );
    [head, chunks.concat()].concat()
}

#[track_caller]
fn too_large(answer: &Answer, status: u16, code: &str, limit: usize) {
    answer.is_problem(status, code);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(&limit.to_string()), "{detail}");
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(answer.header("proxy-status"), None);
}

#[tokio::test]
async fn a_body_may_have_as_many_bytes_as_the_gateway_says() {
    for limit in [0, 1, 1000, 70_000] {
        let settings = |gateway: metropolis_gateway::Gateway| gateway.with_body_max(limit);
        let mut house =
            House::start_with("", |worker| worker.serve::<echo_bytes>(), settings).await;
        for framed in [by_length, by_chunks] {
            let body = vec![b'x'; limit];
            let answer = ask(house.address(), &framed(&body)).await;
            assert_eq!((answer.status, answer.body), (200, body));
            assert_eq!(house.subjects().await, ["hostile.bytes"]);
            let answer = ask(house.address(), &framed(&vec![b'x'; limit + 1])).await;
            too_large(&answer, 413, "body_too_large", limit);
            assert_eq!(house.subjects().await, [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_length_that_is_announced_is_refused_before_it_is_read() {
    let mut house = House::start(|worker| worker.serve::<echo_bytes>()).await;
    for length in [1_048_577, 1 << 40, i64::MAX] {
        let head = format!(
            "POST /hostile/bytes HTTP/1.1\r\nHost: gateway\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        let answer = ask(house.address(), head.as_bytes()).await;
        assert_eq!(answer.status, 413, "{length}");
    }
    assert_eq!(house.subjects().await, [""; 0]);
}

#[tokio::test]
async fn a_server_that_takes_less_sets_the_limit() {
    const MAX: usize = 2048;
    let config = format!("max_payload: {MAX}");
    let tasks = |worker: metropolis::Worker| {
        let worker = worker.serve::<echo_bytes>().serve::<echo_body>();
        worker.serve::<echo_query>()
    };
    let mut house = House::start_with(&config, tasks, |gateway| gateway).await;
    // Raw bytes travel with their media type, whose header counts.
    let header = "NATS/1.0\r\nContent-Type: application/octet-stream\r\n\r\n".len();
    for framed in [by_length, by_chunks] {
        let answer = ask(house.address(), &framed(&[b'x'; MAX - 300])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = ask(house.address(), &framed(&vec![b'x'; MAX - header + 1])).await;
        too_large(&answer, 413, "body_too_large", MAX - header);
        assert_eq!(house.subjects().await, ["hostile.bytes"]);
    }
    // A JSON body at the limit fits; what the query adds to it does not any more.
    let json = |length: usize| format!("{{\"value\":\"{}\"}}", "x".repeat(length - 12));
    let answer = ask(
        house.address(),
        &request("POST", "/hostile/body", "", json(MAX)),
    )
    .await;
    assert_ne!(answer.status, 413, "{answer:?}");
    let answer = ask(
        house.address(),
        &request("POST", "/hostile/body", "", json(MAX + 1)),
    )
    .await;
    too_large(&answer, 413, "body_too_large", MAX);
    let path = "/hostile/body?list=a";
    let answer = ask(house.address(), &request("POST", path, "", json(MAX))).await;
    too_large(&answer, 413, "body_too_large", MAX);
    // So does a query alone.
    let path = format!("/hostile/query?value={}", "x".repeat(MAX));
    too_large(
        &ask(house.address(), &get(path)).await,
        413,
        "body_too_large",
        MAX,
    );
    assert_eq!(house.subjects().await, ["hostile.body"]);
}

#[tokio::test]
async fn path_and_query_may_have_8_kib() {
    let mut house = House::start(|worker| worker.serve::<echo_query>()).await;
    let start = "/hostile/query?value=";
    for (length, status) in [(URI_MAX, 200), (URI_MAX + 1, 414), (40_000, 414)] {
        let value = "x".repeat(length - start.len());
        let answer = ask(house.address(), &get(format!("{start}{value}"))).await;
        assert_eq!(answer.status, status, "{length}");
        if status == 414 {
            too_large(&answer, 414, "uri_too_long", URI_MAX);
        }
    }
    assert_eq!(house.subjects().await, ["hostile.query.get"]);
}

#[tokio::test]
async fn headers_are_bounded_in_number() {
    let mut house = House::start(|worker| worker.serve::<echo_query>()).await;
    // `Host` and `Connection` are there already.
    let lines = |count: usize| "a: b\r\n".repeat(count - 2);
    for (count, status) in [(HEADERS_MAX, 200), (HEADERS_MAX + 1, 431), (100, 431)] {
        let bytes = request("GET", "/hostile/query?value=a", lines(count), "");
        let answer = ask(house.address(), &bytes).await;
        assert_eq!(answer.status, status, "{count}");
        if status == 431 {
            too_large(&answer, 431, "headers_too_large", HEADERS_MAX);
        }
    }
    // What the HTTP library itself does not take has no body.
    for count in [101, 10_000] {
        let bytes = request("GET", "/hostile/query?value=a", lines(count), "");
        assert_eq!(ask(house.address(), &bytes).await.status, 431, "{count}");
    }
    assert_eq!(house.subjects().await, ["hostile.query.get"]);
}

#[tokio::test]
async fn headers_are_bounded_in_bytes() {
    let mut house = House::start(|worker| worker.serve::<echo_query>()).await;
    let others = "hostgatewayconnectioncloseabc".len() - 2;
    for (bytes, status) in [
        (HEADERS_BYTES_MAX, 200),
        (HEADERS_BYTES_MAX + 1, 431),
        (60_000, 431),
    ] {
        let line = format!("a: {}\r\n", "x".repeat(bytes - others));
        let request = request("GET", "/hostile/query?value=a", line, "");
        let answer = ask(house.address(), &request).await;
        assert_eq!(answer.status, status, "{bytes}");
        if status == 431 {
            too_large(&answer, 431, "headers_too_large", HEADERS_BYTES_MAX);
        }
    }
    // What the HTTP library itself does not take has no body.
    let line = format!("a: {}\r\n", "x".repeat(200_000));
    let request = request("GET", "/hostile/query?value=a", line, "");
    assert_eq!(ask(house.address(), &request).await.status, 431);
    assert_eq!(house.subjects().await, ["hostile.query.get"]);
}

#[tokio::test]
async fn media_types_that_a_route_does_not_take_are_not_sent() {
    let mut house = House::start(|worker| worker.serve::<echo_body>()).await;
    for line in [
        "Content-Type: text/plain",
        "Content-Type: application/jsonp",
        "Content-Type: multipart/form-data; boundary=x",
        "Content-Type: */*",
        "Content-Type:",
        "Content-Encoding: gzip",
        "Content-Type: application/json\r\nContent-Encoding: identity, br",
    ] {
        let bytes = request(
            "POST",
            "/hostile/body",
            format!("{line}\r\n"),
            "{\"value\":\"a\"}",
        );
        ask(house.address(), &bytes)
            .await
            .is_problem(415, "media_type");
    }
    assert_eq!(house.subjects().await, [""; 0]);
}

#[tokio::test]
async fn what_is_refused_disturbs_nothing_that_is_in_flight() {
    let tasks = |worker: metropolis::Worker| {
        worker
            .serve::<gated>()
            .serve::<echo_bytes>()
            .serve::<echo_query>()
    };
    let house = House::start(tasks).await;
    let address = house.address();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn(
                async move { ask(address, &request("POST", "/hostile/gated", "", "")).await },
            )
        })
        .collect();
    eventually(PATIENCE, async || house.bus.counters().in_flight == 20).await;
    let large = vec![b'x'; metropolis_gateway::BODY_MAX_DEFAULT + 1];
    for bytes in [
        by_length(&large),
        by_chunks(&large),
        get(format!("/hostile/query?value={}", "x".repeat(URI_MAX))),
        request(
            "GET",
            "/hostile/query?value=a",
            "a: b\r\n".repeat(HEADERS_MAX),
            "",
        ),
        request("GET", format!("/hostile/echo/{}", "x".repeat(4096)), "", ""),
    ] {
        let status = ask(address, &bytes).await.status;
        assert!([400, 413, 414, 431].contains(&status), "{status}");
    }
    assert_eq!(house.bus.counters().in_flight, 20);
    GATE.add_permits(20);
    for answer in waiting {
        assert_eq!(answer.await.unwrap().json(), "through");
    }
    assert_eq!(house.bus.counters().in_flight, 0);
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place() {
    let house = House::start(|worker| worker.serve::<endless>()).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(house.address()).await.unwrap();
        let bytes = request("POST", "/hostile/endless", "", "");
        stream.write_all(&bytes).await.unwrap();
        clients.push(stream);
    }
    eventually(PATIENCE, async || house.bus.counters().in_flight == 10).await;
    // Half of them say goodbye, the others are cut off.
    for (at, client) in clients.into_iter().enumerate() {
        if at % 2 == 0 {
            client.set_zero_linger().unwrap();
        }
        drop(client);
    }
    eventually(Duration::from_secs(1), async || {
        house.bus.counters().in_flight == 0
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_of_its_body_publishes_nothing() {
    let mut house = House::start(|worker| worker.serve::<echo_bytes>()).await;
    let whole = by_length(b"hello");
    let chunked = by_chunks(b"hello");
    for bytes in [&whole[..whole.len() - 1], &chunked[..chunked.len() - 3]] {
        let received =
            metropolis_tests::http::raw_half_closed(house.address(), bytes, PATIENCE).await;
        assert!(received.is_closed);
        for answer in crate::exchange::answers(bytes, &received.bytes) {
            assert_eq!(answer.status, 400);
        }
    }
    assert_eq!(house.subjects().await, [""; 0]);
}
