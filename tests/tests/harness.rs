//! The harness tries out itself.

#![expect(
    clippy::unwrap_used,
    reason = "a test and its helpers may end with any surprise"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use metropolis_tests::process::address_in;
use metropolis_tests::{
    DelayProxy, HttpClient, NatsServer, Process, cluster, eventually, http, load, python, within,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SOON: Duration = Duration::from_secs(10);

/// Publishes one message to itself through the server.
async fn speak(url: &str) {
    let client = within(SOON, async_nats::connect(url)).await.unwrap();
    let mut heard = client.subscribe("harness.*").await.unwrap();
    client.publish("harness.a", "hello".into()).await.unwrap();
    let message = within(SOON, heard.next()).await.unwrap();
    assert_eq!(message.payload, "hello");
}

#[tokio::test]
async fn a_server_starts_and_speaks() {
    let server = NatsServer::start().await;
    speak(&server.url()).await;
    assert!(server.log().contains("Server is ready"), "{}", server.log());
}

#[tokio::test]
async fn a_server_takes_a_configuration_and_a_new_one() {
    let server = NatsServer::start_with("max_payload: 1024\nhttp: \"127.0.0.1:-1\"").await;
    let client = async_nats::connect(server.url()).await.unwrap();
    assert_eq!(client.server_info().max_payload, 1024);
    let mut monitor = HttpClient::connect(server.address_of("monitoring")).await;
    let health = monitor.send("GET", "/healthz", &[], "").await;
    assert_eq!(health.status, 200, "{}", health.text());
    server
        .reload("max_payload: 2048\nhttp: \"127.0.0.1:-1\"")
        .await;
    let client = async_nats::connect(server.url()).await.unwrap();
    assert_eq!(client.server_info().max_payload, 2048);
}

#[tokio::test]
async fn a_server_of_each_version_is_of_that_version() {
    // A server the user names stands for all of them.
    if std::env::var_os("METROPOLIS_NATS_SERVER").is_some() {
        return;
    }
    for version in NatsServer::versions() {
        let server = NatsServer::of_version(version).await;
        let client = async_nats::connect(server.url()).await.unwrap();
        assert_eq!(client.server_info().version, version);
    }
}

#[tokio::test]
async fn servers_of_a_cluster_pass_messages_on() {
    let nodes = cluster::start(3, "").await;
    let hearing = async_nats::connect(nodes[2].url()).await.unwrap();
    let mut heard = hearing.subscribe("harness.far").await.unwrap();
    let saying = async_nats::connect(nodes[0].url()).await.unwrap();
    eventually(SOON, async || {
        saying.publish("harness.far", "hello".into()).await.unwrap();
        tokio::time::timeout(Duration::from_millis(50), heard.next())
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_paused_server_is_silent_until_it_is_resumed() {
    let server = NatsServer::start().await;
    server.pause().await;
    let greeted = tokio::time::timeout(Duration::from_millis(200), greeting(server.address()));
    assert!(greeted.await.is_err(), "a frozen server greeted a client");
    server.resume().await;
    within(SOON, greeting(server.address())).await;
}

/// Waits for the first byte of a server, which speaks first.
async fn greeting(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.read_u8().await.unwrap();
}

#[tokio::test]
async fn a_server_comes_back_on_the_same_port() {
    let mut server = NatsServer::start().await;
    let (url, pid) = (server.url(), server.pid());
    server.stop().await;
    server.restart_on_same_port().await;
    assert_eq!(server.url(), url);
    assert_ne!(server.pid(), pid);
    speak(&url).await;
    server.kill().await;
    server.restart_on_same_port().await;
    speak(&url).await;
}

#[tokio::test]
async fn the_proxy_delays_both_ways_without_slowing_down() {
    let proxy = DelayProxy::start(echo().await, Duration::from_millis(50)).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let started = Instant::now();
    for round in 0..20_u8 {
        stream.write_u8(round).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for round in 0..20_u8 {
        assert_eq!(stream.read_u8().await.unwrap(), round);
    }
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(195), "took only {took:?}");
    assert!(took < Duration::from_millis(1000), "took {took:?}");
}

#[tokio::test]
async fn the_proxy_holds_back_and_cuts() {
    let proxy = DelayProxy::start(echo().await, Duration::ZERO).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.pause();
    stream.write_u8(7).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await;
    assert!(early.is_err());
    proxy.resume();
    assert_eq!(within(SOON, stream.read_u8()).await.unwrap(), 7);
    proxy.cut();
    assert!(within(SOON, stream.read_u8()).await.is_err());
}

/// Starts a server that sends everything back.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

/// Starts a server that answers with the path it saw, or with 404 below `/missing`.
async fn paths() -> SocketAddr {
    use axum::http::{StatusCode, Uri};
    let app = axum::Router::new().fallback(async |uri: Uri| {
        let missing = uri.path().starts_with("/missing");
        let status = if missing {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::OK
        };
        (status, format!("{:?}", uri.to_string()))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    address
}

#[tokio::test]
async fn a_path_is_sent_exactly_as_given() {
    let mut client = HttpClient::connect(paths().await).await;
    for path in ["/a/../b", "//a//b/", "/%2e%2E/%41", "/a?x=1&x=%20+&=", "/."] {
        let response = client.send("GET", path, &[], "").await;
        assert_eq!(response.json::<String>(), path);
    }
}

#[tokio::test]
async fn raw_bytes_are_answered_until_the_connection_closes() {
    let address = paths().await;
    let request = b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let response = String::from_utf8(http::raw(address, request).await).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
    let unfinished = http::raw_within(address, b"GET /x", Duration::from_millis(50)).await;
    assert!(!unfinished.is_closed);
    let given_up = http::raw_half_closed(address, b"GET /x", SOON).await;
    assert!(given_up.is_closed);
}

#[tokio::test]
async fn load_counts_every_outcome() {
    let address = paths().await;
    let sent = std::cell::Cell::new(0);
    let enough = eventually(SOON, async || sent.get() >= 200);
    let connect = async || {
        HttpClient::try_connect(address)
            .await
            .map_err(|error| error.to_string())
    };
    let ((), tally) = load::during(enough, 4, connect, async |client| {
        sent.set(sent.get() + 1);
        let path = ["/here", "/missing"][sent.get() % 2];
        load::outcome(client.try_send("GET", path, &[], "").await)
    })
    .await;
    assert_eq!(tally.total(), sent.get() as u64);
    assert_eq!(tally.by_status[&200], tally.ok);
    assert!(tally.by_status[&404] > 50, "{tally:?}");
    assert!(tally.errors.is_empty(), "{tally:?}");
}

#[tokio::test]
async fn load_goes_on_while_nobody_answers() {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let scenario = tokio::time::sleep(Duration::from_millis(50));
    let connect = async || {
        HttpClient::try_connect(address)
            .await
            .map_err(|error| error.to_string())
    };
    let request = async |_: &mut HttpClient| Ok(200);
    let ((), tally) = load::during(scenario, 2, connect, request).await;
    assert!(tally.not_ok() > 2, "{tally:?}");
}

#[tokio::test]
async fn the_output_of_a_process_can_be_waited_for() {
    let script = "echo one; echo two >&2; read never < /dev/zero";
    let mut process = Process::program("sh").args(["-c", script]).start().await;
    process.wait_for_line(|line| line == "two").await;
    process.wait_for_line(|line| line == "one").await;
    assert!(process.is_running());
    process.signal("TERM").await;
    assert!(!process.wait_exit(SOON).await.success());
    assert_eq!(process.output().lines().count(), 2);
}

#[tokio::test]
#[should_panic(expected = "ended its output without the awaited line; it printed:\nno")]
async fn a_process_that_ends_early_shows_what_it_printed() {
    let process = Process::program("echo").arg("no").start().await;
    process.wait_for_line(|line| line == "yes").await;
}

#[test]
fn an_address_is_found_in_a_line() {
    let check = |line, expected: Option<&str>| {
        assert_eq!(address_in(line), expected.map(|text| text.parse().unwrap()));
    };
    check(
        "listening on http://127.0.0.1:80/docs",
        Some("127.0.0.1:80"),
    );
    check("address=\"[::1]:9\" ready", Some("[::1]:9"));
    check("on 127.0.0.1:4222.", Some("127.0.0.1:4222"));
    check("INFO at 12:30:01 nothing", None);
}

#[tokio::test]
async fn the_python_environment_has_the_foreign_tools() {
    let output = python::run_python("import nats, sys; print(sys.argv[1])", ["here"]).await;
    assert_eq!(output.stdout, b"here\n", "{output:?}");
    for name in ["schemathesis", "openapi-spec-validator"] {
        assert!(python::tool(name).await.exists(), "{name}");
    }
}
