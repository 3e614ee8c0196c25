//! The gateway inside an axum application, over a real listener.
#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

use std::net::SocketAddr;

use axum::http::HeaderValue;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use metropolis::{Bus, Worker};
use metropolis_gateway::Gateway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[metropolis::task(subject = "mount.reverse")]
async fn reverse(text: String) -> String {
    text.chars().rev().collect()
}

#[tokio::test]
async fn pages_of_the_application_stand_beside_the_tasks_and_its_layers_around_both() {
    let bus = Bus::embedded();
    let gateway = Gateway::new(bus.clone()).with_worker(Worker::new(bus));
    let mounted = gateway.mount().await.unwrap();
    let stamp = map_response(async |mut response: Response| {
        let stamped = HeaderValue::from_static("yes");
        response.headers_mut().insert("x-stamped", stamped);
        response
    });
    let app = mounted
        .router()
        .route("/", get(async || "a page"))
        .layer(stamp);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async { axum::serve(listener, app).await });

    for (request, status, body) in [
        ("GET / HTTP/1.1", "200 OK", "a page"),
        (
            "POST /mount/reverse HTTP/1.1\r\ncontent-length: 5",
            "200 OK",
            "\"cba\"",
        ),
        (
            "GET /mount/reverse HTTP/1.1",
            "405 Method Not Allowed",
            "method_not_allowed",
        ),
        ("GET /healthz HTTP/1.1", "200 OK", ""),
        ("GET /_routes HTTP/1.1", "404 Not Found", "problem+json"),
    ] {
        let answer = answer(address, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}: {answer}"
        );
        assert!(
            answer.contains("x-stamped: yes") && answer.contains(body),
            "{request}: {answer}"
        );
    }
    serving.abort();
    mounted.stop().await;
}

/// What is answered to a head; a body of `"abc"` goes with every one that announces five bytes.
async fn answer(address: SocketAddr, head: &str) -> String {
    let body = if head.contains("content-length") {
        "\"abc\""
    } else {
        ""
    };
    let request = format!("{head}\r\nhost: test\r\nconnection: close\r\n\r\n{body}");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
